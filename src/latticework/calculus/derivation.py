"""From an expression and a variable to a derivative in closed form, with every step by the rule that it uses."""

from __future__ import annotations

from functools import cached_property
from typing import Any, get_args

from latticework.calculus.assumptions import Assume, assumptions
from latticework.calculus.choices import Direction, Layout, Method
from latticework.calculus.derivative import Derivative
from latticework.calculus.explain import Explanation
from latticework.calculus.expression import Expr, substitute, variable
from latticework.calculus.latex import align, latex
from latticework.calculus.mathml import mathml, tables
from latticework.calculus.parser import Shapes, declared_shapes, parse
from latticework.calculus.plain import explained, part_text
from latticework.calculus.stages import Stage, staged
from latticework.calculus.tree import symbols, variables
from latticework.calculus.verify import Verification, verify
from latticework.core.checks import one_of, whole_number
from latticework.core.errors import InputError

HIGHEST_ORDER = 4


class Derivation(Derivative):
    """A derivative with all the ways to tell how it was found: as text, LaTeX, MathML, a page, or plain data.

    Attributes
    ----------
    expression, wrt
        What was differentiated, and the variable.
    stages
        Every differentiation, the first of the expression, each other one of the derivative before.
    layout
        Of the answer as it is shown: "numerator" or "denominator".
    """

    @cached_property
    def explanation(self) -> Explanation:
        """The derivation as a textbook explains it, part by part."""
        return Explanation(self)

    @property
    def kinks(self) -> tuple[str, ...]:
        """Where the function has no derivative, and what is taken there."""
        return tuple(self.explanation.kinks)

    @property
    def conditions(self) -> tuple[str, ...]:
        """What must hold for the function to be defined."""
        return tuple(self.explanation.conditions)

    def text(self, *, steps: bool = False) -> str:
        """The answer as a line that can be parsed; with `steps`, the whole derivation as a textbook has it."""
        if not steps:
            return str(self.result)
        return explained(self.explanation)

    def account(self, direction: Direction) -> str:
        """The chain as text: forward, how the variable changes everything; backward, how everything changes the result.

        Raises
        ------
        InputError
            If it is another direction.
        """
        return "\n\n".join(map(part_text, self.explanation.account(direction)))

    def latex(self, *, steps: bool = False) -> str:
        """The answer as LaTeX; with `steps`, every part as an `align*` environment of `amsmath`."""
        if not steps:
            return latex(self.result)
        return align(self.explanation)

    def mathml(self, *, steps: bool = False) -> str:
        """The answer as a `math` element; with `steps`, every part as one."""
        if not steps:
            return mathml(self.result, display=True)
        return tables(self.explanation)

    def svg(self) -> str:
        """A drawing of the data-flow graph."""
        return self.graph.svg()

    def html(self) -> str:
        """A self-contained page: the function, its graph, the steps, the answer and its code.

        Raises
        ------
        MissingExtraError
            Without the libraries of `latticework[pages]`.
        """
        from latticework.calculus.report import page

        return page(self.explanation).html()

    def as_dict(self) -> dict[str, Any]:
        """All there is to say, for JSON."""
        from latticework.calculus.report import as_dict

        return as_dict(self.explanation)

    def verify(self, *, method: Method = "auto", random_state: int = 0) -> Verification:
        """Compare with automatic differentiation or with differences: see `verify`."""
        return verify(self, method=method, random_state=random_state)


def derive(
    expr: str | Expr,
    wrt: str,
    shapes: Shapes | None = None,
    order: int = 1,
    layout: Layout = "numerator",
    assume: Assume = None,
) -> Derivation:
    """Differentiate an expression with respect to a variable.

    Parameters
    ----------
    expr
        As text, see `parse`, or built in Python.
    wrt
        Name of the variable.
    shapes
        Of the variables, such as `{"X": "N,n", "w": "n", "b": ""}`; the others are inferred.
    order
        1 for gradients and Jacobians, 2 for Hessians, up to 4.
    layout
        How the answer is shown. In numerator layout the derivative of a scalar with respect to a column is a row, and a
        Jacobian has a row for each function; denominator layout is its transpose, in which the gradient of a scalar
        has the shape of the variable. `evaluate` is the same for both.
    assume
        What is known of variables: `{"A": "symmetric"}`, or `"A symmetric, x positive"`.

    Returns
    -------
    Derivation

    Raises
    ------
    InputError
        If the expression cannot be read, shapes do not fit, or an option has no such value.

    Examples
    --------
    >>> print(derive("norm2(X*w - y)^2", "w", {"X": "N,n", "w": "n", "y": "N"}))
    2*(X*w - y)'*X
    >>> print(derive("x'*A*x", "x", order=2))
    A + A'
    """
    one_of("layout", layout, get_args(Layout))
    order = whole_number("order", order, most=HIGHEST_ORDER)
    if not isinstance(wrt, str):
        raise InputError(f"wrt is the name of a variable, got {wrt!r}")
    expression = expr if isinstance(expr, Expr) else parse(expr, shapes)
    known = variables(expression)
    declared = declared_shapes(shapes or {})
    assumed = assumptions(assume)
    strange = sorted(assumed.keys() - known.keys() - declared.keys() - {wrt})
    if strange:
        raise InputError(f"assume: there is no variable {strange[0][:40]!r}")
    if wrt in known:
        target = known[wrt]
    elif wrt in declared:
        target = variable(wrt, declared[wrt])
    else:
        names = ", ".join(known) or "no variables"
        raise InputError(f"there is no variable {wrt[:40]!r} to differentiate by; the expression has {names}")
    known = {**known, wrt: target}
    twice = sorted(known.keys() & symbols(expression, target))
    if twice:
        raise InputError(f"{twice[0]!r} is a variable and a size, which no answer tells apart: rename one of them")
    taken = sorted((known.keys() | symbols(expression, target)) & {"pi", "eye"})
    if taken:
        raise InputError(f"{taken[0]!r} has a meaning of its own in answers: give the variable or size another name")
    own_symmetry = "symmetric" in assumed.get(wrt, ())
    marked = {
        node: variable(name, node.shape, frozenset(assumed[name])) for name, node in known.items() if name in assumed
    }
    for node, assumption in ((node, new.data[2]) for node, new in marked.items()):
        if "symmetric" in assumption and (node.rank != 2 or node.shape[0] != node.shape[1]):
            raise InputError(f"assume: {node} is no square matrix but a {node.shape_text}, so it cannot be symmetric")
    if own_symmetry and (expression.rank or order > 1):
        raise InputError(f"assume: by a symmetric {wrt}, only first derivatives of scalars are known here")
    if marked:
        expression, target = substitute(expression, marked), marked.get(target, target)
    return _derived(expression, target, order, layout, symmetric=own_symmetry)


def gradient(expr: str | Expr, wrt: str, shapes: Shapes | None = None, *, assume: Assume = None) -> Derivation:
    """The gradient of a scalar in the shape of the variable.

    Raises
    ------
    InputError
        If the expression is not a scalar, or as `derive` does.

    Examples
    --------
    >>> print(gradient("norm2(X*w - y)^2", "w", {"X": "N,n", "w": "n", "y": "N"}))
    2*X'*(X*w - y)
    """
    return _of_scalar("gradient", derive(expr, wrt, shapes, layout="denominator", assume=assume))


def jacobian(expr: str | Expr, wrt: str, shapes: Shapes | None = None, *, assume: Assume = None) -> Derivation:
    """The Jacobian: a row for each element of the expression, a column for each of the variable.

    Examples
    --------
    >>> print(jacobian("A*sin(x)", "x"))
    A*diag(cos(x))
    """
    return derive(expr, wrt, shapes, layout="numerator", assume=assume)


def hessian(expr: str | Expr, wrt: str, shapes: Shapes | None = None, *, assume: Assume = None) -> Derivation:
    """The second derivative of a scalar.

    Raises
    ------
    InputError
        If the expression is not a scalar, or as `derive` does.

    Examples
    --------
    >>> print(hessian("sum(softplus(-y .* (X*w)))", "w", {"X": "N,n", "w": "n", "y": "N"}))
    X'*diag(y.^2 .* sigmoid(-y .* (X*w)) .* (1 - sigmoid(-y .* (X*w))))*X
    """
    return _of_scalar("Hessian", derive(expr, wrt, shapes, order=2, assume=assume))


def _of_scalar(name: str, found: Derivation) -> Derivation:
    if found.expression.rank:
        raise InputError(f"a {name} is that of a scalar, but the expression is a {found.expression.shape_text}")
    return found


def _derived(expression: Expr, wrt: Expr, order: int, layout: Layout, *, symmetric: bool) -> Derivation:
    function, stages = expression, list[Stage]()
    for _ in range(order):
        try:
            stages.append(staged(function, wrt, symmetric=symmetric and not stages))
        except OverflowError as error:
            raise InputError("the derivative has a number that is larger than any floating-point number") from error
        function = stages[-1].value
    return Derivation(expression, wrt, tuple(stages), layout)
