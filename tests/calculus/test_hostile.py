"""Whatever is typed or passed: an `InputError` or an answer, within seconds and without recursion."""

import re
import time
from fractions import Fraction

import numpy as np
import pytest

from latticework.calculus.called import function
from latticework.calculus.course import lesson
from latticework.calculus.derivation import derive
from latticework.calculus.evaluate import evaluate
from latticework.calculus.expression import make, number, variable
from latticework.calculus.parser import parse
from latticework.calculus.tree import variables
from latticework.core.errors import InputError

DEEP = 10_000
# Of a processor; most take milliseconds. Nothing else guards against a power that is written out or a text that is
# matched again and again: each may be one call that takes minutes, which no count of calls or of nodes shows.
LONGEST_SECONDS = 10.0
SHAPES = {"x": "", "v": "n", "A": "n,n"}


def within_bounds(call):
    """What a call answers, or what it is refused with."""
    begun = time.process_time()
    try:
        found = call()
    except InputError as error:
        found = str(error)
        assert len(found) < 2000
    assert time.process_time() - begun < LONGEST_SECONDS
    return found


@pytest.mark.parametrize(
    "text",
    [
        "(" * DEEP + "x" + ")" * DEEP,
        "[" * DEEP + "x" + "]" * DEEP,
        "-" * DEEP + "x",
        "+" * DEEP + "x",
        "x" + "^x" * DEEP,
        "x" + "^2" * DEEP,
        "v" + "'" * DEEP,
        "sin(" * DEEP + "x" + ")" * DEEP,
        "(" * DEEP,
        ")" * DEEP,
        "([" * DEEP,
        "x/" * DEEP + "x",
        "x+" * 1_000_000 + "x",
        "x*" * 500_000 + "x",
        "a" * 1_000_000,
        "9" * 1_000_000,
        " " * 1_000_000,
    ],
    ids=lambda text: f"{text[:6]}... of {len(text)}",
)
def test_ten_thousand_levels_and_a_million_characters_are_refused(text):
    begun = time.process_time()
    with pytest.raises(InputError) as refused:
        derive(text, "x", SHAPES)
    assert time.process_time() - begun < LONGEST_SECONDS
    assert len(str(refused.value)) < 500


@pytest.mark.parametrize("opened", ["(", "[", "-", "+", "sin(", "exp(-(", "[x; ", "2^", "[[", "(-"])
def test_nesting_just_under_and_over_the_limit_is_handled(opened):
    for levels in (30, 99, 100, 101, 400):
        closed = "".join({"(": ")", "[": "]"}.get(sign, "") for sign in reversed(opened))
        within_bounds(lambda levels=levels, closed=closed: derive(opened * levels + "x" + closed * levels, "x", SHAPES))


@pytest.mark.parametrize(
    "text",
    [
        "(x",
        "x)",
        "[x; x",
        "(x]",
        "sin(x",
        "v[1",
        "v[1:",
        "v[]",
        "v[0]",
        "v[n + 1:n]",
        "x +",
        "* x",
        "x x",
        "2x",
        "x..*x",
        "",
        "   ",
        "__import__('os').system('id')",
        "x.__class__",
        "lambda: x",
        "{x}",
        "%s%n",
        "<script>alert(1)</script>",
        "\\input{/etc/passwd}",
        "$(id)",
        "x; x",
        "x, x",
        "x = 1",
        '"',
        'einsum("ij"',
        'einsum("i->ii", v)',
        'einsum("ab,cd", A, A)',
        "x\0",
        "x + é",
        "x²",
        "ｘ",
        "x\u202e+1",
        "x + 😀",
        "x + \ud800",
        "x*1e999",
        "x*" + "9" * 50,
        "v[999999999999]",
        "eye(999999999999)",
        "reshape(v, 999999999, 2)",
        "A^13",
        "A^0.5",
        "A^x",
        "sin()",
        "sin(x, x)",
        "kron(A)",
        "max(x, x, x)",
        "vector(v)",
        "matrix(1, n)",
    ],
)
def test_what_is_no_expression_is_refused_with_its_place(text):
    with pytest.raises(InputError) as refused:
        derive(text, "x", SHAPES)
    message, *shown = str(refused.value).splitlines()
    assert message
    if shown:
        assert shown[-1].strip() == "^"


@pytest.mark.parametrize(
    "text",
    [
        "9^9^9^9*x",
        "x^(9^9^9)",
        "x^1e300",
        "x^99999999999999999999",
        "0^0*x",
        "x/0",
        "x*0^(-1)",
        "log(0)*x",
        "(x/0)^2",
        "x^x^x",
        "x\n+\t1",
        "x < x < x",
        "x - x",
        "0*x",
        "x^0",
        "vector(1)'*vector(1)*x",
        "1e-300*x*1e-300",
        " + ".join(f"x^{k}" for k in range(1, 400)),
        "*".join(f"sin({k}*x)" for k in range(1, 90)),
        "*".join(f"sin({k}*x)" for k in range(1, 300)),
        "/".join(["x"] * 600),
        "/".join(["x"] * 2000),
        "tr((A^12)^12)",
        "sum(" + " .* ".join(f"sin({k}*v)" for k in range(1, 200)) + ")",
        "v" + "[1:n]" * 500,
    ],
    ids=lambda text: text[:24],
)
def test_odd_and_long_expressions_are_handled_in_bounded_time(text):
    for name in ("x", "v", "A"):
        for order in (1, 2):
            within_bounds(lambda name=name, order=order: str(derive(text, name, SHAPES, order=order)))


def test_a_product_of_three_hundred_factors_is_differentiated():
    scalars = {f"v{k}": "" for k in range(300)}
    found = within_bounds(lambda: derive("*".join(scalars), "v7", scalars))
    assert found.evaluate(**dict.fromkeys(scalars, 1.0)) == 1
    vectors = {f"v{k}": "n" for k in range(300)}
    within_bounds(lambda: derive(f"sum({' .* '.join(vectors)})", "v7", vectors))
    matrices = {f"A{k}": "n,n" for k in range(300)}
    within_bounds(lambda: derive(f"tr({'*'.join(matrices)})", "A7", matrices))


@pytest.mark.parametrize("row, column", [(True, True), (True, False), (False, True), (False, False)])
def test_a_product_of_a_thousand_factors_is_exported(row, column):
    x, matrices = variable("x", "n"), [variable("A", "n,n")] * 1200
    root = make("mul", *([x.T] if row else []), *matrices, *([x] if column else []))
    call = within_bounds(lambda: function(root, "numpy"))
    arrays = {"x": np.array([1.0, 2.0]), "A": np.array([[0.0, 1.0], [-1.0, 0.0]])}
    assert np.allclose(call(**{name: arrays[name] for name in variables(root)}), evaluate(root, arrays))


def test_guesses_of_shapes_for_a_long_text_end():
    terms = "+".join("pqrstuvw"[k % 8] for k in range(1990))
    assert "kron" in within_bounds(lambda: derive(f"{terms}+kron(1, 2)", "p"))


@pytest.mark.parametrize("levels", [12, 20])
def test_a_polynomial_of_matrices_within_each_other_is_differentiated(levels):
    text = "A*(B + " * levels + "A*C" + ")" * levels
    shapes = {"A": "n,n", "B": "n,n", "C": "n,n"}
    found = within_bounds(lambda: derive(f"tr({text})", "A", shapes))
    arrays = {name: np.array([[0.5]]) for name in shapes}
    assert np.allclose(found.evaluate(**arrays), sum(k * 0.5**k for k in range(1, levels + 2)))


def squared(times):
    expr = variable("x")
    for _ in range(times):
        expr = expr * expr + 1
    return expr


def test_what_is_shared_again_and_again_is_differentiated_and_shown():
    expr = squared(200)
    assert within_bounds(lambda: derive(expr, "x").order) == 1
    assert len(within_bounds(lambda: str(expr))) < 100_000
    assert len(within_bounds(lambda: repr(derive(expr, "x")))) < 1_000_000
    assert within_bounds(lambda: derive(squared(6), "x").evaluate(x=0.0)) == 0


@pytest.mark.parametrize("join", ["add", "had", "mul"])
def test_doubling_an_expression_a_hundred_times_is_refused(join):
    def doubled():
        expr = variable("A", "n,n")
        for _ in range(100):
            expr = make(join, expr, expr)

    assert "operands" in within_bounds(doubled)


def test_deep_expressions_built_in_python_are_refused_or_handled():
    def chain(levels):
        expr = variable("x")
        for _ in range(levels):
            expr = make("sin", expr)
        return expr

    assert "nested" in within_bounds(lambda: chain(DEEP))
    found = within_bounds(lambda: derive(chain(900), "x"))
    assert abs(found.evaluate(x=0.0) - 1) < 1e-12
    within_bounds(lambda: str(found))
    assert "steps" in within_bounds(lambda: found.steps)
    assert within_bounds(lambda: derive(chain(200), "x").steps)


@pytest.mark.parametrize(
    "told, every",
    [
        ("shapes are given by name", [3, "x", ["x"], [("x", "")]]),
        ("the name of a variable is a text", [{3: ""}]),
        ("the name of a variable is a word", [{"x y": ""}, {"": ""}, {"é": ""}]),
        ("the shape of 'x' is a text", [{"x": shape} for shape in (3, None, [1, 2], ("n", "m"), b"n")]),
        ("a shape has at most two sizes, got '1,2,3'", [{"x": "1,2,3"}]),
        ("a size is a name or a number, such as 'n', '3'", [{"x": shape} for shape in ("n,,", "-1", "N;n", "1e9")]),
        ("sizes are at least 1", [{"x": "0"}, {"x": "1-2"}]),
        (
            "a size has at most 200 characters",
            [{"x": "n" * 100_000}, {"x": "9" * 1000}, {"x": "+".join("n" * 100_000)}, {"x": "*".join("n" * 100_000)}],
        ),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_shapes_that_are_none_are_refused(told, every):
    for shapes in every:
        with pytest.raises(InputError, match=told):
            derive("x*2", "x", shapes)


@pytest.mark.parametrize("text", [None, 3, b"x", ["x"], object()], ids=lambda text: type(text).__name__)
def test_other_things_than_text_are_refused(text):
    told = f"an expression is a text, got {type(text).__name__}"
    with pytest.raises(InputError, match=told):
        derive(text, "x", {"x": ""})
    with pytest.raises(InputError, match=told):
        parse(text)


@pytest.mark.parametrize(
    "wrt", [None, 3, "", "y", "x'", ["x"], b"x", "x" * 1_000_000, "<b>", "x\0"], ids=lambda w: f"{w!r:.9}"
)
def test_a_variable_that_is_none_is_refused(wrt):
    with pytest.raises(InputError) as refused:
        derive("x*2", wrt, {"x": ""})
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize("order", [np.int64(2), np.uint8(2)])
def test_an_order_is_a_whole_number_of_any_type(order):
    assert str(derive("x'*A*x", "x", order=order)) == str(derive("x'*A*x", "x", order=2)) == "A + A'"


@pytest.mark.parametrize(
    "order", [0, -1, 5, np.int64(5), np.True_, np.float64(2), 1.0, "1", None, True, 10**9, 10**5000], ids=type
)
def test_an_order_that_is_none_is_refused(order):
    with pytest.raises(InputError, match="order"):
        derive("x*2", "x", {"x": ""}, order=order)


@pytest.mark.parametrize(
    "text", ["*".join(["9" * 40] * 150), "x/" + "/".join(["9" * 40] * 150), "*".join(["2^60"] * 99)]
)
def test_numbers_that_grow_past_all_floating_point_are_refused(text):
    with pytest.raises(InputError, match=r"^a number is larger than 2\^1023"):
        str(derive(f"{text}*x", "x", {"x": ""}))


@pytest.mark.parametrize(
    "text", ["(1e200*x)^3", "(1e-200*x)^(-3)", "*".join(["9" * 40] * 9) + "*1e-300*x", "1e300*x*1e300"]
)
@pytest.mark.parametrize("order", [1, 2])
def test_fractional_numbers_that_grow_past_all_others_are_refused(text, order):
    with pytest.raises(InputError, match=r"a number that is larger than any|a number must be finite"):
        str(derive(f"({text})^3", "x", {"x": ""}, order=order))


@pytest.mark.parametrize("divided", ["(A{})'", "(A'{})'", "(eye(n){})", "(diag(v){})'"])
@pytest.mark.parametrize("by", [" ./ B", "/x", "/2"])
def test_a_matrix_divided_a_thousand_times_is_differentiated(divided, by):
    matrix = divided.format(by * 1200)
    shapes = {**SHAPES, "B": "n,n"}
    for text, name in ((f"v'*{matrix}*v", "v"), (f"sum({matrix}*v)", "v"), (f"tr({matrix})*x", "x")):
        found = within_bounds(lambda text=text, name=name: derive(text, name, shapes))
        if not isinstance(found, str):
            within_bounds(lambda found=found: found.source("numpy"))
            within_bounds(lambda found=found: str(found))
            within_bounds(lambda found=found: function(found.expression, "numpy"))


@pytest.mark.parametrize("other", [np.ones(3), "A", None, [[1.0]]], ids=lambda other: type(other).__name__)
def test_a_product_with_what_is_no_expression_is_refused(other):
    matrix = variable("A", "n,n")
    for product in (lambda: matrix @ other, lambda: other @ matrix, lambda: matrix * other):
        with pytest.raises(InputError, match=r"^expected a number, got"):
            product()
    assert matrix @ 2 is matrix * 2
    assert 2 @ matrix is 2 * matrix


def test_a_number_of_too_many_digits_is_refused():
    for value in (10**5000, Fraction(1, 10**5000)):
        with pytest.raises(InputError, match=r"^a number is larger than 2\^1023"):
            variable("x", "") * value


def test_a_lesson_of_any_name_is_refused():
    for name in (10**5000, "x" * 10**6, None):
        with pytest.raises(InputError, match=r"^there is no lesson .{0,60}: expected one of"):
            lesson(name)


@pytest.mark.parametrize("layout", [None, "n", "NUMERATOR", 3, ["numerator"], np.array(["numerator"] * 2)])
def test_a_layout_that_is_none_is_refused(layout):
    with pytest.raises(InputError, match=r"^layout=.*: expected one of numerator, denominator$"):
        derive("x*2", "x", {"x": ""}, layout=layout)


@pytest.mark.parametrize(
    "assume",
    [
        "x",
        "x foo",
        "y symmetric",
        "x symmetric",
        "x symmetric, ,",
        3,
        1.5,
        object(),
        ["x"],
        [3],
        [None],
        b"x positive",
        {"x": 3},
        {"x": None},
        {"x": ["foo"]},
        {"x": ["positive", 3]},
        {3: "symmetric"},
    ],
    ids=lambda assume: f"{assume!r:.20}",
)
def test_an_assumption_that_is_none_is_refused(assume):
    with pytest.raises(InputError, match="assume"):
        derive("x*2", "x", {"x": ""}, assume=assume)


@pytest.mark.parametrize(
    "arrays, told",
    [
        ({}, "no value for A"),
        ({"A": [[1, 2]]}, "no value for x"),
        ({"A": 1, "x": [1]}, "got an array of shape ()"),
        ({"A": "foo", "x": [1]}, "not an array of numbers"),
        ({"A": [["a"]], "x": [1]}, "not an array of numbers"),
        ({"A": [[1], [2, 3]], "x": [1]}, "not an array of numbers"),
        ({"A": None, "x": [1]}, "got an array of shape ()"),
        ({"A": {}, "x": [1]}, "not an array of numbers"),
        ({"A": [[[1]]], "x": [1]}, "got an array of shape (1, 1, 1)"),
        ({"A": [], "x": [1]}, "got an array of shape (0,)"),
        ({"A": [[1, 2]], "x": [1, 2, 3]}, "x is n, where n = 2, got shape (3,)"),
    ],
    ids=lambda each: f"{each!r:.30}",
)
def test_values_that_do_not_fit_are_refused(arrays, told):
    found = derive("sin(A*x)", "x", {"A": "m,n", "x": "n"})
    with pytest.raises(InputError, match=re.escape(told)):
        found.evaluate(**arrays)


@pytest.mark.parametrize("text", ["logsumexp(x)", "max(x)", "min(x)", "sum(x .* softmax(x))"])
def test_an_array_without_elements_has_no_largest_one(text):
    found = derive(text, "x", {"x": "n"})
    with pytest.raises(InputError, match="sizes are at least 1"):
        found.evaluate(x=[])
    with pytest.raises(InputError, match="sizes are at least 1"):
        found.to_numpy()([])
    if text in ("max(x)", "min(x)"):  # of the others torch has a value
        with pytest.raises(InputError, match="sizes are at least 1"):
            found.to_torch()([])


@pytest.mark.parametrize("value", [True, "1", None, 1j, float("inf"), float("nan")], ids=repr)
def test_numbers_that_are_none_are_refused(value):
    told = "a number must be finite" if isinstance(value, float) else "expected a number"
    with pytest.raises(InputError, match=rf"{told}, got {value!r}$"):
        number(value)


def test_names_of_python_are_names_like_any_other():
    for name in ("lambda", "class", "import", "np", "torch", "math", "sigmoid", "__import__", "self", "_"):
        found = derive(f"{name}^2", name, {name: ""})
        assert found.evaluate(**{name: 3.0}) == 6
        names: dict = {}
        exec(compile(found.source("numpy"), "<exported>", "exec"), names)  # noqa: S102 - what the engine wrote
        assert names["derivative"](3.0) == 6


@pytest.mark.parametrize("names", ["lambda lambda_", "lambda_ lambda", "np np_ np__", "__ _ ___"])
def test_names_that_are_changed_stay_different_ones(names):
    values = dict(zip(names.split(), (2.0, 3.0, 5.0), strict=False))
    first, *rest = values
    found = derive("*".join([f"{first}^2", *(f"sin({name})" for name in rest)]), first, dict.fromkeys(values, ""))
    code: dict = {}
    exec(compile(found.source("numpy"), "<exported>", "exec"), code)  # noqa: S102 - what the engine wrote
    assert code["derivative"](*values.values()) == found.evaluate(**values)


@pytest.mark.parametrize("text", ["n*sum(x)", "n*mean(x)"])
def test_a_name_of_both_a_variable_and_a_size_is_refused(text):
    with pytest.raises(InputError, match=r"^'n' is a variable and a size, .*: rename one of them$"):
        derive(text, "x", {"n": "", "x": "n"})
    with pytest.raises(InputError, match=r"^'n' is a variable and a size"):
        derive(variable("n") * make("sum", variable("x", "n")), "x")


@pytest.mark.parametrize(
    "text, shapes", [("pi*erf(x)", {"pi": "", "x": ""}), ("eye*x", {"eye": ""}), ("sum(x)", {"x": "pi"})]
)
def test_a_name_that_answers_use_otherwise_is_refused(text, shapes):
    with pytest.raises(InputError, match=r"^'(pi|eye)' has a meaning of its own in answers: give the variable or size"):
        derive(text, "x", shapes)


def test_huge_powers_of_numbers_are_not_written_out():
    assert str(derive("2^1000000*x", "x", {"x": ""})) == "2^1000000"


def test_a_function_gets_no_name_that_is_code():
    with pytest.raises(InputError, match="is not a name that a function can have"):
        derive("x", "x", {"x": "n"}).source("numpy", name="import os; x")
    for name in ("softmax", "np"):
        with pytest.raises(InputError, match="is not a name that a function can have"):
            derive("logsumexp(z)", "z", {"z": "n"}).source("numpy", name=name)
