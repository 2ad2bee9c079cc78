"""The shape of a surface around its points: normals, curvature, and how far each point stands off its surroundings.

Normals are those of principal component analysis: the direction in which the neighbours of a point, itself included,
vary least. What is summed are products of the differences between neighbours. The usual box filters over products of
coordinates are cheaper for large windows, but lose a tenth of a millimetre at half a metre from the camera in float32's
rounding, and cannot leave out neighbours beyond a gap.

Curvature is how normals turn from a point to its neighbours: the shape operator S, Δn = S Δc in the tangent plane, by
least squares; its eigenvalues are the principal curvatures. With normals towards the camera, a sphere of radius r that
is seen from outside has 1/r twice, and a dent has less than zero. Normals belong to the means c of the neighbours, not
to the points: the same in the middle of a surface, but at its rim, with neighbours on one side, only means are right.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from latticework.anomaly.features.windows import Window, where_seen

NORMALS = Window(radius=2)
CURVATURE = Window(radius=4, step=2)
SCALES = (Window(radius=4, step=2), Window(radius=8, step=4), Window(radius=16, step=8, gap=0.02))
# Of the two larger variances in a window, as squares of lengths: below it the neighbours are as good as on a line.
LINE = 1e-4
# Metres to where points are put that did not come back: beyond any gap, and unlike NaN nothing when times nothing.
FAR = 1e9


@dataclass(frozen=True)
class Planes:
    """What the plane through the neighbours of each point is like; NaN where there are too few.

    Parameters
    ----------
    normals
        Unit vectors, on the camera's side of the surface.
    centres
        The mean of the neighbours and the point, in metres, through which the plane goes.
    deviation
        Metres from the plane to the point, more than zero towards the camera.
    variation
        The share of the variance that is across the plane, 0 on a plane to 1/3: Pauly's surface variation.
    """

    normals: Float[Tensor, "batch 3 height width"]
    centres: Float[Tensor, "batch 3 height width"]
    deviation: Float[Tensor, "batch height width"]
    variation: Float[Tensor, "batch height width"]


def local_planes(xyz: Float[Tensor, "batch 3 height width"], window: Window = NORMALS) -> Planes:
    """Fit a plane to the neighbours of each point. O(pixels · neighbours).

    Which side is the camera's is told from the picture, where columns go to the right and rows down: the result turns
    with the cloud, wherever the origin is. With the camera at the origin it is the side where n · p < 0.

    Parameters
    ----------
    xyz
        Metres, NaN where nothing came back.
    window
        The neighbours that count.

    Returns
    -------
    Planes
        NaN where there is no point, or fewer than three neighbours, or all on one line.

    Examples
    --------
    >>> rows, columns = torch.meshgrid(torch.arange(5.0), torch.arange(6.0), indexing="ij")
    >>> wall = torch.stack([columns, rows, torch.full((5, 6), 500.0)])[None] / 1000  # half a metre away
    >>> planes = local_planes(wall)
    >>> planes.normals[0, :, 2, 2].tolist(), planes.deviation[0, 2, 2].item()
    ([0.0, 0.0, -1.0], 0.0)
    """
    found = where_seen(lambda part: _planes(part, window), xyz, fill=math.nan)
    return Planes(found[:, :3], found[:, 3:6], found[:, 6], found[:, 7])


def _planes(xyz: Float[Tensor, "batch 3 height width"], window: Window) -> Float[Tensor, "batch found height width"]:
    """Normals, centres, deviations and variations."""
    width = xyz.shape[-1]
    points = window.flatten(xyz)
    known = ~points[:, :1].isnan()
    points = points.nan_to_num(nan=FAR)
    batch, _, pixels = points.shape
    sums = points.new_zeros(batch, 10, pixels)  # Δp, then the products xx, xy, xz, yy, yz, zz, and how many
    along = points.new_zeros(batch, 6, pixels)  # Δp times the columns, and times the rows, that it goes
    buffer = torch.empty_like(sums)
    for down, right, shift in window.pairs(width):
        terms = buffer[..., shift:]
        apart = torch.sub(points[..., shift:], points[..., :-shift], out=terms[:, :3])
        near = _products(apart, terms[:, 3:9]) <= window.gap**2
        terms[:, 9] = near
        terms[:, :9] *= terms[:, 9:]
        sums[..., :-shift] += terms
        sums[:, :3, shift:] -= apart
        sums[:, 3:, shift:] += terms[:, 3:]
        for part, offset in ((along[:, :3], right), (along[:, 3:], down)):
            if offset:
                part[..., :-shift].add_(apart, alpha=offset)
                part[..., shift:].add_(apart, alpha=offset)
    count = sums[:, 9:] + 1  # and the point itself
    mean = sums[:, :3] / count
    products = sums[:, 3:9] / count
    products[:, :3] -= mean * mean[:, :1]
    products[:, 3:5] -= mean[:, 1:] * mean[:, 1:2]
    products[:, 5] -= mean[:, 2].square()
    towards = torch.linalg.cross(along[:, 3:], along[:, :3], dim=1)  # down times right is towards the camera
    normals, variation, spread = _least(products, towards)
    deviation = -(normals * mean).sum(1, keepdim=True)
    found = torch.cat([normals, points + mean, deviation, variation[:, None]], dim=1)
    unknown = (count < 4) | (spread[:, None] < LINE) | ~known
    return window.unflatten(found.masked_fill_(unknown, math.nan), width)


def deviations(
    xyz: Float[Tensor, "batch 3 height width"], windows: Sequence[Window] = SCALES
) -> Float[Tensor, "batch scales height width"]:
    """Metres from the local plane, at several scales; more than zero towards the camera. O(pixels · all neighbours).

    Parameters
    ----------
    xyz
        Metres, NaN where nothing came back.
    windows
        One a scale. A dent shows where the window reaches beyond it.

    Examples
    --------
    >>> rows, columns = torch.meshgrid(torch.arange(5.0), torch.arange(5.0), indexing="ij")
    >>> wall = torch.stack([columns, rows, torch.full((5, 5), 500.0)])[None] / 1000
    >>> wall[0, 2, 2, 2] -= 0.001  # one point a millimetre towards the camera, which draws the plane of 25 after it
    >>> deviations(wall, [Window(radius=2)])[0, 0, 2, 2].item()
    0.00096
    """
    return torch.stack([local_planes(xyz, window).deviation for window in windows], dim=1)


def curvature(planes: Planes) -> Float[Tensor, "batch 2 height width"]:
    """Principal curvatures, per metre, from how the normals turn within a window. O(pixels · neighbours).

    Parameters
    ----------
    planes
        What `local_planes` found.

    Returns
    -------
    Tensor
        The larger and the smaller one, more than zero where the surface bulges towards the camera; NaN where there is
        no normal, or none beside it in two directions.

    Examples
    --------
    >>> rows, columns = torch.meshgrid(torch.linspace(-5, 5, 11), torch.linspace(-5, 5, 11), indexing="ij")
    >>> ball = torch.stack([columns, rows, 550 - (50**2 - columns**2 - rows**2).sqrt()])[None] / 1000
    >>> bent = curvature(local_planes(ball))
    >>> round(bent.mean(1)[0, 5, 5].item(), 1)  # of a radius of 5 cm
    20.0
    """
    both = torch.cat([planes.centres, planes.normals], dim=1)
    return where_seen(lambda part: _principal(part, CURVATURE), both, fill=math.nan)


def _principal(
    oriented: Float[Tensor, "batch 6 height width"], window: Window
) -> Float[Tensor, "batch 2 height width"]:
    """Principal curvatures from points and normals."""
    width = oriented.shape[-1]
    both = window.flatten(oriented).nan_to_num(nan=FAR)
    batch, _, pixels = both.shape
    sums = both.new_zeros(batch, 15, pixels)  # Δc Δcᵀ as xx, xy, xz, yy, yz, zz; Δn Δcᵀ row by row
    buffer = torch.empty_like(sums)
    for _, _, shift in window.pairs(width):
        terms = buffer[..., shift:]
        apart = both[..., shift:] - both[..., :-shift]
        near = _products(apart[:, :3], terms[:, :6]) <= window.gap**2
        torch.mul(apart[:, 3:, None], apart[:, None, :3], out=terms[:, 6:].view(batch, 3, 3, -1))
        terms *= near[:, None].to(terms.dtype)
        sums[..., :-shift] += terms  # a pair says the same to both of its points: both differences change sign
        sums[..., shift:] += terms
    moved, turned = (_in_plane(matrix, both[:, 3:]) for matrix in (_symmetric(sums[:, :6]), sums[:, 6:]))
    determinant = moved[0] * moved[3] - moved[1].square()
    scale = (moved[0] + moved[3]).square() / 4
    determinant = determinant.masked_fill(determinant <= LINE * scale, math.nan)
    first = (turned[0] * moved[3] - turned[1] * moved[1]) / determinant
    second = (turned[3] * moved[0] - turned[2] * moved[1]) / determinant
    across = turned[1] * moved[0] - turned[0] * moved[1]
    across = (across + turned[2] * moved[3] - turned[3] * moved[1]) / (2 * determinant)
    mean, half = (first + second) / 2, torch.hypot((first - second) / 2, across)
    return window.unflatten(torch.stack([mean + half, mean - half], dim=1), width)


def _products(
    vectors: Float[Tensor, "batch 3 pairs"], out: Float[Tensor, "batch 6 pairs"]
) -> Float[Tensor, "batch pairs"]:
    """Write the products xx, xy, xz, yy, yz, zz; the squared lengths come back."""
    torch.mul(vectors, vectors[:, :1], out=out[:, :3])
    torch.mul(vectors[:, 1:], vectors[:, 1:2], out=out[:, 3:5])
    torch.mul(vectors[:, 2], vectors[:, 2], out=out[:, 5])
    return out[:, 0] + out[:, 3] + out[:, 5]


def _least(
    products: Float[Tensor, "batch 6 pixels"], towards: Float[Tensor, "batch 3 pixels"]
) -> tuple[Float[Tensor, "batch 3 pixels"], Float[Tensor, "batch pixels"], Float[Tensor, "batch pixels"]]:
    """The direction of least variance, on the given side; its share of all; the middle one as a share of the largest.

    Eigenvalues of a symmetric 3 x 3 matrix in closed form (Smith 1961). The adjugate of the matrix less its least
    eigenvalue is that one's eigenvector times itself, so it takes every vector there, on the side where the vector is.
    """
    trace = products[:, 0] + products[:, 3] + products[:, 5]
    xx, xy, xz, yy, yz, zz = (products / trace[:, None]).unbind(1)
    x, y, z = xx - 1 / 3, yy - 1 / 3, zz - 1 / 3
    radius = ((x * x + y * y + z * z + 2 * (xy * xy + xz * xz + yz * yz)) / 6).sqrt_()
    determinant = x * (y * z - yz * yz) - xy * (xy * z - yz * xz) + xz * (xy * yz - y * xz)
    angle = (determinant / (2 * radius * radius * radius)).clamp_(-1, 1).acos_() / 3
    largest = 1 / 3 + 2 * radius * torch.cos(angle)
    least = (1 / 3 + 2 * radius * torch.cos(angle + 2 * math.pi / 3)).clamp_(min=0)
    x, y, z = xx - least, yy - least, zz - least
    adjugate = [y * z - yz * yz, xz * yz - xy * z, xy * yz - xz * y, x * z - xz * xz, xy * xz - x * yz, x * y - xy * xy]
    direction = _times(_symmetric(torch.stack(adjugate, dim=1)), towards)
    direction /= (direction * direction).sum(1, keepdim=True).sqrt_().clamp_(min=1e-30)
    return direction, least, (1 - largest - least) / largest


def _in_plane(matrix: Float[Tensor, "batch 9 pixels"], normals: Float[Tensor, "batch 3 pixels"]) -> tuple[Tensor, ...]:
    """The four entries of a matrix in the plane across each normal.

    The two directions there are those of Duff et al. (2017), in which nothing is divided by nought.
    """
    x, y, z = normals.unbind(1)
    sign = torch.where(z < 0, -1.0, 1.0).to(z.dtype)
    share = -1 / (sign + z)
    mixed = x * y * share
    first = torch.stack([1 + sign * x * x * share, sign * mixed, -sign * x], dim=1)
    second = torch.stack([mixed, sign + y * y * share, -y], dim=1)
    to_first, to_second = _times(matrix, first), _times(matrix, second)
    return tuple((one * other).sum(1) for one in (first, second) for other in (to_first, to_second))


def _times(
    matrix: Float[Tensor, "batch 9 pixels"], vector: Float[Tensor, "batch 3 pixels"]
) -> Float[Tensor, "batch 3 pixels"]:
    """The product of a matrix, row by row, and a vector."""
    x, y, z = vector[:, :, None].unbind(1)
    return matrix[:, ::3] * x + matrix[:, 1::3] * y + matrix[:, 2::3] * z


def _symmetric(products: Float[Tensor, "batch 6 pixels"]) -> Float[Tensor, "batch 9 pixels"]:
    """The matrix of which these are the upper half, row by row."""
    return products[:, [0, 1, 2, 1, 3, 4, 2, 4, 5]]
