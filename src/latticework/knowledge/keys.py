"""Ascending keys: made distinct, looked up, merged, and a filter for those that are not among them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int64

from latticework.knowledge.splitmix64 import STEP


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


@dataclass(frozen=True, eq=False)
class BloomFilter:
    """Tells most keys that are not among some from those that are, at one look each; made by `BloomFilter.of`.

    Bloom 1970, with a single hash: every key sets the mark at it. Of the marks, sixteen or more a key, others seldom
    meet one.

    Examples
    --------
    >>> known = BloomFilter.of(np.array([3, 7]))
    >>> known.maybe(np.array([3, 7, 8])).tolist()
    [True, True, False]
    """

    bits: int
    marks: Bool[np.ndarray, " marks"]

    @classmethod
    def of(cls, keys: Int64[np.ndarray, " n"]) -> BloomFilter:
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
    spread = keys.view(np.uint64) * STEP  # 2^64 / golden ratio: keys that are near fall far apart
    spread >>= np.uint64(64 - bits)
    hashes: Int64[np.ndarray, " n"] = spread.view(np.int64)
    return hashes
