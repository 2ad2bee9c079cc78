"""The derivative of every operation with respect to each of its operands, in index notation."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from latticework.calculus.dimensions import ONE
from latticework.calculus.expression import Expr, length, make, number
from latticework.calculus.forms import folded
from latticework.calculus.labels import Labels, chain, einsum_labels, kronecker_labels, selections
from latticework.calculus.shapes import ELEMENTWISE, extent
from latticework.calculus.slopes import slope
from latticework.calculus.tensor import Term, forget
from latticework.calculus.tree import variables


def partial(node: Expr, place: int, out: Labels, arg: Labels) -> list[Term]:
    """∂node[out] / ∂args[place][arg], as a sum of terms; other operands are held fixed.

    Parameters
    ----------
    node
        An operation.
    place
        Of the operand.
    out, arg
        Labels of the axes of the node and of the operand.

    Returns
    -------
    list of Term
        Empty where the derivative is zero.

    Examples
    --------
    >>> from latticework.calculus.expression import variable
    >>> from latticework.calculus.labels import indices
    >>> x = variable("x", "n")
    >>> node = make("sin", x)
    >>> (term,) = partial(node, 0, indices(node), indices(x))
    >>> [str(factor) for factor, _ in term.factors]
    ['cos(x)', 'eye']
    """
    if node.op in ELEMENTWISE:
        return [_aligned(term, out, arg) for term in _function(node, out)]
    return _PARTIALS[node.op](node, place, out, arg)


def _aligned(term: Term, out: Labels, arg: Labels) -> Term:
    # A scalar among vectors is the same for all of their elements.
    return term.delta(out, arg) if arg else term


def _function(node: Expr, out: Labels) -> list[Term]:
    """f'(x) for the element-wise functions."""
    factors, coefficient = slope(node)
    term = Term(Fraction(coefficient))
    for expr, exponent in factors:
        term.times(expr, out if expr.rank else (), Fraction(exponent))
    return [term] if coefficient else []


def _add(node: Expr, place: int, out: Labels, arg: Labels) -> list[Term]:
    return [_aligned(Term(), out, arg)]


def _negative(node: Expr, place: int, out: Labels, arg: Labels) -> list[Term]:
    return [Term(Fraction(-1)).delta(out, arg)]


def _elements(node: Expr, place: int, out: Labels, arg: Labels) -> list[Term]:
    term = _aligned(Term(), out, arg)
    for k, other in enumerate(node.args):
        if k != place:
            term.times(other, out if other.rank else ())
    return [term]


def _quotient(node: Expr, place: int, out: Labels, arg: Labels) -> list[Term]:
    above, below = node.args
    term = _aligned(Term(), out, arg)
    labels = out if below.rank else ()
    if place == 0:
        return [term.times(below, labels, Fraction(-1))]
    term.coefficient = Fraction(-1)
    return [term.times(above, out if above.rank else ()).times(below, labels, Fraction(-2))]


def _power(node: Expr, place: int, out: Labels, arg: Labels) -> list[Term]:
    base, exponent = node.args
    term = _aligned(Term(), out, arg)
    if place == 1:
        return [term.times(node, out).times(make("log", base), out if base.rank else ())]
    known = folded(exponent)
    if known is not None:
        exponent = number(known)
    if exponent.op == "number":
        if not exponent.data:
            return []
        return [term.times(exponent).times(base, out if base.rank else (), exponent.data - 1)]
    term.times(exponent, out if exponent.rank else ())
    if variables(base).keys() & variables(exponent).keys():
        return [term.times(node, out).times(base, out if base.rank else (), Fraction(-1))]
    return [term.times(make("pow", base, make("add", exponent, number(-1))), out)]


def _product(node: Expr, place: int, out: Labels, arg: Labels) -> list[Term]:
    return _beside(node, place, chain(node.args, out), out, arg)


def _beside(node: Expr, place: int, names: list[Labels], out: Labels, arg: Labels) -> list[Term]:
    """The other operands of a product, each at its labels."""
    term = Term()
    for k, other in enumerate(node.args):
        if k != place:
            term.times(other, names[k])
    # A label that operands share may be in no factor, where they are the same everywhere or cancel.
    return [forget(term.delta(names[place], arg), (label for own in names for label in own), (*out, *arg))]


def _transposed(node: Expr, place: int, out: Labels, arg: Labels) -> list[Term]:
    return [Term().delta(out[::-1], arg)]


def _sum(node: Expr, place: int, out: Labels, arg: Labels) -> list[Term]:
    return [Term()]


def _mean(node: Expr, place: int, out: Labels, arg: Labels) -> list[Term]:
    term = Term()
    for label in arg:
        term.times(length(label.size), (), Fraction(-1))
    return [term]


def _rowsum(node: Expr, place: int, out: Labels, arg: Labels) -> list[Term]:
    return [Term().delta(out, arg[:1])]


def _colsum(node: Expr, place: int, out: Labels, arg: Labels) -> list[Term]:
    return [Term().delta(out, arg[1:])]


def _norm1(node: Expr, place: int, out: Labels, arg: Labels) -> list[Term]:
    return [Term().times(make("sign", node.args[0]), arg)]


def _norm2(node: Expr, place: int, out: Labels, arg: Labels) -> list[Term]:
    return [Term().times(node.args[0], arg).times(node, (), Fraction(-1))]


def _largest(node: Expr, place: int, out: Labels, arg: Labels) -> list[Term]:
    return [Term().times(make("compare", node.args[0], node, data="=="), arg)]


def _larger(sign: str) -> Partial:
    def larger(node: Expr, place: int, out: Labels, arg: Labels) -> list[Term]:
        chosen = make("compare", node.args[place], node.args[1 - place], data=sign)
        return [_aligned(Term(), out, arg).times(chosen, out if chosen.rank else ())]

    return larger


def _trace(node: Expr, place: int, out: Labels, arg: Labels) -> list[Term]:
    return [Term().delta(arg[:1], arg[1:])]


def _det(node: Expr, place: int, out: Labels, arg: Labels) -> list[Term]:
    if not arg:
        return [Term()]
    return [Term().times(node).times(make("inv", node.args[0]), arg[::-1])]


def _logdet(node: Expr, place: int, out: Labels, arg: Labels) -> list[Term]:
    if not arg:
        return [Term().times(node.args[0], (), Fraction(-1))]
    return [Term().times(make("inv", node.args[0]), arg[::-1])]


def _inverse(node: Expr, place: int, out: Labels, arg: Labels) -> list[Term]:
    if not arg:
        return [Term(Fraction(-1)).times(node.args[0], (), Fraction(-2))]
    return [Term(Fraction(-1)).times(node, (out[0], arg[0])).times(node, (arg[1], out[1]))]


def _diagonal(node: Expr, place: int, out: Labels, arg: Labels) -> list[Term]:
    if len(arg) == 1:
        return [Term().delta(out, (arg[0], arg[0]))]
    return [Term().delta((out[0], out[0]), arg)]


def _vec(node: Expr, place: int, out: Labels, arg: Labels) -> list[Term]:
    if len(arg) < 2:
        return [Term().delta(out, arg)]
    term = Term()
    term.put((make("pairing", data=node.args[0].shape), (*out, *arg)), Fraction(1))
    return [term]


def _unvec(node: Expr, place: int, out: Labels, arg: Labels) -> list[Term]:
    term = Term()
    term.put((make("pairing", data=node.data), (*arg, *out)), Fraction(1))
    return [term]


def _kronecker(node: Expr, place: int, out: Labels, arg: Labels) -> list[Term]:
    pairings, *inner = kronecker_labels(node, out)
    term = Term()
    for pairing, labels, exponent in pairings:
        term.put((pairing, labels), exponent)
    return [term.times(node.args[1 - place], inner[1 - place]).delta(inner[place], arg)]


def _softmax(node: Expr, place: int, out: Labels, arg: Labels) -> list[Term]:
    rows = (out[:-1], arg[:-1])
    same = Term().times(node, out).delta(out, arg)
    others = Term(Fraction(-1)).times(node, out).times(node, (*out[:-1], arg[-1])).delta(*rows)
    return [same, others]


def _log_softmax(node: Expr, place: int, out: Labels, arg: Labels) -> list[Term]:
    softmax = make("softmax", node.args[0])
    others = Term(Fraction(-1)).times(softmax, (*out[:-1], arg[-1])).delta(out[:-1], arg[:-1])
    return [Term().delta(out, arg), others]


def _logsumexp(node: Expr, place: int, out: Labels, arg: Labels) -> list[Term]:
    return [Term().times(make("softmax", node.args[0]), arg).delta(out, arg[:-1])]


def _stack(node: Expr, place: int, out: Labels, arg: Labels) -> list[Term]:
    axis = node.data if node.rank == 2 else 0
    before = ONE
    for other in node.args[:place]:
        before = before + (extent(other, node.data) or ONE)
    part, total = node.args[place], out[axis].size
    term = Term()
    rest = list(arg)
    if extent(part, node.data) is not None:
        along = rest.pop(axis if part.rank == 2 else 0)
        term.put((make("embed", data=(total, before, along.size)), (out[axis], along)), Fraction(1))
    else:
        term.put((make("unit", data=(total, before)), (out[axis],)), Fraction(1))
    if node.rank == 2 and rest:
        term.delta((out[1 - axis],), (rest[0],))
    return [term]


def _index(node: Expr, place: int, out: Labels, arg: Labels) -> list[Term]:
    term = Term()
    for expr, labels, exponent in selections(node, arg, out):
        term.put((expr, labels), exponent)
    return [term]


def _einsum(node: Expr, place: int, out: Labels, arg: Labels) -> list[Term]:
    return _beside(node, place, einsum_labels(node, out), out, arg)


def _nothing(node: Expr, place: int, out: Labels, arg: Labels) -> list[Term]:
    return []


Partial = Callable[[Expr, int, Labels, Labels], list[Term]]

_PARTIALS: dict[str, Partial] = {
    "add": _add,
    "neg": _negative,
    "had": _elements,
    "div": _quotient,
    "pow": _power,
    "mul": _product,
    "T": _transposed,
    "sum": _sum,
    "mean": _mean,
    "rowsum": _rowsum,
    "colsum": _colsum,
    "norm1": _norm1,
    "norm2": _norm2,
    "max": _largest,
    "min": _largest,
    "maximum": _larger(">"),
    "minimum": _larger("<"),
    "tr": _trace,
    "det": _det,
    "logdet": _logdet,
    "inv": _inverse,
    "diag": _diagonal,
    "vec": _vec,
    "unvec": _unvec,
    "kron": _kronecker,
    "softmax": _softmax,
    "log_softmax": _log_softmax,
    "logsumexp": _logsumexp,
    "stack": _stack,
    "index": _index,
    "einsum": _einsum,
    "compare": _nothing,
}
