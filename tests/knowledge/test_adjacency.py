from hypothesis import given
from hypothesis import strategies as st
from reference import knowledge_contexts as reference

from latticework.knowledge.adjacency import Links, Neighbours
from latticework.knowledge.graph import Graph

TRIPLES = st.sets(st.tuples(st.sampled_from("abcdef"), st.sampled_from("rst"), st.sampled_from("abcdef")), max_size=25)


@given(TRIPLES)
def test_neighbours_are_those_of_brute_force_in_the_order_of_digests(triples):
    graph = Graph.of(triples)
    neighbours = Neighbours.of(graph)
    rows = {name: [] for name in graph.entities}
    for owner, number in zip(neighbours.ranks.owners.tolist(), neighbours.numbers.tolist(), strict=True):
        rows[graph.entities[owner]].append(graph.entities[number])
    around = reference.neighbours(triples)
    assert rows == {name: sorted(around[name], key=reference.digest) for name in around}


@given(TRIPLES)
def test_links_hold_every_triple_once_from_either_end(triples):
    graph = Graph.of(triples)
    sizes = {"entities": len(graph.entities), "relations": len(graph.relations)}
    for links, order in (
        (Links.out_of(graph.triples, **sizes), [0, 2, 1]),
        (Links.into(graph.triples, **sizes), [2, 0, 1]),
    ):
        cells = zip(links.ends.owners.tolist(), links.ends.columns.tolist(), strict=True)
        held = [
            [one, other, relation]
            for link, (one, other) in enumerate(cells)
            for relation in links.relations[links.first[link] : links.first[link + 1]].tolist()
        ]
        assert held == sorted(graph.triples[:, order].tolist())


@given(TRIPLES, st.text(min_size=2, max_size=3))
def test_a_new_name_moves_no_neighbour(triples, name):
    graph = Graph.of(triples)
    neighbours = Neighbours.of(graph)
    renamed = neighbours.renamed(graph.entities.extended([name]))
    assert renamed.numbers.tolist() == neighbours.numbers.tolist()
    assert renamed.ranks.keys.tolist() == sorted(renamed.ranks.keys.tolist())
    assert renamed.ranks.indptr.tolist() == [*neighbours.ranks.indptr.tolist(), len(neighbours.numbers)]
