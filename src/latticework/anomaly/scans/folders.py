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
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final, get_args

from latticework.anomaly.choices import Unit
from latticework.anomaly.scans.clouds import metres
from latticework.anomaly.scans.eyecandies import eyecandies, is_eyecandies, start_of
from latticework.anomaly.scans.found import Found, Partners
from latticework.anomaly.scans.images import PICTURES
from latticework.anomaly.scans.partners import ENDINGS, SCANS, alone_in, has_scans, in_folders, paired, side_by_side
from latticework.anomaly.scans.sample_files import CLOUDS
from latticework.anomaly.scans.samples import GOOD
from latticework.core.checks import one_of
from latticework.core.errors import InputError
from latticework.core.files import read_bytes, read_errors_of
from latticework.core.values import read_strictly
from latticework.core.words import counted, listed, shortened

SPLITS: Final = {
    "train": ("train",),
    "validation": ("validation", "valid", "val"),
    "test": ("test", "test_public"),
    "test_private": ("test_private",),
}
_ARCHIVES: Final = (".zip", ".tar", ".gz", ".tgz", ".xz", ".bz2", ".7z", ".rar")
_MAX_JSON_BYTES: Final = 2**20


def read_folder(
    path: str | os.PathLike[str], *, split: str | None = None, unit: Unit = "m", partners: Partners = "required"
) -> list[Found]:
    """List the parts of a folder in the order of their names, without reading one.

    Parameters
    ----------
    path
        The folder, or one file of a part, whose partners are found beside it; a camera and a mask for all also above
        it, as far as its layout goes. Its label is that of its folder where that lies beside ``good``.
    split
        ``"train"``, ``"validation"``, ``"test"`` or ``"test_private"`` of a folder that has them; None is all of them.
        Of a folder without splits it is all parts, whatever is asked for.
    unit
        Of the points: ``"m"``, ``"cm"`` or ``"mm"``.
    partners
        What becomes of a part that lacks what others have, such as its picture, or has two files of one name for it:
        "required" refuses the folder, as is best before a fit; "reported" lists such a part too, which says so when it
        is read, so that the others go on.

    Raises
    ------
    InputError
        If there is no such folder, it holds no part, is of no known layout, lacks the split, or lacks partners of
        files that are required, which are listed.

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
    if split is not None:
        one_of("split", split, SPLITS)
    one_of("partners", partners, get_args(Partners))
    root = _there(Path(path))
    try:
        found = [_alone(root, partners)] if root.is_file() else list(_split(root, split, partners))
    except OSError as error:
        raise InputError(f"{error.filename or root} cannot be read: {error.strerror}") from error
    return [replace(part, unit=unit) for part in found]


def _split(root: Path, split: str | None, partners: Partners) -> Iterator[Found]:
    parts = find_splits(root)
    if parts and split is not None and split not in parts:
        raise InputError(f"{root} has no {split}: there is {', '.join(folder.name for folder in parts.values())}")
    for folder in [folder for name, folder in parts.items() if split in (None, name)] if parts else [root]:
        yield from _labelled(folder, root, f"{folder.name}/" if parts else "", partners)


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
        names = read_strictly(read_bytes(file, most=_MAX_JSON_BYTES).decode("utf-8-sig"))
        found = {_class_id(number): name for number, name in names.items()}
    except (AttributeError, RecursionError, ValueError) as error:
        raise InputError(f"{file}: expected a JSON object of class ids and their names ({error})") from error
    if not all(0 <= number <= 255 and isinstance(name, str) for number, name in found.items()):
        raise InputError(f"{file}: expected class ids from 0 to 255, and their names")
    return found


def _class_id(text: str) -> int:
    if not (text.isascii() and text.isdecimal()):  # of others int() takes 1_0
        raise ValueError(f"{shortened(text)} is no whole number")
    return int(text)


def _there(path: Path) -> Path:
    with read_errors_of(path):
        there = path.exists()
    if not there:
        raise InputError(f"{path}: there is no such file or folder")
    if path.is_file() and path.suffix.lower() in _ARCHIVES:
        raise InputError(f"{path} is an archive: unpack it, and give the folder")
    return path


def _folders(path: Path) -> list[Path]:
    return sorted(child for child in path.iterdir() if child.is_dir() and not child.name.startswith("."))


def _labelled(folder: Path, root: Path, prefix: str, partners: Partners) -> Iterator[Found]:
    """The parts of one split, or of a folder without splits."""
    if is_eyecandies(folder / "data"):
        folder = folder / "data"
    if is_eyecandies(folder):
        try:
            yield from eyecandies(folder, prefix)
        except InputError:  # which comes last: a part that lacks a file says so, too, when it is read
            if partners == "required":
                raise
        return
    scans = [place for name in SCANS if (place := folder / name).is_dir()]
    labels = [
        child
        for child in _folders(folder)
        if (not scans or child.name == GOOD or has_scans(child)) and _is_leaf(child)  # others may be anything
    ]
    own = scans or alone_in(folder)
    if labels and own:
        raise InputError(
            f"{folder} holds parts ({own[0].name}) and folders of parts ({labels[0].name}): give one of the folders, "
            "or move the files into one"
        )
    if not labels and not own:
        raise InputError(_nothing(folder))
    for child in labels:
        yield from _leaf(child, root, f"{prefix}{child.name}/", child.name, partners)
    if not labels:
        yield from _leaf(folder, root, prefix, None, partners)


def _nothing(folder: Path) -> str:
    classes = [child.name for child in _folders(folder) if find_splits(child)]
    if classes:
        return f"{folder} holds {counted(len(classes), 'class', 'classes')}: give the folder of one: {listed(classes)}"
    return (
        f"{folder} holds no part: expected train, validation and test as MVTec 3D-AD or Eyecandies have them, rgb "
        f"beside xyz or depth, or files that end in {', '.join(dict.fromkeys((*PICTURES, *CLOUDS)))}"
    )


def _is_leaf(folder: Path) -> bool:
    return folder.name not in ENDINGS and (has_scans(folder) or bool(alone_in(folder)))


def _leaf(folder: Path, root: Path, prefix: str, label: str | None, partners: Partners) -> Iterator[Found]:
    """The parts of a folder with ``rgb``, ``xyz`` or ``depth``, or of files side by side."""
    scans = in_folders(folder) if has_scans(folder) else side_by_side(folder)
    places = [folder]
    while places[-1] not in (root, places[-1].parent):
        places.append(places[-1].parent)
    return paired(scans, places, prefix, label, partners)


def _alone(file: Path, partners: Partners) -> Found:
    """One file, with its partners: those beside it, or in the other folders if it lies in one of scans."""
    role, folder = file.absolute().parent.name, file.parent
    if role in SCANS:
        if file.suffix.lower() not in ENDINGS[role]:
            raise InputError(f"{file}: what lies in {role} ends in {', '.join(ENDINGS[role])}")
        folder = _above(folder)
        scans = in_folders(folder, file)
    elif (start := start_of(file)) is not None:
        part = next(eyecandies(folder, "", start))
        return part if file in (part.rgb, part.depth) else Found(file.stem, file=file)
    elif file in alone_in(folder, only=file):
        scans = side_by_side(folder, file)
    else:
        return Found(file.stem, file=file)
    places, label = _within(folder)
    return next(paired(scans, places, "", label, partners, file))


def _within(folder: Path) -> tuple[list[Path], str | None]:
    """The folder of a part and those above, as far as the layout goes: label, split and data set; and its label."""
    places, label, above = [folder], None, _above(folder)
    beside_good = (above / GOOD).is_dir()
    if not _is_split(folder) and (beside_good or _is_split(above)) and not has_scans(above):
        places, label = [folder, above], _name(folder) if beside_good else None
    if _is_split(places[-1]):
        places.append(_above(places[-1]))
    return places, label


def _is_split(folder: Path) -> bool:
    return any(_name(folder) in names for names in SPLITS.values())


def _name(folder: Path) -> str:
    return os.path.basename(os.path.abspath(folder))


def _above(folder: Path) -> Path:
    return folder / ".." if folder.name in ("", "..") else folder.parent
