"""What goes wrong with parts: nine kinds of defects, and how strong each is.

A defect either moves the surface along the line of sight or recolours it, or both; a bend moves the whole part. What it
does to a picture follows: one of geometry alone leaves the reflectance of the material as it is, and shows in colour
through shading only.

How strong: the contrast-to-noise ratio of a defect is the root mean square of what it changes, over the pixels of its
profile, divided by a noise:

- depth: change of depth / 0.15 mm, the standard deviation of the sensor at normal incidence;
- colour: change of reflectance in the channel that changes most / sqrt(c² + s² + (p r)²), where c = 0.01 is the noise
  of the camera, s the spread of reflectance over the part (1.4826 median absolute deviations), r its mean, and
  p = 5.8 % how much brighter or darker one picture is than another (`EXPOSURE`, `TINT`).

`TARGETS` has it at medium contrast; it is 2 ** 0.5 times that at easy and 2 ** -0.5 times at hard: a dent is about 5,
3.5 and 2.5 mm deep.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float64

from latticework.anomaly.synth.families import TINT
from latticework.anomaly.synth.light import EXPOSURE
from latticework.anomaly.synth.noise import draw_grid, ramp, smooth_noise
from latticework.anomaly.synth.sensor import NOISE
from latticework.anomaly.synth.spots import Field, Points, Spot

CONTRASTS: Final = {"easy": 2**0.5, "medium": 1.0, "hard": 2**-0.5}  # times the targets
SINGLE: Final = ("bend", "bump", "contamination", "cut", "dent", "hole", "scratch", "stain")
KINDS: Final = (*SINGLE, "combined")  # two of them: one of `SHAPED` and one of `COLOURED`
SHAPED: Final = ("bump", "cut", "dent", "hole")  # which of them are of geometry alone, and in one place
COLOURED: Final = ("contamination", "scratch", "stain")
CLASS_IDS: Final = {"good": 0} | {kind: 255 - place for place, kind in enumerate(SINGLE)}  # as MVTec 3D-AD counts

TARGETS: Final = {  # contrast-to-noise ratios at medium contrast: of depth, and of colour
    "bend": (30.0, 0.0),
    "bump": (12.0, 0.0),
    "contamination": (8.0, 4.0),
    "cut": (16.0, 0.0),
    "dent": (12.0, 0.0),
    "hole": (28.0, 0.0),
    "scratch": (2.4, 2.6),
    "stain": (0.0, 2.6),
}
CAMERA_NOISE: Final = 0.01  # reflectance
MARGIN: Final = 4.5e-3  # metres, between the middle of a defect and the rim of a part, at least
HINGE: Final = -0.15  # where a bend begins, as a share of half the part's length
LOST_IN_HOLES: Final = 0.5  # share of the pixels of a hole that return nothing
PAINTS: Final = (  # reflectances of what does not belong there
    (0.06, 0.05, 0.05), (0.05, 0.10, 0.42), (0.45, 0.05, 0.05), (0.78, 0.77, 0.74), (0.08, 0.34, 0.10),
    (0.75, 0.56, 0.06),
)  # fmt: skip
FLUIDS: Final = ((0.10, 0.07, 0.05), (0.07, 0.10, 0.26), (0.30, 0.11, 0.05), (0.70, 0.70, 0.68))  # and of stains


@dataclass(frozen=True)
class Mark:
    """What a defect does to points of a part.

    Attributes
    ----------
    deeper
        By how much the depth grows, in metres.
    colour
        Reflectance, as it becomes.
    lost
        Share of points that return nothing besides those that do not anyway.
    """

    deeper: Field
    colour: Points
    lost: Field


def make(
    kind: str, strength: float, spot: Spot, points: Points, colour: Points, generator: np.random.Generator
) -> Mark:
    """A defect of one kind, other than a bend, in a place.

    Parameters
    ----------
    kind
        One of `SHAPED` or `COLOURED`.
    strength
        What the targets are multiplied by.
    spot
        Where it is.
    points, colour
        Those of the part that are seen, and their reflectance.
    """
    depth_target, colour_target = TARGETS[kind]
    profile, cover = _PROFILES[kind](spot, points, generator)
    deeper = _scaled(profile, strength * depth_target * NOISE)
    if kind in ("bump", "contamination"):
        deeper = -deeper
    lost = LOST_IN_HOLES * (profile > 0.5) if kind == "hole" else np.zeros(len(deeper))
    if kind in COLOURED:
        amount = strength * colour_target * colour_noise(colour)
        colour = _recoloured(colour, cover, amount, PAINTS if kind == "contamination" else FLUIDS, kind, generator)
    return Mark(deeper, colour, lost)


def colour_noise(colour: Points) -> float:
    """What changes of reflectance are measured by: camera, spread over the part, and difference between pictures."""
    grey = colour.mean(axis=0)
    spread = 1.4826 * np.median(np.abs(grey - np.median(grey)))
    return float(np.sqrt(CAMERA_NOISE**2 + spread**2 + (EXPOSURE**2 + TINT**2) * grey.mean() ** 2))


@dataclass(frozen=True)
class Bend:
    """How a part is bent: beyond a hinge its points went along `way`, the whole of it at the end of the part.

    Attributes
    ----------
    way
        Metres, in the part's frame, at right angles to its first axis.
    end
        Which end, 1 or -1.
    half_length
        Half of what the part measures along that axis, in metres.
    """

    way: Float64[np.ndarray, " 3"]
    end: float
    half_length: float

    def back(self, points: Points) -> Points:
        """From where points of the bent part came."""
        return points - self.way[:, None] * self._share(points)

    def length(self, points: Points) -> Field:
        """How far points went, in metres; the bend leaves the first coordinate, and so this, as it was."""
        return float(np.linalg.norm(self.way)) * self._share(points)

    @property
    def room(self) -> float:
        """How far beyond its usual place the part may reach, in metres."""
        return 1.2 * float(np.linalg.norm(self.way))

    def _share(self, points: Points) -> Field:
        return np.maximum((self.end * points[0] / self.half_length - HINGE) / (1.0 - HINGE), 0.0) ** 2


def draw_bend(strength: float, half_length: float, generator: np.random.Generator) -> Bend:
    """A bend to one side, and up; the target is met by what all points beyond the hinge move."""
    side, lift, end = generator.choice([-1.0, 1.0]), generator.uniform(0.4, 0.8), generator.choice([-1.0, 1.0])
    tip = strength * TARGETS["bend"][0] * NOISE * np.sqrt(5.0)  # a parabola's root mean square is 5 ** -0.5 of it
    return Bend(tip * np.array([0.0, side, lift]) / np.hypot(1.0, lift), float(end), half_length)


Profile = tuple[
    Field, Field
]  # how far, of the way, a defect moves the surface, and how much of it another colour covers


def _dent(spot: Spot, points: Points, generator: np.random.Generator) -> Profile:
    profile = np.maximum(1.0 - _blob(spot, points, generator, (7.5e-3, 10e-3), 0.08) ** 2, 0.0) ** 2
    return profile, np.zeros_like(profile)


def _hole(spot: Spot, points: Points, generator: np.random.Generator) -> Profile:
    profile = ramp(1.0 - _blob(spot, points, generator, (3.6e-3, 5.0e-3), 0.04), 0.0, 0.35)
    return profile, np.zeros_like(profile)


def _cut(spot: Spot, points: Points, generator: np.random.Generator) -> Profile:
    along, across, _ = spot.coordinates(points)
    half, width = generator.uniform(10e-3, 16e-3), generator.uniform(1.5e-3, 2.1e-3)
    across = across - generator.uniform(-1.5, 1.5) * along * along / half * 0.1
    taper = np.maximum(1.0 - (along / half) ** 2, 0.0) ** 0.5
    profile = taper * np.maximum(1.0 - np.abs(across) / (width * np.maximum(taper, 0.3)), 0.0)
    return profile, np.zeros_like(profile)


def _scratch(spot: Spot, points: Points, generator: np.random.Generator) -> Profile:
    along, across, _ = spot.coordinates(points)
    half, width = generator.uniform(12e-3, 20e-3), generator.uniform(0.9e-3, 1.2e-3)
    bow, wobble, phase = generator.uniform(-1.0, 1.0), generator.uniform(0.2e-3, 0.6e-3), generator.uniform(0, 6.28)
    across = across - bow * 0.12 * along * along / half - wobble * np.sin(along / 4e-3 + phase)
    profile = ramp(1.0 - np.abs(along) / half, 0.0, 0.3) * ramp(1.0 - np.abs(across) / width, 0.0, 1.0)
    return profile, profile


def _contamination(spot: Spot, points: Points, generator: np.random.Generator) -> Profile:
    rho = _blob(spot, points, generator, (3.2e-3, 5.2e-3), 0.15)
    return np.sqrt(np.maximum(1.0 - rho**2, 0.0)) * ramp(1.0 - rho, 0.0, 0.25), ramp(1.0 - rho, 0.0, 0.25)


def _stain(spot: Spot, points: Points, generator: np.random.Generator) -> Profile:
    rho = _blob(spot, points, generator, (6.5e-3, 10e-3), 0.2)
    rim = 0.75 + 0.25 * ramp(rho, 0.4, 0.9)  # what dries gathers at the edge
    cover = ramp(1.0 - rho, 0.0, 0.35) * rim
    return np.zeros_like(cover), cover


_PROFILES: Final[dict[str, Callable[[Spot, Points, np.random.Generator], Profile]]] = {
    "bump": _dent,
    "contamination": _contamination,
    "cut": _cut,
    "dent": _dent,
    "hole": _hole,
    "scratch": _scratch,
    "stain": _stain,
}


def _blob(
    spot: Spot, points: Points, generator: np.random.Generator, radius: tuple[float, float], ragged: float
) -> Field:
    """How far out points are, of a blob with an uneven outline: 0 in the middle, 1 at the edge."""
    size, longer = generator.uniform(*radius), generator.uniform(1.0, 1.3)
    grid = draw_grid(generator, 3)
    along, across, away = spot.coordinates(points)
    outward = np.maximum(away * away - along * along - across * across, 0.0)
    rho = np.sqrt((along / longer) ** 2 + across * across * longer + outward) / size
    uneven = 0.8 * smooth_noise(grid, points / (1.5 * size)) + 0.4 * smooth_noise(grid, points / (0.6 * size))
    return rho * np.maximum(1.0 + ragged * uneven * np.minimum(rho, 1.0), 0.3)


def _scaled(profile: Field, rms: float) -> Field:
    """A profile times what gives it a root mean square, over the points where it is 5 % or more."""
    chosen = profile[profile >= 0.05]
    return profile * (rms / np.sqrt((chosen**2).mean())) if len(chosen) else profile * 0.0


def _recoloured(
    colour: Points,
    cover: Field,
    amount: float,
    paints: tuple[tuple[float, float, float], ...],
    kind: str,
    generator: np.random.Generator,
) -> Points:
    """Reflectance under a cover: towards a paint, by an amount in the channel that it changes most.

    The paint is drawn among those far enough from the part's colour; where it is not, the farthest.
    """
    draw = generator.random()
    chosen = cover >= 0.05
    if not chosen.any():
        return colour
    here = colour[:, chosen].mean(axis=1)
    peak = amount / np.sqrt((cover[chosen] ** 2).mean())
    far = np.array([np.abs(np.array(paint) - here).max() for paint in paints])
    enough = np.flatnonzero(far >= min(0.15, far.max()))
    way = np.array(paints[enough[int(draw * len(enough))]]) - here
    new = colour + cover * peak * (way / np.abs(way).max())[:, None]
    return np.where(cover > 0.0, np.clip(new, 0.015, 0.9), colour)
