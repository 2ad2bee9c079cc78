"""NIfTI files, one volume at a time; sizes are bounded by the file before anything is unpacked.

nibabel knows the header. The data is read here, in one pass from front to back: a slice of a compressed file would
unpack all that comes before it once a volume.
"""

from __future__ import annotations

import gzip
import math
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path
from typing import Any, Final

import numpy as np
from jaxtyping import Float, Shaped

from latticework.core.errors import InputError, require
from latticework.core.files import read_errors_of
from latticework.mediation.spaces import MAX_EDGE, MAX_VOXELS, header_fields

MAX_VOLUMES: Final = 2**20
SUFFIXES: Final = (".nii", ".nii.gz")
_PURPOSE: Final = "reading NIfTI images"
_MAX_OFFSET: Final = 2**26  # bytes of header and extensions
_DEFLATE_RATIO: Final = 1032  # at most
_GZIP_MAGIC: Final = b"\x1f\x8b"
_AT_ONCE: Final = 2**20
_SLACK: Final = 2**16  # bytes that may follow the last volume
_SIZES: Final = (348, 540)  # of the headers of NIfTI-1 and NIfTI-2
_MAGIC: Final = {348: b"n+1\0", 540: b"n+2\0\r\n\x1a\n"}
_BROKEN: Final = (EOFError, zlib.error, gzip.BadGzipFile)


@dataclass(frozen=True, kw_only=True, eq=False)
class Volumes:
    """A NIfTI file or a nibabel image: what its header says, and its volumes one after another."""

    name: str
    shape: tuple[int, int, int]
    count: int
    affine: Float[np.ndarray, "4 4"]
    fields: dict[str, tuple[float, ...]]
    slope: float
    inter: float
    source: Any  # a file, or what nibabel has of an image
    dtype: np.dtype[Any]
    offset: int = 0

    def stored(self) -> Iterator[Shaped[np.ndarray, "rows columns slices"]]:
        """Yield the volumes as they are stored, before `scaled`.

        Raises
        ------
        InputError
            If the file is damaged or cut off.
        """
        if isinstance(self.source, Path):
            yield from self._from_file(self.source)
            return
        for number in range(self.count):
            whole = self.source if len(self.source.shape) <= 3 else self.source[:, :, :, number]
            yield np.asarray(whole).reshape(self.shape)

    def scaled(
        self, values: Shaped[np.ndarray, "*shape"], dtype: type[np.floating] = np.float32
    ) -> Float[np.ndarray, "*shape"]:
        """What stored values mean."""
        with np.errstate(all="ignore"):  # what overflows is infinite, and is refused as that
            if (self.slope, self.inter) != (1.0, 0.0):
                values = values.astype(np.float64) * self.slope + self.inter
            return values.astype(dtype)

    def _from_file(self, path: Path) -> Iterator[Shaped[np.ndarray, "rows columns slices"]]:
        size = math.prod(self.shape) * self.dtype.itemsize
        try:
            with _opened(path) as stream:
                _skip(stream, self.offset)
                for _ in range(self.count):
                    data = _exactly(stream, size)
                    yield np.frombuffer(data, dtype=self.dtype).reshape(self.shape, order="F")
                if len(stream.read(_SLACK)) == _SLACK:  # at the end of a compressed file its check sum is compared
                    raise EOFError("it holds more than its header tells")
        except _BROKEN as error:
            raise InputError(f"{path} is damaged or cut off ({error})") from error
        except OSError as error:
            raise InputError(f"{path} cannot be read: {error.strerror}") from error


def is_image(value: object) -> bool:
    """Whether it is an image of nibabel's."""
    return all(hasattr(value, name) for name in ("dataobj", "affine", "header"))


def is_nifti(path: object) -> bool:
    """Whether it is the name of a NIfTI file."""
    return isinstance(path, str | os.PathLike) and os.fspath(path).lower().endswith(SUFFIXES)


def open_volumes(image: Any) -> Volumes:
    """Look at an image: a path of a .nii or .nii.gz file, NIfTI-1 or NIfTI-2, or an image of nibabel's.

    Raises
    ------
    InputError
        If it is no NIfTI file, says what cannot be, is cut off, or holds colours or complex numbers.
    MissingExtraError
        If nibabel is not installed.
    """
    nibabel = require("nibabel", extra="mediation", purpose=_PURPOSE)
    if is_image(image):
        return _of_image(image, nibabel)
    if not isinstance(image, str | os.PathLike):
        raise InputError(f"{type(image).__name__} is no image: expected a path of a NIfTI file, or a nibabel image")
    path = Path(image)
    with read_errors_of(path, expected="a NIfTI file"):
        try:
            with _opened(path) as stream:
                header = _header(stream, path, nibabel)
        except _BROKEN as error:
            raise InputError(f"{path} is damaged or cut off ({error})") from error
    shape, count, dtype = _sizes(header, str(path))
    offset = int(header["vox_offset"]) if math.isfinite(header["vox_offset"]) else -1
    if not 348 <= offset <= _MAX_OFFSET:
        raise InputError(f"{path}: its data would start at byte {offset:,}: the header is damaged")
    slope, inter = _scaling(header, path)
    _check_length(path, offset, math.prod(shape) * count * dtype.itemsize)
    return Volumes(
        name=str(path), shape=shape, count=count, affine=_affine(header, str(path)), fields=header_fields(header),
        slope=slope, inter=inter, source=path, dtype=dtype, offset=offset,
    )  # fmt: skip


def _of_image(image: Any, nibabel: Any) -> Volumes:
    name = str(image.get_filename() or f"the {type(image).__name__}")
    affine = np.array(image.affine, dtype=np.float64) if image.affine is not None else np.eye(4)
    _check_affine(affine, name)
    header = nibabel.Nifti1Header()
    header.set_data_shape(image.shape)
    header.set_sform(affine, code="aligned")
    header["pixdim"][1:4] = nibabel.affines.voxel_sizes(affine)
    own = image.header
    # That of NIfTI-2 extends it. After a change to either the affine is what counts.
    if isinstance(own, nibabel.Nifti1Header) and np.allclose(own.get_best_affine(), affine, atol=1e-6):
        header = own
    proxy = image.dataobj
    shape, count, dtype = _sizes(image.header, name, shape=image.shape, dtype=proxy.dtype)
    source, slope, inter, offset = proxy, 1.0, 0.0, 0
    file = getattr(proxy, "file_like", None)
    plain = type(proxy) is nibabel.arrayproxy.ArrayProxy  # which others extend by their own scaling
    if plain and isinstance(file, str | os.PathLike) and is_nifti(file) and Path(file).is_file():
        source, slope, inter, offset = Path(file), float(proxy.slope), float(proxy.inter), int(proxy.offset)
        _check_length(source, offset, math.prod(shape) * count * dtype.itemsize)
    return Volumes(
        name=name, shape=shape, count=count, affine=affine, fields=header_fields(header),
        slope=slope, inter=inter, source=source, dtype=dtype, offset=offset,
    )  # fmt: skip


def _opened(path: Path) -> BufferedIOBase:
    stream = path.open("rb")
    start = stream.read(2)
    stream.seek(0)
    if start != _GZIP_MAGIC:
        return stream
    return _Unpacked(stream)


class _Unpacked(gzip.GzipFile):
    """A gzip file that closes what it reads."""

    def __init__(self, packed: BufferedIOBase) -> None:
        super().__init__(fileobj=packed)
        self._packed = packed

    def close(self) -> None:
        super().close()
        self._packed.close()


def _header(stream: BufferedIOBase, path: Path, nibabel: Any) -> Any:
    start = stream.read(_SIZES[0])
    size = next((size for size in _SIZES for order in ("little", "big") if start[:4] == size.to_bytes(4, order)), 0)
    if len(start) < _SIZES[0] or not size:
        raise InputError(f"{path} is no NIfTI file: it starts with {start[:4]!r}")
    start += stream.read(size - len(start))
    if len(start) < size:
        raise InputError(f"{path} is cut off: its header has {len(start)} of {size} bytes")
    kind = nibabel.Nifti1Header if size == 348 else nibabel.Nifti2Header
    header = kind(start, check=False)
    magic = start[344:348] if size == 348 else start[4:12]
    if magic.startswith(b"ni"):
        raise InputError(f"{path} is the header of a pair of files: convert it to a single .nii file")
    if magic != _MAGIC[size]:
        raise InputError(f"{path} is no NIfTI file, or damaged: its magic is {magic!r}")
    # Repaired as nibabel repairs what it loads, without its lines in a log.
    steps = np.abs(header["pixdim"][1:4])
    header["pixdim"][1:4] = np.where(steps > 0, steps, 1)
    if header["pixdim"][0] not in (-1, 1):
        header["pixdim"][0] = 1
    return header


def _sizes(
    header: Any, name: str, shape: tuple[int, ...] | None = None, dtype: Any = None
) -> tuple[tuple[int, int, int], int, np.dtype[Any]]:
    """The three axes of a volume, how many there are, and how values are stored."""
    if shape is None:
        axes = int(header["dim"][0])
        if not 1 <= axes <= 7:
            raise InputError(f"{name}: {axes} axes, which no NIfTI image has: the header is damaged")
        shape = tuple(int(edge) for edge in header["dim"][1 : axes + 1])
    if dtype is None:
        try:
            dtype = header.get_data_dtype()
        except Exception as error:  # of a code that nibabel does not know
            raise InputError(f"{name}: values of an unknown type, code {header['datatype']}") from error
    dtype = np.dtype(dtype)
    if dtype.kind not in "biuf":
        what = "complex numbers" if dtype.kind == "c" else "colours" if dtype.names else f"values of type {dtype}"
        raise InputError(f"{name} holds {what}, expected one real number a voxel")
    edges = (*shape[:3], *(1,) * (3 - len(shape[:3])))
    if any(edge != 1 for edge in shape[4:]):
        raise InputError(
            f"{name} has {len(shape)} axes, {list(shape)}: expected three, or four with an image a subject"
        )
    count = shape[3] if len(shape) > 3 else 1
    if min(edges) < 1 or count < 1 or max(edges) > MAX_EDGE or math.prod(edges) > MAX_VOXELS or count > MAX_VOLUMES:
        raise InputError(
            f"{name}: {list(shape)} voxels are none, or more than the {MAX_VOXELS:,} of a volume that are read"
        )
    return (int(edges[0]), int(edges[1]), int(edges[2])), int(count), dtype


def _scaling(header: Any, path: Path) -> tuple[float, float]:
    slope, inter = float(header["scl_slope"]), float(header["scl_inter"])
    if slope == 0 or math.isnan(slope):
        return 1.0, 0.0
    if not (math.isfinite(slope) and math.isfinite(inter)):
        raise InputError(f"{path}: values are scaled by {slope} and {inter}: the header is damaged")
    return slope, inter


def _affine(header: Any, name: str) -> Float[np.ndarray, "4 4"]:
    try:
        with np.errstate(all="ignore"):
            affine = np.array(header.get_best_affine(), dtype=np.float64)
    except Exception as error:  # quaternions that are none
        raise InputError(f"{name}: its orientation cannot be read ({error})") from error
    _check_affine(affine, name)
    return affine


def _check_affine(affine: Float[np.ndarray, "4 4"], name: str) -> None:
    usable = affine.shape == (4, 4) and np.isfinite(affine).all() and np.abs(affine).max() < 1e9
    if not usable or np.linalg.matrix_rank(affine[:3, :3]) < 3:
        raise InputError(f"{name}: its affine puts voxels nowhere: {affine[:3].tolist()}")


def _check_length(path: Path, offset: int, size: int) -> None:
    """Refuse what is longer than the file could hold."""
    with read_errors_of(path), path.open("rb") as stream:
        packed = stream.read(2) == _GZIP_MAGIC
        there = path.stat().st_size
    if offset + size > there * (_DEFLATE_RATIO if packed else 1):
        raise InputError(f"{path} is cut off: its header tells of {offset + size:,} bytes, and the file has {there:,}")


def _skip(stream: BufferedIOBase, size: int) -> None:
    while size:
        size -= len(_exactly(stream, min(size, _AT_ONCE)))


def _exactly(stream: BufferedIOBase, size: int) -> bytearray:
    """Read in pieces, so that no more is set aside than has come."""
    data = bytearray()
    while len(data) < size:
        piece = stream.read(min(size - len(data), _AT_ONCE))
        if not piece:
            raise EOFError(f"it ends {size - len(data):,} bytes too early")
        data += piece
    return data
