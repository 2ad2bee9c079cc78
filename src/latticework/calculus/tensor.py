"""Derivatives in index notation: sums of products of factors whose axes carry labels (Laue et al. 2020).

A label that is not free is summed over, so that a product of matrices and an element-wise product are the same thing
with other labels, and a factor and its inverse power cancel wherever their labels agree.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from latticework.calculus.dimensions import ONE, Dim
from latticework.calculus.expression import Expr, length, make
from latticework.calculus.factors import factors
from latticework.calculus.labels import Factor, Index, Labels, Number


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
        numbers, powers = factors(expr, labels, exponent)
        for number in numbers:
            self.coefficient *= number
        for factor, own, power in powers:
            if factor.op != "ones":
                self.put((factor, own), power)
        # What is summed over within the expression may be the same everywhere: sum(x ./ x).
        return forget(self, (label for _, own, _ in powers for label in own), labels)

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


def forget(term: Term, labels: Iterable[Index], free: Container[Index]) -> Term:
    """Sum over labels that no factor carries: each multiplies by its size, once."""
    summed = dict.fromkeys(label for label in labels if label not in free)
    if summed:
        used = {label for _, own in term.factors for label in own}
        for label in summed:
            if label not in used:
                term.times(length(label.size))
    return term


def _contraction(term: Term, free: set[Index]) -> Term | None:
    """One simplification, if there is one."""
    for (expr, labels), exponent in term.factors.items():
        if expr.op == "eye":
            one, two = labels
            if one is two:
                rest = term.copy()
                del rest.factors[expr, labels]
                return forget(rest, [one], free)
            for gone, stays in ((one, two), (two, one)):
                if gone not in free:
                    rest = term.copy()
                    del rest.factors[expr, labels]
                    # Factors that cancel now may be the only ones with some label.
                    others = (label for _, own in term.factors for label in own if label is not gone)
                    return forget(rest.relabelled({gone: stays}), others, free)
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
