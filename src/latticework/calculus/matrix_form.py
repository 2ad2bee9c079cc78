"""From index notation back to matrices: a term as a scalar multiple of one vector or matrix."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from latticework.calculus import forms
from latticework.calculus.expression import UNIT, Expr, make
from latticework.calculus.labels import Index
from latticework.calculus.monomial import Monomial
from latticework.calculus.network import Network, reduced
from latticework.calculus.tensor import Term, forget


def matrix_form(term: Term, free: Sequence[Index]) -> Monomial | None:
    """The term as a product of matrices, or nothing if it is none.

    Parameters
    ----------
    term
        Contracted.
    free
        At most two labels: the rows of the result and its columns.
    """
    reshaped = _reshaped(term, free)
    if reshaped is not None:
        return reshaped
    network = _network(term, free)
    if network is None or not reduced(network, set(free)):
        return None
    core = _core(network, free)
    return None if core is None else Monomial(network.coefficient, network.scalars, core if free else None)


def _reshaped(term: Term, free: Sequence[Index]) -> Monomial | None:
    """A vector read as the columns of a matrix, if a pairing of the two free labels says so."""
    for pairing, labels in term.factors:
        if pairing.op != "pairing" or len(free) != 2 or set(labels[1:]) != set(free) or labels[0] in free:
            continue
        rest = term.copy()
        del rest.factors[pairing, labels]
        if any(label in names for label in free for _, names in rest.factors):
            continue
        found = matrix_form(rest, labels[:1])
        if found is not None and found.core is not None:
            core = make("unvec", found.core, data=pairing.data)
            found.core = core if labels[1] is free[0] else forms.transpose(core)
            return found
    return None


def _network(term: Term, free: Sequence[Index]) -> Network | None:
    network = Network(coefficient=term.coefficient)
    for (expr, labels), exponent in _unpaired(term, set(free)).factors.items():
        if not labels:
            network.scalar(expr, exponent)
        elif len(labels) == 1:
            network.vector(labels[0], expr, exponent)
        elif len(labels) == 2:
            network.matrix(*labels, expr, exponent)
        else:
            return None
    return network


def _unpaired(term: Term, free: set[Index]) -> Term:
    """Pairings carried out where they make a vector of a matrix, or a matrix of a vector."""
    while True:
        change = next(
            (new for key in term.factors if key[0].op == "pairing" if (new := _unpair(term, key, free))), None
        )
        if change is None:
            return term
        term = change


def _unpair(term: Term, key: tuple[Expr, tuple[Index, ...]], free: set[Index]) -> Term | None:
    pairing, (whole, row, column) = key
    rest = term.copy()
    del rest.factors[key]
    at_whole = [factor for factor in rest.factors if whole in factor[1]]
    if whole not in free and all(len(labels) == 1 for _, labels in at_whole):
        # A vector, or its powers, becomes a matrix.
        for expr, labels in at_whole:
            exponent = rest.factors.pop((expr, labels))
            rest.put((make("unvec", forms.column(expr), data=pairing.data), (row, column)), exponent)
        return forget(rest, (row, column), free)
    near = [factor for factor in rest.factors if row in factor[1] or column in factor[1]]
    if row in free or column in free:
        return None
    inside = all(set(labels) <= {row, column} for _, labels in near)
    if inside:
        part = Term(Fraction(1), {factor: rest.factors.pop(factor) for factor in near})
        form = matrix_form(part, (row, column))
        if form is None:
            return None
        rest.put((make("vec", form.expression()), (whole,)), Fraction(1))
        return rest
    return None


def _core(network: Network, free: Sequence[Index]) -> Expr | None:
    units = [forms.elements(network.points.get(label, {}).items()) for label in free]
    if not free:
        return UNIT
    if len(free) == 1:
        return units[0] if units[0] is not None else make("ones", data=(free[0].size,))
    left, right = units
    if not network.lines:
        one = left if left is not None else make("ones", data=(free[0].size,))
        two = right if right is not None else make("ones", data=(free[1].size,))
        if left is None and right is None:
            return make("ones", data=(free[0].size, free[1].size))
        return forms.chained([one, forms.transpose(two)])
    (line,) = network.lines
    if any(unit.op == "eye" for unit in line.units):
        # 1 where the labels agree: everything moves to the diagonal.
        diagonal = Network()
        for unit, exponent in line.units.items():
            if unit.op != "eye":
                diagonal.vector(free[0], make("diag", unit), exponent)
        for label in free:
            for unit, exponent in network.points.get(label, {}).items():
                diagonal.vector(free[0], unit, exponent)
        for scalar, exponent in diagonal.scalars.items():
            network.scalar(scalar, exponent)
        network.coefficient *= diagonal.coefficient
        vector = forms.elements(diagonal.points.get(free[0], {}).items())
        return make("eye", data=free[0].size) if vector is None else make("diag", vector)
    matrix = line.matrix(free[0])
    before = [] if left is None else [make("diag", left)]
    after = [] if right is None else [make("diag", right)]
    return forms.chained([*before, matrix, *after])
