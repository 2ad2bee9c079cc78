"""Moves along the facts of a graph, forwards and backwards: random walks, and all that a path of relations leads to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Int64

from latticework.knowledge.keys import places_of
from latticework.knowledge.ragged import chunks, offsets, ranges

_TOGETHER: Final = 1024  # paths that are followed at a time

Reached = tuple[Int64[np.ndarray, " paths_plus_one"], Int64[np.ndarray, " reached"]]
"""The entities that path i leads to are reached[indptr[i]:indptr[i + 1]], ascending."""


@dataclass(frozen=True, eq=False)
class Moves:
    """From each entity the steps that can be taken, and where each leads.

    Step 2r follows relation r from head to tail, step 2r + 1 from tail to head, so that a step and the one back differ
    in the last bit.

    Attributes
    ----------
    keys
        Ascending: entity * steps + step.
    indptr, ends
        What the i-th of these leads to, ascending: ends[indptr[i]:indptr[i + 1]].
    owned
        Where the steps of each entity begin and end among the keys.
    steps
        How many there are: twice the relations.

    Examples
    --------
    >>> moves = Moves.of(np.array([[0, 0, 1], [2, 0, 1]]), entities=3, relations=1)
    >>> indptr, reached = moves.reached(np.array([0, 1]), np.array([[0, 1], [1, -1]]))
    >>> indptr.tolist(), reached.tolist()
    ([0, 2, 4], [0, 2, 0, 2])
    """

    keys: Int64[np.ndarray, " groups"]
    indptr: Int64[np.ndarray, " groups_plus_one"]
    ends: Int64[np.ndarray, " moves"]
    owned: Int64[np.ndarray, " entities_plus_one"]
    steps: int

    @classmethod
    def of(cls, triples: Int64[np.ndarray, "triples 3"], *, entities: int, relations: int) -> Moves:
        """The moves along distinct triples."""
        heads, kinds, tails = triples.T
        steps = 2 * relations
        moves = np.concatenate([heads * steps + 2 * kinds, tails * steps + 2 * kinds + 1])
        ends = np.concatenate([tails, heads])
        order = np.lexsort((ends, moves))
        keys, lengths = np.unique(moves, return_counts=True)
        owned = offsets(np.bincount(keys // max(steps, 1), minlength=entities))
        return cls(keys, offsets(lengths), ends[order], owned, steps)

    @property
    def entities(self) -> int:
        """How many there are."""
        return len(self.owned) - 1

    def walks(
        self, anchors: Int64[np.ndarray, " walks"], hops: int, random: np.random.Generator
    ) -> Int64[np.ndarray, "kept hops_plus_one"]:
        """Random walks: the anchor and the steps of each. Those that get stuck are left out.

        A walk takes any of the steps that lead on but the one that undoes its last, all alike, to any of the ends of
        that step, all alike. O(walks · hops · log triples).
        """
        walks = anchors[:, None]
        at = anchors
        for _ in range(hops):
            luck = random.random((2, len(at)))
            choices = self.owned[at + 1] - self.owned[at]
            if walks.shape[1] > 1:  # the step back is always there
                choices -= 1
            free = choices > 0
            walks, at, choices, luck = walks[free], at[free], choices[free], luck[:, free]
            group = self.owned[at] + (luck[0] * choices).astype(np.int64)
            if walks.shape[1] > 1:
                group += group >= self.keys.searchsorted(at * self.steps + (walks[:, -1] ^ 1))
            lengths = self.indptr[group + 1] - self.indptr[group]
            walks = np.column_stack([walks, self.keys[group] - at * self.steps])
            at = self.ends[self.indptr[group] + (luck[1] * lengths).astype(np.int64)]
        return walks

    def reached(self, anchors: Int64[np.ndarray, " paths"], steps: Int64[np.ndarray, "paths hops"]) -> Reached:
        """All entities that each path leads to from its anchor; a step of -1 stays where it is.

        A path looks at each triple at most once a hop.
        """
        lengths, found = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
        for begin in range(0, len(anchors), _TOGETHER):
            block = slice(begin, begin + _TOGETHER)
            keys = self._keys_reached(anchors[block], steps[block])
            owners, ends = np.divmod(keys, self.entities)
            lengths.append(np.bincount(owners, minlength=len(anchors[block])))
            found.append(ends)
        return offsets(np.concatenate(lengths)), np.concatenate(found)

    def _keys_reached(
        self, anchors: Int64[np.ndarray, " paths"], steps: Int64[np.ndarray, "paths hops"]
    ) -> Int64[np.ndarray, " reached"]:
        """Ascending: path * entities + entity."""
        keys: Int64[np.ndarray, " reached"] = np.arange(len(anchors)) * self.entities + anchors
        for column in steps.T:
            owners, places = np.divmod(keys, self.entities)
            goes = column[owners] >= 0
            pieces = [keys[~goes]]
            owners, wanted = owners[goes], places[goes] * self.steps + column[owners[goes]]
            group = places_of(wanted, self.keys)
            there = group >= 0
            owners, group = owners[there], group[there]
            lengths = self.indptr[group + 1] - self.indptr[group]
            for part in chunks(lengths):
                ends = self.ends[ranges(self.indptr[group[part]], lengths[part])]
                pieces.append(np.unique(np.repeat(owners[part], lengths[part]) * self.entities + ends))
            keys = np.unique(np.concatenate(pieces))
        return keys
