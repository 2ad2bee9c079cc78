import json
import re
from xml.etree import ElementTree

import pytest
from outlines import Outline

from latticework import MissingExtraError
from latticework.calculus import derive, lesson
from latticework.calculus.course import LESSONS

LOSS = ("mean((y - relu(X*w + b)).^2)", "w", {"X": "N,n", "w": "n", "b": "", "y": "N"})


def test_a_page_holds_the_function_the_graph_the_steps_the_answer_the_code_and_what_to_heed():
    page = Outline(derive(*LOSS).html())
    assert page.text("h2") == ["Function", "Data flow", "Steps", "Answer", "Where it holds"]
    assert page.text("h1") == [f"Derivative of {LOSS[0]} with respect to w"]
    assert len(page.all("svg")) == 1
    assert len(page.all("math")) > 20
    assert any("def derivative(" in code for code in page.text("code"))
    assert any("loss of a neuron, sample by sample (section 6)" in cell for cell in page.text("td"))
    assert "relu has no derivative where an element of X*w + b is 0; 0 is taken for it" in page.text("p")


def test_a_page_needs_no_network_and_no_script():
    page = derive(*LOSS).html()
    assert "<script" not in page
    assert not re.search(r"https?:", page)
    assert not re.search(r"\son\w+=", page)


def test_every_formula_of_a_page_is_well_formed():
    page = derive(*LOSS).html()
    formulas = re.findall(r"<math.*?</math>", page, flags=re.DOTALL)
    assert len(formulas) == page.count("<math")
    for formula in formulas:
        ElementTree.fromstring(formula)


def test_hostile_names_stay_text():
    shapes = {"script": "n", "__import__": "n", "onload": "n,n"}
    page = Outline(derive("sum((script < 0) .* (onload*__import__))", "__import__", shapes).html())
    assert not page.all("script")
    assert any("script < 0" in text for text in page.text("h1"))


def test_the_same_derivation_gives_the_same_page():
    assert derive(*LOSS).html() == derive(*LOSS).html()


def test_a_large_graph_is_left_out():
    text = "x"
    for _ in range(70):
        text = f"sin({text})"
    page = Outline(derive(text, "x", {"x": ""}).html())
    assert not page.all("svg")
    assert page.text("h2") == ["Function", "Steps", "Answer"]


def test_a_derivative_whose_sizes_no_variable_tells_still_has_its_page():
    page = Outline(derive("a + b", "x", {"a": "", "b": "", "x": "n"}).html())
    assert "Answer" in page.text("h2")


@pytest.mark.parametrize("name", LESSONS)
def test_every_lesson_has_a_page_with_its_examples_and_its_exercise(name):
    found = lesson(name)
    page = Outline(found.html())
    assert page.text("h1") == [found.title]
    assert sum(text.startswith("Example") for text in page.text("h2")) == len(found.examples)
    assert f"Hint: {found.exercise.hint}" in page.text("p")


def test_pages_need_their_extra(monkeypatch):
    import sys

    found = derive(*LOSS)
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'latticework\[pages\]'"):
        found.html()


def test_plain_data_tells_assumptions_conditions_and_kinks():
    found = derive("norm1(x) + logdet(A)", "x", {"x": "n", "A": "k,k"}, assume="A symmetric").as_dict()
    assert found["assumptions"] == {"A": ["symmetric"]}
    assert found["conditions"] == ["A must be invertible for logdet(A)"]
    assert found["kinks"] == ["norm1 has no derivative where an element of x is 0; 0 is taken for it"]
    assert (found["shape"], found["shape_in_words"], found["axes"]) == (["n"], "row of n", ["n"])
    json.dumps(found)
