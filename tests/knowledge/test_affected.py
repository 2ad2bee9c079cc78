import gzip

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import knowledge_contexts as reference

from latticework.core.errors import InputError
from latticework.knowledge.affected import affected
from latticework.knowledge.deltas import Delta
from latticework.knowledge.graph import Graph
from latticework.knowledge.index import ContextIndex

RULES = ["entity", "neighbours", "subgraph"]
TRIPLES = st.sets(
    st.tuples(st.sampled_from("abcdefg"), st.sampled_from(["r", "rs", "t", "u"]), st.sampled_from("abcdefg")),
    max_size=20,
)


def changed(before, after):
    """The graph after the change, what changed in it and what in its contexts."""
    graph = Graph.of(sorted(before))
    new, change = graph.apply(Delta(add=tuple(sorted(after - before)), remove=tuple(sorted(before - after))))
    return new, change, ContextIndex.of(graph, 30).updated(new, change)[1]


@settings(max_examples=60)
@given(TRIPLES, TRIPLES, st.sampled_from(RULES))
def test_each_rule_takes_what_comparing_the_graphs_takes(before, after, rule):
    graph, change, context_change = changed(before, after)
    entities, relations = affected(rule, change, context_change)
    assert set(graph.entities.named(entities)) == reference.affected_entities(rule, before, after)
    assert set(graph.relations.named(relations)) == reference.affected_relations(rule, before, after)


@settings(max_examples=30)
@given(TRIPLES, TRIPLES)
def test_each_rule_takes_all_that_the_one_before_it_takes(before, after):
    _, change, context_change = changed(before, after)
    entity, neighbours, subgraph = (affected(rule, change, context_change) for rule in RULES)
    for kind in (0, 1):
        assert set(entity[kind]) <= set(neighbours[kind]) <= set(subgraph[kind])


def test_a_relation_whose_name_is_part_of_another_is_not_taken_for_it():
    before = {("a", "marriedTo", "b"), ("a", "livesWith", "b"), ("c", "livesWith", "c")}
    after = before | {("c", "married", "c")}  # a new relation, far from a and b
    graph, change, context_change = changed(before, after)
    _, relations = affected("entity", change, context_change)
    assert graph.relations.named(relations) == ["livesWith"]


@pytest.mark.parametrize("step", [("new", "old"), ("old", "new")])
def test_a_new_relation_anywhere_on_a_path_affects_what_it_leads_along(step):
    before = {("a", "straight", "b"), ("x", "old", "y")}
    after = before | {("a", step[0], "c"), ("c", step[1], "b")}
    graph, change, context_change = changed(before, after)
    assert graph.relations.named(affected("entity", change, context_change)[1]) == ["straight"]
    graph, change, context_change = changed(after, before)
    assert graph.relations.named(affected("entity", change, context_change)[1]) == ["straight"]


def test_an_unknown_rule_is_refused():
    _, change, context_change = changed({("a", "r", "b")}, {("a", "r", "c")})
    with pytest.raises(InputError, match="affected='all'"):
        affected("all", change, context_change)


def snapshot(folder):
    """The triples of a snapshot by name."""

    def lines(name):
        path = folder / f"{name}2id.txt"
        text = (
            path.read_text("utf-8")
            if path.exists()
            else gzip.decompress(path.with_name(path.name + ".gz").read_bytes()).decode()
        )
        return text.splitlines()[1:]

    entities, relations = ([line.rsplit("\t", 1)[0] for line in lines(name)] for name in ("entity", "relation"))
    rows = (map(int, line.split()) for line in lines("train") if line.strip())
    return {(entities[head], relations[relation], entities[tail]) for head, tail, relation in rows}


@pytest.mark.realdata("knowledge/YAGO-3SP", "knowledge/DBpedia-3SP")
@pytest.mark.parametrize(
    "name, first, counts, trained",
    [
        ("YAGO-3SP", 1, (139, 860, 1513), (2378, 16924, 29694, 36611)),
        ("YAGO-3SP", 2, (105, 1104, 1799), (2286, 23176, 36762, 38668)),
        ("DBpedia-3SP", 1, (57, 205, 392), (63273, 67542, 81357, 88898)),
    ],
)
def test_the_counts_of_real_updates_are_those_of_the_specification(data_folder, name, first, counts, trained):
    folders = [data_folder / "knowledge" / name / f"snapshot{number}" for number in (first, first + 1)]
    graph, change, context_change = changed(*map(snapshot, folders))
    sets = [affected(rule, change, context_change) for rule in RULES]
    assert tuple(len(entities) for entities, _ in sets) == counts
    none = np.empty(0, dtype=np.int64)
    chosen = [(entities, none) for entities, _ in sets] + [sets[-1]]
    assert tuple(touching(graph, change, *some) for some in chosen) == trained


def touching(graph, change, entities, relations):
    """How many triples touch an affected or new entity or relation."""
    some, kinds = np.append(entities, change.new), np.append(relations, change.new_relations)
    heads, through, tails = graph.triples.T
    return int((np.isin(heads, some) | np.isin(tails, some) | np.isin(through, kinds)).sum())
