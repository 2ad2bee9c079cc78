"""What lifts DKGE over the floor on YAGO-3SP: changes to its defaults, one at a time, judged by validation facts.

`python -m benchmarks.knowledge_tuning` fits snapshot 1 once for every change, for fewer epochs than by default, and
writes results/knowledge_tuning.json. The test facts are not read. Each fit is a process of its own.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from benchmarks import harness
from benchmarks.knowledge import column, load, mean_row

NAME = "knowledge_tuning"
COMMAND = "python -m benchmarks.knowledge_tuning"
TIMEOUT = 7200
EPOCHS = 12
DEFAULT = "as by default"
PAPER: Final = {"loss": "margin", "negatives": 1}
CHANGES: Final[dict[str, dict[str, Any]]] = {  # of the parameters, or of the configuration
    DEFAULT: {},
    "pool of 100": {"config": {"negatives": 100}},
    "pool of 5,000": {"config": {"negatives": 5000}},
    "the paper's margin, 1 corrupted fact": {"config": PAPER},
    "margin, 16 corrupted facts": {"config": PAPER | {"negatives": 16}},
    "norm 1": {"config": {"norm": 1}},
    "gate open, which is TransE": {"config": {"gate": "open"}},
    "begun as TransE": {"init": "transe"},
    "contexts of 10": {"max_context": 10},
    "contexts of 100": {"max_context": 100},
    "twice the epochs": {"max_epochs": 2 * EPOCHS},
}


def main() -> None:
    """Run the benchmark, or, in a process of its own, one fit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1, help="fits at once, each with its threads")
    parser.add_argument("--change", choices=(*CHANGES, "floor"), help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=0, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    if arguments.change == "floor":
        print(json.dumps(floor()))
    elif arguments.change is not None:
        print(json.dumps(fit(CHANGES[arguments.change], arguments.seed, arguments.threads)))
    else:
        harness.record(measure(arguments.seeds, arguments.threads, arguments.jobs))


def measure(seeds: int, threads: int, jobs: int) -> harness.Result:
    """Every change and seed."""
    env = harness.environment(threads)

    def run(change: str, seed: int) -> dict[str, float]:
        options = ["--threads", str(threads), "--change", change, "--seed", str(seed)]
        command = [sys.executable, "-m", COMMAND.rpartition(" ")[2], *options]
        output: dict[str, float] = harness.run_measured(command, env, TIMEOUT).output
        print(f"{change}, {seed}: {output}", file=sys.stderr, flush=True)
        return output

    pairs = [(change, seed) for change in CHANGES for seed in range(seeds)]
    with ThreadPoolExecutor(jobs) as pool:
        outputs = list(pool.map(lambda pair: run(*pair), pairs))
    found: dict[str, list[dict[str, float]]] = {}
    for (change, _), output in zip(pairs, outputs, strict=True):
        found.setdefault(change, []).append(output)
    title = (
        f"YAGO-3SP, snapshot 1, validation facts, {EPOCHS} epochs, changes to the defaults, {seeds} seed(s): mean, "
        "smallest, largest"
    )
    command = f"{COMMAND} --seeds {seeds} --threads {threads} --jobs {jobs}"
    return harness.make_result(NAME, title, command, rows_of(found, run("floor", 0)["mrr"]), threads=threads)


def rows_of(found: Mapping[str, Sequence[dict[str, float]]], least: float) -> list[harness.Row]:
    """The floor, then what every change gives and takes."""
    rows = [harness.Row("floor: relations that go together: MRR, validation", least, "")]
    for change, outputs in found.items():
        rows.append(mean_row(f"{change}: MRR, validation", column(outputs, "mrr"), ""))
        rows.append(mean_row(f"{change}: fit", [seconds / 60 for seconds in column(outputs, "seconds")], "min"))
    return rows


def fit(change: Mapping[str, Any], seed: int, threads: int) -> dict[str, float]:
    """Fit with a change; the best MRR on the validation facts."""
    import torch

    from latticework.knowledge import DKGE, DKGEConfig

    torch.set_num_threads(threads)
    splits = load(1)
    parameters: dict[str, Any] = {"max_epochs": EPOCHS, **change, "config": DKGEConfig(**change.get("config", {}))}
    began = time.perf_counter()
    model = DKGE(random_state=seed, device="cpu", **parameters).fit(splits.graph, splits.graph.named(splits.valid))
    seconds = time.perf_counter() - began
    return {"seconds": seconds, "mrr": max(row["valid_mrr"] for row in model.history_ if "valid_mrr" in row)}


def floor() -> dict[str, float]:
    """What relations that go together and popularity give."""
    from latticework.knowledge.cooccurrence import CoOccurrence
    from latticework.knowledge.facts import known_triples
    from latticework.knowledge.metrics import scores

    splits = load(1)
    sizes = {"entities": len(splits.entities), "relations": len(splits.relations)}
    rule = CoOccurrence.of(splits.graph.triples, **sizes)
    known = known_triples(splits.graph, splits.valid)
    return {"mrr": scores(rule.rank(splits.valid, known, present=splits.graph.present)).mrr}


if __name__ == "__main__":
    main()
