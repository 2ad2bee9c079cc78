"""Is it true? Derivatives compared with automatic differentiation, or with differences of the eighth order."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np

from latticework.calculus.binding import Array
from latticework.calculus.called import function
from latticework.calculus.choices import Method
from latticework.calculus.derivative import Derivative
from latticework.calculus.evaluate import Around, Run, differences, evaluate
from latticework.calculus.points import difference, point, size_sets
from latticework.calculus.rounding import around, off, rounding, spread
from latticework.calculus.tree import variables
from latticework.core.checks import INT64, one_of, whole_number
from latticework.core.errors import InputError

TOLERANCES = {"autodiff": 1e-8, "differences": 1e-6}
STEPS = (2e-3, 1e-3)  # of differences
POINTS = 3  # of each set of sizes
TELLING = 10  # times the rounding of differences: derivatives that these can judge
# Operations in whose derivatives numbers as large as 1 cancel.
FLATTENING = ("softmax", "log_softmax", "sigmoid", "sigmoid_of_negative", "tanh", "gelu")


@dataclass(frozen=True)
class Verification:
    """What came of comparing a derivative.

    Attributes
    ----------
    method
        "autodiff" (torch, in float64) or "differences" (central, of the eighth order).
    points
        How many were compared.
    sizes
        The sizes they had.
    worst
        Largest difference, relative to the largest element; where it is more than `tolerance`, less what the rounding
        of terms that cancel may be.
    tolerance
        Up to which the two agree.
    """

    method: str
    points: int
    sizes: tuple[dict[str, int], ...]
    worst: float
    tolerance: float

    @property
    def passed(self) -> bool:
        """Whether the derivative is right at every point."""
        return self.worst <= self.tolerance

    def __bool__(self) -> bool:
        return self.passed

    def __str__(self) -> str:
        verdict = "agrees with" if self.passed else "DIFFERS from"
        sizes = "; ".join(
            ", ".join(f"{name}={size}" for name, size in each.items()) or "scalars" for each in self.sizes
        )
        return f"{verdict} {self.method} at {self.points} points ({sizes}): largest difference {self.worst:.1e}"


def verify(derivation: Derivative, *, method: Method = "auto", random_state: int = 0) -> Verification:
    """Compare a derivative with another way to compute it.

    Parameters
    ----------
    derivation
        From `derive`.
    method
        "autodiff" by torch, "differences", or "auto": autodiff where torch is installed.
    random_state
        Of the points.

    Raises
    ------
    InputError
        If there is no such method or seed, or no point was found at which the function and its derivative have a value.
    """
    one_of("method", method, get_args(Method))
    seed = whole_number("random_state", random_state, least=0, most=INT64)
    if method == "auto":
        method = "autodiff" if importlib.util.find_spec("torch") else "differences"
    rng = np.random.default_rng(seed)
    root, wrt, value = derivation.expression, derivation.wrt, derivation.value
    other = _autodiff(derivation) if method == "autodiff" else _differences(derivation)
    worst, points, used = 0.0, 0, []
    for sizes in size_sets(root, wrt, value):
        found = [place for _ in range(POINTS) if (place := point(root, sizes, rng, value, wrt)) is not None]
        for arrays in found:
            expected = other.compute(arrays)
            if expected is None:
                continue
            got = evaluate(value, arrays)
            apart = difference(expected, got)
            if TOLERANCES[method] < apart < math.inf:
                own, of_other = rounding(value, got, arrays), other.rounding(expected, arrays)
                if method == "differences" and own < float(np.abs(got).max()) < TELLING * of_other:
                    continue  # beside such a function differences say nothing
                apart = difference(expected, got, own + of_other)
            worst = max(worst, apart)
            points += 1
            if sizes not in used:
                used.append(sizes)
    if not points:
        raise InputError(f"no point was found at which {root} and its derivative have a value")
    return Verification(method, points, tuple(used), worst, TOLERANCES[method])


@dataclass(frozen=True)
class _Other:
    """Another way to compute a derivative: nothing where it says nothing; and how far rounding carries that."""

    compute: Callable[[Mapping[str, Any]], Array | None]
    rounding: Callable[[Array, Mapping[str, Any]], float]


def _as_assumed(derivation: Derivative, found: Array) -> Array:
    """The derivative by independent entries as that by the entries of a symmetric matrix, where one is assumed."""
    if derivation.symmetric and found.ndim == 2:
        return np.asarray(found + found.T - np.diag(np.diag(found)))
    return found


def _differences(derivation: Derivative) -> _Other:
    """By differences of the function, and of the derivative before for those of higher order."""
    before, wrt = derivation.before, derivation.wrt

    def of_steps(_: Array, arrays: Mapping[str, Any]) -> float:
        return rounding(before, evaluate(before, arrays), arrays) / min(STEPS)

    def compute(arrays: Mapping[str, Any]) -> Array | None:
        # Near a pole differences say nothing: they change with the step.
        wide, narrow = (differences(before, wrt, arrays, step=step) for step in STEPS)
        if not np.isfinite(wide).all():
            return None
        most = TOLERANCES["differences"] / 10
        steady = difference(narrow, wide) <= most or difference(narrow, wide, of_steps(narrow, arrays)) <= most
        return _as_assumed(derivation, narrow) if steady else None

    return _Other(compute, of_steps)


def _autodiff(derivation: Derivative) -> _Other:
    """By torch."""
    compute = _by_torch(derivation)

    def of_torch(found: Array, arrays: Mapping[str, Any]) -> float:
        return spread(lambda rng: _by_torch(derivation, rng)(arrays), found)

    return _Other(compute, of_torch)


def _by_torch(
    derivation: Derivative, rng: np.random.Generator | None = None
) -> Callable[[Mapping[str, Any]], Array | None]:
    """By torch; with `rng` of operands that are off, on the way back by something else than on the way there."""
    import torch

    name, times = derivation.wrt.data[0], derivation.order
    parameters = variables(derivation.expression)
    changed = None if rng is None else _disturbed(torch, rng)
    run = function(derivation.expression, "torch", parameters=parameters, around=changed)

    def compute(arrays: Mapping[str, Any]) -> Array | None:
        values = {key: torch.as_tensor(np.asarray(arrays[key], dtype=np.float64)) for key in parameters}
        given = torch.as_tensor(np.asarray(arrays[name], dtype=np.float64))

        def at(x: Any) -> Any:
            result = run(**{**values, name: x}) if name in values else run(**values)
            return torch.as_tensor(result, dtype=torch.float64)

        derivative: Callable[[Any], Any] = at
        for k in range(times):
            derivative = _jacobian(torch, derivative, create_graph=k < times - 1)
        found = np.asarray(derivative(given).detach().numpy())
        return _as_assumed(derivation, found) if np.isfinite(found).all() else None

    return compute


def _disturbed(torch: Any, rng: np.random.Generator) -> Around:
    """Operations of torch with their operands off."""

    def disturb(operand: Any, *, there: bool = True) -> Any:
        if not isinstance(operand, torch.Tensor):
            return operand
        back = torch.as_tensor(off(rng, tuple(operand.shape)))
        forth = torch.as_tensor(off(rng, tuple(operand.shape))) if there else 1.0
        return operand * back + (operand * (forth - back)).detach()

    operations = around(disturb)

    def changed(op: str, run: Run) -> Run:
        inner = operations(op, run)
        if op not in FLATTENING:
            return inner
        return lambda x: inner(x) + (disturb(x, there=False) - x)

    return changed


def _jacobian(torch: Any, f: Callable[[Any], Any], *, create_graph: bool) -> Callable[[Any], Any]:
    return lambda x: torch.autograd.functional.jacobian(f, x, create_graph=create_graph)
