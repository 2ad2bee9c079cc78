"""What a transaction changes, and what of it an update trains, refreshes and learns from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64, UInt64

from latticework.knowledge.affected import affected
from latticework.knowledge.choices import Affected
from latticework.knowledge.deltas import Change, Delta
from latticework.knowledge.graph import Graph, Missing
from latticework.knowledge.index import ContextIndex
from latticework.knowledge.learned import Learned
from latticework.knowledge.splitmix64 import mix


@dataclass(frozen=True, eq=False)
class Scope:
    """What an update is about, by number.

    Attributes
    ----------
    trained, new
        Entities and relations whose k is trained, new ones among them; and the new ones, whose c is.
    refreshed
        Those whose joint embedding is computed anew.
    facts
        What is learnt from.
    """

    trained: tuple[Int64[np.ndarray, " _"], Int64[np.ndarray, " _"]]
    new: tuple[Int64[np.ndarray, " _"], Int64[np.ndarray, " _"]]
    refreshed: tuple[Int64[np.ndarray, " _"], Int64[np.ndarray, " _"]]
    facts: Int64[np.ndarray, "facts 3"]


def changed(
    learned: Learned, delta: Delta, *, rule: Affected, most: int, missing: Missing = "warn"
) -> tuple[Graph, ContextIndex, Change, Scope]:
    """Apply a transaction to the graph and the contexts, and find what it affects.

    Parameters
    ----------
    learned
        The state before.
    delta
        The transaction.
    rule
        What counts as affected; see `affected`.
    most
        Facts that each trained object brings, at most.
    missing
        As for `Graph.apply`.
    """
    graph, change = learned.graph.apply(delta, missing=missing)
    index, context_change = learned.index.updated(graph, change)
    found = affected(rule, change, context_change)
    new = (change.new, change.new_relations)
    trained = tuple(np.union1d(one, other) for one, other in zip(found, new, strict=True))
    gone = (change.gone, change.gone_relations)
    moved = trained if learned.open_gate else (context_change.entities, context_change.relations)
    refreshed = tuple(
        np.setdiff1d(np.union1d(one, other), away) for one, other, away in zip(trained, moved, gone, strict=True)
    )
    facts = facts_of(graph, *trained, most=most)
    return graph, index, change, Scope(trained, new, refreshed, facts)  # type: ignore[arg-type]


def facts_of(
    graph: Graph, entities: Int64[np.ndarray, " entities"], relations: Int64[np.ndarray, " relations"], *, most: int
) -> Int64[np.ndarray, "facts 3"]:
    """The facts that some entities or relations are in, of each at most so many: those with the smallest digests.

    Examples
    --------
    >>> graph = Graph.of([("Rome", "in", "Italy"), ("Milan", "in", "Italy"), ("Oslo", "in", "Norway")])
    >>> graph.named(facts_of(graph, graph.entities.numbers(["Oslo"]), np.empty(0, np.int64), most=5))
    [('Oslo', 'in', 'Norway')]
    """
    heads, kinds, tails = graph.triples.T
    loops, every = heads == tails, np.arange(len(graph))
    ends = np.concatenate([heads, tails[~loops]]), np.concatenate([every, every[~loops]])
    chosen = np.zeros(len(graph), bool)
    for numbers, (owners, rows), count in (
        (entities, ends, len(graph.entities)),
        (relations, (kinds, every), len(graph.relations)),
    ):
        wanted = np.zeros(count, bool)
        wanted[numbers] = True
        owned = wanted[owners]
        owners, rows = owners[owned], rows[owned]
        chosen[rows[_first_of_each(owners, digests_of(graph, graph.triples[rows]), most)]] = True
    return graph.triples[chosen]


def _first_of_each(
    owners: Int64[np.ndarray, " n"], digests: UInt64[np.ndarray, " n"], most: int
) -> Int64[np.ndarray, " kept"]:
    order = np.lexsort([digests, owners])
    owners = owners[order]
    begins = np.searchsorted(owners, owners)
    return order[np.arange(len(owners)) - begins < most]


def digests_of(graph: Graph, triples: Int64[np.ndarray, "n 3"]) -> UInt64[np.ndarray, " n"]:
    """Of every triple a number that depends on its names alone."""
    entities, relations = graph.entities.digests(), graph.relations.digests()
    heads, kinds, tails = triples.T
    return mix(mix(mix(entities[heads]) ^ relations[kinds]) ^ entities[tails])
