"""Is it true? Derivatives compared with automatic differentiation, or with differences of the eighth order."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from latticework.calculus.binding import Array
from latticework.calculus.called import function
from latticework.calculus.derivative import Derivative
from latticework.calculus.evaluate import differences, evaluate
from latticework.calculus.expression import Expr
from latticework.calculus.points import difference, point, size_sets
from latticework.calculus.tree import variables
from latticework.core.errors import InputError

METHODS = ("auto", "autodiff", "differences")
TOLERANCES = {"autodiff": 1e-8, "differences": 1e-6}
STEPS = (2e-3, 1e-3)  # of differences
POINTS = 3  # of each set of sizes


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
        Largest difference, relative to the largest element, at least to a ten-thousandth of the function's or of 1.
    tolerance
        Up to which it is rounding.
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


def verify(derivation: Derivative, *, method: str = "auto", random_state: int = 0) -> Verification:
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
        If there is no such method, or no point was found at which the function and its derivative have a value.
    """
    if method not in METHODS:
        raise InputError(f"method={method!r}: expected one of {', '.join(METHODS)}")
    if method == "auto":
        method = "autodiff" if importlib.util.find_spec("torch") else "differences"
    rng = np.random.default_rng(random_state)
    root, wrt = derivation.expression, derivation.wrt
    compare = _autodiff(root, wrt, derivation.order) if method == "autodiff" else _differences(derivation)
    worst, points, used = 0.0, 0, []
    for sizes in size_sets(root, wrt, derivation.value):
        found = [place for _ in range(POINTS) if (place := point(root, sizes, rng, derivation.value, wrt)) is not None]
        for arrays in found:
            truth = compare(arrays)
            if truth is None:
                continue
            expected = _as_assumed(derivation, truth)
            got = evaluate(derivation.value, arrays)
            worst = max(worst, difference(expected, got, evaluate(root, arrays)))
            points += 1
            if sizes not in used:
                used.append(sizes)
    if not points:
        raise InputError(f"no point was found at which {root} and its derivative have a value")
    return Verification(method, points, tuple(used), worst, TOLERANCES[method])


def _as_assumed(derivation: Derivative, found: Array) -> Array:
    """The derivative by independent entries as that by the entries of a symmetric matrix, where one is assumed."""
    if derivation.symmetric and found.ndim == 2:
        return np.asarray(found + found.T - np.diag(np.diag(found)))
    return found


def _differences(derivation: Derivative) -> Callable[[dict[str, Any]], Array | None]:
    """By differences of the function, and of the derivative before for those of higher order."""
    before, wrt = derivation.before, derivation.wrt

    def compare(arrays: dict[str, Any]) -> Array | None:
        # Near a pole differences say nothing: they change with the step.
        wide, narrow = (differences(before, wrt, arrays, step=step) for step in STEPS)
        if not np.isfinite(wide).all():
            return None
        steady = difference(narrow, wide, evaluate(before, arrays)) <= TOLERANCES["differences"] / 10
        return narrow if steady else None

    return compare


def _autodiff(root: Expr, wrt: Expr, times: int) -> Callable[[dict[str, Any]], Array | None]:
    import torch

    name = wrt.data[0]
    parameters = variables(root)
    run = function(root, "torch", parameters=parameters)

    def compare(arrays: dict[str, Any]) -> Array | None:
        values = {key: torch.as_tensor(np.asarray(arrays[key], dtype=np.float64)) for key in parameters}
        given = torch.as_tensor(np.asarray(arrays[name], dtype=np.float64))

        def at(x: Any) -> Any:
            result = run(**{**values, name: x}) if name in values else run(**values)
            return torch.as_tensor(result, dtype=torch.float64)

        derivative: Callable[[Any], Any] = at
        for k in range(times):
            derivative = _jacobian(torch, derivative, create_graph=k < times - 1)
        found = np.asarray(derivative(given).detach().numpy())
        return found if np.isfinite(found).all() else None

    return compare


def _jacobian(torch: Any, f: Callable[[Any], Any], *, create_graph: bool) -> Callable[[Any], Any]:
    return lambda x: torch.autograd.functional.jacobian(f, x, create_graph=create_graph)
