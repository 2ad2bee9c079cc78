"""Compares exported JAX code with the engine's own values: each operation, as a function and as it is written.

A program of its own: where JAX is loaded no process should fork, as other tests do.
"""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from latticework.calculus import derive, parse
from latticework.calculus.called import function
from latticework.calculus.evaluate import evaluate
from latticework.calculus.expression import Expr
from latticework.calculus.program import program
from latticework.calculus.source import source
from latticework.calculus.templates import OWN, WRITTEN
from latticework.calculus.tree import variables

SHAPES = {"x": "n", "y": "n", "A": "n,n", "B": "n,n", "X": "n + 2,n", "R": "1,n", "a": ""}
OF_ELEMENTS = (
    "abs acos asin atan cos cosh erf exp gelu log log_softmax relu sigmoid sign sin sinh softmax softplus sqrt tan tanh"
)
EXPRESSIONS = [
    " + ".join(f"{name}(x)" for name in OF_ELEMENTS.split()),
    "logsumexp(x)*max(y) + norm1(x)*min(y) + norm2(x) + mean(y)",
    "max(x, y) - min(x, y).^3",
    "a*logdet(A) + det(B)*tr(A)",
    "A + diag(x) + diag(diag(B))*inv(A)",
    "kron(A, x') + kron(x*y', y')",
    "vec(A')",
    "x",
    "(A + diag(x))*B + diag(x)*A - A*diag(y)",
    "a*(A + diag(x)) - A'*diag(y)*A",
    "(A*vector(1) + (vector(1)'*A)' - sigmoid(-x)) ./ y",
    "sum(x)*inv(A)*y",
    "kron(x, A)",
    "-x",
    "inv(A)*y",
    "X'*diag(exp(X*y))*X",
    "rowsum(A) - colsum(A)'",
    "[[a, x']; [y, A]]",
    "[2/a; cos(a)]",
    "[a, R]",
]


def check(root: Expr, arrays: dict[str, Any]) -> set[str]:
    """Compare both with the engine's own values, and return what operations there are."""
    parameters = variables(root)
    expected = evaluate(root, arrays)
    written: dict[str, Any] = {}
    exec(source(root, "jax"), written)  # noqa: S102  # code of our own
    for call in (function(root, "jax"), written["derivative"]):
        found = call(**{name: jax.numpy.asarray(arrays[name]) for name in parameters})
        assert found.dtype == np.float64
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)
    return {instruction.op for instruction in program(root).instructions}


def main() -> None:
    jax.config.update("jax_enable_x64", True)
    rng = np.random.default_rng(0)
    lengths = {"": [], "n": [4], "n,n": [4, 4], "n + 2,n": [6, 4], "1,n": [1, 4]}
    arrays = {name: rng.uniform(0.1, 0.9, lengths[shape]) for name, shape in SHAPES.items()}
    tried: set[str] = set()
    for text in EXPRESSIONS:
        tried |= check(parse(text, SHAPES), arrays)
    tried |= check(derive("norm2(x[2:n] - x[1:n-1])^2", "x", {"x": "n"}).value, arrays)
    assert {*WRITTEN, *OWN["jax"], "pad"} - tried == set()


if __name__ == "__main__":
    main()
