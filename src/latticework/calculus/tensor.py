"""Derivatives in index notation: sums of products of factors whose axes carry labels (Laue et al. 2020).

A label that is not free is summed over, so that a product of matrices and an element-wise product are the same thing
with other labels, and a factor and its inverse power cancel wherever their labels agree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from latticework.calculus.dimensions import ONE, Dim
from latticework.calculus.expression import Expr, make, number

Number = Fraction | float
HIGHEST_POWER = 64  # of a number, which is written out


class Index:
    """A label of an axis: equal to nothing but itself."""

    __slots__ = ("size",)

    def __init__(self, size: Dim) -> None:
        self.size = size

    def __repr__(self) -> str:
        return f"{self.size}@{id(self) % 997}"


def magnitude(value: Number) -> Number:
    """Without the sign."""
    return -value if value < 0 else value


Labels = tuple[Index, ...]
Factor = tuple[Expr, Labels]


def indices(expr: Expr) -> Labels:
    """New labels for the axes of an expression."""
    return tuple(Index(size) for size in expr.shape)


@dataclass(slots=True)
class Term:
    """coefficient · Π factor^exponent, element by element."""

    coefficient: Number = Fraction(1)
    factors: dict[Factor, Number] = field(default_factory=dict)

    def copy(self) -> Term:
        """A term that can be changed."""
        return Term(self.coefficient, dict(self.factors))

    def times(self, expr: Expr, labels: Labels = (), exponent: Number = Fraction(1)) -> Term:
        """Multiply by an expression, taken apart into its factors; the term itself is changed, and returned."""
        _multiply(self, expr, labels, exponent)
        return self

    def delta(self, left: Labels, right: Labels) -> Term:
        """Multiply by 1 where labels agree."""
        for one, two in zip(left, right, strict=True):
            self.put((make("eye", data=one.size), (one, two)), Fraction(1))
        return self

    def put(self, factor: Factor, exponent: Number) -> None:
        """Multiply by a factor that is not to be taken apart."""
        total = self.factors.get(factor, Fraction(0)) + exponent
        if factor[0].op in ("compare", "eye", "unit", "embed", "pairing"):
            total = min(total, Fraction(1))  # of zeros and ones
        if total:
            self.factors[factor] = total
        else:
            self.factors.pop(factor, None)

    def of(self, other: Term) -> Term:
        """The product with another term."""
        result = Term(self.coefficient * other.coefficient, dict(self.factors))
        for factor, exponent in other.factors.items():
            result.put(factor, exponent)
        return result

    def relabelled(self, names: Mapping[Index, Index]) -> Term:
        """The term with other labels in the place of some."""
        result = Term(self.coefficient)
        for (expr, labels), exponent in self.factors.items():
            result.put((expr, tuple(names.get(label, label) for label in labels)), exponent)
        return result


def contracted(term: Term, free: Sequence[Index]) -> Term | None:
    """The term with every sum over a 1-where-equal carried out; nothing if it is zero.

    Labels that are neither free nor in any factor must not be summed over any more: see `forget`.
    """
    kept = set(free)
    while True:
        change = _contraction(term, kept)
        if change is None:
            return term
        term = change
        if not term.coefficient:
            return None


def forget(term: Term, labels: Sequence[Index], free: Sequence[Index]) -> Term:
    """Sum over labels that no factor carries: each multiplies by its size."""
    used = {label for _, factor_labels in term.factors for label in factor_labels}
    for label in labels:
        if label not in used and label not in free:
            term.times(_size(label.size))
    return term


def _size(size: Dim) -> Expr:
    known = size.known
    return make("size", data=size) if known is None else number(known)


def _contraction(term: Term, free: set[Index]) -> Term | None:
    """One simplification, if there is one."""
    for (expr, labels), exponent in term.factors.items():
        if expr.op == "eye":
            one, two = labels
            if one is two:
                rest = term.copy()
                del rest.factors[expr, labels]
                return forget(rest, [one], list(free))
            for gone, stays in ((one, two), (two, one)):
                if gone not in free:
                    rest = term.copy()
                    del rest.factors[expr, labels]
                    return forget(rest.relabelled({gone: stays}), [stays], list(free))
        elif expr.op in ("unit", "embed") and labels[0] not in free:
            change = _selection(term, (expr, labels))
            if change is not None:
                return change
        elif expr.op == "pairing" and exponent == 1:
            change = _pairing(term, (expr, labels), free)
            if change is not None:
                return change
    return None


def _selection(term: Term, factor: Factor) -> Term | None:
    """Two selections of the same summed axis: they select the same places, or none in common."""
    for other in term.factors:
        if other == factor or other[0].op not in ("unit", "embed") or other[1][0] is not factor[1][0]:
            continue
        if any(factor[1][0] in labels for key in term.factors for labels in (key[1],) if key not in (factor, other)):
            return None
        rest = term.copy()
        del rest.factors[factor], rest.factors[other]
        if factor[0] is other[0]:
            return rest.delta(factor[1][1:], other[1][1:])
        (first, second) = sorted((_span(factor[0]), _span(other[0])), key=lambda span: str(span[0]))
        if _not_below(second[0] - first[1] - ONE) or _not_below(first[0] - second[1] - ONE):
            rest.coefficient = Fraction(0)
            return rest
    return None


def _span(expr: Expr) -> tuple[Dim, Dim]:
    low: Dim = expr.data[1]
    return (low, low) if expr.op == "unit" else (low, low + expr.data[2] - ONE)


def _not_below(size: Dim) -> bool:
    return all(coefficient >= 0 for _, coefficient in size.terms)


def _pairing(term: Term, factor: Factor, free: set[Index]) -> Term | None:
    """Two pairings of the same axes: what they pair is the same."""
    (whole, row, column) = factor[1]
    for other in term.factors:
        if other == factor or other[0] is not factor[0]:
            continue
        if other[1][0] is whole and whole not in free:
            rest = term.copy()
            del rest.factors[factor], rest.factors[other]
            if any(whole in labels for _, labels in rest.factors):
                rest.put(factor, Fraction(1))
            return rest.delta((row, column), other[1][1:])
        if other[1][1:] == (row, column) and row not in free and column not in free:
            rest = term.copy()
            del rest.factors[factor], rest.factors[other]
            if any(row in labels or column in labels for _, labels in rest.factors):
                rest.put(factor, Fraction(1))
            return rest.delta((whole,), other[1][:1])
    return None


def _multiply(term: Term, expr: Expr, labels: Labels, exponent: Number) -> None:
    """Take products apart, down to what is a factor of its own."""
    work: list[tuple[Expr, Labels, Number]] = [(expr, labels, exponent)]
    while work:
        expr, labels, exponent = work.pop()
        parts = _parts(term, expr, labels, exponent)
        if parts is None:
            term.put((expr, labels), exponent)
        else:
            work.extend(reversed(parts))


def _parts(term: Term, expr: Expr, labels: Labels, e: Number) -> list[tuple[Expr, Labels, Number]] | None:
    """The factors of an expression, of which some may have gone into the coefficient; nothing if it is one itself."""
    op, args = expr.op, expr.args
    whole = isinstance(e, Fraction) and e.denominator == 1
    if op == "number":
        if whole and (expr.data or e > 0) and magnitude(e) <= HIGHEST_POWER:
            term.coefficient *= expr.data ** int(e)
            return []
        return None
    if op == "ones":
        return []
    if op == "T":
        return [(args[0], labels[::-1], e)]
    if whole:
        if op == "neg":
            term.coefficient *= (-1) ** int(e)
            return [(args[0], labels, e)]
        if op == "had":
            return [(arg, labels if arg.rank else (), e) for arg in args]
        if op == "div":
            return [(arg, labels if arg.rank else (), e * sign) for arg, sign in zip(args, (1, -1), strict=True)]
        if op == "pow" and args[1].op == "number" and isinstance(args[1].data, Fraction):
            return [(args[0], labels, e * args[1].data)]
        if op == "sqrt":
            return [(args[0], labels, e * Fraction(1, 2))]
    squared = _squared(expr)
    if squared is not None:
        return [(make("norm2", squared), (), 2 * e)]
    return _summed_parts(expr, labels) if e == 1 else None


def _squared(expr: Expr) -> Expr | None:
    """The vector or matrix whose squares are added up, in x'*x and sum(x.^2)."""
    if expr.op == "mul" and len(expr.args) == 2 and expr.rank == 0:
        left, right = expr.args
        return right if left.op == "T" and left.args[0] is right else None
    if expr.op == "sum" and expr.args[0].op == "pow":
        base, exponent = expr.args[0].args
        return base if exponent.op == "number" and exponent.data == 2 and base.rank else None
    return None


def _summed_parts(expr: Expr, labels: Labels) -> list[tuple[Expr, Labels, Number]] | None:
    """The factors of a sum of products, which holds only for the first power."""
    op, args, one = expr.op, expr.args, Fraction(1)
    if op == "mul":
        return [(arg, names, one) for arg, names in zip(args, chain(args, labels), strict=True)]
    if op in ("sum", "tr", "mean"):
        inner = indices(args[0])
        if op == "tr" and inner:
            inner = (inner[0], inner[0])
        sizes = [(_size(size), (), -one) for size in args[0].shape] if op == "mean" else []
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
        inputs, output = expr.data
        names = dict(zip(output, labels, strict=True))
        for arg, codes in zip(args, inputs, strict=True):
            for code, size in zip(codes, arg.shape, strict=True):
                names.setdefault(code, Index(size))
        return [(arg, tuple(names[code] for code in codes), one) for arg, codes in zip(args, inputs, strict=True)]
    return None


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


def kronecker_labels(expr: Expr, labels: Labels) -> tuple[list[tuple[Expr, Labels, Number]], Labels, Labels]:
    """Pairings that tie the axes of a Kronecker product to those of its operands, and the labels of the operands."""
    left, right = expr.args
    inner = indices(left), indices(right)
    own = [_by_side(arg, names) for arg, names in zip(expr.args, inner, strict=True)]
    sides = _by_side(expr, labels)
    pairings: list[tuple[Expr, Labels, Number]] = []
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


def _kronecker_parts(expr: Expr, labels: Labels) -> list[tuple[Expr, Labels, Number]]:
    pairings, left, right = kronecker_labels(expr, labels)
    return [*pairings, (expr.args[0], left, Fraction(1)), (expr.args[1], right, Fraction(1))]


def selections(expr: Expr, inner: Labels, labels: Labels) -> list[tuple[Expr, Labels, Number]]:
    """For every axis of what is indexed, the factor that ties it to the result."""
    result: list[tuple[Expr, Labels, Number]] = []
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


def _index_parts(expr: Expr, labels: Labels) -> list[tuple[Expr, Labels, Number]]:
    inner = indices(expr.args[0])
    return [(expr.args[0], inner, Fraction(1)), *selections(expr, inner, labels)]
