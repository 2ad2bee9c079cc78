"""What makes exported code fast changes no value, no argument and no type."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from latticework.calculus import derive, parse
from latticework.calculus.called import function
from latticework.calculus.evaluate import evaluate
from latticework.calculus.program import program
from latticework.calculus.source import source

SIZES = {"n": 4, "m": 3, "k": 2, "N": 6}
SHAPES = {"x": "n", "y": "n", "v": "m", "A": "n,n", "B": "n,n", "X": "N,n", "w": "n", "t": "N", "a": "", "M": "n,m"}


def drawn(names: Any, dtype: Any = np.float64) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    return {
        name: np.asarray(rng.normal(size=[SIZES[size] for size in SHAPES[name].split(",") if size]), dtype)
        for name in names
    }


@pytest.mark.parametrize(
    "expression",
    [
        "(A + A')*x",  # term by term
        "x'*(A - 2*B' + eye)*y",
        "A*(x*y' - a*y*x')",  # products of vectors
        "(x*y' + y*x')*(A + B)",
        "(A + B)*(A + B)",
        "(A + B)*x + sum((A + B)*B)*x",  # a sum that is needed by itself too
        "(diag(x) + A)*y",
        "a*(diag(x) - x*y')",  # the multiple of a matrix is that of a vector in it
        "-(x*y')/a",
        "x*y' + 2*x*y'",
        "sum((2*x*y') .* (x*y'))*A",
        "a*(x*x') - x*y' - a*eye",
        "X'*diag(t.^2)*X",  # half of the work
        "X'*diag(t)*X",
        "2*X*diag(exp(w))*X'",
        "x'*(y*v')",  # a product of a row and a column within a product
        "A*x*(y'*x)*v'",
        "x*y' - a*matrix(1)/3",  # what is the same everywhere
        "x - mean(x)*vector(1)",
        "(x + y - sigmoid(-x)) .* (x + y > 0)",  # written over
        "sqrt(n)*x/exp(2)",
    ],
)
def test_exported_code_computes_the_expression_and_leaves_its_arguments_alone(expression: str) -> None:
    root = parse(expression, SHAPES)
    code = program(root)
    arrays = drawn(code.variables)
    before = {name: array.copy() for name, array in arrays.items()}
    expected = evaluate(root, arrays)
    assert np.allclose(function(root, "numpy")(**arrays), expected, rtol=1e-12, atol=1e-12)
    for name, array in arrays.items():
        assert np.array_equal(array, before[name])
    tensors = {name: torch.tensor(array) for name, array in arrays.items()}
    assert np.allclose(function(root, "torch")(**tensors), expected, rtol=1e-12, atol=1e-12)


def test_numbers_of_32_bits_stay_so_and_meet_others_as_in_numpy() -> None:
    root = parse("X'*(X*w - t)", SHAPES)
    single = drawn("Xwt", np.float32)
    assert function(root, "numpy")(**single).dtype == np.float32
    mixed = {**single, "t": single["t"].astype(np.float64)}
    assert function(root, "numpy")(**mixed).dtype == np.float64


def test_a_comparison_has_the_type_of_the_arrays() -> None:
    found = derive("sum(relu(X*w))", "w", {"X": "N,n", "w": "n"})
    single = {name: array.astype(np.float32) for name, array in {"X": np.eye(3), "w": np.arange(3.0) - 1}.items()}
    written: dict[str, Any] = {}
    exec(found.source("numpy"), written)  # noqa: S102  # code of our own
    for call in (found.to_numpy(), written["derivative"]):
        assert call(**single).dtype == np.float32
        assert call(**single).tolist() == [0, 0, 1]


@pytest.mark.parametrize("language", ["numpy", "torch"])
def test_a_comparison_of_numbers_alone_is_a_number(language: str) -> None:
    written: dict[str, Any] = {}
    exec(source(parse("3 > 2"), language, name="compared"), written)  # noqa: S102  # code of our own
    assert function(parse("3 > 2"), language)() == written["compared"]() == 1


@pytest.mark.parametrize(
    "expression, values, expected",
    [("relu(x)", {"x": 0.5}, 1), ("max(x, b)*sum(v)", {"x": 2.0, "b": 1.0, "v": np.ones(3, np.float32)}, 3)],
)
def test_written_code_takes_numbers_for_scalars(expression: str, values: dict[str, Any], expected: float) -> None:
    written: dict[str, Any] = {}
    exec(derive(expression, "x", {"x": "", "b": "", "v": "n"}).source("numpy"), written)  # noqa: S102  # code of our own
    assert written["derivative"](**values) == expected


def test_a_call_returns_memory_of_its_own() -> None:
    call = function(parse("2*(x + y)", SHAPES), "numpy")
    arrays = drawn("xy")
    first = call(**arrays)
    kept = first.copy()
    call(x=np.zeros(4), y=np.zeros(4))
    assert np.array_equal(first, kept)


def test_the_hessian_of_the_softmax_makes_one_matrix() -> None:
    found = derive("-y'*log(softmax(x))", "x", {"x": "n", "y": "n"}, order=2)
    operations = [each.op for each in program(found.value).instructions]
    assert operations.count("outer") == 1
    assert operations[-1] == "onto_diagonal"  # and nothing else is done to it


def test_the_gradient_of_a_quadratic_form_adds_no_matrices() -> None:
    text = source(derive("x'*A*x", "x").value, "numpy")
    assert text.count(" @ ") == 2


def test_the_hessian_of_logistic_regression_is_exactly_symmetric() -> None:
    found = derive("sum(log(1 + exp(-t .* (X*w))))", "w", SHAPES, order=2)
    hessian = found.to_numpy()(**drawn(found.parameters))
    assert np.array_equal(hessian, hessian.T)
