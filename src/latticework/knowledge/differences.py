"""How two states of a graph differ: as a transaction that makes the one of the other, and since a model was fitted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int64

from latticework.knowledge.deltas import Change, Delta
from latticework.knowledge.graph import Graph
from latticework.knowledge.triples import NO_TRIPLES, triple_keys


def difference(old: Graph, new: Graph) -> Delta:
    """What makes the new graph of the old one; in the order of the names, whatever their numbers.

    Examples
    --------
    >>> difference(Graph.of([("Rome", "in", "Gaul")]), Graph.of([("Rome", "in", "Italy")]))
    Delta(add=(('Rome', 'in', 'Italy'),), remove=(('Rome', 'in', 'Gaul'),), undone=())
    """
    added = new.named(new.triples[~old.contains(_renumbered(new, old))])
    removed = old.named(old.triples[~new.contains(_renumbered(old, new))])
    return Delta(tuple(sorted(added)), tuple(sorted(removed)))


@dataclass(frozen=True, eq=False)
class SinceFit:
    """The difference between the facts of `fit` and those of today, by number: an addition undone later is none.

    Attributes
    ----------
    came, went
        Facts of today that were not there then, and the other way round.
    """

    came: Int64[np.ndarray, "came 3"]
    went: Int64[np.ndarray, "went 3"]

    @classmethod
    def none(cls) -> SinceFit:
        """No difference."""
        return cls(NO_TRIPLES, NO_TRIPLES)

    def __len__(self) -> int:
        return len(self.came) + len(self.went)

    def updated(self, change: Change) -> SinceFit:
        """The difference after a transaction.

        Examples
        --------
        >>> nothing, fact = np.empty((0, 3), np.int64), np.array([[0, 0, 1]])
        >>> change = Change(fact, nothing, *[np.empty(0, np.int64)] * 4)
        >>> undone = Change(nothing, fact, *[np.empty(0, np.int64)] * 4)
        >>> len(SinceFit.none().updated(change)), len(SinceFit.none().updated(change).updated(undone))
        (1, 0)
        """
        came = np.concatenate([_without(self.came, change.removed), _without(change.added, self.went)])
        went = np.concatenate([_without(self.went, change.added), _without(change.removed, self.came)])
        return SinceFit(came, went)

    def seen(self, graph: Graph) -> Bool[np.ndarray, " entities"]:
        """Which entities of today's graph were in a fact then."""
        then = np.concatenate([_without(graph.triples, self.came), self.went])
        seen = np.zeros(len(graph.entities), bool)
        seen[then[:, [0, 2]].ravel()] = True
        return seen


def _without(facts: Int64[np.ndarray, "n 3"], others: Int64[np.ndarray, "m 3"]) -> Int64[np.ndarray, "kept 3"]:
    """The facts that are not among the others."""
    if not len(facts) or not len(others):
        return facts
    both = np.concatenate([facts, others])
    heads, relations, tails = (int(largest) + 1 for largest in both.max(axis=0))
    keys = triple_keys(both, max(heads, tails), relations)
    kept: Int64[np.ndarray, "kept 3"] = facts[~np.isin(keys[: len(facts)], keys[len(facts) :])]
    return kept


def _renumbered(graph: Graph, other: Graph) -> Int64[np.ndarray, "triples 3"]:
    """The triples of a graph in the numbers of another, -1 for a name that is unknown there."""
    entities = other.entities.numbers(list(graph.entities))
    relations = other.relations.numbers(list(graph.relations))
    heads, kinds, tails = graph.triples.T
    return np.stack([entities[heads], relations[kinds], entities[tails]], axis=1)
