"""Matrix products: what their factors are, in which order they are multiplied, and when a sum is multiplied out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial, reduce

from latticework.calculus.dimensions import ONE, Dim
from latticework.calculus.expression import Expr
from latticework.calculus.registers import Places, Registers
from latticework.calculus.structure import can_wait, is_faster_apart, taken_apart, terms

NOMINAL = 100.0  # what an unknown size counts when products are ordered
MOST_ORDERED = 100  # factors for which the cheapest order is looked for: that takes their number to the third power
VECTORS = ("column", "row", "diagonal")  # kinds of factors that are a vector


@dataclass(frozen=True)
class Factor:
    """A factor of a matrix product: its kind and a register.

    A kind is "matrix", "column", "row", "diagonal", "inverse", "embed" or "sum"; the last two have no register before
    they are written out.
    """

    kind: str
    register: int
    rows: float
    columns: float
    turned: bool = False  # of an inverse or an embed: its transpose
    node: Expr | None = None  # of a sum
    data: tuple[Dim, ...] = ()  # of an embed


def factor(code: Registers, node: Expr) -> Factor:
    """An expression as a factor, which is computed no further than the product needs."""
    sizes = [float(size.known or NOMINAL) for size in node.shape]
    rows, columns = sizes[0], sizes[-1]
    if node.rank == 1:
        register = code.of(node)
        return Factor("row", register, 1.0, columns) if node.row else Factor("column", register, rows, 1.0)
    if node.op == "diag":
        return Factor("diagonal", code.of(node.args[0]), rows, columns)
    bare, turned = (node.args[0], True) if node.op == "T" else (node, False)
    if bare.op == "embed":
        return Factor("embed", -1, rows, columns, turned, data=bare.data)
    if bare.op == "inv" and bare not in code:
        return Factor("inverse", code.of(bare.args[0]), rows, columns, turned)
    if can_wait(node) and node not in code:
        return Factor("sum", -1, rows, columns, node=node)
    return Factor("matrix", code.of(node), rows, columns)


def with_multiple(factors: Sequence[Factor], apply: Callable[[int], int]) -> list[Factor]:
    """The factors of a product with a multiple of its first vector."""
    place = next(place for place, each in enumerate(factors) if each.kind in VECTORS)
    scaled = replace(factors[place], register=apply(factors[place].register))
    return [*factors[:place], scaled, *factors[place + 1 :]]


def multiplied(code: Registers, factors: Sequence[Factor]) -> Factor:
    """The product of all, in the cheapest order for the sizes as far as they are known."""
    if len(factors) > MOST_ORDERED:
        return _dense(code, _in_turn(code, factors))
    best: dict[tuple[int, int], tuple[float, int]] = {(k, k): (0.0, k) for k in range(len(factors))}
    for width in range(1, len(factors)):
        for first in range(len(factors) - width):
            last = first + width
            options = []
            for cut in range(first, last):
                cost = best[first, cut][0] + best[cut + 1, last][0] + _cost(factors, first, cut, last)
                options.append((cost, -cut))
            cost, cut = min(options)
            best[first, last] = cost, -cut

    def join(first: int, last: int) -> Factor:
        if first == last:
            return factors[first]
        cut = best[first, last][1]
        return _times(code, join(first, cut), join(cut + 1, last))

    return _dense(code, join(0, len(factors) - 1))


def _in_turn(code: Registers, factors: Sequence[Factor]) -> Factor:
    """The product of all, one after the other, from the side where a vector stands."""
    if factors[-1].kind == "column":
        return reduce(lambda right, left: _times(code, left, right), reversed(factors))
    return reduce(partial(_times, code), factors)


def _cost(factors: Sequence[Factor], first: int, cut: int, last: int) -> float:
    """Multiplications of one product of two parts."""
    rows, inner, columns = factors[first].rows, factors[cut].columns, factors[last].columns
    alone = [factors[end].kind for end in (first, last) if end in (cut, cut + 1)]
    if "inverse" in alone:
        return inner**3 / 3 + rows * inner * columns
    if "diagonal" in alone or "embed" in alone:
        return rows * columns
    return rows * inner * columns


def _times(code: Registers, left: Factor, right: Factor) -> Factor:
    """The product of two."""
    rows, columns = left.rows, right.columns
    if "scalar" in (left.kind, right.kind):
        scalar, other = (left, right) if left.kind == "scalar" else (right, left)
        other = _dense(code, other) if other.kind in ("inverse", "sum", "embed") else other
        register = code.emit("mul", scalar.register, other.register)
        return replace(other, register=register, rows=rows, columns=columns)
    if left.node is not None and right.node is None and (right.kind == "column" or is_faster_apart(left.node)):
        return _distributed(code, left.node, left, right)
    if right.node is not None and left.node is None and (left.kind == "row" or is_faster_apart(right.node)):
        return _distributed(code, right.node, left, right)
    left, right = (_dense(code, each) if each.kind == "sum" else each for each in (left, right))
    if "embed" in (left.kind, right.kind):
        return _times_embed(code, left, right)
    if left.kind == right.kind == "diagonal":
        return Factor("diagonal", code.emit("mul", left.register, right.register), rows, columns)
    if left.kind == "inverse" and right.kind in ("matrix", "column"):
        matrix = code.emit("T", left.register) if left.turned else left.register
        return Factor(right.kind, code.emit("solve", matrix, right.register), rows, columns)
    if right.kind == "inverse" and left.kind in ("matrix", "row"):
        matrix = right.register if right.turned else code.emit("T", right.register)
        if left.kind == "row":
            return Factor("row", code.emit("solve", matrix, left.register), rows, columns)
        solved = code.emit("solve", matrix, code.emit("T", left.register))
        return Factor("matrix", code.emit("T", solved), rows, columns)
    if left.kind == "diagonal" and right.kind != "inverse":
        if right.kind == "column":
            return Factor("column", code.emit("mul", left.register, right.register), rows, columns)
        return Factor("matrix", code.emit("scale_rows", left.register, right.register), rows, columns)
    if right.kind == "diagonal" and left.kind != "inverse":
        if left.kind == "row":
            return Factor("row", code.emit("mul", left.register, right.register), rows, columns)
        return Factor("matrix", code.emit("scale_columns", left.register, right.register), rows, columns)
    return _times_dense(code, _dense(code, left), _dense(code, right))


def _times_embed(code: Registers, left: Factor, right: Factor) -> Factor:
    """The product with an embed: rows of zeros above and below, or of its transpose the rows that it takes."""
    first = left.kind == "embed"
    embed, other = (left, right) if first else (right, left)
    other = other if other.kind in ("row", "column") else _dense(code, other)
    if other.kind == ("row" if first else "column"):
        return _times_dense(code, _dense(code, left), _dense(code, right))
    turned = other.kind == "matrix" and not first
    register = code.emit("T", other.register) if turned else other.register
    if embed.turned == first:
        length, low, width = embed.data
        part = Places(length, low, low + width - ONE)
        register = code.emit("index", register, data=(part, None) if other.kind == "matrix" else (part,))
    else:
        register = code.emit("pad", register, data=embed.data)
    register = code.emit("T", register) if turned else register
    return replace(other, register=register, rows=left.rows, columns=right.columns)


def _times_dense(code: Registers, left: Factor, right: Factor) -> Factor:
    """The product of two that are matrices, rows or columns."""
    rows, columns = left.rows, right.columns
    if left.kind == "column" and right.kind == "row":
        return Factor("matrix", code.emit("outer", left.register, right.register), rows, columns)
    if left.kind == "column" or right.kind == "row":
        # Beside a matrix with one row or column.
        one = code.emit("as_column", left.register) if left.kind == "column" else left.register
        two = code.emit("as_row", right.register) if right.kind == "row" else right.register
        return Factor("matrix", code.emit("matmul", one, two), rows, columns)
    kinds = {("row", "column"): "scalar", ("row", "matrix"): "row", ("matrix", "column"): "column"}
    kind = kinds.get((left.kind, right.kind), "matrix")
    return Factor(kind, code.emit("matmul", left.register, right.register), rows, columns)


def _distributed(code: Registers, node: Expr, left: Factor, right: Factor) -> Factor:
    """A sum of matrices times something, term by term, so that the sum itself is not needed."""
    parts, found = [], left
    for term in terms(node):
        negative, scalars, core = taken_apart(term)
        args = () if core.op == "eye" else core.args if core.op == "mul" else (core,)
        factors = [factor(code, arg) for arg in args]
        factors = [*factors, right] if left.node is node else [left, *factors]
        scaled = partial(_scaled, code, [code.of(scalar) for scalar in scalars])
        if any(each.kind in VECTORS for each in factors):
            found = multiplied(code, with_multiple(factors, scaled))
        else:
            found = multiplied(code, factors)
            found = replace(found, register=scaled(found.register))
        parts.append((negative, found.register))
    return replace(found, register=code.total(parts), rows=left.rows, columns=right.columns)


def _scaled(code: Registers, multiples: Sequence[int], register: int) -> int:
    return code.product([*multiples, register])


def _dense(code: Registers, each: Factor) -> Factor:
    """A factor that is written out."""
    if each.node is not None:
        register = code.of(each.node)
    elif each.kind == "diagonal":
        register = code.emit("diag", each.register)
    elif each.kind in ("inverse", "embed"):
        whole = code.emit("inv", each.register) if each.kind == "inverse" else code.emit("embed", data=each.data)
        register = code.emit("T", whole) if each.turned else whole
    else:
        return each
    return Factor("matrix", register, each.rows, each.columns)
