"""Features of patches: averages over the part alone, and blind to what says nothing of a defect."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from anomaly.detectors import scene
from scipy import ndimage
from scipy.spatial.transform import Rotation

from latticework.anomaly.features.handcrafted import FARTHEST, ORIENTATIONS, SHARPEST, colour, geometry, texture
from latticework.anomaly.features.patch_maps import RIM, SHARE, around, enough, inside, pooled

EVERYWHERE = torch.ones(1, 64, 64, dtype=torch.bool)


def picture(seed=0, low=0.2, high=0.8, size=64):
    """Colours that change smoothly, with some noise."""
    generator = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(generator.random((3, size, size)), (0, 3, 3))
    smooth = (smooth - smooth.min()) / np.ptp(smooth) + 0.05 * generator.standard_normal(smooth.shape)
    return torch.from_numpy((low + (high - low) * np.clip(smooth, 0, 1)).astype(np.float32))[None]


def blob(seed=0, size=64):
    """A part with an uneven outline, and holes."""
    smooth = ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal((size, size)), 6)
    return torch.from_numpy(smooth > np.quantile(smooth, 0.4))[None]


def surface(size=64, step=0.001):
    """Smooth hills of a few millimetres, half a metre in front of the camera; some points are lost."""
    generator = np.random.default_rng(3)
    rows, columns = (np.mgrid[:size, :size] - size / 2) * step
    hills = ndimage.gaussian_filter(generator.standard_normal((size, size)), 5)
    xyz = np.stack([columns, rows, 0.5 + 0.003 * hills / hills.std()])
    xyz[:, generator.random((size, size)) < 0.02] = np.nan
    return xyz


def tensor(xyz):
    return torch.from_numpy(xyz.astype(np.float32))[None]


def test_the_rim_is_what_an_erosion_takes_away():
    part = blob()
    eroded = ndimage.binary_erosion(part[0], np.ones((2 * RIM + 1,) * 2), border_value=1)
    assert np.array_equal(inside(part)[0], eroded)
    assert part.sum() > inside(part).sum() > 0


def test_patches_are_averages_and_what_does_not_count_in_them_is_like_what_counts_nearby():
    generator = torch.Generator().manual_seed(0)
    values = torch.rand(2, 3, 16, 24, generator=generator)
    counted = torch.rand(2, 16, 24, generator=generator) < 0.3
    counted[0, :8, :8] = False
    counted[1, :8] = True
    share, means = pooled(values, counted)
    assert share.shape == (2, 1, 2, 3)
    assert means.shape == (2, 3, 2, 3)
    for image, row, column in np.ndindex(2, 2, 3):
        window = np.s_[8 * row : 8 * row + 8, 8 * column : 8 * column + 8]
        some = values[image][:, *window][:, counted[image][window]]
        near = np.s_[max(8 * row - 8, 0) : 8 * row + 16, max(8 * column - 8, 0) : 8 * column + 16]
        nearby = values[image][:, *near][:, counted[image][near]].mean(1)
        expected = (some.sum(1) + (64 - some.shape[1]) * nearby) / 64
        torch.testing.assert_close(means[image, :, row, column], expected)
        assert share[image, 0, row, column] == pytest.approx(some.shape[1] / 64)
    assert torch.equal(enough(share)[0, 0, :1], torch.tensor([False]))
    nowhere = pooled(values, torch.zeros_like(counted))
    assert all((found == 0).all() for found in nowhere)
    assert torch.equal(enough(share), share[:, 0] >= SHARE)


@pytest.mark.parametrize("size", [3, 7])
def test_averages_around_a_patch_weigh_by_what_counts(size):
    generator = torch.Generator().manual_seed(0)
    maps, share = (torch.rand(1, channels, 6, 6, generator=generator) for channels in (2, 1))
    found, half = around(maps, share, size), size // 2
    for row, column in np.ndindex(6, 6):
        near = np.s_[max(0, row - half) : row + half + 1, max(0, column - half) : column + half + 1]
        weight = share[0, 0][near]
        expected = (maps[0][:, *near] * weight).sum((1, 2)) / weight.sum()
        torch.testing.assert_close(found[0, :, row, column], expected)


@pytest.mark.parametrize("look", [colour, texture])
def test_what_lies_beside_the_part_does_not_enter(look):
    part = blob()
    rgb, other = picture(0), picture(1)
    mixed = torch.where(part[:, None], rgb, other)
    one, two = look(rgb, part), look(mixed, part)
    assert torch.equal(one.judged, two.judged)
    assert 0 < one.judged.sum() < one.judged.numel()
    assert torch.equal(one.features[:, :, one.judged[0]], two.features[:, :, one.judged[0]])


def test_the_outline_is_no_edge_of_texture():
    part = torch.zeros(1, 64, 64, dtype=torch.bool)
    part[:, 10:54, 10:54] = True
    two = torch.full((1, 3, 64, 64), 0.3)
    two[:, :, :, 33:] = 0.6
    found = texture(two, part)
    own = found.features[0, 3:30]
    assert found.judged[0, 1, 6]
    assert own[:, 1:7, [1, 6]].abs().max() < 1e-6  # far from the seam, but at the outline
    assert own[:, 1:7, 4].abs().max() > 0.1


@pytest.mark.parametrize("look", [colour, texture])
def test_a_picture_does_not_depend_on_those_beside_it(look):
    pictures, masks = torch.cat([picture(0), picture(1)]), torch.cat([blob(0), blob(1)])
    together = look(pictures, masks)
    for number in range(2):
        alone = look(pictures[number : number + 1], masks[number : number + 1])
        torch.testing.assert_close(together.features[number], alone.features[0])
        assert torch.equal(together.judged[number], alone.judged[0])


def test_exposure_does_not_change_colours_but_another_hue_does():
    rgb = picture(low=0.3, high=0.6)
    before = colour(rgb, EVERYWHERE).features
    exposed = colour(rgb * 1.3, EVERYWHERE).features
    redder = colour(rgb * torch.tensor([1.3, 1.0, 1.0]).view(1, 3, 1, 1), EVERYWHERE).features
    torch.testing.assert_close(exposed, before, atol=1e-5, rtol=0)
    assert (redder - before)[:, 1].abs().min() > 0.1  # red against green, everywhere


def test_colours_count_as_they_are_but_for_highlights():
    grey = torch.ones(1, 3, 64, 64)
    grey[:, :, :8], grey[:, :, 8:16] = 2, 20  # medians
    bright = colour(0.04 * grey, EVERYWHERE).features[0, 0, :, 0]
    middle = 10 * np.log1p(0.1)
    assert bright[4].item() == pytest.approx(0, abs=1e-5)
    assert bright[0].item() == pytest.approx(10 * np.log1p(0.2) - middle, abs=1e-5)  # 0.87 for 1
    assert bright[1].item() == pytest.approx(10 * np.log1p(2) - middle, abs=1e-5)  # 10 for 19


def test_a_stain_stands_out_against_what_is_around_it():
    rgb = picture()
    rgb[:, 0, 24:32, 40:48] *= 0.5
    change = (colour(rgb, EVERYWHERE).features - colour(picture(), EVERYWHERE).features).abs()
    contrast = change[0, 7]  # of red against green
    assert contrast.argmax() == 3 * 8 + 5
    assert contrast[3, 5] > 5 * contrast[0, 0]


def test_texture_turns_with_the_picture():
    part, rgb = blob(), picture()
    found = texture(rgb, part)
    half = texture(rgb.flip(2, 3), part.flip(1, 2))
    torch.testing.assert_close(half.features.flip(2, 3), found.features, atol=1e-5, rtol=1e-4)
    mirrored = texture(rgb.flip(3), part.flip(2)).features.flip(3)
    for block in range(found.features.shape[1] // 30):  # own and around
        for octave in range(3):
            first = 30 * block + 3 + 9 * octave
            swapped = [first + (-direction) % ORIENTATIONS for direction in range(ORIENTATIONS)]
            torch.testing.assert_close(
                mirrored[:, first : first + ORIENTATIONS], found.features[:, swapped], atol=1e-5, rtol=1e-4
            )
            assert (found.features[:, first + 1] - found.features[:, first + 5]).abs().max() > 1e-3


@pytest.mark.parametrize("direction", range(ORIENTATIONS))
def test_stripes_show_in_their_direction(direction):
    angle = np.pi * direction / ORIENTATIONS
    rows, columns = np.mgrid[:64, :64]
    waves = 0.5 + 0.2 * np.sin((columns * np.cos(angle) + rows * np.sin(angle)) * 0.5)
    found = texture(torch.from_numpy(waves.astype(np.float32)).expand(1, 3, 64, 64), EVERYWHERE).features
    for octave in range(2):
        assert found[0, 3 + 9 * octave : 3 + 9 * octave + ORIENTATIONS, 3, 4].argmax() == direction


@pytest.mark.parametrize("turn", [[0.2, -0.3, 0.1], [0, 0, 2.5], [1.2, 0.4, -0.9]])
def test_geometry_does_not_depend_on_how_the_part_lies(turn):
    xyz, part = surface(), blob()
    before = geometry(tensor(xyz), part)
    middle = np.array([0, 0, 0.5])[:, None, None]
    rotated = np.einsum("ij,j...->i...", Rotation.from_rotvec(turn).as_matrix(), xyz - middle) + middle
    for shift in ([0, 0, 0], [0.02, -0.01, 0.05]):
        moved = geometry(tensor(rotated + np.array(shift)[:, None, None]), part)
        assert torch.equal(moved.judged, before.judged)
        change = (moved.features - before.features).abs()[0]
        histograms = torch.cat([change[:33], change[46:79]])
        shape = torch.cat([change[33:46], change[79:]])
        assert shape.max() < 1e-4
        assert (histograms < 1e-3).float().mean() > 0.99  # rounding moves few pairs to the next of the eleven bins,
        assert histograms.max() < 5e-3  # and a pair is a small share of those of a patch
    assert before.features[:, 33:39].abs().max() > 0.1  # it is not flat


def test_a_ball_is_as_bent_as_its_radius_says():
    radius, size = 0.03, 64
    rows, columns = (np.mgrid[:size, :size] - size / 2) * 0.0004
    ball = np.stack([columns, rows, 0.5 - np.sqrt(radius**2 - rows**2 - columns**2)])
    found = geometry(tensor(ball), EVERYWHERE).features[0, 33:35, 2:6, 2:6]
    assert (found.abs() * SHARPEST * radius - 1).abs().max() < 0.05


def test_a_dent_changes_geometry_there_and_nowhere_far():
    xyz = surface()
    dented = xyz.copy()
    dented[2, 20:28, 36:44] += 0.002
    change = (geometry(tensor(dented), EVERYWHERE).features - geometry(tensor(xyz), EVERYWHERE).features).abs()
    assert change[0, :, 2, 4].max() > 0.1
    assert change[0, :, 6:, :2].max() < 1e-3


def test_lost_points_are_counted_and_never_make_anything_nan():
    xyz = surface()
    xyz[:, 8:16, 8:12] = np.nan
    xyz[:, :, 40:] = np.nan
    found = geometry(tensor(xyz), EVERYWHERE)
    assert found.features.isfinite().all()
    lost = found.features[0, 45]
    for row, column in ((1, 1), (0, 0), (4, 4), (0, 7)):
        window = xyz[2, 8 * row : 8 * row + 8, 8 * column : 8 * column + 8]
        assert lost[row, column] == pytest.approx(np.isnan(window).mean(), abs=1e-6)
    assert not found.judged[0, :, 6:].any()


def test_far_points_and_sharp_edges_are_bounded():
    xyz = surface()
    xyz[2, 30] += 5.0
    found = geometry(tensor(xyz), EVERYWHERE).features
    assert found.isfinite().all()
    assert found[:, 33:35].abs().max() <= 1
    assert found[:, 35:38].abs().max() <= 1 + 1e-6
    assert FARTHEST < 0.05


@pytest.mark.parametrize("look", [colour, texture])
def test_black_white_and_constant_pictures_are_finite(look):
    for level in (0.0, 0.5, 1.0):
        assert look(torch.full((1, 3, 32, 32), level), EVERYWHERE[:, :32, :32]).features.isfinite().all()
    nowhere = look(picture(), torch.zeros_like(EVERYWHERE))
    assert nowhere.features.isfinite().all()
    assert not nowhere.judged.any()


def test_real_scans_have_no_more_channels_than_told():
    drawn = scene(0)
    rgb = torch.from_numpy(drawn.rgb / np.float32(255)).permute(2, 0, 1)[None]
    xyz = torch.from_numpy(drawn.xyz).permute(2, 0, 1)[None]
    part = torch.from_numpy(drawn.part)[None]
    shapes = [look(scan, part).features.shape[1] for look, scan in ((colour, rgb), (texture, rgb), (geometry, xyz))]
    assert shapes == [9, 60, 92]
