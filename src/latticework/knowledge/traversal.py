"""How joint embeddings answer a question that a path of relations asks: how far each entity is from its end.

In one step, as translations add up: a path r₁, ~r₂ from an anchor leads to anchor* + r₁* - r₂* (Guu, Miller & Liang
2015, Traversing knowledge graphs in vector space). Or from entity to entity, which is ours: each hop begins at an
entity, so that errors do not add up, and of all ways to an answer the one counts whose hops fit best, by the root of
the sum of the squares of their distances. It is looked for among the best few entities after each hop.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor

from latticework.knowledge.distances import exact_distances
from latticework.knowledge.embeddings import Embeddings


@torch.no_grad()
def path_distances(
    embeddings: Embeddings,
    anchors: Int64[np.ndarray, " questions"],
    path: Int64[np.ndarray, "questions hops"],
    signs: Int64[np.ndarray, "questions hops"],
    *,
    beam: int | None = None,
) -> Float[Tensor, "questions candidates"]:
    """How far each entity that is present (`embeddings.candidates`) is from where each path leads.

    O(questions · entities · dim), with a beam as many times that as all hops but the last have entities kept.

    Parameters
    ----------
    embeddings
        All of a model.
    anchors, path, signs
        As in `Questions`, in the numbers of the embeddings.
    beam
        None: in one step. Else from entity to entity, with so many kept after each hop; for one hop it is the same.

    Examples
    --------
    >>> from latticework.knowledge.graph import Graph
    >>> graph = Graph.of([("Ann", "lives in", "Rome"), ("Rome", "in", "Italy")])
    >>> places = np.array([[0.0], [1.5], [2.5]], np.float32)
    >>> embeddings = Embeddings.of(graph, places, np.array([[1.0], [1.0]], np.float32))
    >>> question = np.array([0]), np.array([[0, 1]]), np.array([[1, 1]])
    >>> path_distances(embeddings, *question), path_distances(embeddings, *question, beam=1)
    (tensor([[2.0000, 0.5000, 0.5000]]), tensor([[2.5495, 1.1180, 0.5000]]))
    """
    if beam is not None:
        return _from_entity_to_entity(embeddings, anchors, path, signs, beam)
    points = embeddings.entities[anchors].copy()
    for column in range(path.shape[1]):
        goes = np.flatnonzero(signs[:, column])
        points[goes] += _translations(embeddings, path[goes, column], signs[goes, column])
    return _distances(embeddings, torch.from_numpy(points))


def _from_entity_to_entity(
    embeddings: Embeddings,
    anchors: Int64[np.ndarray, " questions"],
    path: Int64[np.ndarray, "questions hops"],
    signs: Int64[np.ndarray, "questions hops"],
    beam: int,
) -> Float[Tensor, "questions candidates"]:
    table = torch.from_numpy(embeddings.table)
    result = torch.empty(len(anchors), len(table))
    walking = np.arange(len(anchors))
    starts = torch.from_numpy(embeddings.entities[anchors])[:, None]
    squares = torch.zeros(len(anchors), 1)  # of the way to each start
    for column in range(path.shape[1]):
        goes = np.flatnonzero(signs[walking, column])
        walking, starts, squares = walking[goes], starts[goes], squares[goes]
        if column:
            best = result[walking].topk(min(beam, len(table)), dim=1, largest=False)
            starts, squares = table[best.indices], best.values
        translations = _translations(embeddings, path[walking, column], signs[walking, column])
        points = starts + torch.from_numpy(translations)[:, None]
        reached = torch.full((len(walking), len(table)), torch.inf)
        for place in range(points.shape[1]):
            apart = _distances(embeddings, points[:, place]).square_()
            torch.minimum(reached, apart.add_(squares[:, place, None]), out=reached)
        result[walking] = reached
    return result.sqrt_()


def _translations(
    embeddings: Embeddings, relations: Int64[np.ndarray, " some"], signs: Int64[np.ndarray, " some"]
) -> Float32[np.ndarray, "some dim"]:
    found: Float32[np.ndarray, "some dim"] = embeddings.relations[relations] * signs[:, None].astype(np.float32)
    return found


def _distances(embeddings: Embeddings, points: Float[Tensor, "some dim"]) -> Float[Tensor, "some candidates"]:
    return exact_distances(points, torch.from_numpy(embeddings.table), norm=embeddings.norm)
