"""A picture of a page, and what all kinds of pictures share: text at a pixel, gaps told of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from latticework.pages import svg
from latticework.pages.theme import LIGHT

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMN = 0.6 * svg.FONT_SIZE  # width of one column of text, on the safe side for the usual fonts
LINE = 18.0  # height of a line of text
BASELINE = 0.35 * svg.FONT_SIZE  # from the middle of a line down to its baseline
NAME_WIDTH = 44  # columns of text, of the name of an axis or a line


@dataclass(frozen=True)
class Picture:
    """A picture of a page.

    Parameters
    ----------
    svg : str
        Markup, trusted as it is: let only `line_plot` and its like put a user's text into it.
    caption : str
        What the picture shows; stands below it. Empty where what stands above it says so.
    alt : str
        What a person who does not see the picture should know.
    """

    svg: str
    caption: str
    alt: str


def write(
    figure: Figure,
    x: float,
    y: float,
    text: str,
    *,
    colour: str = LIGHT["ink"],
    align: str = "left",
    angle: float = 0.0,
) -> None:
    """Write a line of text whose baseline starts (or has its middle, or ends) at pixel (x, y) from the lower left."""
    from matplotlib.transforms import IdentityTransform

    look: Any = {"color": colour, "ha": align, "va": "baseline", "rotation": angle, "rotation_mode": "anchor"}
    figure.text(x, y, text, transform=IdentityTransform(), **look)


def with_gaps(caption: str, count: int, mark: str) -> str:
    """Say below a picture how many values could not be drawn."""
    return f"{caption} {mark} marks each value that is not finite ({count:,} here)." if count else caption
