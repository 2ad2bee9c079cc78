"""Where a function or its derivative is not defined, and what the derivative is taken to be there."""

from __future__ import annotations

from collections.abc import Iterator

from latticework.calculus.backward import depends
from latticework.calculus.expression import Expr, as_integer
from latticework.calculus.tree import order


def conditions(root: Expr) -> list[str]:
    """What must hold for an expression to have a value.

    Examples
    --------
    >>> from latticework.calculus.parser import parse
    >>> conditions(parse("log(x) + tr(inv(A))", {"x": "", "A": "n,n"}))
    ['x must be positive for log(x)', 'A must be invertible']
    """
    return list(dict.fromkeys(_needs(root)))


def _needs(root: Expr) -> Iterator[str]:
    for node in order(root):
        if not node.args:
            continue
        first, last = node.args[0], node.args[-1]
        fixed = node.args[-1].op in ("number", "pi", "size")
        match node.op:
            case "log" if not _is_positive(node.args[0]):
                yield f"{first} must be positive for {node}"
            case "sqrt" if not _is_positive(node.args[0]):
                yield f"{first} must not be negative for {node}"
            case "inv":
                yield f"{first} must be invertible"
            case "logdet":
                yield f"{first} must be invertible for {node}"
            case "asin" | "acos":
                yield f"{first} must be between -1 and 1 for {node}"
            case "div" if not fixed:
                yield f"{last} must not be 0"
            case "pow":
                exponent = as_integer(node.args[1])
                if exponent is None and not _is_positive(node.args[0]):
                    yield f"{first} must be positive for {node}"
                if exponent is not None and exponent < 0:
                    yield f"{first} must not be 0"


def kinks(root: Expr, wrt: Expr, derivative: Expr) -> list[str]:
    """Where an expression has no derivative although it has a value, and what is taken for the derivative there.

    Parameters
    ----------
    root, wrt
        The expression and the variable.
    derivative
        Its derivative: where that has no kink any more, as that of norm2(x)^2, there is nothing to say.

    Examples
    --------
    >>> from latticework.calculus.parser import parse
    >>> from latticework.calculus.tree import variables
    >>> root = parse("relu(x)", {"x": "n"})
    >>> kinks(root, variables(root)["x"], parse("diag(x > 0)", {"x": "n"}))
    ['relu has no derivative where an element of x is 0; 0 is taken for it']
    """
    active, left = depends(root, wrt), {node.op for node in order(derivative)}
    found = []
    for node in order(root):
        if node not in active or not node.args:
            continue
        args = [str(arg) for arg in node.args]
        one = "an element of " if node.args[0].rank else ""
        match node.op:
            case "relu":
                found.append(f"relu has no derivative where {one}{args[0]} is 0; 0 is taken for it")
            case "abs" | "norm1":
                if "sign" in left:
                    found.append(f"{node.op} has no derivative where {one}{args[0]} is 0; 0 is taken for it")
            case "norm2":
                if "norm2" in left:
                    found.append(f"norm2 has no derivative where {args[0]} is 0; the answer is 0/0 there")
            case "max" | "min":
                extreme = "largest" if node.op == "max" else "smallest"
                found.append(
                    f"{node.op} has no derivative where several elements of {args[0]} are the {extreme}; "
                    "1 is taken for each of them"
                )
            case "maximum" | "minimum":
                found.append(f"{node.op[:3]} has no derivative where {args[0]} = {args[1]}; 0 is taken for it")
            case "sign":
                found.append(f"sign jumps where {one}{args[0]} is 0; the derivative is taken to be 0 there too")
            case "compare":
                found.append(f"{node} jumps where {args[0]} = {args[1]}; the derivative is taken to be 0 there too")
            case "sqrt":
                found.append(f"sqrt has no derivative where {one}{args[0]} is 0; the answer is 1/0 there")
    return list(dict.fromkeys(found))


def _is_positive(expr: Expr) -> bool:
    """Whether an expression is positive whatever its variables are, as far as its form tells."""
    if expr.op in ("add", "had", "div"):
        return all(map(_is_positive, expr.args))
    if expr.op == "var":
        return "positive" in expr.data[2]
    if expr.op == "number":
        return bool(expr.data > 0)
    return expr.op in ("pi", "size", "ones", "exp", "sigmoid", "softplus", "softmax", "cosh")
