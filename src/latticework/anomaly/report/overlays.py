"""What was found, over the picture of a part: heat where its map is high, outlines of the regions and of the part."""

from __future__ import annotations

from typing import Final

import numpy as np
from jaxtyping import Bool, Float32, UInt8
from scipy import ndimage

from latticework.anomaly.findings.results import Inspection
from latticework.anomaly.report.heat import Scale, heat_colours
from latticework.anomaly.scans.samples import Sample
from latticework.core.errors import InputError

OPACITY: Final = 0.65  # of the hottest pixel; the lowest heat is invisible
RISE: Final = 1.5  # the power by which heat becomes opaque: low heat leaves the picture as it is
LINE: Final = 220  # pixels of a side for each pixel of a line's width
LIGHT: Final = (-0.42, -0.55, -0.72)  # towards it, in the camera's frame: from the upper left, behind the camera
NOTHING: Final = 20  # grey where nothing returned
SHADES: Final = (40, 205)  # grey of what is turned away from the light, and of what faces it
SMOOTHING: Final = 1.0  # pixels, of a surface before it is shaded
_EIGHT: Final = np.ones((3, 3), dtype=bool)
_PART, _REGION, _TRUTH = 255, (0, 235, 255), (255, 45, 45)  # colours of outlines
_PART_OPACITY: Final = 0.6
_SHADOW: Final = 0.45  # what is left of the light beside an outline, so that it shows on any colour


def overlay(
    inspection: Inspection, sample: Sample, *, scale: Scale | None = None
) -> UInt8[np.ndarray, "height width 3"]:
    """The picture of a part with what was found in it.

    Parameters
    ----------
    inspection
        What was found.
    sample
        The part: its colours, or else its points, shaded.
    scale
        Which score has which heat. Without one heat goes from the median of the map on the part to its highest value
        there: it compares places of one part, not parts, and a part that is good in every respect, its score and each
        of its pixels, has none.

    Raises
    ------
    InputError
        If the map is of another size than the sample.

    Examples
    --------
    >>> part = np.ones((8, 8), dtype=bool)
    >>> scores = np.pad(np.ones((2, 2), dtype=np.float32), 3)
    >>> found = Inspection("a", 1.0, 0.1, True, (), (), scores, part, np.zeros_like(part, int))
    >>> shown = overlay(found, Sample.of(rgb=np.zeros((8, 8, 3), dtype=np.uint8)))
    >>> shown[0, 0].tolist(), bool(shown[3, 3].max() > 150)
    ([0, 0, 0], True)
    """
    if inspection.map.shape != sample.size:
        raise InputError(
            f"{inspection.name}: the map is {inspection.map.shape[1]} x {inspection.map.shape[0]}, the picture "
            f"{sample.size[1]} x {sample.size[0]}: give the sample that was inspected"
        )
    return painted(picture_of(sample), *layers(inspection, scale))


def layers(
    inspection: Inspection, scale: Scale | None = None
) -> tuple[Float32[np.ndarray, "height width"], Bool[np.ndarray, "height width"], Bool[np.ndarray, "height width"]]:
    """What is painted over a picture: heat from 0 to 1, where the part is, and the regions in it; see `overlay`."""
    hot = inspection.foreground & np.isfinite(inspection.map)
    if scale is None:
        hot &= inspection.defective is not False or bool(inspection.regions)
        scale = Scale.of([inspection])
    return np.where(hot, scale(inspection.map), np.float32(0)), inspection.foreground, inspection.marked > 0


def painted(
    picture: UInt8[np.ndarray, "height width 3"],
    heat: Float32[np.ndarray, "height width"],
    part: Bool[np.ndarray, "height width"] | None = None,
    regions: Bool[np.ndarray, "height width"] | None = None,
    truth: Bool[np.ndarray, "height width"] | None = None,
) -> UInt8[np.ndarray, "height width 3"]:
    """A picture with heat over it, and outlines of the part, of where its defect truly is, and of the regions."""
    shown = picture.astype(np.float32)
    colours = heat_colours()[np.round(heat * (len(heat_colours()) - 1)).astype(int)]
    shown += OPACITY * heat[..., None] ** RISE * (colours - shown)
    width = max(1, round(max(heat.shape) / LINE))
    if part is not None:
        rim = edge(part, width)
        shown[rim] += _PART_OPACITY * (_PART - shown[rim])
    for area, colour in ((truth, _TRUTH), (regions, _REGION)):
        if area is not None and area.any():
            around = edge(ndimage.binary_dilation(area, _EIGHT, iterations=width), width)
            shown[ndimage.binary_dilation(around, _EIGHT, iterations=width) & ~around] *= _SHADOW
            shown[around] = colour
    return np.round(shown).clip(0, 255).astype(np.uint8)


def picture_of(sample: Sample) -> UInt8[np.ndarray, "height width 3"]:
    """Its colours, or its points as a surface in the light, if it has no colours."""
    if sample.rgb is not None:
        return sample.rgb
    assert sample.xyz is not None  # a sample has one of them
    return np.repeat(shaded(sample.xyz)[..., None], 3, axis=2)


def shaded(xyz: Float32[np.ndarray, "height width 3"]) -> UInt8[np.ndarray, "height width"]:
    """A surface lit from the upper left, in grey; nearly black where nothing returned.

    Parameters
    ----------
    xyz
        Points in the camera's frame, in metres; NaN where nothing returned.

    Examples
    --------
    >>> rows, columns = np.mgrid[:9, :9].astype(np.float32)
    >>> rising = np.stack([columns, rows, 9 + columns], axis=-1)
    >>> falling = np.stack([columns, rows, 9 - columns], axis=-1)
    >>> bool(shaded(rising)[4, 4] < shaded(falling)[4, 4])
    True
    """
    there = ~np.isnan(xyz[..., 2])
    if min(there.shape) < 2:  # no surface
        return np.where(there, np.uint8(SHADES[1]), np.uint8(NOTHING))
    weight = ndimage.gaussian_filter(there.astype(np.float64), SMOOTHING)
    known = np.where(there[..., None], xyz, 0).astype(np.float64)
    points = ndimage.gaussian_filter(known, (SMOOTHING, SMOOTHING, 0)) / np.maximum(weight, 1e-9)[..., None]
    normals = np.cross(np.gradient(points, axis=0), np.gradient(points, axis=1))  # towards the camera
    length = np.linalg.norm(normals, axis=-1)
    facing = normals @ (np.array(LIGHT) / np.linalg.norm(LIGHT)) / np.maximum(length, 1e-12)
    grey = SHADES[0] + (SHADES[1] - SHADES[0]) * facing.clip(0, 1)
    return np.where(there, np.round(grey), NOTHING).astype(np.uint8)


def edge(mask: Bool[np.ndarray, "height width"], width: int = 1) -> Bool[np.ndarray, "height width"]:
    """The outermost pixels of an area, so many deep; where the picture ends there are none.

    Examples
    --------
    >>> edge(np.pad(np.ones((3, 3), dtype=bool), 1)).astype(int).sum(axis=1).tolist()
    [0, 3, 2, 3, 0]
    """
    return mask & ~ndimage.binary_erosion(mask, _EIGHT, iterations=width, border_value=1)
