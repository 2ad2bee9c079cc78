"""What lifts DKGE on YAGO-3SP and on Kinships: changes to its defaults, judged by validation facts.

`python -m benchmarks.knowledge_tuning` fits snapshot 1 of YAGO-3SP, for fewer epochs than by default, and Kinships,
with 16 wrong answers a fact as in `benchmarks.knowledge_static`, once for every change, and writes
results/knowledge_tuning.json. A change is of one figure, or its name tells all. The test facts are not read. Each fit
is a process of its own.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Final

from benchmarks import measuring, records
from benchmarks.knowledge import FLOOR, floor_scores, load, public
from benchmarks.measuring import column

NAME = "knowledge_tuning"
COMMAND = "python -m benchmarks.knowledge_tuning"
TIMEOUT = 7200
DEFAULT = "as by default"
PAPER: Final = {"loss": "margin", "negatives": 1}
Change = Mapping[str, Any]  # of the parameters, and of the configuration
YAGO, KINSHIPS = "YAGO-3SP 1", "Kinships"
EPOCHS: Final = {YAGO: 12, KINSHIPS: 100}
CHANGES: Final[dict[str, dict[str, Change]]] = {
    YAGO: {
        DEFAULT: {},
        "pool of 100": {"config": {"negatives": 100}},
        "pool of 5,000": {"config": {"negatives": 5000}},
        "the paper's margin, 1 corrupted fact": {"config": PAPER},
        "margin, 16 corrupted facts": {"config": PAPER | {"negatives": 16}},
        "norm 1": {"config": {"norm": 1}},
        "gate open, which is TransE": {"config": {"gate": "open"}},
        "begun as TransE": {"init": "transe"},
        "contexts of 10": {"max_context": 10},
        "twice the epochs": {"max_epochs": 2 * EPOCHS[YAGO]},
    },
    KINSHIPS: {
        "16 wrong answers": {"config": {"negatives": 16}},
        "all entities as wrong answers": {"config": {"negatives": 104}},
        "sharpness 1": {"config": {"negatives": 16, "sharpness": 1.0}},
        "sharpness 3": {"config": {"negatives": 16, "sharpness": 3.0}},
        "a fifth of the rate": {"config": {"negatives": 16, "learning_rate": 0.001}},
        "margin of 10, norm 2": {"config": PAPER | {"negatives": 16}},
        "margin of 10, norm 1": {"config": PAPER | {"negatives": 16, "norm": 1}},
        "margin of 1, norm 2": {"config": PAPER | {"negatives": 16, "margin": 1.0}},
        "margin of 1, norm 1": {"config": PAPER | {"negatives": 16, "norm": 1, "margin": 1.0}},
        "norm 1": {"config": {"negatives": 16, "norm": 1}},
    },
}


def main() -> None:
    """Run the benchmark, or, in a process of its own, one fit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1, help="fits at once, each with its threads")
    parser.add_argument("--graph", choices=tuple(CHANGES), help=argparse.SUPPRESS)
    parser.add_argument("--change", help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=0, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    graph, change = arguments.graph, arguments.change
    if graph is None:
        records.record(measure(arguments.seeds, arguments.threads, arguments.jobs))
    elif change == FLOOR:
        print(json.dumps(floor(data(graph))))
    else:
        parameters = {"max_epochs": EPOCHS[graph], **CHANGES[graph][change]}
        print(json.dumps(fit(data(graph), parameters, arguments.seed, arguments.threads)))


def data(graph: str) -> Any:
    """The splits of a data set."""
    return load(1) if graph == YAGO else public("kinships")


def measure(seeds: int, threads: int, jobs: int) -> records.Result:
    """Every change and seed."""
    env = measuring.environment(threads)

    def run(cell: tuple[str, str, int]) -> dict[str, float]:
        graph, change, seed = cell
        options = ("--threads", threads, "--graph", graph, "--change", change, "--seed", seed)
        output: dict[str, float] = measuring.run_measured(measuring.part_of(NAME, *options), env, TIMEOUT).output
        print(f"{graph}, {change}, {seed}: {output}", file=sys.stderr, flush=True)
        return output

    cells = [
        (graph, change, seed)
        for graph, changes in CHANGES.items()
        for change in (FLOOR, *changes)
        for seed in range(1 if change == FLOOR else seeds)
    ]
    outputs = measuring.side_by_side(run, cells, jobs)
    found: dict[str, dict[str, list[dict[str, float]]]] = {}
    for (graph, change, _), output in outputs.items():
        found.setdefault(graph, {}).setdefault(change, []).append(output)
    lengths = ", ".join(f"{graph} {epochs} epochs" for graph, epochs in EPOCHS.items())
    title = f"Changes to the defaults, validation facts: {lengths}; {seeds} seed(s): mean, smallest, largest"
    command = records.command_line(COMMAND, seeds=seeds, threads=threads, jobs=jobs)
    return records.make_result(NAME, title, command, rows_of(found), threads=threads, jobs=jobs)


def rows_of(found: Mapping[str, Mapping[str, Sequence[dict[str, float]]]]) -> list[records.Row]:
    """What every change gives and takes, after the floor."""
    rows = []
    for graph, changes in found.items():
        for change, outputs in changes.items():
            rows.append(records.Row.mean(f"{graph}, {change}: MRR", column(outputs, "mrr"), ""))
            if change != FLOOR:
                minutes = [seconds / 60 for seconds in column(outputs, "seconds")]
                rows.append(records.Row.mean(f"{graph}, {change}: fit", minutes, "min"))
    return rows


def fit(splits: Any, change: Change, seed: int, threads: int) -> dict[str, float]:
    """Fit with a change; the best MRR on the validation facts."""
    import torch

    from latticework.knowledge import DKGE, DKGEConfig

    torch.set_num_threads(threads)
    parameters = {**change, "config": DKGEConfig(**change.get("config", {}))}
    began = time.perf_counter()
    model = DKGE(random_state=seed, device="cpu", **parameters).fit(splits.graph, splits.graph.named(splits.valid))
    seconds = time.perf_counter() - began
    return {"seconds": seconds, "mrr": max(row["valid_mrr"] for row in model.history_ if "valid_mrr" in row)}


def floor(splits: Any) -> dict[str, float]:
    """What relations that go together and popularity give."""
    return {"mrr": floor_scores(splits.graph, splits.valid, splits.valid).mrr}


if __name__ == "__main__":
    main()
