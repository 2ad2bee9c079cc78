"""Stage one: how exposure and individuals shape the image (Xu et al. 2024, the mediator model and its algorithm).

For subject i and component l of the basis, after intercepts were taken out of everything,

    M*_li = alpha*_l X_i + zeta_l' C_i + eta_li + epsilon_li,    epsilon_li ~ N(0, sigma_M^2),
    alpha*_l ~ N(0, sigma_alpha^2 D_l),  zeta_lj ~ N(0, sigma_zeta^2 D_l),  eta_li ~ N(0, sigma_eta^2 D_l),

with eta orthogonal to (1, X, C). The likelihood then falls into two parts that share nothing but variances: the
projection of M* on G = (X, C), which knows alpha and zeta, and its residual R, which knows eta. Neither the number of
subjects nor that of voxels is left in the cost of an iteration, O(L q): eta is integrated out, and where the variances
ask for it, only its sums of squares are drawn.

Differs from the paper: intercepts have flat priors; the variance of the individual effects is drawn with the
(n - q - 2) L dimensions that they have, not n L; where `orthogonal` is false, eta is not constrained, and its
projection on G adds sigma_eta^2 D_l to the noise that alpha and zeta are seen with.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float

from latticework.mediation.conjugate import inverse_gamma


@dataclass(frozen=True)
class MediatorData:
    """What stage one needs to know of the data.

    Attributes
    ----------
    products
        Of mediators with exposure and confounders: M* G'.
    gram
        Of exposure and confounders: G G'.
    explained
        Squared length of the projection of each component of the mediators on G.
    residual
        Squared length of what is left of it.
    eigenvalues
        D, the prior variances of components.
    dimensions
        That the residual has: n - q - 2.
    """

    products: Float[np.ndarray, "components regressors"]
    gram: Float[np.ndarray, "regressors regressors"]
    explained: Float[np.ndarray, " components"]
    residual: Float[np.ndarray, " components"]
    eigenvalues: Float[np.ndarray, " components"]
    dimensions: int

    @cached_property
    def weights(self) -> Float[np.ndarray, "components one"]:
        """1 / D, a column."""
        return 1 / self.eigenvalues[:, None]

    @classmethod
    def of(
        cls,
        mediators: Float[np.ndarray, "components subjects"],
        regressors: Float[np.ndarray, "regressors subjects"],
        eigenvalues: Float[np.ndarray, " components"],
    ) -> MediatorData:
        """Sum up data whose rows have mean zero; the first regressor is the exposure."""
        products = mediators @ regressors.T
        gram = regressors @ regressors.T
        explained = np.einsum("lk,kl->l", products, np.linalg.solve(gram, products.T))
        residual = residual_of(mediators, regressors)
        power = np.einsum("li,li->l", residual, residual)
        return cls(products, gram, explained, power, eigenvalues, mediators.shape[1] - len(regressors) - 1)


@dataclass(frozen=True)
class MediatorPrior:
    """Priors of stage one: shape and rate of inverse-gammas; a fixed `sigma_zeta` has none."""

    shape: float
    alpha: float
    noise: float
    eta: float
    zeta: float
    fixed_zeta: float | None = None
    orthogonal: bool = True


@dataclass(frozen=True)
class MediatorState:
    """One draw: coefficients of exposure (first) and confounders, and variances."""

    coefficients: Float[np.ndarray, "components regressors"]
    alpha: float
    noise: float
    eta: float
    zeta: float

    def shrinkage(self, eigenvalues: Float[np.ndarray, " components"]) -> Float[np.ndarray, " components"]:
        """The share w_l of a residual that belongs to the individual effect: eta's mean is w_l R_l."""
        individual = self.eta * eigenvalues
        return individual / (individual + self.noise)


def residual_of(
    mediators: Float[np.ndarray, "components subjects"],
    regressors: Float[np.ndarray, "regressors subjects"],
    alpha: Float[np.ndarray, " components"] | None = None,
) -> Float[np.ndarray, "components subjects"]:
    """What exposure, by alpha or as fits best, and confounders, as fits best, leave of the mediators."""
    if alpha is not None:
        mediators, regressors = mediators - np.outer(alpha, regressors[0]), regressors[1:]
    basis, _ = np.linalg.qr(regressors.T)
    left = mediators - (mediators @ basis) @ basis.T
    again: Float[np.ndarray, "components subjects"] = left - (left @ basis) @ basis.T  # twice is exact to rounding
    return again


def step(data: MediatorData, state: MediatorState, prior: MediatorPrior, rng: np.random.Generator) -> MediatorState:
    """One iteration: every block from its conditional, with individual effects integrated out or summed up."""
    coefficients = draw_coefficients(data, state, prior, rng)
    return draw_variances(data, coefficients, state, prior, rng)


def draw_coefficients(
    data: MediatorData, state: MediatorState, prior: MediatorPrior, rng: np.random.Generator
) -> Float[np.ndarray, "components regressors"]:
    """Draw alpha* and zeta: L Gaussians whose precisions G G'/s_l + S/D_l have the same eigenvectors."""
    scale = np.full(len(data.gram), state.zeta)
    scale[0] = state.alpha
    scale = np.sqrt(scale)
    values, vectors = np.linalg.eigh(scale[:, None] * data.gram * scale)
    back = scale[:, None] * vectors
    noise = seen_with(data, state, prior)
    precision = noise * data.weights + values  # times noise
    normals = rng.standard_normal(precision.shape)
    drawn: Float[np.ndarray, "components regressors"] = (
        (data.products @ back + np.sqrt(noise * precision) * normals) / precision
    ) @ back.T
    return drawn


def seen_with(
    data: MediatorData, state: MediatorState, prior: MediatorPrior
) -> float | Float[np.ndarray, "components one"]:
    """The variance of the noise that coefficients are seen with, by component if it differs."""
    if prior.orthogonal:
        return state.noise
    return state.noise + state.eta * data.eigenvalues[:, None]


def draw_variances(
    data: MediatorData,
    coefficients: Float[np.ndarray, "components regressors"],
    state: MediatorState,
    prior: MediatorPrior,
    rng: np.random.Generator,
) -> MediatorState:
    """Draw the variances, given sums of squares of the individual effects and of the noise."""
    scaled = coefficients**2 * data.weights
    alpha = inverse_gamma(prior.shape + len(scaled) / 2, prior.alpha + scaled[:, 0].sum() / 2, rng)
    if prior.fixed_zeta is not None or scaled.shape[1] == 1:
        zeta = state.zeta
    else:
        zeta = inverse_gamma(prior.shape + scaled[:, 1:].size / 2, prior.zeta + scaled[:, 1:].sum() / 2, rng)
    eta, noise = draw_levels(data, misfit(data, coefficients), state, prior, rng)
    return MediatorState(coefficients, alpha, noise, eta, zeta)


def draw_levels(
    data: MediatorData,
    misfit: Float[np.ndarray, " components"],
    state: MediatorState,
    prior: MediatorPrior,
    rng: np.random.Generator,
) -> tuple[float, float]:
    """Draw the variances of individual effects and of noise, given what coefficients leave of the projection on G."""
    regressors, power, dimensions = len(data.gram), data.residual, data.dimensions
    if not prior.orthogonal:
        power, dimensions = power + misfit, dimensions + regressors
    individual, noise = draw_sums(power, dimensions, state.shrinkage(data.eigenvalues), state.noise, rng)
    total = noise.sum() + (misfit.sum() if prior.orthogonal else 0.0)
    components = len(power)
    freedom = components * (data.dimensions + regressors)
    rate = prior.eta + (individual / data.eigenvalues).sum() / 2
    eta = inverse_gamma(prior.shape + components * dimensions / 2, rate, rng)
    return eta, inverse_gamma(prior.shape + freedom / 2, prior.noise + total / 2, rng)


def misfit(
    data: MediatorData, coefficients: Float[np.ndarray, "components regressors"]
) -> Float[np.ndarray, " components"]:
    """Squared length of the projection of the mediators on G less what the coefficients explain."""
    fitted = coefficients @ data.gram - 2 * data.products
    return np.maximum(data.explained + np.einsum("lk,lk->l", coefficients, fitted), 0.0)


def draw_sums(
    power: Float[np.ndarray, " components"],
    dimensions: int,
    shrinkage: Float[np.ndarray, " components"],
    noise: float,
    rng: np.random.Generator,
) -> tuple[Float[np.ndarray, " components"], Float[np.ndarray, " components"]]:
    """Draw the sums of squares of eta_l and of R_l - eta_l without drawing eta_l.

    Given R_l, eta_l is Gaussian around w_l R_l with variance v_l = w_l sigma_M^2 in each of m dimensions: along R_l it
    moves both sums by one normal, across it adds the same chi-square of m - 1 degrees of freedom to both.
    """
    variance = shrinkage * noise
    length = np.sqrt(power)
    along = np.sqrt(variance) * rng.standard_normal(len(power))
    across = variance * (rng.chisquare(dimensions - 1, len(power)) if dimensions > 1 else 0.0)
    return (shrinkage * length + along) ** 2 + across, ((1 - shrinkage) * length - along) ** 2 + across
