"""Stage two: how image, exposure, confounders and what confounds unseen make the outcome (Xu et al. 2024).

After intercepts were taken out,

    Y = M*' beta* + gamma X + C' zeta + eta' nu* + epsilon,    epsilon ~ N(0, sigma_Y^2),
    beta*_l ~ N(0, sigma_beta^2 D_l),  gamma ~ N(0, sd^2),  zeta_j ~ N(0, sigma_zeta^2),

where nu* = Q'(delta nu) is drawn in `spike_slab`, and is nought in BIMA. Of n rows only products are kept.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.linalg import cholesky

from latticework.mediation.conjugate import gaussian_of, inverse_gamma


@dataclass(frozen=True)
class OutcomeData:
    """Products of the design F = (M*', X, C) with itself and with the outcome.

    Attributes
    ----------
    gram, outcome
        F'F and F'Y.
    power
        Y'Y.
    eigenvalues
        D, the prior variances of components; the columns of F after them are exposure and confounders.
    dimensions
        That the outcome has: n - 1.
    """

    gram: Float[np.ndarray, "columns columns"]
    outcome: Float[np.ndarray, " columns"]
    power: float
    eigenvalues: Float[np.ndarray, " components"]
    dimensions: int

    @classmethod
    def of(
        cls,
        mediators: Float[np.ndarray, "components subjects"],
        regressors: Float[np.ndarray, "regressors subjects"],
        outcome: Float[np.ndarray, " subjects"],
        eigenvalues: Float[np.ndarray, " components"],
    ) -> OutcomeData:
        """Sum up data with mean zero; the first regressor is the exposure."""
        design = np.vstack([mediators, regressors])
        return cls(design @ design.T, design @ outcome, float(outcome @ outcome), eigenvalues, len(outcome) - 1)


@dataclass(frozen=True)
class OutcomePrior:
    """Priors of stage two: shape and rates of inverse-gammas, and the standard deviation of the direct effect's."""

    shape: float
    beta: float
    noise: float
    zeta: float
    direct_effect_sd: float


@dataclass(frozen=True)
class OutcomeState:
    """One draw: beta*, then gamma, then zeta; and variances."""

    coefficients: Float[np.ndarray, " columns"]
    beta: float
    noise: float
    zeta: float


@dataclass(frozen=True)
class Offset:
    """What the unobserved confounder takes from the outcome: products of eta' nu* with the rest.

    Attributes
    ----------
    design
        F' eta' nu*.
    outcome
        Y' eta' nu*.
    power
        The squared length of eta' nu*.
    """

    design: Float[np.ndarray, " columns"]
    outcome: float
    power: float


def prior_precision(data: OutcomeData, state: OutcomeState, prior: OutcomePrior) -> Float[np.ndarray, " columns"]:
    """The prior precisions of beta*, gamma and zeta."""
    confounders = len(data.outcome) - len(data.eigenvalues) - 1
    direct = [prior.direct_effect_sd**-2]
    return np.concatenate([1 / (state.beta * data.eigenvalues), direct, np.full(confounders, 1 / state.zeta)])


def posterior_factor(
    data: OutcomeData, state: OutcomeState, prior: OutcomePrior
) -> Float[np.ndarray, "columns columns"]:
    """The lower Cholesky factor of the precision of beta*, gamma and zeta, given variances."""
    precision = data.gram / state.noise
    precision[np.diag_indices_from(precision)] += prior_precision(data, state, prior)
    factor: Float[np.ndarray, "columns columns"] = cholesky(precision, lower=True, overwrite_a=True, check_finite=False)
    return factor


def draw_coefficients(
    data: OutcomeData,
    state: OutcomeState,
    factor: Float[np.ndarray, "columns columns"],
    rng: np.random.Generator,
    offset: Offset | None = None,
) -> Float[np.ndarray, " columns"]:
    """Draw beta*, gamma and zeta jointly, given the confounder's part and variances."""
    linear = (data.outcome if offset is None else data.outcome - offset.design) / state.noise
    return gaussian_of(factor, linear, rng)


def squared_error(
    data: OutcomeData, coefficients: Float[np.ndarray, " columns"], offset: Offset | None = None
) -> float:
    """The squared length of the outcome less all that explains it."""
    error = data.power - 2 * data.outcome @ coefficients + coefficients @ data.gram @ coefficients
    if offset is not None:
        error += offset.power - 2 * offset.outcome + 2 * offset.design @ coefficients
    return max(float(error), 0.0)


def draw_variances(
    data: OutcomeData,
    coefficients: Float[np.ndarray, " columns"],
    state: OutcomeState,
    prior: OutcomePrior,
    rng: np.random.Generator,
    offset: Offset | None = None,
    *,
    process: Float[np.ndarray, " components"] | None = None,
    error: float | None = None,
) -> OutcomeState:
    """Draw the variances of beta, of the confounders' coefficients and of the noise.

    Where beta is thresholded, `process` is what has the Gaussian prior, and `error` the outcome's squared error.
    """
    components = len(data.eigenvalues)
    process = coefficients[:components] if process is None else process
    error = squared_error(data, coefficients, offset) if error is None else error
    power = float(process @ (process / data.eigenvalues))
    beta = inverse_gamma(prior.shape + components / 2, prior.beta + power / 2, rng)
    others = coefficients[components + 1 :]
    zeta = inverse_gamma(prior.shape + len(others) / 2, prior.zeta + others @ others / 2, rng) if len(others) else 1.0
    noise = inverse_gamma(prior.shape + data.dimensions / 2, prior.noise + error / 2, rng)
    return OutcomeState(coefficients, beta, noise, zeta)


def step(data: OutcomeData, state: OutcomeState, prior: OutcomePrior, rng: np.random.Generator) -> OutcomeState:
    """One iteration of BIMA, which has no unobserved confounder."""
    coefficients = draw_coefficients(data, state, posterior_factor(data, state, prior), rng)
    return draw_variances(data, coefficients, state, prior, rng)
