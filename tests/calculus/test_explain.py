import re
from itertools import pairwise

import numpy as np
import pytest
from calculus.expressions import SHAPES, Writer

from latticework import InputError
from latticework.calculus import derive, parse
from latticework.calculus.chain import account
from latticework.calculus.conditions import conditions, kinks
from latticework.calculus.equations import Rate, Sum
from latticework.calculus.evaluate import differences, evaluate
from latticework.calculus.explain import Explanation
from latticework.calculus.expression import substitute
from latticework.calculus.points import point, size_sets
from latticework.calculus.tree import named, order, variables

LOSS = ("mean((y - relu(X*w + b)).^2)", {"X": "N,n", "w": "n", "b": "", "y": "N"})
CASES = [
    ("norm2(X*w - y)^2", "w", {"X": "N,n", "w": "n", "y": "N"}, {}),
    ("norm2(X*w - y)^2", "w", {"X": "N,n", "w": "n", "y": "N"}, {"layout": "denominator"}),
    ("relu(w'*x + b)", "w", {"w": "n", "x": "n", "b": ""}, {}),
    (LOSS[0], "w", LOSS[1], {}),
    (LOSS[0], "b", LOSS[1], {}),
    ("log(sin(x^3)^2)", "x", {"x": ""}, {}),
    ("sin(x + x^2)", "x", {"x": ""}, {}),
    ("x*x^2", "x", {"x": ""}, {}),
    ("exp(x)*x*x + log(x)", "x", {"x": ""}, {"order": 2}),
    ("9*(x + x^2)", "x", {"x": ""}, {}),
    ("tr(A*X*B)", "X", {"A": "p,m", "X": "m,n", "B": "n,p"}, {}),
    ("tr(A*X*B)", "X", {"A": "p,m", "X": "m,n", "B": "n,p"}, {"layout": "denominator"}),
    ("-y'*log(softmax(z))", "z", {"y": "n", "z": "n"}, {}),
    ("log(abs(det(X)))", "X", {"X": "n,n"}, {}),
    ("A*X*B", "X", {"A": "p,m", "X": "m,n", "B": "n,q"}, {}),
    ("A*X*B", "X", {"A": "p,m", "X": "m,n", "B": "n,q"}, {"layout": "denominator"}),
    ("sum(log(1 + exp(-y .* (X*w))))", "w", {"X": "N,n", "w": "n", "y": "N"}, {"order": 2}),
    ("x'*A*x", "x", {"A": "n,n", "x": "n"}, {"order": 2}),
    ("[log(x^2); sin(3*x)]", "x", {"x": ""}, {}),
    ("[log(x); -sin(x)*x]", "x", {"x": ""}, {"layout": "denominator"}),
    ("[a'*x; norm2(x)^2]", "x", {"a": "n", "x": "n"}, {}),
    ("w .* x", "w", {"w": "n", "x": "n"}, {}),
    ("softmax(X*W)", "W", {"X": "N,n", "W": "n,k"}, {}),
    ("a'*inv(X)*b", "X", {"a": "n", "X": "n,n", "b": "n"}, {}),
    ("norm1(x) + max(x)", "x", {"x": "n"}, {}),
    ("logdet(X)", "X", {"X": "n,n"}, {"assume": "X symmetric"}),
    ("tr(X'*A*X)", "X", {"X": "n,n", "A": "n,n"}, {"assume": "X symmetric, A symmetric"}),
    ("(A*x)'", "x", {"A": "m,n", "x": "n"}, {}),
    ("x*s", "s", {"x": "n", "s": ""}, {}),
    ("a + b", "x", {"a": "n", "b": "n", "x": "n"}, {}),
    ("x", "x", {"x": "n"}, {}),
    ("u1*x + u2", "x", {"u1": "", "u2": "", "x": ""}, {}),
    ("(X*w)'*(X*w + b)/norm2(w) + norm2(w)^2", "w", {"X": "N,n", "w": "n", "b": ""}, {}),
    ("sum((x'*A)' .* exp(x))", "x", {"A": "n,n", "x": "n"}, {}),
]
IDS = [f"{case[0]} by {case[1]} {case[3] or ''}" for case in CASES]


def derived(case):
    expression, wrt, shapes, options = case
    return derive(expression, wrt, shapes, **options)


def random_derivation(seed):
    """The derivation of a random expression that depends on what it is differentiated by."""
    writer = Writer(seed)
    while True:
        try:
            expression = parse(writer.expression(3), SHAPES)
        except InputError:
            continue
        names = sorted(variables(expression))
        # What n is if only n*n is known `evaluate` does not find out.
        square = any(len(symbols) > 1 for node in order(expression) for size in node.shape for symbols, _ in size.terms)
        if names and not square:
            return derive(expression, names[seed % len(names)])


class Values:
    """Both sides of equations at a point, whatever they are made of, by differences and by nothing that is tested."""

    def __init__(self, graph, arrays):
        self.graph, self.arrays = graph, dict(arrays)
        for node in graph.steps:
            symbol = named(node.symbol)
            self.arrays[symbol.data[0]] = evaluate(node.whole, arrays)

    def of(self, side):
        if isinstance(side, Rate):
            return self.rate(side)
        if isinstance(side, Sum):
            return sum(self.product(term) for term in side.terms)
        if side.op == "T" and side.args[0].op == "deriv":
            return self.of(side.args[0]).T
        if side.op == "deriv" and side.args[0].op == "vec":
            (above,), (below,) = side.args[0].args, side.args[1].args
            whole = differences(self.graph.expanded(above), below, self.arrays)
            rows = int(np.prod(whole.shape[: above.rank]))
            return whole.reshape((rows, -1), order="F")
        return evaluate(self.graph.expanded(side), self.arrays)

    def rate(self, rate):
        node = next(node for node in self.graph.nodes if node.symbol is rate.above)
        below = named(rate.below)
        inner = {other.whole: other.symbol for other in self.graph.steps if named(other.symbol) is below}
        root = node.short if rate.partial else substitute(node.whole, inner)
        return differences(root, below, self.arrays)

    def product(self, factors):
        found = self.of(factors[0])
        for left, right in pairwise(factors):
            between = left.below.rank if isinstance(left, Rate) else 0
            found = np.tensordot(found, self.of(right), axes=between)
        return found


def chains(equations):
    """Every equation with its left side, which may stand in an earlier one."""
    left = None
    for equation in equations:
        left = equation.left if equation.left is not None else left
        if left is not None:
            yield left, equation.right, equation


def equations_of(derivation):
    explanation = Explanation(derivation)
    parts = [*explanation.parts, explanation.answer]
    for direction in ("forward", "backward"):
        parts += explanation.account(direction)
    for part in parts:
        for left, right, equation in chains(part.equations):
            yield part.graph, left, right
            for note in equation.notes:
                yield part.graph, note.left, note.right


def assert_all_hold(derivation):
    rng = np.random.default_rng(0)
    compared = 0
    for sizes in list(size_sets(derivation.expression, derivation.wrt))[:2] or [{}]:
        stages = [each for stage in derivation.stages for each in (stage.function, stage.value)]
        # Differences by an intermediate variable must not leave the domain of what follows, such as a logarithm's.
        draws = (point(derivation.expression, sizes, rng, *stages, derivation.wrt) for _ in range(20))
        arrays = next((each for each in draws if each is not None and _smallest(derivation, each) > 0.05), None)
        if arrays is None:
            continue
        for graph, left, right in equations_of(derivation):
            values = Values(graph, arrays)
            first, second = np.asarray(values.of(left)), np.asarray(values.of(right))
            assert first.shape == second.shape, (left, right)
            np.testing.assert_allclose(first, second, rtol=2e-6, atol=2e-6 * (1 + np.abs(second).max(initial=0)))
            compared += 1
    return compared


def _smallest(derivation, arrays):
    graphs = Explanation(derivation).graphs
    inside = [node.whole for graph in graphs for node in graph.steps if node.whole.rank == 0 and node.kind != "result"]
    return min((abs(float(evaluate(each, arrays))) for each in inside), default=1.0)


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_every_printed_equality_holds(case):
    assert assert_all_hold(derived(case)) > 0


@pytest.mark.parametrize("seed", sorted({*range(42)} - {8, 26}))  # of these two, all points are at kinks
def test_every_printed_equality_of_a_random_expression_holds(seed):
    assert assert_all_hold(random_derivation(seed)) > 0


def test_without_steps_the_text_is_one_line_that_can_be_parsed():
    shapes = {"X": "N,n", "w": "n", "y": "N"}
    found = derive("norm2(X*w - y)^2", "w", shapes)
    assert str(parse(found.text(), shapes)) == str(found.result)
    assert "\n" not in found.text()


def test_a_derivation_reads_like_this():
    text = derive("norm2(X*w - y)^2", "w", {"X": "N,n", "w": "n", "y": "N"}).text(steps=True)
    assert (
        text
        == """\
Derivative of norm2(X*w - y)^2 with respect to w
================================================

Given
  w  vector of n
  X  N×n matrix
  y  vector of N

Intermediate variables
  u1 = X*w        vector of N
  u2 = u1 - y     vector of N
  u3 = norm2(u2)  scalar
  f  = u3^2       scalar

The derivative
  df/dw = 2*u3*du3/dw     vector chain rule (section 4.5.3): df/du3 = 2*u3
        = 2*u2'*du2/dw    norm (Cookbook, equation 129): du3/du2 = u2'/norm2(u2)
        = 2*u2'*du1/dw    sum and difference rule (section 2): du2/du1 = eye; y does not depend on w
        = 2*u2'*X         linear map (section 4.1): du1/dw = X
        = 2*(X*w - y)'*X  with u2 written out

Answer, in numerator layout
  df/dw    = 2*(X*w - y)'*X  row of n
  (df/dw)' = 2*X'*(X*w - y)  vector of n like w: the gradient

Sections are those of Parr & Howard 2018, the Cookbook is Petersen & Pedersen 2012."""
    )


def test_one_path_of_scalars_takes_the_four_steps_of_the_paper():
    text = derive("log(sin(x^3)^2)", "x", {"x": ""}).text(steps=True)
    titles = re.findall(r"^\d\. .*", text, flags=re.MULTILINE)
    assert [title.split()[1] for title in titles] == ["Introduce", "Differentiate", "Combine", "Substitute"]
    assert "dy/dx = dy/du3 * du3/du2 * du2/du1 * du1/dx  single-variable chain rule (section 4.5.1)" in text
    assert "= (1/u3) * (2*u2) * cos(u1) * (3*x^2)" in text


def test_several_paths_take_the_total_derivative():
    found = derive("sin(x + x^2)", "x", {"x": ""})
    assert """
1. Introduce intermediate variables, the innermost first
  u1 = x^2      scalar
  u2 = x + u1   scalar
  y  = sin(u2)  scalar

2. Differentiate each by itself, by every variable it uses, the others held still
  ∂u1/∂x  = 2*x      power rule (section 2)
  ∂u2/∂x  = 1        sum and difference rule (section 2)
  ∂u2/∂u1 = 1        sum and difference rule (section 2)
  ∂y/∂u2  = cos(u2)  derivative of a function (section 2)

3. Combine
  Several paths lead from x to y, so what comes along each is added up.
  du1/dx = 2*x
  du2/dx = ∂u2/∂x + ∂u2/∂u1 * du1/dx  single-variable total-derivative chain rule (section 4.5.2)
         = 1 + 2*x
  dy/dx  = ∂y/∂u2 * du2/dx            single-variable chain rule (section 4.5.1)
         = (1 + 2*x)*cos(u2)

4. Substitute
  dy/dx = (1 + 2*x)*cos(x + x^2)

""" in found.text(steps=True)
    assert (
        found.account("backward")
        == """\
Backward: how everything changes y, the outermost first
  dy/dy  = 1                                  identity (section 4.1)
  dy/du2 = cos(u2)
  dy/du1 = dy/du2 * ∂u2/∂u1                   single-variable chain rule (section 4.5.1)
         = cos(u2)
  dy/dx  = dy/du1 * ∂u1/∂x + dy/du2 * ∂u2/∂x  single-variable total-derivative chain rule (section
                                              4.5.2)
         = (1 + 2*x)*cos(u2)"""
    )


def test_with_one_path_of_vectors_derivatives_are_whole_and_a_column_is_differentiated_to_a_row():
    found = derive("norm2(X*w - y)^2", "w", {"X": "N,n", "w": "n", "y": "N"})
    assert (
        found.account("forward")
        == """\
Forward: how w changes everything, the innermost first
  du1/dw = X
  du2/dw = du2/du1 * du1/dw  vector chain rule (section 4.5.3)
         = X
  du3/dw = du3/du2 * du2/dw  vector chain rule (section 4.5.3)
         = u2'*X/u3
  df/dw  = df/du3 * du3/dw   vector chain rule (section 4.5.3)
         = 2*u2'*X"""
    )
    assert (
        found.account("backward")
        == """\
Backward: how everything changes f, the outermost first
  df/df  = 1                 identity (section 4.1)
  df/du3 = 2*u3
  df/du2 = df/du3 * du3/du2  vector chain rule (section 4.5.3)
         = 2*u2'
  df/du1 = df/du2 * du2/du1  vector chain rule (section 4.5.3)
         = 2*u2'
  df/dw  = df/du1 * du1/dw   vector chain rule (section 4.5.3)
         = 2*u2'*X"""
    )


def test_the_account_forward_begins_at_the_variable_and_backward_at_the_result():
    found = derive("log(sin(x^3)^2)", "x", {"x": ""})
    forward, backward = found.account("forward"), found.account("backward")
    assert [line.split(" = ")[0].strip() for line in forward.splitlines()[1:] if line[2] != " "] == [
        "du1/dx",
        "du2/dx",
        "du3/dx",
        "dy/dx",
    ]
    assert [line.split(" = ")[0].strip() for line in backward.splitlines()[1:] if line[2] != " "] == [
        "dy/dy",
        "dy/du3",
        "dy/du2",
        "dy/du1",
        "dy/dx",
    ]


def test_an_unknown_direction_is_refused():
    with pytest.raises(InputError, match="direction='sideways': expected one of forward, backward"):
        derive("x^2", "x", {"x": ""}).account("sideways")
    with pytest.raises(InputError, match="direction='sideways': expected one of forward, backward"):
        account(derive("x^2", "x", {"x": ""}).graph, "sideways")


def test_a_second_derivative_names_its_function_anew():
    text = derive("x'*A*x", "x", {"A": "n,n", "x": "n"}, order=2).text(steps=True)
    assert "y = x'*A*x" in text
    assert "f = (A + A')*x" in text or "f = (A' + A)*x" in text
    assert "n×n matrix, the Hessian of y" in text


def test_the_case_of_the_loss_is_told_sample_by_sample():
    text = derive(LOSS[0], "w", LOSS[1]).text(steps=True)
    assert "loss of a neuron, sample by sample (section 6)" in text
    assert "which case holds is asked for every sample, inside the sum" in re.sub(r"\s+", " ", text)


def test_a_symmetric_variable_is_told_of_and_its_answer_contradicts_nothing():
    text = derive("logdet(X)", "X", {"X": "n,n"}, assume="X symmetric").text(steps=True)
    assert "X  n×n matrix, symmetric" in text
    assert "For the entries of a symmetric X, in numerator layout." in text
    assert "dy/dX = 2*inv(X)" not in text


@pytest.mark.parametrize(
    "text, expected",
    [
        ("log(x)", ["x must be positive for log(x)"]),
        ("log(1 + exp(x))", []),
        ("sqrt(x)", ["x must not be negative for sqrt(x)"]),
        ("a/x", ["x must not be 0"]),
        ("x/2", []),
        ("x^a", ["x must be positive for x^a"]),
        ("x^(-1)", ["x must not be 0"]),
        ("x^2", []),
        ("asin(x)", ["x must be between -1 and 1 for asin(x)"]),
        ("tr(inv(A))", ["A must be invertible"]),
        ("logdet(A)", ["A must be invertible for logdet(A)"]),
        ("det(A)", []),
    ],
)
def test_what_an_expression_needs_is_stated(text, expected):
    assert conditions(parse(text, {"x": "", "a": "", "A": "n,n"})) == expected


@pytest.mark.parametrize(
    "text, shape, expected",
    [
        ("sum(relu(x))", "n", ["relu has no derivative where an element of x is 0; 0 is taken for it"]),
        ("relu(x)", "", ["relu has no derivative where x is 0; 0 is taken for it"]),
        ("norm1(x)", "n", ["norm1 has no derivative where an element of x is 0; 0 is taken for it"]),
        ("norm2(x)", "n", ["norm2 has no derivative where x is 0; the answer is 0/0 there"]),
        ("norm2(x)^2", "n", []),
        ("sqrt(x)", "", ["sqrt has no derivative where x is 0; the answer is 1/0 there"]),
        ("max(x, 2*x + 1)", "", ["max has no derivative where x = 2*x + 1; 0 is taken for it"]),
        ("x*(x > 0)", "", ["x > 0 jumps where x = 0; the derivative is taken to be 0 there too"]),
        ("exp(x)", "", []),
    ],
)
def test_kinks_are_stated(text, shape, expected):
    found = derive(text, "x", {"x": shape})
    assert kinks(found.expression, found.wrt, found.value) == expected


@pytest.mark.parametrize("text, at", [("relu(x)", 0.0), ("abs(x)", 0.0), ("max(x, 2*x)", 0.0)])
def test_at_a_kink_the_answer_takes_what_is_stated(text, at):
    assert derive(text, "x", {"x": ""}).evaluate(x=at) == 0


def test_at_a_tie_every_largest_element_counts_as_stated():
    found = derive("max(x)", "x", {"x": "n"})
    assert found.evaluate(x=[2.0, 1.0, 2.0]).tolist() == [1, 0, 1]
    assert (
        "max has no derivative where several elements of x are the largest; 1 is taken for each of them"
        in found.text(steps=True)
    )


def test_names_of_intermediate_variables_are_free():
    text = derive("exp(u1*u2*y^2)", "y", {"u1": "", "u2": "", "y": ""}).text(steps=True)
    assert "v1 = y^2" in text
    assert "f  = exp(" in text


def test_as_dict_holds_every_step_as_text():
    import json

    found = derive("norm2(X*w - y)^2", "w", {"X": "N,n", "w": "n", "y": "N"})
    told = json.loads(json.dumps(found.as_dict()))
    assert told["shapes"] == {"w": "n", "X": "N,n", "y": "N"}
    assert (told["wrt"], told["order"], told["layout"], told["result"]) == ("w", 1, "numerator", "2*(X*w - y)'*X")
    assert told["latex"] == found.latex()
    assert [step["rule"]["id"] for step in told["steps"]] == [step.rule.id for step in found.steps]
    for earlier, later in zip(told["steps"], told["steps"][1:], strict=False):
        assert earlier["after"] == later["before"]
    assert told["steps"][-1]["after"] == told["result"]


@pytest.mark.parametrize("text", ["tr(X)", "c*tr(X)", "tr(X)^2", "norm2(diag(X))^2"])
def test_a_diagonal_gradient_by_a_symmetric_variable_is_written_once(text):
    shapes = {"X": "n,n", "c": ""}
    assert str(derive(text, "X", shapes, assume="X symmetric")) == str(derive(text, "X", shapes))


@pytest.mark.parametrize(
    "text, told",
    [
        (LOSS[0], True),
        ("norm2(relu(b - X*w) - y)^2/N", True),
        ("sum(relu(X*w + b))", False),
        ("sum(relu(X*w + b).^3)", False),
        ("sum(exp(relu(X*w + b)).^2)", False),
    ],
)
def test_only_a_squared_loss_is_called_the_loss_of_a_neuron(text, told):
    rules = [step.rule.id for step in derive(text, "w", LOSS[1]).steps]
    assert ("loss" in rules) == told


def test_there_is_a_name_for_the_result_of_every_differentiation():
    found = derive("f*y^5", "y", {"f": "", "y": ""}, order=4)
    assert "dresult2/dy = 120*f*y" in found.text(steps=True)
    assert " f = " not in derive("y^2 + f", "y", {"f": "", "y": ""}, order=2).text(steps=True)
