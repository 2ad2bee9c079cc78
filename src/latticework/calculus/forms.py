"""Constructors that write an expression as a person would: no factor 1, no double transpose, no eye in a product."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from fractions import Fraction
from functools import lru_cache

from latticework.calculus.decimals import scientific
from latticework.calculus.expression import UNIT, ZERO, Expr, make, number
from latticework.calculus.factors import magnitude, put
from latticework.calculus.labels import Number, Units
from latticework.calculus.tree import count

DEEPEST = 200  # levels looked into for a shorter form: what is written has fewer, and Python's stack has an end
REMEMBERED = 4096  # answers: the two below ask each other, and of nested sums five times more at each level


def column(expr: Expr) -> Expr:
    """A vector as a column."""
    return transpose(expr) if expr.row else expr


@lru_cache(maxsize=REMEMBERED)
def is_symmetric(expr: Expr) -> bool:
    """Whether a matrix is its own transpose, as far as its form tells."""
    if expr.rank != 2 or expr.depth > DEEPEST:
        return expr.rank == 0
    if expr.op in ("eye", "inv", "neg", "T"):
        return expr.op == "eye" or is_symmetric(expr.args[0])
    if expr.op == "diag":
        return True
    if expr.op == "var":
        return "symmetric" in expr.data[2]
    if expr.op == "add" and len(expr.args) <= 8:
        rest = [arg for arg in expr.args if not is_symmetric(arg)]
        return Counter(rest) == Counter(arg.args[0] if arg.op == "T" else make("T", arg) for arg in rest)
    if expr.op in ("had", "pow", "div"):
        return all(map(is_symmetric, expr.args))
    if expr.op == "mul":  # A*B*A' for a symmetric B
        pairs = zip(expr.args, reversed(expr.args), strict=True)
        return all(one is transpose(two) for one, two in pairs)
    return False


def derivative(found: Expr, of: Expr, by: Expr) -> Expr:
    """A derivative as it is until a layout says otherwise: a scalar's by a column is a row."""
    return transpose(found) if (of.rank, by.rank) == (0, 1) and not found.row else found


@lru_cache(maxsize=REMEMBERED)
def transpose(expr: Expr) -> Expr:
    """The transpose, written without one where that is as short."""
    if expr.op == "T":
        return expr.args[0]
    if expr.rank == 0 or (expr.rank == 2 and is_symmetric(expr)):
        return expr
    if expr.depth > DEEPEST:
        return make("T", expr)
    if expr.op == "mul":
        return make("mul", *(transpose(arg) for arg in reversed(expr.args)))
    if expr.op == "neg":
        return make("neg", transpose(expr.args[0]))
    if expr.op in ("ones", "zeros") and expr.rank == 2:
        return make(expr.op, data=expr.shape[::-1])
    arrays = sum(arg.rank > 0 for arg in expr.args)
    if expr.op == "add" or (expr.op in ("had", "div") and arrays == 1):
        turned = make(expr.op, *(transpose(arg) if arg.rank else arg for arg in expr.args))
        longer = 0 if expr.op == "add" and expr.rank == 1 else 1
        if count(turned) <= count(expr) + longer:
            return turned
    return make("T", expr)


def raised(base: Expr, exponent: Number) -> Expr:
    """A power, element by element."""
    if exponent == 1:
        return base
    if exponent == Fraction(1, 2):
        return make("sqrt", base)
    return make("pow", base, number(exponent))


def chained(factors: Sequence[Expr]) -> Expr:
    """A matrix product without eyes and without matrices beside their inverses."""
    kept: list[Expr] = []
    for factor in factors:
        for part in factor.args if factor.op == "mul" else (factor,):
            if part.op == "eye" and (kept or len(factors) > 1):
                continue
            if kept and part.rank == 2 and _inverse(kept[-1], part):
                kept.pop()
                continue
            kept.append(part)
    if not kept:
        return make("eye", data=factors[0].shape[0])
    return kept[0] if len(kept) == 1 else make("mul", *kept)


def _inverse(left: Expr, right: Expr) -> bool:
    def bare(expr: Expr) -> tuple[Expr, bool]:
        return (expr.args[0], True) if expr.op == "T" else (expr, False)

    (one, first), (two, second) = bare(left), bare(right)
    return first == second and ((one.op == "inv" and one.args[0] is two) or (two.op == "inv" and two.args[0] is one))


def scaled(
    coefficient: Number, scalars: Sequence[tuple[Expr, Number]], core: Expr | None, *, flip: bool = True
) -> Expr:
    """Coefficient · Π scalar^exponent · core, with negative powers below a fraction line."""
    if not coefficient:
        return ZERO if core is None else make("zeros", data=core.shape)
    above: list[Expr] = []
    below: list[Expr] = []
    negative = coefficient < 0
    size = magnitude(coefficient)
    if isinstance(size, Fraction) and scientific(size) is None:
        if size.numerator != 1:
            above.append(number(Fraction(size.numerator)))
        if size.denominator != 1:
            below.append(number(Fraction(size.denominator)))
    elif size != 1:
        above.append(number(size))
    for scalar, exponent in sorted(scalars, key=lambda power: power[0].depth):  # x^2*cos(x^3)
        (above if exponent > 0 else below).append(raised(scalar, magnitude(exponent)))
    if core is not None and core is not UNIT:
        above.append(core)
    if negative and flip:
        for place, factor in reversed(list(enumerate(above))):
            turned = flipped(factor)
            if turned is not None:
                above[place], negative = turned, False
                break
    result = multiplied(above)
    if negative:
        result = negated(result) if not below else result
    if below:
        result = make("div", result, multiplied(below))
        result = make("neg", result) if negative else result
    return result


def flipped(expr: Expr) -> Expr | None:
    """The expression with the other sign, if a sum in it takes that without getting longer."""
    if expr.op == "add":
        minus = sum(is_negative(arg) for arg in expr.args)
        if 2 * minus < len(expr.args):
            return None
        return make("add", *sorted(map(negated, expr.args), key=is_negative))
    if expr.op in ("had", "mul", "T", "diag", "div") and expr.depth <= DEEPEST:
        for place, arg in enumerate(expr.args if expr.op != "div" else expr.args[:1]):
            turned = flipped(arg)
            if turned is not None:
                return make(expr.op, *expr.args[:place], turned, *expr.args[place + 1 :])
    return None


def is_negative(expr: Expr) -> bool:
    """Whether it is written with a minus sign."""
    return expr.op == "neg" or (expr.op == "number" and expr.data < 0)


def negated(expr: Expr) -> Expr:
    """The expression with the other sign."""
    if expr.op == "neg":
        return expr.args[0]
    if expr.op == "number":
        return number(-expr.data)
    return make("neg", expr)


def multiplied(factors: Sequence[Expr]) -> Expr:
    """The element-wise product; one array among scalars is their multiple."""
    factors = [factor for factor in factors if factor is not UNIT]
    if not factors:
        return UNIT
    return factors[0] if len(factors) == 1 else make("had", *factors)


def elements(units: Iterable[tuple[Expr, Number]]) -> Expr | None:
    """Π vector^exponent, element by element; nothing for an empty product."""
    above: list[Expr] = []
    below: list[Expr] = []
    for expr, exponent in recognised(where_positive(list(units))):
        (above if exponent > 0 else below).append(raised(expr, magnitude(exponent)))
    if not above and not below:
        return None
    if not below:
        return multiplied(above)
    return make("div", multiplied(above), multiplied(below))


def where_positive(units: list[tuple[Expr, Number]]) -> list[tuple[Expr, Number]]:
    """Factors beside (t > 0), in which relu(t) is t."""
    positive = {expr.args[0] for expr, _ in units if _is_positive_part(expr)}
    if not positive:
        return units

    def bare(expr: Expr) -> Expr:
        if expr.op == "relu" and expr.args[0] in positive:
            return expr.args[0]
        sums = expr.op in ("add", "neg") and expr.depth <= DEEPEST
        return make(expr.op, *map(bare, expr.args)) if sums else expr

    product: Units = {}
    for expr, exponent in units:
        # 0 times a fractional power of t < 0 has no value, nor has 0 times 1/(1 + t) where t is -1.
        whole = isinstance(exponent, Fraction) and exponent.denominator == 1
        finite = whole and (exponent > 0 or expr.op == "relu")
        put(product, bare(expr) if finite else expr, exponent)  # t may be there already
    return list(product.items())


_QUOTIENTS = {"sin": ("cos", "tan"), "sinh": ("cosh", "tanh")}


def recognised(units: list[tuple[Expr, Number]]) -> list[tuple[Expr, Number]]:
    """Factors by shorter names: sinh(t)/cosh(t) is tanh(t)."""
    powers = dict(units)
    for expr, exponent in units:
        if expr.op in _QUOTIENTS and exponent > 0:
            below, quotient = _QUOTIENTS[expr.op]
            other, named = make(below, expr.args[0]), make(quotient, expr.args[0])
            total = powers.get(named, Fraction(0)) + exponent
            if powers.get(other) == -exponent and total:
                del powers[expr], powers[other]
                powers[named] = total
    return list(powers.items())


def folded(expr: Expr) -> Fraction | None:
    """The value of an expression of whole numbers and fractions, if it is one and no large one."""
    if expr.op == "number":
        return expr.data if isinstance(expr.data, Fraction) else None
    if expr.op not in ("neg", "add", "had", "div", "pow") or expr.rank or len(expr.args) > 4 or expr.depth > DEEPEST:
        return None
    values = [folded(arg) for arg in expr.args]
    if any(value is None or abs(value.numerator) > 99 or value.denominator > 99 for value in values):
        return None
    known = [value for value in values if value is not None]
    match expr.op:
        case "neg":
            return -known[0]
        case "add":
            return sum(known, start=Fraction(0))
        case "had":
            return math.prod(known, start=Fraction(1))
        case "div":
            return known[0] / known[1] if known[1] else None
    base, exponent = known
    if exponent.denominator != 1 or abs(exponent) > 9 or not base:
        return None
    return base ** int(exponent)


def _is_positive_part(expr: Expr) -> bool:
    return expr.op == "compare" and expr.data == ">" and expr.args[1] is ZERO


def dot(left: Expr, right: Expr) -> Expr:
    """The inner product of two columns, written with fewer transposes."""
    one, two = (chained([transpose(a), b]) for a, b in ((left, right), (right, left)))
    return one if count(one) <= count(two) else two


def summed(terms: Sequence[Expr]) -> Expr:
    """The sum, equal terms added up and those with a minus sign last."""
    ordered = _without_repeats([part for term in terms for part in _terms(term)])
    for place, term in enumerate(ordered):
        if term.op == "T" and term.args[0] in ordered[place + 1 :]:
            ordered.remove(term.args[0])
            ordered.insert(place, term.args[0])  # A + A' instead of A' + A
    if is_negative(ordered[0]):
        ordered.sort(key=is_negative)  # y - x instead of -x + y
    return ordered[0] if len(ordered) == 1 else make("add", *ordered)


def _terms(term: Expr) -> tuple[Expr, ...]:
    """The terms of a sum, also of one with a minus sign before it."""
    if term.op == "add":
        return term.args
    if term.op == "neg" and term.args[0].op == "add":
        return tuple(map(negated, term.args[0].args))
    return (term,)


def _without_repeats(terms: list[Expr]) -> list[Expr]:
    """The terms of a sum, those that differ in a number before them added up."""
    counts: dict[Expr, Number] = {}
    for term in terms:
        bare, factor = _counted(term)
        counts[bare] = counts.get(bare, Fraction(0)) + factor
    if len(counts) == len(terms):
        return terms
    kept = [scaled(factor, [], bare, flip=False) for bare, factor in counts.items() if factor]
    return kept or [ZERO]


def _counted(term: Expr) -> tuple[Expr, Number]:
    """A term without the number before it, and the number."""
    if term.op == "neg":
        bare, factor = _counted(term.args[0])
        return bare, -factor
    if term.op == "number":
        return UNIT, term.data
    if term.op == "had" and term.args[0].op == "number":
        return multiplied(term.args[1:]), term.args[0].data
    return term, Fraction(1)
