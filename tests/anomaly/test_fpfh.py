"""FPFH is what its equations say, agrees with Open3D, and does not change when a part is moved."""

import math

import numpy as np
import pytest
import torch
from anomaly.clouds import bumpy, moved, neighbours_of, rotation, with_holes
from reference import fpfh as literal
from reference import open3d_fpfh

from latticework.anomaly.features.fpfh import fpfh
from latticework.anomaly.features.geometry import local_planes
from latticework.anomaly.features.windows import Window
from latticework.anomaly.scans.pcd import read_pcd


def points_of(values):
    return values[0].flatten(1).T.numpy()


def by_loops(xyz, normals, window, power=1):
    """The literal transcription, of points that have normals."""
    known = ~np.isnan(points_of(normals)).any(1)
    neighbours = [
        [i for i in near if known[i]] if known[k] else []
        for k, near in enumerate(neighbours_of(xyz, window.radius, window.step, window.gap))
    ]
    return literal.fpfh(points_of(xyz), points_of(normals), neighbours, power=power)


@pytest.mark.parametrize(
    "window", [Window(radius=1), Window(radius=2), Window(radius=4, step=2), Window(radius=2, gap=0.0008)]
)
def test_histograms_are_those_of_the_equations(window):
    xyz = with_holes(bumpy(12, noise=2e-4))
    normals = local_planes(xyz, Window(radius=1)).normals
    found = points_of(fpfh(xyz, normals, window))
    np.testing.assert_allclose(found, by_loops(xyz, normals, window), rtol=0, atol=1e-12)


def test_a_neighbour_without_a_normal_does_not_count():
    xyz = bumpy(12, noise=2e-4)
    normals = local_planes(xyz, Window(radius=1)).normals
    normals[:, :, torch.rand(12, 12, generator=torch.Generator().manual_seed(1)) < 0.3] = math.nan
    assert not xyz.isnan().any()
    found = points_of(fpfh(xyz, normals, Window(radius=2)))
    np.testing.assert_allclose(found, by_loops(xyz, normals, Window(radius=2)), rtol=0, atol=1e-12)


def test_whatever_the_normals_histograms_are_those_of_the_equations():
    xyz = bumpy(10)
    random = torch.Generator().manual_seed(3)
    normals = torch.nn.functional.normalize(torch.randn(xyz.shape, generator=random, dtype=xyz.dtype), dim=1)
    window = Window(radius=2)
    np.testing.assert_allclose(
        points_of(fpfh(xyz, normals, window)), by_loops(xyz, normals, window), rtol=0, atol=1e-12
    )


def test_the_bins_of_each_angle_add_up_to_one():
    xyz = with_holes(bumpy(30, dtype=torch.float32), 0.4)
    normals = local_planes(xyz).normals
    sums = fpfh(xyz, normals).unflatten(1, (3, 11)).sum(2)
    known = ~normals.isnan().any(1)
    assert (sums.amin(1) - 1).abs()[known].max() < 1e-5
    assert (sums == 0).all(1)[~known].all()


@pytest.mark.parametrize("seed", range(3))
def test_a_motion_of_the_cloud_changes_nothing(seed):
    xyz = with_holes(bumpy(64))
    before = fpfh(xyz, local_planes(xyz).normals)
    turned = moved(xyz, rotation(seed), (0.2, -0.3, 0.1))
    after = fpfh(turned, local_planes(turned).normals)
    assert torch.linalg.vector_norm(after - before) < 1e-6 * torch.linalg.vector_norm(before)
    # In float32, coordinates half a metre away are rounded so that now and then a pair changes its bin.
    rounded = [fpfh(each, local_planes(each).normals) for each in (xyz.float(), turned.float())]
    before, after = (torch.nn.functional.avg_pool2d(each, 8) for each in rounded)
    assert torch.linalg.vector_norm(after - before) < 1e-3 * torch.linalg.vector_norm(before)


def test_a_plane_is_all_in_the_middle():
    rows, columns = torch.meshgrid(torch.arange(20.0), torch.arange(20.0), indexing="ij")
    wall = torch.stack([columns, rows, 500 + 0.3 * rows - 0.2 * columns])[None] / 1000
    found = fpfh(wall, local_planes(wall).normals).unflatten(1, (3, 11))
    assert found[:, :, 5].min() > 1 - 1e-5


def test_a_point_without_neighbours_has_an_empty_histogram():
    xyz = torch.full((2, 3, 9, 9), math.nan)
    xyz[0, :, 4, 4] = 1
    normals = xyz.clone()
    normals[0, :, 4, 4] = torch.tensor([0.0, 0.0, -1.0])
    assert fpfh(xyz, normals).count_nonzero() == 0
    # nor has one whose neighbours are in the same place
    same = torch.ones(1, 3, 9, 9)
    assert fpfh(same, torch.nn.functional.normalize(same, dim=1)).count_nonzero() == 0
    assert fpfh(torch.ones(1, 3, 1, 2), torch.ones(1, 3, 1, 2)).shape == (1, 33, 1, 2)


def test_clouds_of_a_batch_do_not_meet():
    several = torch.cat([with_holes(bumpy(16, seed=seed), seed=seed) for seed in range(3)])
    found = fpfh(several, local_planes(several).normals)
    for cloud in range(3):
        alone = several[cloud : cloud + 1]
        assert torch.equal(found[cloud : cloud + 1], fpfh(alone, local_planes(alone).normals))


def test_normals_are_those_of_open3d():
    xyz = torch.from_numpy(open3d_fpfh.surface()).permute(2, 0, 1)[None]
    found = points_of(local_planes(xyz, Window(radius=2)).normals)
    np.testing.assert_allclose(found, open3d_fpfh.stored()["normals"], rtol=0, atol=1e-6)


def test_histograms_are_those_of_open3d_with_its_weights_and_nearly_so_with_the_papers():
    xyz = torch.from_numpy(open3d_fpfh.surface()).permute(2, 0, 1)[None]
    normals = torch.from_numpy(open3d_fpfh.bent_normals()).T.unflatten(1, xyz.shape[2:])[None]
    of_open3d = open3d_fpfh.stored()["fpfh"].reshape(-1, 3, 11)[:, [1, 2, 0]].reshape(-1, 33) / 200
    window = Window(radius=2)  # the ball that Open3D searched holds the same points
    np.testing.assert_allclose(by_loops(xyz, normals, window, power=2), of_open3d, rtol=0, atol=1e-6)
    found = points_of(fpfh(xyz, normals, window))
    assert np.corrcoef(found.ravel(), of_open3d.ravel())[0, 1] > 0.999


@pytest.mark.realdata("anomaly/mosd")
def test_real_scans_have_histograms_that_agree_with_the_equations(data_folder):
    cloud = read_pcd(data_folder / "anomaly" / "mosd" / "learn0.pcd")
    labels, xyz = cloud.fields["label"], torch.from_numpy(cloud.xyz).permute(2, 0, 1)[None]
    # Kinect: two millimetres from pixel to pixel, and noise as large, so that a window of 5 x 5 says little of a table.
    planes = local_planes(xyz, Window(radius=6, step=2, gap=0.03))
    table = torch.from_numpy((labels >= 1) & (labels <= 9)) & ~planes.variation[0].isnan()
    assert table.sum() > 50_000
    usual = planes.normals[0][:, table].median(1).values
    assert (planes.normals[0][:, table] * usual[:, None]).sum(0).median() > 0.99
    assert planes.deviation[0][table].abs().median() < 0.002
    corner = tuple(slice(*limits) for limits in ((200, 220), (300, 320)))
    cut, normals = xyz[:, :, *corner].double(), planes.normals[:, :, *corner].double()
    window = Window(radius=4, step=2, gap=0.03)
    np.testing.assert_allclose(points_of(fpfh(cut, normals, window)), by_loops(cut, normals, window), atol=1e-9)
    whole = fpfh(xyz, planes.normals, window)
    assert whole.isfinite().all()
    sums = whole.sum(1)[0]
    assert (sums[table] - 3).abs().max() < 1e-4
