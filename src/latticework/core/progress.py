"""Progress and messages, on stderr only: a live bar on a terminal, a line now and then in a log, nothing in a library.

Nothing is shown unless it is asked for: the command line does so, and a library's user with a context. Under `torchrun`
the first process shows it for all.

>>> import latticework as lw
>>> with lw.progress.showing():  # until the context is left; estimators have no option for it
...     lw.progress.message("on stderr")
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Final

from latticework.core.processes import rank
from latticework.core.terminal import is_watched, say

show_progress: ContextVar[bool] = ContextVar("show_progress", default=False)

LOG_SECONDS: Final = 10.0  # a log of an hour's run stays readable
_SCREEN_SECONDS: Final = 0.1


@contextmanager
def showing(*, shown: bool = True) -> Iterator[None]:
    """Show progress and messages on stderr, or hide them, until the context is left.

    Parameters
    ----------
    shown : bool
        False hides what an outer context shows.

    Examples
    --------
    >>> with showing(), progress("counting", total=2) as bar:
    ...     bar.advance(2)
    """
    token = show_progress.set(shown and rank() == 0)
    try:
        yield
    finally:
        show_progress.reset(token)


def message(text: str) -> None:
    """Say something on stderr, above a live bar if there is one; silent unless `show_progress` is set."""
    if show_progress.get():
        say(text)


class Progress:
    """How far some work is, and its latest figures.

    Attributes
    ----------
    description, unit : str
        What is done, and what is counted.
    total : int or None
        How many units there are, if known.
    done : int
        How many are done.
    figures : dict
        The latest value of every figure, such as the loss.
    stopped : str
        Why the work ended before its total, once it has.
    """

    def __init__(self, description: str, *, total: int | None, unit: str, done: int) -> None:
        self.description, self.unit, self.total, self.done = description, unit, total, done
        self.figures: dict[str, float | str] = {}
        self.stopped = ""
        self._done_before, self._started = done, time.monotonic()
        self._shown = self._started
        self._show: Callable[[], object] | None = None
        self._interval = LOG_SECONDS

    def advance(self, n: int = 1, **figures: float | str) -> None:
        """Count `n` more units done, with the figures of now."""
        self.done += n
        self.update(**figures)

    def update(self, **figures: float | str) -> None:
        """Take the figures of now."""
        self.figures.update(figures)
        if self._show and (now := time.monotonic()) - self._shown >= self._interval:
            self._shown = now
            self._show()

    def stop(self, why: str) -> None:
        """Take it that the work ends here, before its total."""
        self.stopped = why

    @property
    def seconds(self) -> float:
        """Seconds since the work began."""
        return time.monotonic() - self._started

    @property
    def seconds_left(self) -> float | None:
        """Seconds the rest will take at the average speed so far, if that can be told."""
        since = self.done - self._done_before
        return None if self.total is None or since <= 0 else (self.total - self.done) * self.seconds / since

    def line(self) -> str:
        """Return the state of the work as one line of text."""
        if self.total is None:
            parts = [f"{self.done:,} {self.unit}"]
        else:
            share = self.done / self.total if self.total else 1.0
            parts = [f"{self.done:,} of {self.total:,} {self.unit} ({share:.0%})"]
        parts += [_figure(name, value) for name, value in self.figures.items()]
        left = None if self.stopped else self.seconds_left
        parts.append(f"{_clock(left)} left" if left else f"{_clock(self.seconds)} taken")
        return f"{self.description}: {', '.join(parts)}" + (f"; stopped early: {self.stopped}" if self.stopped else "")


@contextmanager
def progress(description: str, *, total: int | None = None, unit: str = "steps", done: int = 0) -> Iterator[Progress]:
    """Show how far some work is while the context lasts.

    Parameters
    ----------
    description : str
        What is done, such as ``"training"``.
    total : int or None
        How many units there are, if known.
    unit : str
        What is counted, in the plural.
    done : int
        How many were done before, by a run that is resumed.

    Yields
    ------
    Progress
        To be told of every step by `advance` or `update`.

    Examples
    --------
    >>> with progress("training", total=2, unit="batches") as bar:
    ...     bar.advance(loss=0.75)
    ...     bar.line()
    'training: 1 of 2 batches (50%), loss 0.75, 0:00 left'
    """
    state = Progress(description, total=total, unit=unit, done=done)
    if not show_progress.get():
        yield state
    elif is_watched():
        yield from _on_terminal(state)
    else:
        yield from _in_log(state)


def _in_log(state: Progress) -> Iterator[Progress]:
    state._show = lambda: message(state.line())
    try:
        yield state
    finally:
        message(state.line())


def _on_terminal(state: Progress) -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bars

    # Our own line says all there is to say, in the same words as a log; rich draws the bar and keeps it in its place.
    bars = Bars(BarColumn(bar_width=24), TextColumn("{task.description}", markup=False), console=Console(stderr=True))
    task = bars.add_task(state.line(), total=state.total, completed=state.done)
    state._interval = _SCREEN_SECONDS
    state._show = lambda: bars.update(
        task, total=state.done if state.stopped else state.total, completed=state.done, description=state.line()
    )
    with suppress(OSError):  # of a terminal that is gone, as it is for `message`
        bars.start()
    try:
        yield state
    finally:
        with suppress(OSError):
            state._show()
            bars.stop()


def _figure(name: str, value: float | str) -> str:
    return f"{name.replace('_', ' ')} {value if isinstance(value, str) else format(value, ',.4g')}"


def _clock(seconds: float) -> str:
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"
