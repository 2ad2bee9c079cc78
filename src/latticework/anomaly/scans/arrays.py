"""Arrays on disk: points as TIFF, as MVTec 3D-AD has them, or as NPY; no longer than their file, whatever it says."""

from __future__ import annotations

import io
import math
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from jaxtyping import Float32, Shaped

from latticework.anomaly.choices import Unit
from latticework.anomaly.scans.clouds import (
    MAX_FILE_BYTES,
    MAX_POINTS,
    check_cloud,
    metres,
    without_return,
)
from latticework.core.arrays import array_of
from latticework.core.errors import InputError, require
from latticework.core.files import read_bytes, write_output

TIFFS: Final = (".tif", ".tiff")
_PLAIN, _DEFLATE = 1, (8, 32946)  # how a TIFF may be compressed
_DEFLATE_RATIO: Final = 1032  # at most
_MAX_PAGES: Final = 2**16
_BIG_TIFF: Final = 43


def as_xyz(
    values: Shaped[np.ndarray, "*shape"], where: str, *, unit: Unit = "m"
) -> Float32[np.ndarray, "height width 3"]:
    """Points of whatever type, in that unit, as float32 in metres; no return is NaN.

    Raises
    ------
    InputError
        If they are no points on a grid.

    Examples
    --------
    >>> as_xyz(np.array([[[0, 0, 0], [10, 20, 500]]]), "xyz", unit="mm").tolist()
    [[[nan, nan, nan], [0.01, 0.02, 0.5]]]
    """
    if values.ndim == 2 and values.shape[1:] != (3,) and values.dtype.kind in "iuf":
        raise InputError(f"{where}: {list(values.shape)} is a depth picture: give it with the camera's intrinsics")
    if values.ndim == 2:
        raise InputError(
            f"{where}: {len(values):,} points without a grid, and defects are looked for on a grid: save them as "
            "[height, width, 3], rows by columns as the sensor gives them"
        )
    if values.ndim != 3 or values.shape[2] != 3 or values.dtype.kind not in "iuf" or values.dtype == np.uint8:
        hint = ": move x, y and z to the end" if values.ndim == 3 and values.shape[0] == 3 else ""
        raise InputError(
            f"{where}: points are {values.dtype} {list(values.shape)}, expected floats [height, width, 3]{hint}"
        )
    scale = metres(unit)
    return without_return(values if scale == 1 else values * np.float64(scale))


def write_xyz(path: str | os.PathLike[str], xyz: Float32[np.ndarray, "height width 3"]) -> None:
    """Write points as MVTec 3D-AD has them: a TIFF of float32, with zeros where there was no return.

    The same points give the same bytes, and `read_cloud` reads them as the same to the last bit.

    Raises
    ------
    InputError
        If the array is no such cloud, or the file cannot be written.
    """
    check_cloud(xyz)
    write_output(path, xyz_bytes(xyz))


def xyz_bytes(xyz: Float32[np.ndarray, "height width 3"]) -> bytes:
    """The file that `write_xyz` writes."""
    points = np.where(np.isnan(xyz).any(axis=-1, keepdims=True), np.float32(0), xyz)
    return tiff_bytes(points, photometric="rgb")


def tiff_bytes(
    values: Float32[np.ndarray, "height width *channels"], *, photometric: Literal["rgb", "minisblack"]
) -> bytes:
    """An uncompressed TIFF file: the same values give the same bytes.

    Raises
    ------
    MissingExtraError
        If tifffile is not installed.
    """
    tifffile = require("tifffile", extra="anomaly", purpose="writing TIFF files")
    stream = io.BytesIO()
    tifffile.imwrite(stream, values, photometric=photometric, metadata=None, software=False)
    return stream.getvalue()


def is_points(path: Path) -> bool:
    """Whether a TIFF holds floats, so points and no colours: nothing is unpacked to know that."""
    if path.suffix.lower() not in TIFFS:
        return False
    with _first_series(path) as (series, _):
        return bool(series.dtype.kind == "f")


def read_npy(path: Path) -> Shaped[np.ndarray, "*shape"]:
    """An array of NumPy, never one of objects; no longer than the file is."""
    values: np.ndarray = array_of(read_bytes(path, most=MAX_FILE_BYTES), str(path))
    if values.size == 0:
        raise InputError(f"{path}: the array {list(values.shape)} is empty")
    if values.size > 3 * MAX_POINTS:
        raise InputError(f"{path}: {list(values.shape)} is larger than the {MAX_POINTS:,} points that are read")
    return values


def read_tiff(path: Path) -> Shaped[np.ndarray, "*shape"]:
    """The first picture of a TIFF, once what it says of itself fits into the file."""
    with _first_series(path) as (series, raw):
        _check_size(series, raw, path)
        for page in series.pages:
            if page is None:
                raise InputError(f"{path} lacks one of the {len(series.pages):,} pages that it says it has")
            _check_segments(page, raw, path)
        values: np.ndarray = np.asarray(series.asarray())
        return np.moveaxis(values, 0, -1) if series.axes == "SYX" else values


@contextmanager
def _first_series(path: Path) -> Iterator[tuple[Any, bytes]]:
    """The first picture of a TIFF, still packed, and the file; what goes wrong with it is the file's fault."""
    tifffile = require("tifffile", extra="anomaly", purpose="reading TIFF files")
    raw = read_bytes(path, most=MAX_FILE_BYTES)
    _check_directories(raw, path)
    try:
        with tifffile.TiffFile(io.BytesIO(raw)) as file:
            yield file.series[0], raw
    except InputError:
        raise
    except Exception as error:  # whatever a foreign reader stumbles over
        raise InputError(f"{path} is no TIFF file that is read, or damaged or cut off ({error})") from error


def _check_directories(raw: bytes, path: Path) -> None:
    """Refuse pages that overlap: a small file could tell of very many, each with very many tags."""
    order: Any = "little" if raw[:2] == b"II" else "big"
    big = int.from_bytes(raw[2:4], order) == _BIG_TIFF
    head, tag, pointer = (8, 20, 8) if big else (2, 12, 4)  # bytes of a directory's count, of a tag, of a place
    place, told = int.from_bytes(raw[pointer : 2 * pointer], order), 0
    while 0 < place < len(raw):
        end = place + head + tag * int.from_bytes(raw[place : place + head], order)
        told += end + pointer - place
        if told > len(raw):
            raise InputError(f"{path} is damaged or cut off: what it says of its pages is longer than the file")
        place = int.from_bytes(raw[end : end + pointer], order)


def _check_size(series: Any, raw: bytes, path: Path) -> None:
    """Refuse what is larger than is read, or than the file could hold."""
    shape, size = list(series.shape), math.prod(series.shape) * series.dtype.itemsize
    if not 0 < math.prod(shape) <= 4 * MAX_POINTS or len(series.pages) > _MAX_PAGES:
        raise InputError(f"{path}: {shape} is empty, or larger than the {MAX_POINTS:,} pixels that are read")
    plain = series.keyframe.compression == _PLAIN
    if size > len(raw) * (1 if plain else _DEFLATE_RATIO):
        raise InputError(f"{path} is cut off: {shape} of {series.dtype} do not fit into its {len(raw):,} bytes")


def _check_segments(page: Any, raw: bytes, path: Path) -> None:
    """Refuse a page that lies beyond the file, or unpacks to more than it says."""
    keyframe = page.keyframe
    size = max(1, math.prod(keyframe.chunks)) * keyframe.dtype.itemsize  # of a strip or a tile
    if size > MAX_FILE_BYTES:
        raise InputError(f"{path} has strips of {size:,} bytes, more than are read")
    if keyframe.compression not in (_PLAIN, *_DEFLATE):
        name = getattr(keyframe.compression, "name", keyframe.compression)
        raise InputError(f"{path} is compressed with {name}, which is not read: save it uncompressed or with deflate")
    stored = 0
    for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True):
        if offset + count > len(raw):
            raise InputError(f"{path} is cut off: its pixels lie up to byte {offset + count:,} of {len(raw):,}")
        stored += count
        if keyframe.compression in _DEFLATE:
            piece = zlib.decompressobj().decompress(raw[offset : offset + count], size + 1)
            if len(piece) > size:
                raise InputError(f"{path}: a strip unpacks to more than the {size:,} bytes that it says")
    if keyframe.compression == _PLAIN and stored < math.prod(keyframe.shape) * keyframe.dtype.itemsize:
        raise InputError(f"{path} is cut off: of {list(keyframe.shape)} of {keyframe.dtype} there are {stored:,} bytes")
