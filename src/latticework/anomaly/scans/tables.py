"""What headers and tables of PCD and PLY files have in common: lines, sizes, numbers as text, and records."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from jaxtyping import Float64, Shaped

from latticework.core.decimals import is_decimal
from latticework.core.errors import InputError

MAX_RECORD_BYTES: Final = 2**14  # of one point; what PCL calls a point is below 2 KiB
MAX_HEADER_BYTES: Final = 2**16
MAX_HEADER_LINES: Final = 1024
_DIGITS: Final = 18  # a longer number is no size of anything, and slow to read


def header_lines(data: bytes, path: Path) -> Iterator[tuple[str, str, int]]:
    """The lines of a header, each with its place and where the next begins; they end at the limits of a header."""
    begin = 0
    for number in range(1, MAX_HEADER_LINES + 1):
        end = data.find(b"\n", begin, MAX_HEADER_BYTES)
        if end < 0:
            return
        line, begin = data[begin:end], end + 1
        yield line.decode("ascii", "replace").strip(), f"{path}:{number}", begin


def whole(text: str, where: str, name: str, most: int) -> int:
    """A number of a header, from 0 up to a limit.

    Raises
    ------
    InputError
        If it is none.

    Examples
    --------
    >>> whole("640", "a.pcd:7", "WIDTH", 10000)
    640
    >>> whole("-1", "a.pcd:7", "WIDTH", 10000)
    Traceback (most recent call last):
    latticework.core.errors.InputError: a.pcd:7: WIDTH is '-1', expected a whole number up to 10,000
    """
    if not (text.isascii() and text.isdecimal() and len(text) <= _DIGITS and int(text) <= most):
        raise InputError(f"{where}: {name} is {text[:40]!r}, expected a whole number up to {most:,}")
    return int(text)


def read_numbers(text: bytes, count: int, path: Path) -> Float64[np.ndarray, " count"]:
    """The first so many numbers of a text, which white space parts.

    Raises
    ------
    InputError
        If there are fewer, or something is no number.
    """
    try:
        found = np.fromstring(text, sep=" ") if text.strip() else np.empty(0)
    except (ValueError, DeprecationWarning):  # the latter is an error for those who say so
        raise InputError(_first_that_is_none(text, path)) from None
    if len(found) < count:
        raise InputError(f"{path}: it holds {len(found):,} numbers, expected {count:,}: the file is cut off or damaged")
    return found


def _first_that_is_none(text: bytes, path: Path) -> str:
    for number, line in enumerate(text.split(b"\n"), start=1):
        for token in line.split():
            if not is_decimal(word := token.decode("ascii", "replace")):
                return f"{path}: {word[:40]!r} in line {number} after the header is no number"
    return f"{path}: something after the header is no number"


def typed(values: Float64[np.ndarray, "*shape"], dtype: Any, where: str) -> Shaped[np.ndarray, "*shape"]:
    """Numbers that were read from text, in the type that the header says.

    Raises
    ------
    InputError
        If one of them cannot be of that type.
    """
    dtype = np.dtype(dtype).newbyteorder("=")
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            return values.astype(dtype)
    limits = np.iinfo(dtype)
    # The upper limit itself is excluded where it is no float: 2**63 - 1 becomes 2**63 there.
    top = float(limits.max) if float(limits.max) <= limits.max else math.nextafter(float(limits.max), 0)
    if not ((values >= limits.min) & (values <= top) & (np.rint(values) == values)).all():
        raise InputError(f"{where}: it holds a number that no {dtype.name} is, which its header says it is")
    return values.astype(dtype)


def table_bytes(columns: Mapping[str, Shaped[np.ndarray, " points"]], data: str) -> bytes:
    """Columns as lines of text from which the same floats are read again, or as little-endian records."""
    if data == "ascii":
        texts = [
            [f"{value:.9g}" if column.dtype.kind == "f" else str(value) for value in column.tolist()]
            for column in columns.values()
        ]
        return "".join(f"{' '.join(row)}\n" for row in zip(*texts, strict=True)).encode()
    if data != "binary":
        raise InputError(f"data={data!r}: expected 'ascii' or 'binary'")
    record = np.dtype([(name, column.dtype.newbyteorder("<")) for name, column in columns.items()])
    table = np.empty(len(next(iter(columns.values()))), dtype=record)
    for name, column in columns.items():
        table[name] = column
    return table.tobytes()
