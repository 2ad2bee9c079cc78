"""What chains leave of their draws."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True)
class MediatorDraws:
    """What a chain of stage one leaves, in the samplers' units.

    Attributes
    ----------
    alpha
        Coefficients of alpha, or of the process that is thresholded.
    shrinkage
        w, the share of residuals that belongs to individual effects.
    variances
        Draws by name.
    accepted
        Share of Hamiltonian moves that were accepted, if there were any.
    """

    alpha: Float[np.ndarray, "draws components"]
    shrinkage: Float[np.ndarray, "draws components"]
    variances: dict[str, Float[np.ndarray, " draws"]]
    accepted: float | None = None


@dataclass(frozen=True)
class OutcomeDraws:
    """What a chain of stage two leaves, in the samplers' units.

    Attributes
    ----------
    beta
        Coefficients of beta, or of the process that is thresholded.
    direct
        gamma.
    confounders
        zeta.
    variances
        Draws by name; with the number of voxels that carry the confounder, if there is one.
    projected
        nu* = Q' delta nu.
    nu, nu_squared, included
        Means over draws, by voxel: of delta nu, of its square, and of delta.
    accepted
        As in `MediatorDraws`.
    """

    beta: Float[np.ndarray, "draws components"]
    direct: Float[np.ndarray, " draws"]
    confounders: Float[np.ndarray, "draws confounders"]
    variances: dict[str, Float[np.ndarray, " draws"]]
    projected: Float[np.ndarray, "draws components"] | None = None
    nu: Float[np.ndarray, " voxels"] | None = None
    nu_squared: Float[np.ndarray, " voxels"] | None = None
    included: Float[np.ndarray, " voxels"] | None = None
    accepted: float | None = None


@dataclass
class Kept:
    """Draws, by name."""

    draws: int
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    place: int = 0

    def add(self, **values: Any) -> None:
        """Keep one draw."""
        if not self.arrays:
            self.arrays = {name: np.empty((self.draws, *np.shape(value))) for name, value in values.items()}
        for name, value in values.items():
            self.arrays[name][self.place] = value
        self.place += 1

    def pop(self, name: str) -> np.ndarray:
        """Take out the draws of one name."""
        return self.arrays.pop(name)

    def roots(self) -> dict[str, np.ndarray]:
        """Square roots of what is left, which are variances."""
        return {name: np.sqrt(values) for name, values in self.arrays.items()}
