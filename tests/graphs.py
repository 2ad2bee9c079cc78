"""Small random knowledge graphs."""

import numpy as np

from latticework.knowledge.graph import Graph
from latticework.knowledge.names import Names


def draw_numbers(seed, entities, relations, triples):
    """Triples by number, all equally likely; one may come twice."""
    return np.random.default_rng(seed).integers(0, [entities, relations, entities], (triples, 3))


def draw_triples(seed, entities=40, relations=4, triples=150):
    """The same by name, in the order drawn."""
    return [(f"e{h}", f"r{r}", f"e{t}") for h, r, t in draw_numbers(seed, entities, relations, triples).tolist()]


def draw_graph(seed, entities=12, relations=2, triples=30):
    """A graph that knows the names of all entities and relations, those in no triple too."""
    names = [f"e{number}" for number in range(entities)], [f"r{number}" for number in range(relations)]
    return Graph.of_numbers(draw_numbers(seed, entities, relations, triples), *map(Names, names))
