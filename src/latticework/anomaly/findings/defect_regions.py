"""Where a map of scores is above its threshold: connected regions, each down to half of its own peak."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Final

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import ndimage

from latticework.anomaly.findings.metrology import area_of, depth_of
from latticework.anomaly.findings.results import Region
from latticework.core.errors import InputError

MOST: Final = 20  # regions that are told of
OF_PEAK: Final = 0.5  # of the highest score in a region that each of its pixels has at least
AWAY: Final = 0.25  # from a region to the ring around it, in radii of a disc of as many pixels,
WIDE: Final = 1.0  # and how wide the ring is
LEAST: Final = (2, 6)  # pixels of the same, of small regions
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
