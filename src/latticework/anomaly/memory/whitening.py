"""Features brought to one scale: in the distance of two patches a direction counts by how much normal ones differ."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from jaxtyping import Float, Float32, Float64

from latticework.core.errors import InputError

EXPLAINED: Final = 0.999  # of the variance, which the components that are kept have
FLOOR: Final = 0.1  # of the mean variance, which is added to each: what hardly varies must not decide
LEAST: Final = 0.002  # of what features are shares of, such as the median brightness: what varies by less hardly varies
ROUNDING: Final = 1e-6  # of a place, or of 1: what varies by less does not vary
PLACE: Final = 0.35  # of the standard deviation of a place, that counts as much as one of all features
NO_PATCH: Final = (
    "no part to learn from has a patch that could be looked at: nothing of them lies in the foreground, or less than "
    "a patch, or their points are more than 5 mm apart. Look at larger pictures (--size, M3DMConfig(size=...)), or "
    "give masks of where parts are"
)


@dataclass(frozen=True, eq=False)
class Whitening:
    """An affine map of features.

    Attributes
    ----------
    shift, matrix
        Of ``(x - shift) @ matrix``.
    own
        How many of its outputs are features; the others are the patch's place.
    """

    shift: Float32[np.ndarray, " channels"]
    matrix: Float32[np.ndarray, "channels width"]
    own: int

    def __call__(self, rows: Float32[np.ndarray, "patches channels"]) -> Float32[np.ndarray, "patches width"]:
        """The features of patches as a memory bank has them."""
        return (rows - self.shift) @ self.matrix

    @property
    def channels(self) -> int:
        """How many numbers it takes."""
        return len(self.shift)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """What it is, as arrays."""
        return {"shift": self.shift, "matrix": self.matrix, "own": np.array([self.own])}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any]) -> Whitening:
        """Take back what `to_arrays` gave.

        Raises
        ------
        InputError
            If the arrays do not fit together.
        """
        shift, matrix = (np.asarray(arrays[name], np.float32) for name in ("shift", "matrix"))
        own = int(np.asarray(arrays["own"])[0])
        fits = matrix.ndim == 2 and shift.shape == matrix.shape[:1] and 0 < own <= matrix.shape[1]
        if not (fits and np.isfinite(shift).all() and np.isfinite(matrix).all()):
            raise InputError("the arrays of a whitening do not fit together; the model is damaged")
        return cls(shift, matrix, own)


@dataclass
class Moments:
    """Sums over rows that come block by block: how many, their sum, and that of their products."""

    count: int
    total: Float64[np.ndarray, " channels"]
    products: Float64[np.ndarray, "channels channels"]
    origin: Float64[np.ndarray, " channels"]  # near the mean, so that little cancels

    @classmethod
    def of(cls, blocks: Iterable[Float[np.ndarray, "_ channels"]]) -> Moments:
        """Those of all rows.

        Raises
        ------
        InputError
            If there is no row.
        """
        found: Moments | None = None
        for block in blocks:
            if not len(block):
                continue
            rows = block.astype(np.float64)
            if found is None:
                width = rows.shape[1]
                found = cls(0, np.zeros(width), np.zeros((width, width)), rows.mean(0))
            rows -= found.origin
            found.count += len(rows)
            found.total += rows.sum(0)
            found.products += rows.T @ rows
        if found is None:
            raise InputError(NO_PATCH)
        return found

    @property
    def mean(self) -> Float64[np.ndarray, " channels"]:
        """Of each channel."""
        return self.origin + self.total / self.count

    @property
    def covariance(self) -> Float64[np.ndarray, "channels channels"]:
        """Of the channels."""
        off = self.total / self.count
        return self.products / self.count - np.outer(off, off)


def whitening(moments: Moments, *, most: int, place: int = 0, weight: float = 1.0) -> Whitening:
    """Principal components of standardised features, each divided by its spread, and by that of all together.

    So two random normal patches are about as far apart whatever a bank looks at. A feature that hardly varies among
    good parts is divided by `LEAST`, and has an output of its own: so its noise is not seen, but what is far from all
    good parts in it. A place that does not vary counts for nothing.

    Parameters
    ----------
    moments
        Of normal patches.
    most
        Components that are kept at most.
    place
        How many of the last channels say where the patch is: those are standardised only.
    weight
        What a place counts for.

    Examples
    --------
    >>> rows = np.random.default_rng(0).normal([5, 0], [2, 0], (1000, 2)).astype(np.float32)
    >>> found = whitening(Moments.of([rows]), most=8)
    >>> found(rows).shape, round(float(found(rows).std(0).max()), 2), found(rows).std(0).min()
    ((1000, 2), 1.0, np.float32(0.0))
    """
    mean, features = moments.mean, len(moments.mean) - place
    covariance = moments.covariance
    spread = np.sqrt(np.maximum(np.diag(covariance), 0))
    scale = 1 / np.maximum(spread[:features], LEAST)
    correlation = covariance[:features, :features] * scale * scale[:, None]  # less than 1 where little varies
    variances, axes = np.linalg.eigh(correlation)
    variances, axes = np.maximum(variances[::-1], 0), axes[:, ::-1]
    total = variances.sum() or 1.0
    still = np.flatnonzero(spread[:features] < LEAST)
    moving = features - len(still)
    kept = min(most, moving, int(np.searchsorted(np.cumsum(variances) / total, EXPLAINED)) + 1)
    lacking = np.sqrt(np.maximum(1 - np.diag(correlation), 0))
    components = axes[:, :kept] / np.sqrt(variances[:kept] + FLOOR * total / max(moving, 1))
    outputs = np.concatenate([components, np.diag(lacking)[:, still] / np.sqrt(1 + FLOOR)], axis=1)
    own = outputs.shape[1]
    matrix = np.zeros((len(mean), own + place))
    matrix[:features, :own] = outputs * scale[:, None] / (np.sqrt(np.sum(outputs * (correlation @ outputs))) or 1.0)
    for number in range(features, len(mean)):
        if spread[number] > ROUNDING * max(abs(mean[number]), 1):
            matrix[number, own + number - features] = weight * PLACE / spread[number]
    return Whitening(mean.astype(np.float32), matrix.astype(np.float32), own)


def standardisation(moments: Moments) -> Whitening:
    """One mean and one standard deviation for all channels, as in M3DM's code (there those of another modality).

    Examples
    --------
    >>> rows = np.array([[0.0, 2.0], [4.0, 2.0]], dtype=np.float32)
    >>> standardisation(Moments.of([rows]))(rows).round(2).tolist()
    [[-1.41, 0.0], [1.41, 0.0]]
    """
    mean = float(moments.mean.mean())
    second = float((np.diag(moments.covariance) + moments.mean**2).mean())
    spread = np.sqrt(max(second - mean**2, 0)) or 1.0
    width = len(moments.mean)
    return Whitening(np.full(width, mean, np.float32), np.eye(width, dtype=np.float32) / np.float32(spread), width)
