"""Folders written as a whole or not at all."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final

from latticework.core.errors import InputError
from latticework.core.files import sync_folder
from latticework.core.temporaries import (
    NO_SPACE,
    TEMPORARY_NAME,
    locked,
    name_of_before,
    temporary_folder,
    temporary_in,
    write_errors_of,
)

_HERE: Final = -100  # AT_FDCWD: names are as they are
_EXCHANGE: Final = 2  # RENAME_EXCHANGE, of Linux 3.15


def folder_to_write(folder: str | os.PathLike[str]) -> Path:
    """Where a folder will be, through symbolic links.

    Raises
    ------
    InputError
        If a file is there.
    """
    target = Path(os.path.realpath(folder))
    if os.path.exists(target) and not os.path.isdir(target):
        raise InputError(f"{folder} is a file, expected the name of a folder to write")
    return target


def folder_to_replace(folder: str | os.PathLike[str]) -> Path:
    """Where a folder will be that takes the place of what is there, through symbolic links.

    Raises
    ------
    InputError
        If a file is there, a file system is mounted there, or this process is there, or in it.
    """
    target = folder_to_write(folder)
    if os.path.ismount(target):
        raise InputError(f"{folder} cannot be replaced, a file system is mounted there: choose a folder in it")
    with suppress(FileNotFoundError):  # it may be gone itself
        if Path.cwd().is_relative_to(target):  # and would be gone for whoever is there, such as a shell
            raise InputError(f"{folder} cannot be replaced, it is where you are: choose a folder in it")
    return target


def check_writable(folder: str | os.PathLike[str]) -> None:
    """Find out before long work whether files can be written into a folder, which need not exist yet.

    Raises
    ------
    InputError
        If it, or the nearest folder above it that exists, is a file or not ours to write.
    """
    place = Path(folder).absolute()
    while not os.path.lexists(place):
        place = place.parent
    if not os.path.isdir(place):
        raise InputError(f"{folder} cannot be written: {place} is not a folder")
    if not os.access(place, os.W_OK | os.X_OK):
        raise InputError(f"{folder} cannot be written: there is no permission to write in {place}")


def check_empty(folder: str | os.PathLike[str], *, besides: re.Pattern[str] = TEMPORARY_NAME) -> None:
    """Refuse to write into a folder that holds anything: none may be there, or an empty one.

    Parameters
    ----------
    folder : path-like
        Where files are to be.
    besides : Pattern
        Names that it may hold all the same: by default what a process that was killed has left.

    Raises
    ------
    InputError
        If it holds anything, or is a file.
    """
    path = folder_to_write(folder)
    with write_errors_of(path):
        others = [name for name in os.listdir(path) if not besides.fullmatch(name)] if path.is_dir() else []
    if others:
        raise InputError(f"{folder} holds other things, such as {min(others)}: choose another folder, or empty it")


def check_new(folder: str | os.PathLike[str]) -> None:
    """Find out before long work whether `new_folder` will take a folder: none may be there, or an empty one.

    Raises
    ------
    InputError
        If it holds anything, is a file, or there can be none.
    """
    target = folder_to_replace(folder)
    check_empty(folder)
    check_writable(target.parent if os.path.exists(target) else target)


def nested(one: str | os.PathLike[str], other: str | os.PathLike[str]) -> bool:
    """Whether two places are one, or one of them is in the other, through symbolic links.

    Examples
    --------
    >>> nested("a", "a/b"), nested("a/../b", "b"), nested("a", "ab")
    (True, True, False)
    """
    one, other = (Path(os.path.realpath(path)) for path in (one, other))
    return one.is_relative_to(other) or other.is_relative_to(one)


def make_folder(folder: str | os.PathLike[str]) -> Path:
    """Make a folder, and those that it is in, where they are not there.

    Raises
    ------
    InputError
        If no folder can be there.
    OSError
        If it cannot be made for another reason, such as a full disk.
    """
    folder_to_write(folder)
    made = Path(folder)
    with write_errors_of(made):
        made.mkdir(parents=True, exist_ok=True)
    return made


@contextmanager
def new_folder(folder: str | os.PathLike[str]) -> Iterator[Path]:
    """A folder to write into, which gets its name once it is complete, if there is still nothing under that name.

    Parameters
    ----------
    folder : path-like
        Where it will be: made, with those that it is in; or an empty one.

    Yields
    ------
    Path
        The folder under another name.

    Raises
    ------
    InputError
        As `check_new`, at the beginning and at the end; and as `replacing`.

    Examples
    --------
    >>> with new_folder(os.curdir):
    ...     pass
    Traceback (most recent call last):
    latticework.core.errors.InputError: . cannot be replaced, it is where you are: choose a folder in it
    """
    check_new(folder)
    with replacing(folder, check=check_new) as temporary:
        yield temporary


@contextmanager
def replacing(folder: str | os.PathLike[str], *, check: Callable[[Path], object] = folder_to_replace) -> Iterator[Path]:
    """A folder to write into, which gets its name once it is complete and takes the place of what had that name.

    Those that it is in are made. If anything goes wrong, what was there stays. A process that is killed may leave a
    hidden folder beside it, which goes when the folder is next written. Where the system cannot exchange two names in
    one step, a process that is killed between two may leave nothing under the name: what was there is then under a
    hidden one, and is put back when the folder is next written.

    Parameters
    ----------
    folder : path-like
        Where it will be.
    check : callable
        Raises an error unless what is there may go, asked at the very end: it may have been filled meanwhile.

    Yields
    ------
    Path
        The folder under another name.

    Raises
    ------
    InputError
        If no folder, or nothing of what is to be in it, can be there.
    OSError
        If it cannot be written for another reason, such as a full disk. What the caller raises stays as it is, but for
        the names of files in the folder.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as place:
    ...     with replacing(Path(place) / "maps") as folder:
    ...         _ = (folder / "one.txt").write_text("1")
    ...     [path.name for path in (Path(place) / "maps").iterdir()]
    ['one.txt']
    """
    target = folder_to_replace(folder)
    make_folder(target.parent)
    with ExitStack() as stack:
        with write_errors_of(target):
            _put_back(target)
            temporary = stack.enter_context(temporary_folder(target))
        with _called(temporary, target):
            yield temporary
        with write_errors_of(target):
            _sync(temporary)
            check(target)
            _put_in_place(temporary, target)


@contextmanager
def _called(temporary: Path, target: Path) -> Iterator[None]:
    """Let errors name files as they were to be called; those of other files, such as what is read, stay as they are."""
    try:
        yield
    except InputError as error:
        raise InputError(str(error).replace(str(temporary), str(target))) from error
    except OSError as error:
        name = Path(error.filename) if isinstance(error.filename, str | os.PathLike) else None
        if name is not None and name.is_relative_to(temporary):
            with write_errors_of(target / name.relative_to(temporary)):
                raise
        if name is None and error.errno in NO_SPACE:  # an open file does not tell its name; what is written is here
            with write_errors_of(target):
                raise
        raise


def _sync(folder: Path) -> None:
    """Make what was written durable before it gets its name."""
    for place, _, names in os.walk(folder):
        for name in names:
            with open(os.path.join(place, name), "r+b") as stream:
                os.fsync(stream.fileno())
        sync_folder(Path(place))


def _put_in_place(temporary: Path, target: Path) -> None:
    """Give a folder its name; what had it is then gone."""
    with locked(target):  # until it has a name again, or is gone: see `_put_back`
        before = temporary if target.is_dir() and _exchanged(temporary, target) else _replaced(temporary, target)
        sync_folder(target.parent)
        shutil.rmtree(before, ignore_errors=True)


def _replaced(temporary: Path, target: Path) -> Path:
    """Give a folder its name, in two steps; what had it, if anything, is then under the name that is returned."""
    before = name_of_before(target)
    if os.path.lexists(before):  # what was left there cannot be removed
        before = temporary_in(target.parent)
    if target.is_dir():
        os.replace(target, before)
    try:
        os.replace(temporary, target)
    except OSError:
        if before.is_dir():
            os.replace(before, target)
        raise
    return before


def _put_back(target: Path) -> None:
    """Give a folder its name again, if a process was killed as it put another in its place, or remove it."""
    before = name_of_before(target)
    with locked(before):  # whoever is putting another in its place now has an end of it first
        if os.path.lexists(target):
            shutil.rmtree(before, ignore_errors=True)
        else:
            with suppress(FileNotFoundError):
                os.replace(before, target)


def _exchanged(one: Path, other: Path) -> bool:
    """Let two folders have each other's name, in one step; False where the system cannot do that.

    Python has no function for it.
    """
    rename = getattr(ctypes.CDLL(None), "renameat2", None) if sys.platform == "linux" else None
    names = (argument for path in (one, other) for argument in (_HERE, os.fsencode(path)))
    return rename is not None and rename(*names, _EXCHANGE) == 0
