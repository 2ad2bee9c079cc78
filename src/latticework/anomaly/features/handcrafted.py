"""What a patch of a part looks like, without trained weights: its colours, its texture, the shape of its surface.

Each is a map of patches: numbers of pixels, averaged over those of the patch that belong to the part, and over the
patches around it. What lies beside the part never enters. `form` is in a file of its own.

They are separate because defects are: a stain changes colours and no shape, a dent shape and colours only by its shade.
In one vector, whitened, what one kind of number says drowns in the noise of the others.
"""

from __future__ import annotations

import math
from typing import Final

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from latticework.anomaly.features.fpfh import fpfh
from latticework.anomaly.features.geometry import curvature, deviations, local_planes
from latticework.anomaly.features.patch_maps import PATCH, TINY, PatchMap, Rectangle, around, enough, pooled

LEVEL: Final = 10.0  # medians of a part's brightness: colours count as they are far below, as logarithms far above
DARK: Final = 0.01  # of full brightness, that a median is taken for at least
WIDE: Final = 7  # patches to each side that a patch is compared with
ORIENTATIONS: Final = 6
OCTAVES: Final = 3
SHARPEST: Final = 250.0  # curvature per metre that counts as an edge, a radius of 4 mm
FARTHEST: Final = 0.01  # metres off the surroundings that count as far
VARIATION: Final = 0.1  # surface variation of something rough
ROUNDING: Final = 1e-5  # of a mean of squares: a variance below it is none


def colour(rgb: Float[Tensor, "batch 3 height width"], counted: Bool[Tensor, "batch height width"]) -> PatchMap:
    """Brightness, red against green, and both against blue; of a patch, around it, and by contrast.

    All is in units of the median of the part's brightness, so that exposure does not matter.

    Parameters
    ----------
    rgb
        Colours from 0 to 1.
    counted
        The pixels that count.

    Examples
    --------
    >>> grey = torch.full((1, 3, 64, 64), 0.5)
    >>> found = colour(grey, torch.ones(1, 64, 64, dtype=torch.bool))
    >>> found.features.shape, found.features.abs().max().item() < 1e-6
    (torch.Size([1, 9, 8, 8]), True)
    """
    opponents = _opponents(rgb, counted)
    share, means = pooled(opponents, counted)
    return PatchMap(torch.cat([means, around(means, share), means - around(means, share, WIDE)], dim=1), enough(share))


def texture(rgb: Float[Tensor, "batch 3 height width"], counted: Bool[Tensor, "batch height width"]) -> PatchMap:
    """How brightness changes, in which direction and at three scales, and how uneven colours are within a patch.

    Parameters
    ----------
    rgb
        Colours from 0 to 1.
    counted
        The pixels that count.

    Examples
    --------
    >>> stripes = (torch.arange(64) // 4 % 2).float().expand(1, 3, 64, 64)
    >>> found = texture(stripes, torch.ones(1, 64, 64, dtype=torch.bool))
    >>> across, _, _, along = found.features[0, 3:7, 4, 3].tolist()  # the other features are of colours
    >>> found.features.shape, across > 100 * along
    (torch.Size([1, 60, 8, 8]), True)
    """
    place = Rectangle.of(counted)
    known = place.of_pixels(counted)
    opponents = _opponents(place.of_pixels(rgb), known)
    share, means = pooled(opponents, known)
    _, squares = pooled(opponents.square(), known)
    found = [_spreads(means, squares)]
    weight = known[:, None].float()
    for octave in range(OCTAVES):
        step = 2**octave
        whole = F.avg_pool2d(weight, step)
        grey = F.avg_pool2d(opponents[:, :1] * weight, step) / whole.clamp(min=TINY)
        _, averages = pooled(_gradients(grey), _whole(whole), PATCH // step)
        found.append(averages)
    share, maps = place.within(share), place.within(torch.cat(found, dim=1))
    return PatchMap(torch.cat([maps, around(maps, share)], dim=1), enough(share))


def geometry(xyz: Float[Tensor, "batch 3 height width"], counted: Bool[Tensor, "batch height width"]) -> PatchMap:
    """How the surface bends: point feature histograms, curvature, how far points stand off their surroundings.

    None of it depends on how the part lies. Holes of the sensor count as themselves: the share of lost points.

    Parameters
    ----------
    xyz
        Points in metres, NaN where nothing returned.
    counted
        The pixels that count.

    Examples
    --------
    >>> rows, columns = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    >>> wall = torch.stack([columns, rows, torch.full((64, 64), 500.0)])[None] / 1000
    >>> found = geometry(wall, torch.ones(1, 64, 64, dtype=torch.bool))
    >>> found.features.shape, found.features[0, 33:39, 4, 4].abs().max().item() < 1e-3  # flat
    (torch.Size([1, 92, 8, 8]), True)
    """
    lost = F.avg_pool2d((counted & xyz[:, 2].isnan())[:, None].float(), PATCH)
    place = Rectangle.of(~xyz.isnan().any(1))
    xyz, counted = place.of_pixels(xyz), place.of_pixels(counted)
    planes = local_planes(xyz)
    bent, off = curvature(planes), deviations(xyz)
    shape = torch.cat(
        [
            bent.clamp(-SHARPEST, SHARPEST) / SHARPEST,
            off.clamp(-FARTHEST, FARTHEST) / FARTHEST,
            planes.variation[:, None] / VARIATION,
        ],
        dim=1,
    ).nan_to_num(nan=0.0)
    known = counted & ~bent.isnan().any(1)
    _, histograms = pooled(fpfh(xyz, planes.normals), known)
    share, means = pooled(shape, known)
    _, squares = pooled(shape.square(), known)
    spreads = _spreads(means, squares)
    maps = torch.cat([place.within(torch.cat([histograms, means, spreads], dim=1)), lost], dim=1)
    share = place.within(share)
    return PatchMap(torch.cat([maps, around(maps, share)], dim=1), enough(share))


def _opponents(
    rgb: Float[Tensor, "batch 3 height width"], counted: Bool[Tensor, "batch height width"]
) -> Float[Tensor, "batch 3 height width"]:
    """Brightness, red against green, both against blue, in units of the part's median: exposure does not matter.

    That is k log(1 + x / k) for the colour x: the colour itself but for highlights, which stand out less. A logarithm
    of all would raise the noise where a part is dark, in its own shade.
    """
    median = _medians(rgb.mean(1), counted)
    unit = median.clamp(min=DARK)
    red, green, blue = (LEVEL * (rgb / (LEVEL * unit[:, None])).log1p()).unbind(1)
    middle = LEVEL * (median / (LEVEL * unit)).log1p()
    bright = (red + green + blue) / 3 - middle  # 0 at the median, so that squares hardly cancel
    return torch.stack([bright, red - green, (red + green) / 2 - blue], dim=1)


def _spreads(
    means: Float[Tensor, "batch channels rows columns"], squares: Float[Tensor, "batch channels rows columns"]
) -> Float[Tensor, "batch channels rows columns"]:
    """Standard deviations, from means and means of squares; 0 where the difference is nothing but rounding.

    Of a patch that was filled from those beside it, they are those of all together.
    """
    variances = squares - means.square()
    return variances.masked_fill(variances < ROUNDING * squares, 0).sqrt()


def _medians(
    values: Float[Tensor, "batch height width"], counted: Bool[Tensor, "batch height width"]
) -> Float[Tensor, "batch 1 1"]:
    """Of each picture, over the pixels that count; 0 where none does."""
    pairs = zip(values, counted, strict=True)
    found = [part[there].median() if there.any() else part.new_zeros(()) for part, there in pairs]
    return torch.stack(found)[:, None, None]


def _gradients(grey: Float[Tensor, "batch 1 height width"]) -> Float[Tensor, "batch channels height width"]:
    """How much brightness changes in each of six directions and in all, and how far it is from its neighbours."""
    padded = F.pad(grey, (1, 1, 1, 1), mode="replicate")
    across, down = padded[:, :, 1:-1, 2:] - padded[:, :, 1:-1, :-2], padded[:, :, 2:, 1:-1] - padded[:, :, :-2, 1:-1]
    steep = torch.hypot(across, down)
    directions = [math.pi * number / ORIENTATIONS for number in range(ORIENTATIONS)]
    along = torch.cat([across * math.cos(angle) + down * math.sin(angle) for angle in directions], dim=1)
    shares = along.square().square() / (steep * steep * steep).clamp(min=TINY)  # |∇| cos⁴
    apart = grey - F.avg_pool2d(padded, 3, stride=1)
    return torch.cat([shares, steep, apart.abs(), apart], dim=1)


def _whole(known: Float[Tensor, "batch 1 height width"]) -> Bool[Tensor, "batch height width"]:
    """Pixels that count wholly, and whose neighbours do, so that no gradient is one to what does not."""
    return F.max_pool2d(1 - known, 3, stride=1, padding=1)[:, 0] == 0
