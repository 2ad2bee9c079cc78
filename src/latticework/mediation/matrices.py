"""Matrices of numbers in files: .npy, .npz, and tables whose first column is an id."""

from __future__ import annotations

import math
import os
import zipfile
import zlib
from io import BytesIO
from typing import Final

import numpy as np
from jaxtyping import Float, Shaped

from latticework.core.errors import InputError
from latticework.mediation.images import MAX_VALUES
from latticework.mediation.tables import MISSING, read_rows, some_of

MAX_NPZ_BYTES: Final = 2**36
STUDY_ARRAYS: Final = (
    "exposure", "mediators", "outcome", "confounders", "coordinates", "mask", "affine", "regions", "subjects"
)  # fmt: skip
_DEFLATE_RATIO: Final = 1032  # at most
_KINDS: Final = "biufU"


def read_npy(path: str | os.PathLike[str]) -> Shaped[np.ndarray, "*shape"]:
    """Map a .npy file of numbers into memory, without reading it.

    Raises
    ------
    InputError
        If it is no such file, is cut off, or holds something else, such as pickled objects.
    """
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError as error:
        raise InputError(f"{path}: there is no such file") from error
    except Exception as error:  # whatever stands where a header should be
        raise InputError(f"{path} cannot be read as a .npy file: {error}") from error
    if not isinstance(array, np.ndarray):
        raise InputError(f"{path} holds several arrays: name it .npz")
    _check_kind(array.dtype, str(path), "biuf")
    return array


def read_npz(path: str | os.PathLike[str]) -> dict[str, Shaped[np.ndarray, "*shape"]]:
    """Read the arrays of a study from a .npz file: those of `STUDY_ARRAYS` that are there.

    Raises
    ------
    InputError
        If it is no such file, is damaged or larger than is read, or holds pickled objects.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     np.savez(Path(folder) / "study.npz", exposure=[0.0, 1.0], other=[1])
    ...     read_npz(Path(folder) / "study.npz")["exposure"].tolist()
    [0.0, 1.0]
    """
    arrays = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                name = info.filename.removesuffix(".npy")
                if name not in STUDY_ARRAYS:
                    continue
                if info.file_size > min(MAX_NPZ_BYTES, info.compress_size * _DEFLATE_RATIO + 2**10):
                    raise InputError(f"{path}: {name!r} tells of {info.file_size:,} bytes, more than are in the file")
                with archive.open(info) as stream:
                    arrays[name] = _array(stream.read(), f"{path}: {name!r}")
    except InputError:
        raise
    except FileNotFoundError as error:
        raise InputError(f"{path}: there is no such file") from error
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise InputError(f"{path} is no .npz file, or damaged or cut off ({error})") from error
    return arrays


def read_matrix(path: str | os.PathLike[str]) -> tuple[tuple[str, ...], Float[np.ndarray, "subjects voxels"]]:
    r"""Read a table whose first column is an id, and every other one a mediator.

    Returns
    -------
    ids : tuple of str
        The first column.
    values : float64 array of shape (subjects, voxels)
        The others; NaN for what is missing.

    Raises
    ------
    InputError
        If it is no such table, an id is there twice, or a cell is no number; with its row and column.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder) / "mediators.csv"
    ...     _ = file.write_text("id,a,b\nsub-01,1,2.5\nsub-02,3,4\n")
    ...     read_matrix(file)[1].tolist()
    [[1.0, 2.5], [3.0, 4.0]]
    """
    rows = read_rows(path)
    header = next(rows)
    if len(header) < 2:
        raise InputError(f"{path}: expected a column of ids and at least one of a mediator")
    ids, values = [], []
    for row in rows:
        ids.append(row[0].strip())
        values.append(_numbers(row[1:], header[1:], f"{path}: {ids[-1]!r}"))
        if len(values) * len(header) > MAX_VALUES // 2:
            raise InputError(f"{path}: more values than are held in memory")
    if not ids:
        raise InputError(f"{path}: there is no row below the header")
    if len(set(ids)) < len(ids) or "" in ids:
        twice = sorted({one for one in ids if not one or ids.count(one) > 1})
        raise InputError(f"{path}: ids that are empty or there more than once: {some_of(map(repr, twice))}")
    return tuple(ids), np.array(values)


def _numbers(cells: list[str], names: list[str], where: str) -> Float[np.ndarray, " voxels"]:
    try:
        return np.array(cells, dtype=np.float64)
    except ValueError:
        numbers = []
    for cell, name in zip(cells, names, strict=True):
        try:
            numbers.append(math.nan if cell.strip() in MISSING else float(cell))
        except ValueError as error:
            raise InputError(f"{where}, column {name!r}: {cell!r} is no number") from error
    return np.array(numbers, dtype=np.float64)


def _array(raw: bytes, where: str) -> Shaped[np.ndarray, "*shape"]:
    """An array from the bytes of a .npy file, no longer than them, whatever they say."""
    stream = BytesIO(raw)
    try:
        version = np.lib.format.read_magic(stream)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, by_columns, dtype = read(stream)
    except Exception as error:  # whatever stands where a header should be
        raise InputError(f"{where} is no array, or damaged ({error})") from error
    _check_kind(dtype, where, _KINDS)
    count, there = math.prod(shape), len(raw) - stream.tell()
    if min(shape, default=1) < 0 or dtype.itemsize == 0 or there < count * dtype.itemsize:
        raise InputError(f"{where} is cut off: {list(shape)} of {dtype} do not fit into {there:,} bytes")
    values = np.frombuffer(raw, dtype=dtype, count=count, offset=stream.tell())
    return values.reshape(shape, order="F" if by_columns else "C").astype(dtype.newbyteorder("="), copy=False)


def _check_kind(dtype: np.dtype, where: str, kinds: str) -> None:
    if dtype.kind not in kinds:
        raise InputError(f"{where} holds {dtype}, expected numbers")
