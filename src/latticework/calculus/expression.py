"""Immutable expressions of scalars, vectors and matrices: equal ones are one object, and every node knows its shape.

Vectors are columns; the transpose of one is a row. Sizes are symbols, so that a shape that fits does so for all sizes.
Scalars are expanded over vectors and matrices in sums and element-wise products (Parr & Howard 2018, section 4.3).
"""

from __future__ import annotations

import math
import threading
import weakref
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any

from latticework.calculus.dimensions import ONE, Dim
from latticework.core.errors import InputError

Shape = tuple[Dim, ...]
Match = Callable[[Dim, Dim], bool]

_POWERS = ("exp", "log", "sqrt", "abs", "sign")
_ANGLES = ("sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh")
_ACTIVATIONS = ("sigmoid", "softplus", "relu", "gelu", "erf")
ELEMENTWISE = frozenset((*_POWERS, *_ANGLES, *_ACTIVATIONS))
OF_ROWS = frozenset(["softmax", "log_softmax"])  # a matrix is normalised row by row, a vector as a whole
TO_SCALAR = frozenset(["sum", "mean", "norm1", "norm2", "max", "min"])
OF_SQUARE = frozenset(["tr", "det", "logdet", "inv"])
COMPARISONS = (">=", "<=", "==", ">", "<")
DEEPEST = 2000  # levels of an expression
MOST_LABELS = 52  # of an einsum: NumPy's limit, and that of the alphabet
MOST_OPERANDS = 2000  # of one sum or product


class Expr:
    """A node: an operation, its arguments, and what else it needs to know (a name, a number, sizes).

    Attributes
    ----------
    op
        Name of the operation.
    args
        Its operands.
    data
        A name, a number, or sizes, as the operation needs.
    shape
        No size for a scalar, one for a vector, two for a matrix.
    row
        Whether it is a row vector.
    depth
        Levels below and with it.

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

    __array_ufunc__ = None  # NumPy arrays leave operators to expressions, which refuse arrays

    __slots__ = ("__weakref__", "args", "data", "depth", "op", "row", "shape")

    op: str
    args: tuple[Expr, ...]
    data: Any
    shape: Shape
    row: bool
    depth: int

    @property
    def rank(self) -> int:
        """Number of axes: 0 for a scalar, 1 for a vector, 2 for a matrix."""
        return len(self.shape)

    @property
    def shape_text(self) -> str:
        """The shape in words."""
        return shape_text(self.shape, row=self.row)

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

    def __matmul__(self, other: Expr) -> Expr:
        return product(self, other)

    def __reduce__(self) -> Any:
        raise TypeError("an expression is kept as its text: str(expression), and parse(text, shapes)")

    def __str__(self) -> str:
        from latticework.calculus.text import text

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
            _SHAPES[op](args, data, match)  # what it says of unknown sizes has to be noted down every time
        return found
    shape, row = _SHAPES[op](args, data, match)
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
        raise InputError(f"expected a number, got {value!r}")
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError(f"a number must be finite, got {value}")
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        value = int(value)
    return make("number", data=value if isinstance(value, float) else Fraction(value))


def variable(name: str, shape: str | Shape = "", assume: frozenset[str] = frozenset()) -> Expr:
    """A variable with a declared shape, such as `"N,n"`, `"n"` or `""` for a scalar.

    Raises
    ------
    InputError
        If the name is not a word, or the shape cannot be read.
    """
    from latticework.calculus.dimensions import declaration

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


def order(*roots: Expr) -> list[Expr]:
    """Every node once, operands before what uses them, without recursion."""
    seen: set[Expr] = set()
    result: list[Expr] = []
    stack: list[tuple[Expr, Iterator[Expr]]] = []
    for root in roots:
        if root in seen:
            continue
        seen.add(root)
        stack.append((root, iter(root.args)))
        while stack:
            node, rest = stack[-1]
            for arg in rest:
                if arg not in seen:
                    seen.add(arg)
                    stack.append((arg, iter(arg.args)))
                    break
            else:
                result.append(node)
                stack.pop()
    return result


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


def variables(*roots: Expr) -> dict[str, Expr]:
    """The variables of expressions by name, in the order of their first use."""
    return {node.data[0]: node for node in order(*roots) if node.op == "var"}


def symbols(*roots: Expr) -> set[str]:
    """The symbols of all sizes."""
    return {name for node in order(*roots) for size in node.shape for name in size.symbols} | {
        name for node in order(*roots) if node.op == "size" for name in node.data.symbols
    }


def count(root: Expr) -> int:
    """Nodes of the expression written out as a tree."""
    counts: dict[Expr, int] = {}
    for node in order(root):
        # An operation of several operands counts as the operators written between them.
        own = max(1, len(node.args) - 1) if node.op in ("add", "had", "mul") else 1
        counts[node] = own + sum(counts[arg] for arg in node.args)
    return counts[root]


def shape_text(shape: Shape, *, row: bool = False) -> str:
    """A shape in words: `scalar`, `vector of n`, `row of n`, `N×n matrix`."""
    if not shape:
        return "scalar"
    if len(shape) == 1:
        return f"{'row' if row else 'vector'} of {shape[0]}"
    sizes = "×".join(f"({size})" if " " in str(size) else str(size) for size in shape)
    return f"{sizes} {'matrix' if len(shape) == 2 else 'tensor'}"


def _flat(op: str, args: tuple[Expr, ...]) -> Iterator[Expr]:
    for arg in args:
        # x'*y is a number: as a factor of a longer product it would need other neighbours.
        if arg.op == op and (op != "mul" or arg.rank):
            yield from arg.args
        else:
            yield arg


def _named(arg: Expr) -> str:
    text = str(arg)
    return f"{text if len(text) <= 60 else text[:57] + '...'} ({arg.shape_text})"


ShapeRule = Callable[[tuple[Expr, ...], Any, Match], tuple[Shape, bool]]


def _alike(verb: str) -> ShapeRule:
    def shape(args: tuple[Expr, ...], _: Any, match: Match) -> tuple[Shape, bool]:
        widest = max(args, key=lambda arg: arg.rank)
        for arg in args:
            fits = arg.rank == widest.rank and arg.row == widest.row and all(map(match, arg.shape, widest.shape))
            if arg.rank and not fits:
                raise InputError(f"cannot {verb} {_named(args[0] if arg is widest else widest)} and {_named(arg)}")
        return widest.shape, widest.row

    return shape


def _product(args: tuple[Expr, ...], _: Any, match: Match) -> tuple[Shape, bool]:
    # A column is n×1 and a row 1×n, whatever the size of the other axis is called.
    sides: list[tuple[Dim | None, Dim | None]] = []
    for arg in args:
        if arg.rank == 2:
            sides.append((arg.shape[0], arg.shape[1]))
        else:
            sides.append((None, arg.shape[0]) if arg.row else (arg.shape[0], None))
    for left, right, (_, inner), (outer, _) in zip(args, args[1:], sides, sides[1:], strict=False):
        fits = match(inner or ONE, outer or ONE) if (inner is None) != (outer is None) else True
        if inner is not None and outer is not None:
            fits = match(inner, outer)
        if not fits:
            alike = left.rank == right.rank == 1 and left.row == right.row
            hint = ": for the product of their elements write .*, for a number x'*y" if alike else ""
            raise InputError(f"cannot multiply {_named(left)} by {_named(right)}{hint}")
    first, last = sides[0][0], sides[-1][1]
    shape = tuple(size for size in (first, last) if size is not None)
    return shape, first is None and last is not None


def _same(args: tuple[Expr, ...], _: Any, __: Match) -> tuple[Shape, bool]:
    return args[0].shape, args[0].row


def _transpose(args: tuple[Expr, ...], _: Any, __: Match) -> tuple[Shape, bool]:
    (arg,) = args
    return arg.shape[::-1], arg.rank == 1 and not arg.row


def _square(op: str) -> ShapeRule:
    def shape(args: tuple[Expr, ...], _: Any, match: Match) -> tuple[Shape, bool]:
        (arg,) = args
        if arg.rank == 1 or (arg.rank == 2 and not match(*arg.shape)):
            raise InputError(f"{op} needs a square matrix, got {_named(arg)}")
        return (arg.shape if op == "inv" else ()), False

    return shape


def _rows(op: str) -> ShapeRule:
    def shape(args: tuple[Expr, ...], _: Any, __: Match) -> tuple[Shape, bool]:
        (arg,) = args
        if arg.rank == 0:
            raise InputError(f"{op} needs a vector or a matrix, got {_named(arg)}")
        return arg.shape, arg.row

    return shape


def _logsumexp(args: tuple[Expr, ...], _: Any, __: Match) -> tuple[Shape, bool]:
    (arg,) = args
    if arg.rank == 0:
        raise InputError(f"logsumexp needs a vector or a matrix, got {_named(arg)}")
    return arg.shape[:-1], False


def _sums(axis: int) -> ShapeRule:
    def shape(args: tuple[Expr, ...], _: Any, __: Match) -> tuple[Shape, bool]:
        (arg,) = args
        if arg.rank != 2:
            raise InputError(f"{'colsum' if axis else 'rowsum'} needs a matrix, got {_named(arg)}")
        return (arg.shape[axis],), axis == 1

    return shape


def _diagonal(args: tuple[Expr, ...], _: Any, match: Match) -> tuple[Shape, bool]:
    (arg,) = args
    if arg.rank == 1:
        return (arg.shape[0], arg.shape[0]), False
    if arg.rank == 2 and match(*arg.shape):
        return (arg.shape[0],), False
    raise InputError(f"diag needs a vector or a square matrix, got {_named(arg)}")


def _vec(args: tuple[Expr, ...], _: Any, __: Match) -> tuple[Shape, bool]:
    (arg,) = args
    return ((arg.shape[0] * arg.shape[1],) if arg.rank == 2 else arg.shape), False


def _unvec(args: tuple[Expr, ...], data: Any, match: Match) -> tuple[Shape, bool]:
    (arg,) = args
    if arg.rank != 1 or not match(arg.shape[0], data[0] * data[1]):
        raise InputError(f"cannot read {_named(arg)} as the columns of a {data[0]}×{data[1]} matrix")
    return data, False


def _kron(args: tuple[Expr, ...], _: Any, __: Match) -> tuple[Shape, bool]:
    left, right = args
    if left.rank == 0 or right.rank == 0:
        raise InputError(f"kron needs vectors or matrices, got {_named(left)} and {_named(right)}")
    if left.rank == right.rank == 1 and left.row == right.row:
        return (left.shape[0] * right.shape[0],), left.row
    (a, b), (c, d) = _as_matrix(left), _as_matrix(right)
    return (a * c, b * d), False


def _as_matrix(arg: Expr) -> Shape:
    if arg.rank == 2:
        return arg.shape
    if arg.rank == 1:
        return (ONE, *arg.shape) if arg.row else (*arg.shape, ONE)
    return (ONE, ONE)


def _stack(args: tuple[Expr, ...], data: Any, match: Match) -> tuple[Shape, bool]:
    down = data == 0
    # Below each other stand scalars and columns, or rows and matrices; beside each other the other way round.
    flat = all(arg.rank == 0 or (arg.rank == 1 and arg.row != down) for arg in args)
    if flat:
        length = Dim.number(0)
        for arg in args:
            length = length + (arg.shape[0] if arg.rank else ONE)
        return (length,), not down
    along, across = (0, 1) if down else (1, 0)
    shapes = [_as_matrix(arg) for arg in args]
    for arg, shape in zip(args, shapes, strict=True):
        if not match(shape[across], shapes[0][across]):
            where = "below" if down else "beside"
            raise InputError(f"cannot stack {_named(arg)} {where} {_named(args[0])}")
    length = Dim.number(0)
    for shape in shapes:
        length = length + shape[along]
    sizes = (length, shapes[0][1]) if down else (shapes[0][0], length)
    return sizes, False


def _index(args: tuple[Expr, ...], data: Any, _: Match) -> tuple[Shape, bool]:
    (arg,) = args
    if len(data) != arg.rank or not data:
        raise InputError(f"{_named(arg)} has {arg.rank} axes, so it cannot have {len(data)} indices")
    sizes, kept = [], []
    for axis, (spec, size) in enumerate(zip(data, arg.shape, strict=True)):
        low, high = spec if spec is not None else (ONE, size)
        for place in (low, size if high is None else high):
            if place.known is not None and (place.known < 1 or (size.known or place.known) < place.known):
                raise InputError(f"index {place} is outside {_named(arg)}: indices begin at 1")
            beyond = place - size
            if beyond.terms and all(coefficient > 0 for _, coefficient in beyond.terms):
                raise InputError(f"index {place} is outside {_named(arg)}")
        if high is not None:
            length = high - low + ONE
            if length.known is not None and length.known < 1:
                raise InputError(f"the range {low}:{high} of {_named(arg)} is empty")
            sizes.append(length)
            kept.append(axis)
    row = len(sizes) == 1 and (arg.row if arg.rank == 1 else kept == [1])
    return tuple(sizes), row


def _einsum(args: tuple[Expr, ...], data: Any, _: Match) -> tuple[Shape, bool]:
    inputs, output = data
    sizes: dict[int, Dim] = {}
    if len({label for labels in inputs for label in labels}) > MOST_LABELS:
        raise InputError(f"an einsum has at most {MOST_LABELS} labels")
    for arg, labels in zip(args, inputs, strict=True):
        if len(labels) != arg.rank:
            raise InputError(f"{_named(arg)} has {arg.rank} axes, so it cannot have {len(labels)} labels")
        sizes.update(zip(labels, arg.shape, strict=True))
    return tuple(sizes[label] for label in output), False


def _derivative(args: tuple[Expr, ...], _: Any, __: Match) -> tuple[Shape, bool]:
    above, below = args
    shape = above.shape + below.shape
    # The derivative of a scalar with respect to a vector is a row (section 3).
    return shape, len(shape) == 1 and below.rank == 1


def _contracted(args: tuple[Expr, ...], data: Any, _: Match) -> tuple[Shape, bool]:
    left, right = args
    kept = len(left.shape) - data
    shape = left.shape[:kept] + right.shape[data:]
    return shape, len(shape) == 1 and not kept


_SHAPES: dict[str, ShapeRule] = {
    "var": lambda _, data, __: (data[1], False),
    "number": lambda *_: ((), False),
    "pi": lambda *_: ((), False),
    "size": lambda *_: ((), False),
    "ones": lambda _, data, __: (data, False),
    "zeros": lambda _, data, __: (data, False),
    "eye": lambda _, data, __: ((data, data), False),
    "unit": lambda _, data, __: ((data[0],), False),
    "embed": lambda _, data, __: ((data[0], data[2]), False),
    "pairing": lambda _, data, __: ((data[0] * data[1], data[0], data[1]), False),
    "add": _alike("add"),
    "had": _alike("multiply the elements of"),
    "div": _alike("divide the elements of"),
    "pow": _alike("raise the elements of"),
    "maximum": _alike("compare"),
    "minimum": _alike("compare"),
    "compare": _alike("compare"),
    "neg": _same,
    "mul": _product,
    "T": _transpose,
    "logsumexp": _logsumexp,
    "rowsum": _sums(0),
    "colsum": _sums(1),
    "diag": _diagonal,
    "vec": _vec,
    "unvec": _unvec,
    "kron": _kron,
    "stack": _stack,
    "index": _index,
    "einsum": _einsum,
    "deriv": _derivative,
    "contract": _contracted,
    **dict.fromkeys(ELEMENTWISE, _same),
    **{op: _rows(op) for op in OF_ROWS},
    **{op: (lambda *_: ((), False)) for op in TO_SCALAR},
    **{op: _square(op) for op in OF_SQUARE},
}

ZERO, UNIT, TWO = number(0), number(1), number(2)
