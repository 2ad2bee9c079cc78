"""Commands that are killed, that find the disk full, and that are told to write where nothing can be written."""

from __future__ import annotations

import re
import shutil
import signal
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from hardness.commands import MODEL, Command, arguments, folder_of_inputs
from hardness.judging import Tree, differences, read_model, tree, wrong
from hardness.trial import BROKEN, Ended, fresh, run

from latticework.cli.errors import BAD_INPUT, FAILED
from latticework.core.errors import InputError
from latticework.core.temporaries import TEMPORARY_NAME

NOWHERE = ("/proc/", "file/", "missing/")  # where nothing can be written: not by root, either


@dataclass(frozen=True)
class Setting:
    """A command, and what is there before it.

    Attributes
    ----------
    command
        What is run.
    root
        The folder with the inputs, beside which it is run.
    over
        Whether there is something before that it writes over.
    """

    command: Command
    root: Path
    over: bool

    @property
    def name(self) -> str:
        return f"{self.command.name}{'-over' if self.over else ''}"

    @property
    def place(self) -> Path:
        return self.root / "place"

    def words(self, to: str = "") -> list[str]:
        return self.command.arguments(self.command.over if self.over else "", to=to)

    @cached_property
    def template(self) -> Path:
        """A folder with what is there before."""
        folder = fresh(self.root / f"before-{self.name}")
        for name in self.command.changes:
            shutil.copytree(folder_of_inputs(self.root) / name, folder / name)
        if self.over and self.command.before is not None:
            ended = run(arguments(self.command.before), folder)
            assert ended.status == 0, f"{self.name}: what is there before cannot be made: {ended}"
        return folder

    def begin(self) -> None:
        """Put there what is there before."""
        shutil.rmtree(self.place, ignore_errors=True)
        shutil.copytree(self.template, self.place)

    @cached_property
    def old(self) -> Tree:
        return tree(self.template)

    @cached_property
    def whole(self) -> tuple[Ended, Tree]:
        """How the command ends when nothing happens to it, and what is there then."""
        self.begin()
        ended = run(self.words(), self.place)
        assert ended.status == 0, f"{self.name}: it fails when nothing happens to it: {ended}"
        return ended, tree(self.place)

    @cached_property
    def twice(self) -> Tree:
        """What is there when it is run, and run again."""
        self.begin()
        for _ in range(2):
            ended = run(self.words(), self.place)
            assert ended.status == 0, f"{self.name}: it fails when nothing happens to it: {ended}"
        return tree(self.place)

    @property
    def operations(self) -> list[list[str]]:
        return self.whole[0].operations

    @property
    def largest(self) -> int:
        """Bytes of the largest file that it writes."""
        new = {name: data for name, data in self.whole[1].items() if data is not None and self.old.get(name) != data}
        return max(len(data or b"") for data in new.values())

    def damage(self) -> list[str]:
        """What is wrong with what is there."""
        return list(wrong(self.command.writes, self.place, tree(self.place), self.old, self.whole[1]))

    def repeated(self) -> list[str]:
        """Give the command again, after something happened to it: what is wrong with what is there then."""
        done = tree(self.place) == self.whole[1]
        ended = run(self.words(), self.place)
        refused = done and self.command.refuses and ended.status == BAD_INPUT
        if ended.status == BAD_INPUT and not refused and self.command.refuses and self._model_is_whole():
            ended = run(self.command.arguments(self.command.over), self.place)  # for what else it writes
        told = [] if ended.status == 0 or refused else [f"given again: {ended.how}"]
        left = tree(self.place)
        if left != self.whole[1] and not (self.command.changes and self._as_if_twice(left)):
            told += [f"given again: {one}" for one in differences(left, self.whole[1])]
        return told

    def _model_is_whole(self) -> bool:
        models = [name for name, kind in self.command.writes.items() if kind == MODEL]
        with suppress(InputError):
            for name in models:
                read_model(self.place / name)
            return bool(models)
        return False

    def _as_if_twice(self, left: Tree) -> bool:
        """Whether there is what there is when a command that goes on from what is there is run twice.

        The second time it may have nothing to save, and leave files of the model before that it would have removed.
        """
        return left == self.twice or {name: data for name, data in left.items() if name not in self.old} == {
            name: data for name, data in self.twice.items() if name not in self.old
        }


def settings(command: Command, root: Path) -> list[Setting]:
    """With nothing there before, and with something, where either can be."""
    if command.changes:
        return [Setting(command, root, over=False)]
    return [Setting(command, root, over=over) for over in (False, True) if not over or command.before is not None]


def kills(setting: Setting, moments: Sequence[int]) -> Iterator[tuple[str, list[str]]]:
    """Kill a command just before each of these operations: what is wrong with what it leaves, then and later."""
    for moment in moments:
        setting.begin()
        ended = run(setting.words(), setting.place, kill_at=moment)
        what = f"{setting.name} killed before {moment} {setting.operations[moment - 1]}"
        if ended.status != -signal.SIGKILL or not ended.killed:
            yield what, [ended.how]
        else:
            damage = setting.damage()
            yield what, damage + setting.repeated()


def full(
    setting: Setting, sizes: Sequence[int], *, deadly: bool = False, again: bool = True
) -> Iterator[tuple[str, list[str]]]:
    """Let a command write so many bytes to each file: what is wrong with what it says and leaves."""
    for size in sizes:
        setting.begin()
        ended = run(setting.words(), setting.place, limit=size, deadly=deadly)
        what = f"{setting.name} {'killed' if deadly else 'full'} after {size} bytes"
        if deadly and ended.status == -signal.SIGXFSZ:
            told = []
        else:
            told = complaints(setting, ended, "File too large", status=FAILED)
        told += setting.damage()
        if not deadly and ended.status != 0:
            told += [f"{name} is left over" for name in tree(setting.place) if "/." in f"/{name}"]
        yield what, told + (setting.repeated() if again else [])


def nowhere(setting: Setting, tos: Sequence[str] = NOWHERE) -> Iterator[tuple[str, list[str]]]:
    """Tell a command to write where nothing can be written: what is wrong with what it says, or leaves there."""
    for to in tos:
        if setting.words(to) == setting.words():
            continue
        setting.begin()
        (setting.place / "file").write_text("mine")
        before = tree(setting.place)
        ended = run(setting.words(to), setting.place)
        told = complaints(setting, ended, "", to, status=BAD_INPUT) if ended.status or to != "missing/" else []
        if ended.status:
            told += [f"{one} (it was refused)" for one in differences(tree(setting.place), before)]
        yield f"{setting.name} to {to}", told


def complaints(setting: Setting, ended: Ended, reason: str, to: str = "", *, status: int) -> list[str]:
    """What is wrong with how a command that could not write says so."""
    if ended.status == 0:
        return differences(tree(setting.place), setting.whole[1])
    if ended.late or ended.status == BROKEN or ended.status < 0:
        return [ended.how]
    if ended.status != status:
        return [f"it ended with {ended.status}, not {status}: {ended.err[-500:]}"]
    lines = [line for line in ended.err.splitlines() if "error" in line.lower() or "Traceback" in line]
    if len(lines) != 1 or not lines[0].startswith("error: ") or ended.err.splitlines()[-1] != lines[0]:
        return [f"it does not say it in one line: {ended.err[-800:]}"]
    names = [name.partition("/")[0] for name in setting.command.writes] + [to.strip("/")] * bool(to)
    written = re.search(r"(\S+) cannot be (written|made)", lines[0])  # a file of ours, or one that is there meanwhile
    named = any(name in lines[0] for name in names) or (written and TEMPORARY_NAME.search(written[1]) is None)
    if reason not in lines[0] or not named:
        return [f"it does not say which file, or why: {lines[0]}"]
    return []
