"""BIMA and BASMU from a study to effects: what holds of any draws, and what other software says of the same data."""

from __future__ import annotations

import warnings
from copy import copy
from dataclasses import fields, replace

import numpy as np
import pandas as pd
import pytest
from cases import EstimatorCases, assert_same
from mediation.conftest import HALVES, SMALL, arguments_of
from mediation.conftest import SHORTER as SHORT
from reference import mediation_maps as reference
from shape_check import any_shapes
from sklearn.exceptions import ConvergenceWarning

from latticework.core import InputError
from latticework.core.seeds import seed_from
from latticework.mediation import (
    BASMU,
    BIMA,
    BasisDecomposition,
    Prior,
    omitted_confounder_bias,
    read_study,
    simulate,
    study_of,
    write_study,
)
from latticework.mediation import posterior as posterior_module
from latticework.mediation.basis import Basis
from latticework.mediation.maps import ROPE
from latticework.mediation.posterior import Posterior
from latticework.mediation.rfiles import read_r, study_of_r
from latticework.mediation.simulation import square_grid

FEW = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
pytestmark = FEW


class MediationCases:
    def fit_arguments(self):
        return arguments_of(SMALL), {"coordinates": SMALL.coordinates, "regions": HALVES}

    def queries(self):
        return {
            "transform": (SMALL.mediators[:7],),
            "select": ("interval",),
            "diagnose": (),
            "bias_if_omitted": (SMALL.nu,),
        }

    def bad_fits(self):
        places = {"coordinates": SMALL.coordinates}
        broken = SMALL.mediators.copy()
        broken[3, 5] = np.nan
        yield "NaN", "^the mediator of subject 3 at voxel 5 is nan", (arguments_of(SMALL, mediators=broken), places)
        yield "no places", r"^where are the 64 voxels\?", (arguments_of(SMALL), {})
        yield "a constant exposure", "is 1 for all subjects", (arguments_of(SMALL, exposure=np.ones(50)), places)
        yield "an exposure too few", "^49 subjects", (arguments_of(SMALL, exposure=SMALL.exposure[1:]), places)
        yield (
            "the exposure among the confounders",
            "^the exposure 'exposure' is what the confounders 'confounder_1' and the intercept give",
            (arguments_of(SMALL, confounders=SMALL.exposure[:, None] * 2 + 1), places),
        )
        yield "text", "^outcome: text, such as a: expected numbers", (arguments_of(SMALL, outcome=["a"] * 50), places)
        yield "transposed", r"are they transposed\?", (arguments_of(SMALL, mediators=SMALL.mediators.T), places)
        yield "too few labels", r"^regions: \[63\] labels", (arguments_of(SMALL), places | {"regions": HALVES[1:]})
        yield "three subjects", "expected more than 4 subjects", (tuple(one[:3] for one in arguments_of(SMALL)), places)

    def bad_inputs(self):
        yield "images of other voxels", "expected 64 voxels", lambda model: model.transform(SMALL.mediators[:, 1:])
        yield "an unknown rule", "^rule='p-value': expected one of pip", lambda model: model.select("p-value")
        yield "a level of 1", "^level=1: expected a share", lambda model: model.select("interval", level=1)
        yield "a rate of 0", "^rate=0: expected a share", lambda model: model.select("fdr", rate=0)
        yield "a rope below nothing", "^rope=-1: expected", lambda model: model.select("rope", rope=-1)
        yield "nu of other voxels", r"^nu has shape \(63,\)", lambda model: model.bias_if_omitted(SMALL.nu[1:])
        yield "nu that is infinite", "64 finite numbers", lambda model: model.bias_if_omitted(np.full(64, np.inf))
        masked = np.ma.masked_equal(np.arange(64.0), 5)
        yield "nu of which a value is masked", "64 finite numbers", lambda model: model.bias_if_omitted(masked)
        yield "no draws", "^n_draws=0: expected", lambda model: model.sensitivity(n_draws=0)
        yield "no processes", "^n_jobs=0: expected", lambda model: copy(model).set_params(n_jobs=0).sensitivity()


class TestBASMU(MediationCases, EstimatorCases):
    def make(self):
        return BASMU(BasisDecomposition(n_components=12), prior=Prior(inclusion=(1, 20)), **SHORT)


class TestBIMA(MediationCases, EstimatorCases):
    def make(self):
        return BIMA(BasisDecomposition(n_components=12), **SHORT)


class TestThresholded(MediationCases, EstimatorCases):
    def make(self):
        basis = BasisDecomposition("modified_squared_exponential", degree=3)
        return BIMA(basis, threshold=(0.1, 0.2), prior=Prior(direct_effect_sd=3), **SHORT)

    def queries(self):
        return super().queries() | {"select": ("pip",)}


@pytest.fixture(scope="module")
def thresholded():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return BIMA(BasisDecomposition(n_components=12), threshold=0.1, **SHORT).fit_study(SMALL)


# What holds of any draws


def test_the_total_effect_is_the_sum_and_regions_add_up_draw_by_draw(models, thresholded):
    for model in (*models, thresholded):
        draws = model.posterior_.direct.size
        assert model.nie_.shape == model.nde_.shape == model.te_.shape == model.proportion_mediated_.shape == (draws,)
        np.testing.assert_array_equal(model.te_, model.nie_ + model.nde_)
        np.testing.assert_allclose(model.proportion_mediated_ * model.te_, model.nie_)
        regional = model.posterior_.regional
        np.testing.assert_allclose(regional.sum(axis=-1).ravel(), model.nie_, rtol=1e-12)
        table = model.effects_table_
        whole = table[table.region == ""].set_index("effect")
        for name, values in (("NIE", model.nie_), ("NDE", model.nde_), ("TE", model.te_)):
            assert whole.loc[name, "mean"] == pytest.approx(values.mean())
            assert whole.loc[name, "lower"] == pytest.approx(np.quantile(values, 0.025))
        assert np.isnan(whole.loc["proportion mediated", "mean"])
        parts = table[table.region != ""]
        assert parts.region.tolist() == [block.name for block in model.basis_.blocks if len(model.basis_.blocks) > 1]
        if len(parts):
            assert parts["mean"].sum() == pytest.approx(model.nie_.mean())


def test_the_indirect_effect_is_the_sum_over_voxels_of_the_draws_of_both_images(models, thresholded):
    for model in (*models, thresholded):
        total = np.zeros(model.nie_.shape)
        for _, _, alpha, beta in model.posterior_.images():
            total += (alpha * beta).sum(axis=0)
        np.testing.assert_allclose(total, model.nie_, rtol=1e-9)
        assert model.effect_.sum() == pytest.approx(model.nie_.mean())
        assert model.alpha_.shape == model.beta_.shape == model.nu_.shape == model.pip_.shape == (64,)
        assert model.eta_.shape == (50, 64)
        np.testing.assert_allclose(model.basis_.project(model.eta_), model.eta_coefficients_, atol=1e-9)


def test_individual_effects_are_a_share_of_what_the_mean_of_alpha_and_the_confounders_leave(models):
    exposure, confounders, images = (
        values - values.mean(axis=0) for values in (SMALL.exposure, SMALL.confounders, SMALL.mediators)
    )
    for model in models:
        left = model.basis_.project(images - np.outer(exposure, model.alpha_))
        left -= confounders @ np.linalg.lstsq(confounders, left, rcond=None)[0]
        np.testing.assert_allclose(model.eta_coefficients_, model.posterior_.shrinkage * left, atol=1e-8)


def test_individual_effects_that_are_orthogonal_have_nothing_in_common_with_exposure_and_confounders():
    model = BASMU(prior=Prior(orthogonal=True), **SHORT).fit_study(SMALL)
    known = np.column_stack([np.ones(50), SMALL.exposure, SMALL.confounders])
    np.testing.assert_allclose(known.T @ model.eta_coefficients_, 0, atol=1e-8)


def test_draws_of_the_share_of_individual_effects_are_propagated_and_swept():
    plain, propagated = (BASMU(propagate=propagate, **SHORT).fit_study(SMALL) for propagate in (False, True))
    assert np.array_equal(plain.posterior_.alpha, propagated.posterior_.alpha)
    assert not np.array_equal(plain.nde_, propagated.nde_)
    share = propagated.posterior_.shrinkage_draws()
    assert share.shape == (2, 40, propagated.basis_.n_components)
    np.testing.assert_allclose(share.mean(axis=(0, 1)), propagated.posterior_.shrinkage)
    again = [
        model.set_params(propagate=False).sensitivity([1.0]).loc[lambda table: table.fitted, "NDE"].item()
        for model in (plain, propagated)
    ]
    assert again[0] != again[1]  # what counts is how it was fitted


@pytest.mark.parametrize(
    "change, told",
    [
        ({"exposure": SMALL.exposure[:-1]}, "50 subjects in mediators, and 49 in exposure"),
        ({"coordinates": SMALL.coordinates[1:]}, "64 voxels, and 63 coordinates"),
        ({"mediators": SMALL.mediators[:, 4:], "coordinates": SMALL.coordinates[4:]}, "60 voxels, and 64 in the space"),
        ({"subjects": ("a", "b")}, "50 subjects in mediators, and 2 in subjects"),
        ({"confounders": SMALL.confounders[:, 0]}, r"confounders: expected \[subjects, confounders\], got \[50\]"),
        ({"mediators": np.float64(1)}, r"mediators: expected \[subjects, voxels\], got \[\]"),
        ({"coordinates": SMALL.coordinates[:, 0]}, r"coordinates: expected \[voxels, axes\]"),
        ({"regions": np.zeros(63, np.int64)}, "expected a label for each of 64 voxels"),
        ({"regions": np.arange(64) - 1}, "voxel 0 has the label -1"),
        ({"regions": np.zeros(64)}, "regions are float64"),
        ({"regions": np.full(64, "left")}, "expected places in region_names"),
        ({"regions": np.ma.masked_equal(np.arange(64), 5)}, "voxel 5 has the label None"),
        ({"mediators": np.ma.masked_equal(np.arange(3200).reshape(50, 64), 70)}, "is nan"),
        ({"exposure": np.ones(50)}, "for all subjects"),
        ({"exposure": SMALL.confounders[:, 0]}, "exposure"),
        (
            {"outcome": np.where(np.arange(50) == 3, np.nan, SMALL.outcome)},
            "the outcome 'outcome' is nan for subject 3",
        ),
        ({"mediators": np.where(np.arange(64) == 3, np.inf, SMALL.mediators)}, "voxel 3"),
        ({"mediators": np.ones((50, 64))}, "nothing that could mediate"),
        ({"confounders": np.random.default_rng(0).normal(size=(50, 48)), "confounder_names": ()}, "48 confounders"),
    ],
)
def test_a_study_put_together_by_hand_is_checked(change, told):
    with any_shapes():
        study = replace(SMALL, **change)
    with pytest.raises(InputError, match=told):
        BIMA(**SHORT).fit_study(study)


def test_numbers_of_a_study_put_together_by_hand_become_those_that_a_file_keeps(tmp_path):
    names = ("exposure", "outcome", "confounders")
    changes = {name: getattr(SMALL, name).astype(np.float32) for name in names}
    changes["mediators"] = np.rint(100 * SMALL.mediators).astype(np.int32)
    changes["coordinates"] = np.argwhere(np.ones((8, 8)))
    with any_shapes():
        study = replace(SMALL, **changes)
    for name, values in changes.items():
        assert getattr(study, name).dtype == np.float64
        assert np.array_equal(getattr(study, name), values)
    BIMA(**SHORT).fit_study(study).save(tmp_path / "model")
    assert np.array_equal(BIMA.load(tmp_path / "model").coordinates_, changes["coordinates"])


def test_voxels_that_never_vary_are_left_out_of_arrays():
    mediators = SMALL.mediators.copy()
    mediators[:, 9] = 2
    with pytest.warns(UserWarning, match="1 voxel of 64 are the same in all subjects: left out"):
        model = BIMA(**SHORT).fit(*arguments_of(SMALL, mediators=mediators), coordinates=SMALL.coordinates)
    assert np.array_equal(model.coordinates_, np.delete(SMALL.coordinates, 9, axis=0))


def test_only_basmu_knows_of_an_unobserved_confounder(models):
    basmu, bima = models
    assert not bima.nu_.any()
    assert bima.bias_if_omitted().nie["mean"] == 0
    assert ((basmu.included_ >= 0) & (basmu.included_ <= 1)).all()
    moved = basmu.bias_if_omitted()
    assert moved.nie["mean"] == pytest.approx(-moved.nde["mean"])
    assert moved.nie["mean"] == pytest.approx(basmu.posterior_.moved().mean())


def test_coefficients_of_images_are_those_of_the_basis(models):
    images = np.random.default_rng(0).normal(size=(3, 64))
    for model in models:
        np.testing.assert_array_equal(model.transform(images), model.basis_.project(images))


def test_the_bias_for_a_given_confounder_is_that_of_the_formula():
    options = {"n_chains": 2, "n_warmup": 200, "n_draws": 500, "n_jobs": 1, "random_state": 0}
    model = BIMA(BasisDecomposition(n_components=20), **options).fit_study(SMALL)
    found = model.bias_if_omitted(SMALL.nu)
    nie, nde = omitted_confounder_bias(
        model.alpha_,
        SMALL.nu,
        model.basis_,
        sigma_eta=float(model.posterior_.sigmas["sigma_eta"].mean()),
        sigma_mediators=float(model.posterior_.sigmas["sigma_mediators"].mean()),
    )
    assert found.nie["mean"] == pytest.approx(nie, rel=0.05)
    assert found.nde["mean"] == pytest.approx(nde, rel=0.05)
    exact = model.basis_.project(model.alpha_) @ (model.posterior_.shrinkage * model.basis_.project(SMALL.nu))
    assert found.nie["mean"] == pytest.approx(float(exact))


def test_the_exposures_effects_under_a_threshold_are_projected_draw_by_draw(thresholded, monkeypatch):
    monkeypatch.setattr(posterior_module, "NUMBERS", 3 * 64)  # three draws at a time
    posterior = replace(thresholded.posterior_)
    for draw in np.ndindex(posterior.direct.shape):
        image = posterior.basis.expand(posterior.alpha[draw])
        shrunk = np.sign(image) * np.maximum(np.abs(image) - 0.1, 0)
        np.testing.assert_allclose(posterior.projected_alpha[draw], posterior.basis.project(shrunk), atol=1e-12)


def test_what_follows_from_draws_is_computed_once_and_not_pickled(models, thresholded, monkeypatch):
    for model in (*models, thresholded):
        with monkeypatch.context() as patched:
            wide = ROPE * np.abs(model.effect_).max()
            chosen, told = model.select(rope=wide), repr(model.diagnose())
            np.testing.assert_array_equal(model.select(), chosen)
            patched.setattr(Posterior, "images", None)
            patched.setattr(Basis, "expand", None)
            np.testing.assert_array_equal(model.select(), chosen)
            assert repr(model.diagnose()) == told
        posterior = copy(model.posterior_)  # as a pickle does
        assert set(vars(posterior)) == {field.name for field in fields(Posterior)}
        np.testing.assert_array_equal(posterior.regional, model.posterior_.regional)


# Voxels that are chosen


def test_rules_choose_what_they_say(models, thresholded):
    asked = [
        ("interval", {}),
        ("interval", {"level": 0.5}),
        ("fdr", {}),
        ("fdr", {"rate": 0.01}),
        ("fdr", {"rate": 0.3}),
    ]
    asked += [("rope", {"level": level, "rope": rope}) for level in (0.6, 0.95) for rope in (None, 0.0, 0.02)]
    for model in (*models, thresholded):
        through = reference.effects(model.posterior_)
        for rule, options in asked:
            assert model.select(rule, **options).tolist() == reference.selected(through, rule, **options), rule
        assert model.select().tolist() == reference.selected(through, "rope")
        assert not model.select("rope", rope=1e3).any()
    for options in ({}, {"threshold": 0.9}):
        assert thresholded.select("pip", **options).tolist() == reference.selected(through, "pip", **options)
    assert ((thresholded.pip_ > 0) & (thresholded.pip_ < 1)).any()


def test_without_a_threshold_no_effect_is_nought_and_the_rule_for_that_is_refused(models):
    for model in models:
        assert (model.pip_ == 1).all()
        with pytest.raises(InputError, match="without a threshold no effect is exactly nought; use 'fdr'"):
            model.select("pip")


# Files and seeds


def test_a_study_that_was_written_and_read_gives_the_same_draws(tmp_path):
    study = simulate(n=40, side=6, random_state=1)
    read = read_study(write_study(study, tmp_path / "study"))
    assert read.mediators.dtype == np.float32
    kept = replace(study, mediators=study.mediators.astype(np.float32))
    for model in (BASMU(**SHORT), BIMA(**SHORT)):
        direct = model.fit_study(kept).nie_, model.nde_
        again = model.fit_study(read).nie_, model.nde_
        np.testing.assert_allclose(again, direct, rtol=1e-6, atol=1e-8)
    arrays = BIMA(**SHORT).fit(*arguments_of(kept), coordinates=kept.coordinates)
    np.testing.assert_array_equal(arrays.nie_, BIMA(**SHORT).fit_study(kept).nie_)


def test_the_same_seed_gives_the_same_draws_in_one_process_and_in_two():
    for kind in (BASMU, BIMA):
        one, two = (kind(**{**SHORT, "n_jobs": jobs}).fit_study(SMALL) for jobs in (1, 2))
        np.testing.assert_array_equal(one.nie_, two.nie_)
        np.testing.assert_array_equal(one.nde_, two.nde_)
        other = kind(**{**SHORT, "random_state": 1}).fit_study(SMALL)
        assert (one.nie_ != other.nie_).any()


# Options


@pytest.mark.parametrize(
    "options, told",
    [
        ({"n_chains": 0}, "n_chains"),
        ({"n_draws": 3}, "n_draws"),
        ({"n_warmup": 0}, "n_warmup"),
        ({"n_jobs": 0}, "n_jobs=0"),
        ({"prior": 1.0}, "prior is a float"),
        ({"basis": 12}, "basis is a int"),
        ({"basis": BasisDecomposition(kernel="rbf")}, "kernel='rbf'"),
        ({"basis": BasisDecomposition(explained=1)}, "explained=1"),
        ({"basis": BasisDecomposition(n_components=0)}, "n_components=0"),
        ({"random_state": -1}, "random_state"),
    ],
)
def test_options_out_of_range_are_refused(options, told):
    for kind in (BASMU, BIMA):
        with pytest.raises(InputError, match=told):
            kind(**{**SHORT, **options}).fit_study(SMALL)
        with pytest.raises(InputError, match=told):
            kind(**{**SHORT, **options}).fit(SMALL.exposure, "images that nobody has read.nii.gz", SMALL.outcome)


def test_options_are_looked_at_without_a_draw():
    drawn, other = (np.random.default_rng(0) for _ in range(2))
    model = BIMA(**{**SHORT, "random_state": drawn})
    model.check_options()
    assert drawn.bit_generator.state == other.bit_generator.state
    first = model.fit_study(SMALL)
    assert_same(first.nie_, BIMA(**{**SHORT, "random_state": seed_from(other)}).fit_study(SMALL).nie_)
    first.sensitivity([1.0], n_warmup=1, n_draws=4)
    seed_from(other)
    assert drawn.bit_generator.state == other.bit_generator.state


@pytest.mark.parametrize("threshold", [-1, (1, 2, 3), (0.5, -1), float("inf"), "a"])
def test_thresholds_out_of_range_are_refused(threshold):
    with pytest.raises(InputError, match="threshold"):
        BIMA(threshold=threshold, **SHORT).fit_study(SMALL)


@pytest.mark.parametrize(
    "options",
    [
        {"inclusion": 1.0},
        {"inclusion": (1, 0)},
        {"direct_effect_sd": 0},
        {"noise_rate": -1},
        {"shape": "a"},
        {"orthogonal": "no"},
        {"standardise": 1},
    ],
)
def test_priors_out_of_range_are_refused(options):
    with pytest.raises(InputError, match=next(iter(options))):
        Prior(**options)


def test_as_many_components_as_subjects_are_warned_of():
    options = {**SHORT, "n_warmup": 5, "n_draws": 5}
    with pytest.warns(UserWarning, match="48 components for 50 subjects: the image can account for all"):
        model = BIMA(BasisDecomposition(n_components=48), **options).fit_study(SMALL)
    assert any("priors alone decide" in told for told in model.diagnose().warnings)


def test_an_outcome_of_two_values_is_said_to_be_taken_for_a_number():
    options = {**SHORT, "n_warmup": 5, "n_draws": 5}
    for study, told in ((SMALL, False), (replace(SMALL, outcome=(SMALL.outcome > 0).astype(float)), True)):
        warned = BIMA(**options).fit_study(study).diagnose().warnings
        assert any("the outcome has two values" in one for one in warned) is told


def test_by_default_there_are_three_subjects_to_a_component():
    assert BIMA(**SHORT).fit_study(SMALL).basis_.n_components == 50 // 3


# What the answers are


@pytest.fixture(scope="module")
def unconfounded():
    """A study without an unobserved confounder, and both models of it."""
    study = simulate(n=200, side=8, confounding="none", random_state=5, direct_effect=1.0)
    options = {"n_chains": 2, "n_warmup": 300, "n_draws": 600, "n_jobs": 1, "random_state": 0}
    return study, [kind(**options).fit_study(study) for kind in (BASMU, BIMA)]


def test_without_a_confounder_both_models_agree(unconfounded):
    study, (basmu, bima) = unconfounded
    for name in ("nie_", "nde_", "te_"):
        with_it, without = getattr(basmu, name), getattr(bima, name)
        assert with_it.mean() == pytest.approx(without.mean(), abs=0.5 * without.std())
    for model in (basmu, bima):
        for draws, truth in ((model.nie_, study.nie), (model.nde_, study.nde), (model.te_, study.te)):
            assert draws.mean() == pytest.approx(truth, abs=3 * draws.std())


def test_the_total_effect_is_that_of_least_squares_where_priors_say_little(unconfounded):
    study, _ = unconfounded
    design = np.column_stack([np.ones(200), study.exposure, study.confounders])
    slope, covariance = ols(design, study.outcome)
    prior = Prior(direct_effect_sd=100.0)
    options = {"n_chains": 2, "n_warmup": 300, "n_draws": 600, "n_jobs": 1, "random_state": 0, "prior": prior}
    model = BIMA(BasisDecomposition(n_components=10), **options).fit_study(study)
    assert model.te_.mean() == pytest.approx(slope[1], abs=0.3 * covariance[1, 1] ** 0.5)


@pytest.mark.parametrize("nothing", ["alpha", "beta"])
def test_where_an_image_carries_nothing_the_interval_of_the_indirect_effect_has_nought(nothing):
    covered = 0
    for seed in range(4):
        rng = np.random.default_rng(seed)
        places = square_grid(6)
        bump = np.exp(-(places**2).sum(axis=1))
        exposure = rng.normal(size=120)
        alpha, beta = (bump * (nothing != name) for name in ("alpha", "beta"))
        mediators = np.outer(exposure, alpha) + rng.normal(size=(120, 36))
        outcome = mediators @ beta * 0.1 + 0.5 * exposure + rng.normal(size=120)
        model = BIMA(n_chains=2, n_warmup=200, n_draws=400, n_jobs=1, random_state=seed)
        model.fit(exposure, mediators, outcome, coordinates=places)
        lower, upper = np.quantile(model.nie_, [0.025, 0.975])
        covered += lower <= 0 <= upper
    assert covered >= 3


def ols(design, outcome):
    """Coefficients of least squares, and their covariance."""
    coefficients, residual, *_ = np.linalg.lstsq(design, outcome, rcond=None)
    noise = residual[0] / (len(outcome) - design.shape[1])
    return coefficients, noise * np.linalg.inv(design.T @ design)


def single(exposure, mediator, outcome, confounders=None):
    """BIMA with one mediator, whose prior says next to nothing of the direct effect and nothing of chance."""
    options = {"n_chains": 2, "n_warmup": 200, "n_draws": 2000, "n_jobs": 1, "random_state": 0}
    model = BIMA(BasisDecomposition(n_components=1), prior=Prior(direct_effect_sd=1e3), **options)
    return model.fit(exposure, np.asarray(mediator)[:, None], outcome, confounders)


def test_one_mediator_agrees_with_statsmodels():
    api = pytest.importorskip("statsmodels.api")
    mediation = pytest.importorskip("statsmodels.stats.mediation")
    rng = np.random.default_rng(0)
    data = pd.DataFrame({"treat": rng.integers(0, 2, 300).astype(float), "age": rng.normal(size=300)})
    data["emo"] = 0.8 * data.treat - 0.3 * data.age + rng.normal(size=300)
    data["attitude"] = 0.6 * data.emo + 0.4 * data.treat + 0.2 * data.age + rng.normal(size=300)
    told = api.add_constant(data[["emo", "treat", "age"]]).to_numpy()
    models = api.OLS(data.attitude.to_numpy(), told), api.OLS(data.emo.to_numpy(), told[:, [0, 2, 3]])
    theirs = mediation.Mediation(*models, (2, 1), 1).fit(method="parametric", n_rep=1000, rng=0).summary()
    model = single(data.treat, data.emo, data.attitude, data[["age"]])
    # They simulate the mediators of all subjects with and without the treatment, noise and all, and so must we.
    noise = models[0].fit().params[1] * models[1].fit().scale ** 0.5 * (2 / 300) ** 0.5
    simulated = noise * rng.standard_normal(len(model.nie_))
    found = {
        "ACME (average)": model.nie_ + simulated,
        "ADE (average)": model.nde_,
        "Total effect": model.te_ + simulated,
    }
    for row, draws in found.items():
        spread = draws.std()
        assert draws.mean() == pytest.approx(theirs.loc[row, "Estimate"], abs=0.15 * spread), row
        lower, upper = np.quantile(draws, [0.025, 0.975])
        near = 0.3 * spread  # with 1,000 repetitions a bound of theirs has a standard error of 0.085 of it
        assert lower == pytest.approx(theirs.loc[row, "Lower CI bound"], abs=near), row
        assert upper == pytest.approx(theirs.loc[row, "Upper CI bound"], abs=near), row


@pytest.mark.realdata
def test_one_mediator_agrees_with_pingouin(data_folder):
    pingouin = pytest.importorskip("pingouin")
    data = pd.read_csv(data_folder / "mediation" / "pingouin_mediation.csv")
    theirs = pingouin.mediation_analysis(data=data, x="X", m="M", y="Y", n_boot=500, seed=0).set_index("path")
    model = single(data.X, data.M, data.Y)
    for row, draws in (("Indirect", model.nie_), ("Direct", model.nde_), ("Total", model.te_)):
        assert draws.mean() == pytest.approx(theirs.loc[row, "coef"], abs=0.15 * draws.std()), row
        assert draws.std() == pytest.approx(theirs.loc[row, "se"], rel=0.15), row


def test_where_effects_may_overlap_by_chance_intervals_are_as_wide_as_those_of_least_squares():
    rng = np.random.default_rng(1)
    exposure = rng.normal(size=200)
    mediator = 0.5 * exposure + rng.normal(size=200)
    outcome = 0.5 * mediator + 0.3 * exposure + rng.normal(size=200)
    slope, covariance = ols(np.column_stack([np.ones(200), exposure]), outcome)
    model = single(exposure, mediator, outcome)
    assert model.te_.mean() == pytest.approx(slope[1], abs=0.15 * model.te_.std())
    assert model.te_.std() == pytest.approx(covariance[1, 1] ** 0.5, rel=0.1)


def test_the_sensitivity_has_a_row_for_the_prior_of_the_fit_which_agrees_with_it():
    study = simulate(n=120, side=8, confounding="none", random_state=2)
    options = {"n_chains": 2, "n_warmup": 300, "n_draws": 600, "n_jobs": 1, "random_state": 0}
    model = BIMA(**options).fit_study(study)
    table = model.sensitivity([0.1, 1.0, 100.0])
    assert table.direct_effect_sd.tolist() == [1.0, 0.1, 100.0]
    assert table.fitted.tolist() == [True, False, False]
    for name, draws in (("NIE", model.nie_), ("NDE", model.nde_), ("TE", model.te_)):
        assert table.loc[0, name] == pytest.approx(draws.mean(), abs=0.2 * draws.std()), name
    assert abs(table.loc[1, "NDE"]) < abs(table.loc[0, "NDE"])
    basmu = BASMU(**{**options, "n_warmup": 30, "n_draws": 40}).fit_study(study).sensitivity([1.0])
    assert basmu.inclusion.tolist() == ["beta(1, voxels)", "0.01", "0.5"]


@pytest.mark.realdata
def test_the_effects_that_the_authors_simulated_are_found(data_folder):
    held = read_r(data_folder / "mediation" / "one_region.rda")["one_region"]
    study = study_of_r(held, transposed=True, coordinates=square_grid(20))
    true = np.ravel(held["alpha_test_ST"]) * np.ravel(held["beta_test_ST"])
    basis = BasisDecomposition("modified_squared_exponential", degree=10)
    model = BIMA(basis, threshold=0.5, n_chains=2, n_jobs=1, random_state=0).fit_study(study)
    table = model.effects_table_.set_index("effect")
    assert table.loc["NIE", "lower"] < true.sum() < table.loc["NIE", "upper"]
    assert table.loc["NDE", "lower"] < 0.01 < table.loc["NDE", "upper"]
    assert true.sum() == pytest.approx(9.7386, abs=1e-4)
    chosen, there = model.select("pip"), true != 0
    assert (chosen & ~there).sum() <= 0.1 * chosen.sum()
    assert (chosen & there).sum() >= 0.9 * there.sum()


def test_an_exposure_in_other_units_changes_the_effects_and_not_what_is_mediated():
    data = study_of(*arguments_of(SMALL), coordinates=SMALL.coordinates)
    model = BIMA(prior=Prior(direct_effect_sd=5.0), **SHORT).fit_study(data)
    scaled = BIMA(prior=Prior(direct_effect_sd=0.5), **SHORT).fit_study(replace(data, exposure=data.exposure * 10))
    np.testing.assert_allclose(scaled.nie_, model.nie_ / 10, rtol=1e-6)
    np.testing.assert_allclose(scaled.proportion_mediated_, model.proportion_mediated_, rtol=1e-6)
