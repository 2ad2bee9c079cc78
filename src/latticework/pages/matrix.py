"""Heat maps: a matrix of numbers with a label for every row and column."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latticework.core.errors import InputError
from latticework.core.terminal import columns as width_in_columns
from latticework.pages import svg
from latticework.pages.picture import BASELINE, COLUMN, LINE, NAME_WIDTH, Picture, with_gaps, write
from latticework.pages.text import label, show
from latticework.pages.theme import LIGHT

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Matrix = NDArray[np.float64]

MAX_SIDE = 256  # rows or columns; a larger matrix makes no picture that can be read
LABEL_WIDTH = 20  # columns of text, of the label of a row or column
PITCH = (16.0, 28.0)  # smallest and largest cell: a label's line must fit, and a small matrix need not shout
SIDE = 340.0  # a matrix of medium size fills this
SLANT = 50.0  # degrees, of column labels too long for their column
GAP = 7.0  # between labels and cells
BAR = 96.0  # length of the scale


def heat_map(
    values: ArrayLike,
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    x_label: str,
    y_label: str,
    value_label: str,
    caption: str,
) -> Picture:
    """Show a matrix; a value that is not finite is a cross, and the caption then says so.

    The scale goes from zero, or from the smallest value if that is negative, to the largest.

    Parameters
    ----------
    values : ArrayLike
        Shape `(rows, columns)`, at most 256 a side.
    rows, columns : Sequence[str]
        A label for each row and column; long ones are cut.
    x_label, y_label, value_label : str
        What the columns, the rows and the values are.
    caption : str
        Stands below the picture.

    Returns
    -------
    Picture
        At least 16 pixels a cell, so a large one scrolls within its box on a page.

    Raises
    ------
    InputError
        If `values` is no matrix of as many rows and columns as there are labels, is empty or too large, or has no
        finite value.
    MissingExtraError
        Without Matplotlib.

    Examples
    --------
    >>> weights = [[0.1, 0.9], [0.7, 0.3]]
    >>> labels = {"x_label": "read", "y_label": "written", "value_label": "attention"}
    >>> heat_map(weights, ["Hund", "der"], ["the", "dog"], **labels, caption="Where it looks.").alt
    'Heat map of attention: 2 rows (written) by 2 columns (read), from 0.1 to 0.9, the largest at Hund, dog.'
    """
    matrix = _checked(values, len(rows), len(columns))
    finite = np.isfinite(matrix)
    low, high = float(matrix[finite].min()), float(matrix[finite].max())
    row_names = [label(name, width=LABEL_WIDTH) for name in rows]
    column_names = [label(name, width=LABEL_WIDTH) for name in columns]
    axis_names = f"{label(y_label, width=NAME_WIDTH)} ↓\N{EM SPACE}{label(x_label, width=NAME_WIDTH)} →"
    plan = _Plan.of(row_names, column_names, axis_names)

    def paint(figure: Figure) -> None:
        _cells(figure, plan, matrix, min(low, 0.0), high)
        for number, name in enumerate(row_names):
            y = plan.height - plan.top - plan.pitch * (number + 0.5) - BASELINE
            write(figure, plan.left - GAP, y, name, align="right")
        for number, name in enumerate(column_names):
            x, y = plan.left + plan.pitch * (number + 0.5), plan.height - plan.top + GAP
            if plan.slanted:
                write(figure, x + BASELINE, y, name, angle=SLANT)
            else:
                write(figure, x, y, name, align="center")
        write(figure, 0, plan.height - 13, axis_names, colour=LIGHT["muted"])
        _scale(figure, plan, show(min(low, 0.0)), show(high), label(value_label, width=NAME_WIDTH))

    row, column = divmod(int(np.argmax(np.where(finite, matrix, -np.inf))), len(columns))
    told = (
        f"Heat map of {value_label}: {len(rows)} rows ({y_label}) by {len(columns)} columns ({x_label}), "
        f"from {show(low)} to {show(high)}, the largest at {rows[row]}, {columns[column]}."
    )
    caption = with_gaps(caption, int(np.sum(~finite)), "A cross")
    return Picture(svg.draw(plan.width, plan.height, paint), caption, told)


@dataclass(frozen=True)
class _Plan:
    """Where everything is, in pixels: the cells start `left` from the left and `top` from the top."""

    width: float
    height: float
    left: float
    top: float
    pitch: float
    slanted: bool
    shape: tuple[int, int]

    @classmethod
    def of(cls, rows: list[str], columns: list[str], axis_names: str) -> _Plan:
        pitch = min(max(SIDE / max(len(rows), len(columns)), PITCH[0]), PITCH[1])
        left = GAP + max(map(_width, rows))
        slanted = max(map(_width, columns)) > pitch - 4
        rise, reach = LINE, 0.0
        if slanted:
            rise = max(map(_width, columns)) * math.sin(math.radians(SLANT)) + svg.FONT_SIZE
            ends = (pitch * (n + 0.5) + _width(name) * math.cos(math.radians(SLANT)) for n, name in enumerate(columns))
            reach = max(ends) + BASELINE + svg.FONT_SIZE / 2 - pitch * len(columns)
        top = LINE + rise + GAP
        width = left + pitch * len(columns) + max(reach, 1.0)
        height = top + pitch * len(rows) + 2 * LINE
        return cls(max(width, _width(axis_names)), height, left, top, pitch, slanted, (len(rows), len(columns)))

    def box(self, x: float, y: float, width: float, height: float) -> tuple[float, float, float, float]:
        """Give a box of pixels, from the upper left, in the fractions of the figure Matplotlib wants."""
        return x / self.width, 1 - (y + height) / self.height, width / self.width, height / self.height


def _checked(values: ArrayLike, rows: int, columns: int) -> Matrix:
    try:
        matrix = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"A heat map needs a matrix of numbers, but {error}.") from error
    if matrix.shape != (rows, columns):
        raise InputError(f"A heat map of {rows} rows and {columns} columns needs that shape, got {matrix.shape}.")
    if not 1 <= rows <= MAX_SIDE or not 1 <= columns <= MAX_SIDE:
        raise InputError(f"A heat map takes 1 to {MAX_SIDE} rows and columns, got {rows} and {columns}.")
    if not np.isfinite(matrix).any():
        raise InputError("A heat map needs at least one finite value, got none.")
    return matrix


def _cells(figure: Figure, plan: _Plan, matrix: Matrix, low: float, high: float) -> None:
    rows, columns = matrix.shape
    box = plan.box(plan.left, plan.top, plan.pitch * columns, plan.pitch * rows)
    axes = figure.add_axes(box, facecolor=LIGHT["surface"], frameon=True, xticks=[], yticks=[])
    finite = np.isfinite(matrix)
    span = high / 2 - low / 2  # halves: the difference of two large numbers may overflow
    strength = (np.where(finite, matrix, low) / 2 - low / 2) / (span or 1.0)
    axes.imshow(_opacity(strength), interpolation="none", aspect="auto")
    crosses = np.argwhere(~finite)
    axes.plot(crosses[:, 1], crosses[:, 0], "x", color=LIGHT["muted"], markersize=6)
    axes.vlines(np.arange(1, columns) - 0.5, -0.5, rows - 0.5, LIGHT["paper"], linewidth=1)
    axes.hlines(np.arange(1, rows) - 0.5, -0.5, columns - 0.5, LIGHT["paper"], linewidth=1)
    axes.set(xlim=(-0.5, columns - 0.5), ylim=(rows - 0.5, -0.5))
    axes.spines[:].set_visible(False)


def _scale(figure: Figure, plan: _Plan, low: str, high: str, name: str) -> None:
    """Draw the scale below the cells: smallest, bar, largest, and what the values are."""
    x = 0.0
    write(figure, x, 5, low, colour=LIGHT["muted"])
    x += _width(low) + 6
    axes = figure.add_axes(plan.box(x, plan.height - 13, BAR, 8), facecolor=LIGHT["surface"], xticks=[], yticks=[])
    axes.imshow(_opacity(np.linspace(0, 1, 64)[None, :]), interpolation="none", aspect="auto")
    axes.spines[:].set_visible(False)
    write(figure, x + BAR + 6, 5, f"{high}\N{EM SPACE}{name}", colour=LIGHT["muted"])


def _opacity(strength: Matrix) -> NDArray[np.uint8]:
    """Give a white raster as opaque as the values, from 0 to 1, say: the mask of `svg.draw`."""
    raster = np.full((*strength.shape, 4), 255, dtype=np.uint8)
    raster[..., 3] = np.rint(255 * np.clip(strength, 0, 1))
    return raster


def _width(text: str) -> float:
    return COLUMN * width_in_columns(text)
