"""Shapes of drawings as SVG, in colours that follow the page's light or dark theme, and pictures of pixels."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape

import numpy as np
from jaxtyping import UInt8

from latticework.core.errors import require
from latticework.pages.text import printable
from latticework.pages.theme import LIGHT

QUALITY = 88  # of JPEG, from 0 to 100


def svg(width: float, height: float, parts: Sequence[str]) -> str:
    """A drawing."""
    size = f'viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="system-ui, sans-serif">{"".join(parts)}</svg>'


def text(x: float, y: float, text: str, colour: str = "ink", anchor: str = "start", *, bold: bool = False) -> str:
    """A line of text, which is escaped."""
    look = f"fill: var(--{colour}, {LIGHT[colour]}){'; font-weight: 600' if bold else ''}"
    place = f'x="{x:.1f}" y="{y:.1f}" font-size="12" text-anchor="{anchor}"'
    return f'<text {place} style="{look}">{escape(printable(text))}</text>'


def bar(x: float, y: float, width: float, height: float, colour: str, *, opacity: float = 1) -> str:
    """A rectangle from its upper left corner."""
    look = f"fill: var(--{colour}, {LIGHT[colour]}); fill-opacity: {opacity:g}"
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(0.0, width):.1f}" height="{height:.1f}" style="{look}"/>'


def line(x1: float, y1: float, x2: float, y2: float, colour: str, *, width: float = 1, dashes: str = "") -> str:
    """From one point to another."""
    look = f"fill: none; stroke: var(--{colour}, {LIGHT[colour]}); stroke-width: {width:g}"
    look += f"; stroke-dasharray: {dashes}" if dashes else ""
    return f'<path d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}" style="{look}"/>'


def raster(x: float, y: float, width: float, height: float, rgb: UInt8[np.ndarray, "height width 3"]) -> str:
    """A picture of pixels, stretched to a rectangle."""
    stream = io.BytesIO()
    image = require("PIL.Image", extra="anomaly", purpose="drawing pictures of parts").fromarray(rgb)
    image.save(stream, "JPEG", quality=QUALITY, subsampling=0)
    data = base64.b64encode(stream.getvalue()).decode()
    size = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" preserveAspectRatio="none"'
    return f'<image {size} href="data:image/jpeg;base64,{data}"/>'
