"""The plane that a part lies on, found by RANSAC (Fischler & Bolles 1981), as M3DM prepares its scans (section 3.1).

A plane is taken for the ground where there is evidence of it: first in a frame along the border of the picture, which
is where the paper looks, and then among all points, if it carries most of the rest. If there is none, that is said;
nothing is taken away from a scan that shows the part alone.

Depth sensors that triangulate, as nearly all of them do, have noise that grows with the square of the distance, and so
do all limits here: each is meant at the middle distance of the scan.

Differs from the paper: planes are drawn through three points, not fifty, so that one inlier share of a half needs some
seventy trials; the last fit is least squares over all inliers; and what counts as ground follows from the noise that
was measured, up to the paper's 5 mm, so that of a part on a clean scan hardly anything is cut off at its foot.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from jaxtyping import Bool, Float32, Float64

from latticework.anomaly.scans.clouds import check_cloud
from latticework.core.checks import number
from latticework.core.seeds import seed_from

FIT_DISTANCE: Final = 0.004  # metres from the plane that a point may have while it is looked for: the paper's
GROUND_DISTANCE: Final = 0.005  # and those within which it is taken away, at most: the paper's
LEAST_DISTANCE: Final = 0.001  # no real table is flatter
FRAME: Final = 10  # pixels along the border: the paper's
MAX_TRIALS: Final = 1000  # the paper's
CONFIDENCE: Final = 0.9999  # that one of the trials had no outlier

_NOISES: Final = 4.0  # standard deviations that are taken away
_SCORED: Final = 2000  # points that a trial is judged by
_FITTED: Final = 20_000  # points of the last fit
_AT_ONCE: Final = 32  # trials
_FRAME_SHARE: Final = 0.5  # of the frame that the ground has at least
_FRAME_SEEN: Final = 0.1  # of the frame that returned at least
_SHARE: Final = 0.3  # of all points
_STANDS: Final = 0.010  # metres that something stands out from a ground which is not at the border
_STANDING: Final = 0.02  # of all points that do so
_BEHIND: Final = 0.05  # of as many, those that are as far behind
_FALLING: Final = 4.0  # of that distance behind a plane, within which there is hardly anything
_FALLEN: Final = 0.1  # of the points on it, those that are there
_SPREAD: Final = 0.1  # of a ground's length that its width is: less is a line, which fixes no plane
_FEWEST: Final = 30  # points
_NEAR_AND_FAR: Final = 2.0  # how many times farther or nearer than the middle the noise is taken to grow


@dataclass(frozen=True)
class Plane:
    """A plane, and how flat the points on it are.

    Attributes
    ----------
    normal
        Unit vector toward the camera.
    offset
        Metres from the plane to the camera: of a point p, ``normal @ p + offset`` is how far before the plane it is.
    noise
        Standard deviation of its points from it in metres, at that depth.
    depth
        The middle distance of the scan along the optical axis, in metres.
    share
        How many of all points lie on it.
    """

    normal: tuple[float, float, float]
    offset: float
    noise: float
    depth: float
    share: float

    def heights(self, xyz: Float32[np.ndarray, "height width 3"]) -> Float32[np.ndarray, "height width"]:
        """Metres that points are before the plane, below 0 behind it, NaN where nothing returned.

        Examples
        --------
        >>> table = Plane((0.0, 0.0, -1.0), 0.5, noise=0.0, depth=0.5, share=1.0)
        >>> table.heights(np.array([[[0.1, 0.2, 0.5], [0, 0, 0.48]]], dtype=np.float32)).round(3).tolist()
        [[0.0, 0.02]]
        """
        found: Float32[np.ndarray, "height width"] = xyz @ np.array(self.normal, dtype=np.float32)
        found += np.float32(self.offset)
        return found

    def limits(self, xyz: Float32[np.ndarray, "height width 3"]) -> Float32[np.ndarray, "height width"]:
        """Metres from the plane within which a point belongs to it: four standard deviations, from 1 to 5 mm.

        Examples
        --------
        >>> table = Plane((0.0, 0.0, -1.0), 0.5, noise=0.0005, depth=0.5, share=1.0)
        >>> table.limits(np.array([[[0, 0, 0.5], [0, 0, 0.7]]], dtype=np.float32)).round(4).tolist()
        [[0.002, 0.0039]]
        """
        limit = np.float32(np.clip(_NOISES * self.noise, LEAST_DISTANCE, GROUND_DISTANCE))
        return limit * _growth(xyz[..., 2], self.depth)


def fit_plane(
    xyz: Float32[np.ndarray, "height width 3"], *, distance: float = FIT_DISTANCE, random_state: Any = 0
) -> Plane | None:
    """The plane that a part lies on, or None if there is no evidence of one.

    In a frame of 10 pixels along the border, the plane has to have half of the points. Among all points, which are
    looked at if the border shows none, it has to have 30 %, with nearly all others before it, some of them by more
    than 1 cm: a flat face of a part that fills the picture is no ground.

    Parameters
    ----------
    xyz
        Points in metres, NaN where nothing returned.
    distance
        Metres from the plane, at the middle distance of the scan, that a point of it may have.
    random_state
        Of the trials: a seed, or a generator. The same one gives the same plane.

    Raises
    ------
    InputError
        If `distance` is not above 0, or the array is no such cloud.

    Examples
    --------
    >>> column, row = np.meshgrid(np.linspace(-0.1, 0.1, 64), np.linspace(-0.1, 0.1, 48))
    >>> xyz = np.stack([column, row, 0.5 + 0.2 * row], axis=-1).astype(np.float32)
    >>> xyz[20:30, 20:30, 2] -= 0.02
    >>> plane = fit_plane(xyz)
    >>> np.round(np.array(plane.normal), 3).tolist(), round(plane.offset, 3)
    ([0.0, 0.196, -0.981], 0.49)
    """
    distance = number("distance", distance, lambda value: 0 < value < np.inf, "metres, above 0")
    check_cloud(xyz)
    generator = np.random.default_rng(seed_from(random_state))
    returned = ~np.isnan(xyz[..., 2])
    if np.count_nonzero(returned) < _FEWEST:
        return None
    frame = _frame(*returned.shape)
    border = returned & frame
    if np.count_nonzero(border) >= max(_FEWEST, _FRAME_SEEN * np.count_nonzero(frame)):
        plane = _fit(xyz[border], xyz[returned], distance, _FRAME_SHARE, generator)
        if plane is not None:
            return plane
    points = xyz[returned]
    plane = _fit(points, points, distance, _SHARE, generator)
    return plane if plane is not None and _carries(plane, points[None]) else None


def in_front(xyz: Float32[np.ndarray, "height width 3"], plane: Plane) -> Bool[np.ndarray, "height width"]:
    """Where points are before a plane by more than its noise: not on it, not behind it, and not missing.

    Examples
    --------
    >>> table = Plane((0.0, 0.0, -1.0), 0.5, noise=0.0, depth=0.5, share=1.0)
    >>> points = [[0, 0, 0.5], [0, 0, 0.49], [0, 0, 0.51], [np.nan] * 3]
    >>> in_front(np.array([points], dtype=np.float32), table).tolist()
    [[False, True, False, False]]
    """
    return plane.heights(xyz) > plane.limits(xyz)


def _frame(height: int, width: int) -> Bool[np.ndarray, "height width"]:
    """Where the border is: the paper's ten pixels, or fewer where these would be more than a fifth of the picture."""
    across = max(1, min(FRAME, height // 10, width // 10))
    frame = np.ones((height, width), dtype=bool)
    frame[across:-across, across:-across] = False
    return frame


def _growth(depths: Float32[np.ndarray, "*shape"], middle: float) -> Float32[np.ndarray, "*shape"]:
    """How much larger the noise is than in the middle: the square of how much farther."""
    if middle <= 0:  # not as a camera sees it
        return np.ones_like(depths)
    farther = np.clip(depths / np.float32(middle), 1 / _NEAR_AND_FAR, _NEAR_AND_FAR)
    grown: Float32[np.ndarray, "*shape"] = farther * farther
    return grown


def _fit(
    candidates: Float32[np.ndarray, "candidates 3"],
    points: Float32[np.ndarray, "points 3"],
    distance: float,
    least: float,
    generator: np.random.Generator,
) -> Plane | None:
    """The plane through most candidates, fitted to all points near it; None if it has less than that share of them."""
    middle = float(np.median(points[:, 2]))
    some = candidates if len(candidates) <= _SCORED else candidates[generator.choice(len(candidates), _SCORED, False)]
    here = some.astype(np.float64), _growth(some[:, 2], middle).astype(np.float64)
    found = _ransac(*here, distance, least, generator)
    if found is None:
        return None
    few = points[:: -(-len(points) // _FITTED)]
    everywhere = few.astype(np.float64), _growth(few[:, 2], middle).astype(np.float64)
    normal, offset = found
    noise = distance
    # First at the candidates, so that what the noise is shows there, and a part that lies low stays out of later fits.
    for near, growth in (here, here, everywhere, everywhere):
        limit = min(distance, max(3 * noise, LEAST_DISTANCE / 2))
        inliers = np.abs(near @ normal + offset) <= limit * growth
        if np.count_nonzero(inliers) < 3:
            return None
        normal, offset, spread = _least_squares(near[inliers], 1 / growth[inliers])
        if spread < _SPREAD:
            return None
        noise = _noise((near @ normal + offset) / growth, distance)
    toward = -1.0 if offset < 0 else 1.0
    heights = toward * (here[0] @ normal + offset) / here[1]
    close = np.mean(np.abs(heights) <= distance)
    # Behind the edge of a table there is a gap; a curved face falls off little by little.
    if close < least or np.mean((heights < -distance) & (heights > -_FALLING * distance)) > _FALLEN * close:
        return None
    on = float(np.mean(np.abs(everywhere[0] @ normal + offset) <= distance * everywhere[1]))
    x, y, z = (toward * float(value) for value in normal)
    return Plane((x, y, z), toward * offset, noise, middle, on)


def _ransac(
    points: Float64[np.ndarray, "candidates 3"],
    growth: Float64[np.ndarray, " candidates"],
    distance: float,
    least: float,
    generator: np.random.Generator,
) -> tuple[Float64[np.ndarray, " 3"], float] | None:
    """Of planes through three points each, the one with most points within the limits: its unit normal and offset."""
    best, found, tried, needed = 0, None, 0, MAX_TRIALS
    limits = distance * growth
    while tried < needed:
        first, second, third = points[generator.integers(len(points), size=(3, _AT_ONCE))]
        normals = np.cross(second - first, third - first)
        lengths = np.linalg.norm(normals, axis=1)
        sides = np.linalg.norm(second - first, axis=1) * np.linalg.norm(third - first, axis=1)
        usable = lengths > 1e-3 * sides  # else on a line, or twice the same
        normals = normals / np.where(usable, lengths, 1)[:, None]
        offsets = -(normals * first).sum(axis=1)
        near = np.abs(points @ normals.T + offsets) <= limits[:, None]
        counts = np.where(usable, near.sum(axis=0), 0)
        winner = int(counts.argmax())
        if counts[winner] > best:
            best, found = int(counts[winner]), (normals[winner], float(offsets[winner]))
            needed = min(MAX_TRIALS, _trials(best / len(points)))
        tried += _AT_ONCE
    return found if best >= max(least * len(points), 3) else None


def _trials(share: float) -> int:
    """How many draws of three points it takes until one is of inliers alone, nearly surely, if they have that share."""
    missed = np.log1p(-min(share**3, 1 - 1e-12))
    return int(np.ceil(np.log(1 - CONFIDENCE) / missed))


def _least_squares(
    points: Float64[np.ndarray, "points 3"], weights: Float64[np.ndarray, " points"]
) -> tuple[Float64[np.ndarray, " 3"], float, float]:
    """Normal and offset of the plane with the least weighted squared distances, and width over length of its points."""
    squared = (weights**2)[:, None]
    centre = (squared * points).sum(axis=0) / squared.sum()
    _, extents, axes = np.linalg.svd(weights[:, None] * (points - centre), full_matrices=False)
    normal = axes[2]
    return normal, -float(normal @ centre), float(extents[1] / max(extents[0], np.finfo(float).tiny))


def _noise(distances: Float64[np.ndarray, " points"], distance: float) -> float:
    """Standard deviation of the inliers; from their median, so that some others among them do little."""
    away = np.abs(distances)
    near = away[away <= distance]
    return 1.4826 * float(np.median(near)) if len(near) else 0.0


def _carries(plane: Plane, points: Float32[np.ndarray, "one points 3"]) -> bool:
    """Whether enough points stand out from a plane, and hardly any are as far behind it."""
    heights, away = plane.heights(points), np.float32(_STANDS) * _growth(points[..., 2], plane.depth)
    standing, behind = np.count_nonzero(heights > away), np.count_nonzero(heights < -away)
    return bool(standing >= _STANDING * heights.size and behind <= _BEHIND * standing)
