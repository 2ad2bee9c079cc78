"""Code that `latticework.calculus` exports, by turns with torch's automatic differentiation and gradients by hand."""

from __future__ import annotations

import gc
import random
import statistics
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks import measuring, records

if TYPE_CHECKING:
    from benchmarks.calculus_cases import Problem

TOLERANCE = 1e-8  # relative to the largest element, or to 1
SHORTEST = 0.005  # seconds that a measurement lasts at least: a fast function is called many times for it

EXPORTED_TORCH, EXPORTED_NUMPY, BY_HAND = "exported torch code", "exported NumPy code", "by hand in NumPy"
AUTOGRAD = "torch.autograd.grad"

Seconds = dict[str, list[float]]  # of a call, by system, in each round


def time_hessians(rounds: int) -> list[dict[str, Any]]:
    """Seconds of every system for every Hessian and Jacobian."""
    from benchmarks.calculus_cases import hessians, jacobians

    return [
        time_problem(problem, {**exported(problem), **automatic(problem)}, rounds)
        for problem in hessians() + jacobians()
    ]


def time_gradients(rounds: int) -> list[dict[str, Any]]:
    """Seconds of every system for every gradient."""
    from benchmarks.calculus_cases import gradients

    return [time_problem(problem, {**exported(problem), **by_hand(problem)}, rounds) for problem in gradients()]


def exported(problem: Problem) -> dict[str, Callable[[], Any]]:
    """Calls of the code that we export."""
    from latticework.calculus import derive

    found = derive(problem.expression, problem.wrt, problem.shapes, order=problem.order)
    in_torch, in_numpy = found.to_torch(), found.to_numpy()
    tensors, arrays = ([values[name] for name in found.parameters] for values in (problem.tensors, problem.arrays))
    return {EXPORTED_TORCH: lambda: in_torch(*tensors), EXPORTED_NUMPY: lambda: in_numpy(*arrays)}


def automatic(problem: Problem) -> dict[str, Callable[[], Any]]:
    """Calls of all that torch has for second derivatives, or for the first ones of vectors."""
    import torch
    from torch.autograd import functional

    f, x = problem.of_variable, problem.variable
    if problem.order == 2:
        return {
            "torch.func.hessian": lambda: torch.func.hessian(f)(x),
            "jacfwd(jacrev)": lambda: torch.func.jacfwd(torch.func.jacrev(f))(x),
            "autograd.functional.hessian": lambda: functional.hessian(f, x),
            "autograd.functional.hessian, vectorized": lambda: functional.hessian(f, x, vectorize=True),
        }
    return {
        "torch.func.jacrev": lambda: torch.func.jacrev(f)(x),
        "torch.func.jacfwd": lambda: torch.func.jacfwd(f)(x),
        "autograd.functional.jacobian": lambda: functional.jacobian(f, x),
        "autograd.functional.jacobian, vectorized": lambda: functional.jacobian(f, x, vectorize=True),
    }


def by_hand(problem: Problem) -> dict[str, Callable[[], Any]]:
    """Calls of the gradient that an expert writes, and of torch's."""
    import torch

    assert problem.by_hand is not None
    hand = problem.by_hand

    def autograd() -> Any:
        x = problem.variable.detach().requires_grad_()
        return torch.autograd.grad(problem.of_variable(x), x)[0]

    return {BY_HAND: lambda: hand(**problem.arrays), AUTOGRAD: autograd}


def time_problem(problem: Problem, systems: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, Any]:
    """Seconds of every system, which give the same."""
    require_equal(problem.name, {name: np.asarray(call()) for name, call in systems.items()})
    return {"name": problem.name, "order": problem.order, "target": problem.target, "seconds": turns(systems, rounds)}


def require_equal(name: str, results: Mapping[str, np.ndarray[Any, Any]]) -> None:
    """Refuse to time systems that do not compute the same.

    Raises
    ------
    RuntimeError
        If one gives something else than the first.
    """
    (first, expected), *others = results.items()
    for other, found in others:
        if found.shape != expected.shape:
            raise RuntimeError(f"{name}: {other} gives the shape {found.shape}, {first} {expected.shape}")
        difference = float(np.abs(found - expected).max()) / max(1.0, float(np.abs(expected).max()))
        if not difference <= TOLERANCE:
            raise RuntimeError(f"{name}: {other} and {first} differ by {difference:.1e}, more than {TOLERANCE:g}")


def turns(systems: Mapping[str, Callable[[], Any]], rounds: int) -> Seconds:
    """Seconds of a call in each round, of warm systems that take turns in an order drawn anew for each round."""
    calls = {name: _calls(call) for name, call in systems.items()}
    seconds: Seconds = {name: [] for name in systems}
    names, shuffle = list(systems), random.Random(0).shuffle
    for _ in range(rounds):
        shuffle(names)
        for name in names:
            systems[name]()
            seconds[name].append(_timed(systems[name], calls[name]) / calls[name])
    return seconds


def _calls(call: Callable[[], Any]) -> int:
    """How many calls last for `SHORTEST`, found on the way to warm it up."""
    number = 1
    while (took := _timed(call, number)) < SHORTEST / 2:
        number = max(2 * number, int(number * SHORTEST / 2 / max(took, 1e-9)))
    return max(1, round(number * SHORTEST / took))


def _timed(call: Callable[[], Any], number: int) -> float:
    enabled = gc.isenabled()
    gc.disable()
    try:
        began = time.perf_counter()
        for _ in range(number):
            call()
        return time.perf_counter() - began
    finally:
        if enabled:
            gc.enable()


def hessian_rows(problem: Mapping[str, Any]) -> list[records.Row]:
    """Milliseconds, and the fastest automatic differentiation over each exported code."""
    seconds: Seconds = problem["seconds"]
    what = f"{'Hessian' if problem['order'] == 2 else 'Jacobian'}, {problem['name']}"
    rows = _times(what, seconds)
    automatic = [name for name in seconds if name not in (EXPORTED_TORCH, EXPORTED_NUMPY)]
    best = min(automatic, key=lambda name: statistics.median(seconds[name]))
    target = ">= 10" if problem["target"] else None
    for ours in (EXPORTED_TORCH, EXPORTED_NUMPY):
        rows.append(_ratio(f"{what}: {best}, the best of torch, over {ours}", seconds, best, ours, target))
    return rows


def gradient_rows(problem: Mapping[str, Any]) -> list[records.Row]:
    """Microseconds, and what others take over what exported code takes."""
    seconds: Seconds = problem["seconds"]
    what = f"gradient, {problem['name']}"
    return [
        *_times(what, seconds),
        _ratio(f"{what}: {BY_HAND} over {EXPORTED_NUMPY}", seconds, BY_HAND, EXPORTED_NUMPY, ">= 1"),
        _ratio(f"{what}: {AUTOGRAD} over {EXPORTED_TORCH}", seconds, AUTOGRAD, EXPORTED_TORCH, None),
    ]


def _times(what: str, seconds: Seconds) -> list[records.Row]:
    return [records.Row.of(f"{what}: {name}", [1000 * s for s in each], "ms") for name, each in seconds.items()]


def _ratio(name: str, seconds: Seconds, theirs: str, ours: str, target: str | None) -> records.Row:
    return records.Row.of(name, measuring.paired_ratios(seconds[theirs], seconds[ours]), "times", target)
