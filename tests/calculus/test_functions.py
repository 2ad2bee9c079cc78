"""Expressions built in Python are those that are read."""

from __future__ import annotations

import pytest

from latticework.calculus import functions, parse, variable
from latticework.core.errors import InputError

X, w, y, b = variable("X", "N,n"), variable("w", "n"), variable("y", "N"), variable("b")
SHAPES = {"X": "N,n", "w": "n", "y": "N", "b": ""}


@pytest.mark.parametrize(
    "built, written",
    [
        (functions.norm2(X @ w - y) ** 2, "norm2(X*w - y)^2"),
        (functions.relu(w.T @ w + b), "relu(w'*w + b)"),
        (functions.mean((y - functions.sigmoid(X @ w + b)) ** 2), "mean((y - sigmoid(X*w + b)).^2)"),
        (2 * w / (1 + b), "2*w/(1 + b)"),
        (functions.stack(w, b, 1), "[w; b; 1]"),
        (functions.maximum(y, 0), "max(y, 0)"),
        (functions.logdet(X.T @ X), "logdet(X'*X)"),
        (1 - y * y, "1 - y .* y"),
        (b**2 - 3, "b^2 - 3"),
    ],
)
def test_operators_and_functions_build_what_is_read(built, written):
    assert built is parse(written, SHAPES)


def test_every_function_of_the_module_is_one_of_the_language():
    for name in set(functions.__all__) - {"stack", "maximum", "minimum", "kron"}:
        argument = "A" if name in ("tr", "det", "logdet", "inv", "rowsum", "colsum") else "x"
        shapes = {"A": "n,n", "x": "n"}
        built = getattr(functions, name)(variable(argument, shapes[argument]))
        assert built is parse(f"{name}({argument})", shapes)


def test_shapes_that_do_not_fit_are_refused_when_built():
    with pytest.raises(InputError, match=r"X \(N×n matrix\) by y \(vector of N\)"):
        X @ y
    with pytest.raises(InputError, match="axis=2"):
        functions.stack(w, b, axis=2)
    with pytest.raises(AttributeError, match="no attribute 'normal'"):
        _ = functions.normal
