"""What a patch of a part looks like, without trained weights: its colours, its texture, the shape of its surface.

Each is a map of patches: numbers of pixels, averaged over those of the patch that belong to the part, and over the
patches around it. What lies beside the part never enters. `form` is in a file of its own.

They are separate because defects are: a stain changes colours and no shape, a dent shape and colours only by its shade.
In one vector, whitened, what one kind of number says drowns in the noise of the others.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from latticework.anomaly.fpfh import fpfh
from latticework.anomaly.geometry import curvature, deviations, local_planes
from latticework.anomaly.windows import extent

PATCH: Final = 8  # pixels to each side
RIM: Final = 3  # pixels at the edge of the part that are not looked at: their colours mix with what is behind it
SHARE: Final = 0.25  # of its pixels that a patch needs to be judged
LEVEL: Final = 10.0  # medians of a part's brightness: colours count as they are far below, as logarithms far above
DARK: Final = 0.01  # of full brightness, that a median is taken for at least
WIDE: Final = 7  # patches to each side that a patch is compared with
ORIENTATIONS: Final = 6
OCTAVES: Final = 3
SHARPEST: Final = 250.0  # curvature per metre that counts as an edge, a radius of 4 mm
FARTHEST: Final = 0.01  # metres off the surroundings that count as far
VARIATION: Final = 0.1  # surface variation of something rough
ROUNDING: Final = 1e-5  # of a mean of squares: a variance below it is none
_TINY: Final = 1e-6


@dataclass(frozen=True)
class PatchMap:
    """Features of the patches of pictures.

    Attributes
    ----------
    features
        One vector a patch.
    judged
        The patches in which enough of a part lies; the features of others say nothing.
    """

    features: Float[Tensor, "batch channels rows columns"]
    judged: Bool[Tensor, "batch rows columns"]


@dataclass(frozen=True)
class Rectangle:
    """Whole patches around all that there is in pictures, with one more to each side: beyond it, every map is zero.

    Parameters
    ----------
    height, width
        Of the picture, in pixels.
    rows, columns
        Which of them are meant: from a multiple of a patch on.
    """

    height: int
    width: int
    rows: slice
    columns: slice

    @classmethod
    def of(cls, seen: Bool[Tensor, "batch height width"]) -> Rectangle:
        """Around what is seen in any of the pictures.

        Examples
        --------
        >>> seen = torch.zeros(1, 64, 64, dtype=torch.bool)
        >>> seen[0, 20, 60] = True
        >>> place = Rectangle.of(seen)
        >>> place.rows, place.columns
        (slice(8, 32, None), slice(48, 64, None))
        >>> place.of_pixels(seen).shape, place.within(torch.ones(1, 1, 3, 2)).sum((1, 2)).tolist()
        (torch.Size([1, 24, 16]), [[0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 3.0, 3.0]])
        """
        height, width = seen.shape[1:]
        rows, columns = (
            slice(max(side.start // PATCH - 1, 0) * PATCH, min((side.stop - 1) // PATCH * PATCH + 2 * PATCH, pixels))
            for side, pixels in zip(extent(seen.any(0)), (height, width), strict=True)
        )
        return cls(height, width, rows, columns)

    def of_pixels(self, values: Tensor) -> Tensor:
        """The part of a picture that is meant."""
        return values[..., self.rows, self.columns]

    def within(self, maps: Float[Tensor, "batch channels _ _"]) -> Float[Tensor, "batch channels rows columns"]:
        """A map of the patches of the whole picture, zero beside the rectangle."""
        sides = ((self.width, self.columns), (self.height, self.rows))
        around = [(side.start // PATCH, pixels // PATCH - (side.stop // PATCH)) for pixels, side in sides]
        return F.pad(maps, [patches for pair in around for patches in pair])


def inside(foreground: Bool[Tensor, "batch height width"], rim: int = RIM) -> Bool[Tensor, "batch height width"]:
    """The part without its rim; the border of the picture is none.

    Examples
    --------
    >>> part = torch.zeros(1, 9, 9, dtype=torch.bool)
    >>> part[:, 2:] = True
    >>> inside(part, 1)[0, :, 0].tolist()
    [False, False, False, True, True, True, True, True, True]
    """
    beside = (~foreground)[:, None].float()
    return F.max_pool2d(beside, 2 * rim + 1, stride=1, padding=rim)[:, 0] == 0


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
        grey = F.avg_pool2d(opponents[:, :1] * weight, step) / whole.clamp(min=_TINY)
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
    bent, off = curvature(planes).principal, deviations(xyz)
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


def pooled(
    values: Float[Tensor, "batch channels height width"],
    counted: Bool[Tensor, "batch height width"],
    patch: int = PATCH,
) -> tuple[Float[Tensor, "batch 1 rows columns"], Float[Tensor, "batch channels rows columns"]]:
    """Of each patch, the share of pixels that count, and averages; zeros where none does nearby.

    The pixels of a patch that do not count, at the edge of a part or where points are lost, are taken to be like those
    that count in it and the patches beside it: else averages of the few that do would vary more than others, and look
    defective.

    Examples
    --------
    >>> counted = torch.tensor([[[True, True, True, True], [True, False, True, True]]])
    >>> values = torch.tensor([[[[1.0, 3.0, 6.0, 6.0], [5.0, 100.0, 6.0, 6.0]]]])
    >>> share, means = pooled(values, counted, 2)
    >>> share.flatten().tolist(), [round(mean, 2) for mean in means.flatten().tolist()]
    ([0.75, 1.0], [3.43, 6.0])
    """
    weight = counted[:, None].to(values.dtype)
    share = F.avg_pool2d(weight, patch)
    means = F.avg_pool2d(values * weight, patch) / share.clamp(min=_TINY)
    return share, torch.lerp(around(means, share), means, share)


def around(
    maps: Float[Tensor, "batch channels rows columns"], share: Float[Tensor, "batch 1 rows columns"], size: int = 3
) -> Float[Tensor, "batch channels rows columns"]:
    """Averages over so many patches to each side, each as much as pixels of it count."""
    total = F.avg_pool2d(share, size, stride=1, padding=size // 2)
    return F.avg_pool2d(maps * share, size, stride=1, padding=size // 2) / total.clamp(min=_TINY)


def enough(share: Float[Tensor, "batch 1 rows columns"]) -> Bool[Tensor, "batch rows columns"]:
    """The patches in which enough of a part lies."""
    return share[:, 0] >= SHARE


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
    shares = along.square().square() / (steep * steep * steep).clamp(min=_TINY)  # |∇| cos⁴
    apart = grey - F.avg_pool2d(padded, 3, stride=1)
    return torch.cat([shares, steep, apart.abs(), apart], dim=1)


def _whole(known: Float[Tensor, "batch 1 height width"]) -> Bool[Tensor, "batch height width"]:
    """Pixels that count wholly, and whose neighbours do, so that no gradient is one to what does not."""
    return F.max_pool2d(1 - known, 3, stride=1, padding=1)[:, 0] == 0
