"""A derivation as a chain of equalities: each step differentiates one operation by one rule.

A statement is a sum over the operations that are still to be differentiated: what has been found of ∂y/∂u, times
∂u/∂x. The first is ∂y/∂x itself, in the last nothing is left to differentiate. All of them have the same value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from latticework.calculus import forms
from latticework.calculus.backward import Sum, as_einsum, in_matrix_form
from latticework.calculus.binding import Array, bound
from latticework.calculus.choices import Layout
from latticework.calculus.citations import Citations
from latticework.calculus.evaluate import evaluate
from latticework.calculus.expression import UNIT, ZERO, Expr, make, substitute
from latticework.calculus.rules import RULES, Rule
from latticework.calculus.stable import rewritten
from latticework.calculus.stages import Stage
from latticework.calculus.tree import variables
from latticework.core.errors import InputError

MOST_STEPS = 400


@dataclass(frozen=True)
class Step:
    """One step of a derivation.

    Attributes
    ----------
    rule
        The rule that it follows.
    before, after
        The derivative, before and after the step: two expressions with the same value.
    where
        The part that the rule was applied to.
    note
        What the rule says of that part.
    order
        Of the derivative, 1 for the first.
    reading
        How the value of `after` is laid out: "axes" as `[axes of the function..., axes of the variable...]`, "turned"
        with the two groups of axes exchanged, "vec" as ∂vec(F)/∂vec(X)ᵀ and "vec turned" as its transpose.
    """

    rule: Rule
    before: Expr
    after: Expr
    where: Expr
    note: str = ""
    order: int = 1
    reading: str = "axes"
    axes: tuple[int, int] = (0, 0)
    function: Expr = ZERO

    def values(self, /, **arrays: Any) -> tuple[Array, Array]:
        """What `before` and `after` are for given values, both as `[axes of the function..., of the variable...]`.

        What is not differentiated yet is differentiated numerically.
        """
        _, sizes = bound(variables(self.function, self.before, self.after), arrays)
        before, after = (evaluate(side, {**sizes, **arrays}) for side in (self.before, self.after))
        return before, as_axes(after, self.reading, self.axes, before.shape)


def as_axes(array: Array, reading: str, axes: tuple[int, int], shape: tuple[int, ...]) -> Array:
    """An array as `[axes of the function..., axes of the variable...]`."""
    if reading.startswith("vec"):
        array = array.T if reading.endswith("turned") else array
        groups = [shape[: axes[0]], shape[axes[0] :]]
        parts = [size for group in groups for size in reversed(group)]
        whole = array.reshape(parts)
        first, second = (tuple(reversed(range(axes[0]))), tuple(reversed(range(axes[0], sum(axes)))))
        return whole.transpose(first + second)
    if reading == "turned":
        return array.T
    return np.asarray(array)


def steps(stages: Sequence[Stage], layout: Layout) -> tuple[Step, ...]:
    """The steps of every stage; the answer is in a layout only at the end."""
    found: list[Step] = []
    # Each step repeats what is not differentiated yet, so that they cost the square of their number.
    if sum(len(stage.visits) for stage in stages) > MOST_STEPS:
        raise InputError(f"the derivation has more than {MOST_STEPS} steps")
    for number, stage in enumerate(stages, 1):
        last = number == len(stages)
        found.extend(_stage_steps(stage, number, layout if last else None, stages[0].function))
    return tuple(found)


def _stage_steps(stage: Stage, number: int, layout: Layout | None, root: Expr) -> list[Step]:
    wrt = stage.wrt
    axes = (stage.function.rank, wrt.rank)
    found: list[Step] = []
    state = make("deriv", stage.function, wrt)
    value = forms.derivative(stage.value, stage.function, wrt)

    def add(rule: str, after: Expr, where: Expr, note: str = "", reading: str = "axes") -> None:
        nonlocal state
        found.append(Step(RULES[rule], state, after, where, note, number, reading, axes, root))
        state = after

    stable, changes = rewritten(stage.function)
    current = stage.function
    for change in changes:
        current = substitute(current, {change.before: change.after})
        after = make("deriv", current, wrt)
        if after is not state:
            add(change.rule, after, change.before, f"{change.before} = {change.after}")
    if make("deriv", stable, wrt) is not state:
        add("stable-form", make("deriv", stable, wrt), stage.function)
    if not stage.visits:
        add("constant", value, stable, f"{stable} does not depend on {wrt}")
    context = Citations(stable, wrt)
    pending: dict[Expr, Sum] = {}
    for visit in stage.visits:
        pending.pop(visit.node, None)
        if visit.node is wrt:
            plain = forms.derivative(stage.plain, stage.function, wrt)
            add("identity", plain, wrt, f"d{wrt}/d{wrt} = {_identity(wrt)}")
            break
        for arg, share in visit.shares:
            earlier = pending[arg].terms if arg in pending else ()
            pending[arg] = Sum((*earlier, *share.terms), share.free)
        add(context.rule(visit.node), _statement(pending, context), visit.node, context.note(visit.node))
    if stage.symmetric:
        # Another quantity: the derivative by entries that stand for two.
        state = stage.mirrored
        add("symmetric", stage.value, stage.value)
    elif state is not value:
        add("simplify", value, stage.value)
    if layout is not None:
        shown, reading = stage.shown(layout)
        if shown is not state:
            add("layout" if not reading.startswith("vec") else "kronecker", shown, shown, f"{layout} layout", reading)
    return found


def _identity(wrt: Expr) -> str:
    return ("1", "eye", "the identity of its elements")[wrt.rank]


def _statement(pending: Mapping[Expr, Sum], context: Citations) -> Expr:
    """Σ_u ∂y/∂u · ∂u/∂x over what is still to be differentiated."""
    nodes = sorted((node for node in pending if pending[node].terms), key=lambda node: -context.place[node])
    stacked = _stacked(pending, nodes, context)
    if stacked is not None:
        return stacked
    parts = [_part(pending[node], context.root.rank, node, context.wrt) for node in nodes]
    if not parts:
        return make("zeros", data=context.root.shape + context.wrt.shape)
    return parts[0] if len(parts) == 1 else make("add", *parts)


def _stacked(pending: Mapping[Expr, Sum], nodes: Sequence[Expr], context: Citations) -> Expr | None:
    """The same as the rows of a stack, where every coefficient is a multiple of a unit vector and each row has one."""
    length = context.root.shape[0].known if context.root.rank == 1 and not context.root.row else None
    if length is None or len(nodes) < length or context.wrt.rank > 1 or any(node.rank for node in nodes):
        return None
    rows: dict[int, list[Expr]] = {}
    for node in nodes:
        found = in_matrix_form(pending[node])
        place, multiple = _multiple_of_unit(found) if found is not None else (None, UNIT)
        if place is None or multiple.rank:
            return None
        rows.setdefault(place, []).append(forms.multiplied([multiple, make("deriv", node, context.wrt)]))
    if len(rows) != length:
        return None
    sums = [parts[0] if len(parts) == 1 else make("add", *parts) for _, parts in sorted(rows.items())]
    return make("stack", *sums, data=0)


def _multiple_of_unit(expr: Expr) -> tuple[int | None, Expr]:
    """The place of the one of a unit vector, and what it is multiplied by."""
    if expr.op == "unit":
        return expr.data[1].known, UNIT
    if expr.op in ("neg", "div"):
        place, multiple = _multiple_of_unit(expr.args[0])
        return place, make(expr.op, multiple, *expr.args[1:])
    if expr.op == "had":
        units = [arg for arg in expr.args if arg.rank]
        place, multiple = _multiple_of_unit(units[0]) if len(units) == 1 else (None, UNIT)
        return place, forms.multiplied([*(arg for arg in expr.args if not arg.rank), multiple])
    return None, UNIT


def _part(coefficient: Sum, out: int, node: Expr, wrt: Expr) -> Expr:
    rate = make("deriv", node, wrt)
    found = in_matrix_form(coefficient) if len(coefficient.free) <= 2 else None
    if found is None:
        return make("contract", as_einsum(coefficient), rate, data=node.rank)
    if found.op == "number" and found.data in (1, -1):
        return rate if found.data == 1 else make("neg", rate)
    if node.rank == 0 and (out == 0 or wrt.rank == 0):
        return forms.multiplied([found, rate])
    if out == 1 and node.rank == 0 and wrt.rank == 1:
        return forms.chained([found, rate])
    if node.rank == 1 and wrt.rank <= 1:
        if found.op == "eye" or (found.op == "neg" and found.args[0].op == "eye"):
            return rate if found.op == "eye" else make("neg", rate)
        return forms.chained([forms.transpose(found) if out == 0 else found, rate])
    return make("contract", found, rate, data=node.rank)
