"""Distances of patches, scores and maps against literal computations."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.reweighting import image_score as literal_score
from scipy import ndimage
from scipy.spatial.distance import cdist

from latticework.anomaly import M3DMConfig
from latticework.anomaly.features.extraction import Patches
from latticework.anomaly.fusion.decision import METHODS, fit_decision
from latticework.anomaly.fusion.feature_fusion import FeatureFusion
from latticework.anomaly.judging import KNEE, Representation, enlarged, fused_map, judge
from latticework.anomaly.memory.bank import MemoryBank, places
from latticework.anomaly.memory.whitening import Moments, standardisation, whitening

CONFIG = M3DMConfig(size=64)
PAPER = M3DMConfig(size=64, mode="paper")


def patches(seed, grid=(4, 4), width=5, share=0.7):
    generator = np.random.default_rng(seed)
    judged = generator.random(grid) < share
    return Patches(generator.normal(size=(judged.sum(), width)).astype(np.float32), judged)


def memory(*seeds, fraction=1.0, **options):
    bank = MemoryBank()
    for number, seed in enumerate(seeds):
        part = patches(seed, **options)
        bank.add(part.rows, places(number, part.judged))
    bank.finish(fraction)
    return bank


@pytest.mark.parametrize("worst", [1, 3, 1000])
def test_scores_are_the_mean_of_the_worst_distances(worst):
    bank, part = memory(1, 2, 3), patches(9)
    found = judge({"colour": part}, {"colour": bank}, replace(CONFIG, worst=worst))
    apart = cdist(part.rows, bank.features)
    nearest = apart.min(1)
    assert found.scores[0] == pytest.approx(np.sort(nearest)[::-1][:worst].mean(), rel=1e-6)
    picture = np.full((4, 4), np.nan)
    picture[part.judged] = nearest
    np.testing.assert_allclose(found.maps[0], picture, rtol=1e-6)
    assert np.array_equal(found.judged, part.judged)
    assert tuple(found.worst[0]) == np.unravel_index(np.nanargmax(picture), (4, 4))
    assert found.nearest[0] == apart[nearest.argmax()].argmin()
    assert found.distances[0] == pytest.approx(nearest.max(), rel=1e-6)
    assert found.grids.tolist() == [[4, 4]]


@pytest.mark.parametrize("seed", range(4))
def test_the_papers_score_is_equation_seven(seed):
    bank, part = memory(1, 2, 3), patches(50 + seed)
    found = judge({"colour": part}, {"colour": bank}, PAPER)
    assert found.scores[0] == pytest.approx(literal_score(bank.features, part.rows, 3), rel=1e-6)
    others = np.flatnonzero(bank.where[:, 0] != 1)
    alone = judge({"colour": part}, {"colour": bank}, PAPER, without=1)
    assert alone.scores[0] == pytest.approx(literal_score(bank.features[others], part.rows, 3), rel=1e-6)


def test_a_part_is_compared_with_what_the_bank_has_of_others():
    bank = memory(1, 2, 3)
    for number, seed in enumerate((1, 2, 3)):
        part = patches(seed)
        assert judge({"colour": part}, {"colour": bank}, replace(CONFIG, worst=2)).scores[0] == 0
        found = judge({"colour": part}, {"colour": bank}, replace(CONFIG, worst=2), without=number)
        others = np.flatnonzero(bank.where[:, 0] != number)
        apart = cdist(part.rows, bank.features[others])
        np.testing.assert_allclose(found.maps[0][part.judged], apart.min(1), rtol=1e-6)
        assert found.nearest[0] == others[apart[apart.min(1).argmax()].argmin()]


def test_of_a_single_part_each_patch_is_compared_with_another():
    bank, part = memory(1), patches(1)
    found = judge({"colour": part}, {"colour": bank}, replace(CONFIG, worst=1), without=0)
    second = np.sort(cdist(part.rows, bank.features), 1)[:, 1]
    np.testing.assert_allclose(found.maps[0][part.judged], second, rtol=1e-6)
    assert found.scores[0] > 0


def test_a_bank_of_one_entry_will_do():
    bank, part = MemoryBank(), patches(1)
    bank.add(part.rows[:1], np.array([[0, 0, 0]]))
    bank.finish(1.0)
    apart = np.sort(cdist(part.rows, part.rows[:1])[:, 0])
    for config, expected in ((CONFIG, apart[-3:].mean()), (PAPER, apart[-1])):
        found = judge({"colour": part}, {"colour": bank}, config, without=0)
        assert found.scores[0] == pytest.approx(expected, rel=1e-6)


def test_banks_of_finer_patches_share_the_finest_grid():
    coarse, fine = patches(9), patches(8, grid=(8, 8), width=2)
    banks = {"colour": memory(1), "geometry": memory(2, grid=(8, 8), width=2)}
    found = judge({"colour": coarse, "geometry": fine}, banks, CONFIG)
    assert found.maps.shape == (2, 8, 8)
    own = judge({"colour": coarse}, {"colour": banks["colour"]}, CONFIG)
    assert np.array_equal(found.maps[0], np.kron(own.maps[0], np.ones((2, 2))), equal_nan=True)
    assert np.array_equal(found.judged, np.kron(coarse.judged, np.ones((2, 2))).astype(bool) | fine.judged)
    assert found.scores[0] == own.scores[0]
    assert found.worst[0].max() < 4
    assert found.grids.tolist() == [[4, 4], [8, 8]]


def test_a_bank_that_judges_nothing_says_nothing():
    nothing = Patches(np.zeros((0, 5), np.float32), np.zeros((4, 4), bool))
    found = judge({"colour": nothing, "form": patches(1)}, {"colour": memory(1), "form": memory(2)}, CONFIG)
    assert (found.nearest[0], found.distances[0]) == (-1, 0)
    assert found.worst[0].tolist() == [-1, -1]
    assert np.isnan(found.scores[0])
    assert np.isnan(found.maps[0]).all()
    assert found.scores[1] > 0
    assert np.array_equal(found.judged, patches(1).judged)


# Maps


def layer(banks=2, method="quantile", seed=0):
    return fit_decision(np.random.default_rng(seed).gamma(3, 1, (200, banks)), method=method)


@pytest.mark.parametrize("mode", ["default", "paper"])
def test_maps_are_fused_then_enlarged(mode):
    config = M3DMConfig(size=64, mode=mode)
    banks = {"colour": memory(1), "form": memory(2)}
    found = judge({"colour": patches(8), "form": patches(9, share=0.3)}, banks, replace(CONFIG, worst=1))
    fusion = layer()
    fused = np.empty((4, 4))
    for row, column in np.ndindex(4, 4):
        fused[row, column] = fusion.fuse(found.maps[:, row, column])
    assert not found.judged.all()
    if mode == "default":
        fused = KNEE * np.arcsinh(fused / KNEE)
    expected = enlarged(fused.astype(np.float32), size=64, sigma=config.sigma)
    np.testing.assert_allclose(fused_map(found, fusion, config), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("sigma", [0.5, 2.0, 4.0, 7.3, 50.0])
@pytest.mark.parametrize("size", [32, 96])
def test_smoothing_is_scipys(sigma, size):
    values = np.random.default_rng(0).random((8, 8)).astype(np.float32)
    large = torch.nn.functional.interpolate(torch.from_numpy(values)[None, None], (size, size), mode="bilinear")
    expected = ndimage.gaussian_filter(large[0, 0].numpy().astype(np.float64), sigma, mode="nearest", truncate=3.0)
    found = enlarged(values, size=size, sigma=sigma)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_allclose(enlarged(np.full((8, 8), 7, np.float32), size=size, sigma=sigma), 7, rtol=1e-5)


def test_nothing_is_smoothed_without_a_width():
    values = np.random.default_rng(0).random((8, 8)).astype(np.float32)
    assert np.array_equal(enlarged(values, size=8, sigma=0.0), values)


@settings(max_examples=30)
@given(st.integers(0, 2**31), st.sampled_from(METHODS), st.floats(0.0, 30.0))
def test_a_higher_score_of_any_bank_never_lowers_the_fused_one(seed, method, more):
    generator = np.random.default_rng(seed)
    fusion = layer(3, method, seed)
    scores = generator.gamma(2, 2, (40, 3))
    raised = scores.copy()
    raised[np.arange(40), generator.integers(0, 3, 40)] += more
    assert (fusion.fuse(raised) >= fusion.fuse(scores) - 1e-9).all()
    maps = scores.T.reshape(3, 5, 8)
    higher = raised.T.reshape(3, 5, 8)
    assert (fusion.fuse_maps(higher) >= fusion.fuse_maps(maps) - 1e-4).all()


# Representation


@pytest.fixture(scope="module")
def seen():
    found = {
        "colour": patches(1, width=9),
        "texture": patches(2, width=6),
        "geometry": patches(3, grid=(8, 8), width=8),
        "form": patches(4, width=4),
    }
    scales = {
        bank: whitening(Moments.of([part.rows]), most=4, place=0 if bank == "form" else 2)
        for bank, part in found.items()
    }
    return found, scales


def test_rows_are_whitened(seen):
    found, scales = seen
    held = Representation(scales)(found)
    assert held.keys() == found.keys()
    for bank, part in held.items():
        assert np.array_equal(part.rows, scales[bank](found[bank].rows))
        assert part.judged is found[bank].judged


def test_both_sides_are_of_patches_that_both_have_and_know_no_places(seen):
    found, scales = seen
    representation = Representation(scales)
    (points, colours), judged = representation.sides(representation(found))
    grids = {bank: np.kron(found[bank].judged, np.ones((2, 2))) > 0 for bank in ("colour", "texture")}
    expected = grids["colour"] & grids["texture"] & found["geometry"].judged
    assert np.array_equal(judged, expected)
    assert judged.sum() > 3
    own = {bank: scales[bank].own for bank in scales}
    assert points.shape == (judged.sum(), own["geometry"])
    assert colours.shape == (judged.sum(), own["colour"] + own["texture"])
    for number, (row, column) in enumerate(zip(*np.nonzero(judged), strict=True)):
        for bank, side in (("geometry", points), ("colour", colours)):
            at = (row, column) if bank == "geometry" else (row // 2, column // 2)
            place = found[bank].judged.ravel()[: np.ravel_multi_index(at, found[bank].judged.shape)].sum()
            expected = scales[bank](found[bank].rows)[place, : own[bank]]
            np.testing.assert_allclose(side[number, : own[bank]], expected, rtol=1e-5, atol=1e-6)


CUDA = pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU"))


@pytest.mark.parametrize("device", ["cpu", CUDA])
def test_the_fusion_bank_holds_what_the_fusion_makes_of_both(seen, device):
    found, scales = seen
    torch.manual_seed(0)
    plain = Representation(scales)
    (points, colours), judged = plain.sides(plain(found))
    fusion = FeatureFusion(points.shape[1], colours.shape[1], head=4)
    expected = fusion(torch.from_numpy(points), torch.from_numpy(colours)).detach().numpy()
    held = Representation(scales, fusion.to(device))(found)
    assert list(held) == [*found, "fusion"]
    assert np.array_equal(held["fusion"].judged, judged)
    np.testing.assert_allclose(held["fusion"].rows, expected, rtol=1e-5, atol=1e-6)


def test_parts_with_nothing_in_common_have_no_fused_patch(seen):
    found, scales = seen
    nothing = dict(found, colour=Patches(np.zeros((0, 9), np.float32), np.zeros((4, 4), bool)))
    torch.manual_seed(0)
    widths = scales["geometry"].own, scales["colour"].own + scales["texture"].own
    held = Representation(scales, FeatureFusion(*widths, head=4))(nothing)
    assert held["fusion"].rows.shape == (0, sum(widths))
    assert not held["fusion"].judged.any()


def test_one_scale_for_all_keeps_every_channel():
    part = patches(1, width=6)
    held = Representation({"colour": standardisation(Moments.of([part.rows]))})({"colour": part})
    assert held["colour"].rows.std() == pytest.approx(1, rel=1e-4)
    assert held["colour"].rows.shape == part.rows.shape
