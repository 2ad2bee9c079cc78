"""Places of patches in their part: analytic on discs and domes, the same wherever the part lies."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from anomaly.detectors import scene
from scipy.spatial.transform import Rotation

from latticework.anomaly.features.form import form

STEP = 0.0005


def leaf(size=96, row=40, column=44):
    """An egg, lying askew."""
    rows, columns = np.mgrid[:size, :size].astype(np.float64)
    along, across = (columns - column) * 0.8 + (rows - row) * 0.6, (rows - row) * 0.8 - (columns - column) * 0.6
    return np.hypot(along / 30, across / (16 + along / 8)) < 1


def dome(part, row=40, column=44, high=0.004):
    """Points of a part that bulges towards the camera."""
    rows, columns = np.mgrid[: part.shape[0], : part.shape[1]].astype(np.float64)
    bulge = high * np.exp(-((rows - row) ** 2 + (columns - column - 6) ** 2) / 300)
    xyz = np.stack([columns * STEP, rows * STEP, 0.5 - bulge])
    xyz[:, ~part] = np.nan
    return xyz


def found(part, xyz=None):
    points = None if xyz is None else torch.from_numpy(xyz.astype(np.float32))[None]
    return form(points, torch.from_numpy(part)[None])


def test_places_on_a_disc_are_those_of_geometry():
    rows, columns = np.mgrid[:96, :96] - 47.5
    part = np.hypot(rows, columns) < 40.2
    maps = found(part).features[0]
    size = 40.2 / np.sqrt(2)  # the root mean square distance of a disc's points from its middle
    centres = np.arange(12) * 8 + 3.5 - 47.5
    for row, column in ((6, 6), (6, 8), (4, 9), (2, 5)):
        away = np.hypot(centres[row], centres[column])
        assert torch.hypot(maps[0], maps[1])[row, column].item() * size == pytest.approx(away, abs=1.5)
        assert maps[2, row, column].item() * size == pytest.approx(40.2 - away, abs=1.2)
    assert maps[3].abs().max() == 0  # there are no points


def test_sizes_are_shares_of_the_part():
    part, xyz = leaf(), dome(leaf())
    doubled = np.kron(part, np.ones((2, 2), bool))
    larger = dome(doubled, 80.5, 88.5)
    rows, columns = np.mgrid[:192, :192].astype(np.float64)
    larger[2] = 0.5 - 0.008 * np.exp(-((rows - 80.5) ** 2 + (columns - 88.5 - 12) ** 2) / 1200)
    larger[:, ~doubled] = np.nan
    one, two = found(part, xyz), found(doubled, larger)
    pooled = torch.nn.functional.avg_pool2d(two.features, 2)
    both = one.judged[0] & (torch.nn.functional.avg_pool2d(two.judged[None].float(), 2)[0, 0] == 1)
    difference = (pooled - one.features)[0, :, both].abs()
    assert both.sum() > 15
    assert difference[[0, 1, 3]].max() < 0.06  # at the edge, patches are filled from wider or narrower surroundings
    assert difference[2].mean() < 0.05


@pytest.mark.parametrize("times", [2, 3, 5])
def test_a_scan_that_was_enlarged_has_the_same_places_and_heights(times):
    part, xyz = leaf(), dome(leaf())
    one = found(part, xyz)
    two = found(*(np.repeat(np.repeat(each, times, -2), times, -1) for each in (part, xyz)))
    pooled = torch.nn.functional.avg_pool2d(two.features, times)
    inner = torch.from_numpy(part.reshape(12, 8, 12, 8).all((1, 3)))
    difference = (pooled - one.features)[0, :, inner].abs()
    assert one.features[0, 3, inner].max() > 0.15
    assert difference[[0, 1, 3]].max() < 0.02  # the first and last step of a row are lost


@pytest.mark.parametrize("points", [False, True])
def test_a_part_may_lie_anywhere_in_the_picture(points):
    part, moved = leaf(), leaf(row=56, column=36)
    one = found(part, dome(part) if points else None)
    other = found(moved, dome(moved, 56, 36) if points else None)
    torch.testing.assert_close(
        torch.roll(one.features, (2, -1), (2, 3)), other.features, atol=2e-4 if points else 1e-5, rtol=1e-3
    )
    assert torch.equal(torch.roll(one.judged, (2, -1), (1, 2)), other.judged)


def test_a_part_may_lie_at_any_distance_and_turned():
    part = leaf()
    xyz = dome(part)
    near = found(part, xyz).features
    far = found(part, xyz + np.array([0.1, -0.2, 0.3])[:, None, None]).features
    torch.testing.assert_close(far, near, atol=1e-3, rtol=0)
    quarter = np.rot90(xyz, 1, (1, 2)).copy()
    turned = np.stack([quarter[1], -quarter[0], quarter[2]])
    again = found(np.rot90(part).copy(), turned).features
    torch.testing.assert_close(torch.rot90(again, -1, (2, 3)), near, atol=2e-3, rtol=0)


def test_tilt_changes_no_height():
    part = leaf()
    xyz = dome(part)
    middle = np.nanmean(xyz, (1, 2))[:, None, None]
    tilted = np.einsum("ij,j...->i...", Rotation.from_rotvec([0.15, 0.1, 0]).as_matrix(), xyz - middle) + middle
    flat, found_tilted = found(part, xyz), found(part, tilted)
    judged = flat.judged[0]
    difference = (flat.features - found_tilted.features)[0, :, judged].abs()
    assert difference.max() < 0.1
    assert flat.features[0, 3, judged].max() > 0.15
    assert (flat.features - found_tilted.features)[0, 3, judged].abs().max() < 0.02


def test_heights_are_above_the_plane_towards_the_camera():
    part = leaf()
    heights = found(part, dome(part)).features[0, 3]
    assert heights.argmax() == 5 * 12 + 6  # where the dome is
    assert heights[found(part).judged[0]].min() < 0


def test_a_bend_changes_places_although_no_patch_looks_unusual():
    part = leaf()
    xyz = dome(part)
    bent = xyz.copy()
    bent[2] += ((np.arange(96) - 44) * STEP) ** 2 * 20
    change = (found(part, bent).features - found(part, xyz).features)[0].abs()
    assert change[3].max() > 0.2
    assert change[:3].max() < 1e-5


def test_lost_points_have_a_place_and_the_height_of_those_around_them():
    part = leaf()
    xyz = dome(part)
    xyz[:, 40:48, 40:48] = np.nan
    maps = found(part, xyz)
    assert maps.judged[0, 5, 5]
    height = maps.features[0, 3]
    assert height[4:7, 4:7].min() < height[5, 5] < height[4:7, 4:7].max()
    assert maps.features.isfinite().all()
    torch.testing.assert_close(maps.features[0, 2], found(part, dome(part)).features[0, 2], atol=0.01, rtol=0)


def test_four_points_are_the_fewest_that_have_heights():
    """At the corner of four patches, each of 64 pixels, two points before their plane and two behind."""
    part, xyz = np.ones((16, 16), bool), np.full((3, 16, 16), np.nan)
    high = 0.002 * np.array([[1, -1], [-1, 1]])
    rows, columns = np.mgrid[7:9, 7:9]
    xyz[:, 7:9, 7:9] = columns * STEP, rows * STEP, 0.5 - high
    size = np.sqrt(2 * (16**2 - 1) / 12) * STEP
    np.testing.assert_allclose(found(part, xyz).features[0, 3], high / size / 64, rtol=1e-4)


@pytest.mark.parametrize("pixels", [0, 1, 3])
def test_parts_of_hardly_a_pixel_say_nothing(pixels):
    part = np.zeros((32, 32), bool)
    part.ravel()[:pixels] = True
    maps = found(part, dome(np.ones((32, 32), bool)))
    assert maps.features.isfinite().all()
    assert not maps.judged.any()


@pytest.mark.parametrize("shape", [np.s_[10, 4:28], np.s_[4:28, 10]])
def test_lines_of_pixels_are_finite(shape):
    part = np.zeros((32, 32), bool)
    part[shape] = True
    xyz = dome(part)
    for maps in (found(part), found(part, xyz)):
        assert maps.features.isfinite().all()


def test_a_part_without_any_point_is_flat():
    part = leaf()
    nothing = np.full((3, 96, 96), np.nan)
    torch.testing.assert_close(found(part, nothing).features, found(part).features)


def test_a_long_part_is_longer_than_wide():
    def heights(seed):
        drawn = scene(seed, None, 96, "dowel")
        xyz = np.where(drawn.part[..., None], drawn.xyz, np.nan).transpose(2, 0, 1)
        maps = found(drawn.part, xyz)
        return maps.features[0, :, maps.judged[0]]

    good = torch.cat([heights(seed) for seed in range(6)], 1)
    assert good[3].abs().max() < 1
    assert good[0].max() > 2 * good[1].max()  # a dowel is long
