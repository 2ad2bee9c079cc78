"""What users hand over as sentences: checked, and too long ones taken in parts."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from numbers import Integral
from typing import TYPE_CHECKING, Final

import numpy as np

from latticework.core.errors import InputError

if TYPE_CHECKING:
    from latticework.seq2seq.corpus import EncodedText
    from latticework.seq2seq.vocabulary import Vocabulary

SENTENCE_ENDS: Final = tuple(".!?;:。！？；…")
SPACE: Final = "▁"  # how SentencePiece writes a space
# Thai, Lao, Tibetan, Burmese, Khmer, Chinese and Japanese: words are not written apart
_UNSPACED: Final = "\u0e00-\u109f\u1780-\u17ff\u2e80-\u312f\u31a0-\u9fff\uf900-\ufaff\uff00-\uff9f\U00020000-\U0003ffff"
UNSPACED: Final = re.compile(f"[{_UNSPACED}]")
WORD_END: Final = re.compile(rf"[{SPACE}\s{_UNSPACED}]")


def check_sentences(sentences: Iterable[str], name: str) -> list[str]:
    r"""Sentences as a list; line breaks within one become spaces.

    Raises
    ------
    InputError
        If they are no list, and with the index, if one is not text or holds a NUL character or half a surrogate pair.

    Examples
    --------
    >>> check_sentences(["ein Haus", "zwei\nHäuser"], "source")
    ['ein Haus', 'zwei Häuser']
    """
    kind = type(sentences).__name__
    if isinstance(sentences, str | bytes) or not isinstance(sentences, Iterable):
        raise InputError(f"{name}: expected a list of sentences, got a single {kind}")
    if isinstance(sentences, Mapping | Set):
        raise InputError(f"{name}: expected a list of sentences, got a {kind}, which has no order or is of names")
    dimensions = getattr(sentences, "ndim", 1)
    if dimensions != 1:  # a table would give the names of its columns
        raise InputError(f"{name}: expected a list of sentences, got a {kind} of {dimensions} dimensions")
    return [check_sentence(sentence, f"{name}[{index}]") for index, sentence in enumerate(sentences)]


def check_sentence(sentence: object, place: str) -> str:
    """One sentence, without line breaks; `place` says where it is from.

    Raises
    ------
    InputError
        If it is not text or holds a NUL character or half a surrogate pair.
    """
    if not isinstance(sentence, str):
        raise InputError(f"{place}: expected text, got {type(sentence).__name__}")
    if "\0" in sentence:
        raise InputError(f"{place}: NUL character at position {sentence.index(chr(0))}")
    try:
        sentence.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"{place}: not valid Unicode text (half of a surrogate pair)") from error
    return str(on_one_line(sentence))


def on_one_line(text: str) -> str:
    r"""A text with spaces for line breaks.

    Examples
    --------
    >>> on_one_line("zwei\r\nHäuser\n")
    'zwei Häuser '
    """
    if "\n" in text or "\r" in text:
        text = text.replace("\r\n", " ").replace("\n", " ").replace("\r", " ")
    return text


def check_pairs(source: Iterable[str], target: Iterable[str], name: str) -> tuple[list[str], list[str]]:
    """Two sides of the same length.

    Raises
    ------
    InputError
        If they are not, or there are no pairs.
    """
    sources, targets = check_sentences(source, f"{name} source"), check_sentences(target, f"{name} target")
    if len(sources) != len(targets):
        raise InputError(f"{name}: {len(sources)} sources but {len(targets)} targets; each source needs one target")
    if not sources:
        raise InputError(f"{name}: there are no pairs")
    return sources, targets


@dataclass(frozen=True)
class Parts:
    """Texts, those that are too long in several parts.

    Attributes
    ----------
    text
        All parts, in order.
    owners
        ``(parts,)``: index of the text each part is of.
    after_word
        ``(parts,)`` of bool: whether the part before ends with a word (and not within one).
    """

    text: EncodedText
    owners: np.ndarray
    after_word: np.ndarray


def split_long(text: EncodedText, vocabulary: Vocabulary, max_length: int) -> Parts:
    """Texts in parts of at most `max_length` pieces, END included.

    A part ends after the last mark that ends a sentence, else before the last space, else where it must.
    """
    from latticework.seq2seq.corpus import EncodedText
    from latticework.seq2seq.vocabulary import END

    if not (text.lengths > max_length).any():
        return Parts(text, np.arange(len(text)), np.ones(len(text), dtype=bool))
    parts: list[Sequence[int]] = []
    owners: list[int] = []
    after_word: list[bool] = []
    for index in range(len(text)):
        tokens = text[index].tolist()
        pieces = vocabulary.pieces(tokens[:-1]) if len(tokens) > max_length else []
        for start, end in _windows(pieces, max_length - 1) if pieces else [(0, len(tokens) - 1)]:
            parts.append([*tokens[start:end], END])
            owners.append(index)
            after_word.append(start == 0 or bool(WORD_END.search(pieces[start - 1][-1:] + pieces[start][:1])))
    return Parts(EncodedText.from_sequences(parts), np.array(owners), np.array(after_word))


def _windows(pieces: list[str], size: int) -> list[tuple[int, int]]:
    windows = []
    start = 0
    while len(pieces) - start > size:
        end = start + size
        earliest = start + size // 2  # a cut that leaves less than half would only make more parts
        after_sentence = (i + 1 for i in range(end - 1, earliest, -1) if pieces[i].endswith(SENTENCE_ENDS))
        before_word = (i for i in range(end, earliest, -1) if pieces[i].startswith(SPACE))
        end = next(after_sentence, None) or next(before_word, None) or end
        windows.append((start, end))
        start = end
    return [*windows, (start, len(pieces))]


def check_validation(validation: object) -> tuple[list[str], list[str]]:
    """The two sides of held-out data.

    Raises
    ------
    InputError
        If it is not a pair of lists of equal length.
    """
    if not isinstance(validation, Sequence) or isinstance(validation, str) or len(validation) != 2:
        raise InputError("validation: expected a pair of sources and targets")
    source, target = validation
    return check_pairs(source, target, "validation")


@dataclass(frozen=True)
class ParallelText:
    """Pairs with text on both sides, what they are for, and how many of which kind were given."""

    sources: list[str]
    targets: list[str]
    name: str
    counts: dict[str, int]

    def encode(self, vocabulary: Vocabulary, max_length: int) -> tuple[EncodedText, EncodedText]:
        """Encode the pairs, leave those of more than `max_length` pieces on a side out, and complete the counts.

        Warns the caller of the method that calls this of all that were left out.

        Raises
        ------
        InputError
            If none is left.
        """
        source, target = vocabulary.encode(self.sources), vocabulary.encode(self.targets)
        kept = np.maximum(source.lengths, target.lengths) <= max_length
        given, empty, used = self.counts["given"], self.counts["empty"], int(kept.sum())
        self.counts.update(too_long=len(kept) - used, used=used)
        if not used:
            raise InputError(f"every {self.name} pair is longer than max_length={max_length} pieces")
        if used < given:
            warnings.warn(
                f"{given - used:,} of {given:,} {self.name} pairs left out: {empty:,} with an empty side, "
                f"{len(kept) - used:,} of more than max_length={max_length} pieces",
                UserWarning,
                stacklevel=3,
            )
        return (source, target) if kept.all() else (source.select(kept), target.select(kept))


def without_empty(sources: list[str], targets: list[str], name: str) -> ParallelText:
    """Leave pairs with an empty side out.

    Raises
    ------
    InputError
        If none is left.
    """
    kept = [(s, t) for s, t in zip(sources, targets, strict=True) if s.strip() and t.strip()]
    if not kept:
        raise InputError(f"every {name} pair has an empty side")
    counts = {"given": len(sources), "empty": len(sources) - len(kept)}
    return ParallelText([s for s, _ in kept], [t for _, t in kept], name, counts)


class LongSentences(UserWarning):
    """Sentences have more than `max_length` pieces; `indices` says which."""

    def __init__(self, message: str, indices: np.ndarray, max_length: int) -> None:
        super().__init__(message)
        self.indices = indices
        self.max_length = max_length


def warn_of_long(lengths: np.ndarray, max_length: int, noun: str, consequence: str) -> None:
    """Warn the caller of the estimator's method that calls this, if some sentences are too long."""
    indices = np.flatnonzero(lengths > max_length)
    if len(indices):
        message = (
            f"{len(indices)} of {len(lengths)} {noun} (the first at index {indices[0]}) have more than "
            f"max_length={max_length} pieces and {consequence}"
        )
        warnings.warn(LongSentences(message, indices, max_length), stacklevel=4)


def whole_number(name: str, value: object, *, least: int = 1) -> int:
    """A number of at least `least`, of whatever integer type.

    Raises
    ------
    InputError
        If it is not.
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise InputError(f"{name}={value!r}: expected a whole number of at least {least}")
    return int(value)
