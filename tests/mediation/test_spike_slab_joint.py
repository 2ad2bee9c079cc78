"""What confounds unseen, nothing known: the joint law, calibration, quadrature and the literal sampler."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from mediation.confounded import FIXED, LEARNED, PRIOR, Study, dense, example, numbers
from mediation.montecarlo import (
    assert_calibrated,
    assert_mean,
    assert_same_law,
    assert_same_mean,
    joint_draws,
    log_gaussian,
    log_inverse_gamma,
    squares,
    steps,
)
from reference import mediation as basmu
from scipy.special import logsumexp

from latticework.mediation import spike_slab


@pytest.fixture(autouse=True)
def visited(monkeypatch):
    """Half of the voxels by a round, not one: whatever their number, the law stays as it is, and is found sooner."""
    monkeypatch.setattr(spike_slab, "VISITED", 0.5)


@pytest.mark.parametrize("hidden_prior", [FIXED, LEARNED], ids=["fixed", "learned"])
@pytest.mark.parametrize("plugged_in", [True, False], ids=["plugged in", "free"])
def test_a_step_leaves_the_joint_law_of_state_and_outcome_as_it_is(hidden_prior, plugged_in):
    rng, q = np.random.default_rng(1), 0 if plugged_in else 1
    study = Study(8, q, 6, plugged_in=plugged_in)

    def summary(both, outcome):
        state, hidden = both
        values = np.append(numbers(both), hidden.inclusion) if hidden_prior is LEARNED else numbers(both)
        if q:
            values = np.append(values, np.log(state.zeta))
        cross = [study.effects @ outcome @ hidden.projected, study.design @ outcome @ state.coefficients]
        mixed = hidden.projected[0] * np.arctan(state.coefficients[0])
        slab = np.arctan(hidden.effects @ hidden.effects / hidden.slab)
        return np.concatenate([values, np.arctan(values) ** 2, np.arctan(cross), [mixed, slab], hidden.effects != 0])

    assert_same_mean(
        *joint_draws(
            lambda: study.from_prior(hidden_prior, rng),
            lambda both: study.simulate(both, rng),
            lambda both, outcome: study.step(both, study.data(outcome), hidden_prior, rng),
            summary,
            3000,
        )
    )


def test_posteriors_are_calibrated():
    rng, study = np.random.default_rng(2), Study(10, 0, 6)
    assert_calibrated(
        lambda: study.from_prior(LEARNED, rng),
        lambda both: study.data(study.simulate(both, rng)),
        lambda both, data: study.step(both, data, LEARNED, rng),
        lambda both: np.append(np.delete(numbers(both), -1), [both[1].inclusion, both[0].coefficients[:4].sum()]),
        studies=100,
    )


def test_variances_and_inclusion_have_the_posterior_that_sums_and_quadrature_find():
    """Y ~ N(0, F diag(beta D, sd^2) F' + slab H Q' delta Q H' + noise), summed over delta, over a grid of variances."""
    study, rng = Study(8, 0, 4, seed=3), np.random.default_rng(3)
    start, outcome = example(study, seed=3)
    states = list(steps(lambda both: study.step(both, study.data(outcome), FIXED, rng), start, 5000))
    draws = np.array([np.log([state.beta, state.noise, hidden.slab]) for state, hidden in states])
    included = np.array([hidden.effects != 0 for _, hidden in states], float)

    axes = np.linspace(-3, 4.5, 21), np.linspace(-3, 4, 21), np.linspace(-1.5, 5, 21)
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    beta, noise, slab = np.exp(grid).T[:, :, None, None]
    y, individual, known = dense(study, replace(start[0], beta=1e-12, noise=0.0), outcome)
    images = individual @ study.q_matrix.T
    mediators = np.linalg.svd(np.ones((1, 8)))[2][1:] @ study.mediators.T
    base = known + beta * (mediators * study.basis.eigenvalues) @ mediators.T + noise * np.eye(7)
    every = np.array(list(product((0, 1), repeat=4)))
    log_weights = np.array([log_gaussian(y, base + slab * (images * delta) @ images.T) for delta in every])
    rates = (PRIOR.beta, 4), (PRIOR.noise, 4), (FIXED.rate, 4)
    log_weights += sum(log_inverse_gamma(x, shape, rate) for x, (rate, shape) in zip(grid.T, rates, strict=True))
    weights = np.exp(log_weights - logsumexp(log_weights))
    assert_mean(draws, weights.sum(axis=0) @ grid)
    assert_mean(squares(draws), weights.sum(axis=0) @ squares(grid))
    assert_mean(squares(included), weights.sum(axis=1) @ squares(every))


def test_draws_have_the_law_of_the_literal_sampler():
    study, rng = Study(14, 1, 6, seed=4), np.random.default_rng(5)
    start, outcome = example(study, seed=4, hidden_prior=LEARNED)
    laws = {
        "sigma2_beta": basmu.InverseGamma(4, PRIOR.beta),
        "sigma2_nu": basmu.InverseGamma(4, LEARNED.rate),
        "sigma2_y": basmu.InverseGamma(4, PRIOR.noise),
        "sigma2_zeta": basmu.InverseGamma(4, PRIOR.zeta),
    }
    literal_prior = basmu.OutcomePrior(
        **laws, pi=basmu.Beta(*LEARNED.inclusion), variance_of_gamma=PRIOR.direct_effect_sd**2
    )
    images = basmu.MediatorData(
        images=study.mediators.T @ study.q_matrix.T,
        exposure=study.given[0],
        covariates=study.given[1:].T,
        vectors=study.q_matrix,
        eigenvalues=study.basis.eigenvalues,
    )
    confounded = basmu.OutcomeData(outcome, study.effects.T @ study.q_matrix.T, images)
    run = basmu.run_outcome(confounded, literal_prior, rng, warmup=200, draws=5000)
    alpha = np.array([0.5, -1.0, 0.8, 0.3])  # of any first stage
    effects = run["nu"] * run["delta"]
    literal = [run["theta_beta"] @ alpha, run["gamma"], run["zeta"][:, 0], effects @ study.q_matrix @ alpha]
    literal += [(effects**2).sum(axis=1), run["pi"], run["delta"].sum(axis=1)]

    def summary(both):
        state, hidden = both
        powers = [hidden.effects @ hidden.effects, hidden.inclusion, np.count_nonzero(hidden.effects)]
        others = [state.beta, hidden.slab, state.noise, state.zeta]
        first = [state.coefficients[:4] @ alpha, *state.coefficients[4:], hidden.projected @ alpha]
        return np.concatenate([first, powers, others])

    data = study.data(outcome)
    states = list(steps(lambda both: study.step(both, data, LEARNED, rng), start, 4000))
    assert_same_law(np.array([summary(both) for both in states]), np.column_stack([*literal, *map(run.get, laws)]))
