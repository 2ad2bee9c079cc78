"""The header of a PLY file, and what follows it: elements one after the other, as text or binary."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import numpy as np
from jaxtyping import Int64

from latticework.anomaly.scans.clouds import MAX_FILE_BYTES, MAX_POINTS
from latticework.anomaly.scans.tables import (
    MAX_HEADER_BYTES,
    MAX_RECORD_BYTES,
    header_lines,
    read_numbers,
    typed,
    whole,
)
from latticework.core.errors import InputError
from latticework.core.words import shortened

_TYPES: Final = {
    "char": "i1",
    "uchar": "u1",
    "short": "i2",
    "ushort": "u2",
    "int": "i4",
    "uint": "u4",
    "float": "f4",
    "double": "f8",
} | {
    f"{kind}{8 * size}": f"{kind[0]}{size}"
    for kind, sizes in {"int": (1, 2, 4, 8), "uint": (1, 2, 4, 8), "float": (4, 8)}.items()
    for size in sizes
}
Order = Literal["<", ">", "="]  # the last for text
_ORDERS: Final[dict[str, Order]] = {"ascii": "=", "binary_little_endian": "<", "binary_big_endian": ">"}
_GRID: Final = re.compile(r"(?:obj_info|comment)\s+(num_cols|num_rows|width|height)\s*[=:]?\s*(\S+)\s*")
_COLUMNS: Final = ("num_cols", "width")


class Property(NamedTuple):
    """A number that each of an element has, or a list of numbers."""

    name: str
    dtype: np.dtype[Any]
    counted: np.dtype[Any] | None  # by what, if it is a list


class Element(NamedTuple):
    """What the header says of a table."""

    name: str
    rows: int
    properties: list[Property]

    @property
    def lists(self) -> bool:
        """Whether a property is one."""
        return any(property.counted is not None for property in self.properties)

    @property
    def size(self) -> int:
        """Bytes, or as text numbers, of one of them at least."""
        return sum((property.counted or property.dtype).itemsize for property in self.properties)


class Header(NamedTuple):
    """Its tables in their order, the grid as far as it is said, and where the data begins."""

    elements: list[Element]
    grid: dict[str, int]
    order: Order
    begin: int


class Lists(NamedTuple):
    """One list of each row: how long it is, and where its first member is."""

    counts: list[int]
    begins: list[int]


def read_header(data: bytes, path: Path) -> Header:
    """What a file says of itself.

    Raises
    ------
    InputError
        With file and line, where it says nothing that PLY knows.
    """
    elements: list[Element] = []
    grid: dict[str, int] = {}
    order = None
    lines = header_lines(data, path)
    if next(lines, ("", "", 0))[0] != "ply":
        raise InputError(f"{path} is no PLY file: its first line is not ply")
    for line, where, begin in lines:
        word, *values = line.split() or [""]
        if word == "end_header":
            if order is None:
                raise InputError(f"{path}: the header has no format")
            return Header(elements, grid, order, begin)
        if word == "format":
            if values not in [[kind, "1.0"] for kind in _ORDERS]:
                raise InputError(
                    f"{where}: format is {' '.join(values)[:40]!r}, expected {', '.join(_ORDERS)}, and 1.0"
                )
            order = _ORDERS[values[0]]
        elif word in ("obj_info", "comment"):
            if found := _GRID.fullmatch(line):
                name = "width" if found[1] in _COLUMNS else "height"
                grid[name] = whole(found[2], where, found[1], MAX_POINTS)
        elif word == "element" and len(values) == 2:
            if any(element.name == values[0] for element in elements):
                raise InputError(f"{where}: there are two elements {shortened(values[0])}")
            elements.append(Element(values[0], whole(values[1], where, "the count", MAX_FILE_BYTES), []))
        elif word == "property" and elements:
            elements[-1].properties.append(_property(values, elements[-1], where))
        elif word:
            raise InputError(f"{where}: {line[:60]!r} is no line of the header of a PLY file")
    raise InputError(f"{path} is no PLY file: there is no end_header in its first {MAX_HEADER_BYTES:,} bytes")


def _property(values: list[str], element: Element, where: str) -> Property:
    listed = values[:1] == ["list"]
    types, name = values[listed:-1], values[-1] if values else ""
    if len(types) != 1 + listed or not all(kind in _TYPES for kind in types):
        raise InputError(f"{where}: a property is {' '.join(values)[:60]!r}, expected a type that PLY knows and a name")
    if any(property.name == name for property in element.properties):
        raise InputError(f"{where}: there are two properties {shortened(name)}")
    if element.size >= MAX_RECORD_BYTES:
        raise InputError(f"{where}: {element.name} has more than the {MAX_RECORD_BYTES:,} bytes that are read")
    dtypes = [np.dtype(_TYPES[kind]) for kind in types]
    if listed and dtypes[0].kind == "f":
        raise InputError(f"{where}: the lengths of a list are of type {types[0]}, expected whole numbers")
    return Property(name, dtypes[-1], dtypes[0] if listed else None)


class Text:
    """What follows a header as text: all of its numbers, and how many of them were taken."""

    def __init__(self, data: bytes, header: Header, path: Path) -> None:
        self._numbers = read_numbers(data[header.begin :], 0, path)
        self._taken = 0
        self._path = path

    def table(self, element: Element) -> dict[str, np.ndarray]:
        """The columns of an element without lists."""
        across = len(element.properties)
        self._check(element.rows * across, element)
        begin, self._taken = self._taken, self._taken + element.rows * across
        rows = self._numbers[begin : self._taken].reshape(element.rows, across)
        return {
            name: typed(rows[:, index], dtype, f"{self._path}: {name}")
            for index, (name, dtype, _) in enumerate(element.properties)
        }

    def lists(self, element: Element) -> Lists:
        """The last list of each row."""
        self._check(element.rows * len(element.properties), element)
        numbers, place, found = self._numbers.tolist(), self._taken, Lists([], [])
        for _ in range(element.rows):
            count = begin = 0
            for property in element.properties:
                if property.counted is None:
                    place += 1
                    continue
                begin = place + 1
                length = numbers[place] if place < len(numbers) else 0.0  # found to be cut off below
                if not (0 <= length < len(numbers) and length == int(length)):
                    raise InputError(f"{self._path}: a list of {element.name} is said to have {length} members")
                count = int(length)
                place = begin + count
            found.counts.append(count)
            found.begins.append(begin)
        self._check(place - self._taken, element)
        self._taken = place
        return found

    def members(self, element: Element, begins: Int64[np.ndarray, " some"]) -> Int64[np.ndarray, " some"]:
        """The first members of lists."""
        return typed(self._numbers[begins], np.int64, f"{self._path}: {element.name}")

    def _check(self, count: int, element: Element) -> None:
        if (there := len(self._numbers) - self._taken) < count:
            raise InputError(
                f"{self._path} is cut off: {element.rows:,} {element.name} need {count:,} numbers, {there:,} are left"
            )


class Binary:
    """What follows a header as bytes, and how many of them were taken."""

    def __init__(self, data: bytes, header: Header, path: Path) -> None:
        self._data = data
        self._taken = header.begin
        self._order = header.order
        self._path = path

    def table(self, element: Element) -> dict[str, np.ndarray]:
        """The columns of an element without lists."""
        if not element.properties:
            return {}
        record = np.dtype([(name, dtype.newbyteorder(self._order)) for name, dtype, _ in element.properties])
        size = element.rows * record.itemsize
        self._check(self._taken + size, element)
        rows = np.frombuffer(self._data, dtype=record, count=element.rows, offset=self._taken)
        self._taken += size
        return {name: rows[name].astype(dtype) for name, dtype, _ in element.properties}

    def lists(self, element: Element) -> Lists:
        """The last list of each row."""
        self._check(self._taken + element.rows * element.size, element)
        data, place, found = self._data, self._taken, Lists([], [])
        order: Any = "little" if self._order == "<" else "big"
        for _ in range(element.rows):
            count = begin = 0
            for _, dtype, counted in element.properties:
                if counted is None:
                    place += dtype.itemsize
                    continue
                begin = place + counted.itemsize
                count = int.from_bytes(data[place:begin], order, signed=counted.kind == "i")
                if begin > len(data) or count < 0:
                    self._check(begin, element)
                    raise InputError(f"{self._path}: a list of {element.name} is said to have {count} members")
                place = begin + count * dtype.itemsize
            found.counts.append(count)
            found.begins.append(begin)
        self._check(place, element)
        self._taken = place
        return found

    def members(self, element: Element, begins: Int64[np.ndarray, " some"]) -> Int64[np.ndarray, " some"]:
        """The first members of lists."""
        dtype = [property.dtype for property in element.properties if property.counted is not None][-1]
        places = begins[:, None] + np.arange(dtype.itemsize)
        members = np.frombuffer(self._data, dtype=np.uint8)[places].view(dtype.newbyteorder(self._order))[:, 0]
        return (
            members.astype(np.int64) if dtype.kind in "iu" else typed(members.astype(float), np.int64, str(self._path))
        )

    def _check(self, end: int, element: Element) -> None:
        if (there := len(self._data)) < end:
            raise InputError(
                f"{self._path} is cut off: its {element.rows:,} {element.name} need {end:,} bytes, it has {there:,}"
            )
