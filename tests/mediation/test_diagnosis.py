"""Every figure of a diagnosis, computed in another way."""

from dataclasses import replace

import numpy as np
import pytest

from latticework.mediation import BASMU, BIMA, BasisDecomposition, Prior, simulate

STUDY = simulate(n=60, side=8, random_state=3, sigma_outcome=20.0)
SHORT = {"n_chains": 2, "n_warmup": 100, "n_draws": 150, "n_jobs": 1, "random_state": 0}
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def centred(values):
    return values - values.mean(axis=0)


@pytest.fixture(scope="module")
def model():
    return BASMU(**SHORT).fit_study(STUDY)


def test_the_total_effect_and_what_is_known_of_the_exposure_are_those_of_least_squares(model):
    api = pytest.importorskip("statsmodels.api")
    found = model.diagnose()
    fitted = api.OLS(STUDY.outcome, api.add_constant(np.column_stack([STUDY.exposure, STUDY.confounders]))).fit()
    assert found.total == pytest.approx((fitted.params[1], fitted.bse[1]))
    exposure = api.OLS(STUDY.exposure, api.add_constant(STUDY.confounders)).fit()
    assert found.exposure_known == pytest.approx(exposure.rsquared)


def test_effects_without_a_confounder_are_a_ridge_regression_with_the_variances_of_the_draws(model):
    posterior, components = model.posterior_, model.basis_.n_components
    mediators = model.basis_.project(centred(STUDY.mediators))
    design = np.column_stack([mediators, centred(STUDY.exposure), centred(STUDY.confounders)])
    noise, beta = ((posterior.sigmas[name] ** 2).mean() for name in ("sigma_outcome", "sigma_beta"))
    penalty = np.concatenate([1 / (beta * model.basis_.eigenvalues), np.zeros(design.shape[1] - components)])
    covariance = np.linalg.inv(design.T @ design / noise + np.diag(penalty))
    mean = covariance @ design.T @ centred(STUDY.outcome) / noise
    alpha = posterior.alpha.reshape(-1, components)
    draws, average = alpha @ mean[:components], alpha.mean(axis=0)
    error = (draws.var() + average @ covariance[:components, :components] @ average) ** 0.5
    found = model.diagnose().unconfounded
    assert found["NIE"] == pytest.approx((draws.mean(), error), rel=1e-3)
    assert found["NDE"] == pytest.approx((mean[components], covariance[components, components] ** 0.5), rel=1e-3)


def test_the_share_of_the_prior_is_that_of_its_precision_in_the_posteriors():
    for sd, low, high in ((0.05, 0.8, 1.0), (1e3, 0.0, 0.01)):
        model = BIMA(prior=Prior(direct_effect_sd=sd), **SHORT).fit_study(STUDY)
        found = model.diagnose()
        assert found.prior_sd == sd
        assert found.prior_share == pytest.approx(min(1.0, model.nde_.var() / sd**2), rel=0.02)
        assert low <= found.prior_share <= high


@pytest.mark.filterwarnings("ignore:.*components for 60 subjects")
def test_individual_effects_add_nothing_to_the_rank(model):
    known = 1 + STUDY.confounders.shape[1]
    found = model.diagnose()
    assert (found.unknowns, found.equations) == (model.basis_.n_components + known, known)
    assert found.rank == found.rank_with_effects == found.unknowns
    many = BASMU(BasisDecomposition(n_components=62), **{**SHORT, "n_warmup": 5, "n_draws": 5}).fit_study(STUDY)
    found = many.diagnose()
    assert (found.rank, found.rank_with_effects, found.unknowns) == (59, 59, 62 + known)


def test_the_condition_is_that_of_the_equations_and_tells_of_an_exposure_that_confounders_know(model):
    api = pytest.importorskip("statsmodels.api")
    regressors = np.column_stack([STUDY.exposure, STUDY.confounders])
    scores = model.basis_.project(STUDY.mediators)
    slopes = api.OLS(scores, api.add_constant(regressors / regressors.std(axis=0))).fit().params[1:].T
    expected = np.linalg.cond(model.posterior_.shrinkage[:, None] * slopes)
    assert model.diagnose().condition == pytest.approx(expected)
    nearly = STUDY.confounders[:, 0] + 1e-3 * STUDY.exposure
    other = BASMU(**{**SHORT, "n_warmup": 5, "n_draws": 5}).fit_study(replace(STUDY, exposure=nearly))
    assert other.diagnose().condition > 30 * expected


def test_a_confounder_as_strong_as_the_tipping_factor_says_makes_the_indirect_effect_all_bias(model):
    bias = model.bias_if_omitted()
    tipped = model.bias_if_omitted(bias.tipping * model.beta_)
    assert tipped.nie["mean"] == pytest.approx(model.nie_.mean())
    assert tipped.nde["mean"] == pytest.approx(-model.nie_.mean())
