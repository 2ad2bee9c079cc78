"""Pictures of an update: every object is drawn, what did not move lies at zero, and names are never markup."""

from __future__ import annotations

import re

import numpy as np
import pytest
from knowledge.pictures import SVG, circles, parsed, texts

from latticework.core import InputError
from latticework.knowledge.drawing import (
    CURVE,
    MOST_ARROWS,
    MOST_POINTS,
    drift_picture,
    map_picture,
    plane,
)
from latticework.pages.picture import COLUMN
from latticework.pages.shapes import WIDTH


def test_every_object_has_a_point_and_those_outside_lie_at_zero():
    drift = np.array([0.0, 0.5, 0.0, 1.0, 0.0, 0.25])
    picture = drift_picture(drift, drift > 0)
    inside, outside = circles(picture, "series-2"), circles(picture, "series-1")
    assert (len(inside), len(outside)) == (3, 3)
    (zero,) = {y for _, y in outside}
    heights = np.array([zero - y for _, y in inside])
    np.testing.assert_allclose(heights / heights[0], [1, 0.5, 0.25], atol=0.01)
    assert [x for x, _ in inside + outside] == sorted(x for x, _ in inside + outside)
    assert "3 affected" in texts(picture)
    assert "others, 3: 0" in texts(picture)
    assert "Others: 3, which moved by at most 0." in picture.alt


def test_something_that_moved_outside_is_seen_and_said():
    picture = drift_picture(np.array([0.5, 0.3, 0.0]), np.array([True, False, False]))
    assert "the largest change there is 0.3" in picture.caption
    assert len({y for _, y in circles(picture, "series-1")}) == 2


def test_of_very_many_objects_the_curve_has_a_few_hundred_points_with_both_ends():
    drift = np.concatenate([np.linspace(2, 1, 5000), np.zeros(60_000)])
    picture = drift_picture(drift, drift > 0)
    points = circles(picture, "series-2") + circles(picture, "series-1")
    assert 100 < len(points) <= 2 * CURVE
    assert max(x for x, _ in points) == pytest.approx(WIDTH - 16, abs=0.2)
    assert len(picture.svg) < 200_000


@pytest.mark.parametrize("moved", [0, 4])
def test_a_drawing_can_be_of_objects_none_or_all_of_which_moved(moved):
    drift = np.arange(4.0) if moved else np.zeros(4)
    picture = drift_picture(drift, np.full(4, bool(moved)), objects="relations")
    assert f"{moved} affected" in texts(picture)
    assert "How far relations moved, 4 in all" in picture.caption


def test_no_object_at_all_is_refused():
    with pytest.raises(InputError, match="no object"):
        drift_picture(np.zeros(0), np.zeros(0, bool))


def test_the_plane_keeps_all_distances_of_points_that_lie_in_one():
    generator = np.random.default_rng(0)
    flat, axes = generator.normal(size=(9, 2)), np.linalg.qr(generator.normal(size=(7, 2)))[0].T
    points = flat @ axes + 3.0
    mapped = plane(points, points)
    assert mapped.kept == pytest.approx(1)
    apart = [np.linalg.norm(each[:, None] - each[None], axis=-1) for each in (flat, mapped.after)]
    np.testing.assert_allclose(*apart, atol=1e-9)
    np.testing.assert_allclose(mapped.before, mapped.after)


def test_what_is_new_has_no_place_before():
    before = np.array([[0.0, 0.0], [np.nan, np.nan], [1.0, 2.0]])
    mapped = plane(before, np.array([[0.0, 0.0], [2.0, 2.0], [1.0, 3.0]]))
    assert np.isnan(mapped.before).any(1).tolist() == [False, True, False]


@pytest.mark.parametrize("points", [np.zeros((3, 2)), np.ones((1, 4)), np.arange(3.0)[:, None]])
def test_points_that_are_one_or_on_a_line_have_a_plane_too(points):
    mapped = plane(points, points)
    assert mapped.after.shape == (len(points), 2)
    assert np.isfinite(mapped.after).all()
    assert parsed(map_picture(mapped, ["a", "b", "c"][: len(points)], np.ones(len(points), bool))) is not None


def test_a_line_leads_from_before_to_after_and_new_ones_are_diamonds():
    before = np.array([[0.0, 0.0], [4.0, 0.0], [np.nan, np.nan], [0.0, 3.0]])
    after = np.array([[0.0, 0.0], [4.0, 2.0], [2.0, 2.0], [0.0, 3.0]])
    picture = map_picture(plane(before, after), ["still", "goes", "born", "rests"], np.array([0, 1, 1, 0], bool))
    dots = circles(picture, "series-2")[:-1]  # the last is that of the legend
    lines = re.findall(r'd="M([\d.]+) ([\d.]+)L([\d.]+) ([\d.]+)" style="[^"]*series-2', picture.svg)
    assert len(dots) == len(lines) == 1
    assert tuple(map(float, lines[0][2:])) == dots[0]
    assert {"goes", "born", "2 did not move", "1 moved", "1 new"} == set(texts(picture))


def test_of_many_objects_a_map_shows_some_and_says_so():
    generator = np.random.default_rng(0)
    after = generator.normal(size=(4000, 2))
    moved = np.arange(4000) < 400
    picture = map_picture(plane(after + moved[:, None], after), [f"n{i}" for i in range(4000)], moved)
    assert len(circles(picture, "muted")) <= MOST_POINTS + 1
    assert len(circles(picture, "series-2")) == MOST_ARROWS + 1
    assert "Not drawn: 2,400 of those that did not move and 250 of those that moved." in picture.caption


def test_names_on_a_map_do_not_cover_each_other():
    after = np.random.default_rng(1).normal(size=(80, 2)) * 0.2
    picture = map_picture(plane(after + 0.1, after), [f"somebody {i}" for i in range(80)], np.ones(80, bool))
    named = [text for text in parsed(picture).iter(f"{SVG}text") if (text.text or "").startswith("somebody")]
    boxes = [(float(each.get("x")), float(each.get("y")), COLUMN * len(each.text)) for each in named]
    assert len(boxes) > 1
    for number, (x, y, width) in enumerate(boxes):
        for other_x, other_y, other_width in boxes[:number]:
            assert abs(y - other_y) > 13 or x > other_x + other_width or other_x > x + width
