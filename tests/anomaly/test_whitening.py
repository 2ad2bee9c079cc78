"""Scales of features are those of NumPy and scikit-learn, and what hardly varies is seen where it does by far."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.metrics import pairwise_distances
from sklearn.preprocessing import StandardScaler

from latticework.anomaly.memory import whitening as module
from latticework.anomaly.memory.whitening import FLOOR, LEAST, PLACE, Moments, Whitening, standardisation, whitening
from latticework.core.errors import InputError


def rows(count=500, width=6, seed=0):
    generator = np.random.default_rng(seed)
    mixed = generator.normal(size=(count, width)) @ generator.normal(size=(width, width))
    return (mixed * np.logspace(-2, 2, width) + generator.normal(size=width)).astype(np.float32)


def blocks(given, size=37):
    return [given[begin : begin + size] for begin in range(0, len(given), size)]


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_moments_of_blocks_are_those_of_all_rows(kind):
    given = rows().astype(kind)
    moments = Moments.of([given[:0], *blocks(given), given[:0]])
    exact = given.astype(np.float64)
    assert moments.count == 500
    np.testing.assert_allclose(moments.mean, exact.mean(0), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(moments.covariance, np.cov(exact.T, bias=True), rtol=1e-9, atol=1e-12)


def test_moments_far_from_zero_do_not_cancel():
    given = np.random.default_rng(0).normal(1e6, 1e-2, (1000, 2))
    np.testing.assert_allclose(np.diag(Moments.of(blocks(given)).covariance), given.var(0), rtol=1e-6)


def test_without_floor_it_is_scikit_learns_whitening(monkeypatch):
    monkeypatch.setattr(module, "FLOOR", 0.0)
    monkeypatch.setattr(module, "EXPLAINED", 1.0)
    given = rows()
    found = whitening(Moments.of(blocks(given)), most=6)(given) * np.sqrt(6)
    scaled = StandardScaler().fit_transform(given.astype(np.float64))
    expected = PCA(whiten=True, svd_solver="full").fit_transform(scaled) * np.sqrt(500 / 499)
    signs = np.sign((found * expected).sum(0))
    np.testing.assert_allclose(found * signs, expected, atol=2e-3)


def test_distances_are_mahalanobis_with_a_floor(monkeypatch):
    """In units of what good patches vary by in all."""
    monkeypatch.setattr(module, "EXPLAINED", 1.0)
    given = rows().astype(np.float64)
    found = whitening(Moments.of([given]), most=6)
    scaled = (given - given.mean(0)) / given.std(0)
    correlation = np.cov(scaled.T, bias=True)
    inverse = np.linalg.inv(correlation + FLOOR * np.eye(6))
    one, two = found(given[:20].astype(np.float32)), found(given[20:40].astype(np.float32))
    apart = scaled[:20] - scaled[20:40]
    expected = np.sqrt(np.einsum("ni,ij,nj->n", apart, inverse, apart) / np.trace(inverse @ correlation))
    assert found.own == 6
    np.testing.assert_allclose(np.linalg.norm(one - two, axis=1), expected, rtol=1e-3)


def test_the_unit_of_a_channel_does_not_matter_as_long_as_it_varies_by_more_than_the_least():
    given = rows().astype(np.float64)
    units = np.array([0.1, 1, 1e3, 7, 0.1, 2.0])
    one = whitening(Moments.of([given]), most=4)(given.astype(np.float32))
    two = whitening(Moments.of([given * units + 5]), most=4)((given * units + 5).astype(np.float32))
    np.testing.assert_allclose(
        np.linalg.norm(one[:50] - one[50:100], axis=1), np.linalg.norm(two[:50] - two[50:100], axis=1), rtol=1e-2
    )


@pytest.mark.parametrize("width", [3, 40])
def test_random_normal_patches_are_about_as_far_apart_whatever_the_bank(width):
    given = rows(2000, width).astype(np.float64)
    found = whitening(Moments.of([given]), most=48)(given.astype(np.float32))
    apart = np.sqrt(np.square(found[:1000] - found[1000:]).sum(1).mean())
    assert 0.6 * np.sqrt(2) < apart <= np.sqrt(2) * 1.02


def test_components_are_as_few_as_asked_or_as_explain_nearly_all():
    generator = np.random.default_rng(0)
    given = np.repeat(generator.normal(size=(400, 3)), 5, axis=1) + 1e-4 * generator.normal(size=(400, 15))
    moments = Moments.of([given])
    assert whitening(moments, most=48).matrix.shape == (15, 3)
    assert whitening(moments, most=2).matrix.shape == (15, 2)
    assert whitening(Moments.of([generator.normal(size=(400, 15))]), most=48).own == 15


def test_what_does_not_vary_among_good_parts_is_seen_where_it_does():
    given = rows()
    given[:, 2], given[:, 4] = 7.0, 3000.0
    found = whitening(Moments.of(blocks(given)), most=6)
    away = [
        np.linalg.norm(found(given + LEAST * np.eye(6)[channel].astype(np.float32)) - found(given), axis=1)
        for channel in (2, 4)
    ]
    np.testing.assert_allclose(away[0], away[0][0], rtol=1e-2)
    np.testing.assert_allclose(away[1], away[0][0], rtol=0.1)  # single precision at 3,000
    assert away[0][0] > 0.3
    nothing = whitening(Moments.of([np.full((10, 4), 3.0)]), most=6)
    assert (nothing(np.full((2, 4), 3.0, np.float32)) == 0).all()
    assert (nothing(np.full((2, 4), 8.0, np.float32)) != 0).all()


@pytest.mark.parametrize("still", [1, 40])
def test_what_does_not_vary_changes_no_distance_between_good_patches(still):
    given = rows(2000, 8)
    more = np.concatenate([given, np.full((2000, still), 0.25, np.float32)], axis=1)
    alone, beside = (whitening(Moments.of([some]), most=8) for some in (given, more))
    assert beside.own == alone.own + still
    distances = [pairwise_distances(found(some[:50])) for found, some in ((alone, given), (beside, more))]
    np.testing.assert_allclose(distances[1], distances[0], rtol=1e-4)


def test_what_hardly_varies_counts_by_as_much_as_it_does():
    """A feature and one that varies a hundredth of `LEAST`: the noise of that is not seen."""
    generator = np.random.default_rng(0)
    given = generator.normal(0, [1.0, LEAST / 100], (2000, 2)).astype(np.float32)
    found = whitening(Moments.of([given]), most=2)
    spreads = found(given).std(0)
    assert spreads[0] == pytest.approx(1, rel=0.01)
    assert spreads[1:].max() < 0.02


def test_a_place_that_does_not_vary_counts_for_nothing():
    given = rows(width=8)
    given[:, 7] = 3.0
    assert (whitening(Moments.of([given]), most=6, place=2).matrix[7] == 0).all()


def test_places_are_standardised_and_do_not_mix():
    given = rows(width=8)
    found = whitening(Moments.of([given]), most=3, place=2, weight=1.5)
    assert (found.own, found.matrix.shape, found.channels) == (3, (8, 5), 8)
    assert (found.matrix[:6, 3:] == 0).all()
    assert (found.matrix[6:, :3] == 0).all()
    expected = (given[:, 6:] - given[:, 6:].mean(0)) / given[:, 6:].std(0) * 1.5 * PLACE
    np.testing.assert_allclose(found(given)[:, 3:], expected, atol=2e-3)
    alone = whitening(Moments.of([given[:, :6]]), most=3)
    np.testing.assert_allclose(found(given)[:, :3], alone(given[:, :6]), rtol=1e-4, atol=1e-4)


def test_one_scale_for_all_channels_is_numpys():
    given = rows()
    found = standardisation(Moments.of(blocks(given)))
    exact = given.astype(np.float64)
    np.testing.assert_allclose(found(given), (exact - exact.mean()) / exact.std(), rtol=1e-4, atol=1e-4)
    assert found.own == found.channels == 6
    same = np.full((5, 3), 2.0, np.float32)
    assert (standardisation(Moments.of([same]))(same + 3) == 3).all()


def test_one_row_is_enough():
    given = rows(1)
    for made in (whitening(Moments.of([given]), most=4), standardisation(Moments.of([given]))):
        assert np.isfinite(made(given)).all()


def test_no_row_is_refused():
    for nothing in ([], [np.zeros((0, 3))]):
        with pytest.raises(InputError, match=r"nothing of them lies in the foreground.*Look at larger pictures"):
            Moments.of(nothing)


def test_arrays_give_it_back():
    found = whitening(Moments.of([rows()]), most=3, place=1)
    again = Whitening.from_arrays(found.to_arrays())
    assert np.array_equal(again.matrix, found.matrix)
    assert np.array_equal(again.shift, found.shift)
    assert again.own == found.own


@pytest.mark.parametrize(
    "damage",
    [
        {"matrix": np.zeros((5, 3))},
        {"matrix": np.zeros(6)},
        {"matrix": np.full((6, 4), np.nan)},
        {"shift": np.full(6, np.inf)},
        {"shift": np.zeros((6, 1))},
        {"own": np.array([0])},
        {"own": np.array([5])},
    ],
)
def test_damaged_arrays_are_refused(damage):
    arrays = whitening(Moments.of([rows()]), most=3, place=1).to_arrays()
    with pytest.raises(InputError, match="do not fit"):
        Whitening.from_arrays(arrays | damage)
