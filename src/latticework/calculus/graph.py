"""The data-flow graph of an expression: its variables, and a name for every intermediate result (section 4.5).

Intermediate variables are what the variable of differentiation flows through, the innermost first, each in terms of
earlier ones. Signs and transposes have no name of their own.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, count

from latticework.calculus import forms
from latticework.calculus.backward import accumulate, depends
from latticework.calculus.expression import Expr, make, rebuild, substitute, variable, with_args
from latticework.calculus.flow import Edge, Node
from latticework.calculus.stages import closed_form
from latticework.calculus.tree import named, order, symbols, variables

_UNNAMED = ("neg", "T")
_PREFIXES = "uvhgszpqrt"
_RESULTS = ("y", "f", "g", "h", "result")  # and then result2, result3, ...


@dataclass(frozen=True)
class Graph:
    """How a variable flows through an expression.

    Examples
    --------
    >>> from latticework.calculus.parser import parse
    >>> root = parse("sin(x^3)^2", {"x": ""})
    >>> for node in graph(root, variables(root)["x"]).steps:
    ...     print(node.name, "=", node.short)
    u1 = x^3
    u2 = sin(u1)
    y = u2^2
    """

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]

    @property
    def wrt(self) -> Node:
        """The variable that is differentiated by."""
        return next(node for node in self.nodes if node.kind == "wrt")

    @property
    def result(self) -> Node:
        """The last node."""
        return self.nodes[-1]

    @property
    def steps(self) -> tuple[Node, ...]:
        """The intermediate variables and the result."""
        return tuple(node for node in self.nodes if node.kind in ("intermediate", "result"))

    @property
    def names(self) -> Mapping[Expr, Expr]:
        """The symbols of intermediate variables and the result by what they stand for."""
        return {node.whole: node.symbol for node in self.steps}

    def shortened(self, expr: Expr) -> Expr:
        """An expression in terms of the nodes; a sum may have the terms of one among its own."""
        sums = [(node.short, node.symbol) for node in self.steps if node.short.op == "add"]
        names = self.names

        def change(node: Expr, args: tuple[Expr, ...]) -> Expr:
            if node in names:
                return names[node]
            node = with_args(node, args)
            for short, symbol in reversed(sums):
                if node.op == "add" and Counter(short.args) < Counter(node.args) and short.shape == node.shape:
                    rest = Counter(node.args) - Counter(short.args)
                    node = make("add", symbol, *rest.elements())
            return node

        return rebuild(expr, change)

    def expanded(self, expr: Expr) -> Expr:
        """An expression in terms of the variables."""
        return substitute(expr, {named(node.symbol): _as_column(node.whole) for node in self.steps})

    def into(self, target: str) -> tuple[Edge, ...]:
        """The edges that end at a node and come from the variable."""
        return tuple(edge for edge in self.edges if edge.target == target and edge.flows)

    def svg(self) -> str:
        """A drawing: variables above, the result below, derivatives beside the edges."""
        from latticework.calculus.drawing import drawn

        return drawn(self.nodes, self.edges)


def graph(root: Expr, wrt: Expr, taken: Iterable[str] = ()) -> Graph:
    """The data-flow graph of an expression.

    Parameters
    ----------
    root
        The expression.
    wrt
        The variable that is differentiated by; it need not be part of it.
    taken
        Names that mean something else already.
    """
    used = {*variables(root, wrt), *symbols(root, wrt), *taken}
    # Matrices have capital letters, so neither may be a variable's.
    lower = {name.lower() for name in used}
    prefix = next((each for each in _PREFIXES if not any(re.fullmatch(rf"{each}_?\d*", name) for name in lower)), "u_")
    more = (f"result{place}" for place in count(2))
    results = (name for name in chain(_RESULTS, more) if name not in lower)
    active = depends(root, wrt)
    names: dict[Expr, Expr] = {}
    nodes = [_variable(node, wrt) for node in variables(wrt, root).values()]
    for node in order(root):
        if node is root or (node in active and node is not wrt and node.op not in _UNNAMED):
            last = node is root
            name = next(results) if last else f"{prefix}{len(names) + 1}"
            name = name.capitalize() if node.rank == 2 else name
            symbol = _symbol(name, node)
            short = substitute(node, names)
            nodes.append(Node(name, "result" if last else "intermediate", symbol, node, short))
            names[node] = symbol
    return Graph(tuple(nodes), tuple(_edges(nodes)))


def _variable(node: Expr, wrt: Expr) -> Node:
    return Node(node.data[0], "wrt" if node is wrt else "variable", node, node, node)


def _symbol(name: str, node: Expr) -> Expr:
    symbol = variable(name, node.shape)
    return make("T", symbol) if node.row else symbol


def _as_column(node: Expr) -> Expr:
    return make("T", node) if node.row else node


def _edges(nodes: list[Node]) -> Iterable[Edge]:
    flowing = {node.name for node in nodes if node.kind != "variable"}
    by_name = {node.name: node for node in nodes}
    for node in nodes:
        if node.kind not in ("intermediate", "result"):
            continue
        for name in variables(node.short):
            source = by_name[name]
            flows = name in flowing
            yield Edge(name, node.name, rate(node.short, named(source.symbol)) if flows else None, flows)


@lru_cache(maxsize=4096)
def rate(node: Expr, wrt: Expr) -> Expr | None:
    """The derivative of an expression by a variable in it; nothing if it has more than two axes.

    A scalar's by a column is a row, by a matrix it has the matrix's shape.

    Examples
    --------
    >>> from latticework.calculus.parser import parse
    >>> root = parse("A*sin(x)", {"A": "m,n", "x": "n"})
    >>> print(rate(root, variables(root)["x"]))
    A*diag(cos(x))
    """
    if node.rank + wrt.rank > 2:
        return None
    return forms.derivative(closed_form(accumulate(node, wrt)[0]), node, wrt)
