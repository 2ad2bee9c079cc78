"""The floor that every score stands on: answers guessed from the relations that occur together, nothing learnt.

The rule, which is exact and has no parameter. Let pairs(r) be the (head, tail) pairs of relation r among the triples to
train on, and popularity(e | r, side) the number of those triples that have e on the side asked for. A candidate e for
(h, r, ?) costs the less

1. the higher the highest confidence |pairs(r') ∩ pairs(r)| / |pairs(r')| over the relations r' ≠ r with (h, r', e)
   among the triples to train on; 0 if there is none;
2. then, the higher its popularity as a tail of r.

Candidates for (?, r, t) likewise, with (e, r', t) and popularity as a head. Equal in both is a tie. On YAGO-3SP, where
isAffiliatedTo and playsFor are nearly the same relation, that is a filtered realistic MRR of 0.43.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int64
from scipy.sparse import csr_array
from torch import Tensor

from latticework.knowledge.keys import places_of
from latticework.knowledge.known_triples import KnownTriples
from latticework.knowledge.ragged import offsets, ranges
from latticework.knowledge.ranking import Ranks, rank_costs
from latticework.knowledge.triples import Side


@dataclass(frozen=True, eq=False)
class CoOccurrence:
    """The rule, counted on triples; by `CoOccurrence.of`.

    Parameters
    ----------
    triples
        Those it is counted on.
    entities
        How many there are.
    confidence
        Of relation r' for relation r: the share of the pairs of r' that are also pairs of r; a sparse matrix.

    Examples
    --------
    >>> triples = np.array([[0, 0, 2], [0, 1, 2], [1, 0, 3], [4, 1, 3]])
    >>> rule = CoOccurrence.of(triples, entities=5, relations=2)
    >>> rule.confidence.toarray().tolist()  # of the two pairs of each relation one is also of the other
    [[1.0, 0.5], [0.5, 1.0]]
    >>> rule.costs("tail", np.array([1]), np.array([1])).argmin().item()  # 1 is linked to 3 by relation 0
    3
    """

    triples: Int64[np.ndarray, "triples 3"]
    entities: int
    confidence: csr_array

    @staticmethod
    def of(triples: Int64[np.ndarray, "triples 3"], *, entities: int, relations: int) -> CoOccurrence:
        """Count which relations are on the same pair. O(triples · relations of a pair).

        Examples
        --------
        >>> CoOccurrence.of(np.array([[0, 0, 1]]), entities=2, relations=2).confidence.toarray().tolist()
        [[1.0, 0.0], [0.0, 0.0]]
        """
        keys = np.unique((triples[:, 0] * entities + triples[:, 2]) * relations + triples[:, 1])
        pairs, kinds = np.divmod(keys, relations)
        distinct_pairs, places = np.unique(pairs, return_inverse=True)
        held = csr_array((np.ones(len(pairs)), (kinds, places)), shape=(relations, len(distinct_pairs)))
        confidence = (held @ held.T).tocsr()
        confidence.sort_indices()
        confidence.data /= np.repeat(confidence.diagonal(), np.diff(confidence.indptr))
        heads, tails = np.divmod(pairs, entities)
        return CoOccurrence(np.stack([heads, kinds, tails], axis=1), entities, confidence)

    def rank(
        self,
        triples: Int64[np.ndarray, "triples 3"],
        known: KnownTriples,
        *,
        present: Bool[np.ndarray, " entities"] | None = None,
    ) -> Ranks:
        """Filtered ranks by the rule; the arguments are those of `rank_costs`.

        Examples
        --------
        >>> triples = np.array([[0, 0, 2], [0, 1, 2], [1, 0, 3]])
        >>> rule = CoOccurrence.of(triples, entities=4, relations=2)
        >>> known = KnownTriples.of(triples, entities=4, relations=2)
        >>> rule.rank(np.array([[1, 1, 3]]), known).realistic.tolist()
        [[1.0, 1.0]]
        """
        return rank_costs(self.costs, triples, known, present=present)

    def costs(
        self, side: Side, ends: Int64[np.ndarray, " questions"], relations: Int64[np.ndarray, " questions"]
    ) -> Float64[Tensor, "questions entities"]:
        """Minus (place of the confidence among all confidences) · (highest popularity + 1) - popularity: whole numbers.

        Examples
        --------
        >>> CoOccurrence.of(np.array([[0, 0, 1]]), entities=3, relations=1).costs("tail", np.array([2]), np.array([0]))
        tensor([[0., -1., 0.]], dtype=torch.float64)
        """
        links, popularity = self._tail_side if side == "tail" else self._head_side
        costs = np.zeros((len(ends), self.entities))
        rows, places = links.of_keys(ends)
        kinds, others = links.values[places].T
        keys, steps = self._steps
        found = places_of(kinds * self.confidence.shape[0] + relations[rows], keys)
        np.maximum.at(costs, (rows, others), np.where(found < 0, 0, steps[found]))
        costs *= -1.0 - self._most
        rows, places = popularity.of_keys(relations)
        entities, counts = popularity.values[places].T
        costs[rows, entities] -= counts
        return torch.from_numpy(costs)

    @cached_property
    def _tail_side(self) -> tuple[_Table, _Table]:
        """By head its (relation, tail); by relation its (tail, how often)."""
        heads, kinds, tails = self.triples.T
        return _Table.of(heads, kinds, tails, self.entities), self._popularity(kinds, tails)

    @cached_property
    def _head_side(self) -> tuple[_Table, _Table]:
        """By tail its (relation, head); by relation its (head, how often)."""
        heads, kinds, tails = self.triples.T
        return _Table.of(tails, kinds, heads, self.entities), self._popularity(kinds, heads)

    def _popularity(self, kinds: Int64[np.ndarray, " triples"], ends: Int64[np.ndarray, " triples"]) -> _Table:
        keys, counts = np.unique(kinds * self.entities + ends, return_counts=True)
        return _Table.of(*np.divmod(keys, self.entities), counts, self.confidence.shape[0])

    @cached_property
    def _steps(self) -> tuple[Int64[np.ndarray, " n"], Int64[np.ndarray, " n"]]:
        """Relations r' · all + r, ascending, and the place of their confidence among all that there are, from 1 on.

        A relation says nothing of itself: its own is none, whose place is 0.
        """
        own, other = self.confidence.nonzero()
        places = np.unique(np.where(own == other, 0.0, self.confidence.data), return_inverse=True)[1]
        return own.astype(np.int64) * self.confidence.shape[0] + other, places

    @cached_property
    def _most(self) -> int:
        """The highest popularity."""
        return max(int(counts.values[:, 1].max(initial=0)) for _, counts in (self._tail_side, self._head_side))


@dataclass(frozen=True, eq=False)
class _Table:
    """Pairs of values by key: those of key k are from indptr[k] to indptr[k + 1]."""

    indptr: Int64[np.ndarray, " keys_plus_one"]
    values: Int64[np.ndarray, "rows 2"]

    @staticmethod
    def of(
        keys: Int64[np.ndarray, " rows"],
        first: Int64[np.ndarray, " rows"],
        second: Int64[np.ndarray, " rows"],
        count: int,
    ) -> _Table:
        order = keys.argsort(kind="stable")
        return _Table(offsets(np.bincount(keys, minlength=count)), np.stack([first, second], axis=1)[order])

    def of_keys(
        self, keys: Int64[np.ndarray, " asked"]
    ) -> tuple[Int64[np.ndarray, " found"], Int64[np.ndarray, " found"]]:
        """The rows of these keys, and for each the place of its key among those asked for."""
        counts = np.diff(self.indptr)[keys]
        return np.repeat(np.arange(len(keys)), counts), ranges(self.indptr[keys], counts)
