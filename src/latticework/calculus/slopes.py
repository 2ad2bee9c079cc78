"""The slope of every element-wise function: f'(x) as factors."""

from __future__ import annotations

from fractions import Fraction

from latticework.calculus.expression import TWO, UNIT, ZERO, Expr, make, number
from latticework.calculus.labels import Number


def slope(node: Expr) -> tuple[list[tuple[Expr, Number]], int]:
    """The factors of f'(x) with their exponents, and a whole coefficient."""
    (x,) = node.args
    square = make("pow", x, TWO)
    one = Fraction(1)
    match node.op:
        case "exp":
            return [(node, one)], 1
        case "log":
            return [(x, -one)], 1
        case "sin":
            return [(make("cos", x), one)], 1
        case "cos":
            return [(make("sin", x), one)], -1
        case "tan":
            return [(make("cos", x), Fraction(-2))], 1
        case "sinh":
            return [(make("cosh", x), one)], 1
        case "cosh":
            return [(make("sinh", x), one)], 1
        case "tanh":
            return [(make("add", UNIT, make("neg", make("pow", node, TWO))), one)], 1
        case "asin":
            return [(make("add", UNIT, make("neg", square)), Fraction(-1, 2))], 1
        case "acos":
            return [(make("add", UNIT, make("neg", square)), Fraction(-1, 2))], -1
        case "atan":
            return [(make("add", UNIT, square), -one)], 1
        case "sigmoid":
            return [(node, one), (make("add", UNIT, make("neg", node)), one)], 1
        case "softplus":
            return [(make("sigmoid", x), one)], 1
        case "relu":
            return [(make("compare", x, ZERO, data=">"), one)], 1
        case "abs":
            return [(make("sign", x), one)], 1
        case "sqrt":
            return [(number(2), -one), (node, -one)], 1
        case "erf":
            return [(number(2), one), (make("pi"), Fraction(-1, 2)), (_bell(square), one)], 1
        case "gelu":
            return [(_gelu_slope(x, square), one)], 1
        case _:
            return [], 0


def _bell(square: Expr) -> Expr:
    return make("exp", make("neg", square))


def _gelu_slope(x: Expr, square: Expr) -> Expr:
    """Φ(x) + x φ(x) for the standard normal distribution."""
    below = make("div", make("add", UNIT, make("erf", make("div", x, make("sqrt", TWO)))), TWO)
    density = make("exp", make("neg", make("div", square, TWO)))
    return make("add", below, make("div", make("had", x, density), make("sqrt", make("had", TWO, make("pi")))))
