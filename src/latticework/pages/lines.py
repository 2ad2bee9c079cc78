"""Curves: one or several named lines over a common pair of axes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latticework.core.errors import InputError
from latticework.core.terminal import columns
from latticework.pages import svg
from latticework.pages.picture import BASELINE, COLUMN, LINE, NAME_WIDTH, Picture, with_gaps, write
from latticework.pages.text import MINUS, label, shown_apart
from latticework.pages.theme import LIGHT, SERIES, colour

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Line = tuple[NDArray[np.float64], NDArray[np.float64]]

WIDTH, HEIGHT = 380.0, 228.0  # readable on a telephone without scrolling; the legend comes on top
TOP, BOTTOM, RIGHT = LINE + 12, 2 * LINE + 6, 14.0
SAMPLE = 22.0  # width of the sample of a line in the legend
DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1.2, 1.6)), (0, (6, 2, 1.2, 2)))
MAX_SERIES = math.lcm(SERIES, len(DASHES))  # beyond it two lines would look the same
FEW_POINTS = 25  # up to here every point of a line has a dot
PLAIN = 11  # characters: longer numbers are written with a power of ten if that is shorter
MOST_DIGITS = 16  # of float64
_ALIGNED: tuple[Literal["left", "right"], ...] = ("left", "right")  # numbers at the ends, within the axis
LARGEST = 1e150  # in size, of the numbers shown: beyond it the arithmetic of the axes overflows


def line_plot(
    series: Mapping[str, tuple[ArrayLike, ArrayLike]],
    *,
    x_label: str,
    y_label: str,
    caption: str,
) -> Picture:
    """Plot named lines; a `y` that is not finite leaves a gap, and the caption then says so.

    Parameters
    ----------
    series : Mapping[str, tuple[ArrayLike, ArrayLike]]
        `(x, y)` by name, each one-dimensional and of equal length; at most 12 lines.
    x_label, y_label : str
        What the axes show, with the unit.
    caption : str
        Stands below the picture.

    Returns
    -------
    Picture
        380 pixels wide, in colours that follow the page's light or dark theme.

    Raises
    ------
    InputError
        If there is nothing to plot, lengths differ, some `x` is not finite, or a number is beyond 1e150.
    MissingExtraError
        Without Matplotlib.

    Examples
    --------
    >>> picture = line_plot({"training": ([1, 2], [3.5, 0.25])}, x_label="epoch", y_label="loss", caption="It learns.")
    >>> picture.alt
    'Lines of loss against epoch. training: from 3.5 to 0.25, lowest 0.25, highest 3.5.'
    """
    if not 1 <= len(series) <= MAX_SERIES:
        raise InputError(f"A line plot takes 1 to {MAX_SERIES} series, got {len(series)}.")
    lines = {name: _points(name, pair) for name, pair in series.items()}
    names = [label(name, width=NAME_WIDTH) for name in lines] if len(lines) > 1 else []
    places = _flow(names)
    legend_height = LINE * (1 + places[-1][1]) + 6 if places else 0.0
    height = HEIGHT + legend_height

    def paint(figure: Figure) -> None:
        axes = figure.add_axes((0, 0, 1, 1), facecolor="none")
        for number, (x, y) in enumerate(lines.values()):
            axes.plot(x, y, **_look(number), marker="o", markersize=3.6, markevery=_dots(y))
        left = _dress(axes)
        inner = height - TOP - legend_height - BOTTOM
        axes.set_position((left / WIDTH, BOTTOM / height, (WIDTH - left - RIGHT) / WIDTH, inner / height))
        write(figure, 0, height - legend_height - 13, label(y_label, width=NAME_WIDTH), colour=LIGHT["muted"])
        middle = (left + WIDTH - RIGHT) / 2
        write(figure, middle, 7, label(x_label, width=NAME_WIDTH), colour=LIGHT["muted"], align="center")
        for number, (name, (x_of_name, row)) in enumerate(zip(names, places, strict=True)):
            y_of_name = height - LINE * (row + 0.5)
            _sample(figure, x_of_name, y_of_name, number)
            write(figure, x_of_name + SAMPLE + 6, y_of_name - BASELINE, name)

    gaps = sum(int(np.sum(~np.isfinite(y))) for _, y in lines.values())
    told = f"Lines of {y_label} against {x_label}. " + " ".join(_told(name, y) for name, (_, y) in lines.items())
    return Picture(svg.draw(WIDTH, height, paint), with_gaps(caption, gaps, "A gap"), told)


def history_plot(
    history: Sequence[Mapping[str, float]],
    curves: Mapping[str, str],
    *,
    x: str = "step",
    x_label: str = "step of training",
    y_label: str,
    caption: str,
) -> Picture | None:
    """Plot figures that were logged while a model was trained; None if none of them was.

    Parameters
    ----------
    history : Sequence[Mapping[str, float]]
        Rows of `core.training`.
    curves : Mapping[str, str]
        The key of each figure by the name of its line.
    x, x_label : str
        The key of what it is plotted against, and what to call that.
    y_label, caption : str
        As for `line_plot`.

    Examples
    --------
    >>> rows = [{"step": 20, "loss": 2.0}, {"step": 40, "loss": 1.0, "valid_loss": 1.5}]
    >>> names = {"training": "loss", "validation": "valid_loss"}
    >>> history_plot(rows, names, y_label="loss", caption="It learns.").alt
    'Lines of loss against step of training. training: from 2 to 1, ... validation: from 1.5 to 1.5, ...'
    """
    series = {}
    for name, key in curves.items():
        rows = [row for row in history if key in row and x in row]
        if rows:
            series[name] = ([row[x] for row in rows], [row[key] for row in rows])
    return line_plot(series, x_label=x_label, y_label=y_label, caption=caption) if series else None


def _points(name: str, pair: tuple[ArrayLike, ArrayLike]) -> Line:
    try:
        x, y = (np.asarray(values, dtype=np.float64) for values in pair)
    except (TypeError, ValueError) as error:
        raise InputError(f"Series {name!r} must be a pair (x, y) of numbers, but {error}.") from error
    if x.ndim != 1 or x.shape != y.shape or not x.size:
        raise InputError(
            f"Series {name!r} needs x and y of one dimension and equal length, at least 1; got {x.shape}, {y.shape}."
        )
    if not np.isfinite(x).all():
        raise InputError(f"Series {name!r} has x = {x[~np.isfinite(x)][0]}; only y may have gaps.")
    largest = max(np.abs(x).max(), np.abs(y[np.isfinite(y)]).max(initial=0.0))
    if largest > LARGEST:
        raise InputError(f"Series {name!r} reaches {largest:g} in size; at most {LARGEST:g} can be drawn.")
    return x, y


def _look(number: int) -> dict[str, Any]:
    return {"color": LIGHT[colour(number)], "linestyle": DASHES[number % len(DASHES)], "linewidth": 1.8}


def _dots(y: NDArray[np.float64]) -> list[int]:
    """Points with a dot: all when they are few, else those that no line reaches."""
    gap = np.concatenate([[True], ~np.isfinite(y), [True]])
    lonely = gap[:-2] & gap[2:]
    return np.flatnonzero(lonely | (y.size <= FEW_POINTS)).tolist()


def _dress(axes: Axes) -> float:
    """Style axes whose lines are drawn; give the width in pixels that the numbers beside the y axis need."""
    axes.margins(x=0.03, y=0.08)
    (*_, (places, texts)) = _numbered(axes.get_ylim(), (5,))
    axes.yaxis.set_ticks(places, texts)
    left = 8 + float(COLUMN * max(map(len, texts), default=0))
    _number_below(axes, left)
    axes.grid(axis="y", color=LIGHT["rule"], linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["left", "right", "top"]].set_visible(False)
    axes.spines["bottom"].set_color(LIGHT["rule"])
    axes.tick_params(length=0, pad=6, labelcolor=LIGHT["muted"])
    return left


def _number_below(axes: Axes, left: float) -> None:
    """Number the x axis: if few numbers do not fit either, those at its ends, or the first if they would meet."""
    span = axes.get_xlim()
    several = list(_numbered(span, (6, 3, 2)))
    for places, texts in several:
        if _fit(places, texts, span, left):
            axes.xaxis.set_ticks(places, texts)
            return
    places = several[0][0]
    ends = [places[0], places[-1]] if len(places) > 1 else places
    texts = _ticks(ends)
    room = (WIDTH - left - RIGHT) * (ends[-1] - ends[0]) / (span[1] - span[0])
    shown = 1 if COLUMN * (sum(map(len, texts)) + 1) > room else 2
    axes.xaxis.set_ticks(ends[:shown], texts[:shown])
    for number, align in zip(axes.xaxis.get_majorticklabels(), _ALIGNED, strict=False):
        number.set_horizontalalignment(align)


def _numbered(span: tuple[float, float], most: Sequence[int]) -> Iterator[tuple[list[float], list[str]]]:
    """Places on an axis and their numbers, in at most so many intervals each."""
    from matplotlib.ticker import MaxNLocator

    low, high = span
    for intervals in most:
        places = [float(place) for place in MaxNLocator(intervals).tick_values(low, high) if low <= place <= high]
        yield places, _ticks(places)


def _fit(places: Sequence[float], texts: Sequence[str], span: tuple[float, float], left: float) -> bool:
    """Whether numbers below an axis that begins so far from the left neither meet nor are cut off."""
    low, high = span
    end = 0.0
    for place, text in zip(places, texts, strict=True):
        middle, half = left + (place - low) / (high - low) * (WIDTH - left - RIGHT), COLUMN * len(text) / 2
        if middle - half < end:
            return False
        end = middle + half + COLUMN
    return end <= WIDTH + COLUMN


def _ticks(places: Sequence[float]) -> list[str]:
    """Numbers at equal distances, rising, with as many digits as tell them apart; with a power of ten if shorter."""
    if len(places) < 2:
        return [f"{place:,.6g}".replace("-", MINUS) for place in places]
    step = float(places[1] - places[0])
    numbers = [0.0 if abs(place) < step / 2 else float(place) for place in places]
    first = math.floor(math.log10(step) + 1e-9)  # the place of the first digit of the distance
    digits = step / 10.0**first
    last = first if math.isclose(digits, round(digits), rel_tol=1e-3) else first - 1  # 2.5 has two of them
    exponent = math.floor(math.log10(max(map(abs, numbers))))
    plain = [f"{number:,.{max(0, -last)}f}" for number in numbers] if exponent < MOST_DIGITS > -last else None
    powers = [f"{number:.{min(max(0, exponent - last), MOST_DIGITS)}e}" if number else "0" for number in numbers]
    texts = powers if plain is None or max(map(len, plain)) > max(PLAIN, *map(len, powers)) else plain
    return [text.replace("-", MINUS) for text in texts]


def _flow(names: list[str]) -> list[tuple[float, int]]:
    """Set the entries of the legend like words of a paragraph: the place of each as (x, row)."""
    places: list[tuple[float, int]] = []
    x, row = 0.0, 0
    for name in names:
        width = SAMPLE + 6 + COLUMN * columns(name)
        if x and x + width > WIDTH:
            x, row = 0.0, row + 1
        places.append((x, row))
        x += width + 16
    return places


def _sample(figure: Figure, x: float, y: float, number: int) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.transforms import IdentityTransform

    figure.add_artist(Line2D([x, x + SAMPLE], [y, y], transform=IdentityTransform(), **_look(number)))


def _told(name: str, y: NDArray[np.float64]) -> str:
    seen = y[np.isfinite(y)]
    if not seen.size:
        return f"{name}: no finite value."
    first, last, lowest, highest = shown_apart([seen[0], seen[-1], seen.min(), seen.max()])
    return f"{name}: from {first} to {last}, lowest {lowest}, highest {highest}."
