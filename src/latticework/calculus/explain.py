"""A derivation as a textbook explains it: names, chains of equalities with their rules, the answer, what to heed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import takewhile

from latticework.calculus.chain import account, definitions, four_steps, is_scalar_chain
from latticework.calculus.choices import Direction
from latticework.calculus.conditions import conditions, kinks
from latticework.calculus.derivative import Derivative
from latticework.calculus.equations import Equation, Part, Rate
from latticework.calculus.expression import Expr, make
from latticework.calculus.graph import Graph, graph
from latticework.calculus.stages import Stage
from latticework.calculus.steps import Step
from latticework.calculus.tree import named, order, variables

ORDINALS = ("", "", "Second", "Third", "Fourth")


@dataclass(frozen=True)
class Explanation:
    """An explained derivation.

    Examples
    --------
    >>> from latticework.calculus.derivation import derive
    >>> found = Explanation(derive("sin(x + x^2)", "x", {"x": ""}))
    >>> [part.title for part in found.parts][-2:]
    ['3. Combine', '4. Substitute']
    """

    derivation: Derivative

    @cached_property
    def graphs(self) -> tuple[Graph, ...]:
        """The data-flow graph of every differentiation."""
        taken = [*self.derivation.parameters]  # those that drop out, too
        found = []
        for stage in self.derivation.stages:
            found.append(graph(stage.stable, stage.wrt, taken))
            taken.append(found[-1].result.name)
        return tuple(found)

    @property
    def given(self) -> tuple[tuple[Expr, str], ...]:
        """The variables and their shapes, the one that is differentiated by first."""
        wrt = self.derivation.wrt
        told = []
        for name, node in sorted(
            variables(wrt, self.derivation.expression).items(), key=lambda item: item[1] is not wrt
        ):
            assumed = "".join(f", {word}" for word in sorted(node.data[2]))
            symmetric = (
                ", symmetric" if node is wrt and self.derivation.symmetric and "symmetric" not in assumed else ""
            )
            told.append((variables(node)[name], node.shape_text + assumed + symmetric))
        return tuple(told)

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        """The derivation, heading by heading."""
        found: list[Part] = []
        for number, (stage, flow) in enumerate(zip(self.derivation.stages, self.graphs, strict=True), 1):
            own = [step for step in self.derivation.steps if step.order == number]
            found += _stage_parts(stage, flow, own, number)
        return tuple(found)

    @property
    def answer(self) -> Part:
        """The answer in its layout, and as a column or in the shape of the variable where that is another."""
        derivation = self.derivation
        flow, last = self.graphs[-1], derivation.stages[-1]
        rate: Expr = make("deriv", flow.result.symbol, flow.wrt.symbol)
        if derivation.reading.startswith("vec"):
            rate = make("deriv", make("vec", flow.result.symbol), make("vec", flow.wrt.symbol))
        ranks = (last.function.rank, last.wrt.rank)
        plain = derivation.reading == "axes" if ranks != (0, 1) else derivation.layout == "numerator"
        left = rate if plain or derivation.reading == "vec" else make("T", rate)
        hessian = derivation.order == 2 and derivation.expression.rank == 0 and ranks == (1, 1)
        shape = derivation.result.shape_text + (f", the Hessian of {self.graphs[0].result.name}" if hessian else "")
        equations = [Equation(left, derivation.result, reason=shape)]
        if ranks[0] == 0 and ranks[1] and derivation.layout == "numerator":
            other = make("T", rate) if ranks[1] == 1 else rate
            if last.value is not derivation.result:
                equations.append(
                    Equation(other, last.value, reason=f"{last.value.shape_text} like {last.wrt}: the gradient")
                )
        if last.symmetric:
            # With a name it would contradict the derivative by independent entries.
            told = f"For the entries of a symmetric {last.wrt}, in {derivation.layout} layout."
            return Part("Answer", flow, (Equation(None, derivation.result, reason=derivation.result.shape_text),), told)
        title = f"Answer, in {derivation.layout} layout" if sum(ranks) else "Answer"
        lead = ""
        if len(equations) > 1 and ranks[1] == 2:
            lead = f"Numerator layout is the transpose of what has the shape of {last.wrt}."
        return Part(title, flow, tuple(equations), lead)

    @property
    def conditions(self) -> list[str]:
        """What must hold."""
        return conditions(self.derivation.expression)

    @property
    def kinks(self) -> list[str]:
        """Where there is no derivative, and what is taken there."""
        found: list[str] = []
        for stage in self.derivation.stages:
            found += kinks(stage.stable, stage.wrt, stage.value)
        return list(dict.fromkeys(found))

    def account(self, direction: Direction) -> tuple[Part, ...]:
        """The chain in one direction, for every differentiation."""
        return tuple(account(flow, direction) for flow in self.graphs)


def _stage_parts(stage: Stage, flow: Graph, own: Sequence[Step], number: int) -> list[Part]:
    prefix = f"{ORDINALS[number]} derivative: " if number > 1 else ""
    # What is rewritten is rewritten before anything is differentiated.
    start = make("deriv", stage.stable, stage.wrt)
    first = list(takewhile(lambda step: step.before is not start, own)) if stage.function is not stage.stable else []
    found = [_rewriting(stage, flow, first, prefix)] if first else []
    rest = own[len(first) :]
    if is_scalar_chain(flow):
        parts = four_steps(flow, stage.value)
        found += [Part(f"{prefix}{part.title}", part.graph, part.equations, part.lead) for part in parts]
        return found
    names = f"{prefix}intermediate variables" if len(flow.steps) > 1 else f"{prefix}the function"
    column = ", as a column" if stage.function.rank == 1 else ""
    lead = f"The function is now the derivative just found{column}." if number > 1 else ""
    found.append(Part(_capital(names), flow, definitions(flow), lead))
    found += _derivation(stage, flow, rest, prefix)
    return found


def _capital(title: str) -> str:
    return title[:1].upper() + title[1:]


def _rewriting(stage: Stage, flow: Graph, steps: Sequence[Step], prefix: str) -> Part:
    equations: list[Equation] = []
    for step in steps:
        left = step.before.args[0] if not equations else None
        after = step.after.args[0]
        told = f"{step.before.args[0]} = {after}"
        equations.append(Equation(left, after, step.rule, reason="" if step.note == told else step.note))
    return Part(_capital(f"{prefix}another form of the function"), flow, tuple(equations))


def _derivation(stage: Stage, flow: Graph, steps: Sequence[Step], prefix: str) -> list[Part]:
    """The chain of equalities, and after it what is no equality of the same thing: symmetry and layout."""
    lines: list[tuple[Step, Expr]] = []
    after: list[Step] = []
    for step in steps:
        if step.rule.id == "layout" and not step.reading.startswith("vec"):
            continue  # the answer says so
        if step.rule.id == "symmetric" or step.reading.startswith("vec"):
            after.append(step)
        elif lines and _goes_with(step, lines[-1][0]):
            lines[-1] = (lines[-1][0], step.after)
        else:
            lines.append((step, step.after))
    start = make("deriv", flow.result.symbol, flow.wrt.symbol)
    equations: list[Equation] = []
    for step, value in lines:
        notes, reason = _notes(step, flow)
        equations.append(Equation(None if equations else start, flow.shortened(value), step.rule, reason, notes))
    if lines:
        value = lines[-1][1]
        used = [node.name for node in flow.steps if named(node.symbol) in order(flow.shortened(value))]
        if used:
            equations.append(Equation(None, value, reason=f"with {_listed(used)} written out"))
    inner = any(node.op == "contract" for equation in equations for node in _nodes(equation))
    lead = "<G, dU/dX> is the sum of G_ij dU_ij/dX over all elements of U." if inner else ""
    title = "The derivative" if not prefix else f"{prefix}the derivative of {flow.result.name}"
    found = [Part(title, flow, tuple(equations), lead)]
    return found + [_restated(step, stage, flow) for step in after]


def _nodes(equation: Equation) -> list[Expr]:
    return order(equation.right) if isinstance(equation.right, Expr) else []


def _goes_with(step: Step, previous: Step) -> bool:
    """Whether a step is not worth a line: dx/dx, and a sign or a transpose of what was just differentiated."""
    if step.rule.id == "identity":
        return True
    return step.where.op in ("neg", "T") and step.where in previous.where.args


def _notes(step: Step, flow: Graph) -> tuple[tuple[Equation, ...], str]:
    """The derivatives of a named node by what it depends on, and what it has that does not depend on the variable."""
    node = next((node for node in flow.steps if node.whole is step.where), None)
    if node is None:
        return (), ""
    symbols = {other.name: named(other.symbol) for other in flow.nodes}
    if node is flow.result and len(flow.steps) == 1:
        return (), ""  # the line says the same
    notes = tuple(
        Equation(Rate(node.symbol, symbols[edge.source], len(flow.into(node.name)) > 1), edge.rate)
        for edge in flow.into(node.name)
        if edge.rate is not None
    )
    flowing = {edge.source for edge in flow.into(node.name)}
    still = [
        str(arg.args[0] if arg.op == "neg" else arg)
        for arg in node.short.args
        if node.whole.op == "add" and (own := variables(arg)) and not own.keys() & flowing
    ]
    reason = f"{_listed(still)} {'does' if len(still) == 1 else 'do'} not depend on {flow.wrt.name}" if still else ""
    if step.rule.id == "loss":
        reason = step.rule.condition
    return notes, reason


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _restated(step: Step, stage: Stage, flow: Graph) -> Part:
    """What follows from the derivative by another reading of it."""
    if step.rule.id == "symmetric":
        lead = f"{stage.wrt} is symmetric: off the diagonal an entry and its mirror image are one, and both count."
        return Part("Symmetry", flow, (Equation(stage.mirrored, step.after, step.rule),), lead)
    rate = make("deriv", make("vec", flow.result.symbol), make("vec", flow.wrt.symbol))
    turned = step.reading.endswith("turned")
    each = "column" if turned else "row"
    lead = f"All axes as a matrix: columns are put below each other, and each element of the function has a {each}."
    return Part("As a matrix", flow, (Equation(make("T", rate) if turned else rate, step.after, step.rule),), lead)
