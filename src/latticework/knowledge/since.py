"""Which facts came and went since a model was fitted: an addition undone later is no change."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int64

from latticework.knowledge.deltas import Change
from latticework.knowledge.graph import Graph, triple_keys


@dataclass(frozen=True, eq=False)
class SinceFit:
    """The difference between the facts of `fit` and those of today, by number.

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
        return cls(np.empty((0, 3), np.int64), np.empty((0, 3), np.int64))

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
