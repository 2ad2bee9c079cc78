"""The patches of a memory bank that stand for all others: greedy k-centre (PatchCore, Roth et al. 2022, algorithm 1).

Each pick is the patch that is farthest from all picks before it (Sener & Savarese 2018, which is at most twice as far
from the best choice). The published loops go over all patches for every pick. Here a patch is told of picks only when
it might be picked itself: distances only shrink, so what it was told of last bounds how far it is now, and patches near
a pick wait until the farthest are as near (Minoux 1978). Picks come from a pool of the farthest, as long as no patch
outside may be farther than the best of the pool. Patches are told by products of matrices, with a bound on their
error; those that may be in the pool are settled by direct distances. So the picks are those of the loop in exact
arithmetic (to the rounding of double precision), and of equals the one with the lowest number comes first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from jaxtyping import Float32, Float64, Int32, Int64
from torch import Tensor

from latticework.anomaly.memory.distances import (
    PAIRS,
    TILE,
    Frame,
    Rows,
    direct,
    direct_pairs,
    least,
    on_cpu,
    product,
    within,
)
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
        features' unit. The last is the radius of the coreset. Where all patches are kept, all are 0.

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
    return min(count, max(1, int(count * fraction * (1 + 2**-51))))  # .7 of 90 million is not one less


def greedy(features: Rows, count: int, *, start: int = 0, device: str | torch.device = "cpu") -> Coreset:
    """Choose patches, each the farthest from those before it.

    Takes `count` × patches × channels multiplications, as a loop would, or a few times as many at most; most of them
    in products of matrices, and far fewer where picks are much farther apart than most patches are from one. Where
    most are compared one by one, as of near copies in few channels, it may take over ten times as long. Memory is for
    up to 48 bytes a patch, `count` rows, a few blocks of `BLOCK` rows and some 30 MB, whatever the features lie on.

    Parameters
    ----------
    features : array "patches channels"
        Finite floats; or anything that gives some of its rows at a time, such as a `numpy.memmap`.
    count : int
        How many to choose. Where that is all of them or more, they come in the order of their numbers.
    start : int
        The first choice, unless all are chosen.
    device : str or torch.device
        Where products are computed.

    Raises
    ------
    InputError
        If there are no patches, they are not floats, one is not finite or beyond what can be squared, or `count` or
        `start` is not a number of them.

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
    frame = Frame.of(features, BLOCK)
    if count >= patches:
        return Coreset(np.arange(patches), np.zeros(patches))
    return _Greedy(features, frame, count, torch.device(device)).run(start)


class _Greedy:
    """The state of a selection: what is chosen, and what is known of every patch.

    A patch was told of its first `told` picks by products, and of its first `settled` picks by direct distances. Its
    true square, the least one to any pick, is at most `high`, and is `high` if it is settled with all picks. If it is
    told of more than it is settled with, then `high` is the true square to the latter, or one of the others is nearer.
    """

    def __init__(self, features: Rows, frame: Frame, count: int, device: torch.device) -> None:
        patches, channels = features.shape
        self.features, self.frame, self.count, self.device = features, frame, count, device
        self.unit = frame.scale**2  # of the squares that products give
        self.buffer = np.empty((min(BLOCK, patches), channels + 1), dtype=np.float32)
        self.high = np.full(patches, np.inf)  # of picks -inf
        self.told = np.zeros(patches, dtype=np.int32)
        self.settled = np.zeros(patches, dtype=np.int32)
        self.indices = np.empty(count, dtype=np.int64)
        self.radii = np.zeros(count)
        self.targets = torch.empty(count, channels + 1, dtype=torch.float32, device=device)
        self.done = self.ready = 0  # picks, and those whose targets are made

    def run(self, start: int) -> Coreset:
        self._pick(start)
        self._prepare()
        for begin in range(0, len(self.high), BLOCK):
            self._tell(slice(begin, begin + BLOCK), 0)
        while True:
            pool, beyond, limit = self._pool()
            if self.high.max() <= 0:  # all others are copies of what was chosen
                self.indices[self.done :] = np.flatnonzero(self.high > -np.inf)[: self.count - self.done]
                return Coreset(self.indices, self.radii)
            if self._from_pool(pool, beyond, limit):
                return Coreset(self.indices, self.radii)

    def _from_pool(self, pool: Int64[np.ndarray, " pool"], beyond: float, limit: int) -> bool:
        """Pick while nothing outside may come before the best; returns whether all is chosen."""
        rows = np.asarray(self.features[pool], dtype=np.float64)
        values = self.high[pool]
        began = self.done
        while True:
            best = int(values.argmax())  # of equals the first, and the pool is in the order of numbers
            value, number = float(values[best]), int(pool[best])
            if value <= 0 or value < beyond or (value == beyond and number > limit):
                self._know(pool, values)
                return False
            self.radii[self.done - 1] = value**0.5
            if self.done == self.count:
                return True
            self._pick(number)
            np.minimum(values, direct(rows, rows[best : best + 1]), out=values)
            values[best] = -np.inf
            if (self.done - began) % _SHRINK == 0:
                self._know(pool, values)
                left = values >= beyond
                pool, values, rows = pool[left], values[left], rows[left]
                if not len(pool):
                    return False

    def _pick(self, number: int) -> None:
        self.indices[self.done] = number
        self.high[number] = -np.inf
        self.done += 1

    def _know(self, numbers: Int64[np.ndarray, " rows"], values: Float64[np.ndarray, " rows"]) -> None:
        """Remember true squares."""
        self.high[numbers] = values
        self.told[numbers] = self.settled[numbers] = self.done

    def _prepare(self) -> None:
        """Make the targets of new picks."""
        new = slice(self.ready, self.done)
        self.targets[new] = torch.from_numpy(self.frame.target(np.asarray(self.features[self.indices[new]])))
        self.ready = self.done

    def _many(self, targets: int) -> int:
        """Rows at a time, for a product that stays in caches, and few enough if all its pairs are to be compared."""
        numbers = min(TILE * torch.get_num_threads(), PAIRS // 2) if on_cpu(self.device) else PAIRS
        return min(len(self.buffer), max(_LEAST_ROWS, numbers // min(targets, _PENDING)))

    def _placed(
        self, rows: slice | Int64[np.ndarray, " rows"]
    ) -> tuple[Float32[Tensor, "rows channels_plus_one"], Float64[np.ndarray, " rows"]]:
        """Rows as one side of a product, and their squared norms."""
        features = np.asarray(self.features[rows])
        placed = self.buffer[: len(features)]
        norms = self.frame.place(features, placed)
        return torch.from_numpy(placed).to(self.device), norms

    def _since(
        self, known: Int32[np.ndarray, " patches"], numbers: Int64[np.ndarray, " rows"]
    ) -> Iterator[tuple[Int64[np.ndarray, " rows"], int]]:
        """Patches a product at a time, and the first pick that is new to one of them.

        To none of them are fewer than half as many new as to another.
        """
        new = self.done - known[numbers]
        order = np.frexp(new)[1]
        for one in np.unique(order[new > 0]):
            group = numbers[order == one]
            begin = int(known[group].min())
            many = self._many(self.done - begin)
            for first in range(0, len(group), many):
                yield group[first : first + many], begin

    def _tell(self, rows: slice | Int64[np.ndarray, " rows"], begin: int) -> None:
        """Tell patches, a block of them at most, of all picks from one on."""
        left, norms = self._placed(rows)
        found = np.full(len(left), np.inf, dtype=np.float32)
        for first in range(begin, self.done, _PENDING):
            targets = self.targets[first : min(first + _PENDING, self.done)]
            np.minimum(found, least(product(left, targets), 1)[:, 0], out=found)
        high = self.frame.highest(found.astype(np.float64) + norms, norms) / self.unit
        self.high[rows] = np.minimum(self.high[rows], high)
        self.told[rows] = self.done

    def _settle(self, numbers: Int64[np.ndarray, " rows"]) -> None:
        """Make the squares of patches true: of new picks, those are compared directly that may be the nearest."""
        for rows, begin in self._since(self.settled, numbers):
            left, norms = self._placed(rows)
            values = self.high[rows]
            reach = self.frame.reach(values * self.unit, norms)
            for first in range(begin, self.done, _PENDING):
                which, pick, _ = within(product(left, self.targets[first : min(first + _PENDING, self.done)]), reach)
                if len(which):
                    picks = self.indices[first + pick]
                    squares = direct_pairs(np.asarray(self.features[rows]), which, self.features, picks)
                    starts = np.flatnonzero(np.diff(which, prepend=-1))
                    near = which[starts]
                    values[near] = np.minimum(values[near], np.minimum.reduceat(squares, starts))
            self._know(rows, values)

    def _farthest(self, count: int) -> Int64[np.ndarray, " rows"]:
        """The patches that may be the farthest, so many of them or all; each knows of all picks."""
        known = np.flatnonzero((self.told == self.done) & (self.high > -np.inf))
        chunk = count
        while True:
            kept = -np.inf
            if len(known) >= count:
                kept = np.partition(self.high[known], len(known) - count)[len(known) - count]
            stale = np.flatnonzero((self.told < self.done) & (self.high >= kept) & (self.high > -np.inf))
            if not len(stale):
                return known[self.high[known] >= kept]
            if len(stale) > chunk:  # in order, as a file is read
                stale = np.sort(stale[np.argpartition(self.high[stale], len(stale) - chunk)[len(stale) - chunk :]])
            for rows, begin in self._since(self.told, stale):
                self._tell(rows, begin)
            known = np.concatenate([known, stale])
            chunk *= 2

    def _pool(self) -> tuple[Int64[np.ndarray, " pool"], float, int]:
        """The farthest patches by number, all settled, and of those outside the highest bound and who has it first.

        The very farthest is in it: bounds that rounding makes loose, and ties, have more patches settled, all at last.
        """
        self._prepare()
        count = POOL
        while True:
            self._settle(np.sort(self._farthest(count)))
            if self.settled[self.high.argmax()] == self.done:
                break
            count *= 2
        pool = np.flatnonzero((self.settled == self.done) & (self.high > -np.inf))
        if len(pool) > POOL:
            pool = np.sort(pool[np.lexsort((pool, -self.high[pool]))[:POOL]])
        values = self.high[pool]
        self.high[pool] = -np.inf
        limit = int(self.high.argmax())
        beyond = float(self.high[limit])
        self.high[pool] = values
        left = values >= beyond
        return pool[left], beyond, limit
