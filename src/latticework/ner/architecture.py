"""What a tagger is made of: what it reads of a text, and the module that tags it. Each tagger names one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from latticework.ner.config import TaggerConfig
    from latticework.ner.features import Inputs
    from latticework.ner.lexicon import Lexicon
    from latticework.ner.model import Encoder, TaggerModel
    from latticework.ner.pretrained import Given


class Architecture(Protocol):
    """How a model is made from a configuration; its inputs are `features.Inputs`, or what serves as such."""

    def reads_lexicon(self, config: TaggerConfig) -> bool:
        """Whether words of a lexicon count."""
        ...

    def learn_inputs(
        self, sentences: Sequence[Sequence[str]], lexicon: Lexicon, config: TaggerConfig, given: Given
    ) -> Any:
        """The vocabularies of training text, with those vectors that are given."""
        ...

    def inputs_from(self, values: dict[str, Any], lexicon: Lexicon, config: TaggerConfig) -> Any:
        """The inputs whose `to_values` gave these values."""
        ...

    def build(self, inputs: Any, config: Any, *, tags: int, hidden_size: int) -> TaggerModel:
        """The model, with weights drawn by torch's own generator."""
        ...


@dataclass(frozen=True)
class OfCharacters:
    """Characters are read, and tagged.

    Attributes
    ----------
    encoder
        Makes one from the size of a character's vectors, the inputs, the configuration and its own size.
    reads_words
        Whether words that match are part of what it reads.
    """

    encoder: Callable[[int, Inputs, Any, int], Encoder]
    reads_words: bool = True

    def reads_lexicon(self, config: TaggerConfig) -> bool:
        """Its words are read, or places in them."""
        return self.reads_words or config.softword

    def learn_inputs(
        self, sentences: Sequence[Sequence[str]], lexicon: Lexicon, config: TaggerConfig, given: Given
    ) -> Inputs:
        """Characters, and pairs, places and words as far as they are read."""
        from latticework.ner.features import Inputs

        return Inputs.learn(
            sentences, lexicon, pairs=config.bigrams, places=config.softword, words=self.reads_words, given=given
        )

    def inputs_from(self, values: dict[str, Any], lexicon: Lexicon, config: TaggerConfig) -> Inputs:
        """The same, checked to be what the configuration says."""
        from latticework.ner.features import Inputs

        inputs = Inputs.from_values(values, lexicon)
        found = inputs.pairs is not None, inputs.places, inputs.words is not None
        if found != (config.bigrams, config.softword, self.reads_words):
            raise ValueError("its vocabularies are not those that its configuration says")
        return inputs

    def build(self, inputs: Inputs, config: Any, *, tags: int, hidden_size: int) -> TaggerModel:
        """Vectors of characters and the encoder."""
        from latticework.ner.model import CharacterVectors, TaggerModel

        vectors = CharacterVectors(inputs, config)
        return TaggerModel(vectors, self.encoder(vectors.size, inputs, config, hidden_size), tags, config)
