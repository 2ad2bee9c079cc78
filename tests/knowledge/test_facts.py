import numpy as np
import pytest

from latticework.core import InputError
from latticework.knowledge.facts import HeldOut, read_graph, read_named
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


@pytest.mark.parametrize("given", [[], 3, None, [("Rome", "Italy")], ["Rome in Italy"], [("Rome", "", "Italy")]])
def test_what_is_no_graph_is_refused(given):
    with pytest.raises(InputError, match="triples"):
        read_graph(given)


def test_held_out_facts_lose_what_tells_nothing():
    graph = Graph.of(ROWS)
    graph, _ = graph.apply(delta_removing("Oslo"))
    test = [("Rome", "in", "Italy"), ("Italy", "in", "Rome"), ("Oslo", "in", "Italy"), ("Rome", "near", "Italy")]
    held_out = HeldOut.of(test, graph, "test")
    assert graph.named(held_out.triples) == [("Italy", "in", "Rome")]
    assert (held_out.unknown, held_out.leaked) == (2, 1)


def delta_removing(name):
    from latticework.knowledge.deltas import Delta

    return Delta(remove=tuple(row for row in ROWS if name in row))
