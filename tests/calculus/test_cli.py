"""`latticework derive`: results on stdout, the rest on stderr, and an exit status that scripts can use."""

from __future__ import annotations

import gzip
import json

import pytest

from latticework.calculus import derive
from latticework.calculus.reference import rules_text

LEAST_SQUARES = ("norm2(X*w - y)^2", "--wrt", "w", "--shape", "X:N,n", "--shape", "w:n", "--shape", "y:N")


@pytest.fixture
def run(latticework):
    return lambda *words: latticework("derive", *words)


def test_the_answer_alone_is_printed_as_one_line_that_can_be_read_again(run):
    ended = run(*LEAST_SQUARES)
    assert (ended.status, ended.out, ended.err) == (0, "2*(X*w - y)'*X\n", "")


def test_options_say_which_derivative_and_how_it_is_laid_out(run):
    assert run(*LEAST_SQUARES, "--layout", "denominator").out == "2*X'*(X*w - y)\n"
    assert run(*LEAST_SQUARES, "--order", "2").out == "2*X'*X\n"
    assert run("x'*A*x", "--wrt", "x", "--assume", "A symmetric").out == "2*x'*A\n"


def test_steps_name_their_rules(run):
    told = run(*LEAST_SQUARES, "--steps").out
    for words in ("u1 = X*w", "linear map", "sum and difference rule", "vector chain rule", "2*(X*w - y)'*X"):
        assert words in told


def test_formats(run, tmp_path):
    found = derive("norm2(X*w - y)^2", "w", {"X": "N,n", "w": "n", "y": "N"})
    assert run(*LEAST_SQUARES, "--format", "latex").out == found.latex() + "\n"
    assert json.loads(run(*LEAST_SQUARES, "--format", "json").out)["result"] == str(found)
    assert run(*LEAST_SQUARES, "--json") == run(*LEAST_SQUARES, "--format", "json")
    for more in (("--format", "html"), ("-o", tmp_path / "a.json"), ("-o", "-")):
        assert "--json is for what is printed" in run(*LEAST_SQUARES, "--json", *more).err
    assert run("--lesson", "sum-reduction", "--format", "html").out.startswith("<!doctype html>")


@pytest.mark.parametrize(
    "name, format",
    [("a.html", "html"), ("a.HTM", "html"), ("a.tex", "latex"), ("a.json", "json"), ("a.txt", "text"), ("a", "text")],
)
def test_the_name_of_a_file_says_its_format(run, tmp_path, name, format):
    written, asked = tmp_path / name, tmp_path / "asked"
    assert run(*LEAST_SQUARES, "-o", written) == (0, "", "")
    assert run(*LEAST_SQUARES, "-o", asked, "--format", format).status == 0
    assert written.read_bytes() == asked.read_bytes()
    told = {"html": "<!doctype html>", "latex": r"2 \left(", "json": "{", "text": "2*(X*w - y)'*X\n"}[format]
    assert written.read_text(encoding="utf-8").startswith(told)
    assert run(*LEAST_SQUARES, "-o", tmp_path / "b.html", "--format", "latex").status == 0
    assert not (tmp_path / "b.html").read_text(encoding="utf-8").startswith("<")


def test_a_file_is_compressed_if_its_name_says_so_and_a_dash_is_standard_output(run, tmp_path):
    assert run(*LEAST_SQUARES, "-o", tmp_path / "a.json.gz").status == 0
    assert json.loads(gzip.decompress((tmp_path / "a.json.gz").read_bytes()))["result"] == "2*(X*w - y)'*X"
    assert run(*LEAST_SQUARES, "-o", "-") == run(*LEAST_SQUARES)


@pytest.mark.parametrize("language", ["numpy", "torch", "jax"])
def test_export_prints_code(run, language):
    told = run(*LEAST_SQUARES, "--export", language).out
    assert (
        told == derive("norm2(X*w - y)^2", "w", {"X": "N,n", "w": "n", "y": "N"}).source(language).rstrip("\n") + "\n"
    )


def test_a_wrong_answer_ends_with_status_1_and_a_counterexample(run):
    right = run(*LEAST_SQUARES, "--check", "2*(X*w - y)'*X")
    assert (right.status, right.out) == (0, "equal: the answer is the derivative\n")
    wrong = run(*LEAST_SQUARES, "--check", "(X*w - y)'*X")
    assert wrong.status == 1
    assert wrong.out.splitlines()[0] == "wrong: the answer is 1/2 times the derivative"
    assert "the answer gives" in wrong.out.splitlines()[1]
    by_symmetric = run("x'*A*x", "--wrt", "x", "--check", "2*x'*A", "--assume", "A symmetric")
    assert (by_symmetric.status, by_symmetric.out) == (0, "equal: the answer is the derivative\n")
    as_json = json.loads(run(*LEAST_SQUARES, "--check", "(X*w - y)'*X", "--format", "json").out)
    assert (as_json["verdict"], as_json["expected"]) == ("wrong", "2*(X*w - y)'*X")
    assert as_json["counterexample"]["got"] != as_json["counterexample"]["expected"]


def test_verify_tells_on_stderr(run):
    ended = run(*LEAST_SQUARES, "--verify")
    assert (ended.status, ended.out) == (0, "2*(X*w - y)'*X\n")
    assert ended.err.startswith("agrees with autodiff at ")


def test_rules_and_lessons_are_printed(run):
    assert run("--rules").out == rules_text() + "\n"
    assert {rule["id"] for rule in json.loads(run("--rules", "--format", "json").out)} >= {"chain-total", "loss"}
    assert run("--lesson", "list").out.splitlines()[1].split("  ")[0] == "scalar-rules"
    assert "Exercise." in run("--lesson", "sum-reduction").out


@pytest.mark.parametrize(
    "words, told",
    [
        ((), "what is to be derived?"),
        (("x'*x",), "by which variable? Give --wrt NAME"),
        (("x'*x", "--wrt", "q"), "there is no variable 'q'"),
        (("x'*", "--wrt", "x"), "the expression ends too early"),
        (("", "--wrt", "x"), "error: the expression is empty\n"),
        (
            ("x'*y", "--wrt", "x", "--shape", "x:n", "--shape", "y:m"),
            "cannot multiply x' (row of n) by y (vector of m)",
        ),
        (("x'*x", "--wrt", "x", "--shape", "x"), "expected a name, a colon and sizes"),
        (("x'*x", "--wrt", "x", "--shape", "x:n", "--shape", "x:m"), "'x' is declared twice"),
        (("x'*x", "--wrt", "x", "--assume", "x" * 99), f"such as 'A symmetric', got '{'x' * 59}...\n"),
        (("x'*x", "--wrt", "x", "--assume", "x" * 99 + " large"), f" of {'x' * 40}..., got 'large'"),
        (("x'*x", "--wrt", "x", "--assume", "x large"), "expected symmetric or positive of x, got 'large'"),
        (("--rules", "-o", "rules.html"), "--rules: format='html': expected one of text, json"),
        (("--lesson", "sum-reduction", "-o", "a.tex"), "--lesson: format='latex': expected one of text, html, json"),
        (("--lesson", "list", "--json"), "--lesson list: format='json': expected text"),
        (("--lesson", "algebra"), "there is no lesson 'algebra'"),
        (("x'*x", "--wrt", "x", "--shape", "y:n"), "--shape: there is no variable 'y'; the expression has x"),
        (
            ("x'*x", "--wrt", "x", "--check", "2*x'", "--export", "numpy"),
            "--check and --export cannot be given together",
        ),
        (("x'*x", "--wrt", "x", "--export", "numpy", "--steps"), "--export and --steps cannot be given together"),
        (("x'*x", "--wrt", "x", "--export", "numpy", "--json"), "--export and --json cannot be given together"),
        (("--lesson", "list", "--wrt", "x"), "--lesson and --wrt cannot be given together"),
        (("--lesson", "list", "--shape", "x:n"), "--lesson and --shape cannot be given together"),
        (("--rules", "--assume", "A symmetric"), "--rules and --assume cannot be given together"),
        (("x'*x", "--wrt", "x", "--export", "numpy", "--format", "json"), "--export: format='json': expected text"),
        (("x'*x", "--wrt", "x", "--export", "numpy", "-o", "a.html"), "--export: format='html': expected text"),
        (
            ("x'*x", "--wrt", "x", "--check", "x", "--format", "html"),
            "--check: format='html': expected one of text, json",
        ),
        (("x'*x", "--wrt", "x", "--check", "x", "--shape", "y:n"), "--shape: there is no variable 'y'"),
        (("x'*x", "--wrt", "x", "--steep"), "No such option: --steep"),
    ],
)
def test_bad_input_ends_with_status_2_and_says_what_is_wrong(run, words, told):
    ended = run(*words)
    assert (ended.status, ended.out) == (2, "")
    assert told in ended.err
    assert "Traceback" not in ended.err


def test_the_place_of_an_error_is_pointed_at(run):
    told = run("w'*x", "--wrt", "w", "--shape", "w:n", "--shape", "x:m").err.splitlines()
    place = next(k for k, line in enumerate(told) if line.strip() == "^")
    assert told[place - 1][told[place].index("^")] == "*"


def test_an_expression_may_begin_with_a_minus_sign(run, tmp_path):
    ended = run("-sum(log(x))", "--wrt", "x")
    assert (ended.status, ended.out) == (0, "-1 ./ x'\n")
    assert run("-o'*log(p)", "--wrt", "p").out == str(derive("-o'*log(p)", "p")) + "\n"  # o for observed
    assert run(*LEAST_SQUARES, f"-o{tmp_path}/a.json") == (0, "", "")


def test_guesses_that_matter_and_kinks_are_noted_on_stderr(run):
    assert "inferred: x vector of m, n scalar" in run("norm2(x)^2/n", "--wrt", "x").err
    assert run("norm2(x)^2", "--wrt", "x").err == ""
    assert "relu has no derivative" in run("relu(w'*x)", "--wrt", "w").err
