"""What users import: BIMA, mediation by images, and BASMU, the same with unobserved confounders (Xu et al. 2024)."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, Self

import numpy as np
from jaxtyping import Bool, Float
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted

from latticework.core.checks import number, whole_number
from latticework.core.errors import InputError
from latticework.core.estimator import Estimator
from latticework.core.persistence import State
from latticework.core.seeds import seed_from, spawn
from latticework.mediation.basis import BasisDecomposition
from latticework.mediation.chains import (
    ConfoundedChain,
    Length,
    MediatorChain,
    MediatorDraws,
    OutcomeChain,
    OutcomeDraws,
    run,
)
from latticework.mediation.diagnosis import Diagnosis, diagnose
from latticework.mediation.effects import NDE, NIE, TE, effects_table
from latticework.mediation.mediator_model import residual_of
from latticework.mediation.posterior import Maps, Posterior, maps_of, selected
from latticework.mediation.preparation import Prepared, prepare
from latticework.mediation.prior import Prior
from latticework.mediation.sensitivity import Bias, bias_of, sweep_table, varied
from latticework.mediation.study import Study, study_of

if TYPE_CHECKING:
    import pandas as pd

Rule = Literal["pip", "interval", "rope", "fdr"]
RULES: Final = ("pip", "interval", "rope", "fdr")
COMPONENTS_BY_VOXEL: Final = 0.3  # the paper's
SUBJECTS_BY_COMPONENT: Final = 3  # at least, by default: or the image could account for any outcome
MOST_COMPONENTS: Final = 500  # by default: an iteration takes their third power
ROPE: Final = 0.05  # of the largest effect of a voxel: practically nought
MOST_RHAT: Final = 1.05  # that is passed over in silence


class MediationModel(Estimator):
    """What BIMA and BASMU share: both stages, and what is asked of their draws.

    Subclasses say how a chain of stage two runs.
    """

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
        """
        prior, length, chains = self._checked()
        seed = seed_from(self.random_state)
        decomposition = self._decomposition(study)
        labels = None if study.regions is None else np.array(study.region_names)[study.regions]
        basis = decomposition.fit(study.coordinates, labels).basis_
        limit = study.n_subjects - study.confounders.shape[1] - 2
        if basis.n_components >= limit:
            warnings.warn(
                f"{basis.n_components} components for {study.n_subjects} subjects: the image can account for all of "
                f"the outcome, and priors alone decide; a basis of fewer than {limit} does better",
                stacklevel=3,
            )
        prepared = prepare(
            study.exposure,
            study.mediators,
            study.outcome,
            study.confounders,
            basis,
            standardise=prior.standardise,
            keep_images=self._needs_images,
        )
        thresholds = self._thresholds(prepared)
        mediators = self._mediators(prepared, prior, length, chains, seed, thresholds)
        outcomes = self._outcomes(prepared, prior, length, chains, seed, thresholds, mediators)
        units = prepared.units
        in_units = (thresholds[0] * units.alpha, thresholds[1] * units.beta)
        self.basis_ = basis
        self.explained_ = decomposition.explained_
        self.prior_ = prior
        self.posterior_ = Posterior.of(mediators, outcomes, basis, units, in_units)
        self.prepared_ = prepared
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
        prepared = self.prepared_
        residual = residual_of(prepared.mediators, prepared.regressors) * prepared.units.mediators
        return (self.posterior_.shrinkage[:, None] * residual).T

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
        decomposition = BasisDecomposition()
        decomposition.basis_ = self.basis_
        return decomposition.transform(mediators)

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
            By the probability that the effect is not nought (above `threshold`; only of a BIMA with a threshold), by
            the interval of `level` (without nought), by the probability that the effect is further from nought than
            `rope` (at least `level`), or as many as keep the expected share of wrong signs at `rate`. Smooth effects
            are nowhere exactly nought, so that "interval" and "fdr" also choose voxels beside an effect.
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
        given = np.asarray(nu, dtype=float)
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
            Of each chain; None takes half of those of the fit.

        Returns
        -------
        pandas.DataFrame
            A row a prior, ``fitted`` where it is that of the fit: mean and interval of NIE, NDE and TE, R-hat of NDE.
        """
        check_is_fitted(self)
        warmup = whole_number("n_warmup", max(1, self.n_warmup // 2) if n_warmup is None else n_warmup)
        draws = whole_number("n_draws", max(4, self.n_draws // 2) if n_draws is None else n_draws, least=4)
        length = Length(warmup, min(draws, self.posterior_.direct.shape[1]))
        seed = spawn(seed_from(0 if self.random_state is None else self.random_state), "sensitivity")
        chains = min(2, len(self.posterior_.direct))
        priors = varied(self.prior_, direct_effect_sd, confounded=self._confounded)
        thresholds = self._thresholds(self.prepared_)
        tasks = [
            self._outcome(self.prepared_, prior, length, seed, chain, thresholds, self._stage_one())
            for prior in priors
            for chain in range(chains)
        ]
        done = run(tasks, "Priors", self.n_jobs)
        posteriors = [
            self.posterior_.again(done[place * chains : (place + 1) * chains], self.prepared_.units)
            for place in range(len(priors))
        ]
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
        self._forget()
        self.effects_table_ = effects_table(self.posterior_)

    # How it is fitted.

    @property
    def _confounded(self) -> bool:
        raise NotImplementedError

    @property
    def _needs_images(self) -> bool:
        """Whether stage two looks at voxels."""
        return False

    def _thresholds(self, prepared: Prepared) -> tuple[float, float]:
        """Of alpha and of beta, in the samplers' units."""
        return 0.0, 0.0

    def _outcome(
        self,
        prepared: Prepared,
        prior: Prior,
        length: Length,
        seed: int,
        number_of_chain: int,
        thresholds: tuple[float, float],
        mediators: MediatorDraws,
    ) -> Any:
        """A chain of stage two, given draws of stage one."""
        raise NotImplementedError

    def _mediators(
        self,
        prepared: Prepared,
        prior: Prior,
        length: Length,
        chains: int,
        seed: int,
        thresholds: tuple[float, float],
    ) -> list[MediatorDraws]:
        tasks = [MediatorChain(prepared, prior, length, seed, chain, thresholds[0]) for chain in range(chains)]
        jobs = self.n_jobs if thresholds[0] else 1  # without a threshold a process takes longer to start than to end
        return run(tasks, "Mediators", jobs)

    def _outcomes(
        self,
        prepared: Prepared,
        prior: Prior,
        length: Length,
        chains: int,
        seed: int,
        thresholds: tuple[float, float],
        mediators: Sequence[MediatorDraws],
    ) -> list[OutcomeDraws]:
        pooled = np.mean([one.shrinkage.mean(axis=0) for one in mediators], axis=0, keepdims=True)
        make = partial(self._outcome, prepared, prior, length, seed)
        tasks = [make(chain, thresholds, self._handed_on(mediators[chain], pooled)) for chain in range(chains)]
        return run(tasks, "Outcome", self.n_jobs)

    def _handed_on(self, chain: MediatorDraws, pooled: Float[np.ndarray, "one components"]) -> MediatorDraws:
        """What stage two is told of stage one: the mean of all chains."""
        return MediatorDraws(chain.alpha, pooled, {}, None)

    def _stage_one(self) -> MediatorDraws:
        return MediatorDraws(self.posterior_.alpha[0], self.posterior_.shrinkage[None], {}, None)

    def _decomposition(self, study: Study) -> BasisDecomposition:
        if self.basis is not None:
            if not isinstance(self.basis, BasisDecomposition):
                raise InputError(f"basis is a {type(self.basis).__name__}: expected a BasisDecomposition or None")
            return clone(self.basis)
        regions = max(1, len(study.region_names))
        few = min(int(COMPONENTS_BY_VOXEL * study.n_voxels), study.n_subjects // SUBJECTS_BY_COMPONENT, MOST_COMPONENTS)
        return BasisDecomposition(n_components=min(max(few, regions, 1), study.n_voxels))

    def _checked(self) -> tuple[Prior, Length, int]:
        if not (self.prior is None or isinstance(self.prior, Prior)):
            raise InputError(f"prior is a {type(self.prior).__name__}: expected a Prior or None")
        chains = whole_number("n_chains", self.n_chains)
        length = Length(
            whole_number("n_warmup", self.n_warmup, least=1), whole_number("n_draws", self.n_draws, least=4)
        )
        if self.n_jobs is not None and (self.n_jobs == 0 or not isinstance(self.n_jobs, int)):
            raise InputError(f"n_jobs={self.n_jobs!r}: expected a number of processes, -1 for all processors, or None")
        return self.prior or Prior(), length, chains

    def _forget(self) -> None:
        for name in ("maps_", "_regional"):
            self.__dict__.pop(name, None)

    def _tell(self) -> None:
        """Warn where chains disagree."""
        table = self.effects_table_
        rows = table[table.effect.isin([NIE, NDE, TE]) & (table.region == "") & (table.rhat > MOST_RHAT)]
        if len(rows):
            told = ", ".join(f"{row.effect} {row.rhat:.2f}" for row in rows.itertuples())
            warnings.warn(
                f"chains disagree (R-hat: {told}; expected at most {MOST_RHAT}): draw more, or look at diagnose()",
                ConvergenceWarning,
                stacklevel=4,
            )


class BIMA(MediationModel):
    """Bayesian image mediation analysis: an exposure changes an image, which changes an outcome (Xu & Kang 2023).

    M_i(s) = alpha(s) X_i + zeta_M(s)'C_i + eta_i(s) + noise, and Y_i = c + sum beta(s) M_i(s) + gamma X_i + zeta_Y'C_i
    + noise, with smooth alpha and beta: NIE is the sum of alpha(s) beta(s), NDE is gamma. No confounder of image and
    outcome is missing from C; BASMU allows for some.

    Parameters
    ----------
    basis : BasisDecomposition or None
        How images are summed up; None takes 0.3 components a voxel, but no more than a third of the subjects, and 500.
    threshold : float or (float, float)
        Effects on and of a voxel, alpha (mediator by exposure) and beta (outcome by mediator), are shrunk by so much
        and nought if below; the paper's is 0.5 for data of about unit variance.
    n_chains, n_warmup, n_draws : int
        Chains, and iterations of each that are thrown away and kept.
    prior : Prior or None
        What is believed beforehand; None for the default.
    n_jobs : int or None
        Processes that chains run in; -1 for all processors, None for what joblib's context says.
    random_state : None, int, numpy.random.RandomState or numpy.random.Generator
        An int gives the same draws each time, whatever `n_jobs`.

    Attributes
    ----------
    effects_table_ : pandas.DataFrame
        NIE, NDE, TE and the proportion mediated, and NIE of each region.
    posterior_ : Posterior
        All draws.
    maps_ : Maps
        The posterior by voxel.

    Examples
    --------
    >>> from latticework.mediation import BIMA, simulate
    >>> study = simulate(n=60, side=8, confounding="none")
    >>> model = BIMA(n_chains=2, n_warmup=100, n_draws=200, n_jobs=1, random_state=0).fit_study(study)
    >>> bool(abs(model.te_.mean() - study.te) < 0.1 * study.te)
    True
    """

    def __init__(
        self,
        basis: BasisDecomposition | None = None,
        *,
        threshold: float | tuple[float, float] = 0.0,
        n_chains: int = 4,
        n_warmup: int = 1000,
        n_draws: int = 1000,
        prior: Prior | None = None,
        n_jobs: int | None = -1,
        random_state: Any = None,
    ) -> None:
        self.basis = basis
        self.threshold = threshold
        self.n_chains = n_chains
        self.n_warmup = n_warmup
        self.n_draws = n_draws
        self.prior = prior
        self.n_jobs = n_jobs
        self.random_state = random_state

    @property
    def _confounded(self) -> bool:
        return False

    def _checked(self) -> tuple[Prior, Length, int]:
        for value in _pair(self.threshold):
            number("threshold", value, lambda given: 0 <= given < np.inf, "a number of at least 0, or two of them")
        return super()._checked()

    @property
    def _needs_images(self) -> bool:
        return _pair(self.threshold)[1] > 0

    def _thresholds(self, prepared: Prepared) -> tuple[float, float]:
        alpha, beta = _pair(self.threshold)
        return float(alpha) / prepared.units.alpha, float(beta) / prepared.units.beta

    def _outcome(
        self,
        prepared: Prepared,
        prior: Prior,
        length: Length,
        seed: int,
        number_of_chain: int,
        thresholds: tuple[float, float],
        mediators: MediatorDraws,
    ) -> OutcomeChain:
        return OutcomeChain(prepared, prior, length, seed, number_of_chain, thresholds[1])


class BASMU(MediationModel):
    """Bayesian structured mediation analysis with unobserved confounders (Xu et al. 2024).

    As `BIMA`, but what makes the images of individuals differ, eta_i(s), may change the outcome in ways other than
    through the image: + sum nu(s) delta(s) eta_i(s), with few voxels included. The total effect is known from the data;
    its split into NIE and NDE leans on the priors, and `diagnose` and `sensitivity` show how much.

    Parameters
    ----------
    basis : BasisDecomposition or None
        How images are summed up; None takes 0.3 components a voxel, but no more than a third of the subjects, and 500.
    n_chains, n_warmup, n_draws : int
        Chains, and iterations of each that are thrown away and kept.
    prior : Prior or None
        What is believed beforehand; None for the default.
    propagate : bool
        Whether stage two allows for what stage one does not know about individual effects, with draws of them instead
        of their mean. The intervals are wider; that they cover as they should is not proven.
    n_jobs : int or None
        Processes that chains run in; -1 for all processors, None for what joblib's context says.
    random_state : None, int, numpy.random.RandomState or numpy.random.Generator
        An int gives the same draws each time, whatever `n_jobs`.

    Attributes
    ----------
    effects_table_ : pandas.DataFrame
        NIE, NDE, TE and the proportion mediated, and NIE of each region.
    posterior_ : Posterior
        All draws.
    maps_ : Maps
        The posterior by voxel.

    Examples
    --------
    >>> from latticework.mediation import BASMU, simulate
    >>> study = simulate(n=60, side=8, confounding="sparse")
    >>> model = BASMU(n_chains=2, n_warmup=100, n_draws=200, n_jobs=1, random_state=0).fit_study(study)
    >>> model.effects_table_.effect.tolist()
    ['NIE', 'NDE', 'TE', 'proportion mediated']
    """

    def __init__(
        self,
        basis: BasisDecomposition | None = None,
        *,
        n_chains: int = 4,
        n_warmup: int = 1000,
        n_draws: int = 1000,
        prior: Prior | None = None,
        propagate: bool = False,
        n_jobs: int | None = -1,
        random_state: Any = None,
    ) -> None:
        self.basis = basis
        self.n_chains = n_chains
        self.n_warmup = n_warmup
        self.n_draws = n_draws
        self.prior = prior
        self.propagate = propagate
        self.n_jobs = n_jobs
        self.random_state = random_state

    @property
    def included_(self) -> Float[np.ndarray, " voxels"]:
        """Posterior probability that a voxel carries the unobserved confounder."""
        check_is_fitted(self)
        found = self.posterior_.included
        return np.zeros(self.basis_.n_voxels) if found is None else found

    @property
    def _confounded(self) -> bool:
        return True

    def _handed_on(self, chain: MediatorDraws, pooled: Float[np.ndarray, "one components"]) -> MediatorDraws:
        return chain if self.propagate else MediatorDraws(chain.alpha, pooled, {"sigma_mediators": np.ones(1)}, None)

    def _stage_one(self) -> MediatorDraws:
        return MediatorDraws(
            self.posterior_.alpha[0], self.posterior_.shrinkage[None], {"sigma_mediators": np.ones(1)}, None
        )

    def _outcome(
        self,
        prepared: Prepared,
        prior: Prior,
        length: Length,
        seed: int,
        number_of_chain: int,
        thresholds: tuple[float, float],
        mediators: MediatorDraws,
    ) -> ConfoundedChain:
        propagate = self.propagate and len(mediators.shrinkage) > 1
        noise = mediators.variances["sigma_mediators"] ** 2
        return ConfoundedChain(prepared, prior, length, seed, number_of_chain, mediators.shrinkage, noise, propagate)


def _pair(threshold: float | tuple[float, float]) -> tuple[float, float]:
    """The thresholds of alpha and beta."""
    if isinstance(threshold, tuple | list):
        if len(threshold) != 2:
            raise InputError(f"threshold={threshold!r}: expected one number, or those of alpha and beta")
        return threshold[0], threshold[1]
    return threshold, threshold
