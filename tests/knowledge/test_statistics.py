"""Facts about graphs, against what is counted one triple at a time."""

from __future__ import annotations

from collections import Counter
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latticework.knowledge.deltas import Delta
from latticework.knowledge.graph import Graph
from latticework.knowledge.io import read_triples
from latticework.knowledge.statistics import MANY, overlaps, relation_kinds, statistics

NODES, RELATIONS = "abcdef", ("p", "q", "s")
some = st.sets(st.tuples(st.sampled_from(NODES), st.sampled_from(RELATIONS), st.sampled_from(NODES)), min_size=1)


def components(triples):
    parts = {name: {name} for triple in triples for name in (triple[0], triple[2])}
    for head, _, tail in triples:
        joined = parts[head] | parts[tail]
        for name in joined:
            parts[name] = joined
    return {frozenset(part) for part in parts.values()}


@given(some)
def test_every_figure_is_what_counting_gives(triples):
    found = statistics(Graph.of(sorted(triples)), hubs=3)
    degrees = Counter(name for head, _, tail in triples for name in {head, tail})
    assert (found.triples, found.entities, found.isolated) == (len(triples), len(degrees), 0)
    assert found.relations == len({relation for _, relation, _ in triples})
    assert found.degrees["mean"] == pytest.approx(np.mean(list(degrees.values())))
    assert found.degrees["median"] == np.median(list(degrees.values()))
    assert found.degrees["largest"] == max(degrees.values())
    assert [count for _, count in found.hubs] == sorted(degrees.values(), reverse=True)[:3]
    assert all(degrees[name] == count for name, count in found.hubs)
    assert found.self_loops == sum(head == tail for head, _, tail in triples)
    parts = components(triples)
    assert found.components == len(parts)
    assert found.largest_component == pytest.approx(max(map(len, parts)) / len(degrees))
    for each in found.by_relation:
        pairs = [(head, tail) for head, relation, tail in triples if relation == each.name]
        assert each.triples == len(pairs)
        assert each.heads_per_tail == pytest.approx(len(pairs) / len({tail for _, tail in pairs}))
        assert each.tails_per_head == pytest.approx(len(pairs) / len({head for head, _ in pairs}))
        many = [mean >= MANY for mean in (each.heads_per_tail, each.tails_per_head)]
        assert each.kind == "-".join("1N"[side] for side in many)
    assert sum(count for _, count in found.kinds.values()) == len(triples)
    assert sum(count for count, _ in found.kinds.values()) == found.relations


@given(some)
def test_overlaps_are_the_pairs_that_two_relations_share(triples):
    pairs = {name: {(h, t) for h, r, t in triples if r == name and h != t} for name in RELATIONS}
    expected = set()
    for (first, one), (second, other), inverse in product(pairs.items(), pairs.items(), (False, True)):
        common = one & ({(tail, head) for head, tail in other} if inverse else other)
        smaller = min(len(one), len(other))
        if (first < second or (inverse and first == second)) and smaller and len(common) / smaller >= 0.5:
            expected.add((frozenset((first, second)), inverse, len(common), len(common) / smaller))
    found = overlaps(Graph.of(sorted(triples)))
    assert {(frozenset((e.first, e.second)), e.inverse, e.pairs, e.share) for e in found} == expected
    assert [each.pairs for each in found] == sorted((each.pairs for each in found), reverse=True)


def test_kinds_of_relations_are_those_of_bordes():
    one_half_more = [(0, 0, 1), (0, 0, 2), (3, 0, 4)]  # 3 tails of 2 heads: 1.5 is many
    less = [(0, 1, 1), (0, 1, 2), (3, 1, 4), (5, 1, 6)]
    other_way = [(tail, 2, head) for head, _, tail in one_half_more]
    both = [(head, 3, tail) for head in (0, 1) for tail in (2, 3)]
    facts = np.array([*one_half_more, *less, *other_way, *both])
    assert relation_kinds(facts, 4) == ["1-N", "1-1", "N-1", "N-N"]
    fathers = Graph.of([("father", "parent of", f"child {number}") for number in range(3)])
    assert statistics(fathers).by_relation[0].kind == "1-N"


def test_an_entity_that_lost_its_last_fact_is_isolated_and_no_part_of_the_graph():
    graph, _ = Graph.of([("a", "r", "b"), ("c", "s", "d")]).apply(Delta(remove=[("c", "s", "d")]))
    found = statistics(graph)
    assert (found.entities, found.isolated, found.relations, found.components) == (2, 2, 1, 1)
    assert found.largest_component == 1
    assert dict(found.hubs) == {"a": 1, "b": 1}


def test_a_graph_that_has_lost_everything_is_empty_and_keeps_what_its_reader_counted():
    graph, _ = Graph.of([("a", "r", "b")]).apply(Delta(remove=[("a", "r", "b")]))
    found = statistics(graph, duplicates=3, left_out={"a blank line": 2})
    assert (found.triples, found.entities, found.isolated, found.components, found.largest_component) == (0, 0, 2, 0, 0)
    assert found.degrees == {"mean": 0, "median": 0, "largest": 0}
    assert (found.duplicates, found.left_out) == (3, {"a blank line": 2})


def test_a_symmetric_relation_is_the_reverse_of_itself():
    graph = Graph.of([("a", "near", "b"), ("b", "near", "a"), ("a", "over", "b")])
    (symmetric, *others) = overlaps(graph)
    assert (symmetric.first, symmetric.second, symmetric.inverse, symmetric.share) == ("near", "near", True, 1.0)
    assert {(each.first, each.second, each.inverse) for each in others} == {
        ("over", "near", False),
        ("over", "near", True),
    }


@pytest.mark.realdata("knowledge/YAGO-3SP")
def test_playing_for_and_being_affiliated_to_say_the_same_in_yago(data_folder):
    loaded = read_triples(data_folder / "knowledge" / "YAGO-3SP" / "snapshot1")
    found = statistics(loaded.graph, duplicates=loaded.duplicates, left_out=loaded.dropped)
    assert (found.triples, found.entities, found.relations) == (123_974, 26_897, 36)
    first = found.overlaps[0]
    assert (first.first, first.second, first.inverse) == ("playsFor", "isAffiliatedTo", False)
    assert first.share > 0.9
