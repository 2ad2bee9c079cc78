"""Effects that are exactly nought where they are small: the soft-thresholded Gaussian process (Xu & Kang 2023).

alpha = ST_lambda(Q theta) with ST_lambda(x) = sign(x) (|x| - lambda)_+ and theta_l ~ N(0, sigma^2 D_l), and beta
alike. Stage one knows alpha by its projection on the basis, stage two knows beta through the images as they are. theta
is drawn by Hamiltonian moves that are accepted by the rule of Metropolis; their mass matrix is the posterior precision
without a threshold, given the variances, so that one step size does for all components.

Differs from the paper: several leapfrog steps rather than one (a Langevin step, `STEPS` = 1), with the ratio of
proposals that detailed balance asks for.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from jaxtyping import Float
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


class Likelihood(Protocol):
    """The log likelihood of an effect's image, with its gradient."""

    def __call__(self, effect: Float[np.ndarray, " voxels"]) -> tuple[float, Float[np.ndarray, " voxels"]]:
        """Up to a constant."""


@dataclass(frozen=True)
class OfProjection:
    """Of alpha, which mediators know by its projection x = Q' alpha alone: -x'Ax/2 + b'x with a diagonal A."""

    basis: Basis
    precision: Float[np.ndarray, " components"]
    linear: Float[np.ndarray, " components"]

    def __call__(self, effect: Float[np.ndarray, " voxels"]) -> tuple[float, Float[np.ndarray, " voxels"]]:
        """Up to a constant."""
        projected = self.basis.project(effect)
        uphill = self.linear - self.precision * projected
        return float(projected @ (self.linear + uphill)) / 2, self.basis.expand(uphill)


@dataclass(frozen=True)
class OfImages:
    """Of beta, through M beta: -r'Sr/2 with r = Y - M beta and gamma and zeta integrated out.

    S = 1/sigma^2 - G' (G G'/sigma^2 + V^-1)^-1 G/sigma^4, with V the prior variances of gamma and zeta.
    """

    data: ImageData
    noise: float
    factor: Float[np.ndarray, "regressors regressors"]  # the lower Cholesky factor of G G'/sigma^2 + V^-1

    def __call__(self, effect: Float[np.ndarray, " voxels"]) -> tuple[float, Float[np.ndarray, " voxels"]]:
        """Up to a constant."""
        residual = self.data.outcome - self.data.images @ effect
        shared = cho_solve((self.factor, True), self.data.regressors @ residual / self.noise, check_finite=False)
        weighted = (residual - shared @ self.data.regressors) / self.noise
        return -0.5 * float(residual @ weighted), weighted @ self.data.images


@dataclass(frozen=True)
class ImageData:
    """Data by voxel: a thresholded beta is not in the span of the basis, so coefficients of images do not do.

    Attributes
    ----------
    images
        Mediators less their means.
    outcome, regressors
        As `Prepared` has them.
    """

    images: Float[np.ndarray, "subjects voxels"]
    outcome: Float[np.ndarray, " subjects"]
    regressors: Float[np.ndarray, "regressors subjects"]


class Mass(Protocol):
    """A positive definite matrix that momenta are drawn with."""

    def momentum(self, normals: Float[np.ndarray, " components"]) -> Float[np.ndarray, " components"]:
        """A root of it times normals."""

    def velocity(self, momentum: Float[np.ndarray, " components"]) -> Float[np.ndarray, " components"]:
        """Its inverse times a momentum."""


@dataclass(frozen=True)
class Diagonal:
    """By its diagonal."""

    values: Float[np.ndarray, " components"]

    def momentum(self, normals: Float[np.ndarray, " components"]) -> Float[np.ndarray, " components"]:
        """A root of it times normals."""
        return np.sqrt(self.values) * normals

    def velocity(self, momentum: Float[np.ndarray, " components"]) -> Float[np.ndarray, " components"]:
        """Its inverse times a momentum."""
        return momentum / self.values


@dataclass(frozen=True)
class Full:
    """By its lower Cholesky factor."""

    factor: Float[np.ndarray, "components components"]

    def momentum(self, normals: Float[np.ndarray, " components"]) -> Float[np.ndarray, " components"]:
        """A root of it times normals."""
        found: Float[np.ndarray, " components"] = self.factor @ normals
        return found

    def velocity(self, momentum: Float[np.ndarray, " components"]) -> Float[np.ndarray, " components"]:
        """Its inverse times a momentum."""
        found: Float[np.ndarray, " components"] = cho_solve((self.factor, True), momentum, check_finite=False)
        return found


@dataclass(frozen=True)
class Target:
    """The density of theta given everything else: likelihood of ST_lambda(Q theta) times exp(-theta' P theta/2)."""

    basis: Basis
    threshold: float
    likelihood: Likelihood
    prior: Float[np.ndarray, " components"]
    mass: Mass

    def effect(self, theta: Float[np.ndarray, " components"]) -> Float[np.ndarray, " voxels"]:
        """ST_lambda(Q theta)."""
        return soft_threshold(self.basis.expand(theta), self.threshold)

    def log_density_and_gradient(
        self, theta: Float[np.ndarray, " components"]
    ) -> tuple[float, Float[np.ndarray, " components"]]:
        """Up to a constant, and its gradient, which jumps where a voxel crosses the threshold."""
        effect = self.effect(theta)
        value, uphill = self.likelihood(effect)
        pulled = self.prior * theta
        gradient = self.basis.project(np.where(effect != 0, uphill, 0.0)) - pulled
        return value - 0.5 * float(theta @ pulled), gradient


def move(
    target: Target, theta: Float[np.ndarray, " components"], step_size: float, rng: np.random.Generator
) -> tuple[Float[np.ndarray, " components"], float]:
    """A Hamiltonian move that leaves the target as it is; where it ends, and the probability of its acceptance."""
    size = step_size * rng.uniform(1 - JITTER, 1 + JITTER)
    momentum = target.mass.momentum(rng.standard_normal(len(theta)))
    before, gradient = target.log_density_and_gradient(theta)
    before -= 0.5 * momentum @ target.mass.velocity(momentum)
    place = theta
    for _ in range(STEPS):
        momentum = momentum + size / 2 * gradient
        place = place + size * target.mass.velocity(momentum)
        after, gradient = target.log_density_and_gradient(place)
        momentum = momentum + size / 2 * gradient
    after -= 0.5 * momentum @ target.mass.velocity(momentum)
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
    rng: np.random.Generator,
    *,
    basis: Basis,
    threshold: float,
    step_size: float,
) -> tuple[MediatorState, Float[np.ndarray, " components"], float]:
    """One iteration of stage one; ``state.coefficients[:, 0]`` is the projection of alpha."""
    noise = np.broadcast_to(np.ravel(seen_with(data, state, prior)), data.eigenvalues.shape)
    cross, others = data.gram[0, 1:], data.gram[1:, 1:]
    zeta = state.coefficients[:, 1:]
    weights = 1 / (state.alpha * data.eigenvalues)
    seen = data.gram[0, 0] / noise
    likelihood = OfProjection(basis, seen, (data.products[:, 0] - zeta @ cross) / noise)
    target = Target(basis, threshold, likelihood, weights, Diagonal(seen + weights))
    theta, accepted = move(target, theta, step_size, rng)
    effect = basis.project(target.effect(theta))
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
    by_voxel: ImageData,
    state: OutcomeState,
    theta: Float[np.ndarray, " components"],
    prior: OutcomePrior,
    rng: np.random.Generator,
    *,
    basis: Basis,
    threshold: float,
    step_size: float,
) -> tuple[OutcomeState, Float[np.ndarray, " components"], float]:
    """One iteration of stage two: theta with gamma and zeta integrated out, then these, then variances.

    ``state.coefficients`` begins with the projection of beta. Costs the size of all images, `STEPS` times over.
    """
    components = len(theta)
    weights = prior_precision(data, state, prior)
    gram = data.gram / state.noise
    inner = gram[components:, components:] + np.diag(weights[components:])
    factor = cholesky(inner, lower=True, check_finite=False)
    cross = solve_triangular(factor, gram[components:, :components], lower=True, check_finite=False)
    seen = gram[:components, :components] - cross.T @ cross
    mass = cholesky(seen + np.diag(weights[:components]), lower=True, check_finite=False)
    likelihood = OfImages(by_voxel, state.noise, factor)
    target = Target(basis, threshold, likelihood, weights[:components], Full(mass))
    theta, accepted = move(target, theta, step_size, rng)
    effect = target.effect(theta)
    residual = by_voxel.outcome - by_voxel.images @ effect
    others = gaussian(inner, by_voxel.regressors @ residual / state.noise, rng)
    residual = residual - others @ by_voxel.regressors
    coefficients = np.concatenate([basis.project(effect), others])
    new = draw_variances(data, coefficients, state, prior, rng, process=theta, error=float(residual @ residual))
    return new, theta, accepted
