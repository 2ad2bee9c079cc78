"""Contexts from lists, and the literal encoder over them."""

import numpy as np
import torch
from hypothesis import strategies as st
from reference import dkge

from latticework.knowledge.contexts import Contexts


def contexts_of(*objects):
    """Each object is its elements, tuples of one or two rows, and the edges among them."""
    elements = [(*element, -1)[:2] for each, _ in objects for element in each]
    edges = [edge for _, each in objects for edge in sorted(each)]
    return Contexts(
        np.cumsum([0, *(len(each) for each, _ in objects)]),
        np.array(elements, np.int64).reshape(-1, 2),
        np.cumsum([0, *(len(each) for _, each in objects)]),
        np.array(edges, np.int64).reshape(-1, 2),
    )


def star(*leaves):
    return [(leaf,) for leaf in leaves], set()


@st.composite
def random_objects(draw, *, rows, largest=5, pairs=False):
    """Some objects over a table of `rows`; elements are distinct, edges any."""
    element = st.tuples(st.integers(0, rows - 1))
    if pairs:
        element |= st.tuples(st.integers(0, rows - 1), st.integers(0, rows - 1))
    objects = []
    for _ in range(draw(st.integers(1, 6))):
        elements = draw(st.lists(element, max_size=largest, unique=True))
        local = st.integers(0, max(len(elements) - 1, 0))
        edges = draw(st.sets(st.tuples(local, local).filter(lambda edge: edge[0] != edge[1]), max_size=8))
        objects.append((elements, edges if len(elements) > 1 else set()))
    return objects


def parameters(objects, rows, dim, seed=0):
    """k, c, W, g and v in float64, all with gradients."""
    generator = torch.Generator().manual_seed(seed)
    shapes = (objects, dim), (rows, dim), (dim, dim), (dim,), (dim,)
    return [torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_() for shape in shapes]


def literal(objects, k, c, W, g, v, padded_to=None):
    """All joint embeddings, one after the other."""
    made = [
        dkge.joint_embedding(k[o], c, W, g, v, elements, edges, padded_to)[0]
        for o, (elements, edges) in enumerate(objects)
    ]
    return torch.stack(made)
