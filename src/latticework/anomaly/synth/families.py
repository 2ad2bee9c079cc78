"""The six families of parts: what a part of each looks like, and by how much one differs from the next.

Every part is a family's shape with sizes of its own, a smooth deviation from it, and colours of its own; it lies on a
table at a place and heading of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float64

from latticework.anomaly.synth import shapes
from latticework.anomaly.synth.noise import draw_grid, ramp, resolved, smooth_noise

Points = Float64[np.ndarray, "3 points"]
Metres = Float64[np.ndarray, " points"]
Reflectances = Float64[np.ndarray, "3 points"]
Colour = tuple[float, float, float]  # reflectance in red, green and blue, linear

SCALE: Final = 0.05  # the size of a part differs by up to that share either way
SIZES: Final = 0.015  # and so does each of its measures
HEADING: Final = 0.26  # radians, up to which it is turned either way
OFFSET: Final = 5e-3  # metres, up to which it lies beside the middle, along either axis
MODES: Final = 4  # waves that the smooth deviation is made of
WAVES: Final = (0.05, 0.12)  # metres, between the shortest and the longest of them
TINT: Final = 0.03  # standard deviation of a part's reflectance, as a share


@dataclass(frozen=True)
class Family:
    """What the parts of a family have in common.

    Attributes
    ----------
    half
        Half of what a part measures along its axes, in metres; the third is how high its centre lies.
    shape
        Its distance function, of points and of how much larger or smaller each of its four measures is.
    variation
        Standard deviation of the smooth deviation from the shape, in metres.
    light, dark
        Reflectances between which the two octaves of noise lead.
    grain
        Waves of the coarse octave along the axes, in metres; those of the fine one are a third as long.
    mottling
        Standard deviation of how far the octaves lead, as a share of the way.
    gloss, shine
        Strength of the highlight, and its exponent.
    relief
        Standard deviation of a fine roughness, in metres, as deep as the fine octave is dark.
    pattern
        What there is besides noise.
    exact
        How far its distances can be trusted, as a share.
    """

    half: tuple[float, float, float]
    shape: Callable[[Points, Float64[np.ndarray, " 4"]], Metres]
    variation: float
    light: Colour
    dark: Colour
    grain: tuple[float, float, float]
    mottling: float
    gloss: float
    shine: float
    relief: float = 0.0
    pattern: Callable[[Points, Reflectances, float], Reflectances] | None = None
    exact: float = 0.9


def _pebble(points: Points, ratio: Float64[np.ndarray, " 4"]) -> Metres:
    return shapes.superellipsoid(points, (0.047 * ratio[0], 0.034 * ratio[1], 0.023 * ratio[2]))


def _pipe(points: Points, ratio: Float64[np.ndarray, " 4"]) -> Metres:
    return shapes.pipe(points, 0.046 * ratio[0], 0.021 * ratio[1], 0.0042 * ratio[2], 0.8e-3)


def _rope(points: Points, ratio: Float64[np.ndarray, " 4"]) -> Metres:
    return shapes.rope(points, 0.054 * ratio[0], 0.0115 * ratio[1], 0.040 * ratio[2], 5e-3 * ratio[3])


def _ring(points: Points, ratio: Float64[np.ndarray, " 4"]) -> Metres:
    return shapes.torus(points, 0.037 * ratio[0], 0.0125 * ratio[1], 0.85 * ratio[2])


def _foam(points: Points, ratio: Float64[np.ndarray, " 4"]) -> Metres:
    return shapes.block(points, (0.047 * ratio[0], 0.032 * ratio[1], 0.016 * ratio[2]), 3e-3)


def _dowel(points: Points, ratio: Float64[np.ndarray, " 4"]) -> Metres:
    return shapes.dowel(points, 0.050 * ratio[0], 0.0125 * ratio[1], 0.7e-3, 1.6e-3)


def _speckles(points: Points, colour: Reflectances, pixel: float) -> Reflectances:
    """Darker where the noise is darkest already: freckles."""
    grey = colour.mean(axis=0)
    middle, spread = grey.mean(), grey.std() + 1e-9
    return colour * (1.0 - 0.35 * ramp((middle - grey) / spread, 1.0, 3.5))


def _stripe(points: Points, colour: Reflectances, pixel: float) -> Reflectances:
    """A printed line along a pipe."""
    around = np.arctan2(points[1], points[2]) - 0.30
    soft = max(pixel, 0.4e-3) / 0.021
    line = 1.0 - ramp(np.abs(around), 0.085 - soft, 0.085 + soft)
    return colour + line * (np.array([0.05, 0.16, 0.36])[:, None] - colour)


def _strand(points: Points, colour: Reflectances, pixel: float) -> Reflectances:
    """One strand in another colour, and both ends whipped with twine."""
    around, _ = shapes.twist(points, 0.054, 0.040, 5e-3)
    turn = np.abs(np.mod(around / (2 * np.pi) + 0.5, 1.0) - 0.5) * 2 * np.pi  # 0 in the middle of a strand
    soft = max(pixel, 0.5e-3) / 0.0115
    marked = 1.0 - ramp(turn, np.pi / shapes.STRANDS - soft, np.pi / shapes.STRANDS + soft)
    colour = colour * (1.0 + marked * (np.array([0.42, 0.62, 0.95])[:, None] - 1.0))
    end = ramp(np.abs(points[0]), 0.0445 - pixel, 0.0445 + pixel)
    return colour + end * (np.array([0.33, 0.055, 0.045])[:, None] - colour)


def _rings(points: Points, colour: Reflectances, pixel: float) -> Reflectances:
    """Annual rings of wood: bands along a dowel, and arcs where it is cut off."""
    kept = resolved(6e-3, pixel)
    radius = np.hypot(points[1] + 0.035, points[2] - 0.05)
    late = 0.5 + 0.5 * np.sin(2 * np.pi / 6e-3 * (radius + 0.10 * points[0]))
    return colour * (1.0 - 0.16 * kept * late * late)


FAMILIES: Final[dict[str, Family]] = {
    "superellipsoid": Family(
        half=(0.047, 0.034, 0.023), shape=_pebble, variation=0.7e-3, light=(0.55, 0.36, 0.17), dark=(0.34, 0.19, 0.08),
        grain=(0.024, 0.024, 0.024), mottling=0.20, gloss=0.04, shine=12.0, pattern=_speckles, exact=0.8,
    ),
    "tube": Family(
        half=(0.046, 0.021, 0.021), shape=_pipe, variation=0.2e-3, light=(0.60, 0.60, 0.57), dark=(0.46, 0.47, 0.46),
        grain=(0.012, 0.06, 0.06), mottling=0.12, gloss=0.28, shine=40.0, pattern=_stripe,
    ),
    "rope": Family(
        half=(0.054, 0.0165, 0.0115), shape=_rope, variation=0.3e-3, light=(0.58, 0.47, 0.30), dark=(0.36, 0.27, 0.15),
        grain=(0.012, 0.012, 0.012), mottling=0.18, gloss=0.03, shine=10.0, pattern=_strand, exact=0.6,
    ),
    "ring": Family(
        half=(0.0495, 0.0495, 0.0106), shape=_ring, variation=0.3e-3, light=(0.10, 0.30, 0.27), dark=(0.07, 0.20, 0.19),
        grain=(0.030, 0.030, 0.030), mottling=0.15, gloss=0.35, shine=30.0,
    ),
    "foam": Family(
        half=(0.047, 0.032, 0.016), shape=_foam, variation=0.6e-3, light=(0.62, 0.46, 0.12), dark=(0.38, 0.25, 0.05),
        grain=(0.012, 0.012, 0.012), mottling=0.20, gloss=0.0, shine=1.0, relief=0.12e-3,
    ),
    "dowel": Family(
        half=(0.050, 0.0125, 0.0125), shape=_dowel, variation=0.15e-3, light=(0.63, 0.44, 0.25),
        dark=(0.42, 0.26, 0.12), grain=(0.090, 0.009, 0.009), mottling=0.18, gloss=0.06, shine=16.0, pattern=_rings,
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Part:
    """One part: everything that makes it differ from others of its family.

    Attributes
    ----------
    family
        What it is one of.
    ratio
        How much larger than usual each of its measures is.
    scale
        And the whole of it.
    waves, phases, heights
        Its smooth deviation: wave vectors in radians a metre, phases, and heights in metres.
    coarse, fine
        The grids of the two octaves of its colour.
    tint
        What its reflectance is multiplied by, in each channel.
    heading, offset
        How it lies on the table, in radians and metres.
    """

    family: Family
    ratio: Float64[np.ndarray, " 4"]
    scale: float
    waves: Float64[np.ndarray, "modes 3"]
    phases: Float64[np.ndarray, " modes"]
    heights: Float64[np.ndarray, " modes"]
    coarse: Float64[np.ndarray, " cells"]
    fine: Float64[np.ndarray, " cells"]
    tint: Float64[np.ndarray, " 3"]
    heading: float
    offset: Float64[np.ndarray, " 2"]

    @property
    def half(self) -> Float64[np.ndarray, " 3"]:
        """Half of what it measures along its axes, in metres, without its deviation."""
        return np.array(self.family.half) * self.scale

    def distance(self, points: Points) -> Metres:
        """Metres from points in its frame to its surface, negative inside."""
        shape = self.family.shape(points / self.scale, self.ratio) * self.scale
        waves = (self.waves @ points + self.phases[:, None]).astype(
            np.float32
        )  # a fifth of the time, to 0.1 micrometres
        return shape - self.heights @ np.sin(waves)

    def material(self, points: Points, pixel: float) -> tuple[Reflectances, Metres]:
        """Reflectance of its surface at points, and how far a fine roughness raises them, in metres."""
        family, at = self.family, points / self.scale
        grain = np.array(family.grain)[:, None]
        finest = min(family.grain)
        fine = resolved(finest / 3, pixel) * smooth_noise(self.fine, 3 * at / grain)
        coarse = resolved(finest, pixel) * smooth_noise(self.coarse, at / grain)
        share = 0.5 + family.mottling * (0.8 * coarse + 0.6 * fine)
        dark, light = np.array(family.dark)[:, None], np.array(family.light)[:, None]
        colour = dark + np.clip(share, 0.0, 1.0) * (light - dark)
        if family.pattern is not None:
            colour = family.pattern(at, colour, pixel)
        return colour * self.tint[:, None], family.relief * fine


def draw_part(family: Family, generator: np.random.Generator) -> Part:
    """A part of a family, as it comes off the line."""
    direction = generator.standard_normal((MODES, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    length = generator.uniform(*WAVES, MODES)
    height = generator.uniform(0.6, 1.4, MODES)
    height *= family.variation * np.sqrt(2.0) / np.linalg.norm(height)
    return Part(
        family=family,
        scale=generator.uniform(1 - SCALE, 1 + SCALE),
        ratio=generator.uniform(1 - SIZES, 1 + SIZES, 4),
        waves=2 * np.pi / length[:, None] * direction,
        phases=generator.uniform(0.0, 2 * np.pi, MODES),
        heights=height,
        coarse=draw_grid(generator, 3),
        fine=draw_grid(generator, 3),
        tint=np.exp(TINT * generator.standard_normal() + TINT / 3 * generator.standard_normal(3)),
        heading=generator.uniform(-HEADING, HEADING),
        offset=generator.uniform(-OFFSET, OFFSET, 2),
    )
