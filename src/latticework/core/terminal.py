"""Text for a terminal: made safe to show, measured in columns, set in tables."""

from __future__ import annotations

import os
import sys
import unicodedata
from collections.abc import Sequence
from contextlib import suppress
from typing import TextIO


def say(text: str) -> None:
    """Print lines on standard error, or nowhere if it cannot be written: no work ends because of what it says."""
    if sys.stderr is not None:  # of `print` that would be standard output
        with suppress(OSError, ValueError):  # no disk, or nobody at the other end; or it is closed
            print(text, file=sys.stderr, flush=True)  # noqa: T201


def is_watched() -> bool:
    """Whether standard error is a terminal."""
    try:
        return sys.stderr is not None and sys.stderr.isatty()
    except ValueError:  # it is closed
        return False


def forget(stream: TextIO) -> None:
    """Let what is, and was, written to a stream go nowhere, so that Python does not complain of it as it exits."""
    with suppress(OSError, ValueError):
        written = stream.fileno()
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, written)
        os.close(nowhere)


def printable(text: str) -> str:
    r"""Make text safe for one line of a terminal: control characters, line ends among them, show as escapes.

    Examples
    --------
    >>> printable("a\x1b[31mb")
    'a\\x1b[31mb'
    """
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def columns(text: str) -> int:
    r"""Width in columns of a terminal: two for a Chinese character, none for a combining accent.

    Examples
    --------
    >>> columns("cafe\u0301"), columns("重庆")
    (4, 4)
    """
    return sum(map(_columns, text))


def table_lines(header: Sequence[str], rows: Sequence[Sequence[str]], *, texts: int = 1) -> list[str]:
    """Lines of columns for people: the first so many of them texts, on the left, the others numbers, on the right.

    Parameters
    ----------
    header
        What stands above each column.
    rows
        Cells; a row with fewer than the header, such as one with the name of a group alone, is empty from there on.
    texts
        How many columns are texts.

    Examples
    --------
    >>> print(*table_lines(["effect", "mean"], [["NIE", "7.5"], ["NDE", "-10"]]), sep=chr(10))
    effect  mean
    NIE      7.5
    NDE      -10
    """
    cells = [[*map(printable, row), *[""] * (len(header) - len(row))] for row in (header, *rows)]
    widths = [max(map(columns, column)) for column in zip(*cells, strict=True)]
    lines = []
    for row in cells:
        padded = [
            f"{cell}{' ' * (width - columns(cell))}" if place < texts else f"{' ' * (width - columns(cell))}{cell}"
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(padded).rstrip())
    return lines


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
