import numpy as np
import pytest
from anomaly.grounds import DISTANCE, ball, block, disc, normal_of, overlap, table

from latticework.anomaly.preparation.planes import (
    GROUND_DISTANCE,
    LEAST_DISTANCE,
    MAX_TRIALS,
    Plane,
    _frame,
    _noise,
    _ransac,
    _trials,
    fit_plane,
    in_front,
)
from latticework.anomaly.scans.pcd import read_pcd
from latticework.core.errors import InputError


def angle(plane, tilt):
    """Degrees between the normal that was found and the true one."""
    return np.degrees(np.arccos(min(1.0, float(np.dot(plane.normal, normal_of(tilt))))))


def offset(tilt):
    return -normal_of(tilt)[2] * DISTANCE


@pytest.mark.parametrize("tilt", [0.0, 20.0, 45.0])
@pytest.mark.parametrize("noise", [0.0, 0.00015, 0.0005, 0.002])
def test_a_tilted_table_is_found_as_it_stands(tilt, noise):
    raised = np.where(disc(120, 160, 60, 80, 30), 0.03, 0.0)
    plane = fit_plane(table(120, 160, tilt=tilt, noise=noise, heights=raised))
    assert angle(plane, tilt) <= 0.02 + 60 * noise
    assert plane.offset == pytest.approx(offset(tilt), abs=2e-5 + noise / 20)
    across = noise * np.cos(np.deg2rad(tilt))  # of the noise along the ray, what is across the plane
    assert plane.noise == pytest.approx(across, rel=0.15, abs=1e-5)
    assert plane.share == pytest.approx(1 - disc(120, 160, 60, 80, 30).mean(), abs=0.08)


def test_without_noise_the_plane_is_exact():
    plane = fit_plane(table(64, 64, tilt=30, noise=0, missing=0))
    assert plane.normal == pytest.approx(normal_of(30), abs=1e-6)
    assert plane.offset == pytest.approx(offset(30), abs=1e-6)
    assert plane.noise < 1e-6
    assert plane.share == 1


def test_normals_point_to_the_camera_from_every_side():
    for tilt in (0.0, 50.0):
        plane = fit_plane(table(64, 64, tilt=tilt))
        assert plane.normal[2] < 0 < plane.offset
        assert np.linalg.norm(plane.normal) == pytest.approx(1, abs=1e-12)


def test_the_same_seed_gives_the_same_plane_and_others_nearly_so():
    xyz = table(96, 96, noise=0.001, heights=np.where(disc(96, 96, 40, 40, 20), 0.02, 0))
    first = fit_plane(xyz, random_state=3)
    assert fit_plane(xyz, random_state=3) == first
    assert fit_plane(xyz, random_state=np.random.default_rng(3)).offset == pytest.approx(first.offset, abs=1e-4)
    others = [fit_plane(xyz, random_state=seed) for seed in range(10)]
    assert np.ptp([plane.offset for plane in others]) < 5e-4


def test_whether_half_of_a_border_is_enough_is_up_to_the_seed_alone():
    heights = np.zeros((100, 100))
    heights[:, 50:] = 0.05
    xyz = table(100, 100, tilt=0, missing=0, heights=heights)
    found = [[fit_plane(xyz, random_state=seed) for seed in range(12)] for _ in range(2)]
    assert found[0] == found[1]
    assert {plane if plane is None else round(plane.offset, 3) for plane in found[0]} == {None, 0.5}


@pytest.mark.parametrize("seed", range(3))
def test_noise_is_that_at_the_middle_distance_though_half_of_a_leaning_table_is_far_behind_it(seed):
    xyz = table(240, 320, tilt=55, noise=0.001, seed=seed)
    nearest = np.argsort(xyz[..., 2], axis=None)
    xyz.reshape(-1, 3)[nearest[8_000:-7_900]] = np.nan
    depths = xyz[..., 2][~np.isnan(xyz[..., 2])]
    middle = np.median(depths)
    assert middle < 0.47 < 0.6 < depths.max()
    across = 0.001 * (depths / DISTANCE) ** 2 * np.cos(np.deg2rad(55)) * DISTANCE / depths  # by the angle of each ray
    meant = across * (middle / depths) ** 2 * np.random.default_rng(0).standard_normal(depths.shape)
    plane = fit_plane(xyz)
    assert plane.depth == pytest.approx(middle)
    assert plane.noise == pytest.approx(1.4826 * np.median(np.abs(meant)), rel=0.04)


def test_a_plane_that_too_few_points_are_near_is_none():
    generator = np.random.default_rng(0)
    points = generator.uniform(-1, 1, (400, 3))
    assert _ransac(points, np.ones(400), 0.01, 0.3, np.random.default_rng(0)) is None
    points[:160, 2] = 0.25
    normal, offset = _ransac(points, np.ones(400), 0.01, 0.3, np.random.default_rng(0))
    assert np.abs(normal) == pytest.approx([0, 0, 1])
    assert abs(offset) == pytest.approx(0.25)
    assert _ransac(points, np.ones(400), 0.01, 0.5, np.random.default_rng(0)) is None


def test_noise_of_points_that_are_all_elsewhere_is_none():
    assert _noise(np.array([0.5, -0.5]), 0.004) == 0
    assert _noise(np.array([0.001, -0.002, 0.003, 0.5]), 0.004) == pytest.approx(1.4826 * 0.002)


def test_a_part_at_a_third_of_the_border_does_not_lift_the_plane():
    raised = np.zeros((100, 100))
    raised[:, :34] = 0.05
    plane = fit_plane(table(100, 100, heights=raised))
    assert angle(plane, 20) < 0.02
    assert plane.offset == pytest.approx(offset(20), abs=5e-5)


def test_a_flat_part_lower_than_what_ransac_tells_apart_does_not_lift_the_plane():
    plane = fit_plane(table(100, 100, heights=np.where(disc(100, 100, 50, 50, 35), 0.003, 0)))
    assert plane.offset == pytest.approx(offset(20), abs=5e-5)


def test_a_table_without_returns_at_the_border_is_found_by_all_its_points():
    raised = np.where(disc(120, 120, 60, 60, 20), 0.03, 0.0)
    xyz = table(120, 120, heights=raised)
    xyz[:15] = xyz[-15:] = xyz[:, :15] = xyz[:, -15:] = np.nan
    plane = fit_plane(xyz)
    assert angle(plane, 20) < 0.05
    assert overlap(in_front(xyz, plane), (raised > 0) & ~np.isnan(xyz[..., 2])) > 0.99


def test_a_border_with_one_strip_of_returns_leaves_the_plane_to_all_points():
    xyz = table(120, 120, noise=0.001, heights=np.where(disc(120, 120, 60, 60, 20), 0.03, 0))
    xyz[:, :12] = xyz[:, -12:] = xyz[:12] = np.nan
    assert angle(fit_plane(xyz), 20) < 0.2


@pytest.mark.parametrize("height, width, across", [(200, 300, 10), (200, 40, 4), (40, 200, 4), (5, 5, 1)])
def test_the_frame_is_at_most_a_fifth_of_either_side(height, width, across):
    inside = np.zeros((height, width), dtype=bool)
    inside[across : height - across, across : width - across] = True
    assert np.array_equal(_frame(height, width), ~inside)


def test_where_there_is_no_ground_there_is_no_plane():
    assert fit_plane(block()) is None  # its face is a plane, but nothing lies on it
    assert fit_plane(ball()) is None
    everything = np.random.default_rng(0).uniform(-0.2, 0.2, (60, 60, 3)).astype(np.float32)
    everything[..., 2] += 0.5
    assert fit_plane(everything) is None
    assert fit_plane(np.full((40, 40, 3), np.nan, dtype=np.float32)) is None
    few = np.full((40, 40, 3), np.nan, dtype=np.float32)
    few[10, :20] = table(40, 40)[10, :20]
    assert fit_plane(few) is None


def test_points_on_one_line_or_all_in_one_place_are_no_plane():
    line = np.zeros((20, 20, 3), dtype=np.float32)
    line[..., 0] = np.linspace(0, 0.1, 400).reshape(20, 20)
    line[..., 2] = 0.5
    assert fit_plane(line) is None
    assert fit_plane(np.full((20, 20, 3), 0.5, dtype=np.float32)) is None


def test_limits_follow_the_noise_within_bounds_and_grow_with_the_square_of_the_distance():
    xyz = np.array([[[0, 0, 0.5], [0, 0, 0.6], [0, 0, 5.0]]], dtype=np.float32)

    def limits(noise):
        return Plane((0.0, 0.0, -1.0), 0.5, noise, 0.5, 1.0).limits(xyz)[0]

    assert limits(0.0)[:2] == pytest.approx([LEAST_DISTANCE, LEAST_DISTANCE * 1.44])
    assert limits(0.0005)[0] == pytest.approx(0.002)
    assert limits(0.1)[0] == pytest.approx(GROUND_DISTANCE)
    assert limits(0.0)[2] == pytest.approx(4 * LEAST_DISTANCE)  # and no further
    assert Plane((0.0, 0.0, 1.0), 0.5, 0.0, -0.5, 1.0).limits(-xyz)[0] == pytest.approx(LEAST_DISTANCE)


def test_points_a_kilometre_off_do_not_keep_others_from_making_a_plane():
    xyz = table(100, 100)
    wrong = np.random.default_rng(0).random((100, 100)) < 0.1
    xyz[wrong] *= 2000
    plane = fit_plane(xyz)
    assert angle(plane, 20) < 0.02
    assert plane.offset == pytest.approx(offset(20), abs=5e-5)


@pytest.mark.parametrize("noise", [0.00015, 0.0005, 0.001])
def test_what_stands_out_is_the_part_and_hardly_anything_of_the_table(noise):
    part = disc(224, 224, 100, 120, 45)
    xyz = table(noise=noise, heights=np.where(part, 0.01, 0.0))
    returned = ~np.isnan(xyz[..., 2])
    found = in_front(xyz, fit_plane(xyz))
    assert found[part & returned].all()
    assert found[~part].mean() < 2e-4


def test_what_lies_behind_the_table_is_taken_away_with_it():
    heights = np.zeros((100, 100))
    heights[40:60, 40:60] = -0.03
    xyz = table(100, 100, heights=heights)
    assert not in_front(xyz, fit_plane(xyz)).any()


def test_a_share_of_a_half_needs_seventy_trials():
    assert _trials(0.5) == 69
    assert _trials(1.0) == 1
    assert _trials(0.1) > MAX_TRIALS


@pytest.mark.parametrize(
    "given, message",
    [
        (np.zeros((4, 4, 3)), r"xyz is float64 \[4, 4, 3\], expected float32 \[height, width, 3\]"),
        (np.zeros((4, 3), dtype=np.float32), r"xyz is float32 \[4, 3\]"),
        ([[1, 2, 3]], "xyz is list"),
    ],
)
def test_what_is_no_cloud_is_refused(given, message):
    with pytest.raises(InputError, match=message):
        fit_plane(given)


@pytest.mark.parametrize("distance", [0, -0.1, np.nan, np.inf, "4 mm", True])
def test_a_distance_that_is_none_is_refused(distance):
    with pytest.raises(InputError, match=r"distance=.*metres, above 0"):
        fit_plane(table(40, 40), distance=distance)


@pytest.mark.realdata("anomaly/mosd")
@pytest.mark.parametrize("name", ["learn0", "test0"])
def test_on_real_scans_what_stands_out_is_what_people_marked(data_folder, name):
    cloud = read_pcd(data_folder / f"anomaly/mosd/{name}.pcd")
    found = in_front(cloud.xyz, fit_plane(cloud.xyz))
    assert overlap(found, cloud.fields["label"] >= 20) >= 0.98  # measured: 0.990 and 0.986
