"""Files of one stem as one part: in folders of scans, or side by side, with what is known of it besides."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from latticework.anomaly.scans.arrays import TIFFS
from latticework.anomaly.scans.found import Found, Partners
from latticework.anomaly.scans.images import DEPTHS, PICTURES
from latticework.anomaly.scans.sample_files import CLOUDS
from latticework.anomaly.scans.samples import GOOD
from latticework.core.errors import InputError
from latticework.core.words import listed

CAMERAS: Final = ("intrinsics.json", "camera.json", "camera_intrinsic.json", "calibration/camera_parameters.json")
MASK_FOR_ALL: Final = "mask.png"
ENDINGS: Final = {"rgb": PICTURES, "xyz": CLOUDS, "depth": DEPTHS, "gt": PICTURES, "mask": PICTURES}
SCANS: Final = ("rgb", "xyz", "depth")
ByStem = dict[str, list[Path]]  # more than one are one too many


def has_scans(folder: Path) -> bool:
    """Whether it holds ``rgb``, ``xyz`` or ``depth``."""
    return any(os.path.isdir(folder / name) for name in SCANS)  # a folder that may not be entered holds none


def alone_in(folder: Path, endings: Iterable[str] = (*PICTURES, *CLOUDS), only: Path | None = None) -> list[Path]:
    """Clouds and pictures that lie in it side by side; of one part, those that go with one of its files."""
    return [file for file in _files(folder, endings, only) if file.name != MASK_FOR_ALL]


def paired(
    scans: Mapping[str, ByStem],
    places: Sequence[Path],
    prefix: str,
    label: str | None,
    partners: Partners,
    only: Path | None = None,
) -> Iterator[Found]:
    """Files of one stem as a part, with what is known of it besides.

    Parameters
    ----------
    scans
        By what they are, and their stem.
    places
        Where they, or the folders that they are in, lie; and the folders above that a camera or a mask may lie in.
    prefix
        Of the names.
    label
        Of all of them.
    partners
        As of `read_folder`.
    only
        The file that was given, if they are of one part: then truths of others are no matter.

    Raises
    ------
    InputError
        If there is none, depths have no camera, or, where partners are required, one is lacking or there twice.
    """
    folder, strict = places[0], partners == "required"
    truths, masks = (_beside(folder / name, only) for name in ("gt", "mask"))
    every = (*scans.values(), truths, masks)
    twice = {stem: files for by_stem in every for stem, files in by_stem.items() if len(files) > 1}
    if strict and twice:
        raise InputError(_told_twice(next(iter(twice.values()))))
    if strict:
        _check_partners(folder, scans)
    stems = sorted({stem for files in scans.values() for stem in files})
    if not stems:
        raise InputError(f"{folder} holds no part: {', '.join(scans)} are empty")
    masked = bool(masks) or (only is not None and _holds(folder / "mask"))
    if strict and truths and label != GOOD and only is None:
        _check_each(folder / "gt", stems, truths)
    if strict and masked:
        _check_each(folder / "mask", stems, masks)
    camera = _nearest(places, CAMERAS) if "depth" in scans else None
    if "depth" in scans and camera is None:
        raise InputError(
            f"{folder}/depth needs to know the camera: put intrinsics.json with fx, fy, cx, cy and scale beside it"
        )
    mask = _nearest(places, (MASK_FOR_ALL,))
    needed = {**scans, "mask": masks} if masked else scans
    for stem in stems:
        scan = {name: files[stem][0] for name, files in scans.items() if stem in files}
        lacks = [name for name, files in needed.items() if stem not in files]
        yield Found(
            f"{prefix}{stem}",
            label,
            scan.get("file"),
            scan.get("rgb"),
            scan.get("xyz"),
            scan.get("depth"),
            camera,
            mask=masks[stem][0] if stem in masks else mask,
            truth=truths[stem][0] if stem in truths else None,
            fault=_told_twice(twice[stem]) if stem in twice else _told_lacking(next(iter(scan.values())), lacks),
        )


def _told_twice(files: Sequence[Path]) -> str:
    return f"{files[0].parent} holds {' and '.join(file.name for file in files)}, both for one part: remove one"


def _told_lacking(file: Path, lacks: Sequence[str]) -> str:
    told = f"{file}: without {', '.join(lacks)}: files of one part have one name before the ending"
    return told if lacks else ""


def in_folders(folder: Path, only: Path | None = None) -> dict[str, ByStem]:
    """Scans by stem, of ``rgb``, ``xyz`` and ``depth``, as far as there are such folders; or those of one part.

    Raises
    ------
    InputError
        If points are there twice.
    """
    if (folder / "xyz").is_dir() and (folder / "depth").is_dir():
        raise InputError(f"{folder} holds xyz and depth: both are points, remove or rename one")
    there = {name: folder / name for name in SCANS if (folder / name).is_dir()}
    if only is not None:
        there[only.absolute().parent.name] = only.parent
    return {name: _by_stem(_files(place, ENDINGS[name], only)) for name, place in there.items()}


def _by_stem(files: Iterable[Path]) -> ByStem:
    found: ByStem = {}
    for file in files:
        found.setdefault(file.stem, []).append(file)
    return found


def side_by_side(folder: Path, only: Path | None = None) -> dict[str, ByStem]:
    """Clouds and pictures by stem: in pairs, or alone; the file says what it is. Or those of one part.

    A TIFF, which may be either, is the picture of another cloud, and else a cloud.
    """
    endings = (set(PICTURES) - set(TIFFS), set(CLOUDS) - set(TIFFS), TIFFS)
    pictures, clouds, tiffs = (_by_stem(alone_in(folder, some, only)) for some in endings)
    for stem, files in tiffs.items():
        (pictures if stem in clouds else clouds).setdefault(stem, []).extend(files)
    return {"rgb": pictures, "xyz": clouds} if pictures and clouds else {"file": pictures or clouds}


def _check_partners(folder: Path, scans: Mapping[str, ByStem]) -> None:
    stems = {stem for files in scans.values() for stem in files}
    missing = {name: sorted(stems - files.keys()) for name, files in scans.items()}
    if any(missing.values()):
        told = "; ".join(f"without {name}: {listed(lacking)}" for name, lacking in missing.items() if lacking)
        raise InputError(
            f"{folder}: files of one part have one name before the ending, but some lack a partner, {told}"
        )


def _beside(folder: Path, only: Path | None) -> ByStem:
    """Files that parts, or one of them, have more."""
    return _by_stem(_files(folder, ENDINGS[folder.name], only)) if folder.is_dir() else {}


def _holds(folder: Path) -> bool:
    """Whether some part has such a file, whichever it is."""
    if not folder.is_dir():
        return False
    return any(file.suffix.lower() in ENDINGS[folder.name] and file.name[0] != "." for file in folder.iterdir())


def _check_each(folder: Path, stems: Iterable[str], files: Iterable[str]) -> None:
    there = set(files)
    if missing := [stem for stem in stems if stem not in there]:
        raise InputError(f"{folder} lacks {listed(missing)}: give one for each part, or none")


def check_truths(parts: Iterable[Found]) -> None:
    """Refuse defects of one kind some of which have a truth, and others none; those that cannot be read do not count.

    Raises
    ------
    InputError
        If there are such, with those that lack one.
    """
    kinds: dict[tuple[str, str | None], list[Found]] = {}
    for part in parts:
        if part.label != GOOD and not part.fault:
            kinds.setdefault((part.name.rpartition("/")[0], part.label), []).append(part)
    for kind in kinds.values():
        if truths := {part.name: part.truth for part in kind if part.truth is not None}:
            stems, known = ([name.rpartition("/")[2] for name in names] for names in ((p.name for p in kind), truths))
            _check_each(next(iter(truths.values())).parent, stems, known)


def _nearest(places: Iterable[Path], names: Sequence[str]) -> Path | None:
    """One of the files, in the first of the folders that has one."""
    files = (folder / name for folder in places for name in names)
    return next((file for file in files if file.is_file()), None)


def _files(path: Path, endings: Iterable[str], only: Path | None = None) -> list[Path]:
    """The files with one of these endings, without hidden ones, such as the ``._000.png`` of a Mac.

    Of one part, the file itself that was given, or those of its stem: the folder, which may be long, is not listed
    for that, so that endings count in small letters, or else in capital ones.
    """
    wanted = set(endings)
    if only is None:
        found: Iterable[Path] = path.iterdir()
    elif only.parent == path and only.suffix.lower() in wanted:
        found = [only]
    else:
        found = (path / name for ending in wanted if (name := _cased(path, only.stem, ending)))
    named = (child for child in found if child.suffix.lower() in wanted and not child.name.startswith("."))
    return sorted(child for child in named if child.is_file())


def _cased(path: Path, stem: str, ending: str) -> str | None:
    return next((name for name in (stem + ending, stem + ending.upper()) if (path / name).is_file()), None)
