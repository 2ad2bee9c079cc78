"""Millimetres of a region: how large its surface is, and how far it stands off what is around it.

Area is that of the surface, not of the picture: a pixel has the parallelogram that the steps to its neighbours span.
Depth is how far the surface of a region stands off the surface around it: a quadratic one, z = q(x, y) across the local
plane, is fitted to a ring around the region by iteratively reweighted least squares with Tukey's biweight (Beaton and
Tukey 1974), which what is left of the defect in the ring, or another one, does not move.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from jaxtyping import Bool, Float64

STEEP: Final = 5.0  # middle steps from pixel to pixel, beyond which a step goes to something else
FEWEST: Final = 24  # points that a quadratic surface is fitted to, four for each of its numbers
TUKEY: Final = 4.685  # standard deviations beyond which a point does not count: 95 % efficient where none is wrong
MEDIAN: Final = 0.41  # standard deviations of normal numbers that the median of nine of them has
FINEST: Final = 1e-6  # metres that residuals may be said to deviate by: the rounding of float32
FAR: Final = 4.0  # times the mean variance of the fit in the ring, at which it no longer tells of the surface
EXTREME: Final = 0.01  # of the points of a region: the most extreme ones, of which the least is the depth
CLEAR: Final = 4.0  # standard deviations of what is around a region that its depth has at least: less may be noise
_ROUNDS: Final = 10
_FITTED: Final = 20_000  # points of the ring that the fit and its noise are from


def area_of(
    points: Float64[np.ndarray, "rows columns 3"],
    inside: Bool[np.ndarray, "rows columns"],
    ring: Bool[np.ndarray, "rows columns"],
) -> float | None:
    """Square metres of the surface of a region; pixels that nothing is known of have the mean of the others.

    Parameters
    ----------
    points
        Metres, NaN where there is none.
    inside, ring
        The region, and what is around it: asked for the mean if nothing is known of the region.

    Returns
    -------
    float or None
        None if nothing is known of either.

    Examples
    --------
    >>> rows, columns = np.mgrid[:4, :5] / 1000.0
    >>> slope = np.stack([columns, rows, 0.5 + columns], axis=-1)  # at 45 degrees: √2 mm² a pixel
    >>> area_of(slope, columns < 0.002, columns > 1) * 1e6 / 8
    1.414
    """
    areas = pixel_areas(points)
    for where in (inside, ring):
        found = areas[where]
        if not np.isnan(found).all():
            return float(np.nanmean(found) * np.count_nonzero(inside))
    return None


def pixel_areas(points: Float64[np.ndarray, "rows columns 3"]) -> Float64[np.ndarray, "rows columns"]:
    """Square metres of the surface that each pixel shows; NaN where its neighbours do not tell.

    The parallelogram of a step to the right and one down, each the mean over 3 x 3 pixels, since between neighbours
    steps are hardly longer than the noise of a sensor. Steps across a jump in depth are left out.
    """
    down, right = _steps(points), _steps(points.swapaxes(0, 1)).swapaxes(0, 1)
    return np.asarray(np.linalg.norm(np.cross(right, down), axis=2))


def depth_of(
    points: Float64[np.ndarray, "rows columns 3"],
    inside: Bool[np.ndarray, "rows columns"],
    ring: Bool[np.ndarray, "rows columns"],
) -> float | None:
    """Metres that a region stands off the surface around it where it does so most; more than zero towards the camera.

    Each point has the median of 3 x 3 pixels of the region, and of the 1 % that stand off most the least one counts, so
    that single points that the sensor got wrong do not. What is around the region must go on smoothly across it: a
    surface is uneven by itself, such as that of a rope, and only what is clearly more than that is a depth.

    Parameters
    ----------
    points
        Metres, NaN where there is none.
    inside, ring
        The region, and what is around it.

    Returns
    -------
    float or None
        None if there are too few points around it, on one line, or on one side so that their surface says nothing of
        most of the region; or if it stands off by less than four standard deviations of what is around it.

    Examples
    --------
    >>> rows, columns = np.mgrid[:20, :20] / 1000.0 - 0.01
    >>> dome = np.stack([columns, rows, 0.5 + 4 * rows**2 + 2 * columns**2], axis=-1)  # bulges towards the camera
    >>> off = np.hypot(rows, columns)
    >>> dome[off < 0.003, 2] -= 0.001
    >>> depth_of(dome, off < 0.003, off > 0.005) * 1000
    1.0
    """
    known = ~np.isnan(points).any(2)
    around, own = ring & known, inside & known
    fitted = _thinned(around)
    if np.count_nonzero(fitted) < FEWEST or not own.any():
        return None
    frame = _frame(points, fitted)
    if frame is None:
        return None
    local = (points - points[fitted].mean(0)) @ frame.T
    table, heights = _quadratic(local), local[:, :, 2]
    surface, weights = _robust(table[fitted], heights[fitted])
    spread = np.linalg.pinv(table[fitted].T @ (table[fitted] * weights[:, None]), hermitian=True)
    leverage = np.einsum("...i,ij,...j", table[own], spread, table[own]) * weights.sum() / table.shape[2]
    told = own.copy()
    told[own] = leverage <= FAR
    if 2 * np.count_nonzero(told) < np.count_nonzero(own):
        return None
    off = heights - table @ surface
    middle = _medians(off, told, told)
    noise = max(_deviation(_medians(off, around, fitted)), MEDIAN * _deviation(off[fitted]), FINEST)
    deepest = np.abs(middle).argsort()[-max(1, math.ceil(EXTREME * len(middle))) :]
    depth = float(middle[deepest[0]])
    return depth if abs(depth) >= CLEAR * noise else None


def _deviation(values: Float64[np.ndarray, " some"]) -> float:
    """The standard deviation of normal numbers around nought, whatever a few of them are."""
    return 1.4826 * float(np.median(np.abs(values)))


def _thinned(where: Bool[np.ndarray, "rows columns"]) -> Bool[np.ndarray, "rows columns"]:
    """Some of the pixels, evenly, where they are more than a fit needs."""
    places = np.flatnonzero(where)
    some = np.zeros_like(where)
    some.flat[places[:: max(1, -(-len(places) // _FITTED))]] = True
    return some


def _medians(
    values: Float64[np.ndarray, "rows columns"],
    known: Bool[np.ndarray, "rows columns"],
    where: Bool[np.ndarray, "rows columns"],
) -> Float64[np.ndarray, " some"]:
    """Of 3 x 3 pixels around each of some, as far as they are known."""
    padded = np.pad(np.where(known, values, np.nan), 1, constant_values=np.nan)
    return np.asarray(
        np.nanmedian(np.lib.stride_tricks.sliding_window_view(padded, (3, 3))[where].reshape(-1, 9), axis=1)
    )


def _steps(points: Float64[np.ndarray, "rows columns 3"]) -> Float64[np.ndarray, "rows columns 3"]:
    """From a pixel to the one below: the mean over 3 x 3 pixels, of the steps that there are."""
    apart = np.diff(points, axis=0)
    length = np.linalg.norm(apart, axis=2, keepdims=True)
    if np.isnan(length).all():
        return np.full_like(points, np.nan)
    usual = length <= STEEP * np.nanmedian(length)  # not so for NaN
    counted = np.pad(np.concatenate([np.where(usual, apart, 0.0), usual], axis=2), ((1, 1), (1, 1), (0, 0)))
    both = counted[1:] + counted[:-1]
    total = both[:, 2:] + both[:, 1:-1] + both[:, :-2]
    sums, count = total[:, :, :3], total[:, :, 3:]
    return np.divide(sums, count, out=np.full_like(points, np.nan), where=count > 0)


def _frame(
    points: Float64[np.ndarray, "rows columns 3"], fitted: Bool[np.ndarray, "rows columns"]
) -> Float64[np.ndarray, "3 3"] | None:
    """Two directions along the plane of some pixels, and the one across it that goes towards the camera.

    Which that is follows from the picture, wherever the origin of the points is: down x right. None for a line.
    """
    rows, columns = np.nonzero(fitted)
    table = np.stack([np.ones(len(rows)), rows - rows.mean(), columns - columns.mean()], axis=1)
    (_, down, right), *_ = np.linalg.lstsq(table, points[fitted], rcond=None)
    across, along = np.cross(down, right), np.linalg.norm(right)
    length = np.linalg.norm(across)
    if length <= 1e-3 * along * np.linalg.norm(down):
        return None
    return np.stack([right / along, np.cross(across, right) / (length * along), across / length])


def _quadratic(local: Float64[np.ndarray, "rows columns 3"]) -> Float64[np.ndarray, "rows columns 6"]:
    """1, x, y, x², xy, y² of each point, in a unit in which none of them is tiny."""
    x, y = np.moveaxis(local[:, :, :2] / np.nanmax(np.abs(local)), 2, 0)
    return np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=2)


def _robust(
    table: Float64[np.ndarray, "points columns"], heights: Float64[np.ndarray, " points"]
) -> tuple[Float64[np.ndarray, " columns"], Float64[np.ndarray, " points"]]:
    """Coefficients of the fit, and what each point weighs in it, from 0 to 1."""
    weights = np.ones(len(heights))
    for _ in range(_ROUNDS):
        root = np.sqrt(weights)
        fit, *_ = np.linalg.lstsq(table * root[:, None], heights * root, rcond=None)
        apart = np.abs(heights - table @ fit)
        deviation = max(_deviation(apart), FINEST)
        weights = np.clip(1 - np.square(apart / (TUKEY * deviation)), 0, None) ** 2
    return fit, weights
