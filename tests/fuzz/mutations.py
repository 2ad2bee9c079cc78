"""Ways to damage a file: bytes, numbers in text, values of JSON, tensors. All chance comes from one `random.Random`."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

INTERESTING = [0, 1, 2, 7, 16, 100, 127, 255, 1024, 4096]
INTERESTING += [2**power - less for power in (15, 16, 31, 32, 63, 64) for less in (1, 0)]
NUMBERS = b"0 -0 -1 1 2 3 1.5 255 256 65536 2147483647 2147483648 4294967296 9223372036854775808 1e9 1e308 1e999 -1e999"
NUMBERS_IN_TEXT = [*NUMBERS.split(), b"nan", b"inf", b"-inf", b"1_0", b"0x10", b"", b"1" * 400, b"9" * 5000]
PIECES = [b"\0", b"\r", b"\n", b"\n\n", b"\t", b"\t\t", b" ", b",", b'"', b"'", b"\\", b"\\u0000", b"\\ud800", b"\xff"]
PIECES += [b"\xef\xbb\xbf", "\u2028".encode(), "\u0085".encode(), "\u202e".encode(), "\u0301".encode(), b"\xed\xa0\x80"]
PIECES += ["𠀀".encode(), b"{", b"}", b"[", b"]", b"<", b">", b"#", b"@", b"$", b"%s", b"../", b"-", b"(" * 300]
LONG = 100_000

# As they are spelled in JSON; some are what JSON has not.
VALUES = "null true false 0 -1 1 2 0.5 -0.5 7 100 65536 2147483648 9223372036854775808 1e30 1e308 1e999 NaN -Infinity"
SPELLINGS = [*VALUES.split(), "1" + "0" * 30, "1" * 5000, '""', '"x"', '"nan"', '"\\ud800"', '"\\u0000"', '"../x"']
SPELLINGS += [
    "[]",
    "{}",
    "[0]",
    "[-1, 2]",
    '["a"]',
    "[[]]",
    '{"a": 1}',
    "[" * 200 + "]" * 200,
    '{"a":' * 900 + "1" + "}" * 900,
]
SPELLINGS += ['{"$float": "nan"}', '{"$float": "inf"}', '{"$tuple": []}', '{"$tuple": [1, 2]}', f'"{"a" * LONG}"']
SPELLINGS += ['{"$dict": {"$tuple": 1}}', f"[{'1,' * 5000}1]", "[" * 100_000]

_NUMBER = re.compile(rb"[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
_SIZES = {"BOOL": 1, "U8": 1, "I8": 1, "U16": 2, "I16": 2, "F16": 2, "BF16": 2, "U32": 4, "I32": 4, "F32": 4}
_SIZES |= {"U64": 8, "I64": 8, "F64": 8}
_PLACE = "the-place-of-a-changed-value"


def mutated(data: bytes, name: str, rng: Random, other: bytes = b"") -> bytes:
    """The content of a file of that name with one to four things wrong; `other` is another file of the kind."""
    kinds: list[Callable[[bytes, Random], bytes]] = [numbers, pieces, lambda data, rng: bytewise(data, rng, other)]
    suffixes = Path(name).suffixes
    if ".json" in suffixes or ".jsonl" in suffixes:
        kinds = [in_json, in_json, in_json, *kinds]
    elif ".safetensors" in suffixes:
        kinds = [in_tensors, in_tensors, in_tensors, *kinds]
    for _ in range(rng.choice([1, 1, 1, 2, 4])):
        data = rng.choice(kinds)(data, rng)
    return data


def bytewise(data: bytes, rng: Random, other: bytes = b"") -> bytes:
    """Flip, set, cut, leave out, repeat or insert bytes, or join two files."""
    if not data:
        return rng.randbytes(rng.randrange(9))
    place, length = rng.randrange(len(data)), min(rng.choice([1, 2, 4, 8, 32, 512]), len(data))
    rest = place + length
    match rng.randrange(9):
        case 0:
            return data[:place] + bytes([data[place] ^ 1 << rng.randrange(8)]) + data[place + 1 :]
        case 1:
            return data[:place] + rng.randbytes(length) + data[rest:]
        case 2:
            return data[:place]
        case 3:
            return data[:place] + data[rest:]
        case 4:
            return data[:rest] + data[place:rest] * rng.choice([1, 2, 100]) + data[rest:]
        case 5:
            return data[:place] + rng.randbytes(length) + data[place:]
        case 6:
            there = rng.randrange(len(other)) if other else place
            return data[:place] + (other or data)[there:]
        case _:
            size = rng.choice([1, 2, 4, 8])
            value = rng.choice(INTERESTING) * rng.choice([1, 1, -1]) % 256**size
            return data[:place] + value.to_bytes(size, rng.choice(["little", "big"])) + data[place + size :]


def numbers(data: bytes, rng: Random) -> bytes:
    """Write another number where digits stand, best near the beginning, where headers are."""
    found = list(_NUMBER.finditer(data[: 2**16]))
    if not found:
        return bytewise(data, rng)
    one = found[int(len(found) * rng.random() ** 2)]
    return data[: one.start()] + rng.choice(NUMBERS_IN_TEXT) + data[one.end() :]


def pieces(data: bytes, rng: Random) -> bytes:
    """Insert odd text, or leave out, repeat, empty or exchange lines and words."""
    if rng.random() < 0.4:
        place = rng.randrange(len(data) + 1)
        return data[:place] + rng.choice(PIECES) * rng.choice([1, 1, 1, 3]) + data[place:]
    separator = rng.choice([b"\n", b"\n", b" ", b"\t", b","])
    parts = data.split(separator)
    one, two = rng.randrange(len(parts)), rng.randrange(len(parts))
    match rng.randrange(5):
        case 0:
            del parts[one]
        case 1:
            parts[one:one] = [parts[two]] * rng.choice([1, 1, 50])
        case 2:
            parts[one] = b""
        case 3:
            parts[one] = parts[one] * 3 + b"x" * rng.choice([1, LONG])
        case _:
            parts[one], parts[two] = parts[two], parts[one]
    return separator.join(parts)


def in_json(data: bytes, rng: Random) -> bytes:
    """Another value somewhere in JSON, or a name or item too many or too few; of several lines in one of them."""
    lines = data.split(b"\n") if data.count(b"\n{") else [data]
    chosen = rng.randrange(len(lines))
    try:
        document = json.loads(lines[chosen])
        if rng.random() < 0.05:
            lines[chosen] = rng.choice(SPELLINGS).encode()
        else:
            lines[chosen] = _changed(document, rng).encode()
    except (ValueError, RecursionError):
        return bytewise(data, rng)
    return b"\n".join(lines)


def _changed(document: Any, rng: Random) -> str:
    """The text of JSON after a change at some place, a place near the root as likely as all those far below."""
    holder = document
    inner = [value for value in _children(holder) if isinstance(value, dict | list) and value]
    while inner and rng.random() < 0.75:
        holder = rng.choice(inner)
        inner = [value for value in _children(holder) if isinstance(value, dict | list) and value]
    if not isinstance(holder, dict | list) or not holder:
        return rng.choice(SPELLINGS)
    key = rng.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
    spelling = rng.choice(SPELLINGS)
    match rng.randrange(6):
        case 0:
            del holder[key]
        case 1 if isinstance(holder, dict):
            holder[f"{key}x"] = holder.pop(key)
        case 1:
            holder.insert(key, holder[rng.randrange(len(holder))])
        case 2:
            holder[key] = rng.choice(list(_children(document)))
        case 3 if type(holder[key]) in (int, float):
            holder[key] = rng.choice([-holder[key], holder[key] + 1, holder[key] * 2, holder[key] * 1000, 0.5, 0])
        case _:
            holder[key] = _PLACE
    return json.dumps(document).replace(f'"{_PLACE}"', spelling)


def _children(value: Any) -> list[Any]:
    return list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else [value]


def in_tensors(data: bytes, rng: Random) -> bytes:
    """A well-formed safetensors file, with a tensor of another shape, type or content, or one too many or too few."""
    try:
        tensors = unpacked_tensors(data)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError, OverflowError):
        return bytewise(data, rng)
    if not tensors:
        return bytewise(data, rng)
    name = rng.choice(list(tensors))
    dtype, shape, content = tensors[name]
    size = _SIZES[dtype]
    match rng.randrange(8):
        case 0:
            del tensors[name]
        case 1:
            tensors[f"{name}x"] = tensors.pop(name)
        case 2:
            tensors[name] = dtype, *_resized(shape, content, size, rng)
        case 3:
            others = [other for other in _SIZES if _SIZES[other] == size and other != dtype]
            tensors[name] = rng.choice(others), shape, content
        case 4:
            other = rng.choice(list(_SIZES))
            tensors[name] = other, shape, bytes(math.prod(shape) * _SIZES[other])
        case 5:
            tensors[name] = tensors[rng.choice(list(tensors))]
        case _:
            tensors[name] = dtype, shape, _refilled(content, size, rng)
    return packed_tensors(tensors)


def _resized(shape: list[int], content: bytes, size: int, rng: Random) -> tuple[list[int], bytes]:
    match rng.randrange(4):
        case 0:  # other axes, of the same numbers
            return rng.choice([[1, *shape], [*shape, 1], [math.prod(shape)], shape[::-1]]), content
        case 1:
            return [0, *shape[1:]], b""
        case 2:
            return [], bytes(size)
    axis = rng.randrange(len(shape)) if shape else 0
    resized = [edge + (place == axis) * rng.choice([-1, 1, 2, 100]) for place, edge in enumerate(shape)] or [3]
    count = max(0, math.prod(resized)) * size
    return [max(0, edge) for edge in resized], (content * (count // max(1, len(content)) + 1))[:count].ljust(
        count, b"\0"
    )


def _refilled(content: bytes, size: int, rng: Random) -> bytes:
    """Numbers of other values: some or all NaN, infinite, huge, negative or of any bits."""
    count = len(content) // size
    if not count:
        return content
    value = rng.choice([b"\0", b"\xff", b"\x7f", rng.randbytes(1)]) * size
    value = rng.choice([value, bytes(size - 1) + b"\x80", b"\0" * max(0, size - 2) + b"\x80\x7f"[-size:], b"\1" * size])
    if rng.random() < 0.3:
        return value * count
    place = rng.randrange(count) * size
    return content[:place] + value + content[place + size :]


def unpacked_tensors(data: bytes) -> dict[str, tuple[str, list[int], bytes]]:
    """Type, shape and bytes of each tensor of a safetensors file."""
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:end])
    header.pop("__metadata__", None)
    body = data[end:]
    tensors = {name: (one["dtype"], one["shape"], body[slice(*one["data_offsets"])]) for name, one in header.items()}
    for dtype, shape, content in tensors.values():
        if len(content) != math.prod(shape) * _SIZES[dtype]:
            raise ValueError("damaged before")
    return tensors


def packed_tensors(tensors: dict[str, tuple[str, list[int], bytes]]) -> bytes:
    """The safetensors file of tensors."""
    header, body = {}, b""
    for name, (dtype, shape, content) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(body), len(body) + len(content)]}
        body += content
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + body
