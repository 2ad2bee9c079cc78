"""What users hand over as options: checked, and made plain so that it can be saved."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Mapping
from numbers import Integral, Real
from typing import Final, TypeVar

from latticework.core.errors import InputError
from latticework.core.words import shortened

T = TypeVar("T")
LARGEST: Final = 2**31 - 1  # of what is counted: more is a slip, and would take all time or memory
INT64: Final = 2**63 - 1  # of bytes and seeds
MOST_PROCESSES: Final = 4096


def whole_number(name: str, value: object, *, least: int = 1, most: int = LARGEST) -> int:
    """Return a number from `least` to `most`, of whatever integer type, as an int.

    Raises
    ------
    InputError
        If it is not.

    Examples
    --------
    >>> whole_number("layers", True)
    Traceback (most recent call last):
    latticework.core.errors.InputError: layers=True: expected a whole number of at least 1
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise InputError(f"{name}={shortened(value)}: expected a whole number of at least {least}")
    found = int(value)
    if found > most:
        raise InputError(f"{name}={shortened(found)}: expected at most {most:,}")
    return found


def n_jobs(name: str, value: object) -> int | None:
    """Return how many processes work, as joblib counts them: -1 is one a processor, -2 one fewer, None as it is told.

    Raises
    ------
    InputError
        If it is no such number, or more than is ever meant.

    Examples
    --------
    >>> n_jobs("n_jobs", 0)
    Traceback (most recent call last):
    latticework.core.errors.InputError: n_jobs=0: expected a number of processes up to 4,096, or -1 for one a processor
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, Integral) or not 0 < abs(int(value)) <= MOST_PROCESSES:
        expected = f"a number of processes up to {MOST_PROCESSES:,}, or -1 for one a processor"
        raise InputError(f"{name}={shortened(value)}: expected {expected}")
    return int(value)


def number(name: str, value: object, accepts: Callable[[float], bool], expected: str) -> float:
    """Return a real number, of whatever type, as a float.

    Parameters
    ----------
    name : str
        What to call it in the error.
    value : object
        What was given.
    accepts : callable
        Whether a number is in the range, false for NaN.
    expected : str
        That range in words.

    Raises
    ------
    InputError
        If it is no number, or not in the range.

    Examples
    --------
    >>> number("alpha", -1, lambda alpha: 0 <= alpha < math.inf, "a finite number of at least 0")
    Traceback (most recent call last):
    latticework.core.errors.InputError: alpha=-1: expected a finite number of at least 0
    """
    if isinstance(value, bool) or not isinstance(value, Real) or not accepts(_as_float(value)):
        raise InputError(f"{name}={shortened(value)}: expected {expected}")
    return float(value)


def positive(name: str, value: object) -> float:
    """Return a positive, finite number as a float.

    Raises
    ------
    InputError
        If it is none.
    """
    return number(name, value, lambda found: 0 < found < math.inf, "a positive, finite number")


def share(name: str, value: object) -> float:
    """Return a part of a whole that leaves some of it, such as a dropout rate, as a float.

    Raises
    ------
    InputError
        If it is no number of at least 0 and below 1.

    Examples
    --------
    >>> share("dropout", 1)
    Traceback (most recent call last):
    latticework.core.errors.InputError: dropout=1: expected a share of at least 0 and below 1
    """
    return number(name, value, lambda found: 0 <= found < 1, "a share of at least 0 and below 1")


def flag(name: str, value: object) -> bool:
    """Return what is either True or False.

    Raises
    ------
    InputError
        If it is neither.

    Examples
    --------
    >>> flag("bigrams", 1)
    Traceback (most recent call last):
    latticework.core.errors.InputError: bigrams=1: expected True or False
    """
    numpy = sys.modules.get("numpy")
    if not (isinstance(value, bool) or (numpy and isinstance(value, numpy.bool_))):
        raise InputError(f"{name}={shortened(value)}: expected True or False")
    return bool(value)


def text(place: str, value: object) -> str:
    r"""Return a text that a file can hold.

    Raises
    ------
    InputError
        With the place, if it is no text, or holds a NUL character or half a surrogate pair.

    Examples
    --------
    >>> text("sentences[3]", "nil: \0")
    Traceback (most recent call last):
    latticework.core.errors.InputError: sentences[3]: NUL character at position 5
    """
    if not isinstance(value, str):
        raise InputError(f"{place}: expected text, got {type(value).__name__}")
    if "\0" in value:
        raise InputError(f"{place}: NUL character at position {value.index(chr(0))}")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"{place}: not valid Unicode text (half of a surrogate pair)") from error
    return value


def one_of(name: str, value: T, choices: Iterable[object]) -> T:
    """Return what is one of a few.

    Raises
    ------
    InputError
        If it is another.

    Examples
    --------
    >>> one_of("forget", "both", ("coupled", "independent"))
    Traceback (most recent call last):
    latticework.core.errors.InputError: forget='both': expected one of coupled, independent
    """
    known = list(choices)
    if not any(_same(value, each) for each in known):
        which = "expected" if len(known) == 1 else "expected one of"
        raise InputError(f"{name}={shortened(value)}: {which} {', '.join(map(str, known))}")
    return value


def in_order(place: str, values: Iterable[T], expected: str, *, dimensions: int = 1) -> Iterable[T]:
    """Return what holds its values one by one, in an order that is meant: a list, an array, a column, a generator.

    Parameters
    ----------
    place : str
        What to call it in the error.
    values : iterable
        What was given.
    expected : str
        What it should be, in words.
    dimensions : int
        The most that an array may have.

    Raises
    ------
    InputError
        If it is one text or no iterable at all, a mapping, a set, a table, or an array of other dimensions.

    Examples
    --------
    >>> in_order("texts", {"ein Haus"}, "a list")
    Traceback (most recent call last):
    latticework.core.errors.InputError: texts: expected a list, got a set, which has no order or is of names
    """
    kind = type(values).__name__
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise InputError(f"{place}: expected {expected}, got a single {kind}")
    if isinstance(values, Mapping | set | frozenset):
        raise InputError(f"{place}: expected {expected}, got a {kind}, which has no order or is of names")
    found = getattr(values, "ndim", 1)
    if not 1 <= found <= dimensions:
        raise InputError(f"{place}: expected {expected}, got a {kind} of {found} dimensions")
    if hasattr(values, "columns"):
        raise InputError(f"{place}: expected {expected}, got a {kind}, a table: give one of its columns")
    return values


def set_frozen(config: object, name: str, value: object) -> None:
    """Store a checked value in a frozen dataclass, from its `__post_init__`: NumPy's numbers could not be saved."""
    object.__setattr__(config, name, value)


def _same(value: object, choice: object) -> bool:
    try:
        return isinstance(value, bool) == isinstance(choice, bool) and bool(value == choice)
    except (TypeError, ValueError):  # an array is neither equal nor not
        return False


def _as_float(value: Real) -> float:
    try:
        return float(value)
    except OverflowError:  # an integer of more than 308 digits, which no range accepts
        return math.nan
