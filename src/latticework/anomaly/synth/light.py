"""How surfaces look: Lambert and a highlight under a wide lamp on the left, soft shadows, and a camera's response."""

from __future__ import annotations

from typing import Final

import numpy as np
from jaxtyping import Bool, Float64, UInt8
from scipy.ndimage import uniform_filter

from latticework.anomaly.synth.camera import Camera

Image = Float64[np.ndarray, "height width"]
Colours = Float64[np.ndarray, "3 height width"]

LAMP: Final = (-0.46, -0.16)  # metres beside the camera, between which a row of lamps shines
LAMPS: Final = 7
ABOVE: Final = -0.12  # metres, their height in the image
SOFT: Final = 1.5e-3  # metres, over which their shadows fade besides: they are no points
KEY: Final = 1.15  # strength of the lamps
SKY: Final = 0.42  # and of the light from all around
HOLLOW: Final = 6e-3  # metres, over which a hollow loses light from around
EXPOSURE: Final = 0.05  # standard deviation of the logarithm of the exposure
BALANCE: Final = 0.015  # and of that of red and of blue against green
BLUR: Final = 0.24  # share of a pixel's light that reaches either neighbour: the lens, and the mosaic of the sensor
SHOT: Final = 4e-5  # variance of the noise of the camera at white, which grows with the light
READ: Final = 1.6e-6  # and without any light


def shadow_of(rays: Colours, depth: Image, beside: float, camera: Camera) -> Bool[np.ndarray, "height width"]:
    """Where a point source beside the camera, in the same plane and row, cannot reach.

    Along a row, the source sees surfaces in the order of its own image columns; what breaks that order is hidden.
    Exact for sources at (beside, 0, 0).

    Examples
    --------
    >>> camera = Camera(32)
    >>> depth = np.full((32, 32), 0.5)
    >>> depth[:, 16:] = 0.4  # a step up
    >>> hidden = shadow_of(camera.rays(), depth, 0.1, camera)
    >>> hidden.sum(axis=1).tolist() == [4 if row else 4 for row in range(32)], hidden[:, 12:16].all()
    (True, np.True_)
    """
    column = camera.focal * (rays[0] - beside / depth)
    if beside > 0:
        column = column[:, ::-1]
        first = np.minimum.accumulate(column, axis=1)
        return (column > first + 0.3)[:, ::-1]
    first = np.maximum.accumulate(column, axis=1)
    return column < first - 0.3


def lit(rays: Colours, depth: Image, camera: Camera) -> Image:
    """The share of the lamps that reaches each point."""
    hidden = np.zeros(depth.shape)
    for beside in np.linspace(*LAMP, LAMPS):
        hidden += shadow_of(rays, depth, beside, camera)
    size = 2 * round(SOFT / camera.pixel) + 1
    return 1.0 - _mean(_mean(hidden, size), size) / LAMPS


def open_sky(height: Image, pixel: float) -> Image:
    """The share of the light from all around that reaches each point, by how much higher its surroundings are."""
    size = max(1, 2 * round(HOLLOW / pixel) + 1)
    around = _mean(_mean(height, size), size)
    return np.clip(1.0 - 0.75 * np.maximum(around - height, 0.0) / HOLLOW, 0.25, 1.0)


def reach(pixel: float) -> int:
    """Pixels beyond which a surface makes no difference to what light from around reaches another."""
    return 2 * round(HOLLOW / pixel) + 2 * round(SOFT / pixel) + 1


def shade(
    colour: Colours,
    normal: Colours,
    rays: Colours,
    depth: Image,
    *,
    gloss: Image,
    shine: float,
    lamps: Image,
    sky: Image,
    up: Float64[np.ndarray, " 3"],
) -> Colours:
    """The light that comes from surfaces to the camera, before its response.

    Parameters
    ----------
    colour
        Reflectances.
    normal, rays, depth
        Unit normals, and where the surfaces are.
    gloss, shine
        Strength and exponent of the highlight (Blinn-Phong).
    lamps, sky
        What share of either reaches them.
    up
        Where most light from around comes from.
    """
    lamp = np.array([sum(LAMP) / 2, ABOVE, 0.0])[:, None, None] - rays * depth
    lamp /= np.sqrt(_dot(lamp, lamp))
    half = lamp - rays / np.sqrt(_dot(rays, rays))
    around = SKY * sky * (0.7 + 0.3 * np.tensordot(up, normal, axes=1))
    light = colour * (KEY * lamps * np.maximum(_dot(normal, lamp), 0.0) + around)
    glossy = gloss > 0.0  # powers take their time
    glance = np.maximum(_dot(normal, half), 0.0)[glossy] / np.sqrt(_dot(half, half))[glossy]
    light[:, glossy] += KEY * gloss[glossy] * lamps[glossy] * glance**shine
    return light


def blurred(light: Colours) -> Colours:
    """What the lens and the mosaic make of it: each pixel shares with its neighbours, and edges are not jagged."""
    padded = np.pad(light, ((0, 0), (1, 1), (1, 1)), mode="edge")
    rows = (1 - 2 * BLUR) * padded[:, 1:-1] + BLUR * (padded[:, :-2] + padded[:, 2:])
    return (1 - 2 * BLUR) * rows[:, :, 1:-1] + BLUR * (rows[:, :, :-2] + rows[:, :, 2:])


def draw_gains(generator: np.random.Generator) -> Float64[np.ndarray, " 3"]:
    """What exposure and white balance multiply the light by."""
    exposure, red, blue = generator.standard_normal(3)
    return 0.78 * np.exp(EXPOSURE * exposure + BALANCE * np.array([red, 0.0, blue]))


def photograph(
    light: Colours, gains: Float64[np.ndarray, " 3"], noise: Float64[np.ndarray, "3 height width"]
) -> UInt8[np.ndarray, "height width 3"]:
    """The picture: noise of the sensor (standard normal, scaled here), the sRGB response, 8 bits."""
    seen = light * gains[:, None, None]
    seen = seen + np.sqrt(SHOT * seen + READ) * noise
    seen = np.clip(seen, 0.0, 1.0)
    response = np.where(seen <= 0.0031308, 12.92 * seen, 1.055 * np.maximum(seen, 1e-9) ** (1 / 2.4) - 0.055)
    return np.ascontiguousarray(np.rint(255 * response).astype(np.uint8).transpose(1, 2, 0))


def _dot(first: Colours, second: Colours) -> Image:
    return np.einsum("i...,i...->...", first, second)


def _mean(image: Image, size: int) -> Image:
    return uniform_filter(image, size, mode="nearest")
