"""Small random knowledge graphs."""

import numpy as np

from latticework.knowledge.graph import Graph
from latticework.knowledge.names import Names


def draw_graph(seed, entities=12, relations=2, triples=30):
    drawn = np.random.default_rng(seed).integers(0, [entities, relations, entities], (triples, 3))
    names = [f"e{number}" for number in range(entities)], [f"r{number}" for number in range(relations)]
    return Graph.of_numbers(drawn, *map(Names, names))
