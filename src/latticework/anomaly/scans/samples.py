"""A part as it was scanned: colours, points, or both, on one grid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from jaxtyping import Bool, Float32, UInt8

from latticework.anomaly.choices import Unit
from latticework.anomaly.part_warnings import warn
from latticework.anomaly.scans.arrays import as_xyz
from latticework.anomaly.scans.images import as_classes, as_rgb
from latticework.core.errors import InputError

GOOD: Final = "good"
LARGEST_PART: Final = 10.0  # metres; beyond, and below the smallest, the unit is likely another one
SMALLEST_PART: Final = 0.001
_LOOKED_AT: Final = 10_000  # points, of which the outermost hundredths are left out: single ones fly far


@dataclass(frozen=True, eq=False)
class Sample:
    """A part as it was scanned; `Sample.of` makes one from arrays, and `read_sample` from files.

    Attributes
    ----------
    name
        What to call it.
    rgb
        Colours, or None.
    xyz
        Points in metres as the camera sees them, x to the right, y down and z away from it, NaN where nothing
        returned; or None. Not both of `rgb` and `xyz` are None.
    mask
        Where the part may be judged; None is everywhere.
    truth
        Class ids of defects, 0 for what is good; None if it is not known.
    label
        ``"good"``, or what kind of defect it has; None if it is not known.
    path
        The file that it was read from.
    """

    name: str
    rgb: UInt8[np.ndarray, "height width 3"] | None = None
    xyz: Float32[np.ndarray, "height width 3"] | None = None
    mask: Bool[np.ndarray, "height width"] | None = None
    truth: UInt8[np.ndarray, "height width"] | None = None
    label: str | None = None
    path: Path | None = None

    @classmethod
    def of(
        cls,
        *,
        rgb: Any = None,
        xyz: Any = None,
        mask: Any = None,
        truth: Any = None,
        label: str | None = None,
        name: str = "sample",
        unit: Unit = "m",
    ) -> Sample:
        """A sample from arrays, tensors or nested lists, which are checked and copied where they have to be changed.

        Parameters
        ----------
        rgb
            ``[height, width, 3]``, or with alpha, which is left out, or grey: uint8, uint16, of which the upper eight
            bits are kept, or floats from 0 to 1.
        xyz
            ``[height, width, 3]``, numbers of that `unit`; (0, 0, 0), NaN and infinities are no return.
        mask
            ``[height, width]``: where it is not 0, the part may be judged.
        truth
            ``[height, width]``: class ids from 0 to 255, or whether there is a defect.
        label
            ``"good"``, or what kind of defect it has.
        name
            What to call it, in errors too.
        unit
            Of `xyz`: ``"m"``, ``"cm"`` or ``"mm"``.

        Raises
        ------
        InputError
            If there is neither colour nor points, one of them is not what it should be, the sizes differ, no point
            returned, or the mask leaves nothing.

        Warns
        -----
        UserWarning
            If the points span more than 10 m or less than 1 mm, as millimetres taken for metres do.

        Examples
        --------
        >>> sample = Sample.of(rgb=np.zeros((4, 6)), xyz=np.full((4, 6, 3), 0.5) + np.eye(4, 6)[..., None])
        >>> sample.rgb.shape, sample.size
        ((4, 6, 3), (4, 6))
        >>> Sample.of(rgb=np.zeros((4, 6, 3)), xyz=np.ones((2, 3, 3)))
        Traceback (most recent call last):
        latticework.core.errors.InputError: sample: rgb is 6 x 4 and xyz 3 x 2: they have to be on one grid, pixel by...
        """
        parts = {
            "rgb": None if rgb is None else as_rgb(_array(rgb, name, "rgb"), f"{name}: rgb"),
            "xyz": None if xyz is None else as_xyz(_array(xyz, name, "xyz"), f"{name}: xyz", unit=unit),
            "mask": None if mask is None else _array(mask, name, "mask") != 0,
            "truth": None if truth is None else as_classes(_array(truth, name, "truth"), f"{name}: truth"),
        }
        return checked(parts, name, label, unit=unit)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        height, width = next(part.shape[:2] for part in (self.rgb, self.xyz) if part is not None)
        return height, width

    @property
    def returned(self) -> Bool[np.ndarray, "height width"]:
        """Where there are points; everywhere if there are only colours."""
        return np.ones(self.size, dtype=bool) if self.xyz is None else ~np.isnan(self.xyz[..., 2])

    @property
    def is_good(self) -> bool | None:
        """Whether it has no defect, as its label says, or else its truth; None if neither does."""
        if self.label is not None:
            return self.label == GOOD
        return None if self.truth is None else not self.truth.any()


def _array(values: Any, name: str, what: str) -> np.ndarray:
    try:
        array = np.asarray(values.detach().cpu() if hasattr(values, "detach") else values)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name}: {what} is no array: {error}") from error
    if array.dtype.kind not in "biuf" or array.size == 0:
        raise InputError(f"{name}: {what} is {array.dtype} {list(array.shape)}, expected numbers [height, width, ...]")
    return array


def checked(
    parts: dict[str, Any],
    name: str,
    label: str | None,
    files: Mapping[str, Path] = MappingProxyType({}),
    *,
    unit: Unit,
    scaled: str = "",
) -> Sample:
    """A sample of parts that are of the right types, if they fit each other; `files` is where they are from."""
    path = files.get("rgb", files.get("xyz"))
    place = str(path or name)
    there = {what: part for what, part in parts.items() if part is not None}
    if not {"rgb", "xyz"} & there.keys():
        raise InputError(f"{place}: there are neither colours nor points: give rgb, xyz or both")
    if parts["mask"] is not None and not (parts["mask"].ndim == 2 and parts["mask"].any()):
        raise InputError(
            f"{files.get('mask', place)}: the mask has to be [height, width] and to leave something to judge"
        )
    (first, part), *others = there.items()
    for what, other in others:
        if other.shape[:2] != part.shape[:2]:
            (height, width), (other_height, other_width) = part.shape[:2], other.shape[:2]
            raise InputError(
                f"{place}: {first} is {width} x {height} and {what} {other_width} x {other_height}: they have to be on "
                "one grid, pixel by pixel"
            )
    if parts["xyz"] is not None:
        _check_extent(parts["xyz"], str(files.get("xyz", place)), unit, scaled)
    return Sample(name, label=label, path=path, **parts)


def _check_extent(xyz: Float32[np.ndarray, "height width 3"], place: str, unit: Unit, scaled: str) -> None:
    points = xyz[~np.isnan(xyz[..., 2])]
    if len(points) == 0:
        raise InputError(
            f"{place}: no point returned, all are 0, NaN or infinite: leave xyz out to judge by colours alone"
        )
    some = points[:: -(-len(points) // _LOOKED_AT)]
    low, high = np.quantile(some, (0.01, 0.99), axis=0)
    extent = float((high - low).max())
    if SMALLEST_PART <= extent <= LARGEST_PART:
        return
    size = "more than 10 m" if extent > LARGEST_PART else "less than 1 mm"
    other: Unit = "mm" if extent > LARGEST_PART else "m"
    if scaled:
        why = "is the camera's scale right, the metres that one of a depth picture is?"
    elif unit == other:
        why = f"are they in {unit}?"
    else:
        why = f"are they in another unit than {unit}? Then say unit {other}"
    warn(f"{place}{scaled}", f"the points span {size}: {why}")
