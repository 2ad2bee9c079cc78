"""Texts of more pieces than a model was trained on: a warning that names them, and how they are taken in parts."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from latticework.core.errors import callers_level

if TYPE_CHECKING:
    from latticework.nn.sequences import EncodedText
    from latticework.seq2seq.vocabulary import Vocabulary

SENTENCE_ENDS: Final = tuple(".!?;:。！？；…")
SPACE: Final = "▁"  # how SentencePiece writes a space
# Thai, Lao, Tibetan, Burmese, Khmer, Chinese and Japanese: words are not written apart
_UNSPACED: Final = "\u0e00-\u109f\u1780-\u17ff\u2e80-\u312f\u31a0-\u9fff\uf900-\ufaff\uff00-\uff9f\U00020000-\U0003ffff"
UNSPACED: Final = re.compile(f"[{_UNSPACED}]")
# how it writes a byte that is not the first of its character
INNER_BYTE: Final = re.compile("<0x[89AB][0-9A-F]>")
WORD_END: Final = re.compile(rf"[{SPACE}\s{_UNSPACED}]")


class LongSentences(UserWarning):
    """Sentences have more than `max_length` pieces; `indices` says which."""

    def __init__(self, message: str, indices: np.ndarray, max_length: int) -> None:
        super().__init__(message)
        self.indices = indices
        self.max_length = max_length


def warn_of_long(lengths: np.ndarray, max_length: int, noun: str, consequence: str) -> None:
    """Warn whoever called the library of sentences that are too long."""
    indices = np.flatnonzero(lengths > max_length)
    if len(indices):
        message = (
            f"{len(indices)} of {len(lengths)} {noun} (the first at index {indices[0]}) have more than "
            f"max_length={max_length} pieces and {consequence}"
        )
        warnings.warn(LongSentences(message, indices, max_length), stacklevel=callers_level())


@dataclass(frozen=True, eq=False)
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

    @property
    def cut(self) -> np.ndarray:
        """``(parts,)`` of bool: whether the text has other parts too."""
        return np.asarray(np.bincount(self.owners)[self.owners] > 1)


def split_long(text: EncodedText, vocabulary: Vocabulary, max_length: int) -> Parts:
    """Texts in parts of at most `max_length` pieces, END included.

    A part ends after the last mark that ends a sentence, else before the last space, else where it must, but
    within no character that is spelled in bytes, if a part has room for one.
    """
    from latticework.nn.sequences import EncodedText
    from latticework.seq2seq.vocabulary import END

    if not (text.lengths > max_length).any():
        return Parts(text, np.arange(len(text)), np.ones(len(text), dtype=bool))
    cuts: list[int] = []  # places in all tokens
    at_words: list[bool] = []
    for index in np.flatnonzero(text.lengths > max_length).tolist():
        pieces = vocabulary.pieces(text[index][:-1])
        for cut in _cuts(pieces, max_length - 1):
            cuts.append(int(text.offsets[index]) + cut)
            at_words.append(_at_word(pieces, cut))
    bounds = np.sort(np.concatenate([text.offsets, cuts]))
    starts = bounds[:-1]
    after_word = np.ones(len(starts), dtype=bool)
    after_word[np.isin(starts, cuts)] = at_words
    return Parts(
        EncodedText(np.insert(text.tokens, cuts, END), bounds + np.searchsorted(cuts, bounds, side="right")),
        np.searchsorted(text.offsets, starts, side="right") - 1,
        after_word,
    )


def _cuts(pieces: list[str], size: int) -> Iterator[int]:
    start = 0
    while len(pieces) - start > size:
        end = start + size
        places = range(end, start + size // 2, -1)  # a cut that leaves less than half would only make more parts
        after_sentence = (cut for cut in places if pieces[cut - 1].endswith(SENTENCE_ENDS) and _at_word(pieces, cut))
        before_word = (cut for cut in places if pieces[cut].startswith(SPACE))
        before_character = (cut for cut in places if not INNER_BYTE.fullmatch(pieces[cut]))
        start = next(after_sentence, None) or next(before_word, None) or next(before_character, end)
        yield start


def _at_word(pieces: list[str], cut: int) -> bool:
    """Whether a word ends before this piece: within 3.5, 10:30 or example.org none does."""
    return bool(WORD_END.search(pieces[cut - 1][-1:] + pieces[cut][:1]))
