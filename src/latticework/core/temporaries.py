"""Hidden names under which files and folders are written before they get their own.

Each target has one such name, and a folder another for what it was before, so that whoever writes it next finds what a
process that was killed has left, and removes it or puts it back. Whoever writes holds a lock on it: what is locked is
being written, and a second writer takes a name of its own.
"""

from __future__ import annotations

import errno
import hashlib
import math
import os
import re
import secrets
import shutil
import stat
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final

from latticework.core.errors import InputError, callers_level

if sys.platform != "win32":
    import fcntl

TEMPORARY_NAME: Final = re.compile(r"\.latticework-[0-9a-f]{16}\.tmp")
PATIENCE: Final = 30.0  # seconds that a lock is waited for; writers have one on what they put in place while they do
NO_SPACE: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
WRONG_PLACE: Final = frozenset(  # what another name would mend
    {
        errno.ENOENT,
        errno.ENOTDIR,
        errno.EISDIR,
        errno.EEXIST,
        errno.ENOTEMPTY,
        errno.EACCES,
        errno.EPERM,
        errno.EROFS,
        errno.ELOOP,
        errno.ENAMETOOLONG,
        errno.EINVAL,
        errno.EXDEV,
        errno.ENXIO,
        errno.EBUSY,
    }
)


@contextmanager
def write_errors_of(path: str | os.PathLike[str]) -> Iterator[None]:
    """Let an error name the file, or the folder, that cannot be written.

    Raises
    ------
    InputError
        In the place of an OSError that tells of a place where it cannot be.
    OSError
        Of anything else, such as a full disk.
    """
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        if error.errno in WRONG_PLACE:
            raise InputError(f"{path} cannot be written: {reason}") from error
        raise OSError(error.errno, reason, os.fspath(path)) from error


@contextmanager
def temporary_file(target: Path) -> Iterator[tuple[Path, BinaryIO]]:
    """A new file beside a target, which the caller writes, closes and gives its name; else it is gone at the end.

    Parameters
    ----------
    target : Path
        The file that it will be; its folder must exist.

    Yields
    ------
    Path
        Its name until then.
    BinaryIO
        To write to.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as place:
    ...     with temporary_file(Path(place) / "note.txt") as (path, stream):
    ...         _ = stream.write(b"kept")
    ...         stream.close()
    ...         os.replace(path, Path(place) / "note.txt")
    ...     os.listdir(place)
    ['note.txt']
    """
    with _temporary(target, partial(Path.touch, exist_ok=False)) as path:
        stream = path.open("wb")
        try:
            yield path, stream
        finally:
            with suppress(OSError):  # what was not closed by then is given up
                stream.close()


def temporary_folder(target: Path) -> AbstractContextManager[Path]:
    """A new folder beside a target, which the caller fills and gives its name; else it is gone at the end.

    Parameters
    ----------
    target : Path
        The folder that it will be; the one that it is in must exist.
    """
    return _temporary(target, Path.mkdir)


def settle(stream: BinaryIO) -> None:
    """See to it that all that was written is on the disk, and close the file."""
    stream.flush()
    os.fsync(stream.fileno())
    stream.close()


def temporary_in(folder: Path) -> Path:
    """Return a fresh name in a folder, recognisable (`TEMPORARY_NAME`) as left over after a crash."""
    return folder / f".latticework-{secrets.token_hex(8)}.tmp"


def name_of_before(target: Path) -> Path:
    """The hidden name of what a target was, while what it will be takes its name."""
    return _hidden(target, b"/before")  # no name of a target has a / in it


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Wait for others that have a lock on a file or folder, and hold one, where there can be one."""
    lock = None
    with suppress(FileNotFoundError):
        while (lock := _locked(path, wait=True)) is not None and not _is_at(os.fstat(lock), path):
            _let_go(lock)  # what was there was replaced meanwhile
            lock = None
    try:
        yield
    finally:
        _let_go(lock)


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Wait until no other writer is in a folder, which is made if there is none, and be the one, under a hidden name.

    Where there can be no locks nobody waits.

    Raises
    ------
    InputError, OSError
        As `write_errors_of`, if the folder cannot be written.
    """
    mark, patient, lock = _mark(folder), time.monotonic() + PATIENCE, None
    with write_errors_of(folder):
        while True:
            folder.mkdir(exist_ok=True)  # a writer that failed may have removed what it made
            remove_leftover(mark)
            with suppress(FileExistsError, FileNotFoundError):
                mark.touch(exist_ok=False)
                lock = _locked(mark, wait=True)
                if lock is None or _is_at(os.fstat(lock), mark):
                    break
                _let_go(lock)  # another took it for left over before it was locked
            if not _can_be_locked(mark):  # or it goes above, with a lock on it: a writer may just have made it
                with suppress(OSError):
                    mark.unlink()
            elif time.monotonic() > patient:
                patient = math.inf
                warnings.warn(f"another process is writing in {folder}: waiting for it", stacklevel=callers_level())
            time.sleep(0.01)
    try:
        yield
    finally:
        try:
            mark.unlink(missing_ok=True)
        except OSError:
            pass
        finally:
            _let_go(lock)


def remove_mark(folder: Path) -> None:
    """Remove what a writer that was killed after its work has left in a folder."""
    remove_leftover(_mark(folder))


def _mark(folder: Path) -> Path:
    return _hidden(folder / "writer")


def _hidden(target: Path, role: bytes = b"") -> Path:
    return target.parent / f".latticework-{hashlib.sha256(os.fsencode(target.name) + role).hexdigest()[:16]}.tmp"


@contextmanager
def _temporary(target: Path, make: Callable[[Path], None]) -> Iterator[Path]:
    """The hidden name under which something was made; at the end it is gone, unless it has another by then."""
    path, lock = _made(target, make)
    made = os.lstat(path)
    with suppress(OSError):
        _give_rights(path, made, os.stat(target))
    try:
        yield path
    finally:
        with suppress(OSError):
            if _is_at(made, path):  # another writer may have that name now
                _remove(path)
        _let_go(lock)


def _give_rights(path: Path, made: os.stat_result, before: os.stat_result) -> None:
    """Let others do with what was made what they may with what it replaces: no more than that, and no other group."""
    mode = stat.S_IMODE(before.st_mode) | made.st_mode & stat.S_IRWXU
    if made.st_gid != before.st_gid:
        try:
            os.chown(path, -1, before.st_gid)
        except OSError:
            mode &= ~(stat.S_IRWXG | stat.S_ISGID)
    os.chmod(path, mode)


def _made(target: Path, make: Callable[[Path], None]) -> tuple[Path, int | None]:
    """The hidden name under which something was made, and the lock on it, where there can be one."""
    usual = _hidden(target)
    while True:
        remove_leftover(usual)
        path = temporary_in(target.parent) if os.path.lexists(usual) else usual
        try:
            make(path)
        except FileExistsError:
            continue
        with suppress(FileNotFoundError):  # another writer took it for left over before it was locked
            lock = _locked(path, wait=True)
            if lock is None or _is_at(os.fstat(lock), path):
                return path, lock
            _let_go(lock)


def _is_at(made: os.stat_result, path: Path) -> bool:
    try:
        return os.path.samestat(made, os.lstat(path))
    except FileNotFoundError:
        return False


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink()


def remove_leftover(path: Path) -> None:
    """Remove what a writer that is no more has left; what cannot be removed, or is being written, stays."""
    if not os.path.lexists(path):
        return
    with suppress(OSError):
        if sys.platform == "win32":  # which removes nothing that is open
            path.unlink()
            return
        lock = _locked(path, wait=False)
        try:
            # What was renamed before it was locked is no longer ours.
            if lock is not None and _is_at(os.fstat(lock), path):
                _remove(path)
        finally:
            _let_go(lock)


def _locked(path: Path, *, wait: bool) -> int | None:
    """A descriptor that holds a lock until it is closed, at the latest as the process ends; None if there is none.

    Whoever has one for longer than is waited is no writer of ours, but may be who started this process.

    Raises
    ------
    FileNotFoundError
        If nothing is there to lock.
    """
    if sys.platform == "win32":
        return None
    try:
        descriptor = _opened(path)
    except FileNotFoundError:
        raise
    except OSError:
        return None
    until = time.monotonic() + (PATIENCE if wait else 0)
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
        except BlockingIOError:
            if time.monotonic() < until:
                time.sleep(0.01)
                continue
        except OSError:  # some file systems have no locks
            pass
        os.close(descriptor)
        return None


def _can_be_locked(path: Path) -> bool:
    """Whether there can be a lock on what is there; what is not there, or may not be opened, counts as such."""
    if sys.platform == "win32":
        return False
    try:
        descriptor = _opened(path)
    except OSError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        pass
    except OSError:  # some file systems have none
        return False
    finally:
        os.close(descriptor)
    return True


def _opened(path: Path) -> int:
    flags = os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        return os.open(path, flags | os.O_RDWR)  # over NFS only what may be written can be locked
    except (IsADirectoryError, PermissionError):
        return os.open(path, flags | os.O_RDONLY)


def _let_go(lock: int | None) -> None:
    if lock is not None:
        os.close(lock)
