"""Files of one stem as one part: in folders of scans, or side by side, with what is known of it besides."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from latticework.anomaly.found import Found, Partners, some
from latticework.anomaly.images import DEPTHS, PICTURES
from latticework.anomaly.samples import CLOUDS, GOOD
from latticework.core.errors import InputError

CAMERAS: Final = ("intrinsics.json", "camera.json", "camera_intrinsic.json", "calibration/camera_parameters.json")
MASK_FOR_ALL: Final = "mask.png"
ENDINGS: Final = {"rgb": PICTURES, "xyz": CLOUDS, "depth": DEPTHS, "gt": PICTURES, "mask": PICTURES}
SCANS: Final = ("rgb", "xyz", "depth")


def has_scans(folder: Path) -> bool:
    """Whether it holds ``rgb``, ``xyz`` or ``depth``."""
    return any((folder / name).is_dir() for name in SCANS)


def alone_in(folder: Path, endings: Iterable[str] = (*PICTURES, *CLOUDS), only: Path | None = None) -> list[Path]:
    """Clouds and pictures that lie in it side by side; of one part, those that go with one of its files."""
    return [file for file in _files(folder, endings, only) if file.name != MASK_FOR_ALL]


def paired(
    scans: Mapping[str, Mapping[str, Path]],
    folder: Path,
    root: Path,
    prefix: str,
    label: str | None,
    partners: Partners,
) -> Iterator[Found]:
    """Files of one stem as a part, with what is known of it besides.

    Parameters
    ----------
    scans
        By what they are, and their stem.
    folder
        Where they, or the folders that they are in, lie.
    root
        What was given: nothing above it is looked at.
    prefix
        Of the names.
    label
        Of all of them.
    partners
        As of `read_folder`.

    Raises
    ------
    InputError
        If there is none, partners that are required are lacking, or depths have no camera.
    """
    strict = partners == "required"
    if strict:
        _check_partners(folder, scans)
    stems = sorted({stem for files in scans.values() for stem in files})
    if not stems:
        raise InputError(f"{folder} holds no part: {', '.join(scans)} are empty")
    truths = _beside(folder / "gt", stems, needed=strict and label != GOOD)
    masks = _beside(folder / "mask", stems, needed=strict)
    camera = _nearest(folder, root, CAMERAS) if "depth" in scans else None
    if "depth" in scans and camera is None:
        raise InputError(
            f"{folder}/depth needs to know the camera: put intrinsics.json with fx, fy, cx, cy and scale beside it"
        )
    mask = _nearest(folder, root, (MASK_FOR_ALL,))
    needed = {**scans, "mask": masks} if masks else scans
    for stem in stems:
        scan = {name: files.get(stem) for name, files in scans.items()}
        yield Found(
            f"{prefix}{stem}",
            label,
            scan.get("file"),
            scan.get("rgb"),
            scan.get("xyz"),
            scan.get("depth"),
            camera,
            mask=masks.get(stem, mask),
            truth=truths.get(stem),
            lacks=tuple(name for name, files in needed.items() if stem not in files),
        )


def in_folders(folder: Path, only: Path | None = None) -> dict[str, dict[str, Path]]:
    """Scans by stem, of ``rgb``, ``xyz`` and ``depth``, as far as there are such folders; or those of one part.

    Raises
    ------
    InputError
        If points are there twice, or two files for one part.
    """
    if (folder / "xyz").is_dir() and (folder / "depth").is_dir():
        raise InputError(f"{folder} holds xyz and depth: both are points, remove or rename one")
    there = [name for name in SCANS if (folder / name).is_dir()]
    return {name: _by_stem(_files(folder / name, ENDINGS[name], only)) for name in there}


def _by_stem(files: Iterable[Path]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for file in files:
        if file.stem in found:
            raise InputError(
                f"{file.parent} holds {found[file.stem].name} and {file.name}, both for one part: remove one"
            )
        found[file.stem] = file
    return found


def side_by_side(folder: Path, only: Path | None = None) -> dict[str, dict[str, Path]]:
    """Clouds and pictures by stem: in pairs, or alone, of which the file itself says what it is; or those of one part.

    Raises
    ------
    InputError
        If there are two files for one part.
    """
    pictures = _by_stem(alone_in(folder, set(PICTURES) - set(CLOUDS), only))
    clouds = _by_stem(alone_in(folder, CLOUDS, only))
    return {"rgb": pictures, "xyz": clouds} if pictures and clouds else {"file": pictures or clouds}


def _check_partners(folder: Path, scans: Mapping[str, Mapping[str, Path]]) -> None:
    stems = {stem for files in scans.values() for stem in files}
    missing = {name: sorted(stems - files.keys()) for name, files in scans.items()}
    if any(missing.values()):
        told = "; ".join(f"without {name}: {some(lacking)}" for name, lacking in missing.items() if lacking)
        raise InputError(
            f"{folder}: files of one part have one name before the ending, but some lack a partner, {told}"
        )


def _beside(folder: Path, stems: list[str], *, needed: bool) -> dict[str, Path]:
    """Files that some parts have more: all or none of them where they are needed."""
    files = _by_stem(_files(folder, ENDINGS[folder.name])) if folder.is_dir() else {}
    missing = [stem for stem in stems if stem not in files]
    if files and missing and needed:
        raise InputError(f"{folder} lacks {some(missing)}: give one for each part, or none")
    return files


def _nearest(folder: Path, root: Path, names: Iterable[str]) -> Path | None:
    """One of the files, beside the parts or above, but not above the folder that was given."""
    while True:
        for name in names:
            if (folder / name).is_file():
                return folder / name
        if folder in (root, folder.parent):
            return None
        folder = folder.parent


def _files(path: Path, endings: Iterable[str], only: Path | None = None) -> list[Path]:
    """The files with one of these endings, without hidden ones, such as the ``._000.png`` of a Mac.

    Of one part, the file itself that was given, or those that have its stem.
    """
    wanted = set(endings)
    named = (child for child in path.iterdir() if only is None or child.stem == only.stem)
    found = (child for child in named if child.suffix.lower() in wanted and not child.name.startswith("."))
    files = sorted(child for child in found if child.is_file())
    return [only] if only in files else files
