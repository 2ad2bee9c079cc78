"""What is read in brackets: the arguments of functions, indices, and blocks."""

from __future__ import annotations

import re

from latticework.calculus.dimensions import Dim
from latticework.calculus.expression import Expr, make
from latticework.calculus.reader import Reader
from latticework.calculus.shapes import OF_ONE
from latticework.calculus.text import described
from latticework.calculus.tokens import Token

_ALIASES = {"ln": "log", "trace": "tr", "arcsin": "asin", "arccos": "acos", "arctan": "atan", "transpose": "T"}
FUNCTIONS = frozenset(OF_ONE | set(_ALIASES) | {"T", "kron", "vector", "matrix", "eye", "pairing", "reshape", "einsum"})


def call(reader: Reader, token: Token) -> Expr:
    """A function of what stands in brackets after its name."""
    opened = reader.token
    reader.place += 1
    name = _ALIASES.get(token.text, token.text)
    if name == "einsum":
        return _einsum(reader, token, opened)
    if name == "eye":
        size = reader.size()
        reader.expect(")", opened)
        return make("eye", data=size)
    if name == "pairing":
        rows = reader.size()
        reader.expect(",", opened)
        columns = reader.size()
        reader.expect(")", opened)
        return make("pairing", data=(rows, columns))
    if name == "reshape":
        return _reshaped(reader, token, opened)
    if name in ("vector", "matrix"):
        return _constant(reader, name, token, opened)
    args = _arguments(reader, opened)
    if name in ("max", "min") and len(args) == 2:
        return reader.make(token.start, {"max": "maximum", "min": "minimum"}[name], *args)
    expected = 2 if name == "kron" else 1
    if len(args) != expected:
        raise reader.refused(
            f"{token.text} takes {expected} argument{'s'[: expected - 1]}, got {len(args)}", token.start
        )
    if name == "T" and args[0].rank == 0:
        return args[0]
    return reader.make(token.start, name, *args)


def indexed(reader: Reader, left: Expr, opened: Token) -> Expr:
    """A part of an array: `x[1]`, `A[1:n, :]`."""
    specs: list[tuple[Dim, Dim | None] | None] = []
    while True:
        if reader.token.text == ":":
            reader.place += 1
            specs.append(None)
        else:
            low = reader.size()
            high = None
            if reader.token.text == ":":
                reader.place += 1
                high = reader.size()
            specs.append((low, high))
        if reader.token.text != ",":
            break
        reader.place += 1
    reader.expect("]", opened)
    return reader.make(opened.start, "index", left, data=tuple(specs))


def stacked(reader: Reader, opened: Token) -> Expr:
    """Blocks below each other, `[a; b]`, or beside each other, `[a, b]`."""
    args, sign = [reader.expression(0)], reader.token.text
    while reader.token.text in (";", ",") and reader.token.text == sign:
        reader.place += 1
        args.append(reader.expression(0))
    if reader.token.text in (";", ","):
        raise reader.refused("stack with ';' or with ',', not with both: [[a, b]; [c, d]]")
    reader.expect("]", opened)
    if len(args) == 1:
        return args[0]
    return reader.make(opened.start, "stack", *args, data=0 if sign == ";" else 1)


def _arguments(reader: Reader, opened: Token) -> list[Expr]:
    args = []
    if reader.token.text != ")":
        args.append(reader.expression(0))
        while reader.token.text == ",":
            reader.place += 1
            args.append(reader.expression(0))
    reader.expect(")", opened)
    return args


def _constant(reader: Reader, name: str, token: Token, opened: Token) -> Expr:
    """`vector(1)` and `matrix(1)`, or with their sizes `vector(1, n)` and `matrix(1, m, n)`."""
    value = reader.expression(0)
    rank = 1 if name == "vector" else 2
    sizes: list[Dim] = []
    while reader.token.text == "," and len(sizes) < rank:
        reader.place += 1
        sizes.append(reader.size())
    if sizes and len(sizes) < rank:
        raise reader.refused("a matrix has two sizes", token.start)
    reader.expect(")", opened)
    if value.rank:
        raise reader.misfit(f"{name} repeats a scalar, got {described(value)}", token.start)
    shape = tuple(sizes) or tuple(reader.sizes.new() for _ in range(rank))
    if value.op == "number" and value.data == 0:
        return make("zeros", data=shape)
    ones = make("ones", data=shape)
    return ones if value.op == "number" and value.data == 1 else make("had", value, ones)


def _reshaped(reader: Reader, token: Token, opened: Token) -> Expr:
    arg = reader.expression(0)
    sizes: list[Dim] = []
    for _ in range(2):
        reader.expect(",", opened)
        sizes.append(reader.size())
    reader.expect(")", opened)
    return reader.make(token.start, "unvec", arg, data=tuple(sizes))


def _einsum(reader: Reader, token: Token, opened: Token) -> Expr:
    labels = reader.token
    match = re.fullmatch(r'"([a-zA-Z]*(?:,[a-zA-Z]*)*)->([a-zA-Z]*)"', labels.text)
    if match is None:
        raise reader.refused('einsum begins with its labels, such as "ij,jk->ik"')
    reader.place += 1
    args = []
    while reader.token.text == ",":
        reader.place += 1
        args.append(reader.expression(0))
    reader.expect(")", opened)
    inputs = match[1].split(",")
    if len(inputs) != len(args) or not set(match[2]) <= set(match[1]) or len(set(match[2])) < len(match[2]):
        raise reader.refused(f"the labels {labels.text} do not fit {len(args)} operands", labels.start)
    codes = {letter: code for code, letter in enumerate(dict.fromkeys(match[1].replace(",", "")))}
    data = tuple(tuple(codes[letter] for letter in word) for word in inputs), tuple(codes[a] for a in match[2])
    for word, arg in zip(inputs, args, strict=True):
        if len(word) != arg.rank:
            raise reader.refused(f"{word!r} does not label {described(arg)}", labels.start)
    sizes: dict[str, Dim] = {}
    for word, arg in zip(inputs, args, strict=True):
        for letter, size in zip(word, arg.shape, strict=True):
            if not reader.sizes.match(sizes.setdefault(letter, size), size):
                raise reader.refused(f"{letter!r} is both {sizes[letter]} and {size} long", labels.start)
    return reader.make(token.start, "einsum", *args, data=data)
