"""Triples in tables of three columns: tab- and comma-separated text, and NumPy arrays of integers."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, dropwhile
from typing import Final

import numpy as np

from latticework.core.arrays import read_npy
from latticework.core.delimited import csv_line, numbered_rows
from latticework.core.errors import InputError, callers_level
from latticework.core.files import is_packed
from latticework.core.words import shortened
from latticework.knowledge.io.dataset import BATCH, MAX_TRIPLES, Columns, batches
from latticework.knowledge.triples import NamedTriple

HEADERS: Final = (("head", "relation", "tail"), ("h", "r", "t"), ("subject", "predicate", "object"))
_TELLING: Final = (HEADERS[0], HEADERS[2])  # no fact has these names by chance


def tsv_columns(lines: Iterable[str], name: str) -> Iterator[Columns]:
    r"""The columns of lines of a head, a relation and a tail with tabs between them, some at a time.

    Blank lines are nothing; there is no header; names are taken as they are, with all blanks in and around them.

    Raises
    ------
    InputError
        With file and line, if there are not three columns, or one is empty.

    Examples
    --------
    >>> list(tsv_columns(["New York\tin\tUSA"], "some.tsv"))
    [(['New York'], ['in'], ['USA'])]
    """
    lines, first = iter(lines), 1
    for first, line in enumerate(lines, start=1):
        if not _is_blank(line.split("\t")):
            _check_no_header(line, f"{name}:{first}")
            lines = chain([line], lines)
            break
    for batch in batches(lines, len):
        numbers = range(first, first + len(batch))
        yield from checked([line.split("\t") for line in batch], numbers, f"{name}:")
        first += len(batch)


def _check_no_header(line: str, place: str) -> None:
    cells = tuple(line.strip().lower().split("\t"))
    if cells in _TELLING:
        warnings.warn(
            f"{place}: {shortened(line)} looks like a header, but is taken for a fact", stacklevel=callers_level()
        )
    elif tuple(sorted(cells)) in map(tuple, map(sorted, _TELLING)):
        raise InputError(
            f"{place}: {', '.join(cells)} looks like a header of columns in another order: expected head, "
            "relation and tail, without a header; of a .csv columns are found by it"
        )


def csv_columns(lines: Iterable[str], name: str) -> Iterator[Columns]:
    """As `tsv_columns`, of comma-separated lines, where a name may be in quotation marks (RFC 4180).

    A first row "head,relation,tail", "h,r,t" or "subject,predicate,object", in any order, is a header that says which
    column is which.

    Raises
    ------
    InputError
        As `tsv_columns`, or if a quotation mark is not closed.

    Examples
    --------
    >>> list(csv_columns(["head,relation,tail", '"Paris, Texas",in,USA'], "some.csv"))
    [(['Paris, Texas'], ['in'], ['USA'])]
    """
    for batch in batches(_csv_rows(lines, name), lambda numbered: sum(map(len, numbered[1]))):
        numbers, rows = zip(*batch, strict=True)
        yield from checked(rows, numbers, f"{name}:")


def integer_columns(path: str | os.PathLike[str]) -> Iterator[Columns]:
    """The columns of a .npy file of integers, (triples, 3), whose names are their decimal numbers.

    Raises
    ------
    InputError
        If it is no such array, it is longer than is read, or a number is negative; with its row.
    """
    array = read_npy(path)
    if array.ndim != 2 or array.shape[1] != 3 or not np.issubdtype(array.dtype, np.integer):
        raise InputError(f"{path} holds {array.dtype} of shape {array.shape}, expected integers of shape (triples, 3)")
    if len(array) > MAX_TRIPLES:
        raise InputError(f"{path} has {len(array):,} rows, more than the {MAX_TRIPLES:,} that are read: give a part")
    if (array < 0).any():
        row = int((array < 0).any(axis=1).argmax())
        raise InputError(f"{path}: row {row} is {array[row].tolist()}: a number is negative")
    for first in range(0, len(array), BATCH):
        heads, relations, tails = np.array(array[first : first + BATCH]).astype(str).T.tolist()
        yield heads, relations, tails


def columns_in_order(names: Sequence[str]) -> list[int] | None:
    """Where the head, the relation and the tail are among columns, if their names say so.

    Examples
    --------
    >>> columns_in_order(["Tail", "weight", "Head", "Relation"]), columns_in_order(["0", "1", "2"])
    ([2, 3, 0], None)
    """
    lowered = [name.strip().lower() for name in names]
    header = next((header for header in HEADERS if set(header) <= set(lowered)), None)
    return None if header is None else [lowered.index(name) for name in header]


def _csv_rows(lines: Iterable[str], name: str) -> Iterator[tuple[int, list[str]]]:
    """Rows below the header, if there is one, with the number of the line where each starts."""
    rows = dropwhile(lambda numbered: _is_blank(numbered[1]), numbered_rows(lines, name))
    first = next(rows, None)
    if first is None:
        return
    order = columns_in_order(first[1]) if len(first[1]) == 3 else None
    if order is None:
        yield first
    for number, row in rows:
        yield number, row if order is None or len(row) != 3 else [row[place] for place in order]


def checked(rows: Sequence[Sequence[str]], numbers: Sequence[int], place: str) -> Iterator[Columns]:
    """The columns of those rows that are not blank, if there are any.

    Raises
    ------
    InputError
        With place and number of the first row that is not three names.
    """
    if set(map(len, rows)) == {3}:
        heads, relations, tails = zip(*rows, strict=True)
        if not any(empty in column for column in (heads, relations, tails) for empty in ("", None)):
            yield list(heads), list(relations), list(tails)
            return
    numbered = zip(rows, numbers, strict=True)
    kept = [(row, number) for row, number in numbered if not _is_blank(row)]
    for row, number in kept:
        _check_row(row, f"{place}{number}")
    if kept:
        heads, relations, tails = zip(*(row for row, _ in kept), strict=True)
        yield list(heads), list(relations), list(tails)


def _is_blank(row: Sequence[str]) -> bool:
    return len(row) < 2 and not any(map(str.strip, row))


def _check_row(row: Sequence[str], place: str) -> None:
    if len(row) != 3:
        found = f"got {len(row)}: {shortened(list(row))}"
        hint = _separated(row[0]) if len(row) == 1 else ""
        raise InputError(f"{place}: expected three columns, head, relation and tail, {found}{hint}")
    for what, name in zip(HEADERS[0], row, strict=True):
        if not name:
            raise InputError(f"{place}: the {what} is {'empty' if name == '' else 'missing'}")


def _separated(line: str) -> str:
    """What a line of a single column may be separated by instead, and what to do then."""
    if line.count("\t") == 2:
        return "; are they separated by tabs? Name the file .tsv"
    if line.count(",") == 2:
        return "; are they separated by commas? Use tabs, or name the file .csv"
    if line.count(";") == 2:
        return "; are they separated by semicolons? Use tabs, or commas in a .csv"
    return "; are they separated by blanks? Use tabs" if len(line.split()) == 3 else ""


def delimited_lines(triples: Iterable[NamedTriple], *, comma: bool) -> Iterator[str]:
    r"""The lines of a comma- or tab-separated file, as `csv_columns` and `tsv_columns` read them.

    Raises
    ------
    InputError
        If a name has a tab or line end in it, which a tab-separated file cannot hold, or a carriage return.

    Examples
    --------
    >>> list(delimited_lines([("Paris, Texas", "in", "USA")], comma=True))
    ['head,relation,tail', '"Paris, Texas",in,USA']
    """
    if not comma:
        for triple in triples:
            line = "\t".join(triple)
            if line.count("\t") != 2 or any(mark in line for mark in "\n\r\0") or line.startswith("\ufeff"):
                told = shortened(triple, most=300)
                raise InputError(f"{told} cannot be written with tabs: a name has a tab, line end or NUL in it")
            yield line
        return
    for triple in (HEADERS[0], *triples):
        if any(mark in name for name in triple for mark in "\r\0"):
            told = shortened(triple, most=300)
            raise InputError(f"{told} cannot be written with commas: a name has a carriage return or NUL in it")
        yield csv_line(triple)


def check_binary(path: str | os.PathLike[str], kind: str) -> None:
    """Refuse a name under which only text can be written: of standard output, or of what is compressed.

    Raises
    ------
    InputError
        If it is one.
    """
    if os.fspath(path) == "-":
        raise InputError(f"{kind} is not written to standard output: give a file name")
    if is_packed(path):
        raise InputError(f"{path}: {kind} is not compressed by gzip: leave .gz out")


def integer_bytes(triples: Sequence[NamedTriple]) -> bytes:
    """A .npy file of triples whose names are decimal numbers.

    Raises
    ------
    InputError
        If a name is none that 64 bits hold.
    """
    for triple in triples:
        if not all(map(_is_integer, triple)):
            told = shortened(triple, most=300)
            raise InputError(f"{told} cannot be written as integers: the names are no decimal numbers below 2^63")
    buffer = io.BytesIO()
    np.save(buffer, np.array([list(map(int, triple)) for triple in triples], dtype=np.int64).reshape(-1, 3))
    return buffer.getvalue()


def _is_integer(name: str) -> bool:
    short = len(name) < 20  # of thousands of digits Python reads no number
    return short and name.isdecimal() and name.isascii() and str(int(name)) == name and int(name) < 2**63
