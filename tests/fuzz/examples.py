"""A format that users bring, an example of it with something wrong, and what comes of reading that."""

from __future__ import annotations

import re
import resource
import shutil
import signal
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from fuzz.mutations import mutated

from latticework.core.errors import InputError, MissingExtraError

Files = dict[str, bytes]
SECONDS = 5.0  # that an example may take
LETTERS = 10_000  # of an error's text, which quotes what a file holds only in part
MEGABYTES = 512  # by which an example may add to what the process takes at most
UNSEALED = 0.1  # share of examples damaged after they were sealed


@dataclass(frozen=True, eq=False)
class Format:
    """Files that are read together, mostly one.

    Attributes
    ----------
    name
        What the command and the tests call it.
    seeds
        Makes some valid examples, each of the same names of files.
    read
        Reads an example from its folder.
    seal
        Makes of files what is written: compressed, or with the checksums that they are to have.
    kept
        Names of files that are never damaged.
    guided
        Whether it is worth while to look for new paths through the reader by atheris: a single binary file.
    claims
        Whether a library may ask for as much memory as a file claims to need, which it never fills.
    estimator
        Of a saved model, the class in the registry.
    """

    name: str
    seeds: Callable[[], list[Files]]
    read: Callable[[Path], object]
    seal: Callable[[Files], Files] | None = None
    kept: frozenset[str] = frozenset()
    guided: bool = False
    claims: bool = False
    estimator: str = ""

    @property
    def made(self) -> list[Files]:
        """The seeds, made once."""
        if self not in _MADE:
            _MADE[self] = self.seeds()
        return _MADE[self]

    def sealed(self, files: Files) -> Files:
        """What is written to the folder."""
        return self.seal(files) if self.seal else files

    def example(self, rng: Random) -> Files:
        """Files with something wrong in one of them."""
        files = rng.choice(self.made)
        if self.seal and rng.random() < UNSEALED:
            return self._damaged(self.seal(files), rng)
        return self.sealed(self._damaged(files, rng))

    def _damaged(self, files: Files, rng: Random) -> Files:
        name = rng.choice(sorted(files.keys() - self.kept))
        other = rng.choice(self.made).get(name, b"")
        return files | {name: mutated(files[name], name, rng, other)}


_MADE: dict[Format, list[Files]] = {}


class TooSlow(BaseException):
    """An example took too long; no `except Exception` is to stop this."""


@dataclass(frozen=True)
class Failure:
    """What must not come of reading an example.

    Attributes
    ----------
    what
        The error, "time", "memory" or the signal.
    where
        The innermost places of our own code, by which failures are told apart.
    trace
        All of it.
    """

    what: str
    where: str
    trace: str = ""


def write(files: Files, folder: Path) -> Path:
    """Make the folder anew with these files."""
    shutil.rmtree(folder, ignore_errors=True)
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def tried(form: Format, files: Files, folder: Path) -> Failure | None:
    """Read an example; what went wrong, if it was anything but a refusal."""
    write(files, folder)
    before, begun = _fresh_peak(), time.monotonic()
    failure: Failure | None = None
    try:
        with warnings.catch_warnings(), _alarm(SECONDS):
            warnings.simplefilter("ignore")  # as fits damaged files
            exhausted(form.read(folder))
    except (InputError, MissingExtraError) as error:
        if not form.claims and (memory := _memory_error(error)) is not None:
            failure = Failure("memory", _where(memory), _trace(error))
        elif len(str(error)) > LETTERS:
            failure = Failure("a long text", _where(error), _trace(error))
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        failure = Failure("time" if isinstance(error, TooSlow) else type(error).__name__, _where(error), _trace(error))
    if failure is None and time.monotonic() - begun > SECONDS:
        failure = Failure("time", form.name, f"{time.monotonic() - begun:.1f} s")
    if failure is None and _peak() - before > MEGABYTES:
        failure = Failure("memory", form.name, f"{_peak() - before:,.0f} MB more than before")
    return failure


def exhausted(found: Any) -> None:
    """Take all that an iterator gives."""
    if isinstance(found, Iterator):
        for _ in found:
            pass


def _memory_error(error: BaseException | None) -> BaseException | None:
    """The failed request for memory that an error was made of: elsewhere there might be as much."""
    while error is not None:
        if isinstance(error, MemoryError) or "can't allocate memory" in str(error):
            return error
        error = error.__cause__ or error.__context__
    return None


def _where(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "/latticework/" in frame.filename and "/tests/" not in frame.filename]
    return " < ".join(f"{Path(frame.filename).name}:{frame.name}:{frame.lineno}" for frame in ours[:-4:-1]) or "outside"


def _trace(error: BaseException) -> str:
    return "".join(traceback.format_exception(error, limit=-12))[-6000:]


def _fresh_peak() -> float:
    """The peak from now on, in MB: of Linux alone, elsewhere it is that of the whole process so far."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    return _peak()


def _peak() -> float:
    with suppress(OSError):
        told = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())
        if told:
            return int(told[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    def ring(*_: object) -> None:
        raise TooSlow

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
