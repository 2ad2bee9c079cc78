"""What is known of voxels, checked: where they are, and the region of each."""

from __future__ import annotations

import math
from typing import Any, Final, NoReturn

import numpy as np
from jaxtyping import Float, Int

from latticework.core.errors import InputError
from latticework.core.words import shortened
from latticework.mediation.guards import is_labelled, plain_numbers

LARGEST_LABEL: Final = 2**63 - 1  # of int64


def check_coordinates(coordinates: Any) -> Float[np.ndarray, "voxels axes"]:
    """Return coordinates as double precision.

    Raises
    ------
    InputError
        If they are not two-dimensional, finite and distinct.

    Examples
    --------
    >>> check_coordinates([[0, 1], [2, 3], [0, 1]])
    Traceback (most recent call last):
    latticework.core.errors.InputError: coordinates: voxels 0 and 2 are both at (0.0, 1.0)
    """
    places = plain_numbers(coordinates, "coordinates").astype(np.float64)
    if places.ndim != 2 or 0 in places.shape:
        raise InputError(f"coordinates have shape {places.shape}: expected (voxels, axes), at least one of each")
    if not np.isfinite(places).all():
        voxel = int(np.flatnonzero(~np.isfinite(places).all(axis=1))[0])
        raise InputError(f"coordinates: voxel {voxel} is at {tuple(places[voxel].tolist())}: expected finite numbers")
    order = np.lexsort(places.T)
    same = np.flatnonzero((np.diff(places[order], axis=0) == 0).all(axis=1))
    if len(same):
        one, other = sorted(order[same[0] : same[0] + 2].tolist())
        raise InputError(f"coordinates: voxels {one} and {other} are both at {tuple(places[one].tolist())}")
    return places + 0.0  # no negative zeros


def check_regions(regions: Any, n_voxels: int) -> tuple[tuple[str, ...], Int[np.ndarray, " voxels"]]:
    """Return the names of regions, in the order of their labels, and the number of each voxel's region.

    Raises
    ------
    InputError
        If there is not one label for each voxel, or one is negative, fractional or missing.

    Examples
    --------
    >>> check_regions([30, 4, 30], 3)
    (('4', '30'), array([1, 0, 1]))
    """
    if regions is None:
        return ("all",), np.zeros(n_voxels, dtype=np.int64)
    labels = plain_labels(regions)
    if labels.shape != (n_voxels,):
        raise InputError(f"regions have shape {labels.shape}: expected a label for each of {n_voxels:,} voxels")
    names, of_voxel = np.unique(whole_labels(labels), return_inverse=True)
    return tuple(map(str, names.tolist())), of_voxel.astype(np.int64)


def plain_labels(regions: Any) -> np.ndarray:
    """An array of labels as they are, of objects where they are not all numbers; None is what a masked array masks.

    Raises
    ------
    InputError
        If they are no array.
    """
    values = regions.to_numpy() if is_labelled(regions) else regions
    if isinstance(values, np.ma.MaskedArray):
        data, masked = np.array(values.data, dtype=object), np.ma.getmaskarray(values)
        data[masked] = None
        values = data if masked.any() else values.data
    try:
        labels = np.asarray(values)
        # Beside texts NumPy makes one of a NaN.
        return np.asarray(values, dtype=object) if labels.dtype.kind in "UST" else labels
    except ValueError as error:
        raise InputError(f"regions are not a list of labels ({error})") from error


def whole_labels(labels: np.ndarray) -> np.ndarray:
    """Labels of voxels as int64, or as text if any of them is.

    Raises
    ------
    InputError
        With the voxel, if one is negative, fractional or missing.
    """
    if labels.dtype.kind == "O":
        plain = [_label(label) for label in labels]
        if None in plain:
            _refuse_label(plain.index(None), labels)
        texts = any(isinstance(label, str) for label in plain)
        return np.array([str(label) for label in plain]) if texts else np.array(plain, dtype=np.int64)
    if labels.dtype.kind not in "iuf":
        raise InputError(f"regions are of type {labels.dtype}: expected whole numbers or text")
    if labels.dtype.kind == "f":
        wide = labels.astype(np.float64)
        wrong = ~((wide >= 0) & (wide < _largest(labels.dtype)) & (wide == np.floor(wide)))
    else:
        wrong = (labels < 0) | (labels > LARGEST_LABEL)
    if wrong.any():
        _refuse_label(int(wrong.argmax()), labels)
    return labels.astype(np.int64)


def _largest(kind: Any) -> int:
    """From where on floats do not tell whole numbers apart."""
    return 2 ** (min(np.finfo(kind).nmant, 52) + 1)


def _label(label: Any) -> int | str | None:
    """A whole number of at least 0, or a text; None of anything else."""
    if isinstance(label, bytes):
        return label.decode(errors="backslashreplace")
    if isinstance(label, str):
        return str(label)
    if isinstance(label, bool) or not isinstance(label, int | float | np.integer | np.floating):
        return None
    if isinstance(label, float | np.floating):
        return int(label) if 0 <= label < _largest(type(label)) and label == int(label) else None
    return int(label) if 0 <= label <= LARGEST_LABEL else None


def _refuse_label(voxel: int, labels: np.ndarray) -> NoReturn:
    label = labels[voxel]
    told = float(label) if isinstance(label, np.floating) else label.item() if isinstance(label, np.generic) else label
    expected = "expected whole numbers of at least 0, or text"
    if isinstance(told, int | float) and not isinstance(told, bool) and 0 < told < math.inf and told == int(told):
        expected = f"expected whole numbers up to {LARGEST_LABEL:,}, or text"
        if isinstance(told, float):
            most = _largest(type(label)) - 1
            expected = f"expected whole numbers up to {most:,}, beyond which such floats merge, or text"
    raise InputError(f"regions: voxel {voxel} has the label {shortened(told)}: {expected}")
