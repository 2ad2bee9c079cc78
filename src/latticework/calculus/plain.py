"""Explanations for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from textwrap import wrap

from latticework.calculus.equations import Equation, Part, Rate, Side, Sum
from latticework.calculus.explain import Explanation
from latticework.calculus.expression import Expr
from latticework.calculus.rules import COOKBOOK, PAPER
from latticework.calculus.text import factor, text
from latticework.calculus.tree import named

WIDTH = 100
LONGEST = 52  # columns of an equation that has its rule beside it and not below


def explained(explanation: Explanation) -> str:
    """The whole derivation.

    Examples
    --------
    >>> from latticework.calculus.derivation import derive
    >>> print(explained(Explanation(derive("w .* x", "w", {"w": "n", "x": "n"}))))
    Derivative of w .* x with respect to w
    ======================================
    <BLANKLINE>
    Given
      w  vector of n
      x  vector of n
    <BLANKLINE>
    The function
      y = w .* x  vector of n
    <BLANKLINE>
    The derivative
      dy/dw = diag(x)  element-wise binary operator (section 4.2)
    <BLANKLINE>
    Answer, in numerator layout
      dy/dw = diag(x)  n×n matrix
    <BLANKLINE>
    Sections are those of Parr & Howard 2018.
    """
    head = title(explanation)
    given = explanation.given
    width = max(len(str(symbol)) for symbol, _ in given)
    blocks = [f"{head}\n{'=' * len(head)}"]
    blocks.append("\n".join(["Given", *(f"  {symbol!s:<{width}}  {shape}" for symbol, shape in given)]))
    blocks += map(part_text, explanation.parts)
    blocks.append(part_text(explanation.answer))
    for name, sentences in (
        ("Where it is defined", explanation.conditions),
        ("Kinks", explanation.kinks),
    ):
        if sentences:
            lines = [
                line for each in sentences for line in wrap(each, WIDTH, initial_indent="  ", subsequent_indent="    ")
            ]
            blocks.append("\n".join([name, *lines]))
    blocks.append(sources(explanation))
    return "\n\n".join(blocks)


def title(explanation: Explanation) -> str:
    """What is derived."""
    derivation = explanation.derivation
    which = ("Derivative", "Second derivative", "Third derivative", "Fourth derivative")[derivation.order - 1]
    return f"{which} of {derivation.expression} with respect to {derivation.wrt}"


def sources(explanation: Explanation) -> str:
    """What the rules' sections are those of."""
    cited = [equation.cited for part in explanation.parts for equation in part.equations]
    cookbook = any("Cookbook" in each for each in cited)
    return f"Sections are those of {PAPER}{f', the Cookbook is {COOKBOOK}' if cookbook else ''}."


def part_text(part: Part) -> str:
    """A part: its heading, and its equations with the rules at the right."""
    lines = [part.title]
    if part.lead:
        lines += wrap(part.lead, WIDTH, initial_indent="  ", subsequent_indent="  ")
    lefts = ["" if equation.left is None else side_text(equation.left) for equation in part.equations]
    margin = max(map(len, lefts), default=0)
    written = [
        (f"  {left:<{margin}} = " if margin else "  ") + side_text(equation.right)
        for left, equation in zip(lefts, part.equations, strict=True)
    ]
    column = max((len(line) for line in written if len(line) <= LONGEST), default=0) + 2
    for line, equation in zip(written, part.equations, strict=True):
        lines += _with_reason(line, equation, column)
    return "\n".join(lines)


def _with_reason(line: str, equation: Equation, column: int) -> list[str]:
    """An equation and its rule: in one line, or else with what the rule says of it below."""
    said = [f"{side_text(note.left)} = {side_text(note.right)}" for note in equation.notes if note.left is not None]
    more = [*said, equation.reason] if equation.reason else said
    if not equation.cited and not more:
        return [line]
    beside = len(line) + 2 <= column
    indent = column if beside else 12
    whole = "; ".join(more)
    whole = f"{equation.cited}: {whole}" if equation.cited and whole else equation.cited or whole
    if len(whole) <= WIDTH - indent or not (equation.cited and more):
        told = _wrapped(whole, WIDTH - indent)
    else:
        told = [f"{equation.cited}:", *(f"  {each}" for one in more for each in _wrapped(one, WIDTH - indent - 2))]
    first = [f"{line:<{column}}{told[0]}"] if beside else [line, " " * indent + told[0]]
    return [*first, *(" " * indent + each for each in told[1:])]


def _wrapped(text: str, width: int) -> list[str]:
    return wrap(text, max(width, 40), break_long_words=False, break_on_hyphens=False)


def side_text(side: Side) -> str:
    """A side of an equation."""
    if isinstance(side, Rate):
        d = "∂" if side.partial else "d"
        return f"{d}{_name(side.above)}/{d}{_name(side.below)}"
    if isinstance(side, Sum):
        return " + ".join(map(_term, side.terms)).replace("+ -", "- ")
    return text(side)


def _name(symbol: Expr) -> str:
    return text(symbol) if symbol.op == "var" else f"({text(symbol)})"


def _term(factors: Sequence[Expr | Rate]) -> str:
    written = [side_text(each) if isinstance(each, Rate) else factor(each) for each in factors]
    joined = written[0]
    for (left, right), name in zip(pairwise(factors), written[1:], strict=True):
        matrix = isinstance(left, Rate) and isinstance(right, Rate) and named(left.below).rank == 2
        joined = f"<{joined}, {name}>" if matrix else f"{joined} * {name}"
    return joined
