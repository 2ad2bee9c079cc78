"""How far unobserved confounding, and other priors, could move the split into indirect and direct effect."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from jaxtyping import Float

from latticework.core.errors import InputError
from latticework.mediation.basis import Basis
from latticework.mediation.effects import NDE, NIE, TE, draws_of, import_pandas, summary
from latticework.mediation.posterior import Posterior
from latticework.mediation.prior import Prior

if TYPE_CHECKING:
    import pandas as pd

FACTORS: Final = (0.1, 0.3, 3.0, 10.0)  # of the prior standard deviation of the direct effect
INCLUSIONS: Final = (0.01, 0.5)  # of a voxel; the latter is the paper's


def omitted_confounder_bias(
    alpha: Float[np.ndarray, " voxels"],
    nu: Float[np.ndarray, " voxels"],
    basis: Basis,
    *,
    sigma_eta: float,
    sigma_mediators: float,
) -> tuple[float, float]:
    """Asymptotic bias of NIE and NDE in an analysis that leaves the unobserved confounder out.

    With w_l = sigma_eta^2 D_l / (sigma_eta^2 D_l + sigma_M^2), the image's coefficients tend to beta* + w nu*, so that
    NIE is off by the sum of alpha* w nu*, and NDE by as much the other way; their sum is not.

    Parameters
    ----------
    alpha, nu
        Effects of the exposure on voxels, and of individual effects on the outcome.
    basis
        Of the images.
    sigma_eta, sigma_mediators
        Standard deviations of individual effects (times the root of an eigenvalue) and of noise.

    Returns
    -------
    float, float
        Of NIE, of NDE.

    Examples
    --------
    >>> from latticework.mediation.basis import Block
    >>> basis = Basis((Block("all", np.arange(2), np.eye(2), np.ones(2)),), n_voxels=2)
    >>> omitted_confounder_bias(np.ones(2), np.array([0.0, 3.0]), basis, sigma_eta=1.0, sigma_mediators=1.0)
    (1.5, -1.5)
    """
    if not (sigma_eta >= 0 and sigma_mediators >= 0 and sigma_eta + sigma_mediators > 0):
        raise InputError(
            f"sigma_eta={sigma_eta!r}, sigma_mediators={sigma_mediators!r}: expected a number above 0 each"
        )
    individual = sigma_eta**2 * basis.eigenvalues
    weights = individual / (individual + sigma_mediators**2)
    bias = float(basis.project(np.asarray(alpha, float)) @ (weights * basis.project(np.asarray(nu, float))))
    return bias, -bias


@dataclass(frozen=True)
class Bias:
    """What an analysis without the unobserved confounder gets wrong.

    Attributes
    ----------
    nie, nde
        Mean, interval and so on of the asymptotic bias of each; see `effects.summary`.
    tipping
        How many times the image's own coefficients those of an unobserved confounder would have to be, voxel by voxel,
        for the indirect effect that was found to be all bias. Small numbers are fragile.
    """

    nie: dict[str, float]
    nde: dict[str, float]
    tipping: float


def bias_of(posterior: Posterior, nu: Float[np.ndarray, " voxels"] | None = None) -> Bias:
    """The bias by the draws of the unobserved confounder, or by the one given."""
    if nu is None:
        moved = posterior.moved()
    else:
        weighted = posterior.shrinkage * posterior.basis.project(nu)
        moved = posterior.projected_alpha @ weighted
    alpha = posterior.projected_alpha.mean(axis=(0, 1))
    beta = _projected_beta(posterior)
    own = float(alpha @ (posterior.shrinkage * beta))
    indirect = float(posterior.regional.sum(axis=-1).mean())
    return Bias(summary(moved), summary(-moved), indirect / own if own else float("inf"))


def _projected_beta(posterior: Posterior) -> Float[np.ndarray, " components"]:
    if not posterior.thresholds[1]:
        mean: Float[np.ndarray, " components"] = posterior.beta.mean(axis=(0, 1))
        return mean
    image = np.empty(posterior.basis.n_voxels)
    for _, voxels, _, beta in posterior.images():
        image[voxels] = beta.mean(axis=1)
    return posterior.basis.project(image)


def varied(fitted: Prior, direct_effect_sd: Sequence[float] | None, *, confounded: bool) -> list[Prior]:
    """Priors beside the one of a fit: other sizes of the direct effect and, if it is asked for, of confounding.

    The prior of the fit is among them.
    """
    sizes = [factor * fitted.direct_effect_sd for factor in FACTORS] if direct_effect_sd is None else direct_effect_sd
    priors = [replace(fitted, direct_effect_sd=size) for size in sizes]
    if confounded:
        priors += [replace(fitted, inclusion=inclusion) for inclusion in INCLUSIONS]
    return list(dict.fromkeys([fitted, *priors]))


def sweep_table(priors: Sequence[Prior], posteriors: Sequence[Posterior], fitted: Prior) -> pd.DataFrame:
    """A row a prior: what it is, and what NIE, NDE and TE are under it."""
    pandas = import_pandas()
    rows = []
    for prior, posterior in zip(priors, posteriors, strict=True):
        draws = draws_of(posterior.regional, posterior.direct)
        row: dict[str, Any] = {
            "direct_effect_sd": prior.direct_effect_sd,
            "inclusion": _told(prior.inclusion),
            "fitted": prior == fitted,
        }
        summaries = {name: summary(draws[name]) for name in (NIE, NDE, TE)}
        for name, found in summaries.items():
            row |= {name: found["mean"], f"{name} lower": found["lower"], f"{name} upper": found["upper"]}
        # what never varies has none
        row["rhat"] = float(np.max([found["rhat"] for found in summaries.values() if found["sd"]]))
        rows.append(row)
    return pandas.DataFrame(rows)


def _told(inclusion: float | tuple[float, float] | None) -> str:
    if inclusion is None:
        return "beta(1, voxels)"
    if isinstance(inclusion, tuple):
        return f"beta({inclusion[0]:g}, {inclusion[1]:g})"
    return f"{inclusion:g}"
