"""AUPRO is that of literal transcriptions of the published evaluations; pixel measures are scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import aupro as literal
from scipy import ndimage
from sklearn import metrics

from latticework.anomaly.findings.pixels import LIMITS, Pixels
from latticework.core.errors import InputError


def images(seed, count=3, height=18, width=22, steps=None, help=0.8):
    """Maps and truths with a few regions, some of which touch at a corner."""
    rng = np.random.default_rng(seed)
    truths = []
    for _ in range(count):
        smooth = ndimage.gaussian_filter(rng.normal(size=(height, width)), 1.5)
        truths.append((smooth > np.quantile(smooth, 0.9)).astype(np.uint8) * rng.choice([3, 250]))
    truths.append(np.zeros((height, width), dtype=np.uint8))
    maps = [rng.normal(size=truth.shape) + help * (truth > 0) for truth in truths]
    if steps is not None:
        maps = [np.round(scores * steps) / steps for scores in maps]
    return maps, truths


@given(st.integers(0, 2**31), st.sampled_from([None, 1, 3]), st.sampled_from([*LIMITS, 1.0, 0.5]))
@settings(max_examples=25)
def test_aupro_is_that_of_the_published_evaluations(seed, steps, limit):
    maps, truths = images(seed, steps=steps)
    pixels = Pixels.of(maps, truths)
    found = pixels.aupro([limit])[limit]
    assert found == pytest.approx(literal.every_threshold(maps, truths, limit), abs=1e-12)
    assert found == pytest.approx(literal.sorted_changes(maps, truths, limit), abs=1e-12)
    assert 0 <= found <= 1
    for thresholds in (7, 100):
        sampled = pixels.aupro([limit], thresholds=thresholds)[limit]
        assert sampled == pytest.approx(literal.some_thresholds(maps, truths, limit, thresholds), abs=1e-12)


def test_more_thresholds_than_good_pixels_are_those_that_there_are():
    maps, truths = [np.array([[3.0, 1.0, 2.0, 5.0]])], [np.array([[1, 0, 0, 0]])]
    sampled = Pixels.of(maps, truths).aupro([0.3], thresholds=100)[0.3]
    assert sampled == pytest.approx(literal.some_thresholds(maps, truths, 0.3), abs=1e-12)


def test_perfect_maps_score_one_and_maps_upside_down_zero():
    _, truths = images(0)
    maps = [(truth > 0).astype(np.float32) for truth in truths]
    assert all(value == pytest.approx(1.0, abs=1e-12) for value in Pixels.of(maps, truths).aupro().values())
    upside_down = Pixels.of([-scores for scores in maps], truths)
    assert all(value == pytest.approx(0.0, abs=1e-12) for value in upside_down.aupro().values())
    assert upside_down.separation().auroc == 0


def test_constant_maps_score_half_of_the_limit():
    _, truths = images(0)
    pixels = Pixels.of([np.ones(truth.shape) for truth in truths], truths)
    for limit, value in pixels.aupro().items():
        assert value == pytest.approx(limit / 2, abs=1e-12)
    assert pixels.separation().auroc == 0.5


def test_random_maps_score_about_half_of_the_limit():
    maps, truths = images(0, count=60, height=50, width=50, help=0.0)
    assert Pixels.of(maps, truths).aupro()[0.3] == pytest.approx(0.15, abs=0.01)


def test_pixels_that_touch_at_a_corner_are_one_region():
    truth = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 0]])
    assert Pixels.of([np.zeros((3, 3))], [truth]).region.tolist() == [0, 0]


def test_small_regions_count_as_much_as_large_ones():
    truth = np.array([[1, 0, 2, 2, 2, 2]])
    scores = np.array([[9.0, 0.0, -1.0, -1.0, -1.0, -1.0]])
    pixels = Pixels.of([scores], [truth])
    assert pixels.aupro()[0.3] == pytest.approx(0.5)


@pytest.mark.parametrize("steps", [None, 2])
def test_pixel_measures_are_those_of_scikit_learn(steps):
    maps, truths = images(3, steps=steps)
    scores, which = (np.concatenate([part.ravel() for part in parts]) for parts in (maps, truths))
    told = Pixels.of(maps, truths).separation()
    assert told.auroc == pytest.approx(metrics.roc_auc_score(which > 0, scores), abs=1e-12)
    assert told.average_precision == pytest.approx(metrics.average_precision_score(which > 0, scores), abs=1e-12)
    assert told.defective == (which > 0).sum()


@pytest.mark.parametrize("steps", [None, 1])
def test_the_area_below_the_drawn_curve_is_aupro(steps):
    pixels = Pixels.of(*images(4, steps=steps))
    rates, overlap = pixels.pro_curve(30_001)
    inside = rates <= 0.3 + 1e-12
    area = np.trapezoid(overlap[inside], rates[inside]) / 0.3
    assert area == pytest.approx(pixels.aupro()[0.3], abs=1e-4)
    assert (np.diff(overlap) >= -1e-12).all()
    assert overlap[-1] == pytest.approx(1.0)


@pytest.mark.parametrize("thresholds", [2, 3, 100])
def test_what_scores_below_every_threshold_is_found_where_all_is(thresholds):
    maps, truths = [np.array([[0.0, 1.0, 2.0, 3.0]])], [np.array([[1, 0, 0, 0]])]
    sampled = Pixels.of(maps, truths).aupro([1.0], thresholds=thresholds)[1.0]
    assert sampled == pytest.approx(literal.some_thresholds(maps, truths, 1.0, thresholds), abs=1e-12)
    assert sampled > 0


def test_the_curve_of_constant_maps_is_straight():
    rates, overlap = Pixels.of([np.ones((2, 3))], [np.array([[1, 0, 0], [0, 0, 0]])]).pro_curve(5)
    assert np.allclose(rates, overlap)


def test_only_pixels_within_masks_count():
    maps, truths = images(5)
    inside = np.zeros(maps[0].shape, dtype=bool)
    inside[4:, 5:] = True
    for scores in maps:
        scores[~inside] = np.nan
    found = Pixels.of(maps, truths, [inside] * len(maps))
    kept = [scores[4:, 5:] for scores in maps]
    told, expected = found.separation(), Pixels.of(kept, [truth[4:, 5:] for truth in truths]).separation()
    assert told == expected
    everywhere = Pixels.of(kept, [truth[4:, 5:] for truth in truths], [None] * len(kept))
    assert everywhere.separation() == expected


def test_maps_may_come_one_at_a_time_and_good_parts_without_truth():
    maps, truths = images(7)
    lazily = Pixels.of((scores for scores in maps), (truth if truth.any() else None for truth in truths))
    assert lazily.aupro() == Pixels.of(maps, truths).aupro()


def test_single_precision_is_kept():
    maps, truths = images(7)
    pixels = Pixels.of([scores.astype(np.float32) for scores in maps], truths)
    assert pixels.good.dtype == pixels.defective.dtype == np.float32


HERE = np.array([[0, 1]])


@pytest.mark.parametrize(
    "act, message",
    [
        (lambda: Pixels.of([np.zeros((1, 2))], [None]), "no defective pixels"),
        (lambda: Pixels.of([np.zeros((1, 2))], [np.ones((1, 2))]), "no good pixels"),
        (lambda: Pixels.of([], []), "no good pixels"),
        (lambda: Pixels.of([np.zeros((1, 2))], [HERE, HERE]), "only 1 maps of scores"),
        (lambda: Pixels.of([np.zeros((1, 2))] * 2, [HERE]), "only 1 truths"),
        (lambda: Pixels.of([np.zeros((1, 2))], [HERE], []), "only 0 masks"),
        (lambda: Pixels.of([np.zeros((1, 3))], [HERE]), "in truths it is"),
        (lambda: Pixels.of([np.zeros((1, 2))], [HERE], [np.ones((2, 2), dtype=bool)]), "in masks it is"),
        (lambda: Pixels.of([np.zeros(2)], [None]), "expected height and width"),
        (lambda: Pixels.of([np.full((1, 2), np.inf)], [HERE]), "not finite"),
        (lambda: Pixels.of([np.zeros((1, 2))], [HERE]).aupro([0.0]), "limit=0.0"),
        (lambda: Pixels.of([np.zeros((1, 2))], [HERE]).aupro([1.1]), "limit=1.1"),
        (lambda: Pixels.of([np.zeros((1, 2))], [HERE]).aupro(thresholds=1), "thresholds=1"),
        (lambda: Pixels.of([np.zeros((1, 2))], [HERE]).pro_curve(1), "points=1"),
    ],
)
def test_bad_input_is_named(act, message):
    with pytest.raises(InputError, match=message):
        act()
