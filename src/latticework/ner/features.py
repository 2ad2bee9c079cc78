"""Sentences as numbers: what a tagger of characters reads, and its batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from torch import Tensor

from latticework.core.movable import Movable, moved
from latticework.ner.matching import Matcher
from latticework.ner.pretrained import Given
from latticework.ner.segmentation import segment, segmentation_tags
from latticework.ner.vocabulary import Vocabulary, letters, neighbours
from latticework.nn.sequences import EncodedText

if TYPE_CHECKING:
    from latticework.ner.lexicon import Lexicon
    from latticework.ner.matching import Arcs
    from latticework.ner.tags import Span


class Arranger(Protocol):
    """How an encoder wants the words of a batch: lengths of the sentences; sentence, begin and end of each word."""

    def __call__(self, lengths: np.ndarray, sentence: np.ndarray, begin: np.ndarray, end: np.ndarray) -> Movable:
        """Arrange them, on the host."""
        ...


@dataclass(frozen=True)
class Batch:
    """Some sentences, filled up to the longest.

    Attributes
    ----------
    lengths
        Characters of each sentence; `host_lengths` are the same on the CPU.
    characters, pairs, places
        Numbers of characters, of pairs and of places in words, (batch, time); None what the model does not read.
    words
        Numbers of the matched words, (arcs,).
    arcs
        Where they are, as the encoder wants it.
    tags
        Gold tags, (batch, time), where there are any.
    """

    host_lengths: Tensor
    lengths: Tensor
    characters: Tensor
    pairs: Tensor | None = None
    places: Tensor | None = None
    words: Tensor | None = None
    arcs: Movable | None = None
    tags: Tensor | None = None

    def to(self, device: torch.device) -> Batch:
        """Give it on a device."""
        return moved(self, device)

    def gold(self) -> Tensor:
        """The gold tags of a batch that has some."""
        if self.tags is None:
            raise ValueError("the batch has no gold tags")
        return self.tags


@dataclass(frozen=True)
class Features:
    """Encoded sentences."""

    characters: EncodedText
    pairs: EncodedText | None = None
    places: EncodedText | None = None
    arcs: Arcs | None = None
    numbers: np.ndarray | None = None  # the model's number of each word of the lexicon

    @property
    def lengths(self) -> np.ndarray:
        """Characters of each sentence."""
        return self.characters.lengths

    def arrays(self) -> list[np.ndarray]:
        """All the numbers there are."""
        texts = [text for text in (self.characters, self.pairs, self.places) if text is not None]
        arrays = [array for text in texts for array in (text.tokens, text.offsets)]
        if self.arcs is not None and self.numbers is not None:
            arrays += [self.arcs.begin, self.arcs.end, self.arcs.offsets, self.numbers[self.arcs.word]]
        return arrays

    def over_units(self, spans: Sequence[Sequence[Span]]) -> list[list[Span]]:
        """Entities over characters as entities over what the model tags, which are characters."""
        return [list(found) for found in spans]

    def over_characters(self, spans: Sequence[Sequence[Span]]) -> list[list[Span]]:
        """The other way round."""
        return [list(found) for found in spans]

    def spread(self, sentence: int, states: np.ndarray) -> np.ndarray:
        """States of what the model tags of a sentence as states of its characters."""
        return states

    def batch(self, indices: np.ndarray, arrange: Arranger | None = None, tags: EncodedText | None = None) -> Batch:
        """These sentences; `arrange` is asked for their words, if the model reads any."""
        lengths = self.lengths[indices]
        words = arcs = None
        if self.arcs is not None and self.numbers is not None and arrange is not None:
            chosen = self.arcs.select(indices)
            words = torch.from_numpy(self.numbers[chosen.word].astype(np.int64))
            arcs = arrange(lengths, chosen.sentence, chosen.begin, chosen.end)
        host = torch.from_numpy(lengths)

        def padded(text: EncodedText | None) -> Tensor | None:
            return None if text is None else text.padded(indices, padding=0)

        return Batch(
            host,
            host,
            self.characters.padded(indices, padding=0),
            padded(self.pairs),
            padded(self.places),
            words,
            arcs,
            padded(tags),
        )


@dataclass(frozen=True)
class Inputs:
    """What was learnt of the training text, with a lexicon: turns sentences into `Features`.

    Attributes
    ----------
    matcher
        Finds the words that may match; they may be others than in training.
    characters, pairs, words
        Vocabularies; None what the model does not read.
    places
        Whether the model reads the places of characters in words.
    """

    matcher: Matcher
    characters: Vocabulary
    pairs: Vocabulary | None = None
    words: Vocabulary | None = None
    places: bool = False

    @classmethod
    def learn(
        cls,
        sentences: Sequence[Sequence[str]],
        lexicon: Lexicon,
        *,
        pairs: bool,
        places: bool,
        words: bool,
        given: Given | None = None,
    ) -> Inputs:
        """Learn the vocabularies; only words that match in these sentences, or have a given vector, get numbers."""
        given, matcher = given or Given(), Matcher(lexicon)
        matched = None
        if words:
            found = matcher.match(sentences).word
            matched = Vocabulary.learn([[lexicon.words[index] for index in found]], given.words)
        return cls(
            matcher,
            Vocabulary.learn(map(letters, sentences), given.entries(1)),
            Vocabulary.learn(map(neighbours, sentences), given.entries(2)) if pairs else None,
            matched,
            places,
        )

    @property
    def lexicon(self) -> Lexicon:
        """The words that may match."""
        return self.matcher.lexicon

    @cached_property
    def numbers(self) -> np.ndarray | None:
        """The model's number of each word of the lexicon."""
        return self.encode_words(self.lexicon.words)

    def encode_words(self, words: Sequence[str]) -> np.ndarray | None:
        """The model's number of each word, as a lexicon has it; None if the model reads no words."""
        return None if self.words is None else self.words.encode(words)

    def encode(self, sentences: Sequence[Sequence[str]]) -> Features:
        """Encode sentences, with the words that match in them."""
        places = arcs = pairs = None
        if self.numbers is not None:
            arcs = self.matcher.match(sentences)
        if self.places:
            places = EncodedText.from_sequences(map(segmentation_tags, segment(sentences, self.matcher, arcs=arcs)))
        if self.pairs is not None:
            pairs = EncodedText.from_sequences(map(self.pairs.encode, map(neighbours, sentences)))
        characters = EncodedText.from_sequences(map(self.characters.encode, map(letters, sentences)))
        return Features(characters, pairs, places, arcs, self.numbers)

    def vocabularies(self) -> dict[str, Vocabulary]:
        """Those that there are."""
        known = {"characters": self.characters, "pairs": self.pairs, "words": self.words}
        return {name: vocabulary for name, vocabulary in known.items() if vocabulary is not None}

    def to_values(self) -> dict[str, Any]:
        """All but the lexicon, as plain values."""
        kept = {name: known.to_values() for name, known in self.vocabularies().items()}
        return {**kept, "places": self.places}

    @classmethod
    def from_values(cls, values: dict[str, Any], lexicon: Lexicon) -> Inputs:
        """From what `to_values` gave, with a lexicon."""
        known = {name: Vocabulary.from_values(kept) for name, kept in values.items() if name != "places"}
        return cls(Matcher(lexicon), known["characters"], known.get("pairs"), known.get("words"), values["places"])
