"""NumPy arrays in files, .npy and .npz: never objects, and never more than a file can hold, whatever it says."""

from __future__ import annotations

import io
import math
import os
import zipfile
import zlib
from collections.abc import Container
from pathlib import Path
from typing import IO, Any, Final

import numpy as np

from latticework.core.errors import InputError
from latticework.core.files import ordinary_size, read_errors_of
from latticework.core.words import shortened

Array = np.ndarray[Any, np.dtype[Any]]

NUMBERS: Final = "biuf"  # kinds of `numpy.dtype`: truth values, whole numbers and floats
TEXTS: Final = "U"
MAX_NPZ_BYTES: Final = 2**32  # of arrays that are compressed; others are no longer than their file
_RATIOS: Final = {zipfile.ZIP_STORED: 1, zipfile.ZIP_DEFLATED: 1032}  # what NumPy writes, and its most bytes for one


def read_npy(path: str | os.PathLike[str]) -> Array:
    """Map a .npy file of numbers into memory, without reading it.

    Parameters
    ----------
    path : path-like
        An ordinary file.

    Returns
    -------
    array
        Read-only, of the shape and type in the file.

    Raises
    ------
    InputError
        If it is no such file, is cut off, or holds something else, such as pickled objects.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     np.save(Path(folder) / "a.npy", [1.0, 2.0])
    ...     read_npy(Path(folder) / "a.npy").tolist()
    [1.0, 2.0]
    """
    ordinary_size(path)
    with read_errors_of(path):
        try:
            array = np.load(path, mmap_mode="r", allow_pickle=False)
        except OSError:
            raise
        except Exception as error:  # whatever stands where a header should be
            raise InputError(f"{path} cannot be read as a .npy file: {error}") from error
    if not isinstance(array, np.ndarray):
        raise InputError(f"{path} holds several arrays: name it .npz")
    _check_kind(array.dtype, str(path), NUMBERS)
    return array


def read_npz(path: str | os.PathLike[str], names: Container[str]) -> dict[str, Array]:
    """Read those arrays of a .npz file that are wanted; others are passed over.

    Parameters
    ----------
    path : path-like
        An ordinary file, of numbers and texts.
    names : container of str
        Which are wanted.

    Raises
    ------
    InputError
        If it is no such file, is damaged or larger than is read or than there is memory for, or holds pickled objects.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     np.savez(Path(folder) / "study.npz", exposure=[0.0, 1.0], other=[1])
    ...     read_npz(Path(folder) / "study.npz", ("exposure", "outcome"))
    {'exposure': array([0., 1.])}
    """
    arrays: dict[str, Array] = {}
    unpacked = 0
    path = Path(path)
    there = ordinary_size(path)
    with read_errors_of(path):
        stream = path.open("rb")
    try:
        with stream, zipfile.ZipFile(stream) as archive:
            for info in archive.infolist():
                name = info.filename.removesuffix(".npy")
                if name not in names:
                    continue
                where, ratio = f"{path}: {name!r}", _RATIOS.get(info.compress_type)
                if ratio is None:
                    raise InputError(f"{where} is compressed as NumPy never does: write it with numpy.savez")
                if info.compress_size > there or info.file_size > info.compress_size * ratio + 2**10:
                    raise InputError(f"{where} tells of {info.file_size:,} bytes, more than are in the file")
                unpacked += info.file_size if ratio > 1 else 0
                if unpacked > MAX_NPZ_BYTES:
                    advice = "write it with numpy.savez, which does not compress"
                    raise InputError(f"{path} unpacks to more than {MAX_NPZ_BYTES:,} bytes: {advice}")
                arrays[name] = _member(archive, info, where)
    except InputError:
        raise
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise InputError(f"{path} is no .npz file, or damaged or cut off ({error})") from error
    return arrays


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, where: str) -> Array:
    kinds = NUMBERS + TEXTS
    try:
        with archive.open(info) as stream:  # its header alone: what is not as long as that says is not unpacked
            shape, _, dtype = _header(stream, where, kinds)
            more = info.file_size - stream.tell() - math.prod(shape) * dtype.itemsize
        if more > 0:
            raise InputError(f"{where} is damaged: {more:,} bytes follow its {list(shape)} of {dtype}")
        with archive.open(info) as stream:
            return array_of(stream.read(), where, kinds=kinds)
    except MemoryError as error:
        raise InputError(f"{where} has {info.file_size:,} bytes, more than there is memory for") from error


def array_of(raw: bytes, where: str, *, kinds: str = NUMBERS) -> Array:
    """Read the content of a .npy file.

    Parameters
    ----------
    raw : bytes
        All of it.
    where : str
        What to call it in an error.
    kinds : str
        Kinds of `numpy.dtype` that are taken.

    Returns
    -------
    array
        In the machine's byte order; it may be read-only.

    Raises
    ------
    InputError
        If it is no such content, is cut off, or holds something else, such as pickled objects.

    Examples
    --------
    >>> stream = io.BytesIO()
    >>> np.save(stream, [1.0, 2.0])
    >>> array_of(stream.getvalue(), "some.npy")
    array([1., 2.])
    """
    stream = io.BytesIO(raw)
    shape, by_columns, dtype = _header(stream, where, kinds)
    count, there = math.prod(shape), len(raw) - stream.tell()
    if min(shape, default=1) < 0 or dtype.itemsize == 0 or there < count * dtype.itemsize:
        raise InputError(f"{where} is cut off: {list(shape)} of {dtype} do not fit into {there:,} bytes")
    values = np.frombuffer(raw, dtype=dtype, count=count, offset=stream.tell())
    if dtype.kind == "U":
        letters = values.ravel().view(np.dtype(np.uint32).newbyteorder(dtype.byteorder))
        halves = (letters >= 0xD800) & (letters < 0xE000)  # of surrogate pairs
        if (halves | (letters >= 0x110000)).any():
            raise InputError(f"{where} holds what is no text: the file is damaged")
    try:
        shaped = values.reshape(shape, order="F" if by_columns else "C")
    except ValueError as error:  # of no numbers, whose sizes are beyond all bounds
        raise InputError(f"{where} is damaged: no array has {shortened(list(shape))} numbers") from error
    return shaped.astype(dtype.newbyteorder("="), copy=False)


def _header(stream: IO[bytes], where: str, kinds: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, whether columns lie together, and type, of an array of one of the kinds; what follows is its values."""
    try:
        version = np.lib.format.read_magic(stream)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, by_columns, dtype = read(stream)
    except Exception as error:  # whatever stands where a header should be
        raise InputError(f"{where} is no array, or damaged ({error})") from error
    _check_kind(dtype, where, kinds)
    return shape, by_columns, dtype


def _check_kind(dtype: np.dtype[Any], where: str, kinds: str) -> None:
    if dtype.kind not in kinds:
        expected = "numbers or texts" if TEXTS in kinds else "numbers"
        raise InputError(f"{where} holds {dtype}, expected {expected}")
