"""Mark an answer: it is the derivative, or the same in another layout, or wrong, with the point where that shows."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

import numpy as np

from latticework.calculus.assumptions import Assume
from latticework.calculus.binding import Array
from latticework.calculus.choices import Layout
from latticework.calculus.comparing import Comparison
from latticework.calculus.derivation import Derivation, derive
from latticework.calculus.expression import Expr, substitute
from latticework.calculus.parser import Shapes, parse
from latticework.calculus.points import point, size_sets
from latticework.calculus.tree import variables
from latticework.core.errors import InputError

Verdict = Literal["equal", "equal up to layout", "wrong"]
COMMON_FACTORS = tuple(Fraction(*pair) for pair in ((-1, 1), (2, 1), (1, 2), (-2, 1), (-1, 2), (4, 1), (1, 4)))


@dataclass(frozen=True)
class Counterexample:
    """Values at which an answer is wrong, what it gives there (no numbers if it has no value) and what is right."""

    values: dict[str, Any]
    expected: Array
    got: Array

    def __str__(self) -> str:
        at = ", ".join(f"{name} = {_shown(value)}" for name, value in self.values.items())
        given = "has no value" if np.isnan(self.got).all() else f"gives {_shown(self.got)}"
        return f"at {at or 'any point'} the derivative is {_shown(self.expected)}, the answer {given}"


@dataclass(frozen=True)
class Check:
    """What is to be said of an answer.

    Attributes
    ----------
    verdict
        "equal", "equal up to layout" or "wrong".
    message
        In a sentence.
    counterexample
        Where a wrong answer shows, as small as was found.
    expected
        The right answer.
    """

    verdict: Verdict
    message: str
    counterexample: Counterexample | None
    expected: Expr

    def __bool__(self) -> bool:
        return self.verdict != "wrong"

    def __str__(self) -> str:
        shown = f"\n{self.counterexample}" if self.counterexample else ""
        return f"{self.verdict}: {self.message}{shown}"


def check(
    expr: str | Expr,
    wrt: str,
    answer: str | Expr,
    shapes: Shapes | None = None,
    *,
    order: int = 1,
    layout: Layout = "numerator",
    assume: Assume = None,
) -> Check:
    """Compare somebody's answer with the derivative.

    Parameters
    ----------
    expr, wrt, shapes, order, layout, assume
        As for `derive`.
    answer
        An expression; `eye` and `vector(1)` take the size that they need.

    Returns
    -------
    Check
        True in a condition unless the answer is wrong.

    Raises
    ------
    InputError
        If the expression or the answer cannot be read.

    Examples
    --------
    >>> check("x'*A*x", "x", "x'*(A + A')").verdict
    'equal'
    >>> check("x'*A*x", "x", "(A + A')*x").verdict
    'equal up to layout'
    >>> print(check("x'*A*x", "x", "2*x'*A").counterexample)
    at x = [1, 0], A = [[0, 0], [1, 0]] the derivative is [0, 1], the answer gives [0, 0]
    """
    return mark(derive(expr, wrt, shapes, order=order, layout=layout, assume=assume), answer)


def mark(derivation: Derivation, answer: str | Expr) -> Check:
    """Compare an answer with a derivative that was found already: see `check`."""
    known, right = derivation.parameters, derivation.result
    shapes = {name: node.shape for name, node in known.items()}
    given = answer if isinstance(answer, Expr) else _read(answer, shapes, right)
    given = substitute(given, {node: known[name] for name, node in variables(given).items() if name in known})
    _refuse_unknown(given, derivation)
    if _sizes(given) not in (_sizes(right), _sizes(right)[::-1]):
        message = f"the answer is a {given.shape_text}, but the derivative is a {right.shape_text}"
        return Check("wrong", message, None, right)
    compared = Comparison(derivation.expression, right, given, variables(derivation.expression, derivation.wrt))
    verdict = _verdict(compared)
    if verdict == "equal":
        return Check(verdict, "the answer is the derivative", None, right)
    if verdict == "equal up to layout":
        return Check(verdict, f"the answer is the transpose: in {derivation.layout} layout it is {right}", None, right)
    return Check("wrong", _remark(compared), _smallest(compared), right)


def _read(answer: str, known: dict[str, Any], right: Expr) -> Expr:
    """The answer, with sizes that only its place tells: those of the derivative, or of its transpose."""
    refusal: InputError | None = None
    for shape in (right.shape, right.shape[::-1]):
        try:
            return parse(answer, known, like=shape)
        except InputError as error:
            refusal = refusal or error
    try:
        return parse(answer, known)
    except InputError:
        assert refusal is not None
        raise refusal from None


def _refuse_unknown(given: Expr, derivation: Derivation) -> None:
    strange = variables(given).keys() - variables(derivation.expression, derivation.wrt).keys()
    if strange:
        raise InputError(f"the answer has {', '.join(sorted(strange))}, which the expression does not have")


def _sizes(expr: Expr) -> tuple[str, ...]:
    return tuple(map(str, expr.shape))


def _verdict(compared: Comparison) -> Verdict:
    same = turned = True
    found = False
    for each in compared.points():  # one after the other: at large sizes the values of all would take much memory
        found = True
        same, turned = same and each.close(), turned and each.close(turned=True)
        if not (same or turned):
            return "wrong"
    if not found:
        return _finite_somewhere(compared)
    if same and compared.right.row == compared.given.row:
        return "equal"
    return "equal up to layout"


def _finite_somewhere(compared: Comparison) -> Verdict:
    """An answer that is unknown wherever the derivative has a value is wrong."""
    rng = np.random.default_rng(0)
    for sizes in size_sets(compared.function, compared.right):
        if point(compared.function, sizes, rng, compared.right) is not None:
            return "wrong"
    raise InputError(f"no point was found at which {compared.function} and its derivative have a value")


def _smallest(compared: Comparison) -> Counterexample | None:
    """A point where the two differ: few elements, then small whole numbers, then any."""
    best: tuple[float, Counterexample] | None = None
    for each in itertools.chain(compared.small(), compared.points()):
        # Fewer elements first, then fewer that are not 0, then smaller ones.
        whole = all(np.array_equal(value, np.round(value)) for value in each.values.values())
        weight = (0 if whole else 50.0) + sum(
            value.size * 100.0 + np.count_nonzero(value) * 5.0 + np.abs(value).sum() for value in each.values.values()
        )
        # That an answer has no value at one point, and all around it has one, is no mistake.
        if (best is None or weight < best[0]) and not each.close() and not each.is_alone:
            best = weight, Counterexample(each.values, each.expected, each.got)
    return None if best is None else best[1]


def _remark(compared: Comparison) -> str:
    """What kind of mistake it is, if it is the same one wherever the two were compared."""
    factors, same, everywhere, anywhere = set(COMMON_FACTORS), True, True, False
    for each in compared.points():
        if each.has_value:
            same, anywhere = same and each.close(), True
            factors = {factor for factor in factors if each.close(float(factor))}
        else:
            everywhere = False
    if same and not everywhere:
        return "the answer has no value at points where the derivative has one"
    if factors and everywhere and anywhere:
        return f"the answer is {factors.pop()} times the derivative"
    return "the answer is not the derivative"


def _shown(value: Any) -> str:
    def number(each: float) -> str:
        return f"{each:.0f}" if float(each).is_integer() and abs(each) < 1e15 else f"{each:.6g}"

    array = np.asarray(value)
    if array.ndim == 0:
        return number(float(array))
    return f"[{', '.join(_shown(each) for each in array)}]"
