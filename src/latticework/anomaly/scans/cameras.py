"""From depth pictures to points: what is known of the camera, and where each pixel looks.

A pixel at column u and row v with depth z, measured along the optical axis, is the point
(z (u - cx) / fx, z (v - cy) / fy, z).
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from jaxtyping import Float32, Shaped

from latticework.anomaly.scans.clouds import without_return
from latticework.core.checks import number as checked
from latticework.core.decimals import decimal
from latticework.core.errors import InputError
from latticework.core.files import read_bytes
from latticework.core.values import read_strictly
from latticework.core.words import shortened

MILLIMETRE: Final = 0.001  # what one of a 16-bit depth picture is with nearly every sensor
EYECANDIES_FOCAL: Final = 711.11  # pixels, of all its pictures, which are 512 x 512
EYECANDIES_SIZE: Final = 512
_MAX_BYTES: Final = 2**20
_YAML_LINE: Final = re.compile(r"\s*([A-Za-z_][\w.]*)\s*:\s*(.*?)\s*(?:#.*)?")


@dataclass(frozen=True)
class Camera:
    """A pinhole camera, and what its depths mean.

    Attributes
    ----------
    fx, fy, cx, cy
        Focal lengths and principal point, in pixels; the first pixel's centre is (0, 0).
    scale, offset
        Metres are ``offset + scale * value``; of depths that are floats, and metres already, neither is used.
    kappa
        Distortion by the division model: a point r from the principal point, in focal lengths, is seen where one at
        r / (1 + kappa r²) would be without.
    height, width
        Of the pictures, if they are known.
    zero_is_far
        Whether a value of 0 is a depth like any other, not a missing return.
    """

    fx: float
    fy: float
    cx: float
    cy: float
    scale: float = MILLIMETRE
    offset: float = 0.0
    kappa: float = 0.0
    height: int | None = None
    width: int | None = None
    zero_is_far: bool = False

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Camera:
        """Read what a file knows of a camera.

        A JSON with ``fx``, ``fy``, ``cx``, ``cy``, and if need be ``scale`` (metres that one of the depth picture is; a
        millimetre if it is left out), ``width`` and ``height``; one of Open3D with its ``intrinsic_matrix``; a
        ``camera_parameters.json`` of MVTec 3D-AD; or an ``info_depth.yaml`` of Eyecandies, whose camera is known.

        Raises
        ------
        InputError
            If it cannot be read, is none of them, or says what cannot be.
        """
        path = Path(path)
        raw = read_bytes(path, most=_MAX_BYTES)
        kind = "YAML" if path.suffix.lower() in (".yaml", ".yml") else "JSON"
        try:
            text = raw.decode("utf-8-sig")
            values = _of_yaml(text) if kind == "YAML" else read_strictly(text)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path} is no {kind} file of a camera: {error}") from error
        if not isinstance(values, dict):
            raise InputError(f"{path}: expected a JSON object with fx, fy, cx and cy")
        camera = _camera(values, path)
        if not all(map(math.isfinite, (camera.fx, camera.fy, camera.scale, camera.kappa))) or not camera.fx * camera.fy:
            raise InputError(f"{path}: its numbers are too large or too small for a camera")
        return camera

    def unproject(
        self, depth: Shaped[np.ndarray, "height width"], where: str = "depth"
    ) -> Float32[np.ndarray, "height width 3"]:
        """The points of a depth picture, in metres; no return is NaN.

        Parameters
        ----------
        depth
            Whole numbers, of which `scale` and `offset` make metres, or floats, which are metres.
        where
            What to call it in an error.

        Raises
        ------
        InputError
            If it is no such picture, or not of the camera's size.

        Examples
        --------
        >>> Camera(fx=500, fy=500, cx=0, cy=0).unproject(np.array([[0, 1000]], dtype=np.uint16)).tolist()
        [[[nan, nan, nan], [0.002, 0.0, 1.0]]]
        """
        if depth.ndim != 2 or depth.dtype.kind not in "iuf":
            raise InputError(f"{where}: depth is {depth.dtype} {list(depth.shape)}, expected numbers [height, width]")
        height, width = depth.shape
        if (self.height or height, self.width or width) != (height, width):
            raise InputError(
                f"{where} is {width} x {height}, but the camera's pictures are {self.width} x {self.height}"
            )
        metres = depth.astype(np.float64)
        if depth.dtype.kind != "f":
            metres = self.offset + self.scale * metres
        missing = ~((metres > 0) & np.isfinite(metres))
        if not self.zero_is_far:
            missing |= depth == 0
        metres[missing] = np.nan
        x = ((np.arange(width) - self.cx) / self.fx)[None, :]
        y = ((np.arange(height) - self.cy) / self.fy)[:, None]
        undistorted = metres / (1 + self.kappa * (x**2 + y**2)) if self.kappa else metres
        return without_return(np.stack([x * undistorted, y * undistorted, metres], axis=-1))


def _camera(values: Mapping[str, Any], path: Path) -> Camera:
    def number(name: str, default: float | None = None, *, positive: bool = False) -> float:
        value = values.get(name, default)
        if positive:
            return checked(f"{path}: {name}", value, lambda found: 0 < found < math.inf, "a positive number")
        return checked(f"{path}: {name}", value, math.isfinite, "a number")

    def size(name: str) -> int | None:
        return int(number(name, positive=True)) if values.get(name) is not None else None

    if {"focus", "sx", "sy"} <= values.keys():  # HALCON's, in metres on the sensor
        if values.get("camera_type", "area_scan_division") != "area_scan_division":
            raise InputError(
                f"{path}: camera_type is {shortened(values['camera_type'])}, expected 'area_scan_division'"
            )
        focus = number("focus", positive=True)
        return Camera(
            fx=focus / number("sx", positive=True),
            fy=focus / number("sy", positive=True),
            cx=number("cx"),
            cy=number("cy"),
            scale=number("scale", MILLIMETRE, positive=True),
            kappa=number("kappa", 0.0) * focus * focus,
            height=size("image_height"),
            width=size("image_width"),
        )
    if {"min", "max"} <= values.keys():
        low, high = number("min"), number("max", positive=True)
        if not 0 <= low < high:
            raise InputError(f"{path}: depths are from {low} to {high} m, expected the first to be the smaller")
        middle = EYECANDIES_SIZE / 2
        sizes = EYECANDIES_SIZE, EYECANDIES_SIZE
        return Camera(EYECANDIES_FOCAL, EYECANDIES_FOCAL, middle, middle, (high - low) / 65535, low, 0.0, *sizes, True)
    if isinstance(matrix := values.get("intrinsic_matrix"), list):  # Open3D's, one column after the other
        if len(matrix) != 9:
            raise InputError(f"{path}: intrinsic_matrix has {len(matrix)} numbers, expected 9")
        values = {**values, "fx": matrix[0], "fy": matrix[4], "cx": matrix[6], "cy": matrix[7]}
    if missing := [name for name in ("fx", "fy", "cx", "cy") if name not in values]:
        raise InputError(f"{path}: the camera has no {', '.join(missing)}")
    return Camera(
        number("fx", positive=True),
        number("fy", positive=True),
        number("cx"),
        number("cy"),
        number("scale", MILLIMETRE, positive=True),
        height=size("height"),
        width=size("width"),
    )


def flat_yaml(text: str, names: Collection[str]) -> dict[str, str]:
    r"""The values of names on lines ``name: value``, whatever they are nested in, which is all that Eyecandies needs.

    Raises
    ------
    ValueError
        If one of them is there twice.

    Examples
    --------
    >>> flat_yaml("normalization:\n  max: 3.5 # m\n  min: 2\n", ("min", "max"))
    {'max': '3.5', 'min': '2'}
    """
    values: dict[str, str] = {}
    for number, line in enumerate(text.split("\n"), 1):
        found = _YAML_LINE.fullmatch(line)
        if found and found[1] in names:
            if found[1] in values:
                raise ValueError(f"line {number} is the second with {found[1]}")
            values[found[1]] = found[2].strip("'\"")
    return values


def _of_yaml(text: str) -> dict[str, float]:
    values = flat_yaml(text, ("min", "max"))
    if len(values) < 2:
        raise ValueError("there are no lines min: and max:, as info_depth.yaml of Eyecandies has")
    return {name: decimal(values[name]) for name in ("min", "max")}
