"""A derivation as a chain of equalities: each step differentiates one operation by one rule.

A statement is a sum over the operations that are still to be differentiated: what has been found of ∂y/∂u, times
∂u/∂x. The first is ∂y/∂x itself, in the last nothing is left to differentiate. All of them have the same value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from latticework.calculus import forms
from latticework.calculus.backward import Sum, as_einsum, depends, in_matrix_form
from latticework.calculus.binding import Array, bound
from latticework.calculus.evaluate import evaluate
from latticework.calculus.expression import UNIT, ZERO, Expr, make, substitute
from latticework.calculus.labels import indices
from latticework.calculus.partials import partial
from latticework.calculus.rules import RULES, Rule
from latticework.calculus.shapes import ELEMENTWISE
from latticework.calculus.stable import rewritten
from latticework.calculus.stages import Layout, Stage
from latticework.calculus.tensor import Term, contracted
from latticework.calculus.tree import order, variables
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

    def add(rule: str, after: Expr, where: Expr, note: str = "", reading: str = "axes") -> None:
        nonlocal state
        found.append(Step(RULES[rule], state, after, where, note, number, reading, axes, root))
        state = after

    def natural(value: Expr) -> Expr:
        # The derivative of a scalar by a column is a row, until a layout says otherwise.
        return forms.transpose(value) if axes == (0, 1) else value

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
        add("constant", natural(stage.value), stable, f"{stable} does not depend on {wrt}")
    context = _Context(stable, wrt)
    pending: dict[Expr, Sum] = {}
    for visit in stage.visits:
        pending.pop(visit.node, None)
        if visit.node is wrt:
            add("identity", natural(stage.plain), wrt, f"d{wrt}/d{wrt} = {_identity(wrt)}")
            break
        for arg, share in visit.shares:
            earlier = pending[arg].terms if arg in pending else ()
            pending[arg] = Sum((*earlier, *share.terms), share.free)
        add(context.rule(visit.node), _statement(pending, context), visit.node, context.note(visit.node))
    if stage.symmetric:
        # Another quantity: the derivative by entries that stand for two.
        plain = stage.plain
        state = make("add", plain, make("T", plain), make("neg", _diagonal(plain)))
        add("symmetric", stage.value, stage.value)
    elif state is not natural(stage.value):
        add("simplify", natural(stage.value), stage.value)
    if layout is not None:
        shown, reading = stage.shown(layout)
        if shown is not state:
            add("layout" if not reading.startswith("vec") else "kronecker", shown, shown, f"{layout} layout", reading)
    return found


def _diagonal(matrix: Expr) -> Expr:
    return make("diag", make("diag", matrix))


def _identity(wrt: Expr) -> str:
    return ("1", "eye", "the identity of its elements")[wrt.rank]


class _Context:
    """What a rule's choice depends on: the function, the variable, and the paths between them."""

    def __init__(self, root: Expr, wrt: Expr) -> None:
        self.root, self.wrt = root, wrt
        self.active = depends(root, wrt)
        self.place = {node: place for place, node in enumerate(order(root))}
        self.scalar = all(node.rank == 0 for node in self.active)
        self.paths = count_paths(root, wrt)
        self.loss = _loss(root)

    def rule(self, node: Expr) -> str:
        """The rule by which a node is differentiated."""
        active = [arg for arg in node.args if arg in self.active]
        if self.loss is node:
            return "loss"
        if node.op in ELEMENTWISE:
            return self._function(node)
        if node.op == "add":
            expanded = node.rank > 0 and any(arg.rank == 0 for arg in active)
            return "scalar-expansion" if expanded else "sum"
        if node.op == "neg":
            return "constant-multiple"
        if node.op in ("had", "div", "pow"):
            return self._binary(node, active)
        if node.op == "mul":
            if node.rank == 0 and all(arg.rank == 1 for arg in node.args):
                return "inner-product" if len(set(active)) == len(active) == 1 else "product"
            return "linear-map" if len(active) == 1 and active[0].rank == 1 else "matrix-product"
        return _BY_OPERATION.get(node.op, "index-notation")

    def _function(self, node: Expr) -> str:
        (arg,) = node.args
        if node.op == "relu" and node.rank == 0 and arg is not self.wrt and self.wrt.rank <= 1:
            return "neuron"
        if node.op == "sign":
            return "step"
        if arg is self.wrt:
            return "function" if node.rank == 0 else "elementwise-function"
        if self.scalar:
            return "chain-single" if self.paths == 1 else "chain-total"
        return "chain-vector"

    def _binary(self, node: Expr, active: list[Expr]) -> str:
        if node.rank > 0 and any(arg.rank == 0 for arg in node.args) and node.op != "pow":
            return "scalar-expansion"
        if node.rank > 0:
            return "elementwise-binary"
        if node.op == "div":
            return "quotient" if node.args[1] in active else "constant-multiple"
        if node.op == "pow":
            if active[0] is self.wrt and len(active) == 1:
                return "power"
            if self.scalar:
                return "chain-single" if self.paths == 1 else "chain-total"
            return "chain-vector"
        if len(active) == 1:
            return "constant-multiple"
        return "product" if self.paths == 1 or not self.scalar else "chain-total"

    def note(self, node: Expr) -> str:
        """The derivatives of a node by those of its operands that depend on the variable."""
        parts, seen = [], set()
        for arg in node.args:
            if arg in self.active and arg not in seen:
                seen.add(arg)
                local = local_derivative(node, arg)
                if local is not None:
                    parts.append(f"{make('deriv', node, arg)} = {local}")
            elif arg not in self.active and variables(arg) and node.op == "add":
                parts.append(f"{arg} does not depend on {self.wrt}")
        return "; ".join(parts)


_BY_OPERATION = {
    "sum": "sum-reduction",
    "mean": "sum-reduction",
    "rowsum": "sum-reduction",
    "colsum": "sum-reduction",
    "T": "transpose",
    "tr": "trace",
    "inv": "inverse",
    "det": "determinant",
    "logdet": "log-determinant",
    "diag": "diagonal",
    "vec": "kronecker",
    "unvec": "kronecker",
    "kron": "kronecker",
    "norm1": "norm",
    "norm2": "norm",
    "softmax": "softmax",
    "log_softmax": "softmax",
    "logsumexp": "softmax",
    "max": "maximum",
    "min": "maximum",
    "maximum": "maximum",
    "minimum": "maximum",
    "compare": "step",
    "stack": "blocks",
    "index": "blocks",
}


def count_paths(root: Expr, wrt: Expr) -> int:
    """How many paths lead from the variable to the root of the data-flow graph.

    Examples
    --------
    >>> from latticework.calculus.parser import parse
    >>> root = parse("x + x^2", {"x": ""})
    >>> count_paths(root, variables(root)["x"])
    2
    """
    paths: dict[Expr, int] = {}
    for node in order(root):
        paths[node] = 1 if node is wrt else sum(paths[arg] for arg in node.args)
    return paths[root]


@lru_cache(maxsize=1024)
def local_derivative(node: Expr, arg: Expr) -> Expr | None:
    """∂node/∂arg by itself, a row if it is a scalar's by a column; nothing where no matrix can be it."""
    if node.rank + arg.rank > 2:
        return None
    out, inner = indices(node), indices(arg)
    terms: list[Term] = []
    for place, other in enumerate(node.args):
        if other is arg:
            for term in partial(node, place, out, inner):
                kept = contracted(term, (*out, *inner))
                if kept is not None:
                    terms.append(kept)
    found = in_matrix_form(Sum(tuple(terms), (*out, *inner)))
    if found is None:
        return None
    return forms.transpose(found) if (node.rank, arg.rank) == (0, 1) else found


def _statement(pending: Mapping[Expr, Sum], context: _Context) -> Expr:
    """Σ_u ∂y/∂u · ∂u/∂x over what is still to be differentiated."""
    nodes = sorted((node for node in pending if pending[node].terms), key=lambda node: -context.place[node])
    stacked = _stacked(pending, nodes, context)
    if stacked is not None:
        return stacked
    parts = [_part(pending[node], context.root.rank, node, context.wrt) for node in nodes]
    if not parts:
        return make("zeros", data=context.root.shape + context.wrt.shape)
    return parts[0] if len(parts) == 1 else make("add", *parts)


def _stacked(pending: Mapping[Expr, Sum], nodes: Sequence[Expr], context: _Context) -> Expr | None:
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


def _loss(root: Expr) -> Expr | None:
    """The activation in mean((y - relu(X*w + b)).^2), whose case is decided sample by sample."""
    if root.op not in ("mean", "div", "had", "sum"):
        return None
    squares = [node for node in order(root) if node.op in ("pow", "norm2")]
    inside = set(order(*squares)) if squares else set()
    return next((node for node in order(root) if node.op == "relu" and node.rank == 1 and node in inside), None)


def isolated_rule(node: Expr, wrt: Expr) -> str:
    """The rule for a node whose operands are variables.

    Examples
    --------
    >>> from latticework.calculus.parser import parse
    >>> root = parse("u^2", {"u": ""})
    >>> isolated_rule(root, variables(root)["u"])
    'power'
    """
    return _Context(node, wrt).rule(node)
