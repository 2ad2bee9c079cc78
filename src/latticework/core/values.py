"""Plain values as strict JSON and back, with what JSON lacks: NaN, infinities and tuples."""

from __future__ import annotations

import json
import math
import sys
from collections import Counter
from typing import Any

from latticework.core.errors import InputError


def encode(value: Any, place: str) -> Any:
    """Return a plain value as strict JSON: what JSON lacks becomes an object with one key that starts with ``$``.

    Parameters
    ----------
    value : None, bool, int, float, str, or list, tuple or dict of them
        NumPy scalars count as the Python numbers they are.
    place : str
        What to call the value in an error.

    Returns
    -------
    object
        What ``json.dumps(..., allow_nan=False)`` takes and `decode` turns back.

    Raises
    ------
    InputError
        If the value is anything else.

    Examples
    --------
    >>> encode({"sizes": (64, 64), "limit": float("inf")}, "parameters")
    {'sizes': {'$tuple': [64, 64]}, 'limit': {'$float': 'inf'}}
    >>> decode(_)
    {'sizes': (64, 64), 'limit': inf}
    """
    numpy = sys.modules.get("numpy")
    if numpy and isinstance(value, numpy.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"$float": str(value)}
    if isinstance(value, tuple):
        return {"$tuple": [encode(item, place) for item in value]}
    if isinstance(value, list):
        return [encode(item, place) for item in value]
    if isinstance(value, dict) and all(isinstance(key, str) and not key.startswith("$") for key in value):
        return {key: encode(item, f"{place}.{key}") for key, item in value.items()}
    raise InputError(f"{place} is a {type(value).__name__}, which a folder cannot hold: expected plain values")


def decode(value: Any) -> Any:
    """Return the value that `encode` was given."""
    if isinstance(value, list):
        return [decode(item) for item in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == {"$float"}:
        return float(value["$float"])
    if value.keys() == {"$tuple"}:
        return tuple(decode(item) for item in value["$tuple"])
    return {key: decode(item) for key, item in value.items()}


def to_json(value: Any, place: str) -> bytes:
    """Return a plain value as a file of its own, for one that may grow too large for `config.json`.

    Examples
    --------
    >>> from_json(to_json([{"step": 20, "loss": float("inf")}], "history"))
    [{'step': 20, 'loss': inf}]
    """
    return json.dumps(encode(value, place), separators=(",", ":"), allow_nan=False).encode()


def from_json(data: bytes) -> Any:
    """Return the value that `to_json` was given."""
    return decode(json.loads(data, parse_constant=refuse_constant))


def refuse_constant(name: str) -> float:
    """Refuse what Python's JSON reader takes but JSON has not, as its `parse_constant`."""
    raise ValueError(f"{name} is not a JSON number")


def read_strictly(text: str) -> Any:
    """Read JSON as all readers do: no constants that it has not, no number beyond a float, no name used twice.

    Examples
    --------
    >>> read_strictly('{"class": "one", "class": "another"}')
    Traceback (most recent call last):
    ValueError: the name 'class' stands there twice
    """
    return json.loads(text, parse_constant=refuse_constant, parse_float=_finite, object_pairs_hook=_with_unique_names)


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else refuse_constant(text)


def _with_unique_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        ((name, _),) = Counter(name for name, _ in pairs).most_common(1)
        raise ValueError(f"the name {name!r} stands there twice")
    return found
