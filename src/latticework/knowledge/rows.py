"""Rows of ascending numbers, and what two rows have in common: the one join that every context is made with.

The common numbers of two rows are found by walking the shorter one and looking its numbers up in the other. Over all
arcs of a graph with m arcs that is O(m^1.5) look-ups (Chiba & Nishizeki 1985, Arboricity and subgraph listing
algorithms), however large its hubs are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from jaxtyping import Int64

from latticework.knowledge.keys import BloomFilter, places_of
from latticework.knowledge.ragged import chunks, offsets, ranges

_FEW: Final = 64  # fewer look-ups than one for so many keys are not worth a filter


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows of distinct ascending numbers, all below `width`, as one array of ascending keys.

    Examples
    --------
    >>> rows = Rows.of(np.array([1, 0, 1]), np.array([4, 2, 0]), count=2, width=5)
    >>> rows.indptr.tolist(), rows.columns.tolist(), rows.owners.tolist()
    ([0, 1, 3], [2, 0, 4], [0, 1, 1])
    """

    indptr: Int64[np.ndarray, " rows_plus_one"]
    keys: Int64[np.ndarray, " cells"]  # row * width + number
    width: int

    @classmethod
    def of_keys(cls, keys: Int64[np.ndarray, " cells"], count: int, width: int) -> Rows:
        """The rows of ascending keys."""
        return cls(offsets(np.bincount(keys // max(width, 1), minlength=count)), keys, width)

    @classmethod
    def of(cls, rows: Int64[np.ndarray, " n"], columns: Int64[np.ndarray, " n"], *, count: int, width: int) -> Rows:
        """The rows of distinct pairs (row, number) in any order."""
        return cls.of_keys(np.sort(rows * width + columns), count, width)

    @property
    def lengths(self) -> Int64[np.ndarray, " rows"]:
        """How many numbers each row has."""
        return np.diff(self.indptr)

    @cached_property
    def owners(self) -> Int64[np.ndarray, " cells"]:
        """The row of each number."""
        return np.repeat(np.arange(len(self.indptr) - 1), self.lengths)

    @cached_property
    def columns(self) -> Int64[np.ndarray, " cells"]:
        """The numbers."""
        columns: Int64[np.ndarray, " cells"] = self.keys - self.owners * self.width
        return columns

    @cached_property
    def _filter(self) -> BloomFilter:
        return BloomFilter.of(self.keys)

    def find(self, rows: Int64[np.ndarray, " n"], columns: Int64[np.ndarray, " n"]) -> Int64[np.ndarray, " n"]:
        """Where these pairs (row, number) stand; -1 for one that is not there.

        Examples
        --------
        >>> rows = Rows.of(np.array([1, 0]), np.array([4, 2]), count=2, width=5)
        >>> rows.find(np.array([0, 1]), np.array([2, 3])).tolist()
        [0, -1]
        """
        keys = rows * self.width + columns
        result = np.full(len(keys), -1)
        few = len(keys) * _FEW < len(self.keys)
        maybe = np.arange(len(keys)) if few else np.flatnonzero(self._filter.maybe(keys))
        result[maybe] = places_of(keys[maybe], self.keys)
        return result

    def first(self, most: int) -> Rows:
        """The smallest numbers of each row, at most so many."""
        keep = np.arange(len(self.keys)) - np.repeat(self.indptr[:-1], self.lengths) < most
        return Rows(offsets(np.minimum(self.lengths, most)), self.keys[keep], self.width)

    def widened(self, count: int, width: int) -> Rows:
        """The same numbers with room for more rows and larger numbers."""
        if (count, width) == (len(self.indptr) - 1, self.width):
            return self
        indptr = np.concatenate([self.indptr, np.full(count + 1 - len(self.indptr), self.indptr[-1])])
        return Rows(indptr, self.keys + self.owners * (width - self.width), width)


def common(
    left: Rows, left_rows: Int64[np.ndarray, " n"], right: Rows, right_rows: Int64[np.ndarray, " n"]
) -> Iterator[tuple[Int64[np.ndarray, " m"], Int64[np.ndarray, " m"], Int64[np.ndarray, " m"]]]:
    """The numbers that a row on the left and a row on the right have in common, for n pairs of rows.

    Yields, in pieces and in no order, which pair it is and where the common number stands on the left and on the right.
    It takes as many look-ups as the shorter rows of all pairs are long, and memory for `CHUNK` of them.

    Examples
    --------
    >>> rows = Rows.of(np.array([0, 0, 1, 1]), np.array([3, 7, 7, 9]), count=2, width=10)
    >>> [piece.tolist() for found in common(rows, np.array([0]), rows, np.array([1])) for piece in found]
    [[0], [1], [2]]
    """
    from_left = left.lengths[left_rows] <= right.lengths[right_rows]
    pairs = np.flatnonzero(from_left)
    for which, walked, found in _walk(left, left_rows[pairs], right, right_rows[pairs]):
        yield pairs[which], walked, found
    pairs = np.flatnonzero(~from_left)
    for which, walked, found in _walk(right, right_rows[pairs], left, left_rows[pairs]):
        yield pairs[which], found, walked


def _walk(
    walked: Rows, walked_rows: Int64[np.ndarray, " n"], other: Rows, other_rows: Int64[np.ndarray, " n"]
) -> Iterator[tuple[Int64[np.ndarray, " m"], Int64[np.ndarray, " m"], Int64[np.ndarray, " m"]]]:
    starts, lengths = walked.indptr[walked_rows], walked.lengths[walked_rows]
    for chunk in chunks(lengths):
        which = np.repeat(np.arange(chunk.start, chunk.stop), lengths[chunk])
        place = ranges(starts[chunk], lengths[chunk])
        where = other.find(other_rows[which], walked.columns[place])
        hit = np.flatnonzero(where >= 0)
        if len(hit):
            yield which[hit], place[hit], where[hit]
