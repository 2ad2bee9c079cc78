"""Whether draws can be trusted, and how much of the split into indirect and direct effect is the data's.

Individual effects are a linear function of the mediators. So what the outcome knows is beta* + w nu* and, through the
exposure, gamma - sum alpha* w nu*: the total effect is known from the data; how it splits leans on the priors. With
every regressor G, exposure or confounder, the equations are g = (gamma, zeta) - Theta'(w nu*), Theta the mediators'
coefficients of G.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from jaxtyping import Float

from latticework.mediation.effects import FEW_EFFECTIVE, GOOD_RHAT, NDE, NIE, TE, draws_of, summary
from latticework.mediation.mediator_model import residual_of
from latticework.mediation.outcome_model import OutcomeState, posterior_factor
from latticework.mediation.posterior import Posterior
from latticework.mediation.preparation import Prepared
from latticework.mediation.prior import Prior

COLLINEAR: Final = 1e-4  # of the exposure's variance: what is left of it besides confounders, and too little


@dataclass(frozen=True)
class Diagnosis:
    """Whether the draws can be trusted, and what they lean on.

    Attributes
    ----------
    rhat, ess
        Of NIE, NDE and TE: R-hat should be below 1.01, the effective number of draws above 400.
    constant
        Which of them are the same in every draw, and so have neither: NIE, where a threshold is above all effects.
    accepted
        Share of Hamiltonian moves that were accepted in each stage, if there were any.
    subjects, components, unknowns
        How many there are; unknowns are the outcome's coefficients without those of the unobserved confounder.
    rank
        Of mediators, exposure and confounders together, by subject.
    rank_with_effects
        The same with the individual effects beside them: as large, since these are made of the former.
    equations, condition
        How many equations the exposure and the confounders add about the unobserved confounder, and the condition
        number of these, with exposure and confounders of unit variance: large where they are nearly one another.
    prior_share
        Of the precision with which NDE, and so the split, is known, how much its own prior brought: 1 is all. The rest
        is what data say given what is believed of the unobserved confounder; without any such belief they say nothing.
    prior_sd
        Of NDE before data were seen.
    unconfounded
        NIE and NDE, and their standard errors, where no unobserved confounder is believed in and NDE has no prior.
    total
        TE by least squares of the outcome on exposure and confounders, without the image or any prior, and its standard
        error.
    exposure_known
        The share of the exposure's variance that the confounders explain: near 1, no effect can be told.
    moved
        What the unobserved confounder moves from NIE to NDE: mean, interval and so on.
    warnings
        What of this asks for care, in words.
    """

    rhat: dict[str, float]
    ess: dict[str, float]
    constant: tuple[str, ...]
    accepted: tuple[float, float] | None
    subjects: int
    components: int
    unknowns: int
    rank: int
    rank_with_effects: int
    equations: int
    condition: float
    prior_share: float
    prior_sd: float
    unconfounded: dict[str, tuple[float, float]]
    total: tuple[float, float]
    exposure_known: float
    moved: dict[str, float]
    warnings: tuple[str, ...]


def diagnose(posterior: Posterior, prepared: Prepared, prior: Prior) -> Diagnosis:
    """Look at the draws and at the equations they come from."""
    draws = draws_of(posterior.regional, posterior.direct)
    summaries = {name: summary(draws[name]) for name in (NIE, NDE, TE)}
    design = np.vstack([prepared.mediators, prepared.regressors])
    individual = posterior.shrinkage[:, None] * residual_of(prepared.mediators, prepared.regressors)
    rank = int(np.linalg.matrix_rank(design))
    variance = summaries[NDE]["sd"] ** 2
    found = Diagnosis(
        rhat={name: one["rhat"] for name, one in summaries.items()},
        ess={name: one["ess"] for name, one in summaries.items()},
        constant=tuple(name for name, one in summaries.items() if not one["sd"]),
        accepted=posterior.accepted,
        subjects=design.shape[1],
        components=len(prepared.mediators),
        unknowns=len(design),
        rank=rank,
        rank_with_effects=int(np.linalg.matrix_rank(np.vstack([design, individual]))),
        equations=len(prepared.regressors),
        condition=condition_number(prepared.mediators, prepared.regressors, posterior.shrinkage),
        prior_share=min(1.0, variance / prior.direct_effect_sd**2),
        prior_sd=float(prior.direct_effect_sd),
        unconfounded=unconfounded(posterior, prepared),
        total=total_effect(prepared),
        exposure_known=_explained(prepared.regressors),
        moved=summary(posterior.moved()),
        warnings=(),
    )
    told = _warnings(found, summaries[TE]["mean"], confounded=posterior.projected is not None)
    if len(np.unique(prepared.outcome)) == 2:
        told.append(
            "the outcome has two values and is taken for a number: effects are changes of its mean in a linear model"
        )
    return replace(found, warnings=tuple(told))


def condition_number(
    mediators: Float[np.ndarray, "components subjects"],
    regressors: Float[np.ndarray, "regressors subjects"],
    shrinkage: Float[np.ndarray, " components"],
) -> float:
    """How unequally the equations g = (gamma, zeta) - Theta'(w nu*) know directions of nu*: largest by smallest.

    Of the singular values of diag(w) Theta, with Theta = M* G'(G G')^-1 and regressors of unit variance.
    """
    theta, *_ = np.linalg.lstsq((regressors / regressors.std(axis=1, keepdims=True)).T, mediators.T, rcond=0.0)
    sizes = np.linalg.svd(theta * shrinkage, compute_uv=False)
    return float(sizes[0] / sizes[-1]) if sizes[-1] > 0 else float("inf")


def total_effect(prepared: Prepared) -> tuple[float, float]:
    """The exposure's coefficient in a regression of the outcome on exposure and confounders, and its standard error."""
    regressors, outcome = prepared.regressors, prepared.outcome
    inverse = np.linalg.inv(regressors @ regressors.T)
    coefficients = inverse @ (regressors @ outcome)
    error = outcome - coefficients @ regressors
    variance = float(error @ error) / (len(outcome) - len(regressors) - 1)
    unit = prepared.units.effect
    return float(coefficients[0]) * unit, float(variance * inverse[0, 0]) ** 0.5 * unit


def _explained(regressors: Float[np.ndarray, "regressors subjects"]) -> float:
    exposure, others = regressors[0], regressors[1:]
    if not len(others):
        return 0.0
    left = exposure - np.linalg.lstsq(others.T, exposure, rcond=None)[0] @ others
    return 1 - float(left @ left) / float(exposure @ exposure)


def unconfounded(posterior: Posterior, prepared: Prepared) -> dict[str, tuple[float, float]]:
    """NIE and NDE, each with its standard error, without an unobserved confounder and with a flat prior of NDE.

    The posterior given the mean variances of the draws, in closed form.
    """
    units, data = prepared.units, prepared.outcome_data()
    flat = Prior(direct_effect_sd=1e6 * units.effect)
    sigmas = {name: float((draws**2).mean()) for name, draws in posterior.sigmas.items()}
    components = len(data.eigenvalues)
    state = OutcomeState(
        np.zeros(len(data.outcome)),
        beta=sigmas["sigma_beta"] / units.beta**2,
        noise=sigmas["sigma_outcome"] / units.outcome**2,
        zeta=1e6,
    )
    factor = posterior_factor(data, state, prepared.outcome_prior(flat))
    covariance = np.linalg.inv(factor @ factor.T)
    mean = covariance @ data.outcome / state.noise
    alpha = posterior.projected_alpha.reshape(-1, components) / units.alpha
    indirect = alpha @ mean[:components]
    mean_alpha = alpha.mean(axis=0)
    spread = float(indirect.var() + mean_alpha @ covariance[:components, :components] @ mean_alpha)
    direct, error = mean[components], covariance[components, components]
    return {
        NIE: (float(indirect.mean()) * units.effect, spread**0.5 * units.effect),
        NDE: (float(direct) * units.effect, float(error) ** 0.5 * units.effect),
    }


def _warnings(found: Diagnosis, mean_te: float, *, confounded: bool) -> list[str]:
    """What asks for care."""
    told = [
        f"{name} is the same in every draw: is the threshold above all effects? Take a smaller one"
        for name in found.constant
    ]
    for name, rhat in found.rhat.items():
        if not rhat <= GOOD_RHAT and name not in found.constant:  # NaN too
            told.append(f"chains disagree about {name}: R-hat is {rhat:.3f}, expected below {GOOD_RHAT}; draw more")
    for name, ess in found.ess.items():
        if ess < FEW_EFFECTIVE:
            told.append(f"few effective draws of {name}: {ess:.0f}, expected at least {FEW_EFFECTIVE}; draw more")
    if found.components >= found.subjects - found.equations - 1:
        told.append(
            f"{found.components} components for {found.subjects} subjects: the image can account for all of the "
            "outcome, and priors alone decide; take fewer components"
        )
    direct, error = found.unconfounded[NDE]
    sd = found.prior_sd
    if found.prior_share > 0.5:
        told.append(
            f"{found.prior_share:.0%} of the precision of NDE is its prior's, whose standard deviation is {sd:.3g}: "
            "the split between NIE and NDE rests more on the prior than on the data"
        )
    moved, (indirect, error_of_nie) = found.moved["mean"], found.unconfounded[NIE]
    if confounded and abs(moved) > 2 * error_of_nie:
        told.append(
            f"the unobserved confounder moves {moved:.3g} from NIE to NDE: without one NIE would be {indirect:.3g} "
            f"(standard error {error_of_nie:.2g}), which explains the data as well; priors decide between them"
        )
    total, error_of_te = found.total
    if abs(mean_te - total) > error_of_te:
        told.append(
            f"TE is {mean_te:.3g}, but {total:.3g} by least squares (standard error {error_of_te:.2g}): "
            f"priors move what the data identify; is the prior standard deviation of NDE, {sd:.3g}, too small for an "
            "outcome in these units?"
        )
    if found.exposure_known > 1 - COLLINEAR:
        told.append("the confounders explain nearly all of the exposure: no effect of it can be told from theirs")
    if abs(direct) > 2 * (sd + error):
        told.append(
            f"without that prior, NDE would be {direct:.3g} (standard error {error:.2g}), which the prior, whose "
            f"standard deviation is {sd:.3g}, hardly allows"
        )
    return told
