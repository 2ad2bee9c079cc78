"""Charts of effects: intervals below each other, what was believed and what is, and how chains went."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from jaxtyping import Float

from latticework.core.terminal import columns
from latticework.mediation.effects import NDE, NIE
from latticework.pages import Picture, line_plot
from latticework.pages.lines import WIDTH
from latticework.pages.picture import COLUMN
from latticework.pages.shapes import dot, line, svg, text
from latticework.pages.text import label, short

if TYPE_CHECKING:
    import pandas as pd

ROW: Final = 21.0
NAME: Final = 20  # columns of a name
MARGIN: Final = 0.04  # of the axis, beyond what is drawn
MARKS: Final = 5  # of an axis, at most one more
MOST_CHAINS: Final = 6  # that are drawn
POINTS: Final = 240  # of a trace
BINS: Final = 20
GRID: Final = 201  # points of a density
KERNEL_DRAWS: Final = 2000  # that a density is made of
REACH: Final = 3.5  # standard deviations of a normal density that are drawn


@dataclass(frozen=True)
class Interval:
    """A row of a chart.

    Attributes
    ----------
    name
        What it is; cut where it is long.
    lower, middle, upper
        Ends, and the dot between them.
    colour
        Of the theme.
    truth
        Where it is known: an upright stroke.
    """

    name: str
    lower: float
    middle: float
    upper: float
    colour: str = "series-1"
    truth: float | None = None


def interval_chart(rows: Sequence[Interval], *, unit: str, caption: str, what: str = "Intervals") -> Picture:
    r"""Intervals below each other on one axis, with a line at nought.

    Parameters
    ----------
    rows
        From top to bottom; one that is not finite has a name alone.
    unit
        Of the axis.
    caption
        Stands below.
    what
        Begins what a screen reader says.

    Examples
    --------
    >>> interval_chart([Interval("NIE", 1.0, 2.0, 3.0, truth=1.5)], unit="points", caption="An effect.").alt
    'Intervals, in points. NIE: 2.0 (1.0\xa0to\xa03.0), truly 1.5.'
    """
    rows = list(rows)
    seen = [value for row in rows for value in (row.lower, row.upper, row.truth) if value is not None]
    seen = [value for value in seen if math.isfinite(value)] or [0.0]
    low, high = min(0.0, *seen), max(0.0, *seen)
    low, high = (low, high) if high > low else (-1.0, 1.0)
    names = [label(row.name, width=NAME) for row in rows]
    left = 10 + COLUMN * max((columns(name) for name in names), default=0)
    inner = WIDTH - left - 12

    def x(value: float) -> float:
        return left + inner * (MARGIN + (1 - 2 * MARGIN) * (value - low) / (high - low))

    bottom = ROW * len(rows) + 4
    parts = [line(x(0), 0, x(0), bottom, "muted", dashes="3 3")]
    told = []
    for number, (row, name) in enumerate(zip(rows, names, strict=True)):
        y = ROW * (number + 0.5)
        parts.append(text(0, y + 4, name))
        if not all(map(math.isfinite, (row.lower, row.middle, row.upper))):
            told.append(f"{row.name}: not known.")
            continue
        parts += [line(x(row.lower), y, x(row.upper), y, row.colour, width=2), dot(x(row.middle), y, 3.6, row.colour)]
        truth = ""
        if row.truth is not None:
            parts.append(line(x(row.truth), y - 8, x(row.truth), y + 8, "ink", width=2))
            truth = f", truly {short(row.truth)}"
        told.append(f"{row.name}: {interval_told(row.middle, row.lower, row.upper)}{truth}.")
    parts.append(line(left, bottom, WIDTH - 4, bottom, "rule"))
    for mark in _marks(low, high):
        parts.append(line(x(mark), bottom, x(mark), bottom + 4, "rule"))
        parts.append(text(x(mark), bottom + 16, short(mark), "muted", _anchor(x(mark))))
    parts.append(text(WIDTH - 4, bottom + 34, label(unit, width=52), "muted", "end"))
    return Picture(svg(bottom + 42, parts, width=WIDTH), caption, f"{what}, in {unit}. {' '.join(told)}")


def split_chart(
    draws: Float[np.ndarray, " draws"],
    *,
    prior_sd: float,
    flat: tuple[float, float],
    flat_name: str,
    unit: str,
    caption: str,
    truth: float | None = None,
) -> Picture:
    """The direct effect before and after data were seen, and what it would be with a flat prior: each as high as 1.

    Parameters
    ----------
    draws
        Of the posterior.
    prior_sd
        Of the normal prior.
    flat
        Mean and standard error with a flat prior.
    flat_name
        What that is called.
    unit, caption
        Of the axis, and below.
    truth
        Where it is known: an upright line.
    """
    lines = {"prior": _normal(0.0, prior_sd), "posterior": density(draws), flat_name: _normal(*flat)}
    if truth is not None:
        lines["truth"] = (np.array([truth, truth]), np.array([0.0, 1.0]))
    return line_plot(lines, x_label=NDE, y_label="density, by its highest", caption=f"{caption} In {unit}.")


def density(
    draws: Float[np.ndarray, " draws"],
) -> tuple[Float[np.ndarray, " points"], Float[np.ndarray, " points"]]:
    """A smooth density of draws, as high as 1; of draws that are all the same a spike.

    Examples
    --------
    >>> x, y = density(np.random.default_rng(0).normal(size=500))
    >>> float(y.max()), bool(abs(x[y.argmax()]) < 0.5)
    (1.0, True)
    """
    from scipy.stats import gaussian_kde

    few = draws[:: max(1, len(draws) // KERNEL_DRAWS)]
    if not np.ptp(few) > 1e-12 * np.abs(few).max(initial=0.0):
        return np.repeat(few[:1], 3), np.array([0.0, 1.0, 0.0])
    margin = 0.15 * np.ptp(few)
    x = np.linspace(few.min() - margin, few.max() + margin, GRID)
    y = gaussian_kde(few)(x)
    return x, y / y.max()


def traces(draws: Float[np.ndarray, "chains draws"], name: str, unit: str) -> Picture:
    """How chains went, draw by draw."""
    step = max(1, -(-draws.shape[1] // POINTS))
    x = np.arange(0, draws.shape[1], step)
    thinned = f", every {_ordinal(step)} draw" if step > 1 else ""
    return line_plot(
        {f"chain {chain + 1}": (x, values[::step]) for chain, values in enumerate(draws[:MOST_CHAINS])},
        x_label="draw",
        y_label=name,
        caption=f"{name}, in {unit}, as chains went{thinned}{_some(len(draws))}. Chains that know the same look alike "
        "all along.",
    )


def ranks(draws: Float[np.ndarray, "chains draws"], name: str) -> Picture:
    """How the ranks of each chain's draws among all are spread (Vehtari et al. 2021): evenly, if chains agree."""
    order = np.argsort(np.argsort(draws, axis=None, kind="stable"), kind="stable").reshape(draws.shape)
    bins = min(BINS, max(2, draws.shape[1] // 5))
    edges = np.linspace(0, draws.size, bins + 1)
    middle = (edges[:-1] + edges[1:]) / 2 / draws.size
    series = {
        f"chain {chain + 1}": (middle, np.histogram(own, edges)[0] * bins / draws.shape[1])
        for chain, own in enumerate(order[:MOST_CHAINS])
    }
    return line_plot(
        series,
        x_label=f"{name}, rank among the draws of all chains",
        y_label="draws, by how many are expected",
        caption=f"Where the draws of each chain are among all{_some(len(draws))}: near 1 everywhere, if chains agree.",
    )


def sensitivity_charts(table: pd.DataFrame, unit: str) -> list[Picture]:
    """NIE and NDE under each prior of `MediationModel.sensitivity`."""
    found = []
    for name in (NIE, NDE):
        rows = [
            Interval(
                prior_name(row["direct_effect_sd"], row["inclusion"], bool(row["fitted"])),
                row[f"{name} lower"],
                row[name],
                row[f"{name} upper"],
                "series-2" if row["fitted"] else "series-1",
            )
            for row in table.to_dict("records")
        ]
        caption = (
            f"{name} under other priors, mean and 95\N{NO-BREAK SPACE}% interval; that of this analysis in another "
            "colour."
        )
        found.append(interval_chart(rows, unit=unit, caption=caption, what=f"{name} by prior"))
    return found


def prior_name(sd: float, inclusion: str, fitted: bool) -> str:
    """A prior in few words.

    Examples
    --------
    >>> prior_name(0.1, "0.5", False), prior_name(1.0, "beta(1, voxels)", True)
    ('sd 0.1, in 0.5', 'sd 1 (this)')
    """
    named = "" if inclusion.startswith("beta") else f", in {inclusion}"
    return f"sd {sd:.3g}{named}{' (this)' if fitted else ''}"


def interval_told(middle: float, lower: float, upper: float) -> str:
    r"""A value and its interval, to two significant digits of half the interval.

    Examples
    --------
    >>> interval_told(0.0339, -1.951, 2.0), interval_told(51234.0, 41234.0, 61234.0)
    ('0.0 (−2.0\xa0to\xa02.0)', '51,000 (41,000\xa0to\xa061,000)')
    """
    value, low, high = (rounded(number, upper - lower) for number in (middle, lower, upper))
    return f"{value} ({low}\N{NO-BREAK SPACE}to\N{NO-BREAK SPACE}{high})"


def rounded(value: float, width: float) -> str:
    """A number that is known to an interval of that width: two significant digits of half of it.

    Examples
    --------
    >>> rounded(72.2713, 7.7), rounded(72.2713, 0.0)
    ('72.3', '72.3')
    """
    if not (math.isfinite(value) and math.isfinite(width) and width > 0):
        return short(value)
    decimals = 1 - math.floor(math.log10(width / 2))
    if not -6 <= decimals <= 6:
        return short(value)
    near = round(value, decimals) + 0.0
    return f"{near:,.{max(0, decimals)}f}".replace("-", "\N{MINUS SIGN}")


def _normal(mean: float, sd: float) -> tuple[Float[np.ndarray, " points"], Float[np.ndarray, " points"]]:
    z = np.linspace(-REACH, REACH, GRID)
    return mean + sd * z, np.exp(-(z**2) / 2)


def _some(chains: int) -> str:
    return f", the first {MOST_CHAINS} of {chains} chains" if chains > MOST_CHAINS else ""


def _ordinal(number: int) -> str:
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def _marks(low: float, high: float) -> list[float]:
    """Round numbers on an axis between two ends."""
    from matplotlib.ticker import MaxNLocator

    marks = MaxNLocator(MARKS).tick_values(low, high)
    margin = MARGIN * (high - low)
    return [float(mark) for mark in marks if low - margin <= mark <= high + margin]


def _anchor(x: float) -> str:
    return "end" if x > WIDTH - 30 else "middle"
