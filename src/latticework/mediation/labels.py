"""Regions of voxels: from an image of labels, or by the nearest of given centres."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from latticework.core.errors import InputError
from latticework.core.words import listed, shortened
from latticework.mediation.images import one_volume, onto
from latticework.mediation.nifti import SUFFIXES, Volumes, is_image, open_volumes
from latticework.mediation.spaces import Space
from latticework.mediation.tables import cell_text, read_table

MAX_LABEL: Final = 2**31 - 1
_CENTRES: Final = ("x", "y", "z")
_NAMES: Final = ("roi", "name", "label", "region")


@dataclass(frozen=True, kw_only=True, eq=False)
class LabelImage:
    """An image of whole numbers, one a region; 0 is no region.

    Parameters
    ----------
    labels : int array of shape (rows, columns, slices)
        The numbers.
    names : mapping
        The name of each number that has one.
    volumes : Volumes
        Where the image lies.
    """

    labels: Int[np.ndarray, "rows columns slices"]
    names: Mapping[int, str] = field(default_factory=dict)
    volumes: Volumes

    def of(self, space: Space) -> Int[np.ndarray, " voxels"]:
        """The labels of the voxels of a space.

        Raises
        ------
        InputError
            If the image lies elsewhere.
        """
        return np.asarray(onto(self.volumes, space)(self.labels)[space.mask])


class Centres(NamedTuple):
    """Points with names, in the order of their file."""

    names: tuple[str, ...]
    points: Float[np.ndarray, "centres axes"]


def label_image(image: Any) -> LabelImage:
    """Read an image of labels, and their names from a table of the same name beside it.

    Parameters
    ----------
    image : path or nibabel image
        Whole numbers from 0, of whatever type; beside ``atlas.nii.gz`` there may be ``atlas.tsv`` with columns
        ``index`` and ``name``, as BIDS has it.

    Raises
    ------
    InputError
        If it is no such image, or no such table.

    Examples
    --------
    >>> import nibabel
    >>> atlas = nibabel.Nifti1Image(np.array([[[0], [2]], [[2], [5]]], dtype=np.int16), np.eye(4))
    >>> label_image(atlas).of(Space.of(np.array([[False, True], [True, True]]))).tolist()
    [2, 2, 5]
    """
    volumes = open_volumes(image)
    plain = (volumes.slope, volumes.inter) == (1.0, 0.0)
    values = one_volume(volumes, np.float64 if plain else np.float32)  # of a slope in a header there is no more
    with np.errstate(invalid="ignore"):
        whole = np.isfinite(values) & (values == np.rint(values)) & (values >= 0) & (values <= MAX_LABEL)
    if not whole.all():
        wrong = cell_text(values[~whole].flat[0])
        raise InputError(f"{volumes.name}: labels are to be whole numbers from 0, got {wrong}")
    told = volumes.dtype if plain and volumes.dtype.kind == "f" else values.dtype
    if values.max() >= (first := 2 ** (np.finfo(told).nmant + 1)):
        raise InputError(f"{volumes.name}: {told} does not tell labels from {first:,} on apart: save them as int32")
    names = {} if is_image(image) else _names_beside(Path(image))
    return LabelImage(labels=values.astype(np.int64), names=names, volumes=volumes)


def read_centres(path: str | os.PathLike[str]) -> Centres:
    r"""Read points from a table with columns x, y and z, in any case, or some of them; names from ROI, name or label.

    Raises
    ------
    InputError
        If it is no such table.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder) / "centres.csv"
    ...     _ = file.write_text("ROI,X,Y,Z\n1,-25,-98,-12\n")
    ...     read_centres(file).points.tolist()
    [[-25.0, -98.0, -12.0]]
    """
    table = read_table(path)
    columns = {str(column).strip().lower(): column for column in table.columns}
    axes = [columns[axis] for axis in _CENTRES if axis in columns]
    if not axes:
        raise InputError(f"{path}: expected columns x, y and z, got {listed(table.columns)}")
    for axis in axes:
        if table[axis].dtype.kind != "f" or not np.isfinite(table[axis].to_numpy()).all():
            raise InputError(f"{path}: the column {shortened(axis)} is to hold a number in every row")
    named = next((columns[name] for name in _NAMES if name in columns), None)
    names = range(1, len(table) + 1) if named is None else table[named].tolist()
    return Centres(tuple(map(cell_text, names)), table[axes].to_numpy(dtype=np.float64))


def nearest_centre_labels(
    coordinates: Float[np.ndarray, "voxels axes"], centres: Float[np.ndarray, "centres centre_axes"]
) -> Int[np.ndarray, " voxels"]:
    """For each voxel the number, from 0, of the nearest centre; of two as near the first.

    Parameters
    ----------
    coordinates : array of shape (voxels, axes)
        Where the voxels are, in millimetres.
    centres : array of shape (centres, axes)
        Where the regions are, in the same space.

    Raises
    ------
    InputError
        If they differ in their axes, or there is no centre.

    Examples
    --------
    >>> nearest_centre_labels(np.array([[0.0], [4.0], [9.0]]), np.array([[10.0], [0.0]])).tolist()
    [1, 1, 0]
    """
    if centres.ndim != 2 or not len(centres) or coordinates.shape[1:] != centres.shape[1:]:
        raise InputError(
            f"centres are {list(centres.shape)}, and voxels {list(coordinates.shape)}: expected the same axes"
        )
    if not (np.isfinite(centres).all() and np.isfinite(coordinates).all()):
        raise InputError("coordinates and centres are to be finite")
    from scipy.spatial import cKDTree

    return np.asarray(cKDTree(centres).query(coordinates)[1], dtype=np.int64)


def _names_beside(path: Path) -> dict[int, str]:
    suffix = next((suffix for suffix in sorted(SUFFIXES, key=len) if path.name.lower().endswith(suffix)), "")
    table_path = path.with_name(f"{path.name[: len(path.name) - len(suffix)]}.tsv")
    if not suffix or not table_path.is_file():
        return {}
    table = read_table(table_path, id_column="name")
    if not {"index", "name"} <= set(table.columns):
        raise InputError(f"{table_path}: expected columns index and name, got {listed(table.columns)}")
    numbers = table["index"].to_numpy()
    if numbers.dtype.kind != "f" or not (np.isfinite(numbers) & (numbers == np.rint(numbers))).all():
        raise InputError(f"{table_path}: the column 'index' is to hold whole numbers")
    names = {int(number): str(name) for number, name in zip(numbers, table["name"], strict=True)}
    if len(names) < len(table):
        raise InputError(f"{table_path}: a number has two names")
    return names
