"""Texts of more pieces than a model was trained on: a warning that names them, and how they are taken in parts."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from latticework.nn.sequences import EncodedText
    from latticework.seq2seq.vocabulary import Vocabulary

SENTENCE_ENDS: Final = tuple(".!?;:。！？；…")
SPACE: Final = "▁"  # how SentencePiece writes a space
# Thai, Lao, Tibetan, Burmese, Khmer, Chinese and Japanese: words are not written apart
_UNSPACED: Final = "\u0e00-\u109f\u1780-\u17ff\u2e80-\u312f\u31a0-\u9fff\uf900-\ufaff\uff00-\uff9f\U00020000-\U0003ffff"
UNSPACED: Final = re.compile(f"[{_UNSPACED}]")
WORD_END: Final = re.compile(rf"[{SPACE}\s{_UNSPACED}]")


class LongSentences(UserWarning):
    """Sentences have more than `max_length` pieces; `indices` says which."""

    def __init__(self, message: str, indices: np.ndarray, max_length: int) -> None:
        super().__init__(message)
        self.indices = indices
        self.max_length = max_length


def warn_of_long(lengths: np.ndarray, max_length: int, noun: str, consequence: str) -> None:
    """Warn of sentences that are too long: the caller of the estimator's method, which asks `Learned`."""
    indices = np.flatnonzero(lengths > max_length)
    if len(indices):
        message = (
            f"{len(indices)} of {len(lengths)} {noun} (the first at index {indices[0]}) have more than "
            f"max_length={max_length} pieces and {consequence}"
        )
        warnings.warn(LongSentences(message, indices, max_length), stacklevel=5)


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
    from latticework.nn.sequences import EncodedText
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
