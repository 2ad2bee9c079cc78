"""Known triples, looked up by the million: is one known, which tails are known of (h, r), which heads of (r, t).

Ranking takes the known answers out of the candidates (Bordes et al. 2013, the filtered setting), and the sampler of
negatives refuses them. Both are asked about many triples at once: sorted 64-bit keys answer without a loop.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Int64

from latticework.knowledge.graph import Graph
from latticework.knowledge.keys import BloomFilter, distinct, merged, places_of
from latticework.knowledge.ragged import offsets, ranges
from latticework.knowledge.triples import NO_TRIPLES, Side, check_range, in_range, triple_keys


@dataclass(frozen=True, eq=False)
class KnownTriples:
    """Distinct triples, sorted from both ends; 16 bytes a triple. Made by `KnownTriples.of`.

    Parameters
    ----------
    entities, relations
        How many there are.
    by_head
        The keys of (head, relation, tail), ascending.
    by_tail
        The keys of (tail, relation, head), ascending.

    Examples
    --------
    >>> known = KnownTriples.of(np.array([[0, 0, 2], [0, 0, 1]]), np.array([[3, 0, 1]]), entities=4, relations=1)
    >>> known.contains(np.array([[0, 0, 1], [1, 0, 0]])).tolist()
    [True, False]
    >>> known.tails(np.array([0, 1]), np.array([0, 0]))
    Lists(indptr=array([0, 2, 2]), members=array([1, 2]))
    >>> known.heads(np.array([0]), np.array([1])).members.tolist()
    [0, 3]
    """

    entities: int
    relations: int
    by_head: Int64[np.ndarray, " triples"]
    by_tail: Int64[np.ndarray, " triples"]

    @staticmethod
    def of(*triples: Int64[np.ndarray, "_ 3"], entities: int, relations: int) -> KnownTriples:
        """All triples of these arrays, for instance those to train on, to validate and to test.

        Raises
        ------
        InputError
            If a number is out of range, or there are too many names for keys of 64 bits.

        Examples
        --------
        >>> len(KnownTriples.of(np.array([[0, 0, 1]]), np.array([[0, 0, 1]]), entities=2, relations=1))
        1
        """
        rows = np.concatenate([NO_TRIPLES, *triples])
        check_range(rows, entities, relations)
        by_head = distinct(triple_keys(rows, entities, relations))
        by_tail = distinct(triple_keys(rows[:, ::-1], entities, relations))
        return KnownTriples(entities, relations, by_head, by_tail)

    def __len__(self) -> int:
        return len(self.by_head)

    def with_more(self, triples: Int64[np.ndarray, "n 3"]) -> KnownTriples:
        """These and others. O(known + n log n).

        Raises
        ------
        InputError
            If a number is out of range.

        Examples
        --------
        >>> known = KnownTriples.of(np.array([[0, 0, 1]]), entities=2, relations=1)
        >>> len(known), len(known.with_more(np.array([[1, 0, 0], [0, 0, 1]])))
        (1, 2)
        """
        check_range(triples, self.entities, self.relations)
        sides = []
        for keys, rows in ((self.by_head, triples), (self.by_tail, triples[:, ::-1])):
            more = distinct(triple_keys(rows, self.entities, self.relations))
            sides.append(merged(keys, add=more[places_of(more, keys) < 0], remove=more[:0]))
        return KnownTriples(self.entities, self.relations, *sides)

    def contains(self, triples: Int64[np.ndarray, "n 3"]) -> Bool[np.ndarray, " n"]:
        """Of each triple whether it is known; one with a number out of range is not. O(n log triples).

        Examples
        --------
        >>> known = KnownTriples.of(np.array([[0, 0, 1]]), entities=2, relations=1)
        >>> known.contains(np.array([[0, 0, 1], [0, -1, 1]])).tolist()
        [True, False]
        """
        inside = in_range(triples, self.entities, self.relations)
        keys = triple_keys(triples, self.entities, self.relations)
        known: Bool[np.ndarray, " n"] = inside & (places_of(keys, self.by_head) >= 0)
        return known

    def contains_keys(self, keys: Int64[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
        """As `contains`, of the keys of triples that are in range, by the million: a filter tells most that are not.

        The filter is made once, and takes 16 to 32 bytes a triple.

        Examples
        --------
        >>> known = KnownTriples.of(np.array([[0, 0, 1]]), entities=2, relations=1)
        >>> known.contains_keys(triple_keys(np.array([[0, 0, 1], [1, 0, 1]]), 2, 1)).tolist()
        [True, False]
        """
        known: Bool[np.ndarray, " n"] = self._filter.maybe(keys)
        perhaps = np.flatnonzero(known)
        known[perhaps] = places_of(keys[perhaps], self.by_head) >= 0
        return known

    @cached_property
    def _filter(self) -> BloomFilter:
        return BloomFilter.of(self.by_head)

    def tails(self, heads: Int64[np.ndarray, " n"], relations: Int64[np.ndarray, " n"]) -> Lists:
        """The known tails of each (head, relation), ascending. O(n log triples + members).

        Examples
        --------
        >>> KnownTriples.of(np.array([[0, 0, 1]]), entities=2, relations=1).tails(np.array([0]), np.array([0]))
        Lists(indptr=array([0, 1]), members=array([1]))
        """
        return self._lists(self.by_head, heads, relations)

    def heads(self, relations: Int64[np.ndarray, " n"], tails: Int64[np.ndarray, " n"]) -> Lists:
        """The known heads of each (relation, tail), ascending. O(n log triples + members).

        Examples
        --------
        >>> KnownTriples.of(np.array([[0, 0, 1]]), entities=2, relations=1).heads(np.array([0]), np.array([1]))
        Lists(indptr=array([0, 1]), members=array([0]))
        """
        return self._lists(self.by_tail, tails, relations)

    def answers(self, side: Side, ends: Int64[np.ndarray, " n"], relations: Int64[np.ndarray, " n"]) -> Lists:
        """The known heads of each (?, relation, end), or the known tails of each (end, relation, ?)."""
        return self.heads(relations, ends) if side == "head" else self.tails(ends, relations)

    def questions(
        self, side: Side, ends: Int64[np.ndarray, " n"], relations: Int64[np.ndarray, " n"]
    ) -> DistinctQuestions:
        """The distinct ones of such questions: many may be the same, and have long lists."""
        keys, question = np.unique(ends * self.relations + relations, return_inverse=True)
        ends, relations = np.divmod(keys, self.relations)
        return DistinctQuestions(ends, relations, question, self.answers(side, ends, relations))

    def _lists(
        self, keys: Int64[np.ndarray, " triples"], ends: Int64[np.ndarray, " n"], relations: Int64[np.ndarray, " n"]
    ) -> Lists:
        valid = (ends >= 0) & (ends < self.entities) & (relations >= 0) & (relations < self.relations)
        firsts = (ends * self.relations + relations) * self.entities
        begins, stops = np.searchsorted(keys, firsts), np.searchsorted(keys, firsts + self.entities)
        counts = np.where(valid, stops - begins, 0)
        return Lists(offsets(counts), keys[ranges(begins, counts)] - np.repeat(firsts, counts))


def known_triples(graph: Graph, *others: Int64[np.ndarray, "_ 3"]) -> KnownTriples:
    """An index of the triples of a graph and of others with its numbers."""
    sizes = len(graph.entities), len(graph.relations)
    known = KnownTriples(*sizes, graph.keys, distinct(triple_keys(graph.triples[:, ::-1], *sizes)))
    return known.with_more(np.concatenate(others)) if others else known


@dataclass(frozen=True, eq=False)
class DistinctQuestions:
    """The distinct questions among (?, relation, end), or among (end, relation, ?), and what is known to answer them.

    Attributes
    ----------
    ends, relations
        Of each.
    question
        Which of them each of the questions given is.
    answers
        The known ones of each.
    """

    ends: Int64[np.ndarray, " questions"]
    relations: Int64[np.ndarray, " questions"]
    question: Int64[np.ndarray, " n"]
    answers: Lists


@dataclass(frozen=True, eq=False)
class Lists:
    """A list of numbers for each of n questions, one behind the other.

    Examples
    --------
    >>> lists = Lists(np.array([0, 2, 2, 3]), np.array([5, 7, 6]))
    >>> lists.counts.tolist(), lists.rows.tolist()
    ([2, 0, 1], [0, 0, 2])
    """

    indptr: Int64[np.ndarray, " n_plus_one"]  # the members of list i are those from indptr[i] to indptr[i + 1]
    members: Int64[np.ndarray, " members"]

    @property
    def counts(self) -> Int64[np.ndarray, " n"]:
        """How many members each has."""
        return np.diff(self.indptr)

    @property
    def rows(self) -> Int64[np.ndarray, " members"]:
        """Of each member the list it is in."""
        return np.repeat(np.arange(len(self.indptr) - 1), self.counts)
