"""The two exceptions Latticework raises on purpose, the import of libraries that may not be installed, whom to warn."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType


class InputError(ValueError):
    """What the user gave cannot be used: the message says what was given, what was expected and where.

    Examples
    --------
    >>> raise InputError("beam_size must be at least 1, got 0")
    Traceback (most recent call last):
        ...
    latticework.core.errors.InputError: beam_size must be at least 1, got 0
    """


class MissingExtraError(ImportError):
    """A library that only some capabilities need is not installed: the message holds the line that installs it."""


def require(module: str, *, extra: str, purpose: str) -> ModuleType:
    """Import an optional library, or say how to install it.

    Parameters
    ----------
    module : str
        Dotted name of the module to import.
    extra : str
        The extra of the ``latticework`` distribution that brings it.
    purpose : str
        What needs it, as the subject of a sentence.

    Returns
    -------
    types.ModuleType
        The imported module.

    Raises
    ------
    MissingExtraError
        If the library is not installed. A library that is installed but fails to import raises its own error.

    Examples
    --------
    >>> require("json", extra="all", purpose="reading JSON").loads("[1]")
    [1]
    >>> require("no_such_library", extra="ner", purpose="tagging text")
    Traceback (most recent call last):
        ...
    latticework.core.errors.MissingExtraError: tagging text needs no_such_library: pip install 'latticework[ner]'
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise
        line = f"pip install 'latticework[{extra}]'"
        raise MissingExtraError(f"{purpose} needs {error.name}: {line}", name=error.name) from error


def callers_level() -> int:
    """The `stacklevel` of whoever called the library, for the function that asks: its own methods call each other.

    Some do so by way of `contextlib`, which counts as a part of it.
    """
    level, frame = 1, sys._getframe(1)
    while f"{frame.f_globals.get('__name__')}.".startswith(("latticework.", "contextlib.")) and frame.f_back:
        level, frame = level + 1, frame.f_back
    return level
