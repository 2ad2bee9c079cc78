"""Scalar multiples of a vector or a matrix: the terms of a sum in matrix form."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from latticework.calculus import forms
from latticework.calculus.expression import UNIT, Expr
from latticework.calculus.factors import put
from latticework.calculus.labels import Number, Units


@dataclass(eq=False)
class Monomial:
    """coefficient · Π scalar^exponent · core, where the core is a vector or a matrix, or missing for a scalar."""

    coefficient: Number
    scalars: Units
    core: Expr | None = None

    def expression(self, *, flip: bool = True) -> Expr:
        """Written out; with `flip` a minus sign may go into a sum: y - x instead of -(x - y)."""
        scalars = forms.recognised(list(self.scalars.items()))
        return forms.scaled(self.coefficient, scalars, self.core, flip=flip)


def merged(terms: Iterable[Monomial]) -> list[Monomial]:
    """Terms that differ in their coefficients only, added up."""
    sums: dict[tuple[frozenset[tuple[Expr, Number]], Expr | None], Monomial] = {}
    for term in terms:
        key = frozenset(term.scalars.items()), term.core
        if key in sums:
            sums[key] = Monomial(sums[key].coefficient + term.coefficient, term.scalars, term.core)
        else:
            sums[key] = term
    return [term for term in sums.values() if term.coefficient]


def shared(terms: Sequence[Monomial]) -> tuple[Units, list[Monomial]]:
    """The scalar powers that every term has, and the terms without them."""
    first = terms[0].scalars
    every = {expr: power for expr, power in first.items() if all(term.scalars.get(expr) == power for term in terms)}
    rest = [
        Monomial(term.coefficient, {e: p for e, p in term.scalars.items() if e not in every}, term.core)
        for term in terms
    ]
    return every, rest


def of_scalar(scalar: Expr) -> Monomial:
    """A sum of scalars as a factor."""
    coefficient: Number = Fraction(1)
    if forms.is_negative(scalar):
        scalar, coefficient = forms.negated(scalar), -coefficient
    if scalar.op == "number":
        return Monomial(coefficient * scalar.data, {})
    return Monomial(coefficient, {} if scalar is UNIT else {scalar: Fraction(1)})


def times(bracket: Monomial, scalars: Units, coefficient: Number) -> Monomial:
    """A collected bracket times what stands before it."""
    together = dict(scalars)
    for expr, exponent in bracket.scalars.items():
        put(together, expr, exponent)
    return Monomial(coefficient * bracket.coefficient, together, bracket.core)
