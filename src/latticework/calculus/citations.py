"""By which rule an operation is differentiated, and what the rule says of it there."""

from __future__ import annotations

from functools import lru_cache

from latticework.calculus import forms
from latticework.calculus.backward import Sum, depends, in_matrix_form
from latticework.calculus.expression import TWO, Expr, make
from latticework.calculus.labels import indices
from latticework.calculus.partials import partial
from latticework.calculus.shapes import ELEMENTWISE
from latticework.calculus.tensor import Term, contracted
from latticework.calculus.tree import order, variables


class Citations:
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
    return None if found is None else forms.derivative(found, node, arg)


def _loss(root: Expr) -> Expr | None:
    """The activation in mean((y - relu(X*w + b)).^2), whose case is decided sample by sample."""
    if root.op not in ("mean", "div", "had", "sum"):
        return None
    for node in order(root):
        if node.op == "norm2" or (node.op == "pow" and node.args[1] is TWO):
            for term in _terms(node.args[0]):
                if term.op == "relu" and term.rank == 1 and any(each.op == "mul" for each in _terms(term.args[0])):
                    return term
    return None


def _terms(expr: Expr) -> list[Expr]:
    """The terms of a sum, without their signs."""
    return [term.args[0] if term.op == "neg" else term for term in (expr.args if expr.op == "add" else (expr,))]


def isolated_rule(node: Expr, wrt: Expr) -> str:
    """The rule for a node whose operands are variables.

    Examples
    --------
    >>> from latticework.calculus.parser import parse
    >>> root = parse("u^2", {"u": ""})
    >>> isolated_rule(root, variables(root)["u"])
    'power'
    """
    return Citations(node, wrt).rule(node)
