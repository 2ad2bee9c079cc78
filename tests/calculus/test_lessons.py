"""The paper's sections are all there, their examples are worked, their exercises can be solved."""

from __future__ import annotations

import pytest

from latticework.calculus import lesson
from latticework.calculus.course import LESSONS
from latticework.calculus.lessons import _page
from latticework.calculus.rules import RULES
from latticework.core.errors import InputError

PAPER = {  # worked in the paper: example, variable, answer
    "9*(x + x^2)": ("x", "9 + 18*x"),
    "[3*x[1]^2*x[2]; 2*x[1] + x[2]^8]": ("x", "[[6*x[1]*x[2], 3*x[1]^2]; [2, 8*x[2]^7]]"),
    "w ./ x": ("x", "diag(-w ./ x.^2)"),
    "sum(x*z)": ("x", "z*vector(1)'"),
    "log(sin(x^3)^2)": ("x", "6*x^2*cos(x^3)/sin(x^3)"),
    "sin(x + x^2)": ("x", "cos(x + x^2)*(1 + 2*x)"),
    "x*x^2": ("x", "3*x^2"),
    "[log(x^2); sin(3*x)]": ("x", "[2/x; 3*cos(3*x)]"),
    "relu(w'*x + b)": ("w", "(w'*x + b > 0)*x'"),
    "mean((y - relu(X*w + b)).^2)": ("w", "2/N*((X*w + b - y) .* (X*w + b > 0))'*X"),
}
ANSWERS = {
    "scalar-rules": "15*x^2 - 2",
    "partials": "8*y^7",
    "jacobian": "A",
    "element-wise": "diag(1 ./ x)",
    "scalar-expansion": "-x/z^2",
    "sum-reduction": "2*x'",
    "chain-single": "-sin(x)*exp(cos(x))",
    "chain-total": "2*x*exp(x) + x^2*exp(x)",
    "chain-vector": "diag(exp(A*x))*A",
    "neuron": "sigmoid(w'*x + b)*(1 - sigmoid(w'*x + b))*x'",
    "loss": "2/N*(X*w - y)'*X",
}


def test_sections_come_in_the_paper_s_order():
    sections = [each.section for each in LESSONS.values()]
    assert sections == ["2", "3", "4.1", "4.2", "4.3", "4.4", "4.5.1", "4.5.2", "4.5.3", "5", "6"]


@pytest.mark.parametrize("text", PAPER)
def test_the_paper_s_worked_examples_are_worked_with_its_answers(text):
    from latticework.calculus import check

    wrt, answer = PAPER[text]
    (example,) = [
        each for lesson in LESSONS.values() for each in lesson.examples if each.expression == text and each.wrt == wrt
    ]
    assert check(text, wrt, answer, example.shapes).verdict == "equal"
    assert example.derivation().verify()


@pytest.mark.parametrize("name", LESSONS)
def test_every_exercise_is_solved_by_its_solution_and_not_by_another(name):
    exercise = lesson(name).exercise
    assert exercise.check(ANSWERS[name]).verdict == "equal"
    assert not exercise.check(f"2*({ANSWERS[name]})")


@pytest.mark.parametrize("name", LESSONS)
def test_a_lesson_says_what_it_presupposes_its_rules_its_examples_and_its_exercise(name):
    found = lesson(name)
    told = found.text()
    assert "Before you begin" in told
    for rule in found.rules:
        assert RULES[rule].statement in told
    for example in found.examples:
        assert str(example.derivation()) in told
    exercise = found.exercise
    assert exercise.command in told
    assert all(f"--shape '{name}:{sizes}' " in exercise.command for name, sizes in exercise.shapes.items())
    (marked,) = (code for section in _page(found).sections for code in section.code)
    assert marked.text == exercise.command
    assert found.as_dict()["exercise"]["hint"] == found.exercise.hint


def test_the_rules_of_the_paper_are_all_taught_and_cited():
    taught = {rule for each in LESSONS.values() for rule in each.rules}
    of_the_paper = {id_ for id_, rule in RULES.items() if rule.section.startswith("Parr")}
    assert of_the_paper - taught <= {"layout"}


def test_the_last_lesson_ends_with_notation_and_rules():
    told = lesson("loss").text()
    assert "\nNotation\n" in told
    assert all(rule.statement in told for rule in RULES.values())


def test_chain_rules_are_chosen_by_counting_paths():
    def cited(name):
        return {step.rule.id for example in lesson(name).examples for step in example.derivation().steps}

    assert "chain-single" in cited("chain-single")
    assert "chain-total" not in cited("chain-single")
    assert "chain-total" in cited("chain-total")
    assert "chain-single" not in cited("chain-total")


def test_a_lesson_that_does_not_exist_is_refused():
    with pytest.raises(InputError, match="there is no lesson 'backprop': expected one of scalar-rules"):
        lesson("backprop")
