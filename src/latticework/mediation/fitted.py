"""What a fitted BIMA or BASMU says: effects, maps, which voxels are selected, and how far to trust them."""

from __future__ import annotations

from dataclasses import asdict
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, Float
from sklearn.utils.validation import check_is_fitted

from latticework.core.checks import number, one_of
from latticework.core.errors import InputError
from latticework.core.estimator import Estimator
from latticework.mediation.basis import Basis
from latticework.mediation.decomposition import BasisDecomposition, coefficients_of
from latticework.mediation.diagnosis import Diagnosis, diagnose
from latticework.mediation.effects import LEVEL
from latticework.mediation.guards import plain_numbers
from latticework.mediation.maps import ROPE, RULES, Maps, Rule, beyond, maps_of, selected
from latticework.mediation.mediator_model import residual_of
from latticework.mediation.posterior import Posterior
from latticework.mediation.preparation import Prepared
from latticework.mediation.prior import Prior
from latticework.mediation.sensitivity import Bias, bias_of
from latticework.mediation.spaces import Space
from latticework.mediation.stages import Method

if TYPE_CHECKING:
    import pandas as pd


class FittedModel(Estimator):
    """Draws and what they rest on, which a fit leaves and a folder keeps, and all that is asked of them."""

    basis: BasisDecomposition | None
    n_chains: int
    n_warmup: int
    n_draws: int
    prior: Prior | None
    n_jobs: int | None
    random_state: Any

    posterior_: Posterior
    prepared_: Prepared
    basis_: Basis
    explained_: float
    prior_: Prior
    method_: Method
    coordinates_: Float[np.ndarray, "voxels axes"]
    space_: Space | None
    names_: dict[str, Any]
    effects_table_: pd.DataFrame

    @property
    def nie_(self) -> Float[np.ndarray, " all_draws"]:
        """Draws of the natural indirect effect, the sum of alpha(s) beta(s): chain after chain."""
        check_is_fitted(self)
        return self.posterior_.regional.sum(axis=-1).ravel()

    @property
    def nde_(self) -> Float[np.ndarray, " all_draws"]:
        """Draws of the natural direct effect."""
        check_is_fitted(self)
        return self.posterior_.direct.ravel()

    @property
    def te_(self) -> Float[np.ndarray, " all_draws"]:
        """Draws of the total effect, the sum of both."""
        return self.nie_ + self.nde_

    @property
    def proportion_mediated_(self) -> Float[np.ndarray, " all_draws"]:
        """Draws of NIE / TE."""
        return self.nie_ / self.te_

    @property
    def alpha_(self) -> Float[np.ndarray, " voxels"]:
        """Posterior mean of the exposure's effect on each voxel."""
        return self.maps_.alpha

    @property
    def beta_(self) -> Float[np.ndarray, " voxels"]:
        """Posterior mean of each voxel's effect on the outcome."""
        return self.maps_.beta

    @property
    def effect_(self) -> Float[np.ndarray, " voxels"]:
        """Posterior mean of the indirect effect through each voxel."""
        return self.maps_.effect

    @property
    def pip_(self) -> Float[np.ndarray, " voxels"]:
        """Posterior probability that the effect through a voxel is not nought; 1 everywhere without a threshold."""
        return self.maps_.pip

    @property
    def nu_(self) -> Float[np.ndarray, " voxels"]:
        """Posterior mean of the unobserved confounder's coefficient in each voxel; nought in BIMA."""
        check_is_fitted(self)
        found = self.posterior_.nu
        return np.zeros(self.basis_.n_voxels) if found is None else found

    @property
    def eta_coefficients_(self) -> Float[np.ndarray, "subjects components"]:
        """Posterior mean of the individual effects in the basis."""
        check_is_fitted(self)
        prepared, posterior = self.prepared_, self.posterior_
        alpha = None if self.prior_.orthogonal else posterior.projected_alpha.mean(axis=(0, 1)) / prepared.units.alpha
        residual = residual_of(prepared.mediators, prepared.regressors, alpha) * prepared.units.mediators
        return (posterior.shrinkage[:, None] * residual).T

    @property
    def eta_(self) -> Float[np.ndarray, "subjects voxels"]:
        """Posterior mean of the individual effects on each voxel."""
        return self.basis_.expand(self.eta_coefficients_)

    @cached_property
    def maps_(self) -> Maps:
        """The posterior by voxel, with intervals of 95 %."""
        check_is_fitted(self)
        return maps_of(self.posterior_)

    @cached_property
    def _beyond(self) -> Float[np.ndarray, " voxels"]:
        return beyond(self.posterior_, ROPE * float(np.abs(self.maps_.effect).max()))

    def transform(self, mediators: Any) -> Float[np.ndarray, "subjects components"]:
        """Coefficients of images in the basis.

        Parameters
        ----------
        mediators : array "subjects voxels"
            Of any subjects, the voxels those of the fit.

        Raises
        ------
        InputError
            If they are not finite, or have another number of voxels.
        """
        check_is_fitted(self)
        return coefficients_of(self.basis_, mediators)

    def select(
        self,
        rule: Rule = "rope",
        *,
        level: float = LEVEL,
        rope: float | None = None,
        threshold: float = 0.5,
        rate: float = 0.1,
    ) -> Bool[np.ndarray, " voxels"]:
        """Voxels through which there is an effect.

        Parameters
        ----------
        rule : "pip", "interval", "rope" or "fdr"
            By the probability that the effect is not 0 (above `threshold`; only of a BIMA with a threshold), by the
            credible interval of `level` (it excludes 0), by the probability that the effect is above `rope`, or that it
            is below -`rope` (at least `level`), or as many as keep the expected share of wrong signs at `rate`. Smooth
            effects are nowhere exactly 0, so that "interval" and "fdr" also choose voxels beside an effect.
        level : float
            See `rule`.
        rope : float, optional
            An effect that is practically nought, in units of the outcome by units of the exposure; None takes a
            twentieth of the largest posterior mean.
        threshold, rate : float
            See `rule`.

        Returns
        -------
        bool array "voxels"

        Raises
        ------
        InputError
            If a rule does not apply.
        """
        check_is_fitted(self)
        one_of("rule", rule, RULES)
        for name, value in (("level", level), ("threshold", threshold), ("rate", rate)):
            number(name, value, lambda share: 0 < share < 1, "a share above 0 and below 1")
        if rule == "pip" and not self.posterior_.thresholded:
            raise InputError(
                "rule='pip': without a threshold no effect is exactly nought; use 'fdr', 'interval' or 'rope', or BIMA "
                "with a threshold"
            )
        if rule != "rope":
            maps = self.maps_ if level == LEVEL or rule != "interval" else maps_of(self.posterior_, level=level)
            return selected(maps, rule, threshold=threshold, rate=rate)
        if rope is None:
            return self._beyond >= level
        wide = number("rope", rope, lambda value: 0 <= value < np.inf, "a number of at least 0")
        return beyond(self.posterior_, wide) >= level

    def diagnose(self) -> Diagnosis:
        """Whether the draws can be trusted, and how much of the split of NIE and NDE is the prior's."""
        check_is_fitted(self)
        return diagnose(self.posterior_, self.prepared_, self.prior_)

    def bias_if_omitted(self, nu: Any = None) -> Bias:
        """The asymptotic bias of NIE and NDE where the unobserved confounder is left out.

        Parameters
        ----------
        nu : array "voxels", optional
            Coefficients that an unobserved confounder might have; None takes those that were found, which in BIMA are
            nought.

        Raises
        ------
        InputError
            If `nu` has another number of voxels, or is not finite.
        """
        check_is_fitted(self)
        if nu is None:
            return bias_of(self.posterior_)
        given = plain_numbers(nu, "nu").astype(np.float64)
        if given.shape != (self.basis_.n_voxels,) or not np.isfinite(given).all():
            raise InputError(f"nu has shape {given.shape}: expected {self.basis_.n_voxels} finite numbers, one a voxel")
        return bias_of(self.posterior_, given)

    def _about(self) -> dict[str, object]:
        """The size of what was analysed, the priors, and the effects."""
        table = self.effects_table_
        effects = {
            str(row.effect): {"median": row.median, "lower": row.lower, "upper": row.upper}
            for row in table[table.region == ""].itertuples()
        }
        return {
            "subjects": self.prepared_.mediators.shape[1],
            "voxels": self.basis_.n_voxels,
            "components": self.basis_.n_components,
            "regions": len(self.basis_.blocks),
            "prior": asdict(self.prior_),
            "effects": effects,
        }

    def _forget(self) -> None:
        for name in ("maps_", "_beyond"):
            self.__dict__.pop(name, None)
