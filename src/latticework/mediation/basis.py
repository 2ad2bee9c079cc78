"""Images in a few numbers a region: coefficients of orthonormal functions over its voxels (Xu et al. 2024, section 2).

Regions are independent of one another, so the functions of each are zero elsewhere; `BasisDecomposition` finds them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Self

import numpy as np
from jaxtyping import Float, Int, Real

from latticework.core.checks import whole_number
from latticework.core.errors import InputError
from latticework.core.words import shortened

_ARRAYS: Final = ("voxels", "vectors", "eigenvalues")  # of a block
_CHUNK_BYTES: Final = 2**26  # of images in double precision at a time


@dataclass(frozen=True, eq=False)
class Block:
    """The functions of one region.

    Attributes
    ----------
    name : str
        What the region is called.
    voxels : array of int "block"
        Which voxels of the image it has.
    vectors : array "block components"
        Orthonormal functions over them, a column each.
    eigenvalues : array "components"
        Prior variances of their coefficients, up to a factor: positive.
    """

    name: str
    voxels: Int[np.ndarray, " block"]
    vectors: Float[np.ndarray, "block components"]
    eigenvalues: Float[np.ndarray, " components"]


@dataclass(frozen=True, eq=False)
class Basis:
    """Orthonormal functions over the voxels of an image, region by region.

    Attributes
    ----------
    blocks : tuple of Block
        The regions; every voxel belongs to one.
    n_voxels : int
        How many voxels an image has.

    Raises
    ------
    InputError
        If a voxel belongs to no region or to several, or arrays do not fit together.

    Examples
    --------
    >>> half = np.full((2, 1), 0.5**0.5)
    >>> left = Block("left", np.array([0, 2]), half, np.ones(1))
    >>> right = Block("right", np.array([1, 3]), half, np.ones(1))
    >>> basis = Basis((left, right), n_voxels=4)
    >>> basis.project(np.array([1.0, 0.0, 3.0, 0.0])).round(3)
    array([2.828, 0.   ])
    >>> basis.expand(basis.project(np.array([1.0, 0.0, 3.0, 0.0]))).round(3)
    array([2., 0., 2., 0.])
    """

    blocks: tuple[Block, ...]
    n_voxels: int

    def __post_init__(self) -> None:
        voxels = np.concatenate([block.voxels for block in self.blocks]) if self.blocks else np.empty(0, dtype=int)
        whole = len(voxels) == self.n_voxels > 0 and voxels.dtype.kind in "iu"
        if not (whole and np.array_equal(np.sort(voxels), np.arange(self.n_voxels))):
            raise InputError(f"the regions must have each of the {self.n_voxels:,} voxels once")
        for block in self.blocks:
            if block.vectors.shape != (len(block.voxels), len(block.eigenvalues)):
                shapes = f"{len(block.voxels)} voxels, {len(block.eigenvalues)} eigenvalues"
                raise InputError(
                    f"region {shortened(block.name)}: vectors have shape {block.vectors.shape}, but {shapes}"
                )
            if not ((block.eigenvalues > 0) & (block.eigenvalues < np.inf)).all():
                raise InputError(f"region {shortened(block.name)}: an eigenvalue is not positive, or not finite")
            if not np.isfinite(block.vectors).all():
                raise InputError(f"region {shortened(block.name)}: a vector is not finite")

    @classmethod
    def of_state(cls, values: Mapping[str, Any], tensors: Mapping[str, Any]) -> Self:
        """Take back what `to_state` gave.

        Raises
        ------
        InputError
            As the class itself.
        """
        blocks = [
            Block(str(name), *(np.asarray(tensors[f"{kind}.{region}"]) for kind in _ARRAYS))
            for region, name in enumerate(values["names"])
        ]
        return cls(tuple(blocks), whole_number("n_voxels", values["n_voxels"]))

    def to_state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """What a file keeps: plain values, and arrays."""
        arrays = {
            f"{kind}.{region}": np.ascontiguousarray(getattr(block, kind))
            for region, block in enumerate(self.blocks)
            for kind in _ARRAYS
        }
        return {"names": [block.name for block in self.blocks], "n_voxels": self.n_voxels}, arrays

    @property
    def n_components(self) -> int:
        """How many functions there are."""
        return sum(len(block.eigenvalues) for block in self.blocks)

    @cached_property
    def eigenvalues(self) -> Float[np.ndarray, " components"]:
        """Those of all regions, end to end."""
        return np.concatenate([block.eigenvalues for block in self.blocks])

    @cached_property
    def slices(self) -> tuple[slice, ...]:
        """Where the components of each region are among all."""
        ends = np.cumsum([len(block.eigenvalues) for block in self.blocks]).tolist()
        return tuple(slice(first, last) for first, last in zip([0, *ends[:-1]], ends, strict=True))

    @cached_property
    def region_of_voxel(self) -> Int[np.ndarray, " voxels"]:
        """Number of the block that each voxel belongs to."""
        regions = np.empty(self.n_voxels, dtype=np.int64)
        for number_of_block, block in enumerate(self.blocks):
            regions[block.voxels] = number_of_block
        return regions

    @cached_property
    def row_of_voxel(self) -> Int[np.ndarray, " voxels"]:
        """Row of each voxel in the vectors of its block."""
        rows = np.empty(self.n_voxels, dtype=np.int64)
        for block in self.blocks:
            rows[block.voxels] = np.arange(len(block.voxels))
        return rows

    def project(self, images: Real[np.ndarray, "*shape voxels"]) -> Float[np.ndarray, "*shape components"]:
        """Coefficients of images, Qᵀ times each: O(p L / R) an image.

        Parameters
        ----------
        images : array "... voxels"
            Of any numeric type. A memory map in C order is read once, 64 MB at a time.

        Returns
        -------
        array of float64 "... components"

        Raises
        ------
        InputError
            If images have another number of voxels.
        """
        self._check(images, self.n_voxels, "voxels")
        rows = images.reshape(-1, self.n_voxels)
        found = np.empty((len(rows), self.n_components))
        step = max(1, _CHUNK_BYTES // (8 * self.n_voxels))
        for first in range(0, len(rows), step):
            some = rows[first : first + step]
            for block, mine in zip(self.blocks, self.slices, strict=True):
                found[first : first + step, mine] = some[:, block.voxels].astype(np.float64, copy=False) @ block.vectors
        return found.reshape(*images.shape[:-1], self.n_components)

    def expand(self, coefficients: Real[np.ndarray, "*shape components"]) -> Float[np.ndarray, "*shape voxels"]:
        """Images that coefficients stand for, Q times each.

        Parameters
        ----------
        coefficients : array "... components"
            One value a function.

        Returns
        -------
        array of float64 "... voxels"

        Raises
        ------
        InputError
            If there is another number of coefficients.
        """
        self._check(coefficients, self.n_components, "components")
        images = np.empty((*coefficients.shape[:-1], self.n_voxels))
        for block, mine in zip(self.blocks, self.slices, strict=True):
            images[..., block.voxels] = coefficients[..., mine] @ block.vectors.T
        return images

    def _check(self, given: np.ndarray, expected: int, what: str) -> None:
        if given.ndim < 1 or given.shape[-1] != expected:
            raise InputError(f"an array of shape {given.shape}: expected {expected:,} {what} along the last axis")
