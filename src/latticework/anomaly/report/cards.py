"""One part on a page: what was scanned, what was found, what each memory bank says, and what it takes for normal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Final

import numpy as np
from jaxtyping import Shaped, UInt8

from latticework.anomaly.findings.calibration import Threshold
from latticework.anomaly.findings.results import BankScore, Inspection, Nearest
from latticework.anomaly.preparation.squares import box_of
from latticework.anomaly.report.heat import LEVEL, STEPS, Scale
from latticework.anomaly.report.overlays import layers, painted, picture_of
from latticework.anomaly.report.wording import banks_told, regions_told
from latticework.anomaly.scans.found import Found
from latticework.anomaly.scans.samples import Sample
from latticework.core.errors import InputError, require
from latticework.pages import Picture
from latticework.pages.rasters import raster
from latticework.pages.shapes import bar, line, svg, text
from latticework.pages.text import label, short, show

WIDTH: Final = 440.0  # two of them fit side by side on a desk
SIDE, GAP = 216.0, 8.0  # of a picture of the part, and between two
PATCH: Final = 46.0  # of the picture of a patch
ROW: Final = 54.0
AROUND: Final = 14  # the part's picture is so many patches' pictures wide
MARGIN: Final = 0.06  # of the picture, around the part
NAME: Final = 16  # columns of a name
FINE: Final = 2  # pixels of a picture for each pixel of the page
HALF: Final = 0.5
KEY: Final = 8.0  # height of the colours of heat
GROUND: Final = 150  # grey that they are over
_BAR: Final = 74.0  # where bars begin
_BARS: Final = (80.0, 222.0)  # how long the longest is: beside pictures of good parts, and without them
_PATCHES: Final = (212.0, 354.0)  # where the pictures of patches begin, likewise
_NEAR: Final = 282.0  # where those of good parts begin

Good = Callable[[str], Sample | None]


def nothing_known(name: str) -> Sample | None:
    """No picture of any good part."""
    return None


def card(
    sample: Sample, inspection: Inspection, *, caption: str, good: Good = nothing_known, scale: Scale | None = None
) -> Picture:
    """The picture of a part beside what was found in it, and below them a row for each memory bank.

    Where it is known where the defect is, that is outlined in both.

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
    scale
        Which score has which heat; one for this part alone if there is none.
    """
    scale = Scale.of([inspection]) if scale is None else scale
    picture = picture_of(sample)
    box = _part_box(inspection)
    high, wide = (side.stop - side.start for side in box)
    zoom = min(SIDE / high, SIDE / wide)
    height, width = zoom * high, zoom * wide
    truth = np.zeros(sample.size, dtype=bool) if sample.truth is None else sample.truth > 0
    plain, heat, part, regions, truth = (
        resized(each[box], height, width) for each in (picture, *layers(inspection, scale), truth)
    )
    parts = [
        text(0, 12, "the scan" if sample.rgb is not None else "the scan, lit from the upper left", "muted"),
        text(SIDE + GAP, 12, "what is found", "muted"),
        raster(0, 20, width, height, painted(plain, np.zeros_like(heat), truth=truth)),
        raster(SIDE + GAP, 20, width, height, painted(plain, heat, part, regions, truth)),
        *_key(SIDE + GAP, 20 + height + 8, scale),
    ]
    y = 20 + height + KEY + 54
    compared = has_good([inspection], good)
    if inspection.banks:
        parts += [
            text(0, y, "bank", "muted"),
            text(_BAR, y, "in the score", "muted"),
            text(_PATCHES[not compared], y, "worst", "muted"),
            text(_NEAR, y, "most like, of good parts", "muted") if compared else "",
        ]
        y += 8
    most = max((abs(found.contribution) for found in inspection.banks if np.isfinite(found.contribution)), default=0.0)
    for found in sorted(inspection.banks, key=lambda found: -found.contribution):
        parts += _bank(found, picture, most, y, good if compared else None)
        y += ROW
    told = f"{inspection.name}. {regions_told(inspection)} {banks_told(inspection)}"
    return Picture(svg(y + 2, parts, width=WIDTH), caption, told)


def _bank(
    found: BankScore, picture: UInt8[np.ndarray, "height width 3"], most: float, y: float, good: Good | None
) -> list[str]:
    """The row of a bank: what it makes of the score, its worst patch, and the good one that is most like it."""
    length, x = _BARS[good is None], _PATCHES[good is None]
    middle = y + ROW / 2
    share = max(0.0, found.contribution) / most if most and np.isfinite(found.contribution) else 0.0
    parts = [
        text(0, middle + 4, label(found.bank, width=11), bold=True),
        bar(_BAR, middle - 6, max(1.0, length * share), "series-1", height=12),
        text(_BAR + length * share + 6, middle + 4, short(found.contribution), "muted"),
    ]
    near = found.nearest
    if near is None:
        return [*parts, text(_PATCHES[0], middle + 4, "it could not judge the part", "muted")]
    parts.append(_patch(x, y + 4, picture, found.row, found.column))
    if good is None:
        return parts
    x, there = _NEAR, _good(near, good)
    if there is not None:
        parts.append(_patch(x, y + 4, picture_of(there), near.row, near.column))
        x += PATCH + 8
    return [
        *parts,
        text(x, middle - 4, label(near.part, width=NAME)),
        text(x, middle + 12, f"at {near.row}, {near.column}", "muted"),
    ]


def has_good(inspections: Iterable[Inspection], good: Good) -> bool:
    """Whether there is a picture of any good part that one of these is compared with."""
    nearest = (bank.nearest for found in inspections for bank in found.banks if bank.nearest is not None)
    return any(_good(near, good) is not None for near in nearest)


def _good(near: Nearest, good: Good) -> Sample | None:
    """The good part that a patch is of, if it is still there and reaches so far."""
    there = good(near.part)
    return there if there is not None and near.row < there.size[0] and near.column < there.size[1] else None


def _key(x: float, y: float, scale: Scale) -> list[str]:
    """Which score has which colour."""
    heat = np.linspace(0, 1, STEPS, dtype=np.float32)[None]
    parts = [raster(x, y, SIDE, KEY, painted(np.full((1, STEPS, 3), GROUND, dtype=np.uint8), heat))]
    parts.append(text(x + SIDE, y + KEY + 14, short(scale.high), "muted", "end"))
    if scale.level is None:
        return [*parts, text(x, y + KEY + 14, short(scale.low), "muted")]
    at = x + LEVEL * SIDE
    named = f"threshold {short(scale.level)}"
    return [
        *parts,
        text(at, y + KEY + 14, named, "muted", "middle"),
        line(at, y - 2, at, y + KEY + 3, "ink", width=1.5),
    ]


def explained(shown: Iterable[tuple[Sample, Inspection]], *, scale: Scale, good: Good = nothing_known) -> str:
    """What lines and colours of cards mean, for the page that they are on."""
    shown = list(shown)
    known = any(sample.truth is not None and sample.truth.any() for sample, _ in shown)
    return " ".join(
        [
            "The white line is the rim of the part as the model sees it; a bright blue line is around what it marks"
            f"{', a red one around where the defect truly is' if known else ''}.",
            "Heat rises from violet by red to yellow"
            + (
                ", and the same colour is the same score in all these pictures."
                if scale.level is None
                else f": a place above {show(scale.level)}, the threshold of maps, is marked, below it colours stay "
                "faint and cool; the same colour is the same score in all these pictures."
            ),
            "Each memory bank has its share of the score and the patch that it finds worst"
            + (
                ", and beside that the patch of a good part that is most like it all the same."
                if has_good([found for _, found in shown], good)
                else ". With --good DIR, the folder that the model was fitted on, the patch of a good part that is "
                "most like it stands there, too."
            ),
        ]
    )


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


def _part_box(inspection: Inspection) -> tuple[slice, slice]:
    """Rows and columns of the part, with a margin; of the whole picture if there is no part."""
    height, width = inspection.map.shape
    if not inspection.foreground.any():
        return slice(0, height), slice(0, width)
    rows, columns = box_of(inspection.foreground)
    margin = round(MARGIN * max(height, width))
    return (
        slice(max(0, rows.start - margin), min(height, rows.stop + margin)),
        slice(max(0, columns.start - margin), min(width, columns.stop + margin)),
    )


def resized(
    values: Shaped[np.ndarray, "rows columns *channels"], height: float, width: float
) -> Shaped[np.ndarray, "height width *channels"]:
    """A picture, heat or an area at twice as many pixels as a page has for it, so that lines are fine on any screen."""
    module = require("PIL.Image", extra="anomaly", purpose="drawing pictures of parts")
    size = (max(1, round(FINE * width)), max(1, round(FINE * height)))
    plain = values.astype(np.float32) if values.dtype == bool else np.ascontiguousarray(values)
    found = np.asarray(module.fromarray(plain).resize(size, module.Resampling.BILINEAR))
    return found > HALF if values.dtype == bool else found


def good_parts(parts: Iterable[Found]) -> Good:
    """Good parts by name, read when they are asked for.

    Parameters
    ----------
    parts
        Of the folder that a model was fitted on.
    """
    known = {part.name: part for part in parts}

    @lru_cache(maxsize=16)
    def get(name: str) -> Sample | None:
        try:
            return known[name].read() if name in known else None
        except InputError:
            return None  # it was there when the model was fitted

    return get


def limit_told(threshold: Threshold) -> str:
    """Above which score a part counts as defective, and what that is worth."""
    return (
        f"A part counts as defective if its score is above {show(threshold.value)}. That threshold was set with good "
        f"parts alone, when the model was fitted: {threshold.about()}."
    )


def scale_of(inspections: Sequence[Inspection], map_threshold: Threshold | None) -> Scale:
    """One scale of heat for the pictures of several parts."""
    return Scale.of(inspections, None if map_threshold is None else map_threshold.value)
