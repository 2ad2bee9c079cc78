"""Options that users hand over: checked, and numbers made plain so that they can be saved."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from numbers import Integral, Real

from latticework.core.errors import InputError


def whole_number(name: str, value: object, *, least: int = 1) -> int:
    """Return a number of at least `least`, of whatever integer type, as an int.

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
        raise InputError(f"{name}={value!r}: expected a whole number of at least {least}")
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
    >>> number("dropout", 1, lambda share: 0 <= share < 1, "a share of at least 0 and below 1")
    Traceback (most recent call last):
    latticework.core.errors.InputError: dropout=1: expected a share of at least 0 and below 1
    """
    if isinstance(value, bool) or not isinstance(value, Real) or not accepts(_as_float(value)):
        raise InputError(f"{name}={value!r}: expected {expected}")
    return float(value)


def one_of(name: str, value: object, choices: Iterable[str]) -> None:
    """Refuse what is none of the names there are.

    Raises
    ------
    InputError
        If it is not.

    Examples
    --------
    >>> one_of("scheme", "IOB", ("BMES", "BIO"))
    Traceback (most recent call last):
    latticework.core.errors.InputError: scheme='IOB': expected one of BMES, BIO
    """
    names = list(choices)
    if not (isinstance(value, str) and value in names):
        raise InputError(f"{name}={value!r}: expected one of {', '.join(names)}")


def _as_float(value: Real) -> float:
    try:
        return float(value)
    except OverflowError:  # an integer of more than 308 digits, which no range accepts
        return math.nan
