"""Points that stand for a cloud, and the points around them: farthest-point sampling and groups (Qi et al. 2017).

PointNet++, section 3.2: each centre is the point farthest from those chosen before it, so that centres cover a cloud
evenly however densely it was scanned; a group is the points nearest to a centre, less the centre. M3DM takes 1024
groups of 128.

Clouds are rows of points. A row with NaN is no point: it is never chosen and in no group, so a picture of points may be
given as it is, rows end to end, and what comes back still says which pixel each point is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from scipy.spatial import cKDTree
from torch import Tensor

from latticework.core.errors import InputError

GROUPS = 1024  # of a cloud, and
SIZE = 128  # points of each: as in the paper's code


@dataclass(frozen=True)
class Groups:
    """Points of clouds, in groups.

    Parameters
    ----------
    centres
        Metres.
    members
        The points of each group, the nearest first, less its centre.
    places
        Which points they are.
    """

    centres: Float[Tensor, "batch groups 3"]
    members: Float[Tensor, "batch groups size 3"]
    places: Int64[Tensor, "batch groups size"]


def farthest_points(
    points: Float[Tensor, "batch points 3"], groups: int = GROUPS, *, start: int = 0
) -> Int64[Tensor, "batch groups"]:
    """Choose points one after the other, each the farthest from those before it. O(groups · points), on the CPU.

    Parameters
    ----------
    points
        NaN in rows that are no points.
    groups
        How many to choose. In a batch whose largest cloud has fewer points, that many; a cloud that has fewer than are
        chosen gives each of its points, and then its first again and again.
    start
        The first to be chosen, counted among the points of each cloud.

    Returns
    -------
    Tensor
        Places among the rows. Of points that are equally far, the first.

    Raises
    ------
    InputError
        If a cloud has no point at `start`, or `groups` is not positive.

    Examples
    --------
    >>> line = torch.tensor([[[0.0, 0, 0], [1, 0, 0], [torch.nan, 0, 0], [4, 0, 0], [9, 0, 0]]])
    >>> farthest_points(line, 3).tolist()
    [[0, 4, 3]]
    """
    known, counts = _known(points)
    if groups < 1:
        raise InputError(f"groups must be at least 1, got {groups}")
    smallest = int(counts.min())
    if not 0 <= start < smallest:
        raise InputError(f"start must be a place among the {smallest} points of the smallest cloud, got {start}")
    groups = min(groups, int(counts.max()))
    chosen = torch.zeros(len(points), groups, dtype=torch.int64, device=points.device)
    for cloud, rows in enumerate(known):
        there = rows.nonzero()[:, 0]
        chosen[cloud] = there[torch.from_numpy(_one_cloud(points[cloud, there].numpy(force=True), groups, start))]
    return chosen


def _one_cloud(points: Float[np.ndarray, "points 3"], groups: int, start: int) -> Int64[np.ndarray, " groups"]:
    """Do it with one cloud: a third of what torch takes, which asks its threads to help with every small operation."""
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


def nearest_groups(
    points: Float[Tensor, "batch points 3"], centres: Int64[Tensor, "batch groups"], size: int = SIZE
) -> Groups:
    """Put together the points nearest to each centre. O(groups · size · log points), on the CPU.

    Parameters
    ----------
    points
        NaN in rows that are no points.
    centres
        Places among the rows, such as `farthest_points` chooses.
    size
        Points in a group, the centre among them. In a batch whose largest cloud has fewer, that many; where a cloud has
        fewer than that, groups have the centre several times, which changes no maximum over a group.

    Raises
    ------
    InputError
        If a cloud has no points, or `size` is not positive.

    Examples
    --------
    >>> line = torch.tensor([[[0.0, 0, 0], [1, 0, 0], [torch.nan, 0, 0], [4, 0, 0], [9, 0, 0]]])
    >>> groups = nearest_groups(line, torch.tensor([[3]]), size=2)
    >>> groups.places.tolist(), groups.members.tolist()
    ([[[3, 1]]], [[[[0.0, 0.0, 0.0], [-3.0, 0.0, 0.0]]]])
    """
    known, counts = _known(points)
    if size < 1:
        raise InputError(f"size must be at least 1, got {size}")
    size = min(size, int(counts.max()))
    found = torch.zeros(*centres.shape, size, dtype=torch.int64, device=points.device)
    for cloud, (rows, places) in enumerate(zip(points, centres, strict=True)):
        there = known[cloud].nonzero()[:, 0]
        near = there[nearest(rows[there], rows[places], size)[1]]
        found[cloud, :, : near.shape[1]] = near
        found[cloud, :, near.shape[1] :] = near[:, :1]
    middle = points.gather(1, centres[..., None].expand(-1, -1, 3))
    members = points.gather(1, found.flatten(1)[..., None].expand(-1, -1, 3)).view(*found.shape, 3)
    return Groups(middle, members - middle[:, :, None], found)


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


def _known(points: Float[Tensor, "batch points 3"]) -> tuple[Bool[Tensor, "batch points"], Int64[Tensor, " batch"]]:
    """Which rows are points, and how many there are in each cloud."""
    known = ~points.isnan().any(2)
    counts = known.sum(1)
    if not len(points) or not bool(counts.all()):
        empty = (counts == 0).nonzero()[:, 0].tolist()
        raise InputError(f"a cloud needs points to be sampled, but these of {len(points)} have none: {empty}")
    return known, counts
