"""What a picture without points shows beside the part: a background that its border tells of.

Along the border there is mostly background. How its brightness and hues change over the picture is fitted to the
border by a plane each, which bears some part at the border (iteratively reweighted least squares with Tukey's weights;
Beaton & Tukey 1974), and what departs from it farther than its own scatter, is something else.

It is careful: what is not surely background counts as part, but for thin things that hardly differ from it, such as
specks that touch the part. If the border is no uniform background, nothing is told.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Bool, Float32, Float64, UInt8
from scipy import ndimage

from latticework.anomaly.preparation.squares import box_of

_BORDER: Final = 0.04  # of the shorter side: how broad the border is
_SCATTERS: Final = 5.0  # standard deviations from the background that are something else
_LEAST_SCATTER: Final = 1.5  # of 255: what compression leaves
_MOST_SCATTER: Final = 8.0  # of 255: beyond, the border is no uniform background
_BACKGROUND: Final = 0.75  # of the border that has to be background
_TUKEY: Final = 4.685  # 95 % as good as least squares where nothing is amiss
_ROUNDS: Final = 10
_BLUR: Final = 0.004  # of the shorter side: how far noise is averaged
MARGIN: Final = 0.006  # of the shorter side: what is kept around a part, whose edge is blurred
_SURELY: Final = 3.0  # times as far as what is something else, is surely so
_THIN: Final = 0.017  # of the shorter side, in radius: what is thinner and not sure, is no part of a part,
_THINNEST: Final = 3.0  # pixels, of the same
_THICK: Final = 0.5  # unless more than this share of the part is
_FITTED: Final = 5000  # pixels of the border that are looked at
_WHOLE: Final = 0.95  # of the picture: more is no part before a background
_TO_OPPONENTS: Final = np.array([[1, 1, 1], [1, -1, 0], [0.5, 0.5, -1]], dtype=np.float32) / np.array(
    [[3**0.5], [2**0.5], [1.5**0.5]], dtype=np.float32
)  # brightness, red against green, yellow against blue, orthonormal


@dataclass(frozen=True, eq=False)
class Different:
    """Where a picture differs from its background.

    Attributes
    ----------
    mask
        Where it does, and a margin around that.
    surely
        Where it does by far.
    """

    mask: Bool[np.ndarray, "height width"]
    surely: Bool[np.ndarray, "height width"]

    def without_whiskers(self, mask: Bool[np.ndarray, "height width"]) -> Bool[np.ndarray, "height width"]:
        """A part of the mask without thin things that are nowhere sure: specks of the background that touch it.

        Examples
        --------
        >>> mask = np.zeros((100, 100), dtype=bool)
        >>> mask[50:90, 20:80] = mask[60, 80:95] = mask[30:50, 50] = True
        >>> sure = mask & (np.arange(100)[:, None] < 60)
        >>> Different(mask, sure).without_whiskers(mask)[[60, 40], [90, 50]].tolist()
        [False, True]
        """
        thin = max(_THIN * min(mask.shape), _THINNEST)
        box = box_of(mask)
        inside, surely = mask[box], self.surely[box]
        core = ndimage.distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1] > thin
        if not core.any():
            return mask
        away = ndimage.distance_transform_edt(~core)
        thick = inside & (away <= thin)
        if np.count_nonzero(thick) < _THICK * np.count_nonzero(inside):
            return mask
        pieces = ndimage.label(inside & ~thick)[0]
        off = away > 2 * thin  # no corner of what is thick, nor its blurred edge
        dropped = np.zeros(pieces.max() + 1, dtype=bool)
        dropped[pieces[off]] = True
        dropped[pieces[off & surely]] = dropped[0] = False
        kept = mask.copy()
        kept[box] &= ~dropped[pieces]
        return kept


def differs(rgb: UInt8[np.ndarray, "height width 3"]) -> Different | None:
    """Where a picture differs from its background; None if it shows none.

    Parameters
    ----------
    rgb
        The picture.

    Returns
    -------
    Different or None
        None if less than three quarters of the border are of a colour that changes slowly, or if nearly all of the
        picture differs from it, or nothing.

    Examples
    --------
    >>> rgb = np.full((64, 64, 3), 30, dtype=np.uint8)
    >>> differs(rgb) is None
    True
    >>> rgb[20:44, 20:44] = 200
    >>> int(differs(rgb).mask.sum()) >= 24 * 24
    True
    """
    height, width = rgb.shape[:2]
    side = min(height, width)
    across = max(2, round(_BORDER * side))
    if side < 4 * across:
        return None
    colours = ndimage.gaussian_filter(rgb.astype(np.float32), (_BLUR * side, _BLUR * side, 0)) @ _TO_OPPONENTS.T
    border = np.ones((height, width), dtype=bool)
    border[across:-across, across:-across] = False
    row, column = np.nonzero(border)
    step = -(-len(row) // _FITTED)
    row, column = row[::step], column[::step]
    places = np.stack([np.ones(len(row)), row / height - 0.5, column / width - 0.5], axis=1)
    everywhere = np.arange(height) / height - 0.5, np.arange(width) / width - 0.5
    farthest, at_border = np.zeros((height, width), dtype=np.float32), np.zeros(len(row))
    for channel in range(3):
        seen = colours[row, column, channel].astype(np.float64)
        weights, scatter = _slowly_changing(places, seen)
        if scatter > _MOST_SCATTER:
            return None
        scatter = max(scatter, _LEAST_SCATTER)
        expected = weights[0] + weights[1] * everywhere[0][:, None] + weights[2] * everywhere[1]
        away = np.abs(colours[..., channel] - expected.astype(np.float32)) / np.float32(scatter)
        farthest, at_border = np.maximum(farthest, away), np.maximum(at_border, away[row, column])
    different = farthest > _SCATTERS
    if np.mean(at_border <= _SCATTERS) < _BACKGROUND or different.mean() > _WHOLE:
        return None
    mask = _grown(different, max(1, round(MARGIN * side)))
    surely = ndimage.binary_opening(farthest > _SURELY * _SCATTERS)
    return Different(mask, surely) if mask.any() else None


def _slowly_changing(
    places: Float64[np.ndarray, "border 3"], seen: Float64[np.ndarray, " border"]
) -> tuple[Float64[np.ndarray, " 3"], float]:
    """A plane through most of the values, and the standard deviation of these from it."""
    weights = np.array([np.median(seen), 0.0, 0.0])
    scatter = 0.0
    for _ in range(_ROUNDS):
        away = seen - places @ weights
        scatter = 1.4826 * float(np.median(np.abs(away)))
        trust = np.clip(1 - (away / (_TUKEY * max(scatter, _LEAST_SCATTER))) ** 2, 0, None)  # the root of Tukey's
        weights = np.linalg.lstsq(trust[:, None] * places, trust * seen, rcond=None)[0]
    return weights, scatter


def _grown(mask: Bool[np.ndarray, "height width"], by: int) -> Bool[np.ndarray, "height width"]:
    """A mask without specks of a pixel or two, and larger by that margin."""
    mask = ndimage.binary_opening(mask)
    near: Float32[np.ndarray, "height width"] = ndimage.uniform_filter(mask.astype(np.float32), 2 * by + 1)
    grown: Bool[np.ndarray, "height width"] = near > 0.5 / (2 * by + 1) ** 2
    return grown
