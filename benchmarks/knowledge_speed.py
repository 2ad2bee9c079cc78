"""Speed of `latticework.knowledge` beside DKGE as its published code goes about it, and beside PyKEEN.

`python -m benchmarks.knowledge_speed` measures four things and writes results/knowledge_speed.json. On YAGO-3SP a
training step, contexts, filtered ranks and negatives of ours take turns with those of `benchmarks.knowledge_reference`
within one process, and must come to the same. On FB15k-237 our evaluator takes turns with PyKEEN's, on the same
embeddings, and must give the same ranks; and the training of TransE with PyKEEN's. All of these are processes of their
own, PyKEEN's in an environment of its own. Last, an epoch on a graph of a million facts, for its memory.

Same training for both: dim, facts, batch, corrupted facts of each, margin loss, Adam, no constraint on rows, and the
clock runs from the end of the first epoch to that of the last but one. Ours never takes a known fact for a wrong one,
which PyKEEN does unless asked; its rate falls from step to step. The embeddings that are ranked by are random, in
steps of 1/16, so that distances are exact in float32 and many are equal: all three policies for ties are put to use.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import knowledge_speed_published, knowledge_speed_pykeen, measuring, records
from benchmarks.knowledge import load
from benchmarks.peers import timing

NAME = "knowledge_speed"
COMMAND = "python -m benchmarks.knowledge_speed"
TIMEOUT = 3600
PARTS = ("yago", "peers", "million")
PEERS = ("pykeen",)

DIM = 100
FACTS, ENTITIES, RELATIONS = 1_000_000, 200_000, 100  # of the graph that is made up


def main() -> None:
    """Run the benchmark, or, in a process of its own, a part of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", choices=PARTS, help="measure a part and show its table; nothing is recorded")
    parser.add_argument("--part", choices=("yago", "evaluate", "train", "million"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.part == "yago":
        before, after = load(1), load(2).graph
        found = knowledge_speed_published.measure_yago(before, after, DIM, arguments.threads, arguments.repeats)
        print(json.dumps(found))
    elif arguments.part == "million":
        print(json.dumps(fit_million(made_up(), arguments.threads)))
    elif arguments.part is not None:
        job = json.loads((arguments.folder / timing.JOB).read_text(encoding="utf-8"))
        tasks = {"evaluate": knowledge_speed_pykeen.evaluate, "train": knowledge_speed_pykeen.train}
        print(json.dumps(tasks[arguments.part](arguments.folder, job)))
    else:
        parts = PARTS if arguments.only is None else (arguments.only,)
        result = measure(arguments.threads, arguments.repeats, parts)
        records.record(result, lacks=[part for part in PARTS if part not in parts])


def measure(threads: int, repeats: int, parts: Sequence[str] = PARTS) -> records.Result:
    """All parts, each in processes of its own."""
    env = measuring.environment(threads)
    own = measuring.part_of(NAME, "--threads", threads, "--repeats", repeats, "--part")
    rows = []
    if "yago" in parts:
        found = measuring.run_measured([*own, "yago"], env, TIMEOUT).output
        rows += knowledge_speed_published.yago_rows(found)
    if "peers" in parts:
        with tempfile.TemporaryDirectory() as folder:
            found = knowledge_speed_pykeen.beside_pykeen(Path(folder), own, env, DIM, threads, repeats)
        rows += knowledge_speed_pykeen.peer_rows(found)
    if "million" in parts:
        rows += million_rows([measuring.run_measured([*own, "million"], env, TIMEOUT)])
    title = (
        f"Knowledge graphs: YAGO-3SP, FB15k-237 and a million facts; dim {DIM}, {threads} thread(s), median, smallest, "
        f"largest of {repeats} rounds, of the million facts one"
    )
    only = None if tuple(parts) == PARTS else list(parts)
    command = records.command_line(COMMAND, threads=threads, repeats=repeats, only=only)
    return records.make_result(NAME, title, command, rows, threads=threads, peers=PEERS)


def made_up(facts: int | None = None, entities: int | None = None, relations: int | None = None) -> Any:
    """A random graph in which few entities have many facts: tails fall off as one over their number."""
    import numpy as np

    from latticework.knowledge.graph import Graph
    from latticework.knowledge.names import Names

    facts, entities, relations = facts or FACTS, entities or ENTITIES, relations or RELATIONS
    generator = np.random.default_rng(0)
    drawn = np.empty((0, 3), np.int64)
    while len(drawn) < facts:
        tails = (entities ** generator.random(facts)).astype(np.int64) - 1
        columns = generator.integers(entities, size=facts), generator.integers(relations, size=facts), tails
        drawn = np.unique(np.concatenate([drawn, np.stack(columns, axis=1)]), axis=0)
    drawn = drawn[np.sort(generator.permutation(len(drawn))[:facts])]
    names = (
        Names([f"{what} {number}" for number in range(size)]) for what, size in (("e", entities), ("r", relations))
    )
    return Graph.of_numbers(drawn, *names)


def fit_million(graph: Any, threads: int) -> dict[str, float]:
    """An epoch of `fit` with its defaults."""
    import torch

    from latticework.knowledge import DKGE
    from latticework.knowledge.config import NEGATIVES

    torch.set_num_threads(threads)
    began = time.perf_counter()
    model = DKGE(DIM, max_epochs=1, random_state=0, device="cpu").fit(graph)
    seconds = time.perf_counter() - began
    epoch = float(model.history_[-1]["seconds"])
    sizes = {"facts": len(graph), "entities": int(graph.present.sum()), "pool": NEGATIVES["softmax"]}
    return sizes | {"seconds": seconds, "epoch": epoch}


def million_rows(runs: Sequence[measuring.Measured]) -> list[records.Row]:
    """Memory first."""
    outputs = [run.output for run in runs]
    first = outputs[0]
    what = f"{first['facts']:,} facts, {first['entities']:,} entities, an epoch"
    peaks = [run.peak_memory / 1e6 for run in runs]
    rows = [records.Row.of(f"{what}: peak memory of making the graph and of fit", peaks, "MB", "<= 4000")]
    speeds = [each["facts"] / each["epoch"] for each in outputs]
    rows.append(records.Row.of(f"{what}: training, softmax loss with a pool of {first['pool']:,}", speeds, "facts/s"))
    rows.append(records.Row.of(f"{what}: fit, contexts and all encoded", [each["seconds"] for each in outputs], "s"))
    return rows


if __name__ == "__main__":
    main()
