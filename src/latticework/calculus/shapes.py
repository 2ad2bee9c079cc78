"""The operations of the language by the shapes they take and give, and the shape of what each of them makes.

Scalars are expanded over vectors and matrices in sums and element-wise products (Parr & Howard 2018, section 4.3).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from latticework.calculus.dimensions import ONE, Dim
from latticework.calculus.text import described
from latticework.calculus.tree import Shape, Tree
from latticework.core.errors import InputError

Match = Callable[[Dim, Dim], bool]  # whether two sizes may be taken for the same
ShapeRule = Callable[[tuple[Tree, ...], Any, Match], tuple[Shape, bool]]  # the shape, and whether it is a row

_POWERS = ("exp", "log", "sqrt", "abs", "sign")
_ANGLES = ("sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh")
_ACTIVATIONS = ("sigmoid", "softplus", "relu", "gelu", "erf")
ELEMENTWISE = frozenset((*_POWERS, *_ANGLES, *_ACTIVATIONS))
OF_ROWS = frozenset(["softmax", "log_softmax"])  # a matrix is normalised row by row, a vector as a whole
TO_SCALAR = frozenset(["sum", "mean", "norm1", "norm2", "max", "min"])
OF_SQUARE = frozenset(["tr", "det", "logdet", "inv"])
OF_ONE = ELEMENTWISE | OF_ROWS | TO_SCALAR | OF_SQUARE | {"rowsum", "colsum", "diag", "vec", "logsumexp"}
MOST_LABELS = 52  # of an einsum: NumPy's limit, and that of the alphabet


def shape_of(op: str, args: tuple[Tree, ...], data: Any, match: Match) -> tuple[Shape, bool]:
    """The shape of what an operation makes, and whether it is a row.

    Raises
    ------
    InputError
        If the shapes of the operands do not fit.
    """
    return _SHAPES[op](args, data, match)


def _alike(verb: str) -> ShapeRule:
    def shape(args: tuple[Tree, ...], _: Any, match: Match) -> tuple[Shape, bool]:
        widest = max(args, key=lambda arg: arg.rank)
        for arg in args:
            fits = arg.rank == widest.rank and arg.row == widest.row and all(map(match, arg.shape, widest.shape))
            if arg.rank and not fits:
                raise InputError(
                    f"cannot {verb} {described(args[0] if arg is widest else widest)} and {described(arg)}"
                )
        return widest.shape, widest.row

    return shape


def _product(args: tuple[Tree, ...], _: Any, match: Match) -> tuple[Shape, bool]:
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
            raise InputError(f"cannot multiply {described(left)} by {described(right)}{hint}")
    first, last = sides[0][0], sides[-1][1]
    shape = tuple(size for size in (first, last) if size is not None)
    return shape, first is None and last is not None


def _same(args: tuple[Tree, ...], _: Any, __: Match) -> tuple[Shape, bool]:
    return args[0].shape, args[0].row


def _transpose(args: tuple[Tree, ...], _: Any, __: Match) -> tuple[Shape, bool]:
    (arg,) = args
    return arg.shape[::-1], arg.rank == 1 and not arg.row


def _square(op: str) -> ShapeRule:
    def shape(args: tuple[Tree, ...], _: Any, match: Match) -> tuple[Shape, bool]:
        (arg,) = args
        if arg.rank == 1 or (arg.rank == 2 and not match(*arg.shape)):
            raise InputError(f"{op} needs a square matrix, got {described(arg)}")
        return (arg.shape if op == "inv" else ()), False

    return shape


def _rows(op: str) -> ShapeRule:
    def shape(args: tuple[Tree, ...], _: Any, __: Match) -> tuple[Shape, bool]:
        (arg,) = args
        if arg.rank == 0:
            raise InputError(f"{op} needs a vector or a matrix, got {described(arg)}")
        return arg.shape, arg.row

    return shape


def _logsumexp(args: tuple[Tree, ...], _: Any, __: Match) -> tuple[Shape, bool]:
    (arg,) = args
    if arg.rank == 0:
        raise InputError(f"logsumexp needs a vector or a matrix, got {described(arg)}")
    return arg.shape[:-1], False


def _sums(axis: int) -> ShapeRule:
    def shape(args: tuple[Tree, ...], _: Any, __: Match) -> tuple[Shape, bool]:
        (arg,) = args
        if arg.rank != 2:
            raise InputError(f"{'colsum' if axis else 'rowsum'} needs a matrix, got {described(arg)}")
        return (arg.shape[axis],), axis == 1

    return shape


def _diagonal(args: tuple[Tree, ...], _: Any, match: Match) -> tuple[Shape, bool]:
    (arg,) = args
    if arg.rank == 1:
        return (arg.shape[0], arg.shape[0]), False
    if arg.rank == 2 and match(*arg.shape):
        return (arg.shape[0],), False
    raise InputError(f"diag needs a vector or a square matrix, got {described(arg)}")


def _vec(args: tuple[Tree, ...], _: Any, __: Match) -> tuple[Shape, bool]:
    (arg,) = args
    return ((arg.shape[0] * arg.shape[1],) if arg.rank == 2 else arg.shape), False


def _unvec(args: tuple[Tree, ...], data: Any, match: Match) -> tuple[Shape, bool]:
    (arg,) = args
    if arg.rank != 1 or not match(arg.shape[0], data[0] * data[1]):
        raise InputError(f"cannot read {described(arg)} as the columns of a {data[0]}×{data[1]} matrix")
    return data, False


def _kron(args: tuple[Tree, ...], _: Any, __: Match) -> tuple[Shape, bool]:
    left, right = args
    if left.rank == 0 or right.rank == 0:
        raise InputError(f"kron needs vectors or matrices, got {described(left)} and {described(right)}")
    if left.rank == right.rank == 1 and left.row == right.row:
        return (left.shape[0] * right.shape[0],), left.row
    (a, b), (c, d) = _as_matrix(left), _as_matrix(right)
    return (a * c, b * d), False


def _as_matrix(arg: Tree) -> Shape:
    if arg.rank == 2:
        return arg.shape
    if arg.rank == 1:
        return (ONE, *arg.shape) if arg.row else (*arg.shape, ONE)
    return (ONE, ONE)


def extent(part: Tree, axis: int) -> Dim | None:
    """How many rows (axis 0) or columns (axis 1) of a stack a part takes; nothing if it has no such axis."""
    if part.rank == 2:
        return part.shape[axis]
    return part.shape[0] if part.rank == 1 and part.row != (axis == 0) else None


def _stack(args: tuple[Tree, ...], data: Any, match: Match) -> tuple[Shape, bool]:
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
            raise InputError(f"cannot stack {described(arg)} {where} {described(args[0])}")
    length = Dim.number(0)
    for shape in shapes:
        length = length + shape[along]
    sizes = (length, shapes[0][1]) if down else (shapes[0][0], length)
    return sizes, False


def _index(args: tuple[Tree, ...], data: Any, _: Match) -> tuple[Shape, bool]:
    (arg,) = args
    if len(data) != arg.rank or not data:
        raise InputError(f"{described(arg)} has {arg.rank} axes, so it cannot have {len(data)} indices")
    sizes, kept = [], []
    for axis, (spec, size) in enumerate(zip(data, arg.shape, strict=True)):
        low, high = spec if spec is not None else (ONE, size)
        for place in (low, size if high is None else high):
            if place.known is not None and (place.known < 1 or (size.known or place.known) < place.known):
                raise InputError(f"index {place} is outside {described(arg)}: indices begin at 1")
            beyond = place - size
            if beyond.terms and all(coefficient > 0 for _, coefficient in beyond.terms):
                raise InputError(f"index {place} is outside {described(arg)}")
        if high is not None:
            length = high - low + ONE
            if length.known is not None and length.known < 1:
                raise InputError(f"the range {low}:{high} of {described(arg)} is empty")
            sizes.append(length)
            kept.append(axis)
    row = len(sizes) == 1 and (arg.row if arg.rank == 1 else kept == [1])
    return tuple(sizes), row


def _einsum(args: tuple[Tree, ...], data: Any, _: Match) -> tuple[Shape, bool]:
    inputs, output = data
    sizes: dict[int, Dim] = {}
    if len({label for labels in inputs for label in labels}) > MOST_LABELS:
        raise InputError(f"an einsum has at most {MOST_LABELS} labels")
    for arg, labels in zip(args, inputs, strict=True):
        if len(labels) != arg.rank:
            raise InputError(f"{described(arg)} has {arg.rank} axes, so it cannot have {len(labels)} labels")
        sizes.update(zip(labels, arg.shape, strict=True))
    return tuple(sizes[label] for label in output), False


def _derivative(args: tuple[Tree, ...], _: Any, __: Match) -> tuple[Shape, bool]:
    above, below = args
    shape = above.shape + below.shape
    # The derivative of a scalar with respect to a vector is a row (section 3).
    return shape, len(shape) == 1 and below.rank == 1


def _contracted(args: tuple[Tree, ...], data: Any, _: Match) -> tuple[Shape, bool]:
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
