"""The contexts of entities and relations (DKGE, section 1 of the method).

The context of an entity is its neighbours; that of a relation is the paths of one or two relations beside its
triples. Above `max_context` elements an object keeps those whose names have the smallest digests (bottom-k sampling): a
choice that no numbering, order of triples, hash seed or machine changes, and that a change elsewhere hardly moves.

Differs from the published code: it keeps the first of a Python set, in an order that changes from run to run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Bool, Int64

from latticework.knowledge.adjacency import Neighbours
from latticework.knowledge.names import Names
from latticework.knowledge.paths import NO_RELATION, Paths, path_digests
from latticework.knowledge.ragged import differing, offsets
from latticework.knowledge.rows import Rows, common

_NONE: Final = np.empty(0, dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Contexts:
    """The context elements of every entity or of every relation, and which of them are linked.

    Examples
    --------
    >>> from latticework.knowledge.graph import Graph
    >>> graph = Graph.of([("Ann", "knows", "Bea"), ("Bea", "knows", "Cid"), ("Cid", "knows", "Ann")])
    >>> contexts = contexts_of_entities(Neighbours.of(graph), max_context=30)
    >>> contexts.indptr.tolist(), contexts.edges[:2].tolist()  # the two neighbours of Ann are neighbours
    ([0, 2, 4, 6], [[0, 1], [1, 0]])
    """

    indptr: Int64[np.ndarray, " objects_plus_one"]  # the elements of object o: elements[indptr[o]:indptr[o + 1]]
    elements: Int64[np.ndarray, "elements 2"]  # (neighbour, -1), or the relations of a path, (r1, -1) or (r1, r2)
    edge_indptr: Int64[np.ndarray, " objects_plus_one"]  # as `indptr`, for `edges`
    edges: Int64[np.ndarray, "edges 2"]  # (i, j) by place in the context of the object: element i reads element j

    def __len__(self) -> int:
        return len(self.indptr) - 1

    def widened(self, objects: int) -> Contexts:
        """The same contexts among more objects: new ones have none."""
        more = objects - len(self)
        indptr, edge_indptr = (np.pad(ends, (0, more), mode="edge") for ends in (self.indptr, self.edge_indptr))
        return Contexts(indptr, self.elements, edge_indptr, self.edges)

    def differs(self, other: Contexts, objects: Int64[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
        """Which of the objects have another context, or other edges in it, among equally many objects."""
        result = differing(objects, (self.indptr, self.elements), (other.indptr, other.elements))
        result |= differing(objects, (self.edge_indptr, self.edges), (other.edge_indptr, other.edges))
        return result


def contexts_of_entities(neighbours: Neighbours, max_context: int) -> Contexts:
    """The neighbours of each entity, at most `max_context`, and which of them has which other in its own context.

    Examples
    --------
    >>> from latticework.knowledge.graph import Graph
    >>> graph = Graph.of([("Ann", "knows", "Bea"), ("Ann", "knows", "Cid"), ("Ann", "likes", "Ann")])
    >>> contexts = contexts_of_entities(Neighbours.of(graph), max_context=1)
    >>> graph.entities.named(contexts.elements[:, 0])  # Cid has a smaller digest than Bea
    ['Cid', 'Ann', 'Ann']
    """
    kept = neighbours.ranks.first(max_context)
    numbers = neighbours.order[kept.columns]
    lengths, edges = context_edges(kept, numbers, np.arange(len(kept.keys)))
    return Contexts(kept.indptr, neighbour_elements(numbers), offsets(lengths), edges)


def contexts_of_relations(paths: Paths, relations: Names) -> Contexts:
    """The paths that each relation keeps, and for those of one relation which others are in the context of that one."""
    codes, elements = paths[:, 1] * (len(relations) + 1) + paths[:, 2], paths[:, 1:]
    _, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
    rank = np.empty_like(first)
    rank[np.argsort(path_digests(elements[first], relations.digests()), kind="stable")] = np.arange(len(first))
    kept = Rows.of_keys(paths[:, 0] * len(first) + rank[inverse], len(relations), len(first))
    lengths, edges = context_edges(kept, paths[:, 1], np.flatnonzero(paths[:, 2] == NO_RELATION))
    return Contexts(kept.indptr, np.ascontiguousarray(elements), offsets(lengths), edges)


def no_contexts(objects: int) -> Contexts:
    """Contexts without elements: what TransE reads."""
    ends = np.zeros(objects + 1, np.int64)
    return Contexts(ends, np.empty((0, 2), np.int64), ends, np.empty((0, 2), np.int64))


def neighbour_elements(numbers: Int64[np.ndarray, " elements"]) -> Int64[np.ndarray, "elements 2"]:
    """Neighbours as elements of contexts."""
    elements = np.full((len(numbers), 2), NO_RELATION)
    elements[:, 0] = numbers
    return elements


def context_edges(
    kept: Rows, objects: Int64[np.ndarray, " elements"], places: Int64[np.ndarray, " places"]
) -> tuple[Int64[np.ndarray, " rows"], Int64[np.ndarray, "edges 2"]]:
    """The edges from some elements to the other elements of the same context.

    Parameters
    ----------
    kept
        The elements of each object.
    objects
        The object that each element itself is.
    places
        The places of the elements, among those of all objects, whose edges are wanted.

    Returns
    -------
    tuple
        How many edges each object has, and the edges in the order of object, i and j. An element reads each other one
        that is in the context of the object which it is itself.
    """
    pieces = list(common(kept, kept.owners[places], kept, objects[places]))
    which, there, _ = map(np.concatenate, zip((_NONE,) * 3, *pieces, strict=True))
    reader = places[which]
    order = np.argsort(reader * len(kept.keys) + there)
    reader, there = reader[order], there[order]
    owner = kept.owners[reader]
    edges = np.stack([reader, there], axis=1) - kept.indptr[owner, np.newaxis]
    return np.bincount(owner, minlength=len(kept.indptr) - 1), edges
