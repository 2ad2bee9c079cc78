"""Pictures of pixels within drawings."""

from __future__ import annotations

import base64
import io
from typing import Final

import numpy as np
from jaxtyping import UInt8

from latticework.core.errors import require

QUALITY: Final = 88  # of JPEG, from 0 to 100


def raster(
    x: float,
    y: float,
    width: float,
    height: float,
    pixels: UInt8[np.ndarray, "rows columns channels"],
    *,
    sharp: bool = False,
) -> str:
    """A picture of pixels, stretched to a rectangle: a JPEG or, if each pixel is to keep sharp edges, a PNG.

    Raises
    ------
    MissingExtraError
        If Pillow is not installed.
    """
    stream = io.BytesIO()
    image = require("PIL.Image", extra="pages", purpose="drawing pictures").fromarray(np.ascontiguousarray(pixels))
    if sharp:
        image.save(stream, "PNG")
        return embedded(x, y, width, height, stream.getvalue(), kind="png", style="image-rendering: pixelated")
    image.save(stream, "JPEG", quality=QUALITY, subsampling=0)
    return embedded(x, y, width, height, stream.getvalue(), kind="jpeg")


def embedded(
    x: float, y: float, width: float, height: float, encoded: bytes, *, kind: str, style: str | None = None
) -> str:
    """An encoded picture, stretched to a rectangle."""
    data = base64.b64encode(encoded).decode()
    size = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" preserveAspectRatio="none"'
    look = "" if style is None else f'style="{style}" '
    return f'<image {size} {look}href="data:image/{kind};base64,{data}"/>'
