"""Colours for scores: equal steps of heat look equally far apart, and hotter is lighter, in grey too.

The colours follow a curve through Oklab (Ottosson 2020), a space in which distances are those that are seen: from a
dark violet by red and orange to a light yellow, divided into pieces of equal length.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from jaxtyping import Float32, Float64, UInt8

from latticework.anomaly.findings.results import Inspection

STEPS: Final = 256
LEVEL: Final = 0.4  # the heat of a score at the threshold: what is below stays cool
LIGHTNESS: Final = (0.32, 0.95)  # of black 0, of white 1
HUE: Final = (305.0, 465.0)  # degrees: violet, and once past red to yellow
CHROMA: Final = 0.19  # at most: less where a screen cannot show it
_FINE: Final = 2048
_HALVINGS: Final = 24

# Oklab to the cube roots of cone responses, and these to linear red, green and blue (Ottosson 2020).
_TO_ROOTS: Final = np.array(
    [[1, 0.3963377774, 0.2158037573], [1, -0.1055613458, -0.0638541728], [1, -0.0894841775, -1.2914855480]]
)
_TO_LINEAR: Final = np.array(
    [
        [4.0767416621, -3.3077115913, 0.2309699292],
        [-1.2684380046, 2.6097574011, -0.3413193965],
        [-0.0041960863, -0.7034186147, 1.7076147010],
    ]
)


@dataclass(frozen=True)
class Scale:
    """Which score of a map has which heat: with one scale the same colour is the same score in several pictures.

    Parameters
    ----------
    low, high
        Up to the one there is no heat, from the other on all of it.
    level
        The threshold of maps, which has the heat `LEVEL`, if there is one; heat goes in a straight line up to it, and
        in another beyond.

    Examples
    --------
    >>> Scale(0.0, 10.0, level=5.0)(np.array([[-1, 5, 10, 20]], np.float32)).round(2).tolist()
    [[0.0, 0.4, 1.0, 1.0]]
    """

    low: float
    high: float
    level: float | None = None

    @classmethod
    def of(cls, inspections: Iterable[Inspection], level: float | None = None) -> Scale:
        """The scale for pictures of these parts.

        With a threshold it goes from their lowest score to their highest, but at least as far above the threshold as
        below it, so that what is hardly above is not the hottest. Without one it begins where half of a part is below.
        """
        maps = [found.map[found.foreground & np.isfinite(found.map)] for found in inspections]
        maps = [scores for scores in maps if scores.size]
        high = float(max((scores.max() for scores in maps), default=0.0))
        if level is None:
            low = float(min((np.median(scores) for scores in maps), default=0.0))
            return cls(low, high if high > low else low + 1.0)
        lowest = float(min((scores.min() for scores in maps), default=level))
        reach = level - lowest if lowest < level else 1.0
        return cls(level - reach, max(high, level + reach), level)

    def __call__(self, scores: Float32[np.ndarray, "height width"]) -> Float32[np.ndarray, "height width"]:
        """Heat from 0 to 1."""
        if self.level is None:
            return np.interp(scores, [self.low, self.high], [0, 1]).astype(np.float32)
        return np.interp(scores, [self.low, self.level, self.high], [0, LEVEL, 1]).astype(np.float32)


@cache
def heat_colours() -> UInt8[np.ndarray, "n 3"]:
    """The 256 colours from the lowest to the highest score.

    Examples
    --------
    >>> first, last = heat_colours()[[0, -1]].astype(int)
    >>> int(first.sum()) < 250, int(last.min()) < 150 < int(last.max())
    (True, True)
    """
    return np.round(255 * _displayed(_linear(heat_curve()))).astype(np.uint8)


def heat_curve() -> Float64[np.ndarray, "n 3"]:
    """The same in Oklab: lightness, green to red, blue to yellow."""
    place = np.linspace(0, 1, _FINE)
    lightness = LIGHTNESS[0] + place * (LIGHTNESS[1] - LIGHTNESS[0])
    hue = np.radians(HUE[0] + place * (HUE[1] - HUE[0]))
    low, high = np.zeros(_FINE), np.full(_FINE, CHROMA)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        linear = _linear(_oklab(lightness, middle, hue))
        shown = ((linear >= 0) & (linear <= 1)).all(axis=1)
        low, high = np.where(shown, middle, low), np.where(shown, high, middle)
    curve = _oklab(lightness, low, hue)
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(curve, axis=0), axis=1))])
    wanted = np.linspace(0, length[-1], STEPS)
    return np.stack([np.interp(wanted, length, axis) for axis in curve.T], axis=1)


def _oklab(
    lightness: Float64[np.ndarray, " n"], chroma: Float64[np.ndarray, " n"], hue: Float64[np.ndarray, " n"]
) -> Float64[np.ndarray, "n 3"]:
    return np.stack([lightness, chroma * np.cos(hue), chroma * np.sin(hue)], axis=1)


def _linear(oklab: Float64[np.ndarray, "n 3"]) -> Float64[np.ndarray, "n 3"]:
    return (oklab @ _TO_ROOTS.T) ** 3 @ _TO_LINEAR.T


def _displayed(linear: Float64[np.ndarray, "n 3"]) -> Float64[np.ndarray, "n 3"]:
    """What a screen is told: sRGB from 0 to 1."""
    light = linear.clip(0, 1)
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
