"""Regions of a study: labels of voxels from whatever gives them, and their places among those that are there."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from latticework.core.errors import InputError
from latticework.core.words import counted
from latticework.mediation.guards import repeated
from latticework.mediation.labels import Centres, label_image, nearest_centre_labels
from latticework.mediation.nifti import is_image
from latticework.mediation.spaces import Space
from latticework.mediation.voxels import plain_labels, whole_labels


def voxel_labels(regions: Any, space: Space | None, p: int) -> tuple[Int[np.ndarray, " voxels"], Mapping[int, str]]:
    """The label of every voxel, -1 for none, and names of labels.

    Raises
    ------
    InputError
        If they do not fit the voxels, or are no labels.
    """
    if is_image(regions) or isinstance(regions, str | os.PathLike):
        image = label_image(regions)
        if space is None:
            raise InputError("an image of regions needs a mask, or images, to say where the voxels are")
        labels = image.of(space)
        return np.where(labels == 0, -1, labels), image.names
    values = plain_labels(regions)
    on_grid = space is not None and values.ndim > 1 and (*values.shape, *(1,) * (3 - values.ndim)) == space.mask.shape
    if space is not None and on_grid:
        values = values.reshape(space.mask.shape)[space.mask]
    elif values.shape != (p,):
        grid = "" if space is None else f" or a grid of {list(space.mask.shape)}"
        raise InputError(f"regions: {list(values.shape)} labels, expected one for each of {counted(p, 'voxel')}{grid}")
    labels = whole_labels(values)
    if labels.dtype.kind == "U":
        names, places = np.unique(labels, return_inverse=True)
        return places.astype(np.int64), dict(enumerate(names.tolist()))
    return np.where(labels == 0, -1, labels) if on_grid else labels, {}


def by_nearest_centre(
    coordinates: Float[np.ndarray, "voxels axes"], centres: Centres
) -> tuple[Int[np.ndarray, " voxels"], tuple[str, ...]]:
    """The region of every voxel, its centre the nearest, and names of those that have a voxel."""
    return numbered(nearest_centre_labels(coordinates, centres.points) + 1, dict(enumerate(centres.names, 1)))


def numbered(
    labels: Int[np.ndarray, " voxels"], names: Mapping[int, str]
) -> tuple[Int[np.ndarray, " voxels"], tuple[str, ...]]:
    """Places of labels among those that are there, in their order, and their names: of those without one the number.

    Where names repeat, the label is added.

    Examples
    --------
    >>> places, names = numbered(np.array([7, 3, 7]), {3: "insula"})
    >>> places.tolist(), names
    ([1, 0, 1], ('insula', '7'))
    """
    there, places = np.unique(labels, return_inverse=True)
    told = [names.get(int(label), str(label)) for label in there]
    twice = set(repeated(told))
    apart = (f"{name} ({label})" if name in twice else name for name, label in zip(told, there, strict=True))
    return places.astype(np.int64).reshape(-1), tuple(apart)
