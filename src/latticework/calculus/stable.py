"""Rewrites that keep the value of an expression: stable forms, and names for what is written out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction

from latticework.calculus import forms
from latticework.calculus.dimensions import ONE
from latticework.calculus.expression import TWO, UNIT, ZERO, Expr, make, rebuild, with_args
from latticework.calculus.factors import squared
from latticework.calculus.shapes import extent

Pattern = Callable[[Expr], Expr | None]


@dataclass(frozen=True)
class Rewrite:
    """One node written in another way."""

    rule: str
    before: Expr
    after: Expr


def rewritten(root: Expr) -> tuple[Expr, list[Rewrite]]:
    """The expression in stable forms, and what was changed, from the leaves up.

    Examples
    --------
    >>> from latticework.calculus.parser import parse
    >>> print(rewritten(parse("sum(log(1 + exp(-y .* z)))", {"y": "n", "z": "n"}))[0])
    sum(softplus(-y .* z))
    """
    changes: list[Rewrite] = []

    def change(node: Expr, args: tuple[Expr, ...]) -> Expr:
        current = with_args(node, args)
        for _ in range(8):  # a pattern may make the next one fit
            found = next(_matches(current), None)
            if found is None:
                break
            changes.append(found)
            current = found.after
        return current

    return rebuild(root, change), changes


def _matches(node: Expr) -> Iterator[Rewrite]:
    for rule, pattern in _PATTERNS.get(node.op, ()):
        after = pattern(node)
        if after is not None and after is not node:
            yield Rewrite(rule, node, after)


def _is_one(expr: Expr) -> bool:
    return expr is UNIT or expr.op == "ones"


def _one_plus(expr: Expr) -> Expr | None:
    """What 1 is added to."""
    if expr.op == "add" and len(expr.args) == 2:
        for one, other in (expr.args, expr.args[::-1]):
            if _is_one(one) and other.shape == expr.shape:
                return other
    return None


def _log(node: Expr) -> Expr | None:
    (x,) = node.args
    grown = _one_plus(x)
    if grown is not None and grown.op == "exp":
        return make("softplus", grown.args[0])
    taken = _less_sigmoid(x)
    if taken is not None:
        return make("neg", make("softplus", taken))
    match x.op:
        case "exp":
            return x.args[0]
        case "index" if x.args[0].op in ("softmax", "sigmoid", "exp"):
            inside = make("log", x.args[0])
            return make("index", _log(inside) or inside, data=x.data)
        case "mean" if x.args[0].op == "exp" and x.args[0].rank == 1:
            size = make("size", data=x.args[0].shape[0])
            return make("add", make("logsumexp", x.args[0].args[0]), make("neg", make("log", size)))
        case "det":
            return make("logdet", x.args[0])
        case "abs" if x.args[0].op == "det":
            return make("logdet", x.args[0].args[0])
        case "softmax":
            return make("log_softmax", x.args[0])
        case "sigmoid":
            return make("add", x.args[0], make("neg", make("softplus", x.args[0])))
        case "sum" if x.args[0].op == "exp" and x.args[0].rank:
            inner = x.args[0].args[0]
            return make("logsumexp", inner if inner.rank == 1 else make("vec", inner))
        case "rowsum" if x.args[0].op == "exp":
            return make("logsumexp", x.args[0].args[0])
    return None


def _less_sigmoid(expr: Expr) -> Expr | None:
    """The x of 1 - sigmoid(x)."""
    if expr.op != "add" or len(expr.args) != 2:
        return None
    for one, other in (expr.args, expr.args[::-1]):
        if _is_one(one) and other.op == "neg" and other.args[0].op == "sigmoid" and other.shape == expr.shape:
            return other.args[0].args[0]
    return None


def _exp(node: Expr) -> Expr | None:
    (x,) = node.args
    if x.op == "log":
        return x.args[0]
    return make("softmax", x.args[0]) if x.op == "log_softmax" else None


def _div(node: Expr) -> Expr | None:
    above, below = node.args
    if above.op == "exp" and below.op == "sum" and below.args[0] is above and above.rank == 1:
        return make("softmax", above.args[0])
    grown = _one_plus(below)
    if grown is not None and grown.op == "exp" and grown.shape == node.shape:
        if _is_one(above):
            return make("sigmoid", forms.negated(grown.args[0]))
        if above is grown:
            return make("sigmoid", grown.args[0])
        if above.op == "had" and grown in above.args:
            rest = list(above.args)
            rest.remove(grown)
            return forms.multiplied([*rest, make("sigmoid", grown.args[0])])
        return make("had", above, make("sigmoid", forms.negated(grown.args[0])))
    return None


def _pow(node: Expr) -> Expr | None:
    base, exponent = node.args
    if exponent is UNIT:
        return base
    if exponent.op == "number" and exponent.data == Fraction(1, 2):
        return _sqrt(make("sqrt", base)) or make("sqrt", base)
    if exponent is TWO and base.op in ("abs", "sqrt"):
        return make("pow", base.args[0], TWO) if base.op == "abs" else base.args[0]
    return None


def _sqrt(node: Expr) -> Expr | None:
    whose = squared(node.args[0])
    return None if whose is None else make("norm2", whose)


def _log_softmax(node: Expr) -> Expr | None:
    """Z - logsumexp(z) is log_softmax(z) of a vector."""
    if node.rank != 1 or len(node.args) != 2:
        return None
    for one, other in (node.args, node.args[::-1]):
        if other.op == "neg" and other.args[0].op == "logsumexp" and other.args[0].args[0] is one:
            return make("log_softmax", one)
    return None


def _relu(node: Expr) -> Expr | None:
    for one, other in (node.args, node.args[::-1]):
        if (one is ZERO or one.op == "zeros") and other.shape == node.shape:
            return make("relu", other)
    return None


def _twice(op: str) -> Pattern:
    return lambda node: node.args[0].args[0] if node.args[0].op == op else None


def _logdet(node: Expr) -> Expr | None:
    (x,) = node.args
    if _is_kron_of_squares(x):
        left, right = (make("logdet", arg) for arg in x.args)
        return make("add", make("had", _rows(x.args[1]), left), make("had", _rows(x.args[0]), right))
    if x.op == "inv":
        return make("neg", make("logdet", x.args[0]))
    return make("logdet", x.args[0]) if x.op == "T" else None


def _is_kron_of_squares(expr: Expr) -> bool:
    return expr.op == "kron" and all(arg.rank == 2 and arg.shape[0] == arg.shape[1] for arg in expr.args)


def _rows(matrix: Expr) -> Expr:
    return make("size", data=matrix.shape[0])


def _inv(node: Expr) -> Expr | None:
    (x,) = node.args
    if _is_kron_of_squares(x):
        return make("kron", *(make("inv", arg) for arg in x.args))
    return x.args[0] if x.op == "inv" else None


def _tr(node: Expr) -> Expr | None:
    (x,) = node.args
    if _is_kron_of_squares(x):
        return make("had", *(make("tr", arg) for arg in x.args))
    return _scalar(node)


def _det(node: Expr) -> Expr | None:
    (x,) = node.args
    if _is_kron_of_squares(x):
        left, right = (make("det", arg) for arg in x.args)
        return make("had", make("pow", left, _rows(x.args[1])), make("pow", right, _rows(x.args[0])))
    if x.op == "inv":
        return make("div", UNIT, make("det", x.args[0]))
    return make("det", x.args[0]) if x.op == "T" else None


def _transpose(node: Expr) -> Expr | None:
    (x,) = node.args
    if x.op == "T":
        return x.args[0]
    return x if x.rank == 2 and forms.is_symmetric(x) else None


def _scalar(node: Expr) -> Expr | None:
    """What does nothing to a scalar."""
    (x,) = node.args
    return x if x.rank == 0 else None


def _total(node: Expr) -> Expr | None:
    (x,) = node.args
    if x.op == "softmax" and x.rank == 1:
        return UNIT
    return _scalar(node)


def _equal(node: Expr) -> Expr | None:
    return node.args[0] if node.args[0] is node.args[1] else None


def _index(node: Expr) -> Expr | None:
    """A part of a part, and all of something."""
    (x,) = node.args
    whole = (spec is None or spec == (ONE, size) for spec, size in zip(node.data, x.shape, strict=True))
    if all(whole):
        return x
    if x.op == "T":  # a row is read as its column, a matrix with its axes exchanged
        inside = make("index", x.args[0], data=node.data[::-1])
        return inside if node.rank == 0 else make("T", inside)
    if x.op == "stack":
        return _block_of(node)
    if x.op != "index":
        return None
    outer = iter(node.data)
    specs = []
    for spec in x.data:
        if spec is None:
            specs.append(next(outer))
        elif spec[1] is None:
            specs.append(spec)
        else:
            low, high = next(outer) or (ONE, spec[1] - spec[0] + ONE)
            before = spec[0] - ONE
            specs.append((before + low, None if high is None else before + high))
    return make("index", *x.args, data=tuple(specs))


def _block_of(node: Expr) -> Expr | None:
    """The part of a stack that is one of its blocks, or within one."""
    (x,) = node.args
    axis = x.data if x.rank == 2 else 0
    spec = node.data[axis]
    if spec is None or any(other is not None for place, other in enumerate(node.data) if place != axis):
        return None
    place = ONE
    for block in x.args:
        length = extent(block, x.data)
        if length is None and x.rank == 1 and spec == (place, None):
            return block
        if length is not None and block.rank == x.rank and spec == (place, place + length - ONE):
            return block
        place = place + (length or ONE)
    return None


_PATTERNS: dict[str, tuple[tuple[str, Pattern], ...]] = {
    "log": (("stable-form", _log),),
    "exp": (("stable-form", _exp),),
    "div": (("stable-form", _div),),
    "pow": (("named-form", _pow),),
    "sqrt": (("named-form", _sqrt),),
    "add": (("stable-form", _log_softmax),),
    "maximum": (("named-form", _equal), ("named-form", _relu)),
    "minimum": (("named-form", _equal),),
    "neg": (("named-form", _twice("neg")),),
    "inv": (("named-form", _inv),),
    "logdet": (("stable-form", _logdet),),
    "det": (("named-form", _det),),
    "T": (("transpose", _transpose),),
    "sum": (("named-form", _total),),
    "mean": (("named-form", _scalar),),
    "tr": (("named-form", _tr),),
    **dict.fromkeys(("vec", "max", "min"), (("named-form", _scalar),)),
    "index": (("named-form", _index),),
}
