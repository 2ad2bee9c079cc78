"""The layout of Eyecandies (Bonfiglioli et al. 2022): all files of a split in one folder, as ``000_image_4.png``.

Source: the description of its format at https://eyecan-ai.github.io/eyecandies. Colours are of light 4, as in M3DM.
Points are as the camera sees them, in the data set's own metres.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from latticework.anomaly.scans.cameras import flat_yaml
from latticework.anomaly.scans.found import Found
from latticework.anomaly.scans.samples import GOOD
from latticework.core.errors import InputError
from latticework.core.files import read_bytes
from latticework.core.words import listed

LIGHT: Final = "image_4"
DEFECTS: Final = ("bumps", "dents", "colors", "normals")
_BESIDE: Final = ("depth.png", "info_depth.yaml", "normals.png", "mask.png", "metadata.yaml")
_OF_PART: Final = re.compile(r"(.+)_(?:image_\d|depth|normals|mask)\.png")
_MAX_YAML_BYTES: Final = 2**20


def is_eyecandies(folder: Path) -> bool:
    """Whether a folder holds such files."""
    pictures = folder.glob(f"*_{LIGHT}.png") if folder.is_dir() else ()
    return any(_is_part(folder, picture.name.removesuffix(f"_{LIGHT}.png")) for picture in pictures)


def start_of(file: Path) -> str | None:
    """The number of the part of such a folder that a file belongs to; None if it is of none."""
    found = _OF_PART.fullmatch(file.name)
    return found[1] if found and _is_part(file.parent, found[1]) else None


def _is_part(folder: Path, start: str) -> bool:
    """Whether there is a part of that number: the name of a picture alone may be chance."""
    picture, *others = (folder / f"{start}_{what}" for what in (f"{LIGHT}.png", *_BESIDE))
    return picture.is_file() and any(file.is_file() for file in others)


def eyecandies(folder: Path, prefix: str, start: str | None = None) -> Iterator[Found]:
    """The parts of such a folder, or the one of that number; those of training and validation are good.

    Raises
    ------
    InputError
        If a picture lacks its depth, or what the depth means, or a part is told twice whether it is good.
    """
    ending = f"_{LIGHT}.png"
    missing = []
    good = folder.absolute().parent.name in ("train", "val")
    for picture in sorted(folder.glob(f"[!.]*{ending}")) if start is None else [folder / f"{start}{ending}"]:
        start = picture.name.removesuffix(ending)
        depth, camera = folder / f"{start}_depth.png", folder / f"{start}_info_depth.yaml"
        missing += [file.name for file in (depth, camera) if not file.is_file()]
        mask = folder / f"{start}_mask.png"
        yield Found(
            f"{prefix}{start}",
            GOOD if good else _label_of(folder / f"{start}_metadata.yaml"),
            rgb=picture,
            depth=depth,
            camera=camera,
            truth=mask if mask.is_file() else None,
        )
    if missing:
        raise InputError(f"{folder} lacks {listed(missing)}")


def _label_of(file: Path) -> str | None:
    """What kind of defect a part of Eyecandies has; None where that is private, or not to be read."""
    try:
        text = read_bytes(file, most=_MAX_YAML_BYTES).decode()
    except ValueError:
        return None
    try:
        values = flat_yaml(text, ("anomalous", *DEFECTS))
    except ValueError as error:
        raise InputError(f"{file}: {error}") from error
    wrong = {name for name, value in values.items() if value.lower() in ("1", "true")}
    if "anomalous" not in values:
        return None
    if "anomalous" not in wrong:
        return GOOD
    kinds = [kind for kind in DEFECTS if kind in wrong]
    return kinds[0] if len(kinds) == 1 else "combined" if kinds else "defect"
