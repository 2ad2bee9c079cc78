"""Who is linked to whom: the relations from one entity to another, and the neighbours of an entity.

Both are kept in sorted arrays from which the triples of an update are cut and into which they are merged, so that what
an update gives equals what building anew gives, array for array.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Int64

from latticework.knowledge.graph import Graph
from latticework.knowledge.keys import distinct, merged, starts_of_runs
from latticework.knowledge.names import Names
from latticework.knowledge.rows import Rows

Triples = Int64[np.ndarray, "triples 3"]


@dataclass(frozen=True, eq=False)
class Links:
    """The ends that each entity is linked to, and the relations of each such link: its triples, grouped twice.

    Examples
    --------
    >>> graph = Graph.of([("a", "likes", "b"), ("a", "knows", "b"), ("b", "knows", "a")])
    >>> links = Links.out_of(graph.triples, entities=2, relations=2)
    >>> [graph.relations[number] for number in links.relations[: links.first[1]]]  # from a to b
    ['likes', 'knows']
    """

    ends: Rows  # a row for each entity
    first: Int64[np.ndarray, " links_plus_one"]  # the relations of link i: relations[first[i]:first[i + 1]], ascending
    relations: Int64[np.ndarray, " triples"]
    relation_count: int

    @classmethod
    def out_of(cls, triples: Triples, *, entities: int, relations: int) -> Links:
        """The links from heads to tails."""
        return cls._of_keys(np.sort(_keys(triples, 0, 2, entities, relations)), entities, relations)

    @classmethod
    def into(cls, triples: Triples, *, entities: int, relations: int) -> Links:
        """The links from tails back to heads."""
        return cls._of_keys(np.sort(_keys(triples, 2, 0, entities, relations)), entities, relations)

    @classmethod
    def _of_keys(cls, keys: Int64[np.ndarray, " triples"], entities: int, relations: int) -> Links:
        pairs = keys // relations
        new = starts_of_runs(pairs)
        first = np.append(np.flatnonzero(new), len(keys))
        return cls(Rows.of_keys(pairs[new], entities, entities), first, keys - pairs * relations, relations)

    def widened(self, *, entities: int, relations: int) -> Links:
        """The same links with room for more entities and relations."""
        return Links(self.ends.widened(entities, entities), self.first, self.relations, relations)

    def updated(self, *, added: Links, removed: Links) -> Links:
        """The links after triples came and went; all three have room for the same entities and relations."""
        keys = merged(self._keys, add=added._keys, remove=removed._keys)
        return Links._of_keys(keys, len(self.ends.indptr) - 1, self.relation_count)

    @property
    def _keys(self) -> Int64[np.ndarray, " triples"]:
        keys: Int64[np.ndarray, " triples"] = (
            np.repeat(self.ends.keys, np.diff(self.first)) * self.relation_count + self.relations
        )
        return keys


def _keys(triples: Triples, row: int, column: int, entities: int, relations: int) -> Int64[np.ndarray, " triples"]:
    keys: Int64[np.ndarray, " triples"] = (triples[:, row] * entities + triples[:, column]) * relations + triples[:, 1]
    return keys


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The distinct neighbours of each entity, whatever relation links them in whatever direction, never itself.

    They stand in the order of the digests of their names, which no numbering, hash seed or machine changes.

    Examples
    --------
    >>> graph = Graph.of([("a", "likes", "b"), ("b", "knows", "a"), ("a", "knows", "a"), ("c", "knows", "a")])
    >>> neighbours = Neighbours.of(graph)
    >>> sorted(graph.entities[number] for number in neighbours.numbers[: neighbours.ranks.indptr[1]])  # of a
    ['b', 'c']
    """

    order: Int64[np.ndarray, " entities"]  # all entities by digest
    ranks: Rows  # a row for each entity, its neighbours as places in `order`

    @classmethod
    def of(cls, graph: Graph) -> Neighbours:
        """The neighbours in a graph."""
        order = _by_digest(graph.entities)
        return cls(order, _ranked(undirected(graph.triples, len(order)), _inverse(order)))

    @cached_property
    def numbers(self) -> Int64[np.ndarray, " neighbours"]:
        """The neighbours of all entities as numbers of entities, beside `ranks.keys`."""
        numbers: Int64[np.ndarray, " neighbours"] = self.order[self.ranks.columns]
        return numbers

    @cached_property
    def rank(self) -> Int64[np.ndarray, " entities"]:
        """The place of each entity in `order`."""
        return _inverse(self.order)

    def contain(self, pairs: Int64[np.ndarray, "pairs 2"]) -> Bool[np.ndarray, " pairs"]:
        """Which pairs of entities are neighbours."""
        return self.ranks.find(pairs[:, 0], self.rank[pairs[:, 1]]) >= 0

    def renamed(self, entities: Names) -> Neighbours:
        """The same neighbours among more names: new entities have none."""
        if len(entities) == len(self.order):
            return self
        order, ranks = _by_digest(entities), self.ranks
        columns = _inverse(order)[self.numbers]  # the known keep their order, so the keys stay ascending
        indptr = np.concatenate([ranks.indptr, np.full(len(order) + 1 - len(ranks.indptr), ranks.indptr[-1])])
        return Neighbours(order, Rows(indptr, ranks.owners * len(order) + columns, len(order)))

    def updated(self, *, added: Int64[np.ndarray, "added 2"], removed: Int64[np.ndarray, "removed 2"]) -> Neighbours:
        """The neighbours after distinct pairs, each written once, came that were not there or went that were there."""
        keys = merged(self.ranks.keys, add=_ranked(added, self.rank).keys, remove=_ranked(removed, self.rank).keys)
        return Neighbours(self.order, Rows.of_keys(keys, len(self.order), len(self.order)))


def undirected(triples: Int64[np.ndarray, "triples 3"], entities: int) -> Int64[np.ndarray, "pairs 2"]:
    """The distinct pairs of two different entities that triples link, the smaller number first.

    Examples
    --------
    >>> undirected(np.array([[4, 0, 2], [2, 1, 4], [3, 0, 3]]), 5).tolist()
    [[2, 4]]
    """
    low, high = np.minimum(triples[:, 0], triples[:, 2]), np.maximum(triples[:, 0], triples[:, 2])
    keys = distinct((low * entities + high)[low < high])
    low = keys // max(entities, 1)
    return np.stack([low, keys - low * entities], axis=1)


def _ranked(pairs: Int64[np.ndarray, "pairs 2"], rank: Int64[np.ndarray, " entities"]) -> Rows:
    ends, others = np.concatenate([pairs[:, 0], pairs[:, 1]]), np.concatenate([pairs[:, 1], pairs[:, 0]])
    return Rows.of(ends, rank[others], count=len(rank), width=len(rank))


def _by_digest(names: Names) -> Int64[np.ndarray, " names"]:
    return np.argsort(names.digests(), kind="stable")


def _inverse(order: Int64[np.ndarray, " n"]) -> Int64[np.ndarray, " n"]:
    result = np.empty_like(order)
    result[order] = np.arange(len(order))
    return result
