"""Expressions as MathML, which browsers draw by themselves: no script, no fonts from elsewhere.

Written here and not with latex2mathml, which was tried: of its bold words, bold digits and bold Greek letters, browsers
that follow MathML Core show plain ones, and it writes words letter by letter.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from latticework.calculus.explain import Explanation
from latticework.calculus.expression import Expr
from latticework.calculus.notation import written
from latticework.calculus.style import GREEK, Style
from latticework.calculus.typeset import Typesetter

_BOLD = ' mathvariant="normal" style="font-weight:bold"'  # MathML Core knows no bold variant, but CSS does


def mathml(root: Expr, *, display: bool = False) -> str:
    """The expression as a `math` element.

    Parameters
    ----------
    root
        The expression.
    display
        As a block of its own rather than within a line.

    Examples
    --------
    >>> from latticework.calculus.expression import variable
    >>> mathml(variable("X", "N,n").T)
    '<math display="inline"><msup><mi>X</mi><mo>⊤</mo></msup></math>'
    """
    return element(written(root, MathML()).markup, display=display)


def element(markup: str, *, display: bool = False) -> str:
    """What a style has written as a `math` element."""
    return f'<math display="{"block" if display else "inline"}">{markup}</math>'


def tables(explanation: Explanation) -> str:
    """Every part of an explanation as a `math` element: its heading, and its equations with the rules at the right."""
    found = []
    for part in (*explanation.parts, explanation.answer):
        setter = Typesetter(part, MathML())
        rows = [f'<mtr><mtd columnspan="3" style="text-align:left"><mtext>{escape(part.title)}</mtext></mtd></mtr>']
        for place, equation in enumerate(part.equations):
            left = "" if equation.left is None else setter.side(equation.left)
            sign = setter.style.symbol("=") if left or place else ""
            told = [f"<mtext>{escape(each)}</mtext>" for each in (equation.cited, equation.reason) if each]
            told[1:1] = setter.notes(equation)
            spaced = '<mspace width="1em"></mspace>'.join(told)
            cells = (left, f"<mrow>{sign}{setter.side(equation.right)}</mrow>", f"<mrow>{spaced}</mrow>")
            sides = ("right", "left", "left")
            row = "".join(
                f'<mtd style="text-align:{side}">{cell}</mtd>' for side, cell in zip(sides, cells, strict=True)
            )
            rows.append(f"<mtr>{row}</mtr>")
        found.append(element(f'<mtable displaystyle="true">{"".join(rows)}</mtable>', display=True))
    return "\n".join(found)


class MathML(Style):
    """How MathML writes formulas."""

    def letter(self, name: str, *, bold: bool) -> str:
        """`mi`."""
        return f"<mi{_BOLD if bold else ''}>{escape(GREEK.get(name, name))}</mi>"

    def indices(self, letters: str) -> str:
        """`mi` after `mi`."""
        return self.row(*(self.letter(letter, bold=False) for letter in letters))

    def number(self, digits: str) -> str:
        """`mn`."""
        return f"<mn>{escape(digits)}</mn>"

    def word(self, name: str) -> str:
        """`mi`."""
        return f"<mi>{escape(name)}</mi>"

    def symbol(self, sign: str) -> str:
        """`mo`."""
        return f"<mo>{escape('−' if sign == '-' else sign)}</mo>"

    def row(self, *parts: str) -> str:
        """`mrow`."""
        kept = [part for part in parts if part]
        return kept[0] if len(kept) == 1 else f"<mrow>{''.join(kept)}</mrow>"

    def times(self, *, apart: bool) -> str:
        """An invisible sign, or a space."""
        return '<mspace width="0.2em"></mspace>' if apart else "<mo>\N{INVISIBLE TIMES}</mo>"

    def applied(self, function: str, argument: str) -> str:
        """An invisible sign between."""
        return f"<mrow>{function}<mo>\N{FUNCTION APPLICATION}</mo>{argument}</mrow>"

    def fraction(self, above: str, below: str) -> str:
        """`mfrac`."""
        return f"<mfrac>{above}{below}</mfrac>"

    def scripts(self, base: str, below: str = "", above: str = "") -> str:
        """`msub`, `msup` or `msubsup`."""
        if below and above:
            return f"<msubsup>{base}{below}{above}</msubsup>"
        if above and base.startswith("<msub>"):  # one below the other
            return f"<msubsup>{base[6:-7]}{above}</msubsup>"
        tag, script = ("msub", below) if below else ("msup", above)
        return f"<{tag}>{base}{script}</{tag}>" if script else base

    def fenced(self, opening: str, body: str, closing: str) -> str:
        """`mo` before and after."""
        left, right = (
            f'<mo form="{form}">{sign.strip()}</mo>' for form, sign in (("prefix", opening), ("postfix", closing))
        )
        return f"<mrow>{left}{body}{right}</mrow>"

    def root(self, body: str) -> str:
        """`msqrt`."""
        return f"<msqrt>{body}</msqrt>"

    def blocks(self, rows: Sequence[Sequence[str]]) -> str:
        """`mtable`."""
        cells = ("".join(f"<mtd>{cell}</mtd>" for cell in row) for row in rows)
        table = f"<mtable>{''.join(f'<mtr>{row}</mtr>' for row in cells)}</mtable>"
        return self.fenced("[", table, "]")
