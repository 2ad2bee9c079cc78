"""The chain rules of section 4.5 written out: four steps, the total derivative, and the chain in either direction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

from latticework.calculus import forms
from latticework.calculus.backward import Sum as Tensor
from latticework.calculus.backward import accumulate
from latticework.calculus.choices import Direction
from latticework.calculus.citations import count_paths, isolated_rule
from latticework.calculus.equations import Equation, Part, Rate, Side, Sum
from latticework.calculus.expression import UNIT, Expr, make
from latticework.calculus.flow import Edge, Node
from latticework.calculus.graph import Graph
from latticework.calculus.rules import RULES, Rule
from latticework.calculus.stages import closed_form
from latticework.calculus.tree import named
from latticework.core.checks import one_of


def has_single_path(graph: Graph) -> bool:
    """Whether a single path leads from the variable to the result."""
    return count_paths(graph.result.whole, graph.wrt.whole) == 1


def is_scalar_chain(graph: Graph) -> bool:
    """Whether all that depends on the variable is a scalar, with something between it and the result."""
    return (
        len(graph.steps) > 1
        and all(node.whole.rank == 0 for node in (graph.wrt, *graph.steps))
        and bool(graph.into(graph.result.name))
    )


def definitions(graph: Graph) -> tuple[Equation, ...]:
    """The intermediate variables and the result, each in terms of earlier ones."""
    return tuple(Equation(node.symbol, node.short, reason=node.whole.shape_text) for node in graph.steps)


def four_steps(graph: Graph, answer: Expr) -> list[Part]:
    """The single-variable chain rule, with one path or as the total derivative where there are several."""
    single = has_single_path(graph)
    nodes = {node.name: node for node in graph.nodes}
    apart = tuple(
        Equation(_rate(nodes, edge, partial=not single), edge.rate, _own_rule(nodes, edge))
        for node in graph.steps
        for edge in graph.into(node.name)
        if edge.rate is not None
    )
    if single:
        lead = "A single path leads from {} to {}, so the derivatives are multiplied."
        combined = _multiplied(graph, nodes)
    else:
        lead = "Several paths lead from {} to {}, so what comes along each is added up."
        combined = account(graph, "forward").equations
    whole = Rate(graph.result.symbol, graph.wrt.symbol)
    return [
        Part("1. Introduce intermediate variables, the innermost first", graph, definitions(graph)),
        Part(
            "2. Differentiate each by itself"
            + ("" if single else ", by every variable it uses, the others held still"),
            graph,
            apart,
        ),
        Part("3. Combine", graph, combined, lead.format(graph.wrt.name, graph.result.name)),
        Part("4. Substitute", graph, _substituted(graph, whole, answer, single=single)),
    ]


def _multiplied(graph: Graph, nodes: dict[str, Node]) -> tuple[Equation, ...]:
    edges = _path(graph)
    whole = Rate(graph.result.symbol, graph.wrt.symbol)
    rates = tuple(_rate(nodes, edge, partial=False) for edge in edges)
    values = tuple(edge.rate for edge in edges if edge.rate is not None)
    return (Equation(whole, Sum((rates,)), RULES["chain-single"]), Equation(None, Sum((values,))))


def _substituted(graph: Graph, whole: Rate, answer: Expr, *, single: bool) -> tuple[Equation, ...]:
    if not single:
        return (Equation(whole, answer),)
    values = tuple(graph.expanded(edge.rate) for edge in _path(graph) if edge.rate is not None)
    return (Equation(whole, Sum((values,))), Equation(None, answer))


def _path(graph: Graph) -> list[Edge]:
    """The edges of the single path, the last first."""
    edges, name = [], graph.result.name
    while name != graph.wrt.name:
        (edge,) = graph.into(name)
        edges.append(edge)
        name = edge.source
    return edges


def _own_rule(nodes: dict[str, Node], edge: Edge) -> Rule:
    return RULES[isolated_rule(nodes[edge.target].short, named(nodes[edge.source].symbol))]


def _rate(nodes: dict[str, Node], edge: Edge, *, partial: bool) -> Rate:
    return Rate(nodes[edge.target].symbol, named(nodes[edge.source].symbol), partial)


def account(graph: Graph, direction: Direction) -> Part:
    """The chain forward, how the variable changes everything, or backward, how everything changes the result.

    Raises
    ------
    InputError
        If it is another direction.
    """
    one_of("direction", direction, get_args(Direction))
    nodes = {node.name: node for node in graph.nodes}
    single = has_single_path(graph)
    rule = RULES[("chain-single" if single else "chain-total") if is_scalar_chain(graph) else "chain-vector"]
    if direction == "forward":
        equations = _forward(graph, nodes, rule, single=single)
        title = f"Forward: how {graph.wrt.name} changes everything, the innermost first"
    else:
        equations = _backward(graph, nodes, rule, single=single)
        title = f"Backward: how everything changes {graph.result.name}, the outermost first"
    return Part(title, graph, tuple(equations))


def _forward(graph: Graph, nodes: dict[str, Node], rule: Rule, *, single: bool) -> list[Equation]:
    found: list[Equation] = []
    for node in graph.steps:
        terms = []
        for edge in graph.into(node.name):
            own = _rate(nodes, edge, partial=not single)
            onwards = edge.source != graph.wrt.name
            terms.append((own, Rate(nodes[edge.source].symbol, graph.wrt.symbol)) if onwards else (own,))
        value = graph.shortened(
            forms.derivative(closed_form(accumulate(node.whole, graph.wrt.whole)[0]), node.whole, graph.wrt.whole)
        )
        found += _chain(Rate(node.symbol, graph.wrt.symbol), terms, value, rule)
    return found


def _backward(graph: Graph, nodes: dict[str, Node], rule: Rule, *, single: bool) -> list[Equation]:
    last = graph.result
    coefficients: dict[Expr, Tensor] = {
        visit.node: visit.coefficient for visit in accumulate(last.whole, graph.wrt.whole)[1]
    }
    found: list[Equation] = []
    if last.whole.rank < 2:
        whole = UNIT if last.whole.rank == 0 else make("eye", data=last.whole.shape[0])
        found.append(Equation(Rate(last.symbol, last.symbol), whole, RULES["identity"]))
    for node in reversed([graph.wrt, *graph.steps[:-1]]):
        terms = []
        for edge in graph.edges:
            if edge.source == node.name:
                own = _rate(nodes, edge, partial=not single)
                above = edge.target != last.name
                terms.append((Rate(last.symbol, nodes[edge.target].symbol), own) if above else (own,))
        if node.whole in coefficients:
            value = closed_form(coefficients[node.whole])
            shortened = graph.shortened(forms.derivative(value, last.whole, node.whole))
            found += _chain(Rate(last.symbol, node.symbol), terms, shortened, rule)
    return found


def _chain(left: Rate, terms: Sequence[tuple[Rate, ...]], value: Expr, rule: Rule) -> list[Equation]:
    if not terms or (len(terms) == 1 and len(terms[0]) == 1):
        return [Equation(left, value)]
    if len(terms) == 1 and rule.id == "chain-total":
        rule = RULES["chain-single"]
    middle: Side = Sum(tuple(terms))
    return [Equation(left, middle, rule), Equation(None, value)]
