"""What a fit leaves: draws of both stages in the units of the data, and what follows from them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, Final

import numpy as np
from jaxtyping import Float

from latticework.mediation.basis import Basis
from latticework.mediation.kept import MediatorDraws, OutcomeDraws
from latticework.mediation.preparation import Units
from latticework.mediation.thresholded import soft_threshold

NUMBERS: Final = 2**24  # looked at together: 128 MB


@dataclass(frozen=True)
class Posterior:
    """Draws of both stages, in the units of the data; draw t of stage one goes with draw t of stage two.

    Attributes
    ----------
    basis
        Of the images.
    alpha, beta
        Coefficients of the effects of the exposure on the image, and of the image on the outcome; with a threshold, of
        the processes that it is applied to.
    direct
        The effect of the exposure that does not go through the image.
    thresholds
        Of alpha and of beta; nought for none.
    sigmas
        Standard deviations by name.
    shrinkage
        w, the share of a component's residual that belongs to individual effects, on average.
    projected
        nu* = Q' delta nu; None where there is no unobserved confounder.
    nu, nu_sd, included
        Of the unobserved confounder by voxel: mean, standard deviation, and probability of inclusion.
    accepted
        Share of Hamiltonian moves that were accepted in each stage.
    """

    basis: Basis
    alpha: Float[np.ndarray, "chains draws components"]
    beta: Float[np.ndarray, "chains draws components"]
    direct: Float[np.ndarray, "chains draws"]
    thresholds: tuple[float, float]
    sigmas: dict[str, Float[np.ndarray, "chains draws"]]
    shrinkage: Float[np.ndarray, " components"]
    projected: Float[np.ndarray, "chains draws components"] | None = None
    nu: Float[np.ndarray, " voxels"] | None = None
    nu_sd: Float[np.ndarray, " voxels"] | None = None
    included: Float[np.ndarray, " voxels"] | None = None
    accepted: tuple[float, float] | None = None

    @classmethod
    def of(
        cls,
        mediators: Sequence[MediatorDraws],
        outcomes: Sequence[OutcomeDraws],
        basis: Basis,
        units: Units,
        thresholds: tuple[float, float],
    ) -> Posterior:
        """Put the chains together, in the units of the data."""
        return cls(
            basis=basis,
            alpha=np.stack([chain.alpha for chain in mediators]) * units.alpha,
            thresholds=thresholds,
            shrinkage=np.mean([chain.shrinkage.mean(axis=0) for chain in mediators], axis=0),
            accepted=_accepted(mediators, outcomes),
            sigmas=_sigmas(mediators, units) | _sigmas(outcomes, units),
            **_of_outcomes(outcomes, units),
        )

    def again(self, outcomes: Sequence[OutcomeDraws], units: Units) -> Posterior:
        """The same stage one with other chains of stage two, which may be fewer and shorter."""
        chains, draws = len(outcomes), len(outcomes[0].direct)
        kept = {name: values[:chains, :draws] for name, values in self.sigmas.items()}
        alpha = self.alpha[:chains, :draws]
        return replace(self, alpha=alpha, sigmas=kept | _sigmas(outcomes, units), **_of_outcomes(outcomes, units))

    def __getstate__(self) -> dict[str, Any]:
        """What a pickle holds: draws, and nothing that follows from them."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @property
    def thresholded(self) -> bool:
        """Whether effects can be exactly nought."""
        return any(self.thresholds)

    @cached_property
    def regional(self) -> Float[np.ndarray, "chains draws regions"]:
        """Draws of the indirect effect through each region: the sum of alpha(s) beta(s) over its voxels."""
        found = np.zeros((*self.direct.shape, len(self.basis.blocks)))
        if not self.thresholded:  # then the sum over voxels is one over components
            product = self.alpha * self.beta
            for region, part in enumerate(self.basis.slices):
                found[..., region] = product[..., part].sum(axis=-1)
            return found
        flat = found.reshape(-1, found.shape[-1])
        for region, _, alpha, beta in self.images():
            flat[:, region] += np.einsum("st,st->t", alpha, beta)
        return found

    def images(
        self,
    ) -> Iterator[
        tuple[int, Float[np.ndarray, " some"], Float[np.ndarray, "some all_draws"], Float[np.ndarray, "some all_draws"]]
    ]:
        """Draws of alpha and beta, some voxels of a region at a time: the region, the voxels, and the draws of each."""
        alpha, beta = (draws.reshape(-1, draws.shape[-1]) for draws in (self.alpha, self.beta))
        step = max(1, NUMBERS // len(alpha))
        for region, (block, part) in enumerate(zip(self.basis.blocks, self.basis.slices, strict=True)):
            for begin in range(0, len(block.voxels), step):
                vectors = block.vectors[begin : begin + step]
                effects = [
                    soft_threshold(vectors @ draws[:, part].T, threshold)
                    for draws, threshold in zip((alpha, beta), self.thresholds, strict=True)
                ]
                yield region, block.voxels[begin : begin + step], effects[0], effects[1]

    def moved(self) -> Float[np.ndarray, "chains draws"]:
        """Draws of what an analysis without the unobserved confounder adds to NIE and takes from NDE.

        The sum of alpha* w nu* over components: as eta is the share w of what is left of the mediators, the mediators'
        coefficients take up w nu* where eta is left out.
        """
        if self.projected is None:
            return np.zeros_like(self.direct)
        return np.einsum("cdl,cdl->cd", self.projected_alpha, self.shrinkage * self.projected)

    def shrinkage_draws(self) -> Float[np.ndarray, "chains draws components"]:
        """By draw, the share w of what is left of the mediators that belongs to individual effects."""
        individual = self.sigmas["sigma_eta"][..., None] ** 2 * self.basis.eigenvalues
        return individual / (individual + self.sigmas["sigma_mediators"][..., None] ** 2)

    @cached_property
    def projected_alpha(self) -> Float[np.ndarray, "chains draws components"]:
        """Draws of alpha* = Q' alpha."""
        if not self.thresholds[0]:
            return self.alpha
        step = max(1, NUMBERS // self.basis.n_voxels)
        draws = self.alpha.reshape(-1, self.basis.n_components)
        found = [
            self.basis.project(soft_threshold(self.basis.expand(draws[begin : begin + step]), self.thresholds[0]))
            for begin in range(0, len(draws), step)
        ]
        return np.concatenate(found).reshape(self.alpha.shape)


def _of_outcomes(outcomes: Sequence[OutcomeDraws], units: Units) -> dict[str, Any]:
    """What stage two says, in the units of the data."""
    found: dict[str, Any] = {
        "beta": np.stack([chain.beta for chain in outcomes]) * units.beta,
        "direct": np.stack([chain.direct for chain in outcomes]) * units.effect,
    }
    if outcomes[0].projected is None:
        return found
    nu, squares, included = (
        np.mean([getattr(chain, name) for chain in outcomes], axis=0) for name in ("nu", "nu_squared", "included")
    )
    return found | {
        "projected": np.stack([np.asarray(chain.projected) for chain in outcomes]) * units.beta,
        "nu": nu * units.beta,
        "nu_sd": np.sqrt(np.maximum(squares - nu**2, 0.0)) * units.beta,
        "included": included,
    }


def _sigmas(
    chains: Sequence[MediatorDraws | OutcomeDraws], units: Units
) -> dict[str, Float[np.ndarray, "chains draws"]]:
    """Standard deviations by name, in the units of the data; those of confounders' coefficients have several."""
    sizes = {
        "sigma_alpha": units.alpha,
        "sigma_beta": units.beta,
        "sigma_nu": units.beta,
        "sigma_outcome": units.outcome,
        "sigma_mediators": units.mediators,
        "sigma_eta": units.mediators,
        "voxels_included": 1.0,
    }
    names = [name for name in chains[0].variances if name in sizes]
    return {name: np.stack([chain.variances[name] for chain in chains]) * sizes[name] for name in names}


def _accepted(mediators: Sequence[MediatorDraws], outcomes: Sequence[OutcomeDraws]) -> tuple[float, float] | None:
    stages = [[chain.accepted for chain in stage if chain.accepted is not None] for stage in (mediators, outcomes)]
    if not any(stages):
        return None
    first, second = (float(np.mean(stage)) if stage else 1.0 for stage in stages)  # Gibbs steps are always accepted
    return first, second
