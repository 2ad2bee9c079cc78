import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import knowledge_contexts as reference

from latticework.knowledge.graph import Graph
from latticework.knowledge.index import ContextIndex
from latticework.knowledge.names import Names

# Few names: self-loops, several relations between two entities, inverse pairs and triangles come by themselves.
TRIPLES = st.sets(
    st.tuples(st.sampled_from("abcdefg"), st.sampled_from("rstu"), st.sampled_from("abcdefg")), max_size=25
)


def by_name(contexts, objects, elements):
    """Contexts and edges as dictionaries of names, without objects that have none."""
    rows, edges = {}, {}
    for number, name in enumerate(objects):
        place = slice(contexts.indptr[number], contexts.indptr[number + 1])
        named = [
            tuple(elements[part] for part in element if part >= 0) for element in contexts.elements[place].tolist()
        ]
        if named:
            rows[name] = named
            place = slice(contexts.edge_indptr[number], contexts.edge_indptr[number + 1])
            edges[name] = [tuple(edge) for edge in contexts.edges[place].tolist()]
    return rows, edges


def of_entities(graph, most):
    rows, edges = by_name(ContextIndex.of(graph, most).entities, graph.entities, graph.entities)
    return {name: [element for (element,) in row] for name, row in rows.items()}, edges


def of_relations(graph, most):
    return by_name(ContextIndex.of(graph, most).relations, graph.relations, graph.relations)


def without_empty(context, edges):
    return {key: row for key, row in context.items() if row}, {key: edges[key] for key, row in context.items() if row}


@settings(max_examples=60)
@given(TRIPLES, st.sampled_from([1, 2, 3, 30]))
def test_the_contexts_of_entities_are_those_of_brute_force(triples, most):
    assert of_entities(Graph.of(triples), most) == without_empty(*reference.entity_contexts(triples, most))


@settings(max_examples=60)
@given(TRIPLES, st.sampled_from([1, 2, 3, 30]))
def test_the_contexts_of_relations_are_those_of_brute_force(triples, most):
    assert of_relations(Graph.of(triples), most) == without_empty(*reference.relation_contexts(triples, most))


@settings(max_examples=30)
@given(TRIPLES, st.randoms(use_true_random=False))
def test_neither_numbers_nor_the_order_of_triples_choose_what_is_kept(triples, random):
    one, other = sorted(triples), sorted(triples)
    random.shuffle(other)
    for contexts in (of_entities, of_relations):
        assert contexts(Graph.of(one), 2) == contexts(Graph.of(other), 2)


def test_a_context_is_in_the_order_of_the_digests_of_names():
    names = [f"n{number}" for number in range(50)]
    graph = Graph.of([("hub", "in", name) for name in names])
    rows, _ = of_entities(graph, 30)
    assert rows["hub"] == sorted(names, key=reference.digest)[:30]


def test_an_edge_needs_the_second_in_the_kept_context_of_the_first():
    others = [f"x{number}" for number in range(40)]
    last = max(others, key=reference.digest)
    graph = Graph.of([("hub", "in", name) for name in others] + [("centre", "in", "hub"), ("centre", "in", last)])
    rows, edges = of_entities(graph, 30)
    hub, far = rows["centre"].index("hub"), rows["centre"].index(last)
    assert edges["centre"] == [(far, hub)]  # the hub has too many neighbours to keep it


def test_a_self_loop_makes_no_neighbour_but_paths():
    triples = [("a", "r", "a"), ("a", "s", "b")]
    assert of_entities(Graph.of(triples), 30)[0] == {"a": ["b"], "b": ["a"]}
    assert of_relations(Graph.of(triples), 30)[0] == {"r": [("r", "r")], "s": [("r", "s")]}


def test_a_relation_is_no_path_beside_itself_but_twice_in_a_row_it_is():
    rows, _ = of_relations(Graph.of([("a", "r", "b"), ("b", "r", "c"), ("a", "r", "c")]), 30)
    assert rows == {"r": [("r", "r")]}


def test_paths_follow_the_direction_of_triples():
    assert of_relations(Graph.of([("a", "r", "b"), ("b", "s", "a")]), 30)[0] == {}


def test_names_without_triples_have_empty_contexts():
    graph = Graph.of_numbers(np.empty((0, 3), dtype=np.int64), Names("ab"), Names("r"))
    for contexts, objects in zip(ContextIndex.of(graph, 30).both, (2, 1), strict=True):
        assert contexts.indptr.tolist() == contexts.edge_indptr.tolist() == [0] * (objects + 1)
        assert contexts.elements.shape == contexts.edges.shape == (0, 2)
