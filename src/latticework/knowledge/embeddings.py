"""Joint embeddings with the names they belong to: what questions are asked of, and what is exported."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float32, Int64

from latticework.core.checks import one_of
from latticework.core.errors import InputError
from latticework.knowledge.graph import Graph
from latticework.knowledge.names import Names


@dataclass(frozen=True, eq=False)
class Embeddings:
    """Joint embeddings o* of one state of a model, so that models that number differently can be compared by name.

    Parameters
    ----------
    entities, relations
        The rows, by number.
    entity_names, relation_names
        Their names.
    present, relations_present
        Which of them are in a fact; the rows of the others mean nothing.
    norm
        1 or 2: of h* + r* - t*.

    Raises
    ------
    InputError
        If the parts do not fit together, or an embedding that is present is not finite.

    Examples
    --------
    >>> graph = Graph.of([("Rome", "in", "Italy")])
    >>> Embeddings.of(graph, np.zeros((2, 4), np.float32), np.zeros((1, 4), np.float32)).present.tolist()
    [True, True]
    """

    entities: Float32[np.ndarray, "entities dim"]
    relations: Float32[np.ndarray, "relations dim"]
    entity_names: Names
    relation_names: Names
    present: Bool[np.ndarray, " entities"]
    relations_present: Bool[np.ndarray, " relations"]
    norm: int = 2

    def __post_init__(self) -> None:
        one_of("norm", self.norm, (1, 2))
        if self.entities.ndim != 2 or self.entities.shape[1:] != self.relations.shape[1:]:
            shapes = f"entities of shape {self.entities.shape} and relations of shape {self.relations.shape}"
            raise InputError(f"{shapes}: expected rows of one width")
        for what, rows, names, present in (
            ("entity", self.entities, self.entity_names, self.present),
            ("relation", self.relations, self.relation_names, self.relations_present),
        ):
            if not len(rows) == len(names) == len(present):
                counts = f"{len(rows)} embeddings, {len(names)} names and {len(present)} marks of presence"
                raise InputError(f"{what}: {counts}: expected as many")
            wrong = present & ~np.isfinite(rows).all(axis=1)
            if wrong.any():
                raise InputError(f"the embedding of the {what} {names[int(wrong.argmax())]!r} is not finite")

    @classmethod
    def of(
        cls,
        graph: Graph,
        entities: Float32[np.ndarray, "entities dim"],
        relations: Float32[np.ndarray, "relations dim"],
        *,
        norm: int = 2,
    ) -> Embeddings:
        """The embeddings of what is in a graph, in its numbers."""
        counts = graph.relation_counts
        return cls(entities, relations, graph.entities, graph.relations, graph.present, counts > 0, norm)

    @cached_property
    def candidates(self) -> Int64[np.ndarray, " candidates"]:
        """The entities that can be answers, by number: those that are present."""
        return np.flatnonzero(self.present)

    @cached_property
    def table(self) -> Float32[np.ndarray, "candidates dim"]:
        """Their rows; no copy if all are present."""
        return np.ascontiguousarray(self.entities if self.present.all() else self.entities[self.candidates])
