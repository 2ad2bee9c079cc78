"""One differentiation: accumulated, brought to its closed form, and shown in a layout."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from latticework.calculus import forms
from latticework.calculus.backward import Sum, Visit, accumulate, as_einsum, in_matrix_form
from latticework.calculus.choices import Layout
from latticework.calculus.expression import Expr, make
from latticework.calculus.kronecker import kronecker_form
from latticework.calculus.labels import indices
from latticework.calculus.stable import rewritten
from latticework.calculus.structure import is_diagonal
from latticework.calculus.tensor import Term
from latticework.calculus.tree import count


@dataclass(frozen=True)
class Stage:
    """One differentiation: of a function, by the nodes as they were visited, to its derivative."""

    function: Expr
    wrt: Expr
    stable: Expr
    visits: tuple[Visit, ...]
    total: Sum
    plain: Expr
    symmetric: bool = False

    @cached_property
    def value(self) -> Expr:
        """The derivative, the axes of the function first."""
        return _symmetric(self.plain) if self.symmetric else self.plain

    @property
    def mirrored(self) -> Expr:
        """What `value` is by entries of a symmetric matrix that stand for two, as it is written first."""
        return _mirrored(self.plain, make("T", self.plain))

    def shown(self, layout: Layout) -> tuple[Expr, str]:
        """The derivative as it is shown in a layout, and how that is laid out: see `Step.reading`."""
        rank, numerator = self.function.rank, layout == "numerator"
        if len(self.total.free) > 2:
            form = kronecker_form(self.total, rank)
            if form is None:
                return self.value, "axes"
            return (form, "vec") if numerator else (forms.transpose(form), "vec turned")
        # A scalar by a column is a row in numerator layout; a column by a scalar is a row in the other.
        turned = (rank < self.wrt.rank if numerator else rank > 0) and not self.symmetric
        return (forms.transpose(self.value), "turned") if turned else (self.value, "axes")


def staged(function: Expr, wrt: Expr, *, symmetric: bool) -> Stage:
    """Differentiate once, in the shorter of the two ways to treat sums where paths meet."""
    stable, _ = rewritten(function)
    found = []
    for distribute in (False, True):
        total, visits = accumulate(stable, wrt, distribute=distribute)
        plain = closed_form(total)
        # Off the diagonal an entry of a symmetric matrix stands for two.
        double = symmetric and function.rank == 0 and wrt.rank == 2
        found.append((count(plain), Stage(function, wrt, stable, tuple(visits), total, plain, double)))
    return min(found, key=lambda pair: pair[0])[1]


def _symmetric(gradient: Expr) -> Expr:
    """G + Gᵀ - G ∘ I (Petersen & Pedersen 2012, section 2.8), which is G where that is diagonal."""
    if is_diagonal(gradient):
        return gradient
    rows, columns = indices(gradient)
    both = [Term().times(gradient, (rows, columns)), Term().times(gradient, (columns, rows))]
    if forms.is_symmetric(gradient):
        both = [Term(Fraction(2)).times(gradient, (rows, columns))]
    whole = in_matrix_form(Sum(tuple(both), (rows, columns)))
    diagonal = in_matrix_form(
        Sum((Term(Fraction(-1)).times(gradient, (rows, rows)).delta((rows,), (columns,)),), (rows, columns))
    )
    if whole is None or diagonal is None:
        return _mirrored(gradient, forms.transpose(gradient))
    return make("add", whole, diagonal)


def _mirrored(gradient: Expr, turned: Expr) -> Expr:
    """G + Gᵀ - G ∘ I term by term."""
    return make("add", gradient, turned, make("neg", make("diag", make("diag", gradient))))


def closed_form(total: Sum) -> Expr:
    """A sum in matrix form where it has at most two axes, or else as einsums."""
    if len(total.free) <= 2:
        found = in_matrix_form(total)
        if found is None and len(total.free) == 2:
            found = kronecker_form(total, 1)
        if found is not None:
            return rewritten(found)[0]
    return as_einsum(total)
