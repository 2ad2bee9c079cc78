import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import knowledge_contexts as reference

from latticework.core.errors import InputError
from latticework.knowledge import paths as module
from latticework.knowledge import rows
from latticework.knowledge.adjacency import Links
from latticework.knowledge.graph import Graph
from latticework.knowledge.paths import PathCounts, path_digests

TRIPLES = st.sets(st.tuples(st.sampled_from("abcde"), st.sampled_from("rstu"), st.sampled_from("abcde")), max_size=25)


def counted(triples):
    graph = Graph.of(triples)
    sizes = {"entities": len(graph.entities), "relations": len(graph.relations)}
    return graph, PathCounts.of(Links.out_of(graph.triples, **sizes), Links.into(graph.triples, **sizes))


def by_name(triples):
    graph, counts = counted(triples)
    result = {}
    for (relation, *path), count in zip(counts.paths.tolist(), counts.counts.tolist(), strict=True):
        names = tuple(graph.relations[part] for part in path if part >= 0)
        result.setdefault(graph.relations[relation], {})[names] = count
    return result


@settings(max_examples=60)
@given(TRIPLES)
def test_supports_are_those_of_brute_force(triples):
    assert by_name(triples) == {relation: paths for relation, paths in reference.path_counts(triples).items() if paths}


@settings(max_examples=20)
@given(TRIPLES)
def test_the_size_of_the_pieces_changes_nothing(triples):
    expected = by_name(triples)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows.chunks, "__defaults__", (3,))
        patch.setattr(module, "CHUNK", 2)
        assert by_name(triples) == expected


def test_paths_are_in_ascending_order():
    _, counts = counted({(h, r, t) for h in "abc" for r in "rst" for t in "abc"})
    assert counts.paths.tolist() == sorted(counts.paths.tolist())
    assert len(counts.paths) == 3 * (2 + 9)  # beside each relation the two others, and every two


def test_two_hubs_with_all_their_neighbours_in_common_are_counted():
    spokes = [(hub, "r", f"x{number}") for hub in "ab" for number in range(1000)]
    back = [(f"x{number}", "s", "b") for number in range(1000)]
    assert by_name([*spokes, *back, ("a", "t", "b")])["t"] == {("r", "s"): 1000}


@given(st.text(min_size=1, max_size=3), st.text(min_size=1, max_size=3))
def test_the_digest_of_a_path_is_that_of_the_reference(one, other):
    digests = np.array([reference.digest(one), reference.digest(other)], dtype=np.uint64)
    expected = [reference.path_digest([one]), reference.path_digest([one, other])]
    assert path_digests(np.array([[0, -1], [0, 1]]), digests).tolist() == expected


def test_more_relations_than_a_key_has_room_for_are_refused():
    links = Links.out_of(np.array([[0, 0, 1]]), entities=2, relations=2**21)
    with pytest.raises(InputError, match="fewer than 2,097,152 relations"):
        PathCounts.of(links, links)
