"""What may be given where parts are asked for: a folder, a file, scans, or a list of them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import numpy as np

from latticework.anomaly.choices import Unit
from latticework.anomaly.config import M3DMConfig
from latticework.anomaly.scans.folders import find_splits, read_folder
from latticework.anomaly.scans.found import Found
from latticework.anomaly.scans.sample_files import read_sample
from latticework.anomaly.scans.samples import GOOD, Sample
from latticework.core.errors import InputError
from latticework.core.seeds import spawn

Part = Sample | Found
PartOrFile = Part | str | os.PathLike[str]
Parts = Any  # a folder, a file, a Sample, a Found, or an iterable of files, Sample and Found


def list_parts(parts: Parts, *, split: str, unit: Unit = "m") -> list[Part]:
    """The parts, those of a folder unread.

    Parameters
    ----------
    parts
        A folder, a file, a `Sample`, a `Found`, or an iterable of the last three.
    split
        Of a folder that has splits.
    unit
        Of the points of folders and files; a `Found` has its own.

    Raises
    ------
    InputError
        If there is none, or something is no part.

    Examples
    --------
    >>> [part.name for part in list_parts([Sample.of(rgb=np.zeros((4, 4, 3)), name="a")], split="test")]
    ['a']
    """
    if isinstance(parts, Sample | Found):
        return [parts]
    if isinstance(parts, str | os.PathLike):
        return list(read_folder(parts, split=split, unit=unit))
    if isinstance(parts, np.ndarray) or not isinstance(parts, Iterable):
        kind = type(parts).__name__
        raise InputError(f"parts are a folder, files, or Sample.of(rgb=..., xyz=...), one each; got {kind}")
    found: list[Part] = []
    for number, part in enumerate(parts):
        if isinstance(part, str | os.PathLike):
            if os.path.isdir(part):
                raise InputError(f"{part} is a folder: give it alone, or the files in it")
            found.extend(read_folder(part, unit=unit))
        elif isinstance(part, Sample | Found):
            found.append(part)
        else:
            raise InputError(f"part {number} is a {type(part).__name__}, expected a Sample, or a file")
    if not found:
        raise InputError("there are no parts: the list is empty")
    return found


def read(part: PartOrFile, *, unit: Unit = "m") -> Sample:
    """The scan of a part; `unit` is that of a file's points.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    if isinstance(part, Sample):
        return part
    if isinstance(part, Found):
        return part.read()
    if not isinstance(part, str | os.PathLike):
        raise InputError(f"a part is a Sample, a Found or a file, got {type(part).__name__}")
    return read_sample(part) if os.path.isdir(part) else read_folder(part, unit=unit)[0].read()


def name_of(part: PartOrFile) -> str:
    """What a part is called before it is read.

    Examples
    --------
    >>> name_of("scans/007.png")
    '007'
    """
    if isinstance(part, Sample | Found):
        return part.name
    return os.path.splitext(os.path.basename(os.fspath(part)))[0]


def unit_of(parts: Iterable[Part]) -> Unit:
    """The unit that all parts of folders and files were in; metres, if they differ, or there are others.

    Examples
    --------
    >>> unit_of([Found("a", unit="mm"), Found("b", unit="mm")]), unit_of([Found("a", unit="mm"), Found("b")])
    ('mm', 'm')
    """
    units: set[Unit] = {part.unit if isinstance(part, Found) else "m" for part in parts}
    return units.pop() if len(units) == 1 else "m"


def train_held_out_split(
    parts: Parts,
    validation: Parts | None,
    config: M3DMConfig,
    seed: int,
    *,
    unit: Unit = "m",
    again: bool = False,
) -> tuple[list[Part], list[Part], bool]:
    """Good parts to learn from, and those to set aside: what is given, a folder's validation split, or a share.

    Returns
    -------
    train, aside
        The parts.
    drawn
        Whether those to set aside are a share that was drawn.

    Raises
    ------
    InputError
        If there is none, or one is labelled as defective.
    """
    train = list_parts(parts, split="train", unit=unit)
    if validation is None and not again and isinstance(parts, str | os.PathLike) and "validation" in find_splits(parts):
        validation = read_folder(parts, split="validation", unit=unit)
    drawn = validation is None
    if not drawn:
        aside = list_parts(validation, split="validation", unit=unit_of(train))
    else:
        share = round(config.held_out * len(train))
        count = min(max(share, 1), len(train) - 1) if config.held_out else 0
        order = np.random.default_rng(spawn(seed, "parts set aside")).permutation(len(train))
        chosen = set(order[:count].tolist())
        aside = [part for number, part in enumerate(train) if number in chosen]
        train = [part for number, part in enumerate(train) if number not in chosen]
    for part in (*train, *aside):
        if part.label not in (None, GOOD):  # truths are looked at when parts are read
            raise InputError(f"{part.name} is labelled as defective ({part.label}): a detector learns from good parts")
    return train, aside, drawn
