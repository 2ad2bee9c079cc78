"""A saved model that changes are applied to, together with how far files of changes have been.

Both are what the model itself saves, at once, so they are of before a transaction or of after it, at whatever moment
the process is killed. How far a file was applied is the number of lines and a digest of them: a file is known again by
what it begins with, under another name and in another place too, and one that was rewritten is refused.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, field, replace
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from latticework.core.errors import InputError
from latticework.core.files import read_lines
from latticework.core.hardware import resolve_device
from latticework.core.persistence import read_folder, write_folder
from latticework.core.words import counted
from latticework.knowledge.affected import Rule
from latticework.knowledge.estimator import DKGE

if TYPE_CHECKING:
    from latticework.knowledge.learned import Learned


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


@dataclass
class Kept:
    """A saved model that is kept up to date where it is.

    Attributes
    ----------
    model
        As it is now.
    folder
        Where it is saved.
    header
        What the folder says it holds.
    """

    model: DKGE
    folder: Path
    header: dict[str, Any]
    _there: tuple[Learned, dict[str, Mapping[str, Any]]] | None = field(default=None, repr=False)

    @classmethod
    def load(cls, folder: Path, *, device: str = "auto") -> Self:
        """Load a model for a device; it is saved for the one that it was saved for.

        Raises
        ------
        InputError
            As `DKGE.load`.
        """
        resolve_device(device)
        model = DKGE.load(folder)
        header, state = read_folder(folder)
        return cls(model.set_params(device=device), folder, header, (model.learned_, state.tensors))

    def update_by(
        self,
        *,
        affected: Rule | None = None,
        update_epochs: int | None = None,
        max_triples_per_entity: int | None = None,
    ) -> None:
        """Let updates go by these, where given, instead of what the model was fitted with; that is what is saved."""
        figures = {"update_epochs": update_epochs, "max_triples_per_entity": max_triples_per_entity}
        given: dict[str, Any] = {name: figure for name, figure in figures.items() if figure is not None}
        if affected is not None:
            self.model.set_params(affected=affected)
        if given:
            self.model.set_params(config=replace(self.model.config or self.model.config_, **given))

    @property
    def positions(self) -> tuple[Position, ...]:
        """How far files were applied, of each the last."""
        return tuple(Position(*position) for position in self.model.watched_)

    def save(self, folder: Path | None = None) -> None:
        """Save the model: a crash leaves what was there before, or all of this.

        Where it was loaded from, tensors that are there already are not written again.
        """
        state, learned = self.model.to_state(), self.model.learned_
        if folder is not None:
            write_folder(folder, header=self.header, state=state)
            return
        if self._there is not None and self._there[0] is learned:
            state.tensors = self._there[1]
        write_folder(self.folder, header=self.header, state=state)
        self._there = learned, read_folder(self.folder)[1].tensors

    def moved(self, position: Position, *, begun: Position | None) -> None:
        """Take a new position of a file, for that where it was begun and any other of its name."""
        others = (each for each in self.positions if each != begun and each.name != position.name)
        self.model.watched_ = [astuple(each) for each in (*others, position)]


def resumed(path: Path, positions: Sequence[Position]) -> tuple[Place, Position | None]:
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
