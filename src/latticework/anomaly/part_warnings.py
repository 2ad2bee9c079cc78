"""Warnings of parts: of one part at once; of many, each thing once, with the part that it was first seen in.

Whoever works on many parts, in whatever process, notes what there is to say and sends it home, where it is said.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from latticework.core.errors import callers_level
from latticework.core.words import counted

Note = tuple[str, str]  # a part or its file, and what is said of it
_listener: ContextVar[Callable[[str, str], None] | None] = ContextVar("listener", default=None)


def warn(part: str, what: str) -> None:
    """Warn of a part, or note it, where many are worked on.

    Parameters
    ----------
    part
        Its name, or its file that is meant.
    what
        The same words for all parts that it holds for.
    """
    listener = _listener.get()
    if listener is None:
        warnings.warn(f"{part}: {what}", stacklevel=callers_level())
    else:
        listener(part, what)


@contextmanager
def noted() -> Iterator[list[Note]]:
    """Note, while the context lasts, what would be said.

    Examples
    --------
    >>> with noted() as notes:
    ...     warn("cut/000", "the points span more than 10 m")
    >>> notes
    [('cut/000', 'the points span more than 10 m')]
    """
    notes: list[Note] = []
    with _heard_by(lambda part, what: notes.append((part, what))):
        yield notes


@contextmanager
def once() -> Iterator[None]:
    """Say each thing once while the context lasts, and in the end, however that comes, of how many more parts it holds.

    Within another such context, or one that notes, what there is to say is left to that one.

    Examples
    --------
    >>> with noted() as notes, once():
    ...     warn("cut/000", "the points span more than 10 m")
    >>> len(notes)
    1
    """
    with Once() as said, _heard_by(said.add):
        yield


class Once:
    """Says each thing once, and when it is left, of how many more parts it holds.

    Where somebody listens when it is made, each thing is handed on to them. Other than `once`, it does not listen
    itself, and so may be used by a generator, whose caller goes on between two parts.
    """

    def __init__(self) -> None:
        self._times: Counter[str] = Counter()
        self._home = _listener.get()

    def __enter__(self) -> Once:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def add(self, part: str, what: str) -> None:
        """Say it, unless it was said of another part."""
        if self._home is not None:
            self._home(part, what)
            return
        self._times[what] += 1
        if self._times[what] == 1:
            warnings.warn(f"{part}: {what}", stacklevel=callers_level())

    def close(self) -> None:
        """Say how often what was said was noted again."""
        for what, times in self._times.items():
            if times > 1:
                warnings.warn(f"{counted(times - 1, 'more part')}: {what}", stacklevel=callers_level())


@contextmanager
def _heard_by(listener: Callable[[str, str], None]) -> Iterator[None]:
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)
