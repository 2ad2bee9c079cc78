"""Expressions as LaTeX."""

from __future__ import annotations

import re
from collections.abc import Sequence

from latticework.calculus.explain import Explanation
from latticework.calculus.expression import Expr
from latticework.calculus.notation import written
from latticework.calculus.style import GREEK, Style
from latticework.calculus.typeset import Typesetter

_SYMBOLS = {
    "⊙": r"\odot",
    "⊘": r"\oslash",
    "⊗": r"\otimes",
    "×": r"\times",
    "·": r"\cdot",
    "⊤": r"\top",
    "∂": r"\partial",
    "∑": r"\sum",
    "≥": r"\geq",
    "≤": r"\leq",
}
_FENCES = {"‖": r"\|", "⟨": r"\langle ", "⟩": r"\rangle"}
_COMMANDS = frozenset(re.findall(r"\w+", "exp log sin cos tan sinh cosh tanh arcsin arccos arctan det max min"))


def latex(root: Expr) -> str:
    r"""The expression as LaTeX, for `amsmath`.

    Examples
    --------
    >>> from latticework.calculus.expression import variable
    >>> X, w, y = variable("X", "N,n"), variable("w", "n"), variable("y", "N")
    >>> print(latex(2 * (X.T @ (X @ w - y))))
    2 X^{\top} \left(X \mathbf{w} - \mathbf{y}\right)
    """
    return written(root, Latex()).markup


def align(explanation: Explanation) -> str:
    """Every part of an explanation as a heading and an `align*` environment, with the rules at the right."""
    blocks = []
    for part in (*explanation.parts, explanation.answer):
        setter = Typesetter(part, Latex())
        rows: list[str] = []
        for equation in part.equations:
            left = "" if equation.left is None else setter.side(equation.left) + " "
            sign = "&= " if equation.left is not None or rows else "& "
            reasons = [words(equation.cited)] if equation.cited else []
            reasons += [*setter.notes(equation), *([words(equation.reason)] if equation.reason else [])]
            told = " && " + r",\ ".join(reasons) if reasons else ""
            rows.append(f"  {left}{sign}{setter.side(equation.right)}{told}")
        lead = f" {escaped(part.lead)}" if part.lead else ""
        head = rf"\noindent\textbf{{{escaped(part.title)}.}}{lead}"
        lines = " \\\\\n".join(rows)
        blocks.append(f"{head}\n\\begin{{align*}}\n{lines}\n\\end{{align*}}")
    return "\n\n".join(blocks)


def escaped(text: str) -> str:
    r"""Plain text for LaTeX.

    Examples
    --------
    >>> print(escaped("50 % of a_1"))
    50 \% of a\_1
    """
    return "".join(_ESCAPED.get(letter, letter) for letter in text)


def words(text: str) -> str:
    r"""Plain text in a formula.

    Examples
    --------
    >>> print(words("section 4"))
    \text{section 4}
    """
    return rf"\text{{{escaped(text)}}}"


_ESCAPED = {letter: f"\\{letter}" for letter in "#$%&_{}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "×": r"$\times$",
    "<": r"$<$",
    ">": r"$>$",
}


class Latex(Style):
    """How LaTeX writes formulas."""

    def letter(self, name: str, *, bold: bool) -> str:
        r"""A letter as it is, a word in `\mathrm`, bold in `\mathbf`."""
        if name in GREEK:
            return rf"\boldsymbol{{\{name}}}" if bold else rf"\{name}"
        # A word is set upright and letter by letter: whatever it is, it is no command.
        if bold:
            return rf"\mathbf{{{escaped(name)}}}"
        return name if len(name) == 1 and name != "_" else rf"\mathrm{{{escaped(name)}}}"

    def indices(self, letters: str) -> str:
        """`ij`."""
        return letters

    def number(self, digits: str) -> str:
        """As it is."""
        return digits

    def word(self, name: str) -> str:
        r"""A command where there is one, else `\operatorname`."""
        return rf"\{name}" if name in _COMMANDS else rf"\operatorname{{{escaped(name)}}}"

    def symbol(self, sign: str) -> str:
        """A command, or the sign."""
        return _SYMBOLS.get(sign, sign)

    def row(self, *parts: str) -> str:
        """With spaces, but for a sign."""
        if len(parts) == 2 and parts[0] == "-":
            return "".join(parts)
        return " ".join(part for part in parts if part).replace(" ,", ",")

    def times(self, *, apart: bool) -> str:
        """Nothing, or a thin space."""
        return r"\," if apart else ""

    def applied(self, function: str, argument: str) -> str:
        """Nothing between."""
        return function + argument

    def fraction(self, above: str, below: str) -> str:
        r"""`\frac`."""
        return rf"\frac{{{above}}}{{{below}}}"

    def scripts(self, base: str, below: str = "", above: str = "") -> str:
        """`_{}` and `^{}`."""
        return base + (f"_{{{below}}}" if below else "") + (f"^{{{above}}}" if above else "")

    def fenced(self, opening: str, body: str, closing: str) -> str:
        r"""`\left` and `\right`."""
        if opening.endswith(" "):
            opening, body, closing = opening.strip(), rf"\,{body}\,", closing.strip()
        return rf"\left{_FENCES.get(opening, opening)}{body}\right{_FENCES.get(closing, closing)}"

    def root(self, body: str) -> str:
        r"""`\sqrt`."""
        return rf"\sqrt{{{body}}}"

    def blocks(self, rows: Sequence[Sequence[str]]) -> str:
        """`bmatrix`."""
        return r"\begin{bmatrix} " + r" \\ ".join(" & ".join(row) for row in rows) + r" \end{bmatrix}"
