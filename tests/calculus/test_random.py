"""Five hundred random expressions over every operation, against autodiff and against differences."""

import functools
import warnings
from functools import partial

import numpy as np
import pytest
import torch
from calculus.expressions import SHAPES, SIZES, Writer, arrays_of

from latticework.calculus.binding import bound
from latticework.calculus.called import function
from latticework.calculus.derivation import derive
from latticework.calculus.evaluate import differences, evaluate
from latticework.calculus.parser import parse
from latticework.calculus.source import source
from latticework.calculus.tree import count, order, symbols, variables

DEPTHS = range(1, 7)
HOW_MANY = 500
LARGEST = 90  # nodes, so that all of them take seconds
chunks = pytest.mark.parametrize("chunk", range(20))


@functools.cache
def expressions():
    """Those with variables that tell every size, which code has to know, at points away from kinks."""
    found, seed = {}, 0
    while len(found) < HOW_MANY:
        written = Writer(seed).expression(DEPTHS[seed % len(DEPTHS)])
        expr = parse(written, SHAPES)
        told = {name for node in variables(expr).values() for size in node.shape for name in size.symbols}
        if count(expr) <= LARGEST and variables(expr) and symbols(expr) <= told and expr not in found:
            point = smooth_point(expr, seed)
            if point is not None:
                found[expr] = point
        seed += 1
    return list(found.items())


def smooth_point(expr, seed):
    """Values away from kinks, if a few tries find some: `max(x, x)` has none."""
    for attempt in range(5):
        arrays = arrays_of(SHAPES, SIZES, [seed, attempt])
        mine = {name: arrays[name] for name in variables(expr)}
        if not at_kink(expr, mine):
            return mine
    return None


def at_kink(expr, arrays):
    """Whether something is compared with its like: there, a derivative is a convention."""
    for node in order(expr):
        if node.op in ("relu", "abs", "norm1", "sign"):
            gaps = [evaluate(node.args[0], {**arrays, **SIZES})]
        elif node.op == "norm2":
            gaps = [evaluate(node, {**arrays, **SIZES})]
        elif node.op in ("compare", "maximum", "minimum"):
            one, two = (evaluate(arg, {**arrays, **SIZES}) for arg in node.args)
            gaps = [one - two]
        elif node.op in ("max", "min"):
            values = np.sort(evaluate(node.args[0], {**arrays, **SIZES}), axis=None)
            ends = values[-2:] if node.op == "max" else values[:2]
            gaps = [np.diff(ends)]
        else:
            continue
        if any(np.abs(gap).min(initial=1) < 1e-2 for gap in gaps):
            return True
    return False


def part(chunk):
    return expressions()[chunk::20]


def tensors(arrays):
    return {name: torch.tensor(array) for name, array in arrays.items()}


def as_torch(expr, names):
    run = function(expr, "torch")

    def call(*values):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # .T of a vector
            return torch.as_tensor(run(**dict(zip(names, values, strict=True))), dtype=torch.float64)

    return call


def along(expr, arrays, name, direction):
    """The derivative in a direction, by central differences of the eighth order."""
    step, total = 1e-3, 0.0
    for offset, weight in {1: 4 / 5, 2: -1 / 5, 3: 4 / 105, 4: -1 / 280}.items():
        for sign in (1, -1):
            moved = arrays[name] + sign * offset * step * direction
            total = total + sign * weight * evaluate(expr, {**arrays, name: moved})
    return total / step


def assert_close(got, want, message, tolerance=1e-8):
    assert got.shape == want.shape, message
    scale = max(1.0, np.abs(want).max(initial=0))
    assert np.allclose(got, want, rtol=tolerance, atol=tolerance * scale), message


def test_five_hundred_expressions_use_every_operation():
    assert len({str(expr) for expr, _ in expressions()}) == HOW_MANY
    from latticework.calculus.partials import _PARTIALS

    used = {node.op for expr, _ in expressions() for node in order(expr)}
    assert _PARTIALS.keys() <= used


@chunks
def test_derivatives_by_all_variables_are_those_of_autodiff_and_of_differences(chunk):
    for expr, arrays in part(chunk):
        names = list(arrays)
        call = as_torch(expr, names)
        expected = torch.autograd.functional.jacobian(call, tuple(tensors(arrays).values()))
        for name, reference in zip(names, expected, strict=True):
            found = derive(expr, name)
            value = found.evaluate(**arrays)
            assert_close(value, reference.numpy(), f"d({expr})/d{name} = {found.value}")
            direction = np.random.default_rng(chunk).normal(size=arrays[name].shape)
            numeric = np.asarray(along(expr, arrays, name, direction))
            assert_close(
                np.asarray(np.tensordot(value, direction, direction.ndim)), numeric, f"d({expr})/d{name}", 1e-6
            )


@chunks
def test_second_derivatives_of_scalars_are_those_of_autodiff(chunk):
    for expr, arrays in part(chunk):
        if expr.rank or count(expr) > 25:
            continue
        names = list(arrays)
        call, values = as_torch(expr, names), tensors(arrays)

        def at(name, value, call=call, values=values):
            return call(*{**values, name: value}.values())

        for name in names:
            one = torch.autograd.functional.hessian(partial(at, name), values[name])
            found = derive(expr, name, order=2)
            assert_close(found.evaluate(**arrays), one.numpy(), f"d2({expr})/d{name}2 = {found.value}", 1e-7)


@chunks
def test_text_is_read_again_as_what_it_was_written_from(chunk):
    for expr, arrays in part(chunk):
        again = parse(str(expr), SHAPES)
        assert str(again) == str(parse(str(again), SHAPES))
        assert again.shape == expr.shape
        assert again.row == expr.row
        assert_close(evaluate(again, {**arrays, **SIZES}), evaluate(expr, {**arrays, **SIZES}), str(expr))


@chunks
def test_printed_derivatives_are_read_again_with_the_same_value(chunk):
    for expr, arrays in part(chunk):
        for name in arrays:
            result = derive(expr, name).result
            if len(str(result)) > 4000:
                continue
            value = evaluate(result, {**arrays, **SIZES})
            again = parse(str(result), SHAPES)
            told = {size.name: length for size, length in zip(again.shape, value.shape, strict=True) if size.name}
            known = bound(variables(expr), arrays)[1]
            assert_close(evaluate(again, {**told, **known, **arrays}), value, f"{result}")


@chunks
def test_exported_code_of_a_derivative_computes_it(chunk):
    for expr, arrays in part(chunk)[:8]:
        for name in arrays:
            found = derive(expr, name)
            for language, values in (("numpy", arrays), ("torch", tensors(arrays))):
                run = function(found.value, language, parameters=variables(expr))
                want = evaluate(found.value, {**arrays, **SIZES})
                assert_close(np.asarray(run(**values)), want, f"{language}: {found.value}")
                names: dict = {}
                written = source(found.value, language, parameters=variables(expr))
                exec(compile(written, "<exported>", "exec"), names)  # noqa: S102 - what the engine wrote, not a user
                given = [values[parameter] for parameter in variables(expr)]
                if language == "numpy":  # which takes numbers for scalars
                    given = [value if value.ndim else float(value) for value in given]
                got = names["derivative"](*given)
                assert_close(np.asarray(got), want, written)


@chunks
def test_every_step_is_an_equality(chunk):
    for expr, arrays in part(chunk)[:6]:
        if count(expr) > 40:
            continue
        for name in list(arrays)[:2]:
            found = derive(expr, name)
            assert found.steps[0].before.args == (found.expression, found.wrt)
            assert found.steps[-1].after is found.result
            for step in found.steps:
                before, after = step.values(**{**SIZES, **arrays})
                assert_close(after, before, f"{step.rule.id}: {step.before} = {step.after}", 2e-5)


REPETITIONS = {
    "sum(C ./ sqrt(v*v'))": "v",
    "sum(sqrt(X'*X))": "X",
    "sum((X'*X).^0.5)": "X",
    "sqrt(S*S)": "S",
    "sum(x .* relu(x).^2)": "x",
    "norm2(x .* relu(x))^2": "x",
    "norm2(X .* relu(X))^2": "X",
    "a*sum(x .* relu(x) .* (x > 0))": "a",
    "tanh(a)*log(cosh(a))": "a",
    "tan(a)*log(cos(a))": "a",
    "a*sum(sin(x) .* tan(x) ./ cos(x))": "a",
    "a*sum(sin(x) ./ cos(x) ./ tan(x))": "a",
    "x'*(S + S + S')*x": "x",
    "x'*(S + S' + S')*x": "x",
    "a*sum(x + x - mean(x))": "a",
    "a*sum(x - mean(x))": "a",
    "a*sum(x ./ x)": "a",
    "a*mean(X ./ X)": "a",
    "a*sum(vec(X ./ X))": "a",
    "a*rowsum(X ./ X)'*z": "a",
    "a*sum((X*X') ./ (X*X'))": "a",
    "a*sum(x)*sum(2*vector(1, n))": "a",
    "x'*(vector(1)*vector(1)'/n)^2*x": "x",
    "x'*matrix(1, n, m)*vector(1, m) + sum(z)": "x",
    'a*einsum("ij,ij->", X, 1 ./ X)': "a",
    'einsum("j,ij,ij->", x, X, 1 ./ X)': "x",
    "sum((diag(z)*X) ./ X)": "z",
    "tr(diag(x)*S*(1 ./ S'))": "x",
    "z'*X*(x + a) - z'*X*x": "z",
    "z'*X*(x + 1) - z'*X*x": "z",
    "x .* (v + a) - x .* v": "x",
    "x'*(v + a) - x'*v": "x",
    "x'*(v + 3) - x'*v": "x",
    "x'*(v + 3) - x'*v - 3*sum(x)": "x",
    "tr(S*(C + a)) - tr(S*C)": "S",
    "a*(X + 2) - a*X": "a",
}


@pytest.mark.parametrize("text, wrt", REPETITIONS.items())
def test_what_an_expression_repeats_is_counted(text, wrt):
    shapes = {"a": "", "x": "n", "v": "n", "z": "m", "X": "m,n", "C": "n,n", "S": "n,n"}
    verified = derive(text, wrt, shapes).verify(method="differences")
    assert verified, verified


@pytest.mark.parametrize(
    "text",
    [
        "sum(relu(x).^1.5)",
        "sum((1 + relu(x)).^1.5)",
        "sum(sqrt(relu(x) + 0.1))",
        "sum(log(1 + relu(x)))",
        "sum(1 ./ (1 - 2*relu(x)))",
        "sum(sqrt(1 + relu(X)))",
        "sum(relu(X).^2.5)",
        "sum(x .* relu(x).^2)",
    ],
)
def test_below_a_kink_a_derivative_is_zero(text):
    arrays = {"x": np.array([-3.0, -1.0, -0.5, 2.0]), "X": np.array([[-1.0, 3.0, -0.5], [2.0, -4.0, -0.1]])}
    (name,) = variables(parse(text, {"x": "n", "X": "m,n"}))
    found = derive(text, name, {"x": "n", "X": "m,n"})
    expected = differences(found.expression, found.wrt, arrays)
    assert not expected[arrays[name] < 0].any()
    for call in (found.evaluate, found.to_numpy()):
        assert_close(call(**{name: arrays[name]}), expected, str(found))
