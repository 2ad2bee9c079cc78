"""Data in the samplers' units: projected on the basis, centred, scaled; and priors in those units."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from jaxtyping import Float

from latticework.core.errors import InputError
from latticework.mediation.basis import Basis
from latticework.mediation.mediator_model import MediatorData, MediatorPrior
from latticework.mediation.outcome_model import OutcomeData, OutcomePrior
from latticework.mediation.prior import Prior
from latticework.mediation.spike_slab import ConfounderPrior
from latticework.mediation.thresholded import ImageData

AT_ONCE: Final = 64  # subjects whose images are looked at together


@dataclass(frozen=True)
class Units:
    """What one of the samplers' units is in the data's: of exposure, mediators, outcome and confounders."""

    exposure: float
    mediators: float
    outcome: float
    confounders: Float[np.ndarray, " confounders"]

    @property
    def alpha(self) -> float:
        """Mediator by exposure."""
        return self.mediators / self.exposure

    @property
    def beta(self) -> float:
        """Outcome by mediator; of the individual effects' coefficients too."""
        return self.outcome / self.mediators

    @property
    def effect(self) -> float:
        """Outcome by exposure."""
        return self.outcome / self.exposure


@dataclass(frozen=True)
class Prepared:
    """What the samplers see.

    Attributes
    ----------
    mediators
        M*, the coefficients of images in the basis.
    regressors
        Exposure, and confounders after it.
    outcome
        Y.
    basis
        Of the images.
    units
        To go back.
    images
        Less their means; only where a threshold asks for them.
    """

    mediators: Float[np.ndarray, "components subjects"]
    regressors: Float[np.ndarray, "regressors subjects"]
    outcome: Float[np.ndarray, " subjects"]
    basis: Basis
    units: Units
    images: Float[np.ndarray, "subjects voxels"] | None = None

    def in_units(self, units: Units) -> Prepared:
        """The same in other units, before it has images."""
        now = self.units
        scale = np.concatenate([[now.exposure / units.exposure], now.confounders / units.confounders])
        return replace(
            self,
            mediators=self.mediators * (now.mediators / units.mediators),
            regressors=self.regressors * scale[:, None],
            outcome=self.outcome * (now.outcome / units.outcome),
            units=units,
        )

    def mediator_data(self) -> MediatorData:
        """Products for stage one."""
        return MediatorData.of(self.mediators, self.regressors, self.basis.eigenvalues)

    def outcome_data(self) -> OutcomeData:
        """Products for stage two."""
        return OutcomeData.of(self.mediators, self.regressors, self.outcome, self.basis.eigenvalues)

    def image_data(self) -> ImageData:
        """Data by voxel, for a thresholded beta.

        Raises
        ------
        InputError
            If there are no images, as in a model that was loaded.
        """
        if self.images is None:
            raise InputError("a threshold needs the images, which a saved model does not keep: fit it again")
        return ImageData(self.images, self.outcome, self.regressors)

    def mediator_prior(self, prior: Prior) -> MediatorPrior:
        """Priors of stage one; an image of which all variance is one thing's has the reference size."""
        image = self.basis.n_voxels / self.basis.eigenvalues.sum() if prior.standardise else 1.0
        return MediatorPrior(
            shape=prior.shape,
            alpha=prior.rate * image,
            noise=prior.rate,
            eta=prior.rate * image,
            zeta=prior.rate * image,
            fixed_zeta=prior.confounder_variance,
            orthogonal=prior.orthogonal,
        )

    def outcome_prior(self, prior: Prior) -> OutcomePrior:
        """Priors of stage two; an image that accounts for all of the outcome has the reference size."""
        power = np.einsum("li,li->l", self.mediators, self.mediators) / len(self.outcome)
        image = 1 / (self.basis.eigenvalues @ power) if prior.standardise else 1.0
        return OutcomePrior(
            shape=prior.shape,
            beta=prior.rate * image,
            noise=prior.noise_rate,
            zeta=prior.rate,
            direct_effect_sd=prior.direct_effect_sd / self.units.effect,
        )

    def confounder_prior(self, prior: Prior) -> ConfounderPrior:
        """Priors of the confounder; coefficients of the size that the image's have in a voxel are the reference."""
        share = self.basis.eigenvalues.sum() / self.basis.n_voxels
        image = self.outcome_prior(prior).beta * share if prior.standardise else prior.rate
        return ConfounderPrior(prior.inclusion_of(self.basis.n_voxels), prior.shape, image)


def prepare(
    exposure: Float[np.ndarray, " subjects"],
    mediators: Float[np.ndarray, "subjects voxels"],
    outcome: Float[np.ndarray, " subjects"],
    confounders: Float[np.ndarray, "subjects confounders"],
    basis: Basis,
    *,
    standardise: bool = True,
    keep_images: bool = False,
) -> Prepared:
    """Project, centre and scale data.

    Images are read a few at a time, so that they may lie in a file; with `keep_images` all are held, in float64.
    """
    coefficients, spread = _project(mediators, basis)
    regressors = np.vstack([exposure, confounders.T])
    regressors = np.ascontiguousarray(regressors - regressors.mean(axis=1, keepdims=True))
    centred = outcome - outcome.mean()
    one = Units(1.0, 1.0, 1.0, np.ones(confounders.shape[1]))
    prepared = Prepared(coefficients, regressors, centred, basis, one)
    if standardise:
        sizes = regressors.std(axis=1)
        prepared = prepared.in_units(Units(float(sizes[0]), spread, float(centred.std()), sizes[1:]))
    if not keep_images:
        return prepared
    images = mediators - mediators.mean(axis=0, dtype=float)
    images *= 1 / prepared.units.mediators  # in place: they are the largest array of a fit
    return replace(prepared, images=images)


def _project(
    mediators: Float[np.ndarray, "subjects voxels"], basis: Basis
) -> tuple[Float[np.ndarray, "components subjects"], float]:
    """Coefficients of centred images, and the root of their mean variance by voxel."""
    subjects = len(mediators)
    coefficients = np.empty((subjects, basis.n_components))
    first = np.asarray(mediators[0], float)  # what is subtracted before squares are summed
    total, squares = np.zeros(basis.n_voxels), 0.0
    for begin in range(0, subjects, AT_ONCE):
        some = np.asarray(mediators[begin : begin + AT_ONCE], float)
        coefficients[begin : begin + AT_ONCE] = basis.project(some)
        some = some - first
        total += some.sum(axis=0)
        squares += float(np.einsum("ij,ij->", some, some))
    spread = (squares - float(total @ total) / subjects) / (subjects * basis.n_voxels)
    coefficients -= coefficients.mean(axis=0)
    return np.ascontiguousarray(coefficients.T), float(np.sqrt(spread))
