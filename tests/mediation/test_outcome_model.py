"""Stage two without a confounder: closed forms, literal arithmetic, the literal sampler, and its own joint law."""

import numpy as np
import pytest
import statsmodels.api as sm
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

from latticework.mediation import mediator_model, outcome_model
from latticework.mediation.mediator_model import MediatorData, MediatorPrior, MediatorState
from latticework.mediation.outcome_model import Offset, OutcomeData, OutcomePrior, OutcomeState

PRIOR = OutcomePrior(shape=4.0, beta=2.0, noise=3.0, zeta=5.0, direct_effect_sd=0.8)


def design(n, q, seed=0):
    """M*, exposure and confounders, a row each; the first depend on the others."""
    given = regressors(n, q, seed)
    mediators = np.random.default_rng(seed + 1).standard_normal((len(EIGENVALUES), n))
    return np.vstack([centred(mediators + 0.5 * given[0]), given])


def variances_of(state, q):
    return np.concatenate([state.beta * EIGENVALUES, [PRIOR.direct_effect_sd**2], np.full(q, state.zeta)])


def from_prior(q, rng):
    beta, noise, zeta = (rate / rng.gamma(PRIOR.shape) for rate in (PRIOR.beta, PRIOR.noise, PRIOR.zeta))
    state = OutcomeState(np.empty(0), beta, noise, zeta)
    coefficients = np.sqrt(variances_of(state, q)) * rng.standard_normal(len(EIGENVALUES) + 1 + q)
    return OutcomeState(coefficients, beta, noise, zeta)


def simulate(state, rows, rng):
    return state.coefficients @ rows + np.sqrt(state.noise) * centred(rng.standard_normal(rows.shape[1]))


def data_of(rows, outcome):
    return OutcomeData.of(rows[:3], rows[3:], outcome, EIGENVALUES)


def example(n=12, q=2, seed=0):
    rng, rows = np.random.default_rng(seed + 100), design(n, q, seed)
    state = from_prior(q, rng)
    outcome = simulate(state, rows, rng)
    return rows, outcome, state, data_of(rows, outcome)


def numbers(state, *, zeta=True):
    return np.concatenate([state.coefficients, np.log([state.beta, state.noise] + [state.zeta] * zeta)])


def one_more(data, rng):
    return lambda state: outcome_model.step(data, state, PRIOR, rng)


def offset(rows, outcome, taken):
    return Offset(rows @ taken, outcome @ taken, taken @ taken)


@pytest.mark.parametrize("q", [0, 2])
@pytest.mark.parametrize("confounded", [False, True])
def test_coefficients_have_their_gaussian_conditional(q, confounded):
    rows, outcome, state, data = example(n=9, q=q)
    rng, taken = np.random.default_rng(13), np.zeros(9)
    if confounded:
        taken = 2 * centred(rng.standard_normal(9))
    factor = outcome_model.posterior_factor(data, state, PRIOR)
    part = offset(rows, outcome, taken) if confounded else None
    draws = np.array(repeated(lambda: outcome_model.draw_coefficients(data, state, factor, rng, part), 6000))
    covariance = np.linalg.inv(rows @ rows.T / state.noise + np.diag(1 / variances_of(state, q)))
    mean = covariance @ rows @ (outcome - taken) / state.noise
    assert_mean(draws, mean)
    assert_mean(squares(draws - mean), covariance[np.triu_indices(len(mean))])


@pytest.mark.parametrize("q", [0, 2])
def test_the_squared_error_is_that_of_every_subject(q):
    rows, outcome, state, data = example(q=q)
    taken = centred(np.random.default_rng(2).standard_normal(len(outcome)))
    left = outcome - state.coefficients @ rows
    assert outcome_model.squared_error(data, state.coefficients) == pytest.approx(left @ left, rel=1e-10)
    found = outcome_model.squared_error(data, state.coefficients, offset(rows, outcome, taken))
    assert found == pytest.approx((left - taken) @ (left - taken), rel=1e-10)


def test_the_squared_error_of_a_perfect_fit_is_not_negative():
    rows, _, state, _ = example()
    data = data_of(rows, state.coefficients @ rows)
    assert 0 <= outcome_model.squared_error(data, state.coefficients) < 1e-10


@pytest.mark.parametrize("q", [0, 2])
def test_a_step_leaves_the_joint_law_of_state_and_outcome_as_it_is(q):
    rng, rows = np.random.default_rng(3), design(7, q)

    def summary(state, outcome):
        values = numbers(state, zeta=q > 0)
        cross = np.arctan(outcome @ rows.T * state.coefficients)
        scaled = np.log(state.coefficients[:3] ** 2 @ (1 / EIGENVALUES))
        return np.concatenate([values, values**2, cross, [scaled, np.log(outcome @ outcome)]])

    assert_same_mean(
        *joint_draws(
            lambda: from_prior(q, rng),
            lambda state: simulate(state, rows, rng),
            lambda state, outcome: outcome_model.step(data_of(rows, outcome), state, PRIOR, rng),
            summary,
            6000,
        )
    )


def test_posteriors_are_calibrated():
    rng, rows = np.random.default_rng(4), design(10, 1)
    assert_calibrated(
        lambda: from_prior(1, rng),
        lambda state: data_of(rows, simulate(state, rows, rng)),
        lambda state, data: outcome_model.step(data, state, PRIOR, rng),
        lambda state: np.append(numbers(state), state.coefficients[:3].sum()),
        studies=200,
    )


def test_variances_have_the_marginal_posterior_that_quadrature_finds():
    """Y ~ N(0, F diag(beta D, sd^2, zeta) F' + noise)."""
    rows, outcome, state, data = example(n=8, q=1, seed=5)
    draws = [numbers(state)[-3:] for state in steps(one_more(data, np.random.default_rng(5)), state, 8000)]
    basis = np.linalg.svd(np.ones((1, 8)))[2][1:]  # n - 1 orthonormal rows without mean
    m, x, c = np.split(basis @ rows.T, [3, 4], axis=1)
    axes = np.linspace(-3.5, 5, 29), np.linspace(-3, 4.5, 29), np.linspace(-2, 6, 29)
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    beta, noise, zeta = np.exp(grid).T[:, :, None, None]
    covariances = beta * (m * EIGENVALUES) @ m.T + PRIOR.direct_effect_sd**2 * x @ x.T + zeta * c @ c.T
    log_density = log_gaussian(basis @ outcome, covariances + noise * np.eye(7))
    for column, rate in zip(grid.T, (PRIOR.beta, PRIOR.noise, PRIOR.zeta), strict=True):
        log_density += log_inverse_gamma(column, PRIOR.shape, rate)
    weights = np.exp(log_density - log_density.max())
    weights /= weights.sum()
    assert_mean(np.array(draws), weights @ grid)
    assert_mean(squares(np.array(draws)), weights @ squares(grid))


def test_draws_have_the_law_of_the_literal_sampler():
    rows, outcome, state, data = example(n=12, q=2, seed=6)
    images = basmu.MediatorData(rows[:3].T, rows[3], rows[4:].T, np.eye(3), EIGENVALUES)
    literal_prior = basmu.OutcomePrior(
        sigma2_beta=basmu.InverseGamma(4, PRIOR.beta),
        sigma2_y=basmu.InverseGamma(4, PRIOR.noise),
        sigma2_zeta=basmu.InverseGamma(4, PRIOR.zeta),
        variance_of_gamma=PRIOR.direct_effect_sd**2,
    )
    unconfounded = basmu.OutcomeData(outcome, np.zeros((12, 3)), images)
    run = basmu.run_outcome(unconfounded, literal_prior, np.random.default_rng(7), warmup=200, draws=6000)
    variances = np.log([run[name] for name in ("sigma2_beta", "sigma2_y", "sigma2_zeta")]).T
    literal = np.column_stack([run["theta_beta"], run["gamma"], run["zeta"], variances])
    states = list(steps(one_more(data, np.random.default_rng(8)), state, 10100))[100:]
    assert_same_law(np.array([numbers(state) for state in states]), literal)


def diffuse(rows, outcome, eigenvalues, rng, draws):
    """alpha, beta and gamma of both stages' samplers, whose priors say next to nothing."""
    components = len(eigenvalues)
    mediators, given = rows[:components], rows[components:]
    first_prior = MediatorPrior(shape=1.0, alpha=1e6, noise=1e-3, eta=1e-3, zeta=1e6)
    second_prior = OutcomePrior(shape=1.0, beta=1e6, noise=1e-3, zeta=1e6, direct_effect_sd=1e3)
    first = MediatorState(np.zeros((components, len(given))), 1e6, 1.0, 1e-3, 1e6)
    second = OutcomeState(np.zeros(len(rows)), 1e6, 1.0, 1e6)
    first_data = MediatorData.of(mediators, given, eigenvalues)
    second_data = OutcomeData.of(mediators, given, outcome, eigenvalues)
    firsts = steps(lambda state: mediator_model.step(first_data, state, first_prior, rng), first, draws)
    seconds = steps(lambda state: outcome_model.step(second_data, state, second_prior, rng), second, draws)
    alpha = np.array([state.coefficients[:, 0] for state in firsts])
    both = np.array([state.coefficients for state in seconds])
    return alpha, both[:, :components], both[:, components]


def ordinary(outcome, rows):
    return sm.OLS(outcome, sm.add_constant(rows.T)).fit().params[1:]


def test_the_total_effect_is_that_of_least_squares_where_priors_are_diffuse():
    rng, rows = np.random.default_rng(9), design(60, 2, seed=19)
    outcome = centred(np.array([1.0, -2.0, 0.5, 1.5, -1.0, 2.0]) @ rows + rng.standard_normal(60))
    alpha, beta, gamma = diffuse(rows, outcome, EIGENVALUES, rng, 6000)
    indirect = (alpha * beta).sum(axis=1)
    total = ordinary(outcome, rows[3:])[0]
    assert_mean(indirect + gamma, total)
    assert_mean(gamma, ordinary(outcome, rows)[3])
    assert np.std(indirect + gamma) < 1  # else it would agree with anything


def test_the_effect_of_a_single_mediator_is_the_product_of_least_squares_coefficients():
    rng, given = np.random.default_rng(10), regressors(80, 1, seed=20)
    mediator = centred(0.8 * given[0] - 0.3 * given[1] + rng.standard_normal(80))
    rows = np.vstack([mediator, given])
    outcome = centred(np.array([1.2, 0.4, 0.9]) @ rows + rng.standard_normal(80))
    alpha, beta, gamma = diffuse(rows, outcome, np.ones(1), rng, 6000)
    first, second = ordinary(mediator, given), ordinary(outcome, rows)
    assert_mean(alpha[:, 0] * beta[:, 0], first[0] * second[0])
    assert_mean(gamma, second[1])
    classical = sm.OLS(outcome, sm.add_constant(rows.T)).fit().bse[1:3]
    np.testing.assert_allclose([beta.std(), gamma.std()], classical, rtol=0.06)  # 6000 draws: 0.01


def test_the_order_of_subjects_does_not_matter():
    rows, outcome, state, _ = example(n=20)
    draws = []
    for order in (np.arange(20), np.random.default_rng(11).permutation(20)):
        data, rng = data_of(rows[:, order], outcome[order]), np.random.default_rng(12)
        draws.append([numbers(state) for state in steps(one_more(data, rng), state, 50)])
    np.testing.assert_allclose(draws[0], draws[1], rtol=1e-8, atol=1e-10)
