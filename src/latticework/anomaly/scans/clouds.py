"""What all readers of point clouds share: the grid they give, its limits, and numbers that are turned into colours.

A cloud is organised: its points lie in the rows and columns of the sensor, so that neighbours in the picture are
neighbours in space and a defect has a place in the picture. No return is NaN in all three coordinates, however the
file says it: (0, 0, 0), an infinity, or NaN in any of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from jaxtyping import Bool, Float32, Shaped, UInt8

from latticework.anomaly.choices import Unit
from latticework.core.checks import one_of
from latticework.core.errors import InputError

MAX_POINTS: Final = 2**26  # 8192 x 8192: more than any sensor has, and 0.8 GB as xyz
MAX_FILE_BYTES: Final = 2**31

_METRES: Final = {"m": 1.0, "cm": 0.01, "mm": 0.001}


@dataclass(frozen=True, eq=False)
class Cloud:
    """An organised point cloud as a file has it.

    Attributes
    ----------
    xyz
        Metres, float32; no return is NaN.
    rgb
        Colours, 0 where the file has none; None if it has none at all.
    fields
        What else there is a point, by name, such as ``label`` or ``intensity``, in the file's own type.
    """

    xyz: Float32[np.ndarray, "height width 3"]
    rgb: UInt8[np.ndarray, "height width 3"] | None = None
    fields: Mapping[str, Shaped[np.ndarray, "height width *count"]] = field(default_factory=dict)

    def in_metres(self, unit: Unit) -> Cloud:
        """The cloud, of which the file's numbers are in that unit."""
        scale = metres(unit)
        return self if scale == 1 else Cloud(self.xyz * np.float32(scale), self.rgb, self.fields)


def metres(unit: Unit) -> float:
    """How many metres a unit is.

    Raises
    ------
    InputError
        If it is none of those that are known.

    Examples
    --------
    >>> metres("mm")
    0.001
    """
    return _METRES[one_of("unit", unit, _METRES)]


def without_return(xyz: Shaped[np.ndarray, "height width 3"]) -> Float32[np.ndarray, "height width 3"]:
    """A copy of points as float32, with NaN in all three coordinates where there was no return.

    Examples
    --------
    >>> without_return(np.array([[[0, 0, 0], [0, 0, 1.5], [1, np.inf, 1]]])).tolist()
    [[[nan, nan, nan], [0.0, 0.0, 1.5], [nan, nan, nan]]]
    """
    with np.errstate(over="ignore", invalid="ignore"):  # beyond float32 is infinite: no return
        points = np.array(xyz, dtype=np.float32, order="C")
    points[~_returned(points)] = np.nan
    return points


def _returned(xyz: Float32[np.ndarray, "height width 3"]) -> Bool[np.ndarray, "height width"]:
    x, y, z = xyz[..., 0], xyz[..., 1], xyz[..., 2]
    there: Bool[np.ndarray, "height width"] = np.isfinite(x) & np.isfinite(y) & np.isfinite(z)
    there &= (x != 0) | (y != 0) | (z != 0)
    return there


def eight_bits(values: Shaped[np.ndarray, "*shape"], where: str) -> UInt8[np.ndarray, "*shape"]:
    """Colours of whatever type as 0 to 255.

    Of 16 bits the upper eight are kept, the same in every picture, so that pictures stay comparable. Floats are to be
    from 0 to 1, other whole numbers from 0 to 255.

    Raises
    ------
    InputError
        If they are not.

    Examples
    --------
    >>> eight_bits(np.array([0, 256, 65535], dtype=np.uint16), "a.png").tolist()
    [0, 1, 255]
    >>> eight_bits(np.array([0, 0.5, 1]), "a.png").tolist()
    [0, 128, 255]
    """
    if values.dtype == np.uint8:
        return values
    if values.dtype.newbyteorder("=") == np.uint16:
        return (values >> 8).astype(np.uint8)
    if values.dtype.kind == "f":
        if not ((values >= 0) & (values <= 1)).all():  # false for NaN
            raise InputError(f"{where}: colours that are floats are to be from 0 to 1; or give uint8 from 0 to 255")
        values = np.rint(values * 255)
        return values.astype(np.uint8)
    if values.dtype.kind not in "iu":
        raise InputError(f"{where}: colours are of type {values.dtype}, expected uint8, uint16 or floats from 0 to 1")
    if values.size and (values.min() < 0 or values.max() > 255):
        raise InputError(f"{where}: colours are from {values.min()} to {values.max()}, expected 0 to 255")
    return values.astype(np.uint8)


def check_grid(path: Path, points: int, height: int, width: int, how: str) -> None:
    """Refuse a cloud that has no point, too many, or no grid; `how` is what its format needs to have one.

    Raises
    ------
    InputError
        If it is so.
    """
    if points == 0:
        raise InputError(f"{path}: the cloud has no points")
    if points > MAX_POINTS:
        raise InputError(f"{path}: {points:,} points are more than the {MAX_POINTS:,} that are read")
    if min(height, width) <= 1:
        raise InputError(
            f"{path}: {points:,} points without a grid, and defects are looked for on a grid. Save the scan organised, "
            f"rows by columns as the sensor gives it ({how}), or as a depth picture with the camera's intrinsics"
        )
    if height * width != points:
        raise InputError(
            f"{path}: {height:,} rows of {width:,} are {height * width:,} points, but there are {points:,}"
        )


def stacked(
    columns: Sequence[Shaped[np.ndarray, " points"]], height: int, width: int
) -> Shaped[np.ndarray, "height width columns"]:
    """Columns side by side, as a grid.

    Examples
    --------
    >>> stacked([np.array([1, 2]), np.array([3, 4])], 1, 2).tolist()
    [[[1, 3], [2, 4]]]
    """
    return np.stack(columns, axis=-1).reshape(height, width, len(columns))


def check_cloud(xyz: Any, rgb: Any = None) -> None:
    """Refuse arrays that are no organised cloud.

    Raises
    ------
    InputError
        If they are none.
    """
    if not isinstance(xyz, np.ndarray) or xyz.dtype != np.float32 or xyz.ndim != 3 or xyz.shape[2] != 3:
        raise InputError(f"xyz is {_described(xyz)}, expected float32 [height, width, 3]: Sample.of makes it")
    if rgb is not None and (not isinstance(rgb, np.ndarray) or rgb.dtype != np.uint8 or rgb.shape != xyz.shape):
        raise InputError(f"rgb is {_described(rgb)}, expected uint8 [height, width, 3] of the size of xyz")


def _described(value: Any) -> str:
    return f"{value.dtype} {list(value.shape)}" if isinstance(value, np.ndarray) else type(value).__name__
