"""How a command ends: an error becomes one line on standard error, and the place if it has one, and an exit status."""

from __future__ import annotations

import errno
import select
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TextIO

import typer

from latticework.core.errors import InputError, MissingExtraError
from latticework.core.processes import rank
from latticework.core.temporaries import NO_SPACE, WRONG_PLACE
from latticework.core.terminal import forget, printable, say

FAILED = 1
BAD_INPUT = 2
INTERRUPTED = 130  # 128 + SIGINT, as shells count
PATIENCE: Final = 10.0  # seconds within which processes that fail alike have all failed


@dataclass
class Invocation:
    """What the root options say about one run of the command."""

    debug: bool = False


def exit_status(action: Callable[[], object], invocation: Invocation) -> int:
    """Run the whole command and return its exit status, having said what went wrong on one line.

    Parameters
    ----------
    action : callable
        Runs the command; an int it returns is the exit status that a command asked for, and nothing else is.
    invocation : Invocation
        Read after `action` has ended, when its root options are known.
    """
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        warnings.simplefilter("always", UserWarning)  # what is said of one piece of a stream holds for each
        try:
            returned = action()
            status = returned if isinstance(returned, int) and not isinstance(returned, bool) else 0
            sys.stdout.flush()
        except (Exception, KeyboardInterrupt, SystemExit) as raised:
            error: BaseException = raised
            if isinstance(raised, SystemExit) and isinstance(raised.__context__, BrokenPipeError):
                error = raised.__context__  # of which Typer makes an exit without a word
            status, message = verdict(error)
            if isinstance(error, BrokenPipeError) and _nobody_reads():
                message = ""
            if message and rank() > 0:
                time.sleep(PATIENCE)  # if the first process fails too it says so, and torchrun ends this one meanwhile
                message = f"process {rank()}: {message}"
            if invocation.debug:
                say_traceback(error)
            if message:
                _say("error", message)
        if status == INTERRUPTED and rank() == 0:
            _say("error", "interrupted")
        _forget_what_cannot_be_written()
    return status


def verdict(error: BaseException) -> tuple[int, str]:
    """Return the exit status of an error and what to say about it.

    Examples
    --------
    >>> verdict(InputError("no sentences"))
    (2, 'no sentences')
    >>> verdict(ZeroDivisionError("division by zero"))
    (1, 'ZeroDivisionError: division by zero (latticework --debug ... shows where)')
    """
    if isinstance(error, InputError):
        return BAD_INPUT, str(error)
    if isinstance(error, MissingExtraError):
        return FAILED, str(error)
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED, ""
    if isinstance(error, OSError) and error.errno in {*NO_SPACE, errno.EIO}:
        return FAILED, f"{error.filename or 'a file or the output'} cannot be written: {error.strerror}"
    if isinstance(error, OSError) and error.filename and error.errno not in WRONG_PLACE:  # of those it is told where
        return FAILED, f"{error.filename} cannot be used: {error.strerror}"
    if isinstance(error, SystemExit):  # Typer's way out when the reader of a pipe has gone, and any command's
        return (int(error.code or 0), "") if isinstance(error.code, int | None) else (FAILED, str(error.code))
    if isinstance(error, typer.Abort):
        return FAILED, "aborted"
    if isinstance(error, typer.TyperException):
        message = error.format_message().replace(": Value error, ", ": ")  # pydantic's word, below Typer's
        context = getattr(error, "ctx", None)
        if message:
            command = "latticework ..." if context is None else context.command_path
            message = f"{message} ({command} --help tells more)"
        return error.exit_code, message
    return FAILED, f"{type(error).__name__}: {error} (latticework --debug ... shows where)"


def say_traceback(error: BaseException) -> None:
    """Where an error came from, on standard error."""
    say("".join(traceback.format_exception(error)).rstrip())


def _say(kind: str, message: str) -> None:
    lines = message.splitlines() or [""]
    # The end of a message may show the place in a text that it is about, a caret below it: these lines stay.
    shown = lines[-2:] if len(lines) > 2 and lines[-1].strip() == "^" else []
    line = " ".join(part.strip() for part in lines[: len(lines) - len(shown)])
    say("\n".join([f"{kind}: {printable(line)}", *map(printable, shown)]))


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    if rank() == 0:
        _say("warning", str(message))


def _nobody_reads() -> bool:
    """Whether the reader of standard output has gone, as `head` does: which is how a pipe ends, and no error."""
    try:
        sys.stdout.flush()
    except OSError:
        return True
    try:
        poll = select.poll()
        poll.register(sys.stdout.fileno(), 0)
        return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))
    except (OSError, ValueError, AttributeError):  # no descriptor, or no poll: it is not known to be a pipe
        return False


def _forget_what_cannot_be_written() -> None:
    """Point elsewhere what has no reader, or no disk left, or Python complains as it exits."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            forget(stream)
