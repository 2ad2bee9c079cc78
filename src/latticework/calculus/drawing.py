"""A data-flow graph as a drawing: layer by layer downwards, so that every edge goes down.

Nodes lie below what they use. Long edges are led through the layers between by bends, which take part in the ordering
like nodes (Sugiyama, Tagawa & Toda 1981).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import pairwise
from statistics import fmean

from latticework.calculus.flow import Edge, Node
from latticework.core.terminal import columns
from latticework.pages.shapes import paint, svg, text
from latticework.pages.text import label, printable

LETTER = 7.3  # of the monospaced text, in pixels
BOX = 46.0  # height of a node
GAP, BEND = 26.0, 14.0  # between neighbours, and the width of a bend
RISE = 58.0  # between layers
LONGEST = 34  # letters of a definition
LONGEST_RATE = 24  # letters of a derivative beside an edge
SWEEPS = 6
# Of the way that a curve goes aside from layer to layer: what it has gone where a derivative beside one of its ends is
# nearest to its middle, and how far it is from the middle at the foot and at the head of a derivative that is there.
NEAR, BELOW, ABOVE = 0.21, 0.16, 0.35


@dataclass(eq=False)
class _Spot:
    """A node or a bend: its place, and its neighbours above and below."""

    layer: int
    width: float
    node: Node | None = None
    x: float = 0.0
    above: list[_Spot] = field(default_factory=list)
    below: list[_Spot] = field(default_factory=list)


def drawn(nodes: Sequence[Node], edges: Sequence[Edge]) -> str:
    """The SVG of a graph, whose nodes come after what they use; colours follow the page's light or dark theme."""
    spots, routes = _spots(nodes, edges)
    layers = _layers(spots)
    _arrange(layers)
    margin = 6.0
    rates = _rates(routes, margin)
    width = max(*(spot.x + spot.width / 2 for spot in spots), *(x + _length(rate) for x, _, rate in rates), 0) + margin
    height = len(layers) * (BOX + RISE) - RISE + 2 * margin
    parts = [_edge(edge, route, margin) for edge, route in routes]
    parts += [_box(spot, margin) for spot in spots if spot.node is not None]
    parts += [text(*each, "accent", halo=True) for each in rates]
    return svg(round(height), parts, width=round(width), font="ui-monospace, monospace")


def _spots(nodes: Sequence[Node], edges: Sequence[Edge]) -> tuple[list[_Spot], list[tuple[Edge, list[_Spot]]]]:
    """Nodes and bends with their layers, and the way of every edge."""
    place = {node.name: each for each, node in enumerate(nodes)}
    depth = dict.fromkeys(place, 0)
    for edge in sorted(edges, key=lambda edge: place[edge.target]):
        depth[edge.target] = max(depth[edge.target], depth[edge.source] + 1)
    for node in nodes:
        uses = [depth[edge.target] for edge in edges if edge.source == node.name]
        if node.kind == "variable" and uses:
            depth[node.name] = min(uses) - 1  # beside what else its first user needs
    spots = {node.name: _Spot(depth[node.name], _width(node), node) for node in nodes}
    every, routes = list(spots.values()), []
    for edge in edges:
        first, last = spots[edge.source], spots[edge.target]
        route = [first, *(_Spot(layer, BEND) for layer in range(first.layer + 1, last.layer)), last]
        every += route[1:-1]
        for upper, lower in pairwise(route):
            upper.below.append(lower)
            lower.above.append(upper)
        routes.append((edge, route))
    return every, routes


def _layers(spots: Sequence[_Spot]) -> list[list[_Spot]]:
    layers: list[list[_Spot]] = [[] for _ in range(max(spot.layer for spot in spots) + 1)]
    for spot in spots:
        layers[spot.layer].append(spot)
    return [layer for layer in layers if layer]


def _arrange(layers: list[list[_Spot]]) -> None:
    """Order every layer by where its neighbours are, again and again, and set the places."""
    for layer in layers:
        _spread(layer, [0.0] * len(layer))
    for sweep in range(SWEEPS):
        down = sweep % 2 == 0
        for layer in layers if down else reversed(layers):
            wanted = []
            for spot in layer:
                near = (spot.above if down else spot.below) or (spot.below if down else spot.above)
                wanted.append(fmean(other.x for other in near) if near else spot.x)
            pairs = sorted(zip(wanted, range(len(layer)), layer, strict=True), key=lambda pair: pair[:2])
            layer[:] = [spot for _, _, spot in pairs]
            _spread(layer, [want for want, _, _ in pairs])
    left = min(spot.x - spot.width / 2 for layer in layers for spot in layer)
    for layer in layers:
        for spot in layer:
            spot.x += 6.0 - left


def _spread(layer: list[_Spot], wanted: Sequence[float]) -> None:
    """Give each spot the place it wants, or the nearest where neighbours keep their distance."""
    for place, (spot, want) in enumerate(zip(layer, wanted, strict=True)):
        least = layer[place - 1].x + _distance(layer[place - 1], spot) if place else want
        spot.x = max(want, least)
    # What was pushed to the right goes back as a whole by half of that.
    back = fmean(spot.x - want for spot, want in zip(layer, wanted, strict=True))
    for spot in layer:
        spot.x -= back


def _distance(left: _Spot, right: _Spot) -> float:
    return (left.width + right.width) / 2 + GAP


def _width(node: Node) -> float:
    return max(columns(line) for line in _lines(node)) * LETTER + 20


def _lines(node: Node) -> tuple[str, str]:
    symbol = str(node.symbol)
    first = symbol if node.kind in ("wrt", "variable") else f"{symbol} = {node.short}"
    return label(first, width=LONGEST), label(node.whole.shape_text, width=LONGEST)


def _top(spot: _Spot, margin: float) -> float:
    return margin + spot.layer * (BOX + RISE)


def _box(spot: _Spot, margin: float) -> str:
    assert spot.node is not None
    kind, top = spot.node.kind, _top(spot, margin)
    first, second = _lines(spot.node)
    strong = kind in ("wrt", "result")
    line = paint("accent" if strong else "rule")
    fill = paint("surface" if kind != "variable" else "paper")
    dashes = " stroke-dasharray: 4 3;" if kind == "variable" else ""
    told = escape(printable(f"{spot.node.symbol} = {spot.node.whole}"))
    return (
        f"<g><title>{told}</title>"
        f'<rect x="{spot.x - spot.width / 2:.1f}" y="{top:.1f}" width="{spot.width:.1f}" height="{BOX:g}" rx="6" '
        f'style="fill: {fill}; stroke: {line}; stroke-width: {2 if strong else 1.2};{dashes}"/>'
        f"{text(spot.x, top + 19, first, 'accent' if kind == 'wrt' else 'ink', 'middle', bold=strong)}"
        f"{text(spot.x, top + 36, second, 'muted', 'middle')}</g>"
    )


def _edge(edge: Edge, route: Sequence[_Spot], margin: float) -> str:
    """A curve through the bends, and the head of an arrow."""
    flows = edge.flows
    line = paint("accent" if flows else "muted")
    x, y = route[0].x, _top(route[0], margin) + BOX
    path = f"M{x:.1f} {y:.1f}"
    for spot in route[1:]:
        end, last = _top(spot, margin), spot is route[-1]
        end -= 6 if last else 0
        half = (end - y) / 2
        path += f" C{x:.1f} {y + half:.1f} {spot.x:.1f} {end - half:.1f} {spot.x:.1f} {end:.1f}"
        x, y = spot.x, end
        if not last:
            y += BOX
            path += f" L{x:.1f} {y:.1f}"
    thick = f"stroke-width: {1.8 if flows else 1.1}; opacity: {1 if flows else 0.6}"
    return (
        f'<path d="{path}" style="fill: none; stroke: {line}; {thick}"/>'
        f'<path d="M{x:.1f} {y + 6:.1f} l-4 -8 h8 z" style="fill: {line}; opacity: {1 if flows else 0.6}"/>'
    )


def _rates(routes: Sequence[tuple[Edge, Sequence[_Spot]]], margin: float) -> list[tuple[float, float, str]]:
    """The place of every derivative that is short and finds room beside its edge: nearer to the end that is its own."""
    placed: list[tuple[float, float, str]] = []
    for edge, route in routes:
        if edge.rate is None or columns(str(edge.rate)) > LONGEST_RATE:
            continue
        first, second, before, last = route[0], route[1], route[-2], route[-1]
        aside = second.x - first.x
        upper = (first.x + 7 + NEAR * max(aside, 0), _top(first, margin) + BOX + 15)
        middle = (
            first.x + aside / 2 + 7 + max(BELOW * aside, -ABOVE * aside),
            _top(first, margin) + BOX + RISE / 2 + 1,
        )
        lower = (last.x + 7 + NEAR * max(before.x - last.x, 0), _top(last, margin) - 14)
        shared = len(first.below) > 1
        places = [middle, upper, lower] if not shared and len(last.above) == 1 else [lower, middle, upper]
        places = places[::-1] if not shared and len(last.above) > 1 else places
        for x, y in places:
            if not any(_overlap((x, y, str(edge.rate)), other) for other in placed):
                placed.append((x, y, str(edge.rate)))
                break
    return placed


def _overlap(one: tuple[float, float, str], other: tuple[float, float, str]) -> bool:
    (x, y, rate), (left, top, written) = one, other
    return abs(y - top) < 13 and x < left + _length(written) and left < x + _length(rate)


def _length(rate: str) -> float:
    return columns(rate) * LETTER + 8
