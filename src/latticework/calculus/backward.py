"""Derivatives by accumulation from the result back to the variable, in index notation, and in matrix form if they can.

What has been accumulated for a node u is ∂y/∂u: of a scalar y with respect to a vector, a matrix or another scalar, or
of a vector with respect to a vector. It is written in matrix form as soon as several paths meet in a node.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from latticework.calculus.collect import collected
from latticework.calculus.expression import UNIT, Expr, make, number
from latticework.calculus.factors import magnitude
from latticework.calculus.labels import Index, Labels, indices
from latticework.calculus.matrix_form import matrix_form
from latticework.calculus.partials import partial
from latticework.calculus.tensor import Term, contracted, forget
from latticework.calculus.tree import order
from latticework.core.errors import InputError

MOST_TERMS = 1000  # of a sum in index notation
MOST_FACTORS = 10_000  # of all the terms that the products of an expression have
DEEPEST_QUOTIENTS = 200_000  # levels, of all quotients together: each takes apart what it divides


@dataclass(frozen=True)
class Sum:
    """A sum of terms with the same free labels."""

    terms: tuple[Term, ...]
    free: Labels


@dataclass(frozen=True)
class Visit:
    """What happened at one node: its own derivative so far, and what each operand gets from it."""

    node: Expr
    coefficient: Sum
    shares: tuple[tuple[Expr, Sum], ...]


def depends(root: Expr, wrt: Expr) -> set[Expr]:
    """The nodes on some path from the variable to the root."""
    found: set[Expr] = set()
    for node in order(root):
        if node is wrt or any(arg in found for arg in node.args):
            found.add(node)
    return found


def accumulate(root: Expr, wrt: Expr, *, distribute: bool = False) -> tuple[Sum, list[Visit]]:
    """∂root/∂wrt with the axes of the root first, and the nodes as they were visited.

    Parameters
    ----------
    root, wrt
        An expression and a variable in it.
    distribute
        Multiply sums out where paths meet, which may let terms cancel, instead of writing them as one factor.
    """
    out = indices(root)
    active = depends(root, wrt)
    if wrt not in active:
        return Sum((), (*out, *indices(wrt))), []
    nodes = [node for node in order(root) if node in active]
    products = [node.args for node in nodes if node.op in ("mul", "had", "einsum")]
    if sum(node.depth for node in nodes if node.op == "div") > DEEPEST_QUOTIENTS:
        raise InputError("the expression has quotients within quotients too deep to differentiate")
    if sum(len(args) * sum(arg in active for arg in args) for args in products) > MOST_FACTORS:
        raise InputError(f"the derivative has products of more than {MOST_FACTORS:,} factors in all")
    labels: dict[Expr, Labels] = {node: indices(node) for node in nodes}
    pending: dict[Expr, list[Term]] = {node: [] for node in nodes}
    pending[root].append(Term().delta(out, labels[root]))
    visits: list[Visit] = []
    for node in reversed(nodes):
        free = (*out, *labels[node])
        terms = _tidied(pending.pop(node), free, distribute=distribute)
        coefficient = Sum(tuple(terms), free)
        if node is wrt:
            visits.append(Visit(node, coefficient, ()))
            return coefficient, visits
        shares = []
        for place, arg in enumerate(node.args):
            if arg not in active:
                continue
            share = _share(terms, node, place, labels[node], labels[arg], out)
            pending[arg].extend(share)
            if len(pending[arg]) > MOST_TERMS:
                pending[arg] = _merged(pending[arg], (*out, *labels[arg]))
            if len(pending[arg]) > MOST_TERMS:
                raise InputError(f"the derivative has more than {MOST_TERMS} terms in index notation")
            shares.append((arg, Sum(tuple(share), (*out, *labels[arg]))))
        visits.append(Visit(node, coefficient, tuple(shares)))
    raise AssertionError("the variable is in the expression")


def _share(terms: Sequence[Term], node: Expr, place: int, own: Labels, of_arg: Labels, out: Labels) -> list[Term]:
    """Σ_u ∂y/∂u · ∂u/∂arg: the chain rule."""
    free = (*out, *of_arg)
    result = []
    for local in partial(node, place, own, of_arg):
        for term in terms:
            joined = forget(term.of(local), own, free)
            kept = contracted(joined, free)
            if kept is not None:
                result.append(kept)
    return result


def _tidied(terms: list[Term], free: Labels, *, distribute: bool) -> list[Term]:
    if len(free) > 2 or len(terms) < 2:
        return _merged(terms, free)
    if distribute and len(terms) <= 4:
        return terms
    whole = in_matrix_form(Sum(tuple(terms), free))
    if whole is None:
        return terms
    if whole.op == "zeros" or (whole.op == "number" and whole.data == 0):
        return []
    return [Term().times(whole, free)]


def _merged(terms: list[Term], free: Labels) -> list[Term]:
    """Terms that differ in their coefficients only are added up."""
    if len(terms) < 2:
        return terms
    sums: dict[frozenset[object], Term] = {}
    for term in terms:
        key = frozenset(term.factors.items())
        if key in sums:
            sums[key] = Term(sums[key].coefficient + term.coefficient, term.factors)
        else:
            sums[key] = term
    return [term for term in sums.values() if term.coefficient]


def in_matrix_form(total: Sum) -> Expr | None:
    """A sum of at most two axes as a scalar, a column or a matrix; nothing if a term is not a product of matrices."""
    products = []
    for term in total.terms:
        product = matrix_form(term, total.free)
        if product is None:
            return None
        products.append(product)
    return collected(products, tuple(label.size for label in total.free))


def as_einsum(total: Sum) -> Expr:
    """A sum of any number of axes, each term an einsum."""
    if not total.terms:
        return make("zeros", data=tuple(label.size for label in total.free))
    parts = [_einsum(term, total.free) for term in total.terms]
    return parts[0] if len(parts) == 1 else make("add", *parts)


def _einsum(term: Term, free: Labels) -> Expr:
    codes: dict[Index, int] = {}
    args: list[Expr] = []
    inputs: list[tuple[int, ...]] = []
    scalars: list[Expr] = []
    covered: set[Index] = set()
    for (expr, labels), exponent in term.factors.items():
        powered = expr if exponent == 1 else _powered(expr, exponent)
        if not labels:
            scalars.append(powered)
            continue
        args.append(powered)
        inputs.append(tuple(codes.setdefault(label, len(codes)) for label in labels))
        covered.update(labels)
    for label in free:
        if label not in covered:
            args.append(make("ones", data=(label.size,)))
            inputs.append((codes.setdefault(label, len(codes)),))
    body = make("einsum", *args, data=(tuple(inputs), tuple(codes[label] for label in free)))
    if term.coefficient not in (1, -1):
        scalars.insert(0, number(magnitude(term.coefficient)))
    whole = make("had", *scalars, body) if scalars else body
    return make("neg", whole) if term.coefficient < 0 else whole


def _powered(expr: Expr, exponent: object) -> Expr:
    if exponent == -1:
        return make("div", UNIT, expr)
    if exponent == Fraction(1, 2):
        return make("sqrt", expr)
    assert isinstance(exponent, Fraction | float)
    return make("pow", expr, number(exponent))
