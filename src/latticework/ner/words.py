"""The word baseline: sentences are cut into words first, and words are tagged (Zhang & Yang 2018, section 3.1, "word").

What it cannot do is why the lattice exists: an entity that ends within a word is out of its reach. In training such an
entity is widened to the words it touches, so that the model learns where it is; the score then counts it as wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

from latticework.core.movable import moved
from latticework.ner.architecture import Architecture
from latticework.ner.config import TaggerConfig, WordConfig
from latticework.ner.estimator import Tagger
from latticework.ner.features import Batch
from latticework.ner.matching import Matcher
from latticework.ner.model import BiLSTM, Embedding, TaggerModel, Vectors
from latticework.ner.pretrained import Given
from latticework.ner.segmentation import segment
from latticework.ner.tags import Span
from latticework.ner.vocabulary import Vocabulary, letters
from latticework.nn.sequences import EncodedText

if TYPE_CHECKING:
    from latticework.ner.features import Arranger
    from latticework.ner.lexicon import Lexicon


@dataclass(frozen=True)
class Spelling:
    """The characters of the words of a batch, word by word."""

    sentence: Tensor  # of each word
    slot: Tensor  # which of its sentence's words it is
    characters: Tensor  # (words, longest)
    host_sizes: Tensor  # characters of each word, on the CPU

    def to(self, device: torch.device) -> Spelling:
        """Give it on a device."""
        return moved(self, device)


@dataclass(frozen=True)
class WordBatch(Batch):
    """Some sentences of words: what a `Batch` calls characters are words here."""

    spelling: Spelling | None = None


@dataclass(frozen=True)
class WordFeatures:
    """Encoded sentences, cut into words; the same to the rest of a tagger as `features.Features`.

    Attributes
    ----------
    words
        Their numbers.
    ends
        For each word where it ends in its sentence, exclusive.
    spelling
        The numbers of each word's characters, one text a word, if the model reads them.
    """

    words: EncodedText
    ends: np.ndarray
    spelling: EncodedText | None = None

    @property
    def lengths(self) -> np.ndarray:
        """Words of each sentence."""
        return self.words.lengths

    def arrays(self) -> list[np.ndarray]:
        """All the numbers there are."""
        texts = [text for text in (self.words, self.spelling) if text is not None]
        return [self.ends, *(array for text in texts for array in (text.tokens, text.offsets))]

    def bounds(self, sentence: int) -> np.ndarray:
        """Where the words of a sentence begin, and where the last one ends."""
        ends = self.ends[self.words.offsets[sentence] : self.words.offsets[sentence + 1]]
        return np.concatenate([[0], ends]).astype(np.int64)

    def over_units(self, spans: Sequence[Sequence[Span]]) -> list[list[Span]]:
        """Entities over characters as entities over words: each takes all of the words that it touches.

        Of two that touch the same word the first takes it.
        """
        return [_widened(found, self.bounds(index)) for index, found in enumerate(spans)]

    def over_characters(self, spans: Sequence[Sequence[Span]]) -> list[list[Span]]:
        """Entities over words as entities over characters."""
        widened = []
        for index, found in enumerate(spans):
            bounds = self.bounds(index).tolist()
            widened.append([Span(bounds[span.start], bounds[span.end], span.label) for span in found])
        return widened

    def spread(self, sentence: int, states: np.ndarray) -> np.ndarray:
        """States of a sentence's words as states of its characters: each has that of its word."""
        return states.repeat(np.diff(self.bounds(sentence)), axis=0)

    def batch(self, indices: np.ndarray, arrange: Arranger | None = None, tags: EncodedText | None = None) -> WordBatch:
        """These sentences."""
        lengths = self.lengths[indices]
        host = torch.from_numpy(lengths)
        numbers = self.words.padded(indices, padding=0)
        gold = None if tags is None else tags.padded(indices, padding=0)
        spelling = None
        if self.spelling is not None:
            sentence = np.repeat(np.arange(len(lengths)), lengths)
            slot = np.arange(len(sentence)) - (lengths.cumsum() - lengths)[sentence]
            rows = self.words.offsets[indices][sentence] + slot
            sizes = torch.from_numpy(self.spelling.lengths[rows])
            spelled = self.spelling.padded(rows, padding=0)
            spelling = Spelling(torch.from_numpy(sentence), torch.from_numpy(slot), spelled, sizes)
        return WordBatch(host, host, numbers, tags=gold, spelling=spelling)


@dataclass(frozen=True)
class WordInputs:
    """What was learnt of the training text, with a lexicon: cuts sentences into words and turns them into numbers.

    Attributes
    ----------
    matcher
        Finds the words to cut into; they may be others than in training.
    words
        Those that training showed.
    characters
        The same of characters; None if the model does not read them.
    """

    matcher: Matcher
    words: Vocabulary
    characters: Vocabulary | None = None

    @classmethod
    def learn(cls, sentences: Sequence[Sequence[str]], lexicon: Lexicon, *, spelling: bool, given: Given) -> WordInputs:
        """Learn the vocabularies."""
        matcher = Matcher(lexicon)
        cut = map(_words, sentences, segment(sentences, matcher))
        characters = Vocabulary.learn(map(letters, sentences), given.entries(1)) if spelling else None
        return cls(matcher, Vocabulary.learn(cut, map(_spelled, given.words)), characters)

    @property
    def lexicon(self) -> Lexicon:
        """The words to cut into."""
        return self.matcher.lexicon

    def encode(self, sentences: Sequence[Sequence[str]]) -> WordFeatures:
        """Cut and encode sentences."""
        sizes = segment(sentences, self.matcher)
        ends = [np.cumsum(row, dtype=np.int64) for row in sizes]
        cut = map(_words, sentences, sizes)
        words = EncodedText.from_sequences(map(self.words.encode, cut))
        spelling = None
        if self.characters is not None:
            numbers = self.characters.encode(letters(list(chain.from_iterable(sentences))))
            offsets = np.concatenate([[0], np.cumsum(list(chain.from_iterable(sizes)), dtype=np.int64)])
            spelling = EncodedText(numbers, offsets.astype(np.int64))
        return WordFeatures(words, np.concatenate([np.zeros(0, np.int64), *ends]), spelling)

    def encode_words(self, words: Sequence[str]) -> np.ndarray:
        """The number of each word, as a lexicon has it."""
        return self.words.encode(list(map(_spelled, words)))

    def vocabularies(self) -> dict[str, Vocabulary]:
        """Those that there are."""
        return {"words": self.words} | ({} if self.characters is None else {"characters": self.characters})

    def to_values(self) -> dict[str, Any]:
        """All but the lexicon, as plain values."""
        return {name: known.to_values() for name, known in self.vocabularies().items()}

    @classmethod
    def from_values(cls, values: dict[str, Any], lexicon: Lexicon) -> WordInputs:
        """From what `to_values` gave, with a lexicon."""
        return cls(Matcher(lexicon), **{name: Vocabulary.from_values(kept) for name, kept in values.items()})


class WordVectors(Vectors):
    """The vector of each word, and beside it what an LSTM makes of its characters: equations 5 to 8."""

    def __init__(self, inputs: WordInputs, config: WordConfig) -> None:
        super().__init__()
        self.words = Embedding(inputs.words, config.word_size, unknown_rate=config.word_unknown_rate)
        self.size = config.word_size
        self.characters = self.spell = None
        if inputs.characters is not None:
            self.characters = Embedding(inputs.characters, config.char_size, unknown_rate=config.char_unknown_rate)
            self.dropout = nn.Dropout(config.char_dropout)
            self.spell = nn.LSTM(config.char_size, config.char_size, bidirectional=True, batch_first=True)
            self.size += 2 * config.char_size

    def tables(self, inputs: WordInputs) -> list[tuple[Embedding, Vocabulary]]:
        """The table of characters with the vocabulary that numbers it."""
        if self.characters is None or inputs.characters is None:
            return []
        return [(self.characters, inputs.characters)]

    def forward(self, batch: WordBatch) -> Float[Tensor, "batch words word"]:
        """The vectors, side by side."""
        vectors = self.words(batch.characters)
        if self.characters is None or self.spell is None:
            return vectors
        spelling = cast(Spelling, batch.spelling)
        spelled = vectors.new_zeros(*vectors.shape[:2], self.size - vectors.shape[-1])
        if len(spelling.host_sizes):
            read = self.dropout(self.characters(spelling.characters))
            packed = pack_padded_sequence(read, spelling.host_sizes, batch_first=True, enforce_sorted=False)
            last = torch.cat(list(self.spell(packed)[1][0]), -1)
            spelled = spelled.index_put((spelling.sentence, spelling.slot), last)
        return torch.cat([vectors, spelled], -1)


class OfWords:
    """Words are read, and tagged; an `Architecture`."""

    def reads_lexicon(self, config: TaggerConfig) -> bool:
        """Without words there is nothing to read."""
        return True

    def learn_inputs(
        self, sentences: Sequence[Sequence[str]], lexicon: Lexicon, config: TaggerConfig, given: Given
    ) -> WordInputs:
        """Words, and characters if they are read."""
        return WordInputs.learn(sentences, lexicon, spelling=cast(WordConfig, config).char_lstm, given=given)

    def inputs_from(self, values: dict[str, Any], lexicon: Lexicon, config: TaggerConfig) -> WordInputs:
        """The same."""
        return WordInputs.from_values(values, lexicon)

    def build(self, inputs: WordInputs, config: WordConfig, *, tags: int, hidden_size: int) -> TaggerModel:
        """Vectors of words and a plain LSTM."""
        vectors = WordVectors(inputs, config)
        return TaggerModel(vectors, BiLSTM(vectors.size, hidden_size), tags, config)


class WordTagger(Tagger):
    """The word baseline: a BiLSTM-CRF over the words into which the lexicon cuts a sentence.

    With `WordConfig(char_lstm=True)` it is "+char LSTM" in the paper's tables. An entity that ends within a word is out
    of its reach; the states of characters are those of their words. Parameters and attributes are those of every
    tagger, `latticework.ner.estimator.Tagger`; `config` is a `WordConfig`, whose `char_dropout` is of all that is read.

    Examples
    --------
    >>> from latticework.ner import WordTagger, WordConfig
    >>> sentences, tags = ["我爱长江", "他在长城"] * 20, [["O", "O", "B-LOC", "E-LOC"]] * 40
    >>> config = WordConfig(batch_size=8, learning_rate=0.01)
    >>> tagger = WordTagger(["长江", "长城"], hidden_size=20, max_epochs=8, config=config, random_state=0, device="cpu")
    >>> [(entity.text, entity.label) for entity in tagger.fit(sentences, tags).entities(["我在 长江"])[0]]
    [('长江', 'LOC')]
    """

    config_class: ClassVar[type[Any] | None] = WordConfig
    architecture: ClassVar[Architecture] = OfWords()
    # What is read of characters is not for words, and words are dropped out by char_dropout.
    unread: ClassVar[tuple[str, ...]] = (*Tagger.unread, "bigrams", "softword", "word_dropout")


def _spelled(word: str) -> str:
    """A word as a vocabulary knows it: with every digit a 0."""
    return "".join(letters(word))


def _words(tokens: Sequence[str], sizes: Iterable[int]) -> list[str]:
    """The words of a sentence as a vocabulary knows them."""
    known = letters(tokens)
    return ["".join(known[start:end]) for start, end in pairwise([0, *np.cumsum(list(sizes), dtype=np.int64).tolist()])]


def _widened(spans: Sequence[Span], bounds: np.ndarray) -> list[Span]:
    """Spans over characters as spans over words, which lie between these bounds."""
    widened: list[Span] = []
    for span in sorted(spans):
        first = int(np.searchsorted(bounds, span.start, side="right")) - 1
        end = int(np.searchsorted(bounds, span.end, side="left"))
        first = max(first, widened[-1].end if widened else 0)
        if first < end:
            widened.append(Span(first, end, span.label))
    return widened
