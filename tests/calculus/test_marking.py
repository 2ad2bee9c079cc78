"""Answers are marked: right, right in another layout, or wrong where it shows."""

from __future__ import annotations

import numpy as np
import pytest

from latticework.calculus import check, derive
from latticework.calculus.evaluate import evaluate
from latticework.core.errors import InputError

LEAST_SQUARES = ("norm2(X*w - y)^2", "w")
SHAPES = {"X": "N,n", "w": "n", "y": "N"}


@pytest.mark.parametrize("answer", ["2*(X*w - y)'*X", "2*w'*X'*X - 2*y'*X", "-2*(y - X*w)'*X", "2*X'*X*w - 2*X'*y"])
def test_an_answer_may_be_written_in_any_way(answer):
    assert check(*LEAST_SQUARES, answer, SHAPES)


def test_a_gradient_as_a_column_is_right_up_to_layout():
    marked = check(*LEAST_SQUARES, "2*X'*(X*w - y)", SHAPES)
    assert marked.verdict == "equal up to layout"
    assert "2*(X*w - y)'*X" in marked.message
    assert check(*LEAST_SQUARES, "2*X'*(X*w - y)", SHAPES, layout="denominator").verdict == "equal"


@pytest.mark.parametrize(
    "answer, remark",
    [
        ("(X*w - y)'*X", "1/2 times"),
        ("2*(y - X*w)'*X", "-1 times"),
        ("2*(X*w + y)'*X", "the answer is not the derivative"),
        ("2*(X*w - y)'*X + 1", "the answer is not the derivative"),
    ],
)
def test_a_wrong_answer_has_a_counterexample_that_is_one(answer, remark):
    marked = check(*LEAST_SQUARES, answer, SHAPES)
    assert not marked
    assert remark in marked.message
    shown = marked.counterexample
    assert shown is not None
    np.testing.assert_allclose(evaluate(marked.expected, shown.values), shown.expected)
    assert np.abs(shown.expected - shown.got).max() > 1e-6


def test_counterexamples_are_as_small_as_can_be():
    shown = check(*LEAST_SQUARES, "(X*w - y)'*X", SHAPES).counterexample
    assert shown is not None
    assert all(np.size(value) == 1 for value in shown.values.values())
    # x'*A and x'*A' agree for one element: two are needed.
    shown = check("x'*A*x", "x", "2*x'*A", {"A": "n,n", "x": "n"}).counterexample
    assert shown is not None
    assert np.shape(shown.values["x"]) == (2,)
    assert "the derivative is" in str(shown)


def test_shapes_that_do_not_fit_are_wrong_without_a_point():
    marked = check(*LEAST_SQUARES, "2*X*w", SHAPES)
    assert (marked.verdict, marked.counterexample) == ("wrong", None)
    assert marked.message == "the answer is a vector of N, but the derivative is a row of n"


@pytest.mark.parametrize("answer", ["z*eye", "diag(z*vector(1))", "z*eye(n)", "diag(z + 0*x)"])
def test_constants_in_an_answer_take_the_size_that_they_need(answer):
    assert check("x*z", "x", answer, {"x": "n", "z": ""}).verdict == "equal"


def test_matrices_are_compared_with_their_transpose():
    shapes = {"A": "p,m", "X": "m,n", "B": "n,p"}
    assert check("tr(A*X*B)", "X", "B*A", shapes).verdict == "equal"
    assert check("tr(A*X*B)", "X", "A'*B'", shapes).verdict == "equal up to layout"
    assert check("tr(A*X*B)", "X", "A'*B'", shapes, layout="denominator").verdict == "equal"


def test_derivatives_of_matrices_are_compared_as_kronecker_products():
    shapes = {"A": "p,m", "X": "m,n", "B": "n,q"}
    assert check("A*X*B", "X", "kron(B', A)", shapes).verdict == "equal"
    assert not check("A*X*B", "X", "kron(B, A)", {"A": "p,p", "X": "p,p", "B": "p,p"})


def test_hessians_are_marked_too():
    assert check(*LEAST_SQUARES, "2*X'*X", SHAPES, order=2).verdict == "equal"
    assert not check(*LEAST_SQUARES, "X'*X", SHAPES, order=2)


def test_an_answer_without_a_value_where_the_derivative_has_one_is_wrong():
    assert not check("sum(x.^2)", "x", "2*log(-exp(x))'", {"x": "n"})


@pytest.mark.parametrize(
    "text, answer, shapes",
    [
        ("abs(x)^3/3", "sqrt(x)*x^1.5", {"x": ""}),
        ("x^2/2", "sqrt(x)^2", {"x": ""}),
        ("abs(x)^3/3", "sqrt(x)*x^1.5 + exp(-1e5*(x^2 + 1))", {"x": ""}),
        ("x^2/2", "exp(log(x))", {"x": ""}),
        ("norm2(x)^2/2", "(sqrt(x).^2)'", {"x": "n"}),
        ("norm2(x)^2", "2*x'*(n - 1)/(n - 1)", {"x": "n"}),  # for one element
        ("norm2(X*x)^2", "2*x'*X'*X*inv(X'*X)*X'*X", {"X": "N,n", "x": "n"}),  # for fewer rows than columns
    ],
)
def test_an_answer_without_a_value_where_the_derivative_has_one_is_shown_there(text, answer, shapes):
    marked = check(text, "x", answer, shapes)
    assert marked.verdict == "wrong"
    assert marked.message == "the answer has no value at points where the derivative has one"
    shown = marked.counterexample
    assert shown is not None
    assert np.isfinite(shown.expected).all()
    assert not np.isfinite(shown.got).all()


@pytest.mark.parametrize(
    "text, answer",
    [
        ("x^2/2", "x^2/x"),  # at 0 alone it has none
        ("x^3/3", "abs(x)^3/abs(x)"),
        ("x*log(x)", "log(x) + sqrt(x)^2/x"),  # the function itself has none for x < 0
        ("sqrt(x)^2/2", "sqrt(x)^2/(2*x)"),
        ("log(1 + exp(500*x))", "500*exp(500*x)/(1 + exp(500*x))"),  # too large a number is no missing one
        ("log(1 + exp(-900*x))", "-900*exp(-900*x)/(1 + exp(-900*x))"),
    ],
)
def test_an_answer_that_has_a_value_all_around_is_right(text, answer):
    assert check(text, "x", answer, {"x": ""}).verdict == "equal"


def test_a_place_where_an_answer_alone_has_no_value_is_no_counterexample():
    marked = check("x^3/3", "x", "2*x^3/x", {"x": ""})
    assert marked.message == "the answer is 2 times the derivative"
    assert str(marked.counterexample) == "at x = 1 the derivative is 1, the answer gives 2"


def test_an_answer_without_a_value_is_told_as_one():
    assert str(check("x^2/2", "x", "sqrt(x)^2", {"x": ""})).splitlines() == [
        "wrong: the answer has no value at points where the derivative has one",
        "at x = -1 the derivative is -1, the answer has no value",
    ]


@pytest.mark.parametrize("text, answer", [("max(x)", "1"), ("min(x)^2", "2*x"), ("max(max(A))*x", "max(A)")])
def test_the_largest_of_one_number_has_no_kink(text, answer):
    assert check(text, "x", answer, {"x": "", "A": "m,n"}).verdict == "equal"


def test_variables_that_the_expression_does_not_have_are_refused():
    with pytest.raises(InputError, match="the answer has q, which the expression does not have"):
        check("x'*x", "x", "2*q'", {"x": "n"})


def test_an_answer_that_cannot_be_read_is_refused_with_its_place():
    with pytest.raises(InputError, match=r"(?s)expected '\)'.*\^"):
        check("x'*x", "x", "2*(x", {"x": "n"})


def test_what_the_engine_answers_is_right_by_its_own_check():
    for text, wrt, shapes in [
        ("log(1 + exp(w'*x))", "w", {"w": "n", "x": "n"}),
        ("inv(X)*b", "b", {"X": "n,n", "b": "n"}),
    ]:
        assert check(text, wrt, str(derive(text, wrt, shapes)), shapes).verdict == "equal"


@pytest.mark.parametrize(
    "text, answer",
    [
        ("1e-9*x^2", "0"),
        ("1e-9*x^2", "1e-9*x"),
        ("1 + 1e-9*x^2", "0"),
        ("cos(y[1]) + 1e-9*x^2", "1e-9*x"),
        ("x^2/1e7", "x/1e7"),
        ("sum(x*y)/1e9", "0"),
        ("1e-13*x", "0"),
        ("8.854e-12*x", "9e-12"),
        ("6.626e-34*x", "1e-20"),
        ("6.626e-34*x^2/2", "6.627e-34*x"),
        ("1e13 + x", "2"),
        ("x^2", "5*x + 1e30*(sin(x)^2 + cos(x)^2 - 1)"),
        ("(1e-20*x)^2*cos(y[1])", "1e-40*x*cos(y[1])"),
        ("1e-30*log(softmax([x; 0])[1])", "1.001e-30*softmax([x; 0])[2]"),
    ],
)
def test_small_derivatives_are_no_rounding(text, answer):
    marked = check(text, "x", answer, {"x": "", "y": "n"})
    assert marked.verdict == "wrong"
    assert marked.counterexample is not None


@pytest.mark.parametrize(
    "text, wrt, answer",
    [
        ("1e-9*x^2", "x", "2e-9*x"),
        ("1e-9*norm2(x)^2", "x", "1e-9*(x + x)'"),
        ("sin(x)^2 + cos(x)^2", "x", "0"),
        ("logdet(A*inv(A))", "A", "matrix(0)"),
        ("1e6*(1 + logdet(A*inv(A)))", "A", "matrix(0)"),
        ("1e-9*logdet(A*inv(A))", "A", "1e-9*(inv(A) - inv(A)*A*inv(A))"),
        ("1e-30*logdet(A*inv(A))", "A", "matrix(0)"),
        ("1e13 + norm2(x)^2", "x", "2*x'"),
        ("norm2(x)^2", "x", "(2*x + 1e6 - 1e6)'"),
        ("sum(x)^2", "x", "2*(sum(x .* x) - x'*x + sum(x))*vector(1)'"),
        ("1e-25*norm2(x)^2", "x", "1e-25*(2*x + log(exp(x)) - x)'"),
    ],
)
def test_rounding_is_no_derivative(text, wrt, answer):
    shapes = {"A": "n,n", "x": "" if "sin" in text or text.startswith("1e-9*x") else "n"}
    assert check(text, wrt, answer, shapes).verdict == "equal"


@pytest.mark.parametrize(
    "text, answer",
    [
        ("abs(tr(X))", "eye"),
        ("relu(tr(X))", "eye"),
        ("relu(-tr(X))", "matrix(0)"),
        ("norm1(diag(X))", "eye"),
        ("tr(X)^2", "2*abs(tr(X))*eye"),
        ("abs(det(X))", "det(X)*inv(X)"),
    ],
)
def test_matrices_are_tried_with_either_sign(text, answer):
    assert check(text, "X", answer, {"X": "n,n"}).verdict == "wrong"


@pytest.mark.parametrize("text, answer", [("abs(tr(X))", "sign(tr(X))*eye"), ("log(det(X))", "inv(X)")])
def test_a_sign_that_an_answer_heeds_is_no_mistake(text, answer):
    assert check(text, "X", answer, {"X": "n,n"}).verdict == "equal"


@pytest.mark.parametrize(
    "text, wrt, wrong",
    [
        ("-log(softmax(x)[8])", "x", "softmax(x)'"),
        ("x[6]^2", "x", "2*x'"),
        ("x[n-6]*x[2]", "x", "x'"),
        ("sum(w .* (x[3:n] - 2*x[2:n-1] + x[1:n-2]).^2)", "x", "2*x'"),
        ("sum(max(w)*v)", "v", "vector(2, n-1)'"),
    ],
)
def test_sizes_that_are_tried_have_room_for_indices_and_declared_sizes(text, wrt, wrong):
    shapes = {"x": "n", "w": "n-2", "v": "n-1"}
    assert check(text, wrt, str(derive(text, wrt, shapes)), shapes).verdict == "equal"
    marked = check(text, wrt, wrong, shapes)
    assert marked.verdict == "wrong"
    shown = marked.counterexample
    assert shown is not None
    assert all(np.array_equal(value, np.round(value)) for value in shown.values.values())


def test_what_is_too_large_to_be_tried_is_refused():
    with pytest.raises(InputError, match=r"^a 10000×10000 matrix is too large to be tried out"):
        check("A*X*B", "X", "kron(B', A)", dict.fromkeys("AXB", "100,100"))
