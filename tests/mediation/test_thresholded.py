"""Thresholded effects: gradients, detailed balance, known densities, and the joint law of both stages' iterations."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from mediation.confounded import PRIOR as OUTCOME_PRIOR
from mediation.confounded import Study
from mediation.designs import basis_of, centred
from mediation.montecarlo import (
    assert_calibrated,
    assert_law,
    assert_mean,
    assert_same_mean,
    joint_draws,
    squares,
    steps,
)
from scipy.linalg import cholesky
from scipy.optimize import approx_fprime

from latticework.mediation import mediator_model, outcome_model, thresholded
from latticework.mediation.basis import Basis, Block
from latticework.mediation.mediator_model import MediatorData, MediatorPrior, MediatorState
from latticework.mediation.outcome_model import OutcomeData, OutcomeState
from latticework.mediation.thresholded import (
    Diagonal,
    Full,
    ImageData,
    OfImages,
    OfProjection,
    Target,
    move,
    soft_threshold,
)

BASIS = basis_of(6)
EIGENVALUES = BASIS.eigenvalues
DENSE = BASIS.expand(np.eye(4)).T  # voxels x components
MEDIATOR_PRIOR = MediatorPrior(shape=4.0, alpha=3.0, noise=2.0, eta=5.0, zeta=4.0)
MOVES = {"basis": BASIS, "step_size": 0.7}
SMALL = {"studies": 80, "warmup": 20, "kept": 9, "every": 5}  # of calibration: iterations are slow, but mix well


@pytest.fixture
def hurried(monkeypatch):
    """Shorter orbits: any length leaves the target as it is."""
    monkeypatch.setattr(thresholded, "STEPS", 2)


class Literal:
    """-e'Pe/2 + h'e of an effect's image e, and the prior of theta, written out."""

    def __init__(self, some, precision, linear):
        self.some, self.by_voxel, self.linear_by_voxel = some, precision, linear
        self.dense = some.basis.expand(np.eye(some.basis.n_components)).T
        self.precision = self.dense.T @ precision @ self.dense  # where nothing is thresholded
        self.linear = self.dense.T @ linear

    def effect(self, theta):
        image = theta @ self.dense.T
        return np.sign(image) * np.maximum(np.abs(image) - self.some.threshold, 0)

    def log_density(self, theta):
        effect = self.effect(theta)
        quadratic = np.einsum("...i,ij,...j->...", effect, self.by_voxel, effect)
        return -quadratic / 2 + effect @ self.linear_by_voxel - theta**2 @ self.some.prior / 2


def target(threshold, *, full=True, basis=BASIS, seed=0):
    """With a precision that is of the prior's size: through images, or through projections alone."""
    rng, components, voxels = np.random.default_rng(seed), basis.n_components, basis.n_voxels
    weights = 1 / (1.5 * basis.eigenvalues)
    dense = basis.expand(np.eye(components)).T
    if not full:
        values, linear = rng.uniform(0.5, 3, components), 2 * rng.standard_normal(components)
        some = Target(basis, threshold, OfProjection(basis, values, linear), weights, Diagonal(values + weights))
        return some, Literal(some, dense @ np.diag(values) @ dense.T, dense @ linear)
    images, regressors = rng.standard_normal((voxels + 3, voxels)), rng.standard_normal((2, voxels + 3))
    outcome, noise, given = 2 * rng.standard_normal(voxels + 3), 1.3, np.array([0.7, 2.0])
    inner = regressors @ regressors.T / noise + np.diag(1 / given)
    seen = np.linalg.inv(noise * np.eye(voxels + 3) + regressors.T @ np.diag(given) @ regressors)  # Var(Y)^-1
    precision = images.T @ seen @ images
    likelihood = OfImages(ImageData(images, outcome, regressors), noise, cholesky(inner, lower=True))
    mass = Full(cholesky(dense.T @ precision @ dense + np.diag(weights), lower=True))
    some = Target(basis, threshold, likelihood, weights, mass)
    return some, Literal(some, precision, images.T @ seen @ outcome)


def moves(some, step_size, count, rng, start=None):
    """Draws, and the mean probability of acceptance."""
    theta = np.zeros(some.basis.n_components) if start is None else start
    draws, accepted = np.empty((count, len(theta))), 0.0
    for k in range(count):
        theta, probability = move(some, theta, step_size, rng)
        draws[k] = theta
        accepted += probability / count
    return draws, accepted


@settings(max_examples=40)
@given(
    theta=st.lists(st.floats(-4, 4), min_size=4, max_size=4).map(np.array),
    threshold=st.floats(0, 2),
    full=st.booleans(),
)
def test_the_gradient_is_that_of_the_density_away_from_the_threshold(theta, threshold, full):
    some, literal = target(threshold, full=full)
    assume(np.abs(np.abs(DENSE @ theta) - threshold).min() > 1e-4)
    value, gradient = some.log_density_and_gradient(theta)
    value -= some.log_density_and_gradient(np.zeros(4))[0]  # a constant
    assert value == pytest.approx(literal.log_density(theta), rel=1e-10, abs=1e-8)
    found = approx_fprime(theta, literal.log_density, 1e-6)
    np.testing.assert_allclose(gradient, found, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("full", [True, False])
def test_the_mass_is_the_precision_of_the_posterior_without_threshold(full):
    some, literal = target(0.5, full=full)
    wanted = literal.precision + np.diag(some.prior)
    root = np.array([some.mass.momentum(unit) for unit in np.eye(4)]).T
    np.testing.assert_allclose(root @ root.T, wanted, atol=1e-12)
    momentum = np.array([1.0, -2.0, 0.5, 3.0])
    np.testing.assert_allclose(some.mass.velocity(momentum), np.linalg.solve(wanted, momentum), atol=1e-12)


@pytest.mark.parametrize("full", [True, False])
@pytest.mark.parametrize("step_size", [0.2, 1.55])
def test_moves_without_threshold_find_the_gaussian_however_large_they_are(full, step_size):
    """Without the rule of Metropolis, the larger moves would leave 2.5 times the variance."""
    some, literal = target(0.0, full=full)
    covariance = np.linalg.inv(literal.precision + np.diag(some.prior))
    mean = covariance @ literal.linear
    draws, accepted = moves(some, step_size, 2000, np.random.default_rng(1), start=mean)
    assert accepted > 0.95 if step_size < 1 else 0.3 < accepted < 0.8
    assert_mean(draws, mean)
    assert_mean(squares(draws - mean), covariance[np.triu_indices(4)])


def test_tiny_moves_are_always_accepted():
    some, _ = target(0.0)
    draws, accepted = moves(some, 1e-3, 50, np.random.default_rng(2))
    assert accepted > 1 - 1e-6
    assert (np.diff(draws, axis=0) != 0).all()


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("step_size", [0.3, 1.2])
def test_moves_find_the_density_of_a_single_voxel(step_size):
    one = Basis((Block("one", np.array([0]), np.ones((1, 1)), np.ones(1)),), 1)
    some, literal = target(0.8, basis=one, seed=5)
    draws, accepted = moves(some, step_size, 5000, np.random.default_rng(3))
    grid = np.linspace(-9, 9, 40001)
    logs = literal.log_density(grid[:, None])
    density = np.exp(logs - logs.max())
    shares = np.cumsum(density) / density.sum()
    inside = np.interp([-0.8, 0.8], grid, shares)
    assert min(inside[0], inside[1] - inside[0], 1 - inside[1]) > 0.01  # on either side of the threshold and between
    assert_law(draws[:, 0], lambda x: np.interp(x, grid, shares))
    assert 0.2 < accepted < 1


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("seed", [0, 1])
def test_moves_find_the_density_of_two_components(seed):
    vectors = np.linalg.qr(np.random.default_rng(seed).standard_normal((3, 2)))[0]
    small = Basis((Block("small", np.array([2, 0, 1]), vectors, np.array([1.3, 0.6])),), 3)
    some, literal = target(0.5, basis=small, seed=seed)
    draws, _ = moves(some, 0.8, 5000, np.random.default_rng(seed + 10))
    axis = np.linspace(-6, 6, 301)
    grid = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
    image = small.expand(grid)
    logs = literal.log_density(grid)
    weights = np.exp(logs - logs.max())
    weights /= weights.sum()
    assert_mean(draws, weights @ grid)
    assert_mean(squares(draws), weights @ squares(grid))
    assert_mean((np.abs(small.expand(draws)) > 0.5).astype(float), weights @ (np.abs(image) > 0.5))


def test_a_move_to_where_the_density_is_not_finite_is_refused():
    some, _ = target(0.0)
    with np.errstate(all="ignore"):
        theta, accepted = move(some, np.ones(4), 1e200, np.random.default_rng(4))
    assert accepted == 0
    np.testing.assert_array_equal(theta, np.ones(4))


def mediators_from_prior(prior, threshold, q, rng):
    """A state whose effect of exposure is thresholded, and the process that is."""
    alpha, noise, eta, zeta = (
        rate / rng.gamma(prior.shape) for rate in (prior.alpha, prior.noise, prior.eta, prior.zeta)
    )
    zeta = zeta if prior.fixed_zeta is None else prior.fixed_zeta
    theta = np.sqrt(alpha * EIGENVALUES) * rng.standard_normal(4)
    effect = DENSE.T @ soft_threshold(DENSE @ theta, threshold)
    others = np.sqrt(zeta * EIGENVALUES)[:, None] * rng.standard_normal((4, q))
    return MediatorState(np.column_stack([effect, others]), alpha, noise, eta, zeta), theta


def stage_one(orthogonal, q, n, threshold, rng):
    """A draw of the prior, mediators given it, and an iteration given these; regressors."""
    prior = MediatorPrior(4.0, 3.0, 2.0, 5.0, 4.0, orthogonal=orthogonal)
    regressors = centred(np.random.default_rng(6).standard_normal((q + 1, n)))
    regressors[1:] += 0.5 * regressors[0]
    out = np.linalg.pinv(regressors) @ regressors if orthogonal else np.zeros((n, n))

    def simulate(both):
        state, _ = both
        effects = centred(rng.standard_normal((4, n)))
        effects = np.sqrt(state.eta * EIGENVALUES)[:, None] * (effects - effects @ out)
        return state.coefficients @ regressors + effects + math.sqrt(state.noise) * centred(rng.standard_normal((4, n)))

    def step(both, mediators):
        data = MediatorData.of(mediators, regressors, EIGENVALUES)
        return thresholded.mediator_step(data, *both, prior, rng, threshold=threshold, **MOVES)[:2]

    return lambda: mediators_from_prior(prior, threshold, q, rng), simulate, step, regressors


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("orthogonal, q", [(True, 1), (False, 1), (True, 0)])
def test_an_iteration_of_stage_one_leaves_the_joint_law_as_it_is(orthogonal, q):
    threshold = 0.7
    *kernel, regressors = stage_one(orthogonal, q, 6, threshold, np.random.default_rng(5))

    def summary(both, mediators):
        state, theta = both
        logs = np.log([state.alpha, state.noise, state.eta] + [state.zeta] * (q > 0))
        cross = np.arctan((mediators @ regressors.T * state.coefficients).sum(axis=0))
        scaled = np.log(theta @ (theta / EIGENVALUES))
        passes = np.abs(DENSE @ theta)[1:] > threshold  # the first voxel hardly ever does
        return np.concatenate([state.coefficients.ravel(), theta, logs, logs**2, cross, [scaled], passes])

    assert_same_mean(*joint_draws(*kernel, summary, 2500))


@pytest.mark.parametrize("orthogonal", [True, False])
def test_posteriors_of_stage_one_are_calibrated(orthogonal):
    from_prior, simulate, step, _ = stage_one(orthogonal, 1, 5, 0.3, np.random.default_rng(12))

    def summary(both):
        """Of the effect of exposure only theta, which is the process before the threshold: it has no ties."""
        state, theta = both
        logs = np.log([state.alpha, state.noise, state.eta, state.zeta])
        return np.concatenate([theta, [theta.sum()], state.coefficients[:, 1], logs])

    assert_calibrated(from_prior, simulate, step, summary, **SMALL)


def images_of(study):
    """Images that have the study's coefficients, and something beside that no coefficient tells."""
    beside = np.random.default_rng(11).standard_normal((study.mediators.shape[1], 6))
    beside -= beside.mean(axis=0)
    return study.mediators.T @ DENSE.T + beside - beside @ DENSE @ DENSE.T


def stage_two(q, n, threshold, rng):
    """A draw of the prior, an outcome given it, and an iteration given that; the study."""
    study = Study(n, q, 6, seed=7)
    images = images_of(study)

    def from_prior():
        beta, noise, zeta = (
            rate / rng.gamma(4) for rate in (OUTCOME_PRIOR.beta, OUTCOME_PRIOR.noise, OUTCOME_PRIOR.zeta)
        )
        theta = np.sqrt(beta * EIGENVALUES) * rng.standard_normal(4)
        effect = DENSE.T @ soft_threshold(DENSE @ theta, threshold)  # its projection
        direct = OUTCOME_PRIOR.direct_effect_sd * rng.standard_normal(1)
        others = math.sqrt(zeta) * rng.standard_normal(q)
        return OutcomeState(np.concatenate([effect, direct, others]), beta, noise, zeta), theta

    def simulate(both):
        state, theta = both
        effect = soft_threshold(DENSE @ theta, threshold)
        noise = math.sqrt(state.noise) * centred(rng.standard_normal(n))
        return images @ effect + state.coefficients[4:] @ study.given + noise

    def step(both, outcome):
        data = study.data(outcome)[0], ImageData(images, outcome, study.given)
        return thresholded.outcome_step(*data, *both, OUTCOME_PRIOR, rng, threshold=threshold, **MOVES)[:2]

    return from_prior, simulate, step, study


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("q", [0, 1])
def test_an_iteration_of_stage_two_leaves_the_joint_law_as_it_is(q):
    threshold = 0.5
    *kernel, study = stage_two(q, 8, threshold, np.random.default_rng(8))

    def summary(both, outcome):
        state, theta = both
        logs = np.log([state.beta, state.noise] + [state.zeta] * (q > 0))
        cross = np.arctan(outcome @ study.design.T * state.coefficients)
        scaled = np.log(theta @ (theta / EIGENVALUES))
        passes = np.abs(DENSE @ theta) > threshold
        return np.concatenate([state.coefficients, theta, logs, logs**2, cross, [scaled], passes])

    assert_same_mean(*joint_draws(*kernel, summary, 2500))


def test_posteriors_of_stage_two_are_calibrated():
    from_prior, simulate, step, _ = stage_two(1, 6, 0.3, np.random.default_rng(13))

    def summary(both):
        state, theta = both
        logs = np.log([state.beta, state.noise, state.zeta])
        return np.concatenate([theta, [theta.sum()], state.coefficients[4:], logs])

    assert_calibrated(from_prior, simulate, step, summary, **SMALL)


def test_the_noise_of_the_outcome_is_what_images_as_they_are_leave_of_it():
    """Their coefficients in the basis would leave more: a thresholded effect is not in its span."""
    study, theta, rng = Study(200, 0, 6, seed=7), np.array([2.0, -1.5, 1.0, 2.0]), np.random.default_rng(14)
    images, effect = images_of(study), soft_threshold(DENSE @ theta, 0.5)
    outcome = images @ effect
    data = OutcomeData.of(study.mediators, study.given, outcome, EIGENVALUES), ImageData(images, outcome, study.given)
    state = OutcomeState(np.zeros(5), 1.0, 1e-4, 1.0)
    new, _, _ = thresholded.outcome_step(
        *data, state, theta, OUTCOME_PRIOR, rng, basis=BASIS, threshold=0.5, step_size=1e-6
    )
    projected = np.var(outcome - images @ DENSE @ DENSE.T @ effect)
    assert new.noise < 0.5 * projected


@pytest.mark.usefixtures("hurried")
def test_iterations_with_a_threshold_of_next_to_nothing_agree_with_those_without():
    study, rng = Study(14, 1, 6, seed=9), np.random.default_rng(10)
    data = MediatorData.of(study.mediators, study.given, EIGENVALUES)
    first, theta = mediators_from_prior(MEDIATOR_PRIOR, 0.0, 1, rng)
    outcome = centred(study.mediators[0] - study.given[0] + rng.standard_normal(14))
    outcome_data = OutcomeData.of(study.mediators, study.given, outcome, EIGENVALUES)
    second = OutcomeState(np.zeros(6), 1.0, 1.0, 1.0)

    def of_mediators(state):
        return np.concatenate([state.coefficients.ravel(), np.log([state.alpha, state.noise, state.eta, state.zeta])])

    def of_outcome(state):
        return np.concatenate([state.coefficients, np.log([state.beta, state.noise, state.zeta])])

    def thresholded_one(both):
        return thresholded.mediator_step(data, *both, MEDIATOR_PRIOR, rng, threshold=1e-12, **MOVES)[:2]

    def thresholded_two(both):
        by_voxel = ImageData(images_of(study), outcome, study.given)
        return thresholded.outcome_step(outcome_data, by_voxel, *both, OUTCOME_PRIOR, rng, threshold=1e-12, **MOVES)[:2]

    def plain_one(state):
        return mediator_model.step(data, state, MEDIATOR_PRIOR, rng)

    def plain_two(state):
        return outcome_model.step(outcome_data, state, OUTCOME_PRIOR, rng)

    for summary, moved, plain, start, process in (
        (of_mediators, thresholded_one, plain_one, first, theta),
        (of_outcome, thresholded_two, plain_two, second, np.zeros(4)),
    ):
        left = np.array([summary(state) for state, _ in steps(moved, (start, process), 3000)])[100:]
        right = np.array([summary(state) for state in steps(plain, start, 5000)])[100:]
        assert_same_mean(left, right)
        assert_same_mean(squares(left), squares(right))
