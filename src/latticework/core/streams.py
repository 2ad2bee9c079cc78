"""Lines of text as they arrive: what commands that answer line by line read from files and pipes."""

from __future__ import annotations

import os
import queue
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeVar

from latticework.core.progress import showing

Answer = TypeVar("Answer")

CHUNK_LINES: Final = 2048  # answered together when lines come faster than they are answered


def stream_name(path: str | os.PathLike[str]) -> str:
    """What messages call a file: its path, or ``<stdin>`` for ``-``.

    Examples
    --------
    >>> stream_name("-"), stream_name("texts.txt")
    ('<stdin>', 'texts.txt')
    """
    name = os.fspath(path)
    return "<stdin>" if name == "-" else name


def output_name(path: str | os.PathLike[str]) -> str:
    """What messages call a file that was written: its path, or ``standard output`` for ``-``.

    Examples
    --------
    >>> output_name("-"), output_name("maps/nie.nii")
    ('standard output', 'maps/nie.nii')
    """
    name = os.fspath(path)
    return "standard output" if name == "-" else name


def answers(lines: Iterable[str], answer: Callable[[list[str]], Iterable[Answer]]) -> Iterator[Answer]:
    """What lines are answered with as they arrive; what was printed of a chunk of them is out before the next.

    Parameters
    ----------
    lines
        Where they come from.
    answer
        Given the next chunk of them.

    Examples
    --------
    >>> list(answers(["one", "two"], lambda chunk: [line.upper() for line in chunk]))
    ['ONE', 'TWO']
    """
    for chunk in arriving(lines, most=CHUNK_LINES):
        with showing(shown=False):  # progress of a chunk says nothing about the whole
            found = list(answer(chunk))
        yield from found
        sys.stdout.flush()


def arriving(lines: Iterable[str], *, most: int) -> Iterator[list[str]]:
    """Lines as they arrive, in chunks of all that came in while the last chunk was worked on.

    So a person who types gets an answer at once, and a file is worked on in large batches. Another thread reads ahead,
    by at most `most` lines. An error of `lines` is raised after the lines before it.

    Parameters
    ----------
    lines
        Where they come from.
    most
        Lines of a chunk.

    Yields
    ------
    list of str
        One or more lines.

    Examples
    --------
    >>> [line for chunk in arriving(["one", "two", "three"], most=2) for line in chunk]
    ['one', 'two', 'three']
    """
    arrived = read_ahead(lines, most)
    ended = False
    while not ended:
        chunk: list[str] = []
        item = arrived.get()
        while True:
            if item is None or isinstance(item, BaseException):
                ended = True
                break
            chunk.append(item)
            if len(chunk) == most or arrived.empty():
                break
            item = arrived.get()
        if chunk:
            yield chunk
        if isinstance(item, BaseException):
            raise item


def read_ahead(lines: Iterable[str], most: int) -> queue.Queue[str | BaseException | None]:
    """Lines that another thread reads, at most so many ahead, then None, or the error that ended them.

    Examples
    --------
    >>> arrived = read_ahead(["one"], most=2)
    >>> arrived.get(), arrived.get()
    ('one', None)
    """
    arrived: queue.Queue[str | BaseException | None] = queue.Queue(maxsize=most)

    def read() -> None:
        try:
            for line in lines:
                arrived.put(line)
            arrived.put(None)
        except BaseException as error:
            arrived.put(error)

    threading.Thread(target=read, daemon=True).start()
    return arrived
