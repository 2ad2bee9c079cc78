"""The lattice of a text as a drawing: its characters in rows, and below them every word that matches as an arc.

The number at a word is its gate weight α, averaged over the hidden dimensions and both directions. A weight is a share:
forward the words that end at one character divide 1 with that character, backward those that begin there. So the line
compares each word with its companions alone: it is the stronger, the more the word has of what each there would have if
all were trusted alike. Entities are marked above.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import accumulate, pairwise
from typing import Final

from latticework.core.terminal import columns
from latticework.ner.results import Arc, Entity
from latticework.pages.shapes import paint, svg
from latticework.pages.text import label
from latticework.pages.theme import DARK, SERIES, colour

CELL, NARROW, SPACE = 29.0, 19.0, 10.0  # widths of a Chinese character, of another and of white space, in pixels
WIDTH: Final = 640.0  # of a row: with its margins a sheet of A4 takes it without making it smaller
BOX, LEVEL, GAP, MARGIN = 32.0, 27.0, 16.0, 8.0  # heights of characters, of arcs, and what is left between rows
ABOVE: Final = 16.0  # of the labels of entities
LETTER: Final = 6.2  # of the small text, a column
MOST_CROSSING: Final = 6  # arcs that are drawn below one character: those with the strongest lines
FAINT, STRONG = 0.75, 1.25  # relative weights: lines below and above look as at these; 1 is half way, as trusted as all
OPACITY, STROKE = (0.2, 1.0), (2.0, 6.0)  # of the faintest and of the strongest line: no arc disappears
_CLASS: Final = 'class="latticework-lattice"'  # keeps the style below from the rest of a page it is put into
_USED: Final = ("paper", "ink", "muted", "accent", *(f"series-{number + 1}" for number in range(SERIES)))
_DARK_MODE: Final = (
    "<style>@media (prefers-color-scheme: dark) { .latticework-lattice { "
    + " ".join(f"--{name}: {DARK[name]};" for name in _USED)
    + " } }</style>"
)


@dataclass(frozen=True)
class _Piece:
    """An arc, or the part of it that is in one row."""

    arc: Arc
    start: int
    end: int
    level: int


def drawn_arcs(arcs: Sequence[Arc]) -> list[Arc]:
    """The arcs that are drawn, in the order of the text."""
    crossing: Counter[int] = Counter()
    alike = _alike(arcs)
    kept = []
    for number, arc in sorted(enumerate(arcs), key=lambda item: -_relative(item[1], alike[item[1]])):
        if all(crossing[place] < MOST_CROSSING for place in range(arc.start, arc.end)):
            crossing.update(range(arc.start, arc.end))
            kept.append(number)
    return [arcs[number] for number in sorted(kept)]


def drawn(
    text: str,
    arcs: Sequence[Arc],
    entities: Sequence[Entity],
    own: Mapping[int, Sequence[float]],
    *,
    styles: Mapping[str, int] | None = None,
    alone: bool = True,
) -> str:
    """The SVG of a lattice.

    Parameters
    ----------
    text, arcs, entities
        The text, and what was found in it.
    own
        By its place the weight of each character itself, forward and backward.
    styles
        The place of each type of entity, which decides its colour.
    alone
        Whether it is a file of its own, with a background and with colours that follow its reader's light or dark mode.
        Else both are the page's, whose background can then show that the drawing goes on beyond an edge.
    """
    places = styles or _places(entities)
    edges = [0.0, *accumulate(_width(character) for character in text)]
    kept = drawn_arcs(arcs)
    alike = _alike(arcs)
    parts, top, width = [], MARGIN, 0.0
    for start, end in _rows([*arcs, *entities], edges):
        pieces = _levels(kept, start, end)
        marked = [each for each in entities if each.start < end and each.end > start]
        above = ABOVE if marked else 0.0
        shift = MARGIN - edges[start]
        bottom = top + above + BOX
        depth = max((piece.level + 1 for piece in pieces), default=0) * LEVEL
        for entity in marked:
            first, last = max(entity.start, start), min(entity.end, end)
            name = entity.label if entity.start >= start else f"…{entity.label}"
            tint = colour(places.get(entity.label, 0))
            parts.append(_entity(edges[first] + shift, edges[last] + shift, top + above, name, tint))
        for place in range(start, end):
            if not text[place].isspace():
                middle = (edges[place] + edges[place + 1]) / 2 + shift
                parts.append(_character(middle, top + above + BOX / 2, text[place], own.get(place)))
        for piece in pieces:
            x, y = edges[piece.start] + shift, bottom + 4 + piece.level * LEVEL
            parts.append(_arc(piece, alike[piece.arc], x, edges[piece.end] + shift, y))
        width = max(width, edges[end] - edges[start])
        top = bottom + depth + GAP
    width, height = width + 2 * MARGIN, max(top - GAP + MARGIN, 2 * MARGIN)
    if alone:
        ground = f'<rect width="{width:g}" height="{height:g}" style="fill: {paint("paper")}"/>'
        parts = [_DARK_MODE, f"<g {_CLASS}>", ground, *parts, "</g>"]
    return svg(height, parts, width=width)


def _alike(arcs: Sequence[Arc]) -> dict[Arc, tuple[float, float]]:
    """What each word would have if all that end (begin) where it does, and the character, were trusted alike."""
    ending = Counter(arc.end for arc in arcs)
    beginning = Counter(arc.start for arc in arcs)
    return {arc: (1 / (ending[arc.end] + 1), 1 / (beginning[arc.start] + 1)) for arc in arcs}


def _relative(arc: Arc, alike: tuple[float, float]) -> float:
    """The weight of a word in units of that, the mean of both directions."""
    return (arc.forward / alike[0] + arc.backward / alike[1]) / 2


def _places(entities: Sequence[Entity]) -> dict[str, int]:
    return {name: place for place, name in enumerate(sorted({each.label for each in entities}))}


def _width(character: str) -> float:
    if character.isspace():
        return SPACE
    return CELL if columns(character) == 2 else NARROW


def _rows(found: Sequence[Arc | Entity], edges: Sequence[float]) -> list[tuple[int, int]]:
    """Where rows begin and end: if possible, where no arc and no entity goes on."""
    count = len(edges) - 1
    inside = [False] * (count + 1)
    for each in found:
        inside[each.start + 1 : each.end] = [True] * (each.end - each.start - 1)
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
    shade = paint(tint)
    return (
        f'<rect x="{left + 1:.1f}" y="{top:.1f}" width="{right - left - 2:.1f}" height="{BOX - 2:g}" rx="4" '
        f'style="fill: {shade}; fill-opacity: 0.16; stroke: {shade}; stroke-width: 1.5"/>'
        f'<text x="{left + 2:.1f}" y="{top - 4:.1f}" font-size="11" style="fill: {shade}; font-weight: 600">'
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
        f'style="fill: {paint("ink")}">{told}{_text(character)}</text>'
    )


def _arc(piece: _Piece, alike: tuple[float, float], left: float, right: float, top: float) -> str:
    """A line with rounded ends below the characters of a word, and its wording and weight below the line."""
    arc = piece.arc
    strength = min(1.0, max(0.0, (_relative(arc, alike) - FAINT) / (STRONG - FAINT)))
    opacity, stroke = (low + strength * (high - low) for low, high in (OPACITY, STROKE))
    begin = f"M{left + 4:.1f} {top - 4:.1f} q0 6 6 6" if piece.start == arc.start else f"M{left:.1f} {top + 2:.1f}"
    finish = f"H{right - 10:.1f} q6 0 6 -6" if piece.end == arc.end else f"H{right:.1f}"
    weight = f"{arc.weight:.2f}"
    room = int((right - left) / LETTER) - len(weight) - 1
    word = f"{label(arc.word, width=room)} " if room > 2 else ""  # else the word is cut at the end of a row
    told = (
        f"{_text(arc.word, width=60)}: α {arc.forward:.2f} forward, where it ends ({alike[0]:.2f} if all there were "
        f"trusted alike); {arc.backward:.2f} backward, where it begins ({alike[1]:.2f} if alike)"
    )
    return (
        f"<g><title>{told}</title>"
        f'<path d="{begin} {finish}" style="fill: none; stroke: {paint("accent")}; stroke-width: {stroke:.1f}; '
        f'stroke-opacity: {opacity:.2f}"/>'
        f'<text x="{(left + right) / 2:.1f}" y="{top + 15:.1f}" text-anchor="middle" font-size="11" '
        f'style="fill: {paint("ink")}">{escape(word)}'
        f'<tspan style="fill: {paint("muted")}">{weight}</tspan></text></g>'
    )


def _text(text: str, *, width: int = 1000) -> str:
    return escape(label(text, width=width))
