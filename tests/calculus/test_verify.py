"""Derivatives are compared with something that knows nothing of the engine's rules."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from latticework.calculus import derive, stages, verify
from latticework.calculus.expression import make, number
from latticework.calculus.points import difference, point
from latticework.calculus.verify import Verification
from latticework.core.errors import InputError

CASES = [
    ("sum(log(1 + exp(-y .* (X*w))))", "w", {"X": "N,n", "w": "n", "y": "N"}, 1),
    ("sum(log(1 + exp(-y .* (X*w))))", "w", {"X": "N,n", "w": "n", "y": "N"}, 2),
    ("relu(A*x - 1)", "x", {"A": "m,n", "x": "n"}, 1),
    ("A*X*B", "X", {"A": "p,m", "X": "m,n", "B": "n,q"}, 1),
    ("log(sin(x^3)^2)", "x", {"x": ""}, 1),
    ("logdet(A)", "A", {"A": "n,n"}, 1),
    ("x[2]*x[1:2]", "x", {"x": "n"}, 1),
]


@pytest.mark.parametrize("method", ["autodiff", "differences"])
@pytest.mark.parametrize("text, wrt, shapes, order", CASES)
def test_right_derivatives_agree(text, wrt, shapes, order, method):
    found = derive(text, wrt, shapes, order).verify(method=method)
    assert found, str(found)
    assert found.method == method
    assert found.points >= 3


@pytest.mark.parametrize("method", ["autodiff", "differences"])
@pytest.mark.parametrize("text, wrt, shapes, order", CASES)
def test_wrong_derivatives_differ(text, wrt, shapes, order, method, monkeypatch):
    right = stages.closed_form
    monkeypatch.setattr(stages, "closed_form", lambda total: make("had", number(1.001), right(total)))
    found = derive(text, wrt, shapes, order).verify(method=method)
    assert not found
    assert str(found).startswith("DIFFERS from")


def test_sizes_are_different_ones_and_all_ones():
    found = derive(*CASES[0]).verify()
    assert any(len(set(sizes.values())) == len(sizes) for sizes in found.sizes)
    assert {"N": 1, "n": 1} in found.sizes


def test_sizes_that_an_index_does_not_fit_are_left_out():
    found = derive("x[3]", "x", {"x": "n"}).verify()
    assert found
    assert all(sizes["n"] >= 3 for sizes in found.sizes)


def test_points_are_away_from_kinks():
    found = derive("sum(abs(x)) + norm1(relu(x))", "x", {"x": "n"}).verify(method="differences")
    assert found.worst < 1e-9


def test_the_same_seed_gives_the_same_points_and_another_one_others(monkeypatch):
    drawn = []

    def noting(*given):
        found = point(*given)
        drawn[-1].append({name: np.asarray(value).tolist() for name, value in found.items()})
        return found

    monkeypatch.setattr(verify, "point", noting)
    for seed in (3, 3, 4):
        drawn.append([])
        derive(*CASES[0]).verify(random_state=seed)
    first, again, other = drawn
    assert first == again
    assert len(first) == len(other) > 3
    assert all(place not in first for place in other)


def test_a_symmetric_variable_is_compared_as_one():
    found = derive("a'*X*b", "X", {"a": "n", "X": "n,n", "b": "n"}, assume="X symmetric")
    assert found.verify()
    arrays = {"a": np.array([1.0, 2.0]), "X": np.eye(2), "b": np.array([3.0, 5.0])}
    np.testing.assert_allclose(found.evaluate(**arrays), [[3.0, 11.0], [11.0, 10.0]])


def test_methods_that_do_not_exist_are_refused():
    with pytest.raises(InputError, match="method='guess': expected one of auto, autodiff, differences"):
        derive("x'*x", "x").verify(method="guess")


@pytest.mark.parametrize("seed", [-1, "a", 1.5, None, 2**63])
def test_what_is_no_seed_is_refused(seed):
    with pytest.raises(InputError, match=r"^random_state=.*: expected"):
        derive("x'*x", "x").verify(random_state=seed)


def test_a_function_without_a_value_anywhere_is_refused():
    with pytest.raises(InputError, match="no point was found"):
        derive("log(-exp(x))", "x", {"x": ""}).verify()


def test_a_verification_passes_up_to_its_tolerance():
    found = Verification("autodiff", 1, ({"n": 2},), 1e-9, 1e-8)
    assert found
    assert not dataclasses.replace(found, worst=2e-8)


@pytest.mark.parametrize("text, wrt", [("A*x", "x"), ("x'*A", "x"), ("a'*x", "a"), ("x[1:2]'*a[1:2]", "a")])
def test_results_are_in_memory_of_their_own(text, wrt):
    shapes = {"A": "n,n", "x": "n", "a": "n"}
    found = derive(text, wrt, shapes)
    arrays = {name: np.ones([3] * node.rank) for name, node in found.parameters.items()}
    for result in (found.evaluate(**arrays), found.to_numpy()(**arrays)):
        result += 1
    assert all(np.array_equal(array, np.ones_like(array)) for array in arrays.values())


@pytest.mark.parametrize("language", ["numpy", "torch"])
@pytest.mark.parametrize("wrong", [{"y": np.ones(1)}, {"w": np.ones(4)}, {"X": np.ones((2, 2))}])
def test_exported_functions_refuse_shapes_that_do_not_fit(language, wrong):
    found = derive("norm2(X*w - y)^2", "w", {"X": "N,n", "w": "n", "y": "N"})
    function = found.to_numpy() if language == "numpy" else found.to_torch()
    with pytest.raises(InputError, match="where"):
        function(**{"X": np.ones((2, 3)), "w": np.ones(3), "y": np.ones(2), **wrong})


def test_singular_values_are_refused_by_name():
    found = derive("det(X)", "X", {"X": "n,n"})
    for call in (found.evaluate, found.to_numpy(), found.to_torch()):
        with pytest.raises(InputError, match="singular at these values"):
            call(X=[[1.0, 2.0], [2.0, 4.0]])


def test_a_small_derivative_is_no_rounding(monkeypatch):
    found = derive("1e-9*norm2(x)^2", "x", {"x": "n"})
    assert found.verify()
    right = stages.closed_form
    monkeypatch.setattr(stages, "closed_form", lambda total: make("had", number(1.01), right(total)))
    assert not derive("1e-9*norm2(x)^2", "x", {"x": "n"}).verify()
    assert not derive("1 + 1e-9*norm2(x)^2", "x", {"x": "n"}).verify()


@pytest.mark.parametrize("factor", [1 + 1e-5, 0, -1, 1e10])
@pytest.mark.parametrize("text", ["6.626e-34*norm2(x)^2", "8.854e-12*sum(exp(x))", "1e13 + sum(x)"])
def test_a_derivative_in_whatever_units_is_no_rounding(text, factor, monkeypatch):
    assert derive(text, "x", {"x": "n"}).verify(method="autodiff")
    right = stages.closed_form
    monkeypatch.setattr(stages, "closed_form", lambda total: make("had", number(factor), right(total)))
    assert not derive(text, "x", {"x": "n"}).verify(method="autodiff")


def test_differences_say_nothing_beside_a_large_function():
    with pytest.raises(InputError, match="no point was found"):
        derive("1e13 + x", "x", {"x": ""}).verify(method="differences")
    assert derive("1e13 + x - x", "x", {"x": ""}).verify(method="differences")


@pytest.mark.parametrize("method", ["autodiff", "differences"])
@pytest.mark.parametrize("text", ["max(max(A))", "min(min(A))^2", "max(tr(A))", "sum(max(A, max(tr(A))))"])
def test_the_largest_of_one_number_has_no_kink(text, method):
    verified = derive(text, "A", {"A": "m,m"}).verify(method=method)
    assert verified, verified


@pytest.mark.parametrize("method", ["autodiff", "differences"])
def test_the_rounding_of_a_large_function_is_no_derivative(method):
    verified = derive("1e6*(1 + logdet(A*inv(A)))", "A", {"A": "n,n"}).verify(method=method)
    assert verified, verified


@pytest.mark.parametrize("method", ["autodiff", "differences"])
@pytest.mark.parametrize(
    "text",
    [
        "sin(x)^2 + cos(x)^2",
        "1e-20*(sin(x)^2 + cos(x)^2)",
        "1e9*(tanh(x)^2 + cosh(x)^(-2))",
        "log(exp(x)*exp(-x))",
        "gelu(x) + gelu(-x) - x*erf(x/sqrt(2))",
        "v'*softmax(9*v + x)",  # within whose derivative numbers cancel
        "1e9*sum(softmax(9*v + x))",
        "sum(softmax(9*v)*sum(softmax(9*v + x)))",
        "1e6*logdet(x*A*inv(x*A))",
    ],
)
def test_the_rounding_of_what_does_not_change_is_no_derivative(text, method):
    verified = derive(text, "x", {"x": "", "v": "n", "A": "n,n"}).verify(method=method)
    assert verified, verified


def test_where_automatic_differentiation_finds_no_number_nothing_is_compared():
    with pytest.raises(InputError, match="no point was found"):
        derive("sqrt(x - x)", "x", {"x": ""}).verify(method="autodiff")


@pytest.mark.parametrize("got", [np.ones(3), np.ones((1, 3)), 1.0])
def test_another_shape_is_no_agreement(got):
    assert difference(np.ones((3, 3)), np.asarray(got)) == float("inf")


@pytest.mark.parametrize("method", ["autodiff", "differences"])
@pytest.mark.parametrize(
    "text, wrt, shapes",
    [
        ("-log(softmax(x)[8])", "x", {"x": "n"}),
        ("A[8, 2]^2", "A", {"A": "m,n"}),
        ("norm2(x[3:9])^2", "x", {"x": "n"}),
        ("norm2(x[n-6:n-1])^2", "x", {"x": "n"}),
        ("sum(w .* (x[3:n] - 2*x[2:n-1] + x[1:n-2]).^2)", "x", {"x": "n", "w": "n-2"}),
        ("max(w)*sum(x)", "x", {"x": "n", "w": "n-5"}),
    ],
)
def test_sizes_are_as_large_as_indices_and_declared_sizes_need(text, wrt, shapes, method):
    found = derive(text, wrt, shapes).verify(method=method)
    assert found, str(found)
    assert len(found.sizes) == 4


def test_what_is_too_large_to_be_compared_is_refused():
    with pytest.raises(InputError, match=r"^a 300×300×300×300 tensor is too large to be tried out"):
        derive("X*X", "X", {"X": "300,300"}).verify()
