"""Images in a few numbers a region: coefficients of orthonormal functions over its voxels (Xu et al. 2024, section 2).

Regions are independent of one another, so the functions of each are zero elsewhere. Which functions they are, and how
much each varies before data are seen, follows from a kernel; see `latticework.mediation.kernels`.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, Self

import numpy as np
from jaxtyping import Float, Int, Real
from sklearn.utils.validation import check_is_fitted

from latticework.core.checks import number, whole_number
from latticework.core.datasets import cache_folder
from latticework.core.errors import InputError
from latticework.core.estimator import Estimator
from latticework.core.files import write_atomically
from latticework.core.persistence import State
from latticework.mediation.kernels import (
    DEGREE,
    LENGTH_SCALE,
    SMOOTHNESS,
    hermite_basis,
    hermite_count,
    hermite_trace,
    matern_basis,
    standardise,
)

KERNELS: Final = ("matern", "modified_squared_exponential")
SHARE: Final = 0.3  # components for every voxel, default from the paper
CACHED_VOXELS: Final = 300  # fewer are decomposed sooner than a file is read
CACHE_VERSION: Final = 1  # of what is computed, and how it is stored
_CACHE: Final = "mediation-bases"
_CHUNK_BYTES: Final = 2**26  # of images in double precision at a time
_UNREADABLE: Final = (OSError, ValueError, LookupError, TypeError, RuntimeError, EOFError, MemoryError)


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
        if not (self.blocks and np.array_equal(np.sort(voxels), np.arange(self.n_voxels))):
            raise InputError(f"the regions must have each of the {self.n_voxels:,} voxels once")
        for block in self.blocks:
            if block.vectors.shape != (len(block.voxels), len(block.eigenvalues)):
                shapes = f"{len(block.voxels)} voxels, {len(block.eigenvalues)} eigenvalues"
                raise InputError(f"region {block.name!r}: vectors have shape {block.vectors.shape}, but {shapes}")
            if not (block.eigenvalues > 0).all():
                raise InputError(f"region {block.name!r}: an eigenvalue is not positive")

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
    def _rows(self) -> Int[np.ndarray, " voxels"]:
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

    def expand(
        self, coefficients: Real[np.ndarray, "*shape components"], *, voxels: Int[np.ndarray, " chosen"] | None = None
    ) -> Float[np.ndarray, "*shape chosen"]:
        """Images that coefficients stand for, Q times each.

        Parameters
        ----------
        coefficients : array "... components"
            One value a function.
        voxels : array of int "chosen", optional
            Only these voxels, in this order.

        Returns
        -------
        array of float64 "... voxels", or "... chosen"

        Raises
        ------
        InputError
            If there is another number of coefficients, or a voxel that images do not have.
        """
        self._check(coefficients, self.n_components, "components")
        if voxels is None:
            images = np.empty((*coefficients.shape[:-1], self.n_voxels))
            for block, mine in zip(self.blocks, self.slices, strict=True):
                images[..., block.voxels] = coefficients[..., mine] @ block.vectors.T
            return images
        chosen = np.asarray(voxels)
        if len(chosen) and not 0 <= chosen.min() <= chosen.max() < self.n_voxels:
            raise InputError(f"voxels from {chosen.min()} to {chosen.max()}: images have {self.n_voxels:,}, from 0")
        found = np.empty((*coefficients.shape[:-1], len(chosen)))
        regions, rows = self.region_of_voxel[chosen], self._rows[chosen]
        for number_of_block in np.unique(regions):
            here = np.flatnonzero(regions == number_of_block)
            vectors = self.blocks[number_of_block].vectors[rows[here]]
            found[..., here] = coefficients[..., self.slices[number_of_block]] @ vectors.T
        return found

    def _check(self, given: np.ndarray, expected: int, what: str) -> None:
        if given.ndim < 1 or given.shape[-1] != expected:
            raise InputError(f"an array of shape {given.shape}: expected {expected:,} {what} along the last axis")


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
        Folder that keeps what takes long to compute; None for Latticework's, False for none.

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
        kernel: Literal["matern", "modified_squared_exponential"] = "matern",
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

    def fit(self, coordinates: Any, regions: Any = None) -> Self:
        """Find the functions.

        Parameters
        ----------
        coordinates : array "voxels axes"
            Where each voxel is, in a unit that is the same along all axes.
        regions : array "voxels", optional
            The region of each, whole numbers of at least 0 or text; None if there is one. Zero is a region like others.

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
        names, of_voxel = check_regions(regions, len(places))
        wanted = self._wanted(places.shape[1], names, np.bincount(of_voxel))
        parts = _cached(places, of_voxel, wanted, self.cache)
        blocks = [
            Block(name, np.flatnonzero(of_voxel == region), part.vectors, part.eigenvalues)
            for region, (name, part) in enumerate(zip(names, parts, strict=True))
        ]
        kept = np.array([part.eigenvalues.sum() for part in parts])
        traces = wanted.traces(places.shape[1], np.bincount(of_voxel))
        self.basis_ = Basis(tuple(blocks), len(places))
        self.explained_ = float(kept.sum() / traces.sum())
        self.explained_per_region_ = dict(zip(names, (kept / traces).tolist(), strict=True))
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
        given = _numbers("images", images)
        if given.ndim != 2:
            raise InputError(f"images have shape {given.shape}: expected (subjects, voxels)")
        with np.errstate(all="ignore"):
            coefficients = self.basis_.project(given)
        if not np.isfinite(coefficients).all():
            subject = int(np.flatnonzero(~np.isfinite(coefficients).all(axis=1))[0])
            voxels = np.flatnonzero(~np.isfinite(given[subject]))
            place = f"voxel {voxels[0]} of image {subject}" if len(voxels) else f"the sum over image {subject}"
            raise InputError(f"images: {place} is not a finite number")
        return coefficients

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
        given = _numbers("coefficients", coefficients)
        if given.ndim != 2:
            raise InputError(f"coefficients have shape {given.shape}: expected (subjects, components)")
        return self.basis_.expand(given)

    def describe(self) -> dict[str, object]:
        """Return what is worth knowing, as plain values."""
        check_is_fitted(self)
        regions = [
            {"name": block.name, "voxels": len(block.voxels), "components": len(block.eigenvalues)}
            for block in self.basis_.blocks
        ]
        learned = {"voxels": self.basis_.n_voxels, "components": self.n_components_, "explained": self.explained_}
        return {**super().describe(), **learned, "regions": regions}

    def to_state(self) -> State:
        """Everything that was learned."""
        tensors = {}
        for region, block in enumerate(self.basis_.blocks):
            tensors[f"voxels.{region}"] = block.voxels
            tensors[f"vectors.{region}"] = np.ascontiguousarray(block.vectors)
            tensors[f"eigenvalues.{region}"] = block.eigenvalues
        values = {
            "names": [block.name for block in self.basis_.blocks],
            "n_voxels": self.basis_.n_voxels,
            "explained": self.explained_,
            "explained_per_region": list(self.explained_per_region_.values()),
        }
        return State(values=values, tensors={"basis": tensors})

    def from_state(self, state: State) -> None:
        """Take back everything that was learned."""
        values, tensors = state.values, state.tensors["basis"]
        names = [str(name) for name in values["names"]]
        blocks = [
            Block(name, *(tensors[f"{kind}.{region}"] for kind in ("voxels", "vectors", "eigenvalues")))
            for region, name in enumerate(names)
        ]
        self.basis_ = Basis(tuple(blocks), whole_number("n_voxels", values["n_voxels"]))
        self.explained_ = float(values["explained"])
        self.explained_per_region_ = dict(zip(names, values["explained_per_region"], strict=True))

    def _wanted(self, axes: int, names: Sequence[str], voxels: Int[np.ndarray, " regions"]) -> _Wanted:
        """The options, checked, and how many components each region gets."""
        if self.kernel not in KERNELS:
            raise InputError(f"kernel={self.kernel!r}: expected one of {', '.join(map(repr, KERNELS))}")
        if self.n_components is not None and self.explained is not None:
            given = f"n_components={self.n_components!r} and explained={self.explained!r}"
            raise InputError(f"{given}: give one of them, since each says how many components there are")
        if not (self.cache is None or self.cache is False or isinstance(self.cache, str | os.PathLike)):
            raise InputError(f"cache={self.cache!r}: expected a folder, None or False")
        matern = self.kernel == "matern"
        degree = whole_number("degree", self.degree, least=0)
        smoothness = number("smoothness", self.smoothness, lambda value: 0 < value <= 50, "above 0 and at most 50")
        scale = number("length_scale", self.length_scale, lambda value: 0 < value < float("inf"), "above 0")
        most = voxels if matern else np.minimum(voxels, hermite_count(axes, degree))
        share, counts = None, most
        if self.explained is not None:
            share = number("explained", self.explained, lambda value: 0 < value < 1, "a share above 0 and below 1")
        elif self.n_components is not None:
            counts = share_out(whole_number("n_components", self.n_components), voxels, most)
        elif matern:
            counts = np.maximum(1, np.rint(SHARE * voxels)).astype(np.int64)
        options = {"smoothness": smoothness, "length_scale": scale} if matern else {"degree": degree}
        return _Wanted(str(self.kernel), options, counts.tolist(), share, tuple(names))


class _Part(NamedTuple):
    """What a kernel makes of one region."""

    vectors: Float[np.ndarray, "block components"]
    eigenvalues: Float[np.ndarray, " components"]


class _Wanted(NamedTuple):
    """What is to be computed; `counts` are the most that there may be where a share is to be explained."""

    kernel: str
    options: dict[str, Any]
    counts: list[int]
    share: float | None
    names: tuple[str, ...]

    def part(self, region: int, coordinates: Float[np.ndarray, "block axes"]) -> _Part:
        """Decompose one region."""
        try:
            if self.kernel == "matern":
                count = self.counts[region] if self.share is None else None
                standard = standardise(coordinates)
                return _Part(*matern_basis(standard, count, explained=self.share, **self.options))
            part = _Part(*hermite_basis(coordinates, self.counts[region], **self.options))
        except InputError as error:
            raise InputError(f"region {self.names[region]!r}: {error}") from error
        if self.share is None:
            return part
        shares = np.cumsum(part.eigenvalues) / hermite_trace(coordinates.shape[1])
        if shares[-1] < self.share:
            reason = f"{len(shares)} functions explain {shares[-1]:.3f} of region {self.names[region]!r}"
            raise InputError(
                f"explained={self.share}: {reason}; raise degree={self.options['degree']}, or ask for less"
            )
        count = int((shares >= self.share).argmax()) + 1
        return _Part(part.vectors[:, :count], part.eigenvalues[:count])

    def traces(self, axes: int, voxels: Int[np.ndarray, " regions"]) -> Float[np.ndarray, " regions"]:
        """All of the kernel's variance in each region."""
        if self.kernel == "matern":
            return voxels.astype(np.float64)
        return np.full(len(voxels), hermite_trace(axes))

    def key(self, coordinates: np.ndarray, regions: np.ndarray) -> str:
        """What tells this decomposition from any other."""
        told = [CACHE_VERSION, self.kernel, self.options, self.counts, self.share, coordinates.shape]
        content = hashlib.sha256(json.dumps(told, sort_keys=True).encode())
        content.update(np.ascontiguousarray(coordinates, dtype="<f8").tobytes())
        content.update(np.ascontiguousarray(regions, dtype="<i8").tobytes())
        return content.hexdigest()


def check_coordinates(coordinates: Any) -> Float[np.ndarray, "voxels axes"]:
    """Return coordinates as double precision.

    Raises
    ------
    InputError
        If they are not two-dimensional, finite and distinct.

    Examples
    --------
    >>> check_coordinates([[0, 1], [2, 3], [0, 1]])
    Traceback (most recent call last):
    latticework.core.errors.InputError: coordinates: voxels 0 and 2 are both at (0.0, 1.0)
    """
    places = _numbers("coordinates", coordinates).astype(np.float64)
    if places.ndim != 2 or 0 in places.shape:
        raise InputError(f"coordinates have shape {places.shape}: expected (voxels, axes), at least one of each")
    if not np.isfinite(places).all():
        voxel = int(np.flatnonzero(~np.isfinite(places).all(axis=1))[0])
        raise InputError(f"coordinates: voxel {voxel} is at {tuple(places[voxel].tolist())}: expected finite numbers")
    order = np.lexsort(places.T)
    same = np.flatnonzero((np.diff(places[order], axis=0) == 0).all(axis=1))
    if len(same):
        one, other = sorted(order[same[0] : same[0] + 2].tolist())
        raise InputError(f"coordinates: voxels {one} and {other} are both at {tuple(places[one].tolist())}")
    return places + 0.0  # no negative zeros


def check_regions(regions: Any, n_voxels: int) -> tuple[tuple[str, ...], Int[np.ndarray, " voxels"]]:
    """Return the names of regions, in the order of their labels, and the number of each voxel's region.

    Raises
    ------
    InputError
        If there is not one label for each voxel, or one is negative, fractional or missing.

    Examples
    --------
    >>> check_regions([30, 4, 30], 3)
    (('4', '30'), array([1, 0, 1]))
    """
    if regions is None:
        return ("all",), np.zeros(n_voxels, dtype=np.int64)
    try:
        labels = np.asarray(regions)
    except ValueError as error:
        raise InputError(f"regions are not a list of labels ({error})") from error
    if labels.shape != (n_voxels,):
        raise InputError(f"regions have shape {labels.shape}: expected a label for each of {n_voxels:,} voxels")
    if labels.dtype == object and all(isinstance(label, str) for label in labels):
        labels = labels.astype(str)
    if labels.dtype.kind not in "iufU":
        raise InputError(f"regions are of type {labels.dtype}: expected whole numbers or text")
    if labels.dtype.kind != "U":
        wrong = np.flatnonzero(~((labels >= 0) & (labels < 2**53) & (labels == np.floor(labels))))
        if len(wrong):
            reason = f"voxel {wrong[0]} has the label {labels[wrong[0]]}"
            raise InputError(f"regions: {reason}: expected whole numbers of at least 0")
        labels = labels.astype(np.int64)
    names, of_voxel = np.unique(labels, return_inverse=True)
    return tuple(map(str, names.tolist())), of_voxel.astype(np.int64)


def share_out(
    total: int, voxels: Int[np.ndarray, " regions"], most: Int[np.ndarray, " regions"]
) -> Int[np.ndarray, " regions"]:
    """Share out components in proportion to voxels: at least one each, at most so many, largest remainders first.

    Raises
    ------
    InputError
        If there are fewer components than regions, or more than fit.

    Examples
    --------
    >>> share_out(10, np.array([1, 30, 70]), np.array([1, 30, 70]))
    array([1, 3, 6])
    """
    if total < len(voxels):
        raise InputError(f"n_components={total} for {len(voxels)} regions: expected at least one component a region")
    if total > most.sum():
        raise InputError(f"n_components={total}: at most {most.sum():,} fit")
    due = total * voxels / voxels.sum()
    counts = np.ones(len(voxels), dtype=np.int64)
    for _ in range(total - len(voxels)):
        counts[np.where(counts < most, due - counts, -np.inf).argmax()] += 1
    return counts


def _numbers(name: str, given: Any) -> np.ndarray:
    try:
        array = np.asarray(given)
    except ValueError as error:
        raise InputError(f"{name} are not an array ({error})") from error
    if array.dtype.kind not in "iufb":
        raise InputError(f"{name} are of type {array.dtype}: expected real numbers")
    return array


# What takes long is kept


def _cached(
    coordinates: Float[np.ndarray, "voxels axes"],
    regions: Int[np.ndarray, " voxels"],
    wanted: _Wanted,
    cache: str | os.PathLike[str] | Literal[False] | None,
) -> list[_Part]:
    """Decompose every region, or find where that was done before."""
    places = [coordinates[regions == region] for region in range(len(wanted.names))]
    if cache is False or len(coordinates) <= CACHED_VOXELS:
        return [wanted.part(region, place) for region, place in enumerate(places)]
    folder = cache_folder() / _CACHE if cache is None else Path(cache)
    path = folder / f"{wanted.key(coordinates, regions)}.npz"
    parts = _read(path, [(len(place), count) for place, count in zip(places, wanted.counts, strict=True)])
    if parts is None:
        parts = [wanted.part(region, place) for region, place in enumerate(places)]
        _write(path, parts)
    return parts


def _read(path: Path, sizes: list[tuple[int, int]]) -> list[_Part] | None:
    """What was kept, if it is there and whole; sizes are voxels, and the most components, of each region."""
    limit = 2**16 + sum(8 * (voxels + 1) * most + 2**10 for voxels, most in sizes)
    try:
        if path.stat().st_size > limit:
            return None
        data = io.BytesIO(path.read_bytes())
        with zipfile.ZipFile(data) as archive:  # its checksums tell damage
            if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
                return None
        data.seek(0)
        with np.load(data, allow_pickle=False) as stored:
            parts = [_Part(stored[f"vectors.{k}"], stored[f"eigenvalues.{k}"]) for k in range(len(sizes))]
    except (*_UNREADABLE, zipfile.BadZipFile, zlib.error):
        return None
    fitting = all(
        part.vectors.dtype == part.eigenvalues.dtype == np.float64
        and part.eigenvalues.ndim == 1
        and part.vectors.shape == (voxels, len(part.eigenvalues))
        and 1 <= len(part.eigenvalues) <= most
        and np.isfinite(part.vectors).all()
        and (part.eigenvalues > 0).all()
        for part, (voxels, most) in zip(parts, sizes, strict=True)
    )
    return parts if fitting else None


def _write(path: Path, parts: list[_Part]) -> None:
    """Keep what was computed, where that can be done."""
    arrays = {}
    for region, part in enumerate(parts):
        arrays[f"vectors.{region}"] = part.vectors
        arrays[f"eigenvalues.{region}"] = part.eigenvalues
    data = io.BytesIO()
    np.savez(data, **arrays)  # type: ignore[arg-type]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, data.getvalue())
    except (OSError, InputError):  # a full or a foreign disk: it will be computed again
        return
