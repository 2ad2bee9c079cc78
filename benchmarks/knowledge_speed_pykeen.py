"""Our evaluator, and the training of TransE, beside PyKEEN's, on FB15k-237: the processes take turns."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import measuring, records
from benchmarks.knowledge import public
from benchmarks.measuring import agree
from benchmarks.peers import timing

TIMEOUT = 3600
DATA, TABLES = "data.npz", "ours.npz"  # DATA is where the driver of PyKEEN looks for it
RANKED = 2_000  # test facts of FB15k-237 that both evaluators rank
TRAINED = 100_000  # its facts that both train with, an epoch
TRAINING_BATCH, MARGIN, RATE = 1000, 10.0, 5e-3
NEGATIVES = (1, 16)  # corrupted facts of each
EPOCHS = 5  # the first and the last are not counted
OURS, PYKEEN = "ours", "PyKEEN"


def beside_pykeen(
    folder: Path, own: Sequence[str], env: measuring.Env, dim: int, threads: int, repeats: int
) -> dict[str, dict[str, list[float]]]:
    """Seconds of each task and system."""
    env = env | {"PYSTOW_HOME": str(folder / "pystow")}
    python = measuring.peer_environment("pykeen")
    job = {"dim": dim, "threads": threads, "batch": TRAINING_BATCH, "margin": MARGIN, "learning_rate": RATE}
    job["epochs"] = EPOCHS
    splits = public("FB15k-237")
    found: dict[str, dict[str, list[float]]] = {}
    for task, negatives in (("evaluate", 0), *(("train", count) for count in NEGATIVES)):
        write_job(folder, splits, job | {"negatives": negatives}, limit=TRAINED if task == "train" else None)
        commands: dict[str, measuring.Command] = {
            OURS: [*own, task, "--folder", str(folder)],
            PYKEEN: measuring.driver_of("pykeen", python, folder, task),
        }
        runs: dict[str, list[measuring.Measured]] = {system: [] for system in commands}
        for _ in range(repeats):
            for system, measured in measuring.interleave(commands, env, TIMEOUT, 1).items():
                runs[system] += measured
            if task == "evaluate":
                compare_ranks(folder)
        name = f"{task} {negatives}" if negatives else task
        found[name] = {system: [run.output["seconds"] for run in measured] for system, measured in runs.items()}
    return found


def write_job(folder: Path, splits: Any, job: timing.Job, *, limit: int | None = None) -> None:
    """Write what both sides read: facts by number, and embeddings in steps of 1/16."""
    import numpy as np

    generator = np.random.default_rng(0)
    sizes = len(splits.entities), len(splits.relations)
    train = splits.graph.triples
    if limit is not None and len(train) > limit:
        train = train[np.sort(generator.choice(len(train), limit, replace=False))]
    tables = [generator.integers(-16, 17, (size, job["dim"])).astype(np.float32) / 16 for size in sizes]
    asked = splits.test[:: max(1, len(splits.test) // RANKED)][:RANKED]
    np.savez(
        folder / DATA,
        sizes=np.array(sizes),
        train=train,
        valid=splits.valid,
        test=splits.test,
        asked=asked,
        entities=tables[0],
        relations=tables[1],
    )
    (folder / timing.JOB).write_text(json.dumps(job), encoding="utf-8")


def read_data(folder: Path) -> dict[str, Any]:
    """What `write_job` wrote."""
    import numpy as np

    with np.load(folder / DATA) as data:
        return dict(data)


def evaluate(folder: Path, job: timing.Job) -> dict[str, float]:
    """Rank the facts, with scores of all kinds, as PyKEEN does; the index of known facts is made within that time."""
    import numpy as np
    import torch

    from latticework.knowledge.known_triples import KnownTriples
    from latticework.knowledge.metrics import scores
    from latticework.knowledge.translation_ranking import rank_translation

    torch.set_num_threads(job["threads"])
    data = read_data(folder)
    tables = torch.from_numpy(data["entities"]), torch.from_numpy(data["relations"])
    entities, relations = data["sizes"].tolist()

    def ranked(asked: Any) -> Any:
        parts = [data[part] for part in ("train", "valid", "test")]
        known = KnownTriples.of(*parts, entities=entities, relations=relations)
        found = rank_translation(*tables, asked, known)
        for ties in ("optimistic", "realistic", "pessimistic"):
            scores(found, ties=ties)
        return found

    ranked(data["asked"][:64])
    began = time.perf_counter()
    found = ranked(data["asked"])
    seconds = time.perf_counter() - began
    ranks = {
        f"{side} {ties}": getattr(found, ties)[:, place]
        for place, side in enumerate(("head", "tail"))
        for ties in ("optimistic", "realistic", "pessimistic")
    }
    np.savez(folder / TABLES, **ranks)
    return {"seconds": seconds}


def compare_ranks(folder: Path) -> None:
    """Make sure that both evaluators gave the same ranks, whatever the policy for ties."""
    import numpy as np

    with np.load(folder / TABLES) as ours, np.load(folder / "pykeen.npz") as theirs:
        agree(set(ours) == set(theirs), "other ranks")
        for name in ours:
            agree((ours[name] == theirs[name]).all(), f"{name} ranks of the evaluators differ")
        agree((ours["tail optimistic"] < ours["tail pessimistic"]).any(), "there are no ties")


def train(folder: Path, job: timing.Job) -> dict[str, float]:
    """Train TransE, that is ours with the gate open; seconds of the epochs after the first but for the last."""
    import torch

    from latticework.core.training import train as run
    from latticework.knowledge.config import DKGEConfig
    from latticework.knowledge.contexts import no_contexts
    from latticework.knowledge.graph import Graph
    from latticework.knowledge.learning import LinkTask, training_plan
    from latticework.knowledge.model import DKGEModel
    from latticework.knowledge.names import Names
    from latticework.knowledge.triples import NO_TRIPLES

    torch.set_num_threads(job["threads"])
    data = read_data(folder)
    sizes: tuple[int, int] = tuple(data["sizes"].tolist())
    graph = Graph.of_numbers(data["train"], *(Names(map(str, range(size))) for size in sizes))
    config = DKGEConfig(
        gate="open",
        loss="margin",
        margin=job["margin"],
        negatives=job["negatives"],
        batch_size=job["batch"],
        learning_rate=job["learning_rate"],
    )
    marks: dict[int, float] = {}

    class Timed(LinkTask):
        def inputs(self, batch: Any) -> Any:
            epoch = int(batch[0]) // (len(self.graph) * len(self.batches(0)))
            marks.setdefault(epoch, time.perf_counter())
            return super().inputs(batch)

    model = DKGEModel(*sizes, job["dim"], generator=torch.Generator().manual_seed(0))
    contexts = no_contexts(sizes[0]), no_contexts(sizes[1])
    task = Timed(model, graph, contexts, NO_TRIPLES, config, seed=0, open_gate=True)
    plan = training_plan(config, facts=len(graph), max_epochs=job["epochs"])
    run(task, plan, seed=0, device="cpu", precision="32")
    return {"seconds": marks[job["epochs"] - 1] - marks[1]}


def peer_rows(found: Mapping[str, Mapping[str, Sequence[float]]]) -> list[records.Row]:
    """Ratios of speeds, then the speeds."""
    ratios, speeds = [], []
    for task, systems in found.items():
        kind, _, negatives = task.partition(" ")
        if kind == "evaluate":
            what, count, unit, target = f"FB15k-237: filtered ranks of {RANKED:,} test facts", RANKED, "facts/s", ">= 3"
        else:
            what = f"FB15k-237: TransE, {TRAINED:,} facts, batches of {TRAINING_BATCH:,}, {negatives} corrupted each"
            count, unit, target = TRAINED * (EPOCHS - 2), "facts/s", ">= 1"
        times = measuring.paired_ratios(systems[PYKEEN], systems[OURS])
        ratios.append(records.Row.of(f"{what}: speed over PyKEEN's", times, "times", target))
        speeds += [
            records.Row.of(f"{what}: {system}", [count / each for each in seconds], unit)
            for system, seconds in systems.items()
        ]
    return ratios + speeds
