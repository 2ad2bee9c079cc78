"""Tables with a header, comma- or tab-separated, as BIDS has them; what is missing stays missing."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from itertools import chain, repeat
from typing import Any, Final

import numpy as np

from latticework.core.decimals import decimals
from latticework.core.delimited import numbered_rows
from latticework.core.errors import InputError, require
from latticework.core.files import read_lines, suffix
from latticework.core.words import counted, shortened
from latticework.mediation.guards import repeated

MISSING: Final = frozenset({"", "n/a", "N/A", "NA", "NaN", "nan"})  # BIDS writes n/a, R NA, and NumPy nan
MAX_CELLS: Final = 2**26
_PURPOSE: Final = "reading tables"
_TRUTH: Final = {"true": 1.0, "false": 0.0}
_CODE: Final = re.compile(r"[+-]?[0-9]{16,}")  # of which double precision may not have the last digits
_DECIMAL_COMMA: Final = re.compile(r"[+-]?[0-9]+,[0-9]+")


def read_table(path: str | os.PathLike[str], *, id_column: str | None = None) -> Any:
    r"""Read a table with a header, strictly.

    Tabs separate the columns of a .tsv file; of others whichever of tab, semicolon and comma the header has most.

    Parameters
    ----------
    path : path-like
        UTF-8 text, plain or compressed.
    id_column : str or None
        A column that stays text, so that ``01`` is not 1.

    Returns
    -------
    pandas.DataFrame
        Columns of numbers are float64 with NaN for what is missing (empty, ``n/a``, ``NA`` or ``nan``); those of
        ``true`` and ``false`` are 1 and 0; others are text with None for what is missing.

    Raises
    ------
    InputError
        With file and line, if it is no such table.
    MissingExtraError
        If pandas is not installed.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder) / "participants.tsv"
    ...     _ = file.write_text("participant_id\tage\nsub-01\t34\nsub-02\tn/a\n")
    ...     read_table(file)["age"].tolist()
    [34.0, nan]
    """
    pandas = require("pandas", extra="mediation", purpose=_PURPOSE)
    rows = read_rows(path)
    header = next(rows)
    cells: list[list[str]] = []
    for row in rows:
        cells.append([cell.strip() for cell in row])
        if len(cells) * len(header) > MAX_CELLS:
            raise InputError(f"{path}: more than {MAX_CELLS:,} cells, which is no table of participants")
    columns = zip(*cells, strict=True) if cells else [() for _ in header]
    named = zip(header, columns, strict=True)
    kept = {
        name: list(column) if name == id_column else _values(column, f"{path}: {shortened(name)}")
        for name, column in named
    }
    return pandas.DataFrame(kept)


def read_rows(path: str | os.PathLike[str]) -> Iterator[list[str]]:
    """Yield the header and then the rows of a table, each with as many cells.

    Raises
    ------
    InputError
        As `read_table`.
    """
    lines = read_lines(path)
    skipped, header = next(((place, line) for place, line in enumerate(lines) if line.strip()), (0, None))
    if header is None:
        raise InputError(f"{path}: there is nothing in it, expected a header")
    delimiter = "\t" if suffix(path) == ".tsv" else max("\t;,", key=header.count)
    names: list[str] = []
    for number, row in numbered_rows(chain(repeat("", skipped), [header], lines), str(path), delimiter=delimiter):
        if not row:
            continue
        if not names:
            names = [name.strip() for name in row]
            if twice := repeated(names):
                raise InputError(f"{path}: two columns are named {shortened(twice[0])}")
            yield names
        elif len(row) == len(names):
            yield row
        elif any(map(str.strip, row)):
            raise InputError(f"{path}:{number}: {counted(len(row), 'cell')}, and the header has {len(names)}")


def cell_text(value: object) -> str:
    """A value of a table as text; whole numbers without the point that they get among float64.

    Examples
    --------
    >>> cell_text(45217001.0), cell_text(0.5), cell_text("v1.0")
    ('45217001', '0.5', 'v1.0')
    """
    return str(value).removesuffix(".0") if isinstance(value, float) else str(value)


def _values(column: Sequence[str], where: str) -> Any:
    """Numbers if all of them are, and none is of so many digits that it is a code, else texts."""
    there = [cell for cell in column if cell not in MISSING]
    if there and all(cell.lower() in _TRUTH for cell in there):
        return np.array([_TRUTH.get(cell.lower(), np.nan) for cell in column])
    if there and all(map(_DECIMAL_COMMA.fullmatch, there)):
        raise InputError(f"{where}: numbers such as {there[0]} have a comma, expected a point")
    texts = [None if cell in MISSING else cell for cell in column]
    if any(map(_CODE.fullmatch, there)):
        return texts
    try:
        return decimals(["nan" if cell is None else cell for cell in texts])
    except ValueError:
        return texts
