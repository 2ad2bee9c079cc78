"""The depth sensor: a projector beside the camera, noise that grows with slant, steps of depth, and lost points."""

from __future__ import annotations

from typing import Final

import numpy as np
from jaxtyping import Bool, Float32, Float64

from latticework.anomaly.synth.camera import Camera
from latticework.anomaly.synth.light import shadow_of

Image = Float64[np.ndarray, "height width"]

NOISE: Final = 0.15e-3  # metres, standard deviation of depth on a surface at right angles to the view
STEEPEST: Final = 0.15  # cosine of the slant beyond which the noise grows no further
STEP: Final = 0.05e-3  # metres, between depths that are told apart
DROPOUTS: Final = 0.003  # share of pixels without return, wherever they are
GLANCING: Final = (0.30, 0.12)  # cosines of the slant, between which returns fade away
PROJECTOR: Final = 0.11  # metres, to the right of the camera


def facing(normal: Float64[np.ndarray, "3 height width"], rays: Float64[np.ndarray, "3 height width"]) -> Image:
    """Cosine of the angle between each ray and its surface's normal."""
    return np.maximum(
        -np.einsum("i...,i...->...", normal, rays) / np.sqrt(np.einsum("i...,i...->...", rays, rays)), 0.0
    )


def depth_noise(cosine: Image) -> Image:
    """Standard deviation of the depth, in metres: 0.15 mm, divided by the cosine of the slant.

    Examples
    --------
    >>> (1e3 * depth_noise(np.array([[1.0, 0.5, 0.0]]))).round(2).tolist()
    [[0.15, 0.3, 1.0]]
    """
    return NOISE / np.maximum(cosine, STEEPEST)


def loss(cosine: Image) -> Image:
    """The share of pixels that return nothing: few of a surface that faces the camera, all at a glancing angle."""
    share = np.clip((GLANCING[0] - cosine) / (GLANCING[0] - GLANCING[1]), 0.0, 1.0)
    return DROPOUTS + (1.0 - DROPOUTS) * share * share


def unlit(
    rays: Float64[np.ndarray, "3 height width"], depth: Image, camera: Camera
) -> Bool[np.ndarray, "height width"]:
    """Where the projector's pattern does not reach: shadows beside steep edges."""
    return shadow_of(rays, depth, PROJECTOR, camera)


def scan(
    rays: Float64[np.ndarray, "3 height width"],
    depth: Image,
    deviation: Image,
    lost: Bool[np.ndarray, "height width"],
    noise: Image,
) -> Float32[np.ndarray, "height width 3"]:
    """The points that the sensor gives, in metres, camera frame; NaN where there is none.

    Parameters
    ----------
    rays, depth
        Where the surfaces are.
    deviation, noise
        Standard deviation of the noise, and its draw (standard normal).
    lost
        Where nothing returns.
    """
    seen = STEP * np.rint((depth + deviation * noise) / STEP)
    return np.ascontiguousarray(np.where(lost, np.nan, rays * seen).transpose(1, 2, 0)).astype(np.float32)
