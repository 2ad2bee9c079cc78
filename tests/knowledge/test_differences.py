import pytest
from hypothesis import given
from hypothesis import strategies as st

from latticework.knowledge.deltas import Delta
from latticework.knowledge.differences import difference
from latticework.knowledge.graph import Graph
from latticework.knowledge.io.openke import read_openke
from latticework.knowledge.names import Names

A, B = ("New York", "in", "USA"), ("Rome", "in", "Italy")
TRIPLES = st.tuples(*[st.sampled_from("abc")] * 3)


@given(st.lists(TRIPLES, min_size=1), st.lists(TRIPLES, min_size=1))
def test_the_difference_makes_the_new_graph_of_the_old(old, new):
    before, after = Graph.of(old), Graph.of(new)
    delta = difference(before, after)
    assert set(before.apply(delta, missing="raise")[0].named()) == set(new)
    assert set(delta.add) == set(new) - set(old)
    assert set(delta.remove) == set(old) - set(new)


def test_the_difference_does_not_depend_on_numbers():
    old, new = [A, B], [("Oslo", "in", "Norway"), A, ("Bern", "in", "Switzerland")]
    assert difference(Graph.of(old), Graph.of(new)) == difference(Graph.of(old[::-1]), Graph.of(new[::-1]))


def test_graphs_without_triples_have_differences():
    empty = Graph.of([])
    assert difference(empty, Graph.of([A])) == Delta(add=[A])
    assert difference(Graph.of([A]), empty) == Delta(remove=[A])
    assert not difference(empty, Graph.of_numbers(empty.triples, Names("a"), Names()))


@pytest.mark.realdata("knowledge/YAGO-3SP")
def test_snapshots_of_yago_differ_by_as_much_as_the_paper_says(data_folder):
    first, second = (read_openke(data_folder / f"knowledge/YAGO-3SP/snapshot{n}").graph for n in (1, 2))
    delta = difference(first, second)
    assert (len(delta.add), len(delta.remove)) == (900, 150)
    after, change = first.apply(delta, missing="raise")
    assert set(after.named()) == set(second.named())
    assert (len(change.new), len(change.new_relations)) == (139, 1)
