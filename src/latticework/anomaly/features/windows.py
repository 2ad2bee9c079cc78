"""Neighbours in an organised cloud: which pixels meet, and how all pairs of one offset are computed at once.

An organised cloud is a picture whose pixels are points, in metres, NaN where nothing came back. The neighbours of a
point are the pixels of a window around it, as far as they lie within a distance of it in space, so that what is beside
it in the picture, but far behind it, does not count. No tree is searched: the pairs that lie one offset apart are the
picture and its copy, moved by that offset; and as a pair counts for both of its points, half of the offsets are enough.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from latticework.core.errors import InputError


@dataclass(frozen=True)
class Window:
    """A square of pixels, every `step`-th of them, around a point.

    Parameters
    ----------
    radius
        How far it reaches to each side, in pixels; a multiple of `step`.
    step
        Pixels from one that counts to the next: 1 for all, more for as many neighbours further apart.
    gap
        Metres, in a straight line, beyond which a pixel is no neighbour. More than the window spans on a slanted
        surface, less than the steps in depth that part one thing from what is behind it.

    Raises
    ------
    InputError
        If a number is not positive, or `radius` no multiple of `step`.

    Examples
    --------
    >>> Window(radius=2).neighbours, Window(radius=4, step=2).neighbours
    (24, 24)
    >>> list(Window(radius=1).pairs(width=5))
    [(0, 1, 1), (1, -1, 5), (1, 0, 6), (1, 1, 7)]
    """

    radius: int = 2
    step: int = 1
    gap: float = 0.01

    def __post_init__(self) -> None:
        if self.radius < 1 or self.step < 1 or self.radius % self.step:
            message = "a window needs a radius that is a positive multiple of its step, both in pixels"
            raise InputError(f"{message}, got radius {self.radius} and step {self.step}")
        if not 0 < self.gap < math.inf:
            raise InputError(f"the gap of a window must be a positive number of metres, got {self.gap}")

    @property
    def neighbours(self) -> int:
        """How many pixels it has, without the one in its middle."""
        return (2 * (self.radius // self.step) + 1) ** 2 - 1

    def pairs(self, width: int) -> Iterator[tuple[int, int, int]]:
        """Half of the offsets: pixels down, pixels to the right, and how far apart that is in rows laid end to end."""
        reach = range(-self.radius, self.radius + 1, self.step)
        for down in range(0, self.radius + 1, self.step):
            for right in reach:
                if (down, right) > (0, 0):
                    yield down, right, down * (width + self.radius) + right

    def flatten(self, values: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch channels pixels"]:
        """Rows end to end, after each as many pixels without a return as the window reaches.

        So no offset leads from one side of the picture to the other.

        Examples
        --------
        >>> Window(radius=1).flatten(torch.ones(1, 1, 2, 2))
        tensor([[[1., 1., nan, 1., 1., nan]]])
        """
        return torch.nn.functional.pad(values, (0, self.radius), value=math.nan).flatten(2)

    def unflatten(
        self, values: Float[Tensor, "batch channels pixels"], width: int
    ) -> Float[Tensor, "batch channels height width"]:
        """Undo `flatten`.

        Examples
        --------
        >>> window = Window(radius=1)
        >>> window.unflatten(window.flatten(torch.ones(1, 1, 2, 2)), width=2)
        tensor([[[[1., 1.],
                  [1., 1.]]]])
        """
        return values.reshape(*values.shape[:2], -1, width + self.radius)[..., :width]


def where_seen(
    work: Callable[[Tensor], Tensor], values: Float[Tensor, "batch channels height width"], *, fill: float
) -> Float[Tensor, "batch found height width"]:
    """Do some work on the smallest rectangle that holds all pixels without NaN, and fill in what is around it.

    Examples
    --------
    >>> where_seen(lambda part: part * 2, torch.tensor([[[[torch.nan, 1.0, 3.0]]]]), fill=0.0)
    tensor([[[[0., 2., 6.]]]])
    """
    height, width = values.shape[2:]
    rows, columns = extent((~values.isnan().any(1)).any(0))
    found = work(values[..., rows, columns])
    if found.shape[2:] == (height, width):
        return found
    whole = found.new_full((len(found), height, width, found.shape[1]), fill).permute(0, 3, 1, 2)
    whole[..., rows, columns] = found
    return whole


def extent(seen: Bool[Tensor, "height width"]) -> tuple[slice, slice]:
    """Rows and columns of the smallest rectangle that holds all that is seen; one pixel where nothing is.

    Examples
    --------
    >>> extent(torch.tensor([[False, False, False], [False, True, True]]))
    (slice(1, 2, None), slice(1, 3, None))
    """
    rows, columns = (seen.any(axis).nonzero()[:, 0].tolist() or [0] for axis in (1, 0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
