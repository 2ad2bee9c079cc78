"""Where a map of scores is above its threshold: connected regions, how large they are, and how deep.

Area is that of the surface, not of the picture: a pixel has the parallelogram that the steps to its neighbours span.
Depth is how far the surface of a region stands off the surface around it: a quadratic one, z = q(x, y) across the local
plane, is fitted to a ring around the region by iteratively reweighted least squares with Tukey's biweight (Beaton and
Tukey 1974), which what is left of the defect in the ring, or another one, does not move.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Final

import numpy as np
from jaxtyping import Bool, Float, Float64, Int
from scipy import ndimage

from latticework.anomaly.results import Region
from latticework.core.errors import InputError

MOST: Final = 20  # regions that are told of
OF_PEAK: Final = 0.5  # of the highest score in a region that each of its pixels has at least
AWAY: Final = 0.25  # from a region to the ring around it, in radii of a disc of as many pixels,
WIDE: Final = 1.0  # and how wide the ring is
LEAST: Final = (2, 6)  # pixels of the same, of small regions
STEEP: Final = 5.0  # middle steps from pixel to pixel, beyond which a step goes to something else
FEWEST: Final = 24  # points that a quadratic surface is fitted to, four for each of its numbers
TUKEY: Final = 4.685  # standard deviations beyond which a point does not count: 95 % efficient where none is wrong
MEDIAN: Final = 0.41  # standard deviations of normal numbers that the median of nine of them has
FINEST: Final = 1e-6  # metres that residuals may be said to deviate by: the rounding of float32
FAR: Final = 4.0  # times the mean variance of the fit in the ring, at which it no longer tells of the surface
EXTREME: Final = 0.01  # of the points of a region: the most extreme ones, of which the least is the depth
CLEAR: Final = 4.0  # standard deviations of what is around a region that its depth has at least: less may be noise
_ROUNDS: Final = 10
_EIGHT: Final = np.ones((3, 3), dtype=int)
_SQUARE_MM: Final = 1e6
_MM: Final = 1e3


def regions(
    scores: Float[np.ndarray, "height width"],
    numbers: Int[np.ndarray, "height width"],
    xyz: Float[np.ndarray, "height width 3"] | None,
    *,
    strongest: Callable[[int, int], str],
) -> tuple[Region, ...]:
    """What is to be told of regions that were `numbered`.

    Parameters
    ----------
    scores
        Of pixels; higher is worse.
    numbers
        Which region each pixel is of.
    xyz
        Points of the part in metres, in the camera's frame, NaN where nothing returned or the part is not; None if
        there are only colours.
    strongest
        From row and column to the name of the memory bank that has most to do with the score there.

    Returns
    -------
    tuple of Region
        In their order. Areas are None without points; depths too where the ring around a region has too few, or they do
        not tell how the surface goes on, or are as uneven themselves.

    Raises
    ------
    InputError
        If the sizes differ.

    Examples
    --------
    >>> rows, columns = np.mgrid[:40, :50] / 1000.0
    >>> xyz = np.stack([columns, rows, np.full((40, 50), 0.5)], axis=-1)  # a wall, a millimetre from pixel to pixel
    >>> xyz[15:20, 20:30, 2] += 0.003  # 5 x 10 pixels, 3 mm deep
    >>> scores = (xyz[:, :, 2] > 0.5).astype(float)
    >>> numbers = numbered(scores, scores >= 0, threshold=0.5)
    >>> (found,) = regions(scores, numbers, xyz, strongest=lambda row, column: "geometry")
    >>> found.top, found.left, found.bottom, found.right, found.pixels, found.depth_mm
    (15, 20, 20, 30, 50, -3.0)
    """
    _check_sizes(scores, numbers, xyz)
    boxes = ndimage.find_objects(numbers)
    return tuple(_region(scores, numbers, place + 1, box, xyz, strongest) for place, box in enumerate(boxes))


def numbered(
    scores: Float[np.ndarray, "height width"], foreground: Bool[np.ndarray, "height width"], threshold: float
) -> Int[np.ndarray, "height width"]:
    """The connected regions (8 neighbours) of a part that score above a threshold, each down to half of its peak.

    A patch sees beyond itself, so that the pixels above a threshold reach farther than a defect, the farther the
    clearer it is. What reaches a higher peak without falling below half of its own is a slope of that one, and left
    out.

    Parameters
    ----------
    scores
        Of pixels; higher is worse; in a unit of which half means something.
    foreground
        Where the part is.
    threshold
        Of scores.

    Returns
    -------
    array
        Which region each pixel is of: 1 for the one with the highest peak, at most 20; 0 for none.

    Raises
    ------
    InputError
        If the sizes differ.

    Examples
    --------
    >>> scores = np.array([[0.0, 2.0, 2.0, 0.0, 3.0]])
    >>> numbered(scores, scores >= 0, 1.0).tolist()
    [[0, 2, 2, 0, 1]]
    """
    _check_sizes(scores, foreground, None)
    connected, _ = ndimage.label((scores > threshold) & foreground, _EIGHT)
    found, count = np.zeros(scores.shape, dtype=np.int64), 0
    for number, box in enumerate(ndimage.find_objects(connected), start=1):
        for region in _peaks(np.where(connected[box] == number, scores[box], -np.inf)):
            count += 1
            found[box][region] = count
    peaks = np.array(ndimage.maximum(scores, found, range(1, count + 1)))
    order = np.argsort(-peaks, kind="stable")[:MOST]
    rank = np.zeros(count + 1, dtype=np.int64)
    rank[order + 1] = np.arange(1, len(order) + 1)
    return np.asarray(rank[found])


def _peaks(scores: Float[np.ndarray, "rows columns"]) -> Iterator[Bool[np.ndarray, "rows columns"]]:
    """Around each peak, what hangs together with it above half of its score, if that reaches no higher peak.

    What a lower pixel hangs together with holds all that a higher one in it does, so that none is asked for twice: a
    few rounds for each region.
    """
    left, taken = scores > -np.inf, np.zeros(scores.shape, dtype=bool)
    while left.any():
        peak = int(np.where(left, scores, -np.inf).argmax())
        highest = scores.flat[peak]
        numbers, _ = ndimage.label(scores >= highest - (1 - OF_PEAK) * abs(highest), _EIGHT)
        region = numbers == numbers.flat[peak]
        if not (region & taken).any():
            yield region
        taken |= region
        left &= ~region


def _check_sizes(scores: np.ndarray, others: np.ndarray, xyz: np.ndarray | None) -> None:
    sizes = {scores.shape, others.shape} | (set() if xyz is None else {xyz.shape[:2]})
    if len(sizes) > 1:
        raise InputError(f"scores, foreground and points must have one size, got {sorted(sizes)}")


def _region(
    scores: Float[np.ndarray, "height width"],
    numbers: Int[np.ndarray, "height width"],
    number: int,
    box: tuple[slice, slice],
    part: Float[np.ndarray, "height width 3"] | None,
    strongest: Callable[[int, int], str],
) -> Region:
    down, right = box
    own = numbers[box] == number
    place = int(np.where(own, scores[box], -np.inf).argmax())
    row, column = down.start + place // own.shape[1], right.start + place % own.shape[1]
    pixels = int(own.sum())
    area = depth = None
    if part is not None:
        radius = math.sqrt(pixels / math.pi)
        away, wide = max(LEAST[0], AWAY * radius), max(LEAST[1], WIDE * radius)
        margin = math.ceil(away + wide) + 1
        crop = tuple(slice(max(0, side.start - margin), side.stop + margin) for side in box)
        inside = numbers[crop] == number
        distance = ndimage.distance_transform_edt(~inside)
        ring = (distance > away) & (distance <= away + wide) & (numbers[crop] == 0)
        points = part[crop].astype(np.float64)
        area, depth = area_of(points, inside, ring), depth_of(points, inside, ring)
    return Region(
        down.start,
        right.start,
        down.stop,
        right.stop,
        pixels,
        float(scores[row, column]),
        strongest(row, column),
        None if area is None else area * _SQUARE_MM,
        None if depth is None else depth * _MM,
    )


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
    fitted, own = ring & known, inside & known
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
    middle = _medians(off, told)
    around = max(_deviation(_medians(off, fitted)), MEDIAN * _deviation(off[fitted]), FINEST)
    deepest = np.abs(middle).argsort()[-max(1, math.ceil(EXTREME * len(middle))) :]
    depth = float(middle[deepest[0]])
    return depth if abs(depth) >= CLEAR * around else None


def _deviation(values: Float64[np.ndarray, " some"]) -> float:
    """The standard deviation of normal numbers around nought, whatever a few of them are."""
    return 1.4826 * float(np.median(np.abs(values)))


def _medians(
    values: Float64[np.ndarray, "rows columns"], where: Bool[np.ndarray, "rows columns"]
) -> Float64[np.ndarray, " some"]:
    """Of 3 x 3 pixels around each of some, as far as they are some of them too."""
    around = np.pad(np.where(where, values, np.nan), 1, constant_values=np.nan)
    return np.asarray(
        np.nanmedian(np.lib.stride_tricks.sliding_window_view(around, (3, 3))[where].reshape(-1, 9), axis=1)
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
