"""Ragged arrays: rows of different lengths, one after the other, and where each begins."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from jaxtyping import Bool, Int64

CHUNK: Final = 2**20  # look-ups, or rows of a product, that are in memory at a time


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
