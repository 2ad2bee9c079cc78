"""Charts: figures as bars or side by side, and what the embeddings of a fact heed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from latticework.core.errors import InputError
from latticework.core.terminal import columns
from latticework.knowledge.drawing import NAME
from latticework.pages import Picture
from latticework.pages.picture import COLUMN
from latticework.pages.shapes import WIDTH, bar, diamond, dot, line, svg, text, triangle
from latticework.pages.text import label, short, show
from latticework.pages.theme import colour

if TYPE_CHECKING:
    from latticework.knowledge.results import Explanation, Heeded

ROW: Final = 20.0
MOST_SHARES: Final = 8  # context elements of an object that are drawn
LEFT: Final = 190.0  # where bars begin

_LOOKS: Final = (
    ("muted", dot),
    ("series-2", dot),
    ("series-1", diamond),
    ("series-5", triangle),
)  # of models, side by side


def explanation_picture(explanation: Explanation) -> Picture:
    """What the parts of a triple heed of their contexts, as bars, and how much each keeps of itself."""
    parts: list[str] = []
    top = 6.0
    told = []
    for kind, heeded in zip(
        ("head", "relation", "tail"), (explanation.head, explanation.relation, explanation.tail), strict=True
    ):
        parts += _heeded(heeded, kind, top)
        shares = heeded.shares[:MOST_SHARES]
        top += ROW * (len(shares) + 2 + (len(heeded.shares) > MOST_SHARES)) + 18
        first = ", ".join(f"{_context(share.context, heeded.name)} {share.attention:.2f}" for share in shares[:3])
        told.append(f"{heeded.name} keeps {heeded.gate:.0%} of itself and heeds {first}")
    triple = " · ".join((explanation.head.name, explanation.relation.name, explanation.tail.name))
    known = "in the graph" if explanation.known else "not in the graph"
    caption = (
        f"{triple}: score {show(round(explanation.score, 3))}, {known}. Of each part, the share of its own embedding "
        "and below it what its context adds: the attention α to every neighbour, or to every relation or path of two "
        "that joins the ends of its facts."
    )
    return Picture(svg(top - 6, parts), caption, ". ".join(told) + ".")


def bar_picture(values: Mapping[str, float], *, measure: str, caption: str) -> Picture:
    """A bar for each of a few positive figures."""
    room, top = WIDTH - LEFT - 80, max(values.values()) or 1.0
    parts: list[str] = []
    for number, (name, value) in enumerate(values.items()):
        y = 4 + (ROW + 6) * number
        parts += [
            text(LEFT - 10, y + 14, label(name, width=NAME), anchor="end"),
            bar(LEFT, y, room * value / top, colour(number), height=ROW),
            text(LEFT + room * value / top + 8, y + 14, short(value), "muted"),
        ]
    told = ", ".join(f"{name} {show(value)}" for name, value in values.items())
    return Picture(svg((ROW + 6) * len(values) + 4, parts), caption, f"Bars of {measure}: {told}.")


def change_picture(rows: Sequence[tuple[str, Mapping[str, float]]], *, measure: str, caption: str) -> Picture:
    """A figure from 0 to 1 of several models, in a row for each relation or the like.

    Parameters
    ----------
    rows
        The name of each, and the figure by model; the same models in all rows, at most four.
    measure
        What the figure is.
    caption
        Stands below it.

    Raises
    ------
    InputError
        If there is no row, or there are more than four models.
    """
    models = list(rows[0][1]) if rows else []
    if not 1 <= len(models) <= 4:
        raise InputError(f"a picture of changes takes rows of 1 to 4 models, got {len(models)}")
    looks = dict(zip(models, _LOOKS, strict=False))
    left, right = LEFT, WIDTH - 20
    parts, x = [], left
    for model in models:
        colour, mark = looks[model]
        parts += [mark(x + 5, 10, 4.5, colour), text(x + 15, 14, label(model, width=NAME))]
        x += 36 + COLUMN * min(columns(model), NAME)
    top, height = 30.0, ROW * len(rows)
    for share in (0, 0.25, 0.5, 0.75, 1):
        at = left + (right - left) * share
        parts += [
            line(at, top, at, top + height, "rule"),
            text(at, top + height + 16, f"{share:g}", "muted", "middle"),
        ]
    parts.append(text((left + right) / 2, top + height + 34, measure, "muted", "middle"))
    for number, (name, figures) in enumerate(rows):
        y = top + ROW * (number + 0.5)
        places = {model: left + (right - left) * min(1.0, max(0.0, value)) for model, value in figures.items()}
        parts.append(text(left - 12, y + 4, label(name, width=NAME), anchor="end"))
        parts.append(line(min(places.values()), y, max(places.values()), y, "muted", width=2, opacity=0.4))
        parts += [looks[model][1](place, y, 4.5, looks[model][0]) for model, place in places.items()]
    said = "; ".join(
        f"{name} {', '.join(f'{model} {value:.2f}' for model, value in figures.items())}" for name, figures in rows[:20]
    )
    return Picture(svg(top + height + 44, parts), caption, f"{measure} by row. {said}.")


def _heeded(heeded: Heeded, kind: str, top: float) -> list[str]:
    """The panel of one part of a triple."""
    room = WIDTH - LEFT - 90
    parts = [text(LEFT, top + 12, f"{kind}: {label(heeded.name, width=60)}", bold=True)]
    y = top + ROW
    own = room * heeded.gate
    parts += [
        text(LEFT - 10, y + 13, "itself, its context", "muted", anchor="end"),
        bar(LEFT, y + 2, own, "series-1"),
        bar(LEFT + own, y + 2, room - own, "series-2"),
        text(LEFT + room + 8, y + 13, f"{heeded.gate:.0%} itself", "muted"),
    ]
    for number, share in enumerate(heeded.shares[:MOST_SHARES], start=1):
        row = y + ROW * number
        name = label(_context(share.context, heeded.name), width=NAME)
        parts += [
            text(LEFT - 10, row + 13, name, anchor="end"),
            bar(LEFT, row + 4, max(1.0, room * share.attention), "series-2", height=11, opacity=0.65),
            text(LEFT + room * share.attention + 8, row + 13, f"{share.attention:.2f}", "muted"),
        ]
    more = heeded.shares[MOST_SHARES:]
    if more:
        row = y + ROW * (MOST_SHARES + 1)
        rest = sum(share.attention for share in more)
        parts.append(text(LEFT, row + 13, f"and {len(more)} more, together {rest:.2f}", "muted"))
    return parts


def _context(context: tuple[str, ...], name: str) -> str:
    """A neighbour, or the relations of a path, by name."""
    return " → ".join(context) if context else f"{name} itself"
