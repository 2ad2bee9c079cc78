"""What formulas are built from: names, numbers, sizes, and arrays of zeros and ones."""

from __future__ import annotations

import re
from collections.abc import Callable

from latticework.calculus.decimals import scientific
from latticework.calculus.dimensions import ONE, Dim
from latticework.calculus.style import (
    ATOM,
    GREEK,
    POWER,
    PRODUCT,
    SUBSCRIPTED,
    SUM,
    Piece,
    Style,
    between,
    listed,
    negative,
)
from latticework.calculus.tree import Tree

_NUMBERED = re.compile(r"(.*?[A-Za-z])_?(\d+)")


def size_of(style: Style, size: Dim) -> str:
    """A size as a sum of products."""
    parts: list[str] = []
    for symbols, coefficient in size.terms:
        if parts or coefficient < 0:
            parts.append(style.symbol("-" if coefficient < 0 else "+"))
        factors = [style.number(str(abs(coefficient)))] if abs(coefficient) != 1 or not symbols else []
        factors += [style.letter(name, bold=False) for name in symbols]
        parts += between(factors, style.times(apart=any(len(name) > 1 for name in symbols)))
    return style.row(*parts) if parts else style.number("0")


def range_of(style: Style, spec: tuple[Dim, Dim | None] | None) -> str:
    """An index: `3`, `1:n` or `:`."""
    colon = style.symbol(":")
    if spec is None:
        return colon
    low, high = spec
    return size_of(style, low) if high is None else style.row(size_of(style, low), colon, size_of(style, high))


def _variable(style: Style, node: Tree) -> Piece:
    name: str = node.data[0]
    numbered = _NUMBERED.fullmatch(name)
    base, digits = (numbered[1], numbered[2]) if numbered else (name, "")
    letter = style.letter(base, bold=node.rank == 1)
    long = len(base) > 1 and base not in GREEK
    width = (len(base) if long else 1) + len(digits)
    if not digits:
        return Piece(letter, ATOM, width, word=long)
    return Piece(style.scripts(letter, style.number(digits)), SUBSCRIPTED, width, word=long)


def _number(style: Style, node: Tree) -> Piece:
    value = node.data
    size = abs(value)
    short = scientific(size)
    if short is not None:
        digits, exponent = short
        power = style.number(str(abs(exponent)))
        power = style.row(style.symbol("-"), power) if exponent < 0 else power
        markup = style.row(style.number(digits), style.symbol("×"), style.scripts(style.number("10"), "", power))
        piece = Piece(markup, PRODUCT, len(f"{digits}e{exponent}"), figure=True)
    elif isinstance(size, float) or size.denominator == 1:
        piece = Piece(style.number(str(size)), ATOM, len(str(size)), figure=True)
    else:
        above, below = style.number(str(size.numerator)), style.number(str(size.denominator))
        piece = Piece(style.fraction(above, below), POWER, 2, figure=True)
    return negative(style, piece) if value < 0 else piece


def _size(style: Style, node: Tree) -> Piece:
    size: Dim = node.data
    strength = ATOM if size.name or size.known is not None else PRODUCT if len(size.terms) == 1 else SUM
    return Piece(size_of(style, size), strength, len(str(size)), figure=size.known is not None)


def _constant(style: Style, node: Tree) -> Piece:
    digit = "1" if node.op == "ones" else "0"
    if node.rank == 0:
        return Piece(style.number(digit), ATOM, 1, figure=True)
    letter = style.letter(digit, bold=True)
    if node.rank == 1:
        return Piece(letter, ATOM, 1)
    sizes = between([size_of(style, size) for size in node.shape], style.symbol("×"))
    return Piece(style.scripts(letter, style.row(*sizes)), SUBSCRIPTED, 2)


def _identity(style: Style, node: Tree) -> Piece:
    return Piece(style.letter("I", bold=False), ATOM, 1)


def _unit(style: Style, node: Tree) -> Piece:
    return Piece(style.scripts(style.letter("e", bold=True), size_of(style, node.data[1])), SUBSCRIPTED, 2)


def _embedding(style: Style, node: Tree) -> Piece:
    _, low, width = node.data
    places = listed(style, [range_of(style, None), range_of(style, (low, low + width - ONE))])
    return Piece(style.scripts(style.letter("I", bold=False), places), SUBSCRIPTED, 3)


ATOMS: dict[str, Callable[[Style, Tree], Piece]] = {
    "var": _variable,
    "number": _number,
    "pi": lambda style, _: Piece(style.letter("pi", bold=False), ATOM, 1),
    "size": _size,
    "ones": _constant,
    "zeros": _constant,
    "eye": _identity,
    "unit": _unit,
    "embed": _embedding,
}
