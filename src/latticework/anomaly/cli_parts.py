"""What the commands of `latticework anomaly` share: options, and the parts they are given."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from latticework.anomaly.choices import Unit
from latticework.core.commands import check_page
from latticework.core.errors import InputError

if TYPE_CHECKING:
    from latticework.anomaly.detector import M3DM
    from latticework.anomaly.report.cards import Good
    from latticework.anomaly.report.outputs import Outputs
    from latticework.anomaly.scans.found import Found

Split = Literal["train", "validation", "test", "test_private"]
UnitOption = Annotated[Unit, typer.Option("--unit", help="Of the points.")]
OwnUnit = Annotated[
    Unit | None,
    typer.Option("--unit", help="Of the points; by default that of the parts of the fit.", show_default=False),
]
Maps = Annotated[
    Path | None,
    typer.Option(
        "--maps",
        metavar="OUT",
        help="Write a map (.tiff) and an overlay (.png) of each part there, and predictions.csv and .jsonl.",
        show_default=False,
    ),
]
GoodFolder = Annotated[
    Path | None,
    typer.Option(
        "--good", metavar="DIR", help="What the model was fitted on: the page shows patches of it.", show_default=False
    ),
]


def parts_in(paths: Sequence[Path], *, unit: Unit) -> list[Found]:
    """The parts of folders and files, each once however it was reached; where names meet, the folder's stands before.

    One that lacks a partner, or has two files for one thing, says so when it is read.

    Raises
    ------
    InputError
        If one of them is not there or holds no part, or names meet all the same.
    """
    from latticework.anomaly.scans.folders import read_folder

    found: dict[tuple[str, ...], tuple[Found, str]] = {}
    for path in paths:
        parts = read_folder(path, unit=unit, partners="reported")
        place = (path if path.is_dir() else path.parent).resolve().name
        for part in parts:
            files = (part.file, part.rgb, part.xyz, part.depth)
            found.setdefault(tuple(_where(file) for file in files if file is not None), (part, place))
    count = Counter(part.name for part, _ in found.values())
    named = [
        replace(part, name=f"{place}/{part.name}") if count[part.name] > 1 else part for part, place in found.values()
    ]
    twice = [name for name, times in Counter(part.name for part in named).items() if times > 1]
    if twice:
        raise InputError(
            f"several of the parts that were given are called {twice[0]}: inspect them one after the other"
        )
    return named


def _where(file: Path) -> str:
    """The place of a file, which may be a link: two links to one file are two parts."""
    return os.path.join(os.path.realpath(file.parent), file.name)


def check_apart(maps: Path | None, paths: Sequence[Path]) -> None:
    """Refuse to write into a folder of parts: what is written there would be parts of it the next time.

    Raises
    ------
    InputError
        If `maps` is such a folder, or in one, or holds other things, or cannot be written.
    """
    from latticework.anomaly.report.outputs import check_free_for_maps
    from latticework.core.folders import check_writable

    if maps is None:
        return
    target = Path(os.path.realpath(maps))
    for path in paths:
        source = Path(os.path.realpath(path))
        if target == source or (source.is_dir() and source in target.parents):
            raise InputError(f"--maps {maps} is {path}, or in it: name another folder")
    check_writable(maps)
    check_free_for_maps(maps)


def outputs_of(maps: Path, parts: Sequence[Found], model: Path, detector: M3DM) -> Outputs:
    """The folder of maps of what a saved model finds in these parts."""
    from latticework.anomaly.report.outputs import Outputs
    from latticework.core.persistence import CONFIG
    from latticework.core.tensors import digest

    return Outputs(maps, parts, model=digest(model / CONFIG), map_threshold=detector.map_threshold_)


def good_in(folder: Path | None, otherwise: Path | None, model: Any, *, unit: Unit | None) -> Good:
    """Pictures of good parts, by name, for a page.

    Parameters
    ----------
    folder
        Where they are, as the user says.
    otherwise
        Where they may be: if every part that the model was fitted on is there by its name.
    model
        It says which these are.
    unit
        Of the points; None is that of the model.

    Raises
    ------
    InputError
        If what the user says holds none of them.
    """
    from latticework.anomaly.report.cards import good_parts, nothing_known
    from latticework.anomaly.scans.folders import read_folder

    unit = unit or model.unit_
    if folder is not None:
        parts = read_folder(folder, unit=unit)
        if set(model.parts_).isdisjoint(part.name for part in parts):
            raise InputError(f"--good {folder} holds none of the parts of the fit, such as {model.parts_[0]}")
        return good_parts(parts)
    if otherwise is None:
        return nothing_known
    try:
        parts = read_folder(otherwise, split="train", unit=unit)
    except InputError:  # there are none
        return nothing_known
    return good_parts(parts) if set(model.parts_) <= {part.name for part in parts} else nothing_known


def check_pictures(page: Path | None, good: Path | None, *read: Path) -> None:
    """Refuse good parts to show where there is no page, and a page that cannot be written or is of what is read."""
    if page is None and good is not None:
        raise InputError("--good is for the page of --page")
    check_page(page, good, *read)
