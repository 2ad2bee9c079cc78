"""One part on a page: what was scanned, what was found, what each memory bank says, and what it takes for normal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from jaxtyping import Shaped, UInt8

from latticework.anomaly.overlays import layers, painted, picture_of
from latticework.anomaly.rasters import raster
from latticework.anomaly.results import BankScore, Inspection
from latticework.anomaly.samples import Sample
from latticework.anomaly.told import banks_told, regions_told
from latticework.core.errors import require
from latticework.pages import Picture
from latticework.pages.shapes import bar, svg, text
from latticework.pages.text import label, show

WIDTH: Final = 440.0  # two of them fit side by side on a desk
SIDE, GAP = 216.0, 8.0  # of a picture of the part, and between two
PATCH: Final = 46.0  # of the picture of a patch
ROW: Final = 54.0
AROUND: Final = 14  # the part's picture is so many patches' pictures wide
MARGIN: Final = 0.06  # of the picture, around the part
NAME: Final = 16  # columns of a name
FINE: Final = 2  # pixels of a picture for each pixel of the page
HALF: Final = 0.5
_BAR: Final = (74.0, 80.0)  # where bars begin, and how long the longest is
_PATCHES: Final = (212.0, 282.0)  # where the pictures of patches begin

Good = Callable[[str], Sample | None]


def nothing_known(name: str) -> Sample | None:
    """No picture of any good part."""
    return None


def card(sample: Sample, inspection: Inspection, *, caption: str, good: Good = nothing_known) -> Picture:
    """The picture of a part beside what was found in it, and below them a row for each memory bank.

    Parameters
    ----------
    sample
        The part.
    inspection
        What was found in it.
    caption
        Stands below it.
    good
        Gives the good part of a name, so that its patches can be shown; None if it is not there any more.
    """
    picture = picture_of(sample)
    top, bottom, left, right = _part_box(inspection)
    box = np.s_[top:bottom, left:right]
    scale = min(SIDE / (bottom - top), SIDE / (right - left))
    height, width = scale * (bottom - top), scale * (right - left)
    shown = [resized(each[box], height, width) for each in (picture, *layers(inspection, always_hot=True))]
    parts = [
        text(0, 12, "the scan" if sample.rgb is not None else "the scan, lit from the upper left", "muted"),
        text(SIDE + GAP, 12, "what is found", "muted"),
        raster(0, 20, width, height, shown[0]),
        raster(SIDE + GAP, 20, width, height, painted(*shown)),
    ]
    y = 20 + height + 26
    if inspection.banks:
        parts += [
            text(0, y, "bank", "muted"),
            text(_BAR[0], y, "in the score", "muted"),
            text(_PATCHES[0], y, "worst", "muted"),
            text(_PATCHES[1], y, "most like, of good parts", "muted"),
        ]
        y += 8
    most = max((abs(found.contribution) for found in inspection.banks if np.isfinite(found.contribution)), default=0.0)
    for found in sorted(inspection.banks, key=lambda found: -found.contribution):
        parts += _bank(found, picture, most, y, good)
        y += ROW
    told = f"{inspection.name}. {regions_told(inspection)} {banks_told(inspection)}"
    return Picture(svg(y + 2, parts, width=WIDTH), caption, told)


def _bank(
    found: BankScore, picture: UInt8[np.ndarray, "height width 3"], most: float, y: float, good: Good
) -> list[str]:
    """The row of a bank: what it makes of the score, its worst patch, and the good one that is most like that."""
    middle = y + ROW / 2
    share = max(0.0, found.contribution) / most if most and np.isfinite(found.contribution) else 0.0
    parts = [
        text(0, middle + 4, label(found.bank, width=11), bold=True),
        bar(_BAR[0], middle - 6, max(1.0, _BAR[1] * share), "series-1", height=12),
        text(_BAR[0] + _BAR[1] * share + 6, middle + 4, show(float(f"{found.contribution:.3g}")), "muted"),
        _patch(_PATCHES[0], y + 4, picture, found.row, found.column),
    ]
    if found.nearest is None:
        return [*parts, text(_PATCHES[1], middle + 4, "it could not judge the part", "muted")]
    x, near = _PATCHES[1], found.nearest
    there = good(near.part)
    if there is not None and near.row < there.size[0] and near.column < there.size[1]:
        parts.append(_patch(x, y + 4, picture_of(there), near.row, near.column))
        x += PATCH + 8
    return [
        *parts,
        text(x, middle - 4, label(near.part, width=NAME)),
        text(x, middle + 12, f"at {near.row}, {near.column}", "muted"),
    ]


def _patch(x: float, y: float, picture: UInt8[np.ndarray, "height width 3"], row: int, column: int) -> str:
    return raster(x, y, PATCH, PATCH, resized(crop(picture, row, column), PATCH, PATCH))


def crop(picture: UInt8[np.ndarray, "height width 3"], row: int, column: int) -> UInt8[np.ndarray, "size size 3"]:
    """A square of a picture around a place, moved inwards where it would reach beyond the picture.

    Examples
    --------
    >>> crop(np.zeros((140, 280, 3), dtype=np.uint8), 5, 270).shape
    (20, 20, 3)
    """
    size = min(max(8, max(picture.shape[:2]) // AROUND), *picture.shape[:2])
    top, left = (
        int(np.clip(place - size // 2, 0, length - size))
        for place, length in zip((row, column), picture.shape[:2], strict=True)
    )
    return picture[top : top + size, left : left + size]


def _part_box(inspection: Inspection) -> tuple[int, int, int, int]:
    """Top, bottom, left and right of the part, with a margin; of the whole picture if there is no part."""
    height, width = inspection.map.shape
    if not inspection.foreground.any():
        return 0, height, 0, width
    found: list[int] = []
    for axis, length in ((1, height), (0, width)):
        there = np.flatnonzero(inspection.foreground.any(axis=axis))
        margin = round(MARGIN * max(height, width))
        found += [max(0, int(there[0]) - margin), min(length, int(there[-1]) + 1 + margin)]
    return found[0], found[1], found[2], found[3]


def resized(values: Shaped[np.ndarray, "*shape"], height: float, width: float) -> Shaped[np.ndarray, "*shape"]:
    """A picture, heat or an area at twice as many pixels as a page has for it, so that lines are fine on any screen."""
    module = require("PIL.Image", extra="anomaly", purpose="drawing pictures of parts")
    size = (max(1, round(FINE * width)), max(1, round(FINE * height)))
    plain = values.astype(np.float32) if values.dtype == bool else np.ascontiguousarray(values)
    found = np.asarray(module.fromarray(plain).resize(size, module.Resampling.BILINEAR))
    return found > HALF if values.dtype == bool else found
