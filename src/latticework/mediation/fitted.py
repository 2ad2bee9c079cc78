"""What BIMA and BASMU share: a study goes in, and draws, maps, tables and diagnoses are asked for."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from functools import cached_property
from numbers import Integral
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from jaxtyping import Bool, Float
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted

from latticework.core.checks import number, whole_number
from latticework.core.errors import InputError
from latticework.core.estimator import Estimator
from latticework.core.persistence import State
from latticework.core.seeds import seed_from, spawn
from latticework.mediation.chains import Length
from latticework.mediation.decomposition import BasisDecomposition, coefficients_of
from latticework.mediation.diagnosis import Diagnosis, diagnose
from latticework.mediation.effects import NDE, NIE, TE, WORST_RHAT, effects_table, require_libraries
from latticework.mediation.fitting import Chains, Method, decomposition_of, draw, draw_again
from latticework.mediation.maps import ROPE, RULES, Maps, Rule, maps_of, selected
from latticework.mediation.mediator_model import residual_of
from latticework.mediation.prior import Prior
from latticework.mediation.sensitivity import Bias, bias_of, sweep_table, varied
from latticework.mediation.study import Study, study_of

if TYPE_CHECKING:
    import pandas as pd


class MediationModel(Estimator):
    """What BIMA and BASMU share: both stages, and what is asked of their draws."""

    parameters_in_state: ClassVar[tuple[str, ...]] = ("basis", "prior")

    basis: BasisDecomposition | None
    n_chains: int
    n_warmup: int
    n_draws: int
    prior: Prior | None
    n_jobs: int | None
    random_state: Any

    def fit(
        self,
        exposure: Any,
        mediators: Any,
        outcome: Any,
        confounders: Any = None,
        *,
        coordinates: Any = None,
        mask: Any = None,
        regions: Any = None,
    ) -> Self:
        """Draw from the posterior, given a study.

        Parameters
        ----------
        exposure, outcome : array-like of shape (subjects,)
            Numbers; a Series gives its name.
        mediators : array-like of shape (subjects, voxels), images, or paths of images
            See `study_of`.
        confounders : array-like of shape (subjects, confounders), optional
            Those that were measured; a DataFrame gives their names.
        coordinates : array-like of shape (voxels, axes), optional
            Where voxels are; or a `mask` says it.
        mask : path, image or bool array, optional
            Which voxels of a grid the mediators are.
        regions : path, image or array-like, optional
            Which region each voxel is in; effects are smooth within regions and independent between them.

        Returns
        -------
        MediationModel
            Itself.

        Raises
        ------
        InputError
            If the study or an option cannot be used; see `study_of`.
        """
        return self.fit_study(
            study_of(exposure, mediators, outcome, confounders, coordinates=coordinates, mask=mask, regions=regions)
        )

    def fit_study(self, study: Study) -> Self:
        """Draw from the posterior, given a study that was read or simulated.

        Raises
        ------
        InputError
            If an option cannot be used.
        MissingExtraError
            If a library is not installed, before anything is drawn.
        """
        study.check()
        prior, chains, method = self.prior or Prior(), self._chains(), self._method()
        require_libraries(confounded=method.confounded)
        decomposition = decomposition_of(study, self.basis)
        self.prepared_, self.posterior_ = draw(study, decomposition, method, prior, chains)
        self.basis_, self.explained_ = decomposition.basis_, decomposition.explained_
        self.prior_, self.method_ = prior, method
        self.coordinates_ = study.coordinates
        self.space_ = study.space
        self.names_ = {
            "exposure": study.exposure_name,
            "outcome": study.outcome_name,
            "confounders": list(study.confounder_names)
            or [f"confounder {k + 1}" for k in range(study.confounders.shape[1])],
        }
        self._forget()
        self.effects_table_ = effects_table(self.posterior_)
        self._tell()
        return self

    # What is asked of the draws.

    @property
    def nie_(self) -> Float[np.ndarray, " all_draws"]:
        """Draws of the natural indirect effect, the sum of alpha(s) beta(s): chain after chain."""
        return self._regional.sum(axis=-1).ravel()

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
        alpha = None if self.prior_.orthogonal else posterior.projected_alpha().mean(axis=(0, 1)) / prepared.units.alpha
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
    def _regional(self) -> Float[np.ndarray, "chains draws regions"]:
        check_is_fitted(self)
        return self.posterior_.regional()

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
        level: float = 0.95,
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
        if rule not in RULES:
            raise InputError(f"rule={rule!r}: expected one of {', '.join(map(repr, RULES))}")
        for name, value in (("level", level), ("threshold", threshold), ("rate", rate)):
            number(name, value, lambda share: 0 < share < 1, "a share above 0 and below 1")
        if rule == "pip" and not self.posterior_.thresholded:
            raise InputError(
                "rule='pip': without a threshold no effect is exactly nought; use 'fdr', 'interval' or 'rope', or BIMA "
                "with a threshold"
            )
        if rule != "rope":
            maps = self.maps_ if level == 0.95 or rule != "interval" else maps_of(self.posterior_, level=level)
            return selected(maps, rule, level=level, threshold=threshold, rate=rate)
        if rope is None:
            rope = ROPE * float(np.abs(self.maps_.effect).max())
        wide = number("rope", rope, lambda value: 0 <= value < np.inf, "a number of at least 0")
        return selected(maps_of(self.posterior_, rope=wide), rule, level=level)

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
        try:
            given = np.asarray(nu, dtype=float)
        except (TypeError, ValueError) as error:
            raise InputError("nu holds what is not a number") from error
        if given.shape != (self.basis_.n_voxels,) or not np.isfinite(given).all():
            raise InputError(f"nu has shape {given.shape}: expected {self.basis_.n_voxels} finite numbers, one a voxel")
        return bias_of(self.posterior_, given)

    def sensitivity(
        self,
        direct_effect_sd: Sequence[float] | None = None,
        *,
        n_warmup: int | None = None,
        n_draws: int | None = None,
    ) -> pd.DataFrame:
        """How NIE, NDE and TE change with the priors that the split leans on: stage two, run again under others.

        Parameters
        ----------
        direct_effect_sd : sequence of float, optional
            Prior standard deviations of the direct effect; None takes a tenth to ten times that of the fit.
        n_warmup, n_draws : int, optional
            Of each chain; None takes as many as the fit.

        Returns
        -------
        pandas.DataFrame
            A row a prior, ``fitted`` where it is that of the fit: mean and interval of NIE, NDE and TE, the largest
            R-hat of these.
        """
        check_is_fitted(self)
        method = self.method_
        if method.thresholds[1] and self.prepared_.images is None:
            raise InputError("a threshold needs the images, which a saved model does not keep: fit it again")
        if direct_effect_sd is not None and not isinstance(direct_effect_sd, Sequence | np.ndarray):
            raise InputError(f"direct_effect_sd={direct_effect_sd!r}: expected several numbers above 0")
        warmup = self.n_warmup if n_warmup is None else n_warmup
        draws = self.n_draws if n_draws is None else n_draws
        seed = spawn(seed_from(0 if self.random_state is None else self.random_state), "sensitivity")
        chains = Chains(self.n_chains, _length(warmup, draws), seed, self.n_jobs)
        priors = varied(self.prior_, direct_effect_sd, confounded=method.confounded)
        posteriors = draw_again(self.posterior_, self.prepared_, method, priors, chains)
        return sweep_table(priors, posteriors, self.prior_)

    def to_nifti(self, folder: str | os.PathLike[str]) -> list[str]:
        """Write the posterior by voxel as NIfTI images; see `latticework.mediation.export.write_maps`."""
        check_is_fitted(self)
        from latticework.mediation.export import write_maps

        return write_maps(self, folder)

    def to_arviz(self) -> Any:
        """The draws as an ``arviz.InferenceData``; see `latticework.mediation.export.inference_data`."""
        check_is_fitted(self)
        from latticework.mediation.export import inference_data

        return inference_data(self)

    def describe(self) -> dict[str, object]:
        """Return what is worth knowing, as plain values."""
        check_is_fitted(self)
        table = self.effects_table_
        effects = {
            str(row.effect): {"median": row.median, "lower": row.lower, "upper": row.upper}
            for row in table[table.region == ""].itertuples()
        }
        return {
            "class": type(self).__name__,
            "subjects": self.prepared_.mediators.shape[1],
            "voxels": self.basis_.n_voxels,
            "components": self.basis_.n_components,
            "regions": len(self.basis_.blocks),
            "effects": effects,
        }

    def to_state(self) -> State:
        """Everything that was learned."""
        from latticework.mediation.saving import to_state

        return to_state(self)

    def from_state(self, state: State) -> None:
        """Take back everything that was learned."""
        from latticework.mediation.saving import from_state

        from_state(self, state)
        self.method_ = self._method()
        self._forget()
        self.effects_table_ = effects_table(self.posterior_)

    # How it is fitted.

    def check_options(self) -> None:
        """Refuse options that no study could be fitted with, before one is read.

        Raises
        ------
        InputError
            With the option.
        """
        self._chains()
        self._method()

    def _method(self) -> Method:
        """What is particular to the method, checked."""
        raise NotImplementedError

    def _chains(self) -> Chains:
        """How chains run, checked."""
        if not (self.prior is None or isinstance(self.prior, Prior)):
            raise InputError(f"prior is a {type(self.prior).__name__}: expected a Prior or None")
        jobs: Any = self.n_jobs
        if jobs is not None and (isinstance(jobs, bool) or not isinstance(jobs, Integral) or jobs == 0):
            raise InputError(f"n_jobs={jobs!r}: expected a number of processes, -1 for all processors, or None")
        count = whole_number("n_chains", self.n_chains)
        return Chains(
            count,
            _length(self.n_warmup, self.n_draws),
            seed_from(self.random_state),
            None if jobs is None else int(jobs),
        )

    def _forget(self) -> None:
        for name in ("maps_", "_regional"):
            self.__dict__.pop(name, None)

    def _tell(self) -> None:
        """Warn where chains disagree."""
        table = self.effects_table_
        rows = table[table.effect.isin([NIE, NDE, TE]) & (table.region == "") & (table.rhat > WORST_RHAT)]
        if len(rows):
            told = ", ".join(f"{row.effect} {row.rhat:.2f}" for row in rows.itertuples())
            warnings.warn(
                f"chains disagree (R-hat: {told}; expected at most {WORST_RHAT}): draw more, or look at diagnose()",
                ConvergenceWarning,
                stacklevel=4,
            )


def _length(warmup: int, draws: int) -> Length:
    return Length(whole_number("n_warmup", warmup), whole_number("n_draws", draws, least=4))
