"""A program called: its instructions run one by one, by the same operations as `source` writes.

Nothing that a user typed is ever evaluated.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from latticework.calculus.backends import check_language
from latticework.calculus.binding import Sizes, sizes_of
from latticework.calculus.evaluate import Around
from latticework.calculus.expression import Expr
from latticework.calculus.operations import Function, in_context, operations
from latticework.calculus.program import Program, program, spent_inputs
from latticework.core.errors import InputError, require

# What NumPy can write over an operand that is needed no more: new memory costs as much as a sum.
_UFUNCS: dict[str, Function] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "neg": np.negative,
    "scale_rows": lambda a, b, out: np.multiply(a[:, None], b, out=out),
    "scale_columns": np.multiply,
    **{name: getattr(np, name) for name in ("exp", "log", "sin", "cos", "tanh", "sqrt")},
}


def function(
    root: Expr, language: str, *, parameters: Mapping[str, Expr] | None = None, around: Around | None = None
) -> Callable[..., Any]:
    """A function that computes an expression, by the same operations as `source` writes.

    It takes the variables by position or by name: arrays, or lists of numbers.

    Parameters
    ----------
    root, language, parameters
        As for `source`.
    around
        For an operation and the function of its operands: what is called instead.

    Raises
    ------
    InputError
        If there is no such language, or a size that no parameter tells.
    MissingExtraError
        If the library is not installed.

    Examples
    --------
    >>> from latticework.calculus.parser import parse
    >>> residual = function(parse("X*w - y", {"X": "N,n", "w": "n", "y": "N"}), "numpy")
    >>> residual([[1, 2], [3, 4]], w=[1, 1], y=[3, 5])
    array([0., 2.])
    """
    check_language(language)
    found = program(root, parameters)
    xp, convert = _library(language)
    names = list(found.variables)
    model = None if found.model is None else names.index(found.model)
    # Numbers of Python take on the type of the model, as in what `source` writes; torch sees to that itself.
    scalars = [] if language == "torch" else [k for k, node in enumerate(found.variables.values()) if not node.rank]
    start: list[Any] = [None] * len(found.instructions)  # registers of numbers, and empty ones
    given: list[tuple[int, int]] = []  # registers of variables, and these
    for place, each in enumerate(found.instructions):
        if each.op == "number":
            start[place] = each.data
        elif each.op == "var":
            given.append((place, names.index(each.data)))
    steps = _steps(found, language, xp, around)
    singular = getattr(xp.linalg, "LinAlgError", np.linalg.LinAlgError)
    fitting: tuple[list[Any], Sizes] = ([], {})  # the shapes of the last call, and the sizes that they tell

    # For small arrays the checks and the loop take as long as the operations.
    def derivative(*args: Any, **named: Any) -> Any:
        nonlocal fitting
        if named or len(args) != len(names):
            args = _in_order(names, args, named)
        arrays = [convert(value) for value in args]
        shapes = [array.shape for array in arrays]
        like: Any = None if model is None else arrays[model]
        for place in scalars:
            if type(args[place]) in (int, float):
                arrays[place] = arrays[place].astype(like.dtype)
        known, sizes = fitting
        if shapes != known:
            sizes = sizes_of(found.variables, dict(zip(names, shapes, strict=True)))
            fitting = shapes, sizes
        values = start.copy()
        for place, parameter in given:
            values[place] = arrays[parameter]
        try:
            for place, arity, run, one, two, inputs in steps:
                if arity == 2:
                    values[place] = run(values[one], values[two])
                elif arity == 1:
                    values[place] = run(values[one])
                else:
                    values[place] = run(sizes, like, *[values[register] for register in inputs])
        except singular as error:
            raise InputError("a matrix that is inverted is singular at these values") from error
        except (ZeroDivisionError, OverflowError) as error:
            raise InputError(f"a number of the expression has no value: {error.args[-1]}") from error
        except (ValueError, RuntimeError) as error:
            if any(0 in shape for shape in shapes):
                raise InputError("an array without elements has no such value: sizes are at least 1") from error
            raise
        return values[-1]

    derivative.__doc__ = f"Takes {', '.join(names)}."
    return derivative


def _in_order(names: Sequence[str], args: Sequence[Any], named: Mapping[str, Any]) -> tuple[Any, ...]:
    """The values of variables, some of which are given by name."""
    values = {**dict(zip(names, args, strict=False)), **named}
    if len(args) + len(named) != len(names) or values.keys() != set(names):
        got = ", ".join(named) or "no names"
        raise InputError(f"the function takes {', '.join(names)}; got {len(args)} values and {got}")
    return tuple(values[name] for name in names)


def _steps(
    found: Program, language: str, xp: Any, around: Around | None
) -> list[tuple[int, int, Function, int, int, tuple[int, ...]]]:
    """For each instruction but variables and numbers: its register, its function, and the registers it takes.

    The number before the function is 1 or 2 for a function of so many arrays, whose registers stand by themselves too,
    so that no list is made of them. It is 0 for one that takes the sizes and an array of the wanted type before them.
    """
    plain = operations(language, xp)
    spent = spent_inputs(found.instructions) if language == "numpy" and around is None else {}
    steps = []
    for place, each in enumerate(found.instructions):
        if each.op in ("var", "number"):
            continue
        arity = len(each.inputs) if each.op in plain else 0
        run = plain[each.op] if arity else in_context(each, language, xp)
        if around is not None:
            run = around(each.op, run) if arity else _in_context_around(each.op, run, around)
        if place in spent and each.op in _UFUNCS:
            ufunc = _UFUNCS[each.op]
            run = _onto(run, ufunc, spent[place]) if arity == 2 else _onto_itself(run, ufunc)
        one, two, *_ = (*each.inputs, 0, 0)
        steps.append((place, arity, run, one, two, each.inputs))
    return steps


def _in_context_around(op: str, run: Function, around: Around) -> Function:
    return lambda sizes, like, *inputs: around(op, partial(run, sizes, like))(*inputs)


def _onto_itself(run: Function, ufunc: Function) -> Function:
    return lambda a: ufunc(a, out=a) if type(a) is np.ndarray else run(a)


def _onto(run: Function, ufunc: Function, places: tuple[int, ...]) -> Function:
    """The operation, written over the operand at one of the places that has the shape and the type of the result."""

    def written_over(a: Any, b: Any) -> Any:
        for place in places:
            spent, other = (b, a) if place else (a, b)
            if type(spent) is np.ndarray:
                if type(other) is np.ndarray:
                    fits = other.dtype == spent.dtype and other.ndim <= spent.ndim
                else:
                    fits = type(other) in (int, float) or getattr(other, "dtype", None) == spent.dtype
                if fits:
                    return ufunc(a, b, out=spent)
        return run(a, b)

    return written_over


def _library(language: str) -> tuple[Any, Callable[[Any], Any]]:
    """The library, and what makes an array of it."""
    if language == "numpy":
        return np, _as_floats
    if language == "torch":
        torch = require("torch", extra="all", purpose="exporting to PyTorch")

        def as_tensor(value: Any) -> Any:
            if not isinstance(value, torch.Tensor):
                return torch.as_tensor(_as_floats(value))
            return value if value.is_floating_point() or value.is_complex() else value.double()

        return torch, as_tensor
    jnp = require("jax.numpy", extra="jax", purpose="exporting to JAX")

    def as_array(value: Any) -> Any:
        if not hasattr(value, "at"):
            return jnp.asarray(_as_floats(value))
        return value.astype(float) if value.dtype.kind in "iub" else value

    return jnp, as_array


def _as_floats(value: Any) -> Any:
    if type(value) is np.ndarray and value.dtype.kind in "fc":
        return value
    array = np.asarray(value)
    return array if array.dtype.kind in "fc" else array.astype(np.float64)
