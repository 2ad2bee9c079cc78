"""Fast point feature histograms (Rusu, Blodow & Beetz 2009) of organised clouds: how a surface bends, however it lies.

For a point s with normal u, and a neighbour t with normal n, at distance d along the unit vector e from s to t
(equations 1 and 2 of the paper): v = e × u / |e × u|, w = u × v, and the three angles

    α = v · n,    φ = u · e,    θ = atan2(w · n, u · n).

Of the two points, s is the one whose normal is nearer to the line between them, so that a pair has one triple of
angles, whichever of the two asks. Written out, no frame is needed: with c = u · n and r² = 1 - φ²,
α = det(e, u, n) / r and w · n = (n · e - φ c) / r, where the determinant does not change when s and t change places.

The simplified histogram of a point, SPFH, counts the angles of its pairs, each in 11 equal bins over its range; FPFH
adds those of the neighbours, nearer ones more: 3 x 11 numbers, unchanged by any motion of the cloud.

Neighbours are the pixels of a `Window`, not all points in a ball: as many everywhere, so that nothing is searched.

Differs from the paper: the weights 1/d of the neighbours' histograms are made to add up to 1, as in the Point Cloud
Library, where the paper has 1/(k d), which depends on the unit of length; and the sum is halved, so that the bins of
each angle add up to 1. The Point Cloud Library and Open3D weigh by 1/d², and come to 200 where it is 1 here; Open3D
has the angles in the order θ, α, φ.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from latticework.anomaly.features.windows import Window, where_seen

BINS = 11  # of each angle, as in the paper
WINDOW = Window(radius=4, step=2)
BLOCK = 1 << 13  # points whose histograms are summed at once: memory that is used again is cheaper than fresh memory
EMPTY = BINS**3  # the code of a pair that does not count
ROUNDING = 1e-6  # of the gap, up to which a pair is still within it


def fpfh(
    xyz: Float[Tensor, "batch 3 height width"], normals: Float[Tensor, "batch 3 height width"], window: Window = WINDOW
) -> Float[Tensor, "batch 33 height width"]:
    """Fast point feature histograms of every point. O(pixels · neighbours · 33).

    Parameters
    ----------
    xyz
        Metres, NaN where nothing came back.
    normals
        Unit vectors, such as those of `local_planes`; NaN where there is none.
    window
        The neighbours that count.

    Returns
    -------
    Tensor
        The shares of α, φ and θ in 11 bins each. Zeros where a point has no normal, or no neighbour with one.

    Examples
    --------
    >>> rows, columns = torch.meshgrid(torch.arange(9.0), torch.arange(9.0), indexing="ij")
    >>> wall = torch.stack([columns, rows, torch.full((9, 9), 500.0)])[None] / 1000
    >>> normals = torch.zeros_like(wall)
    >>> normals[:, 2] = -1
    >>> fpfh(wall, normals)[0, :, 4, 4].unflatten(0, (3, 11)).argmax(1)  # every angle is nought: the bin in the middle
    tensor([5, 5, 5])
    """
    both = torch.cat([xyz, normals], dim=1)
    return where_seen(lambda part: _histograms(part, window), both, fill=0.0)


def _histograms(
    oriented: Float[Tensor, "batch 6 height width"], window: Window
) -> Float[Tensor, "batch 33 height width"]:
    """Histograms from points and normals."""
    width = oriented.shape[-1]
    both = window.flatten(oriented)
    batch, _, pixels = both.shape
    codes = torch.full((window.neighbours, batch, pixels), EMPTY, dtype=torch.int16, device=both.device)
    weights = both.new_zeros(window.neighbours, batch, pixels)
    shifts: list[int] = []
    for _, _, shift in window.pairs(width):
        code, weight = _pairs(both[..., :-shift], both[..., shift:], window.gap)
        for values, found in ((codes, code), (weights, weight)):
            values[len(shifts), :, :-shift] = found
            values[len(shifts) + 1, :, shift:] = found
        shifts += [shift, -shift]
    codes, weights = codes.flatten(1), weights.flatten(1)
    ones, offsets = _ones_of_codes(both), torch.tensor(shifts, device=both.device)
    simple = both.new_empty(batch * pixels, 3 * BINS)
    found = torch.empty_like(simple)
    blocks = [slice(start, min(start + BLOCK, len(simple))) for start in range(0, len(simple), BLOCK)]
    for block in blocks:
        counts = _bags(codes[:, block].T.to(torch.int32, memory_format=torch.contiguous_format), ones)
        torch.div(counts, counts[:, :BINS].sum(1, keepdim=True).clamp_(min=1), out=simple[block])
    for block in blocks:
        shares = weights[:, block].T.contiguous()
        shares /= shares.sum(1, keepdim=True).clamp_(min=1e-30)
        beside = torch.arange(block.start, block.stop, device=both.device)[:, None] + offsets
        neighbours = _bags(beside.clamp_(0, len(simple) - 1), simple, shares)
        torch.add(simple[block], neighbours, out=found[block]).div_(2)
    return window.unflatten(found.view(batch, pixels, -1).mT, width)


def _pairs(
    one: Float[Tensor, "batch 6 pairs"], other: Float[Tensor, "batch 6 pairs"], gap: float
) -> tuple[Tensor, Tensor]:
    """What bins the angles of pairs of oriented points are in, as one number, and 1/d; EMPTY and 0 beyond the gap.

    What does not count is NaN until the end: masks take several times as long as all of the geometry.
    """
    x, y, z = (other[:, :3] - one[:, :3]).unbind(1)
    ox, oy, oz = one[:, 3:].unbind(1)
    nx, ny, nz = other[:, 3:].unbind(1)
    inverse = torch.nn.functional.threshold((x * x + y * y + z * z).rsqrt_(), (1 - ROUNDING) / gap, math.nan)
    of_one = (x * ox + y * oy + z * oz) * inverse
    of_other = (x * nx + y * ny + z * nz) * inverse
    cosine = ox * nx + oy * ny + oz * nz
    volume = (x * (oy * nz - oz * ny) + y * (oz * nx - ox * nz) + z * (ox * ny - oy * nx)) * inverse
    apart = of_one - of_other  # φ is `of_one`, or, if that is further from nought, -`of_other`; the rest is ahead
    phi = torch.maximum(of_one.abs(), of_other.abs()).copysign_(apart)
    ahead = phi - apart
    sine = (1 - phi * phi).clamp_(min=1e-12).rsqrt_()
    theta = torch.atan2((ahead - phi * cosine) * sine, cosine)
    code = _bin(volume * sine, 1.0).mul_(BINS).add_(_bin(phi, 1.0)).mul_(BINS).add_(_bin(theta, math.pi))
    weight = inverse.add_(code, alpha=0).nan_to_num_(nan=0, posinf=0)  # a pair without a normal does not count either
    return code.nan_to_num_(nan=EMPTY), weight


def _bin(angle: Tensor, limit: float) -> Tensor:
    """Which of the bins between minus and plus `limit`."""
    return (angle * (BINS / (2 * limit))).add_(BINS / 2).clamp_(0, BINS - 1).floor_()


def _ones_of_codes(like: Tensor) -> Float[Tensor, "codes 33"]:
    """For every code three ones, in the bins that it stands for; nothing for EMPTY."""
    bins = torch.arange(BINS, device=like.device)
    ones = torch.nn.functional.one_hot(torch.cartesian_prod(bins, bins, bins), BINS).flatten(1)
    return torch.nn.functional.pad(ones.to(like.dtype), (0, 0, 0, 1))


def _bags(rows: Tensor, table: Float[Tensor, "rows 33"], weights: Tensor | None = None) -> Float[Tensor, "bags 33"]:
    """The sum of rows of a table, for each bag of them."""
    return torch.nn.functional.embedding_bag(rows, table, mode="sum", per_sample_weights=weights)
