"""Drawn scans: exact masks, twins that differ nowhere else, and a sensor whose noise is what it says."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from scipy.ndimage import binary_dilation, label

from latticework.anomaly.synth import CLASS_IDS, CONTRASTS, FAMILIES, KINDS, THRESHOLDS, VERSION, draw
from latticework.anomaly.synth.camera import Camera
from latticework.anomaly.synth.defects import SHAPED, TARGETS, colour_noise
from latticework.core import InputError

# One of each kind, and each family at least once; the whole table takes a minute.
PAIRS = [(kind, list(FAMILIES)[number % len(FAMILIES)]) for number, kind in enumerate(KINDS)]


@cache
def scan(family, defect=None, contrast="medium", seed=3, size=224):
    return draw(seed, family, defect, contrast, size=size)


def differs(first, second, by):
    difference = np.abs(first - second) > by
    return difference.any(axis=2) if difference.ndim == 3 else difference


def change(family, kind, contrast="medium"):
    return scan(family, kind, contrast).depth - scan(family).depth


@pytest.mark.parametrize("kind, family", PAIRS)
def test_outside_the_mask_a_defective_part_is_its_good_twin(kind, family):
    good, bad = scan(family), scan(family, kind)
    outside = bad.truth == 0
    for what in ("rgb", "xyz", "depth", "albedo", "light", "part", "deviation"):
        np.testing.assert_array_equal(getattr(good, what)[outside], getattr(bad, what)[outside], err_msg=what)
    assert (good.rgb != bad.rgb).any()


@pytest.mark.parametrize("kind, family", [pair for pair in PAIRS if pair[0] != "bend"])
def test_a_pixel_is_in_the_mask_if_and_only_if_it_differs_by_more_than_the_thresholds(kind, family):
    good, bad = scan(family), scan(family, kind)
    expected = (
        differs(good.depth, bad.depth, THRESHOLDS["depth"])
        | differs(good.albedo, bad.albedo, THRESHOLDS["reflectance"])
        | differs(good.light, bad.light, THRESHOLDS["light"])
    )
    np.testing.assert_array_equal(bad.truth > 0, expected)


def test_the_mask_of_a_bend_is_all_that_moved_and_one_piece():
    good, bad = scan("dowel"), scan("dowel", "bend")
    moved = differs(good.depth, bad.depth, THRESHOLDS["depth"])
    assert (bad.truth > 0)[moved].mean() > 0.99, "but for specks"
    assert label(bad.truth > 0, np.ones((3, 3)))[1] == 1
    still = bad.part & (bad.truth == 0)
    assert 0.25 < still.sum() / bad.part.sum() < 0.6, "the other end stays as it was"


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_has_every_defect_with_its_class_id(family):
    for kind in KINDS:
        scene = scan(family, kind, size=96)
        found = set(np.unique(scene.truth)) - {0}
        if kind == "combined":
            shaped, coloured = ({CLASS_IDS[one] for one in group} for group in (SHAPED, set(TARGETS) - {*SHAPED}))
            assert len(found & shaped) == len(found & coloured) == 1
        else:
            assert found == {CLASS_IDS[kind]}
            near = binary_dilation(scene.part | scan(family, size=96).part, iterations=2)
            assert near[scene.truth > 0].all()


def test_good_parts_have_an_empty_mask():
    assert not scan("ring").truth.any()


@pytest.mark.parametrize("family", ["tube", "foam"])
def test_a_stain_leaves_the_geometry_as_it_was_bit_by_bit(family):
    good, bad = scan(family), scan(family, "stain")
    assert good.xyz.tobytes() == bad.xyz.tobytes()
    assert good.depth.tobytes() == bad.depth.tobytes()
    assert differs(good.albedo, bad.albedo, THRESHOLDS["reflectance"]).any()


@pytest.mark.parametrize("kind", SHAPED)
def test_a_defect_of_geometry_leaves_the_reflectance_as_it_was_and_shows_in_the_light(kind):
    good, bad = scan("superellipsoid"), scan("superellipsoid", kind)
    assert good.albedo.tobytes() == bad.albedo.tobytes()
    assert differs(good.light, bad.light, THRESHOLDS["light"]).any(), "through shading"


@pytest.mark.parametrize(
    "kind, sign", [("dent", 1), ("hole", 1), ("cut", 1), ("scratch", 1), ("bump", -1), ("contamination", -1)]
)
def test_what_is_taken_away_is_deeper_and_what_is_added_nearer(kind, sign):
    assert (sign * change("foam", kind) >= 0.0).all()


@pytest.mark.parametrize("kind", ["dent", "bump", "hole", "cut"])
@pytest.mark.parametrize("contrast", CONTRASTS)
def test_the_contrast_to_noise_ratio_of_depth_is_the_target(kind, contrast):
    difference = np.abs(change("foam", kind, contrast))
    profile = difference[difference >= 0.05 * difference.max()]
    ratio = np.sqrt((profile**2).mean()) / 0.15e-3
    assert ratio == pytest.approx(TARGETS[kind][0] * CONTRASTS[contrast], rel=0.05)


@pytest.mark.parametrize("contrast", CONTRASTS)
def test_the_contrast_to_noise_ratio_of_a_stain_is_the_target(contrast):
    good, bad = scan("foam"), scan("foam", "stain", contrast)
    difference = np.abs(bad.albedo - good.albedo).max(axis=2)
    profile = difference[difference >= 0.05 * difference.max()]
    ratio = np.sqrt((profile**2).mean()) / colour_noise(good.albedo[good.part].T)
    assert ratio == pytest.approx(TARGETS["stain"][1] * CONTRASTS[contrast], rel=0.1)


def test_dents_and_bumps_are_two_and_a_half_to_five_millimetres():
    for kind in ("dent", "bump"):
        peaks = [1e3 * np.abs(change("superellipsoid", kind, contrast)).max() for contrast in CONTRASTS]
        assert peaks == pytest.approx([5.0, 3.5, 2.5], rel=0.12)


def test_contrast_changes_how_strong_a_defect_is_and_neither_the_part_nor_the_place():
    easy, hard = change("ring", "dent", "easy"), change("ring", "dent", "hard")
    both = (easy > 0) & (hard > 0)
    np.testing.assert_allclose(easy[both], 2 * hard[both], rtol=1e-6)
    assert (easy[~both] <= 2 * THRESHOLDS["depth"]).all()


def test_a_bend_moves_the_end_of_a_part_by_a_centimetre_at_medium_contrast():
    good, bad = scan("dowel"), scan("dowel", "bend")
    assert 5e-3 < abs(bad.depth[bad.part].min() - good.depth[good.part].min()) + 5e-3 < 20e-3
    rows = [np.flatnonzero(scene.part.any(axis=1)) for scene in (good, bad)]
    moved = max(abs(rows[0][0] - rows[1][0]), abs(rows[0][-1] - rows[1][-1])) * Camera(224).pixel
    assert 4e-3 < moved < 15e-3


@pytest.mark.parametrize("family", FAMILIES)
def test_depth_noise_has_the_stated_deviation(family):
    scene = scan(family)
    residual = (scene.xyz[..., 2] - scene.depth) / scene.deviation
    seen = np.isfinite(residual)
    assert abs(residual[seen].mean()) < 0.03
    assert residual[seen].std() == pytest.approx(1.0, abs=0.03)


def test_depth_noise_is_a_seventh_of_a_millimetre_and_grows_with_slant():
    scenes = [scan("superellipsoid", seed=seed) for seed in range(4)]
    residual = np.concatenate([(one.xyz[..., 2] - one.depth).ravel() for one in scenes])
    deviation = np.concatenate([one.deviation.ravel() for one in scenes])
    facing = (deviation < 0.153e-3) & np.isfinite(residual)
    steep = (deviation > 0.25e-3) & np.isfinite(residual)
    assert facing.sum() > 2000 < steep.sum()
    assert residual[facing].std() == pytest.approx(0.15e-3, rel=0.05)
    assert residual[steep].std() > 1.8 * residual[facing].std()


def test_depth_comes_in_steps():
    depth = scan("foam").xyz[..., 2]
    steps = depth[np.isfinite(depth)].astype(float) / 0.05e-3
    np.testing.assert_allclose(steps, np.rint(steps), atol=2e-3)


def test_three_in_a_thousand_points_are_lost_where_the_sensor_sees_well():
    lost = seen = 0
    for seed in range(4):
        scene = scan("superellipsoid", seed=seed)
        bottom = np.arange(224)[:, None] > np.flatnonzero(scene.part.any(axis=1))[-1] + 20
        lost += (np.isnan(scene.xyz[..., 2]) & bottom).sum()
        seen += (bottom & np.ones((1, 224), bool)).sum()
    assert lost / seen == pytest.approx(0.003, abs=4 * np.sqrt(0.003 / seen))


def test_a_point_is_lost_as_a_whole():
    lost = np.isnan(scan("rope").xyz)
    assert (lost.all(axis=2) == lost.any(axis=2)).all()


def test_a_steep_edge_leaves_a_shadow_without_returns_on_the_side_away_from_the_projector():
    scene = scan("foam")
    rows = slice(95, 105)
    columns = np.flatnonzero(scene.part[rows].all(axis=0))
    lost = np.isnan(scene.xyz[rows, :, 2])
    assert lost[:, columns[0] - 8 : columns[0] - 2].mean() > 0.9
    assert lost[:, columns[-1] + 3 : columns[-1] + 12].mean() < 0.1


def test_a_hole_loses_about_half_of_its_points():
    scene = scan("foam", "hole")
    inside = change("foam", "hole") > 0.6 * change("foam", "hole").max()
    assert 0.3 < np.isnan(scene.xyz[inside]).mean() < 0.95


def test_points_lie_on_the_rays_of_the_camera():
    scene, camera = scan("tube"), Camera(224)
    x, y, z = np.moveaxis(scene.xyz, 2, 0)
    step = (np.arange(224) - camera.centre) / camera.focal
    np.testing.assert_allclose(x, z * step, atol=1e-8)
    np.testing.assert_allclose(y, z * step[:, None], atol=1e-8)


def test_parts_are_a_decimetre_long_and_half_a_metre_away():
    widths = []
    for seed in range(6):
        scene = scan("ring", seed=seed, size=96)
        x = scene.xyz[..., 0][scene.part & np.isfinite(scene.xyz[..., 0])]
        widths.append(x.max() - x.min())
        assert np.nanmedian(scene.xyz[..., 2]) == pytest.approx(0.5, abs=0.03)
    assert np.mean(widths) == pytest.approx(0.099, rel=0.04)
    assert 0.01 < np.ptp(widths) / np.mean(widths) < 0.14, "5 % either way, and a little of each measure"


def test_the_size_of_the_image_does_not_change_what_it_shows():
    small, large = scan("dowel", "dent", size=64), scan("dowel", "dent", size=192)
    centres = large.depth[1::3, 1::3]
    both = small.part & large.part[1::3, 1::3]
    assert both.sum() > 0.95 * small.part.sum()
    assert np.median(np.abs(small.depth - centres)[both]) < 0.05e-3
    places = [np.argwhere(one.truth > 0).mean(axis=0) / one.size * 167 for one in (small, large)]  # millimetres
    np.testing.assert_allclose(*places, atol=3.0)


def test_pictures_are_neither_dark_nor_burnt_out():
    for family in FAMILIES:
        scene = scan(family)
        assert 60 < scene.rgb[scene.part].mean() < 215
        assert (scene.rgb == 255).mean() < 0.01


def test_the_same_seed_gives_the_same_bytes_and_another_another_part():
    first, again, other = draw(5, "rope", "cut", size=64), draw(5, "rope", "cut", size=64), draw(6, "rope", size=64)
    for what in ("rgb", "xyz", "truth", "depth", "albedo"):
        assert getattr(first, what).tobytes() == getattr(again, what).tobytes()
    assert (first.part != other.part).any()


# Of version 1: mean of the picture, mean depth in millimetres, pixels of the mask. If they change, so must VERSION.
FINGERPRINTS = {
    "superellipsoid": (101.79, 490.821, 35),
    "tube": (111.23, 495.011, 102),
    "rope": (101.77, 498.699, 71),
    "ring": (104.14, 495.857, 67),
    "foam": (110.52, 492.554, 46),
    "dowel": (102.81, 498.130, 46),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_what_a_seed_stands_for_changes_with_the_version_only(family):
    scene = draw(1, family, "combined", size=64)
    assert VERSION == 1
    assert (scene.rgb.mean(), 1e3 * scene.depth.mean()) == pytest.approx(FINGERPRINTS[family][:2], abs=0.02)
    assert (scene.truth > 0).sum() == pytest.approx(FINGERPRINTS[family][2], abs=1)


@pytest.mark.parametrize(
    "arguments, says",
    [
        ((-1, "ring"), "seed=-1"),
        ((1.5, "ring"), "seed=1.5"),
        ((2**63, "ring"), "at most 9,223,372,036,854,775,807"),
        ((0, "sphere"), "expected one of superellipsoid"),
        ((0, None), "family=None"),
        ((0, ["ring"]), "family="),
        ((0, "ring", "rust"), "expected one of bend"),
        ((0, "ring", "dent", "easier"), "expected one of easy, medium, hard"),
    ],
)
def test_what_there_is_not_is_refused(arguments, says):
    with pytest.raises(InputError, match=says):
        draw(*arguments)


@pytest.mark.parametrize("size", [31, 2049, 64.0, True, None])
def test_sizes_out_of_range_are_refused(size):
    with pytest.raises(InputError, match="size="):
        draw(0, "ring", size=size)
