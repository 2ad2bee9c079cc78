"""A sign or an axis that is wrong in the rule of any operation is noticed: rectangular cases against differences."""

import numpy as np
import pytest
from calculus.expressions import arrays_of

from latticework.calculus import partials
from latticework.calculus.derivation import derive
from latticework.calculus.evaluate import differences
from latticework.calculus.parser import parse
from latticework.calculus.shapes import ELEMENTWISE
from latticework.calculus.tensor import Term
from latticework.calculus.tree import order, variables
from latticework.core.errors import InputError

SHAPES = {"a": "", "x": "n", "y": "n", "z": "m", "A": "m,n", "B": "m,n", "C": "n,m", "S": "n,n", "T": "n,n"}
SIZES = {"n": 3, "m": 2}
SEED = 0  # nothing is near a kink
POSITIVE = ("a", "x", "A")

# For every operation expressions in which it depends on variables of every rank that it takes.
BY_OPERATION = {
    "add": ["a + x", "A + B + a", "x + y"],
    "neg": ["-x", "-A"],
    "had": ["a*x", "x .* y", "A .* B", "a*A .* B"],
    "div": ["x ./ (1 + y.^2)", "B/a", "a/(2 + x'*x)", "1 ./ A", "x/a"],
    "pow": ["x.^3", "a^2", "x.^y", "A.^a", "A.^2", "x.^a", "2.^y"],
    "mul": ["A*y", "z'*A*y", "A*C", "x*z'", "A*C*B", "z'*A"],
    "T": ["A'", "(A*C)'", "x'", "B'*z"],
    "sum": ["sum(x .* y)", "sum(A .* B)"],
    "mean": ["mean(x .* y)", "mean(A .* B)"],
    "rowsum": ["rowsum(A .* B)"],
    "colsum": ["colsum(A .* B)"],
    "norm1": ["norm1(A*y)", "norm1(B)"],
    "norm2": ["norm2(A*x)", "norm2(B)"],
    "max": ["max(A*y)", "max(B)"],
    "min": ["min(A*y)", "min(B)"],
    "maximum": ["max(y, a - x)", "max(B, a)", "max(A, B)"],
    "minimum": ["min(y, a - x)", "min(B, a)", "min(A, B)"],
    "tr": ["tr(S*T)", "tr(A*C)"],
    "det": ["det(S)", "det(A*C)"],
    "logdet": ["logdet(S)", "logdet(A*C)"],
    "inv": ["inv(S)", "y'*inv(S)*x"],
    "diag": ["diag(x .* y)", "diag(S*T)"],
    "vec": ["vec(A*S)", "vec(A)"],
    "unvec": ["reshape(vec(A)*a, m, n)", "reshape([x; y], n, 2)"],
    "kron": ["kron(x, y)", "kron(x, z)", "kron(A, S)", "kron(A, x')", "kron(x', z)"],
    "softmax": ["softmax(A*y)", "softmax(B)", "softmax(y)"],
    "log_softmax": ["log_softmax(A*y)", "log_softmax(B)"],
    "logsumexp": ["logsumexp(y)", "logsumexp(B)"],
    "stack": ["[x; a]", "[A; x']", "[A, z]", "[x, y]", "[A; B]", "[a, a^2]"],
    "index": ["A[1, :]", "A[:, 2]", "A[2, 1:2]", "x[2]", "y[2:3]", "A[1, 3]", "A[1:2, 2:3]"],
    "einsum": ['einsum("ij,ij,j->i", A, B, y)', 'einsum("ij,jk->ki", A, C)', 'einsum("i,j->ij", z, y)'],
}
SMOOTH = sorted(ELEMENTWISE - {"sign"})
# Where an argument may be between 0 and 1 only, or has to be positive.
ARGUMENTS = {"asin": "x/2", "acos": "x/2", "log": "x", "sqrt": "x"}


def expressions_of(op):
    if op in BY_OPERATION:
        return BY_OPERATION[op]
    argument = ARGUMENTS.get(op, "1.3*y")
    return [f"{op}({argument})", f"{op}({argument.replace('x', 'A').replace('y', 'B')})"]


def is_right(written):
    """Whether the derivatives of an expression by all of its variables are those that differences find."""
    expr = parse(written, SHAPES)
    arrays = arrays_of(SHAPES, SIZES, SEED, positive=POSITIVE)
    mine = {name: arrays[name] for name in variables(expr)}
    for name, node in variables(expr).items():
        try:
            found = derive(expr, name).evaluate(**mine, **SIZES)
        except (InputError, ValueError, AssertionError, KeyError):
            return False
        expected = differences(expr, node, {**mine, **SIZES}, step=1e-3)
        if found.shape != expected.shape or not np.allclose(found, expected, rtol=1e-6, atol=1e-7):
            return False
    return True


def noticed(op):
    return not all(is_right(written) for written in expressions_of(op))


def opposite(rule):
    """The rule with the other sign."""
    return lambda *args: [Term(-term.coefficient, dict(term.factors)) for term in rule(*args)]


def one_term_opposite(rule, place):
    """The rule with the other sign in one of its terms."""

    def changed(*args):
        terms = rule(*args)
        if len(terms) <= place:
            return terms
        terms[place] = Term(-terms[place].coefficient, dict(terms[place].factors))
        return terms

    return changed


def doubled(rule):
    return lambda *args: [Term(2 * term.coefficient, dict(term.factors)) for term in rule(*args)]


def turned(rule, side):
    """The rule with two axes of the result (0) or of the operand (1) exchanged."""

    def changed(node, place, out, arg):
        labels = [out, arg]
        if len(labels[side]) == 2:
            labels[side] = labels[side][::-1]
        return rule(node, place, *labels)

    return changed


def other_operand(rule):
    """The rule for another operand than that which is asked for, where both have the same shape."""

    def changed(node, place, out, arg):
        for other, candidate in enumerate(node.args):
            if other != place and candidate.shape == node.args[place].shape and candidate is not node.args[place]:
                return rule(node, other, out, arg)
        return rule(node, place, out, arg)

    return changed


RULES = sorted(set(partials._PARTIALS) - {"compare"})


def test_there_are_cases_for_every_rule():
    assert set(RULES) == set(BY_OPERATION)
    for op in [*RULES, *SMOOTH]:
        used = {node.op for written in expressions_of(op) for node in order(parse(written, SHAPES))}
        assert op in used


@pytest.mark.parametrize("op", [*RULES, *SMOOTH])
def test_every_rule_is_right(op):
    for written in expressions_of(op):
        assert is_right(written), written


@pytest.mark.parametrize("op", RULES)
def test_a_wrong_sign_is_noticed(op, monkeypatch):
    monkeypatch.setitem(partials._PARTIALS, op, opposite(partials._PARTIALS[op]))
    assert noticed(op)


@pytest.mark.parametrize("op", RULES)
def test_a_wrong_factor_is_noticed(op, monkeypatch):
    monkeypatch.setitem(partials._PARTIALS, op, doubled(partials._PARTIALS[op]))
    assert noticed(op)


@pytest.mark.parametrize("op", RULES)
def test_a_missing_rule_is_noticed(op, monkeypatch):
    monkeypatch.setitem(partials._PARTIALS, op, lambda *_: [])
    assert noticed(op)


@pytest.mark.parametrize("op, place", [("softmax", 0), ("softmax", 1), ("log_softmax", 0), ("log_softmax", 1)])
def test_a_wrong_sign_of_one_term_is_noticed(op, place, monkeypatch):
    monkeypatch.setitem(partials._PARTIALS, op, one_term_opposite(partials._PARTIALS[op], place))
    assert noticed(op)


# A trace, a maximum or a Frobenius norm of X is that of its transpose; these rules know no rows from columns, nor do
# the sum and the mean, whose rules have no labels at all. A diagonal and an inverse are turned on both sides or none.
TURNED_OPERANDS = sorted(set(RULES) - {"sum", "mean", "tr", "diag", "unvec", "compare"})
SCALARS = {"sum", "mean", "norm1", "norm2", "max", "min", "tr", "det", "logdet"}
VECTORS = {"rowsum", "colsum", "vec", "logsumexp"}
TURNED_RESULTS = sorted(set(RULES) - SCALARS - VECTORS - {"diag"})


@pytest.mark.parametrize("op", TURNED_OPERANDS)
def test_exchanged_axes_of_an_operand_are_noticed(op, monkeypatch):
    monkeypatch.setitem(partials._PARTIALS, op, turned(partials._PARTIALS[op], 1))
    assert noticed(op)


@pytest.mark.parametrize("op", TURNED_RESULTS)
def test_exchanged_axes_of_a_result_are_noticed(op, monkeypatch):
    monkeypatch.setitem(partials._PARTIALS, op, turned(partials._PARTIALS[op], 0))
    assert noticed(op)


@pytest.mark.parametrize("op", ["had", "div", "pow", "mul", "maximum", "minimum", "kron", "stack", "einsum"])
def test_exchanged_operands_are_noticed(op, monkeypatch):
    monkeypatch.setitem(partials._PARTIALS, op, other_operand(partials._PARTIALS[op]))
    assert noticed(op)


@pytest.mark.parametrize("op", SMOOTH)
def test_a_wrong_sign_of_a_function_is_noticed(op, monkeypatch):
    right = partials.slope

    def wrong(node):
        factors, coefficient = right(node)
        return factors, -coefficient if node.op == op else coefficient

    monkeypatch.setattr(partials, "slope", wrong)
    assert noticed(op)


@pytest.mark.parametrize("op", SMOOTH)
def test_a_missing_factor_of_a_function_is_noticed(op, monkeypatch):
    right = partials.slope

    def wrong(node):
        factors, coefficient = right(node)
        return (factors[:-1], coefficient) if node.op == op else (factors, coefficient)

    monkeypatch.setattr(partials, "slope", wrong)
    assert noticed(op)
