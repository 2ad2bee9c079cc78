from dataclasses import fields, is_dataclass
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latticework.core.errors import InputError
from latticework.knowledge.deltas import Delta
from latticework.knowledge.graph import Graph
from latticework.knowledge.index import ContextIndex

TRIPLES = st.sets(
    st.tuples(st.sampled_from("abcdefgh"), st.sampled_from("rstu"), st.sampled_from("abcdefgh")), max_size=25
)


def assert_same(one, other, path="index"):
    """Every array of two data classes is equal, down to the last."""
    if isinstance(one, np.ndarray):
        assert one.dtype == other.dtype, path
        assert np.array_equal(one, other), path
    elif is_dataclass(one):
        for field in fields(one):
            assert_same(getattr(one, field.name), getattr(other, field.name), f"{path}.{field.name}")
    else:
        assert one == other, path


def delta(before, after):
    return Delta(add=tuple(sorted(after - before)), remove=tuple(sorted(before - after)))


def row(contexts, number):
    """An object's context and edges; of one without a row they are empty."""
    if number >= len(contexts):
        return [], []
    place = slice(*contexts.indptr[number : number + 2])
    return contexts.elements[place].tolist(), contexts.edges[slice(*contexts.edge_indptr[number : number + 2])].tolist()


@settings(max_examples=80)
@given(st.lists(TRIPLES, min_size=2, max_size=5), st.sampled_from([1, 2, 3, 30]))
def test_a_stream_of_updates_gives_what_building_anew_gives(states, most):
    graph = Graph.of(sorted(states[0]))
    index = ContextIndex.of(graph, most)
    for before, after in pairwise(states):
        graph, change = graph.apply(delta(before, after))
        old, (index, changes) = index, index.updated(graph, change)
        assert_same(index, ContextIndex.of(graph, most))
        for kind, objects in (("entities", graph.entities), ("relations", graph.relations)):
            contexts, known = getattr(index, kind), getattr(old, kind)
            differ = [number for number in range(len(objects)) if row(contexts, number) != row(known, number)]
            assert getattr(changes, kind).tolist() == differ


@settings(max_examples=30)
@given(TRIPLES, st.sets(st.tuples(*[st.sampled_from("abcxyz")] * 3), min_size=1, max_size=3))
def test_small_changes_and_their_undoing_give_what_building_anew_gives(triples, more):
    graph = Graph.of(sorted(triples))
    index = ContextIndex.of(graph, 2)
    after, change = graph.apply(delta(triples, triples | more))
    changed, _ = index.updated(after, change)
    assert_same(changed, ContextIndex.of(after, 2))
    back, change = after.apply(delta(triples | more, triples))
    undone, _ = changed.updated(back, change)
    assert_same(undone, ContextIndex.of(back, 2))


def test_nothing_changes_without_a_change():
    graph = Graph.of([("a", "r", "b"), ("b", "s", "c")])
    index = ContextIndex.of(graph, 30)
    after, change = graph.apply(Delta())
    updated, changes = index.updated(after, change)
    assert_same(updated, index)
    assert not any(len(getattr(changes, field.name)) for field in fields(changes))


def test_the_first_triples_of_an_empty_graph_and_the_last_of_a_full_one():
    triples = {("a", "r", "b"), ("b", "s", "a"), ("a", "s", "a")}
    empty = Graph.of([])
    full, change = empty.apply(delta(set(), triples))
    index, _ = ContextIndex.of(empty, 30).updated(full, change)
    assert_same(index, ContextIndex.of(full, 30))
    cleared, change = full.apply(delta(triples, set()))
    index, changes = index.updated(cleared, change)
    assert_same(index, ContextIndex.of(cleared, 30))
    assert changes.neighbours.tolist() == [0, 1]


def test_a_pair_with_another_triple_stays_neighbours():
    graph = Graph.of([("a", "r", "b"), ("b", "s", "a")])
    after, change = graph.apply(Delta(remove=(("a", "r", "b"),)))
    _, changes = ContextIndex.of(graph, 30).updated(after, change)
    assert changes.neighbours.tolist() == changes.entities.tolist() == []
    assert changes.subgraph.tolist() == [0, 1]


def test_a_path_stays_until_its_last_support_goes():
    triples = [("a", "r", "b"), ("a", "s", "b"), ("c", "r", "d"), ("c", "s", "d")]
    graph = Graph.of(triples)
    index = ContextIndex.of(graph, 30)
    once, change = graph.apply(Delta(remove=(("a", "s", "b"),)))
    index, changes = index.updated(once, change)
    assert changes.paths.tolist() == []
    twice, change = once.apply(Delta(remove=(("c", "s", "d"),)))
    _, changes = index.updated(twice, change)
    assert changes.vanished.tolist() == [[0, 1, -1], [1, 0, -1]]


def test_a_neighbour_of_a_hub_may_come_without_changing_its_context():
    names = sorted(
        (f"x{number}" for number in range(60)),
        key=lambda name: int(Graph.of([(name, "r", name)]).entities.digests()[0]),
    )
    graph = Graph.of([("hub", "in", name) for name in names[:40]])
    after, change = graph.apply(Delta(add=(("hub", "in", names[-1]),)))
    _, changes = ContextIndex.of(graph, 30).updated(after, change)
    hub, new = after.entities.number("hub"), after.entities.number(names[-1])
    assert changes.neighbours.tolist() == sorted([hub, new])
    assert changes.entities.tolist() == [new]


@pytest.mark.parametrize("wrong", [0, -1, 2.5, "30", None, True])
def test_a_cap_that_is_no_whole_number_of_at_least_one_is_refused(wrong):
    with pytest.raises(InputError, match="max_context"):
        ContextIndex.of(Graph.of([("a", "r", "b")]), wrong)
