"""Points that stand for a cloud, and the points around them: farthest-point sampling and groups (Qi et al. 2017).

PointNet++, section 3.2: each centre is the point farthest from those chosen before it, so that centres cover a cloud
evenly however densely it was scanned; a group is the points nearest to a centre, less the centre. M3DM takes 1024
groups of 128.

A cloud is rows of points. A row with NaN is no point: it is never chosen and in no group, so a picture of points may be
given as it is, rows end to end, and what comes back still says which pixel each point is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int64
from scipy.spatial import cKDTree
from torch import Tensor

from latticework.core.errors import InputError

GROUPS = 1024  # of a cloud, and
SIZE = 128  # points of each: as in the paper's code


@dataclass(frozen=True)
class Groups:
    """Points of a cloud, in groups.

    Parameters
    ----------
    centres
        Metres.
    members
        The points of each group, the nearest first, less its centre.
    places
        Which points they are.
    """

    centres: Float[Tensor, "groups 3"]
    members: Float[Tensor, "groups size 3"]
    places: Int64[Tensor, "groups size"]


def farthest_points(
    points: Float[Tensor, "points 3"], groups: int = GROUPS, *, start: int = 0
) -> Int64[Tensor, " groups"]:
    """Choose points one after the other, each the farthest from those before it. O(groups · points), on the CPU.

    Parameters
    ----------
    points
        NaN in rows that are no points.
    groups
        How many to choose; all if there are no more.
    start
        The first to be chosen, counted among the points.

    Returns
    -------
    Tensor
        Places among the rows. Of points that are equally far, the first.

    Raises
    ------
    InputError
        If there is no point at `start`, or `groups` is not positive.

    Examples
    --------
    >>> line = torch.tensor([[0.0, 0, 0], [1, 0, 0], [torch.nan, 0, 0], [4, 0, 0], [9, 0, 0]])
    >>> farthest_points(line, 3).tolist()
    [0, 4, 3]
    """
    there = _there(points)
    if groups < 1:
        raise InputError(f"groups must be at least 1, got {groups}")
    if not 0 <= start < len(there):
        raise InputError(f"start must be a place among the {len(there)} points of the cloud, got {start}")
    chosen = _chosen(points[there].numpy(force=True), min(groups, len(there)), start)
    return there[torch.from_numpy(chosen)]


def _chosen(points: Float[np.ndarray, "points 3"], groups: int, start: int) -> Int64[np.ndarray, " groups"]:
    """Do it in a third of what torch takes, which asks its threads to help with every small operation."""
    x, y, z = np.ascontiguousarray(points.T)
    distances = np.full(len(x), np.inf, points.dtype)
    squared, others = np.empty_like(distances), np.empty_like(distances)
    chosen = np.full(groups, start)
    for step in range(groups):
        if step:
            chosen[step] = distances.argmax()
        place = chosen[step]
        np.square(np.subtract(x, x[place], out=squared), out=squared)
        for axis in (y, z):
            np.square(np.subtract(axis, axis[place], out=others), out=others)
            squared += others
        np.minimum(distances, squared, out=distances)
    return chosen


def nearest_groups(points: Float[Tensor, "points 3"], centres: Int64[Tensor, " groups"], size: int = SIZE) -> Groups:
    """Put together the points nearest to each centre. O(groups · size · log points), on the CPU.

    Parameters
    ----------
    points
        NaN in rows that are no points.
    centres
        Places among the rows, such as `farthest_points` chooses.
    size
        Points in a group, the centre among them; all if there are no more.

    Raises
    ------
    InputError
        If there are no points, or `size` is not positive.

    Examples
    --------
    >>> line = torch.tensor([[0.0, 0, 0], [1, 0, 0], [torch.nan, 0, 0], [4, 0, 0], [9, 0, 0]])
    >>> groups = nearest_groups(line, torch.tensor([3]), size=2)
    >>> groups.places.tolist(), groups.members.tolist()
    ([[3, 1]], [[[0.0, 0.0, 0.0], [-3.0, 0.0, 0.0]]])
    """
    there = _there(points)
    if size < 1:
        raise InputError(f"size must be at least 1, got {size}")
    middle = points[centres]
    places = there[nearest(points[there], middle, size)[1]]
    return Groups(middle, points[places] - middle[:, None], places)


def nearest(
    points: Float[Tensor, "points 3"], queries: Float[Tensor, "queries 3"], count: int
) -> tuple[Float[Tensor, "queries near"], Int64[Tensor, "queries near"]]:
    """The points nearest to each query: distances and places, the nearest first.

    A k-d tree is searched, on the CPU, which beats computing all distances.

    Parameters
    ----------
    points, queries
        Finite.
    count
        How many for each; no more than there are.

    Examples
    --------
    >>> distances, places = nearest(torch.eye(3), torch.tensor([[0.0, 2.0, 0.1]]), 2)
    >>> places.tolist()
    [[1, 2]]
    """
    count = min(count, len(points))
    found = cKDTree(points.numpy(force=True)).query(queries.numpy(force=True), range(1, count + 1))
    distances, places = map(torch.from_numpy, found)
    return distances.to(points.dtype), places


def _there(points: Float[Tensor, "points 3"]) -> Int64[Tensor, " known"]:
    """Which rows are points."""
    there = (~points.isnan().any(1)).nonzero()[:, 0]
    if not len(there):
        raise InputError("a cloud needs points to be sampled, but this one has none")
    return there
