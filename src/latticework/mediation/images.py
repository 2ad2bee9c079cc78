"""Images of subjects as one matrix: read a volume at a time, all on the grid of the mask.

What lies on the same places in another order of axes, or flipped, is turned without a change to any value. Nothing is
resampled.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from jaxtyping import Bool, Float, Float32, Shaped

from latticework.core.errors import InputError, callers_level, require
from latticework.core.progress import progress, showing
from latticework.core.words import counted
from latticework.mediation.nifti import Volumes, is_image, is_nifti, open_volumes
from latticework.mediation.spaces import Space, same_place, three_axes

MAX_VALUES: Final = 2**34  # of all images in a mask: 64 GiB
Turn = Callable[[Shaped[np.ndarray, "*shape"]], Shaped[np.ndarray, "*turned"]]


def read_images(
    images: Any, mask: Any = None, *, rows: Sequence[int] | None = None
) -> tuple[Float32[np.ndarray, "subjects voxels"], Space]:
    """Read images of subjects into a matrix.

    Beside the matrix there is one volume in memory at a time.

    Parameters
    ----------
    images : path, nibabel image, or list of them
        A 4-D NIfTI file with a volume a subject, or one 3-D file a subject; NIfTI-1 or NIfTI-2, compressed or not.
    mask : path, nibabel image, bool array of a grid, or None
        Which voxels are mediators: those that are not 0. The grid of the mask is that of the result; None takes voxels
        that are finite and not 0 in all images, with a warning, on the grid of the first.
    rows : sequence of int or None
        The row for each volume, -1 for one that is left out; None keeps their order.

    Returns
    -------
    mediators : float32 array of shape (subjects, voxels)
        The values, scaled as the headers say. They may be NaN where the images are.
    space : Space
        The grid.

    Raises
    ------
    InputError
        If a file is no NIfTI image, is damaged, or lies elsewhere than the mask.
    MissingExtraError
        If nibabel is not installed.

    Examples
    --------
    >>> import nibabel
    >>> images = nibabel.Nifti1Image(np.arange(8, dtype=np.float32).reshape(2, 2, 1, 2), np.eye(4))
    >>> values, space = read_images(images, np.array([[True, False], [True, True]]))
    >>> values.tolist()
    [[0.0, 4.0, 6.0], [1.0, 5.0, 7.0]]
    """
    volumes = look_at(images)
    space, turns = _placed(volumes, mask)
    places = range(sum(one.count for one in volumes)) if rows is None else rows
    n = max(places, default=-1) + 1
    if n * space.n_voxels > MAX_VALUES:
        raise InputError(f"{n:,} images of {space.n_voxels:,} voxels are more than are held in memory: mask them")
    values = np.empty((n, space.n_voxels), dtype=np.float32)
    numbers = iter(places)
    with progress("reading images", total=len(places), unit="images") as bar:
        for one, turn in zip(volumes, turns, strict=True):
            for stored in one.stored():
                number = next(numbers)
                if number >= 0:
                    values[number] = one.scaled(turn(stored)[space.mask])
                bar.advance()
    return values, space


def read_map(path: str | os.PathLike[str], space: Space) -> Float[np.ndarray, " voxels"]:
    """Read an image's values at the voxels of a space.

    Raises
    ------
    InputError
        If it is no NIfTI image of a single volume, or lies elsewhere.
    """
    with showing(shown=False):
        return read_images([path], space)[0][0].astype(np.float64)


def look_at(images: Any) -> list[Volumes]:
    """What the headers of one 4-D image, or of a list of 3-D images, say.

    Raises
    ------
    InputError
        As `read_images`.
    """
    if is_image(images) or isinstance(images, str | os.PathLike):
        return [open_volumes(images)]
    volumes = [open_volumes(image) for image in images]
    for one in volumes:
        if one.count > 1:
            raise InputError(
                f"{one.name} has {one.count:,} volumes, expected one image a subject; is it a time series? Give a map "
                "of each subject, such as a contrast"
            )
    if not volumes:
        raise InputError("there are no images")
    return volumes


def as_space(mask: Any) -> Space:
    """The space of a mask: a path, an image of nibabel's, or booleans on a grid, whose voxels are a millimetre wide.

    Raises
    ------
    InputError
        If it is none of them, has several volumes, or no voxel is in it.
    """
    if isinstance(mask, Space):
        return mask
    if is_image(mask) or isinstance(mask, str | os.PathLike):
        volumes = open_volumes(mask)
        values = one_volume(volumes)
        with np.errstate(invalid="ignore"):
            inside = np.isfinite(values) & (values != 0)
        if inside.any() and np.ptp(values[inside]) > 0:
            warnings.warn(
                f"{volumes.name} holds other values than 0 and 1: all voxels but 0 are taken",
                stacklevel=callers_level(),
            )
        return Space(mask=three_axes(inside, volumes.name), affine=volumes.affine, header=volumes.fields)
    return Space.of(np.asarray(mask))


def one_volume(volumes: Volumes, dtype: type[np.floating] = np.float32) -> Float[np.ndarray, "rows columns slices"]:
    """The values of an image of a single volume.

    Raises
    ------
    InputError
        If it has more.
    """
    if volumes.count > 1:
        raise InputError(f"{volumes.name} has {volumes.count:,} volumes, expected a single one")
    (values,) = volumes.stored()  # to the end, where the check sum of a compressed file is
    return volumes.scaled(values, dtype)


def onto(volumes: Volumes, space: Space, what: str = "the mask") -> Turn:
    """How an image is turned onto the grid of a space.

    Raises
    ------
    InputError
        If it lies elsewhere.
    """
    if volumes.shape == space.mask.shape and same_place(volumes.shape, volumes.affine, space.affine):
        return lambda values: values
    orientations: Any = require("nibabel.orientations", extra="mediation", purpose="reading NIfTI images")

    axes = orientations.ornt_transform(
        orientations.io_orientation(volumes.affine), orientations.io_orientation(space.affine)
    )
    shape = tuple(volumes.shape[int(axis)] for axis in np.argsort(axes[:, 0]))
    turned = volumes.affine @ orientations.inv_ornt_aff(axes, volumes.shape)
    if shape == space.mask.shape and same_place(shape, turned, space.affine):
        return lambda values: orientations.apply_orientation(values, axes)
    raise InputError(
        f"{volumes.name} is on another grid than {what}: {list(volumes.shape)} voxels with affine "
        f"{_told(volumes.affine)}, against {list(space.mask.shape)} with {_told(space.affine)}. Nothing is resampled "
        "here: do it first, for example with nilearn.image.resample_to_img"
    )


def of_images(value: Any) -> bool:
    """Whether it is an image, a NIfTI file or a list of them, rather than numbers."""
    if isinstance(value, list | tuple) and value:
        return is_image(value[0]) or isinstance(value[0], str | os.PathLike)
    return is_image(value) or is_nifti(value)


def _placed(volumes: list[Volumes], mask: Any) -> tuple[Space, list[Turn]]:
    first = volumes[0]
    everywhere = np.ones(first.shape, dtype=bool)
    if mask is None:
        space = Space(mask=everywhere, affine=first.affine, header=first.fields)
        turns = [onto(one, space, first.name) for one in volumes]
        return _common(volumes, turns, space), turns
    if not isinstance(mask, Space) and not is_image(mask) and not isinstance(mask, str | os.PathLike):
        inside = three_axes(np.asarray(mask), "mask")
        if inside.shape != first.shape:
            raise InputError(f"mask: {list(inside.shape)} voxels, and {first.name} has {list(first.shape)}")
        space = Space(mask=inside, affine=first.affine, header=first.fields)
    else:
        space = as_space(mask)
    return space, [onto(one, space) for one in volumes]


def _common(volumes: list[Volumes], turns: list[Turn], space: Space) -> Space:
    """The space of those voxels that are finite and not 0 in all images."""
    inside: Bool[np.ndarray, "rows columns slices"] = space.mask.copy()
    total = sum(one.count for one in volumes)
    with progress("looking for voxels that all images have", total=total, unit="images") as bar:
        for one, turn in zip(volumes, turns, strict=True):
            for stored in one.stored():
                values = one.scaled(turn(stored))
                inside &= np.isfinite(values) & (values != 0)
                bar.advance()
    if not inside.any():
        raise InputError("there is no voxel that is finite and not 0 in all images: give a mask")
    number = int(np.count_nonzero(inside))
    warnings.warn(
        f"no mask was given: {counted(number, 'voxel')} of {inside.size:,} that are finite and not 0 in all "
        f"{counted(total, 'image')} are taken",
        stacklevel=callers_level(),
    )
    return Space(mask=inside, affine=space.affine, header=space.header)


def _told(affine: Shaped[np.ndarray, "4 4"]) -> str:
    return str([[round(float(value), 4) for value in row] for row in affine[:3]])
