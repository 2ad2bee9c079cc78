"""Folders of OpenKE: names and triples in files of numbers, each with its count in the first line.

``entity2id.txt`` and ``relation2id.txt`` have a name and its number a line, ``train2id.txt``, ``valid2id.txt`` and
``test2id.txt`` three numbers a line, in the order *head, tail, relation*. Each may be compressed and end in .gz.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from sys import getsizeof
from typing import Final, Never, get_args

import numpy as np
from jaxtyping import Int64

from latticework.core.errors import InputError
from latticework.core.files import read_lines
from latticework.core.folders import new_folder
from latticework.core.words import counted, shortened
from latticework.knowledge.choices import Part
from latticework.knowledge.io.dataset import MAX_NAME_BYTES, MAX_TRIPLES, NAME_BYTES, Splits
from latticework.knowledge.names import Names
from latticework.knowledge.triples import NO_TRIPLES

_ROW: Final = re.compile(r"\s*([0-9]{1,18})\s+([0-9]{1,18})\s+([0-9]{1,18})\s*")
_COUNT: Final = re.compile(r"\s*([0-9]{1,18})\s*")
_TRIPLES: Final = "{}2id.txt"


def read_openke(folder: str | os.PathLike[str]) -> Splits:
    r"""Read such a folder; a part that has no file, other than train, is empty.

    Raises
    ------
    InputError
        With file and line, if a count is not that of the rows, or more than are read, a number is not in range, a name
        or number is there twice, or the columns seem to be in another order.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     texts = {"entity": "2\nRome\t0\nItaly\t1\n", "relation": "1\nin\t0\n", "train": "1\n0 1 0\n"}
    ...     for name, text in texts.items():
    ...         _ = (Path(folder) / f"{name}2id.txt").write_text(text)
    ...     read_openke(folder).graph.named()
    [('Rome', 'in', 'Italy')]
    """
    folder = Path(folder)
    entities, relations = _both_names(folder)
    train, valid, test = (_part(folder, part, len(entities), len(relations)) for part in get_args(Part))
    return Splits(entities, relations, train, valid, test)


def read_openke_part(folder: str | os.PathLike[str], part: Part) -> tuple[Int64[np.ndarray, "part 3"], Names, Names]:
    """As `read_openke`, the triples of one part, with the entities and the relations; the other parts are not read."""
    folder = Path(folder)
    entities, relations = _both_names(folder)
    return _part(folder, part, len(entities), len(relations)), entities, relations


def is_openke(path: str | os.PathLike[str]) -> bool:
    """Whether this is a folder of OpenKE, or a file of triples in one.

    Examples
    --------
    >>> is_openke("there/train2id.txt.gz"), is_openke("train.txt")
    (True, False)
    """
    name = Path(path).name.removesuffix(".gz")
    if name in [_TRIPLES.format(part) for part in get_args(Part)]:
        return True
    return any((Path(path) / f"entity2id.txt{end}").is_file() for end in ("", ".gz"))


def write_openke(folder: str | os.PathLike[str], splits: Splits) -> None:
    """Write a data set as such a folder, a new one, which is there as a whole or not at all.

    Raises
    ------
    InputError
        If the folder holds anything, a name has a line end in it or ends with white space, or a file cannot be written.
    """
    with new_folder(folder) as temporary:
        for kind, names in (("entity", splits.entities), ("relation", splits.relations)):
            wrong = next((name for name in names if re.search(r"[\r\n\0]|^\s|\s$", name)), None)
            if wrong is not None:
                raise InputError(
                    f"{shortened(wrong)} cannot be a name in {kind}2id.txt: it has a line end, or white space around it"
                )
            _write(temporary / f"{kind}2id.txt", [f"{name}\t{number}" for number, name in enumerate(names)])
        for part, triples in (("train", splits.train), ("valid", splits.valid), ("test", splits.test)):
            rows = [f"{head} {tail} {relation}" for head, relation, tail in triples.tolist()]
            _write(temporary / _TRIPLES.format(part), rows)


def _write(path: Path, rows: list[str]) -> None:
    path.write_bytes("\n".join([str(len(rows)), *rows, ""]).encode())


def _file(folder: Path, name: str) -> Path | None:
    paths = [folder / f"{name}2id.txt{end}" for end in ("", ".gz")]
    return next((path for path in paths if path.is_file()), None)


def _needed(folder: Path, name: str) -> Path:
    path = _file(folder, name)
    if path is None:
        raise InputError(f"{folder} is no folder of OpenKE: there is no {name}2id.txt in it")
    return path


def _both_names(folder: Path) -> tuple[Names, Names]:
    return _read_names(_needed(folder, "entity")), _read_names(_needed(folder, "relation"))


def _part(folder: Path, part: Part, entities: int, relations: int) -> Int64[np.ndarray, "part 3"]:
    path = _needed(folder, part) if part == "train" else _file(folder, part)
    return _read_triples(path, entities, relations) if path else NO_TRIPLES


def _rows(path: Path) -> tuple[int, Iterator[str]]:
    """The count in the first line, and the other lines."""
    lines = read_lines(path)
    first = next(lines, "")
    found = _COUNT.fullmatch(first)
    if not found:
        raise InputError(f"{path}:1: expected the number of rows that follow, got {shortened(first)}")
    if int(found[1]) > MAX_TRIPLES:
        raise InputError(f"{path}:1: it announces more than the {MAX_TRIPLES:,} rows that are read: give a part")
    return int(found[1]), lines


def _read_names(path: Path) -> Names:
    count, lines = _rows(path)
    names: dict[int, str] = {}
    numbers: dict[str, int] = {}
    size = 0
    for number, line in enumerate(lines, start=2):
        if not line.strip():
            continue
        parts = line.rsplit(None, 1)
        name = parts[0].strip() if len(parts) == 2 else ""
        if not name or not _COUNT.fullmatch(parts[1]):
            swapped = ": the columns may be swapped" if _COUNT.fullmatch(line.split(None, 1)[0]) else ""
            raise InputError(f"{path}:{number}: expected a name and its number, got {shortened(line)}{swapped}")
        given = int(parts[1])
        if given >= count:
            raise InputError(f"{path}:{number}: the number {given} is not below {count}, the count in line 1")
        if given in names or name in numbers:
            twice = f"the number {given}" if given in names else f"the name {shortened(name)}"
            raise InputError(f"{path}:{number}: {twice} is there twice")
        names[given], numbers[name] = name, given
        size += NAME_BYTES + getsizeof(name)
        if size > MAX_NAME_BYTES:
            raise InputError(
                f"{path}:{number}: the names take more than the {MAX_NAME_BYTES:,} bytes that are read: give a part"
            )
    if len(names) != count:
        raise InputError(f"{path}:1: it announces {counted(count, 'name')}, there are {len(names)}")
    return Names(names[number] for number in range(count))


def _read_triples(path: Path, entities: int, relations: int) -> Int64[np.ndarray, "triples 3"]:
    """The triples, in the order head, relation, tail."""
    table = _table(path)
    limits = np.array([entities, entities, relations])
    if table is None or table.shape[1] != 3 or ((table < 0) | (table >= limits)).any():
        order = table is not None and table.shape[1] == 3 and bool((table < limits[[0, 2, 1]]).all())
        _refuse(path, limits, "; the columns may be head, relation, tail: expected head, tail, relation" * order)
    count, _ = _rows(path)
    if len(table) != count:
        _refuse(path, limits, "")
    return np.ascontiguousarray(table[:, [0, 2, 1]])


def _table(path: Path) -> Int64[np.ndarray, "rows columns"] | None:
    """The numbers below the count, at most one row more than it says; None if they are no table of integers."""
    count, lines = _rows(path)
    if not count:
        return np.array([], dtype=np.int64).reshape(0, 3) if not any(map(str.strip, lines)) else None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # of no rows, and of 1.5 taken for 1
            return np.loadtxt(islice(filter(str.strip, lines), count + 1), dtype=np.int64, comments=None, ndmin=2)
    except InputError:
        raise
    except (ValueError, OverflowError, Warning):
        return None


def _refuse(path: Path, limits: Int64[np.ndarray, " columns"], order: str) -> Never:
    """Say what is wrong with a file of triples, and in which line."""
    count, lines = _rows(path)
    rows = 0
    for number, line in enumerate(lines, start=2):
        if not line.strip():
            continue
        rows += 1
        if rows > count:  # however many more there are
            raise InputError(f"{path}:{number}: line 1 announces {counted(count, 'row')}, there are more")
        found = _ROW.fullmatch(line)
        if not found:
            raise InputError(f"{path}:{number}: expected three numbers, head, tail and relation, got {shortened(line)}")
        for what, given, limit in zip(("head", "tail", "relation"), map(int, found.groups()), limits, strict=True):
            if given >= limit:
                there = counted(limit, "relation") if what == "relation" else counted(limit, "entity", "entities")
                raise InputError(f"{path}:{number}: {what} {given} is out of range: the folder has {there}{order}")
    raise InputError(f"{path}:1: it announces {counted(count, 'row')}, there are {rows}")
