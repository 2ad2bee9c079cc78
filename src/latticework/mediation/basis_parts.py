"""The functions of each region, computed, or found where they were computed before.

What is kept is bounded: with each that comes, those go that were used least recently. Several processes may share a
folder: one that finds nothing there, or no longer, computes.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from latticework.core.arrays import read_npz
from latticework.core.datasets import cache_folder
from latticework.core.errors import InputError
from latticework.core.files import write_atomically
from latticework.core.temporaries import TEMPORARY_NAME, remove_leftover
from latticework.core.words import shortened
from latticework.mediation.kernels import hermite_basis, hermite_trace, matern_basis, standardise

CACHED_VOXELS: Final = 300  # fewer are decomposed sooner than a file is read
CACHE_VERSION: Final = 1  # of what is computed, and how it is stored
MAX_CACHE_BYTES: Final = 2**31  # of all that is kept in a folder
_CACHE: Final = "mediation-bases"
_KEPT: Final = re.compile(r"[0-9a-f]{64}\.npz")


class Part(NamedTuple):
    """What a kernel makes of one region."""

    vectors: Float[np.ndarray, "block components"]
    eigenvalues: Float[np.ndarray, " components"]


class Wanted(NamedTuple):
    """What is to be computed; `counts` are the most that there may be where a share is to be explained."""

    kernel: str
    options: dict[str, Any]
    counts: list[int]
    share: float | None
    names: tuple[str, ...]

    def part(self, region: int, coordinates: Float[np.ndarray, "block axes"]) -> Part:
        """Decompose one region."""
        try:
            if self.kernel == "matern":
                count = self.counts[region] if self.share is None else None
                standard = standardise(coordinates)
                return Part(*matern_basis(standard, count, explained=self.share, **self.options))
            part = Part(*hermite_basis(coordinates, self.counts[region], **self.options))
        except InputError as error:
            raise InputError(f"region {shortened(self.names[region])}: {error}") from error
        if self.share is None:
            return part
        shares = np.cumsum(part.eigenvalues) / hermite_trace(coordinates.shape[1])
        if shares[-1] < self.share:
            reason = f"{len(shares)} functions explain {shares[-1]:.3f} of region {shortened(self.names[region])}"
            raise InputError(
                f"explained={self.share}: {reason}; raise degree={self.options['degree']}, or ask for less"
            )
        count = int((shares >= self.share).argmax()) + 1
        return Part(part.vectors[:, :count], part.eigenvalues[:count])

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


def decomposed(
    coordinates: Float[np.ndarray, "voxels axes"],
    regions: Int[np.ndarray, " voxels"],
    wanted: Wanted,
    cache: str | os.PathLike[str] | Literal[False] | None,
) -> list[Part]:
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
    else:
        with suppress(OSError):  # of another user, or gone by now
            os.utime(path)
    return parts


def _read(path: Path, sizes: list[tuple[int, int]]) -> list[Part] | None:
    """What was kept, if it is there and whole; sizes are voxels, and the most components, of each region."""
    names = [(f"vectors.{region}", f"eigenvalues.{region}") for region in range(len(sizes))]
    limit = 2**16 + sum(8 * (voxels + 1) * most + 2**10 for voxels, most in sizes)
    try:
        if path.stat().st_size > limit:  # `read_npz` bounds what is unpacked, should it be compressed
            return None
        arrays = read_npz(path, [name for pair in names for name in pair])
        parts = [Part(arrays[vectors], arrays[eigenvalues]) for vectors, eigenvalues in names]
    except Exception:  # whatever stands there
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


def _write(path: Path, parts: list[Part]) -> None:
    """Keep what was computed, where that can be done, in the place of what was used least recently."""
    if sum(part.vectors.nbytes + part.eigenvalues.nbytes for part in parts) > MAX_CACHE_BYTES:
        return
    arrays = {}
    for region, part in enumerate(parts):
        arrays[f"vectors.{region}"] = part.vectors
        arrays[f"eigenvalues.{region}"] = part.eigenvalues
    data = io.BytesIO()
    np.savez(data, **arrays)  # type: ignore[arg-type]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, data.getvalue())
        _make_room(path.parent)
    except (OSError, InputError):  # a full or a foreign disk: it will be computed again
        return


def _make_room(folder: Path) -> None:
    """Remove what was used least recently until the rest is no more than is kept, and what killed processes left."""
    kept = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if TEMPORARY_NAME.fullmatch(entry.name):
                if entry.is_file(follow_symlinks=False):  # a folder is somebody else's, in a folder that is a user's
                    remove_leftover(Path(entry.path))
            elif _KEPT.fullmatch(entry.name):
                with suppress(FileNotFoundError):  # another process has removed it
                    about = entry.stat(follow_symlinks=False)
                    kept.append((about.st_mtime_ns, entry.path, about.st_size))
    total = sum(size for _, _, size in kept)
    for _, path, size in sorted(kept):
        if total <= MAX_CACHE_BYTES:
            return
        try:
            os.unlink(path)
        except FileNotFoundError:
            pass
        except OSError:  # another process reads it, where that keeps a file
            continue
        total -= size


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
