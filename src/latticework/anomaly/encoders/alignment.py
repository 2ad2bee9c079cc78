"""Point feature alignment of M3DM (Wang et al. 2023, section 3.2): features of groups of points, where the pixels are.

Each point takes the features of the three centres nearest to it, by inverse distance (equations 2 and 3): with
α_i = 1 / (||c_i - p|| + ε), f' = Σ α_i f_i / Σ α_i. The features are then put where the points are in the picture,
zeros elsewhere, and averaged: over 3 x 3 pixels, and over the pixels of each patch.

All of this is linear. So the weights are averaged over patches, not the features, and each patch is a weighted sum of
the features of groups: the picture of 224 x 224 points with 1152 features each, 231 MB, never exists.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from latticework.anomaly.encoders.sampling import nearest
from latticework.core.errors import InputError

CENTRES = 3  # that a point takes from
EPSILON = 1e-8  # metres; the paper states no value
PATCHES = 56  # of a picture, to each side


@dataclass(frozen=True)
class Interpolation:
    """What each point takes from which centres.

    Parameters
    ----------
    places
        The nearest centres.
    weights
        They add up to 1; nothing for rows that are no points.
    """

    places: Int64[Tensor, "points near"]
    weights: Float[Tensor, "points near"]


@dataclass(frozen=True)
class Patches:
    """Features of patches.

    Parameters
    ----------
    features
        Averages over pixels, those without a point counting as zeros, as in the paper's code.
    coverage
        The share of pixels with a point. Dividing by it gives averages over points.
    """

    features: Float[Tensor, "channels rows columns"]
    coverage: Float[Tensor, "rows columns"]


def interpolation(points: Float[Tensor, "points 3"], centres: Float[Tensor, "groups 3"]) -> Interpolation:
    """Find the three nearest centres of each point, and what they weigh. O(points · log groups), on the CPU.

    Parameters
    ----------
    points
        Metres; NaN in rows that are no points.
    centres
        Metres. Fewer than three are all taken.

    Examples
    --------
    >>> ends = torch.tensor([[0.0, 0, 0], [4, 0, 0]])
    >>> interpolation(torch.tensor([[1.0, 0, 0], [4, 0, 0]]), ends).weights
    tensor([[0.7500, 0.2500],
            [1.0000, 0.0000]])
    """
    near = min(CENTRES, len(centres))
    places = torch.zeros(len(points), near, dtype=torch.int64, device=points.device)
    weights = points.new_zeros(len(points), near)
    there = (~points.isnan().any(1)).nonzero()[:, 0]
    distances, places[there] = nearest(centres, points[there], near)
    inverse = 1 / (distances + EPSILON)
    weights[there] = inverse / inverse.sum(1, keepdim=True)
    return Interpolation(places, weights)


def at_patches(
    features: Float[Tensor, "groups channels"],
    interpolation: Interpolation,
    *,
    width: int,
    patches: tuple[int, int] = (PATCHES, PATCHES),
) -> Patches:
    """Features of patches from those of groups. O(pixels + patches · groups · channels).

    Equal to the features of points, put into the picture, averaged over 3 x 3 pixels (stride 1, none beyond the rim)
    and then over the pixels of each patch (`adaptive_avg_pool2d`).

    Parameters
    ----------
    features
        One vector a group.
    interpolation
        Of the pixels of a picture, rows end to end.
    width
        Pixels in a row.
    patches
        Rows and columns of patches.

    Raises
    ------
    InputError
        If there are not as many points as some rows of pixels have.

    Examples
    --------
    >>> rows, columns = torch.meshgrid(torch.arange(8.0), torch.arange(8.0), indexing="ij")
    >>> wall = torch.stack([columns, rows, torch.ones(8, 8)], dim=-1).flatten(0, 1)
    >>> found = at_patches(torch.ones(4, 2), interpolation(wall, wall[::20]), width=8, patches=(2, 2))
    >>> found.features.shape, found.features.mean().item(), found.coverage.tolist()
    (torch.Size([2, 2, 2]), 1.0, [[1.0, 1.0], [1.0, 1.0]])
    """
    pixels = len(interpolation.places)
    if width < 3 or pixels % width or pixels < 3 * width:
        message = "a picture needs three rows and columns of pixels or more, all of one width"
        raise InputError(f"{message}, got {pixels} points for rows of {width}")
    groups, like = len(features), interpolation.weights
    rows, shares_of_rows = _averages(pixels // width, patches[0], like)
    columns, shares_of_columns = _averages(width, patches[1], like)
    patch = (rows[:, None, :, None] * patches[1] + columns[None, :, None, :]).flatten(0, 1).flatten(1)
    shares = (shares_of_rows[:, None, :, None] * shares_of_columns[None, :, None, :]).flatten(0, 1).flatten(1)
    found = features.new_zeros(patches[0] * patches[1], features.shape[1])
    there = (like > 0).any(1).nonzero()[:, 0]
    places = patch[there][:, :, None] * groups + interpolation.places[there][:, None]
    values = shares[there][:, :, None] * like[there][:, None]
    weights = like.new_zeros(len(found) * groups).index_add_(0, places.flatten(), values.flatten()).view(-1, groups)
    coverage = weights.sum(1)
    covered = coverage.nonzero()[:, 0]
    found[covered] = weights[covered].to(features.dtype) @ features
    return Patches(found.mT.reshape(-1, *patches), coverage.view(patches))


def _averages(
    length: int, patches: int, like: Tensor
) -> tuple[Int64[Tensor, "length some"], Float[Tensor, "length some"]]:
    """For each pixel of a line, the patches that it is averaged into, and its share in them."""
    ones = torch.eye(length, dtype=like.dtype, device=like.device)
    shares = torch.nn.functional.adaptive_avg_pool1d(torch.nn.functional.avg_pool1d(ones, 3, stride=1), patches)
    largest = shares.topk(int((shares > 0).sum(1).max()), dim=1)
    return largest.indices, largest.values
