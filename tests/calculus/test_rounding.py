"""Rounding is estimated from what cancels, in whatever units."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from latticework.calculus.evaluate import evaluate
from latticework.calculus.expression import Expr
from latticework.calculus.parser import parse
from latticework.calculus.rounding import MARGIN, rounding

EPSILON = sys.float_info.epsilon
SHAPES = {"x": "", "y": "n", "A": "n,n"}
ARRAYS = {"n": 3, "x": 0.7, "y": np.array([0.5, -0.3, 1.1]), "A": np.diag([2.0, 3.0, 5.0]) + 0.1}


def rounding_of(root: Expr) -> float:
    return rounding(root, evaluate(root, ARRAYS), ARRAYS)


@pytest.mark.parametrize(
    "text, cancels",
    [
        ("x + 1e6 - 1e6", 1e6),
        ("1e-30*(x + 1e6 - 1e6)", 1e-24),
        ("sum(1e6*y) - 1e6*sum(y)", 1e6),
        ("y'*(1e6*y) - 1e6*norm2(y)^2", 1e6),
        ("tr(A*inv(A)) - 3", 3),
        ("1e13 - 1e13*x/x", 1e13),
        ("gelu(-9*x)", 6.3),
        ("1e-300*x^2", 1e-300),
    ],
)
def test_rounding_is_some_epsilons_of_what_cancels(text: str, cancels: float) -> None:
    found = rounding_of(parse(text, SHAPES))
    assert EPSILON * cancels / 2 < found < 20 * MARGIN * EPSILON * cancels


@pytest.mark.parametrize("text", ["1e13*x/1e20", "x*1e-34*1e20", "sqrt(x*1e20)", "abs(x)", "max(y)", "A[1, 2]*x"])
def test_what_does_not_cancel_is_rounded_relative_to_itself(text: str) -> None:
    root = parse(text, SHAPES)
    assert rounding_of(root) <= 4 * MARGIN * EPSILON * abs(evaluate(root, ARRAYS))


def test_a_whole_power_of_a_negative_number_is_estimated() -> None:
    assert 0 < rounding_of(parse("(y[2] - 1)^(2*n) + 1 - 1", SHAPES)) < 1e-12


def test_ties_stay_ties() -> None:
    assert rounding_of(parse("sum(2*y >= max(2*y))", SHAPES)) < 1e-12
