"""What a model of a knowledge graph has learned."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from latticework.knowledge.graph import Graph
from latticework.knowledge.index import ContextIndex
from latticework.knowledge.model import DKGEModel


@dataclass(frozen=True, eq=False)
class Learned:
    """What a model has learned, whole: an update makes another, so that one that fails leaves nothing half-done.

    Attributes
    ----------
    graph, index
        The facts, and the contexts.
    model
        Tables and weights.
    entities, relations
        Joint embeddings o*.
    """

    graph: Graph
    index: ContextIndex
    model: DKGEModel
    entities: Float32[np.ndarray, "entities dim"]
    relations: Float32[np.ndarray, "relations dim"]
