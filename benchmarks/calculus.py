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
import sys
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

import numpy as np

from benchmarks import calculus_exported, measuring, real_data, records

NAME = "calculus"
COMMAND = "python -m benchmarks.calculus"
TIMEOUT = 3600
PARTS = ("hessians", "gradients", "derive", "import", "sympy")
TOGETHER = ("hessians", "gradients", "derive", "sympy")  # what is measured in a process of its own

IMPORTS = 7  # interpreters started


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
            return {"problems": calculus_exported.time_hessians(rounds)}
        case "gradients":
            return {"problems": calculus_exported.time_gradients(rounds)}
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
                rows += [row for problem in found["problems"] for row in calculus_exported.hessian_rows(problem)]
            case "gradients":
                rows += [row for problem in found["problems"] for row in calculus_exported.gradient_rows(problem)]
            case "derive":
                rows += derive_rows(found)
            case _:
                rows += sympy_rows(found["cases"])
                others["sympy"] = sympy_version()
    told = records.command_line(COMMAND, rounds=rounds, only=None if set(parts) == set(PARTS) else list(parts))
    return records.make_result(NAME, title, told, rows, threads=1, others=others)


# `derive` itself.


def gold_cases() -> list[dict[str, Any]]:
    """The public gold cases."""
    document = json.loads(real_data("calculus/gold.json").read_text(encoding="utf-8"))
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
        seconds: dict[str, list[float]] = {name: [] for name in names}
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
