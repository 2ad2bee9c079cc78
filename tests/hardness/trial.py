"""A command run in a fork of this process, which may be killed, or find the disk full."""

from __future__ import annotations

import json
import os
import resource
import select
import shutil
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

BROKEN = 99  # a trial of which this module is to blame
SECONDS = 120.0  # within which any of them ends, even on a busy machine
KILLED = b"killed"  # what a trial tells just before
CHANGES = {  # how what changes the disk is told of, and which of its arguments are paths
    "os.rename": (0, 1),
    "os.mkdir": (0,),
    "os.rmdir": (0,),
    "os.remove": (0,),
    "os.truncate": (0,),
    "os.link": (0, 1),
    "os.symlink": (1,),
    "os.chmod": (0,),
}


class Ended(NamedTuple):
    """How a command ended: below 0 it was killed by that signal.

    `killed` says that it was by itself, just before the operation that was asked for; `late` that it did not end.
    """

    status: int
    out: str
    err: str
    operations: list[list[str]]
    killed: bool = False
    late: bool = False

    @property
    def how(self) -> str:
        """How it ended, for a complaint."""
        took = f"within {SECONDS:.0f} s it did not end" if self.late else f"it ended with {self.status}"
        return f"{took}: {self.err[-500:]}"


def watched(place: Path, kill_at: int | None, found: list[list[str]], told: int) -> None:
    """Note every operation that changes a folder; say so and be killed just before one of them."""
    inside = os.path.realpath(place) + os.sep

    def note(what: str, *names: object) -> None:
        shown = []
        for name in names:
            if not isinstance(name, str | bytes | os.PathLike):
                return
            full = os.path.realpath(os.path.dirname(os.path.abspath(os.fsdecode(name)))) + os.sep
            if not (full.startswith(inside)):
                return
            shown.append(os.path.join(full, os.path.basename(os.fsdecode(name))).removeprefix(inside))
        found.append([what, *shown])
        if len(found) == kill_at:
            os.write(told, KILLED)
            os.kill(os.getpid(), signal.SIGKILL)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            if isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                note("open", path)
        elif event in CHANGES:
            note(event, *(arguments[index] for index in CHANGES[event]))

    def synced(descriptor: int) -> None:
        note("fsync", os.readlink(f"/proc/self/fd/{descriptor}"))  # no event tells of it
        fsync(descriptor)

    fsync, os.fsync = os.fsync, synced
    sys.addaudithook(hook)


def run(
    words: Sequence[str] | Callable[[], int],
    place: Path,
    *,
    kill_at: int | None = None,
    limit: int | None = None,
    deadly: bool = False,
    environment: Mapping[str, str] | None = None,
) -> Ended:
    """Run a command in a folder, in a fork.

    Parameters
    ----------
    words
        Of the command, or a function instead.
    place
        The folder.
    kill_at
        The number of the operation before which it is killed, the first being 1.
    limit
        Bytes that a file may have: what a full disk comes to.
    deadly
        Whether the process is killed when it writes more.
    environment
        Variables besides those of this process.
    """
    pipes = {name: os.pipe() for name in ("out", "err", "told")}
    child = os.fork()
    if child == 0:
        try:
            for reader, _ in pipes.values():
                os.close(reader)
            _inside(
                words, place, {name: writer for name, (_, writer) in pipes.items()}, kill_at, limit, deadly, environment
            )
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
        finally:
            os._exit(BROKEN)
    for _, writer in pipes.values():
        os.close(writer)
    texts, late = _gather({name: reader for name, (reader, _) in pipes.items()}, child)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    killed = texts["told"] == KILLED.decode()
    rest = texts["told"].removeprefix(KILLED.decode())
    told = json.loads(rest) if rest else {"operations": [], "modules": []}
    for module in told["modules"]:
        if module not in sys.modules:
            with suppress(Exception), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                import_module(module)  # here, and not in every fork
    return Ended(status, texts["out"], texts["err"], told["operations"], killed, late)


def _gather(readers: Mapping[str, int], child: int) -> tuple[dict[str, str], bool]:
    """What comes out of the pipes until all are closed; a process that takes too long is killed, and whether it was."""
    names, texts = {reader: name for name, reader in readers.items()}, dict.fromkeys(readers, b"")
    end, late = time.monotonic() + SECONDS, False
    left = list(names)
    while left:
        ready, _, _ = select.select(left, [], [], max(0.0, end - time.monotonic()))
        if not ready and late:
            break  # a process of its own holds the pipes
        if not ready:
            os.kill(child, signal.SIGKILL)
            end, late = time.monotonic() + 1, True
        for reader in ready:
            data = os.read(reader, 2**16)
            texts[names[reader]] += data
            if not data:
                left.remove(reader)
                os.close(reader)
    for reader in left:
        os.close(reader)
    return {name: text.decode(errors="replace") for name, text in texts.items()}, late


def _inside(
    words: Sequence[str] | Callable[[], int],
    place: Path,
    writers: Mapping[str, int],
    kill_at: int | None,
    limit: int | None,
    deadly: bool,
    environment: Mapping[str, str] | None,
) -> None:
    from latticework.cli import main

    known = set(sys.modules)
    os.chdir(place)
    os.environ.update(environment or {})
    time.tzset()
    null = os.open(os.devnull, os.O_RDONLY)
    for descriptor, target in ((null, 0), (writers["out"], 1), (writers["err"], 2)):
        os.dup2(descriptor, target)
    sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w", encoding="utf-8"), open(2, "w", encoding="utf-8")  # noqa: SIM115
    found: list[list[str]] = []
    watched(place, kill_at, found, writers["told"])
    if limit is not None:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL if deadly else signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    status = words() if callable(words) else main(list(words))
    sys.stdout.flush()
    sys.stderr.flush()
    told = {"operations": found, "modules": [name for name in sys.modules if name not in known]}
    data = json.dumps(told).encode()
    while data:
        data = data[os.write(writers["told"], data) :]
    os._exit(status)


def fresh(place: Path) -> Path:
    """An empty folder."""
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    return place
