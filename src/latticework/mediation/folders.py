"""Folders that are there as a whole or not at all, each with a file of JSON that says what it is."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from latticework.core.errors import InputError
from latticework.core.files import sync_folder, temporary_in

MOST_BYTES: Final = 2**20  # of what a folder says of itself


def described(path: Path, kind: str) -> dict[str, Any] | None:
    """What a file says of its folder; None if it cannot be read, or is of another kind."""
    try:
        with path.open("rb") as stream:
            about = json.loads(stream.read(MOST_BYTES))
    except (OSError, ValueError, RecursionError):
        return None
    return about if isinstance(about, dict) and about.get("kind") == kind else None


def folder_to_write(folder: str | os.PathLike[str]) -> Path:
    """Where a folder will be, if one can be there.

    Raises
    ------
    InputError
        If none can.
    """
    target = Path(os.path.realpath(folder))
    if not target.parent.is_dir():
        raise InputError(f"{folder} cannot be written: there is no folder {target.parent}")
    if target.exists() and not target.is_dir():
        raise InputError(f"{folder} is a file, expected the name of a folder to write")
    return target


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """A folder to write into, which takes the place of the target at the end, and is gone if anything fails.

    Raises
    ------
    InputError
        If it cannot be written.
    """
    temporary = temporary_in(target.parent)
    try:
        temporary.mkdir()
        yield temporary
        put_in_place(temporary, target)
    except OSError as error:
        raise InputError(f"{target} cannot be written: {error.strerror}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    sync_folder(target.parent)


def put_in_place(temporary: Path, target: Path) -> None:
    """Move the folder to its place, and what was there away."""
    before = temporary_in(target.parent)
    if target.is_dir():
        os.replace(target, before)
    try:
        os.replace(temporary, target)
    except OSError:
        if before.is_dir():
            os.replace(before, target)
        raise
    shutil.rmtree(before, ignore_errors=True)
