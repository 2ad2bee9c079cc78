"""From numbers of pixels to those of patches, of which only what lies on the part counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from latticework.anomaly.features.windows import extent

PATCH: Final = 8  # pixels to each side
RIM: Final = 3  # pixels at the edge of the part that are not looked at: their colours mix with what is behind it
SHARE: Final = 0.25  # of its pixels that a patch needs to be judged
TINY: Final = 1e-6


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
    means = F.avg_pool2d(values * weight, patch) / share.clamp(min=TINY)
    return share, torch.lerp(around(means, share), means, share)


def around(
    maps: Float[Tensor, "batch channels rows columns"], share: Float[Tensor, "batch 1 rows columns"], size: int = 3
) -> Float[Tensor, "batch channels rows columns"]:
    """Averages over so many patches to each side, each as much as pixels of it count."""
    total = F.avg_pool2d(share, size, stride=1, padding=size // 2)
    return F.avg_pool2d(maps * share, size, stride=1, padding=size // 2) / total.clamp(min=TINY)


def enough(share: Float[Tensor, "batch 1 rows columns"]) -> Bool[Tensor, "batch rows columns"]:
    """The patches in which enough of a part lies."""
    return share[:, 0] >= SHARE
