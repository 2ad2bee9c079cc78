"""What makes exported code fast changes no value, no argument and no type."""

from __future__ import annotations

from typing import Any

import cloudpickle
import numpy as np
import pytest
import torch

from latticework.calculus import derive, parse
from latticework.calculus.called import function
from latticework.calculus.dimensions import ONE, Dim
from latticework.calculus.evaluate import evaluate
from latticework.calculus.expression import Expr, make, number, variable
from latticework.calculus.program import program
from latticework.calculus.source import source
from latticework.calculus.tree import variables
from latticework.core.errors import InputError

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
        "x + 2*(-vector(1))",
        "y - a*(vector(1)/n)",
        "M + 3*(-(2*matrix(1)))/a",
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
    [
        ("relu(x)", {"x": 0.5}, 1),
        ("max(x, b)*sum(v)", {"x": 2.0, "b": 1.0, "v": np.ones(3, np.float32)}, 3),
        ("b*x", {"b": 3.0, "x": 1.0}, 3),
        ("[log(x^2); x^3]", {"x": 2.0}, [1, 12]),
        ("[x^2, b]", {"x": 2.0, "b": 1.0}, [4, 0]),
        ("[x/2; x*sum(v)]", {"x": 1.0, "v": np.array([1, 2])}, [0.5, 3]),
        ("[x/2; x*sum(v)]", {"x": 1, "v": [1, 2]}, [0.5, 3]),
    ],
)
def test_written_code_takes_numbers_for_scalars_and_whole_ones(
    expression: str, values: dict[str, Any], expected: Any
) -> None:
    written: dict[str, Any] = {}
    found = derive(expression, "x", {"x": "", "b": "", "v": "n"})
    exec(found.source("numpy"), written)  # noqa: S102  # code of our own
    arrays = {name: np.asarray(value) if isinstance(value, list) else value for name, value in values.items()}
    assert np.array_equal(written["derivative"](**arrays), expected)
    assert np.array_equal(found.to_numpy()(**values), expected)
    tensors = {name: torch.tensor(value) for name, value in values.items()}
    assert np.array_equal(found.to_torch()(**tensors), expected)


@pytest.mark.parametrize("text, order", [("x'*A*x + a*norm2(x)^2", 2), ("a*(A + eye/2)", 1)])
def test_whole_numbers_are_added_to_fractions(text: str, order: int) -> None:
    found = derive(text, "x" if order == 2 else "a", {"A": "n,n", "x": "n", "a": ""}, order=order)
    written: dict[str, Any] = {}
    exec(found.source("numpy"), written)  # noqa: S102  # code of our own
    values = {"A": np.array([[1, 2], [3, 4]]), "x": np.array([1, 2]), "a": 0.25}
    arrays = {name: values[name] for name in found.parameters}
    assert np.array_equal(written["derivative"](**arrays), found.evaluate(**arrays))
    assert arrays["A"].tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    "text, wrt",
    [("softmax(X*X'/sqrt(n))*t", "t"), ("sum(gelu(x)) + log(2)*sum(x)", "x"), ("sum(erf(x))/sqrt(2*pi)", "x")],
)
def test_functions_of_numbers_and_sizes_keep_numbers_of_32_bits(text: str, wrt: str) -> None:
    found = derive(text, wrt, SHAPES)
    written: dict[str, Any] = {}
    exec(found.source("numpy"), written)  # noqa: S102  # code of our own
    arrays = drawn(found.parameters, np.float32)
    for call in (found.to_numpy(), written["derivative"]):
        assert call(**arrays).dtype == np.float32
        assert np.allclose(call(**arrays), found.evaluate(**drawn(found.parameters)), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "text, shapes, lengths, refused",
    [
        ("sum([x; 1] .* w)", {"x": "n", "w": "n + 1"}, {"x": [3], "w": [2]}, r"^w is n \+ 1, where n \+ 1 = 4"),
        ("sum([x; 1] .* w)", {"x": "n", "w": "n + 1"}, {"x": [3], "w": [6]}, r"^w is n \+ 1, where n \+ 1 = 4"),
        ("x[1]^2*x[2]", {"x": "2"}, {"x": [3]}, r"^x is 2, got shape \(3,\)"),
        ("sum(w.^2)*sum(x)", {"w": "2*n", "x": "m"}, {"w": [3], "x": [1]}, r"^w is 2\*n"),
        ("sum(w.^2)*sum(x)", {"w": "n + 1", "x": "m"}, {"w": [0], "x": [1]}, r"^w is n \+ 1"),
        ("x'*w", {"w": "n", "x": "n"}, {"w": [3], "x": [4]}, "^w is n, where n = 4, got shape"),
        ("x'*w", {"w": "n", "x": "n"}, {"w": [3], "x": [3, 1]}, "^x is a vector of n, got an array of shape"),
        ("x[3]^2", {"x": "n"}, {"x": [2]}, "outside an axis of 2 elements"),
        ("log(softmax(x)[3])", {"x": "n"}, {"x": [2]}, "outside an axis of 2 elements"),
        ("sum(x[1:3])", {"x": "n"}, {"x": [2]}, "outside an axis of 2 elements"),
        ("norm2(x[1:3])^2", {"x": "n"}, {"x": [2]}, "outside an axis of 2 elements"),
    ],
)
def test_arrays_of_other_lengths_are_refused(
    text: str, shapes: dict[str, str], lengths: dict[str, list[int]], refused: str
) -> None:
    found = derive(text, "x", shapes)
    arrays = {name: np.ones(lengths[name]) for name in found.parameters}
    with pytest.raises(InputError, match=refused):
        found.to_numpy()(**arrays)
    with pytest.raises(InputError, match=refused):
        found.to_torch()(**{name: torch.tensor(array) for name, array in arrays.items()})


@pytest.mark.parametrize("language", ["numpy", "torch"])
@pytest.mark.parametrize(
    "text, shapes, fits",
    [
        ("x[n-2]^2", {"x": "n"}, 3),
        ("x[3]^2", {"x": "n"}, 3),
        ("log(softmax(x)[3])", {"x": "n"}, 3),
        ("sum(x[1:3])", {"x": "n"}, 3),
        ("norm2(x[1:3])^2", {"x": "n"}, 3),
        ("norm2(x[n-2:n])^2", {"x": "n"}, 3),
        ("sum(x[2:n-1])", {"x": "n"}, 3),
        ("norm2(x[2:n] - x[1:n-1])^2", {"x": "n"}, 2),
        ("norm2(vec(x*x')[5:6])^2", {"x": "n"}, 3),
    ],
)
def test_written_code_refuses_places_outside_an_axis_as_the_function_does(
    text: str, shapes: dict[str, str], fits: int, language: str
) -> None:
    found = derive(text, "x", shapes)
    written: dict[str, Any] = {}
    exec(found.source(language), written)  # noqa: S102  # code of our own
    call = found.to_numpy() if language == "numpy" else found.to_torch()
    for length in range(1, fits + 2):
        x = np.linspace(0.5, 2, length)
        given = torch.tensor(x) if language == "torch" else x
        if length >= fits:
            assert np.allclose(written["derivative"](given), found.evaluate(x=x))
            continue
        with pytest.raises(InputError, match=f"outside an axis of {length**2 if 'vec' in text else length} elements"):
            call(given)
        with pytest.raises(ValueError, match=f"outside an axis of {length**2 if 'vec' in text else length} elements"):
            written["derivative"](given)


@pytest.mark.parametrize(
    "text, shape, checks",
    [
        ("x[1]^2", "n", 0),
        ("x[n]^2", "n", 0),
        ("norm2(x[2:3])^2", "3", 0),
        ("x[m]*x[n + 1]^2", "n + m", 0),
        ("sum(x[1:n].^2)", "n + 1", 0),
        ("x[2]^2", "n", 1),
        ("x[2]^2*x[1]*sum(x[2:n])", "n", 1),
        ("norm2(x[2:n] - x[1:n-1])^2", "n", 1),
        ("x[n-2:n]'*x[1:3]", "n", 1),
    ],
)
def test_written_code_asks_once_for_places_that_may_be_outside(text: str, shape: str, checks: int) -> None:
    others = "*sum(y)*sum(z)" if "m" in shape else ""
    shapes = {"x": shape, **({"y": "n", "z": "m"} if others else {})}
    assert derive(text + others, "x", shapes).source("numpy").count("raise ") == checks


def test_numbers_that_sizes_make_infinite_are_refused() -> None:
    call = derive("norm2(x)^2/(n - 1)", "x", {"x": "n"}, order=2).to_numpy()
    assert call([1.0, 2.0]).tolist() == [[2, 0], [0, 2]]
    with pytest.raises(InputError, match=r"^a number of the expression has no value: float division by zero"):
        call([1.0])


def test_sizes_are_those_of_every_call() -> None:
    call = derive("mean(x)*sum(w)", "x", {"x": "n", "w": "n + 1"}).to_numpy()
    for length in (3, 5, 3, 3):
        assert call(np.ones(length), np.ones(length + 1)).tolist() == [(length + 1) / length] * length


@pytest.mark.parametrize("scalar", [0.5, 1])
def test_a_number_takes_the_type_of_the_arrays(scalar: float) -> None:
    found = derive("mean((t - relu(X*w + a)).^2)", "w", SHAPES)
    written: dict[str, Any] = {}
    exec(found.source("numpy"), written)  # noqa: S102  # code of our own
    arrays = {**drawn("tXw", np.float32), "a": scalar}
    for call in (found.to_numpy(), written["derivative"]):
        assert call(**arrays).dtype == np.float32
        assert np.allclose(call(**arrays), found.evaluate(**arrays), rtol=1e-5)


@pytest.mark.parametrize("dtypes", [(np.float32, np.float64), (np.float64, np.complex128), (np.float64, np.float32)])
def test_a_diagonal_is_added_with_all_its_digits(dtypes: tuple[Any, Any]) -> None:
    found = derive("x'*A*x + a*norm2(x)^2", "x", SHAPES, order=2)
    written: dict[str, Any] = {}
    exec(found.source("numpy"), written)  # noqa: S102  # code of our own
    arrays = {"x": drawn("x")["x"], "A": drawn("A", dtypes[0])["A"], "a": np.full((), 0.1, dtypes[1])}
    got, expected = found.to_numpy()(**arrays), written["derivative"](**arrays)
    assert got.dtype == expected.dtype == np.result_type(*dtypes)
    assert np.array_equal(got, expected)


def test_an_exported_function_is_sent_to_another_process() -> None:
    found = derive("sum(log(1 + exp(-t .* (X*w)))) + a*norm2(x)^2 + det(A)", "w", SHAPES)
    arrays = drawn(found.parameters)
    call = cloudpickle.loads(cloudpickle.dumps(found.to_numpy()))
    assert np.array_equal(call(**arrays), found.to_numpy()(**arrays))
    with pytest.raises(InputError, match=r"^w is n, where n = 4"):
        call(**{**arrays, "w": np.ones(3)})
    with pytest.raises(TypeError, match="an expression is kept as its text"):
        cloudpickle.dumps(found.value)


@pytest.mark.parametrize("language", ["numpy", "torch"])
@pytest.mark.parametrize(
    "text",
    [
        "-log(softmax(z)[1])",
        "z[2]^2",
        "norm2(z[3:9])^2",
        "norm2(z[2:n] - z[1:n-1])^2",
        "sum(abs(z[3:n] - 2*z[2:n-1] + z[1:n-2]))",
        "sum(z[2:n])^2",
    ],
)
def test_places_in_a_long_vector_take_no_square_of_memory(text: str, language: str) -> None:
    root = derive(text, "z", {"z": "n"}).value
    written: dict[str, Any] = {}
    exec(source(root, language), written)  # noqa: S102  # code of our own
    for call in (function(root, language), written["derivative"]):
        z = np.sin(np.arange(200_000.0))  # the square of which is 320 GB
        assert call(z if language == "numpy" else torch.tensor(z)).shape == z.shape
        assert np.allclose(call(z[:12] if language == "numpy" else torch.tensor(z[:12])), evaluate(root, {"z": z[:12]}))


def test_a_few_places_of_a_long_vector_are_evaluated_without_the_square_of_memory() -> None:
    z = np.linspace(0, 1, 200_000)
    assert derive("norm2(z[3:9])^2", "z", {"z": "n"}).evaluate(z=z).nonzero()[0].tolist() == list(range(2, 9))


@pytest.mark.parametrize(
    "text, wrt",
    [
        ("norm2(X[2:N, :] - X[1:N-1, :])^2", "X"),
        ("norm2(X[:, 2:n] - X[:, 1:n-1])^2", "X"),
        ("norm2(X[3:N, :] - 2*X[2:N-1, :] + a*X[1:N-2, :])^2", "X"),
        ("norm2(A*(x[2:n] - x[1:n-1]) - x[1])^2", "x"),
        ("sum(u .* (x[2:n] - x[1:n-1])) + norm2(x)^2", "x"),
        ("norm2([X; w'][2:N, :]*w)^2", "X"),
    ],
)
@pytest.mark.parametrize("language", ["numpy", "torch"])
def test_the_gradient_of_a_part_is_the_part_between_zeros(text: str, wrt: str, language: str) -> None:
    shapes = {"x": "n", "u": "n-1", "w": "n", "A": "k,n-1", "X": "N,n", "a": ""}
    sizes = {"n": 4, "k": 2, "N": 6}
    found = derive(text, wrt, shapes)
    assert not {"embed", "eye"} & {each.op for each in program(found.value).instructions}
    rng = np.random.default_rng(0)
    lengths = {name: [size.value(sizes) for size in node.shape] for name, node in found.parameters.items()}
    arrays = {name: rng.normal(size=shape) for name, shape in lengths.items()}
    expected = found.evaluate(**arrays)
    given = {name: torch.tensor(array) for name, array in arrays.items()} if language == "torch" else arrays
    written: dict[str, Any] = {}
    exec(found.source(language), written)  # noqa: S102  # code of our own
    for call in (function(found.value, language, parameters=found.parameters), written["derivative"]):
        assert np.allclose(call(**given), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("text", ["y'*inv(S)*x[2:n]", "diag(y)*inv(S)*x[2:n]"])
def test_an_inverse_beside_what_is_cheap_to_multiply_with_is_solved(text: str) -> None:
    root = derive(text, "x" if text[0] == "y" else "y", {"x": "n", "y": "n-1", "S": "n-1,n-1"}).value
    assert {"solve", "inv"} & {each.op for each in program(root).instructions} == {"solve"}


def products_with_embeds() -> list[Expr]:
    n = Dim.symbol("n")
    spans = ((2, n - ONE), (1, n - ONE), (3, ONE))
    high, low, one = (make("embed", data=(n, Dim.number(first), width)) for first, width in spans)
    v, x, M = variable("v", (n - ONE,)), variable("x", "n"), variable("M", (n - ONE, ONE + ONE))
    S = variable("S", (n - ONE, n - ONE))
    difference = high - 2 * low
    return [
        high @ v,
        high @ M,
        M.T @ high.T,
        v.T @ high.T,
        high.T @ x,
        x.T @ high,
        (x @ x.T) @ high,
        high.T @ (x @ x.T),
        difference @ M,
        M.T @ difference.T,
        difference.T @ x,
        difference @ difference.T + x @ x.T,
        difference @ make("inv", S),
        (high + x @ v.T) @ S,
        high @ high.T + x @ x.T,
        high.T @ low + S,
        high @ make("diag", v),
        make("diag", v) @ high.T,
        high @ make("inv", S),
        one @ v.T,
        v @ one.T,
        2 * (high @ M),
    ]


@pytest.mark.parametrize("language", ["numpy", "torch"])
@pytest.mark.parametrize("root", products_with_embeds(), ids=str)
def test_a_product_with_an_embed_is_a_part_or_stands_between_zeros(root: Expr, language: str) -> None:
    rng = np.random.default_rng(0)
    lengths = {name: [size.value({"n": 5}) for size in node.shape] for name, node in variables(root).items()}
    arrays = {name: rng.normal(size=shape) for name, shape in lengths.items()}
    given = {name: torch.tensor(array) for name, array in arrays.items()} if language == "torch" else arrays
    written: dict[str, Any] = {}
    exec(source(root, language), written)  # noqa: S102  # code of our own
    for call in (function(root, language), written["derivative"]):
        assert np.allclose(call(**given), evaluate(root, arrays), rtol=1e-12, atol=1e-12)


def test_large_whole_numbers_are_written_as_fractional_ones() -> None:
    assert "3000000000.0 *" in source(parse("3000000000*x", SHAPES), "jax")


@pytest.mark.parametrize("text", ["10^20*x^2", "2^70*sum(v)*x", "n^9*x^2*sum(v)", "2000000000*2000000001*(-3)^9*x^2"])
def test_whole_numbers_that_grow_are_fractional_ones(text: str) -> None:
    found = derive(text, "x", {"x": "", "v": "n"})
    values = {name: {"x": np.array(0.5), "v": np.ones(200)}[name] for name in found.parameters}
    tensors = {name: torch.tensor(value) for name, value in values.items()}
    for language, arrays in (("numpy", values), ("torch", tensors)):
        written: dict[str, Any] = {}
        exec(found.source(language), written)  # noqa: S102  # code of our own
        for call in (function(found.value, language, parameters=found.parameters), written["derivative"]):
            assert np.allclose(call(**arrays), found.evaluate(**values), rtol=1e-12)
    assert found.verify()


def test_a_number_past_all_floating_point_is_refused() -> None:
    call = derive("2^1000000*x", "x", {"x": ""}).to_numpy()
    with pytest.raises(InputError, match=r"^a number of the expression has no value: Numerical result out of range"):
        call(1.0)


@pytest.mark.parametrize("language", ["numpy", "torch"])
def test_a_power_of_a_negative_number_is_written_in_brackets(language: str) -> None:
    root = make("add", make("sin", variable("x")), make("pow", number(-3), number(4)))
    written: dict[str, Any] = {}
    exec(source(root, language, name="summed"), written)  # noqa: S102  # code of our own
    assert written["summed"](torch.tensor(0.0) if language == "torch" else 0.0) == 81


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
