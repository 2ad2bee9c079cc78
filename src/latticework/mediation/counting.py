"""Steps of pieces of work counted while they are done, in whatever processes, for a bar that follows them."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import copy_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np

from latticework.core.progress import Progress, show_progress

_LOOK_SECONDS: Final = 0.2


class Steps:
    """Counts the steps of one piece of work for whoever waits for it on this machine; on another it does nothing.

    Parameters
    ----------
    counts
        A file of numbers, one a piece of work; None counts nothing.
    piece
        Which of them.
    length
        How many steps it has.
    """

    def __init__(self, counts: Path | None, piece: int, length: int) -> None:
        self.counts, self.piece, self.length = counts, piece, length
        self._opened: np.ndarray | None = None

    def __call__(self) -> None:
        """One step more is done."""
        self._numbers()[self.piece] += 1

    def end(self) -> None:
        """All steps are done, also those on other machines."""
        self._numbers()[self.piece] = self.length

    def _numbers(self) -> np.ndarray:
        if self._opened is None:
            if self.counts is not None and self.counts.exists():
                self._opened = np.memmap(self.counts, np.int64, "r+").view(np.ndarray)
            else:
                self._opened = np.zeros(self.piece + 1, np.int64)
        return self._opened


@contextmanager
def stepping(bar: Progress, lengths: Sequence[int]) -> Iterator[list[Steps]]:
    """Counters for pieces of work, whatever processes they are done in; while progress is shown a bar follows them.

    Parameters
    ----------
    bar
        Counts steps.
    lengths
        How many steps each piece has.

    Examples
    --------
    >>> from latticework.core.progress import progress, showing
    >>> with showing(), progress("counting", total=5) as bar:
    ...     with stepping(bar, [2, 3]) as (one, other):
    ...         for step in (one, one, other):
    ...             step()
    ...     bar.line()
    'counting: 3 of 5 steps (60%), 0:00 left'
    """
    if not show_progress.get():
        yield [Steps(None, piece, length) for piece, length in enumerate(lengths)]
        return
    with TemporaryDirectory() as folder:
        file = Path(folder) / "steps"
        counts = np.memmap(file, np.int64, "w+", shape=len(lengths))
        ended = threading.Event()

        def look() -> None:
            bar.advance(int(counts.sum()) - bar.done)

        def watch() -> None:
            while not ended.wait(_LOOK_SECONDS):
                look()

        watching = threading.Thread(target=copy_context().run, args=(watch,), daemon=True)
        watching.start()
        try:
            yield [Steps(file, piece, length) for piece, length in enumerate(lengths)]
        finally:
            ended.set()
            watching.join()
            look()
