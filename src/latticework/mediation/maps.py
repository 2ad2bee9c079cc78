"""The posterior voxel by voxel, and the rules by which voxels are selected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from jaxtyping import Bool, Float

from latticework.mediation.effects import LEVEL
from latticework.mediation.posterior import Posterior

Rule = Literal["pip", "interval", "rope", "fdr"]
RULES: Final = ("pip", "interval", "rope", "fdr")
ROPE: Final = 0.05  # of the largest effect of a voxel: practically nought


@dataclass(frozen=True)
class Maps:
    """The posterior by voxel, in units of the outcome by units of the exposure where nothing else is said.

    Attributes
    ----------
    alpha, alpha_sd
        Mean and standard deviation of the exposure's effect: mediator by exposure.
    beta, beta_sd
        Those of the mediator's: outcome by mediator.
    effect, effect_sd, effect_lower, effect_upper
        Mean, standard deviation and interval of the indirect effect through the voxel, alpha(s) beta(s).
    positive, negative
        Probabilities that it is above and below nought.
    """

    alpha: Float[np.ndarray, " voxels"]
    alpha_sd: Float[np.ndarray, " voxels"]
    beta: Float[np.ndarray, " voxels"]
    beta_sd: Float[np.ndarray, " voxels"]
    effect: Float[np.ndarray, " voxels"]
    effect_sd: Float[np.ndarray, " voxels"]
    effect_lower: Float[np.ndarray, " voxels"]
    effect_upper: Float[np.ndarray, " voxels"]
    positive: Float[np.ndarray, " voxels"]
    negative: Float[np.ndarray, " voxels"]

    @property
    def pip(self) -> Float[np.ndarray, " voxels"]:
        """Probability that the effect is not nought: 1 everywhere where no threshold is."""
        return self.positive + self.negative

    @property
    def sign_error(self) -> Float[np.ndarray, " voxels"]:
        """Probability that the effect does not have the likelier sign, the local false sign rate (Stephens 2017)."""
        return 1 - np.maximum(self.positive, self.negative)


def maps_of(posterior: Posterior, *, level: float = LEVEL) -> Maps:
    """Sum up the posterior voxel by voxel: O(p L / R) a draw, in blocks."""
    found = {name: np.empty(posterior.basis.n_voxels) for name in Maps.__dataclass_fields__}
    tails = [(1 - level) / 2, (1 + level) / 2]
    for _, voxels, alpha, beta in posterior.images():
        effect = alpha * beta
        for name, draws in (("alpha", alpha), ("beta", beta), ("effect", effect)):
            found[name][voxels] = draws.mean(axis=1)
            found[f"{name}_sd"][voxels] = draws.std(axis=1)
        found["positive"][voxels] = (effect > 0).mean(axis=1)
        found["negative"][voxels] = (effect < 0).mean(axis=1)
        found["effect_lower"][voxels], found["effect_upper"][voxels] = np.quantile(effect, tails, axis=1)
    return Maps(**found)


def beyond(posterior: Posterior, rope: float) -> Float[np.ndarray, " voxels"]:
    """By voxel, the probability that the effect is above `rope`, or that it is below -`rope`: the larger of the two."""
    found = np.empty(posterior.basis.n_voxels)
    for _, voxels, alpha, beta in posterior.images():
        effect = alpha * beta
        found[voxels] = np.maximum((effect > rope).mean(axis=1), (effect < -rope).mean(axis=1))
    return found


def selected(maps: Maps, rule: Rule, *, threshold: float = 0.5, rate: float = 0.1) -> Bool[np.ndarray, " voxels"]:
    """Choose voxels by a rule other than "rope"; see `MediationModel.select`."""
    if rule == "pip":
        return maps.pip > threshold
    if rule == "interval":
        return (maps.effect_lower > 0) | (maps.effect_upper < 0)
    order = np.argsort(maps.sign_error, kind="stable")
    expected = np.cumsum(maps.sign_error[order]) / np.arange(1, len(order) + 1)
    chosen = np.zeros(len(order), bool)
    chosen[order[: int(np.searchsorted(expected, rate, side="right"))]] = True
    return chosen


def rule_of(posterior: Posterior) -> Rule:
    """By which rule voxels are selected where nobody names one: "pip" where there is a threshold, else "rope"."""
    return "pip" if posterior.thresholded else "rope"
