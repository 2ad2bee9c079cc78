"""The shapes of parts as distance functions: metres from points to the surface, negative inside.

Frame: the centre of the part, its third axis up from the table. Not all are exact, but none says much more than it is.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from jaxtyping import Float64

Points = Float64[np.ndarray, "3 points"]
Metres = Float64[np.ndarray, " points"]

STRANDS: Final = 3
FLUTES: Final = 12  # grooves around a dowel


def superellipsoid(points: Points, half: tuple[float, float, float]) -> Metres:
    """A rounded body, |u/a|^2.5 + |v/b|^2.5 + |w/c|^2.5 = 1, to first order.

    Examples
    --------
    >>> superellipsoid(np.array([[2.0], [0.0], [0.0]]), (1.0, 1.0, 1.0))
    array([1.])
    """
    axes = np.array(half)[:, None]
    ratio = np.abs(points) / axes
    cube = ratio * np.sqrt(ratio)
    total = np.maximum(np.einsum("ij,ij->j", cube, ratio), 1e-9)
    size = total.astype(np.float32) ** np.float32(0.4)  # a tenth of the time, to a nanometre
    cube /= axes
    slope = np.sqrt(np.einsum("ij,ij->j", cube, cube)) / (size * np.sqrt(size))
    return (size - 1.0) / np.maximum(slope, 1e-6)


def torus(points: Points, ring: float, section: float, flattened: float) -> Metres:
    """A ring that lies flat: the radius of its centre line, that of its section, and its height to its width."""
    across = np.hypot(points[0], points[1]) - ring
    up = points[2] / flattened
    length = np.sqrt(across * across + up * up)
    slope = np.sqrt(across * across + (up / flattened) ** 2)
    return (length - section) * length / np.maximum(slope, 1e-9)


def block(points: Points, half: tuple[float, float, float], edge: float) -> Metres:
    """A block with rounded edges; exact.

    Examples
    --------
    >>> block(np.array([[0.0, 3.0], [0.0, 0.0], [0.0, 0.0]]), (1.0, 2.0, 2.0), 0.5)
    array([-1.,  2.])
    """
    beyond = np.abs(points) - (np.array(half) - edge)[:, None]
    outside = np.sqrt((np.maximum(beyond, 0.0) ** 2).sum(axis=0))
    return outside + np.minimum(beyond.max(axis=0), 0.0) - edge


def pipe(points: Points, half_length: float, radius: float, wall: float, edge: float) -> Metres:
    """A hollow cylinder along the first axis, its rims rounded; exact."""
    middle = radius - wall / 2
    return _rounded(np.abs(np.hypot(points[1], points[2]) - middle) - wall / 2, np.abs(points[0]) - half_length, edge)


def dowel(points: Points, half_length: float, radius: float, groove: float, edge: float) -> Metres:
    """A cylinder along the first axis, with chamfered ends and grooves along it."""
    around = np.arctan2(points[2], points[1])
    depth = groove * (0.5 - 0.5 * np.cos(FLUTES * around)) ** 4
    return _rounded(np.hypot(points[1], points[2]) - radius + depth, np.abs(points[0]) - half_length, edge)


def rope(points: Points, half_length: float, radius: float, pitch: float, sway: float) -> Metres:
    """Strands laid around a centre line that sways in the plane of the table, the ends cut off."""
    around, across = twist(points, half_length, pitch, sway)
    strands = 0.80 + 0.20 * np.abs(np.cos(0.5 * STRANDS * around))
    return _rounded(across - radius * strands, np.abs(points[0]) - half_length, 1.5e-3)


def twist(points: Points, half_length: float, pitch: float, sway: float) -> tuple[Metres, Metres]:
    """Of points on or near a rope the angle around it, turning with its strands, and how far its centre line is."""
    beside = points[1] - sway * np.sin(2.2 * points[0] / half_length)
    return np.arctan2(points[2], beside) - (2 * np.pi / pitch) * points[0], np.hypot(points[2], beside)


def _rounded(first: Metres, second: Metres, edge: float) -> Metres:
    """What is inside both, its edge rounded."""
    first, second = first + edge, second + edge
    outside = np.sqrt(np.maximum(first, 0.0) ** 2 + np.maximum(second, 0.0) ** 2)
    return outside + np.minimum(np.maximum(first, second), 0.0) - edge
