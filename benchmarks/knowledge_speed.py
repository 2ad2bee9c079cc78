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
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import measuring, records
from benchmarks.knowledge import load, public
from benchmarks.measuring import agree
from benchmarks.peers import timing

NAME = "knowledge_speed"
COMMAND = "python -m benchmarks.knowledge_speed"
TIMEOUT = 3600
PARTS = ("yago", "peers", "million")
PEERS = ("pykeen",)
DATA, TABLES = "data.npz", "ours.npz"  # DATA is where the driver of PyKEEN looks for it

DIM, MOST = 100, 30
BATCH, STEPS = 500, 10  # of a training step beside the published code's; so many steps a round
ASKED = 100  # facts that the loop of the published code ranks; ours ranks all
DRAWN = 20_000  # facts that get a negative each in a round
# Between ours and the padded one, which sums in another order, at most, of the loss of any of the first steps. Later
# ones tell less: Adam makes a whole step of what rounding leaves of a gradient of zero, and ten steps grow it tenfold.
LOSS_APART, COMPARED = 1e-5, 20
RATE_APART = 0.02  # of the share of heads among what negatives replace

RANKED = 2_000  # test facts of FB15k-237 that both evaluators rank
TRAINED = 100_000  # its facts that both train with, an epoch
TRAINING_BATCH, MARGIN, RATE = 1000, 10.0, 5e-3
NEGATIVES = (1, 16)  # corrupted facts of each
EPOCHS = 5  # the first and the last are not counted
FACTS, ENTITIES, RELATIONS = 1_000_000, 200_000, 100  # of the graph that is made up

OURS, LITERAL, PYKEEN = "ours", "published way", "PyKEEN"
STEP, CONTEXTS, RANKS, WRONG = "training step", "building contexts", "filtered ranks", "negatives"
PACKED, UPDATED, ENCODED = "building contexts, and packing all once", "contexts of the next snapshot", "encoding all"
TARGETS = {STEP: ">= 10", CONTEXTS: ">= 10", RANKS: ">= 50"}
UNITS = {
    STEP: ("ms", 1e3),
    CONTEXTS: ("s", 1),
    PACKED: ("s", 1),
    RANKS: ("ms a fact", 1e3),
    WRONG: ("µs each", 1e6),
    UPDATED: ("ms", 1e3),
    ENCODED: ("s", 1),
}

Seconds = dict[str, dict[str, list[float]]]  # by what, by system: of one step, fact, negative, ..., a number a round


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
        print(json.dumps(measure_yago(before, after, arguments.threads, arguments.repeats)))
    elif arguments.part == "million":
        print(json.dumps(fit_million(made_up(), arguments.threads)))
    elif arguments.part is not None:
        job = json.loads((arguments.folder / timing.JOB).read_text(encoding="utf-8"))
        print(json.dumps({"evaluate": evaluate, "train": train}[arguments.part](arguments.folder, job)))
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
        rows += yago_rows(measuring.run_measured([*own, "yago"], env, TIMEOUT).output)
    if "peers" in parts:
        with tempfile.TemporaryDirectory() as folder:
            rows += peer_rows(beside_pykeen(Path(folder), own, env, threads, repeats))
    if "million" in parts:
        rows += million_rows([measuring.run_measured([*own, "million"], env, TIMEOUT)])
    title = (
        f"Knowledge graphs: YAGO-3SP, FB15k-237 and a million facts; dim {DIM}, {threads} thread(s), median, smallest, "
        f"largest of {repeats} rounds, of the million facts one"
    )
    only = None if tuple(parts) == PARTS else list(parts)
    command = records.command_line(COMMAND, threads=threads, repeats=repeats, only=only)
    return records.make_result(NAME, title, command, rows, threads=threads, peers=PEERS)


# Beside the published code


def measure_yago(before: Any, after: Any, threads: int, repeats: int) -> dict[str, Any]:
    """Systems take turns in this process; `before` are the splits of a snapshot, `after` is the graph of the next."""
    import torch

    torch.set_num_threads(threads)
    jobs, check = make_jobs(before, after, rounds=1 + repeats)
    taken, _ = measuring.take_turns({key: job for key, (job, _) in jobs.items()}, repeats)
    seconds: Seconds = {}
    for (what, system), values in taken.items():
        seconds.setdefault(what, {})[system] = [value / jobs[what, system][1] for value in values]
    return {"seconds": seconds, "figures": check()}


def make_jobs(
    before: Any, after: Any, *, rounds: int
) -> tuple[dict[tuple[str, str], tuple[Callable[[], object], int]], Callable[[], dict[str, float]]]:
    """For each task and system what to do and how many things that does; and what compares the results afterwards."""
    import numpy as np
    import torch

    from benchmarks import knowledge_reference as reference
    from latticework.knowledge.differences import difference
    from latticework.knowledge.index import ContextIndex
    from latticework.knowledge.known_triples import known_triples
    from latticework.knowledge.learning import joint_embeddings
    from latticework.knowledge.packing import pack
    from latticework.knowledge.sampling import Sampler
    from latticework.knowledge.translation_ranking import rank_translation

    graph = before.graph
    facts = [tuple(fact) for fact in graph.triples.tolist()]
    sizes = len(graph.entities), len(graph.relations)
    digests = make_digests(graph)
    results: dict[tuple[str, str], Any] = {}
    jobs: dict[tuple[str, str], tuple[Callable[[], object], int]] = {}

    def add(what: str, system: str, job: Callable[[], object], count: int = 1) -> None:
        def run() -> None:
            results[what, system] = job()

        jobs[what, system] = run, count

    def packed() -> Any:
        index = ContextIndex.of(graph, MOST)
        return [
            pack(contexts, np.arange(len(contexts)), padded_to=MOST) for contexts in (index.entities, index.relations)
        ]

    add(CONTEXTS, OURS, lambda: ContextIndex.of(graph, MOST))
    add(PACKED, OURS, packed)
    add(CONTEXTS, LITERAL, lambda: reference.build(facts, *sizes, MOST, digests))

    index = ContextIndex.of(graph, MOST)
    tables = reference.build(facts, *sizes, MOST, digests)
    steps, model, losses = make_steps(graph, index, tables, rounds)
    count = min(STEPS, len(graph) // BATCH)
    for system, step in steps.items():
        add(STEP, system, step, count)

    contexts = index.entities, index.relations
    add(ENCODED, OURS, lambda: joint_embeddings(model, contexts, open_gate=False))
    entities, relations = map(torch.from_numpy, joint_embeddings(model, contexts, open_gate=False))
    known = known_triples(graph, before.valid, before.test)
    known_set = {tuple(fact) for part in (graph.triples, before.valid, before.test) for fact in part.tolist()}
    some = before.test[:: max(1, len(before.test) // ASKED)][:ASKED]
    add(RANKS, OURS, lambda: rank_translation(entities, relations, before.test, known), len(before.test))
    asked = [tuple(fact) for fact in some.tolist()]
    add(RANKS, LITERAL, lambda: reference.ranks(entities, relations, asked, known_set), len(asked))

    sampler = Sampler.of(graph.triples, entities=sizes[0], relations=sizes[1], rule="reference", seed=0)
    drawn = graph.triples[:: max(1, len(graph) // DRAWN)][:DRAWN]
    drawn_facts, true = [tuple(fact) for fact in drawn.tolist()], set(facts)
    rate = float(sampler.head_rates[0])
    add(WRONG, OURS, lambda: sampler.corrupt(drawn, np.arange(len(drawn))), len(drawn))
    add(WRONG, LITERAL, lambda: reference.negatives(drawn_facts, true, sizes[0], rate, 0), len(drawn))

    delta = difference(graph, after)
    changed, change = graph.apply(delta)
    add(UPDATED, OURS, lambda: index.updated(changed, change)[0])
    add(UPDATED, "rebuilt", lambda: ContextIndex.of(changed, MOST))

    def check() -> dict[str, float]:
        compare_contexts(results[CONTEXTS, OURS], results[CONTEXTS, LITERAL])
        compare_indices(results[UPDATED, OURS], results[UPDATED, "rebuilt"])
        mine, theirs = (np.array(losses[system][:COMPARED]) for system in (OURS, LITERAL))
        apart = float(np.max(np.abs(mine - theirs) / np.abs(theirs)))
        agree(apart <= LOSS_APART, f"losses are {apart:.2g} of themselves apart")
        places = [int(np.flatnonzero((before.test == fact).all(1))[0]) for fact in some]
        ranks = results[RANKS, OURS].optimistic[places]
        agree((ranks == np.array(results[RANKS, LITERAL])).all(), "ranks differ")
        wrong = {OURS: results[WRONG, OURS][:, 0], LITERAL: np.array(results[WRONG, LITERAL])}
        shares = []
        for system, found in wrong.items():
            agree(not sampler.known.contains(found).any(), f"{system}: a negative is a known fact")
            shares.append(float((found[:, 0] != drawn[:, 0]).mean()))
        agree(abs(shares[0] - shares[1]) <= max(RATE_APART, 4 * len(drawn) ** -0.5), f"heads are replaced at {shares}")
        return {
            "loss apart": apart,
            "steps compared": len(mine),
            "facts of the delta": len(delta.add) + len(delta.remove),
        }

    return jobs, check


def make_digests(graph: Any) -> tuple[Callable[[int], int], Callable[[tuple[int, ...]], int]]:
    """What decides which neighbours, and which paths, an object with too many keeps."""
    import numpy as np

    from latticework.knowledge.paths import path_digests

    count = len(graph.relations)
    paths = [(first, second) for first in range(count) for second in range(-1, count)]
    columns = np.array(paths, np.int64).reshape(-1, 2)
    values = path_digests(columns, graph.relations.digests()).tolist()
    of_paths: dict[tuple[int, ...], int] = {
        (one,) if other < 0 else (one, other): value for (one, other), value in zip(paths, values, strict=True)
    }
    return graph.entities.digests().tolist().__getitem__, of_paths.__getitem__


def make_steps(
    graph: Any, index: Any, tables: Any, rounds: int
) -> tuple[dict[str, Callable[[], object]], Any, dict[str, list[float]]]:
    """Rounds of training steps of both from the same weights on the same facts and negatives; our model; their losses.

    Ours draws its negatives within the step; those of the published code are drawn beforehand, as there.
    """
    import numpy as np
    import torch

    from benchmarks import knowledge_reference as reference
    from latticework.knowledge.config import DKGEConfig
    from latticework.knowledge.learning import LinkTask, numbered_batches, training_plan
    from latticework.knowledge.model import DKGEModel
    from latticework.knowledge.triples import NO_TRIPLES

    config = DKGEConfig(compat="reference", loss="margin", negatives=1, batch_size=BATCH)
    generator = torch.Generator().manual_seed(0)
    sizes = len(graph.entities), len(graph.relations)
    model = DKGEModel(*sizes, DIM, compat="reference", max_context=MOST, generator=generator)
    task = LinkTask(model, graph, index.both, NO_TRIPLES, config, seed=0)
    padded = reference.Padded(model.state_dict(), tables, margin=config.margin, norm=config.norm)
    plan = training_plan(config, facts=len(graph), max_epochs=1)
    optimizers = {
        OURS: plan.optimizer(model.parameters()),
        LITERAL: torch.optim.Adam(padded.parameters(), lr=config.learning_rate),
    }
    full = [
        batch
        for epoch in range(1 + rounds * STEPS * BATCH // len(graph))
        for batch in numbered_batches(len(graph), BATCH, epoch, seed=0)
        if len(batch) == BATCH
    ]
    given = []
    for batch in full[: rounds * STEPS]:
        facts = graph.triples[batch % len(graph)]
        wrong = task.objective.sampler.corrupt(facts, batch, negatives=1)[:, 0]
        given.append((batch, torch.from_numpy(np.ascontiguousarray(facts)), torch.from_numpy(wrong)))
    losses: dict[str, list[float]] = {OURS: [], LITERAL: []}

    def steps(system: str) -> None:
        done = len(losses[system])
        for batch, facts, wrong in given[done : done + min(STEPS, len(graph) // BATCH)]:
            loss = task.module(*task.inputs(batch)) if system == OURS else padded(facts, wrong)
            optimizers[system].zero_grad()
            loss.backward()
            optimizers[system].step()
            losses[system].append(float(loss.detach()))

    return {OURS: lambda: steps(OURS), LITERAL: lambda: steps(LITERAL)}, model, losses


def compare_contexts(index: Any, tables: Any) -> None:
    """Make sure that both found the same elements and as many edges among them."""
    import numpy as np

    for what, contexts, members, matrices in (
        ("entity", index.entities, tables.neighbours, tables.entity_matrices),
        ("relation", index.relations, tables.paths, tables.relation_matrices),
    ):
        linked = (matrices[:, 1:, 1:] > 0).sum((1, 2)).numpy() - MOST
        agree((linked == np.diff(contexts.edge_indptr)).all(), f"edges among the context of an {what} differ")
        for number in range(len(contexts)):
            rows = contexts.elements[contexts.indptr[number] : contexts.indptr[number + 1]].tolist()
            mine = {
                first if what == "entity" else (first,) if second < 0 else (first, second) for first, second in rows
            }
            agree(mine == set(members.get(number, [])), f"the context of {what} {number} differs")


def compare_indices(one: Any, other: Any) -> None:
    """Make sure that contexts are equal to the last edge."""
    for side in ("entities", "relations"):
        ours, theirs = vars(getattr(one, side)), vars(getattr(other, side))
        agree(all((ours[name] == theirs[name]).all() for name in theirs), f"contexts of {side} differ after an update")


def yago_rows(found: Mapping[str, Any]) -> list[records.Row]:
    """Ratios, then what both take, then what was compared."""
    seconds: Seconds = found["seconds"]
    told = {
        STEP: f"YAGO-3SP 1: {STEP}, {BATCH} facts, dense and padded over ours",
        CONTEXTS: f"YAGO-3SP 1: {CONTEXTS}, published way over ours",
        RANKS: f"YAGO-3SP 1: {RANKS}, loop (on {ASKED} facts) over ours (on all), a fact",
        WRONG: f"YAGO-3SP 1: {WRONG}, loop over ours",
    }
    rows = [
        records.Row.of(
            name, measuring.paired_ratios(seconds[what][LITERAL], seconds[what][OURS]), "times", TARGETS.get(what)
        )
        for what, name in told.items()
    ]
    rebuilt = measuring.paired_ratios(seconds[UPDATED]["rebuilt"], seconds[UPDATED][OURS])
    changed = f"{found['figures']['facts of the delta']:,} facts changed"
    rows.append(records.Row.of(f"YAGO-3SP 1: {UPDATED}, {changed}, rebuilt over updated", rebuilt, "times"))
    for what, (unit, scale) in UNITS.items():
        for system, values in seconds[what].items():
            rows.append(records.Row.of(f"YAGO-3SP 1: {what}: {system}", [scale * value for value in values], unit))
    for name in ("loss apart", "steps compared"):
        limit = f"<= {LOSS_APART:f}" if name == "loss apart" else None
        rows.append(records.Row(f"YAGO-3SP 1: {STEP}: {name}", found["figures"][name], "", limit))
    return rows


# Beside PyKEEN


def beside_pykeen(
    folder: Path, own: Sequence[str], env: measuring.Env, threads: int, repeats: int
) -> dict[str, dict[str, list[float]]]:
    """Seconds of each task and system."""
    env = env | {"PYSTOW_HOME": str(folder / "pystow")}
    python = measuring.peer_environment("pykeen")
    job = {"dim": DIM, "threads": threads, "batch": TRAINING_BATCH, "margin": MARGIN, "learning_rate": RATE}
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


# A million facts


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
