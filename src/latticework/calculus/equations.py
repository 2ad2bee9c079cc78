"""What an explanation is made of: equations with the rule that each follows, in parts with a heading."""

from __future__ import annotations

from dataclasses import dataclass

from latticework.calculus.expression import Expr
from latticework.calculus.graph import Graph
from latticework.calculus.rules import COOKBOOK, PAPER, Rule


@dataclass(frozen=True)
class Rate:
    """A derivative by name.

    Attributes
    ----------
    above, below
        Of what, and by what: variables, or the transpose of one.
    partial
        All other operands held still, as ∂u/∂x rather than du/dx.
    """

    above: Expr
    below: Expr
    partial: bool = False


Factor = Expr | Rate


@dataclass(frozen=True)
class Sum:
    """A sum of products, as it is to be written down: nothing is multiplied out or collected.

    Neighbouring derivatives of a product are joined over all axes of what stands between them.
    """

    terms: tuple[tuple[Factor, ...], ...]


Side = Expr | Rate | Sum


@dataclass(frozen=True)
class Equation:
    """Two sides of the same value.

    Attributes
    ----------
    left, right
        Its sides; without a left side it goes on from the right side before.
    rule
        Why, if it follows a rule.
    reason
        Why in other words, or more about it.
    notes
        What the rule says of the part it was applied to.
    """

    left: Side | None
    right: Side
    rule: Rule | None = None
    reason: str = ""
    notes: tuple[Equation, ...] = ()

    @property
    def cited(self) -> str:
        """The name of the rule and where it is from."""
        return "" if self.rule is None else f"{self.rule.name} ({short_section(self.rule)})"


@dataclass(frozen=True)
class Part:
    """Equations with a heading.

    Attributes
    ----------
    title
        The heading.
    graph
        What the names in its equations stand for.
    lead
        A sentence before the equations.
    equations
        Chains of equalities.
    """

    title: str
    graph: Graph
    equations: tuple[Equation, ...]
    lead: str = ""


def short_section(rule: Rule) -> str:
    """Where a rule is from, in few words.

    Examples
    --------
    >>> from latticework.calculus.rules import RULES
    >>> short_section(RULES["chain-vector"]), short_section(RULES["norm"])
    ('section 4.5.3', 'Cookbook, equation 129')
    """
    return rule.section.replace(f"{PAPER}, ", "").replace(COOKBOOK, "Cookbook")
