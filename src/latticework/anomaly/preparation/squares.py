"""Pictures of any size as squares of one size, and back: padded, never stretched, so that millimetres stay square."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float32, Shaped, UInt8
from torch import Tensor


@dataclass(frozen=True)
class Square:
    """How a picture lies in a square: in its middle, scaled so that its longer side fills it.

    Attributes
    ----------
    height, width
        Of the picture.
    size
        Of the square.
    """

    height: int
    width: int
    size: int

    @property
    def rows(self) -> int:
        """How many rows of the square the picture has."""
        return max(1, round(self.height * self.size / max(self.height, self.width)))

    @property
    def columns(self) -> int:
        """How many columns of the square the picture has."""
        return max(1, round(self.width * self.size / max(self.height, self.width)))

    @property
    def box(self) -> tuple[slice, slice]:
        """Where the picture lies in the square.

        Examples
        --------
        >>> Square(300, 400, 224).box
        (slice(28, 196, None), slice(0, 224, None))
        """
        top, left = (self.size - self.rows) // 2, (self.size - self.columns) // 2
        return slice(top, top + self.rows), slice(left, left + self.columns)

    def nearest(
        self, values: Shaped[np.ndarray, "height width *channels"], fill: int | float
    ) -> Shaped[np.ndarray, "size size *channels"]:
        """Of each pixel of the square the nearest value of the picture; beside the picture that filler.

        Nothing is mixed: a point stays one that was seen, and a class id one that there is.

        Examples
        --------
        >>> Square(2, 4, 2).nearest(np.arange(8).reshape(2, 4), fill=-1).tolist()
        [[5, 7], [-1, -1]]
        """
        height, width = values.shape[:2]
        row, column = _nearest(self.rows, height), _nearest(self.columns, width)
        square = np.full((self.size, self.size, *values.shape[2:]), fill, dtype=values.dtype)
        square[self.box] = values[row[:, None], column]
        return square

    def marked(self, ids: UInt8[np.ndarray, "height width"]) -> UInt8[np.ndarray, "size size"]:
        """Class ids as pixels of the square, each marked if any of the picture's that fall on it is: none is lost.

        Examples
        --------
        >>> ids = np.zeros((8, 8), np.uint8)
        >>> ids[5, 2] = 7
        >>> Square(8, 8, 4).marked(ids)[2].tolist()
        [0, 7, 0, 0]
        """
        square = self.nearest(ids, fill=0)
        down, right = self.box
        rows, columns = np.nonzero(ids)
        place = down.start + rows * self.rows // self.height, right.start + columns * self.columns // self.width
        np.maximum.at(square, place, ids[rows, columns])
        return square

    def smooth(self, rgb: UInt8[np.ndarray, "height width 3"]) -> Float32[Tensor, "3 size size"]:
        """Colours from 0 to 1, bicubic, over areas where the picture becomes smaller; its edge goes on beside it.

        Examples
        --------
        >>> Square(2, 4, 8).smooth(np.full((2, 4, 3), 51, dtype=np.uint8)).mean().item()
        0.2
        """
        colours = torch.from_numpy(np.divide(rgb, 255, dtype=np.float32)).permute(2, 0, 1)[None]
        scaled = _scaled(colours, self.rows, self.columns, "bicubic").clamp(0, 1)
        down, right = self.box
        padding = (right.start, self.size - right.stop, down.start, self.size - down.stop)
        return F.pad(scaled, padding, mode="replicate")[0] if any(padding) else scaled[0]

    def original(self, row: float, column: float) -> tuple[int, int]:
        """The pixel of the picture that is at a place of the square; beside the picture, the nearest there is.

        Examples
        --------
        >>> Square(300, 400, 224).original(112.0, 0.5), Square(300, 400, 224).original(0.0, 224.0)
        ((150, 0), (0, 399))
        """
        down, right = self.box
        high = (row - down.start) / self.rows * self.height
        wide = (column - right.start) / self.columns * self.width
        return min(max(int(high), 0), self.height - 1), min(max(int(wide), 0), self.width - 1)

    def framed(self, row: int, column: int) -> tuple[float, float]:
        """The place in the square of the middle of a pixel of the picture.

        Examples
        --------
        >>> Square(300, 400, 224).framed(0, 199)
        (28.28, 111.72)
        """
        down, right = self.box
        high = down.start + (row + 0.5) * self.rows / self.height
        return high, right.start + (column + 0.5) * self.columns / self.width

    def restored(self, maps: Float32[Tensor, "*batch size size"]) -> Float32[Tensor, "*batch height width"]:
        """Maps of the square as maps of the picture, bilinear: the padding is cut off.

        Examples
        --------
        >>> Square(2, 4, 8).restored(torch.ones(3, 8, 8)).shape
        torch.Size([3, 2, 4])
        """
        down, right = self.box
        inside = maps[..., down, right]
        flat = inside.reshape(1, -1, *inside.shape[-2:])
        return _scaled(flat, self.height, self.width, "bilinear").reshape(*maps.shape[:-2], self.height, self.width)


def box_of(mask: Bool[np.ndarray, "height width"]) -> tuple[slice, slice]:
    """Rows and columns of the smallest rectangle that holds a mask; one pixel where it is empty.

    Examples
    --------
    >>> box_of(np.array([[False, False, False], [False, True, True]]))
    (slice(1, 2, None), slice(1, 3, None))
    """
    rows, columns = (np.flatnonzero(mask.any(axis=axis)).tolist() or [0] for axis in (1, 0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def _nearest(many: int, there: int) -> Shaped[np.ndarray, " many"]:
    """Of so many pixels, the nearest of those that are there."""
    return ((2 * np.arange(many) + 1) * there) // (2 * many)


def _scaled(
    pictures: Float32[Tensor, "batch channels height width"], rows: int, columns: int, mode: str
) -> Float32[Tensor, "batch channels rows columns"]:
    if pictures.shape[-2:] == (rows, columns):
        return pictures
    return F.interpolate(pictures, (rows, columns), mode=mode, align_corners=False, antialias=True)
