"""Effects that are exactly nought where they are small: the soft-thresholded Gaussian process (Xu & Kang 2023).

alpha = ST_lambda(Q theta) with ST_lambda(x) = sign(x) (|x| - lambda)_+ and theta_l ~ N(0, sigma^2 D_l), and beta alike.
Its projection Q' alpha has a Gaussian likelihood, -x'Ax/2 + b'x, in both stages, and theta is drawn by Hamiltonian
moves that are accepted by the rule of Metropolis. Their mass matrix is the posterior precision without threshold, given
the variances, so that one step size does for all components.

Differs from the paper: several leapfrog steps rather than one (a Langevin step, `STEPS` = 1), with the ratio of
proposals that detailed balance asks for.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from jaxtyping import Bool, Float
from scipy.linalg import cho_solve, cholesky, solve_triangular

from latticework.mediation.basis import Basis
from latticework.mediation.conjugate import gaussian, inverse_gamma
from latticework.mediation.mediator_model import (
    MediatorData,
    MediatorPrior,
    MediatorState,
    draw_levels,
    misfit,
    seen_with,
)
from latticework.mediation.outcome_model import (
    OutcomeData,
    OutcomePrior,
    OutcomeState,
    draw_variances,
    prior_precision,
)

STEPS: Final = 8  # of the leapfrog integrator
WANTED: Final = 0.8  # share of moves that are accepted (Hoffman & Gelman 2014)
LEARNING_RATE: Final = 0.1  # of the logarithm of the step size, while warming up
JITTER: Final = 0.2  # of the step size, so that no orbit closes


def soft_threshold(values: Float[np.ndarray, "*shape"], threshold: float) -> Float[np.ndarray, "*shape"]:
    """sign(x) (|x| - threshold)_+.

    Examples
    --------
    >>> soft_threshold(np.array([-2.0, 0.3, 1.0]), 0.5)
    array([-1.5,  0. ,  0.5])
    """
    return values - np.clip(values, -threshold, threshold)


class Precision(Protocol):
    """A positive definite matrix A of a quadratic form, with what a Hamiltonian move asks of it."""

    def product(self, vector: Float[np.ndarray, " components"]) -> Float[np.ndarray, " components"]:
        """A x."""

    def momentum(self, normals: Float[np.ndarray, " components"]) -> Float[np.ndarray, " components"]:
        """A root of A + prior times normals."""

    def velocity(self, momentum: Float[np.ndarray, " components"]) -> Float[np.ndarray, " components"]:
        """(A + prior)^-1 p."""


@dataclass(frozen=True)
class Diagonal:
    """A diagonal A, and the diagonal of A + prior."""

    values: Float[np.ndarray, " components"]
    mass: Float[np.ndarray, " components"]

    def product(self, vector: Float[np.ndarray, " components"]) -> Float[np.ndarray, " components"]:
        """A x."""
        return self.values * vector

    def momentum(self, normals: Float[np.ndarray, " components"]) -> Float[np.ndarray, " components"]:
        """A root of A + prior times normals."""
        return np.sqrt(self.mass) * normals

    def velocity(self, momentum: Float[np.ndarray, " components"]) -> Float[np.ndarray, " components"]:
        """(A + prior)^-1 p."""
        return momentum / self.mass


@dataclass(frozen=True)
class Full:
    """A, and the lower Cholesky factor of A + prior."""

    values: Float[np.ndarray, "components components"]
    factor: Float[np.ndarray, "components components"]

    def product(self, vector: Float[np.ndarray, " components"]) -> Float[np.ndarray, " components"]:
        """A x."""
        found: Float[np.ndarray, " components"] = self.values @ vector
        return found

    def momentum(self, normals: Float[np.ndarray, " components"]) -> Float[np.ndarray, " components"]:
        """A root of A + prior times normals."""
        found: Float[np.ndarray, " components"] = self.factor @ normals
        return found

    def velocity(self, momentum: Float[np.ndarray, " components"]) -> Float[np.ndarray, " components"]:
        """(A + prior)^-1 p."""
        found: Float[np.ndarray, " components"] = cho_solve((self.factor, True), momentum, check_finite=False)
        return found


@dataclass(frozen=True)
class Target:
    """The density of theta given everything else: exp(-x'Ax/2 + b'x - theta' P theta/2), x = Q' ST_lambda(Q theta)."""

    basis: Basis
    threshold: float
    precision: Precision
    linear: Float[np.ndarray, " components"]
    prior: Float[np.ndarray, " components"]

    def projected(
        self, theta: Float[np.ndarray, " components"]
    ) -> tuple[Float[np.ndarray, " components"], Bool[np.ndarray, " voxels"]]:
        """Q' ST(Q theta), and where it is not nought."""
        image = self.basis.expand(theta)
        return self.basis.project(soft_threshold(image, self.threshold)), np.abs(image) > self.threshold

    def log_density_and_gradient(
        self, theta: Float[np.ndarray, " components"]
    ) -> tuple[float, Float[np.ndarray, " components"]]:
        """Up to a constant, and its gradient, which jumps where a voxel crosses the threshold."""
        effect, passes = self.projected(theta)
        product = self.precision.product(effect)
        value = -0.5 * effect @ product + self.linear @ effect - 0.5 * theta @ (self.prior * theta)
        uphill = self.basis.project(np.where(passes, self.basis.expand(self.linear - product), 0.0))
        return float(value), uphill - self.prior * theta


def move(
    target: Target, theta: Float[np.ndarray, " components"], step_size: float, rng: np.random.Generator
) -> tuple[Float[np.ndarray, " components"], float]:
    """A Hamiltonian move that leaves the target as it is; where it ends, and the probability of its acceptance."""
    size = step_size * rng.uniform(1 - JITTER, 1 + JITTER)
    momentum = target.precision.momentum(rng.standard_normal(len(theta)))
    before, gradient = target.log_density_and_gradient(theta)
    before -= 0.5 * momentum @ target.precision.velocity(momentum)
    place = theta
    for _ in range(STEPS):
        momentum = momentum + size / 2 * gradient
        place = place + size * target.precision.velocity(momentum)
        after, gradient = target.log_density_and_gradient(place)
        momentum = momentum + size / 2 * gradient
    after -= 0.5 * momentum @ target.precision.velocity(momentum)
    accepted = math.exp(min(0.0, after - before)) if math.isfinite(after) else 0.0
    return (place if rng.random() < accepted else theta), accepted


def tuned(step_size: float, accepted: float, iteration: int) -> float:
    """The step size after one more move of warming up (Robbins & Monro 1951)."""
    rate = LEARNING_RATE * (1 + iteration / 50) ** -0.6
    return float(np.clip(step_size * math.exp(rate * (accepted - WANTED) / WANTED), 1e-4, 1.5))


def started(
    effect: Float[np.ndarray, " components"], basis: Basis, threshold: float
) -> Float[np.ndarray, " components"]:
    """A theta whose thresholded image resembles an effect: from nought, no gradient leads anywhere."""
    image = basis.expand(effect)
    return basis.project(image + threshold * np.sign(image))


def mediator_step(
    data: MediatorData,
    state: MediatorState,
    theta: Float[np.ndarray, " components"],
    prior: MediatorPrior,
    basis: Basis,
    threshold: float,
    step_size: float,
    rng: np.random.Generator,
) -> tuple[MediatorState, Float[np.ndarray, " components"], float]:
    """One iteration of stage one; ``state.coefficients[:, 0]`` is the projection of alpha."""
    noise = np.broadcast_to(np.ravel(seen_with(data, state, prior)), data.eigenvalues.shape)
    cross, others = data.gram[0, 1:], data.gram[1:, 1:]
    zeta = state.coefficients[:, 1:]
    weights = 1 / (state.alpha * data.eigenvalues)
    seen = np.full_like(weights, data.gram[0, 0]) / noise
    linear = (data.products[:, 0] - zeta @ cross) / noise
    target = Target(basis, threshold, Diagonal(seen, seen + weights), linear, weights)
    theta, accepted = move(target, theta, step_size, rng)
    effect, _ = target.projected(theta)
    if len(others):
        values, vectors = np.linalg.eigh(others)
        precision = values / noise[:, None] + 1 / (state.zeta * data.eigenvalues[:, None])
        mean = ((data.products[:, 1:] - np.outer(effect, cross)) / noise[:, None]) @ vectors / precision
        zeta = (mean + rng.standard_normal(mean.shape) / np.sqrt(precision)) @ vectors.T
    coefficients = np.column_stack([effect, zeta])
    scaled = theta @ (theta / data.eigenvalues)
    alpha = inverse_gamma(prior.shape + len(theta) / 2, prior.alpha + scaled / 2, rng)
    level = state.zeta
    if prior.fixed_zeta is None and len(others):
        power = float((zeta**2 / data.eigenvalues[:, None]).sum())
        level = inverse_gamma(prior.shape + zeta.size / 2, prior.zeta + power / 2, rng)
    eta, sigma = draw_levels(data, misfit(data, coefficients), state, prior, rng)
    return MediatorState(coefficients, alpha, sigma, eta, level), theta, accepted


def outcome_step(
    data: OutcomeData,
    state: OutcomeState,
    theta: Float[np.ndarray, " components"],
    prior: OutcomePrior,
    basis: Basis,
    threshold: float,
    step_size: float,
    rng: np.random.Generator,
) -> tuple[OutcomeState, Float[np.ndarray, " components"], float]:
    """One iteration of stage two: theta with gamma and zeta integrated out, then these, then variances.

    ``state.coefficients`` begins with the projection of beta.
    """
    components = len(theta)
    weights = prior_precision(data, state, prior)
    gram, linear = data.gram / state.noise, data.outcome / state.noise
    inner = gram[components:, components:] + np.diag(weights[components:])
    factor = cholesky(inner, lower=True, check_finite=False)
    cross = solve_triangular(factor, gram[components:, :components], lower=True, check_finite=False)
    seen = gram[:components, :components] - cross.T @ cross
    rest = solve_triangular(factor, linear[components:], lower=True, check_finite=False)
    mass = cholesky(seen + np.diag(weights[:components]), lower=True, check_finite=False)
    target = Target(basis, threshold, Full(seen, mass), linear[:components] - cross.T @ rest, weights[:components])
    theta, accepted = move(target, theta, step_size, rng)
    effect, _ = target.projected(theta)
    others = gaussian(inner, linear[components:] - gram[components:, :components] @ effect, rng)
    new = draw_variances(data, np.concatenate([effect, others]), state, prior, rng, scaled=theta)
    return new, theta, accepted
