"""Folders of parts, listed at once and read one by one.

The layouts, which a folder shows by itself:

- MVTec 3D-AD: ``train``, ``validation`` and ``test``, in each a folder a label (``good``, ``cut``), in each of these
  ``rgb``, ``xyz`` and ``gt`` with files of one stem; or any of these folders alone.
- Eyecandies: ``train``, ``val``, ``test_public`` and ``test_private``, in each ``data`` with ``000_image_4.png``,
  ``000_depth.png``, ``000_info_depth.yaml`` and ``000_mask.png``.
- Plain: ``rgb`` beside ``xyz``, or beside ``depth`` with an ``intrinsics.json``; or one of them alone; ``gt`` and
  ``mask`` if there are any. A ``mask.png`` beside them is for all parts.
- Files: clouds or pictures side by side; a cloud and a picture of one stem are one part.

What lies in an archive is not unpacked here, so that nothing in it can be written anywhere.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from latticework.anomaly.clouds import Unit, metres, read_bytes
from latticework.anomaly.eyecandies import eyecandies, is_eyecandies
from latticework.anomaly.found import Found, some
from latticework.anomaly.images import DEPTHS, PICTURES
from latticework.anomaly.samples import CLOUDS, GOOD
from latticework.core.errors import InputError
from latticework.core.values import read_strictly
from latticework.core.words import counted

SPLITS: Final = {
    "train": ("train",),
    "validation": ("validation", "valid", "val"),
    "test": ("test", "test_public"),
    "test_private": ("test_private",),
}
CAMERAS: Final = ("intrinsics.json", "camera.json", "camera_intrinsic.json", "calibration/camera_parameters.json")
MASK_FOR_ALL: Final = "mask.png"
_ENDINGS: Final = {"rgb": PICTURES, "xyz": CLOUDS, "depth": DEPTHS, "gt": PICTURES, "mask": PICTURES}
_SCANS: Final = ("rgb", "xyz", "depth")
_ARCHIVES: Final = (".zip", ".tar", ".gz", ".tgz", ".xz", ".bz2", ".7z", ".rar")
_MAX_JSON_BYTES: Final = 2**20


def read_folder(path: str | os.PathLike[str], *, split: str | None = None, unit: Unit = "m") -> list[Found]:
    """List the parts of a folder in the order of their names, without reading one.

    Parameters
    ----------
    path
        The folder, or one file of a part, whose partners are found beside it.
    split
        ``"train"``, ``"validation"``, ``"test"`` or ``"test_private"`` of a folder that has them; None is all of them.
        Of a folder without splits it is all parts, whatever is asked for.
    unit
        Of the points: ``"m"``, ``"cm"`` or ``"mm"``.

    Raises
    ------
    InputError
        If there is no such folder, it holds no part, is of no known layout, lacks the split, or lacks partners of
        files, which are listed.

    Examples
    --------
    >>> import numpy as np
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     for name in ("train/good/xyz/000.npy", "test/cut/xyz/000.npy"):
    ...         (Path(folder) / name).parent.mkdir(parents=True)
    ...         np.save(Path(folder) / name, np.random.default_rng(0).random((4, 6, 3)))
    ...     [(found.name, found.label) for found in read_folder(folder)]
    ...     read_folder(folder, split="test")[0].read().size
    [('train/good/000', 'good'), ('test/cut/000', 'cut')]
    (4, 6)
    """
    metres(unit)  # refuses what is none
    if split is not None and split not in SPLITS:
        raise InputError(f"split={split!r}: expected one of {', '.join(map(repr, SPLITS))}")
    root = _there(Path(path))
    if root.is_file():
        return [replace(_alone(root), unit=unit)]
    parts = find_splits(root)
    if parts and split is not None and split not in parts:
        raise InputError(f"{root} has no {split}: there is {', '.join(folder.name for folder in parts.values())}")
    chosen = [folder for name, folder in parts.items() if split in (None, name)] if parts else [root]
    try:
        found = [part for folder in chosen for part in _labelled(folder, root, f"{folder.name}/" if parts else "")]
    except OSError as error:
        raise InputError(f"{error.filename or root} cannot be read: {error.strerror}") from error
    return [replace(part, unit=unit) for part in found]


def find_splits(path: str | os.PathLike[str]) -> dict[str, Path]:
    """The splits of a folder and where they lie; none if it is one whole.

    Raises
    ------
    InputError
        If there is no such folder, or a split has two.
    """
    root, found = _there(Path(path)), {}
    for split, names in SPLITS.items():
        folders = [root / name for name in names if (root / name).is_dir()]
        if len(folders) > 1:
            raise InputError(f"{root} holds {folders[0].name} and {folders[1].name}, which mean the same: remove one")
        if folders:
            found[split] = folders[0]
    return found


def read_class_ids(path: str | os.PathLike[str]) -> dict[int, str]:
    """What the class ids of a folder mean, as its ``class_ids.json`` says; nothing if it has none.

    Raises
    ------
    InputError
        If the file is no JSON object of numbers and names.
    """
    file = _there(Path(path)) / "class_ids.json"
    if not file.is_file():
        return {}
    try:
        names = read_strictly(read_bytes(file, _MAX_JSON_BYTES).decode("utf-8-sig"))
        found = {int(number): name for number, name in names.items()}
    except (AttributeError, RecursionError, ValueError) as error:
        raise InputError(f"{file}: expected a JSON object of class ids and their names ({error})") from error
    if not all(0 <= number <= 255 and isinstance(name, str) for number, name in found.items()):
        raise InputError(f"{file}: expected class ids from 0 to 255, and their names")
    return found


def _there(path: Path) -> Path:
    try:
        there = path.exists()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    if not there:
        raise InputError(f"{path}: there is no such file or folder")
    if path.is_file() and path.suffix.lower() in _ARCHIVES:
        raise InputError(f"{path} is an archive: unpack it, and give the folder")
    return path


def _folders(path: Path) -> list[Path]:
    return sorted(child for child in path.iterdir() if child.is_dir() and not child.name.startswith("."))


def _files(path: Path, endings: Iterable[str]) -> list[Path]:
    """The files with one of these endings, without hidden ones, such as the ``._000.png`` of a Mac."""
    wanted = set(endings)
    found = (child for child in path.iterdir() if child.suffix.lower() in wanted and not child.name.startswith("."))
    return sorted(child for child in found if child.is_file())


def _labelled(folder: Path, root: Path, prefix: str) -> Iterator[Found]:
    """The parts of one split, or of a folder without splits."""
    if is_eyecandies(folder / "data"):
        folder = folder / "data"
    if is_eyecandies(folder):
        yield from eyecandies(folder, prefix)
        return
    labels = [] if _has_scans(folder) else [child for child in _folders(folder) if _is_leaf(child)]
    beside = [] if _has_scans(folder) else _alone_in(folder)
    if labels and beside:
        raise InputError(
            f"{folder} holds parts ({beside[0].name}) and folders of parts ({labels[0].name}): give one of the "
            "folders, or move the files into one"
        )
    if not labels and not beside and not _has_scans(folder):
        raise InputError(_nothing(folder))
    for child in labels:
        yield from _leaf(child, root, f"{prefix}{child.name}/", child.name)
    if not labels:
        yield from _leaf(folder, root, prefix, None)


def _nothing(folder: Path) -> str:
    classes = [child.name for child in _folders(folder) if find_splits(child)]
    if classes:
        return f"{folder} holds {counted(len(classes), 'class', 'classes')}: give the folder of one: {some(classes)}"
    return (
        f"{folder} holds no part: expected train, validation and test as MVTec 3D-AD or Eyecandies have them, rgb "
        f"beside xyz or depth, or files that end in {', '.join(dict.fromkeys((*PICTURES, *CLOUDS)))}"
    )


def _has_scans(folder: Path) -> bool:
    return any((folder / name).is_dir() for name in _SCANS)


def _is_leaf(folder: Path) -> bool:
    return folder.name not in _ENDINGS and (_has_scans(folder) or bool(_alone_in(folder)))


def _alone_in(folder: Path) -> list[Path]:
    return [file for file in _files(folder, (*PICTURES, *CLOUDS)) if file.name != MASK_FOR_ALL]


def _leaf(folder: Path, root: Path, prefix: str, label: str | None, only: str | None = None) -> Iterator[Found]:
    """The parts of a folder with ``rgb``, ``xyz`` or ``depth``, or of files side by side; or that of one stem."""
    if _has_scans(folder):
        if (folder / "xyz").is_dir() and (folder / "depth").is_dir():
            raise InputError(f"{folder} holds xyz and depth: both are points, remove or rename one")
        scans = {name: _by_stem(_files(folder / name, _ENDINGS[name])) for name in _SCANS if (folder / name).is_dir()}
        if only is not None:
            scans = {name: {only: files[only]} if only in files else {} for name, files in scans.items()}
        _check_partners(folder, scans)
    else:
        scans = _side_by_side(folder)
    stems = sorted({stem for files in scans.values() for stem in files})
    if not stems:
        raise InputError(f"{folder} holds no part: {', '.join(scans)} are empty")
    beside = {name: _beside(folder / name, stems, needed=name == "mask" or label != GOOD) for name in ("gt", "mask")}
    camera = _nearest(folder, root, CAMERAS) if "depth" in scans else None
    if "depth" in scans and camera is None:
        raise InputError(
            f"{folder}/depth needs to know the camera: put intrinsics.json with fx, fy, cx, cy and scale beside it"
        )
    mask = _nearest(folder, root, (MASK_FOR_ALL,))
    for stem in stems:
        scan = {name: files[stem] for name, files in scans.items()}
        yield Found(
            f"{prefix}{stem}",
            label,
            scan.get("file"),
            scan.get("rgb"),
            scan.get("xyz"),
            scan.get("depth"),
            camera,
            mask=beside["mask"].get(stem, mask),
            truth=beside["gt"].get(stem),
        )


def _by_stem(files: Iterable[Path]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for file in files:
        if file.stem in found:
            raise InputError(
                f"{file.parent} holds {found[file.stem].name} and {file.name}, both for one part: remove one"
            )
        found[file.stem] = file
    return found


def _side_by_side(folder: Path) -> dict[str, dict[str, Path]]:
    """Clouds and pictures by stem: in pairs, or alone, of which the file itself says what it is."""
    files = _alone_in(folder)
    pictures = _by_stem(file for file in files if file.suffix.lower() not in CLOUDS)
    clouds = _by_stem(file for file in files if file.suffix.lower() in CLOUDS)
    if not pictures or not clouds:
        return {"file": pictures or clouds}
    scans = {"rgb": pictures, "xyz": clouds}
    _check_partners(folder, scans)
    return scans


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
    files = _by_stem(_files(folder, _ENDINGS[folder.name])) if folder.is_dir() else {}
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


def _alone(file: Path) -> Found:
    """One file, and its partners if it lies in ``rgb``, ``xyz`` or ``depth``."""
    role, folder = file.parent.name, file.parent.parent
    if role not in _SCANS:
        return Found(file.stem, file=file)
    if file.suffix.lower() not in _ENDINGS[role]:
        raise InputError(f"{file}: what lies in {role} ends in {', '.join(_ENDINGS[role])}")
    return next(_leaf(folder, folder, "", None, file.stem))
