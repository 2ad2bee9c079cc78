"""What an update did, and how well what came fits with what was there."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from jaxtyping import Int64

from latticework.knowledge.deltas import Change
from latticework.knowledge.keys import places_of
from latticework.knowledge.learned import Learned
from latticework.knowledge.results import UpdateReport
from latticework.knowledge.scope import Scope
from latticework.knowledge.triples import triple_keys

MOST_STRAINED: Final = 10_000  # facts that those which came are compared with


def report_of(
    before: Learned, after: Learned, change: Change, scope: Scope, *, epochs: int, seconds: float, changed: float
) -> UpdateReport:
    """What an update did, by name."""
    entities, relations = after.graph.entities, after.graph.relations
    old = [
        np.setdiff1d(refreshed, new)
        for refreshed, new in zip(scope.refreshed, (change.new, change.new_relations), strict=True)
    ]
    drift = [
        dict(zip(names.named(numbers), np.linalg.norm(new[numbers] - was[numbers], axis=1).tolist(), strict=True))
        for names, numbers, new, was in (
            (entities, old[0], after.entities, before.entities),
            (relations, old[1], after.relations, before.relations),
        )
    ]
    return UpdateReport(
        affected=frozenset(entities.named(old[0])),
        affected_relations=frozenset(relations.named(old[1])),
        new=frozenset(entities.named(change.new)),
        removed=frozenset(entities.named(change.gone)),
        new_relations=frozenset(relations.named(change.new_relations)),
        removed_relations=frozenset(relations.named(change.gone_relations)),
        added_triples=len(change.added),
        removed_triples=len(change.removed),
        trained_triples=len(scope.facts),
        trained_objects=sum(map(len, scope.trained)),
        epochs=epochs,
        seconds=seconds,
        drift=drift[0],
        relation_drift=drift[1],
        changed_share=changed,
        strain=strain(after, change.added),
    )


def strain(learned: Learned, added: Int64[np.ndarray, "added 3"]) -> float:
    """The median distance of the facts that came, over that of the others; 1 where there are none of either."""
    graph = learned.graph
    came = triple_keys(added, len(graph.entities), len(graph.relations))
    others = graph.triples[places_of(graph.keys, np.sort(came)) < 0]
    if not len(added) or not len(others):
        return 1.0
    rest = others[:: max(1, len(others) // MOST_STRAINED)]

    def middle(facts: Int64[np.ndarray, "n 3"]) -> float:
        heads, relations, tails = facts.T
        apart = learned.entities[heads] + learned.relations[relations] - learned.entities[tails]
        return float(np.median(np.linalg.norm(apart, ord=learned.model.norm, axis=1)))

    usual = middle(rest)
    return middle(added) / usual if usual else math.inf
