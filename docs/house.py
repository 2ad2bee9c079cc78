"""The picture of the architecture page, drawn when the documentation is built from the code as it is then.

A room is a module, its area the number of its lines. Floors are the layers of the import contract in pyproject.toml,
arrows the imports that Grimp finds, dashed ones the entry points by which the ways in find the capabilities.
"""

from __future__ import annotations

import math
import tomllib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]
PACKAGE: Final = "latticework"
PAGE: Final = "architecture.md"
PICTURE, TABLE = "<!-- the house -->", "<!-- its rooms -->"

WIDTH, MARGIN = 760.0, 10.0  # pixels
SCALE: Final = 2.0  # square pixels of a line of code
GAP, BETWEEN = 14.0, 58.0  # between buildings, and between floors for the arrows
LOW: Final = 40.0  # height of a building that is no capability, if it has the lines for it
LARGE: Final = 300  # lines; a larger room is shaded


@dataclass(frozen=True)
class Building:
    """A package or module at the top of the house: its modules with their lines, and what it imports how often."""

    name: str
    rooms: dict[str, int]
    imports: dict[str, int]

    @property
    def lines(self) -> int:
        """Of all modules."""
        return sum(self.rooms.values())


@dataclass(frozen=True)
class House:
    """Floors from the top down, and the buildings on each."""

    floors: list[list[Building]]
    capabilities: frozenset[str]

    @property
    def buildings(self) -> list[Building]:
        """Of all floors."""
        return [building for floor in self.floors for building in floor]


@cache
def house() -> House:
    """The house as it stands."""
    import grimp

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    layers = project["tool"]["importlinter"]["contracts"][0]["layers"]
    names = [[name.strip() for name in layer.replace("|", ":").split(":")] for layer in layers]
    graph = grimp.build_graph(PACKAGE)
    imports: dict[str, Counter[str]] = {}
    for importer in graph.modules:
        for imported in graph.find_modules_directly_imported_by(importer):
            imports.setdefault(_top(importer), Counter())[_top(imported)] += 1
    known = {name for floor in names for name in floor}
    floors = [
        [
            Building(name, _rooms(name), {to: n for to, n in imports.get(name, {}).items() if to in known - {name}})
            for name in floor
        ]
        for floor in names
    ]
    return House(floors, frozenset(project["project"]["entry-points"][f"{PACKAGE}.capabilities"]))


def _top(module: str) -> str:
    return module.split(".")[1] if "." in module else module


def _rooms(name: str) -> dict[str, int]:
    place = ROOT / "src" / PACKAGE
    files = sorted((place / name).rglob("*.py")) if (place / name).is_dir() else [place / f"{name}.py"]
    lines = {
        file.relative_to(place).with_suffix("").as_posix(): len(file.read_text(encoding="utf-8").splitlines())
        for file in files
    }
    return dict(sorted(lines.items(), key=lambda room: (-room[1], room[0])))


def treemap(
    sizes: Sequence[float], x: float, y: float, width: float, height: float
) -> list[tuple[float, float, float, float]]:
    """Rectangles (x, y, width, height) with areas in proportion, largest first, near to squares (Bruls et al. 2000)."""
    if not sizes:
        return []
    area = width * height / sum(sizes)
    side, best, count = min(width, height), math.inf, 0
    for taken in range(1, len(sizes) + 1):
        total = sum(sizes[:taken]) * area
        worst = max(max(side**2 * s * area / total**2, total**2 / (side**2 * s * area)) for s in sizes[:taken])
        if worst > best:
            break
        best, count = worst, taken
    depth = sum(sizes[:count]) * area / side
    placed, reached = [], 0.0
    for size in sizes[:count]:
        length = size * area / depth
        placed.append((x, y + reached, depth, length) if width >= height else (x + reached, y, length, depth))
        reached += length
    if width >= height:
        return [*placed, *treemap(sizes[count:], x + depth, y, width - depth, height)]
    return [*placed, *treemap(sizes[count:], x, y + depth, width, height - depth)]


def picture(found: House) -> str:
    """The house as SVG, in the colours of the page."""
    boxes, height = _plan(found)
    parts = [
        f'<svg class="house" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:g} {height:.0f}" role="img" '
        f'aria-label="{escape(told(found))}" font-family="system-ui, sans-serif" font-size="12" '
        'style="width: 100%; height: auto; color: var(--md-default-fg-color)">',
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" '
        'markerUnits="userSpaceOnUse" orient="auto">'
        '<path d="M0 1L7 4L0 7z" fill="currentColor"/></marker></defs>',
    ]
    for building in found.buildings:
        for to, count in building.imports.items():
            parts.append(_arrow(boxes[building.name], boxes[to], count, f"{building.name} imports {to}: {count}"))
    for name in sorted(found.capabilities):
        parts.append(_arrow(boxes["cli"], boxes[name], 0, f"cli finds {name} by its entry point"))
    for floor in found.floors:
        for building in floor:
            parts += _building(building, boxes[building.name])
    return "".join([*parts, "</svg>"])


Box = tuple[float, float, float, float]


def _plan(found: House) -> tuple[dict[str, Box], float]:
    """Where each building stands, and how high the picture is."""
    boxes: dict[str, Box] = {}
    y = MARGIN
    for floor in found.floors:
        tall = any(building.name in found.capabilities for building in floor)
        inner = WIDTH - 2 * MARGIN - GAP * (len(floor) - 1)
        if tall:
            widths = [inner / len(floor)] * len(floor)
            heights = [building.lines * SCALE / width for building, width in zip(floor, widths, strict=True)]
        else:
            heights = [min(LOW, math.sqrt(building.lines * SCALE)) for building in floor]
            widths = [building.lines * SCALE / height for building, height in zip(floor, heights, strict=True)]
        order = sorted(range(len(floor)), key=lambda index: -floor[index].lines) if tall else range(len(floor))
        # Room for the name beside a small building.
        rooms = [width if tall else max(width, 7.0 * len(floor[index].name) + 8) for index, width in enumerate(widths)]
        x = MARGIN if tall else (WIDTH - sum(rooms) - 4 * GAP * (len(floor) - 1)) / 2
        ground = y + 16 + max(heights)
        for index in order:
            left = x + (rooms[index] - widths[index]) / 2
            boxes[floor[index].name] = (left, ground - heights[index], widths[index], heights[index])
            x += rooms[index] + (GAP if tall else 4 * GAP)
        y = ground + BETWEEN
    return boxes, y - BETWEEN + MARGIN


def _building(building: Building, box: Box) -> list[str]:
    x, y, width, height = box
    middle = x + width / 2
    parts = [
        f'<text x="{middle:.1f}" y="{y - 5:.1f}" text-anchor="middle" fill="currentColor">'
        f'<tspan font-weight="600">{escape(building.name)}</tspan>'
        f'<tspan fill-opacity=".65"> {_thousands(building.lines)}</tspan></text>'
    ]
    outline = f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" stroke="currentColor" '
    parts.append(f'{outline}fill="var(--md-default-bg-color)"/>')  # hides the arrows that pass behind it
    for (room, lines), (left, top, wide, high) in zip(
        building.rooms.items(), treemap(list(building.rooms.values()), *box), strict=True
    ):
        name = room.removeprefix(f"{building.name}/")
        parts.append(
            f'<rect x="{left:.1f}" y="{top:.1f}" width="{wide:.1f}" height="{high:.1f}" '
            f'fill="{"var(--md-accent-fg-color--transparent)" if lines > LARGE else "transparent"}" '
            'stroke="currentColor" stroke-opacity=".55" stroke-width=".7">'
            f"<title>{escape(room)}: {lines} lines</title></rect>"
        )
        if wide > 5.2 * len(name) + 4 and high > 12:
            parts.append(
                f'<text x="{left + wide / 2:.1f}" y="{top + high / 2 + 3:.1f}" text-anchor="middle" font-size="9" '
                f'fill="currentColor" fill-opacity=".8" pointer-events="none">{escape(name)}</text>'
            )
    parts.append(f'{outline}fill="none" stroke-width="1.4" pointer-events="none"/>')
    return parts


def _arrow(start: Box, end: Box, count: int, title: str) -> str:
    """From the foot of one building to the roof of another, the wider the more imports; dashed if there are none."""
    x1, y1 = start[0] + start[2] / 2, start[1] + start[3]
    x2, y2 = end[0] + end[2] / 2, end[1] - 17
    bend = max(24.0, (y2 - y1) / 2)
    track = f"M{x1:.1f} {y1:.1f}C{x1:.1f} {y1 + bend:.1f} {x2:.1f} {y2 - bend:.1f} {x2:.1f} {y2:.1f}"
    if y1 == end[1] + end[3]:  # beside each other
        track = f"M{start[0] + start[2]:.1f} {y1 - 7:.1f}H{end[0]:.1f}"
    width = 1 if count == 0 else 0.8 + math.log10(count) * 1.1
    dashes = ' stroke-dasharray="3 4"' if count == 0 else ""
    return (
        f'<path d="{track}" fill="none" stroke="currentColor" stroke-opacity=".35" stroke-width="{width:.1f}"{dashes} '
        f'marker-end="url(#tip)"><title>{escape(title)}</title></path>'
    )


def told(found: House) -> str:
    """The picture in words."""
    floors = "; ".join(
        ", ".join(f"{building.name} ({building.lines:,} lines)" for building in floor) for floor in found.floors
    )
    return f"The house from the top floor down: {floors}. Imports run downwards only."


def table(found: House) -> str:
    """What is in each building, as Markdown."""
    rows = ["| | modules | lines | largest module | imports from |", "|---|--:|--:|---|---|"]
    for building in found.buildings:
        largest, lines = next(iter(building.rooms.items()))
        order = sorted(building.imports.items(), key=lambda pair: -pair[1])
        told = f"`{largest.rpartition('/')[2]}` {lines}"
        arrows = ", ".join(f"{to} {count}" for to, count in order) or "–"
        rows.append(f"| {building.name} | {len(building.rooms)} | {building.lines:,} | {told} | {arrows} |")
    return "\n".join(rows)


def _thousands(lines: int) -> str:
    return f"{lines / 1000:.1f}k" if lines >= 1000 else str(lines)


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Set the table where the page says (an event of MkDocs)."""
    return _replaced(markdown, TABLE, lambda: table(house())) if page.file.src_uri == PAGE else markdown


def on_page_content(html: str, *, page: Any, **_: Any) -> str:
    """Draw the house where the page says, past Markdown, which would not leave it whole (an event of MkDocs)."""
    return _replaced(html, PICTURE, lambda: picture(house())) if page.file.src_uri == PAGE else html


def _replaced(text: str, mark: str, make: Callable[[], str]) -> str:
    if mark not in text:
        raise ValueError(f"{PAGE} has no line {mark}")
    return text.replace(mark, make())
