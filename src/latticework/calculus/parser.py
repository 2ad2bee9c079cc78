"""Read expressions: a Pratt parser for the spelling of matrixcalculus.org, which builds nodes as it reads.

Sizes that were not declared are unknowns, which every operation that needs two sizes to be equal may settle.
"""

from __future__ import annotations

import difflib
import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from latticework.calculus.dimensions import Dim
from latticework.calculus.expression import Expr, make, number, product, variable, with_sizes
from latticework.calculus.shapes import ELEMENTWISE, OF_ROWS, OF_SQUARE, TO_SCALAR
from latticework.calculus.text import described
from latticework.calculus.tree import shape_text
from latticework.calculus.unification import Sizes
from latticework.core.errors import InputError

LONGEST = 10_000  # characters of an expression
MOST_TOKENS = 4_000  # names, numbers and signs
DEEPEST = 100  # brackets, signs and powers within each other
MOST_DIGITS = 40
HIGHEST_POWER = 12  # of a matrix, which is written out as a product
MOST_GUESSES = 256  # of ranks that undeclared variables might have
WINDOW = 64  # characters shown of a long expression
SIZE_NAMES = "nmpqrskl"


class _Misfit(InputError):
    """Shapes do not fit; with other ranks of undeclared variables they may."""


Shapes = Mapping[str, str | Sequence[Dim]]

_TOKEN = re.compile(
    r"(?P<space>\s+)|(?P<number>\d+\.\d+(?:[eE][+-]?\d+)?|\d+(?:[eE][+-]?\d+)?|\.\d+)|(?P<name>[A-Za-z_]\w*)"
    r"|(?P<string>\"[A-Za-z,>-]*\")|(?P<sign>\.[*/^]|>=|<=|==|[-+*/^'()\[\];,:<>])",
    re.ASCII,
)
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
_ALIASES = {"ln": "log", "trace": "tr", "arcsin": "asin", "arccos": "acos", "arctan": "atan", "transpose": "T"}
_UNARY = ELEMENTWISE | OF_ROWS | OF_SQUARE | TO_SCALAR | {"rowsum", "colsum", "diag", "vec", "logsumexp", "T"}
FUNCTIONS = frozenset(_UNARY | set(_ALIASES) | {"kron", "vector", "matrix", "eye", "pairing", "reshape", "einsum"})


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
    tokens = _tokens(source)
    sizes = {name for shape in declared.values() for size in shape for name in size.symbols}
    unknown = _undeclared(tokens, declared, sizes)
    refusal: InputError | None = None
    for ranks in _guesses(unknown):
        reader = _Reader(source, tokens, declared, sizes, dict(zip(unknown, ranks, strict=True)))
        try:
            return reader.whole(like)
        except _Misfit as error:
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


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    start: int
    end: int


_HINTS = {
    "@": ": the matrix product is *",
    ".": ": the transpose is written x'",
    "|": ": write abs or norm2",
    "=": ": one expression is read, no equation",
}


def _tokens(source: str) -> list[_Token]:
    tokens, place = [], 0
    while place < len(source):
        match = _TOKEN.match(source, place)
        if match is None:
            hint = _HINTS.get(source[place], "")
            raise _refused(f"unexpected {source[place]!r}{hint}", source, place)
        kind = match.lastgroup or ""
        if kind != "space":
            tokens.append(_Token(kind, match[0], match.start(), match.end()))
        place = match.end()
    if len(tokens) > MOST_TOKENS:
        raise InputError(f"an expression has at most {MOST_TOKENS:,} names, numbers and signs, got {len(tokens):,}")
    return [*tokens, _Token("end", "", len(source), len(source))]


def _undeclared(tokens: list[_Token], declared: Mapping[str, object], sizes: set[str]) -> list[str]:
    names: dict[str, None] = {}
    for token, following in itertools.pairwise(tokens):
        known = token.text in declared or token.text in sizes or token.text in ("pi", "eye")
        if token.kind == "name" and not known and following.text != "(":
            names[token.text] = None
    return list(names)


def _guesses(names: list[str]) -> Iterator[tuple[int, ...]]:
    """Ranks for undeclared names: the usual ones, then those that differ in one name, in two, ..."""
    usual = tuple(2 if name[0].isupper() else 0 if name[0] in "abcdefg" else 1 for name in names)
    small = [place for place, name in enumerate(names) if not name[0].isupper()]
    changes = (chosen for size in range(len(small) + 1) for chosen in itertools.combinations(small, size))
    for chosen in itertools.islice(changes, MOST_GUESSES):
        yield tuple(1 - rank if place in chosen else rank for place, rank in enumerate(usual))


def _refused(message: str, source: str, place: int) -> InputError:
    first = max(0, min(place - WINDOW // 2, len(source) - WINDOW))
    shown = re.sub(r"\s", " ", source[first : first + WINDOW])
    dots = "..." if first else ""
    return InputError(f"{message}\n    {dots}{shown}\n    {' ' * (len(dots) + place - first)}^")


class _Reader:
    """Reads the tokens of one expression from left to right."""

    def __init__(
        self,
        source: str,
        tokens: list[_Token],
        declared: Mapping[str, tuple[Dim, ...]],
        names_of_sizes: set[str],
        ranks: Mapping[str, int],
    ) -> None:
        self.source, self.tokens = source, tokens
        self.names_of_sizes = names_of_sizes
        self.sizes = Sizes()
        self.place, self.depth = 0, 0
        guessed = {name: tuple(self.sizes.new() for _ in range(rank)) for name, rank in ranks.items()}
        self.guessed = frozenset(guessed)
        self.variables = {name: variable(name, shape) for name, shape in {**declared, **guessed}.items()}
        self.taken = names_of_sizes | set(self.variables)

    @property
    def token(self) -> _Token:
        return self.tokens[self.place]

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

    def settled(self, result: Expr) -> Expr:
        """The expression with what was found out about sizes; the others get names."""
        free = (name for name in itertools.chain(SIZE_NAMES, (f"n{k}" for k in itertools.count(1))))
        names = {name: Dim.symbol(name) for name in self.names_of_sizes}
        for k in range(1, self.sizes.made + 1):
            for symbol in sorted(self.sizes.settled(Dim.symbol(f"?{k}")).symbols):
                if symbol.startswith("?") and symbol not in names:
                    names[symbol] = Dim.symbol(next(name for name in free if name not in self.taken))
        found = {f"?{k}": self.sizes.settled(Dim.symbol(f"?{k}")).replace(names) for k in range(1, self.sizes.made + 1)}
        try:
            return with_sizes(result, found) if found else result
        except InputError as error:
            raise self.misfit(str(error), 0) from None

    def refused(self, message: str, place: int | None = None) -> InputError:
        return _refused(_settled_text(message, self.sizes), self.source, self.token.start if place is None else place)

    def misfit(self, message: str, place: int) -> _Misfit:
        return _Misfit(str(self.refused(message, place)))

    def built(self, place: int, build: Callable[[], Expr]) -> Expr:
        """Build a node; what is wrong with it is wrong at `place`."""
        try:
            return build()
        except InputError as error:
            if "\n" in str(error):
                raise
            raise self.misfit(str(error), place) from None

    def make(self, place: int, op: str, *args: Expr, data: object = None) -> Expr:
        return self.built(place, lambda: make(op, *args, data=data, match=self.sizes.match))

    def expect(self, sign: str, opened: _Token) -> None:
        if self.token.text != sign:
            found = repr(self.token.text) if self.token.kind != "end" else "the end"
            raise self.refused(f"expected {sign!r} for the {opened.text!r} at column {opened.start + 1}, got {found}")
        self.place += 1

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
                return self.call(token)
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
            return self.stacked(token)
        self.place -= 1
        if token.text == "*" and self.place and self.tokens[self.place - 1].text == "*":
            raise self.refused("unexpected '*': powers are ^ or .^")
        raise self.refused(f"unexpected {token.text!r}" if token.kind != "end" else "the expression ends too early")

    def named(self, token: _Token) -> Expr:
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

    def infix(self, left: Expr, token: _Token, binding: int) -> Expr:
        sign = token.text
        if sign == "'":
            if left.rank == 0 and left.op == "var" and left.data[0] in self.guessed:
                raise self.misfit(f"{left} is transposed, so it is no scalar", token.start)
            return self.make(token.start, "T", left) if left.rank else left
        if sign == "[":
            return self.indexed(left, token)
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

    def added(self, left: Expr, token: _Token) -> Expr:
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

    def deeper(self) -> None:
        """One level deeper, if that is not too deep."""
        self.depth += 1
        if self.depth > DEEPEST:
            raise self.refused(f"nested more than {DEEPEST} deep")

    def powered(self, base: Expr, exponent: Expr, token: _Token) -> Expr:
        if base.rank == 0 and exponent.rank == 0:
            return self.make(token.start, "pow", base, exponent)
        whole = _whole(exponent)
        if base.rank == 2 and whole is not None and 0 < abs(whole) <= HIGHEST_POWER:
            factor = self.make(token.start, "inv", base) if whole < 0 else base
            self.make(token.start, "tr", base)  # says so if it is not square
            return self.make(token.start, "mul", *[factor] * abs(whole)) if abs(whole) > 1 else factor
        powers = f"a matrix can be raised to whole powers up to {HIGHEST_POWER}; for elements write .^"
        raise self.misfit(f"cannot raise {described(base)} to {described(exponent)}: {powers}", token.start)

    def arguments(self, opened: _Token) -> list[Expr]:
        args = []
        if self.token.text != ")":
            args.append(self.expression(0))
            while self.token.text == ",":
                self.place += 1
                args.append(self.expression(0))
        self.expect(")", opened)
        return args

    def call(self, token: _Token) -> Expr:
        opened = self.token
        self.place += 1
        name = _ALIASES.get(token.text, token.text)
        if name == "einsum":
            return self.einsum(token, opened)
        if name == "eye":
            size = self.size()
            self.expect(")", opened)
            return make("eye", data=size)
        if name == "pairing":
            rows = self.size()
            self.expect(",", opened)
            columns = self.size()
            self.expect(")", opened)
            return make("pairing", data=(rows, columns))
        if name == "reshape":
            return self.reshaped(token, opened)
        if name in ("vector", "matrix"):
            return self.constant(name, token, opened)
        args = self.arguments(opened)
        if name in ("max", "min") and len(args) == 2:
            return self.make(token.start, {"max": "maximum", "min": "minimum"}[name], *args)
        expected = 2 if name == "kron" else 1
        if len(args) != expected:
            raise self.refused(
                f"{token.text} takes {expected} argument{'s'[: expected - 1]}, got {len(args)}", token.start
            )
        if name == "T" and args[0].rank == 0:
            return args[0]
        return self.make(token.start, name, *args)

    def constant(self, name: str, token: _Token, opened: _Token) -> Expr:
        """`vector(1)` and `matrix(1)`, or with their sizes `vector(1, n)` and `matrix(1, m, n)`."""
        value = self.expression(0)
        rank = 1 if name == "vector" else 2
        sizes: list[Dim] = []
        while self.token.text == "," and len(sizes) < rank:
            self.place += 1
            sizes.append(self.size())
        if sizes and len(sizes) < rank:
            raise self.refused("a matrix has two sizes", token.start)
        self.expect(")", opened)
        if value.rank:
            raise self.misfit(f"{name} repeats a scalar, got {described(value)}", token.start)
        shape = tuple(sizes) or tuple(self.sizes.new() for _ in range(rank))
        if value.op == "number" and value.data == 0:
            return make("zeros", data=shape)
        ones = make("ones", data=shape)
        return ones if value.op == "number" and value.data == 1 else make("had", value, ones)

    def size(self) -> Dim:
        """A size: everything up to the next `,`, `:`, `;` or closing bracket."""
        first = self.place
        while self.token.kind in ("number", "name") or self.token.text in ("+", "-", "*"):
            self.place += 1
        written = self.source[self.tokens[first].start : self.token.start]
        size = Dim.number(0)
        if not written.strip():
            raise self.refused("expected a size, such as 3 or n")
        try:
            size = Dim.parse(written)
        except InputError as error:
            raise self.refused(str(error), self.tokens[first].start) from None
        strange = sorted(size.symbols - self.names_of_sizes)
        if strange:
            known = ", ".join(sorted(self.names_of_sizes)) or "none is declared"
            raise self.refused(f"{strange[0]!r} is not a declared size ({known})", self.tokens[first].start)
        return size

    def indexed(self, left: Expr, opened: _Token) -> Expr:
        specs: list[tuple[Dim, Dim | None] | None] = []
        while True:
            if self.token.text == ":":
                self.place += 1
                specs.append(None)
            else:
                low = self.size()
                high = None
                if self.token.text == ":":
                    self.place += 1
                    high = self.size()
                specs.append((low, high))
            if self.token.text != ",":
                break
            self.place += 1
        self.expect("]", opened)
        return self.make(opened.start, "index", left, data=tuple(specs))

    def stacked(self, opened: _Token) -> Expr:
        args, sign = [self.expression(0)], self.token.text
        while self.token.text in (";", ",") and self.token.text == sign:
            self.place += 1
            args.append(self.expression(0))
        if self.token.text in (";", ","):
            raise self.refused("stack with ';' or with ',', not with both: [[a, b]; [c, d]]")
        self.expect("]", opened)
        if len(args) == 1:
            return args[0]
        return self.make(opened.start, "stack", *args, data=0 if sign == ";" else 1)

    def reshaped(self, token: _Token, opened: _Token) -> Expr:
        arg = self.expression(0)
        sizes: list[Dim] = []
        for _ in range(2):
            self.expect(",", opened)
            sizes.append(self.size())
        self.expect(")", opened)
        return self.make(token.start, "unvec", arg, data=tuple(sizes))

    def einsum(self, token: _Token, opened: _Token) -> Expr:
        labels = self.token
        match = re.fullmatch(r'"([a-zA-Z]*(?:,[a-zA-Z]*)*)->([a-zA-Z]*)"', labels.text)
        if match is None:
            raise self.refused('einsum begins with its labels, such as "ij,jk->ik"')
        self.place += 1
        args = []
        while self.token.text == ",":
            self.place += 1
            args.append(self.expression(0))
        self.expect(")", opened)
        inputs = match[1].split(",")
        if len(inputs) != len(args) or not set(match[2]) <= set(match[1]) or len(set(match[2])) < len(match[2]):
            raise self.refused(f"the labels {labels.text} do not fit {len(args)} operands", labels.start)
        codes = {letter: code for code, letter in enumerate(dict.fromkeys(match[1].replace(",", "")))}
        data = tuple(tuple(codes[letter] for letter in word) for word in inputs), tuple(codes[a] for a in match[2])
        for word, arg in zip(inputs, args, strict=True):
            if len(word) != arg.rank:
                raise self.refused(f"{word!r} does not label {described(arg)}", labels.start)
        sizes: dict[str, Dim] = {}
        for word, arg in zip(inputs, args, strict=True):
            for letter, size in zip(word, arg.shape, strict=True):
                if not self.sizes.match(sizes.setdefault(letter, size), size):
                    raise self.refused(f"{letter!r} is both {sizes[letter]} and {size} long", labels.start)
        return self.make(token.start, "einsum", *args, data=data)


def _value(text: str) -> Fraction | float:
    if len(text) > MOST_DIGITS:
        raise InputError(f"a number has at most {MOST_DIGITS} characters")
    if "e" in text or "E" in text:
        return float(text)
    return Fraction(text)


def _whole(exponent: Expr) -> int | None:
    sign = 1
    if exponent.op == "neg":
        sign, exponent = -1, exponent.args[0]
    if exponent.op == "number" and isinstance(exponent.data, Fraction) and exponent.data.denominator == 1:
        return sign * int(exponent.data)
    return None


def _unknown(name: str) -> str:
    close = difflib.get_close_matches(name, FUNCTIONS, n=1)
    return f"unknown function {name[:40]!r}" + (f": did you mean {close[0]}?" if close else "")


def _settled_text(message: str, sizes: Sizes) -> str:
    # An unknown size reads as '?' in a message; one that is known by now, as what it is.
    return re.sub(r"\?\d+", lambda match: str(sizes.settled(Dim.symbol(match[0]))).replace("?", "n"), message)
