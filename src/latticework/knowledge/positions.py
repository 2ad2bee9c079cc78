"""How far files of changes were applied: where each is, the number of lines and a digest of them.

A file that was moved is known again by what it begins with, and one that was rewritten is refused. While a file that
was applied is where it was, what begins alike is another, whatever its name: a day may bring what the day before did.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import islice
from pathlib import Path

from latticework.core.errors import InputError, callers_level
from latticework.core.files import read_lines
from latticework.core.words import counted


@dataclass(frozen=True)
class Position:
    """How far a file was applied: its first lines, known by their digest.

    Attributes
    ----------
    path
        Where the file is, from the root on, links followed; of models that were saved before that was told, its name.
    lines
        How many.
    digest
        BLAKE2b of them, in hexadecimal.
    """

    path: str
    lines: int
    digest: str

    @property
    def name(self) -> str:
        """What the file was called, without its folder."""
        return Path(self.path).name

    def is_of(self, path: Path) -> bool:
        """Whether it is that of a file, by where the file is."""
        return self.path in (os.path.realpath(path), path.name)


class Place:
    """A place in a stream of lines: how many there were, and their digest.

    Examples
    --------
    >>> place = Place()
    >>> for line in ("one", "two"):
    ...     place.pass_over(line)
    >>> place.position("/logs/log.tsv")
    Position(path='/logs/log.tsv', lines=2, digest='f71d668fb51f4a7d2bf58c5f080db5f5')
    """

    def __init__(self) -> None:
        self.lines = 0
        self._digest = blake2b(digest_size=16)

    def pass_over(self, line: str) -> None:
        """Go on by a line."""
        self.lines += 1
        self._digest.update(line.encode())
        self._digest.update(b"\n")

    def copy(self) -> Place:
        """Another that moves on alone."""
        other = Place()
        other.lines, other._digest = self.lines, self._digest.copy()
        return other

    @property
    def digest(self) -> str:
        """BLAKE2b of the lines so far, in hexadecimal."""
        return self._digest.hexdigest()

    def position(self, path: str) -> Position:
        """As what is saved, of the file that is there."""
        return Position(path, self.lines, self.digest)


def find_place(path: Path, positions: Sequence[Position]) -> tuple[Place, Position | None]:
    """The place in a file up to which it was applied before, and the position that says so; its start if none does.

    Raises
    ------
    InputError
        If the file that was there when it was applied did not begin as this one does.
    """
    before = next((each for each in positions if each.is_of(path)), None)
    known = {(each.lines, each.digest): each for each in ([before] if before else positions)}
    counts = {lines for lines, _ in known}
    place, found, alike, result = Place(), None, None, Place()
    for line in islice(read_lines(path), max(counts, default=0)):
        place.pass_over(line)
        here = known.get((place.lines, place.digest)) if place.lines in counts else None
        # Of another place only what is no longer there: a new file may begin as an old one did.
        if here is not None and here is not before and os.path.exists(path.parent / here.path):
            alike = here if here.name == path.name else alike  # perhaps a copy
        elif here is not None:
            found, result = here, place.copy()
    if found is None and before is not None:
        raise _another(path, before)
    if found is not None and not found.is_of(path):
        warnings.warn(
            f"{path} begins with {counted(found.lines, 'line')} of {found.path}, which is no longer there: applied "
            "before, and passed over now; with --from-start all of it is applied",
            stacklevel=callers_level(),
        )
    if found is None and alike is not None:
        warnings.warn(
            f"{path} begins with {counted(alike.lines, 'line')} of {alike.path}, which was applied before and is still "
            "there: taken for another file, and applied from its first line",
            stacklevel=callers_level(),
        )
    return result, found


def gone_on(path: Path, lines: Iterable[str], position: Position) -> Iterator[str]:
    """The lines of a file after a position that it was found to have, even if it was rewritten since it was found.

    Raises
    ------
    InputError
        If what is passed over is not what the position says.
    """
    place, rest = Place(), iter(lines)
    for line in islice(rest, position.lines):
        place.pass_over(line)
    if place.lines == position.lines and place.digest != position.digest:
        raise _another(path, position)
    yield from rest


def _another(path: Path, position: Position) -> InputError:
    return InputError(
        f"{path}: it does not begin with the {counted(position.lines, 'line')} of {position.name} applied before: "
        "lines are only to be added to it; with --from-start all of it is applied"
    )
