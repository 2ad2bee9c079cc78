"""Equations of an explanation in a style: LaTeX or MathML."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from latticework.calculus.chain import is_scalar_chain
from latticework.calculus.equations import Equation, Factor, Part, Rate, Side, Sum
from latticework.calculus.notation import written
from latticework.calculus.style import POWER, PRODUCT, Style, between, kept
from latticework.calculus.tree import named


class Typesetter:
    """Writes the equations of a part.

    Parameters
    ----------
    part
        Where the equations are from: in a chain of scalars derivatives are written dy/dx, elsewhere ∂y/∂x.
    style
        How the pieces look.
    """

    def __init__(self, part: Part, style: Style) -> None:
        self.style = style
        self.scalars = is_scalar_chain(part.graph)

    def side(self, side: Side) -> str:
        """A side of an equation."""
        if isinstance(side, Rate):
            return self._rate(side)
        if isinstance(side, Sum):
            terms = [self._term(term) for term in side.terms]
            return self.style.row(*between(terms, self.style.symbol("+")))
        return written(side, self.style).markup

    def notes(self, equation: Equation) -> list[str]:
        """What the rule of an equation says, each an equation."""
        sign = self.style.symbol("=")
        return [
            self.style.row(self.side(note.left), sign, self.side(note.right))
            for note in equation.notes
            if note.left is not None
        ]

    def _rate(self, rate: Rate) -> str:
        total = self.scalars and not rate.partial
        d = self.style.letter("d", bold=False) if total else self.style.symbol("∂")
        above, below = (written(each, self.style).markup for each in (rate.above, rate.below))
        return self.style.fraction(self.style.row(d, above), self.style.row(d, below))

    def _factor(self, factor: Factor, *, alone: bool) -> str:
        if isinstance(factor, Rate):
            return self._rate(factor)
        piece = written(factor, self.style)
        return kept(self.style, piece, PRODUCT if alone else POWER)

    def _term(self, factors: Sequence[Factor]) -> str:
        parts = [self._factor(each, alone=len(factors) == 1) for each in factors]
        joined = parts[0]
        for (left, right), part in zip(pairwise(factors), parts[1:], strict=True):
            if isinstance(left, Rate) and isinstance(right, Rate) and named(left.below).rank == 2:
                joined = self.style.fenced("⟨", self.style.row(joined, self.style.symbol(","), part), "⟩")
            else:
                dot = self.style.symbol("·") if not isinstance(left, Rate) else self.style.times(apart=False)
                joined = self.style.row(joined, dot, part)
        return joined
