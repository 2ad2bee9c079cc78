"""Quality of `latticework.knowledge` on graphs that do not change, beside PyKEEN's TransE.

`python -m benchmarks.knowledge_static` trains every system on UMLS, Kinships, Nations, WN18RR and FB15k-237, and writes
results/knowledge_static.json. Equal are the dimension, the epochs, the facts, and how many wrong answers a fact is told
from: 16 for its head and 16 for its tail. These are corrupted facts of its own in PyKEEN; ours has one pool of entities
for all facts of a batch, each of which stands in for the head and for the tail. Nobody validates: the last weights
count, as do all test facts whose names the graph has, ranked among its entities, filtered by all parts, realistic among
equals. Ours trains as by default otherwise, with the softmax loss and norm 2; once more with norm 1, as PyKEEN's by
default; and once more with the gate open, which makes it TransE.

PyKEEN's TransE is there twice: with all its defaults, and trained as ours: 16 wrong heads and 16 wrong tails that make
no known fact, a softmax for each end, of the same sharpness, norm 2 and rows without a constraint, first values of the
same spread, the same batch and optimiser, and a rate that falls in the same way. What then differs from ours with the
gate open is where wrong answers are drawn: for every fact anew, and some of them twice unless the graph has no more of
them. Its filter takes about one in a thousand for a known fact that is none. Its embeddings are judged by our
evaluator; on test facts that PyKEEN's own judges too, at most 500, both must find the same. Seconds are those of
training, in our case of contexts and of encoding all too.

The large graphs, WN18RR and FB15k-237, take as long as the others together, and have seeds of their own number.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from benchmarks import measuring, records
from benchmarks.knowledge import FLOOR, floor_scores, public
from benchmarks.measuring import column
from benchmarks.peers import timing

NAME = "knowledge_static"
COMMAND = "python -m benchmarks.knowledge_static"
TIMEOUT = 7200
PEERS = ("pykeen",)
DATA, TABLES = "data.npz", "pykeen.npz"  # as the driver of PyKEEN names them
DIM, NEGATIVES = 100, 16  # wrong answers for each end of a fact
JUDGED = 500  # test facts that PyKEEN's own evaluator ranks, at most: it takes long
APART = 1e-3  # of MRR and hits between the evaluators: distances that are nearly equal are rounded in another order
SMALL, LARGE = 200, 10  # epochs
DATASETS = {"umls": SMALL, "kinships": SMALL, "nations": SMALL, "WN18RR": LARGE, "FB15k-237": LARGE}
SEEDS, LARGE_SEEDS = 3, 1

OURS, NORM_1, OPEN = "DKGE", "DKGE, norm 1", "DKGE, gate open"
PYKEEN, ALIKE = "PyKEEN's TransE, its defaults", "PyKEEN's TransE, trained as ours"
SYSTEMS = (OURS, NORM_1, OPEN, PYKEEN, ALIKE)
FIGURES = ("mrr", "hits10")

Found = Mapping[str, Mapping[str, Sequence[dict[str, float]]]]  # by data set and system, one for each seed


@dataclass(frozen=True)
class Data:
    """A data set in the numbers of its graph; held-out facts that name what the graph does not have are left out."""

    graph: Any
    valid: Any
    test: Any

    @classmethod
    def of(cls, splits: Any) -> Data:
        """Number anew what the graph has."""
        from latticework.knowledge.facts import HeldOut
        from latticework.knowledge.graph import Graph

        graph = Graph.of(splits.graph.named())
        parts = (HeldOut.of(splits.graph.named(part), graph).triples for part in (splits.valid, splits.test))
        return cls(graph, *parts)


def main() -> None:
    """Run the benchmark, or, in a process of its own, one training of ours, or the floor."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--datasets", nargs="+", choices=tuple(DATASETS), default=list(DATASETS))
    parser.add_argument("--epochs", type=int, help=f"of every data set; {SMALL} of the small and {LARGE} of the others")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="of the small ones")
    parser.add_argument("--large-seeds", type=int, default=LARGE_SEEDS, help="of WN18RR and FB15k-237")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--part", choices=("fit", "floor"), help=argparse.SUPPRESS)
    parser.add_argument("--system", choices=SYSTEMS, default=OURS, help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=0, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.part is None:
        records.record(measure(arguments), lacks=[name for name in DATASETS if name not in arguments.datasets])
        return
    data = Data.of(public(arguments.datasets[0]))
    if arguments.part == "floor":
        print(json.dumps(floor(data)))
    else:
        print(json.dumps(fit(data, arguments.system, arguments.epochs, arguments.seed, arguments.threads)))


def measure(arguments: argparse.Namespace) -> records.Result:
    """All trainings, one after the other."""
    datasets, epochs, threads = arguments.datasets, arguments.epochs, arguments.threads
    env = measuring.environment(threads)
    own = measuring.part_of(NAME, "--threads", threads)
    found: dict[str, dict[str, list[dict[str, float]]]] = {}
    for name in datasets:
        of_name = found.setdefault(name, {})
        length = DATASETS[name] if epochs is None else epochs
        part = [*own, "--datasets", name]
        of_name[FLOOR] = [measuring.run_measured([*part, "--part", "floor"], env, TIMEOUT).output]
        data = Data.of(public(name))
        for seed in range(arguments.seeds if DATASETS[name] == SMALL else arguments.large_seeds):
            for system in SYSTEMS:
                if system in (PYKEEN, ALIKE):
                    output = fit_pykeen(data, system, length, seed, threads, env)
                else:
                    options = ["--part", "fit", "--system", system, "--epochs", str(length), "--seed", str(seed)]
                    output = measuring.run_measured([*part, *options], env, TIMEOUT).output
                print(f"{name}, {system}, {seed}: {output}", file=sys.stderr)
                of_name.setdefault(system, []).append(output)
    told = f"{epochs} epochs" if epochs is not None else f"{SMALL} epochs, of WN18RR and FB15k-237 {LARGE}"
    title = (
        f"Graphs that do not change: equal dim {DIM}, epochs ({told}) and wrong answers for each end of a fact "
        f"({NEGATIVES}); filtered, realistic ranks; mean, smallest, largest of {arguments.seeds} seed(s), of WN18RR "
        f"and FB15k-237 of {arguments.large_seeds}"
    )
    command = records.command_line(
        COMMAND,
        datasets=None if tuple(datasets) == tuple(DATASETS) else datasets,
        epochs=epochs,
        seeds=arguments.seeds,
        large_seeds=arguments.large_seeds,
        threads=threads,
    )
    return records.make_result(NAME, title, command, rows_of(found), threads=threads, peers=PEERS)


def rows_of(found: Found) -> list[records.Row]:
    """What is promised first: at least the quality of TransE trained as ours, and of the floor; then every figure."""
    rows = []
    for name, systems in found.items():
        ours = column(systems[OURS], "mrr")
        for other in (ALIKE, PYKEEN, FLOOR, OPEN):
            theirs = column(systems[other], "mrr")
            theirs = theirs * len(ours) if other == FLOOR else theirs
            over = measuring.paired_differences(ours, theirs)
            target = ">= 0" if other in (ALIKE, FLOOR) else None
            rows.append(row(f"{name}: MRR, {OURS} over {other}", over, "", target))
        gained = measuring.paired_differences(column(systems[NORM_1], "mrr"), ours)
        rows.append(row(f"{name}: MRR, {NORM_1} over {OURS}", gained))
    for name, systems in found.items():
        for system, outputs in systems.items():
            for figure, told in (("mrr", "MRR"), ("hits10", "hits at 10")):
                rows.append(row(f"{name}: {told}, {system}", column(outputs, figure)))
        for system, outputs in systems.items():
            if system != FLOOR:
                rows.append(row(f"{name}: seconds of training, {system}", column(outputs, "seconds"), "s"))
    return rows


def row(name: str, values: Sequence[float], unit: str = "", target: str | None = None) -> records.Row:
    """The mean of seeds; where there is one seed, without a range."""
    if len(values) == 1:
        return records.Row(name, values[0], unit, target)
    return records.Row.mean(name, values, unit, target)


def fit(data: Data, system: str, epochs: int, seed: int, threads: int) -> dict[str, float]:
    """Train ours, and judge it."""
    import torch

    from latticework.knowledge import DKGE, DKGEConfig

    torch.set_num_threads(threads)
    gate: Literal["open", "learned"] = "open" if system == OPEN else "learned"
    config = DKGEConfig(negatives=NEGATIVES, gate=gate, norm=1 if system == NORM_1 else 2)
    began = time.perf_counter()
    model = DKGE(DIM, max_epochs=epochs, config=config, random_state=seed, device="cpu").fit(data.graph)
    seconds = time.perf_counter() - began
    tables = model.entity_embeddings_, model.relation_embeddings_
    return {"seconds": seconds} | judged(data, *tables, data.test, norm=config.norm)


def fit_pykeen(data: Data, system: str, epochs: int, seed: int, threads: int, env: measuring.Env) -> dict[str, float]:
    """Let PyKEEN train, and judge what it learnt."""
    import numpy as np

    from latticework.knowledge import DKGEConfig

    config = DKGEConfig()
    alike = system == ALIKE
    job = {
        "dim": DIM,
        "epochs": epochs,
        "negatives": 2 * NEGATIVES,
        "seed": seed,
        "threads": threads,
        "as_ours": alike,
        "sharpness": config.sharpness,
        "bound": (3 / DIM) ** 0.5,  # of first values
        "batch": config.batch_size if alike else None,
        "learning_rate": config.learning_rate if alike else None,
    }
    asked = data.test[:: -(-len(data.test) // JUDGED)]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / timing.JOB).write_text(json.dumps(job), encoding="utf-8")
        sizes = np.array([len(data.graph.entities), len(data.graph.relations)])
        parts = {"train": data.graph.triples, "valid": data.valid, "test": data.test, "asked": asked}
        np.savez(folder / DATA, sizes=sizes, **parts)
        command = measuring.driver_of("pykeen", measuring.peer_environment("pykeen"), folder, "fit")
        output = measuring.run_measured(command, env | {"PYSTOW_HOME": str(folder / "pystow")}, TIMEOUT).output
        with np.load(folder / TABLES) as saved:
            tables = saved["entities"], saved["relations"]
    same = judged(data, *tables, asked, norm=output["norm"])
    for figure in FIGURES:
        if abs(same[figure] - output[figure]) > APART:
            raise RuntimeError(f"{figure} by PyKEEN's evaluator is {output[figure]:.5f}, by ours {same[figure]:.5f}")
    return {"seconds": output["seconds"]} | judged(data, *tables, data.test, norm=output["norm"])


def judged(data: Data, entities: Any, relations: Any, asked: Any, *, norm: int) -> dict[str, float]:
    """Filtered, realistic figures of embeddings on some test facts."""
    import torch

    from latticework.knowledge.known_triples import known_triples
    from latticework.knowledge.metrics import scores
    from latticework.knowledge.translation_ranking import rank_translation

    known = known_triples(data.graph, data.valid, data.test)
    found = scores(rank_translation(torch.from_numpy(entities), torch.from_numpy(relations), asked, known, norm=norm))
    return {figure: getattr(found, figure) for figure in FIGURES}


def floor(data: Data) -> dict[str, float]:
    """What relations that go together and popularity give."""
    found = floor_scores(data.graph, data.test, data.valid, data.test)
    return {figure: getattr(found, figure) for figure in FIGURES}


if __name__ == "__main__":
    main()
