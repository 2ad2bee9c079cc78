"""Squared distances twice: by a product of matrices, fast and with a bound on its error, and directly, as the truth.

What is wanted (the nearest entry of a bank, the farthest patch from a coreset) is found among the few candidates that
the bound leaves open, so results are those of direct distances in double precision: an entry is at distance 0 from
itself, and ties are real ties. See Higham, "Accuracy and Stability of Numerical Algorithms" (2002), section 3.1.
"""

from __future__ import annotations

from typing import Any, Final, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64, Int64
from torch import Tensor

from latticework.core.errors import InputError
from latticework.nn.precision import full_precision

UNIT: Final = 2.0**-24  # what rounding to single precision changes, relatively
_FLUSHED: Final = 2.0**-126  # and what it changes where a processor takes smaller numbers for 0
_LARGEST: Final = 1e150  # differences whose squares, summed over all channels, double precision holds
_SAMPLE: Final = 1023  # rows that a median is taken of
PAIRS: Final = 2**20  # numbers of pairs of rows that are taken at a time: 8 MB in double precision
TILE: Final = 2**18  # numbers of a product that are made at a time: 1 MB, which stays in the cache of a core


@runtime_checkable
class Rows(Protocol):
    """Rows that are read a few at a time: a NumPy array, or what stands for one on a disk."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows and channels."""
        ...

    def __getitem__(self, rows: Any) -> Any:
        """Some rows, by a slice or an array of their numbers, as floats "rows channels"."""
        ...


def direct(
    left: Float[np.ndarray, "pairs channels"], right: Float[np.ndarray, "#pairs channels"]
) -> Float64[np.ndarray, " pairs"]:
    """Squared distances of pairs of rows, in double precision; equal pairs give equal bits, however many there are.

    Examples
    --------
    >>> direct(np.array([[1.0, 2.0], [3.0, 3.0]]), np.array([[1.0, 2.0]]))
    array([0., 5.])
    """
    difference = np.subtract(left, right, dtype=np.float64)
    squares: Float64[np.ndarray, " pairs"] = np.einsum("ij,ij->i", difference, difference)
    return squares


def direct_pairs(
    left: Rows, rows: Int64[np.ndarray, " pairs"], right: Rows, columns: Int64[np.ndarray, " pairs"]
) -> Float64[np.ndarray, " pairs"]:
    """Squared distances of row `rows[i]` of `left` and row `columns[i]` of `right`, some pairs at a time."""
    found = np.empty(len(rows))
    many = max(1, PAIRS // max(1, left.shape[1]))
    for begin in range(0, len(rows), many):
        some = slice(begin, begin + many)
        found[some] = direct(left[rows[some]], right[columns[some]])
    return found


class Frame:
    """Where rows are moved and how they are scaled before they are rounded, and how much the product then errs.

    Squares |x|² + |y|² - 2xy are of rows that are centred, for what cancels, and scaled by a power of two, so that no
    square overflows. With S = |x| + |y|, u the unit roundoff and d the channels, they err by at most (d + 6) u S²: 2u
    for the rounding of rows, u for that of each norm, (d + 1) u for the sum, in whatever order, u for the last one.
    And since |y| <= |x| + |x - y|, S² <= 8 |x|² + 2 |x - y|², which does without y. What underflows adds at most
    16 (d + 2) times the least normal number, for coordinates in the frame are at most 1, and of rows far beyond it it
    is less than what the other bound leaves.

    Attributes
    ----------
    centre : numpy.ndarray
        What is taken from every row, "channels", in double precision.
    scale : float
        What the rest is multiplied with.
    share, floor : float
        How far a square may be off, by |x|² and at least.
    wide : bool
        Whether differences may be beyond single precision.
    """

    def __init__(self, centre: Float[np.ndarray, " channels"], largest: float) -> None:
        self.centre = np.asarray(centre, dtype=np.float64)
        self.scale = 2.0 ** min(126.0, -np.ceil(np.log2(largest))) if largest > 0 else 1.0
        self.share = (len(centre) + 16) * UNIT
        self.floor = 16 * (len(centre) + 2) * _FLUSHED
        self.wide = largest >= 2.0**126

    @classmethod
    def of(cls, features: Rows, block: int) -> Frame:
        """The frame of some features, about their median, which an outlier does not move.

        Raises
        ------
        InputError
            If they are not floats, one of them is not finite, or they are so far apart that squares are beyond
            double precision.
        """
        count, channels = features.shape
        sample = np.asarray(features[np.linspace(0, count - 1, min(count, _SAMPLE)).astype(np.int64)])
        if sample.dtype.kind != "f":
            raise InputError(f"features are floats, got numbers of the type {sample.dtype}")
        low, high = np.full(channels, np.inf), np.full(channels, -np.inf)
        for begin in range(0, count, block):
            some = np.asarray(features[begin : begin + block])
            if not np.isfinite(some).all():
                row = begin + int(np.flatnonzero(~np.isfinite(some).all(axis=1))[0])
                raise InputError(f"the features of patch {row} are not finite: leave out patches without a return")
            low, high = np.minimum(low, some.min(axis=0)), np.maximum(high, some.max(axis=0))
        most = np.finfo(np.float32).max
        centre = np.median(sample.astype(np.float64), axis=0).clip(-most, most).astype(np.float32).astype(np.float64)
        largest = float(np.maximum(high - centre, centre - low).max(initial=0.0))
        if largest > _LARGEST:
            raise InputError(
                f"features as large, or far apart, as {largest:.3g} have no squares in double precision: divide them"
            )
        return cls(centre, largest)

    def place(
        self, features: Float[np.ndarray, "rows channels"], out: Float32[np.ndarray, "rows channels_plus_one"]
    ) -> Float64[np.ndarray, " rows"]:
        """Fill `out` with rows and a one after each; returns their squared norms."""
        moved = out[:, :-1]
        with np.errstate(over="ignore"):  # rows far beyond the frame: see `Neighbours`
            if self.wide or features.dtype == np.float64:
                moved[:] = (features - self.centre) * self.scale
            else:
                np.subtract(features, self.centre.astype(np.float32), out=moved)
                moved *= np.float32(self.scale)
        out[:, -1] = 1
        norms: Float64[np.ndarray, " rows"] = np.einsum("ij,ij->i", moved, moved, dtype=np.float64)
        return norms

    def target(
        self, features: Float[np.ndarray, "entries channels"]
    ) -> Float32[np.ndarray, "entries channels_plus_one"]:
        """Rows as the other side of a product: -2y and |y|², so that it gives |y|² - 2xy at once."""
        placed = np.empty((len(features), features.shape[1] + 1), dtype=np.float32)
        norms = self.place(features, placed)
        placed[:, :-1] *= -2
        placed[:, -1] = norms
        return placed

    def highest(self, found: Float64[np.ndarray, "*shape"], norms: Any) -> Float64[np.ndarray, "*shape"]:
        """What the least true square of a row is at most, if the least of its products, with |x|², is `found`."""
        high: Float64[np.ndarray, "*shape"] = (found + 8 * self.share * norms + self.floor) / (1 - 2 * self.share)
        return high

    def reach(self, square: Float64[np.ndarray, "*shape"], norms: Any) -> Float32[np.ndarray, "*shape"]:
        """A product |y|² - 2xy above this is that of a true square above `square`."""
        most = square * (1 + 2 * self.share) + 8 * self.share * norms + self.floor
        reach: Float32[np.ndarray, "*shape"] = np.nextafter((most - norms).astype(np.float32), np.float32(np.inf))
        return reach


def product(
    left: Float32[Tensor, "rows inner"],
    right: Float32[Tensor, "entries inner"],
    out: Float32[Tensor, "rows entries"] | None = None,
) -> Float32[Tensor, "rows entries"]:
    """`left @ right.T` in full single precision, in memory of its own if no `out` is given."""
    with full_precision(left.device):
        return torch.mm(left, right.T, out=out)


def on_cpu(device: torch.device) -> bool:
    """Whether NumPy can look at a tensor where it lies."""
    return device.type == "cpu"


def least(found: Float32[Tensor, "rows entries"], count: int) -> Float32[np.ndarray, "rows count"]:
    """The least numbers of each row, in any order; all of them where there are fewer. NumPy's are faster on a CPU."""
    count = min(count, found.shape[1])
    lowest: Float32[np.ndarray, "rows count"]
    if not on_cpu(found.device):
        lowest = found.topk(count, dim=1, largest=False)[0].cpu().numpy()
        return lowest
    values = found.numpy()
    lowest = values.min(axis=1, keepdims=True) if count == 1 else np.partition(values, count - 1, axis=1)[:, :count]
    return lowest


def within(
    found: Float32[Tensor, "rows entries"], reach: Float32[np.ndarray, " rows"]
) -> tuple[Int64[np.ndarray, " pairs"], Int64[np.ndarray, " pairs"], Float32[np.ndarray, " pairs"]]:
    """Rows, columns and values of the few numbers that are not above what their row reaches, row by row."""
    if not on_cpu(found.device):
        pairs = (found <= torch.from_numpy(reach).to(found.device)[:, None]).nonzero()
        numbers = found[pairs[:, 0], pairs[:, 1]].cpu().numpy()
        return pairs[:, 0].cpu().numpy(), pairs[:, 1].cpu().numpy(), numbers
    values = found.numpy()
    flat = np.flatnonzero(values <= reach[:, None])
    rows, columns = np.divmod(flat, values.shape[1])
    return rows, columns, values.reshape(-1)[flat]
