"""What was seen of good parts, until banks are filled with it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np
from jaxtyping import Bool

from latticework.anomaly.config import M3DMConfig
from latticework.anomaly.features.extraction import Described, Patches
from latticework.anomaly.memory.cache import Cache, HalfRows

_BLOCK: Final = 8192  # rows at a time


class Store:
    """What was seen of good parts, part by part: in memory while it fits, in half precision in a file beyond."""

    def __init__(self, config: M3DMConfig) -> None:
        self.config = config
        self.names: list[str] = []
        self.sizes: list[tuple[int, int]] = []
        self.digests: list[str] = []
        self._rows: dict[str, Cache] = {}
        self._judged: dict[str, list[Bool[np.ndarray, "rows columns"]]] = {}

    def __len__(self) -> int:
        return len(self.names)

    @property
    def banks(self) -> tuple[str, ...]:
        """What there is."""
        return tuple(self._rows)

    def add(self, described: Described) -> None:
        """Keep what was seen of one more part."""
        self.names.append(described.name)
        self.digests.append(described.digest)
        square = described.frame.square
        self.sizes.append((square.height, square.width))
        for bank, patches in described.patches.items():
            if bank not in self._rows:
                self._rows[bank] = Cache(budget=self.config.memory, folder=self.config.cache_folder)
                self._judged[bank] = []
            self._rows[bank].append(np.ascontiguousarray(patches.rows))
            self._judged[bank].append(patches.judged)

    def blocks(self, bank: str) -> Iterator[np.ndarray]:
        """All rows, some at a time."""
        rows = self._rows[bank].rows()
        for begin in range(0, rows.shape[0], _BLOCK):
            yield rows[begin : begin + _BLOCK]

    def parts(self, numbers: Iterable[int]) -> Iterator[dict[str, Patches]]:
        """What was seen of some parts, each as a description."""
        rows = {bank: cache.rows() for bank, cache in self._rows.items()}
        ends = {bank: np.cumsum([judged.sum() for judged in found]) for bank, found in self._judged.items()}
        for number in numbers:
            yield {bank: self._part(bank, rows[bank], ends[bank], number) for bank in self._rows}

    def _part(self, bank: str, rows: np.ndarray | HalfRows, ends: np.ndarray, number: int) -> Patches:
        judged = self._judged[bank][number]
        return Patches(rows[int(ends[number]) - int(judged.sum()) : int(ends[number])], judged)

    def close(self) -> None:
        """Forget all rows."""
        for cache in self._rows.values():
            cache.close()
