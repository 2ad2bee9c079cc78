"""Operations as functions: for an instruction, what NumPy, PyTorch or JAX compute it with."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from latticework.calculus.backends import sums_up
from latticework.calculus.evaluate import erf
from latticework.calculus.registers import Instruction, Places
from latticework.calculus.text import labels
from latticework.core.errors import InputError, require

Function = Callable[..., Any]

_COMPARISONS: dict[str, Function] = {
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
}
_ELEMENTARY = ("exp", "log", "sin", "cos", "tan", "sinh", "cosh", "tanh", "sqrt", "abs", "sign")


def operations(language: str, xp: Any) -> dict[str, Function]:
    """Functions of arrays alone, by operation; `xp` is the library."""
    return {
        "add": operator.add,
        "sub": operator.sub,
        "mul": operator.mul,
        "div": operator.truediv,
        "neg": operator.neg,
        "pow": operator.pow,
        "matmul": operator.matmul,
        "outer": lambda a, b: a[:, None] * b,
        "scale_rows": lambda a, b: a[:, None] * b,
        "gram": lambda a, v: (a.T * v) @ a,
        "scale_columns": operator.mul,
        "T": lambda a: a.T,
        "own": lambda a: a.copy(),
        "sum": lambda a: a.sum(),
        "mean": lambda a: a.mean(),
        "rowsum": lambda a: a.sum(1),
        "colsum": lambda a: a.sum(0),
        "max": lambda a: a.max(),
        "min": lambda a: a.min(),
        "norm1": lambda a: xp.abs(a).sum(),
        "norm2": xp.linalg.norm,
        "tr": xp.trace,
        "det": xp.linalg.det,
        "logdet": lambda a: xp.linalg.slogdet(a)[1],
        "inv": xp.linalg.inv,
        "solve": xp.linalg.solve,
        "diag": xp.diag,
        "diagonal": xp.diag,
        "vec": lambda a: a.T.reshape(-1),
        "kron": xp.kron,
        "as_row": lambda a: a[None, :],
        "as_column": lambda a: a[:, None],
        "as_vector": lambda a: a.reshape(1),
        "as_one": lambda a: a.reshape(1, 1),
        "maximum": lambda a, b: xp.where(a >= b, a, b),
        "minimum": lambda a, b: xp.where(a <= b, a, b),
        "asin": xp.arcsin,
        "acos": xp.arccos,
        "atan": xp.arctan,
        **{name: getattr(xp, name) for name in _ELEMENTARY},
        **{"numpy": _of_numpy, "torch": _of_torch, "jax": _of_jax}[language](xp),
    }


def _of_numpy(xp: Any) -> dict[str, Function]:
    return {
        "relu": lambda a: np.maximum(a, 0),
        "softplus": lambda a: np.logaddexp(0, a),
        "sigmoid": lambda a: _sigmoid_of_negative(-a),
        "sigmoid_of_negative": _sigmoid_of_negative,
        "softmax": _softmax,
        "log_softmax": _log_softmax,
        "logsumexp": _logsumexp,
        "erf": erf,
        "gelu": lambda a: a * (1 + erf(np.asarray(a / math.sqrt(2)))) / 2,
        "add_diagonal": lambda a, v: _add_diagonal(a.copy(), v),
        "onto_diagonal": _add_diagonal,
        "gram": _gram,
    }


def _of_torch(xp: Any) -> dict[str, Function]:
    return {
        "relu": xp.relu,
        "softplus": lambda a: xp.logaddexp(a, xp.zeros_like(a)),
        "sigmoid": xp.sigmoid,
        "sigmoid_of_negative": lambda a: xp.sigmoid(-a),
        "softmax": lambda a: xp.softmax(a, -1),
        "log_softmax": lambda a: xp.log_softmax(a, -1),
        "logsumexp": lambda a: xp.logsumexp(a, -1),
        "erf": xp.erf,
        "gelu": xp.nn.functional.gelu,
        "gram": lambda a, v: _torch_gram(xp, a, v),
        "own": lambda a: a.clone(),
        "kron": lambda a, b: xp.kron(a.contiguous(), b.contiguous()),
        "add_diagonal": lambda a, v: xp.diagonal_scatter(a, xp.diagonal(a) + v),
        "onto_diagonal": lambda a, v: xp.diagonal_scatter(a, xp.diagonal(a) + v),
    }


def _of_jax(xp: Any) -> dict[str, Function]:
    jax = require("jax", extra="jax", purpose="exporting to JAX")
    return {
        "relu": lambda a: xp.maximum(a, 0),
        "softplus": lambda a: xp.logaddexp(a, 0),
        "sigmoid": jax.nn.sigmoid,
        "sigmoid_of_negative": lambda a: jax.nn.sigmoid(-a),
        "softmax": lambda a: jax.nn.softmax(a, -1),
        "log_softmax": lambda a: jax.nn.log_softmax(a, -1),
        "logsumexp": lambda a: jax.nn.logsumexp(a, -1),
        "erf": jax.scipy.special.erf,
        "gelu": lambda a: jax.nn.gelu(a, approximate=False),
        "add_diagonal": lambda a, v: a.at[xp.diag_indices(a.shape[0])].add(v),
        "onto_diagonal": lambda a, v: a.at[xp.diag_indices(a.shape[0])].add(v),
    }


def _sigmoid_of_negative(x: Any) -> Any:
    with np.errstate(over="ignore"):
        e = np.exp(x)
    e += 1
    return np.divide(1, e, out=e) if type(e) is np.ndarray else 1 / e


def _softmax(x: Any) -> Any:
    e = np.exp(x - x.max(-1, keepdims=True))
    e /= e.sum(-1, keepdims=True)
    return e


def _log_softmax(x: Any) -> Any:
    shifted = x - x.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


def _logsumexp(x: Any) -> Any:
    top = x.max(-1)
    return top + np.log(np.exp(x - top[..., None]).sum(-1))


def _add_diagonal(x: Any, v: Any) -> Any:
    if getattr(v, "dtype", x.dtype) != x.dtype:
        x = x.astype(np.result_type(x, v), copy=False)
    np.einsum("ii->i", x)[...] += v
    return x


def _torch_gram(torch: Any, x: Any, v: Any) -> Any:
    half = x.shape[1] // 2
    scaled = x.T * v
    left, corner = scaled @ x[:, :half], scaled[half:] @ x[:, half:]
    return torch.cat([left, torch.cat([left[half:].T, corner])], 1)  # symmetric: three quarters of the work


def _gram(x: Any, v: Any) -> Any:
    x = np.sqrt(v)[:, None] * x
    return x.T @ x  # which NumPy sees to be symmetric: half the work


def in_context(each: Instruction, language: str, xp: Any) -> Function:
    """The function of an instruction that needs sizes or the type of new arrays.

    It takes the lengths of sizes by name, and an array of the wanted type or None, before the arrays.
    """
    op, data = each.op, each.data
    if op == "size":
        return lambda sizes, like: data.value(sizes)
    if op == "compare":
        compare, cast = _COMPARISONS[data], _cast(language, xp)
        return lambda sizes, like, a, b: cast(compare(a, b), like)
    join = xp.cat if language == "torch" else xp.concatenate
    if op == "stack":
        return lambda sizes, like, *parts: join(list(parts), data)
    if op == "index":

        def part(sizes: Mapping[str, int], like: Any, a: Any) -> Any:
            return a[tuple(_place(places, length, sizes) for places, length in zip(data, a.shape, strict=True))]

        return part
    if op == "pad":
        (within,) = Places.all_of(each)

        def padded(sizes: Mapping[str, int], like: Any, a: Any) -> Any:
            first, last, length = _selected(within, sizes)
            shapes = [(rows, *a.shape[1:]) for rows in (first, length - last)]
            above, below = (a.new_zeros(s) if language == "torch" else xp.zeros(s, a.dtype) for s in shapes)
            return join([above, a, below])

        return padded
    if op == "einsum":
        *ins, out = labels((*data[0], data[1]))
        spec = f"{','.join(ins)}->{out}"
        extra = {"optimize": True} if language == "numpy" and sums_up(data) else {}
        return lambda sizes, like, *inputs: xp.einsum(spec, *inputs, **extra)
    if op == "unvec":
        rows, columns = data
        return lambda sizes, like, a: a.reshape(columns.value(sizes), rows.value(sizes)).T
    return _constant(each, language, xp)


def _cast(language: str, xp: Any) -> Function:
    """What makes numbers of the wanted type of truth values."""
    if language == "torch":
        return lambda flags, like: flags.to(xp.float64 if like is None else like.dtype)
    return lambda flags, like: flags.astype(float if like is None else like.dtype)


def _constant(each: Instruction, language: str, xp: Any) -> Function:
    """The function of an instruction that makes a new array."""
    op, data = each.op, each.data

    def options(like: Any) -> dict[str, Any]:
        if language != "torch":
            return {"dtype": float if like is None else like.dtype}
        return {"dtype": xp.float64} if like is None else {"dtype": like.dtype, "device": like.device}

    if op == "full":
        return lambda sizes, like, number: xp.full(data, number, **options(like))
    if op in ("ones", "zeros"):
        make = getattr(xp, op)
        return lambda sizes, like: make(tuple(size.value(sizes) for size in data), **options(like))
    if op == "eye":
        return lambda sizes, like: xp.eye(data.value(sizes), **options(like))
    if op in ("unit", "embed"):
        cast, (within,) = _cast(language, xp), Places.all_of(each)

        def selection(sizes: Mapping[str, int], like: Any) -> Any:
            first, last, length = _selected(within, sizes)
            device = {"device": like.device} if language == "torch" and like is not None else {}
            places = xp.arange(length, **device)
            if op == "unit":
                return cast(places == first, like)
            return cast(places[:, None] == xp.arange(first, last, **device), like)

        return selection
    if op == "pairing":

        def pairing(sizes: Mapping[str, int], like: Any) -> Any:
            rows, columns = (size.value(sizes) for size in data)
            whole = xp.eye(rows * columns, **options(like)).reshape(rows * columns, columns, rows)
            return whole.permute(0, 2, 1) if language == "torch" else whole.transpose(0, 2, 1)

        return pairing
    raise InputError(f"{op} cannot be exported")


def _selected(places: Places | None, sizes: Mapping[str, int]) -> tuple[int, int, int]:
    """Where a unit vector or an embed begins and ends, as Python counts, and the length of its axis."""
    assert places is not None
    length = places.length.value(sizes)
    return (*_inside(places, length, sizes), length)


def _place(places: Places | None, length: int, sizes: Mapping[str, int]) -> Any:
    """Where an axis is indexed, as Python counts."""
    if places is None:
        return slice(None)
    first, last = _inside(places, length, sizes)
    return first if places.high is None else slice(first, last)


def _inside(places: Places, length: int, sizes: Mapping[str, int]) -> tuple[int, int]:
    """Places as Python counts them, if an axis has them."""
    low, high = (end.value(sizes) for end in places.ends)
    if not 1 <= low <= high <= length:
        raise InputError(f"the places {low} to {high} are outside an axis of {length} elements")
    return low - 1, high
