"""Draws that the samplers of both stages share."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy.linalg import cho_solve, cholesky, solve_triangular


def inverse_gamma(shape: float, rate: float, rng: np.random.Generator) -> float:
    """Draw from the inverse-gamma distribution, whose density at x is in proportion to x^(-shape-1) exp(-rate/x).

    Examples
    --------
    >>> draws = [inverse_gamma(3.0, 4.0, np.random.default_rng(seed)) for seed in range(2000)]
    >>> round(sum(draws) / 2000)  # rate / (shape - 1)
    2
    """
    return float(rate / rng.gamma(shape))


def gaussian(
    precision: Float[np.ndarray, "d d"], linear: Float[np.ndarray, " d"], rng: np.random.Generator
) -> Float[np.ndarray, " d"]:
    """Draw from the Gaussian whose log density is -x'Px/2 + l'x: mean P^-1 l, covariance P^-1.

    Examples
    --------
    >>> gaussian(1e12 * np.eye(2), np.array([1e12, 2e12]), np.random.default_rng(0)).round(3)
    array([1., 2.])
    """
    return gaussian_of(cholesky(precision, lower=True, check_finite=False), linear, rng)


def gaussian_of(
    factor: Float[np.ndarray, "d d"], linear: Float[np.ndarray, " d"], rng: np.random.Generator
) -> Float[np.ndarray, " d"]:
    """As `gaussian`, given the lower Cholesky factor of P."""
    noise = solve_triangular(factor, rng.standard_normal(len(linear)), lower=True, trans=1, check_finite=False)
    drawn: Float[np.ndarray, " d"] = cho_solve((factor, True), linear, check_finite=False) + noise
    return drawn
