"""What BIMA and BASMU share: a study goes in, both stages are drawn from, and what was found is kept and written."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted

from latticework.core.checks import n_jobs, whole_number
from latticework.core.errors import InputError, callers_level
from latticework.core.persistence import State
from latticework.core.seeds import seed_from, spawn
from latticework.mediation.chains import MOST_CHAINS
from latticework.mediation.decomposition import BasisDecomposition
from latticework.mediation.draws import inference_data
from latticework.mediation.effects import NDE, NIE, TE, WORST_RHAT, effects_table, require_libraries
from latticework.mediation.fitted import FittedModel
from latticework.mediation.iterations import Length
from latticework.mediation.map_files import write_maps
from latticework.mediation.prior import Prior
from latticework.mediation.saving import state_of, take_back
from latticework.mediation.sensitivity import sweep_table, varied
from latticework.mediation.stages import Chains, Method, decomposition_of, draw, draw_again
from latticework.mediation.study import Study, study_of

if TYPE_CHECKING:
    import pandas as pd


class MediationModel(FittedModel):
    """What BIMA and BASMU share: how a study is fitted, and fitted again under other priors."""

    parameters_in_state: ClassVar[tuple[str, ...]] = ("basis", "prior")

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
        self.check_options()  # images take long to read
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
        self.check_options()
        study.check()
        prior, basis, method = self.prior or Prior(), self._basis(), self._method()
        chains = self._chains(seed_from(self.random_state))
        require_libraries(confounded=method.confounded)
        decomposition = decomposition_of(study, basis)
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
        if method.thresholds[1]:
            self.prepared_.image_data()  # refused before anything is drawn, if there are none
        if direct_effect_sd is not None and not isinstance(direct_effect_sd, Sequence | np.ndarray):
            raise InputError(f"direct_effect_sd={direct_effect_sd!r}: expected several numbers above 0")
        priors = varied(self.prior_, direct_effect_sd, confounded=method.confounded)
        length = _length(self.n_warmup if n_warmup is None else n_warmup, self.n_draws if n_draws is None else n_draws)
        seed = spawn(seed_from(0 if self.random_state is None else self.random_state), "sensitivity")
        chains = replace(self._chains(), length=length, seed=seed)
        posteriors = draw_again(self.posterior_, self.prepared_, method, priors, chains)
        return sweep_table(priors, posteriors, self.prior_)

    def to_nifti(self, folder: str | os.PathLike[str]) -> list[str]:
        """Write the posterior by voxel as NIfTI images; see `latticework.mediation.map_files.write_maps`."""
        return write_maps(self, folder)

    def to_arviz(self) -> Any:
        """The draws as an ``arviz.InferenceData``; see `latticework.mediation.draws.inference_data`."""
        return inference_data(self)

    def to_state(self) -> State:
        """Everything that was learned."""
        return state_of(self)

    def from_state(self, state: State) -> None:
        """Take back everything that was learned."""
        take_back(self, state)
        self._forget()
        self.effects_table_ = effects_table(self.posterior_)

    def check_options(self) -> None:
        """Refuse options that no study could be fitted with, before one is read.

        Raises
        ------
        InputError
            With the option.
        """
        self._basis()
        self._chains()
        self._method()
        if not isinstance(self.random_state, np.random.RandomState | np.random.Generator):  # which a seed is drawn from
            seed_from(self.random_state)

    def _method(self) -> Method:
        """What is particular to the method, checked."""
        raise NotImplementedError

    def _basis(self) -> BasisDecomposition | None:
        """How images are summed up, checked."""
        if self.basis is None:
            return None
        if not isinstance(self.basis, BasisDecomposition):
            raise InputError(f"basis is a {type(self.basis).__name__}: expected a BasisDecomposition or None")
        self.basis.check_options()
        return self.basis

    def _chains(self, seed: int = 0) -> Chains:
        """How chains run, checked; nothing is drawn from what `random_state` is."""
        if not (self.prior is None or isinstance(self.prior, Prior)):
            raise InputError(f"prior is a {type(self.prior).__name__}: expected a Prior or None")
        count = whole_number("n_chains", self.n_chains, most=MOST_CHAINS)
        workers = n_jobs("n_jobs", self.n_jobs)
        return Chains(count, _length(self.n_warmup, self.n_draws), seed, workers)

    def _tell(self) -> None:
        """Warn where chains disagree."""
        table = self.effects_table_
        rows = table[table.effect.isin([NIE, NDE, TE]) & (table.region == "") & (table.rhat > WORST_RHAT)]
        if len(rows):
            told = ", ".join(f"{row.effect} {row.rhat:.2f}" for row in rows.itertuples())
            warnings.warn(
                f"chains disagree (R-hat: {told}; expected at most {WORST_RHAT}): draw more, or look at diagnose()",
                ConvergenceWarning,
                stacklevel=callers_level(),
            )


def _length(warmup: int, draws: int) -> Length:
    return Length(whole_number("n_warmup", warmup), whole_number("n_draws", draws, least=4))
