"""The characters, pairs of characters or words that a tagger learnt, and their numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import zip_longest
from typing import Any, Final

import numpy as np

from latticework.ner.text import CACHED_CHARACTERS, fold

UNKNOWN: Final = 0  # the number of whatever training did not show
DIGIT: Final = "0"  # all digits are one character to the model, as in the published code


@lru_cache(CACHED_CHARACTERS)
def letter(token: str) -> str:
    """A token as the vocabulary knows it: folded, with every digit a 0.

    Examples
    --------
    >>> letter("９"), letter("B2B")
    ('0', 'B0B')
    """
    return "".join(DIGIT if character.isdecimal() else character for character in fold(token))


def letters(tokens: Sequence[str]) -> list[str]:
    """The `letter` of each token."""
    return list(map(letter, tokens))


def neighbours(tokens: Sequence[str]) -> list[str]:
    """Each character with its right neighbour; the last has none.

    Examples
    --------
    >>> neighbours(["长", "江"])
    ['长江', '江']
    """
    known = letters(tokens)
    return [first + second for first, second in zip_longest(known, known[1:], fillvalue="")]


@dataclass(frozen=True)
class Vocabulary:
    """Entries with their numbers from 1 on, and how often training showed each.

    Entries beyond the counts are those that training did not show, but whose vectors were given.

    Examples
    --------
    >>> vocabulary = Vocabulary.learn([["长", "江"], ["长", "城"]])
    >>> vocabulary.encode(["长", "江", "水"]).tolist()
    [1, 2, 0]
    """

    entries: tuple[str, ...]
    counts: tuple[int, ...]

    @classmethod
    def learn(cls, sentences: Iterable[Iterable[str]], given: Iterable[str] = ()) -> Vocabulary:
        """All entries of the sentences, the most frequent first, or else in their order; then those that are given."""
        counted = Counter(entry for sentence in sentences for entry in sentence)
        found = counted.most_common()
        more = dict.fromkeys(entry for entry in given if entry not in counted)
        return cls((*(entry for entry, _ in found), *more), tuple(count for _, count in found))

    @cached_property
    def numbers(self) -> dict[str, int]:
        """The number of each entry."""
        return {entry: number for number, entry in enumerate(self.entries, start=1)}

    def __len__(self) -> int:
        """With the unknown entry."""
        return len(self.entries) + 1

    def encode(self, entries: Sequence[str]) -> np.ndarray:
        """The numbers of entries, `UNKNOWN` for what is not here."""
        numbers = self.numbers
        return np.fromiter((numbers.get(entry, UNKNOWN) for entry in entries), dtype=np.int32, count=len(entries))

    def to_values(self) -> dict[str, Any]:
        """As plain values."""
        return {"entries": list(self.entries), "counts": list(self.counts)}

    @classmethod
    def from_values(cls, values: dict[str, Any]) -> Vocabulary:
        """From what `to_values` gave.

        Raises
        ------
        ValueError
            If an entry is no text or there twice, or a count is not one of its first entries.
        """
        entries, counts = tuple(values["entries"]), tuple(values["counts"])
        if not all(isinstance(entry, str) for entry in entries) or len(set(entries)) < len(entries):
            raise ValueError("a vocabulary has an entry twice, or one that is no text")
        if len(counts) > len(entries) or not all(type(count) is int and count > 0 for count in counts):
            raise ValueError("a vocabulary has counts of other entries than its own")
        return cls(entries, counts)
