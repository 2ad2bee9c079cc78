"""Apply a stream of changes as it arrives: each transaction becomes one save of the model.

A file is gone on with where the saved model says (`latticework.knowledge.positions`), past what changed nothing too: by
the next time it might change something. Standard input cannot be read again, so nothing is kept of it: who feeds it
learns from what is given after each save how far it came, and may give the last transaction again, which then changes
nothing if nothing else has changed the model meanwhile.
"""

from __future__ import annotations

import io
import os
import queue
import time
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from latticework.core.errors import InputError, callers_level
from latticework.core.files import MAX_LINE_BYTES, decode_lines, read_errors_of, read_lines
from latticework.core.progress import message
from latticework.core.streams import read_ahead, stream_name
from latticework.knowledge.deltas import Delta, read_transactions
from latticework.knowledge.graph import Missing
from latticework.knowledge.positions import Place, Position, find_place, gone_on
from latticework.knowledge.results import UpdateReport
from latticework.knowledge.saved_model import SavedModel

POLL_SECONDS: Final = 0.1
_READ_BYTES: Final = 2**16
_KNOWN_BYTES: Final = 2**12  # before what is read next: a file in which they have changed is not what was read of it
_AHEAD: Final = 65_536  # lines that are read while an update is computed
_GZIP_MAGIC: Final = b"\x1f\x8b"


def watch(
    saved: SavedModel,
    path: Path,
    *,
    every: float | None = None,
    once: bool = False,
    from_start: bool = False,
    missing: Missing = "warn",
) -> Iterator[tuple[UpdateReport, int]]:
    """Apply the transactions of a growing file, or of standard input (``-``), and save the model after each.

    Where it begins, and what ends a transaction, is told at once (`latticework.core.progress.message`).

    Parameters
    ----------
    saved
        The model; it is changed.
    path
        The file, plain text.
    every
        Seconds without another line after which what has come is a transaction; without, only a blank line ends one,
        or the end of the stream.
    once
        Stop at the end of the file instead of waiting for more.
    from_start
        Apply what was applied before again.
    missing
        As for `DKGE.apply`.

    Yields
    ------
    report, lines
        What was done and has been saved, and how many lines of the stream have been applied.

    Raises
    ------
    InputError
        With file and line, if one is no change; the transactions before it have been saved.
    """
    name, where, begun, place = stream_name(path), None, None, Place()
    if path == Path("-"):
        lines = read_lines(path)
    else:
        where = os.path.realpath(path)  # before it is opened: a link may soon lead to another
        if not from_start:
            place, begun = find_place(path, saved.positions)
        growing = Growing(path, once=once)
        lines = gone_on(path, decode_lines(growing, name), place.position(where))  # type: ignore[arg-type]
    message(
        f"{'applying' if once else 'watching'} {name} from line {place.lines + 1:,} on; "
        f"{_ends(every, endless=not once and path != Path('-'))} ends a transaction"
    )
    return _applied(saved, name, arrivals(lines, every), place, begun, where, missing)


def _ends(every: float | None, *, endless: bool) -> str:
    """What ends a transaction, for people."""
    ends = ["a blank line"] if every is None else ["a blank line", f"{every:g} s without another line"]
    return " or ".join(ends) if endless else f"{', '.join(ends)} or the end"


def _applied(
    saved: SavedModel,
    name: str,
    lines: Iterable[str | None],
    place: Place,
    begun: Position | None,
    where: str | None,
    missing: Missing,
) -> Iterator[tuple[UpdateReport, int]]:
    """Apply the transactions of lines from a place on, and save the model after each; of a file also how far it is."""
    for delta in transactions(lines, name, place):
        before = saved.model.updates_, saved.model.validation_
        report = saved.model.apply(delta, missing=missing)
        if where is not None:
            position = place.position(where)
            saved.moved(position, begun=begun)
            begun = position
        if where is not None or (saved.model.updates_, saved.model.validation_) != before:
            saved.save()
        yield report, place.lines


def transactions(lines: Iterable[str | None], name: str, place: Place) -> Iterator[Delta]:
    r"""The transactions of a stream; a None among its lines ends one, as a blank line does.

    Parameters
    ----------
    lines
        What comes after the place.
    name
        What to call the stream in errors.
    place
        Where it was begun; it moves on, and whenever a transaction is given stands at its end.

    Raises
    ------
    InputError
        As `read_transactions`.

    Examples
    --------
    >>> place = Place()
    >>> for delta in transactions(["+\ta\tr\tb", None, "-\ta\tr\tb"], "some.tsv", place):
    ...     print(delta.add, delta.remove, place.lines)
    (('a', 'r', 'b'),) () 1
    () (('a', 'r', 'b'),) 2
    """
    source, ended = iter(lines), False

    def until_pause() -> Iterator[str]:
        nonlocal ended
        begun = False
        for line in source:
            if line is not None:
                place.pass_over(line)
                begun = bool(line.strip())  # a blank line has ended what was begun
                yield line
            elif begun:
                return
        ended = True

    while not ended:
        yield from read_transactions(until_pause(), name, start=place.lines)


def arrivals(lines: Iterable[str], pause: float | None) -> Iterator[str | None]:
    """Lines as they arrive, and None whenever there is none for so many seconds; an error after the lines before it.

    Parameters
    ----------
    lines
        Read by another thread, some of them ahead.
    pause
        Seconds; None if pauses do not matter.

    Examples
    --------
    >>> list(arrivals(["one", "two"], None))
    ['one', 'two']
    """
    if pause is None:
        yield from lines
        return
    arrived = read_ahead(lines, _AHEAD)
    while True:
        try:
            item = arrived.get(timeout=pause)
        except queue.Empty:
            yield None
            continue
        if item is None:
            return
        if isinstance(item, BaseException):
            raise item
        yield item


class Growing(io.RawIOBase):
    """The bytes of a file to which lines are added, waited for at its end; a line that has no end yet is held back.

    A log may be cut off and be longer again before it is looked at: whatever is read, the last 4 KiB before it are read
    once more, and a file in which they are not what they were is refused.

    Parameters
    ----------
    path
        The file: plain text.
    once
        End where the file ends now, instead of waiting.
    """

    def __init__(self, path: Path, *, once: bool) -> None:
        with read_errors_of(path):
            self._file = path.open("rb", buffering=0)
        if not self._file.seekable():
            self._file.close()
            raise InputError(f"{path} cannot be read again: it is no file; give what comes from it to kg watch MODEL -")
        self._path, self._once = path, once
        self._whole, self._rest, self._known, self._read = b"", b"", b"", 0

    def readable(self) -> bool:
        """It is."""
        return True

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()

    def readinto(self, buffer: Any) -> int:
        """Whole lines, as far as they fit."""
        while not self._whole:
            data = self._added()
            if data:
                self._take(data)
            elif self._at_end():
                return 0
            else:
                time.sleep(POLL_SECONDS)
        piece, self._whole = self._whole[: len(buffer)], self._whole[len(buffer) :]
        buffer[: len(piece)] = piece
        return len(piece)

    def _added(self) -> bytes:
        """What comes after what was read, found in one reading with the end of that, lest it change in between."""
        self._file.seek(self._read - len(self._known))
        data = self._file.read(len(self._known) + _READ_BYTES)
        if not data.startswith(self._known):
            raise InputError(
                f"{self._path} has become shorter or was written anew: lines are only to be added to a file that is "
                "watched"
            )
        return data[len(self._known) :]

    def _take(self, data: bytes) -> None:
        if not self._read and data.startswith(_GZIP_MAGIC):
            raise InputError(f"{self._path} is compressed: give kg update the file, or zcat it to kg watch MODEL -")
        self._read += len(data)
        self._known = (self._known + data)[-_KNOWN_BYTES:]
        whole, end, rest = data.rpartition(b"\n")
        if end:
            self._whole, self._rest = self._rest + whole + end, rest
        else:
            self._rest += rest
        if len(self._rest) > MAX_LINE_BYTES:  # who decodes lines refuses it
            self._whole, self._rest = self._rest, b""

    def _at_end(self) -> bool:
        here = os.fstat(self._file.fileno())
        try:
            there = os.stat(self._path)
        except OSError:
            there = None
        if there is not None and not os.path.samestat(here, there):
            raise InputError(
                f"{self._path} is another file by now; to apply that from its start, call watch again with --from-start"
            )
        if self._once and self._rest:
            told = f"{self._path}: the last line has no end yet and is left for the next time"
            warnings.warn(told, stacklevel=callers_level())
        return self._once
