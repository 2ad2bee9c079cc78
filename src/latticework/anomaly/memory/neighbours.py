"""The nearest entries of a memory bank (PatchCore, Roth et al. 2022, equation 6).

Squared distances are |x|² - 2xy + |y|², a block at a time, so no patches × entries matrix is ever held; the entries
that the rounding of the product leaves open, most often one, are then compared directly in double precision. So a
patch that is in the bank is at distance 0 exactly, and of equally near entries the one with the lowest number is meant.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64, Int64
from torch import Tensor

from latticework.anomaly.memory.distances import TILE, Frame, direct_pairs, least, on_cpu, product, within
from latticework.core.checks import whole_number
from latticework.core.errors import InputError

_ROWS: Final = 256  # patches at a time
_ENTRIES: Final = 16384  # entries at a time on other devices than a CPU
_FAR: Final = 1e30  # a square, in units of the bank's extent, beyond which products in single precision may overflow
_REMEMBERED: Final = 4096  # entries whose own neighbours are kept once they were asked for


class Neighbours:
    """Entries of a memory bank, made ready to be searched.

    Parameters
    ----------
    entries : array "entries channels"
        Finite floats; kept twice, the second time in single precision.
    device : str or torch.device
        Where products are computed.

    Raises
    ------
    InputError
        If there are no entries, or one is not finite or so large that it has no square in double precision.

    Examples
    --------
    >>> bank = Neighbours(np.array([[0.0, 0.0], [3.0, 4.0], [6.0, 8.0]]))
    >>> bank.nearest(np.array([[0.0, 1.0], [6.0, 8.0]]))
    (array([1., 0.], dtype=float32), array([0, 2]))
    """

    def __init__(
        self, entries: Float[np.ndarray | Tensor, "entries channels"], *, device: str | torch.device = "cpu"
    ) -> None:
        self.entries = as_rows(entries)
        if not len(self.entries):
            raise InputError("a memory bank needs at least one entry: no patch counts as foreground")
        self.device = torch.device(device)
        self._many = TILE // _ROWS if on_cpu(self.device) else _ENTRIES
        self._frame = Frame.of(self.entries, _ENTRIES)
        self._targets = torch.from_numpy(self._frame.target(self.entries)).to(self.device)
        self._around: dict[tuple[int, int], Int64[np.ndarray, " count"]] = {}

    def __len__(self) -> int:
        return len(self.entries)

    def nearest(
        self, patches: np.ndarray | Tensor
    ) -> tuple[Float32[np.ndarray, " patches"], Int64[np.ndarray, " patches"]]:
        """How far each patch is from the bank, and from which entry.

        Takes patches × entries × channels multiplications, as one product of matrices a block.

        Parameters
        ----------
        patches : array or tensor "patches channels"
            Finite floats, in the entries' unit.

        Returns
        -------
        tuple
            Distances "patches", in single precision, and numbers of entries "patches".

        Raises
        ------
        InputError
            If the patches have other channels than the entries, or one is not finite.
        """
        distances, numbers = self.several(patches, 1)
        return distances[:, 0], numbers[:, 0]

    def several(
        self, patches: np.ndarray | Tensor, count: int
    ) -> tuple[Float32[np.ndarray, "patches count"], Int64[np.ndarray, "patches count"]]:
        """The `count` nearest entries of each patch, the nearest first; all of them where there are fewer.

        Examples
        --------
        >>> Neighbours(np.array([[0.0], [3.0], [1.0]])).several(np.array([[1.0]]), 2)
        (array([[0., 1.]], dtype=float32), array([[2, 0]]))
        """
        rows = as_rows(patches)
        channels = self.entries.shape[1]
        if rows.ndim != 2 or rows.shape[1] != channels:
            raise InputError(f"patches of shape {tuple(rows.shape)}: the memory bank has rows of {channels} channels")
        if not np.isfinite(rows).all():
            row = int(np.flatnonzero(~np.isfinite(rows).all(axis=1))[0])
            raise InputError(f"the features of patch {row} are not finite")
        count = min(whole_number("count", count), len(self))
        distances = np.empty((len(rows), count), dtype=np.float32)
        numbers = np.empty((len(rows), count), dtype=np.int64)
        many = _ROWS * torch.get_num_threads()  # for each thread a tile
        placed = np.empty((min(many, len(rows)), channels + 1), dtype=np.float32)
        out = torch.empty(len(placed) * min(self._many, len(self)), dtype=torch.float32, device=self.device)
        for begin in range(0, len(rows), many):
            some = rows[begin : begin + many]
            norms = self._frame.place(some, placed[: len(some)])
            if norms.max() > _FAR:
                which, column = (flat.ravel() for flat in np.indices((len(some), len(self))))
            elif count == 1 and on_cpu(self.device):
                which, column = self._open_one(placed[: len(some)], norms, out)
            else:
                which, column = self._open(placed[: len(some)], norms, count, out)
            squares = direct_pairs(some, which, self.entries, column)
            order = np.lexsort((column, squares, which))
            chosen = order[np.searchsorted(which[order], np.arange(len(some)))[:, None] + np.arange(count)]
            distances[begin : begin + many], numbers[begin : begin + many] = np.sqrt(squares[chosen]), column[chosen]
        return distances, numbers

    def around(self, entry: int, count: int) -> Int64[np.ndarray, " count"]:
        """The `count` entries nearest to an entry, itself or a copy of it first; remembered once it was asked for."""
        known = self._around.get((entry, count))
        if known is None:
            if len(self._around) >= _REMEMBERED:
                self._around.clear()
            known = self._around[entry, count] = self.several(self.entries[entry : entry + 1], count)[1][0]
        return known

    def _open(
        self,
        placed: Float32[np.ndarray, "rows channels_plus_one"],
        norms: Float64[np.ndarray, " rows"],
        count: int,
        out: Float32[Tensor, " width"],
    ) -> tuple[Int64[np.ndarray, " pairs"], Int64[np.ndarray, " pairs"]]:
        """Patches and entries of which the product leaves open whether the entry is one of the nearest."""
        left = torch.from_numpy(placed).to(self.device)
        lowest = np.full((len(placed), count), np.inf, dtype=np.float32)
        pairs = []
        for first in range(0, len(self), self._many):
            targets = self._targets[first : first + self._many]
            found = product(left, targets, out[: len(left) * len(targets)].view(len(left), -1))
            lowest = np.sort(np.concatenate([lowest, least(found, count)], axis=1), axis=1)[:, :count]
            reach = self._frame.reach(self._frame.highest(lowest[:, -1].astype(np.float64) + norms, norms), norms)
            which, column, value = within(found, reach)
            pairs.append((which, first + column, value))
        which, column, value = (np.concatenate(part) for part in zip(*pairs, strict=True))
        still = value <= reach[which]
        return which[still], column[still]

    def _open_one(
        self,
        placed: Float32[np.ndarray, "rows channels_plus_one"],
        norms: Float64[np.ndarray, " rows"],
        out: Float32[Tensor, " width"],
    ) -> tuple[Int64[np.ndarray, " pairs"], Int64[np.ndarray, " pairs"]]:
        """The same for one neighbour on a CPU: the nearest by the product, and only if the second is close, others."""
        left, every = torch.from_numpy(placed), np.arange(len(placed))
        lowest = np.full(len(placed), np.inf, dtype=np.float32)
        pairs = []
        for first in range(0, len(self), self._many):
            targets = self._targets[first : first + self._many]
            found = product(left, targets, out[: len(left) * len(targets)].view(len(left), -1)).numpy()
            column = found.argmin(axis=1)
            value = found[every, column]
            lowest = np.minimum(lowest, value)
            reach = self._frame.reach(self._frame.highest(lowest.astype(np.float64) + norms, norms), norms)
            pairs.append((every, first + column, value))
            found[every, column] = np.inf
            more = np.flatnonzero(found.min(axis=1) <= reach)
            if len(more):
                which, column, value = within(torch.from_numpy(found[more]), reach[more])
                pairs.append((more[which], first + column, value))
        which, column, value = (np.concatenate(part) for part in zip(*pairs, strict=True))
        still = value <= reach[which]
        return which[still], column[still]


def as_rows(features: Any) -> np.ndarray:
    """Features as an array, single precision where it is not double."""
    if isinstance(features, Tensor):
        features = features.detach().cpu().numpy()
    features = np.asarray(features)
    return features if features.dtype == np.float64 else np.ascontiguousarray(features, dtype=np.float32)
