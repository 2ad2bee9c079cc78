import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latticework.core.errors import InputError
from latticework.knowledge.deltas import Delta
from latticework.knowledge.graph import Graph
from latticework.knowledge.names import Names

FAMILY = [("Ann", "mother", "Bob"), ("Bob", "likes", "Bob"), ("Ann", "likes", "Bob"), ("Cid", "likes", "Ann")]
NAMES = st.sampled_from("abcde")
TRIPLES = st.tuples(NAMES, st.sampled_from("rs"), NAMES)


def test_triples_are_distinct_and_in_ascending_order():
    graph = Graph.of([*FAMILY, *FAMILY])
    assert graph.triples.tolist() == [[0, 0, 1], [0, 1, 1], [1, 1, 1], [2, 1, 0]]
    assert graph.triples.dtype == np.int64
    assert graph.triples.flags.c_contiguous
    assert set(graph.named()) == set(FAMILY)


def test_names_are_numbered_as_they_come_first():
    graph = Graph.of(FAMILY)
    assert list(graph.entities) == ["Ann", "Bob", "Cid"]
    assert list(graph.relations) == ["mother", "likes"]


def test_a_self_loop_counts_once():
    assert Graph.of(FAMILY).degrees.tolist() == [3, 3, 1]


def test_relations_are_counted():
    assert Graph.of(FAMILY).relation_counts.tolist() == [1, 3]


def test_an_array_of_integers_has_decimal_names():
    graph = Graph.of(np.array([[7, 0, 9], [9, 1, 7]]))
    assert list(graph.entities) == ["7", "9"]
    assert graph.named() == [("7", "0", "9"), ("9", "1", "7")]


def test_arrays_of_text_are_triples_by_name():
    assert set(Graph.of(np.array(FAMILY)).named()) == set(FAMILY)
    assert set(Graph.of(np.array(FAMILY, dtype=object)).named()) == set(FAMILY)


def test_no_triples_are_an_empty_graph():
    graph = Graph.of([])
    assert len(graph) == 0
    assert graph.degrees.shape == (0,)
    assert graph.contains(np.empty((0, 3), dtype=np.int64)).shape == (0,)
    assert graph.named() == []


@pytest.mark.parametrize(
    "triples, message",
    [
        ([("a", "r", "b"), ("a", "r")], r"triples\[1\]: \('a', 'r'\) is not \(head, relation, tail\)"),
        (["abc"], r"triples\[0\]: 'abc' is not"),
        ([("a", "r", "b"), {"a", "r", "b"}], r"triples\[1\]: .* is not"),
        ([3], r"triples\[0\]: 3 is not"),
        ([("a", "r", "b"), ("a", "", "b")], r"relation of triples\[1\]: '' cannot be a name"),
        ([("a", "r", "b"), ("a", "r", 3)], r"tail of triples\[1\]: 3 cannot be a name"),
    ],
)
def test_what_is_no_triple_is_refused(triples, message):
    with pytest.raises(InputError, match=message):
        Graph.of(triples)


def test_numbers_of_no_name_are_refused():
    with pytest.raises(InputError, match=r"triples\[1\] is \[0, 1, 0\]: .* 2 entities and 1 relations"):
        Graph.of_numbers(np.array([[0, 0, 1], [0, 1, 0]]), Names("ab"), Names("r"))
    with pytest.raises(InputError, match=r"triples\[0\]"):
        Graph.of_numbers(np.array([[-1, 0, 1]]), Names("ab"), Names("r"))


@pytest.mark.parametrize(
    "wrong",
    [np.zeros((3, 2), int), np.zeros((2, 3)), np.zeros((2, 3), bool), np.zeros(3, int), np.zeros((2, 3, 1), int)],
)
def test_numbers_that_are_no_rows_of_three_are_refused(wrong):
    with pytest.raises(InputError, match=r"of shape .*, expected integers of shape \(triples, 3\)"):
        Graph.of_numbers(wrong, Names("ab"), Names("rs"))


def test_numbers_are_integers_of_any_size():
    for kind in (np.uint8, np.int32, np.uint64):
        graph = Graph.of_numbers(np.array([[1, 0, 0]], kind), Names("ab"), Names("r"))
        assert (graph.triples.tolist(), graph.triples.dtype) == ([[1, 0, 0]], np.int64)


@given(st.lists(TRIPLES), st.lists(TRIPLES))
def test_contains_is_membership(held, asked):
    graph = Graph.of(held)
    assert graph.contains(graph.numbered(asked)).tolist() == [triple in held for triple in asked]


def test_a_number_out_of_range_is_in_no_triple():
    graph = Graph.of(FAMILY)
    wrapped = np.array([[0, 0, 4], [0, 2, 1], [1, 0, -2], [-1, 0, 1]])  # keys of which might be those of others
    assert not graph.contains(wrapped).any()


def test_adding_gives_new_names_the_next_numbers():
    before = Graph.of(FAMILY)
    after, change = before.apply(Delta(add=[("Dan", "father", "Ann")]))
    assert list(after.entities) == ["Ann", "Bob", "Cid", "Dan"]
    assert after.named(change.added) == [("Dan", "father", "Ann")]
    assert change.new.tolist() == [3]
    assert change.new_relations.tolist() == [2]
    assert set(after.named()) == {*FAMILY, ("Dan", "father", "Ann")}
    assert set(before.named()) == set(FAMILY)


def test_an_entity_that_loses_its_last_triple_keeps_its_number_and_is_not_present():
    after, change = Graph.of(FAMILY).apply(Delta(remove=[("Cid", "likes", "Ann"), ("Ann", "mother", "Bob")]))
    assert after.present.tolist() == [True, True, False]
    assert change.gone.tolist() == [2]
    assert change.gone_relations.tolist() == [0]
    back, change = after.apply(Delta(add=[("Cid", "likes", "Ann")]))
    assert change.new.tolist() == [2]
    assert back.present.all()


def test_a_triple_removed_and_added_at_once_stays():
    graph = Graph.of(FAMILY)
    after, change = graph.apply(Delta(add=[FAMILY[0]], remove=[FAMILY[0]]))
    assert after is graph
    assert not change


def test_an_addition_undone_leaves_no_name_behind():
    graph = Graph.of(FAMILY)
    undone = ("Eve", "aunt", "Ann")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        after, change = graph.apply(Delta(remove=[undone], undone=[undone]), missing="raise")
    assert after is graph
    assert not change


def test_an_empty_delta_changes_nothing():
    graph = Graph.of(FAMILY)
    after, change = graph.apply(Delta())
    assert after is graph
    assert not change
    assert change.added.shape == change.removed.shape == (0, 3)


def test_adding_what_is_there_changes_nothing():
    graph = Graph.of(FAMILY)
    assert not graph.apply(Delta(add=FAMILY))[1]


def test_removing_what_is_not_there_is_warned_of_refused_or_passed_over():
    graph, delta = Graph.of(FAMILY), Delta(remove=[("Ann", "likes", "Cid"), ("Zoe", "likes", "Cid"), FAMILY[0]])
    with pytest.warns(UserWarning, match="not in the graph: 'Ann likes Cid' and 1 more") as caught:
        after, change = graph.apply(delta)
    assert caught[0].filename == __file__
    assert set(after.named()) == set(FAMILY[1:])
    assert len(change.removed) == 1
    with pytest.raises(InputError, match="not in the graph: 'Ann likes Cid' and 1 more"):
        graph.apply(delta, missing="raise")
    assert len(graph.apply(delta, missing="ignore")[0]) == 3
    with pytest.raises(InputError, match="missing='no'"):
        graph.apply(delta, missing="no")


def test_every_triple_can_be_removed_and_come_back():
    graph = Graph.of(FAMILY)
    empty, change = graph.apply(Delta(remove=FAMILY))
    assert len(empty) == 0
    assert change.gone.tolist() == [0, 1, 2]
    back, change = empty.apply(Delta(add=FAMILY))
    np.testing.assert_array_equal(back.triples, graph.triples)


@given(st.lists(TRIPLES), st.lists(st.tuples(st.lists(TRIPLES), st.lists(TRIPLES)), max_size=4))
def test_a_stream_of_deltas_gives_the_graph_of_the_same_triples(start, deltas):
    graph, expected = Graph.of(start), set(start)
    for add, remove in deltas:
        before = expected
        expected = (expected - set(remove)) | set(add)
        after, change = graph.apply(Delta(add=add, remove=remove), missing="ignore")
        assert set(after.named()) == expected
        assert set(after.named(change.added)) == expected - before
        assert set(after.named(change.removed)) == before - expected
        assert set(after.entities.named(change.new)) == _entities(expected) - _entities(before)
        assert set(after.entities.named(change.gone)) == _entities(before) - _entities(expected)
        assert list(after.entities)[: len(graph.entities)] == list(graph.entities)
        assert np.all(np.diff(after.keys) > 0)
        assert after.triples.flags.c_contiguous
        graph = after


def _entities(triples):
    return {name for head, _, tail in triples for name in (head, tail)}
