import json

import numpy as np
import pytest
from calculus.known import CASES, GOLD, GOLD_HESSIANS, SIZES, name_of

from latticework.calculus.binding import bound
from latticework.calculus.called import function
from latticework.calculus.derivation import derive
from latticework.calculus.evaluate import evaluate
from latticework.calculus.parser import parse
from latticework.calculus.source import source
from latticework.calculus.tree import count, variables

SEEDS = range(5)
every_case = pytest.mark.parametrize("case", CASES, ids=name_of)
LONG = {
    # d(X - 1*colsum(X)/N) is centred twice: that centring what is centred changes nothing is not known to the engine.
    "variance within columns",
}


def derivation(case, **options):
    return derive(case.expression, case.wrt, case.shapes, order=case.order, **options)


def drawn(case):
    for sizes in SIZES.values():
        for seed in SEEDS:
            yield sizes, case.arrays(sizes, seed)


def close(got, want, tolerance=1e-8):
    want = np.asarray(want)
    assert np.shape(got) == want.shape
    np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance * max(1.0, np.abs(want).max(initial=0)))


def value_of_text(written, case, arrays, shape):
    """The value of an expression as it is printed: sizes that nothing else tells are those of the result."""
    again = parse(written, case.shapes)
    known = bound(variables(parse(case.expression, case.shapes)), arrays)[1]
    told = {size.name: length for size, length in zip(again.shape, shape, strict=True) if size.name}
    return evaluate(again, {**told, **known, **arrays})


@every_case
def test_value_is_that_of_the_closed_form(case):
    found = derivation(case)
    for _, arrays in drawn(case):
        close(found.evaluate(**arrays), case.answer(arrays))


@every_case
def test_declared_shape_is_that_of_the_value(case):
    found = derivation(case)
    wanted = (
        parse(case.expression, case.shapes).shape
        + variables(parse(case.expression, case.shapes))[case.wrt].shape * case.order
    )
    assert found.shape == wanted
    for sizes, arrays in drawn(case):
        assert tuple(size.value(sizes) for size in found.shape) == case.answer(arrays).shape


@every_case
@pytest.mark.parametrize("layout", ["numerator", "denominator"])
def test_printed_answer_can_be_read_again_with_the_same_value(case, layout):
    result = derivation(case, layout=layout).result
    for sizes, arrays in list(drawn(case))[:: len(SEEDS)]:
        own = {name: size for name, size in sizes.items() if name not in case.shapes}
        value = evaluate(result, {**own, **arrays})
        close(value_of_text(str(result), case, arrays, value.shape), value)


@every_case
@pytest.mark.parametrize("layout", ["numerator", "denominator"])
def test_a_layout_shows_the_closed_form_or_its_transpose(case, layout):
    """As it is, a Jacobian in numerator layout and a gradient in denominator layout; transposed in the other."""
    shown = derivation(case, layout=layout).result
    for sizes, arrays in drawn(case):
        own = {name: size for name, size in sizes.items() if name not in case.shapes}
        value, want = evaluate(shown, {**own, **arrays}), case.answer(arrays)
        outputs = want.ndim - arrays[case.wrt].ndim
        plain = "numerator" if outputs else "denominator"
        if value.ndim == 2 < want.ndim:
            want = as_jacobian(want, outputs)
        close(value, want if layout == plain or value.ndim > 2 else want.T)


def as_jacobian(array, outputs):
    """∂vec(F)/∂vec(X)' of an array `[axes of F..., axes of X...]`."""
    rows, columns = array.shape[:outputs], array.shape[outputs:]
    flat = array.transpose([*reversed(range(outputs)), *reversed(range(outputs, array.ndim))])
    return flat.reshape(int(np.prod(rows)), int(np.prod(columns)))


@every_case
def test_answer_is_as_short_as_a_person_would_write_it(case):
    shortest = min(count(derivation(case, layout=layout).result) for layout in ("numerator", "denominator"))
    longest = 1.5 * count(parse(case.text, case.shapes))
    assert (shortest <= longest) == (case.name not in LONG)


@every_case
def test_exported_functions_and_code_compute_the_derivative(case):
    import torch

    found = derivation(case)
    parameters = variables(parse(case.expression, case.shapes))
    for sizes in SIZES.values():
        drawn_arrays = case.arrays(sizes, 0)
        arrays = {name: drawn_arrays[name] for name in parameters}
        want = found.evaluate(**arrays)
        tensors = {name: torch.as_tensor(array) for name, array in arrays.items()}
        for language, values in (("numpy", arrays), ("torch", tensors)):
            close(np.asarray(function(found.value, language, parameters=parameters)(**values)), want)
            written = source(found.value, language, parameters=parameters)
            names: dict = {}
            exec(compile(written, "<exported>", "exec"), names)  # noqa: S102 - what the engine wrote, not a user
            close(np.asarray(names["derivative"](*values.values())), want)


@every_case
def test_every_step_is_an_equality(case):
    found = derivation(case)
    steps = found.steps
    sizes = SIZES["rectangular"]
    arrays = case.arrays(sizes, 0)
    first, last = steps[0].before, steps[-1].after
    assert first.op == "deriv"
    assert first.args == (found.expression, found.wrt)
    assert last is found.result
    own = {name: size for name, size in sizes.items() if name not in case.shapes}
    for step, following in zip(steps, [*steps[1:], None], strict=True):
        before, after = step.values(**{**own, **arrays})
        close(after, before, tolerance=2e-6)
        if following is not None and following.order == step.order:
            assert following.before is step.after


@pytest.mark.realdata
def test_gold_cases_are_those_of_the_file(data_folder):
    listed = json.loads((data_folder / "calculus" / "gold.json").read_text())["cases"]
    assert [(each["id"], each["dsl"], each["vars"], each["wrt"]) for each in listed] == [
        (case.name, case.expression, case.shapes, case.wrt) for case in GOLD
    ]
    assert [each["id"] for each in listed if "hess" in each] == [case.name for case in GOLD_HESSIANS]


def test_there_are_eighty_cases_of_every_kind():
    assert len(GOLD) == 20
    assert len(CASES) >= 80
    assert len({name_of(case) for case in CASES}) == len(CASES)
    assert {case.order for case in CASES} == {1, 2}
    ranks = {len(derivation(case).shape) for case in CASES}
    assert ranks == {0, 1, 2, 3, 4}


@pytest.mark.parametrize(
    "expression, expected", [("1/(-x)/3", "1/(3*x^2)"), ("1/(-3*x)", "1/(3*x^2)"), ("-1/(-x)^2", "2/x^3")]
)
def test_signs_in_a_denominator_leave_numbers_exact(expression, expected):
    assert str(derive(expression, "x")) == expected
