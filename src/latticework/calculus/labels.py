"""Labels of axes: what ties the axes of an operation to those of its operands (Laue et al. 2020)."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from latticework.calculus.dimensions import ONE, Dim
from latticework.calculus.expression import Expr, make

Number = Fraction | float


class Index:
    """A label of an axis: equal to nothing but itself."""

    __slots__ = ("size",)

    def __init__(self, size: Dim) -> None:
        self.size = size

    def __repr__(self) -> str:
        return f"{self.size}@{id(self) % 997}"


Labels = tuple[Index, ...]
Factor = tuple[Expr, Labels]
Power = tuple[Expr, Labels, Number]  # a factor and its exponent
Units = dict[Expr, Number]  # a product of powers, element by element: exponents by factor


def indices(expr: Expr) -> Labels:
    """New labels for the axes of an expression."""
    return tuple(Index(size) for size in expr.shape)


def chain(args: Sequence[Expr], labels: Labels) -> list[Labels]:
    """The labels of the factors of a matrix product: neighbours share one."""
    ends = list(labels)
    result: list[Labels] = []
    carried: Index | None = None
    for place, arg in enumerate(args):
        names: list[Index] = []
        if arg.rank == 2 or not arg.row:  # a left axis
            names.append(carried if carried is not None else (ends.pop(0) if place == 0 else Index(arg.shape[0])))
        carried = None
        if arg.rank == 2 or arg.row:  # a right axis
            last = place == len(args) - 1
            carried = ends.pop(0) if last else Index(arg.shape[-1])
            names.append(carried)
        result.append(tuple(names))
    return result


def einsum_labels(expr: Expr, labels: Labels) -> list[Labels]:
    """The labels of the operands of an einsum."""
    inputs, output = expr.data
    names: dict[int, Index] = dict(zip(output, labels, strict=True))
    for arg, codes in zip(expr.args, inputs, strict=True):
        for code, size in zip(codes, arg.shape, strict=True):
            names.setdefault(code, Index(size))
    return [tuple(names[code] for code in codes) for codes in inputs]


def kronecker_labels(expr: Expr, labels: Labels) -> tuple[list[Power], Labels, Labels]:
    """Pairings that tie the axes of a Kronecker product to those of its operands, and the labels of the operands."""
    left, right = expr.args
    inner = indices(left), indices(right)
    own = [_by_side(arg, names) for arg, names in zip(expr.args, inner, strict=True)]
    sides = _by_side(expr, labels)
    pairings: list[Power] = []
    for side, label in sides.items():
        one, two = own[0].get(side), own[1].get(side)
        if one is not None and two is not None:
            # Rows of the right operand run fastest.
            pairing = make("pairing", data=(two.size, one.size))
            pairings.append((pairing, (label, two, one), Fraction(1)))
        else:
            only = one if one is not None else two
            assert only is not None
            pairings.append((make("eye", data=label.size), (label, only), Fraction(1)))
    return pairings, inner[0], inner[1]


def _by_side(expr: Expr, labels: Labels) -> dict[str, Index]:
    """The labels of the rows and of the columns."""
    if len(labels) == 2:
        return {"rows": labels[0], "columns": labels[1]}
    return {"columns" if expr.row else "rows": labels[0]}


def selections(expr: Expr, inner: Labels, labels: Labels) -> list[Power]:
    """For every axis of what is indexed, the factor that ties it to the result."""
    result: list[Power] = []
    rest = list(labels)
    for spec, size, label in zip(expr.data, expr.args[0].shape, inner, strict=True):
        if spec is None:
            result.append((make("eye", data=size), (label, rest.pop(0)), Fraction(1)))
        elif spec[1] is None:
            result.append((make("unit", data=(size, spec[0])), (label,), Fraction(1)))
        else:
            length = spec[1] - spec[0] + ONE
            result.append((make("embed", data=(size, spec[0], length)), (label, rest.pop(0)), Fraction(1)))
    return result
