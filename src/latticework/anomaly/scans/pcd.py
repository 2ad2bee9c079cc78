"""PCD files, version 0.7 of the Point Cloud Library: all three kinds of data, fields in any order.

Source: https://pointclouds.org/documentation/tutorials/pcd_file_format.html. A text header names the fields of a point,
their sizes, types and counts, and the grid; the data follows as text, as records, or field after field and LZF-packed.
"""

from __future__ import annotations

import os
import struct
from collections import Counter
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import numpy as np
from jaxtyping import Float32, Shaped, UInt8

from latticework.anomaly.scans.clouds import (
    MAX_FILE_BYTES,
    Cloud,
    check_cloud,
    check_grid,
    stacked,
    without_return,
)
from latticework.anomaly.scans.lzf import decompress
from latticework.anomaly.scans.tables import (
    MAX_HEADER_BYTES,
    MAX_RECORD_BYTES,
    header_lines,
    read_numbers,
    table_bytes,
    typed,
    whole,
)
from latticework.core.errors import InputError
from latticework.core.files import read_bytes, write_output
from latticework.core.words import shortened

_TYPES: Final = {
    (kind, size) for kind, sizes in {"F": (4, 8), "I": (1, 2, 4, 8), "U": (1, 2, 4, 8)}.items() for size in sizes
}
_KINDS: Final = ("ascii", "binary", "binary_compressed")
_COLOURS: Final = ("rgb", "rgba")
_PADDING: Final = "_"
_HOW: Final = "PCD with WIDTH and HEIGHT above 1"


class _Field(NamedTuple):
    name: str
    dtype: np.dtype[Any]
    many: int  # numbers a point

    @property
    def size(self) -> int:
        return self.dtype.itemsize * self.many


class _Header(NamedTuple):
    fields: list[_Field]
    height: int
    width: int
    kind: str
    begin: int  # of the data

    @property
    def points(self) -> int:
        return self.height * self.width


def read_pcd(path: str | os.PathLike[str]) -> Cloud:
    """Read an organised cloud.

    Colours are the field ``rgb`` or ``rgba``: red, green and blue in the lower three bytes of a float or an integer;
    their alpha is left out. Padding (fields named ``_``) is skipped. The viewpoint is not applied: points stay as they
    are.

    Parameters
    ----------
    path
        A file with fields x, y and z.

    Returns
    -------
    Cloud
        Its numbers as they are: see `Cloud.in_metres` for a file in another unit.

    Raises
    ------
    InputError
        If it is no such file, is cut off or damaged, has a size in its header that cannot be, or is not organised.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     write_pcd(Path(folder) / "a.pcd", np.ones((2, 3, 3), dtype=np.float32))
    ...     read_pcd(Path(folder) / "a.pcd").xyz.shape
    (2, 3, 3)
    """
    path = Path(path)
    data = read_bytes(path, most=MAX_FILE_BYTES)
    header = _header(data, path)
    columns = {"ascii": _text, "binary": _records, "binary_compressed": _packed}[header.kind](data, header, path)
    height, width = header.height, header.width
    xyz = without_return(stacked([columns.pop(axis) for axis in "xyz"], height, width))
    packed = [columns.pop(name) for name in _COLOURS if name in columns]
    fields = {name: column.reshape(height, width, *column.shape[1:]) for name, column in columns.items()}
    return Cloud(xyz, _unpacked(packed[0], header, path) if packed else None, fields)


def write_pcd(
    path: str | os.PathLike[str],
    xyz: Float32[np.ndarray, "height width 3"],
    rgb: UInt8[np.ndarray, "height width 3"] | None = None,
    *,
    data: Literal["ascii", "binary"] = "binary",
) -> None:
    """Write an organised cloud, which `read_pcd` reads as the same to the last bit, as a whole or not at all.

    Colours are a field ``rgba``, which the Point Cloud Library reads as either of its coloured points.

    Raises
    ------
    InputError
        If the arrays are no such cloud, or the file cannot be written.
    """
    check_cloud(xyz, rgb)
    height, width = xyz.shape[:2]
    columns = {axis: xyz[..., index].ravel() for index, axis in enumerate("xyz")}
    if rgb is not None:
        red, green, blue = (rgb[..., index].ravel().astype(np.uint32) for index in range(3))
        columns["rgba"] = 0xFF000000 | red << 16 | green << 8 | blue
    head = [
        "# .PCD v0.7 - Point Cloud Data file format",
        "VERSION 0.7",
        f"FIELDS {' '.join(columns)}",
        f"SIZE {' '.join('4' for _ in columns)}",
        f"TYPE {' '.join('U' if name == 'rgba' else 'F' for name in columns)}",
        f"COUNT {' '.join('1' for _ in columns)}",
        f"WIDTH {width}",
        f"HEIGHT {height}",
        "VIEWPOINT 0 0 0 1 0 0 0",
        f"POINTS {height * width}",
        f"DATA {data}",
    ]
    write_output(path, "".join(f"{line}\n" for line in head).encode() + table_bytes(columns, data))


class _Said:
    """What the lines of a header say, by their first word, and where each stands."""

    def __init__(self, data: bytes, path: Path) -> None:
        self.path = path
        self._lines: dict[str, tuple[list[str], str]] = {}
        for line, where, self.end in header_lines(data, path):
            word, *values = line.split() or ["#"]
            if word.startswith("#"):
                continue
            word = {"COLUMNS": "FIELDS"}.get(word, word)
            if word in self._lines:
                raise InputError(f"{where}: {word} stands there twice")
            self._lines[word] = values, where
            if word == "DATA":
                return
        raise InputError(f"{path} is no PCD file: there is no DATA in its first {MAX_HEADER_BYTES:,} bytes")

    def words(self, name: str, default: list[str] | None = None) -> list[str]:
        if name not in self._lines and default is None:
            raise InputError(f"{self.path}: the header has no {name}")
        return self._lines[name][0] if name in self._lines else default or []

    def number(self, name: str, default: int | None = None) -> int:
        words = self.words(name, None if default is None else [str(default)])
        return whole(" ".join(words), self.where(name), name, MAX_FILE_BYTES)

    def where(self, name: str) -> str:
        return self._lines[name][1] if name in self._lines else str(self.path)


def _header(data: bytes, path: Path) -> _Header:
    said = _Said(data, path)
    fields = _fields(said)
    width, height = said.number("WIDTH"), said.number("HEIGHT", 1)
    points = said.number("POINTS", width * height)
    check_grid(path, points, height, width, _HOW)
    kind = " ".join(said.words("DATA"))
    if kind not in _KINDS:
        raise InputError(f"{said.where('DATA')}: DATA is {kind[:40]!r}, expected one of {', '.join(_KINDS)}")
    return _Header(fields, height, width, kind, said.end)


def _fields(said: _Said) -> list[_Field]:
    where = said.where("FIELDS")
    names, sizes, types = (said.words(name) for name in ("FIELDS", "SIZE", "TYPE"))
    counts = said.words("COUNT", ["1"] * len(names))
    lengths = [len(words) for words in (names, sizes, types, counts)]
    if len(set(lengths)) > 1:
        raise InputError(f"{where}: of FIELDS, SIZE, TYPE and COUNT there are {', '.join(map(str, lengths))}")
    fields = [_field(*words, where) for words in zip(names, sizes, types, counts, strict=True)]
    often = Counter(field.name for field in fields if field.name != _PADDING)
    if often and often.most_common(1)[0][1] > 1:
        raise InputError(f"{where}: there are two fields {shortened(often.most_common(1)[0][0])}")
    for axis in "xyz":
        if not any(field.name == axis and field.many == 1 for field in fields):
            raise InputError(f"{where}: there is no field {axis} with one number a point")
    if (size := sum(field.size for field in fields)) > MAX_RECORD_BYTES:
        raise InputError(f"{where}: a point has {size:,} bytes, more than the {MAX_RECORD_BYTES:,} that are read")
    return fields


def _field(name: str, size: str, kind: str, count: str, where: str) -> _Field:
    width = whole(size, where, f"the SIZE of {name}", 8)
    if (kind.upper(), width) not in _TYPES:
        raise InputError(
            f"{where}: {name} has the type {kind} {size}, expected F of 4 or 8 bytes, or I or U of 1, 2, 4 or 8"
        )
    many = whole(count, where, f"the COUNT of {name}", MAX_RECORD_BYTES)
    return _Field(name, np.dtype(f"<{kind.lower()}{width}"), many)


def _text(data: bytes, header: _Header, path: Path) -> dict[str, np.ndarray]:
    across = sum(field.many for field in header.fields)
    numbers = read_numbers(data[header.begin :], header.points * across, path)
    if len(numbers) != header.points * across:
        raise InputError(f"{path}: there are {len(numbers):,} numbers, expected {header.points:,} points of {across}")
    table, columns, begin = numbers.reshape(header.points, across), {}, 0
    for name, dtype, count in header.fields:
        if name != _PADDING:
            values = table[:, begin] if count == 1 else table[:, begin : begin + count]
            columns[name] = typed(values, dtype, f"{path}: {name}")
        begin += count
    return columns


def _records(data: bytes, header: _Header, path: Path) -> dict[str, np.ndarray]:
    names, offsets, size = [], [], 0
    for field in header.fields:
        if field.name != _PADDING and field.many:
            names.append(field)
            offsets.append(size)
        size += field.size
    if (there := len(data) - header.begin) < header.points * size:
        raise InputError(f"{path} is cut off: {header.points:,} points of {size} bytes do not fit into {there:,}")
    record = np.dtype(
        {
            "names": [field.name for field in names],
            "formats": [(field.dtype, field.many) if field.many > 1 else field.dtype for field in names],
            "offsets": offsets,
            "itemsize": size,
        }
    )
    table = np.frombuffer(data, dtype=record, count=header.points, offset=header.begin)
    return {field.name: np.ascontiguousarray(table[field.name]) for field in names}


def _packed(data: bytes, header: _Header, path: Path) -> dict[str, np.ndarray]:
    begin = header.begin + 8
    if len(data) < begin:
        raise InputError(f"{path} is cut off after its header")
    packed, size = struct.unpack_from("<II", data, header.begin)
    if packed > len(data) - begin:
        raise InputError(f"{path} is cut off: of {packed:,} packed bytes there are {len(data) - begin:,}")
    # The library's own reader and writer take padding to be left out of what is packed; others keep it.
    without = sum(field.size for field in header.fields if field.name != _PADDING) * header.points
    whole_size = sum(field.size for field in header.fields) * header.points
    if size not in (without, whole_size):
        raise InputError(
            f"{path}: {header.points:,} points are {whole_size:,} bytes, but it says that {size:,} were packed"
        )
    unpacked = decompress(data[begin : begin + packed], size, str(path))
    columns, place = {}, 0
    for field in header.fields:
        if field.name == _PADDING and size != whole_size:
            continue
        if field.name != _PADDING and field.many:
            column = np.frombuffer(unpacked, dtype=field.dtype, count=header.points * field.many, offset=place)
            columns[field.name] = column if field.many == 1 else column.reshape(header.points, field.many)
        place += field.size * header.points
    return columns


def _unpacked(
    packed: Shaped[np.ndarray, " points"], header: _Header, path: Path
) -> UInt8[np.ndarray, "height width 3"]:
    """Red, green and blue, of which the bits of a float or the lower ones of an integer are the three bytes."""
    if (
        packed.ndim != 1
        or packed.dtype.itemsize not in (4, 8)
        or (packed.dtype.kind == "f" and packed.dtype.itemsize != 4)
    ):
        raise InputError(f"{path}: colours are {packed.dtype} {list(packed.shape[1:])} a point, expected four bytes")
    if header.kind == "ascii" and packed.dtype.kind == "f":
        packed = np.where(np.isnan(packed), np.float32(0), packed)  # a text cannot say which of all the NaNs
    bits = np.ascontiguousarray(packed).view(f"<u{packed.dtype.itemsize}")
    channels = [(bits >> shift & 0xFF).astype(np.uint8) for shift in (16, 8, 0)]
    return stacked(channels, header.height, header.width)
