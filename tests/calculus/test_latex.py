import re

import pytest
from calculus.expressions import SHAPES, Writer

from latticework import InputError
from latticework.calculus import derive, parse, variable
from latticework.calculus.expression import make
from latticework.calculus.latex import escaped, latex, words
from latticework.calculus.tree import variables

COMMANDS = frozenset(
    re.findall(
        r"\w+",
        "left right frac operatorname mathbf mathrm boldsymbol top odot oslash otimes times cdot partial sum geq leq "
        "sqrt langle rangle exp log sin cos tan sinh cosh tanh arcsin arccos arctan det max min pi delta text noindent "
        "textbf begin end alpha beta mu lambda Sigma",
    )
)
SIGNS = frozenset(r" ,_\|%&#${}")
V = {"x": "n", "y": "n", "A": "n,n", "B": "n,n", "a": "", "b": "", "c": ""}


def assert_well_formed(markup):
    """Brackets match, and every command is one that formulas are made of."""
    depth = 0
    for token in re.findall(r"\\[A-Za-z]+|\\.|[{}]", markup, flags=re.DOTALL):
        depth += (token == "{") - (token == "}")
        assert depth >= 0
        if token[0] == "\\":
            assert token[1:] in COMMANDS | SIGNS, token
    assert depth == 0
    assert len(re.findall(r"\\left(?![a-z])", markup)) == len(re.findall(r"\\right(?![a-z])", markup))
    assert markup.count(r"\begin{") == markup.count(r"\end{")


@pytest.mark.parametrize(
    "text, expected",
    [
        ("A*x - y", r"A \mathbf{x} - \mathbf{y}"),
        ("a*b + c", r"a b + c"),
        ("a*(b + c)", r"a \left(b + c\right)"),
        ("a - (b - c)", r"a - \left(b - c\right)"),
        ("-(a + b)", r"-\left(a + b\right)"),
        ("-a*b", r"-a b"),
        ("a - b*c", r"a - b c"),
        ("(a*b)^2", r"\left(a b\right)^{2}"),
        ("a*b^2", r"a b^{2}"),
        ("(-a)^2", r"\left(-a\right)^{2}"),
        ("(a^b)^c", r"\left(a^{b}\right)^{c}"),
        ("a^(b^c)", r"a^{b^{c}}"),
        ("(a/b)^2", r"\left(\frac{a}{b}\right)^{2}"),
        ("a/(b + c)", r"\frac{a}{b + c}"),
        ("-a/b", r"-\frac{a}{b}"),
        ("a/b/c", r"\frac{\frac{a}{b}}{c}"),
        ("2*3*a", r"2 \cdot 3 a"),
        ("a*2", r"a \cdot 2"),
        ("2.5e-7*a", r"\left(2.5 \times 10^{-7}\right) a"),
        ("x .* y", r"\mathbf{x} \odot \mathbf{y}"),
        ("(A*x) .* y", r"\left(A \mathbf{x}\right) \odot \mathbf{y}"),
        ("A*(x .* y)", r"A \left(\mathbf{x} \odot \mathbf{y}\right)"),
        ("(x + y) .* x", r"\left(\mathbf{x} + \mathbf{y}\right) \odot \mathbf{x}"),
        ("x ./ y", r"\mathbf{x} \oslash \mathbf{y}"),
        ("x ./ (y .* x)", r"\mathbf{x} \oslash \left(\mathbf{y} \odot \mathbf{x}\right)"),
        ("x.^2", r"\mathbf{x}^{\odot 2}"),
        ("x'*y", r"\mathbf{x}^{\top} \mathbf{y}"),
        ("(x'*y)*A", r"\left(\mathbf{x}^{\top} \mathbf{y}\right) A"),
        ("(A*B)'", r"\left(A B\right)^{\top}"),
        ("inv(A)", r"A^{-1}"),
        ("inv(A)'", r"A^{-\top}"),
        ("inv(A*B)*x", r"\left(A B\right)^{-1} \mathbf{x}"),
        ("det(A)", r"\det\left(A\right)"),
        ("logdet(A)", r"\log\left|\det\left(A\right)\right|"),
        ("tr(A)^2", r"\left(\operatorname{tr}\left(A\right)\right)^{2}"),
        ("diag(x)", r"\operatorname{diag}\left(\mathbf{x}\right)"),
        ("kron(A, B)*c", r"\left(A \otimes B\right) c"),
        ("norm2(x)", r"\left\|\mathbf{x}\right\|_{2}"),
        ("norm2(x)^2", r"\left\|\mathbf{x}\right\|_{2}^{2}"),
        ("norm2(A)", r"\left\|A\right\|_{F}"),
        ("norm1(A)", r"\left\|\operatorname{vec}\left(A\right)\right\|_{1}"),
        ("abs(a)", r"\left|a\right|"),
        ("sqrt(a)", r"\sqrt{a}"),
        ("sin(a)^2", r"\sin^{2}\left(a\right)"),
        ("log(a)^2", r"\left(\log\left(a\right)\right)^{2}"),
        ("asin(a)", r"\arcsin\left(a\right)"),
        ("(a > b)*x", r"\left[\,a > b\,\right] \mathbf{x}"),
        ("(a >= b) + (a == c)", r"\left[\,a \geq b\,\right] + \left[\,a = c\,\right]"),
        ("vector(1)'*x", r"\mathbf{1}^{\top} \mathbf{x}"),
        ("A + eye", r"A + I"),
        ("max(a, b)", r"\max\left(a, b\right)"),
        ("[a; b]", r"\begin{bmatrix} a \\ b \end{bmatrix}"),
        ("[x, y]", r"\begin{bmatrix} \mathbf{x} & \mathbf{y} \end{bmatrix}"),
        ("A[1, 2]", r"A_{1, 2}"),
        ("x[1:2]", r"\mathbf{x}_{1 : 2}"),
        ("(x + y)[1]", r"\left(\mathbf{x} + \mathbf{y}\right)_{1}"),
        ('einsum("ij,jk->ik", A, B)', r"\left[\sum_{j} A_{ij} B_{jk}\right]_{ik}"),
        ('einsum("i,i->", x, y)', r"\sum_{i} \mathbf{x}_{i} \mathbf{y}_{i}"),
        ("pi*a", r"\pi a"),
    ],
)
def test_every_construct_is_written_with_the_brackets_that_it_needs(text, expected):
    assert latex(parse(text, V)) == expected
    assert_well_formed(expected)


@pytest.mark.parametrize(
    "name, shape, expected",
    [
        ("x", "", "x"),
        ("x", "n", r"\mathbf{x}"),
        ("X", "m,n", "X"),
        ("x1", "", "x_{1}"),
        ("x_12", "n", r"\mathbf{x}_{12}"),
        ("mu", "", r"\mu"),
        ("mu", "n", r"\boldsymbol{\mu}"),
        ("Sigma2", "n,n", r"\Sigma_{2}"),
        ("lambda", "", r"\lambda"),
        ("weights", "n", r"\mathbf{weights}"),
        ("x_hat", "", r"\mathrm{x\_hat}"),
        ("__import__", "", r"\mathrm{\_\_import\_\_}"),
        ("_", "", r"\mathrm{\_}"),
        ("input", "", r"\mathrm{input}"),
        ("write18", "", r"\mathrm{write}_{18}"),
        ("script", "m,n", r"\mathrm{script}"),
        ("frac", "", r"\mathrm{frac}"),
    ],
)
def test_a_name_is_a_letter_a_greek_letter_or_a_word_and_never_a_command(name, shape, expected):
    assert latex(variable(name, shape)) == expected
    assert_well_formed(expected)


def test_words_beside_each_other_stay_apart():
    assert latex(parse("input*write", {"input": "", "write": ""})) == r"\mathrm{input} \, \mathrm{write}"


def test_numbers_are_exact():
    x = variable("x")
    assert latex(x / 3 - 2) == r"\frac{x}{3} - 2"
    assert latex(derive("x^4/6", "x", {"x": ""}).result) == r"\frac{2 x^{3}}{3}"


def test_a_wide_array_stands_beside_its_fraction():
    found = derive("mean((y - relu(X*w + b)).^2)", "w", {"X": "N,n", "w": "n", "b": "", "y": "N"})
    assert found.latex().startswith(r"\frac{2}{N} \left(")
    assert found.latex().endswith(r"\right)^{\top} X")


def test_derivatives_are_fractions():
    x = parse("sin(x)", {"x": ""})
    wrt = variables(x)["x"]
    assert latex(make("deriv", x, wrt)) == r"\frac{\partial \sin\left(x\right)}{\partial x}"
    long = parse("sin(x + x^2 + x^3)", {"x": ""})
    assert latex(make("deriv", long, wrt)) == (
        r"\frac{\partial}{\partial x} \left(\sin\left(x + x^{2} + x^{3}\right)\right)"
    )


def test_inner_products_with_a_derivative_have_angle_brackets():
    found = derive("tr(A*X*B)", "X", {"A": "p,m", "X": "m,n", "B": "n,p"})
    assert latex(found.steps[0].after) == r"\left\langle I, \frac{\partial \left(A X B\right)}{\partial X}\right\rangle"


def test_the_steps_are_aligned_with_their_rules_at_the_right():
    text = derive("norm2(X*w - y)^2", "w", {"X": "N,n", "w": "n", "y": "N"}).latex(steps=True)
    assert_well_formed(text)
    assert text.count(r"\begin{align*}") == 3
    assert r"&= 2 \mathbf{u}_{2}^{\top} X && \text{linear map (section 4.1)}" in text
    assert r"\frac{\partial f}{\partial \mathbf{w}} &= 2 u_{3} \frac{\partial u_{3}}{\partial \mathbf{w}}" in text


def test_scalars_are_differentiated_with_d_and_partials_with_round_d():
    text = derive("sin(x + x^2)", "x", {"x": ""}).latex(steps=True)
    assert r"\frac{d u_{2}}{d x} &= \frac{\partial u_{2}}{\partial x} + " in text
    assert r"\frac{\partial u_{2}}{\partial u_{1}} \frac{d u_{1}}{d x}" in text


def test_plain_text_is_escaped():
    assert escaped(r"\input{a_1} 5%") == r"\textbackslash{}input\{a\_1\} 5\%"
    assert words("a < b") == r"\text{a $<$ b}"


def test_random_expressions_and_their_derivations_are_well_formed():
    written = 0
    for seed in range(60):
        try:
            expression = parse(Writer(seed).expression(4), SHAPES)
        except InputError:
            continue
        assert_well_formed(latex(expression))
        written += 1
    assert written > 30


def test_deep_nesting_needs_no_recursion():
    x = variable("x")
    for _ in range(400):
        x = x**2 + 1
    assert_well_formed(latex(x))
