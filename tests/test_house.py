"""The picture of the architecture page shows every module and import that there is, and no arrow goes up."""

from __future__ import annotations

import importlib.util
import re
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def drawing() -> ModuleType:
    specification = importlib.util.spec_from_file_location("house", ROOT / "docs" / "house.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules["house"] = module
    specification.loader.exec_module(module)
    return module


def test_every_module_is_a_room_and_its_area_says_its_lines(drawing: ModuleType) -> None:
    root = ElementTree.fromstring(drawing.picture(drawing.house()))
    rooms = {}
    for rectangle in root.iter("{http://www.w3.org/2000/svg}rect"):
        for title in rectangle:
            name, lines = re.fullmatch(r"(.*): (\d+) lines", title.text or "").groups()
            rooms[name] = int(lines)
            area = float(rectangle.get("width")) * float(rectangle.get("height"))
            assert area == pytest.approx(drawing.SCALE * int(lines), abs=4)
    package = ROOT / "src" / "latticework"
    modules = [path for path in package.rglob("*.py") if path != package / "__init__.py"]
    assert rooms.keys() == {path.relative_to(package).with_suffix("").as_posix() for path in modules}
    assert sum(rooms.values()) == sum(len(path.read_text("utf-8").splitlines()) for path in modules)


def test_arrows_run_downwards_and_none_is_missing(drawing: ModuleType) -> None:
    house = drawing.house()
    floor_of = {building.name: number for number, floor in enumerate(house.floors) for building in floor}
    arrows = {(building.name, to) for building in house.buildings for to in building.imports}
    assert {("translation", "seq2seq"), ("seq2seq", "nn"), ("nn", "core"), ("cli", "tour")} <= arrows
    assert all(floor_of[start] < floor_of[end] or {start, end} <= {"cli", "tour"} for start, end in arrows)
    svg = drawing.picture(house)
    for building in house.buildings:
        for to, count in building.imports.items():
            assert f"<title>{building.name} imports {to}: {count}</title>" in svg
    for name in house.capabilities:
        assert f"<title>cli finds {name} by its entry point</title>" in svg


def test_every_building_is_in_the_table(drawing: ModuleType) -> None:
    house = drawing.house()
    for building in house.buildings:
        assert f"| {building.name} | {len(building.rooms)} | {building.lines:,} |" in drawing.table(house)


@given(
    sizes=st.lists(st.integers(1, 500), min_size=1, max_size=40).map(lambda sizes: sorted(sizes, reverse=True)),
    width=st.floats(5, 500),
    height=st.floats(5, 500),
)
def test_a_treemap_fills_its_place_in_proportion(
    drawing: ModuleType, sizes: list[int], width: float, height: float
) -> None:
    places = drawing.treemap(sizes, 3.0, 4.0, width, height)
    for size, (x, y, wide, high) in zip(sizes, places, strict=True):
        assert wide * high == pytest.approx(size * width * height / sum(sizes), rel=1e-6)
        assert 3 - 1e-6 <= x <= x + wide <= 3 + width + 1e-6
        assert 4 - 1e-6 <= y <= y + high <= 4 + height + 1e-6
    for number, (x, y, wide, high) in enumerate(places):
        for left, top, other_wide, other_high in places[:number]:
            apart = (x, left + other_wide), (left, x + wide), (y, top + other_high), (top, y + high)
            assert any(begin >= end - 1e-6 for begin, end in apart)


def test_the_page_gets_its_picture_and_its_table_and_others_stay_as_they_are(drawing: ModuleType) -> None:
    other, own = (page_of(name) for name in ("index.md", drawing.PAGE))
    text = (ROOT / "docs" / drawing.PAGE).read_text("utf-8")
    assert drawing.on_page_markdown(text, page=other) == drawing.on_page_content(text, page=other) == text
    filled = drawing.on_page_content(drawing.on_page_markdown(text, page=own), page=own)
    assert filled.count("<svg") == 1
    assert "| core |" in filled
    with pytest.raises(ValueError, match="has no line"):
        drawing.on_page_content("nothing", page=own)


def page_of(name: str) -> object:
    return SimpleNamespace(file=SimpleNamespace(src_uri=name))
