"""What a diagnosis says, by computations written out plainly; and what a fit asks for before it draws anything."""

import sys
from dataclasses import replace

import numpy as np
import pytest
import statsmodels.api as sm
from mediation.confounded import SHRINKAGE
from mediation.conftest import SHORT
from mediation.posteriors import BASIS, posterior_of
from scipy.stats import norm

from latticework.core.errors import MissingExtraError
from latticework.mediation import BASMU, BIMA, Prior, fitting
from latticework.mediation.basis import Basis, Block
from latticework.mediation.diagnosis import condition_number, diagnose, total_effect, unconfounded
from latticework.mediation.effects import NDE, NIE
from latticework.mediation.preparation import prepare
from latticework.mediation.report import findings
from latticework.mediation.scan import compiled
from latticework.mediation.sensitivity import sweep_table

DENSE = BASIS.expand(np.eye(4)).T  # voxels x components
LARGE = Basis((Block("all", np.arange(16), np.eye(16), np.linspace(2, 0.1, 16)),), 16)


class Study:
    """Data as a user has them, in units that are nowhere 1, and what is prepared of them."""

    def __init__(self, n=40, q=2, *, near=None, basis=BASIS):
        rng = np.random.default_rng(0)
        self.confounders = rng.standard_normal((n, q)) * np.array([0.5, 20.0, 3.0])[:q] + 5
        self.exposure = 3 * rng.standard_normal(n) + 0.4 * self.confounders.sum(axis=1)
        if near is not None:  # nearly the first confounder
            self.exposure = 7 * self.confounders[:, 0] + near * rng.standard_normal(n)
        self.mediators = 4 * rng.standard_normal((n, basis.n_voxels)) + 0.2 * self.exposure[:, None]
        outcome = self.mediators.sum(axis=1) + 2 * self.exposure - self.confounders.sum(axis=1)
        self.outcome = 50 * outcome + 500 * rng.standard_normal(n)
        self.prepared = prepare(self.exposure, self.mediators, self.outcome, self.confounders, basis)


@pytest.mark.parametrize("q", [0, 2])
def test_the_total_effect_and_its_error_are_those_of_ordinary_least_squares(q):
    study = Study(q=q)
    design = sm.add_constant(np.column_stack([study.exposure, study.confounders]))
    fit = sm.OLS(study.outcome, design).fit()
    assert total_effect(study.prepared) == pytest.approx((fit.params[1], fit.bse[1]), rel=1e-9)


@pytest.mark.parametrize("q", [0, 2])
def test_the_exposure_is_known_as_well_as_a_regression_on_the_confounders_knows_it(q):
    study = Study(q=q)
    wanted = sm.OLS(study.exposure, sm.add_constant(study.confounders)).fit().rsquared if q else 0.0
    assert diagnose(posterior_of(), study.prepared, Prior()).exposure_known == pytest.approx(wanted, abs=1e-12)


@pytest.mark.parametrize("left, warned", [(2e-4, False), (5e-5, True)])
def test_an_exposure_of_which_confounders_leave_less_than_a_ten_thousandth_is_warned_of(left, warned):
    study = Study()
    others = sm.add_constant(study.confounders)
    new = study.exposure - others @ np.linalg.lstsq(others, study.exposure, rcond=None)[0]
    same = study.confounders[:, 0]
    exposure = same + new / new.std() * same.std() * (left / (1 - left)) ** 0.5
    prepared = prepare(exposure, study.mediators, study.outcome, study.confounders, BASIS)
    found = diagnose(posterior_of(), prepared, Prior())
    assert 1 - found.exposure_known == pytest.approx(left, rel=1e-6)
    assert any("nearly all of the exposure" in told for told in found.warnings) == warned


@pytest.mark.parametrize("q", [0, 2])
def test_without_a_confounder_and_with_a_flat_prior_effects_are_those_of_a_penalised_regression(q):
    """Of Y on the image's coefficients, exposure and confounders, of which the coefficients alone are penalised."""
    study, posterior = Study(q=q), posterior_of()
    centred = study.mediators - study.mediators.mean(axis=0)
    design = np.column_stack([centred @ DENSE, study.exposure, study.confounders])
    design = design - design.mean(axis=0)
    beta, noise = ((posterior.sigmas[name] ** 2).mean() for name in ("sigma_beta", "sigma_outcome"))
    penalty = np.concatenate([noise / (beta * BASIS.eigenvalues), np.zeros(q + 1)])
    inverse = np.linalg.inv(design.T @ design + np.diag(penalty))
    mean, covariance = inverse @ design.T @ study.outcome, noise * inverse
    alpha = posterior.alpha.reshape(-1, 4)
    indirect = alpha @ mean[:4]
    spread = indirect.var() + alpha.mean(axis=0) @ covariance[:4, :4] @ alpha.mean(axis=0)
    found = unconfounded(posterior, study.prepared)
    assert found[NIE] == pytest.approx((indirect.mean(), spread**0.5), rel=1e-5)
    assert found[NDE] == pytest.approx((mean[4], covariance[4, 4] ** 0.5), rel=1e-5)
    assert min(map(abs, found[NIE] + found[NDE])) > 0.1  # else they would agree with anything


@pytest.mark.parametrize("errors, warned", [(1.9, False), (2.1, True), (-2.1, True)])
def test_a_confounder_that_moves_more_than_two_standard_errors_is_warned_of(errors, warned):
    study, posterior = Study(), posterior_of()
    _, error = unconfounded(posterior, study.prepared)[NIE]
    none = replace(posterior, projected=np.ones_like(posterior.alpha))
    confounded = replace(none, projected=none.projected * errors * error / none.moved().mean())
    told = diagnose(confounded, study.prepared, Prior()).warnings
    assert any(f"the unobserved confounder moves {errors * error:.3g} from NIE to NDE" in one for one in told) == warned
    assert not any("unobserved confounder" in one for one in diagnose(posterior, study.prepared, Prior()).warnings)


@pytest.mark.parametrize("values", [1, 2, 3])
def test_an_outcome_of_two_values_is_taken_for_a_number_which_is_told(values):
    prepared = Study().prepared
    outcome = np.resize(np.arange(values), len(prepared.outcome)) - 0.5
    told = diagnose(posterior_of(), replace(prepared, outcome=outcome), Prior()).warnings
    assert any("the outcome has two values" in one for one in told) == (values == 2)


@pytest.mark.parametrize("sd, error", [(2.0, 0.5), (30.0, 60.0)])
def test_the_share_of_the_prior_is_that_of_its_precision_where_the_direct_effect_is_conjugate(sd, error):
    """Of a normal mean with a normal prior, told by an estimate of a known standard error."""
    precision = sd**-2 + error**-2
    quantiles = norm.ppf((np.arange(4000) + 0.5) / 4000)
    draws = 3.0 * error**-2 / precision + precision**-0.5 * np.random.default_rng(1).permutation(quantiles)
    found = diagnose(posterior_of(draws.reshape(2, 2000)), Study().prepared, Prior(direct_effect_sd=sd))
    share = sd**-2 / precision
    assert found.prior_share == pytest.approx(share, rel=0.01)  # tails are cut
    assert found.prior_sd == sd
    assert any("is its prior's" in told for told in found.warnings) == (share > 0.5)


def test_the_share_of_the_prior_is_never_more_than_all():
    posterior = posterior_of(9 * np.random.default_rng(2).standard_normal((2, 100)))
    assert diagnose(posterior, Study().prepared, Prior(direct_effect_sd=1.0)).prior_share == 1


@pytest.mark.parametrize("basis, n, rank", [(BASIS, 40, 7), (BASIS, 7, 6), (LARGE, 40, 19), (LARGE, 10, 9)])
def test_individual_effects_add_nothing_to_the_rank_of_what_they_are_made_of(basis, n, rank):
    """Components, an exposure and 2 confounders, but no more than one less than there are subjects."""
    found = diagnose(posterior_of(basis=basis), Study(n, basis=basis).prepared, Prior())
    components = basis.n_components
    assert (found.subjects, found.components, found.unknowns, found.equations) == (n, components, components + 3, 3)
    assert (found.rank, found.rank_with_effects) == (rank, rank)


def test_a_component_that_repeats_another_does_not_count():
    prepared = Study().prepared
    twice = replace(prepared, mediators=prepared.mediators[[0, 1, 2, 2]])
    found = diagnose(posterior_of(), twice, Prior())
    assert (found.unknowns, found.rank, found.rank_with_effects) == (7, 6, 6)


@pytest.mark.parametrize("q", [0, 2])
def test_the_condition_number_is_that_of_the_equations_as_they_are_stated(q):
    study = Study(q=q)
    design = np.column_stack([study.exposure, study.confounders])
    design = (design - design.mean(axis=0)) / design.std(axis=0)
    theta = np.array([np.linalg.inv(design.T @ design) @ design.T @ m for m in (study.mediators @ DENSE).T])
    sizes = np.linalg.eigvalsh(theta.T @ np.diag(SHRINKAGE**2) @ theta) ** 0.5
    found = diagnose(posterior_of(), study.prepared, Prior()).condition
    assert found == pytest.approx(sizes[-1] / sizes[0], rel=1e-9)
    in_data_units = study.prepared.in_units(replace(study.prepared.units, exposure=1.0, mediators=1.0))
    assert diagnose(posterior_of(), in_data_units, Prior()).condition == pytest.approx(found, rel=1e-9)


def test_the_condition_number_grows_as_an_exposure_comes_to_repeat_a_confounder():
    conditions = []
    for near in (1.0, 0.1, 0.01):
        prepared = Study(n=200, near=near).prepared
        conditions.append(condition_number(prepared.mediators, prepared.regressors, SHRINKAGE))
    assert conditions[0] < findings.ILL_CONDITIONED < conditions[1]
    assert conditions[2] == pytest.approx(10 * conditions[1], rel=0.3)


def test_equations_that_see_nothing_of_the_confounder_have_no_condition_number():
    prepared = Study().prepared
    assert condition_number(0 * prepared.mediators, prepared.regressors, SHRINKAGE) == np.inf


@pytest.mark.parametrize("condition, large", [(29.0, False), (31.0, True)])
def test_a_page_says_what_a_large_condition_number_is(condition, large):
    found = diagnose(posterior_of(), Study().prepared, Prior())
    told = findings.equations(replace(found, condition=condition))
    assert f"is {condition:.0f}; above 30" in told
    assert ("nearly repeat each other" in told) == large


def test_an_effect_that_is_nought_in_every_draw_is_no_disagreement_of_chains():
    posterior = replace(posterior_of(), thresholds=(1e3, 0.0))
    found = diagnose(posterior, Study().prepared, Prior())
    assert found.constant == ("NIE",)
    assert found.warnings[0].startswith("NIE is the same in every draw: is the threshold above all effects?")
    assert not any("disagree about NIE" in told for told in found.warnings)
    assert not findings.unreliable(found)
    assert sweep_table([Prior()], [posterior], Prior()).rhat.item() == found.rhat[NDE]


def test_draws_of_which_nothing_is_known_are_no_agreement_of_chains():
    unknown = posterior_of(np.where(np.eye(2, 100), np.nan, 1.0))
    assert np.isnan(sweep_table([Prior()], [unknown], Prior()).rhat.item())
    assert findings.unreliable(diagnose(unknown, Study().prepared, Prior()))


@pytest.mark.parametrize("name", ["basmu", "thresholded"])
def test_at_the_tipping_factor_a_confounder_like_the_image_accounts_for_all_of_the_indirect_effect(name, request):
    model = request.getfixturevalue(name)
    tipping = model.bias_if_omitted().tipping
    bias = model.bias_if_omitted(tipping * model.beta_)
    assert bias.nie["mean"] == pytest.approx(model.nie_.mean(), rel=1e-9)
    assert bias.nde["mean"] == pytest.approx(-model.nie_.mean(), rel=1e-9)
    basis, posterior = model.basis_, model.posterior_
    dense = basis.expand(np.eye(basis.n_components)).T
    taken_up = dense @ np.diag(posterior.shrinkage) @ dense.T @ model.beta_  # by the image's coefficients
    assert tipping == pytest.approx(model.nie_.mean() / (model.alpha_ @ taken_up), rel=1e-9)


@pytest.mark.parametrize("module", ["arviz", "pandas", "numba"])
@pytest.mark.parametrize("kind", [BASMU, BIMA])
def test_what_a_fit_needs_after_its_draws_is_asked_for_before_them(module, kind, flat_study, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)

    class Drawn(Exception):
        """Chains have begun."""

    def draw(*_):
        raise Drawn

    monkeypatch.setattr(fitting, "draw", draw)
    model = kind(**SHORT)
    with pytest.raises(Drawn if (module, kind) == ("numba", BIMA) else MissingExtraError):
        model.fit_study(flat_study)
    assert not hasattr(model, "basis_")


def test_where_nothing_can_be_written_loops_are_compiled_without_being_kept(monkeypatch):
    from numba.core import caching, config

    if config.DISABLE_JIT:
        pytest.skip("numba is told to compile nothing")
    monkeypatch.setattr(caching.CacheImpl, "_locator_classes", [])  # none of its places can be written

    def doubled(values):
        for place in range(len(values)):
            values[place] *= 2

    values = np.arange(3.0)
    compiled(doubled)(values)
    np.testing.assert_array_equal(values, [0, 2, 4])
    assert len(compiled(doubled).signatures) == 1  # by numba
