"""Shapes of drawings as SVG, in colours that follow the page's light or dark theme."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Final

from latticework.pages.text import printable
from latticework.pages.theme import LIGHT

WIDTH: Final = 640.0  # as wide as a sheet of A4 takes it without making it smaller


def svg(height: float, parts: Sequence[str], *, width: float = WIDTH, font: str = "system-ui, sans-serif") -> str:
    """A drawing."""
    size = f'viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="{font}">{"".join(parts)}</svg>'


def paint(name: str) -> str:
    """The theme's colour of that name."""
    return f"var(--{name}, {LIGHT[name]})"


def line(
    x1: float, y1: float, x2: float, y2: float, colour: str, *, width: float = 1, opacity: float = 1, dashes: str = ""
) -> str:
    """From one point to another."""
    return (
        f'<path d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}" style="fill: none; stroke: {paint(colour)}; stroke-width: '
        f'{width:g}; stroke-opacity: {opacity:g}{f"; stroke-dasharray: {dashes}" if dashes else ""}"/>'
    )


def path(points: Sequence[tuple[float, float]], colour: str) -> str:
    """A line through points."""
    track = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    return f'<path d="M{track}" style="fill: none; stroke: {paint(colour)}; stroke-width: 1.8"/>'


def dot(x: float, y: float, radius: float, colour: str, *, opacity: float = 1) -> str:
    """A disc."""
    look = f"fill: {paint(colour)}; fill-opacity: {opacity:g}"
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}" style="{look}"/>'


def diamond(x: float, y: float, radius: float, colour: str) -> str:
    """A square on its corner."""
    track = f"M{x:.1f} {y - radius:.1f}l{radius:g} {radius:g}l-{radius:g} {radius:g}l-{radius:g} -{radius:g}z"
    return f'<path d="{track}" style="fill: {paint(colour)}"/>'


def triangle(x: float, y: float, radius: float, colour: str) -> str:
    """One that points upwards."""
    track = f"M{x:.1f} {y - radius:.1f}l{radius:g} {2 * radius:g}h-{2 * radius:g}z"
    return f'<path d="{track}" style="fill: {paint(colour)}"/>'


def bar(x: float, y: float, width: float, colour: str, *, height: float = 15, opacity: float = 1) -> str:
    """A rectangle from its upper left corner."""
    size = f'width="{max(0.0, width):.1f}" height="{height:g}"'
    return f'<rect x="{x:.1f}" y="{y:.1f}" {size} style="fill: {paint(colour)}; fill-opacity: {opacity:g}"/>'


def text(
    x: float,
    y: float,
    text: str,
    colour: str = "ink",
    anchor: str = "start",
    *,
    bold: bool = False,
    halo: bool = False,
) -> str:
    """A line of text, which is escaped."""
    look = f"fill: {paint(colour)}{'; font-weight: 600' if bold else ''}"
    look += f"; paint-order: stroke; stroke: {paint('paper')}; stroke-width: 3" if halo else ""
    place = f'x="{x:.1f}" y="{y:.1f}" font-size="12" text-anchor="{anchor}"'
    return f'<text {place} style="{look}">{escape(printable(text))}</text>'
