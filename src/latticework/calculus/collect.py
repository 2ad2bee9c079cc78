"""Sums of products, made short: equal terms are added up, and what all of some terms share is written once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction

from latticework.calculus import forms
from latticework.calculus.dimensions import ONE, Dim
from latticework.calculus.expression import Expr, make
from latticework.calculus.factors import magnitude
from latticework.calculus.labels import Number
from latticework.calculus.monomial import Monomial, merged, of_scalar, shared, times
from latticework.calculus.tree import count


def collected(products: Sequence[Monomial], shape: tuple[Dim, ...]) -> Expr:
    """The sum of products, all of them columns or matrices of one shape, or scalars.

    Returns
    -------
    Expr
        A column, a matrix or a scalar; zeros for no product at all.
    """
    return _as_monomial(products, shape).expression()


def _as_monomial(products: Sequence[Monomial], shape: tuple[Dim, ...]) -> Monomial:
    """The sum of products as one: its core is what could not be drawn before the bracket."""
    terms = _stacked(merged(products))
    while len(terms) > 1:
        for rule in (_common_scale, _same_core, _scaled_rows, _left, _right, _units, _diagonals):
            change = rule(terms, shape)
            if change is not None:
                terms = change
                break
        else:
            break
    if not terms:
        return Monomial(Fraction(0), {}, make("zeros", data=shape) if shape else None)
    if len(terms) == 1:
        return terms[0]
    total = forms.summed([term.expression(flip=False) for term in terms])
    if total.rank:
        return Monomial(Fraction(1), {}, total)
    # Of x + b and -x a scalar is left, which each element of the sum is.
    return replace(of_scalar(total), core=make("ones", data=shape) if shape else None)


def _common_scale(terms: list[Monomial], shape: tuple[Dim, ...]) -> list[Monomial] | None:
    """A number or scalars that all terms share go before the bracket."""
    common, rest = shared(terms)
    sizes = {magnitude(term.coefficient) for term in terms}
    scale: Number = sizes.pop() if len(sizes) == 1 else Fraction(1)
    if all(term.coefficient < 0 for term in terms):
        scale = -scale
    if scale == 1 and not common:
        return None
    return [
        times(_as_monomial([Monomial(t.coefficient / scale, t.scalars, t.core) for t in rest], shape), common, scale)
    ]


def _same_core(terms: list[Monomial], shape: tuple[Dim, ...]) -> list[Monomial] | None:
    """Two multiples of the same vector or matrix."""
    if not shape:
        return None
    groups = _groups(terms, lambda term: term.core)
    if groups is None:
        return None
    chosen, rest = groups
    inner = _as_monomial([Monomial(term.coefficient, term.scalars) for term in chosen], ())
    return _placed(rest, replace(inner, core=chosen[0].core), terms, chosen)


def _scaled_rows(terms: list[Monomial], shape: tuple[Dim, ...]) -> list[Monomial] | None:
    """M and diag(v)*M are diag(1 + v)*M."""
    for term in terms:
        matrix = term.core
        if matrix is None or matrix.rank != 2 or matrix.op == "diag":
            continue
        rows = [other for other in terms if _row_scale(other.core, matrix) is not None]
        if not rows:
            continue
        vectors = [Monomial(each.coefficient, each.scalars, _row_scale(each.core, matrix)) for each in rows]
        alone = Monomial(term.coefficient, term.scalars)
        total = forms.summed([alone.expression(flip=False), collected(vectors, shape[:1])])
        joined = Monomial(Fraction(1), {}, forms.chained([make("diag", total), matrix]))
        chosen = [term, *rows]
        return _placed([each for each in terms if each not in chosen], joined, terms, chosen)
    return None


def _row_scale(core: Expr | None, matrix: Expr) -> Expr | None:
    """The vector v if the core is diag(v)*matrix."""
    if core is None or core.op != "mul" or core.args[0].op != "diag" or core.args[0].rank != 2:
        return None
    return core.args[0].args[0] if forms.chained(core.args[1:]) is matrix else None


def _left(terms: list[Monomial], shape: tuple[Dim, ...]) -> list[Monomial] | None:
    """A matrix in front of several terms."""
    return _side(terms, shape, left=True)


def _right(terms: list[Monomial], shape: tuple[Dim, ...]) -> list[Monomial] | None:
    """A matrix or vector at the end of several terms."""
    return _side(terms, shape, left=False)


def _side(terms: list[Monomial], shape: tuple[Dim, ...], *, left: bool) -> list[Monomial] | None:
    def factor(term: Monomial) -> Expr | None:
        core = term.core
        if core is None or core.rank == 0:
            return None
        ends = core.args if core.op == "mul" else (core,)
        end = ends[0] if left else ends[-1]
        return end if core.op == "mul" else None

    groups = _groups(terms, factor)
    if groups is None:
        return None
    chosen, rest = groups
    end = factor(chosen[0])
    assert end is not None
    if left and end.rank == 1 and not end.row:
        inner_shape: tuple[Dim, ...] = shape[1:]
    elif not left and (end.rank == 1 and end.row):
        inner_shape = shape[:1]
    else:
        inner_shape = (end.shape[-1], *shape[1:]) if left else (*shape[:1], end.shape[0])
    inner = []
    for term in chosen:
        assert term.core is not None
        core = forms.chained(term.core.args[1:] if left else term.core.args[:-1])
        inner.append(Monomial(term.coefficient, term.scalars, forms.transpose(core) if core.row else core))
    bracket = _as_monomial(inner, tuple(inner_shape))
    total = bracket.core
    assert total is not None
    if left and end.rank == 1:
        total = forms.transpose(total)
    joined = replace(bracket, core=forms.chained([end, total] if left else [total, end]))
    before = sum(count(term.expression()) for term in chosen)
    if joined.coefficient and count(joined.expression()) >= before + len(chosen) - 1:
        return None
    return _placed(rest, joined, terms, chosen)


def _units(terms: list[Monomial], shape: tuple[Dim, ...]) -> list[Monomial] | None:
    """A vector that is a factor of several element-wise products."""
    if not shape:
        return None
    counts: dict[Expr, int] = {}
    for term in terms:
        for unit in dict.fromkeys(_factors(term.core)):
            counts[unit] = counts.get(unit, 0) + 1
    repeated = [unit for unit, times in counts.items() if times > 1]
    if not repeated:
        return None
    unit = max(repeated, key=lambda each: counts[each])
    chosen = [term for term in terms if unit in _factors(term.core)]
    rest = [term for term in terms if term not in chosen]
    inner = []
    for term in chosen:
        others = list(_factors(term.core))
        others.remove(unit)
        inner.append(Monomial(term.coefficient, term.scalars, forms.multiplied(others) if others else None))
    scalars = [term for term in inner if term.core is None]
    arrays = [term for term in inner if term.core is not None]
    if scalars and arrays:
        total = forms.summed([collected(arrays, shape), collected(scalars, ())])
        return _placed(rest, Monomial(Fraction(1), {}, make("had", unit, total)), terms, chosen)
    bracket = _as_monomial(inner, shape if arrays else ())
    core = unit if bracket.core is None or bracket.core.op == "ones" else make("had", unit, bracket.core)
    return _placed(rest, replace(bracket, core=core), terms, chosen)


def _factors(core: Expr | None) -> tuple[Expr, ...]:
    if core is None:
        return ()
    return core.args if core.op == "had" else (core,)


def _diagonals(terms: list[Monomial], shape: tuple[Dim, ...]) -> list[Monomial] | None:
    """Several diagonal matrices are one."""
    chosen = [term for term in terms if term.core is not None and term.core.op == "diag" and term.core.rank == 2]
    if len(chosen) < 2:
        return None
    inner = [Monomial(term.coefficient, term.scalars, term.core.args[0]) for term in chosen if term.core is not None]
    bracket = _as_monomial(inner, shape[:1])
    assert bracket.core is not None
    core = make("eye", data=shape[0]) if bracket.core.op == "ones" else make("diag", bracket.core)
    rest = [term for term in terms if term not in chosen]
    return _placed(rest, replace(bracket, core=core), terms, chosen)


def _stacked(terms: list[Monomial]) -> list[Monomial]:
    """Blocks below each other, or beside each other, if every block is there."""
    below = _blocks(terms)
    if below is not None:
        return [Monomial(Fraction(1), {}, make("stack", *below, data=0))]
    if any(term.core is None or term.core.rank != 2 for term in terms):
        return terms
    turned = [Monomial(t.coefficient, t.scalars, forms.transpose(t.core)) for t in terms if t.core is not None]
    beside = _blocks(turned)
    if beside is None:
        return terms
    return [Monomial(Fraction(1), {}, make("stack", *map(forms.transpose, beside), data=1))]


def _blocks(terms: list[Monomial]) -> list[Expr] | None:
    """What stands in each block of rows, if each term places rows and no row is missing."""
    heads: dict[Expr, list[Monomial]] = {}
    if not terms:
        return None
    for term in terms:
        core = term.core
        factors = () if core is None else core.args if core.op == "mul" else (core,)
        if not factors or factors[0].op not in ("unit", "embed"):
            return None
        inner = forms.chained(factors[1:]) if len(factors) > 1 else None
        heads.setdefault(factors[0], []).append(Monomial(term.coefficient, term.scalars, inner))
    total, place, parts = next(iter(heads)).shape[0], ONE, []
    while heads:
        head = next((head for head in heads if head.data[1] == place), None)
        if head is None:
            return None
        parts.append(_block(head, heads.pop(head)))
        place = place + (ONE if head.op == "unit" else head.data[2])
    return parts if place == total + ONE else None


def _block(head: Expr, products: list[Monomial]) -> Expr:
    if head.op == "embed":
        size = head.data[2]
        cores = [Monomial(p.coefficient, p.scalars, p.core or make("eye", data=size)) for p in products]
        shape = next((p.core.shape for p in products if p.core is not None), (size, size))
        return collected(cores, shape)
    # One row: its terms are collected as columns.
    cores = [Monomial(p.coefficient, p.scalars, p.core and forms.transpose(p.core)) for p in products]
    shape = next((p.core.shape for p in products if p.core is not None), ())
    return forms.transpose(collected(cores, shape))


def _groups(
    terms: list[Monomial], key: Callable[[Monomial], Expr | None]
) -> tuple[list[Monomial], list[Monomial]] | None:
    """The terms with the most common key, and the others; nothing if no two share one."""
    groups: dict[Expr, list[Monomial]] = {}
    for term in terms:
        found = key(term)
        if found is not None:
            groups.setdefault(found, []).append(term)
    large = [group for group in groups.values() if len(group) > 1]
    if not large:
        return None
    chosen = max(large, key=len)
    return chosen, [term for term in terms if term not in chosen]


def _placed(rest: list[Monomial], joined: Monomial, terms: list[Monomial], chosen: list[Monomial]) -> list[Monomial]:
    """The joined term where the first of those stood that it replaces."""
    if not joined.coefficient:
        return rest
    place = sum(1 for term in terms[: terms.index(chosen[0])] if term not in chosen)
    return [*rest[:place], joined, *rest[place:]]
