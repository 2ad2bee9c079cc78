"""Where the milliseconds of a step go, in training and in a search, at the shape of the preset "tiny".

`python -m benchmarks.translation_profile` runs steps under torch's profiler, with one thread, so that what operators
take adds up, and writes results/translation_profile.json. Time that no operator takes is Python's, torch's on the way
from Python to an operator, and the profiler's. A search is counted whole, with its encoder. Weights are drawn: beams
that mean nothing change places more than a translator's.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from benchmarks import measuring, records

NAME = "translation_profile"
COMMAND = "python -m benchmarks.translation_profile"
TIMEOUT = 1200

STEPS, WARM_UP = 40, 10
ROUNDS = 3
LENGTH, VOCABULARY = 16, 4000  # like Multi30k
PARTS = {"training": (0, 0), "search, 1 sentence": (1, 4), "search, 64 sentences": (64, 4)}  # and sentences, beam

# The first that matches the name of an operator says what it is for.
GROUPS = {
    "matrix products": r"(::|^)(mm|addmm|bmm|linear|_linear_pointwise)$",
    "attention": r"scaled_dot_product",
    "copies and changes of type": r"::(copy_|_to_copy|clone|cat|_?index_\w+|gather|embedding|fill_|zero_)",
    "normalisation of layers": r"layer_norm",
    "dropout": r"::(random_|bernoulli)",
    "choice of candidates": r"::(topk|sort|nonzero|_log_softmax|scatter_)",
    "optimiser": r"fused_adam",
}
OTHER, PYTHON = "other operators", "Python and dispatch"


def main() -> None:
    """Run the benchmark, or, in a process of its own, one part of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.part:
        print(json.dumps(profile(arguments.part)))
    else:
        records.record(measure())


def measure() -> records.Result:
    """Profile each part in processes of its own, in turns."""
    env = measuring.environment(threads=1)
    commands: dict[str, measuring.Command] = {part: measuring.part_of(NAME, "--part", part) for part in PARTS}
    runs = measuring.interleave(commands, env, TIMEOUT, ROUNDS, cores=1)
    rows, precisions = [], []
    for part, measured in runs.items():
        found = [run.output for run in measured]
        precisions.append(f"{part}: {found[0]['precision']}")
        rows.append(records.Row.of(f"{part}: a step, without the profiler", [run["step"] for run in found], "ms"))
        for group in [*GROUPS, OTHER, PYTHON]:
            shares = [run["shares"].get(group, 0.0) for run in found]
            if max(shares) >= 0.5:
                rows.append(records.Row.of(f"{part}: {group}", shares, "%"))
    title = (
        f"A step at the shape of the preset tiny, sentences of {LENGTH} pieces, vocabulary {VOCABULARY:,}, "
        f"precision {', '.join(precisions)}; median, smallest, largest of {ROUNDS} processes"
    )
    return records.make_result(NAME, title, COMMAND, rows, threads=1)


def profile(part: str) -> dict[str, Any]:
    """Milliseconds of a step, and the share of every group of operators in it."""
    from torch.profiler import ProfilerActivity
    from torch.profiler import profile as profiling

    sentences, beam = PARTS[part]
    run, precision = searching(sentences, beam) if sentences else training()
    run(WARM_UP)
    began = time.perf_counter()
    run(STEPS)
    step = 1000 * (time.perf_counter() - began) / STEPS
    with profiling(activities=[ProfilerActivity.CPU]) as profiler:
        began = time.perf_counter()
        run(STEPS)
        total = time.perf_counter() - began
    spent = Counter({event.key: event.self_cpu_time_total / 1e6 for event in profiler.key_averages()})
    return {"step": step, "precision": precision, "shares": shares(spent, total)}


def shares(spent: Counter[str], total: float) -> dict[str, float]:
    """Percent of `total` that every group took, from the seconds that operators took themselves.

    Examples
    --------
    >>> shares(Counter({"aten::mm": 6.0, "aten::add": 1.0, "_Linear": 1.0}), 10.0)
    {'matrix products': 60.0, 'other operators': 10.0, 'Python and dispatch': 30.0}
    """
    groups: Counter[str] = Counter()
    for name, seconds in spent.items():
        if "::" not in name or name.startswith("autograd::"):
            continue  # a function of ours in Python, or the engine that calls what was recorded
        groups[next((group for group, names in GROUPS.items() if re.search(names, name)), OTHER)] += seconds
    groups[PYTHON] = max(0.0, total - groups.total())
    return {group: 100 * seconds / total for group, seconds in groups.items()}


def training() -> tuple[Callable[[int], None], str]:
    """Steps of training on drawn pairs: the library's task and optimiser, in a loop of their own."""
    import torch

    from benchmarks.translation_drawn import build, drawn_text
    from latticework.core.hardware import computing, resolve_device, resolve_precision
    from latticework.seq2seq.learning import PairsTask, training_plan

    model, device = build(VOCABULARY).train(), resolve_device("cpu")
    pairs = 2000
    task = PairsTask(model, (drawn_text(pairs, LENGTH, VOCABULARY, 0), drawn_text(pairs, LENGTH, VOCABULARY, 1)))
    plan = training_plan(model.config, max_epochs=None, max_steps=STEPS)
    optimizer = plan.optimizer(model.parameters())
    precision = resolve_precision("auto", device)
    batches = task.batches(0)

    def run(steps: int) -> None:
        with computing(device, precision):
            for step in range(steps):
                batch = batches[step % len(batches)]
                loss = model(*task.inputs(batch)) / task.terms(batch)
                with torch.autocast("cpu", enabled=False):
                    loss.backward()
                optimizer.step()
                optimizer.zero_grad()

    return run, precision


def searching(sentences: int, beam: int) -> tuple[Callable[[int], None], str]:
    """Steps of a search whose outputs do not end."""
    import numpy as np
    import torch

    from benchmarks.translation_drawn import build, drawn_text, endless
    from latticework.seq2seq.search import beam_search
    from latticework.seq2seq.vocabulary import PAD

    model = endless(build(VOCABULARY))
    texts, kept = drawn_text(sentences, LENGTH, VOCABULARY, 0), model.kept_steps()

    def run(steps: int) -> None:
        with torch.inference_mode():
            memory = model.remember(texts.padded(np.arange(sentences), padding=PAD))
            beam_search(model, memory, beam_size=beam, max_lengths=torch.full((sentences,), steps), steps=kept)

    return run, "32"


if __name__ == "__main__":
    main()
