"""Matrices of numbers in tables whose first column is an id."""

from __future__ import annotations

import math
import os

import numpy as np
from jaxtyping import Float

from latticework.core.decimals import decimal, decimals
from latticework.core.errors import InputError
from latticework.core.words import listed, shortened
from latticework.mediation.guards import repeated
from latticework.mediation.images import MAX_VALUES
from latticework.mediation.tables import MISSING, read_rows


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
        values.append(_numbers(row[1:], header[1:], f"{path}: {shortened(ids[-1])}"))
        if len(values) * len(header) > MAX_VALUES // 2:
            raise InputError(f"{path}: more values than are held in memory")
    if not ids:
        raise InputError(f"{path}: there is no row below the header")
    if wrong := {*repeated(ids), *(one for one in ids if not one)}:
        raise InputError(f"{path}: ids that are empty or there more than once: {listed(map(repr, sorted(wrong)))}")
    return tuple(ids), np.array(values)


def _numbers(cells: list[str], names: list[str], where: str) -> Float[np.ndarray, " voxels"]:
    try:
        return decimals(cells)
    except ValueError:
        numbers = []
    for cell, name in zip(cells, names, strict=True):
        try:
            numbers.append(math.nan if cell.strip() in MISSING else decimal(cell))
        except ValueError as error:
            raise InputError(f"{where}, column {shortened(name)}: {shortened(cell)} is no number") from error
    return np.array(numbers, dtype=np.float64)
