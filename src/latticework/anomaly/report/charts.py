"""Charts of an evaluation: scores of good and of defective parts, and the curves of parts and of pixels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from jaxtyping import Float64

from latticework.anomaly.findings.pixels import LIMITS
from latticework.anomaly.findings.results import Evaluation
from latticework.core.words import counted
from latticework.pages import Picture, Section, line_plot
from latticework.pages.shapes import bar, line, svg, text
from latticework.pages.text import short, show

WIDTH: Final = 380.0  # as line plots have
BINS: Final = 28
POINTS: Final = 240  # of a curve that is drawn
PRO_LIMIT: Final = 0.3  # of false positive pixels: up to there AUPRO is usually taken
FAR: Final = 20.0  # times the median of good parts: from there on scores are shown on a logarithmic axis
_LEFT, _RIGHT, _PANEL, _TOP = 34.0, 10.0, 92.0, 44.0

Curve = tuple[Float64[np.ndarray, " points"], Float64[np.ndarray, " points"]]


def score_section(evaluation: Evaluation) -> Section | None:
    """How scores tell parts apart."""
    which = evaluation.bad
    pictures: list[Picture] = []
    if len(evaluation.scores):
        limit = None if evaluation.threshold is None else evaluation.threshold.value
        kinds = {"good": evaluation.scores[~which], "defective": evaluation.scores[which]}
        pictures.append(score_picture(kinds, limit))
    if evaluation.roc is not None and evaluation.figures.image is not None:
        pictures.append(roc_picture(evaluation.roc, evaluation.figures.image.auroc))
    if not pictures:
        return None
    return Section("Scores", "The further apart the two histograms are, the surer the model is.", pictures=pictures)


def pixel_section(evaluation: Evaluation) -> Section | None:
    """How maps tell pixels apart, if it is known where defects are."""
    if evaluation.pro is None:
        return None
    aupro = evaluation.figures.aupro
    return Section(
        "Pixels",
        "The higher the curve is where it begins, the more of each defect is marked before anything good is.",
        facts=[(f"AUPRO up to {limit:g}", f"{aupro[limit]:.3f}") for limit in LIMITS if limit in aupro],
        pictures=[pro_picture(evaluation.pro, aupro.get(LIMITS[0]))],
    )


def score_picture(scores: Mapping[str, Float64[np.ndarray, "..."]], threshold: float | None) -> Picture:  # noqa: UP037
    """Histograms of the scores of kinds of parts, below each other on one axis, and the threshold across them.

    Parameters
    ----------
    scores
        By what the parts are, such as "good"; kinds without a part are left out.
    threshold
        Above it a score counts as defective; None draws none.

    Examples
    --------
    >>> picture = score_picture({"good": np.array([0.1, 0.2]), "defective": np.array([0.9])}, 0.5)
    >>> picture.alt
    'Histograms of scores. good: 2 parts from 0.1 to 0.2, 0 above the threshold. defective: 1 part from 0.9 to 0.9, ...'
    """
    kinds = {kind: values for kind, values in scores.items() if len(values)}
    every = np.concatenate([*kinds.values(), [] if threshold is None else [threshold]])
    low, high = float(every.min()), float(every.max())
    middle = float(np.median(next(iter(kinds.values()))))
    logarithmic = low > 0 and high > FAR * middle
    low, high = (low, high) if high > low else (low - 0.5, high + 0.5)
    scale = np.log if logarithmic else np.asarray
    edges = np.linspace(scale(low), scale(high), BINS + 1)

    def x(value: float) -> float:
        return _LEFT + (WIDTH - _LEFT - _RIGHT) * float((scale(value) - edges[0]) / (edges[-1] - edges[0]))

    parts: list[str] = []
    told = []
    colours = ("series-1", "series-2", "series-3")
    bottom = _TOP + (_PANEL + 26) * len(kinds) - 26
    floors = [_TOP + (_PANEL + 26) * place + _PANEL for place in range(len(kinds))]
    for place, (floor, (kind, values)) in enumerate(zip(floors, kinds.items(), strict=True)):
        counts, _ = np.histogram(scale(values), edges)
        top = max(1, int(counts.max()))
        above = "" if threshold is None else f", {int((values > threshold).sum()):,} above the threshold"
        parts += [
            text(0, floor - _PANEL - 6, f"{kind}, {counted(len(values), 'part')}", colours[place % 3], bold=True),
            text(_LEFT - 6, floor - _PANEL + 10, f"{top:,}", "muted", "end"),
            text(_LEFT - 6, floor, "0", "muted", "end"),
            line(_LEFT, floor, WIDTH - _RIGHT, floor, "rule"),
        ]
        wide = (WIDTH - _LEFT - _RIGHT) / BINS
        parts += [
            bar(_LEFT + wide * n + 0.5, floor - high, wide - 1, colours[place % 3], height=high)
            for n, high in enumerate((_PANEL * counts / top).tolist())
            if high
        ]
        told.append(f"{kind}: {counted(len(values), 'part')} from {show(values.min())} to {show(values.max())}{above}.")
    if threshold is not None:
        at = x(threshold)
        for floor in floors:
            parts.append(line(at, floor - _PANEL, at, floor, "ink", width=1.5, dashes="4 3"))
        parts.append(text(at, 12, f"threshold {show(float(threshold))}", anchor=_anchor(at)))
        parts.append(line(at, 16, at, 24, "ink", width=1.5))
    parts += [
        text(x(value), bottom + 18, short(value), "muted", anchor)
        for value, anchor in ((low, "start"), (_between(low, high, logarithmic), "middle"), (high, "end"))
    ]
    axis = "score, on a logarithmic axis" if logarithmic else "score"
    parts.append(text((_LEFT + WIDTH - _RIGHT) / 2, bottom + 36, axis, "muted", "middle"))
    caption = "How many parts have which score."
    if threshold is not None:
        caption += " What is to the right of the dashed line is taken for defective."
    return Picture(svg(bottom + 44, parts, width=WIDTH), caption, f"Histograms of scores. {' '.join(told)}")


def roc_picture(roc: Curve, auroc: float) -> Picture:
    """How many defective parts are found, for every share of false alarms that one accepts."""
    caption = (
        "Each point is a threshold: how many defective parts it finds, and how many good ones it takes for defective. "
        f"The area below the curve, the image AUROC, is {auroc:.3f}; guessing has 0.5."
    )
    curves = {"the model": thinned(*roc), "guessing": (np.array([0.0, 1.0]), np.array([0.0, 1.0]))}
    return line_plot(curves, x_label="false alarms, share of good parts", y_label="defects found", caption=caption)


def pro_picture(pro: Curve, aupro: float | None) -> Picture:
    """How much of each defect is found, for every share of good pixels that one accepts to be marked."""
    rate, overlap = pro
    inside = rate <= PRO_LIMIT
    if not inside.all():  # the curve ends at the limit, not at the last point before it
        overlap = np.append(overlap[inside], np.interp(PRO_LIMIT, rate, overlap))
        rate = np.append(rate[inside], PRO_LIMIT)
    area = "" if aupro is None else f" AUPRO, the area below the curve up to {PRO_LIMIT:g}, is {aupro:.3f}."
    caption = (
        "Each point is a threshold for pixels: how much of a defect is marked, on average over all defects, small ones "
        f"counting as large ones, and how much is marked where nothing is wrong.{area}"
    )
    return line_plot(
        {"the model": thinned(rate, overlap)},
        x_label="good pixels marked, share",
        y_label="share of each defect marked",
        caption=caption,
    )


def thinned(
    x: Float64[np.ndarray, " points"], y: Float64[np.ndarray, " points"]
) -> tuple[Float64[np.ndarray, " kept"], Float64[np.ndarray, " kept"]]:
    """Points of a rising curve that look like all of them, if they are many.

    Examples
    --------
    >>> line = np.linspace(0, 1, 10_001)
    >>> few = thinned(line, line**0.1)[0]
    >>> len(few) <= POINTS, float(few[0]), float(few[-1]), bool((np.diff(few) < 0.01).all())
    (True, 0.0, 1.0, True)
    """
    if len(x) <= POINTS:
        return x, y
    width, height = np.ptp(x) or 1.0, np.ptp(y) or 1.0
    way = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(x)) / width + np.abs(np.diff(y)) / height)])
    chosen = np.unique(np.searchsorted(way, np.linspace(0, way[-1], POINTS)).clip(0, len(x) - 1))
    return x[chosen], y[chosen]


def _anchor(x: float) -> str:
    """Where a text at that place begins, so that it is within the picture."""
    return "start" if x < WIDTH / 3 else "end" if x > 2 * WIDTH / 3 else "middle"


def _between(low: float, high: float, logarithmic: bool) -> float:
    return float(np.sqrt(low * high)) if logarithmic else (low + high) / 2
