"""What a graph is like before anything is learnt from it: sizes, hubs, kinds of relations, and which say the same.

The kinds of relations are those of Bordes et al. 2013 (Translating embeddings for modeling multi-relational data): by
how many heads a tail has on average, and how many tails a head.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, get_args

import numpy as np
from jaxtyping import Float64, Int64

from latticework.knowledge.graph import Graph
from latticework.knowledge.sampling import answers_per_question

Cardinality = Literal["1-1", "1-N", "N-1", "N-N"]
CARDINALITIES: Final[tuple[Cardinality, ...]] = get_args(Cardinality)
MANY: Final = 1.5  # mean answers of a question above which a side counts as N: Bordes et al. 2013, section 4.2
ALIKE: Final = 0.5  # of the pairs of the smaller relation, from which on two relations are told of


@dataclass(frozen=True)
class RelationFacts:
    """What a relation is like.

    Attributes
    ----------
    name
        The relation.
    triples
        How many it is in.
    heads_per_tail, tails_per_head
        On average over those that it has.
    kind
        "1-1", "1-N", "N-1" or "N-N": 1-N are many tails of one head.
    """

    name: str
    triples: int
    heads_per_tail: float
    tails_per_head: float
    kind: Cardinality


@dataclass(frozen=True)
class Overlap:
    """Two relations with pairs in common: who has learnt the one can answer the other by heart.

    Attributes
    ----------
    first, second
        The relations; the smaller one first. A symmetric relation is its own inverse.
    inverse
        Whether the second one has the pairs the other way round.
    pairs
        How many they have in common.
    share
        Of the pairs of the first one, those that the second one has.
    """

    first: str
    second: str
    inverse: bool
    pairs: int
    share: float


@dataclass(frozen=True)
class Statistics:
    """What a graph is like.

    Attributes
    ----------
    triples, entities, relations
        How many there are; entities and relations that are in no triple not among them.
    isolated
        Entities that are named and in no triple.
    degrees
        "mean", "median", "largest": triples of an entity.
    hubs
        The entities that are in the most triples, with how many.
    self_loops
        Triples from an entity to itself.
    components, largest_component
        Parts of the graph that nothing connects, and the share of the entities in the largest.
    kinds
        Of "1-1", "1-N", "N-1" and "N-N" how many relations, and how many triples, there are.
    by_relation
        Each relation, the largest first.
    overlaps
        Relations that mostly say the same, or the reverse; those with the most pairs first.
    duplicates, left_out
        What the reader left out: triples that were there before, and others by reason.
    """

    triples: int
    entities: int
    relations: int
    isolated: int
    degrees: Mapping[str, float]
    hubs: tuple[tuple[str, int], ...]
    self_loops: int
    components: int
    largest_component: float
    kinds: Mapping[str, tuple[int, int]]
    by_relation: tuple[RelationFacts, ...]
    overlaps: tuple[Overlap, ...]
    duplicates: int = 0
    left_out: Mapping[str, int] = field(default_factory=dict)


def statistics(
    graph: Graph, *, hubs: int = 10, duplicates: int = 0, left_out: Mapping[str, int] | None = None
) -> Statistics:
    """What a graph is like; O(n log n) in its triples.

    Parameters
    ----------
    graph
        Its triples.
    hubs
        How many entities with the most triples to name.
    duplicates, left_out
        What its reader counted (`Loaded.duplicates`, `Loaded.dropped`).

    Examples
    --------
    >>> graph = Graph.of([("Rome", "in", "Italy"), ("Milan", "in", "Italy"), ("Oslo", "in", "Norway")])
    >>> found = statistics(graph, hubs=1)
    >>> found.entities, found.hubs, found.components
    (5, (('Italy', 2),), 2)
    >>> found.by_relation[0]
    RelationFacts(name='in', triples=3, heads_per_tail=1.5, tails_per_head=1.0, kind='N-1')
    """
    present = np.flatnonzero(graph.present)
    degrees = graph.degrees[present]
    by_relation = _by_relation(graph)
    first = np.lexsort([present, -degrees])[:hubs]
    sizes = _components(graph)
    return Statistics(
        triples=len(graph),
        entities=len(present),
        relations=len(by_relation),
        isolated=len(graph.entities) - len(present),
        degrees={
            "mean": float(degrees.mean()) if len(degrees) else 0.0,
            "median": float(np.median(degrees)) if len(degrees) else 0.0,
            "largest": int(degrees.max(initial=0)),
        },
        hubs=tuple(zip(graph.entities.named(present[first]), degrees[first].tolist(), strict=True)),
        self_loops=int((graph.triples[:, 0] == graph.triples[:, 2]).sum()),
        components=len(sizes),
        largest_component=float(sizes.max(initial=0) / max(1, len(present))),
        kinds={
            kind: (len(facts), sum(each.triples for each in facts))
            for kind in CARDINALITIES
            for facts in [[each for each in by_relation if each.kind == kind]]
        },
        by_relation=by_relation,
        overlaps=overlaps(graph),
        duplicates=duplicates,
        left_out=dict(left_out or {}),
    )


def relation_kinds(triples: Int64[np.ndarray, "triples 3"], relations: int) -> list[Cardinality]:
    """Of each relation whether its heads have one tail or many, and its tails one head or many: "1-N" has many tails.

    Examples
    --------
    >>> relation_kinds(np.array([[0, 0, 1], [0, 0, 2], [1, 1, 2]]), 3)
    ['1-N', '1-1', '1-1']
    """
    return _cardinalities(*answers_per_question(triples, relations))


def _cardinalities(
    tails_per_head: Float64[np.ndarray, " relations"], heads_per_tail: Float64[np.ndarray, " relations"]
) -> list[Cardinality]:
    which = 2 * (heads_per_tail >= MANY) + (tails_per_head >= MANY)
    return [CARDINALITIES[place] for place in which.tolist()]


def overlaps(graph: Graph) -> tuple[Overlap, ...]:
    """Pairs of relations that share at least `ALIKE` of the pairs of the smaller one; self-loops aside.

    As the entries of the product of the matrix of relations by pairs with itself: its cost is, over all pairs of
    entities, the square of how many relations they have.

    Examples
    --------
    >>> graph = Graph.of([("Ann", "parent of", "Bea"), ("Bea", "child of", "Ann"), ("Bea", "knows", "Ann")])
    >>> [(each.first, each.second, each.inverse) for each in overlaps(graph)]
    [('child of', 'knows', False), ('parent of', 'child of', True), ('parent of', 'knows', True)]
    """
    from scipy.sparse import csr_array

    heads, relations, tails = graph.triples[graph.triples[:, 0] != graph.triples[:, 2]].T
    if not len(heads):
        return ()
    count = len(graph.entities)
    pairs, places = np.unique(np.append(heads * count + tails, tails * count + heads), return_inverse=True)
    shape = (len(graph.relations), len(pairs))
    ones = np.ones(len(heads), np.int64)
    forwards = csr_array((ones, (relations, places[: len(heads)])), shape=shape)
    backwards = csr_array((ones, (relations, places[len(heads) :])), shape=shape)
    sizes = np.bincount(relations, minlength=len(graph.relations))
    found = []
    for inverse, other in ((False, forwards), (True, backwards)):
        common = (forwards @ other.T).tocoo()
        one, two = common.row.astype(np.int64), common.col.astype(np.int64)
        share = common.data / np.minimum(sizes[one], sizes[two])
        for place in np.flatnonzero((one < two + inverse) & (share >= ALIKE)).tolist():
            numbers = sorted((int(one[place]), int(two[place])), key=lambda number: (sizes[number], number))
            first, second = graph.relations.named(numbers)
            found.append(Overlap(first, second, inverse, int(common.data[place]), float(share[place])))
    return tuple(sorted(found, key=lambda each: (-each.pairs, -each.share, each.first, each.second, each.inverse)))


def _by_relation(graph: Graph) -> tuple[RelationFacts, ...]:
    counts = graph.relation_counts
    per_head, per_tail = answers_per_question(graph.triples, len(counts))
    kinds = _cardinalities(per_head, per_tail)
    order = np.argsort(-counts, kind="stable")
    return tuple(
        RelationFacts(
            graph.relations[number],
            int(counts[number]),
            float(per_tail[number]),
            float(per_head[number]),
            kinds[number],
        )
        for number in order[counts[order] > 0].tolist()
    )


def _components(graph: Graph) -> Int64[np.ndarray, " components"]:
    """How many entities each connected part has; those in no triple are none."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    heads, _, tails = graph.triples.T
    count = len(graph.entities)
    links = coo_array((np.ones(len(heads), np.int8), (heads, tails)), shape=(count, count))
    labels = connected_components(links, directed=False)[1][graph.present]
    return np.unique(labels, return_counts=True)[1]
