"""What must hold between derivatives, whatever they are."""

import re

import numpy as np
import pytest
from calculus.expressions import SHAPES, Writer, arrays_of
from calculus.expressions import SIZES as SMALL
from calculus.known import CASES, SIZES, name_of

from latticework.calculus.derivation import derive, gradient, hessian, jacobian
from latticework.calculus.evaluate import evaluate
from latticework.calculus.parser import parse
from latticework.calculus.tree import count, variables
from latticework.core.errors import InputError

every_case = pytest.mark.parametrize("case", CASES, ids=name_of)
SCALARS = [case for case in CASES if case.order == 1 and not parse(case.expression, case.shapes).rank]


def close(one, other, tolerance=1e-9):
    one, other = np.asarray(one), np.asarray(other)
    assert one.shape == other.shape
    np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance * max(1.0, np.abs(other).max(initial=0)))


def random_scalars(how_many):
    """Random smooth scalars and values for them."""
    found, seed = [], 50_000
    while len(found) < how_many:
        text = Writer(seed).scalar(1 + seed % 4)
        expr = parse(text, SHAPES)
        kinked = any(word in text for word in ("relu", "abs", "norm", "max", "min", ">"))
        if "x" in variables(expr) and count(expr) < 50 and not kinked:
            found.append((text, arrays_of(SHAPES, SMALL, seed)))
        seed += 1
    return found


RANDOM = random_scalars(25)
pairs = pytest.mark.parametrize("place", range(len(RANDOM) - 1))


@pairs
def test_the_derivative_of_a_sum_is_the_sum_of_derivatives(place):
    (one, arrays), (other, _) = RANDOM[place], RANDOM[place + 1]
    for order in (1, 2):
        values = [derive(text, "x", SHAPES, order=order).evaluate(**{**SMALL, **arrays}) for text in (one, other)]
        whole = derive(f"3*({one}) - ({other})", "x", SHAPES, order=order).evaluate(**{**SMALL, **arrays})
        close(whole, 3 * values[0] - values[1], 1e-8)


@pairs
def test_products_and_quotients_follow_leibniz(place):
    (one, arrays), (other, _) = RANDOM[place], RANDOM[place + 1]
    arrays = {**SMALL, **arrays}
    f, g = (evaluate(parse(text, SHAPES), arrays) for text in (one, other))
    df, dg = (derive(text, "x", SHAPES).evaluate(**arrays) for text in (one, other))
    close(derive(f"({one})*({other})", "x", SHAPES).evaluate(**arrays), df * g + f * dg, 1e-8)
    bottom = 1 + g**2
    close(
        derive(f"({one})/(1 + ({other})^2)", "x", SHAPES).evaluate(**arrays),
        df / bottom - f * 2 * g * dg / bottom**2,
        1e-8,
    )


@pairs
def test_an_inner_change_of_variables_multiplies_by_its_jacobian(place):
    text, arrays = RANDOM[place]
    arrays = {**SMALL, **arrays}
    inner = "tanh(S*x)"
    moved = evaluate(parse(inner, SHAPES), {name: arrays[name] for name in ("S", "x")})
    outer = derive(text, "x", SHAPES).evaluate(**{**arrays, "x": moved})
    inside = derive(inner, "x", SHAPES).evaluate(x=arrays["x"], S=arrays["S"])
    composed = re.sub(r"\bx\b", f"({inner})", text)
    close(derive(composed, "x", SHAPES).evaluate(**arrays), outer @ inside, 1e-7)


@every_case
def test_a_variable_by_another_name_has_the_same_derivative(case):
    names = {name: f"{name}_{k}" for k, name in enumerate(case.shapes)}

    def renamed(text):
        return re.sub(r"[A-Za-z_]\w*", lambda match: names.get(match[0], match[0]), text)

    arrays = case.arrays(SIZES["rectangular"], 0)
    found = derive(
        renamed(case.expression),
        names[case.wrt],
        {names[name]: shape for name, shape in case.shapes.items()},
        order=case.order,
    )
    close(found.evaluate(**{names[name]: value for name, value in arrays.items()}), case.answer(arrays), 1e-8)
    assert count(found.result) == count(derive(case.expression, case.wrt, case.shapes, order=case.order).result)


def names_no_size(case):
    """Whether its sizes are in the shapes alone."""
    written = f"{case.expression} {' '.join(case.shapes.values())}"
    return not any(word in written for word in ("/N", "/n", "-n*", "n + 1", "m*n"))


@pytest.mark.parametrize("case", list(filter(names_no_size, CASES)), ids=name_of)
def test_numbers_for_sizes_give_the_derivative_of_symbols(case):
    sizes = SIZES["rectangular"]
    shapes = {
        name: ",".join(str(sizes[size.strip()]) for size in shape.split(",")) if shape else ""
        for name, shape in case.shapes.items()
    }
    arrays = case.arrays(sizes, 1)
    found = derive(case.expression, case.wrt, shapes, order=case.order)
    close(found.evaluate(**arrays), case.answer(arrays), 1e-8)


@every_case
def test_layouts_are_transposes_of_each_other(case):
    numerator = derive(case.expression, case.wrt, case.shapes, order=case.order, layout="numerator")
    denominator = derive(case.expression, case.wrt, case.shapes, order=case.order, layout="denominator")
    arrays = case.arrays(SIZES["rectangular"], 0)
    close(numerator.evaluate(**arrays), denominator.evaluate(**arrays))
    own = {name: size for name, size in SIZES["rectangular"].items() if name not in case.shapes}
    one, other = (evaluate(found.result, {**own, **arrays}) for found in (numerator, denominator))
    if one.ndim <= 2:
        close(one, other.T)
    else:
        close(one, other)


@pytest.mark.parametrize("case", SCALARS, ids=name_of)
def test_hessians_are_symmetric_and_are_jacobians_of_gradients(case):
    found = hessian(case.expression, case.wrt, case.shapes)
    arrays = case.arrays(SIZES["rectangular"], 2)
    value = found.evaluate(**arrays)
    half = value.ndim // 2
    close(value, value.transpose([*range(half, 2 * half), *range(half)]), 1e-8)
    first = derive(case.expression, case.wrt, case.shapes)
    wrt = {**variables(first.value)}.get(case.wrt)
    again = 0 * value if wrt is None else derive(first.value, case.wrt).evaluate(**{**SIZES["rectangular"], **arrays})
    close(value, again, 1e-8)


@pytest.mark.parametrize(
    "text, wrt, degree",
    [
        ("x'*S*x", "x", 2),
        ("norm2(A*x)", "x", 1),
        ("norm2(A*x)^3", "x", 3),
        ("norm1(x)", "x", 1),
        ("max(x)", "x", 1),
        ("tr(S^3)", "S", 3),
        ("tr(inv(S))", "S", -1),
        ("y'*inv(S*S)*x", "S", -2),
        ("x'*y/(x'*x)", "x", -1),
        ("sum(x.^4)/sum(y.^2)", "x", 4),
        ("norm2(A)^2/norm2(B)", "A", 2),
        ("relu(x'*y)", "x", 1),
        ("x'*y/(norm2(x)*norm2(y))", "x", 0),
        ("sum(softmax(S*x/norm2(x)) .* y)", "x", 0),
        ("norm2(kron(x, y))^2", "x", 2),
        ("sum(sqrt(abs(x .* y)))", "x", 0.5),
    ],
)
def test_eulers_identity_for_homogeneous_functions(text, wrt, degree):
    shapes = {**SHAPES, "A": "m,n"}
    arrays = arrays_of(SHAPES, SMALL, 3)
    value = evaluate(parse(text, shapes), {**SMALL, **arrays})
    slope = derive(text, wrt, shapes).evaluate(**{**SMALL, **arrays})
    close(np.sum(slope * arrays[wrt]), degree * value, 1e-8)
    if degree > 1:
        square = derive(text, wrt, shapes, order=2).evaluate(**{**SMALL, **arrays})
        twice = np.tensordot(square, arrays[wrt], arrays[wrt].ndim)
        close(twice, (degree - 1) * slope, 1e-8)


def test_the_determinant_is_homogeneous_of_the_degree_of_its_size():
    found = derive("det(S)", "S", {"S": "n,n"})
    for n in (1, 2, 5):
        square = np.random.default_rng(n).normal(size=(n, n))
        close(np.sum(found.evaluate(S=square) * square), n * np.linalg.det(square))


@pytest.mark.parametrize(
    "one, other, turn",
    [
        ("tr(A*X*B)", "tr(A*X'*B)", True),
        ("norm2(A*X - B')^2", "norm2(A*X' - B')^2", True),
        ("z'*X*x", "x'*X'*z", False),
        ("sum(softplus(X*x))", "sum(softplus((x'*X')'))", False),
        ("rowsum(X)'*z", "colsum(X')*z", False),
        ("logdet(X*X')", "logdet((X*X')')", False),
    ],
)
def test_transposed_inputs_give_transposed_derivatives(one, other, turn):
    shapes = {"A": "p,m", "B": "n,p", "X": "m,n", "x": "n", "z": "m"}
    turned = {**shapes, "X": "n,m"} if turn else shapes
    arrays = arrays_of(shapes, {"m": 2, "n": 3, "p": 4}, 5)
    first = derive(one, "X", shapes).evaluate(**arrays)
    if turn:
        close(first, derive(other, "X", turned).evaluate(**{**arrays, "X": arrays["X"].T}).T)
    else:
        close(first, derive(other, "X", shapes).evaluate(**arrays))


@pytest.mark.parametrize("case", [case for case in CASES if "n + 1" not in str(case.shapes)], ids=name_of)
def test_one_more_element_changes_nothing_but_the_size(case):
    found = derive(case.expression, case.wrt, case.shapes, order=case.order)
    for more in range(3):
        sizes = {name: size + more for name, size in SIZES["rectangular"].items()}
        sizes["r"] = 2
        arrays = case.arrays(sizes, more)
        close(found.evaluate(**arrays), case.answer(arrays), 1e-8)


@pytest.mark.parametrize(
    "one, other",
    [
        ("[x; y][1:n]", "x"),
        ("[A; B][1:m, :]*x", "A*x"),
        ("[A, z]*[x; a]", "A*x + a*z"),
        ("[A; B]*x", "[A*x; B*x]"),
        ("[x; y]'*[y; x]", "2*x'*y"),
        ("x[1:2][2]", "x[2]"),
        ("A[:, 2]", "A*eye(n)[:, 2]"),
        ("A[2, :]*x", "(A*x)[2]"),
        ("A'[2, :]", "A[:, 2]'"),
        ("vec(A)[1]", "A[1, 1]"),
        ("[[a, b]; [b, a]]*[a; b]", "[a^2 + b^2; 2*a*b]"),
        ("sum([x; a; y])", "sum(x) + a + sum(y)"),
        ("reshape(vec(A), m, n)", "A"),
        ("norm2([x; y])^2", "norm2(x)^2 + norm2(y)^2"),
        ("vec(A*S)", "kron(S', eye(m))*vec(A)"),
        ("kron(A, x')*vec(C)", "vec(x'*C*A')"),
        ("tr(A*A')", "norm2(A)^2"),
        ("logsumexp([a; b])", "log(exp(a) + exp(b))"),
        ("softmax(x)", "exp(x)/sum(exp(x))"),
        ("diag(x)*y", "x .* y"),
        ("diag(x*y')", "x .* y"),
        ("tr(x*y')", "x'*y"),
        ("det([[a, b]; [b, 1]])", "a - b^2"),
        ("max(a, b)", "(a + b + abs(a - b))/2"),
        ("mean(A)", "vector(1)'*A*vector(1)/(m*n)"),
        ('einsum("ij,j->i", A, x)', "A*x"),
        ("relu(x)", "max(x, 0)"),
        ("gelu(x)", "x .* (1 + erf(x/sqrt(2)))/2"),
        ("logdet(S)", "log(abs(det(S)))"),
    ],
)
def test_equal_expressions_have_equal_derivatives(one, other):
    shapes = {
        "a": "", "b": "", "x": "n", "y": "n", "z": "m", "A": "m,n", "B": "m,n", "C": "n,n", "S": "n,n",
    }  # fmt: skip
    arrays = arrays_of(shapes, SMALL, 8, positive=["a"])
    for name in variables(parse(one, shapes)):
        first, second = (derive(text, name, shapes).evaluate(**{**SMALL, **arrays}) for text in (one, other))
        close(first, second)


def symmetric(array):
    return array + array.T


@pytest.mark.parametrize(
    "text, wrt, value",
    [
        ("tr(S*T)", "S", lambda S, T, x: T + T.T - np.diag(np.diag(T))),
        ("logdet(S)", "S", lambda S, T, x: 2 * np.linalg.inv(S) - np.diag(np.diag(np.linalg.inv(S)))),
        ("x'*S*x", "S", lambda S, T, x: 2 * np.outer(x, x) - np.diag(x * x)),
    ],
)
def test_a_symmetric_variable_counts_its_entries_twice(text, wrt, value):
    shapes = {"S": "n,n", "T": "n,n", "x": "n"}
    arrays = arrays_of(shapes, {"n": 4}, 2)
    arrays["S"] = symmetric(arrays["S"]) + 3 * np.eye(4)
    found = derive(text, wrt, shapes, assume={wrt: "symmetric"}).evaluate(**arrays)
    close(found, value(**arrays), 1e-8)


def test_a_symmetric_matrix_simplifies_what_it_is_multiplied_with():
    assert str(derive("x'*A*x", "x", {"A": "n,n", "x": "n"}, assume="A symmetric", layout="denominator")) == "2*A*x"
    assert str(hessian("x'*A*x", "x", {"A": "n,n", "x": "n"}, assume="A symmetric")) == "2*A"


def test_what_does_not_depend_on_the_variable_has_a_derivative_of_zeros():
    for text, shape in (("b", ()), ("y", (2,)), ("B", (2, 3))):
        for name, own in (("a", ()), ("x", (3,)), ("A", (3, 2))):
            shapes = {"b": "", "y": "m", "B": "m,n", "a": "", "x": "n", "A": "n,m"}
            arrays = arrays_of(shapes, {"m": 2, "n": 3}, 0)
            close(derive(text, name, shapes).evaluate(**arrays), np.zeros(shape + own))


def test_gradient_jacobian_and_hessian_are_derive_with_its_options():
    shapes = {"A": "m,n", "x": "n"}
    assert str(gradient("sum(sin(A*x))", "x", shapes)) == str(
        derive("sum(sin(A*x))", "x", shapes, layout="denominator")
    )
    assert str(jacobian("sin(A*x)", "x", shapes)) == str(derive("sin(A*x)", "x", shapes))
    assert str(hessian("sum(sin(A*x))", "x", shapes)) == str(derive("sum(sin(A*x))", "x", shapes, order=2))
    with pytest.raises(InputError, match="gradient"):
        gradient("A*x", "x", shapes)
    with pytest.raises(InputError, match="Hessian"):
        hessian("A*x", "x", shapes)


@pytest.mark.parametrize("order", [3, 4])
def test_higher_orders_are_derivatives_of_lower_ones(order):
    for text in ("sum(exp(A*x))", "logsumexp(x)", "x'*S*x", "sum(sin(x .* y))", "(x'*y)^3", "1/(1 + x'*x)"):
        arrays = {**SMALL, **arrays_of(SHAPES, SMALL, order)}
        found = derive(text, "x", SHAPES, order=order).evaluate(**arrays)
        lower = derive(text, "x", SHAPES, order=order - 1)
        direction, step = np.array([0.3, -0.5, 0.8]), 1e-4
        ends = [lower.evaluate(**{**arrays, "x": arrays["x"] + sign * step * direction}) for sign in (1, -1)]
        close(np.tensordot(found, direction, 1), (ends[0] - ends[1]) / (2 * step), 1e-5)
        axes = np.random.default_rng(0).permutation(order)
        close(found, found.transpose(axes), 1e-8)
