"""Mediators as people have them, numbers or images, become a matrix of voxels that lie somewhere."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from latticework.core.arrays import read_npy
from latticework.core.errors import InputError
from latticework.core.words import counted
from latticework.mediation.guards import plain_numbers
from latticework.mediation.images import as_space, look_at, of_images, read_images
from latticework.mediation.spaces import Space, plain_coordinates


def mediators_of(mediators: Any, mask: Any, n: int) -> tuple[Float[np.ndarray, "subjects voxels"], Space | None]:
    """The images of n subjects as one matrix, and the grid that they lie on if there is one.

    Raises
    ------
    InputError
        If they are no numbers or images of as many subjects, or a mask does not go with them.
    """
    if of_images(mediators):
        count = sum(one.count for one in look_at(mediators))
        if count != n:
            raise InputError(
                f"{counted(count, 'image')} for {counted(n, 'subject')}: expected one a subject. If the volumes are a "
                "time series, give a map of each subject instead, such as a contrast"
            )
        return read_images(mediators, mask)
    if isinstance(mediators, str | os.PathLike):
        if Path(mediators).suffix.lower() != ".npy":
            raise InputError(f"{mediators}: expected a .nii, .nii.gz or .npy file; read_study reads tables")
        mediators = read_npy(mediators)
    values = plain_numbers(mediators, "mediators")
    if values.ndim < 2 or values.ndim > 4 or values.size == 0:
        raise InputError(f"mediators: expected [subjects, voxels], got {list(values.shape)}")
    if len(values) != n:
        hint = ": are they transposed? Expected [subjects, voxels]" if values.shape[-1] == n else ""
        raise InputError(f"mediators are {list(values.shape)} for {counted(n, 'subject')}{hint}")
    space = None if mask is None else as_space(mask)
    if values.ndim > 2:
        shape = values.shape[1:]
        space = Space.of(np.ones(shape, dtype=bool)) if space is None else space
        if space.mask.shape != (*shape, *(1,) * (3 - len(shape))):
            raise InputError(f"mediators are images of {list(shape)}, and the mask is {list(space.mask.shape)}")
        values = values.reshape(n, -1)
        values = values if space.mask.all() else values[:, space.mask.reshape(-1)]
    elif space is not None and space.n_voxels != values.shape[1]:
        raise InputError(f"mediators have {values.shape[1]:,} voxels, and the mask {space.n_voxels:,}")
    return values, space


def coordinates_of(coordinates: Any, space: Space | None, p: int) -> Float[np.ndarray, "voxels axes"]:
    """Where p voxels are: as given, or by the grid.

    Raises
    ------
    InputError
        If nothing says where they are, or coordinates are not of as many voxels.
    """
    if coordinates is None:
        if space is not None:
            return plain_coordinates(space.coordinates())
        if p == 1:
            return np.zeros((1, 1))
        raise InputError(f"where are the {p:,} voxels? Give coordinates [voxels, axes], or a mask with as many voxels")
    points = plain_numbers(coordinates, "coordinates").astype(np.float64)
    points = points[:, None] if points.ndim == 1 else points
    if points.ndim != 2 or len(points) != p or not points.shape[1]:
        hint = ": are they transposed?" if points.ndim == 2 and points.shape[1] == p else ""
        raise InputError(
            f"coordinates are {list(points.shape)} for {counted(p, 'voxel')}, expected [voxels, axes]{hint}"
        )
    wrong = ~(np.abs(points) <= 1e9).all(axis=1)
    if wrong.any():
        raise InputError(f"the coordinates of voxel {int(wrong.argmax())} are {points[wrong.argmax()].tolist()}")
    return points
