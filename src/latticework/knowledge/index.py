"""The contexts of a graph, brought up to date at the cost of a change; what an update gives is what a rebuild gives.

What is counted, joined and chosen anew is what the change touches. The arrays around it are copied, which takes a few
milliseconds for a hundred thousand triples.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

from latticework.core.checks import whole_number
from latticework.knowledge.adjacency import Links, Neighbours, undirected
from latticework.knowledge.contexts import (
    Contexts,
    context_edges,
    contexts_of_entities,
    contexts_of_relations,
    neighbour_elements,
)
from latticework.knowledge.deltas import Change
from latticework.knowledge.graph import Graph
from latticework.knowledge.paths import PathCounts, Paths
from latticework.knowledge.ragged import ranges, replaced
from latticework.knowledge.rows import Rows, common


@dataclass(frozen=True, eq=False)
class ContextChange:
    """What an update of the graph changed in the contexts; numbers are those of the new graph, ascending.

    An object that was not there before counts as one that had no context.
    """

    entities: Int64[np.ndarray, " entities"]  # whose rows of `ContextIndex.entities` differ, in elements or in edges
    relations: Int64[np.ndarray, " relations"]  # whose rows of `ContextIndex.relations` differ
    neighbours: Int64[np.ndarray, " neighbours"]  # entities whose full set of neighbours differs
    subgraph: Int64[np.ndarray, " subgraph"]  # entities among which and whose neighbours a triple came or went
    appeared: Paths  # paths that no triple of their relation had beside it before
    vanished: Paths  # paths that no triple of their relation has beside it any more

    @property
    def paths(self) -> Int64[np.ndarray, " paths"]:
        """The relations whose full set of paths differs."""
        return np.union1d(self.appeared[:, 0], self.vanished[:, 0])


@dataclass(frozen=True, eq=False)
class ContextIndex:
    """The contexts of entities and relations, with all that it takes to update them.

    Examples
    --------
    >>> from latticework.knowledge.deltas import Delta
    >>> graph = Graph.of([("Ann", "knows", "Bea"), ("Bea", "knows", "Cid")])
    >>> index = ContextIndex.of(graph, max_context=30)
    >>> after, change = graph.apply(Delta(add=[("Ann", "knows", "Cid")]))
    >>> index, context_change = index.updated(after, change)
    >>> after.entities.named(context_change.neighbours), after.entities.named(context_change.entities)
    (['Ann', 'Cid'], ['Ann', 'Bea', 'Cid'])
    >>> context_change.appeared.tolist()  # beside knowing stands knowing somebody who knows
    [[0, 0, 0]]
    """

    max_context: int
    entities: Contexts
    relations: Contexts
    neighbours: Neighbours
    counts: PathCounts
    out: Links
    into: Links

    @classmethod
    def of(cls, graph: Graph, max_context: int) -> ContextIndex:
        """The contexts of a graph, of at most `max_context` elements each.

        Raises
        ------
        InputError
            If `max_context` is no whole number of at least 1, or there are too many relations.
        """
        most = whole_number("max_context", max_context)
        sizes = {"entities": len(graph.entities), "relations": len(graph.relations)}
        out, into = Links.out_of(graph.triples, **sizes), Links.into(graph.triples, **sizes)
        neighbours, counts = Neighbours.of(graph), PathCounts.of(out, into)
        paths = counts.smallest(np.arange(len(graph.relations)), graph.relations, most)
        relations = contexts_of_relations(paths, graph.relations)
        return cls(most, contexts_of_entities(neighbours, most), relations, neighbours, counts, out, into)

    @property
    def both(self) -> tuple[Contexts, Contexts]:
        """The contexts of entities, and those of relations."""
        return self.entities, self.relations

    def updated(self, graph: Graph, change: Change) -> tuple[ContextIndex, ContextChange]:
        """The contexts after a change, and what of them changed.

        Parameters
        ----------
        graph, change
            What `Graph.apply` gave for the graph that this index is of.
        """
        sizes = {"entities": len(graph.entities), "relations": len(graph.relations)}
        old_out, old_into = self.out.widened(**sizes), self.into.widened(**sizes)
        added, removed = Links.out_of(change.added, **sizes), Links.out_of(change.removed, **sizes)
        out = old_out.updated(added=added, removed=removed)
        into = old_into.updated(added=Links.into(change.added, **sizes), removed=Links.into(change.removed, **sizes))
        counts, appeared, vanished = self.counts.updated(
            before=(old_out, old_into), after=(out, into), added=added, removed=removed
        )
        near = self.neighbours.renamed(graph.entities)
        came, went = _changed_pairs(near, out, change)
        neighbours, touched = near.updated(added=came, removed=went), np.unique(np.append(came, went))
        entities, changed_entities = self._updated_entities(near, neighbours, touched)
        beside = np.union1d(appeared[:, 0], vanished[:, 0])
        relations, changed_relations = self._updated_relations(graph, counts, beside)
        index = ContextIndex(self.max_context, entities, relations, neighbours, counts, out, into)
        subgraph = _subgraph(near, neighbours, change)
        return index, ContextChange(changed_entities, changed_relations, touched, subgraph, appeared, vanished)

    def _updated_entities(
        self, before: Neighbours, after: Neighbours, touched: Int64[np.ndarray, " touched"]
    ) -> tuple[Contexts, Int64[np.ndarray, " changed"]]:
        """The contexts of entities after the neighbours of those touched changed."""
        kept = after.ranks.first(self.max_context)
        numbers = after.order[kept.columns]
        then, now = (_smallest(rows, touched, self.max_context) for rows in (before.ranks, kept))
        stale = _stale(kept, after, np.setxor1d(then, now, assume_unique=True))
        places = ranges(kept.indptr[stale], kept.lengths[stale])
        lengths, edges = context_edges(kept, numbers, places)
        old = self.entities.widened(len(after.order))
        edge_indptr, edges = replaced(old.edge_indptr, old.edges, stale, lengths[stale], edges)
        new = Contexts(kept.indptr, neighbour_elements(numbers), edge_indptr, edges)
        return new, stale[new.differs(old, stale)]

    def _updated_relations(
        self, graph: Graph, counts: PathCounts, touched: Int64[np.ndarray, " touched"]
    ) -> tuple[Contexts, Int64[np.ndarray, " changed"]]:
        """The contexts of relations after the paths of those touched changed."""
        old = self.relations.widened(len(graph.relations))
        smallest = counts.smallest(touched, graph.relations, self.max_context)
        lengths = np.bincount(smallest[:, 0], minlength=len(old))
        indptr, elements = replaced(old.indptr, old.elements, touched, lengths[touched], smallest[:, 1:])
        owners = np.repeat(np.arange(len(old)), np.diff(indptr))
        new = contexts_of_relations(np.column_stack([owners, elements]), graph.relations)
        return new, np.flatnonzero(new.differs(old, np.arange(len(old))))


def _changed_pairs(
    near: Neighbours, out: Links, change: Change
) -> tuple[Int64[np.ndarray, "came 2"], Int64[np.ndarray, "went 2"]]:
    """The pairs of entities that became neighbours, and those that are none any more."""
    entities = len(near.order)
    came, went = undirected(change.added, entities), undirected(change.removed, entities)
    low, high = went.T
    linked = (out.ends.find(low, high) >= 0) | (out.ends.find(high, low) >= 0)
    return came[~near.contain(came)], went[~linked]


def _smallest(rows: Rows, wanted: Int64[np.ndarray, " wanted"], most: int) -> Int64[np.ndarray, " keys"]:
    """The keys of the smallest numbers of some rows."""
    starts = rows.indptr[wanted]
    keys: Int64[np.ndarray, " keys"] = rows.keys[ranges(starts, np.minimum(rows.indptr[wanted + 1] - starts, most))]
    return keys


def _stale(kept: Rows, neighbours: Neighbours, changed: Int64[np.ndarray, " changed"]) -> Int64[np.ndarray, " stale"]:
    """The entities whose contexts may differ once others keep a neighbour more or less, by those keys.

    They are those that keep it, or no longer do, and those that keep both the one and the other.
    """
    keeper = changed // kept.width
    rank = changed - keeper * kept.width
    stale = [keeper]
    for which, place, _ in common(neighbours.ranks, keeper, neighbours.ranks, neighbours.order[rank]):
        entity = neighbours.numbers[place]
        both = (kept.find(entity, neighbours.rank[keeper[which]]) >= 0) & (kept.find(entity, rank[which]) >= 0)
        stale.append(entity[both])
    return np.unique(np.concatenate(stale))


def _subgraph(before: Neighbours, after: Neighbours, change: Change) -> Int64[np.ndarray, " entities"]:
    """The ends of changed triples, and the entities that have both ends as neighbours."""
    found = [change.added[:, [0, 2]].ravel(), change.removed[:, [0, 2]].ravel()]
    for neighbours, triples in ((after, change.added), (before, change.removed)):
        low, high = undirected(triples, len(neighbours.order)).T
        found += [neighbours.numbers[place] for _, place, _ in common(neighbours.ranks, low, neighbours.ranks, high)]
    return np.unique(np.concatenate(found))
