"""What scans are made of, against closed forms and plain loops: shapes, rays, normals, shadows, noise, light."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import cKDTree

from latticework.anomaly.synth import FAMILIES, shapes
from latticework.anomaly.synth.camera import DISTANCE, Camera, plane_depth, table_frame
from latticework.anomaly.synth.defects import Bend, make
from latticework.anomaly.synth.families import draw_part
from latticework.anomaly.synth.light import blurred, open_sky, photograph, shadow_of
from latticework.anomaly.synth.noise import draw_grid, resolved, smooth_noise
from latticework.anomaly.synth.sensor import depth_noise, facing, loss
from latticework.anomaly.synth.spots import Spot
from latticework.anomaly.synth.tracing import normals, trace
from latticework.anomaly.synth.view import View, displaced, draw_pose, look


@pytest.fixture
def generator():
    return np.random.default_rng(0)


def ball(points):
    return np.sqrt((points**2).sum(axis=0)) - 0.03


def test_rays_meet_a_ball_where_they_should(generator):
    direction = np.stack([*generator.uniform(-0.08, 0.08, (2, 500)), -np.ones(500)])
    origin = np.array([0.0, 0.0, 0.5])
    along, met = trace(ball, origin, direction, np.full(500, 0.3), np.full(500, 0.7))
    a, b = (direction**2).sum(axis=0), origin @ direction
    root = b * b - a * (origin @ origin - 0.03**2)
    assert (met == (root > 0)).mean() > 0.99, "but for rays that graze it"
    both = met & (root > 1e-5)
    np.testing.assert_allclose(along[both], (-b - np.sqrt(np.maximum(root, 0)))[both] / a[both], atol=2e-5)


def test_normals_of_a_ball_point_outwards(generator):
    points = generator.standard_normal((3, 50))
    points *= 0.03 / np.linalg.norm(points, axis=0)
    np.testing.assert_allclose(normals(ball, points), points / 0.03, atol=3e-3)


@pytest.mark.parametrize("name", FAMILIES)
def test_distances_of_a_family_never_say_much_more_than_there_is(name, generator):
    part = draw_part(FAMILIES[name], generator)
    points = generator.uniform(-1.3, 1.3, (3, 200_000)) * part.half[:, None]
    distance = part.distance(points)
    surface = cKDTree(points[:, np.abs(distance) < 0.4e-3].T)
    near = (distance > 2e-3) & (distance < 12e-3)
    real, _ = surface.query(points[:, near].T[:3000])
    assert (part.family.exact * distance[near][:3000] < real + 1.5e-3).mean() > 0.999
    assert distance[(np.abs(points) > 1.25 * part.half[:, None]).any(axis=0)].min() > 0, "it ends within its box"


@pytest.mark.parametrize("name", FAMILIES)
def test_a_part_reaches_no_further_than_its_box_and_room(name):
    for seed in range(20):
        part = draw_part(FAMILIES[name], np.random.default_rng(seed))
        wall = np.random.default_rng(1).uniform(-1, 1, (3, 3000)) * (part.half[:, None] + 4e-3)
        for axis in range(3):
            side = wall.copy()
            side[axis] = np.sign(side[axis]) * (part.half[axis] + 4e-3)
            assert part.distance(side).min() > 0.0


def test_distances_to_a_pipe_and_a_ring_are_exact():
    points = np.array([[0.0, 0.0, 0.05], [0.03, 0.0, 0.019], [0.0, 0.0, 0.0]])
    np.testing.assert_allclose(shapes.pipe(points, 0.046, 0.021, 0.004, 1e-3), [0.009, 0.017, 0.004])
    points = np.array([[0.06, 0.037], [0.0, 0.0], [0.0, 0.02]])
    np.testing.assert_allclose(shapes.torus(points, 0.037, 0.0125, 1.0), [0.0105, 0.0075])


def test_a_table_is_as_far_away_as_its_plane():
    camera, frame = Camera(48), table_frame(0.3, 0.1)
    points = camera.rays() * plane_depth(camera.rays(), frame[:, 2])
    heights = np.tensordot(frame[:, 2], points, axes=1) - DISTANCE * frame[2, 2]
    np.testing.assert_allclose(heights, 0.0, atol=1e-12)
    np.testing.assert_allclose(frame.T @ frame, np.eye(3), atol=1e-12)
    assert points[2, 0].mean() > points[2, -1].mean(), "the far side is at the top"


def test_parts_stand_on_the_table_and_are_seen_whole():
    for name, family in FAMILIES.items():
        part = draw_part(family, np.random.default_rng(2))
        pose = draw_pose(part, np.random.default_rng(3))
        view = look(part, pose, Camera(64).rays())
        assert view.part.any(), name
        assert view.part[1:-1, 1:-1].sum() == view.part.sum()
        lowest = (view.points[2] + part.half[2]).min()  # of what is seen
        assert -3e-3 < lowest < part.half[2]


def test_a_ramp_tilts_the_normals_of_a_plane():
    camera = Camera(40)
    rays, frame = camera.rays(), table_frame(0.2, 0.0)
    flat, tilted = plane_depth(rays, frame[:, 2]), plane_depth(rays, table_frame(0.2, 0.05)[:, 2])
    everywhere = np.ones(flat.shape, bool)
    normal = np.broadcast_to(frame[:, 2, None, None], rays.shape)
    view = displaced(View(flat, normal, everywhere, np.zeros((3, flat.size)), np.eye(3)), rays, tilted - flat, camera)
    expected = np.broadcast_to(table_frame(0.2, 0.05)[:, 2, None, None], rays.shape)
    np.testing.assert_allclose(view.normal[:, 1:-1, 1:-1], expected[:, 1:-1, 1:-1], atol=1e-4)


def test_shadows_are_those_of_a_walk_along_every_ray_of_light():
    camera = Camera(64)
    rays = camera.rays()
    depth = np.full((64, 64), 0.5)
    depth[20:40, 25:35] = 0.46
    for beside in (0.12, -0.3):
        hidden = shadow_of(rays, depth, beside, camera)
        for row, column in [(30, 10), (30, 19), (30, 23), (30, 37), (30, 42), (30, 47), (10, 23)]:
            point = rays[:, row, column] * depth[row, column]
            steps = np.linspace(0.0, 0.99, 4000)[20:, None]
            path = point + steps * (np.array([beside, 0.0, 0.0]) - point)
            columns = np.rint(path[:, 0] / path[:, 2] * camera.focal + camera.centre).astype(int)
            inside = (columns >= 0) & (columns < 64)
            blocked = (depth[row, columns[inside]] < path[inside, 2] - 1e-3).any()
            assert hidden[row, column] == blocked, (beside, row, column)


def test_noise_is_standard_smooth_and_repeats(generator):
    for axes in (2, 3):
        grid = draw_grid(generator, axes)
        points = generator.uniform(0, 5, (axes, 20000))
        values = smooth_noise(grid, points)
        assert abs(values.mean()) < 0.2
        assert values.std() == pytest.approx(1.0, abs=0.15)
        assert np.abs(smooth_noise(grid, points + 1e-4) - values).max() < 5e-3
        assert np.corrcoef(values, smooth_noise(grid, points + 0.5))[0, 1] < 0.3, "half a wave on it is another value"


def test_what_is_finer_than_the_pixels_is_left_out():
    assert resolved(2.4e-3, 1e-3) == 0.0
    assert 0.0 < resolved(3.5e-3, 1e-3) < resolved(4.5e-3, 1e-3) < resolved(5.0e-3, 1e-3) == 1.0


def test_the_lens_keeps_the_light_and_shares_it_with_the_next_pixel_only():
    light = np.zeros((3, 9, 9))
    light[:, 4, 4] = 1.0
    seen = blurred(light)
    np.testing.assert_allclose(seen.sum(axis=(1, 2)), 1.0)
    assert not seen[:, :3].any()
    assert not seen[:, :, 6:].any()
    np.testing.assert_allclose(blurred(np.full((3, 5, 5), 0.4)), 0.4)


def test_the_response_of_the_camera_is_that_of_srgb():
    for light, level in [(0.0, 0), (0.2140, 127), (1.0, 255), (2.0, 255)]:
        assert photograph(np.full((3, 1, 1), light), np.ones(3), np.zeros((3, 1, 1)))[0, 0, 0] == level or level == 127


def test_a_flat_surface_sees_the_whole_sky_and_a_pit_less():
    height = np.zeros((60, 60))
    assert (open_sky(height, 1e-3) == 1.0).all()
    height[28:32, 28:32] = -5e-3
    sky = open_sky(height, 1e-3)
    assert sky[30, 30] < 0.6
    assert sky[5, 5] == 1.0


def test_noise_and_losses_grow_with_slant():
    cosine = np.linspace(0.0, 1.0, 50)[None]
    assert (np.diff(depth_noise(cosine)) <= 0).all()
    assert (np.diff(loss(cosine)) <= 0).all()
    assert loss(np.array([[0.0, 1.0]])).tolist() == [[1.0, 0.003]]
    rays = Camera(8).rays()
    np.testing.assert_allclose(facing(-rays / np.linalg.norm(rays, axis=0), rays), 1.0)


def test_a_bend_leaves_the_first_coordinate_and_one_end():
    bend = Bend(way=np.array([0.0, 4e-3, 3e-3]), end=1.0, half_length=0.05)
    points = np.array([[-0.05, 0.0, 0.05], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    back = bend.back(points)
    np.testing.assert_array_equal(back[:, 0], points[:, 0])
    np.testing.assert_allclose(back[:, 2], [0.05, -4e-3, -3e-3])
    np.testing.assert_allclose(bend.length(points), np.linalg.norm(points - back, axis=0))


def test_a_defect_without_a_point_of_the_part_under_it_changes_nothing(generator):
    far = Spot(np.array([1.0, 1.0, 1.0]), np.array([1.0, 0.0, 0.0]), np.array([0.0, 1.0, 0.0]))
    points, colour = generator.uniform(-0.01, 0.01, (3, 20)), np.full((3, 20), 0.3)
    for kind in ("dent", "stain", "contamination", "hole"):
        mark = make(kind, 1.0, far, points, colour, generator)
        assert not mark.deeper.any()
        assert not mark.lost.any()
        assert (mark.colour == colour).all()
