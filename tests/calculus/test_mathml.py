from xml.etree import ElementTree

import pytest
from calculus.expressions import SHAPES, Writer

from latticework import InputError
from latticework.calculus import derive, parse, variable
from latticework.calculus.mathml import mathml

NAMESPACE = "{http://www.w3.org/1998/Math/MathML}"
CHILDREN = {"mfrac": 2, "msub": 2, "msup": 2, "msubsup": 3}
TAGS = {"math", "mrow", "mi", "mn", "mo", "mtext", "mspace", "mstyle", "msqrt", "mtable", "mtr", "mtd", *CHILDREN}


def parsed(markup):
    """The tree; every element is one of MathML Core and has as many children as it needs."""
    root = ElementTree.fromstring(markup)
    for element in root.iter():
        tag = element.tag.removeprefix(NAMESPACE)
        assert tag in TAGS
        assert len(element) == CHILDREN.get(tag, len(element)), markup
        if tag in ("mi", "mn", "mo", "mtext"):
            assert len(element) == 0
        else:
            assert not (element.text or "").strip()
        assert not (element.tail or "").strip()
    return root


def shown(markup):
    """The letters in their order."""
    return "".join(parsed(markup).itertext()).replace("\N{INVISIBLE TIMES}", "").replace("\N{FUNCTION APPLICATION}", "")


@pytest.mark.parametrize(
    "text, shapes, expected",
    [
        ("A*x - y", {"A": "n,n", "x": "n", "y": "n"}, "Ax−y"),
        ("(a + b)*c", {"a": "", "b": "", "c": ""}, "(a+b)c"),
        ("inv(A)'", {"A": "n,n"}, "A−⊤"),
        ("(a > b)*x", {"a": "", "b": "", "x": "n"}, "[a>b]x"),
        ("norm2(x)^2", {"x": "n"}, "‖x‖22"),
        ("kron(A, B)", {"A": "m,n", "B": "p,q"}, "A⊗B"),
        ("x .* y ./ x", {"x": "n", "y": "n"}, "(x⊙y)⊘x"),
        ("[a; b]", {"a": "", "b": ""}, "[ab]"),
        ("sqrt(a/b)", {"a": "", "b": ""}, "ab"),
        ("mu*Sigma1", {"mu": "", "Sigma1": "n,n"}, "μΣ1"),
        ('einsum("ij,jk->ik", A, B)', {"A": "m,n", "B": "n,p"}, "[∑jAijBjk]ik"),
    ],
)
def test_what_is_shown(text, shapes, expected):
    assert shown(mathml(parse(text, shapes))) == expected


def test_vectors_are_bold_and_nothing_else_is():
    root = parsed(mathml(parse("A*x + y*vector(1)", {"A": "n,n", "x": "n", "y": ""})))
    bold = [element.text for element in root.iter("mi") if "bold" in element.get("style", "")]
    assert bold == ["x", "1"]


def test_a_word_is_one_identifier():
    root = parsed(mathml(variable("weights", "n")))
    assert [element.text for element in root.iter("mi")] == ["weights"]


def test_a_subscript_stands_below_a_superscript():
    root = parsed(mathml(parse("u1^2", {"u1": ""})))
    assert [element.tag for element in root] == ["msubsup"]


def test_comparisons_and_names_are_escaped():
    assert "&lt;" in mathml(parse("(script < 0)*__import__", {"script": "", "__import__": ""}))
    assert shown(mathml(parse("(script < 0)*__import__", {"script": "", "__import__": ""}))) == "[script<0]__import__"


def test_display_makes_a_block():
    assert parsed(mathml(variable("x"), display=True)).get("display") == "block"
    assert parsed(mathml(variable("x"))).get("display") == "inline"


def test_the_steps_are_tables_with_their_rules():
    text = derive("norm2(X*w - y)^2", "w", {"X": "N,n", "w": "n", "y": "N"}).mathml(steps=True)
    tables = [parsed(line) for line in text.splitlines()]
    assert len(tables) == 3
    assert "linear map (section 4.1)" in [element.text for element in tables[1].iter("mtext")]


def test_random_expressions_are_well_formed():
    written = 0
    for seed in range(60):
        try:
            expression = parse(Writer(seed).expression(4), SHAPES)
        except InputError:
            continue
        parsed(mathml(expression))
        written += 1
    assert written > 30
