"""Read expressions: a Pratt parser for the spelling of matrixcalculus.org, which builds nodes as it reads."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction

from latticework.calculus.brackets import FUNCTIONS, call, indexed, stacked
from latticework.calculus.dimensions import Dim
from latticework.calculus.expression import Expr, as_integer, make, number, product, variable
from latticework.calculus.reader import Misfit, Reader
from latticework.calculus.text import described
from latticework.calculus.tokens import Token, tokenised
from latticework.calculus.tree import shape_text
from latticework.core.errors import InputError

LONGEST = 10_000  # characters of an expression
MOST_DIGITS = 40
HIGHEST_POWER = 12  # of a matrix, which is written out as a product
MOST_GUESSES = 256  # of ranks that undeclared variables might have
MOST_READ = 20_000  # tokens, by all guesses together

Shapes = Mapping[str, str | Sequence[Dim]]

COMPARISONS = (">=", "<=", "==", ">", "<")
_SUM, _MINUS, _PRODUCT, _POWER, _POSTFIX = 10, 15, 20, 30, 40
_BINDING = {
    **dict.fromkeys(COMPARISONS, 5),
    **dict.fromkeys("+-", _SUM),
    **dict.fromkeys(["*", "/", ".*", "./"], _PRODUCT),
    **dict.fromkeys(["^", ".^"], _POWER),
    "'": _POWER,  # as strong as a power: A.^2' is (A.^2)'
    "[": _POSTFIX,
}


def parse(source: str, shapes: Shapes | None = None, *, like: Sequence[Dim] | None = None) -> Expr:
    """Read an expression.

    Parameters
    ----------
    source
        Such as `norm2(X*w - y)^2`.
    shapes
        Of variables, such as `{"X": "N,n", "w": "n", "b": ""}`. What is missing is inferred: a capital letter begins
        the name of a matrix, and of the other names, one from a to g is a scalar and another a vector unless that
        does not fit.
    like
        The shape that the whole has, from which sizes of `eye` and `vector(1)` may follow.

    Returns
    -------
    Expr

    Raises
    ------
    InputError
        If the text cannot be read or shapes do not fit; it says where.

    Examples
    --------
    >>> parse("X*w - y", {"X": "N,n", "w": "n", "y": "N"}).shape_text
    'vector of N'
    >>> parse("w'*x", {"w": "n", "x": "m"})
    Traceback (most recent call last):
        ...
    latticework.core.errors.InputError: cannot multiply w' (row of n) by x (vector of m)
        w'*x
          ^
    """
    if not isinstance(source, str):
        raise InputError(f"an expression is a text, got {type(source).__name__}")
    if len(source) > LONGEST:
        raise InputError(f"an expression has at most {LONGEST:,} characters, got {len(source):,}")
    declared = declared_shapes(shapes or {})
    tokens = tokenised(source)
    sizes = {name for shape in declared.values() for size in shape for name in size.symbols}
    unknown = _undeclared(tokens, declared, sizes)
    refusal: InputError | None = None
    for ranks in _guesses(unknown, min(MOST_GUESSES, 1 + MOST_READ // len(tokens))):
        reader = _Parser(source, tokens, declared, sizes, dict(zip(unknown, ranks, strict=True)))
        try:
            return reader.whole(like)
        except Misfit as error:
            refusal = refusal or error
    assert refusal is not None
    raise InputError(str(refusal))


def declared_shapes(shapes: Shapes) -> dict[str, tuple[Dim, ...]]:
    """Read every declared shape.

    Raises
    ------
    InputError
        If a name or a shape cannot be read.
    """
    declared: dict[str, tuple[Dim, ...]] = {}
    if not isinstance(shapes, Mapping):
        raise InputError(f"shapes are given by name, such as {{'X': 'N,n'}}, got {shapes!r:.60}")
    for name, shape in shapes.items():
        if not isinstance(name, str):
            raise InputError(f"the name of a variable is a text, got {name!r}")
        sizes = isinstance(shape, tuple | list) and len(shape) <= 2 and all(isinstance(size, Dim) for size in shape)
        if not (sizes or isinstance(shape, str)):
            raise InputError(f"the shape of {name[:40]!r} is a text such as 'N,n', got {shape!r:.60}")
        declared[name] = variable(name, shape if isinstance(shape, str) else tuple(shape)).shape
    return declared


def _undeclared(tokens: list[Token], declared: Mapping[str, object], sizes: set[str]) -> list[str]:
    names: dict[str, None] = {}
    for token, following in itertools.pairwise(tokens):
        known = token.text in declared or token.text in sizes or token.text in ("pi", "eye")
        if token.kind == "name" and not known and following.text != "(":
            names[token.text] = None
    return list(names)


def usual_rank(name: str) -> int:
    """What an undeclared variable is taken for first: a capital for a matrix, a to g for scalars, others columns."""
    return 2 if name[0].isupper() else 0 if name[0] in "abcdefg" else 1


def _guesses(names: list[str], most: int) -> Iterator[tuple[int, ...]]:
    """Ranks for undeclared names: the usual ones, then those that differ in one name, in two, ..."""
    usual = tuple(map(usual_rank, names))
    small = [place for place, name in enumerate(names) if not name[0].isupper()]
    changes = (chosen for size in range(len(small) + 1) for chosen in itertools.combinations(small, size))
    for chosen in itertools.islice(changes, most):
        yield tuple(1 - rank if place in chosen else rank for place, rank in enumerate(usual))


class _Parser(Reader):
    """The grammar: what stands before, between and after operands."""

    def whole(self, like: Sequence[Dim] | None = None) -> Expr:
        result = self.expression(0)
        if self.token.kind != "end":
            raise self.refused(f"unexpected {self.token.text!r} after the end of the expression{self.forgotten()}")
        if like is not None and not (len(like) == result.rank and all(map(self.sizes.match, result.shape, like))):
            expected = shape_text(tuple(like))
            raise self.misfit(f"expected a {expected}, got a {result.shape_text}", 0)
        return self.settled(result)

    def forgotten(self) -> str:
        """What may be missing where an operand follows another."""
        before, after = self.tokens[self.place - 1], self.token
        operands = before.kind in ("number", "name") and after.kind in ("number", "name")
        return f": a product is written {before.text}*{after.text}" if operands else ""

    def expression(self, least: int) -> Expr:
        self.deeper()
        left = self.prefix(least)
        while (binding := _BINDING.get(self.token.text, -1)) > least:
            token = self.token
            self.place += 1
            left = self.infix(left, token, binding)
        self.depth -= 1
        return left

    def prefix(self, least: int) -> Expr:
        token = self.token
        self.place += 1
        if token.kind == "number":
            return self.built(token.start, lambda: number(_value(token.text)))
        if token.kind == "name":
            if self.token.text == "(" and token.text in FUNCTIONS:
                return call(self, token)
            return self.named(token)
        if token.text == "-":
            return self.make(token.start, "neg", self.expression(max(least, _MINUS)))  # a/-b*c is (a/-b)*c
        if token.text == "+":
            return self.expression(max(least, _MINUS))
        if token.text == "(":
            inside = self.expression(0)
            self.expect(")", token)
            return inside
        if token.text == "[":
            return stacked(self, token)
        self.place -= 1
        if token.text == "*" and self.place and self.tokens[self.place - 1].text == "*":
            raise self.refused("unexpected '*': powers are ^ or .^")
        if len(self.tokens) == 1:
            raise InputError("the expression is empty")
        raise self.refused(f"unexpected {token.text!r}" if token.kind != "end" else "the expression ends too early")

    def named(self, token: Token) -> Expr:
        if token.text in self.variables:
            if self.token.text == "(" and token.text in self.guessed:
                raise self.refused(_unknown(token.text), token.start)
            return self.variables[token.text]
        if token.text in self.names_of_sizes:
            return make("size", data=Dim.symbol(token.text))
        if token.text == "pi":
            return make("pi")
        if token.text == "eye":
            return make("eye", data=self.sizes.new())
        raise self.refused(_unknown(token.text), token.start)

    def infix(self, left: Expr, token: Token, binding: int) -> Expr:
        sign = token.text
        if sign == "'":
            if left.rank == 0 and left.op == "var" and left.data[0] in self.guessed:
                raise self.misfit(f"{left} is transposed, so it is no scalar", token.start)
            return self.make(token.start, "T", left) if left.rank else left
        if sign == "[":
            return indexed(self, left, token)
        if sign in ("+", "-"):
            return self.added(left, token)
        right = self.exponent() if binding == _POWER else self.expression(binding)
        if sign in COMPARISONS:
            return self.make(token.start, "compare", left, right, data=sign)
        if sign == "*":
            return self.built(token.start, lambda: product(left, right, self.sizes.match))
        if sign == "/" and right.rank:
            raise self.misfit(
                f"cannot divide by {described(right)}: for elements write ./, for a matrix inv", token.start
            )
        if sign == "^":
            return self.powered(left, right, token)
        return self.make(token.start, {".*": "had", ".^": "pow"}.get(sign, "div"), left, right)

    def added(self, left: Expr, token: Token) -> Expr:
        """A sum of any number of terms, read as one."""
        terms, widest = [left], left
        while True:
            right = self.expression(_SUM)
            widest = self.sum_of(token.start, widest, right)
            terms.append(self.make(token.start, "neg", right) if token.text == "-" else right)
            if self.token.text not in ("+", "-"):
                return self.make(token.start, "add", *terms)
            token = self.token
            self.place += 1

    def sum_of(self, place: int, left: Expr, right: Expr) -> Expr:
        """The operand that has the shape of their sum, if they have one."""
        self.make(place, "add", left, right)
        return left if left.rank >= right.rank else right

    def exponent(self) -> Expr:
        """The exponent of a power, which may have a sign, and an exponent itself: x^-2^y is x^(-(2^y))."""
        token = self.token
        self.deeper()
        if token.text in ("-", "+"):
            self.place += 1
            inside = self.exponent()
            found = self.make(token.start, "neg", inside) if token.text == "-" else inside
        else:
            found = self.expression(_POWER)
            while self.token.text == "'" and found.rank:  # a scalar has no transpose: that is the power's
                found = self.make(self.token.start, "T", found)
                self.place += 1
            if self.token.text in ("^", ".^"):
                sign = self.token
                self.place += 1
                found = self.infix(found, sign, _POWER)
        self.depth -= 1
        return found

    def powered(self, base: Expr, exponent: Expr, token: Token) -> Expr:
        if base.rank == 0 and exponent.rank == 0:
            return self.make(token.start, "pow", base, exponent)
        power = as_integer(exponent)
        if base.rank == 2 and power is not None and 0 < abs(power) <= HIGHEST_POWER:
            factor = self.make(token.start, "inv", base) if power < 0 else base
            self.make(token.start, "tr", base)  # says so if it is not square
            return self.make(token.start, "mul", *[factor] * abs(power)) if abs(power) > 1 else factor
        powers = f"a matrix can be raised to whole powers up to {HIGHEST_POWER}; for elements write .^"
        raise self.misfit(f"cannot raise {described(base)} to {described(exponent)}: {powers}", token.start)


def _value(text: str) -> Fraction | float:
    """The number: exact if it could be written without an exponent."""
    if len(text) > MOST_DIGITS:
        raise InputError(f"a number has at most {MOST_DIGITS} characters")
    digits, _, exponent = text.lower().partition("e")
    if abs(int(exponent or 0)) <= MOST_DIGITS:
        exact = Fraction(text)
        if max(exact.numerator, exact.denominator) < 10**MOST_DIGITS or not exponent:
            return exact
    value = float(text)
    if not value and set(digits) - set("0."):
        raise InputError(f"{text} is smaller than any floating-point number")
    return value


def _unknown(name: str) -> str:
    close = difflib.get_close_matches(name, FUNCTIONS, n=1)
    return f"unknown function {name[:40]!r}" + (f": did you mean {close[0]}?" if close else "")
