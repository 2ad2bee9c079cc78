"""Smooth random fields, fixed in space: what surfaces are coloured and roughened with.

Random numbers on a grid that repeats, smoothed alike in all directions, and linear between points of the grid.
"""

from __future__ import annotations

from itertools import product
from typing import Any, Final

import numpy as np
from jaxtyping import Float64
from scipy.ndimage import gaussian_filter

CELLS: Final = {2: 128, 3: 32}  # points of the grid an axis, powers of two, by how many axes there are
SMOOTH: Final = 1.2  # points, standard deviation of what smooths it: no edge of a cell can be told
PIECE: Final = 4096  # points at a time: what is computed on the way stays in the cache
WAVE: Final = 6.0  # points from a crest to the next, roughly

ASKEW: Final = np.array([[2.0, -1.0, 2.0], [2.0, 2.0, -1.0], [-1.0, 2.0, 2.0]]) / 3.0
"""A rotation: along no face of a part does the grid repeat soon."""


def draw_grid(generator: np.random.Generator, axes: int) -> Float64[np.ndarray, " cells"]:
    """The random numbers of a field of one octave, its grid flattened: mean 0, standard deviation 1."""
    grid = gaussian_filter(generator.standard_normal((CELLS[axes],) * axes), SMOOTH, mode="wrap", truncate=3.0)
    grid -= grid.mean()
    return (grid / grid.std()).reshape(-1)


def smooth_noise(
    grid: Float64[np.ndarray, " cells"], position: Float64[np.ndarray, "axes points"]
) -> Float64[np.ndarray, " points"]:
    """A smooth random field at points.

    Parameters
    ----------
    grid
        What `draw_grid` gave for as many axes.
    position
        Where, in waves of the field.

    Returns
    -------
    array (points,)
        With a standard deviation of nearly 1, and rarely beyond 3.

    Examples
    --------
    >>> grid = draw_grid(np.random.default_rng(0), 2)
    >>> bool(np.isclose(smooth_noise(grid, np.array([[3.0], [5.0]]) / WAVE), grid[3 * 128 + 5]).all())
    True
    """
    axes = len(position)
    if axes == 3:
        position = ASKEW @ position
    result = np.empty(position.shape[1])
    for start in range(0, len(result), PIECE):
        result[start : start + PIECE] = _between(grid, position[:, start : start + PIECE] * WAVE, CELLS[axes])
    return result


def _between(
    grid: Float64[np.ndarray, " cells"], position: Float64[np.ndarray, "axes points"], cells: int
) -> Float64[np.ndarray, " points"]:
    """A field, linear between the points of its grid, at positions in those."""
    floor = np.floor(position)
    share = position - floor
    first = floor.astype(np.int64)
    strides = cells ** np.arange(len(position) - 1, -1, -1)[:, None]
    low = (first & (cells - 1)) * strides
    high = ((first + 1) & (cells - 1)) * strides
    corners = [grid[sum(ends)] for ends in product(*zip(low, high, strict=True))]
    for along in share[::-1]:  # the last axis changes fastest
        corners = [start + along * (end - start) for start, end in zip(corners[::2], corners[1::2], strict=True)]
    return corners[0]


def ramp(value: Any, low: float, high: float) -> Any:
    """From 0 at `low` to 1 at `high`, smoothly, for a number or an array.

    Examples
    --------
    >>> ramp(np.array([0.0, 1.0, 2.0, 4.0]), 1.0, 3.0).tolist()
    [0.0, 0.0, 0.5, 1.0]
    """
    share = np.clip((value - low) / (high - low), 0.0, 1.0)
    return share * share * (3.0 - 2.0 * share)


def resolved(wave: float, pixel: float) -> float:
    """How much of a wave a camera keeps: 1 if it is long, falling to 0 where fewer than 2.5 pixels show it.

    Left out before it is sampled, what is too fine for the pixels cannot alias.

    Examples
    --------
    >>> resolved(8e-3, 1e-3), resolved(2e-3, 1e-3)
    (1.0, 0.0)
    """
    return float(ramp(wave / pixel, 2.5, 5.0))
