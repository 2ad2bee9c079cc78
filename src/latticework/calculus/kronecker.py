"""Derivatives of matrices as matrices, ∂vec(F)/∂vec(X)ᵀ: sums of Kronecker products, where they have that form."""

from __future__ import annotations

from collections.abc import Iterator

from latticework.calculus import forms
from latticework.calculus.backward import Sum
from latticework.calculus.collect import collected
from latticework.calculus.dimensions import ONE, Dim
from latticework.calculus.expression import Expr, make
from latticework.calculus.labels import Index, Labels
from latticework.calculus.matrix_form import matrix_form
from latticework.calculus.monomial import Monomial, times
from latticework.calculus.tensor import Term


def kronecker_form(total: Sum, rank: int) -> Expr | None:
    """The sum as a matrix with a row for each element of the function and a column for each of the variable.

    Parameters
    ----------
    total
        With the `rank` axes of the function first.

    Returns
    -------
    Expr or None
        Nothing where a term is no Kronecker product.
    """
    rows, columns = total.free[:rank], total.free[rank:]
    if not rows or len(rows) > 2 or len(columns) > 2:
        return None
    if not total.terms:
        return make("zeros", data=(_extent(rows), _extent(columns)))
    products = []
    for term in total.terms:
        product = _product(term, rows, columns)
        if product is None:
            return None
        products.append(product)
    core = products[0].core
    assert core is not None
    return collected(products, core.shape)


def _extent(labels: Labels) -> Dim:
    whole = ONE
    for label in labels:
        whole = whole * label.size
    return whole


def _product(term: Term, rows: Labels, columns: Labels) -> Monomial | None:
    term, rows = _unpaired(term, rows, columns)
    term, columns = _unpaired(term, columns, rows)
    scaled = _elementwise(term, rows, columns)
    if scaled is not None:
        return scaled
    for first, last in _slots(rows, columns):
        found = _factors(term.copy(), (first, last), columns)
        if found is not None:
            return found
    return None


def _elementwise(term: Term, rows: Labels, columns: Labels) -> Monomial | None:
    """diag(vec(M)) where an element of the function depends on the same element of the variable alone."""
    if len(rows) != 2 or len(columns) != 2:
        return None
    rest = term.copy()
    for row, column in zip(rows, columns, strict=True):
        same = [key for key in rest.factors if key[0].op == "eye" and set(key[1]) == {row, column}]
        if not same:
            return None
        del rest.factors[same[0]]
    if any(set(labels) & set(columns) for _, labels in rest.factors):
        return None
    form = matrix_form(rest, rows)
    if form is None or form.core is None or form.core.op == "ones":
        return None
    return Monomial(form.coefficient, form.scalars, make("diag", make("vec", form.core)))


def _slots(rows: Labels, columns: Labels) -> Iterator[tuple[Labels, Labels]]:
    """Which axes belong together: the first ones, which vec runs along, and the last; a single one to either."""
    pairs: dict[int, list[tuple[int | None, int | None]]] = {2: [(0, 1)], 1: [(0, None), (None, 0)], 0: [(None, None)]}
    for of_rows in pairs[len(rows)]:
        for of_columns in pairs[len(columns)]:
            first, last = (
                tuple(
                    labels[place]
                    for labels, place in ((rows, of_rows[slot]), (columns, of_columns[slot]))
                    if place is not None
                )
                for slot in (0, 1)
            )
            if first and last:
                yield first, last


def _factors(left: Term, slots: tuple[Labels, Labels], columns: Labels) -> Monomial | None:
    """kron(last, first), where each is what hangs together with its labels."""
    parts: list[Monomial] = []
    free = (*slots[0], *slots[1])
    for slot in slots:
        part = _connected(left, slot, free)
        form = None if part is None else matrix_form(part, slot)
        if form is None or form.core is None:
            return None
        if len(slot) == 1 and slot[0] in columns:
            form.core = forms.transpose(form.core)
        parts.append(form)
    rest = matrix_form(left, ())
    if rest is None:
        return None
    first, last = parts
    assert first.core is not None
    assert last.core is not None
    for each in parts:
        rest = times(each, rest.scalars, rest.coefficient)
    return Monomial(rest.coefficient, rest.scalars, make("kron", last.core, first.core))


def _unpaired(term: Term, labels: Labels, others: Labels) -> tuple[Term, Labels]:
    """The axes that a single one stands for, where it is that of a vec."""
    if len(labels) != 1:
        return term, labels
    for expr, names in term.factors:
        if expr.op == "pairing" and names[0] is labels[0]:
            rest = term.copy()
            del rest.factors[expr, names]
            if any(labels[0] in other for _, other in rest.factors):
                return term, labels
            # An axis that is free on the other side too is the same there: a label of its own, and 1 where they agree.
            own = tuple(Index(label.size) if label in others else label for label in names[1:])
            for new, label in zip(own, names[1:], strict=True):
                if new is not label:
                    rest.delta((new,), (label,))
            return rest, own
    return term, labels


def _connected(left: Term, slot: Labels, free: Labels) -> Term | None:
    """The factors that hang together with the labels of a slot and no other free ones, taken out of what is left."""
    reached = set(slot)
    taken = Term()
    grown = True
    while grown:
        grown = False
        for factor in list(left.factors):
            if reached & set(factor[1]):
                taken.factors[factor] = left.factors.pop(factor)
                reached |= set(factor[1])
                grown = True
    return None if reached & set(free) - set(slot) else taken
