import warnings

import numpy as np
import pytest

from latticework.core import InputError
from latticework.knowledge.facts import HeldOut, read_graph, read_named, read_validation
from latticework.knowledge.graph import Graph

ROWS = [("Rome", "in", "Italy"), ("Oslo", "in", "Norway")]


class Table:
    """What pandas and polars have in common."""

    def to_numpy(self):
        return np.array(ROWS, dtype=object)


@pytest.mark.parametrize("given", [ROWS, np.array(ROWS), np.array(ROWS, dtype=object), Table(), Graph.of(ROWS)])
def test_triples_come_in_many_forms(given):
    assert sorted(read_graph(given).named()) == sorted(ROWS)
    assert sorted(read_named(given, "triples")) == sorted(ROWS)


def test_triples_come_from_files(tmp_path):
    (tmp_path / "facts.tsv").write_text("Rome\tin\tItaly\nOslo\tin\tNorway\n")
    assert sorted(read_graph(tmp_path / "facts.tsv").named()) == sorted(ROWS)
    assert sorted(read_named(str(tmp_path / "facts.tsv"), "triples")) == sorted(ROWS)


def test_rows_of_a_file_are_read_in_its_order_and_as_often_as_they_are_there(tmp_path):
    rows = [("a", "r", "b"), ("b", "r", "c"), ("a", "r", "c"), ("b", "r", "c")]
    (tmp_path / "facts.tsv").write_text("".join("\t".join(row) + "\n" for row in rows))
    assert read_named(tmp_path / "facts.tsv", "triples") == rows
    (tmp_path / "none.tsv").touch()
    with pytest.raises(InputError, match="holds no triple"):
        read_named(tmp_path / "none.tsv", "triples")


def test_of_a_folder_the_part_is_read_that_is_meant(tmp_path):
    for name in ("train", "valid", "test"):
        (tmp_path / f"{name}.tsv").write_text(f"a\t{name}\tb\n")
    assert read_named(tmp_path, "triples") == [("a", "train", "b")]
    assert read_named(tmp_path, "facts", "test") == [("a", "test", "b")]
    assert read_validation(tmp_path) == [("a", "valid", "b")]


@pytest.mark.parametrize("given", [[], 3, None, [("Rome", "Italy")], ["Rome in Italy"], [("Rome", "", "Italy")]])
def test_what_is_no_graph_is_refused(given):
    with pytest.raises(InputError, match="triples"):
        read_graph(given)


def test_held_out_facts_lose_what_tells_nothing():
    graph = Graph.of(ROWS)
    graph, _ = graph.apply(delta_removing("Oslo"))
    test = [("Rome", "in", "Italy"), ("Italy", "in", "Rome"), ("Oslo", "in", "Italy"), ("Rome", "near", "Italy")]
    held_out = HeldOut.of(test, graph)
    assert graph.named(held_out.triples) == [("Italy", "in", "Rome")]
    assert (held_out.unknown, held_out.leaked) == (2, 1)


def delta_removing(name):
    from latticework.knowledge.deltas import Delta

    return Delta(remove=tuple(row for row in ROWS if name in row))


class NamedColumns:
    """What a table of pandas or polars is to us."""

    def __init__(self, columns, rows):
        self.columns, self.rows = columns, rows

    def to_numpy(self):
        return np.array(self.rows, dtype=object)


def test_columns_of_a_table_are_found_by_name():
    rows = [(3, "Italy", "Rome", "in"), (4, "Norway", "Oslo", "in")]
    expected = [("Rome", "in", "Italy"), ("Oslo", "in", "Norway")]
    assert read_named(NamedColumns(["weight", "Tail", "head", "relation"], rows), "triples") == expected
    assert sorted(read_graph(NamedColumns(["weight", "Tail", "head", "relation"], rows)).named()) == sorted(expected)
    unnamed = NamedColumns([0, 1, 2], expected)
    assert read_named(unnamed, "triples") == expected


@pytest.mark.parametrize(
    "facts",
    [
        np.array([[head, tail, 0] for head, tail in ((0, 1), (1, 2), (2, 3), (3, 4))]),
        [("Rome", "Italy", "in"), ("Milan", "Italy", "in"), ("Italy", "Europe", "in"), ("Europe", "Earth", "in")],
    ],
)
def test_columns_that_are_swapped_are_warned_of(facts):
    if isinstance(facts, np.ndarray):
        facts = facts.astype(str)
        facts = np.concatenate([facts, [["9", "5", "0"], ["9", "6", "0"], ["9", "7", "0"], ["9", "8", "0"]]])
    with pytest.warns(UserWarning, match="are columns swapped") as caught:
        read_graph(facts)
    assert caught[0].filename == __file__
    right = [(head, relation, tail) for head, tail, relation in facts]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_graph(right)
