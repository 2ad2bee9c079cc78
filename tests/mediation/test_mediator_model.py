"""Stage one's collapsed sampler: closed forms, literal arithmetic, the literal sampler, and its own joint law."""

from dataclasses import astuple, replace

import numpy as np
import pytest
from mediation.designs import EIGENVALUES, centred, regressors
from mediation.montecarlo import (
    assert_calibrated,
    assert_mean,
    assert_same_law,
    assert_same_mean,
    joint_draws,
    log_gaussian,
    log_inverse_gamma,
    repeated,
    squares,
    steps,
)
from reference import mediation as basmu
from scipy.stats import ks_2samp

from latticework.mediation import mediator_model
from latticework.mediation.mediator_model import MediatorData, MediatorPrior, MediatorState, misfit, residual_of

PRIOR = MediatorPrior(shape=4.0, alpha=3.0, noise=2.0, eta=5.0, zeta=4.0)
VARIANTS = [
    replace(PRIOR, orthogonal=orthogonal, fixed_zeta=zeta) for orthogonal in (True, False) for zeta in (None, 0.6)
]
NAMES = ["orthogonal", "orthogonal, fixed", "free", "free, fixed"]


def from_prior(prior, q, rng, eigenvalues=EIGENVALUES):
    alpha, noise, eta, zeta = (
        rate / rng.gamma(prior.shape) for rate in (prior.alpha, prior.noise, prior.eta, prior.zeta)
    )
    zeta = zeta if prior.fixed_zeta is None else prior.fixed_zeta
    variances = np.outer(eigenvalues, [alpha] + [zeta] * q)
    return MediatorState(np.sqrt(variances) * rng.standard_normal(variances.shape), alpha, noise, eta, zeta)


def simulate(state, given, prior, rng, eigenvalues=EIGENVALUES):
    """Mediators, with individual effects drawn; all without mean."""
    shape = (len(eigenvalues), given.shape[1])
    effects = centred(rng.standard_normal(shape))
    if prior.orthogonal:
        effects = effects - effects @ np.linalg.pinv(given) @ given
    effects = np.sqrt(state.eta * eigenvalues)[:, None] * effects
    return state.coefficients @ given + effects + np.sqrt(state.noise) * centred(rng.standard_normal(shape))


def example(n=12, q=2, prior=PRIOR, seed=0):
    rng, given = np.random.default_rng(seed + 100), regressors(n, q, seed)
    state = from_prior(prior, q, rng)
    return given, simulate(state, given, prior, rng), state


def numbers(state, *, zeta=True):
    variances = [state.alpha, state.noise, state.eta] + [state.zeta] * zeta
    return np.concatenate([state.coefficients.ravel(), np.log(variances)])


@pytest.mark.parametrize("q", [0, 3])
def test_data_are_literal_products(q):
    given, mediators, _ = example(n=9, q=q)
    data = MediatorData.of(mediators, given, EIGENVALUES)
    projection = np.linalg.pinv(given) @ given
    explained, residual = mediators @ projection, mediators @ (np.eye(9) - projection)
    np.testing.assert_allclose(data.products, mediators @ given.T, atol=1e-12)
    np.testing.assert_allclose(data.gram, given @ given.T, atol=1e-12)
    np.testing.assert_allclose(data.explained, (explained**2).sum(axis=1), rtol=1e-12)
    np.testing.assert_allclose(data.residual, (residual**2).sum(axis=1), rtol=1e-12)
    assert data.dimensions == 9 - 1 - np.linalg.matrix_rank(given)


def test_the_residual_is_orthogonal_to_the_intercept_the_exposure_and_the_confounders():
    given, mediators, _ = example(n=40, q=4)
    given[4] = given[3] + 1e-3 * given[4]  # nearly collinear
    residual = residual_of(mediators, given)
    np.testing.assert_allclose(residual @ np.vstack([np.ones(40), given]).T, 0, atol=1e-10)
    np.testing.assert_allclose(residual_of(residual, given), residual, atol=1e-10)


def test_with_given_effects_of_the_exposure_only_the_confounders_are_fitted():
    given, mediators, _ = example(n=40, q=2)
    alpha = np.arange(1.0, len(mediators) + 1)
    without = mediators - alpha[:, None] * given[0]
    expected = [row - given[1:].T @ np.linalg.lstsq(given[1:].T, row, rcond=None)[0] for row in without]
    np.testing.assert_allclose(residual_of(mediators, given, alpha), expected, atol=1e-10)


def test_misfit_is_the_squared_length_of_what_coefficients_leave_of_the_projection():
    given, mediators, state = example()
    data = MediatorData.of(mediators, given, EIGENVALUES)
    left = mediators @ np.linalg.pinv(given) @ given - state.coefficients @ given
    np.testing.assert_allclose(misfit(data, state.coefficients), (left**2).sum(axis=1), rtol=1e-10)
    exact = np.linalg.solve(data.gram, data.products.T).T
    np.testing.assert_allclose(misfit(data, exact), 0, atol=1e-10)
    assert (misfit(data, exact) >= 0).all()


@pytest.mark.parametrize("q", [0, 2])
@pytest.mark.parametrize("orthogonal", [True, False])
def test_coefficients_have_their_gaussian_conditional(q, orthogonal):
    prior = replace(PRIOR, orthogonal=orthogonal)
    given, mediators, state = example(n=8, q=q, prior=prior)
    data, rng = MediatorData.of(mediators, given, EIGENVALUES), np.random.default_rng(1)
    draws = np.array(repeated(lambda: mediator_model.draw_coefficients(data, state, prior, rng), 6000))
    for component, eigenvalue in enumerate(EIGENVALUES):
        noise = state.noise + (0 if orthogonal else state.eta * eigenvalue)
        precision = given @ given.T / noise + np.diag(1 / (eigenvalue * np.array([state.alpha] + [state.zeta] * q)))
        covariance = np.linalg.inv(precision)
        mean = covariance @ given @ mediators[component] / noise
        assert_mean(draws[:, component], mean)
        assert_mean(squares(draws[:, component] - mean), covariance[np.triu_indices(q + 1)])
    error = draws - draws.mean(axis=0)
    assert_mean(error[:, 0, 0] * error[:, 1, 0], 0.0)  # components have nothing to do with each other


@pytest.mark.parametrize("dimensions", [1, 2, 9])
def test_sums_of_squares_are_those_of_individual_effects_that_are_drawn(dimensions):
    rng, shrinkage, noise = np.random.default_rng(2), np.array([0.9, 0.5, 0.05]), 1.7
    residual = rng.standard_normal((3, dimensions)) * np.array([[2.0], [0.5], [1.0]])
    power = (residual**2).sum(axis=1)
    drawn = repeated(lambda: mediator_model.draw_sums(power, dimensions, shrinkage, noise, rng), 4000)
    individual, rest = (np.array(some) for some in zip(*drawn, strict=True))
    effects = np.sqrt(shrinkage * noise)[:, None] * rng.standard_normal((4000, 3, dimensions))
    effects += shrinkage[:, None] * residual
    pairs = (individual, (effects**2).sum(axis=2)), (rest, ((residual - effects) ** 2).sum(axis=2))
    for found, expected in pairs:
        for component in range(3):
            assert ks_2samp(found[:, component], expected[:, component]).pvalue > 1e-4
    assert_same_mean(individual * rest, pairs[0][1] * pairs[1][1])


@pytest.mark.parametrize("prior", VARIANTS[1::2], ids=NAMES[1::2])
def test_variances_have_the_marginal_posterior_that_quadrature_finds(prior):
    """Three variances, the confounders' known: M*_l ~ N(0, alpha D_l XX' + zeta D_l CC' + eta D_l P + noise)."""
    given, mediators, state = example(n=7, q=1, prior=prior, seed=3)
    data, rng = MediatorData.of(mediators, given, EIGENVALUES), np.random.default_rng(4)
    draws = np.array([numbers(state, zeta=False)[-3:] for state in steps(_step(data, prior, rng), state, 8000)])

    centred_ = np.linalg.svd(np.ones((1, 7)))[2][1:]  # n - 1 orthonormal rows without mean
    x, c = centred_ @ given[0], centred_ @ given[1]
    both = np.column_stack([x, c])
    free = np.eye(6) - both @ np.linalg.pinv(both) if prior.orthogonal else np.eye(6)
    grid = np.stack(np.meshgrid(*[np.linspace(-3.5, 5.5, 31)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    alpha, noise, eta = np.exp(grid).T[:, :, None, None]
    log_density = sum(
        log_inverse_gamma(column, prior.shape, rate)
        for column, rate in zip(grid.T, (prior.alpha, prior.noise, prior.eta), strict=True)
    )
    for row, d in zip(mediators @ centred_.T, EIGENVALUES, strict=True):
        covariances = d * (alpha * np.outer(x, x) + prior.fixed_zeta * np.outer(c, c) + eta * free) + noise * np.eye(6)
        log_density = log_density + log_gaussian(row, covariances)
    weights = np.exp(log_density - log_density.max())
    weights /= weights.sum()
    assert_mean(draws, weights @ grid)
    assert_mean(squares(draws), weights @ squares(grid))


def test_draws_have_the_law_of_the_literal_sampler():
    given, mediators, _ = example(n=12, q=2, seed=5)
    literal_prior = basmu.MediatorPrior(*[basmu.InverseGamma(4, rate) for rate in (3, 2, 5, 4)])
    literal_data = basmu.MediatorData(mediators.T, given[0], given[1:].T, np.eye(3), EIGENVALUES)
    run = basmu.run_mediators(literal_data, literal_prior, np.random.default_rng(6), warmup=200, draws=8000)
    coefficients = np.concatenate([run["theta_alpha"][:, None], run["theta_zeta"]], axis=1)  # draws, regressors, L
    variances = [run[name] for name in ("sigma2_alpha", "sigma2_m", "sigma2_eta", "sigma2_zeta")]
    literal = np.column_stack([coefficients.transpose(0, 2, 1).reshape(8000, 9), np.log(variances).T])

    data, rng = MediatorData.of(mediators, given, EIGENVALUES), np.random.default_rng(7)
    states = list(steps(_step(data, PRIOR, rng), from_prior(PRIOR, 2, rng), 8200))[200:]
    assert_same_law(np.array([numbers(state) for state in states]), literal)

    w = np.mean([state.shrinkage(EIGENVALUES) for state in states], axis=0)
    left = run["mean_theta_eta"].T - w[:, None] * residual_of(mediators, given)
    np.testing.assert_allclose(left, 0, atol=0.06)  # draws of eta are about 1 apart: 8000 have an error of 0.01


@pytest.mark.parametrize("prior, q", [*((prior, 2) for prior in VARIANTS), (VARIANTS[0], 0), (VARIANTS[2], 0)])
def test_a_step_leaves_the_joint_law_of_state_and_mediators_as_it_is(prior, q):
    rng, given = np.random.default_rng(8), regressors(6, q)
    learned = q > 0 and prior.fixed_zeta is None

    def summary(state, mediators):
        coefficients, logs = state.coefficients.ravel(), numbers(state, zeta=learned)[state.coefficients.size :]
        power = np.log((mediators**2).sum(axis=1))
        cross = (mediators @ given.T * state.coefficients).sum(axis=0)
        scaled = np.log((state.coefficients**2 / EIGENVALUES[:, None]).sum(axis=0))
        return np.concatenate([coefficients, scaled, logs, logs**2, power, np.arctan(cross)])

    assert_same_mean(
        *joint_draws(
            lambda: from_prior(prior, q, rng),
            lambda state: simulate(state, given, prior, rng),
            lambda state, mediators: _step(MediatorData.of(mediators, given, EIGENVALUES), prior, rng)(state),
            summary,
            4000,
        )
    )


@pytest.mark.parametrize("prior", [VARIANTS[0], VARIANTS[2]], ids=[NAMES[0], NAMES[2]])
def test_posteriors_are_calibrated(prior):
    rng, given = np.random.default_rng(9), regressors(10, 1)
    assert_calibrated(
        lambda: from_prior(prior, 1, rng),
        lambda state: MediatorData.of(simulate(state, given, prior, rng), given, EIGENVALUES),
        lambda state, data: mediator_model.step(data, state, prior, rng),
        lambda state: np.concatenate([numbers(state), [state.coefficients[:, 0].sum()]]),
        studies=200,
    )


def test_the_order_of_subjects_does_not_matter():
    given, mediators, state = example(n=20)
    order = np.random.default_rng(10).permutation(20)
    draws = []
    for some in (np.arange(20), order):
        data, rng = MediatorData.of(mediators[:, some], given[:, some], EIGENVALUES), np.random.default_rng(11)
        draws.append([numbers(state) for state in steps(_step(data, PRIOR, rng), state, 50)])
    np.testing.assert_allclose(draws[0], draws[1], rtol=1e-8, atol=1e-10)


def test_what_is_known_stays_as_it_is():
    given, mediators, state = example(prior=replace(PRIOR, fixed_zeta=0.6))
    data, rng = MediatorData.of(mediators, given, EIGENVALUES), np.random.default_rng(12)
    known = mediator_model.step(data, state, replace(PRIOR, fixed_zeta=0.6), rng)
    assert known.zeta == state.zeta == 0.6
    assert all(new != old for new, old in zip(astuple(known)[1:4], astuple(state)[1:4], strict=True))


def _step(data, prior, rng):
    return lambda state: mediator_model.step(data, state, prior, rng)
