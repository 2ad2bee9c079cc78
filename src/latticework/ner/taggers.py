"""The Lattice LSTM tagger (Zhang & Yang 2018), and the character baseline it is compared with."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from sklearn.utils.validation import check_is_fitted

from latticework.core.errors import InputError
from latticework.ner.architecture import Architecture, OfCharacters
from latticework.ner.estimator import Tagger
from latticework.ner.explanation import Explanation
from latticework.ner.parts import MOST
from latticework.ner.results import Arc, entities_in
from latticework.ner.tags import tags_of
from latticework.ner.text import characters, check_texts

if TYPE_CHECKING:
    from latticework.ner.config import TaggerConfig
    from latticework.ner.features import Inputs
    from latticework.ner.model import Encoder


def lattice(char_size: int, inputs: Inputs, config: TaggerConfig, hidden_size: int) -> Encoder:
    """The lattice LSTM over characters and words."""
    from latticework.ner.model import LatticeEncoder

    assert inputs.words is not None  # it reads words
    return LatticeEncoder(char_size, inputs.words, hidden_size, config)


def characters_alone(char_size: int, inputs: Inputs, config: TaggerConfig, hidden_size: int) -> Encoder:
    """The plain LSTM."""
    from latticework.ner.model import BiLSTM

    return BiLSTM(char_size, hidden_size)


class LatticeTagger(Tagger):
    """The Lattice LSTM: characters, and every word of your lexicon that matches, each trusted as far as it helps.

    Parameters and attributes are those of every tagger, `latticework.ner.estimator.Tagger`.

    Examples
    --------
    >>> from latticework.ner import LatticeTagger, TaggerConfig
    >>> sentences, tags = ["我爱长江", "他在长城"] * 20, [["O", "O", "B-LOC", "E-LOC"]] * 40
    >>> config = TaggerConfig(batch_size=8, learning_rate=0.01)
    >>> tagger = LatticeTagger(["长江", "长城"], hidden_size=20, max_epochs=8, config=config, random_state=0)
    >>> [(entity.text, entity.label) for entity in tagger.fit(sentences, tags).entities(["我在 长江"])[0]]
    [('长江', 'LOC')]
    """

    architecture: ClassVar[Architecture] = OfCharacters(lattice)
    unread: ClassVar[tuple[str, ...]] = ()
    default_epochs: ClassVar[int] = 10  # with words it learns, and then learns by heart, sooner than without

    def explain(self, text: str) -> Explanation:
        """What the model saw in a text, and how much it trusted each word.

        Raises
        ------
        InputError
            If the text is longer than a model reads at once, 1,000 characters.
        """
        check_is_fitted(self)
        [given] = check_texts([text])
        tokens, offsets = characters(given)
        if len(tokens) > MOST:
            raise InputError(f"the text has {len(tokens):,} characters: explain takes at most {MOST:,}")
        from latticework.ner.decoding import fusion_weights

        features = self.learned_.inputs.encode([tokens])
        with self._inference() as device:
            own, trusted = fusion_weights(self.model_, features, device=device)
            [spans], [scores] = self.learned_.scored_spans([tokens], device)
        arcs = [
            Arc(match.start, match.end, match.word, *map(float, weights))
            for match, weights in zip(self.matches(given), trusted, strict=True)
        ]
        entities = entities_in(given, offsets, spans, scores)
        return Explanation(given, offsets, tags_of(spans, len(tokens)), entities, arcs, own)


class CharacterTagger(Tagger):
    """The character baseline: a BiLSTM-CRF that knows no words ("char baseline" in the paper's tables).

    With `TaggerConfig(bigrams=True)` it is "+bichar", with `softword=True` "+softword", which segments with the
    lexicon; without it no lexicon is read. Parameters and attributes are those of every tagger,
    `latticework.ner.estimator.Tagger`; `word_vectors` and what `config` says of words are of no use to it, and let
    through, so that models with and without words can be compared with one configuration.

    Examples
    --------
    >>> from latticework.ner import CharacterTagger, TaggerConfig
    >>> sentences, tags = ["我爱长江", "他在长城"] * 20, [["O", "O", "B-LOC", "E-LOC"]] * 40
    >>> config = TaggerConfig(bigrams=True, batch_size=8, learning_rate=0.01)
    >>> tagger = CharacterTagger(hidden_size=20, max_epochs=8, config=config, random_state=0, device="cpu")
    >>> tagger.fit(sentences, tags).predict(["我爱长江"])
    [['O', 'O', 'B-LOC', 'E-LOC']]
    """

    architecture: ClassVar[Architecture] = OfCharacters(characters_alone, reads_words=False)
