"""The patches of a memory bank that stand for all others: greedy k-centre (PatchCore, Roth et al. 2022, algorithm 1).

Each pick is the patch that is farthest from all picks before it (Sener & Savarese 2018, which is at most twice as far
from the best choice). The published loops go over all patches for every pick. Here all are visited only now and then:
the picks between two visits come from a pool of the farthest, as long as the best of the pool is certainly farther
than any patch outside, for distances only shrink. A visit is one product of matrices, with a bound on its error; what
is compared are direct distances in double precision. So the picks are those of the loop in exact arithmetic (to the
rounding of double precision), and of equals the one with the lowest number comes first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from jaxtyping import Float64, Int64

from latticework.anomaly.memory.distances import TILE, Frame, Rows, direct, direct_pairs, least, on_cpu, product, within
from latticework.core.checks import whole_number
from latticework.core.errors import InputError

POOL: Final = 768  # patches that are looked at for every pick
BLOCK: Final = 4096  # patches that are visited at a time
_PENDING: Final = 1024  # picks after which all patches are visited in any case: bounds the product's memory
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

    Takes `count` × patches × channels multiplications, as a loop would, but as products of matrices; and memory for
    some 50 bytes a patch, `count` rows, and a few blocks of `BLOCK` rows, whatever the features lie on.

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


class _Greedy:
    """The state of a selection: what is chosen, and how far every patch is from it, to within the bound."""

    def __init__(self, features: Rows, count: int, device: torch.device) -> None:
        patches, channels = features.shape
        self.features, self.count, self.device = features, count, device
        self.frame = Frame.of(features, BLOCK)
        self.buffer = np.empty((min(BLOCK, patches), channels + 1), dtype=np.float32)
        self.norms = np.empty(patches)
        self.nearest = np.full(patches, np.inf, dtype=np.float32)  # products, with |x|², less than all so far
        self.free = np.ones(patches, dtype=bool)
        self.indices = np.empty(count, dtype=np.int64)
        self.radii = np.zeros(count)
        self.targets = np.empty((count, channels + 1), dtype=np.float32)
        self.done = 0  # picks
        self.visited = 0  # those that all patches know of

    def run(self, start: int) -> Coreset:
        self._pick(start)
        while True:
            self._visit()
            pool, values, beyond, limit = self._pool()
            if values.max(initial=0.0) == 0:  # all others are copies of what was chosen
                rest = np.flatnonzero(self.free)[: self.count - self.done]
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
        while self.done - began < _PENDING:
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
        return False

    def _pick(self, number: int) -> None:
        self.indices[self.done] = number
        self.free[number] = False
        self.done += 1

    def _many(self, targets: int) -> int:
        """Rows at a time, for a product that stays in a cache."""
        if not on_cpu(self.device):
            return len(self.buffer)
        return min(len(self.buffer), max(_LEAST_ROWS, TILE * torch.get_num_threads() // targets))

    def _visit(self) -> None:
        """Tell all patches of the picks since the last visit."""
        first, new = self.visited == 0, slice(self.visited, self.done)
        self.targets[new] = self.frame.target(np.asarray(self.features[self.indices[new]]))
        targets = torch.from_numpy(self.targets[new]).to(self.device)
        many = self._many(len(targets))
        out = torch.empty(many, len(targets), dtype=torch.float32, device=self.device)
        for begin in range(0, len(self.nearest), many):
            some = slice(begin, begin + many)
            placed = self.buffer[: len(self.nearest[some])]
            norms = self.frame.place(np.asarray(self.features[some]), placed)
            if first:
                self.norms[some] = norms
            left = torch.from_numpy(placed).to(self.device)
            found = least(product(left, targets, out[: len(left)]), 1)[:, 0]
            np.minimum(self.nearest[some], (found + norms).astype(np.float32), out=self.nearest[some])
        self.visited = self.done

    def _pool(self) -> tuple[Int64[np.ndarray, " pool"], Float64[np.ndarray, " pool"], float, int]:
        """The farthest patches by number, their true squares, and the best outside: its square at most, and number.

        Where many are as far as each other they would make the pool grow without end: then it is cut by true squares,
        and the first of what was cut is the best outside. Otherwise its number is below all numbers.
        """
        free = np.flatnonzero(self.free)
        least, norms = self.nearest[free].astype(np.float64), self.norms[free]
        high = self.frame.highest(least, norms)
        sure = self.frame.lowest(least, norms).max()  # the farthest is at least as far
        if len(free) > POOL:
            kept = min(float(np.partition(high, len(free) - POOL)[len(free) - POOL]), float(sure))
        else:
            kept = -np.inf
        inside = high >= kept
        beyond = float(high[~inside].max(initial=-np.inf)) / self.frame.scale**2
        pool = free[inside]
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
            rows = np.asarray(self.features[numbers])
            placed = self.buffer[: len(numbers)]
            norms = self.frame.place(rows, placed)
            left = torch.from_numpy(placed).to(self.device)
            out = torch.empty(len(left), self.done, dtype=torch.float32, device=self.device)
            found = product(left, targets, out)
            reach = self.frame.reach(self.nearest[numbers].astype(np.float64), norms)
            which, pick, _ = within(found, reach)
            squares = direct_pairs(rows, which, self.features, self.indices[pick])
            starts = np.flatnonzero(np.diff(which, prepend=-1))
            values[begin : begin + len(numbers)] = np.minimum.reduceat(squares, starts)
        return values
