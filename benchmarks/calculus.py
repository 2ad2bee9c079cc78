"""Speed of `latticework.calculus`: of the code that it exports, of `derive`, of its import; and SymPy side by side.

`python -m benchmarks.calculus` compares exported code with torch's automatic differentiation of the same functions and
with gradients by hand, in one process each, with one thread, in turns, after their results were found equal; then it
times `derive` on the gold cases and lets SymPy differentiate them too. It writes results/calculus.json.
--only measures some of the parts and shows their table; nothing is recorded then.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import random
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks import measuring, records
from latticework.core.datasets import DATA_VARIABLE

if TYPE_CHECKING:
    from benchmarks.calculus_cases import Problem

NAME = "calculus"
COMMAND = "python -m benchmarks.calculus"
TIMEOUT = 3600
PARTS = ("hessians", "gradients", "derive", "import", "sympy")
TOGETHER = ("hessians", "gradients", "derive", "sympy")  # what is measured in a process of its own

TOLERANCE = 1e-8  # relative to the largest element, or to 1
SHORTEST = 0.005  # seconds that a measurement lasts at least: a fast function is called many times for it
IMPORTS = 7  # interpreters started

EXPORTED_TORCH, EXPORTED_NUMPY, BY_HAND = "exported torch code", "exported NumPy code", "by hand in NumPy"
AUTOGRAD = "torch.autograd.grad"

Seconds = dict[str, list[float]]  # of a call, by system, in each round


def main() -> None:
    """Run the benchmark, or, in a process of its own, one part of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=31, help="turns of every system")
    parser.add_argument("--only", choices=PARTS, nargs="+")
    parser.add_argument("--part", choices=TOGETHER, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.part:
        print(json.dumps(run_part(arguments.part, arguments.rounds)))
        return
    parts = arguments.only or PARTS
    records.record(measure(arguments.rounds, parts), lacks=[part for part in PARTS if part not in parts])


def run_part(part: str, rounds: int) -> dict[str, Any]:
    """What a process of its own finds out."""
    match part:
        case "hessians":
            return {"problems": time_hessians(rounds)}
        case "gradients":
            return {"problems": time_gradients(rounds)}
        case "derive":
            return time_derive(rounds)
        case _:
            from benchmarks import calculus_sympy

            return {"cases": calculus_sympy.compare(gold_cases(), rounds)}


def measure(rounds: int, parts: Sequence[str] = PARTS) -> records.Result:
    """Let each part run and put the rows together."""
    env = measuring.environment(threads=1)
    rows: list[records.Row] = []
    title = f"Matrix calculus: float64, one thread; median, smallest, largest of {rounds} rounds, fewer of SymPy's"
    others: dict[str, str] = {}
    for part in parts:
        if part == "import":
            rows += import_rows(env)
            continue
        command = measuring.part_of(NAME, "--part", part, "--rounds", rounds)
        found = measuring.run_measured(command, env, TIMEOUT, cores=1).output
        match part:
            case "hessians":
                rows += [row for problem in found["problems"] for row in hessian_rows(problem)]
            case "gradients":
                rows += [row for problem in found["problems"] for row in gradient_rows(problem)]
            case "derive":
                rows += derive_rows(found)
            case _:
                rows += sympy_rows(found["cases"])
                others["sympy"] = sympy_version()
    told = records.command_line(COMMAND, rounds=rounds, only=None if set(parts) == set(PARTS) else list(parts))
    return records.make_result(NAME, title, told, rows, threads=1, others=others)


# Functions that are fast: exported code, automatic differentiation, and gradients by hand.


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


# `derive` itself.


def gold_cases() -> list[dict[str, Any]]:
    """The public gold cases."""
    folder = os.environ.get(DATA_VARIABLE)
    if not folder:
        raise RuntimeError(f"set {DATA_VARIABLE} to the folder that has calculus/gold.json")
    document = json.loads((Path(folder) / "calculus" / "gold.json").read_text(encoding="utf-8"))
    return list(document["cases"])


def time_derive(rounds: int) -> dict[str, Any]:
    """Seconds for every gold case in each round, from the text: to the answer, with its steps, and with `verify`.

    Expressions that nothing holds any more are gone, and so nothing of a case is left when its turn comes again.
    """
    from latticework.calculus import derive
    from latticework.calculus.citations import local_derivative

    names = ("derive", "steps", "verify")
    found: dict[str, list[list[float]]] = {name: [] for name in names}
    cases = gold_cases()
    for turn in range(rounds + 1):
        seconds: Seconds = {name: [] for name in names}
        for case in cases:
            local_derivative.cache_clear()
            gc.collect()
            began = time.perf_counter()
            derivation = derive(case["dsl"], case["wrt"], case["vars"])
            str(derivation)
            seconds["derive"].append(time.perf_counter() - began)
            _ = derivation.steps
            seconds["steps"].append(time.perf_counter() - began)
            began = time.perf_counter()
            verified = derivation.verify()
            seconds["verify"].append(time.perf_counter() - began + seconds["derive"][-1])
            if not verified:
                raise RuntimeError(f"{case['id']}: {derivation} {verified}")
            del derivation
        if turn:  # the first imports what is needed, torch too
            for name in names:
                found[name].append(seconds[name])
    return {"cases": len(cases), "seconds": found}


def derive_rows(found: Mapping[str, Any]) -> list[records.Row]:
    """Median, 95th percentile and maximum over the cases, of each round."""
    rows = []
    whole = {
        "derive": ("`derive`, from the text to the answer", "<= 20"),
        "steps": ("`derive` with all steps", "<= 20"),
        "verify": ("`derive` and `verify`", "<= 100"),
    }
    for name, (what, target) in whole.items():
        milliseconds = 1000 * np.asarray(found["seconds"][name])
        over = f"over the {found['cases']} gold cases"
        for share, statistic in ((50, "median"), (95, "95th percentile"), (100, "largest")):
            promised = target if share == 95 or (share == 100 and name == "verify") else None
            values = np.percentile(milliseconds, share, axis=1).tolist()
            rows.append(records.Row.of(f"{what}: {statistic} {over}", values, "ms", promised))
    return rows


# The import.

_IMPORT = """
import json, sys, time
began = time.perf_counter()
import latticework.calculus
latticework.calculus.parse("norm2(X*w - y)^2")
took = time.perf_counter() - began
print(json.dumps({"seconds": took, "torch": "torch" in sys.modules}))
"""


def import_rows(env: measuring.Env) -> list[records.Row]:
    """What it takes a new interpreter to import the package and to read an expression."""
    command = [sys.executable, "-c", _IMPORT]
    runs = [measuring.run_measured(command, env, TIMEOUT, cores=1) for _ in range(1 + IMPORTS)][1:]
    if any(run.output["torch"] for run in runs):
        raise RuntimeError("importing latticework.calculus imports torch")
    what = "import of `latticework.calculus` and `parse` of an expression, without torch"
    return [
        records.Row.of(what, [run.output["seconds"] for run in runs], "s", "<= 0.3"),
        records.Row.of(f"{what}, start of the interpreter included", [run.wall for run in runs], "s"),
    ]


# SymPy.


def sympy_version() -> str:
    """Of the SymPy that is installed."""
    return version("sympy")


def sympy_rows(cases: Sequence[Mapping[str, Any]]) -> list[records.Row]:
    """What each of the two makes of each gold case, how long it takes, and totals."""
    rows = []
    systems = {"ours": "latticework", "sympy": "SymPy"}
    for case in cases:
        for key, system in systems.items():
            name = f"{case['id']}, `{case['dsl']}` by {case['wrt']}: {system}: {case[key]['verdict']}"
            rows.append(records.Row.of(name, [1000 * seconds for seconds in case[key]["seconds"]], "ms"))
    for key, system in systems.items():
        verdicts = [case[key]["verdict"] for case in cases]
        for start in ("right", "wrong", "no answer"):
            number = sum(verdict.startswith(start) for verdict in verdicts)
            target = f">= {len(cases)}" if (key, start) == ("ours", "right") else None
            rows.append(records.Row(f"gold cases, {system}: {start}", number, f"of {len(cases)}", target))
    return rows


if __name__ == "__main__":
    main()
