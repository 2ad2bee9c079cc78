"""Values of expressions, node by node and with nothing clever: what exported code and every rule is compared with."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from latticework.calculus.binding import Array, Sizes, bound
from latticework.calculus.dimensions import Dim
from latticework.calculus.expression import Expr
from latticework.calculus.tree import order, variables
from latticework.core.errors import InputError

Run = Callable[..., Any]
Around = Callable[[str, Run], Run]  # what is called in the place of an operation

_erf = np.frompyfunc(math.erf, 1, 1)


def evaluate(root: Expr, arrays: Mapping[str, Any], *, around: Around = lambda _, run: run) -> Array:
    """The value of an expression: rows and columns are both vectors.

    Parameters
    ----------
    root
        The expression.
    arrays
        A value for every variable by name, and for sizes that none of them tells.
    around
        For an operation and the function of its operands: what is called instead.

    Raises
    ------
    InputError
        If a variable has no value, or one whose shape does not fit.

    Examples
    --------
    >>> from latticework.calculus.parser import parse
    >>> evaluate(parse("X*w", {"X": "N,n", "w": "n"}), {"X": [[1, 2], [3, 4]], "w": [1, 1]}).tolist()
    [3.0, 7.0]
    """
    values, sizes = bound(variables(root), arrays)
    results: dict[Expr, Array] = {}
    for node in order(root):
        if node.op == "var":
            results[node] = values[node.data[0]]
        elif node.op == "deriv":
            results[node] = differences(node.args[0], node.args[1], arrays)
        else:
            try:
                run = around(node.op, partial(_value, node, sizes))
                results[node] = run(*(results[arg] for arg in node.args))
            except np.linalg.LinAlgError as error:
                raise InputError(f"{node.args[0]} is singular at these values: {node} has none") from error
            except ValueError as error:
                if all(results[arg].size for arg in node.args):
                    raise
                raise InputError(f"{node} has no value: sizes are at least 1") from error
    return _own(results[root], values)


def _own(result: Array, values: Mapping[str, Array]) -> Array:
    """The result in memory of its own: whoever changes it must not change a variable."""
    shared = any(np.may_share_memory(result, value) for value in values.values())
    return result.copy() if shared else result


def differences(root: Expr, wrt: Expr, arrays: Mapping[str, Any], step: float = 2e-3) -> Array:
    """∂root/∂wrt by central differences of the eighth order: `[axes of the root..., axes of the variable...]`."""
    name = wrt.data[0]
    point = np.asarray(arrays[name], dtype=float)
    columns = []
    for place in np.ndindex(point.shape):
        total: Any = 0.0
        for offset, weight in _EIGHTH_ORDER.items():
            for sign in (1, -1):
                moved = point.copy()
                moved[place] += sign * offset * step
                total = total + sign * weight * evaluate(root, {**arrays, name: moved})
        columns.append(np.asarray(total) / step)
    stacked = np.stack(columns, axis=-1)
    return stacked.reshape((*stacked.shape[:-1], *point.shape))


_EIGHTH_ORDER = {1: 4 / 5, 2: -1 / 5, 3: 4 / 105, 4: -1 / 280}


def _value(node: Expr, sizes: Sizes, *args: Array) -> Array:
    """The value of one node for the values of its operands."""
    found = _VALUES.get(node.op)
    if found is None:
        raise InputError(f"{node} cannot be evaluated")
    return found(node, list(args), sizes)


def _size(size: Dim, sizes: Sizes) -> int:
    missing = sorted(size.symbols - sizes.keys())
    if missing:
        raise InputError(f"the size {missing[0]} is the size of no variable: give it by name, {missing[0]}=...")
    return size.value(sizes)


def _shape(node: Expr, sizes: Sizes) -> tuple[int, ...]:
    return tuple(_size(size, sizes) for size in node.shape)


def as_matrix(array: Array, node: Expr) -> Array:
    """A column as n×1, a row as 1×n."""
    if array.ndim == 1:
        return array[None, :] if node.row else array[:, None]
    return array


def _product(node: Expr, args: list[Array], sizes: Sizes) -> Array:
    result = as_matrix(args[0], node.args[0])
    for arg, child in zip(args[1:], node.args[1:], strict=True):
        result = result @ as_matrix(arg, child)
    return result.reshape(_shape(node, sizes))


def _softmax(node: Expr, args: list[Array], sizes: Sizes) -> Array:
    shifted = np.exp(args[0] - args[0].real.max(-1, keepdims=True))
    return np.asarray(shifted / shifted.sum(-1, keepdims=True))


def _logsumexp(node: Expr, args: list[Array], sizes: Sizes) -> Array:
    top = args[0].real.max(-1, keepdims=True)
    return np.asarray((np.log(np.exp(args[0] - top).sum(-1, keepdims=True)) + top)[..., 0])


def _softplus(x: Array) -> Array:
    if np.iscomplexobj(x):
        return np.asarray(np.where(x.real > 0, x + np.log(1 + np.exp(-x)), np.log(1 + np.exp(x))))
    return np.asarray(np.logaddexp(0, x))


def _sigmoid(x: Array) -> Array:
    with np.errstate(over="ignore"):
        return np.asarray(1 / (1 + np.exp(-x)))


def erf(x: Array) -> Array:
    """The error function, element by element."""
    return np.asarray(_erf(x), dtype=getattr(x, "dtype", np.float64))


def _gelu(x: Array) -> Array:
    return np.asarray(x * (1 + erf(x / math.sqrt(2))) / 2)


def _stack(node: Expr, args: list[Array], sizes: Sizes) -> Array:
    if node.rank == 1:
        return np.concatenate([np.atleast_1d(arg) for arg in args])
    parts = [
        as_matrix(arg, child) if child.rank else arg.reshape(1, 1) for arg, child in zip(args, node.args, strict=True)
    ]
    return np.concatenate(parts, axis=node.data)


def _index(node: Expr, args: list[Array], sizes: Sizes) -> Array:
    places: list[Any] = []
    for spec, length in zip(node.data, args[0].shape, strict=True):
        if spec is None:
            places.append(slice(None))
            continue
        low, high = spec
        first, last = _size(low, sizes), _size(low if high is None else high, sizes)
        _check_inside(node, first, last, length)
        places.append(first - 1 if high is None else slice(first - 1, last))
    return np.asarray(args[0][tuple(places)])


def _check_inside(node: Expr, first: int, last: int, length: int) -> None:
    if not 1 <= first <= last <= length:
        raise InputError(f"{node} is outside an axis of {length} elements")


def _unit(node: Expr, args: list[Array], sizes: Sizes) -> Array:
    length, place = _size(node.data[0], sizes), _size(node.data[1], sizes)
    _check_inside(node, place, place, length)
    return np.asarray(np.arange(length) == place - 1, dtype=float)


def _embed(node: Expr, args: list[Array], sizes: Sizes) -> Array:
    length, low, width = (_size(size, sizes) for size in node.data)
    _check_inside(node, low, low - 1 + width, length)
    return np.asarray(np.arange(1, length + 1)[:, None] == np.arange(low, low + width), dtype=float)


def _pairing(node: Expr, args: list[Array], sizes: Sizes) -> Array:
    rows, columns = (_size(size, sizes) for size in node.data)
    return np.eye(rows * columns).reshape((rows * columns, rows, columns), order="F")


def _kron(node: Expr, args: list[Array], sizes: Sizes) -> Array:
    if node.rank == 1:
        return np.kron(*args)
    return np.kron(*(as_matrix(arg, child) for arg, child in zip(args, node.args, strict=True)))


def _einsum(node: Expr, args: list[Array], sizes: Sizes) -> Array:
    inputs, output = node.data
    operands: list[Any] = []
    for arg, labels in zip(args, inputs, strict=True):
        operands += [arg, list(labels)]
    return np.asarray(np.einsum(*operands, list(output), optimize=True))


def _contract(node: Expr, args: list[Array], sizes: Sizes) -> Array:
    return np.tensordot(args[0], args[1], axes=node.data)


def _compare(node: Expr, args: list[Array], sizes: Sizes) -> Array:
    compare = {">": np.greater, "<": np.less, ">=": np.greater_equal, "<=": np.less_equal, "==": np.equal}[node.data]
    return np.asarray(compare(*(arg.real for arg in args))).astype(float)


def _reduced(over: Callable[[Array], Any]) -> Any:
    return lambda node, args, sizes: np.asarray(over(args[0]))


def _functions() -> dict[str, Callable[[Array], Array]]:
    plain = ["exp", "log", "sin", "cos", "tan", "sinh", "cosh", "tanh", "sqrt"]
    named = {"asin": "arcsin", "acos": "arccos", "atan": "arctan"}
    return {
        **{name: getattr(np, named.get(name, name)) for name in [*plain, *named]},
        "abs": lambda x: np.where(x.real < 0, -x, x),
        "sign": lambda x: np.sign(x.real),
        "relu": lambda x: np.where(x.real > 0, x, 0),
        "sigmoid": _sigmoid,
        "softplus": _softplus,
        "erf": erf,
        "gelu": _gelu,
    }


_VALUES: dict[str, Callable[[Expr, list[Array], Sizes], Array]] = {
    "number": lambda node, _, __: np.asarray(float(node.data)),
    "pi": lambda *_: np.asarray(math.pi),
    "size": lambda node, _, sizes: np.asarray(float(_size(node.data, sizes))),
    "ones": lambda node, _, sizes: np.ones(_shape(node, sizes)),
    "zeros": lambda node, _, sizes: np.zeros(_shape(node, sizes)),
    "eye": lambda node, _, sizes: np.eye(_size(node.data, sizes)),
    "unit": _unit,
    "embed": _embed,
    "pairing": _pairing,
    "add": lambda _, args, __: np.asarray(sum(args[1:], start=args[0])),
    "neg": lambda _, args, __: -args[0],
    "had": lambda _, args, __: np.asarray(math.prod(args[1:], start=args[0])),
    "div": lambda _, args, __: np.asarray(args[0] / args[1]),
    "pow": lambda _, args, __: np.asarray(np.power(args[0], args[1])),
    "mul": _product,
    "T": lambda _, args, __: args[0].T,
    "sum": _reduced(np.sum),
    "mean": _reduced(np.mean),
    "norm1": _reduced(lambda x: np.where(x.real < 0, -x, x).sum()),
    "norm2": _reduced(lambda x: np.sqrt((x * x).sum())),
    "max": _reduced(lambda x: x.flat[np.argmax(x.real)]),
    "min": _reduced(lambda x: x.flat[np.argmin(x.real)]),
    "rowsum": _reduced(lambda x: x.sum(1)),
    "colsum": _reduced(lambda x: x.sum(0)),
    "tr": _reduced(lambda x: np.trace(x) if x.ndim else x),
    "det": _reduced(lambda x: np.linalg.det(x) if x.ndim else x),
    "logdet": _reduced(lambda x: np.linalg.slogdet(x)[1] if x.ndim else np.log(np.abs(x))),
    "inv": _reduced(lambda x: np.linalg.inv(x) if x.ndim else 1 / x),
    "diag": _reduced(np.diag),
    "vec": _reduced(lambda x: x.reshape(-1, order="F")),
    "unvec": lambda node, args, sizes: args[0].reshape(_shape(node, sizes), order="F"),
    "kron": _kron,
    "softmax": _softmax,
    "log_softmax": lambda node, args, sizes: args[0] - _logsumexp(node, args, sizes)[..., None],
    "logsumexp": _logsumexp,
    "maximum": lambda _, args, __: np.asarray(np.where(args[0].real >= args[1].real, args[0], args[1])),
    "minimum": lambda _, args, __: np.asarray(np.where(args[0].real <= args[1].real, args[0], args[1])),
    "compare": _compare,
    "stack": _stack,
    "index": _index,
    "einsum": _einsum,
    "contract": _contract,
    **{name: _reduced(function) for name, function in _functions().items()},
}
