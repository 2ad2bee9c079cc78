"""A memory bank of normal patches: features of good parts come in, a coreset of them stays, and new ones are compared.

PatchCore (Roth et al. 2022, section 3.2) and Multi-3D-Memory (Wang et al. 2023, section 3.4), one bank a modality.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import torch
from jaxtyping import Bool, Float32, Int32
from torch import Tensor

from latticework.anomaly.memory.cache import Cache
from latticework.anomaly.memory.coreset import Coreset, greedy, size
from latticework.anomaly.memory.distances import Rows
from latticework.anomaly.memory.neighbours import Neighbours, as_rows
from latticework.core.checks import INT64, number, whole_number
from latticework.core.errors import InputError

FRACTION: Final = 0.1
BUDGET: Final = 2**30  # bytes of features in memory


def places(image: int, foreground: Bool[np.ndarray, "rows columns"]) -> Int32[np.ndarray, "patches 3"]:
    """Image number, row and column of each patch that counts, in the order in which `foreground` picks features.

    Examples
    --------
    >>> places(7, np.array([[True, False], [True, True]])).tolist()
    [[7, 0, 0], [7, 1, 0], [7, 1, 1]]
    """
    rows, columns = np.nonzero(foreground)
    return np.stack([np.full(len(rows), image), rows, columns], axis=1).astype(np.int32)


class MemoryBank:
    """Normal patches, of which a coreset is kept, and where each of them comes from.

    `add` images one after the other, then `finish`; then search its `neighbours`. `add` and `finish` again make the
    bank choose anew from what it kept and what came since, as many as if it had seen all at once.

    Parameters
    ----------
    budget : int
        Bytes that features may take in memory before the coreset is chosen; beyond, they lie in half precision in a
        file, which changes each number by at most 2⁻¹¹ of itself. See `needs`.
    folder : path-like or None
        Where that file lies; None for the system's folder of temporary files.
    device : str or torch.device
        Where products are computed.

    Attributes
    ----------
    features : numpy.ndarray
        The coreset, "entries channels", in single precision, in the order of choice.
    where : numpy.ndarray
        Image number, row and column of each, "entries 3".
    seen : int
        The patches that were added.
    radius : float
        None of the patches that the coreset was chosen from is farther from it.

    Examples
    --------
    >>> bank = MemoryBank()
    >>> for image in range(3):
    ...     features = np.array([[0.0, image], [4.0, image]])
    ...     bank.add(features, places(image, np.array([[True, True]])))
    >>> chosen = bank.finish(fraction=0.5)
    >>> distances, nearest = bank.neighbours.nearest(np.array([[4.0, 2.0]]))
    >>> distances.tolist(), bank.where[nearest[0]].tolist()
    ([0.0], [2, 0, 1])
    """

    features: Float32[np.ndarray, "entries channels"]
    where: Int32[np.ndarray, "entries 3"]
    seen: int
    radius: float

    def __init__(
        self,
        *,
        budget: int = BUDGET,
        folder: str | os.PathLike[str] | None = None,
        device: str | torch.device = "cpu",
    ) -> None:
        self.budget = whole_number("budget", budget, least=0, most=INT64)
        self.folder, self.device = folder, device
        self.seen = 0
        self._cache: Cache | None = None
        self._where: list[Int32[np.ndarray, "patches 3"]] = []  # of what the coreset is to be chosen from
        self._neighbours: Neighbours | None = None

    def __len__(self) -> int:
        return 0 if self._neighbours is None else len(self.features)

    def add(self, features: np.ndarray | Tensor, where: np.ndarray) -> None:
        """Take in the patches of an image.

        Parameters
        ----------
        features : array or tensor "patches channels"
            Finite floats: those of the foreground only.
        where : array of ints "patches 3"
            The number of the image, row and column of each; see `places`.

        Raises
        ------
        InputError
            If shapes do not fit each other or what was added before, a feature is not finite, or there can be no file
            in the folder.
        OSError
            If the disk is full. Nothing of the image is kept, whatever is raised.
        """
        rows = _single(features)
        where = np.asarray(where, dtype=np.int32)
        if rows.ndim != 2 or where.shape != (len(rows), 3):
            got = f"features of shape {rows.shape} with places of shape {where.shape}"
            raise InputError(f"{got}: expected (patches, channels) and (patches, 3)")
        if not np.isfinite(rows).all():
            row = int(np.flatnonzero(~np.isfinite(rows).all(axis=1))[0])
            raise InputError(f"the features of the patch at image, row, column {where[row].tolist()} are not finite")
        cache = self._opened(rows.shape[1])
        cache.append(rows)
        self._where.append(where)
        self._cache = cache
        self.seen += len(rows)

    def finish(self, fraction: float = FRACTION) -> Coreset:
        """Choose the coreset, and forget the rest.

        Parameters
        ----------
        fraction : float
            The share of all patches seen that is kept.

        Returns
        -------
        Coreset
            What was chosen, of the patches in the order in which they came (those that were kept before come first).

        Raises
        ------
        InputError
            If nothing was added since, or `fraction` is out of range.
        """
        number("fraction", fraction, lambda share: 0 < share <= 1, "a share above 0, 1 at most")
        if self._cache is None or not len(self._cache):
            raise InputError("no patches were added to the memory bank: no part has a foreground")
        rows: Rows = self._cache.rows()
        chosen = greedy(rows, min(size(self.seen, fraction), len(self._cache)), device=self.device)
        where = np.concatenate(self._where)[chosen.indices]
        features = np.array(rows[chosen.indices], dtype=np.float32)
        self._cache.close()
        self._cache = None
        self._keep(features, where, chosen.radius)
        return chosen

    @property
    def neighbours(self) -> Neighbours:
        """The entries, ready to be searched.

        Raises
        ------
        InputError
            If the bank is not finished.
        """
        if self._neighbours is None:
            raise InputError("the memory bank is not finished: add patches, and call finish")
        return self._neighbours

    def to_arrays(self) -> dict[str, np.ndarray]:
        """What a finished bank is, as arrays of a `State`."""
        if self._cache is not None:
            raise InputError("patches were added to the memory bank since finish: call it again before saving")
        return {
            "features": self.neighbours.entries,
            "where": self.where,
            "seen": np.array([self.seen]),
            "radius": np.array([self.radius]),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray], **options: Any) -> MemoryBank:
        """Take back what `to_arrays` gave; options as of the class.

        Raises
        ------
        InputError
            If something is missing, or does not fit the rest.

        Examples
        --------
        >>> bank = MemoryBank()
        >>> bank.add(np.eye(3), places(0, np.ones((1, 3), dtype=bool)))
        >>> again = bank.finish(1.0) and MemoryBank.from_arrays(bank.to_arrays())
        >>> again.neighbours.nearest(np.eye(3))[0].tolist()
        [0.0, 0.0, 0.0]
        """
        kinds = {"features": ("f", 2), "where": ("i", 2), "seen": ("i", 1), "radius": ("f", 1)}
        for name, (kind, axes) in kinds.items():
            array = arrays.get(name)
            if array is None or array.dtype.kind != kind or array.ndim != axes:
                raise InputError(f"a memory bank's {name!r} is missing, or not what it should be")
        features, where = arrays["features"], arrays["where"]
        seen, radius = int(arrays["seen"][0]), float(arrays["radius"][0])
        if where.shape != (len(features), 3) or seen < len(features) or not radius >= 0:
            raise InputError("the parts of a memory bank do not fit each other")
        if where.dtype != np.int32 or (where < 0).any():
            raise InputError("a memory bank's 'where' has no numbers of images, rows and columns in it")
        bank = cls(**options)
        bank.seen = seen
        bank._keep(np.array(features, dtype=np.float32), where.copy(), radius)
        return bank

    def _opened(self, channels: int) -> Cache:
        """The cache that goes on; the first time, or after `finish`, with what the bank kept."""
        kept = self._cache.channels if self._cache is not None else self.features.shape[1] if len(self) else channels
        if kept is not None and kept != channels:
            raise InputError(f"features of {channels} channels: the memory bank has rows of {kept}")
        if self._cache is not None:
            return self._cache
        cache = Cache(budget=self.budget, folder=self.folder)
        if len(self):
            cache.append(self.features)
        return cache

    def _keep(
        self, features: Float32[np.ndarray, "entries channels"], where: Int32[np.ndarray, "entries 3"], radius: float
    ) -> None:
        self.features, self.where, self.radius = features, where, radius
        self._where = [where]
        self._neighbours = Neighbours(features, device=self.device)


def _single(features: np.ndarray | Tensor) -> Float32[np.ndarray, "*shape"]:
    """In single precision, as a bank holds them, so that what it holds is at distance 0; infinite where that ends."""
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(as_rows(features), dtype=np.float32)
