"""Places on a part where a defect may be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float64
from scipy.ndimage import uniform_filter

from latticework.anomaly.synth.view import View

Points = Float64[np.ndarray, "3 points"]
Field = Float64[np.ndarray, " points"]
FACING: Final = 0.8  # cosine of the slant of places where a defect may be, at least
APART: Final = 0.018  # metres, between the two of a combined one


@dataclass(frozen=True)
class Spot:
    """A place on a part: a point, and axes along and across the surface there, in the part's frame."""

    centre: Float64[np.ndarray, " 3"]
    along: Float64[np.ndarray, " 3"]
    across: Float64[np.ndarray, " 3"]

    def coordinates(self, points: Points) -> tuple[Field, Field, Field]:
        """Metres along and across, and of the straight line, from the place to points."""
        away = points - self.centre[:, None]
        return self.along @ away, self.across @ away, np.sqrt((away * away).sum(axis=0))


def suitable(view: View, cosine: Float64[np.ndarray, "height width"], margin: int) -> Float64[np.ndarray, " points"]:
    """How good a place each point of a part is for a defect: above 1 well inside and facing the camera."""
    inside = uniform_filter(view.part.astype(float), 2 * margin + 1, mode="constant")[view.part]
    return np.minimum(inside / 0.999, 1.0) + np.minimum(cosine[view.part] / FACING, 1.0) - 1.0


def draw_spot(
    view: View,
    suits: Field,
    generator: np.random.Generator,
    *,
    apart: Spot | None = None,
) -> Spot:
    """A place for a defect; the most suitable one if none is quite.

    Parameters
    ----------
    view, suits
        What is seen of a part, and what `suitable` says of it.
    apart
        A place to keep away from.
    """
    down, beside, turn = generator.random(3)
    if apart is not None:
        suits = np.minimum(suits, apart.coordinates(view.points)[2] / APART)
    places = np.flatnonzero(suits >= min(1.0, suits.max()))
    row = np.nonzero(view.part)[0][places]  # a row and then a place in it: nearly the same at any size of the image
    places = places[row == row[int(down * len(row))]]
    place = places[int(beside * len(places))]
    normal = view.axes.T @ view.normal[:, view.part][:, place]
    first = np.cross(normal, np.eye(3)[np.abs(normal).argmin()])
    first /= np.linalg.norm(first)
    second = np.cross(normal, first)
    angle = 2 * np.pi * turn
    along = np.cos(angle) * first + np.sin(angle) * second
    return Spot(view.points[:, place], along, np.cross(normal, along))
