"""What joint embeddings answer: the nearest entities or relations to where a translation leads."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Float32, Int64

from latticework.knowledge.distances import exact_distances

BLOCK = 1 << 24  # distances that are held at a time


def nearest(
    points: Float32[np.ndarray, "n dim"],
    table: Float32[np.ndarray, "rows dim"],
    allowed: Bool[np.ndarray, "n rows"] | Bool[np.ndarray, " rows"],
    k: int,
    *,
    norm: int,
) -> tuple[list[Int64[np.ndarray, " found"]], list[Float32[np.ndarray, " found"]]]:
    """The rows of a table nearest to each point, nearest first, and how far they are; among equals the lower number.

    O(n · rows · dim) in blocks of bounded memory.

    Parameters
    ----------
    points, table
        Where translations lead, and the joint embeddings.
    allowed
        Which rows may be answers, for each point or for all.
    k
        At most how many.
    norm
        1 or 2.

    Examples
    --------
    >>> table = np.array([[0.0], [2.0], [3.0]], np.float32)
    >>> points, allowed = np.array([[2.25]], np.float32), np.array([True, False, True])
    >>> [numbers], [distances] = nearest(points, table, allowed, 2, norm=2)
    >>> numbers.tolist(), distances.tolist()
    ([2, 0], [0.75, 2.25])
    """
    rows = torch.from_numpy(np.ascontiguousarray(table))
    numbers: list[Int64[np.ndarray, " found"]] = []
    distances: list[Float32[np.ndarray, " found"]] = []
    step = max(1, BLOCK // max(1, len(table)))
    for begin in range(0, len(points), step):
        block = torch.from_numpy(np.ascontiguousarray(points[begin : begin + step]))
        far = exact_distances(block, rows, norm=norm).numpy()
        may = allowed if allowed.ndim == 1 else allowed[begin : begin + step]
        far[~np.broadcast_to(may, far.shape)] = np.inf
        for row in far:
            first = np.argpartition(row, k - 1)[:k] if k < len(row) else np.arange(len(row))
            # among equals at the edge the partition takes any: take all of them, then the lowest
            if k < len(row) and np.isfinite(row[first].max()):
                first = np.flatnonzero(row <= row[first].max())
            first = first[np.isfinite(row[first])]
            order = first[np.lexsort([first, row[first]])][:k]
            numbers.append(order)
            distances.append(row[order])
    return numbers, distances
