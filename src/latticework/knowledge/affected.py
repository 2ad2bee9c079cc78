"""Which entities and relations an update is about: the three rules of the online learner (DKGE).

The published code takes the entities that got a new entity as a neighbour, or lost a neighbour that is no more. The
paper's abstract speaks of regions whose contexts changed, which takes more. What a rule gives is what is *trained*;
what must be *refreshed* is all that `ContextChange.entities` and `ContextChange.relations` list, whatever the rule.

Differs from the published code: a relation belongs to a context if it is in one of its paths; there it does if its name
is part of the text of one.
"""

from __future__ import annotations

from typing import get_args

import numpy as np
from jaxtyping import Int64

from latticework.core.checks import one_of
from latticework.knowledge.choices import Affected
from latticework.knowledge.deltas import Change
from latticework.knowledge.index import ContextChange


def affected(
    rule: Affected, change: Change, context_change: ContextChange
) -> tuple[Int64[np.ndarray, " entities"], Int64[np.ndarray, " relations"]]:
    """The entities and the relations that an update affects, of those that are in a triple before and after it.

    Parameters
    ----------
    rule
        For entities, "entity": a new entity became a neighbour, or a neighbour is in no triple any more.
        "neighbours": the set of neighbours changed. "subgraph": a triple came or went among the entity and its
        neighbours. For relations, "entity": a path with a new relation came into the context, or one with a relation
        that has no triple any more left it. The others: the set of paths changed. All count whole contexts, not just
        what `max_context` keeps.
    change
        What changed in the graph.
    context_change
        What changed in the contexts.

    Raises
    ------
    InputError
        If there is no such rule.

    Examples
    --------
    >>> from latticework.knowledge.deltas import Delta
    >>> from latticework.knowledge.graph import Graph
    >>> from latticework.knowledge.index import ContextIndex
    >>> graph = Graph.of([("Ann", "knows", "Bea"), ("Bea", "knows", "Cid")])
    >>> after, change = graph.apply(Delta(add=[("Ann", "knows", "Cid"), ("Cid", "knows", "Dan")]))
    >>> _, context_change = ContextIndex.of(graph, max_context=30).updated(after, change)
    >>> for rule in ("entity", "neighbours", "subgraph"):
    ...     entities, relations = affected(rule, change, context_change)
    ...     print(after.entities.named(entities), after.relations.named(relations))
    ['Cid'] []
    ['Ann', 'Cid'] ['knows']
    ['Ann', 'Bea', 'Cid'] ['knows']
    """
    one_of("affected", rule, get_args(Affected))
    if rule == "entity":
        entities = np.append(_beside(change.added, change.new), _beside(change.removed, change.gone))
        came, left = context_change.appeared, context_change.vanished
        with_new = np.isin(came[:, 1:], change.new_relations).any(axis=1)
        with_gone = np.isin(left[:, 1:], change.gone_relations).any(axis=1)
        relations = np.append(came[with_new, 0], left[with_gone, 0])
    else:
        entities = context_change.neighbours if rule == "neighbours" else context_change.subgraph
        relations = context_change.paths
    return (
        np.setdiff1d(entities, np.append(change.new, change.gone)),
        np.setdiff1d(relations, np.append(change.new_relations, change.gone_relations)),
    )


def _beside(triples: Int64[np.ndarray, "triples 3"], entities: Int64[np.ndarray, " some"]) -> Int64[np.ndarray, " n"]:
    """The other ends of the triples that one of these entities is in."""
    heads, _, tails = triples.T
    return np.append(heads[np.isin(tails, entities)], tails[np.isin(heads, entities)])
