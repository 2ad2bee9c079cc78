"""What joint embeddings answer: the nearest entities or relations to where a translation leads."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Float32, Int64

from latticework.knowledge.distances import exact_distances


def nearest(
    point: Float32[np.ndarray, " dim"],
    table: Float32[np.ndarray, "rows dim"],
    allowed: Bool[np.ndarray, " rows"],
    k: int,
    *,
    norm: int,
) -> tuple[Int64[np.ndarray, " found"], Float32[np.ndarray, " found"]]:
    """The rows of a table nearest to a point, nearest first, and how far they are; among equals the lower number.

    Parameters
    ----------
    point, table
        Where a translation leads, and the joint embeddings.
    allowed
        Which rows may be answers.
    k
        At most how many.
    norm
        1 or 2.

    Examples
    --------
    >>> table = np.array([[0.0], [2.0], [3.0]], np.float32)
    >>> numbers, far = nearest(np.array([2.25], np.float32), table, np.array([True, False, True]), 2, norm=2)
    >>> numbers.tolist(), far.tolist()
    ([2, 0], [0.75, 2.25])
    """
    points = torch.from_numpy(np.ascontiguousarray(point[None]))
    [far] = exact_distances(points, torch.from_numpy(np.ascontiguousarray(table)), norm=norm).numpy()
    far[~allowed] = np.inf
    first = np.argpartition(far, k - 1)[:k] if k < len(far) else np.arange(len(far))
    # among equals at the edge the partition takes any: take all of them, then the lowest
    if k < len(far) and np.isfinite(far[first].max()):
        first = np.flatnonzero(far <= far[first].max())
    first = first[np.isfinite(far[first])]
    order = first[np.lexsort([first, far[first]])][:k]
    return order, far[order]
