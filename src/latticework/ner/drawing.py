"""The lattice of a text as a drawing: its characters in rows, and below them every word that matches as an arc.

The stronger its line, the more the model trusted its word: opacity is the gate weight α, averaged over the hidden
dimensions and both directions. Entities are marked above.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Final

from latticework.pages import Picture
from latticework.pages.passage import colour
from latticework.pages.text import columns, label, printable
from latticework.pages.theme import LIGHT

if TYPE_CHECKING:
    from latticework.ner.results import Arc, Explanation

CELL, NARROW, SPACE = 30.0, 19.0, 10.0  # widths of a Chinese character, of another and of white space, in pixels
WIDTH: Final = 660.0  # of a row
BOX, LEVEL, GAP, MARGIN = 32.0, 27.0, 16.0, 8.0  # heights of characters, of arcs, and what is left between rows
ABOVE: Final = 16.0  # of the labels of entities
LETTER: Final = 6.2  # of the small text, a column
MOST_CROSSING: Final = 6  # arcs that are drawn below one character: those with the largest weights
FAINTEST: Final = 0.08  # opacity: no arc disappears
MOST_TOLD: Final = 20  # words that are read to those who do not see the picture


@dataclass(frozen=True)
class _Piece:
    """An arc, or the part of it that is in one row."""

    arc: Arc
    start: int
    end: int
    level: int


LEGEND: Final = (
    "Below the characters are the words that match, each with its weight: the stronger its line, the more the model "
    "trusted it."
)


def picture(explanation: Explanation, *, styles: Mapping[str, int] | None = None, caption: str = "") -> Picture:
    """The lattice as a picture of a page, which says at its caption how many arcs were left out.

    Parameters
    ----------
    explanation
        Of a text.
    styles
        The place of each type of entity in the legend, which decides its colour.
    caption
        Stands below it.
    """
    arcs = _kept(explanation)
    left_out = len(explanation.arcs) - len(arcs)
    more = (
        f" Not drawn: {left_out:,} words with small weights, where more than {MOST_CROSSING} cross." if left_out else ""
    )
    words = ", ".join(f"{printable(arc.word)} {arc.weight:.2f}" for arc in arcs[:MOST_TOLD])
    and_more = f" and {len(arcs) - MOST_TOLD:,} more" if len(arcs) > MOST_TOLD else ""
    alt = (
        f"Lattice of a text. Words with their weights: {words}{and_more}."
        if arcs
        else "A text in which no word matches."
    )
    return Picture(drawn(explanation, styles), f"{caption}{more}".strip(), alt)


def drawn(explanation: Explanation, styles: Mapping[str, int] | None = None) -> str:
    """The SVG of a lattice; its colours follow the page's light or dark theme, and are the light ones elsewhere."""
    text = explanation.text
    places = styles or _places(explanation)
    edges = [0.0, *accumulate(_width(character) for character in text)]
    arcs = _kept(explanation)
    parts, top, width = [], MARGIN, 0.0
    for start, end in _rows(explanation, edges):
        pieces = _levels(arcs, start, end)
        entities = [each for each in explanation.entities if each.start < end and each.end > start]
        above = ABOVE if entities else 0.0
        shift = MARGIN - edges[start]
        bottom = top + above + BOX
        depth = max((piece.level + 1 for piece in pieces), default=0) * LEVEL
        for entity in entities:
            first, last = max(entity.start, start), min(entity.end, end)
            name = entity.label if entity.start >= start else f"…{entity.label}"
            tint = colour(places.get(entity.label, 0))
            parts.append(_entity(edges[first] + shift, edges[last] + shift, top + above, name, tint))
        own = dict(zip(explanation.offsets, explanation.characters.tolist(), strict=True))
        for place in range(start, end):
            if not text[place].isspace():
                middle = (edges[place] + edges[place + 1]) / 2 + shift
                parts.append(_character(middle, top + above + BOX / 2, text[place], own.get(place)))
        for piece in pieces:
            x, y = edges[piece.start] + shift, bottom + 4 + piece.level * LEVEL
            parts.append(_arc(piece, x, edges[piece.end] + shift, y))
        width = max(width, edges[end] - edges[start])
        top = bottom + depth + GAP
    width, height = width + 2 * MARGIN, max(top - GAP + MARGIN, 2 * MARGIN)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
        f'height="{height:.0f}" font-family="system-ui, sans-serif">'
        f'<rect width="{width:.0f}" height="{height:.0f}" style="fill: {_colour("paper")}"/>{"".join(parts)}</svg>'
    )


def _places(explanation: Explanation) -> dict[str, int]:
    return {name: place for place, name in enumerate(sorted({each.label for each in explanation.entities}))}


def _width(character: str) -> float:
    if character.isspace():
        return SPACE
    return CELL if columns(character) == 2 else NARROW


def _kept(explanation: Explanation) -> list[Arc]:
    """The arcs that are drawn, in the order of the text."""
    crossing = [0] * len(explanation.text)
    kept = []
    for number, arc in sorted(enumerate(explanation.arcs), key=lambda item: -item[1].weight):
        if all(crossing[place] < MOST_CROSSING for place in range(arc.start, arc.end)):
            for place in range(arc.start, arc.end):
                crossing[place] += 1
            kept.append(number)
    return [explanation.arcs[number] for number in sorted(kept)]


def _rows(explanation: Explanation, edges: Sequence[float]) -> list[tuple[int, int]]:
    """Where rows begin and end: if possible, where no arc and no entity goes on."""
    count = len(explanation.text)
    inside = [False] * (count + 1)
    spans = [(arc.start, arc.end) for arc in explanation.arcs]
    spans += [(entity.start, entity.end) for entity in explanation.entities]
    for first, end in spans:
        inside[first + 1 : end] = [True] * (end - first - 1)
    starts = [0]
    while edges[count] - edges[starts[-1]] > WIDTH:
        start = starts[-1]
        last = max(place for place in range(start + 1, count) if edges[place] - edges[start] <= WIDTH)
        free = (place for place in range(last, start, -1) if not inside[place])
        cut = next(free, last)
        starts.append(cut if edges[cut] - edges[start] >= WIDTH / 2 else last)
    return list(pairwise([*starts, count])) if count else []


def _levels(arcs: Sequence[Arc], start: int, end: int) -> list[_Piece]:
    """The arcs of a row, short ones nearer to the text, so that none covers another."""
    pieces: list[_Piece] = []
    taken: list[list[tuple[int, int]]] = []
    cut = [(max(arc.start, start), min(arc.end, end), arc) for arc in arcs if arc.start < end and arc.end > start]
    for first, last, arc in sorted(cut, key=lambda piece: (piece[1] - piece[0], piece[0])):
        level = next(
            (
                level
                for level, spans in enumerate(taken)
                if all(last <= left or right <= first for left, right in spans)
            ),
            len(taken),
        )
        if level == len(taken):
            taken.append([])
        taken[level].append((first, last))
        pieces.append(_Piece(arc, first, last, level))
    return pieces


def _entity(left: float, right: float, top: float, name: str, tint: str) -> str:
    paint = _colour(tint)
    return (
        f'<rect x="{left + 1:.1f}" y="{top:.1f}" width="{right - left - 2:.1f}" height="{BOX - 2:g}" rx="4" '
        f'style="fill: {paint}; fill-opacity: 0.16; stroke: {paint}; stroke-width: 1.5"/>'
        f'<text x="{left + 2:.1f}" y="{top - 4:.1f}" font-size="11" style="fill: {paint}; font-weight: 600">'
        f"{_text(name, width=20)}</text>"
    )


def _character(middle: float, centre: float, character: str, own: Sequence[float] | None) -> str:
    told = (
        ""
        if own is None
        else f"<title>α of {_text(character)} itself: {own[0]:.2f} forward, {own[1]:.2f} backward</title>"
    )
    return (
        f'<text x="{middle:.1f}" y="{centre + 7:.1f}" text-anchor="middle" font-size="21" '
        f'style="fill: {_colour("ink")}">{told}{_text(character)}</text>'
    )


def _arc(piece: _Piece, left: float, right: float, top: float) -> str:
    """A line with rounded ends below the characters of a word, and its wording and weight below the line."""
    arc = piece.arc
    begin = f"M{left + 4:.1f} {top - 4:.1f} q0 6 6 6" if piece.start == arc.start else f"M{left:.1f} {top + 2:.1f}"
    finish = f"H{right - 10:.1f} q6 0 6 -6" if piece.end == arc.end else f"H{right:.1f}"
    weight = f"{arc.weight:.2f}"
    room = int((right - left) / LETTER) - len(weight) - 1
    word = f"{label(arc.word, width=room)} " if room > 2 else ""  # else the word is cut at the end of a row
    told = (
        f"{_text(arc.word, width=60)}: α {arc.forward:.2f} forward, where it ends; "
        f"{arc.backward:.2f} backward, where it begins"
    )
    return (
        f"<g><title>{told}</title>"
        f'<path d="{begin} {finish}" style="fill: none; stroke: {_colour("accent")}; stroke-width: 4; '
        f'stroke-opacity: {max(FAINTEST, min(1.0, arc.weight)):.2f}"/>'
        f'<text x="{(left + right) / 2:.1f}" y="{top + 15:.1f}" text-anchor="middle" font-size="11" '
        f'style="fill: {_colour("ink")}">{escape(word)}'
        f'<tspan style="fill: {_colour("muted")}">{weight}</tspan></text></g>'
    )


def _colour(name: str) -> str:
    return f"var(--{name}, {LIGHT[name]})"


def _text(text: str, *, width: int = 1000) -> str:
    return escape(label(text, width=width))
