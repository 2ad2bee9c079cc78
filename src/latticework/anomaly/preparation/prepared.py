"""Folders of scans made ready: written into another folder, which is read like the first (M3DM, section 3.1).

Differs from the paper's code: nothing is written in place, and where the part is, is written, too.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, Final

import numpy as np
from jaxtyping import Bool, Shaped

from latticework.anomaly.choices import Unit
from latticework.anomaly.config import M3DMConfig
from latticework.anomaly.preparation.frames import SIZE
from latticework.anomaly.preparation.parts import find_part
from latticework.anomaly.preparation.squares import Square
from latticework.anomaly.scans.arrays import write_xyz
from latticework.anomaly.scans.folders import read_class_ids, read_folder
from latticework.anomaly.scans.found import Found
from latticework.anomaly.scans.images import png_bytes
from latticework.anomaly.scans.partners import check_truths
from latticework.anomaly.scans.samples import Sample
from latticework.anomaly.streaming import each
from latticework.core.checks import n_jobs, number, whole_number
from latticework.core.errors import InputError, require
from latticework.core.files import write_output
from latticework.core.folders import check_empty, check_writable, make_folder, nested
from latticework.core.progress import message, progress
from latticework.core.temporaries import TEMPORARY_NAME, write_errors_of
from latticework.core.values import read_strictly
from latticework.core.words import shortened

SETTINGS: Final = "preprocessed.json"
CLASS_IDS: Final = "class_ids.json"
_STOPPED: Final = re.compile(f"{re.escape(CLASS_IDS)}|{TEMPORARY_NAME.pattern}")  # between the two files
_FORMAT: Final = 2
_MAX_SETTINGS_BYTES: Final = 2**16


@dataclass(frozen=True)
class Preprocessed:
    """What became of the parts of a folder, by name.

    Attributes
    ----------
    written
        Those that were written now.
    there
        Those that an earlier run had written.
    failed
        Those that could not be read, and why.
    doubts
        Those of which everything was taken for the part, and why.
    """

    written: tuple[str, ...]
    there: tuple[str, ...]
    failed: Mapping[str, str]
    doubts: Mapping[str, str]


def preprocess_folder(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    size: int | None = SIZE,
    split: str | None = None,
    unit: Unit = "m",
    pieces: float = M3DMConfig.pieces,
    jobs: int | None = None,
) -> Preprocessed:
    """Write the parts of a folder, told from their ground, into another folder.

    That one has the same splits and labels, and in them ``rgb`` (PNG), ``xyz`` (TIFF, metres), ``gt`` and ``mask``:
    where the part is. Beside the part colours are black, and points missing; no pixel of a defect is lost where the
    part becomes smaller. `read_folder` reads it like the first.

    Run again, it goes on where it was, and tries again what failed. Parts are worked on by `joblib`: around the call,
    ``joblib.parallel_config(backend=...)`` moves them to a cluster.

    Parameters
    ----------
    source
        The folder, or a file of one: see `read_folder`.
    target
        A new or empty folder, or one that an earlier run with the same settings wrote to; never the source, nor in it
        or around it.
    size
        Height and width to bring parts to, padded to a square; None keeps them as they are.
    split
        The one to write; None is all of them.
    unit
        Of the points that are read.
    pieces
        As in `find_part`.
    jobs
        How many processes work (-1: one a processor); None is as many as `joblib.parallel_config` says, or else one,
        this one.

    Returns
    -------
    Preprocessed
        What was written, and which parts failed: one that cannot be read, or lacks a partner, is no reason to stop.

    Raises
    ------
    InputError
        If the source is no folder of parts, or has truths or labels of some alone, or the target is in use, was written
        with other settings or is nowhere that files can be.
    OSError
        If something cannot be written for another reason, such as a full disk.
    MissingExtraError
        If what reads and writes pictures is not installed.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> rows, columns = np.mgrid[:64, :64].astype(np.float32)
    >>> xyz = np.stack([columns / 1000, rows / 1000, np.full((64, 64), 0.5, dtype=np.float32)], axis=-1)
    >>> xyz[20:40, 20:40, 2] -= 0.02
    >>> with TemporaryDirectory() as folder:
    ...     (Path(folder) / "raw/train/good/xyz").mkdir(parents=True)
    ...     np.save(Path(folder) / "raw/train/good/xyz/000.npy", xyz)
    ...     preprocess_folder(Path(folder) / "raw", Path(folder) / "ready", size=None).written
    ...     int(read_folder(Path(folder) / "ready")[0].read().returned.sum())
    ('train/good/000',)
    400
    """
    for module in ("PIL.Image", "tifffile"):
        require(module, extra="anomaly", purpose="preprocessing folders")
    size = None if size is None else whole_number("size", size)
    pieces = number("pieces", pieces, lambda share: 0 <= share <= 1, "a share from 0 to 1")
    jobs = n_jobs("jobs", jobs)
    found = read_folder(source, split=split, unit=unit, partners="reported")
    check_truths(found)
    _check_labels(found)
    root, goal = Path(source).resolve(), Path(target).resolve()
    settings = {"format": _FORMAT, "source": str(root), "size": size, "unit": unit, "pieces": pieces}
    _open_target(root, goal, settings)
    there = {part.name for part in found if _places(part, goal)["mask"].is_file()}
    open_parts = [part for part in found if part.name not in there]
    failed, doubts = {}, {}
    work = partial(_preprocess, goal=goal, size=size, pieces=pieces)
    with (
        progress("preprocessing", total=len(found), unit="parts", done=len(there)) as bar,
        _ended_by_a_wrong_place(),
    ):
        for part, told in each(work, open_parts, jobs=jobs):
            if isinstance(told, InputError):
                failed[part.name] = str(told)
                message(f"left out: {part.name}: {told}")
            elif told:
                doubts[part.name] = told
            bar.advance()
    written = tuple(part.name for part in open_parts if part.name not in failed)
    return Preprocessed(written, tuple(part.name for part in found if part.name in there), failed, doubts)


def _check_labels(parts: Sequence[Found]) -> None:
    """Refuse parts side by side of which some have a label: the others, beside folders of labels, would be in none."""
    unknown = {PurePosixPath(part.name).parent: part.name for part in parts if part.label is None}
    for part in parts:
        if part.label is not None and (name := unknown.get(PurePosixPath(part.name).parent)):
            raise InputError(f"{name} has no label that can be read, but {part.name} has: give one for each, or none")


def _open_target(source: Path, target: Path, settings: Mapping[str, Any]) -> None:
    """Make the folder to write to, with its settings, or see that it is one with the same."""
    folder = source.parent if source.is_file() else source
    if nested(folder, target):
        raise InputError(f"{target} is the folder of the parts, or in it or around it: nothing is written in place")
    check_writable(target)
    file = target / SETTINGS
    if file.exists():
        _check_settings(file, settings)
        return
    check_empty(target, besides=_STOPPED)
    make_folder(target)
    if names := _class_ids(folder):
        write_output(target / CLASS_IDS, names)
    write_output(file, json.dumps(settings, indent=1).encode())


def _class_ids(folder: Path) -> bytes:
    return (folder / CLASS_IDS).read_bytes() if read_class_ids(folder) else b""


def _check_settings(file: Path, settings: Mapping[str, Any]) -> None:
    try:
        with file.open("rb") as stream:
            before = read_strictly(stream.read(_MAX_SETTINGS_BYTES).decode())
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{file} cannot be read ({error}): give a new folder") from error
    if before != settings:
        old = before if isinstance(before, dict) else {}
        other = [
            f"{name}={shortened(old.get(name))}, not {shortened(value)}"
            for name, value in settings.items()
            if old.get(name) != value
        ]
        raise InputError(f"{file.parent} was written with {', '.join(other) or 'more settings'}: give a new folder")


def _places(part: Found, target: Path) -> dict[str, Path]:
    """Where a part's files are written: split, label, what it is, and its stem."""
    name = PurePosixPath(part.name)
    folder = target / name.parent
    if part.label is not None and folder.name != part.label:
        folder = folder / part.label
    endings = {"rgb": ".png", "xyz": ".tiff", "gt": ".png", "mask": ".png"}
    return {what: folder / what / f"{name.name}{ending}" for what, ending in endings.items()}


def _preprocess(part: Found, *, goal: Path, size: int | None, pieces: float) -> str:
    """Read, prepare and write one part; why it could not be told from its ground, if so."""
    sample = part.read()
    found = find_part(sample, pieces=pieces)
    ready = _ready(sample, found.mask, size, with_truth=part.truth is not None)
    try:
        _write(ready, _places(part, goal))
    except InputError as error:
        raise _NotWrittenError(str(error)) from error
    return found.doubt


class _NotWrittenError(Exception):
    """Of a part that was read: there is no sense in trying to write the others."""


@contextmanager
def _ended_by_a_wrong_place() -> Iterator[None]:
    try:
        yield
    except _NotWrittenError as error:
        raise InputError(str(error)) from error


def _ready(
    sample: Sample, mask: Bool[np.ndarray, "height width"], size: int | None, *, with_truth: bool
) -> dict[str, Shaped[np.ndarray, "rows columns *_"]]:
    """What a sample has, at its size, by what it is; beside the part colours are black, and points missing."""
    rgb, xyz, truth = sample.rgb, sample.xyz, sample.truth if with_truth else None
    if size is not None:
        square = Square(*sample.size, size)
        mask = square.nearest(mask, fill=False)
        if rgb is not None:
            rgb = (square.smooth(rgb) * 255).round().byte().permute(1, 2, 0).numpy()
        xyz = None if xyz is None else square.nearest(xyz, fill=np.nan)
        truth = None if truth is None else square.marked(truth)
    if not mask.any() or (xyz is not None and np.isnan(xyz[mask]).all()):
        why = (
            "no point returned where its mask is" if size is None else f"nothing of the part is left at {size} x {size}"
        )
        raise InputError(f"{sample.name}: {why}")
    ready = {
        "rgb": None if rgb is None else np.where(mask[..., None], rgb, np.uint8(0)),
        "xyz": None if xyz is None else np.where(mask[..., None], xyz, np.float32(np.nan)),
        "gt": truth,
        "mask": mask * np.uint8(255),
    }
    return {what: values for what, values in ready.items() if values is not None}


def _write(ready: Mapping[str, Shaped[np.ndarray, "rows columns *_"]], places: Mapping[str, Path]) -> None:
    """Write what there is of a part, its mask last, which says that all the rest is there."""
    for what, values in ready.items():
        with write_errors_of(places[what]):
            places[what].parent.mkdir(parents=True, exist_ok=True)
        if what == "xyz":
            write_xyz(places[what], values)
        else:
            write_output(places[what], png_bytes(values))
