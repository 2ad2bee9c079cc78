"""The functions of the language for expressions that are built in Python.

from latticework.calculus import variable
from latticework.calculus.functions import norm2

X, w, y = variable("X", "N,n"), variable("w", "n"), variable("y", "N")
loss = norm2(X @ w - y) ** 2
"""

from __future__ import annotations

from collections.abc import Callable

from latticework.calculus.expression import Expr, Operand, expression, make
from latticework.calculus.shapes import OF_ONE
from latticework.core.checks import one_of

_BINARY = ("kron", "maximum", "minimum")
__all__ = sorted([*OF_ONE, *_BINARY, "stack"])


def stack(*parts: Operand, axis: int = 0) -> Expr:
    """Parts below each other (axis 0) or beside each other (axis 1).

    Examples
    --------
    >>> from latticework.calculus.expression import variable
    >>> print(stack(variable("x", "n"), 1))
    [x; 1]
    """
    return make("stack", *map(expression, parts), data=one_of("axis", axis, (0, 1)))


def __getattr__(name: str) -> Callable[..., Expr]:
    if name in OF_ONE:
        return _of_one(name)
    if name in _BINARY:
        return lambda left, right: make(name, expression(left), expression(right))
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__


def _of_one(name: str) -> Callable[..., Expr]:
    def function(x: Operand) -> Expr:
        return make(name, expression(x))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"`{name}` of the language, of an expression or a number."
    return function
