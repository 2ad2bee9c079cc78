import json
import math

import numpy as np
import pytest
from anomaly.clouds import STEP, ball, rotation

from latticework.anomaly.findings import defect_regions, metrology
from latticework.anomaly.findings.defect_regions import MOST, numbered, regions
from latticework.anomaly.findings.metrology import area_of, depth_of, pixel_areas
from latticework.core.errors import InputError

SIDE = 80
ROWS, COLUMNS = (axis * STEP for axis in np.mgrid[-40:40, -40:40])  # metres: 40 x 40 mm
OFF = np.hypot(ROWS, COLUMNS)


def surface(depth, tilt=0.0):
    """Points that lie evenly over a plane, which leans by some degrees, and so deep below it."""
    points = np.stack([COLUMNS, ROWS, np.broadcast_to(depth, ROWS.shape)], axis=-1)
    sine, cosine = math.sin(math.radians(tilt)), math.cos(math.radians(tilt))
    turned = points @ np.array([[cosine, 0, sine], [0, 1, 0], [-sine, 0, cosine]])
    return turned + np.array([0, 0, 0.5])


def lost(points, share, seed=0):
    """NaN in some of the pixels."""
    gone = np.random.default_rng(seed).random(points.shape[:2]) < share
    return np.where(gone[:, :, None], np.nan, points)


def told(points, where, **changed):
    """The only region of a part that fills the picture."""
    scores = where.astype(np.float32)
    given = {"foreground": np.ones_like(where), "threshold": 0.5, "strongest": lambda row, column: "form"} | changed
    numbers = numbered(scores, given["foreground"], given["threshold"])
    part = None if points is None else np.where(given["foreground"][:, :, None], points, np.nan)
    (found,) = regions(scores, numbers, part, strongest=given["strongest"])
    return found


def cap(depth, radius=0.008):
    """A piece of a sphere that goes so deep, and is so wide at the surface."""
    ball_radius = (radius**2 + depth**2) / (2 * depth)
    return np.where(radius > OFF, np.sqrt(np.maximum(ball_radius**2 - OFF**2, 0)) - (ball_radius - depth), 0.0)


@pytest.mark.parametrize("tilt", [0, 40, -60])
@pytest.mark.parametrize("depth", [0.0005, 0.002, 0.004])
@pytest.mark.parametrize("side", [1, -1])
def test_the_depth_of_a_cap_in_a_plane(side, depth, tilt):
    found = told(surface(side * cap(depth), tilt), cap(depth) > 0)
    assert found.depth_mm == pytest.approx(-side * depth * 1000, rel=0.05)


@pytest.mark.parametrize("share", [0.02, 0.05, 0.1])
def test_the_depth_of_a_gaussian_dent_is_that_of_its_deepest_hundredth(share):
    """Of a disc of the radius r, a hundredth is nearer to the middle than r / 10."""
    depth = 0.003 * np.exp(-((OFF / 0.0035) ** 2) / 2)
    expected = -3 * share**0.01
    assert told(surface(depth, 30), depth > share * 0.003).depth_mm == pytest.approx(expected, rel=0.05)


def test_the_depth_in_a_region_that_is_wider_than_the_dent():
    assert told(surface(cap(0.002)), OFF < 0.011).depth_mm == pytest.approx(-2, rel=0.05)


@pytest.mark.parametrize("bend", [-8.0, 8.0])
def test_the_depth_in_a_curved_surface(bend):
    curved = bend * (ROWS**2 + ROWS * COLUMNS / 2)  # radii of 6 cm and more
    assert told(surface(curved + cap(0.002)), cap(0.002) > 0).depth_mm == pytest.approx(-2, rel=0.05)


def test_the_depth_on_a_ball():
    xyz = ball(SIDE, 0.05)[0].permute(1, 2, 0).numpy()
    xyz[:, :, 2] += cap(0.002, 0.006)
    assert told(xyz, OFF < 0.006).depth_mm == pytest.approx(-2, rel=0.05)


def test_noise_lost_points_and_single_wrong_ones_hardly_change_depth():
    points = surface(cap(0.003), 20)
    generator = np.random.default_rng(0)
    points[:, :, 2] += 1e-4 * generator.standard_normal(OFF.shape)
    wrong = generator.random(OFF.shape) < 0.01
    points[wrong, 2] -= 0.05
    assert told(lost(points, 0.3), cap(0.003) > 0).depth_mm == pytest.approx(-3, rel=0.08)


def test_the_robust_fit_weighs_by_tukeys_biweight_and_has_come_to_rest():
    """Beaton and Tukey (1974): w = (1 - (r/cs)²)² up to r = cs, and nothing beyond; at rest Σ w r x is nought."""
    generator = np.random.default_rng(0)
    x, y = generator.uniform(-1, 1, (2, 500))
    table = np.stack([np.ones(500), x, y, x * x, x * y, y * y], axis=1)
    heights = table @ [0.1, -0.2, 0.3, 0.05, 0.0, -0.1] + 0.001 * generator.standard_normal(500)
    heights[::10] += 0.05
    fit, weights = metrology._robust(table, heights)
    apart = heights - table @ fit
    scale = 4.685 * 1.4826 * np.median(np.abs(apart))
    expected = [(1 - (each / scale) ** 2) ** 2 if abs(each) < scale else 0.0 for each in apart]
    assert weights == pytest.approx(expected, abs=1e-12)
    assert (weights[::10] == 0).all()
    assert np.abs(table.T @ (weights * apart)).max() < 1e-6
    assert fit == pytest.approx([0.1, -0.2, 0.3, 0.05, 0.0, -0.1], abs=5e-4)


def test_another_defect_beside_it_does_not_move_the_surface():
    other = (COLUMNS > 0.010) & (COLUMNS < 0.013)
    found = told(surface(cap(0.002) + 0.004 * other), cap(0.002) > 0)
    assert found.depth_mm == pytest.approx(-2, rel=0.05)
    scores = 1.0 * (cap(0.002) > 0) + other
    points = surface(cap(0.002) + 0.004 * other)
    both = regions(scores, numbered(scores, OFF >= 0, 0.5), points, strongest=lambda row, column: "form")
    assert sorted(each.depth_mm for each in both) == pytest.approx([-4, -2], rel=0.05)


def test_what_stands_off_no_more_than_what_is_around_it_has_no_depth():
    rough = 5e-4 * np.sin(1500 * ROWS) * np.sin(1700 * COLUMNS)
    assert told(surface(rough, 20), OFF < 0.006).depth_mm is None
    assert told(surface(rough + cap(0.004), 20), cap(0.004) > 0).depth_mm == pytest.approx(-4, rel=0.2)


@pytest.mark.parametrize("step", [0.0, 0.001])
@pytest.mark.parametrize("radius", [0.003, 0.006, 0.01])
def test_noise_is_no_depth_and_what_is_clearly_more_is_one(radius, step):
    """With a step, of a sensor that tells depths in millimetres."""
    generator = np.random.default_rng(0)
    noise = 1e-4 if step == 0 else step
    depths = []
    for deep in (0, 12):
        for _ in range(20):
            points = surface(deep * noise * (radius > OFF) + noise * generator.standard_normal(OFF.shape))
            points[:, :, 2] = np.round(points[:, :, 2] / step) * step if step else points[:, :, 2]
            depths.append(told(points, radius > OFF).depth_mm)
    assert sum(depth is not None for depth in depths[:20]) <= 1
    assert all(depth == pytest.approx(-12e3 * noise, rel=0.2) for depth in depths[20:])


def test_a_plane_in_float32_has_no_depth():
    assert told(surface(0.0, 50).astype(np.float32), OFF < 0.006).depth_mm is None


def test_some_points_of_a_wide_ring_are_enough(monkeypatch):
    points = surface(cap(0.003) + 3 * ROWS**2, 20)
    points[:, :, 2] += 1e-4 * np.random.default_rng(0).standard_normal(OFF.shape)
    inside, ring = cap(0.003) > 0, (OFF > 0.010) & (OFF < 0.018)
    whole = depth_of(points, inside, ring)
    fitted = []
    original = metrology._robust
    monkeypatch.setattr(metrology, "_robust", lambda table, heights: fitted.append(table) or original(table, heights))
    monkeypatch.setattr(metrology, "_FITTED", 500)
    assert depth_of(points, inside, ring) == pytest.approx(whole, rel=0.02)
    assert [250 <= len(table) <= 500 for table in fitted] == [True]


def test_depth_and_area_do_not_depend_on_how_the_part_lies():
    points = surface(cap(0.002) + 3 * ROWS**2)
    moved = points @ rotation(3).numpy().T + np.array([100, -300, 2000])
    for measure in (depth_of, area_of):
        first, second = (measure(each, OFF < 0.008, (OFF > 0.01) & (OFF < 0.018)) for each in (points, moved))
        assert second == pytest.approx(first, rel=1e-9)


@pytest.mark.parametrize("tilt", [0, 30, 60, -75])
def test_the_area_of_a_tilted_plane_in_a_camera_is_that_of_its_corners(tilt):
    """Rays through the middles of pixels; a focal length of 500 pixels; the plane is half a metre away."""
    normal = np.array([math.sin(math.radians(tilt)), 0, -math.cos(math.radians(tilt))])

    def on_plane(row, column):
        ray = np.stack([(np.asarray(column) - 40) / 500, (np.asarray(row) - 40) / 500, np.ones(np.shape(row))], axis=-1)
        return ray * (normal[2] * 0.5 / (ray @ normal))[..., None]

    where = np.zeros((SIDE, SIDE), bool)
    where[20:50, 30:60] = True
    corners = on_plane(np.array([19.5, 19.5, 49.5, 49.5]), np.array([29.5, 59.5, 59.5, 29.5]))
    true = np.linalg.norm(np.cross(corners[2] - corners[0], corners[3] - corners[1])) / 2
    points = on_plane(*np.mgrid[:SIDE, :SIDE])
    assert told(points, where).area_mm2 == pytest.approx(true * 1e6, rel=0.002)
    assert told(lost(points, 0.4), where).area_mm2 == pytest.approx(true * 1e6, rel=0.02)


@pytest.mark.parametrize("radius", [0.005, 0.015])
def test_the_area_of_a_piece_of_a_ball(radius):
    """2 π R h, in orthographic view, as far as pixels make a disc."""
    points = ball(SIDE, 0.02)[0].permute(1, 2, 0).numpy()
    height = 0.02 - math.sqrt(0.02**2 - radius**2)
    found = told(points, radius > OFF, foreground=~np.isnan(points[:, :, 2]))
    disc = found.pixels * STEP**2 / (math.pi * radius**2)
    assert disc == pytest.approx(1, rel=0.03)
    assert found.area_mm2 == pytest.approx(2 * math.pi * 20 * height * 1000 * disc, rel=0.02)


def test_noise_hardly_adds_to_area():
    points = surface(0.0)
    points[:, :, 2] += 1.5e-4 * np.random.default_rng(0).standard_normal(OFF.shape)
    assert told(points, OFF < 0.01).area_mm2 == pytest.approx(
        np.count_nonzero(OFF < 0.01) * (STEP * 1000) ** 2, rel=0.02
    )


@pytest.mark.parametrize("side, away, wide", [(2, 2, 6), (18, 0.25 * 18 / math.pi**0.5, 18 / math.pi**0.5)])
def test_the_ring_is_some_way_off_the_region_and_in_no_other(side, away, wide, monkeypatch):
    numbers = np.zeros((60, 70), dtype=int)
    numbers[20 : 20 + side, 30 : 30 + side] = 1
    numbers[20 + side + 4 : 20 + side + 9, 25:50] = 2
    place = np.moveaxis(np.indices(numbers.shape), 0, -1).astype(float)
    rings = []
    monkeypatch.setattr(defect_regions, "depth_of", lambda points, inside, ring: rings.append(points[ring][:, :2]))
    regions((numbers > 0) * 1.0, numbers, np.concatenate([place, place[..., :1]], axis=-1), strongest=lambda *_: "form")
    distance = np.sqrt(((place[:, :, None] - place[numbers == 1]) ** 2).sum(axis=-1).min(axis=-1))
    expected = place[(distance > away) & (distance <= away + wide) & (numbers == 0)]
    assert rings[0].tolist() == expected.tolist()


def test_a_region_without_any_return_has_the_area_of_what_is_around_it_and_no_depth():
    where = OFF < 0.006
    found = told(np.where(where[:, :, None], np.nan, surface(0.0, 60)), where)
    assert found.area_mm2 == pytest.approx(np.count_nonzero(where) * (STEP * 1000) ** 2, rel=0.01)
    assert found.depth_mm is None


def test_steps_to_what_lies_behind_add_nothing_to_area():
    where = OFF < 0.006
    found = told(surface(0.03 * where), where)
    assert found.area_mm2 == pytest.approx(np.count_nonzero(where) * (STEP * 1000) ** 2, rel=0.01)
    assert found.depth_mm == pytest.approx(-30, rel=0.01)


def test_what_lies_beside_the_part_does_not_count():
    part = COLUMNS < 0.008
    points = surface(cap(0.002) + np.where(part, 0, 0.02))
    found, alone = (
        told(each, cap(0.002) > 0, foreground=part) for each in (points, np.where(part[..., None], points, 9))
    )
    assert found == alone
    assert found.depth_mm == pytest.approx(-2, rel=0.05)


def test_depth_is_unknown_where_the_surface_around_says_nothing_of_it():
    """A region over all of one end of a bar, of points on a line, or with hardly any around it."""
    points = surface(cap(0.002))
    end = COLUMNS > 0.005
    assert told(points, end, foreground=COLUMNS < 0.019).depth_mm is None
    assert told(points, OFF < 0.008, foreground=OFF < 0.009).depth_mm is None
    assert depth_of(points, OFF < 0.001, (np.abs(ROWS) < STEP / 2) & (OFF > 0.002)) is None
    few = np.where(
        (OFF < 0.008)[:, :, None] | (np.arange(SIDE) % 20 == 0)[:, None, None] & (ROWS == COLUMNS)[..., None],
        points,
        np.nan,
    )
    assert told(few, OFF < 0.008).depth_mm is None
    assert told(few, OFF < 0.008).area_mm2 is not None


def test_colours_alone_have_neither_area_nor_depth():
    found = told(None, OFF < 0.006)
    assert (found.area_mm2, found.depth_mm) == (None, None)
    nothing = told(np.full((SIDE, SIDE, 3), np.nan), OFF < 0.006)
    assert (nothing.area_mm2, nothing.depth_mm) == (None, None)
    assert found == nothing


def spots(*places, shape=(30, 40)):
    scores = np.zeros(shape, np.float32)
    for number, place in enumerate(places):
        scores[place] = 1 + number
    return scores


def listed(scores, foreground=None, *, threshold=0.5, strongest=lambda row, column: "colour"):
    foreground = np.ones(scores.shape, bool) if foreground is None else foreground
    return regions(scores, numbered(scores, foreground, threshold), None, strongest=strongest)


def test_regions_have_their_box_pixels_and_peak_and_the_worst_comes_first():
    scores = spots((3, 4), (3, 5), (10, 20))
    scores[20:23, 7:9] = 2.5
    scores[3, 4] = 0.9
    found = listed(scores)
    assert [(each.top, each.left, each.bottom, each.right, each.pixels, each.peak) for each in found] == [
        (10, 20, 11, 21, 1, 3.0),
        (20, 7, 23, 9, 6, 2.5),
        (3, 5, 4, 6, 1, 2.0),  # its other pixel scores less than half of that
    ]
    assert json.loads(json.dumps([vars(each) for each in found]))[0]["bank"] == "colour"


def hill(height, row, column, width):
    rows, columns = np.mgrid[:60, :90]
    return height / (1 + np.hypot(rows - row, columns - column) ** 2 / width**2)


def test_a_region_ends_at_half_of_its_peak_and_its_slopes_are_none():
    single = hill(200.0, 30, 45, 6)
    assert (numbered(single, single > 0, 1.0) == (single >= 100)).all()
    assert (numbered(single, single > 0, 120.0) == (single > 120)).all()
    plateau = np.full((60, 90), 2.0)
    plateau[30, 45] = 100
    assert (numbered(plateau, plateau > 0, 1.0) == (plateau == 100)).all()


def test_peaks_between_which_scores_fall_below_half_of_the_lower_one_are_two():
    low, high = hill(20.0, 30, 15, 4), hill(90.0, 30, 75, 4)
    both = np.maximum(low, high)
    found = numbered(both, both > 0, 0.5)
    assert (found == np.where(high >= 45, 1, np.where(low >= 10, 2, 0))).all()
    bridged = np.where((np.mgrid[:60, :90][0] == 30) & (both < 11), 11.0, both)
    assert (numbered(bridged, both > 0, 0.5) == (high >= 45)).all()


def test_pixels_that_meet_at_a_corner_are_one_region():
    assert len(listed(spots((3, 4), (4, 5), (5, 4)))) == 1
    assert len(listed(spots((3, 4), (5, 6)))) == 2


def test_the_bank_is_that_of_the_peak():
    scores = spots((3, 4), (4, 5), (20, 30))
    found = listed(scores, strongest=lambda row, column: f"{row} {column} {type(row).__name__}")
    assert [each.bank for each in found] == ["20 30 int", "4 5 int"]


def test_scores_at_the_threshold_beside_the_part_and_none_at_all_do_not_count():
    scores = spots((3, 4), (10, 20), (20, 30))
    scores[5, 5] = np.nan
    part = np.ones(scores.shape, bool)
    part[20] = False
    assert [each.peak for each in listed(scores, part, threshold=1.0)] == [2.0]
    assert listed(scores, part, threshold=9.0) == listed(scores, ~np.ones_like(part)) == ()


def test_of_many_regions_the_worst_are_told_of_and_equal_ones_in_their_order():
    scores = np.zeros((30, 40), np.float32)
    scores[::3, ::3] = 1
    scores[27, 39] = 2
    found = listed(scores)
    assert len(found) == MOST
    assert [(each.top, each.left) for each in found[:3]] == [(27, 39), (0, 0), (0, 3)]


def test_regions_at_the_rim_of_the_picture_and_over_all_of_it():
    points = surface(0.0)
    assert told(points, (ROWS < -0.0181) & (COLUMNS < -0.0181)).area_mm2 == pytest.approx(4)
    whole = told(points, OFF >= 0)
    assert (whole.area_mm2, whole.depth_mm) == (pytest.approx(1600), None)


def test_areas_of_pixels_without_neighbours_are_unknown():
    points = np.full((5, 5, 3), np.nan)
    points[0, 0] = points[4, 4] = 1.0
    assert np.isnan(pixel_areas(points)).all()
    assert area_of(points, np.eye(5, dtype=bool), ~np.eye(5, dtype=bool)) is None


def test_pictures_of_several_sizes_are_refused():
    scores, numbers = np.zeros((30, 40), np.float32), np.zeros((30, 40), int)
    with pytest.raises(InputError, match=r"one size, got \[\(30, 40\)"):
        numbered(scores, np.ones((30, 41), bool), 0.5)
    with pytest.raises(InputError, match=r"one size, got \[\(30, 40\)"):
        regions(scores, numbers, np.zeros((31, 40, 3)), strongest=lambda row, column: "colour")
