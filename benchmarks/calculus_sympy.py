"""SymPy and `derive` on the gold cases: what each makes of them, and how long it takes.

SymPy gets every function written with its matrix symbols, in up to three ways, of which the first is the one that comes
to mind; where one of them gives the right derivative, that one counts, and where none does, the first. Sums are traces
or products with ones, functions of elements `applyfunc` or Hadamard products and powers. Answers are made explicit,
element by element, at small sizes, and compared with the closed form of the gold case.

SymPy can differentiate every one of these functions element by element too, in explicit matrices of symbols; that is no
derivative in matrix form, and it is not what is asked here.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import sympy as sp
from sympy.core.cache import clear_cache
from sympy.matrices.expressions.hadamard import HadamardPower, HadamardProduct
from sympy.tensor.array.expressions.array_expressions import _ArrayExpr

from latticework.calculus import derive
from latticework.calculus.citations import local_derivative

Array = np.ndarray[Any, Any]
Way = Callable[[], tuple[Any, Any]]  # a function and what to differentiate it by

SIZES = {"n": 4, "m": 3, "p": 2, "N": 6}
POINTS = 6  # at which an answer has to be right: neurons are active at some and not at others
TOLERANCE = 1e-8
ROUNDS = 5  # at most: SymPy takes long

_t = sp.Dummy("t")
x, z, b = sp.symbols("x z b", real=True)


def compare(cases: Sequence[Mapping[str, Any]], rounds: int) -> list[dict[str, Any]]:
    """For each case, the verdict on each system's answer and the seconds that it took in each round."""
    found = []
    for case in cases:
        points = [values(case, seed) for seed in range(POINTS)]
        # Code of our own data set, which nobody else can change.
        gold = [np.asarray(eval(case["gold"], {"np": np, **point}), dtype=float) for point in points]  # noqa: S307
        ways = [lambda way=way: differentiated(way) for way in WAYS[case["id"]]]
        verdicts = [judged(way, gold, points) for way in ways]
        best = next((k for k, verdict in enumerate(verdicts) if verdict.startswith("right")), 0)

        def ours(case: Mapping[str, Any] = case) -> Any:
            return derive(case["dsl"], case["wrt"], case["vars"])

        answer = ours()
        right = all(agrees(answer.evaluate(**point), truth) for point, truth in zip(points, gold, strict=True))
        found.append(
            {
                **{key: case[key] for key in ("id", "dsl", "wrt")},
                "ours": {"verdict": "right" if right else "wrong", "seconds": timed(ours, rounds)},
                "sympy": {"verdict": verdicts[best], "seconds": timed(ways[best], min(rounds, ROUNDS))},
            }
        )
    return found


def values(case: Mapping[str, Any], seed: int) -> dict[str, Array]:
    """Values for the variables of a case, within what it asks of them."""
    rng = np.random.default_rng(seed)
    low = 0.2 if "cond" in case else -1.0
    return {
        name: rng.uniform(low, 0.9, [SIZES[size] for size in shape.split(",") if size])
        for name, shape in case["vars"].items()
    }


def differentiated(way: Way) -> Any:
    """The derivative as SymPy gives it."""
    function, variable = way()
    return function.diff(variable).doit()


def judged(call: Callable[[], Any], gold: Sequence[Array], points: Sequence[Mapping[str, Array]]) -> str:
    """Right or wrong, or why there is no answer."""
    try:
        answer = call()
    except Exception as error:  # whatever it raises, and it raises much
        return f"no answer ({type(error).__name__})"
    if answer.has(sp.Derivative) or "Derivative" in type(answer).__name__:
        return "no answer (not evaluated)"
    try:
        found = [explicit(answer, point) for point in points]
    except Exception as error:
        return f"no answer ({type(answer).__name__} that cannot be made explicit: {type(error).__name__})"
    if not all(map(agrees, found, gold)):
        return "wrong"
    return "right, as an array expression" if isinstance(answer, _ArrayExpr) else "right"


def explicit(answer: Any, arrays: Mapping[str, Array]) -> Array:
    """The elements of an answer at the values of the variables."""
    known: dict[Any, Any] = {}
    for name, array in arrays.items():
        if array.ndim == 0:
            known.update({symbol: sp.Float(float(array)) for symbol in (x, z, b) if symbol.name == name})
        else:
            columns = array.reshape(len(array), -1)
            known[sp.MatrixSymbol(name, *columns.shape)] = sp.ImmutableMatrix(columns.tolist())
    whole = answer.xreplace(known).doit()
    whole = whole.as_explicit() if hasattr(whole, "as_explicit") else whole
    elements = np.array(whole.tolist() if hasattr(whole, "tolist") else whole, dtype=object)
    return np.array([float(element) for element in elements.flat]).reshape(elements.shape)


def agrees(found: Array, gold: Array) -> bool:
    """Whether two derivatives are the same but for axes of length 1: SymPy's vectors are matrices."""
    one, two = np.squeeze(np.asarray(found, dtype=float)), np.squeeze(gold)
    return one.shape == two.shape and bool(np.abs(one - two).max() <= TOLERANCE * max(1.0, float(np.abs(two).max())))


def timed(call: Callable[[], Any], rounds: int) -> list[float]:
    """Seconds from the function to its derivative, with nothing left of earlier rounds."""
    seconds = []
    for _ in range(rounds):
        clear_cache()
        local_derivative.cache_clear()
        gc.collect()
        began = time.perf_counter()
        with suppress(Exception):  # `judged` told which
            str(call())
        seconds.append(time.perf_counter() - began)
    return seconds


def vector(name: str, size: str = "n") -> Any:
    """A column of symbols."""
    return sp.MatrixSymbol(name, SIZES[size], 1)


def matrix(name: str, rows: str, columns: str) -> Any:
    """A matrix of symbols."""
    return sp.MatrixSymbol(name, SIZES[rows], SIZES[columns])


def ones(size: str) -> Any:
    """A column of ones."""
    return sp.OneMatrix(SIZES[size], 1)


def total(column: Any) -> Any:
    """The sum of a column, as a 1x1 matrix."""
    return sp.OneMatrix(1, column.shape[0]) * column


def each(column: Any, function: Callable[[Any], Any]) -> Any:
    """A function of every element."""
    return column.applyfunc(sp.Lambda(_t, function(_t)))


def relu(u: Any) -> Any:
    """max(0, u)."""
    return sp.Max(0, u)


def softplus(u: Any) -> Any:
    """log(1 + exp(u))."""
    return sp.log(1 + sp.exp(u))


a, B, A, C = vector("a", "m"), vector("b"), matrix("A", "n", "n"), vector("c")
w, v, y, u = vector("w"), vector("x"), vector("y", "N"), vector("y")
X, Y, S, Z = matrix("X", "N", "n"), matrix("X", "m", "n"), matrix("X", "n", "n"), vector("z")
_margins = -HadamardProduct(y, X * w)
_error = y - each(X * w + b * ones("N"), relu)

WAYS: dict[str, tuple[Way, ...]] = {
    "P01": (lambda: (HadamardProduct(w, v), w), lambda: (sp.DiagMatrix(v) * w, w)),
    "P02": (
        lambda: (HadamardProduct(w, HadamardPower(v, -1)), v),
        lambda: (sp.DiagMatrix(w) * HadamardPower(v, -1), v),
        lambda: (HadamardProduct(w, each(v, lambda t: 1 / t)), v),
    ),
    "P03": (lambda: (v + z * ones("n"), z),),
    "P04": (lambda: (z * v, v),),
    "P05": (lambda: (total(z * v), z),),
    "P06": (lambda: (sp.log(sp.sin(x**3) ** 2), x),),
    "P07": (lambda: (sp.sin(x + x**2), x),),
    "P08": (lambda: (sp.Matrix([sp.log(x**2), sp.sin(3 * x)]), x),),
    "P09": (
        lambda: (each(w.T * v + b * sp.OneMatrix(1, 1), relu), w),
        lambda: (each(w.T * v + b * sp.OneMatrix(1, 1), lambda t: (t + sp.Abs(t)) / 2), w),
        lambda: (relu((w.T * v)[0, 0] + b), w),
    ),
    "P10": (
        lambda: (total(HadamardPower(_error, 2)) / SIZES["N"], w),
        lambda: (_error.T * _error / SIZES["N"], w),
        lambda: (sp.Trace(_error.T * _error) / SIZES["N"], w),
    ),
    "P11": (
        lambda: (total(HadamardPower(_error, 2)) / SIZES["N"], b),
        lambda: (_error.T * _error / SIZES["N"], b),
    ),
    "P12": (lambda: ((X * w - y).T * (X * w - y), w),),
    "P13": (lambda: (v.T * A * v, v),),
    "P14": (lambda: (a.T * Y * B, Y), lambda: (sp.Trace(a.T * Y * B), Y)),
    "P15": (lambda: (B.T * Y.T * Y * C, Y), lambda: (sp.Trace(B.T * Y.T * Y * C), Y)),
    "P16": (lambda: (sp.Trace(matrix("A", "p", "m") * Y * matrix("B", "n", "p")), Y),),
    "P17": (lambda: (sp.log(sp.Abs(sp.Determinant(S))), S), lambda: (sp.log(sp.Determinant(S)), S)),
    "P18": (lambda: (vector("a").T * sp.Inverse(S) * B, S), lambda: (sp.Trace(vector("a").T * sp.Inverse(S) * B), S)),
    "P19": (
        lambda: (total(each(_margins, softplus)), w),
        lambda: (total(each(-sp.DiagMatrix(y) * X * w, softplus)), w),
        lambda: (sp.Trace(ones("N").T * each(_margins, softplus)), w),
    ),
    "P20": (
        lambda: (-u.T * each(each(Z, sp.exp) / total(each(Z, sp.exp))[0, 0], sp.log), Z),
        lambda: (-u.T * Z + total(u) * each(total(each(Z, sp.exp)), sp.log), Z),
        lambda: (sp.Trace(-u.T * Z) + sp.Trace(total(u)) * sp.log(sp.Trace(total(each(Z, sp.exp)))), Z),
    ),
}
