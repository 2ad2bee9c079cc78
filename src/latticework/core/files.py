"""Text files read line by line, strictly; files written so that a crash leaves the old content or the new."""

from __future__ import annotations

import errno
import io
import os
import stat
import sys
import zlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Final

from latticework.core.errors import InputError
from latticework.core.gzipped import compressed, decompressed
from latticework.core.temporaries import settle, temporary_file, write_errors_of

MAX_LINE_BYTES: Final = 16 * 2**20  # a text file without line ends must not fill the memory
_JSONL: Final = (".jsonl", ".json")
JSON_LINES: Final = " or ".join(_JSONL)  # as help and errors say it
_BUFFER_BYTES: Final = 2**17
_LINES_AT_ONCE: Final = 2**10  # of a file that is written
_UTF8_BOM: Final = b"\xef\xbb\xbf"
_UTF16_BOMS: Final = (b"\xff\xfe", b"\xfe\xff")


def read_lines(path: str | os.PathLike[str]) -> Iterator[str]:
    r"""Yield the lines of a UTF-8 text file, plain or gzip-compressed, without their line ends.

    Only ``\n`` and ``\r\n`` end a line: U+2028, U+0085 and a vertical tab stay inside it, so line numbers agree with
    every other tool. Compression is recognised by content. A line is there as soon as it has arrived, and those before
    damage come before its error.

    Parameters
    ----------
    path : path-like
        The file, or ``"-"`` for standard input, of which Python must not have read anything before.

    Yields
    ------
    str
        One line.

    Raises
    ------
    InputError
        If the file is missing, is a folder, cannot be read, or is a damaged gzip file, and, with file and line number,
        for a byte that is not UTF-8, a NUL character, or a line longer than 16 MiB.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder) / "two.txt"
    ...     _ = file.write_bytes(b"ein Haus\r\nzwei\n")
    ...     list(read_lines(file))
    ['ein Haus', 'zwei']
    """
    if os.fspath(path) == "-":
        # Past the buffer, whose lock makes Python abort if it ends while a thread waits inside it for input.
        yield from decode_lines(getattr(sys.stdin.buffer, "raw", sys.stdin.buffer), "<stdin>")
        return
    path = Path(path)
    with read_errors_of(path, expected="a text file"):
        stream = path.open("rb")
    with stream:
        yield from _lines(stream, str(path), packed=is_packed(path))


def decode_lines(stream: BinaryIO, name: str) -> Iterator[str]:
    r"""Yield the lines of a binary stream as `read_lines` does.

    Parameters
    ----------
    stream : binary file object
        Where to read from; it is left open.
    name : str
        What to call the stream in error messages.

    Yields
    ------
    str
        One line.

    Raises
    ------
    InputError
        As `read_lines`.

    Examples
    --------
    >>> import io
    >>> list(decode_lines(io.BytesIO("\ufeffgrün\nrot\u2028er".encode()), "colours"))
    ['grün', 'rot\u2028er']
    """
    yield from _lines(stream, name, packed=False)


def _lines(stream: BinaryIO, name: str, *, packed: bool) -> Iterator[str]:
    number = 0
    try:
        raw, found = decompressed(stream)
        if packed and not found:
            raise InputError(f"{name} is named .gz but is not a gzip file: it may be empty, cut off or not compressed")
        source = io.BufferedReader(raw, _BUFFER_BYTES)
        while line := source.readline(MAX_LINE_BYTES + 1):
            number += 1
            yield _decode(line, f"{name}:{number}", first=number == 1)
    except (EOFError, zlib.error) as error:
        raise InputError(f"{name}: the gzip file is damaged or cut off after line {number} ({error})") from error
    except OSError as error:
        raise InputError(f"{name} cannot be read after line {number}: {error.strerror or error}") from error


def _decode(raw: bytes, place: str, *, first: bool) -> str:
    if len(raw) > MAX_LINE_BYTES:
        raise InputError(f"{place}: the line is longer than {MAX_LINE_BYTES:,} bytes; is this a text file?")
    if first and raw.startswith(_UTF16_BOMS):
        raise InputError(f"{place}: the file starts like UTF-16, expected UTF-8: save it as UTF-8")
    if first:
        raw = raw.removeprefix(_UTF8_BOM)
    if b"\0" in raw:
        raise InputError(f"{place}: NUL character at byte {raw.index(0) + 1}; is this a text file?")
    line = raw[:-1].removesuffix(b"\r") if raw.endswith(b"\n") else raw
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        found = line[error.start]
        reason = f"byte 0x{found:02X} at position {error.start + 1} is not UTF-8"
        raise InputError(f"{place}: {reason}: convert the file to UTF-8") from error


def read_bytes(path: str | os.PathLike[str], *, most: int) -> bytes:
    """The content of an ordinary file that has no more than so many bytes.

    Raises
    ------
    InputError
        If it has more, or cannot be read.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     write_atomically(Path(folder) / "note.txt", b"kept")
    ...     read_bytes(Path(folder) / "note.txt", most=4)
    b'kept'
    """
    there = ordinary_size(path)
    if there > most:
        raise InputError(f"{path} has {there:,} bytes, more than the {most:,} that are read")
    with read_errors_of(path), open(path, "rb") as stream:
        return stream.read(there)


def ordinary_size(path: str | os.PathLike[str]) -> int:
    """The bytes of an ordinary file: another, such as a pipe, would be waited for without end.

    Raises
    ------
    InputError
        If it is none.
    """
    with read_errors_of(path):
        try:
            about = os.stat(path)
        except ValueError as error:
            raise InputError(f"{os.fspath(path)!r} is no name of a file: {error}") from error
        if stat.S_ISDIR(about.st_mode):
            raise IsADirectoryError
    if not stat.S_ISREG(about.st_mode):
        raise InputError(f"{path} is no ordinary file")
    return about.st_size


@contextmanager
def read_errors_of(path: str | os.PathLike[str], *, expected: str = "a file") -> Iterator[None]:
    """Let an error name the file that cannot be read, and say why.

    Parameters
    ----------
    path : path-like
        The file.
    expected : str
        What it should be, for one that is a folder.

    Raises
    ------
    InputError
        In the place of an OSError.

    Examples
    --------
    >>> with read_errors_of("there", expected="a text file"):
    ...     raise IsADirectoryError
    Traceback (most recent call last):
    latticework.core.errors.InputError: there is a folder, expected a text file
    """
    try:
        yield
    except FileNotFoundError as error:
        raise InputError(f"{path}: there is no such file") from error
    except IsADirectoryError as error:
        raise InputError(f"{path} is a folder, expected {expected}") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error


def holds(path: Path, data: bytes) -> bool:
    """Whether a path is a file of exactly these bytes; no more of it is read."""
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        return stream.read(len(data) + 1) == data


def suffix(path: str | os.PathLike[str]) -> str:
    """The ending of a name that says its format, in small letters; .gz is none.

    Examples
    --------
    >>> suffix("pairs.TSV.GZ"), suffix("-")
    ('.tsv', '')
    """
    return Path(os.fspath(path).lower().removesuffix(".gz")).suffix


def is_packed(path: str | os.PathLike[str]) -> bool:
    """Whether a name says that what it holds is compressed by gzip.

    Examples
    --------
    >>> is_packed("pairs.TSV.GZ"), is_packed("pairs.tsv")
    (True, False)
    """
    return os.fspath(path).lower().endswith(".gz")


def is_jsonl(name: str | os.PathLike[str]) -> bool:
    """Whether a file of that name holds lines of JSON; public data sets call them .json.

    Examples
    --------
    >>> is_jsonl("dev.jsonl.gz"), is_jsonl("dev.json"), is_jsonl("dev.bmes")
    (True, True, False)
    """
    return suffix(name) in _JSONL


def file_to_write(path: Path, *, what: str = "") -> Path:
    """The same path, if a file can be there.

    Raises
    ------
    InputError
        If its folder does not exist, or it is a folder; it begins with `what`, such as the name of an option.
    """
    if not os.path.isdir(path.parent):  # False where `Path.is_dir` fails: in a folder that may not be entered
        raise InputError(f"{what}{path} cannot be written: there is no folder {path.parent}")
    if os.path.isdir(path):
        raise InputError(f"{what}{path} is a folder, expected the name of a file to write")
    return path


def write_atomically(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file so that a crash at any moment leaves the old content or the new, never a part.

    Parameters
    ----------
    path : path-like
        The file to create or replace; its folder must exist.
    data : bytes
        The whole new content.

    Raises
    ------
    InputError
        If the folder does not exist, `path` is a folder, or is nowhere that a file can be.
    OSError
        If it cannot be written for another reason, such as a full disk.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     write_atomically(Path(folder) / "note.txt", b"kept")
    ...     (Path(folder) / "note.txt").read_bytes()
    b'kept'
    """
    _replace(path, [data])


def write_output(path: str | os.PathLike[str], data: bytes) -> None:
    """Write what a user asked for where the user said, compressed if its name ends in .gz; ``"-"`` is standard output.

    A file as by `write_atomically`; through a symbolic link to where it leads; straight into what is no file, such as a
    pipe or ``/dev/null``.

    Raises
    ------
    InputError, OSError
        As `write_atomically`.
    """
    if os.fspath(path) == "-":
        _print(data)
    else:
        _write(path, [data])


def write_lines(path: str | os.PathLike[str], lines: Iterable[str]) -> None:
    """Write a text file as `write_output` does, of which only some lines are in memory at a time.

    Standard output gets each line as it comes, another pipe all of them or none.

    Raises
    ------
    InputError, OSError
        As `write_atomically`. What `lines` raises stays as it is.
    """
    if os.fspath(path) == "-":
        sys.stdout.writelines(f"{line}\n" for line in lines)
    else:
        _write(path, _encoded(lines))


def _print(data: bytes) -> None:
    """Write to standard output, which takes text alone where a notebook or a caller has replaced it."""
    sys.stdout.flush()  # the text before
    if (buffer := getattr(sys.stdout, "buffer", None)) is not None:
        buffer.write(data)
        return
    try:
        sys.stdout.write(data.decode())
    except UnicodeDecodeError as error:
        raise InputError("standard output takes text alone here: give a file name") from error


def _encoded(lines: Iterable[str]) -> Iterator[bytes]:
    lines = iter(lines)
    while text := "".join(f"{line}\n" for line in islice(lines, _LINES_AT_ONCE)):
        yield text.encode()


def _write(path: str | os.PathLike[str], pieces: Iterable[bytes]) -> None:
    """Write pieces one after the other; a stream gets all of them, or nothing if they end with an error."""
    if is_packed(path):
        pieces = compressed(pieces)
    if is_stream(path):
        data = b"".join(pieces)
        with write_errors_of(path):
            Path(path).write_bytes(data)
    else:
        _replace(os.path.realpath(path), pieces)


def _replace(path: str | os.PathLike[str], pieces: Iterable[bytes]) -> None:
    """Write a file piece by piece, as a whole or not at all; errors of the pieces stay as they are."""
    path = file_to_write(Path(path))
    with ExitStack() as stack:
        with write_errors_of(path):
            temporary, stream = stack.enter_context(temporary_file(path))
        for piece in pieces:
            with write_errors_of(path):
                stream.write(piece)
        with write_errors_of(path):
            settle(stream)
            os.replace(temporary, path)
            sync_folder(path.parent)


def is_stream(path: str | os.PathLike[str]) -> bool:
    """Whether it is neither a file nor a folder: a pipe, a device, a terminal, or ``"-"``, standard output.

    Such a thing may have no name but the one that was given: ``/dev/stdout`` leads to ``pipe:[...]``, which is nowhere.
    """
    if os.fspath(path) == "-":
        return True
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def check_not_read(path: str | os.PathLike[str], *read: str | os.PathLike[str] | None, what: str = "") -> None:
    """Refuse to write to a file that is read, or to one in a folder that is read, by whatever name.

    None, and what is not there, is neither; and an HTML page in such a folder, one of before, may be replaced.

    Raises
    ------
    InputError
        If it is one of them; it begins with `what`, such as the name of an option.

    Examples
    --------
    >>> check_not_read("texts.txt", "texts.txt", None)  # neither is there
    """
    there = [each for each in read if each is not None and os.path.exists(each)]
    if not os.path.exists(path):
        return
    if any(os.path.samefile(path, each) for each in there):
        raise InputError(f"{what}{path} is a file that is read: give the output another name")
    if suffix(path) in (".html", ".htm"):
        return
    for folder in filter(os.path.isdir, there):
        if Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder)):
            raise InputError(f"{what}{path} is a file of {folder}, which is read: give the output another name")


def sync_folder(folder: Path) -> None:
    """Make renames in a folder durable, where the file system can (Windows has no need to) and it may be read."""
    if os.name == "nt":
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except PermissionError:  # what may be written and entered need not be ours to list
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some file systems cannot
            raise
    finally:
        os.close(descriptor)
