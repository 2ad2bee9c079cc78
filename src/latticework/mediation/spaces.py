"""Where the voxels are: a mask on a grid, and the way from the grid to millimetres."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from latticework.core.errors import InputError, require
from latticework.core.words import counted

NEAR: Final = 1e-3  # mm: grids are one where none of their corners differ by more
MAX_EDGE: Final = 32_767  # voxels, of NIfTI-1
MAX_VOXELS: Final = 2**27  # of a grid: 512 x 512 x 512
_FIELDS: Final = (
    "qform_code", "sform_code", "xyzt_units", "quatern_b", "quatern_c", "quatern_d",
    "qoffset_x", "qoffset_y", "qoffset_z", "srow_x", "srow_y", "srow_z",
)  # fmt: skip
_LARGEST: Final = {"qform_code": 32_767, "sform_code": 32_767, "xyzt_units": 255}  # whole numbers, of NIfTI-1
_ROUNDING: Final = 3 * float(np.finfo(np.float32).eps)  # that nibabel allows a quaternion
_SPATIAL_UNITS: Final = {1: 1000.0, 2: 1.0, 3: 1e-3}  # millimetres; what is unknown is taken for millimetres
_FLAT: Final = 1e-9  # of the widest span: what rounding leaves of an axis along which nothing varies
_EVEN: Final = 1e-4  # of a step: how far coordinates may lie beside a grid


@dataclass(frozen=True, kw_only=True, eq=False)
class Space:
    """The grid that images lie on, and which of its voxels are mediators.

    Voxels are in the order of ``mask``'s elements, the last axis fastest, as nilearn has them.

    Parameters
    ----------
    mask : bool array of shape (rows, columns, slices)
        True for a voxel that is a mediator.
    affine : float64 array of shape (4, 4)
        From indices of the grid to the world.
    header : mapping
        The fields of a NIfTI header that say how the grid lies in the world, so that maps lie there in the same way.

    Examples
    --------
    >>> space = Space.of(np.array([[True, False], [True, True]]))
    >>> space.coordinates().tolist()
    [[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [1.0, 1.0, 0.0]]
    >>> space.grid(np.array([1.0, 2.0, 3.0]))[..., 0].tolist()
    [[1.0, 0.0], [2.0, 3.0]]
    """

    mask: Bool[np.ndarray, "rows columns slices"]
    affine: Float[np.ndarray, "4 4"]
    header: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, mask: Shaped[np.ndarray, "*grid"], affine: Float[np.ndarray, "4 4"] | None = None) -> Space:
        """A space of a mask of one, two or three axes; without an affine a voxel is a millimetre wide.

        Raises
        ------
        InputError
            If the mask has more axes, is too large, or no voxel is in it.
        """
        return cls(mask=three_axes(mask, "mask"), affine=np.eye(4) if affine is None else np.array(affine, np.float64))

    def __repr__(self) -> str:
        shape = " x ".join(map(str, self.mask.shape))
        return f"Space({self.n_voxels:,} voxels of {shape})"

    @property
    def n_voxels(self) -> int:
        """How many voxels are mediators."""
        return int(np.count_nonzero(self.mask))

    def coordinates(self) -> Float[np.ndarray, "voxels 3"]:
        """The centres of the voxels in the world, in millimetres."""
        units = int(self.header.get("xyzt_units", (0,))[0]) % 8
        return _places(np.argwhere(self.mask), self.affine) * _SPATIAL_UNITS.get(units, 1.0)

    def kept(self, voxels: Bool[np.ndarray, " voxels"]) -> Space:
        """The same grid with some of the voxels alone."""
        mask = np.zeros_like(self.mask)
        mask[self.mask] = voxels
        return replace(self, mask=mask)

    def index(self, voxel: int) -> tuple[int, int, int]:
        """Where a voxel is on the grid, counted from 0."""
        row, column, slab = np.unravel_index(np.flatnonzero(self.mask)[voxel], self.mask.shape)
        return int(row), int(column), int(slab)

    def grid(self, values: Shaped[np.ndarray, " voxels"]) -> Shaped[np.ndarray, "rows columns slices"]:
        """Values of the voxels on the grid, and 0 everywhere else.

        Raises
        ------
        InputError
            If there are not as many values as voxels.
        """
        values = np.asarray(values)
        if values.shape != (self.n_voxels,):
            raise InputError(f"{list(values.shape)} values for the {self.n_voxels:,} voxels of the mask")
        grid = np.zeros(self.mask.shape, dtype=values.dtype)
        grid[self.mask] = values
        return grid

    def image(self, values: Shaped[np.ndarray, " voxels"]) -> Any:
        """A NIfTI image of values of the voxels, in float32, which lies in the world as the images did.

        Parameters
        ----------
        values : array of shape (voxels,)
            One value a voxel.

        Returns
        -------
        nibabel.Nifti1Image
            The map.

        Raises
        ------
        InputError
            If there are not as many values as voxels.
        """
        return self.image_of(self.grid(np.asarray(values).astype(np.float32)))

    def image_of(self, grid: Shaped[np.ndarray, "rows columns slices"]) -> Any:
        """A NIfTI image of whatever is on the grid, in its type."""
        nibabel = require("nibabel", extra="mediation", purpose="writing NIfTI images")
        return nibabel.Nifti1Image(grid, self.affine, self.nifti_header(grid.dtype))

    def nifti_header(self, dtype: Any, volumes: int | None = None) -> Any:
        """The header of a NIfTI-1 file of that many volumes on this grid; None is an image of three axes."""
        nibabel = require("nibabel", extra="mediation", purpose="writing NIfTI images")
        header = nibabel.Nifti1Header()
        header.set_data_dtype(dtype)
        header.set_data_shape(self.mask.shape if volumes is None else (*self.mask.shape, volumes))
        header["magic"], header["vox_offset"] = b"n+1", 352
        header["scl_slope"], header["scl_inter"] = 1, 0
        if self.header:
            header["pixdim"][:4] = self.header["pixdim"]
            for name in _FIELDS:
                values = self.header[name]
                header[name] = values if name.startswith("srow") else values[0]
        else:
            header.set_zooms((*_zooms(self.affine), *(() if volumes is None else (1.0,))))
            header.set_sform(self.affine, code="scanner")
            header.set_xyzt_units("mm")
        return header


def header_fields(header: Any) -> dict[str, tuple[float, ...]]:
    """What a `Space` keeps of a NIfTI header."""
    fields = {name: tuple(float(value) for value in np.atleast_1d(header[name])) for name in _FIELDS}
    return fields | {"pixdim": tuple(float(value) for value in header["pixdim"][:4])}


def check_fields(fields: Mapping[str, Sequence[Any]]) -> None:
    """Refuse fields of a saved `Space` that `header_fields` did not give, or that no header holds.

    Raises
    ------
    InputError
        With the field.
    """
    if not fields:
        return
    for name in (*_FIELDS, "pixdim"):
        values, length = fields.get(name, ()), 4 if name.startswith(("srow", "pixdim")) else 1
        if len(values) != length or not all(isinstance(value, float) for value in values):
            raise InputError(f"the field {name!r} of a header is {values!r}: expected {counted(length, 'number')}")
        if name in _LARGEST and not (0 <= values[0] <= _LARGEST[name] and values[0].is_integer()):
            raise InputError(f"the field {name!r} of a header is {values[0]}: expected a whole number")
    if fields["qform_code"][0] and not fields["sform_code"][0]:  # then the quaternion says where voxels are
        square = sum(fields[f"quatern_{part}"][0] ** 2 for part in "bcd")
        handedness, *steps = fields["pixdim"]
        if square > 1 + _ROUNDING or abs(handedness) != 1 or min(steps) < 0:
            raise InputError("the quaternion or the steps of a header are none")


def three_axes(mask: Shaped[np.ndarray, "*grid"], name: str) -> Bool[np.ndarray, "rows columns slices"]:
    """A mask with axes of length 1 added, once its size is checked.

    Raises
    ------
    InputError
        As `Space.of`.
    """
    mask = np.asarray(mask)
    if not 1 <= mask.ndim <= 3 or mask.dtype != np.bool_:
        raise InputError(
            f"{name}: expected booleans (as `mask > 0` gives) on a grid of up to three axes, got {mask.dtype} "
            f"{list(mask.shape)}"
        )
    if mask.size > MAX_VOXELS or max(mask.shape) > MAX_EDGE:
        raise InputError(f"{name}: a grid of {list(mask.shape)} is larger than the {MAX_VOXELS:,} voxels that are read")
    if not mask.any():
        raise InputError(f"{name}: no voxel is in the mask")
    return np.array(mask.reshape(mask.shape + (1,) * (3 - mask.ndim)))


def same_place(shape: tuple[int, ...], one: Float[np.ndarray, "4 4"], other: Float[np.ndarray, "4 4"]) -> bool:
    """Whether two affines put all corners of a grid at the same places."""
    corners = np.array(np.meshgrid(*[(0, edge - 1) for edge in shape], indexing="ij")).reshape(3, -1).T
    return bool(np.abs(_places(corners, one) - _places(corners, other)).max() <= NEAR)


def plain_coordinates(points: Float[np.ndarray, "voxels axes"]) -> Float[np.ndarray, "voxels axes_kept"]:
    """Coordinates without the axes along which all voxels are at one place; of a single voxel the first axis.

    Examples
    --------
    >>> plain_coordinates(np.array([[0.0, 1.0, 7.0], [0.0, 2.0, 7.0]])).tolist()
    [[1.0], [2.0]]
    """
    spans = np.ptp(points, axis=0)
    varies = spans > _FLAT * spans.max()
    varies[0] |= not varies.any()
    return np.ascontiguousarray(points[:, varies])


def grid_of(points: Float[np.ndarray, "voxels axes"]) -> tuple[Space, Int[np.ndarray, " voxels"]]:
    """The grid that coordinates lie on, and the order of the voxels on it.

    Parameters
    ----------
    points : array of shape (voxels, axes)
        Coordinates of up to three axes; along each of them evenly spaced, where some may be missing.

    Returns
    -------
    space : Space
        The grid; steps along its axes are those of the coordinates, which are taken for millimetres.
    order : int array of shape (voxels,)
        ``points[order]`` are in the order of the space.

    Raises
    ------
    InputError
        If they are not on such a grid.

    Examples
    --------
    >>> space, order = grid_of(np.array([[0.5, 0.0], [0.0, 0.0], [0.0, 2.0]]))
    >>> order.tolist(), space.coordinates().tolist()
    ([1, 2, 0], [[0.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.5, 0.0, 0.0]])
    """
    if points.shape[1] > 3:
        raise InputError(f"coordinates of {points.shape[1]} axes are on no grid of an image, which has three")
    affine, shape, indices = np.eye(4), [1, 1, 1], np.zeros((len(points), 3), dtype=np.int64)
    for axis, values in enumerate(points.T):
        places = np.unique(values)
        gaps = np.diff(places)
        step = float(gaps[gaps > _EVEN * gaps.max(initial=0.0)].min(initial=math.inf))
        if math.isinf(step):
            affine[axis, 3] = places[0]
            continue
        whole = (values - places[0]) / step
        if np.abs(whole - np.rint(whole)).max() > _EVEN * max(1.0, whole.max()) or whole.max() >= MAX_EDGE:
            raise InputError(f"coordinates are not evenly spaced along axis {axis}, so that no image holds them")
        indices[:, axis] = np.rint(whole)
        shape[axis] = int(whole.max().round()) + 1
        affine[axis, axis], affine[axis, 3] = np.ptp(values) / (shape[axis] - 1), places[0]
    if math.prod(shape) > MAX_VOXELS:
        raise InputError(f"coordinates span a grid of {shape}, larger than the {MAX_VOXELS:,} voxels of an image")
    flat = np.asarray(np.ravel_multi_index(tuple(indices.T), tuple(shape)))
    order = np.argsort(flat)
    if (np.diff(flat[order]) == 0).any():
        raise InputError("two voxels have the same coordinates")
    mask = np.zeros(shape, dtype=bool)
    mask.reshape(-1)[flat] = True
    return Space(mask=mask, affine=affine), order


def _places(indices: Int[np.ndarray, "voxels 3"], affine: Float[np.ndarray, "4 4"]) -> Float[np.ndarray, "voxels 3"]:
    return np.asarray(indices @ affine[:3, :3].T + affine[:3, 3])


def _zooms(affine: Float[np.ndarray, "4 4"]) -> tuple[float, ...]:
    return tuple(float(length) for length in np.sqrt((affine[:3, :3] ** 2).sum(axis=0)))
