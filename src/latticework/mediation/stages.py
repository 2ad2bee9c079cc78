"""From a study to draws: its basis, data in the samplers' units, chains of both stages, draws in the data's units."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from jaxtyping import Float
from sklearn.base import clone

from latticework.core.errors import callers_level
from latticework.mediation.chains import (
    ConfoundedChain,
    MediatorChain,
    OutcomeChain,
)
from latticework.mediation.choices import KernelName
from latticework.mediation.decomposition import SHARE, BasisDecomposition
from latticework.mediation.iterations import Length, run
from latticework.mediation.kept import MediatorDraws
from latticework.mediation.kernels import DEGREE, hermite_count
from latticework.mediation.posterior import Posterior
from latticework.mediation.preparation import Prepared, prepare
from latticework.mediation.prior import Prior
from latticework.mediation.regions import numbered
from latticework.mediation.study import Study

SUBJECTS_BY_COMPONENT: Final = 3  # at least, by default: or the image could account for any outcome
MOST_COMPONENTS: Final = 500  # by default: an iteration takes their third power


@dataclass(frozen=True)
class Method:
    """What BIMA and BASMU differ in.

    Attributes
    ----------
    thresholds
        Of alpha and beta, in the units of the data.
    confounded
        Whether there may be an unobserved confounder.
    propagate
        Whether stage two allows for what stage one does not know about individual effects.
    """

    thresholds: tuple[float, float] = (0.0, 0.0)
    confounded: bool = False
    propagate: bool = False

    def inner_thresholds(self, prepared: Prepared) -> tuple[float, float]:
        """The thresholds in the samplers' units."""
        return self.thresholds[0] / prepared.units.alpha, self.thresholds[1] / prepared.units.beta

    def handed_on(self, prior: Prior) -> str:
        """What stage two takes over from stage one, in words."""
        share = "draws of the share of individual effects" if self.propagate else "the mean share of individual effects"
        return share if prior.orthogonal else f"draws of the exposure's effects, and {share}"

    def outcome_chain(
        self,
        prepared: Prepared,
        prior: Prior,
        length: Length,
        seed: int,
        number: int,
        shrinkage: Float[np.ndarray, "#draws components"],
        alpha: Float[np.ndarray, "draws components"],
    ) -> OutcomeChain | ConfoundedChain:
        """A chain of stage two, given the shrinkage, or its mean, and the exposure's effects by draws of stage one."""
        if not self.confounded:
            return OutcomeChain(prepared, prior, length, seed, number, self.inner_thresholds(prepared)[1])
        return ConfoundedChain(prepared, prior, length, seed, number, shrinkage, None if prior.orthogonal else alpha)


@dataclass(frozen=True)
class Chains:
    """How many chains there are, how long they are, where randomness comes from, and in how many processes they run."""

    count: int
    length: Length
    seed: int
    n_jobs: int | None


def decomposition_of(study: Study, basis: BasisDecomposition | None) -> BasisDecomposition:
    """The basis of a study's images, by the settings given or by default.

    Raises
    ------
    InputError
        If the settings do not go with the study.
    """
    if basis is None:
        basis = default_basis(study)
    labels, names, regions = None, None, 1
    if study.regions is not None:
        labels, names = numbered(study.regions, dict(enumerate(study.region_names)))
        regions = len(names)
    fitted = clone(basis).fit(study.coordinates, labels, names=names)
    limit = study.n_subjects - study.confounders.shape[1] - 2
    if basis.n_components == regions > study.n_subjects // SUBJECTS_BY_COMPONENT:
        warnings.warn(
            f"{regions} regions, each of which has a component, for {study.n_subjects} subjects: "
            "priors count for much; an atlas of fewer regions does better",
            stacklevel=callers_level(),
        )
    if fitted.n_components_ >= limit:
        warnings.warn(
            f"{fitted.n_components_} components for {study.n_subjects} subjects: the image can account for all of the "
            f"outcome, and priors alone decide; a basis of fewer than {limit} does better",
            stacklevel=callers_level(),
        )
    return fitted


def default_basis(study: Study, kernel: KernelName = "matern") -> BasisDecomposition:
    """The settings by default: at most as many components as the subjects allow, of either kernel."""
    voxels = np.array([study.n_voxels]) if study.regions is None else np.unique(study.regions, return_counts=True)[1]
    few = min(int(SHARE * study.n_voxels), study.n_subjects // SUBJECTS_BY_COMPONENT, MOST_COMPONENTS)
    if kernel != "matern":
        voxels = np.minimum(voxels, hermite_count(study.coordinates.shape[1], DEGREE))
    return BasisDecomposition(kernel, n_components=min(max(few, len(voxels)), int(voxels.sum())))


def draw(
    study: Study, decomposition: BasisDecomposition, method: Method, prior: Prior, chains: Chains
) -> tuple[Prepared, Posterior]:
    """Run both stages; data in the samplers' units, and draws in the data's."""
    prepared = prepare(
        study.exposure,
        study.mediators,
        study.outcome,
        study.confounders,
        decomposition.basis_,
        standardise=prior.standardise,
        keep_images=method.thresholds[1] > 0,
    )
    inner = method.inner_thresholds(prepared)
    first = [
        MediatorChain(replace(prepared, images=None), prior, chains.length, chains.seed, number, inner[0])
        for number in range(chains.count)
    ]
    # without a threshold a process takes longer to start than a chain to end
    mediators: list[MediatorDraws] = run(first, "Mediators", chains.n_jobs if inner[0] else 1)
    mean = np.mean([one.shrinkage.mean(axis=0) for one in mediators], axis=0, keepdims=True)
    second = [
        method.outcome_chain(
            prepared, prior, chains.length, chains.seed, number, one.shrinkage if method.propagate else mean, one.alpha
        )
        for number, one in enumerate(mediators)
    ]
    outcomes = run(second, "Outcome", chains.n_jobs)
    return prepared, Posterior.of(mediators, outcomes, decomposition.basis_, prepared.units, method.thresholds)


def draw_again(
    posterior: Posterior, prepared: Prepared, method: Method, priors: Sequence[Prior], chains: Chains
) -> list[Posterior]:
    """Run stage two under other priors, with stage one as it was."""
    count = min(chains.count, len(posterior.direct))
    length = replace(chains.length, draws=min(chains.length.draws, posterior.direct.shape[1]))
    alpha = posterior.alpha / prepared.units.alpha
    shrinkage = posterior.shrinkage_draws() if method.propagate else [posterior.shrinkage[None]] * count
    tasks = [
        method.outcome_chain(prepared, prior, length, chains.seed, number, shrinkage[number], alpha[number])
        for prior in priors
        for number in range(count)
    ]
    done = run(tasks, "Priors", chains.n_jobs)
    return [posterior.again(done[place * count : (place + 1) * count], prepared.units) for place in range(len(priors))]
