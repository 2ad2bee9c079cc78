"""Studies written as a folder of NIfTI images and tables, as neuroimaging has them; whole or not at all."""

from __future__ import annotations

import gzip
import os
import re
from collections.abc import Iterable
from io import BufferedIOBase
from pathlib import Path
from typing import Any, Final

import numpy as np
from jaxtyping import Int, Shaped

from latticework.core.checks import text
from latticework.core.errors import InputError, require
from latticework.core.files import write_lines
from latticework.core.folders import folder_to_write, replacing
from latticework.core.progress import progress
from latticework.core.values import strict_json
from latticework.core.words import listed, shortened
from latticework.mediation.about import read_about
from latticework.mediation.joining import read_ids
from latticework.mediation.spaces import Space, grid_of
from latticework.mediation.study import Study
from latticework.mediation.tables import MISSING

ABOUT: Final = "study.json"
KIND: Final = "latticework mediation study"
TABLE, MASK, IMAGES, FOUR_D, VOLUMES = "participants.tsv", "mask.nii.gz", "images", "mediators.nii.gz", "volumes.tsv"
ATLAS, ATLAS_NAMES = "atlas.nii.gz", "atlas.tsv"
_OURS: Final = frozenset({ABOUT, TABLE, MASK, IMAGES, FOUR_D, VOLUMES, ATLAS, ATLAS_NAMES})
_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_CELL: Final = re.compile(r"[\t\r\n\0\"]")
_QUICKLY: Final = 1  # noise hardly gets smaller with more effort


def write_study(study: Study, folder: str | os.PathLike[str], *, four_d: bool = False) -> Path:
    """Write a study as a folder of NIfTI images and tables, which `read_study` reads.

    There are ``participants.tsv``, ``mask.nii.gz``, ``images/sub-0001.nii.gz`` and so on, and of regions
    ``atlas.nii.gz`` with names in ``atlas.tsv``. Mediators are written in float32. A study without a grid is given one
    by its coordinates, taken for millimetres; its voxels come back in the order of the grid.

    Parameters
    ----------
    study : Study
        What to write.
    folder : path-like
        Where to; a study of an earlier call is replaced, and nothing else is.
    four_d : bool
        Write one ``mediators.nii.gz``, and ``volumes.tsv`` with the id of each volume.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    InputError
        If the folder holds anything else or cannot be written, ids cannot be names of files, or the coordinates are on
        no grid.
    MissingExtraError
        If nibabel is not installed.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from latticework.mediation.study import study_of
    >>> rng = np.random.default_rng(0)
    >>> study = study_of(rng.normal(size=6), rng.normal(size=(6, 2, 3)), rng.normal(size=6))
    >>> with TemporaryDirectory() as folder:
    ...     written = write_study(study, Path(folder) / "small", four_d=True)
    ...     sorted(path.name for path in written.iterdir())
    ['mask.nii.gz', 'mediators.nii.gz', 'participants.tsv', 'study.json', 'volumes.tsv']
    """
    target = _free(folder)
    with replacing(target, check=_free) as temporary:
        fill_with_study(temporary, study, four_d=four_d)
    return target


def fill_with_study(folder: Path, study: Study, *, four_d: bool = False) -> None:
    """Write a study as `write_study` does, into an empty folder."""
    require("nibabel", extra="mediation", purpose="writing NIfTI images")
    ids = _ids(study)
    space, order = (study.space, np.arange(study.n_voxels)) if study.space is not None else grid_of(study.coordinates)
    names = _columns(study)
    write_lines(folder / TABLE, _table(study, ids, names))
    _write_grid(folder / MASK, space, space.mask.astype(np.uint8))
    if study.regions is not None:
        labels = space.grid(study.regions[order] + 1).astype(np.int32)
        _write_grid(folder / ATLAS, space, labels)
        write_lines(folder / ATLAS_NAMES, _names(study.region_names))
    _write_images(folder, study, space, order, ids, four_d=four_d)
    about = {"kind": KIND, "version": 1, "exposure": names[0], "outcome": names[1], "confounders": names[2:]}
    write_lines(folder / ABOUT, [strict_json(about | {"four_d": four_d}, indent=1)])


def about_study(folder: Path) -> dict[str, Any]:
    """What a folder of `write_study`'s says of itself.

    Raises
    ------
    InputError
        If it is none.
    """
    about = read_about(folder / ABOUT, KIND)
    if about is None:
        raise InputError(
            f"{folder} is no folder that write_study wrote: {ABOUT} cannot be read, or is not of a study. Of a study "
            "of your own, give the table of participants (.tsv or .csv), and where its images are as --images (images=)"
        )
    names = [about.get("exposure"), about.get("outcome"), about.get("confounders")]
    texts = [*names[:2], *names[2]] if isinstance(names[2], list) else [None]
    if not all(isinstance(text, str) for text in texts):
        raise InputError(f"{folder / ABOUT} is damaged")
    return about


def _free(folder: str | os.PathLike[str]) -> Path:
    """The folder, if it is new, empty, or one of ours."""
    target = folder_to_write(folder)
    if target.is_dir() and any(target.iterdir()):
        about_study(target)
        others = sorted(path.name for path in target.iterdir() if path.name not in _OURS)
        images = target / IMAGES
        if images.is_dir():
            known = {f"{one}.nii.gz" for one in read_ids(target / TABLE)}
            others += sorted(path.name for path in images.iterdir() if path.name not in known)
        if others:
            raise InputError(f"{folder} holds other things, such as {others[0]}, and is not written over")
    return target


def _ids(study: Study) -> tuple[str, ...]:
    if study.subjects is None:
        return tuple(f"sub-{number:04}" for number in range(1, study.n_subjects + 1))
    for one in study.subjects:
        if not _ID.fullmatch(one) or ".." in one or one in MISSING:
            raise InputError(
                f"subject {shortened(one)}: an id that names a file has letters, digits, and _ - . between them alone"
            )
    if len({one.casefold() for one in study.subjects}) < len(study.subjects):
        raise InputError("two subjects have ids that differ in capitals alone, and would name one file")
    return study.subjects


def _columns(study: Study) -> list[str]:
    names = [study.exposure_name, study.outcome_name, *study.confounder_names]
    for name in (*names, *study.region_names):
        text(shortened(name), _CELL.sub(" ", name))  # what no text can hold; of what no cell can it is told below
    for name in names:
        if not name.strip() or name != name.strip() or _CELL.search(name):
            raise InputError(f"{shortened(name)} cannot head a column of a table")
    if len({"participant_id", *names}) <= len(names):
        got = listed(map(shortened, names))
        raise InputError(f"exposure, outcome and confounders need names of their own, got {got}")
    return names


def _table(study: Study, ids: tuple[str, ...], names: list[str]) -> Iterable[str]:
    yield "\t".join(["participant_id", *names])
    values = np.column_stack([study.exposure, study.outcome, study.confounders])
    for one, row in zip(ids, values.tolist(), strict=True):
        yield "\t".join([one, *map(repr, row)])


def _names(region_names: tuple[str, ...]) -> Iterable[str]:
    yield "index\tname"
    for number, name in enumerate(region_names, 1):
        yield f"{number}\t{_CELL.sub(' ', name).strip() or number}"


def _write_images(
    folder: Path, study: Study, space: Space, order: Int[np.ndarray, " voxels"], ids: tuple[str, ...], *, four_d: bool
) -> None:
    rows = (np.asarray(row, dtype=np.float32)[order] for row in study.mediators)
    with progress("writing images", total=len(ids), unit="images") as bar:
        if four_d:
            write_lines(folder / VOLUMES, ["participant_id", *ids])
            with _packed(folder / FOUR_D) as stream:
                _write_header(stream, space.nifti_header(np.float32, len(ids)))
                for row in rows:
                    stream.write(_bytes(space.grid(row)))
                    bar.advance()
            return
        (folder / IMAGES).mkdir()
        for one, row in zip(ids, rows, strict=True):
            _write_grid(folder / IMAGES / f"{one}.nii.gz", space, space.grid(row))
            bar.advance()


def _write_grid(path: Path, space: Space, grid: Shaped[np.ndarray, "rows columns slices"]) -> None:
    with _packed(path) as stream:
        _write_header(stream, space.nifti_header(grid.dtype))
        stream.write(_bytes(grid))


def _packed(path: Path) -> gzip.GzipFile:
    return gzip.GzipFile(path, "wb", compresslevel=_QUICKLY, mtime=0)


def _write_header(stream: BufferedIOBase, header: Any) -> None:
    stream.write(header.binaryblock + b"\0\0\0\0")  # and no extensions


def _bytes(grid: Shaped[np.ndarray, "rows columns slices"]) -> bytes:
    return np.asarray(grid, dtype=grid.dtype.newbyteorder("=")).tobytes(order="F")
