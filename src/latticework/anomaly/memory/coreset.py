"""The patches of a memory bank that stand for all others: greedy k-centre (PatchCore, Roth et al. 2022, algorithm 1).

Each pick is the patch that is farthest from all picks before it (Sener & Savarese 2018, which is at most twice as far
from the best choice). The published loops go over all patches for every pick. Here a patch is told of picks only when
it might be picked itself: distances only shrink, so what it was told of last bounds how far it is now, and patches near
a pick wait until the farthest are as near (Minoux 1978). Picks come from a pool of the farthest, as long as the best of
the pool is certainly farther than any patch outside. Patches are told by products of matrices, with a bound on their
error; what is compared are direct distances in double precision. So the picks are those of the loop in exact arithmetic
(to the rounding of double precision), and of equals the one with the lowest number comes first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from jaxtyping import Float32, Float64, Int64
from torch import Tensor

from latticework.anomaly.memory.distances import TILE, Frame, Rows, direct, direct_pairs, least, on_cpu, product, within
from latticework.core.checks import whole_number
from latticework.core.errors import InputError

POOL: Final = 384  # patches that are looked at for every pick
BLOCK: Final = 4096  # patches that are told at a time
_PENDING: Final = 1024  # picks that are told at a time at most: bounds the product's memory
_LEAST_ROWS: Final = 128  # below that a product reads more than it computes
_SHRINK: Final = 32  # picks after which those that cannot be picked any more leave the pool


@dataclass(frozen=True, eq=False)
class Coreset:
    """Chosen patches, in the order of choice.

    Parameters
    ----------
    indices
        Their numbers; each once.
    radii
        Of each choice, how far the patch that is then worst off is from what is chosen; they never grow. In the
        features' unit. The last is the radius of the coreset.

    Examples
    --------
    >>> Coreset(np.array([4, 2]), np.array([3.0, 1.5])).radius
    1.5
    """

    indices: Int64[np.ndarray, " chosen"]
    radii: Float64[np.ndarray, " chosen"]

    def __len__(self) -> int:
        return len(self.indices)

    @property
    def radius(self) -> float:
        """No patch is farther than this from the nearest one that was chosen."""
        return float(self.radii[-1])


def size(count: int, fraction: float) -> int:
    """How many patches are chosen of `count`: the fraction of them, rounded down, but one at least.

    Examples
    --------
    >>> size(47_040, 0.1), size(5, 0.1), size(0, 0.1)
    (4704, 1, 0)
    """
    return min(count, max(1, int(count * fraction + 1e-9)))


def greedy(features: Rows, count: int, *, start: int = 0, device: str | torch.device = "cpu") -> Coreset:
    """Choose patches, each the farthest from those before it.

    Takes `count` × patches × channels multiplications at most, as a loop would, but as products of matrices, and far
    fewer where picks are much farther apart than most patches are from one; and memory for some 70 bytes a patch,
    `count` rows, and a few blocks of `BLOCK` rows, whatever the features lie on.

    Parameters
    ----------
    features : array "patches channels"
        Finite floats; or anything that gives some of its rows at a time, such as a `numpy.memmap`.
    count : int
        How many to choose. Where that is all of them or more, they come in the order of their numbers.
    start : int
        The first choice.
    device : str or torch.device
        Where products are computed.

    Raises
    ------
    InputError
        If there are no patches, one is not finite, or `count` or `start` is not a number of them.

    Examples
    --------
    >>> places = np.array([[0.0], [1.0], [5.0], [9.0]])
    >>> chosen = greedy(places, 3)
    >>> chosen.indices.tolist(), chosen.radii.tolist()
    ([0, 3, 2], [9.0, 4.0, 1.0])
    """
    if len(features.shape) != 2 or not features.shape[0]:
        raise InputError(f"a coreset is chosen from rows, one a patch; got an array of shape {tuple(features.shape)}")
    patches = features.shape[0]
    count = whole_number("count", count)
    if whole_number("start", start, least=0) >= patches:
        raise InputError(f"start={start}: there are {patches} patches, from 0 to {patches - 1}")
    if count >= patches:
        return Coreset(np.arange(patches), np.zeros(patches))
    return _Greedy(features, count, torch.device(device)).run(start)


def _product(
    left: Float32[Tensor, "rows inner"], targets: Float32[Tensor, "entries inner"]
) -> Float32[Tensor, "rows entries"]:
    """The product of placed rows with targets, in memory of its own."""
    return product(left, targets, torch.empty(len(left), len(targets), dtype=torch.float32, device=left.device))


class _Greedy:
    """The state of a selection: what is chosen, what every patch was told of, and how far it is from that at most."""

    def __init__(self, features: Rows, count: int, device: torch.device) -> None:
        patches, channels = features.shape
        self.features, self.count, self.device = features, count, device
        self.frame = Frame.of(features, BLOCK)
        self.buffer = np.empty((min(BLOCK, patches), channels + 1), dtype=np.float32)
        self.norms = np.empty(patches)
        self.nearest = np.full(patches, np.inf, dtype=np.float32)  # products, with |x|², of what each was told of
        self.high = np.full(patches, np.inf)  # the true square of each at most; of picks -inf
        self.told = np.zeros(patches, dtype=np.int64)  # picks, from the first one on
        self.indices = np.empty(count, dtype=np.int64)
        self.radii = np.zeros(count)
        self.targets = np.empty((count, channels + 1), dtype=np.float32)
        self.done = 0  # picks
        self.ready = 0  # those whose targets are made

    def run(self, start: int) -> Coreset:
        self._pick(start)
        self._prepare()
        for begin in range(0, len(self.high), BLOCK):
            self._tell(slice(begin, begin + BLOCK), 0)
        self.high[start] = -np.inf
        while True:
            pool, values, beyond, limit = self._pool()
            if values.max(initial=0.0) == 0:  # all others are copies of what was chosen
                rest = np.flatnonzero(self.high > -np.inf)[: self.count - self.done]
                self.indices[self.done :] = rest
                return Coreset(self.indices, self.radii)
            if self._from_pool(pool, values, beyond, limit):
                return Coreset(self.indices, self.radii)

    def _from_pool(
        self, pool: Int64[np.ndarray, " pool"], values: Float64[np.ndarray, " pool"], beyond: float, limit: int
    ) -> bool:
        """Pick while the best is certainly farther than what is outside; returns whether all is chosen."""
        rows = np.asarray(self.features[pool], dtype=np.float64)
        began = self.done
        while True:
            best = int(values.argmax())  # of equals the first, and the pool is in the order of numbers
            value, number = float(values[best]), int(pool[best])
            if value < beyond or (value == beyond and number >= limit) or value <= 0:
                return False
            self.radii[self.done - 1] = value**0.5
            if self.done == self.count:
                return True
            self._pick(number)
            np.minimum(values, direct(rows, rows[best : best + 1]), out=values)
            values[best] = -1.0
            if (self.done - began) % _SHRINK == 0:
                left = values >= beyond
                pool, values, rows = pool[left], values[left], rows[left]
                if not len(pool):
                    return False

    def _pick(self, number: int) -> None:
        self.indices[self.done] = number
        self.high[number] = -np.inf
        self.done += 1

    def _prepare(self) -> None:
        """Make the targets of new picks."""
        new = slice(self.ready, self.done)
        self.targets[new] = self.frame.target(np.asarray(self.features[self.indices[new]]))
        self.ready = self.done

    def _many(self, targets: int) -> int:
        """Rows at a time, for a product that stays in a cache."""
        if not on_cpu(self.device):
            return len(self.buffer)
        return min(len(self.buffer), max(_LEAST_ROWS, TILE * torch.get_num_threads() // targets))

    def _placed(
        self, rows: slice | Int64[np.ndarray, " rows"]
    ) -> tuple[Float32[Tensor, "rows channels_plus_one"], Float64[np.ndarray, " rows"]]:
        """Rows as one side of a product, and their squared norms."""
        features = np.asarray(self.features[rows])
        placed = self.buffer[: len(features)]
        norms = self.frame.place(features, placed)
        return torch.from_numpy(placed).to(self.device), norms

    def _tell(self, rows: slice | Int64[np.ndarray, " rows"], begin: int) -> None:
        """Tell patches, a block of them at most, of all picks from one on."""
        left, norms = self._placed(rows)
        nearest = self.nearest[rows]
        for first in range(begin, self.done, _PENDING):
            targets = torch.from_numpy(self.targets[first : min(first + _PENDING, self.done)]).to(self.device)
            found = least(_product(left, targets), 1)[:, 0]
            np.minimum(nearest, (found + norms).astype(np.float32), out=nearest)
        self.norms[rows], self.nearest[rows], self.told[rows] = norms, nearest, self.done
        self.high[rows] = self.frame.highest(nearest.astype(np.float64), norms)

    def _tell_all(self, numbers: Int64[np.ndarray, " rows"]) -> None:
        """Tell patches of all that each has not been told of."""
        for told in np.unique(self.told[numbers]):
            group = numbers[self.told[numbers] == told]
            many = self._many(min(_PENDING, self.done - int(told)))
            for begin in range(0, len(group), many):
                self._tell(group[begin : begin + many], int(told))

    def _farthest(self) -> tuple[Int64[np.ndarray, " rows"], float]:
        """Patches that know of all picks, and the level from which up they are all patches that may be the farthest.

        The level is that of the `POOL`-th of them, or what the farthest has at least.
        """
        known = np.flatnonzero((self.told == self.done) & (self.high > -np.inf))
        chunk = POOL
        while True:
            kept = self._level(known)
            stale = np.flatnonzero((self.told < self.done) & (self.high >= kept) & (self.high > -np.inf))
            if not len(stale):
                return known, kept
            if len(stale) > chunk:
                stale = stale[np.argpartition(self.high[stale], len(stale) - chunk)[len(stale) - chunk :]]
            self._tell_all(np.sort(stale))
            known = np.concatenate([known, stale])
            chunk *= 2

    def _level(self, known: Int64[np.ndarray, " rows"]) -> float:
        """What the `POOL`-th of those that know of all picks has at most, or what the farthest of them has at least."""
        if len(known) < POOL:
            return -np.inf
        last = np.partition(self.high[known], len(known) - POOL)[len(known) - POOL]
        sure = self.frame.lowest(self.nearest[known].astype(np.float64), self.norms[known]).max()
        return float(min(last, sure))

    def _pool(self) -> tuple[Int64[np.ndarray, " pool"], Float64[np.ndarray, " pool"], float, int]:
        """The farthest patches by number, their true squares, and the best outside: its square at most, and number.

        Where many are as far as each other they would make the pool grow without end: then it is cut by true squares,
        and the first of what was cut is the best outside. Otherwise its number is below all numbers.
        """
        self._prepare()
        known, kept = self._farthest()
        pool = np.sort(known[self.high[known] >= kept])
        inside = np.zeros(len(self.high), dtype=bool)
        inside[pool] = True
        beyond = float(self.high[~inside].max(initial=-np.inf)) / self.frame.scale**2
        values = self._true(pool)
        limit = -1
        if len(pool) > 2 * POOL:
            order = np.lexsort((pool, -values))
            first = order[POOL]
            if values[first] > beyond:
                beyond, limit = float(values[first]), int(pool[first])
            chosen = np.sort(order[:POOL])
            pool, values = pool[chosen], values[chosen]
        return pool, values, beyond, limit

    def _true(self, pool: Int64[np.ndarray, " pool"]) -> Float64[np.ndarray, " pool"]:
        """Direct squares of the distance to the nearest pick, from those picks that can be the nearest."""
        values = np.empty(len(pool))
        targets = torch.from_numpy(self.targets[: self.done]).to(self.device)
        many = self._many(self.done)
        for begin in range(0, len(pool), many):
            numbers = pool[begin : begin + many]
            left, norms = self._placed(numbers)
            found = _product(left, targets)
            reach = self.frame.reach(self.nearest[numbers].astype(np.float64), norms)
            which, pick, _ = within(found, reach)
            squares = direct_pairs(np.asarray(self.features[numbers]), which, self.features, self.indices[pick])
            starts = np.flatnonzero(np.diff(which, prepend=-1))
            values[begin : begin + len(numbers)] = np.minimum.reduceat(squares, starts)
        return values
