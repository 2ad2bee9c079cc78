"""What a model of a knowledge graph has learned."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float32

from latticework.knowledge.embeddings import Embeddings
from latticework.knowledge.graph import Graph
from latticework.knowledge.index import ContextIndex
from latticework.knowledge.model import DKGEModel


@dataclass(frozen=True, eq=False)
class Learned:
    """What a model has learned, whole: an update makes another, so that one that fails leaves nothing half-done.

    Attributes
    ----------
    graph
        The facts.
    model
        Tables and weights.
    entities, relations
        Joint embeddings o*.
    max_context
        Elements of a context, at most.
    open_gate
        Whether o* is k, and contexts are nothing to it.
    made
        The contexts, if they are there already.
    """

    graph: Graph
    model: DKGEModel
    entities: Float32[np.ndarray, "entities dim"]
    relations: Float32[np.ndarray, "relations dim"]
    max_context: int
    open_gate: bool = False
    made: ContextIndex | None = None

    @cached_property
    def embeddings(self) -> Embeddings:
        """The joint embeddings with their names, checked to be finite."""
        return Embeddings.of(self.graph, self.entities, self.relations, norm=self.model.norm)

    @cached_property
    def index(self) -> ContextIndex:
        """The contexts; of a model that was read they are made when something first asks for them."""
        return ContextIndex.of(self.graph, self.max_context) if self.made is None else self.made
