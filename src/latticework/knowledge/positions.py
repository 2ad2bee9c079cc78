"""How far files of changes were applied: the number of lines and a digest of them.

A file is known again by what it begins with, under another name and in another place too, and one that was rewritten is
refused.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import islice
from pathlib import Path

from latticework.core.errors import InputError
from latticework.core.files import read_lines
from latticework.core.words import counted


@dataclass(frozen=True)
class Position:
    """How far a file was applied: its first lines, known by their digest.

    Attributes
    ----------
    name
        What the file was called, without its folder.
    lines
        How many.
    digest
        BLAKE2b of them, in hexadecimal.
    """

    name: str
    lines: int
    digest: str


class Place:
    """A place in a stream of lines: how many there were, and their digest.

    Examples
    --------
    >>> place = Place()
    >>> for line in ("one", "two"):
    ...     place.pass_over(line)
    >>> place.position("log.tsv")
    Position(name='log.tsv', lines=2, digest='f71d668fb51f4a7d2bf58c5f080db5f5')
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

    def position(self, name: str) -> Position:
        """As what is saved."""
        return Position(name, self.lines, self._digest.hexdigest())


def find_place(path: Path, positions: Sequence[Position]) -> tuple[Place, Position | None]:
    """The place in a file up to which it was applied before, and the position that says so; its start if none does.

    Raises
    ------
    InputError
        If a file of that name was applied, but did not begin as this one does.
    """
    before = next((each for each in positions if each.name == path.name), None)
    # Under another name only what is no longer there under that: a new file may begin as an old one did.
    others = [each for each in positions if not (path.parent / each.name).exists()]
    known = {(each.lines, each.digest): each for each in ([before] if before else others)}
    counts = {lines for lines, _ in known}
    place, found, result = Place(), None, Place()
    for line in islice(read_lines(path), max(counts, default=0)):
        place.pass_over(line)
        here = known.get((place.lines, place.position("").digest)) if place.lines in counts else None
        if here is not None:
            found, result = here, place.copy()
    if found is None and before is not None:
        raise _another(path, before)
    if found is not None and found.name != path.name:
        warnings.warn(
            f"{path} begins with {counted(found.lines, 'line')} of {found.name}, which is no longer there: applied "
            "before, and passed over now; with --from-start all of it is applied",
            stacklevel=2,
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
    if place.lines == position.lines and place.position(position.name) != position:
        raise _another(path, position)
    yield from rest


def _another(path: Path, position: Position) -> InputError:
    return InputError(
        f"{path}: it does not begin with the {counted(position.lines, 'line')} of {position.name} applied before: "
        "lines are only to be added to it; with --from-start all of it is applied"
    )
