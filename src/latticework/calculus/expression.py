"""Immutable expressions of scalars, vectors and matrices: equal ones are one object, and every node knows its shape."""

from __future__ import annotations

import math
import threading
import weakref
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any

from latticework.calculus.dimensions import Dim, declaration
from latticework.calculus.shapes import Match, shape_of
from latticework.calculus.text import text
from latticework.calculus.tree import Shape, Tree, order
from latticework.core.errors import InputError
from latticework.core.words import shortened

DEEPEST = 2000  # levels of an expression
MOST_OPERANDS = 2000  # of one sum or product
MOST_BITS = 1023  # of a number above or below a fraction line: what is larger is no floating-point number


class Expr(Tree):
    """A tree that is written with Python's operators; whatever the engine reads and derives is one.

    Examples
    --------
    >>> X, w = variable("X", "N,n"), variable("w", "n")
    >>> (X @ w).shape_text
    'vector of N'
    >>> (X @ w) is (X @ w)
    True
    >>> print((X @ w).T @ (X @ w) + 1)
    (X*w)'*X*w + 1
    """

    __slots__ = ()

    __array_ufunc__ = None  # NumPy arrays leave operators to expressions, which refuse arrays

    @property
    def T(self) -> Expr:
        """The transpose."""
        return make("T", self)

    def __add__(self, other: Operand) -> Expr:
        return make("add", self, expression(other))

    def __radd__(self, other: Operand) -> Expr:
        return make("add", expression(other), self)

    def __sub__(self, other: Operand) -> Expr:
        return make("add", self, make("neg", expression(other)))

    def __rsub__(self, other: Operand) -> Expr:
        return make("add", expression(other), make("neg", self))

    def __neg__(self) -> Expr:
        return make("neg", self)

    def __mul__(self, other: Operand) -> Expr:
        return make("had", self, expression(other))

    def __rmul__(self, other: Operand) -> Expr:
        return make("had", expression(other), self)

    def __truediv__(self, other: Operand) -> Expr:
        return make("div", self, expression(other))

    def __rtruediv__(self, other: Operand) -> Expr:
        return make("div", expression(other), self)

    def __pow__(self, other: Operand) -> Expr:
        return make("pow", self, expression(other))

    def __rpow__(self, other: Operand) -> Expr:
        return make("pow", expression(other), self)

    def __gt__(self, other: Operand) -> Expr:
        return make("compare", self, expression(other), data=">")

    def __lt__(self, other: Operand) -> Expr:
        return make("compare", self, expression(other), data="<")

    def __ge__(self, other: Operand) -> Expr:
        return make("compare", self, expression(other), data=">=")

    def __le__(self, other: Operand) -> Expr:
        return make("compare", self, expression(other), data="<=")

    def __matmul__(self, other: Operand) -> Expr:
        return product(self, expression(other))

    def __rmatmul__(self, other: Operand) -> Expr:
        return product(expression(other), self)

    def __reduce__(self) -> Any:
        if self.op == "var":  # which exported functions take with them to other processes
            return variable, self.data
        raise TypeError("an expression is kept as its text: str(expression), and parse(text, shapes)")

    def __str__(self) -> str:
        return text(self)

    def __repr__(self) -> str:
        return f"<{self} : {self.shape_text}>"


Operand = Expr | int | float | Fraction

_nodes: weakref.WeakValueDictionary[Hashable, Expr] = weakref.WeakValueDictionary()
_lock = threading.Lock()


_SAME: Match = Dim.__eq__


def make(op: str, *args: Expr, data: Any = None, match: Match = _SAME) -> Expr:
    """The node of an operation.

    Parameters
    ----------
    op, args, data
        What it is made of.
    match
        Whether two sizes may be taken for the same: equality, or what a shape inference notes down.

    Raises
    ------
    InputError
        If the shapes of the operands do not fit.
    """
    if op in ("add", "had", "mul"):
        if sum(len(arg.args) if arg.op == op else 1 for arg in args) > MOST_OPERANDS:
            raise InputError(f"a sum or a product has at most {MOST_OPERANDS:,} operands")
        args = tuple(_flat(op, args))
    key = (op, tuple(map(id, args)), data, type(data))
    found = _nodes.get(key)
    if found is not None:
        if match is not _SAME:
            shape_of(op, args, data, match)  # what it says of unknown sizes has to be noted down every time
        return found
    shape, row = shape_of(op, args, data, match)
    node = Expr.__new__(Expr)
    node.op, node.args, node.data, node.shape, node.row = op, args, data, shape, row
    node.depth = 1 + max((arg.depth for arg in args), default=0)
    if node.depth > DEEPEST:
        raise InputError(f"the expression is nested more than {DEEPEST} deep")
    with _lock:
        return _nodes.setdefault(key, node)


def number(value: int | float | Fraction) -> Expr:
    """A number; whole ones and fractions stay exact."""
    if isinstance(value, bool) or not isinstance(value, int | float | Fraction):
        raise InputError(f"expected a number, got {shortened(value)}")
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError(f"a number must be finite, got {value}")
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        value = int(value)
    if isinstance(value, float):
        return make("number", data=value)
    exact = Fraction(value)
    if max(exact.numerator.bit_length(), exact.denominator.bit_length()) > MOST_BITS:
        raise InputError(f"a number is larger than 2^{MOST_BITS}, or has more digits than that")
    return make("number", data=exact)


def as_integer(expr: Expr) -> int | None:
    """The whole number that an expression is, if it is written as one, such as an exponent."""
    if expr.op == "neg":
        found = as_integer(expr.args[0])
        return None if found is None else -found
    is_whole = expr.op == "number" and isinstance(expr.data, Fraction) and expr.data.denominator == 1
    return int(expr.data) if is_whole else None


def length(size: Dim) -> Expr:
    """The length of an axis: a number if it is known."""
    return make("size", data=size) if size.known is None else number(size.known)


def variable(name: str, shape: str | Shape = "", assume: frozenset[str] = frozenset()) -> Expr:
    """A variable with a declared shape, such as `"N,n"`, `"n"` or `""` for a scalar.

    Raises
    ------
    InputError
        If the name is not a word, or the shape cannot be read.
    """
    if not (name.isascii() and name.isidentifier()):
        raise InputError(f"the name of a variable is a word of letters, digits and '_', got {name[:40]!r}")
    sizes = declaration(shape) if isinstance(shape, str) else shape
    if not (isinstance(sizes, tuple) and all(isinstance(size, Dim) for size in sizes)):
        raise InputError(f"the shape of {name!r} is a text such as 'N,n', got {shape!r}")
    return make("var", data=(name, sizes, assume))


def expression(value: Operand) -> Expr:
    """The value itself if it is an expression, or the number as one."""
    return value if isinstance(value, Expr) else number(value)


def product(left: Expr, right: Expr, match: Match = _SAME) -> Expr:
    """The matrix product; with a scalar, the multiple."""
    if left.rank == 0 or right.rank == 0:
        return make("had", left, right, match=match)
    return make("mul", left, right, match=match)


def with_args(node: Expr, args: Sequence[Expr]) -> Expr:
    """The same operation on other operands."""
    return node if tuple(args) == node.args else make(node.op, *args, data=node.data)


def rebuild(root: Expr, change: Callable[[Expr, tuple[Expr, ...]], Expr]) -> Expr:
    """The expression with every node, from the leaves up, given to `change` with its new operands."""
    new: dict[Expr, Expr] = {}
    for node in order(root):
        new[node] = change(node, tuple(new[arg] for arg in node.args))
    return new[root]


def substitute(root: Expr, replacements: Mapping[Expr, Expr]) -> Expr:
    """The expression with other nodes in the place of some."""
    return rebuild(root, lambda node, args: replacements.get(node) or with_args(node, args))


def with_sizes(root: Expr, sizes: Mapping[str, Dim]) -> Expr:
    """The expression with other sizes in the place of symbols."""

    def change(data: Any) -> Any:
        if isinstance(data, Dim):
            return data.replace(sizes)
        return tuple(map(change, data)) if isinstance(data, tuple) else data

    return rebuild(root, lambda node, args: make(node.op, *args, data=change(node.data)))


def _flat(op: str, args: tuple[Expr, ...]) -> Iterator[Expr]:
    for arg in args:
        # x'*y is a number: as a factor of a longer product it would need other neighbours.
        if arg.op == op and (op != "mul" or arg.rank):
            yield from arg.args
        else:
            yield arg


ZERO, UNIT, TWO = number(0), number(1), number(2)
