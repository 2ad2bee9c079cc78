"""An expression in index notation as a product: taken apart down to what is a factor of its own."""

from __future__ import annotations

from fractions import Fraction

from latticework.calculus.expression import Expr, length, make
from latticework.calculus.labels import (
    Index,
    Labels,
    Number,
    Power,
    Units,
    chain,
    einsum_labels,
    indices,
    kronecker_labels,
    selections,
)

HIGHEST_POWER = 64  # of a number, which is written out


def magnitude(value: Number) -> Number:
    """Without the sign."""
    return -value if value < 0 else value


def put(units: Units, expr: Expr, exponent: Number) -> None:
    """Multiply a product of powers by one more."""
    total = units.get(expr, Fraction(0)) + exponent
    if expr.op == "compare":
        total = min(total, Fraction(1))  # of zeros and ones
    if total:
        units[expr] = total
    else:
        units.pop(expr, None)


def factors(expr: Expr, labels: Labels = (), exponent: Number = Fraction(1)) -> tuple[list[Number], list[Power]]:
    """Numbers, and factors with their labels and exponents, whose product is a power of an expression.

    Examples
    --------
    >>> from latticework.calculus.expression import variable
    >>> numbers, powers = factors(-2 * variable("x") ** 3)
    >>> print(*numbers, *((str(factor), str(power)) for factor, _, power in powers))
    -2 ('x', '3')
    """
    numbers: list[Number] = []
    found: list[Power] = []
    work: list[Power] = [(expr, labels, exponent)]
    while work:
        power = work.pop()
        parts = _parts(*power)
        if parts is None:
            found.append(power)
        else:
            numbers += parts[0]
            work.extend(reversed(parts[1]))
    return numbers, found


def _parts(expr: Expr, labels: Labels, e: Number) -> tuple[list[Number], list[Power]] | None:
    """Numbers and the factors of an expression; nothing if it is a factor itself."""
    op, args = expr.op, expr.args
    whole = isinstance(e, Fraction) and e.denominator == 1
    if op == "number":
        if whole and (expr.data or e > 0) and magnitude(e) <= HIGHEST_POWER:
            return [expr.data ** int(e)], []
        return None
    if op == "T":
        return [], [(args[0], labels[::-1], e)]
    if whole:
        if op == "neg":
            return [Fraction(-1) ** int(e)], [(args[0], labels, e)]
        if op == "had":
            return [], [(arg, labels if arg.rank else (), e) for arg in args]
        if op == "div":
            return [], [(arg, labels if arg.rank else (), e * sign) for arg, sign in zip(args, (1, -1), strict=True)]
        if op == "pow" and args[1].op == "number" and isinstance(args[1].data, Fraction):
            return [], [(args[0], labels, e * args[1].data)]
        if op == "sqrt":
            return [], [(args[0], labels, e * Fraction(1, 2))]
    whose = squared(expr)
    if whose is not None:
        return [], [(make("norm2", whose), (), 2 * e)]
    summed = _summed_parts(expr, labels) if e == 1 else None
    return None if summed is None else ([], summed)


def squared(expr: Expr) -> Expr | None:
    """The vector or matrix whose squares are added up, in x'*x and sum(x.^2)."""
    if expr.op == "mul" and len(expr.args) == 2 and expr.rank == 0:
        left, right = expr.args
        return right if left.op == "T" and left.args[0] is right else None
    if expr.op == "sum" and expr.args[0].op == "pow":
        base, exponent = expr.args[0].args
        return base if exponent.op == "number" and exponent.data == 2 and base.rank else None
    return None


def _summed_parts(expr: Expr, labels: Labels) -> list[Power] | None:
    """The factors of a sum of products, which holds only for the first power."""
    op, args, one = expr.op, expr.args, Fraction(1)
    if op == "mul":
        return [(arg, names, one) for arg, names in zip(args, chain(args, labels), strict=True)]
    if op in ("sum", "tr", "mean"):
        inner = indices(args[0])
        if op == "tr" and inner:
            inner = (inner[0], inner[0])
        sizes = [(length(size), (), -one) for size in args[0].shape] if op == "mean" else []
        return [(args[0], inner, one), *sizes]
    if op == "rowsum":
        return [(args[0], (labels[0], Index(args[0].shape[1])), one)]
    if op == "colsum":
        return [(args[0], (Index(args[0].shape[0]), labels[0]), one)]
    if op == "diag":
        if args[0].rank == 2:
            return [(args[0], (labels[0], labels[0]), one)]
        return [(args[0], labels[:1], one), (make("eye", data=expr.shape[0]), labels, one)]
    if op == "vec":
        if args[0].rank < 2:
            return [(args[0], labels, one)]
        inner = indices(args[0])
        return [(make("pairing", data=args[0].shape), (labels[0], *inner), one), (args[0], inner, one)]
    if op == "unvec":
        inner = indices(args[0])
        return [(make("pairing", data=expr.data), (*inner, *labels), one), (args[0], inner, one)]
    if op == "kron":
        return _kronecker_parts(expr, labels)
    if op == "index":
        return _index_parts(expr, labels)
    if op == "einsum":
        return [(arg, names, one) for arg, names in zip(args, einsum_labels(expr, labels), strict=True)]
    return None


def _kronecker_parts(expr: Expr, labels: Labels) -> list[Power]:
    pairings, left, right = kronecker_labels(expr, labels)
    return [*pairings, (expr.args[0], left, Fraction(1)), (expr.args[1], right, Fraction(1))]


def _index_parts(expr: Expr, labels: Labels) -> list[Power]:
    inner = indices(expr.args[0])
    return [(expr.args[0], inner, Fraction(1)), *selections(expr, inner, labels)]
