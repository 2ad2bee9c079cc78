"""Pictures of pixels within drawings."""

from __future__ import annotations

import base64
import io
from typing import Final

import numpy as np
from jaxtyping import UInt8

from latticework.core.errors import require

QUALITY: Final = 88  # of JPEG, from 0 to 100


def raster(x: float, y: float, width: float, height: float, rgb: UInt8[np.ndarray, "height width 3"]) -> str:
    """A picture of pixels, stretched to a rectangle."""
    stream = io.BytesIO()
    image = require("PIL.Image", extra="anomaly", purpose="drawing pictures of parts").fromarray(rgb)
    image.save(stream, "JPEG", quality=QUALITY, subsampling=0)
    data = base64.b64encode(stream.getvalue()).decode()
    size = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" preserveAspectRatio="none"'
    return f'<image {size} href="data:image/jpeg;base64,{data}"/>'
