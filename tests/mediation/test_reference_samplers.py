"""The literal samplers against closed forms, each other and their own priors, within Monte-Carlo error."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from mediation.montecarlo import assert_mean, assert_same_mean, joint_draws, repeated, squares, steps
from reference import mediation as basmu
from scipy.linalg import block_diag, null_space
from scipy.optimize import approx_fprime
from scipy.stats import multivariate_normal

TWO_REGIONS = ((slice(0, 3), slice(0, 2)), (slice(3, 6), slice(2, 4)))
IG = basmu.InverseGamma(4, 4)  # its logarithm has moments that few draws find
HIERARCHICAL = basmu.MediatorPrior(IG, IG, IG, IG)
KNOWN = basmu.MediatorPrior(1.3, 0.8, 1.5, 0.6)
OUTCOME_HIERARCHICAL = basmu.OutcomePrior(IG, IG, IG, IG, pi=basmu.Beta(2, 3), variance_of_gamma=0.7)
OUTCOME_KNOWN = basmu.OutcomePrior(0.5, 1.6, 0.3, 0.8, pi=0.35, variance_of_gamma=0.7)
VARIANCES = ("sigma2_alpha", "sigma2_m", "sigma2_eta", "sigma2_zeta")
OUTCOME_VARIANCES = ("sigma2_beta", "sigma2_nu", "sigma2_y", "sigma2_zeta")


def mediators(n, q, seed):
    """Six voxels in two regions of two components, images to be drawn."""
    rng = np.random.default_rng(seed)
    blocks = [np.linalg.qr(rng.standard_normal((3, 2)))[0] for _ in range(2)]
    exposure, covariates = rng.standard_normal(n), rng.standard_normal((n, q))
    return basmu.MediatorData(
        images=np.zeros((n, 6)),
        exposure=exposure - exposure.mean(),
        covariates=covariates - covariates.mean(axis=0),
        vectors=block_diag(*blocks),
        eigenvalues=np.array([1.4, 0.6, 1.0, 0.5]),
        regions=TWO_REGIONS,
    )


def with_images(data, prior, seed):
    rng = np.random.default_rng(seed)
    state = basmu.mediator_state_from_prior(data, prior, rng)
    return state, basmu.simulate_images(state, data, prior, rng)


def with_outcome(data, prior, seed):
    """An outcome of images whose confounder is known."""
    first, data = with_images(data, KNOWN, seed)
    rng = np.random.default_rng(seed + 1)
    data = basmu.OutcomeData(np.zeros(len(data.exposure)), first.theta_eta @ data.vectors.T, data)
    state = basmu.outcome_state_from_prior(data, prior, rng)
    return state, basmu.simulate_outcome(state, data, prior, rng)


def posterior(design, prior_variances, noise, y):
    """Mean and covariance of x in y = design x + noise, x_k ~ N(0, variance_k)."""
    covariance = np.linalg.inv(design.T @ design / noise + np.diag(1 / prior_variances))
    return covariance @ design.T @ y / noise, covariance


def without_mean(n):
    """An orthonormal basis of what a centred vector of n numbers can be, (n, n - 1)."""
    return null_space(np.ones((1, n)))


def mediator_posterior(data, prior, component):
    """Of α_l, ζ_l and the n - q - 2 free coordinates of η_l, whose basis is returned too."""
    constraint = np.column_stack([np.ones(len(data.exposure)), data.exposure, data.covariates])
    free = null_space(constraint.T)
    design = np.column_stack([data.exposure, data.covariates, free])
    variances = [prior.sigma2_alpha] + [prior.sigma2_zeta] * data.covariates.shape[1]
    variances = data.eigenvalues[component] * np.array(variances + [prior.sigma2_eta] * free.shape[1])
    basis = without_mean(len(data.exposure))
    scores = data.images @ data.vectors[:, component]
    return *posterior(basis.T @ design, variances, prior.sigma2_m, basis.T @ scores), free


def outcome_posterior(data, prior):
    """P(δ | Y) of every δ, and the mean and the mean of x xᵀ of x = (θ_β, γ, ζ_Y, ν), summed over them all."""
    mediators, basis, p = data.mediators, without_mean(len(data.outcome)), data.eta.shape[1]
    y = basis.T @ data.outcome
    variances = np.repeat(
        [prior.variance_of_gamma, prior.sigma2_zeta, prior.sigma2_nu], [1, mediators.covariates.shape[1], p]
    )
    variances = np.concatenate([prior.sigma2_beta * mediators.eigenvalues, variances])
    weights, means, second = [], [], []
    for delta in product((0, 1), repeat=p):
        scores = mediators.images @ mediators.vectors
        design = basis.T @ np.column_stack([scores, mediators.exposure, mediators.covariates, data.eta * delta])
        marginal = design @ np.diag(variances) @ design.T + prior.sigma2_y * np.eye(len(y))
        odds = prior.pi ** sum(delta) * (1 - prior.pi) ** (p - sum(delta))
        weights.append(odds * multivariate_normal.pdf(y, cov=marginal))
        mean, covariance = posterior(design, variances, prior.sigma2_y, y)
        means.append(mean)
        second.append(covariance + np.outer(mean, mean))
    weights = np.array(weights) / np.sum(weights)
    return weights, weights @ np.array(means), np.tensordot(weights, second, axes=1)


def test_first_stage_with_known_variances_finds_the_closed_form():
    rng = np.random.default_rng(1)
    state, data = with_images(mediators(n=8, q=2, seed=0), KNOWN, seed=0)
    states = list(steps(lambda state: basmu.mediator_step(state, data, KNOWN, rng), state, 6000))
    for component in range(4):
        mean, covariance, free = mediator_posterior(data, KNOWN, component)
        draws = np.array(
            [
                np.concatenate(
                    [
                        state.theta_alpha[[component]],
                        state.theta_zeta[:, component],
                        free.T @ state.theta_eta[:, component],
                    ]
                )
                for state in states
            ]
        )
        assert_mean(draws, mean)
        assert_mean(squares(draws - mean), covariance[np.triu_indices(len(mean))])


def test_every_draw_of_eta_is_orthogonal_to_the_intercept_the_exposure_and_the_covariates():
    rng = np.random.default_rng(2)
    start, data = with_images(mediators(n=30, q=3, seed=2), HIERARCHICAL, seed=2)
    constraint = np.column_stack([np.ones(30), data.exposure, data.covariates])
    for state in steps(lambda state: basmu.mediator_step(state, data, HIERARCHICAL, rng), start, 50):
        np.testing.assert_allclose(constraint.T @ state.theta_eta, 0, atol=1e-10)
        assert np.linalg.matrix_rank(state.theta_eta) == 4


def test_nu_of_more_voxels_than_subjects_has_its_gaussian_conditional():
    rng, prior = np.random.default_rng(12), replace(OUTCOME_KNOWN, pi=0.8)
    state, data = with_outcome(mediators(n=6, q=1, seed=12), prior, seed=12)
    vectors = rng.standard_normal((12, 4)) / 2
    data = replace(data, eta=data.eta @ data.mediators.vectors @ vectors.T)
    state = replace(state, nu=rng.standard_normal(12), delta=np.array([1.0, 1, 1, 1, 0, 1, 1, 1, 1, 1, 0, 1]))
    others = basmu.outcome_residual(replace(state, nu=np.zeros(12)), data, prior)
    mean, covariance = posterior(data.eta * state.delta, np.full(12, prior.sigma2_nu), prior.sigma2_y, others)
    draws = np.array(repeated(lambda: basmu.update_nu(state, data, prior, rng).nu, 4000))
    assert_mean(draws, mean)
    assert_mean(squares(draws - mean), covariance[np.triu_indices(12)])


def test_beta_has_its_gaussian_conditional():
    rng, prior = np.random.default_rng(14), OUTCOME_KNOWN
    state, data = with_outcome(mediators(n=9, q=1, seed=14), prior, seed=14)
    mixed = data.mediators.images @ (np.eye(6) + 0.7 * rng.standard_normal((6, 6)))  # correlated coefficients
    data = replace(data, mediators=replace(data.mediators, images=mixed))
    others = basmu.outcome_residual(replace(state, theta_beta=np.zeros(4)), data, prior)
    prior_variances = prior.sigma2_beta * data.mediators.eigenvalues
    mean, covariance = posterior(mixed @ data.mediators.vectors, prior_variances, prior.sigma2_y, others)
    draws = np.array(repeated(lambda: basmu.update_beta(state, data, prior, rng).theta_beta, 4000))
    assert_mean(draws, mean)
    assert_mean(squares(draws - mean), covariance[np.triu_indices(4)])


def test_scans_of_delta_given_nu_visit_every_delta_as_often_as_its_probability():
    rng, prior = np.random.default_rng(15), replace(OUTCOME_KNOWN, sigma2_y=3.0)
    state, data = with_outcome(mediators(n=12, q=1, seed=15), prior, seed=15)
    state = replace(state, nu=np.array([1.0, -0.8, 0.9, 1.2, 0.7, -1.1]))
    data = basmu.simulate_outcome(state, data, prior, rng)
    options = np.array(list(product((0.0, 1.0), repeat=6)))
    residuals = np.array([basmu.outcome_residual(replace(state, delta=delta), data, prior) for delta in options])
    logs = options @ np.full(6, np.log(prior.pi / (1 - prior.pi))) - np.sum(residuals**2, axis=1) / (2 * prior.sigma2_y)
    expected = np.exp(logs - logs.max()) / np.exp(logs - logs.max()).sum()
    draws = np.array([state.delta for state in steps(lambda s: basmu.update_delta(s, data, prior, rng), state, 8000)])
    likely = np.flatnonzero(expected > 0.004)
    assert len(likely) > 10
    codes = draws @ 2 ** np.arange(5, -1, -1)
    assert_mean((codes[:, None] == likely).astype(float), expected[likely])


def test_langevin_steps_leave_a_gaussian_of_twenty_dimensions_as_it_is():
    rng, variances, theta = np.random.default_rng(13), np.linspace(0.7, 2, 20), np.zeros(20)
    draws = np.empty((20000, 20))
    for k in range(len(draws)):
        theta, _ = basmu.mala(theta, lambda x: -np.sum(x**2 / variances) / 2, lambda x: -x / variances, 0.3, rng)
        draws[k] = theta
    assert_mean(draws[1000:] ** 2, variances)


def test_both_stages_with_known_variances_find_the_sum_over_every_delta():
    rng = np.random.default_rng(3)
    _, data = with_outcome(mediators(n=10, q=2, seed=3), OUTCOME_KNOWN, seed=3)
    images, outcome = data.mediators, data.outcome
    first, second, data, effects = basmu.run(images, outcome, (KNOWN, OUTCOME_KNOWN), rng, warmup=100, draws=8000)
    weights, mean, second_moment = outcome_posterior(data, OUTCOME_KNOWN)

    codes = second["delta"] @ 2 ** np.arange(5, -1, -1)
    likely = np.flatnonzero(weights > 0.004)
    assert len(likely) > 10
    assert_mean((codes[:, None] == likely).astype(float), weights[likely])

    draws = np.column_stack([second["theta_beta"], second["gamma"], second["zeta"], second["nu"]])
    assert_mean(draws, mean)
    assert_mean(squares(draws), second_moment[np.triu_indices(len(mean))])

    alpha = np.array([mediator_posterior(images, KNOWN, component)[0][0] for component in range(4)])
    assert_mean(first["theta_alpha"], alpha)
    assert_mean(effects["nie"], alpha @ mean[:4])
    assert_mean(effects["nde"], mean[4])


@pytest.mark.parametrize("threshold", [0, 0.4])
def test_gradients_are_those_of_the_log_densities(threshold):
    prior = replace(HIERARCHICAL, threshold=threshold)
    state, data = with_images(mediators(n=9, q=1, seed=4), prior, seed=4)
    outcome_prior = replace(OUTCOME_HIERARCHICAL, threshold=threshold)
    outcome_state, outcome = with_outcome(mediators(n=9, q=1, seed=4), outcome_prior, seed=4)
    for region in TWO_REGIONS:
        for log_density, gradient in (
            basmu.alpha_target(state, data.images @ data.vectors, data, prior, region),
            basmu.beta_target(outcome_state, outcome, outcome_prior, region),
        ):
            theta = np.array([1.1, -0.9])
            voxels = np.abs(data.vectors[region] @ theta)
            assert np.abs(voxels - threshold).min() > 1e-3
            found = approx_fprime(theta, log_density, 1e-7)
            np.testing.assert_allclose(gradient(theta), found, rtol=1e-5, atol=1e-5)


def test_langevin_and_exact_updates_of_the_first_stage_agree():
    _, data = with_images(mediators(n=12, q=1, seed=5), HIERARCHICAL, seed=5)
    names = ("theta_alpha", "theta_zeta", *VARIANCES)
    draws = {}
    for tau in (None, np.full(2, 0.01 / 12)):
        run = basmu.run_mediators(data, HIERARCHICAL, np.random.default_rng(6), warmup=1000, draws=5000, tau=tau)
        draws[tau is None] = np.column_stack([run[name].reshape(5000, -1) for name in names])
    assert np.all(np.abs(run["accepted"].mean(axis=0) - basmu.TARGET) < 0.15)
    assert_same_mean(draws[True], draws[False])
    assert_same_mean(squares(draws[True][:, :8]), squares(draws[False][:, :8]))


def test_langevin_and_exact_updates_of_the_second_stage_agree():
    _, data = with_outcome(mediators(n=12, q=1, seed=7), OUTCOME_HIERARCHICAL, seed=7)
    names = ("theta_beta", "gamma", "zeta", "nu", "delta", "pi", *OUTCOME_VARIANCES)
    draws = {}
    for tau in (None, np.full(2, 0.01 / 12)):
        run = basmu.run_outcome(data, OUTCOME_HIERARCHICAL, np.random.default_rng(8), warmup=1000, draws=5000, tau=tau)
        draws[tau is None] = np.column_stack([run[name].reshape(5000, -1) for name in names])
    assert np.all(np.abs(run["accepted"].mean(axis=0) - basmu.TARGET) < 0.15)
    assert_same_mean(draws[True], draws[False])
    assert_same_mean(squares(draws[True][:, :6]), squares(draws[False][:, :6]))


@pytest.mark.parametrize("threshold, tau", [(0, None), (0.4, np.array([0.1, 0.2]))], ids=["exact", "langevin"])
def test_first_stage_leaves_the_joint_law_of_state_and_images_as_it_is(threshold, tau):
    rng, prior = np.random.default_rng(9), replace(HIERARCHICAL, threshold=threshold)
    data = mediators(n=6, q=1, seed=9)

    def summary(state, data):
        numbers = [state.theta_alpha, state.theta_alpha**2, state.theta_zeta[0], state.theta_zeta[0] ** 2]
        numbers += [state.theta_eta[:2, 0], np.mean(state.theta_eta**2, axis=0)]
        logs = [getattr(state, name) for name in VARIANCES] + [np.mean(data.images**2)]
        cross = [np.mean(data.images * state.theta_eta[:, :1]), data.exposure @ data.images @ data.vectors[:, 0]]
        return np.concatenate([*numbers, np.log(logs), cross])

    assert_same_mean(
        *joint_draws(
            lambda: basmu.mediator_state_from_prior(data, prior, rng),
            lambda state: basmu.simulate_images(state, data, prior, rng),
            lambda state, data: basmu.mediator_step(state, data, prior, rng, tau),
            summary,
            5000,
        )
    )


@pytest.mark.parametrize("threshold, tau", [(0, None), (0.6, np.array([0.05, 0.1]))], ids=["exact", "langevin"])
def test_second_stage_leaves_the_joint_law_of_state_and_outcome_as_it_is(threshold, tau):
    rng, prior = np.random.default_rng(10), replace(OUTCOME_HIERARCHICAL, threshold=threshold)
    _, data = with_outcome(mediators(n=6, q=1, seed=10), prior, seed=10)

    def summary(state, data):
        numbers = [state.theta_beta, state.theta_beta**2, [state.gamma, state.gamma**2], state.zeta, state.zeta**2]
        numbers += [state.nu[:2], state.nu * state.delta, state.nu**2 * state.delta, state.delta, [state.pi]]
        logs = [getattr(state, name) for name in OUTCOME_VARIANCES] + [np.mean(data.outcome**2)]
        cross = [state.gamma * (data.outcome @ data.mediators.exposure), state.theta_beta[0] * state.gamma]
        return np.concatenate([*numbers, np.log(logs), cross])

    assert_same_mean(
        *joint_draws(
            lambda: basmu.outcome_state_from_prior(data, prior, rng),
            lambda state: basmu.simulate_outcome(state, data, prior, rng),
            lambda state, data: basmu.outcome_step(state, data, prior, rng, tau),
            summary,
            5000,
        )
    )


def test_a_threshold_without_a_step_size_is_refused():
    _, data = with_outcome(mediators(n=6, q=1, seed=11), OUTCOME_KNOWN, seed=11)
    rng = np.random.default_rng(11)
    with pytest.raises(ValueError, match="give tau"):
        basmu.run_mediators(data.mediators, replace(KNOWN, threshold=0.1), rng, warmup=0, draws=1)
    with pytest.raises(ValueError, match="give tau"):
        basmu.run_outcome(data, replace(OUTCOME_KNOWN, threshold=0.1), rng, warmup=0, draws=1)
