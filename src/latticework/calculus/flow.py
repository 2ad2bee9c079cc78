"""What a data-flow graph is made of: nodes with a name, and edges with a derivative (section 4.5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from latticework.calculus.expression import Expr

Kind = Literal["wrt", "variable", "intermediate", "result"]


@dataclass(frozen=True)
class Node:
    """A variable, an intermediate variable or the result.

    Attributes
    ----------
    name
        A variable's own, `u1`, `u2`, ... for what is between, and the result's.
    kind
        "wrt" for the variable that is differentiated by.
    symbol
        The name as a variable of the same shape.
    whole
        What it is in terms of the variables.
    short
        What it is in terms of earlier nodes.
    """

    name: str
    kind: Kind
    symbol: Expr
    whole: Expr
    short: Expr


@dataclass(frozen=True)
class Edge:
    """That a node uses an earlier one.

    Attributes
    ----------
    source, target
        Names of nodes.
    rate
        The derivative of the target by the source, all its other operands held still; nothing if the source does not
        depend on the variable, or if the derivative has more than two axes.
    flows
        Whether the source depends on the variable.
    """

    source: str
    target: str
    rate: Expr | None
    flows: bool
