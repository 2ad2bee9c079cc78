"""Images and participants, joined by id: every participant has one image, and every image one participant."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from itertools import chain, islice
from pathlib import Path
from string import Formatter
from typing import Any, Final

from latticework.core.errors import InputError
from latticework.core.words import counted, listed, shortened
from latticework.mediation.guards import repeated
from latticework.mediation.nifti import is_nifti
from latticework.mediation.tables import read_rows

FIELD: Final = "participant_id"
MAX_IDS: Final = 2**20
_SUBJECT: Final = re.compile(r"(?:^|[^A-Za-z0-9])sub-([A-Za-z0-9]+)")
_WORD: Final = re.compile(r"[^\W_]+")
_PARTS: Final = re.compile(r"[/\\\0]")
Words = tuple[str, ...]


def join(
    ids: Sequence[str],
    images: Any,
    *,
    pattern: str | None = None,
    left_out: Iterable[str] = (),
) -> tuple[Path, ...]:
    """Find the image of every participant.

    Without a pattern an id is found as whole words of the file's name, or else of the nearest folder that has one, of
    those below the folder given. A name with ``sub-01`` in it is that participant's, ``01`` or ``sub-01``, and nobody
    else's.

    Parameters
    ----------
    ids : sequence of str
        One a participant.
    images : folder, or files
        A folder, of which all .nii and .nii.gz files are taken, also those in folders in it.
    pattern : str or None
        The name of a file in the folder, such as ``"{participant_id}_con.nii.gz"``.
    left_out : iterable of str
        Participants whose images are passed over.

    Returns
    -------
    tuple of Path
        The files, in the order of the ids.

    Raises
    ------
    InputError
        If a participant has none or several, or an image none or several.

    Examples
    --------
    >>> [path.name for path in join(["01", "02"], ["sub-02_bold.nii.gz", "sub-01_bold.nii.gz"])]
    ['sub-01_bold.nii.gz', 'sub-02_bold.nii.gz']
    """
    if len(set(ids)) < len(ids):
        raise InputError("two participants have the same id")
    if pattern is not None:
        return _by_pattern(ids, images, pattern, set(left_out))
    files = _files(images)
    folder = Path(images) if isinstance(images, str | os.PathLike) else None
    skipped = set(left_out)
    owners = _owners([*ids, *sorted(skipped)])
    of: dict[str, list[Path]] = {one: [] for one in (*ids, *skipped)}
    strangers = []
    for file in files:
        found = _owner(file if folder is None else file.relative_to(folder), owners)
        if len(found) > 1:
            raise InputError(f"{file} may be the image of {listed(found)}: give a pattern")
        if found:
            of[found[0]].append(file)
        else:
            strangers.append(file)
    without = [one for one in ids if not of[one]]
    if without or strangers:
        raise InputError(_unmatched(without, strangers))
    for one in ids:
        if len(of[one]) > 1:
            names = listed(of[one])
            raise InputError(
                f"participant {one} has {len(of[one])} images: {names}. Give a pattern for the one that is meant"
            )
    return tuple(of[one][0] for one in ids)


def read_ids(path: str | os.PathLike[str], *, id_column: str = FIELD) -> tuple[str, ...]:
    r"""Read the id of every volume, in their order: a line each, or a table with a column of ids.

    Raises
    ------
    InputError
        If there is none, or one is empty or there twice, or as `read_table`.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder) / "volumes.tsv"
    ...     _ = file.write_text("participant_id\nsub-02\nsub-01\n")
    ...     read_ids(file)
    ('sub-02', 'sub-01')
    """
    rows = read_rows(path)
    header = next(rows)
    if id_column not in header:
        if len(header) > 1:
            raise InputError(f"{path}:1: several columns, and none is {shortened(id_column)}")
        rows = chain([header], rows)
    place = header.index(id_column) if id_column in header else 0
    ids = [row[place].strip() for row in islice(filter(_is_told, rows), MAX_IDS + 1)]
    if len(ids) > MAX_IDS:
        raise InputError(f"{path}: more than {MAX_IDS:,} ids")
    if "" in ids:
        raise InputError(f"{path}: row {ids.index('') + 1} has no {id_column}")
    if not ids:
        raise InputError(f"{path}: there is no id in it")
    if twice := repeated(ids):
        raise InputError(f"{path}: ids that are there more than once: {listed(sorted(twice))}")
    return tuple(ids)


def rows_of(
    volumes: Sequence[str], ids: Sequence[str], left_out: Iterable[str] = (), what: str = "volume"
) -> list[int]:
    """The place among participants of every volume, by their ids; -1 for one of those left out.

    Raises
    ------
    InputError
        If a participant has no volume, or a volume no participant.

    Examples
    --------
    >>> rows_of(["b", "c", "a"], ["a", "b"], left_out=["c"])
    [1, -1, 0]
    """
    places = {one: place for place, one in enumerate(ids)} | dict.fromkeys(left_out, -1)
    strangers = [one for one in volumes if one not in places]
    there = set(volumes)
    without = [one for one in ids if one not in there]
    if strangers or without:
        raise InputError(_unmatched(without, strangers, what))
    return [places[one] for one in volumes]


def _is_told(row: Sequence[str]) -> bool:
    """Whether it is more than a line of blanks, where a row is one cell."""
    return len(row) > 1 or bool(row[0].strip())


def _files(images: Any) -> list[Path]:
    if isinstance(images, str | os.PathLike):
        folder = Path(images)
        if not folder.is_dir():
            raise InputError(f"{folder} is no folder of images")
        files = sorted(path for path in folder.rglob("*") if is_nifti(path) and not path.name.startswith("."))
        if not files:
            raise InputError(f"{folder}: there is no .nii or .nii.gz file in it")
        return files
    files = list(images)
    if other := next((one for one in files if not isinstance(one, str | os.PathLike)), None):
        raise InputError(
            f"{type(other).__name__} is no path: images without a name cannot be joined by id; use study_of"
        )
    return [Path(path) for path in files]


def _by_pattern(ids: Sequence[str], images: object, pattern: str, left_out: set[str]) -> tuple[Path, ...]:
    if not isinstance(images, str | os.PathLike) or not Path(images).is_dir():
        raise InputError("a pattern names files of a folder: give the folder as images")
    try:
        pieces = list(Formatter().parse(pattern))
    except ValueError as error:
        raise InputError(f"pattern {shortened(pattern)}: {error}") from error
    fields = [name for _, name, _, _ in pieces if name is not None]
    plain = all(not form and not conversion for _, _, form, conversion in pieces)
    if not fields or set(fields) != {FIELD} or not plain:
        raise InputError(f"pattern {shortened(pattern)}: expected {{{FIELD}}} in it, and nothing else in braces")
    if Path(pattern).is_absolute() or ".." in Path(pattern).parts or "\\" in pattern or "\0" in pattern:
        raise InputError(f"pattern {shortened(pattern)} leads out of the folder")
    for one in (*ids, *left_out):
        if _PARTS.search(one) or ".." in one:
            raise InputError(f"participant {shortened(one)}: an id that names a file may not have /, \\ or .. in it")
    folder = Path(images)
    files = {one: folder / pattern.format(participant_id=one) for one in ids}
    without = [one for one in ids if not files[one].is_file()]
    wanted = {*files.values(), *(folder / pattern.format(participant_id=one) for one in left_out)}
    star = "".join(re.sub(r"([\[*?])", r"[\1]", text) + ("*" if name else "") for text, name, _, _ in pieces)
    hidden = Path(pattern).name.startswith(".")
    there = {path for path in folder.glob(star) if hidden or not path.name.startswith(".")}
    strangers = sorted(there - wanted)
    if without or strangers:
        raise InputError(_unmatched(without, strangers))
    return tuple(files.values())


def _owners(ids: Iterable[str]) -> dict[Words, list[str]]:
    """Participants by the words of their ids, and of those without ``sub-``."""
    owners: dict[Words, list[str]] = {}
    for one in ids:
        words = tuple(_WORD.findall(one))
        if not words:
            raise InputError(
                f"participant {shortened(one)}: an id needs a letter or a digit to be found in a file's name"
            )
        for key in {words, words[1:] if words[0] == "sub" and len(words) > 1 else words}:
            owners.setdefault(key, []).append(one)
    return owners


def _owner(file: Path, owners: dict[Words, list[str]]) -> list[str]:
    """Whose image it may be, by its name, or else by the nearest folder that tells."""
    for part in (file.name, *reversed(file.parts[:-1])):
        subject = _SUBJECT.search(part)
        words = [(match[0], match.start(), match.end()) for match in _WORD.finditer(part)]
        found: dict[str, None] = {}
        for first in range(len(words)):
            for last in range(first, len(words)):
                covers = subject is None or words[first][1] <= subject.start(1) <= words[last][2] - 1
                if covers:
                    key = tuple(word for word, _, _ in words[first : last + 1])
                    found.update(dict.fromkeys(owners.get(key, ())))
        if found or subject is not None:
            return list(found)
    return []


def _unmatched(without: Sequence[object], strangers: Sequence[object], what: str = "image") -> str:
    told = []
    if without:
        article = "an" if what[0] in "aeiou" else "a"
        told.append(f"{counted(len(without), 'participant')} without {article} {what}: {listed(without)}")
    if strangers:
        told.append(f"{counted(len(strangers), what)} without a participant: {listed(strangers)}")
    return f"{'; '.join(told)}. Every participant needs one {what}, and every {what} a participant"
