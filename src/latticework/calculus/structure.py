"""What the structure of an expression tells that makes its code cheaper: diagonals, constants, sums that can wait."""

from __future__ import annotations

from latticework.calculus import forms
from latticework.calculus.expression import Expr
from latticework.calculus.tree import order

# Operations that give nothing negative, and those that do so where their operands are not negative.
_NONNEGATIVE = (
    {"ones", "zeros", "size", "pi", "compare"}
    | {"exp", "sigmoid", "softplus", "relu", "abs", "sqrt"}
    | {"softmax", "norm1", "norm2"}
)
_KEEPS_SIGN = (
    {"add", "had", "div", "sum", "mean", "rowsum", "colsum"}
    | {"max", "min", "maximum", "minimum"}
    | {"T", "index", "vec"}
)
_CAN_WAIT = {"var", "T", "mul", "inv", "diag", "eye", "embed"}


def operands(node: Expr) -> tuple[Expr, ...]:
    """What has to be computed before the node: in products, sums and diagonals, what these take apart."""
    if is_diagonal(node):
        return _of_diagonal(node)
    if node.op == "mul":
        return tuple(part for arg in node.args for part in _of_factor(arg))
    if node.op == "add":
        diagonal = node.rank == 2 and any(arg.rank == 2 and not is_diagonal(arg) for arg in node.args)
        parts: list[Expr] = []
        for arg in node.args:
            if diagonal and is_diagonal(arg):
                parts.extend(_of_diagonal(arg))
            else:
                parts.append(arg.args[0] if arg.op == "neg" and arg is not node.args[0] else arg)
        return tuple(parts)
    if node.op == "tr" and is_trace_of_product(node):
        return node.args[0].args
    return node.args


def _of_diagonal(node: Expr) -> tuple[Expr, ...]:
    """The vectors and scalars of a diagonal matrix."""
    if node.op == "eye":
        return ()
    if node.op == "diag":
        return node.args
    return tuple(part for arg in node.args for part in (_of_diagonal(arg) if arg.rank else (arg,)))


def _of_factor(node: Expr) -> tuple[Expr, ...]:
    """What a factor of a matrix product is computed from, if the product takes it apart."""
    if node.op == "diag" and node.rank == 2:
        return node.args
    if can_wait(node):
        parts: list[Expr] = []
        for term in terms(node):
            _, scalars, core = taken_apart(term)
            parts.extend(scalars)
            for factor in core.args if core.op == "mul" else (core,):
                parts.extend(_of_factor(factor) if factor.op != "eye" else ())
        return tuple(parts)
    bare = node.args[0] if node.op == "T" else node
    if bare.op == "embed":
        return ()
    return bare.args if bare.op == "inv" and bare.rank == 2 else (node,)


def is_diagonal(node: Expr) -> bool:
    """Whether it is a diagonal matrix by its form: eye, diag(v), and multiples of them."""
    if node.rank != 2 or node.depth > forms.DEEPEST:
        return False
    if node.op == "eye":
        return True
    if node.op == "diag":
        return node.args[0].rank == 1
    if node.op == "neg":
        return is_diagonal(node.args[0])
    if node.op == "had":
        arrays = [arg for arg in node.args if arg.rank]
        return len(arrays) == 1 and is_diagonal(arrays[0])
    if node.op == "div":
        return node.args[1].rank == 0 and is_diagonal(node.args[0])
    return False


def is_constant(node: Expr) -> bool:
    """Whether it is an array whose elements are all the same: ones, and multiples of them."""
    while node.rank and node.depth <= forms.DEEPEST:
        arrays = [arg for arg in node.args if arg.rank]
        if node.op == "ones":
            return True
        if len(arrays) != 1 or node.op not in ("neg", "had", "div") or (node.op == "div" and node.args[1].rank):
            return False
        (node,) = arrays
    return False


def is_trace_of_product(node: Expr) -> bool:
    """Whether it is the trace of a product of two matrices, of which only the diagonal is needed."""
    (arg,) = node.args
    return arg.op == "mul" and len(arg.args) == 2 and all(factor.rank == 2 for factor in arg.args)


def can_wait(node: Expr) -> bool:
    """Whether it is a sum of matrices that can each be multiplied by what the sum is multiplied by."""
    bare = node.args[0] if node.op == "T" else node
    if bare.op != "add" or any(term.rank != 2 for term in bare.args):
        return False
    if bare is not node:
        return is_faster_apart(node)
    return all(taken_apart(term)[2].op in _CAN_WAIT for term in node.args)


def terms(node: Expr) -> tuple[Expr, ...]:
    """The terms of a sum, or of the transpose of one."""
    return tuple(map(forms.transpose, node.args[0].args)) if node.op == "T" else node.args


def taken_apart(term: Expr) -> tuple[bool, tuple[Expr, ...], Expr]:
    """Whether there is a minus sign, the scalar factors, and the rest of a term."""
    negative = term.op == "neg"
    bare = term.args[0] if negative else term
    arrays = [arg for arg in bare.args if arg.rank]
    if bare.op == "had" and len(arrays) == 1:
        return negative, tuple(arg for arg in bare.args if arg.rank == 0), arrays[0]
    return negative, (), bare


def is_faster_apart(node: Expr) -> bool:
    """Whether every term of a sum is a product of vectors or an embed, which multiply faster than their sum does."""
    return all(_is_outer(core) or _is_embed(core) for _, _, core in map(taken_apart, terms(node)))


def _is_outer(node: Expr) -> bool:
    return node.op == "mul" and node.args[0].rank == node.args[-1].rank == 1


def _is_embed(node: Expr) -> bool:
    return node.op == "embed" or (node.op == "T" and node.args[0].op == "embed")


def as_gram(node: Expr) -> tuple[Expr, Expr] | None:
    """X and v of a product X'*diag(v)*X in which no element of v is negative."""
    if len(node.args) != 3 or node.args[1].op != "diag" or node.args[0].rank != 2:
        return None
    left, middle, right = node.args
    if not (left.op == "T" and left.args[0] is right) and not (right.op == "T" and right.args[0] is left):
        return None
    return (right, middle.args[0]) if _is_nonnegative(middle.args[0]) else None


def _is_nonnegative(root: Expr) -> bool:
    """Whether no element can be negative, as far as the form tells."""
    known: dict[Expr, bool] = {}
    for node in order(root):
        parts = [known[arg] for arg in node.args]
        if node.op in _NONNEGATIVE:
            known[node] = True
        elif node.op == "number":
            known[node] = node.data >= 0
        elif node.op == "var":
            known[node] = "positive" in node.data[2]
        elif node.op == "pow":
            exponent = node.args[1]
            known[node] = parts[0] or (exponent.op == "number" and exponent.data % 2 == 0)
        elif node.op == "add" and len(node.args) == 2 and not all(parts):
            # 1 - p of a probability p.
            one, other = node.args
            share = other.op == "neg" and other.args[0].op in ("sigmoid", "softmax")
            known[node] = share and (one.op == "ones" or (one.op == "number" and one.data >= 1))
        else:
            known[node] = node.op in _KEEPS_SIGN and all(parts)
    return known[root]
