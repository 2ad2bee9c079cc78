"""From where voxels are to functions that stand for their images, learnt without any image.

Which functions they are, and how much each varies before data are seen, follows from a kernel; see
`latticework.mediation.kernels`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Final, Literal, Self, get_args

import numpy as np
from jaxtyping import Float, Int
from sklearn.utils.validation import check_is_fitted

from latticework.core.checks import number, one_of, positive, whole_number
from latticework.core.errors import InputError
from latticework.core.estimator import Estimator
from latticework.core.persistence import State
from latticework.mediation.basis import Basis, Block
from latticework.mediation.basis_parts import Wanted, decomposed, share_out
from latticework.mediation.choices import KernelName
from latticework.mediation.guards import plain_numbers, repeated
from latticework.mediation.kernels import DEGREE, LENGTH_SCALE, SMOOTHNESS, checked_smoothness, hermite_count
from latticework.mediation.voxels import check_coordinates, check_regions

SHARE: Final = 0.3  # components for every voxel, default from the paper


class BasisDecomposition(Estimator):
    """Functions that stand for the images of a study, from where its voxels are.

    Learning needs no images: coordinates of each region are centred and scaled, and a kernel between voxels is
    decomposed. By default it is that of the paper, Matérn with smoothness 1/5, and there are 0.3 functions a voxel.

    Parameters
    ----------
    kernel : "matern" or "modified_squared_exponential"
        The second consists of Hermite functions: smooth, few, and quickly found for regions of any size.
    n_components : int, optional
        How many functions in all, shared out among regions in proportion to their voxels, at least one each.
    explained : float, optional
        Instead, as few in each region as reach this share of the kernel's trace, above 0 and below 1.
    smoothness, length_scale : float
        Of the Matérn kernel, where the largest coordinate of a region is 1.
    degree : int
        Largest total degree of the Hermite functions.
    cache : path, None or False
        Folder that keeps what takes long to compute, up to 2 GiB: what was used least recently goes first. None for
        Latticework's (`latticework.core.datasets.cache_folder`), False for none.

    Attributes
    ----------
    basis_ : Basis
        The functions. Those with an eigenvalue below 1e-10 of the largest of their region are left out.
    explained_ : float
        The share of the kernel's trace that their eigenvalues add up to. That of the Matérn kernel is over the voxels;
        that of the other is of all its functions, whether or not a region has the voxels to tell them apart.
    explained_per_region_ : dict of str to float
        The same for each region.

    Examples
    --------
    >>> coordinates = np.array([[x, y] for y in range(6) for x in range(6)])
    >>> basis = BasisDecomposition(n_components=12).fit(coordinates, regions=["left", "left", "left", "right"] * 9)
    >>> basis.basis_.slices
    (slice(0, 9, None), slice(9, 12, None))
    >>> basis.transform(np.ones((5, 36))).shape
    (5, 12)
    """

    def __init__(
        self,
        kernel: KernelName = "matern",
        n_components: int | None = None,
        explained: float | None = None,
        smoothness: float = SMOOTHNESS,
        length_scale: float = LENGTH_SCALE,
        degree: int = DEGREE,
        cache: str | os.PathLike[str] | Literal[False] | None = None,
    ) -> None:
        self.kernel = kernel
        self.n_components = n_components
        self.explained = explained
        self.smoothness = smoothness
        self.length_scale = length_scale
        self.degree = degree
        self.cache = cache

    def fit(self, coordinates: Any, regions: Any = None, *, names: Sequence[str] | None = None) -> Self:
        """Find the functions.

        Parameters
        ----------
        coordinates : array "voxels axes"
            Where each voxel is, in a unit that is the same along all axes.
        regions : array "voxels", optional
            The region of each, whole numbers of at least 0 or text; None if there is one. Zero is a region like others.
        names : sequence of str, optional
            What regions 0, 1, 2 and so on are called, no two the same; None takes the labels themselves.

        Returns
        -------
        BasisDecomposition
            Itself.

        Raises
        ------
        InputError
            If an option is out of range, coordinates are not finite or not distinct, or a region is too large for the
            Matérn kernel.
        """
        places = check_coordinates(coordinates)
        labels, of_voxel = check_regions(regions, len(places))
        called = labels if names is None else _called(labels, names)
        wanted = self._wanted(places.shape[1], called, np.bincount(of_voxel))
        parts = decomposed(places, of_voxel, wanted, self.cache)
        blocks = [
            Block(name, np.flatnonzero(of_voxel == region), part.vectors, part.eigenvalues)
            for region, (name, part) in enumerate(zip(called, parts, strict=True))
        ]
        kept = np.array([part.eigenvalues.sum() for part in parts])
        traces = wanted.traces(places.shape[1], np.bincount(of_voxel))
        self.basis_ = Basis(tuple(blocks), len(places))
        self.explained_ = float(kept.sum() / traces.sum())
        self.explained_per_region_ = dict(zip(called, (kept / traces).tolist(), strict=True))
        return self

    @property
    def eigenvalues_(self) -> Float[np.ndarray, " components"]:
        """Prior variances of the coefficients, up to a factor."""
        check_is_fitted(self)
        return self.basis_.eigenvalues

    @property
    def n_components_(self) -> int:
        """How many functions were found."""
        check_is_fitted(self)
        return self.basis_.n_components

    def transform(self, images: Any) -> Float[np.ndarray, "subjects components"]:
        """Coefficients of images.

        Parameters
        ----------
        images : array "subjects voxels"
            Finite numbers.

        Returns
        -------
        array of float64 "subjects components"

        Raises
        ------
        InputError
            If images are not finite, or have another number of voxels.
        """
        check_is_fitted(self)
        return coefficients_of(self.basis_, images)

    def inverse_transform(self, coefficients: Any) -> Float[np.ndarray, "subjects voxels"]:
        """Images that coefficients stand for.

        Parameters
        ----------
        coefficients : array "subjects components"
            As from `transform`.

        Returns
        -------
        array of float64 "subjects voxels"

        Raises
        ------
        InputError
            If there is another number of them.
        """
        check_is_fitted(self)
        given = plain_numbers(coefficients, "coefficients")
        if given.ndim != 2:
            raise InputError(f"coefficients have shape {given.shape}: expected (subjects, components)")
        return self.basis_.expand(given)

    def _about(self) -> dict[str, object]:
        """The size of what was summed up, and how well."""
        return {
            "kernel": self.kernel,
            "voxels": self.basis_.n_voxels,
            "components": self.n_components_,
            "regions": len(self.basis_.blocks),
            "explained": self.explained_,
        }

    def to_state(self) -> State:
        """Everything that was learned."""
        values, arrays = self.basis_.to_state()
        values |= {"explained": self.explained_, "explained_per_region": list(self.explained_per_region_.values())}
        return State(values=values, tensors={"basis": arrays})

    def from_state(self, state: State) -> None:
        """Take back everything that was learned."""
        values = state.values
        self.basis_ = Basis.of_state(values, state.tensors["basis"])
        self.explained_ = float(values["explained"])
        names = [block.name for block in self.basis_.blocks]
        self.explained_per_region_ = dict(zip(names, map(float, values["explained_per_region"]), strict=True))

    def check_options(self) -> None:
        """Refuse options that no voxels could be summed up with.

        Raises
        ------
        InputError
            With the option.
        """
        one_of("kernel", self.kernel, get_args(KernelName))
        if self.n_components is not None and self.explained is not None:
            given = f"n_components={self.n_components!r} and explained={self.explained!r}"
            raise InputError(f"{given}: give one of them, since each says how many components there are")
        if not (self.cache is None or self.cache is False or isinstance(self.cache, str | os.PathLike)):
            raise InputError(f"cache={self.cache!r}: expected a folder, None or False")
        whole_number("degree", self.degree, least=0)
        checked_smoothness(self.smoothness)
        positive("length_scale", self.length_scale)
        if self.explained is not None:
            number("explained", self.explained, lambda value: 0 < value < 1, "a share above 0 and below 1")
        if self.n_components is not None:
            whole_number("n_components", self.n_components)

    def _wanted(self, axes: int, names: Sequence[str], voxels: Int[np.ndarray, " regions"]) -> Wanted:
        """The options, checked, and how many components each region gets."""
        self.check_options()
        matern = self.kernel == "matern"
        most = voxels if matern else np.minimum(voxels, hermite_count(axes, int(self.degree)))
        share, counts = None if self.explained is None else float(self.explained), most
        if self.n_components is not None:
            counts = share_out(int(self.n_components), voxels, most)
        elif matern and share is None:
            counts = np.maximum(1, np.rint(SHARE * voxels)).astype(np.int64)
        of_matern = {"smoothness": float(self.smoothness), "length_scale": float(self.length_scale)}
        options = of_matern if matern else {"degree": int(self.degree)}
        return Wanted(str(self.kernel), options, counts.tolist(), share, tuple(names))


def _called(labels: Sequence[str], names: Sequence[str]) -> tuple[str, ...]:
    """The names of the regions of whole numbers."""
    try:
        called = tuple(str(names[int(label)]) for label in labels)
    except (ValueError, IndexError) as error:
        raise InputError(f"{len(names)} names of regions: expected labels from 0 to {len(names) - 1}") from error
    if twice := repeated(called):
        raise InputError(f"two regions are called {twice[0]!r}: expected names that tell them apart")
    return called


def coefficients_of(basis: Basis, images: Any) -> Float[np.ndarray, "subjects components"]:
    """Coefficients of images in a basis.

    Raises
    ------
    InputError
        If images are not finite, or have another number of voxels.
    """
    given = plain_numbers(images, "images")
    if given.ndim != 2:
        raise InputError(f"images have shape {given.shape}: expected (subjects, voxels)")
    with np.errstate(all="ignore"):
        coefficients = basis.project(given)
    if not np.isfinite(coefficients).all():
        subject = int(np.flatnonzero(~np.isfinite(coefficients).all(axis=1))[0])
        voxels = np.flatnonzero(~np.isfinite(given[subject]))
        place = f"voxel {voxels[0]} of image {subject}" if len(voxels) else f"the sum over image {subject}"
        raise InputError(f"images: {place} is not a finite number")
    return coefficients
