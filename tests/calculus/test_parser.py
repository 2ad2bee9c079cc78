import random
from fractions import Fraction

import numpy as np
import pytest
from calculus.expressions import SHAPES, SIZES, Writer, arrays_of

from latticework.calculus.derivation import derive
from latticework.calculus.evaluate import evaluate
from latticework.calculus.expression import make, number, variable
from latticework.calculus.parser import parse
from latticework.calculus.tree import variables
from latticework.core.errors import InputError

DECLARED = {"a": "", "b": "", "c": "", "x": "n", "y": "n", "z": "m", "A": "m,n", "B": "m,n", "S": "n,n"}
a, b, c = (variable(name) for name in "abc")
x, y, z = variable("x", "n"), variable("y", "n"), variable("z", "m")
A, B, S = variable("A", "m,n"), variable("B", "m,n"), variable("S", "n,n")
n = A.shape[1]


def read(text, shapes=DECLARED):
    return parse(text, shapes)


def refusal(text, shapes=DECLARED):
    """The message, and the character that the caret is under."""
    with pytest.raises(InputError) as refused:
        parse(text, shapes)
    message, shown, caret = str(refused.value).splitlines()
    return message, caret.index("^"), shown


@pytest.mark.parametrize(
    "text, meant",
    [
        ("a + b*c", a + b * c),
        ("a - b - c", (a - b) - c),
        ("a/b/c", (a / b) / c),
        ("a/b*c", (a / b) * c),
        ("a*b/c", (a * b) / c),
        ("-a^2", -(a**2)),
        ("(-a)^2", (-a) ** 2),
        ("-a*b", -(a * b)),
        ("-a + b", (-a) + b),
        ("a - -b", a - (-b)),
        ("a^b^c", a ** (b**c)),
        ("a^-b", a ** (-b)),
        ("2^-1", number(2) ** -number(1)),
        ("2*A'", 2 * A.T),
        ("-x'", -(x.T)),
        ("x''", x.T.T),
        ("A'*z", A.T @ z),
        ("x'*S*x", x.T @ S @ x),
        ("(A*x)'", (A @ x).T),
        ("x .* y", x * y),
        ("x ./ y", x / y),
        ("x.^2", x**2),
        ("x.^y", x**y),
        ("-x.^2", -(x**2)),
        ("2.^x", number(2) ** x),
        ("x'.^y'", x.T**y.T),
        ("a*x .* y", (a * x) * y),
        ("A/a", A / a),
        ("x + a", x + a),
        ("x > a", make("compare", x, a, data=">")),
        ("x .* y > a + b", make("compare", x * y, a + b, data=">")),
        ("a >= b", make("compare", a, b, data=">=")),
        ("(a > b)*c", make("compare", a, b, data=">") * c),
        ("S^2", S @ S),
        ("S^3", S @ S @ S),
        ("S^-1", make("inv", S)),
        ("S^(-2)", make("inv", S) @ make("inv", S)),
        ("S.^2", S**2),
        ("ln(a)", make("log", a)),
        ("trace(S)", make("tr", S)),
        ("transpose(A)", A.T),
        ("0.5*a", Fraction(1, 2) * a),
        (".5*a", Fraction(1, 2) * a),
        ("1e3*a", number(1000) * a),
        ("1.5e-3*a", Fraction(3, 2000) * a),
        ("1e-300*a", number(1e-300) * a),
        ("1.25", number(Fraction(5, 4))),
        ("pi*a", make("pi") * a),
        ("n*a", make("size", data=n) * a),
        ("max(x)", make("max", x)),
        ("max(x, y)", make("maximum", x, y)),
        ("min(0, x)", make("minimum", number(0), x)),
        ("max(a, 0)", make("maximum", a, number(0))),
        ("kron(A, B)", make("kron", A, B)),
        ("vector(1) + x", make("ones", data=(n,)) + x),
        ("vector(0) + x", make("zeros", data=(n,)) + x),
        ("vector(3) + x", 3 * make("ones", data=(n,)) + x),
        ("matrix(1) + A", make("ones", data=A.shape) + A),
        ("vector(1, n)", make("ones", data=(n,))),
        ("matrix(1, m, n)", make("ones", data=A.shape)),
        ("eye + S", make("eye", data=n) + S),
        ("eye(n)", make("eye", data=n)),
        ("[a]", a),
        ("[a; b]", make("stack", a, b, data=0)),
        ("[a, b]", make("stack", a, b, data=1)),
        ("[A; x']", make("stack", A, x.T, data=0)),
        ("[[a, b]; [b, c]]", make("stack", make("stack", a, b, data=1), make("stack", b, c, data=1), data=0)),
        ("reshape(vec(A), m, n)", make("unvec", make("vec", A), data=A.shape)),
        ("x\n + \t y", x + y),
        ("((((a))))", a),
        ("+a", a),
    ],
)
def test_text_means_the_expression_that_python_builds(text, meant):
    assert read(text) is meant


@pytest.mark.parametrize(
    "text, shape",
    [
        ("x[1]", "scalar"),
        ("x[1:2]", "vector of 2"),
        ("x[:]", "vector of n"),
        ("x'[1:2]", "row of 2"),
        ("A[1, 2]", "scalar"),
        ("A[1, :]", "row of n"),
        ("A[:, 1]", "vector of m"),
        ("A[1:2, :]", "2×n matrix"),
        ("A[1:m, 1:n]", "m×n matrix"),
        ("[x; y]", "vector of 2*n"),
        ("[x; 1]", "vector of n + 1"),
        ("[x, y]", "n×2 matrix"),
        ("[x', y']", "row of 2*n"),
        ("[A; B]", "2*m×n matrix"),
        ("[A, z]", "m×(n + 1) matrix"),
        ("rowsum(A)", "vector of m"),
        ("colsum(A)", "row of n"),
        ("logsumexp(A)", "vector of m"),
        ("softmax(A)", "m×n matrix"),
        ("diag(S)", "vector of n"),
        ("diag(x)", "n×n matrix"),
        ("vec(A)", "vector of m*n"),
        ("kron(x, y)", "vector of n*n"),
        ("kron(x', y)", "n×n matrix"),
        ("x*y'", "n×n matrix"),
        ("x'*y", "scalar"),
        ('einsum("ij,kj->ik", A, B)', "m×m matrix"),
        ('einsum("i->", x)', "scalar"),
    ],
)
def test_shapes_follow_from_those_of_operands(text, shape):
    assert read(text).shape_text == shape


@pytest.mark.parametrize(
    "text, value",
    [
        ("x[2]", 2.0),
        ("A[2, 3]", 6.0),
        ("A[2, :]'", [4.0, 5.0, 6.0]),
        ("A[:, 3]", [3.0, 6.0]),
        ("x[2:3]", [2.0, 3.0]),
        ("[x; 4]", [1.0, 2.0, 3.0, 4.0]),
        ("[A; x']", [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [1.0, 2.0, 3.0]]),
        ("[A, A[:, 1]]", [[1.0, 2.0, 3.0, 1.0], [4.0, 5.0, 6.0, 4.0]]),
        ("vec(A)", [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]),
        ("reshape(vec(A), m, n)", [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]),
        ("max(x, 2)", [2.0, 2.0, 3.0]),
        ("max(A)", 6.0),
        ("min(x)", 1.0),
        ("x > 1", [0.0, 1.0, 1.0]),
        ("x == 2", [0.0, 1.0, 0.0]),
        ("2^3^2", 512.0),
        ("-2^2", -4.0),
        ("8/2/2", 2.0),
        ("n + m", 5.0),
        ("kron([1; 2], x)", [1.0, 2.0, 3.0, 2.0, 4.0, 6.0]),
        ("mean(A)", 3.5),
        ("norm1(A)", 21.0),
        ("tr(A*A')", 91.0),
    ],
)
def test_values_are_those_of_mathematics_with_indices_from_one(text, value):
    arrays = {"x": np.array([1.0, 2.0, 3.0]), "A": np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]), "n": 3, "m": 2}
    np.testing.assert_allclose(evaluate(parse(text, {"x": "n", "A": "m,n"}), arrays), value)


@pytest.mark.parametrize(
    "text, place, told",
    [
        ("w'*x", 2, ["w' (row of n)", "x (vector of m)"]),
        ("a + x*y", 5, ["x (vector of n)", "y (vector of n)", "x'*y"]),
        ("x + z", 2, ["x (vector of n)", "z (vector of m)"]),
        ("x' + y", 3, ["x' (row of n)", "y (vector of n)"]),
        ("2*(A + B')", 5, ["A (m×n matrix)", "B' (n×m matrix)"]),
        ("A .* B'", 2, ["A (m×n matrix)", "B' (n×m matrix)"]),
        ("x ./ z", 2, ["x (vector of n)", "z (vector of m)"]),
        ("x > z", 2, ["x (vector of n)", "z (vector of m)"]),
        ("a + det(A)", 4, ["square", "A (m×n matrix)"]),
        ("x/y", 1, ["./", "y (vector of n)"]),
        ("x^2", 1, [".^", "x (vector of n)"]),
        ("rowsum(x)", 0, ["matrix", "x (vector of n)"]),
        ("a + [x; A]", 4, ["A (m×n matrix)", "x (vector of n)"]),
        ("[a, b; c]", 5, ["stack"]),
        ("A[3]", 1, ["2 axes"]),
        ("A[0, 1]", 1, ["index 0", "indices begin at 1"]),
        ("x[5:2]", 1, ["empty"]),
        ("x[k]", 2, ["'k'", "m, n"]),
        ("foo(x)", 0, ["unknown function 'foo'"]),
        ("sin(x, y)", 0, ["1 argument", "got 2"]),
        ("kron(x)", 0, ["2 arguments", "got 1"]),
        ("(a + b", 6, ["expected ')'", "column 1", "the end"]),
        ("a + b)", 5, ["')'"]),
        ("a + ", 4, ["too early"]),
        ("a b", 2, ["'b'"]),
        ("a ? b", 2, ["'?'"]),
        ("x’*y", 1, ["'’'", "the transpose is written x'"]),
        ("a·b", 1, ["'·'", "the matrix product is *"]),
        ("a − b", 2, ["'−'", "minus is -"]),
        ("größe*x", 2, ["'ö'", "names are of the letters A to Z"]),
        ("softmax(a)", 0, ["a (scalar)"]),
        ('einsum("ij,jk->ik", A, B)', 7, ["'j'", "n", "m"]),
    ],
)
def test_what_is_wrong_is_told_with_a_caret_below_it(text, place, told):
    shapes = {"w": "n", "x": "m"} if text == "w'*x" else DECLARED
    message, caret, shown = refusal(text, shapes)
    assert [part for part in told if part not in message] == []
    assert caret - shown.index(text[:3]) == place


def test_the_caret_is_below_its_place_in_a_long_expression():
    text = " + ".join(["a"] * 200) + " + x*y + " + " + ".join(["b"] * 200)
    _, caret, shown = refusal(text)
    assert shown[caret - 1 : caret + 2] == "x*y"
    assert len(shown) < 80


def test_line_breaks_keep_the_caret_in_place():
    _, caret, shown = refusal("a +\n\tx*y")
    assert shown[caret] == "*"


@pytest.mark.parametrize(
    "text, ranks",
    [
        ("norm2(X*w - y)^2", {"X": 2, "w": 1, "y": 1}),
        ("x'*A*x", {"x": 1, "A": 2}),
        ("a*x + b", {"a": 0, "x": 1, "b": 0}),
        ("sum(a'*X)", {"a": 1, "X": 2}),
        ("relu(w'*x + b)", {"w": 1, "x": 1, "b": 0}),
        ("sin(x)^2", {"x": 0}),
        ("tr(A*X*B)", {"A": 2, "X": 2, "B": 2}),
        ("logsumexp(W*x + b)", {"W": 2, "x": 1, "b": 0}),
    ],
)
def test_undeclared_variables_have_the_ranks_of_convention_unless_those_do_not_fit(text, ranks):
    assert {name: node.rank for name, node in variables(parse(text)).items()} == ranks


def test_sizes_of_undeclared_variables_follow_from_the_operations():
    found = variables(parse("x'*A*y + tr(B)", {"x": "m"}))
    assert found["A"].shape == (variable("x", "m").shape[0], found["y"].shape[0])
    assert found["B"].shape[0] == found["B"].shape[1]
    assert found["B"].shape[0] != found["A"].shape[0]


def test_sizes_follow_through_products_and_sums_of_sizes():
    assert parse("kron(x, z)'*vec(B)", {"x": "n", "z": "m", "B": "m,n"}).rank == 0
    assert str(parse("[x; 1]'*w", {"x": "n"}).args[1].shape[0]) == "n + 1"
    with pytest.raises(InputError):
        parse("[x; 1]'*w", {"x": "n", "w": "n"})


def test_a_name_may_be_a_size_and_a_variable():
    found = parse("n*x", {"n": "", "x": "n"})
    np.testing.assert_allclose(evaluate(found, {"n": 2.0, "x": [1.0, 1.0, 1.0]}), [2.0, 2.0, 2.0])


def test_names_of_functions_are_variables_where_they_are_not_called():
    assert set(variables(parse("sum(sum)", {"sum": "n"}))) == {"sum"}
    assert set(variables(parse("max + 1", {"max": ""}))) == {"max"}


@pytest.mark.parametrize("text", ["vec(z*vector(1, n)')", "vec(matrix(1, m, n))", "kron(eye(m), vector(1, n))"])
def test_sizes_that_nothing_around_tells_are_printed(text):
    assert str(read(text)) == text


def spaced(text, seed):
    """The text with more spaces, but none within quotation marks."""
    chooser = random.Random(seed)
    parts = text.split('"')
    for k in range(0, len(parts), 2):
        parts[k] = "".join(f"{sign} " if sign in "()+*," and chooser.random() < 0.5 else sign for sign in parts[k])
    return '"'.join(parts)


@pytest.mark.parametrize(
    "text, same",
    [("1e-1", "0.1"), ("2.5E-7", "0.00000025"), ("1e20", "1" + "0" * 20), ("6.626e-34", "0.6626e-33"), ("0e-999", "0")],
)
def test_a_number_is_the_same_however_it_is_spelled(text, same):
    assert parse(text) is parse(same)


@pytest.mark.parametrize(
    "text, printed",
    [
        ("1e-1*a + 2e-1*a", "3/10"),
        ("1e-9*a^2", "2e-9*a"),
        ("a^2/1e7", "2e-7*a"),
        ("a^2/131072", "a/65536"),
        ("a^2/6e9", "a/3000000000"),
        ("-6.626e-34*a", "-6.626e-34"),
        ("1e20*a", "1e20"),
        ("a^2/1000", "a/500"),
    ],
)
def test_numbers_are_exact_and_printed_with_a_power_of_ten_where_that_is_shorter(text, printed):
    found = derive(text, "a", {"a": ""})
    assert str(found) == printed
    assert str(parse(printed, {"a": ""})) == printed
    assert evaluate(parse(printed, {"a": ""}), {"a": 3.0}) == found.evaluate(a=3.0)


@pytest.mark.parametrize("text", ["1e-400", "0.5e-330", "3e-999999999999999999999999999999"])
def test_a_number_too_small_for_any_is_refused(text):
    with pytest.raises(InputError, match=rf"^{text} is smaller than any floating-point number\n.*\n +\^"):
        parse(f"{text}*a")


@pytest.mark.parametrize("seed", range(150))
def test_printing_and_reading_again_keeps_random_expressions(seed):
    expr = parse(Writer(seed + 10_000).expression(1 + seed % 6), SHAPES)
    if len(str(expr)) > 3000:
        expr = parse(Writer(seed).expression(3), SHAPES)
    again = parse(spaced(str(expr), seed), SHAPES)
    assert (again.shape, again.row) == (expr.shape, expr.row)
    assert parse(str(again), SHAPES) is again
    arrays = {**SIZES, **arrays_of(SHAPES, SIZES, seed)}
    np.testing.assert_allclose(evaluate(again, arrays), evaluate(expr, arrays), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    "text, bracketed",
    [
        ("x^-2*y", "(x^(-2))*y"),
        ("x^-2^y", "x^(-(2^y))"),
        ("x/-y*x", "(x/(-y))*x"),
        ("-x^2", "-(x^2)"),
        ("A.^2'", "(A.^2)'"),
        ("v'.^u'", "(v').^(u')"),
        ("A'^2", "(A')^2"),
    ],
)
def test_signs_and_transposes_beside_powers_are_those_of_mathematics(text, bracketed):
    shapes = {"x": "", "y": "", "A": "n,n", "u": "n", "v": "n"}
    assert parse(text, shapes) is parse(bracketed, shapes)
