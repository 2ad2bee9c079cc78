"""Mark an answer: it is the derivative, or the same in another layout, or wrong, with the point where that shows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

import numpy as np

from latticework.calculus.binding import Array
from latticework.calculus.choices import Layout
from latticework.calculus.derivation import Derivation, derive
from latticework.calculus.evaluate import evaluate
from latticework.calculus.expression import Expr, substitute
from latticework.calculus.parser import Shapes, parse
from latticework.calculus.points import difference, point, size_sets
from latticework.calculus.tree import variables
from latticework.core.errors import InputError

Verdict = Literal["equal", "equal up to layout", "wrong"]
TOLERANCE = 1e-8
SMALL_SIZES = ((1,) * 5, (2,) * 5, (3,) * 5)  # of what is tried for a counter-example
SMALL_DRAWS = 40  # small whole numbers that are tried for a counter-example
COMMON_FACTORS = tuple(Fraction(*pair) for pair in ((-1, 1), (2, 1), (1, 2), (-2, 1), (-1, 2), (4, 1), (1, 4)))


@dataclass(frozen=True)
class Counterexample:
    """Values at which an answer is wrong, what it gives there and what is right."""

    values: dict[str, Any]
    expected: Array
    got: Array

    def __str__(self) -> str:
        at = ", ".join(f"{name} = {_shown(value)}" for name, value in self.values.items())
        return f"at {at or 'any point'} the derivative is {_shown(self.expected)}, the answer gives {_shown(self.got)}"


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
    assume: Any = None,
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
    verdict = _verdict(derivation, given)
    if verdict == "equal":
        return Check(verdict, "the answer is the derivative", None, right)
    if verdict == "equal up to layout":
        return Check(verdict, f"the answer is the transpose: in {derivation.layout} layout it is {right}", None, right)
    return Check("wrong", _remark(derivation, given), _smallest(derivation, given), right)


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


def _verdict(derivation: Derivation, given: Expr) -> Verdict:
    # At large sizes the values of all points would take much memory, so what is kept is how they compare.
    found = [
        (_close(expected, got, value), _close(expected.T, got, value))
        for expected, got, value in _values(derivation, given)
    ]
    if not found:
        return _finite_somewhere(derivation, given)
    same, turned = map(all, zip(*found, strict=True))
    if same and derivation.result.row == given.row:
        return "equal"
    return "equal up to layout" if same or turned else "wrong"


def _finite_somewhere(derivation: Derivation, given: Expr) -> Verdict:
    """An answer without a value wherever the derivative has one is wrong."""
    rng = np.random.default_rng(0)
    for sizes in size_sets(derivation.expression, derivation.result):
        if point(derivation.expression, sizes, rng, derivation.result) is not None:
            return "wrong"
    raise InputError(f"no point was found at which {derivation.expression} and its derivative have a value")


def _close(expected: Array, got: Array, value: Array) -> bool:
    return bool(np.isfinite(got).all()) and difference(expected, got, value) <= TOLERANCE


def _smallest(derivation: Derivation, given: Expr) -> Counterexample | None:
    """A point where the two differ: few elements, then small whole numbers, then any."""
    right = derivation.result
    roots = variables(derivation.expression, derivation.wrt)
    best: tuple[float, Counterexample] | None = None
    for arrays in _candidates(derivation, given):
        try:
            with np.errstate(all="ignore"):
                expected, got = evaluate(right, arrays), evaluate(given, arrays)
                value = evaluate(derivation.expression, arrays)
        except (InputError, np.linalg.LinAlgError):
            continue
        if not np.isfinite(value).all() or not np.isfinite(expected).all() or _close(expected, got, value):
            continue
        values = {name: np.asarray(arrays[name]) for name in roots}
        # Fewer elements first, then fewer that are not 0, then smaller ones.
        whole = all(np.array_equal(value, np.round(value)) for value in values.values())
        weight = (0 if whole else 50.0) + sum(
            value.size * 100.0 + np.count_nonzero(value) * 5.0 + np.abs(value).sum() for value in values.values()
        )
        if best is None or weight < best[0]:
            best = weight, Counterexample(values, expected, got)
    return None if best is None else best[1]


def _candidates(derivation: Derivation, given: Expr) -> Iterator[dict[str, Any]]:
    roots = variables(derivation.expression, derivation.wrt)
    rng = np.random.default_rng(0)
    for sizes in size_sets(derivation.expression, derivation.result, given, bases=SMALL_SIZES):
        for highest in (1, 2, 3):
            for _ in range(SMALL_DRAWS):
                low = 0 if rng.random() < 0.7 else -highest
                values: dict[str, Any] = {}
                for name, node in roots.items():
                    shape = tuple(axis.value(sizes) for axis in node.shape)
                    value = rng.integers(low, highest + 1, shape).astype(float)
                    value = np.abs(value) + 1 if "positive" in node.data[2] else value
                    values[name] = np.tril(value) + np.tril(value, -1).T if "symmetric" in node.data[2] else value
                yield {**sizes, **values}
    for sizes in size_sets(derivation.expression, derivation.result, given):
        found = point(derivation.expression, sizes, rng, derivation.result)
        if found is not None:
            yield found


def _remark(derivation: Derivation, given: Expr) -> str:
    """That the answer is a multiple of the derivative, if it is one wherever the two were compared."""
    found = [
        {factor for factor in COMMON_FACTORS if _close(expected * float(factor), got, value)}
        for expected, got, value in _values(derivation, given)
    ]
    common = set.intersection(*found) if found else set()
    return f"the answer is {common.pop()} times the derivative" if common else "the answer is not the derivative"


def _values(derivation: Derivation, given: Expr) -> Iterator[tuple[Array, Array, Array]]:
    """The derivative, the answer and the function at points of several sizes."""
    rng = np.random.default_rng(0)
    right = derivation.result
    for sizes in size_sets(derivation.expression, right, given):
        for _ in range(3):
            arrays = point(derivation.expression, sizes, rng, right, given)
            if arrays is not None:
                yield evaluate(right, arrays), evaluate(given, arrays), evaluate(derivation.expression, arrays)


def _shown(value: Any) -> str:
    def number(each: float) -> str:
        return f"{each:.0f}" if float(each).is_integer() and abs(each) < 1e15 else f"{each:.6g}"

    array = np.asarray(value)
    if array.ndim == 0:
        return number(float(array))
    return f"[{', '.join(_shown(each) for each in array)}]"
