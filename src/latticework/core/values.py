"""Plain values as strict JSON and back, results as JSON for other programs, and objects that users give as JSON."""

from __future__ import annotations

import json
import math
import os
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from typing import Any

from latticework.core.errors import InputError
from latticework.core.words import shortened

_KINDS = {list: "a list", str: "a text", bool: "a truth value", type(None): "null"}


def encode(value: Any, place: str) -> Any:
    """Return a plain value as strict JSON: what JSON lacks becomes an object with one key that starts with ``$``.

    Parameters
    ----------
    value : None, bool, int, float, str, or list, tuple or dict of them
        NumPy scalars count as the Python numbers they are, paths as texts.
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
    >>> encode({"$TSLA": 3}, "words")
    {'$dict': {'$TSLA': 3}}
    """
    numpy = sys.modules.get("numpy")
    if numpy and isinstance(value, numpy.generic):
        value = value.item()
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"$float": str(value)}
    if isinstance(value, tuple):
        return {"$tuple": [encode(item, place) for item in value]}
    if isinstance(value, list):
        return [encode(item, place) for item in value]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        items = {key: encode(item, f"{place}.{key}") for key, item in value.items()}
        return {"$dict": items} if any(key.startswith("$") for key in items) else items
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
    if value.keys() == {"$dict"}:
        value = value["$dict"]
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
    raise ValueError(f"{name[:40]} is not a JSON number")


def read_strictly(text: str) -> Any:
    """Read JSON as all readers do: no constants that it has not, no number beyond a float, no name used twice.

    Examples
    --------
    >>> read_strictly('{"class": "one", "class": "another"}')
    Traceback (most recent call last):
    ValueError: the name 'class' stands there twice
    """
    return json.loads(text, parse_constant=refuse_constant, parse_float=_finite, object_pairs_hook=_with_unique_names)


def read_object(line: str, place: str) -> dict[str, Any]:
    """Read a line of a .jsonl file that users made: an object, by the rules of `read_strictly`.

    Parameters
    ----------
    line : str
        JSON.
    place : str
        What to call it in an error: file and line.

    Raises
    ------
    InputError
        If it is anything else.

    Examples
    --------
    >>> read_object('{"text": "Rome"}', "some.jsonl:1")
    {'text': 'Rome'}
    >>> read_object('["Rome"]', "some.jsonl:2")
    Traceback (most recent call last):
    latticework.core.errors.InputError: some.jsonl:2: expected a JSON object, got a list
    """
    try:
        entry = read_strictly(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{place}: not a JSON object: {error}") from error
    if not isinstance(entry, dict):
        raise InputError(f"{place}: expected a JSON object, got {_KINDS.get(type(entry), 'a number')}")
    return entry


def plain(value: object) -> Any:
    """Turn a result into what JSON can hold: dataclasses, arrays, paths and sets become mappings, lists and strings.

    Not-a-number and the infinities become None, since strict JSON has no word for them.

    Examples
    --------
    >>> from pathlib import Path
    >>> plain({"bleu": float("nan"), "file": Path("a.txt"), "lengths": (1, 2)})
    {'bleu': None, 'file': 'a.txt', 'lengths': [1, 2]}
    """
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, set | frozenset):
        return [plain(item) for item in sorted(value)]
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if hasattr(value, "tolist"):  # a NumPy array or scalar, a torch tensor
        return plain(value.tolist())
    return str(value)


def strict_json(result: object, *, indent: int | None = None) -> str:
    """A result as JSON that every reader takes, with letters as they are.

    Examples
    --------
    >>> strict_json({"text": "Grüße", "score": float("nan")})
    '{"text": "Grüße", "score": null}'
    """
    return json.dumps(plain(result), ensure_ascii=False, allow_nan=False, indent=indent)


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else refuse_constant(text)


def _with_unique_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        ((name, _),) = Counter(name for name, _ in pairs).most_common(1)
        raise ValueError(f"the name {shortened(name)} stands there twice")
    return found
