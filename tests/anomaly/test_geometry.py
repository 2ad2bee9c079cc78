"""Planes, spheres and edges have the normals and curvatures that geometry says, and motions change nothing."""

import math

import numpy as np
import pytest
import torch
from anomaly.clouds import STEP, ball, bumpy, grid, moved, neighbours_of, picture, rotation, with_holes

from latticework.anomaly.features.geometry import curvature, deviations, local_planes
from latticework.anomaly.features.windows import Window

BOTH = pytest.mark.parametrize("dtype, tolerance", [(torch.float32, 2e-4), (torch.float64, 1e-10)])


def literal_planes(xyz, window):
    """Normals, deviations and variations by numpy's eigenvectors, a point at a time; normals towards the camera."""
    points = xyz[0].permute(1, 2, 0).reshape(-1, 3).numpy()
    found = np.full((len(points), 5), np.nan)
    for place, near in enumerate(neighbours_of(xyz, window.radius, window.step, window.gap)):
        if len(near) >= 3:
            chosen = points[[place, *near]]
            values, vectors = np.linalg.eigh(np.cov(chosen.T, bias=True))
            normal = vectors[:, 0] * -np.sign(vectors[:, 0] @ points[place])
            found[place] = [*normal, normal @ (points[place] - chosen.mean(0)), values[0] / values.sum()]
    return torch.from_numpy(found).view(*xyz.shape[2:], 5)


@BOTH
@pytest.mark.parametrize("slope", [(0.0, 0.0), (0.5, -0.3), (-2.0, 1.0)])
def test_normals_of_a_plane_are_analytic(dtype, tolerance, slope):
    rows, columns = grid(20, dtype=dtype)
    planes = local_planes(picture(0.5 + slope[0] * rows + slope[1] * columns))
    expected = torch.nn.functional.normalize(torch.tensor([slope[1], slope[0], -1.0], dtype=dtype), dim=0)
    assert (planes.normals - expected[:, None, None]).abs().max() < tolerance
    assert planes.deviation.abs().max() < tolerance * STEP
    assert planes.variation.max() < 1e-6
    assert curvature(planes).abs().max() < (1.0 if dtype == torch.float32 else 1e-6)


@pytest.mark.parametrize("window", [Window(radius=2), Window(radius=1), Window(radius=4, step=2)])
def test_planes_are_those_of_eigenvectors(window):
    xyz = with_holes(bumpy(14))
    planes, expected = local_planes(xyz, window), literal_planes(xyz, window)
    found = torch.cat([planes.normals[0], planes.deviation, planes.variation]).permute(1, 2, 0)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-9, equal_nan=True)


def test_float32_is_close_to_float64():
    xyz = bumpy(40)
    exact, rough = local_planes(xyz.float().double()), local_planes(xyz.float())
    assert (exact.normals - rough.normals).abs().max() < 1e-4
    assert (exact.deviation - rough.deviation).abs().max() < 1e-8
    assert (exact.variation - rough.variation).abs().max() < 1e-6
    bent, roughly = curvature(exact), curvature(rough)
    assert (bent - roughly).abs().max() < 1e-3 * bent.abs().max()


def test_normals_are_of_length_one_and_towards_the_camera():
    xyz = with_holes(bumpy(40), 0.3)
    normals = local_planes(xyz).normals
    known = ~normals.isnan().any(1)
    assert known.sum() > 1000
    assert ((normals * normals).sum(1)[known] - 1).abs().max() < 1e-12
    assert (normals * xyz).sum(1)[known].max() < 0


@BOTH
@pytest.mark.parametrize("radius", [0.02, 0.05, 0.5])
def test_a_sphere_bends_by_one_over_its_radius(dtype, tolerance, radius):
    planes = local_planes(ball(30, radius, dtype=dtype))
    bent = curvature(planes)
    # The means of neighbours lie a little within the sphere, more so if it is small; rounding counts where it is flat.
    assert (bent * radius - 1).abs().max() < (0.02 if dtype == torch.float32 else 0.01)
    middle = slice(8, 22)
    assert (bent[..., middle, middle] * radius - 1).abs().max() < (0.02 if dtype == torch.float32 else 0.005)
    centre = torch.tensor([0.0, 0.0, 0.5], dtype=dtype)[:, None, None]
    outwards = (planes.centres - centre) / torch.linalg.vector_norm(planes.centres - centre, dim=1, keepdim=True)
    assert (planes.normals - outwards).abs().max() < max(tolerance, 1e-3)


def test_a_hollow_bends_away():
    bent = curvature(local_planes(ball(20, 0.05, hollow=True)))
    assert (bent * 0.05 + 1).abs().max() < 0.01


def test_a_cylinder_bends_one_way_only():
    _, columns = grid(24)
    bent = curvature(local_planes(picture(0.5 - (0.03**2 - columns**2).sqrt())))
    assert (bent[:, 0] * 0.03 - 1).abs().max() < 0.01
    assert bent[:, 1].abs().max() < 0.01 / 0.03


def test_a_saddle_bends_both_ways():
    rows, columns = grid(24)
    bent = curvature(local_planes(picture(0.5 + 10 * (rows**2 - columns**2))))[0, :, 12, 12]
    assert bent.tolist() == pytest.approx([20, -20], rel=0.01)


@pytest.mark.parametrize("seed", range(3))
def test_a_motion_of_the_cloud_turns_normals_and_changes_no_shape(seed):
    xyz, turn = with_holes(bumpy()), rotation(seed)
    before, after = local_planes(xyz), local_planes(moved(xyz, turn, (0.3, -0.2, 0.1)))
    torch.testing.assert_close(after.normals, moved(before.normals, turn), rtol=0, atol=1e-9, equal_nan=True)
    torch.testing.assert_close(after.deviation, before.deviation, rtol=0, atol=1e-12, equal_nan=True)
    torch.testing.assert_close(after.variation, before.variation, rtol=0, atol=1e-9, equal_nan=True)
    bent = curvature(before), curvature(after)
    torch.testing.assert_close(*bent, rtol=1e-5, atol=1e-5, equal_nan=True)


def test_what_is_beyond_the_gap_does_not_count():
    _, columns = grid(20)
    step = picture(torch.where(columns < 0, 0.5, 0.53))
    planes = local_planes(step, Window(radius=2, gap=0.01))
    assert (planes.normals - torch.tensor([0.0, 0.0, -1.0], dtype=torch.float64)[:, None, None]).abs().max() < 1e-9
    assert planes.deviation.abs().max() < 1e-12
    assert curvature(planes).abs().max() < 1e-6
    let_in = local_planes(step, Window(radius=2, gap=0.1))
    assert let_in.normals[:, 2].max() > -0.1  # the plane stands upright in the step


def test_a_dent_and_a_bump_show_in_metres():
    rows, columns = grid(64)
    hill = 0.003 * torch.exp(-(rows**2 + columns**2) / (2 * 0.002**2))
    windows = [Window(radius=2), Window(radius=8, step=4), Window(radius=16, step=8, gap=0.03)]
    bump = deviations(picture(0.5 - hill), windows)
    assert bump.shape == (1, 3, 64, 64)
    assert bump[0, :, 32, 32].diff().min() > 0  # the further the window reaches, the more of it shows
    assert 0.002 < bump[0, 2, 32, 32] < 0.003
    torch.testing.assert_close(deviations(picture(0.5 + hill), windows), -bump, rtol=0, atol=1e-9)


def test_where_nothing_is_known_the_answer_is_nan():
    xyz = bumpy(12)
    xyz[..., 3, 4] = math.nan
    planes = local_planes(xyz)
    for values in (planes.normals[:, 0], planes.centres[:, 0], planes.deviation, planes.variation):
        assert values.isnan().sum() == 1
        assert values[0, 3, 4].isnan()
    assert curvature(planes).isnan().sum() == 2
    nothing = local_planes(torch.full((1, 3, 6, 6), math.nan))
    assert nothing.normals.isnan().all()
    assert curvature(nothing).isnan().all()


def test_points_on_a_line_and_pictures_of_a_few_pixels_have_no_normal():
    line = picture(torch.full((12, 12), 0.5, dtype=torch.float64))
    line[..., 1:, :] = math.nan
    assert local_planes(line).normals.isnan().all()
    for height, width in ((1, 1), (1, 2), (2, 1)):
        planes = local_planes(torch.ones(1, 3, height, width))
        assert planes.normals.isnan().all()
        assert curvature(planes).isnan().all()
    assert local_planes(torch.ones(1, 3, 9, 9)).normals.isnan().all()  # 81 times the same point


def test_clouds_of_a_batch_do_not_meet():
    several = torch.cat([with_holes(bumpy(16, seed=seed), seed=seed) for seed in range(3)])
    planes = local_planes(several)
    bent = curvature(planes)
    for cloud in range(3):
        alone = local_planes(several[cloud : cloud + 1])
        torch.testing.assert_close(planes.normals[cloud : cloud + 1], alone.normals, rtol=0, atol=0, equal_nan=True)
        torch.testing.assert_close(bent[cloud : cloud + 1], curvature(alone), rtol=0, atol=0, equal_nan=True)


def test_what_surrounds_a_part_changes_nothing():
    xyz = with_holes(bumpy(20))
    around = torch.full((1, 3, 33, 41), math.nan, dtype=xyz.dtype)
    around[..., 5:25, 9:29] = xyz
    inner, outer = local_planes(xyz), local_planes(around)
    for one, other in (
        (inner.normals, outer.normals),
        (inner.deviation[:, None], outer.deviation[:, None]),
        (curvature(inner), curvature(outer)),
    ):
        torch.testing.assert_close(other[..., 5:25, 9:29], one, rtol=0, atol=0, equal_nan=True)
        assert other.isnan().sum() == one.isnan().sum() + one.shape[1] * (33 * 41 - 20 * 20)
