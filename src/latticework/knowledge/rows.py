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
from jaxtyping import Bool, Int64

CHUNK: Final = 2**20  # look-ups, or rows of a product, that are in memory at a time
_FEW: Final = 64  # fewer look-ups than one for so many keys are not worth marks
_SPREAD: Final = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio: keys that are near fall far apart


def ranges(starts: Int64[np.ndarray, " n"], lengths: Int64[np.ndarray, " n"]) -> Int64[np.ndarray, " total"]:
    """The numbers start, start + 1, ... of every range, one range after the other.

    Examples
    --------
    >>> ranges(np.array([5, 0]), np.array([2, 3])).tolist()
    [5, 6, 0, 1, 2]
    """
    ends = np.cumsum(lengths)
    numbers: Int64[np.ndarray, " total"] = np.arange(ends[-1] if len(ends) else 0) + np.repeat(
        starts - ends + lengths, lengths
    )
    return numbers


def offsets(lengths: Int64[np.ndarray, " n"]) -> Int64[np.ndarray, " n_plus_one"]:
    """Where rows of these lengths begin and end when they stand one after the other.

    Examples
    --------
    >>> offsets(np.array([2, 0, 3])).tolist()
    [0, 2, 2, 5]
    """
    result = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=result[1:])
    return result


def chunks(lengths: Int64[np.ndarray, " n"], most: int = CHUNK) -> Iterator[slice]:
    """Slices of consecutive items whose lengths add up to at most `most`; a longer item has a slice of its own.

    Examples
    --------
    >>> list(chunks(np.array([2, 2, 9, 1]), most=4))
    [slice(0, 2, None), slice(2, 3, None), slice(3, 4, None)]
    """
    ends = offsets(lengths)
    begin = 0
    while begin < len(lengths):
        end = max(begin + 1, int(np.searchsorted(ends, ends[begin] + most, side="right")) - 1)
        yield slice(begin, end)
        begin = end


def distinct(keys: Int64[np.ndarray, " n"]) -> Int64[np.ndarray, " distinct"]:
    """Keys in ascending order, each once; by sorting, which for many is several times as fast as `np.unique` by hash.

    Examples
    --------
    >>> distinct(np.array([3, 1, 3])).tolist()
    [1, 3]
    """
    keys = np.sort(keys)
    first: Int64[np.ndarray, " distinct"] = keys[starts_of_runs(keys)]
    return first


def starts_of_runs(keys: Int64[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
    """Which of ascending keys are the first of their value.

    Examples
    --------
    >>> starts_of_runs(np.array([1, 1, 4])).tolist()
    [True, False, True]
    """
    first = np.ones(len(keys), dtype=np.bool_)
    np.not_equal(keys[1:], keys[:-1], out=first[1:])
    return first


def places_of(asked: Int64[np.ndarray, " m"], keys: Int64[np.ndarray, " n"]) -> Int64[np.ndarray, " m"]:
    """Where numbers stand among ascending keys; -1 for one that is not there.

    Examples
    --------
    >>> places_of(np.array([4, 2, 9]), np.array([1, 4])).tolist()
    [1, -1, -1]
    """
    places: Int64[np.ndarray, " m"] = np.searchsorted(keys, asked)
    found = places < len(keys)
    found[found] = keys[places[found]] == asked[found]
    places[~found] = -1
    return places


def merged(
    keys: Int64[np.ndarray, " old"], *, add: Int64[np.ndarray, " add"], remove: Int64[np.ndarray, " remove"]
) -> Int64[np.ndarray, " new"]:
    """Ascending keys without some that they hold and with some that they do not hold.

    Examples
    --------
    >>> merged(np.array([1, 3, 5]), add=np.array([4, 0]), remove=np.array([3])).tolist()
    [0, 1, 4, 5]
    """
    keep = np.ones(len(keys), dtype=np.bool_)
    keep[np.searchsorted(keys, remove)] = False
    kept, add = keys[keep], np.sort(add)
    return np.insert(kept, np.searchsorted(kept, add), add)


def replaced(
    indptr: Int64[np.ndarray, " rows_plus_one"],
    values: Int64[np.ndarray, "values width"],
    rows: Int64[np.ndarray, " changed"],
    lengths: Int64[np.ndarray, " changed"],
    new: Int64[np.ndarray, "new width"],
) -> tuple[Int64[np.ndarray, " rows_plus_one"], Int64[np.ndarray, "new_values width"]]:
    """The offsets and the values after the (ascending) rows got new values.

    Examples
    --------
    >>> values = np.array([[7, 7], [8, 8], [9, 9]])
    >>> indptr, values = replaced(np.array([0, 2, 3]), values, np.array([0]), np.array([1]), np.array([[5, 5]]))
    >>> indptr.tolist(), values.tolist()
    ([0, 1, 2], [[5, 5], [9, 9]])
    """
    before = np.diff(indptr)
    after = before.copy()
    after[rows] = lengths
    stays = np.ones(len(before), dtype=np.bool_)
    stays[rows] = False
    result = np.empty((int(after.sum()), values.shape[1]), dtype=values.dtype)
    old = np.repeat(stays, after)
    result[old] = values[np.repeat(stays, before)]
    result[~old] = new
    return offsets(after), result


def differing(
    rows: Int64[np.ndarray, " n"],
    before: tuple[Int64[np.ndarray, " rows_plus_one"], Int64[np.ndarray, "values_before width"]],
    after: tuple[Int64[np.ndarray, " rows_plus_one"], Int64[np.ndarray, "values_after width"]],
) -> Bool[np.ndarray, " n"]:
    """Which of the rows differ between two pairs of offsets and values with equally many rows.

    Examples
    --------
    >>> before = np.array([0, 1, 2]), np.array([[7, 8], [9, 9]])
    >>> after = np.array([0, 1, 2]), np.array([[7, 5], [9, 9]])
    >>> differing(np.array([0, 1]), before, after).tolist()
    [True, False]
    """
    (old_ptr, old), (new_ptr, new) = before, after
    lengths = new_ptr[rows + 1] - new_ptr[rows]
    result: Bool[np.ndarray, " n"] = old_ptr[rows + 1] - old_ptr[rows] != lengths
    same = np.flatnonzero(~result)
    length, row = lengths[same], rows[same]
    unequal = old[ranges(old_ptr[row], length)] != new[ranges(new_ptr[row], length)]
    result[np.repeat(same, length)[unequal.any(axis=1)]] = True
    return result


@dataclass(frozen=True, eq=False)
class Marks:
    """A filter of keys: most that are not among some are told apart at one look each; made by `Marks.of`.

    Every key sets the mark at its hash. Of the marks, sixteen or more a key, others seldom meet one.

    Examples
    --------
    >>> marks = Marks.of(np.array([3, 7]))
    >>> marks.maybe(np.array([3, 7, 8])).tolist()
    [True, True, False]
    """

    bits: int
    marks: Bool[np.ndarray, " marks"]

    @classmethod
    def of(cls, keys: Int64[np.ndarray, " n"]) -> Marks:
        """Of these keys."""
        bits = max(10, (16 * len(keys)).bit_length())
        marks = np.zeros(1 << bits, dtype=np.bool_)
        marks[_hashes(keys, bits)] = True
        return cls(bits, marks)

    def maybe(self, keys: Int64[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
        """Which may be among them; of those that are, all."""
        found: Bool[np.ndarray, " n"] = self.marks[_hashes(keys, self.bits)]
        return found


def _hashes(keys: Int64[np.ndarray, " n"], bits: int) -> Int64[np.ndarray, " n"]:
    spread = keys.view(np.uint64) * _SPREAD
    spread >>= np.uint64(64 - bits)
    hashes: Int64[np.ndarray, " n"] = spread.view(np.int64)
    return hashes


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
    def _marks(self) -> Marks:
        return Marks.of(self.keys)

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
        maybe = np.arange(len(keys)) if few else np.flatnonzero(self._marks.maybe(keys))
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
