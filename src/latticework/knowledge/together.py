"""Files that belong together: a crash never leaves some of before beside others."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from latticework.core.errors import InputError
from latticework.core.files import file_to_write, is_stream, sync_folder, write_output
from latticework.core.temporaries import settle, temporary_file, write_errors_of


def write_together(files: Mapping[Path, bytes]) -> None:
    """Write files that belong together, of which the last says that all are there.

    Each is complete under another name before the first gets its own. The last one of before goes first, so that a
    crash leaves all of before, or all, or no last one: never some of before beside others.

    Parameters
    ----------
    files : mapping of Path to bytes
        The whole new content of each; their folders must exist.

    Raises
    ------
    InputError, OSError
        As `write_output`, or if two of the names are of one file.
    ValueError
        If there are no files.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as place:
    ...     write_together({Path(place, "names.txt"): b"one", Path(place, "rows.txt"): b"1"})
    ...     sorted(os.listdir(place))
    ['names.txt', 'rows.txt']
    """
    if not files:
        raise ValueError("there must be at least one file to write, got none")
    if any(map(is_stream, files)):
        for path, data in files.items():
            write_output(path, data)
        return
    targets: dict[Path, bytes] = {}
    for path, data in files.items():
        target = Path(os.path.realpath(path))
        if target in targets:
            raise InputError(f"{path} cannot be written: another of the files would be {target}, too")
        targets[target] = data
    last = [*targets][-1]
    with ExitStack() as stack:
        complete = {}
        for path, data in targets.items():
            with write_errors_of(path):
                complete[path], stream = stack.enter_context(temporary_file(file_to_write(path)))
                stream.write(data)
                settle(stream)
        with write_errors_of(last):
            last.unlink(missing_ok=True)
        for path, temporary in complete.items():
            with write_errors_of(path):
                os.replace(temporary, path)
                sync_folder(path.parent)
