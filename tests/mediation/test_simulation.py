"""Simulated studies are what the paper describes, and their truth is true."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from latticework.core.errors import InputError
from latticework.mediation import simulation
from latticework.mediation.simulation import round_image, simulate, soft_threshold, square_grid, triangle_image

OPTIONS = {"sigma_mediator": 3.0, "sigma_eta": 0.5, "sigma_outcome": 1.0, "direct_effect": -1.0}
CHANGED = {  # by each option: nothing else may differ
    "sigma_mediator": {"mediators", "outcome"},
    "sigma_eta": {"mediators", "outcome", "eta_coefficients"},
    "sigma_outcome": {"outcome"},
    "direct_effect": {"outcome", "nde"},
}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LATTICEWORK_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield simulate()


def arrays(study):
    values = {field.name: getattr(study, field.name) for field in fields(study)}
    return {name: value for name, value in values.items() if isinstance(value, np.ndarray | float)}


def test_default_is_the_design_of_the_paper(study):
    assert study.mediators.shape == (300, 1600)
    assert study.exposure.shape == study.outcome.shape == (300,)
    assert study.confounders.shape == (300, 2)
    assert study.coordinates.shape == (1600, 2)
    assert study.eta_coefficients.shape == (300, 120)
    assert study.nie == pytest.approx(69.9, abs=0.3)  # the authors' 69.9, of the same images
    assert study.nde == 2
    assert study.te == pytest.approx(study.nie + 2)
    assert study.nie == pytest.approx(sum(a * b for a, b in zip(study.alpha, study.beta, strict=True)))


def test_first_coordinate_changes_fastest(study):
    assert study.coordinates[:2].tolist() == [[-1, -1], [pytest.approx(-1 + 2 / 39), -1]]


def test_individual_differences_have_nothing_in_common_with_what_was_measured(study):
    known = np.column_stack([study.exposure, study.confounders])
    assert np.abs(study.eta_coefficients.T @ known).max() < 1e-10
    np.testing.assert_allclose(
        (study.eta_coefficients**2).mean(axis=0).sum(), study.basis.eigenvalues.sum() * 297 / 300, rtol=0.15
    )


def test_individual_differences_may_have_something_in_common_by_chance(study):
    drawn = simulate(orthogonal=False)
    known = np.column_stack([study.exposure, study.confounders])
    assert np.array_equal(drawn.exposure, study.exposure)
    assert np.abs(drawn.eta_coefficients.T @ known).max() > 1
    left = drawn.eta_coefficients - known @ np.linalg.lstsq(known, drawn.eta_coefficients, rcond=None)[0]
    np.testing.assert_allclose(left, study.eta_coefficients, atol=1e-10)


def test_mediators_and_outcome_are_sums_of_their_parts(study):
    known = np.column_stack([study.exposure, study.confounders])
    eta = study.basis.expand(study.eta_coefficients)
    rest = study.mediators - eta - np.outer(study.exposure, study.alpha)
    on_confounders, *_ = np.linalg.lstsq(known, rest, rcond=None)
    noise = rest - known @ on_confounders
    assert noise.std() == pytest.approx(2 * np.sqrt(297 / 300), rel=0.01)
    assert np.abs(on_confounders[0]).mean() < 0.2  # nothing of the exposure is left
    correlations = np.corrcoef(noise.T)[np.triu_indices(1600, 1)]
    assert abs(correlations.mean()) < 1e-3  # noise of each voxel is its own
    rest = study.outcome - study.mediators @ study.beta - 2 * study.exposure - eta @ study.nu
    on_confounders, *_ = np.linalg.lstsq(known, rest, rcond=None)
    assert np.abs(rest - known @ on_confounders).max() < 0.05
    weights = on_confounders[1:]
    np.testing.assert_allclose(weights, np.round(weights), atol=0.05)
    assert (np.abs(weights) < 10.5).all()


def test_effects_are_round_and_thresholded(study):
    for effect, centre in ((study.alpha, (0.3, -0.3)), (study.beta, (0.0, 0.0))):
        distance = np.linalg.norm(study.coordinates - centre, axis=1)
        assert distance[effect.argmax()] < 0.15
        assert effect[distance < 0.4].min() > 0.1
        assert not effect[distance > 0.75].any()
        assert effect.max() == pytest.approx(0.9, abs=0.1)


def test_sparse_confounding_is_a_triangle_dense_is_smooth_and_none_is_zero(study):
    np.testing.assert_array_equal(study.nu, triangle_image(study.coordinates))
    some = study.nu > 0
    assert some.mean() == pytest.approx(3 * np.sqrt(3) / 4 * 0.25 / 4, rel=0.1)
    assert study.nu[some].min() >= 0.5
    assert study.nu.max() == 1
    dense = simulate(n=20, side=12, confounding="dense")
    assert (dense.nu != 0).all()
    np.testing.assert_allclose(dense.basis.expand(dense.basis.project(dense.nu)), dense.nu, atol=1e-12)
    assert not simulate(n=20, side=12, confounding="none").nu.any()


def test_variance_of_dense_confounding_follows_the_eigenvalues():
    studies = [simulate(n=5, side=6, confounding="dense", random_state=seed) for seed in range(300)]
    scaled = np.array([study.basis.project(study.nu) / np.sqrt(study.basis.eigenvalues) for study in studies])
    assert scaled.std() == pytest.approx(0.5, rel=0.03)


def test_same_seed_gives_the_same_study_and_another_another():
    one, same, other = (simulate(n=20, side=8, random_state=seed) for seed in (1, 1, 2))
    for name, value in arrays(one).items():
        np.testing.assert_array_equal(arrays(same)[name], value)
    assert not np.array_equal(one.exposure, other.exposure)
    assert one.nie == other.nie
    generator = np.random.default_rng(0)
    assert not np.array_equal(
        simulate(n=20, side=8, random_state=generator).exposure, simulate(n=20, side=8, random_state=generator).exposure
    )


@pytest.mark.parametrize("option", CHANGED)
def test_option_changes_what_it_names_and_nothing_else(option):
    one, other = arrays(simulate(n=20, side=8)), arrays(simulate(n=20, side=8, **{option: OPTIONS[option]}))
    assert {name for name in one if not np.array_equal(one[name], other[name])} == CHANGED[option]


def test_confounding_changes_the_outcome_only():
    one, other = (arrays(simulate(n=20, side=8, confounding=kind)) for kind in ("none", "sparse"))
    assert {name for name in one if not np.array_equal(one[name], other[name])} == {"outcome", "nu"}


def test_no_two_draws_are_of_the_same_stream(monkeypatch):
    seeds, spawn = [], simulation.spawn
    monkeypatch.setattr(simulation, "spawn", lambda seed, purpose: seeds.append(spawn(seed, purpose)) or seeds[-1])
    simulate(n=5, side=5, confounding="dense")
    assert len(set(seeds)) == len(seeds) > 1


def test_components_are_three_in_ten_voxels_unless_given():
    assert simulate(n=20, side=10).basis.n_components == 30
    assert simulate(n=20, side=10, n_components=7).eta_coefficients.shape == (20, 7)


@pytest.mark.parametrize("side", range(5, 15))
def test_small_images_have_an_effect_too(side):
    study = simulate(n=5, side=side)
    assert study.nie > 0
    assert study.nu.any()
    assert all(np.isfinite(value).all() for value in arrays(study).values())


@pytest.mark.parametrize(
    "options",
    [
        {"n": 4},
        {"n": 2.5},
        {"side": 4},
        {"confounding": "some"},
        {"random_state": -1},
        {"n_components": 101},
        {"n_components": 0},
        {"sigma_mediator": -1},
        {"sigma_eta": float("inf")},
        {"sigma_outcome": "1"},
        {"direct_effect": float("nan")},
    ],
)
def test_option_out_of_range_is_named(options):
    with pytest.raises(InputError, match=next(iter(options))):
        simulate(**{"n": 20, "side": 10} | options)


def test_shapes_are_those_of_the_formulas():
    places = square_grid(17)
    for image, centre in ((round_image(places, (0.25, -0.5)), (0.25, -0.5)), (round_image(places, (0, 0)), (0, 0))):
        raw = []
        for x, y in places:
            rad = (x - centre[0]) ** 2 + (y - centre[1]) ** 2
            inner = np.sign(2 - rad) * max(abs(2 - rad) - 1.2, 0)
            raw.append(max(np.log(inner**2 + 1) - 0.1, 0))
        np.testing.assert_allclose(image, np.array(raw) / max(raw), atol=1e-12)
    triangle = []
    for x, y in places:
        inside = -0.25 - 1e-9 <= y <= 0.5 - np.sqrt(3) * abs(x) + 1e-9
        value = inside * max(2 - (x**2 + y**2) - 1.2, 0) + 0.4
        triangle.append(min(value, 1) if value >= 0.5 else 0)
    np.testing.assert_allclose(triangle_image(places), triangle, atol=1e-12)
    np.testing.assert_array_equal(soft_threshold(np.array([-3.0, -1.0, 0.0, 1.5]), 1.0), [-2, 0, 0, 0.5])
