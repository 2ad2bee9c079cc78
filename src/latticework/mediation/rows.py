"""A basis voxel by voxel: the rows of Q, as the scan over voxels reads them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float, Int

from latticework.mediation.basis import Basis
from latticework.mediation.scan import compiled, quadratics

FEW: Final = 32  # components of a region, up to which a compiled loop is quicker than products of matrices


@dataclass(frozen=True)
class Rows:
    """The entries of all rows one after the other; where those of a voxel start, their first component, how many."""

    basis: Basis
    entries: Float[np.ndarray, " entries"]
    starts: Int[np.ndarray, " voxels"]
    firsts: Int[np.ndarray, " voxels"]
    counts: Int[np.ndarray, " voxels"]

    @classmethod
    def of(cls, basis: Basis) -> Rows:
        """Lay out a basis."""
        starts, firsts, counts = (np.zeros(basis.n_voxels, np.int64) for _ in range(3))
        begin = 0
        for block, part in zip(basis.blocks, basis.slices, strict=True):
            voxels, components = block.vectors.shape
            starts[block.voxels] = begin + components * np.arange(voxels)
            firsts[block.voxels], counts[block.voxels] = part.start, components
            begin += voxels * components
        entries = np.concatenate([np.ascontiguousarray(block.vectors).ravel() for block in basis.blocks])
        return cls(basis, entries, starts, firsts, counts)

    def products(
        self, matrix: Float[np.ndarray, "components components"], voxels: Int[np.ndarray, " visited"]
    ) -> tuple[Float[np.ndarray, " visited"], Float[np.ndarray, "moved components"]]:
        """The form q'Aq of the rows q of some voxels, and Aq of each; in small regions, where few need it, of none."""
        own, basis = np.empty(len(voxels)), self.basis
        if self.counts.max() <= FEW:
            compiled(quadratics)(voxels, self.entries, self.starts, self.firsts, self.counts, matrix, own)
            return own, np.empty((0, len(matrix)))
        moved, regions = np.empty((len(voxels), len(matrix))), basis.region_of_voxel[voxels]
        for region in np.unique(regions):
            here, part = np.flatnonzero(regions == region), basis.slices[region]
            vectors = basis.blocks[region].vectors[basis.row_of_voxel[voxels[here]]]
            some = vectors @ matrix[part]
            moved[here], own[here] = some, np.einsum("sl,sl->s", some[:, part], vectors)
        return own, moved

    def project(self, effects: Float[np.ndarray, " voxels"]) -> Float[np.ndarray, " components"]:
        """Q' times effects, of which most are nought."""
        chosen = np.flatnonzero(effects)
        if len(chosen) > self.basis.n_components:
            return self.basis.project(effects)
        return effects[chosen] @ self.dense(chosen)

    def dense(self, voxels: Int[np.ndarray, " chosen"]) -> Float[np.ndarray, "chosen components"]:
        """The rows of some voxels, with all their zeros."""
        basis = self.basis
        if len(basis.blocks) == 1:
            return basis.blocks[0].vectors[basis.row_of_voxel[voxels]]
        found, regions = np.zeros((len(voxels), basis.n_components)), basis.region_of_voxel[voxels]
        for region in np.unique(regions):
            here = np.flatnonzero(regions == region)
            found[here, basis.slices[region]] = basis.blocks[region].vectors[basis.row_of_voxel[voxels[here]]]
        return found
