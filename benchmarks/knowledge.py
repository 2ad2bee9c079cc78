"""Quality and time of `latticework.knowledge` on YAGO-3SP, whose three snapshots change: fitted, updated, fitted anew.

`python -m benchmarks.knowledge --seeds 2` fits snapshot 1, updates it to snapshots 2 and 3 under every rule, fits these
anew, ranks held-out facts with all, and writes results/knowledge.json. Each training runs in a process of its own.
Test facts decide nothing: weights are chosen by the validation facts of the snapshot. With --keep FOLDER the models
stay there, one SEED-SNAPSHOT each, for `benchmarks.knowledge_questions`, and so does what each part found: the same
command, given again, measures what is missing, and what was found by another commit or with other threads or jobs.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
import warnings
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks import commits, measuring, real_data, records
from benchmarks.kept import Kept
from benchmarks.measuring import column

NAME = "knowledge"
COMMAND = "python -m benchmarks.knowledge"
TIMEOUT = 7200
SNAPSHOTS = (1, 2, 3)
RULES = ("entity", "neighbours", "subgraph")
CAPS = (1, 10, 10**9)  # facts that each affected entity brings to an update, beside the default, with the default rule
HELD_BACK = 10  # one of so many facts that came is kept from the update and from the new fit, to be ranked
FLOOR = "floor: relations that go together"


def main() -> None:
    """Run the benchmark, or, in a process of its own, one training."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1, help="seeds that are measured at once, each with its threads")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="where the models stay; nowhere if not given")
    parser.add_argument("--part", choices=("fit", "update", "floor"), help=argparse.SUPPRESS)
    parser.add_argument("--snapshot", type=int, choices=SNAPSHOTS, default=1, help=argparse.SUPPRESS)
    parser.add_argument("--rule", choices=RULES, default="subgraph", help=argparse.SUPPRESS)
    parser.add_argument("--cap", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--model", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    if arguments.part == "fit":
        print(json.dumps(fit(arguments.snapshot, arguments.seed, arguments.model)))
    elif arguments.part == "update":
        print(json.dumps(update(arguments.snapshot, arguments.rule, arguments.model, arguments.cap)))
    elif arguments.part == "floor":
        print(json.dumps(floor(arguments.snapshot)))
    else:
        records.record(measure(arguments.seeds, arguments.threads, arguments.jobs, arguments.keep))


def measure(seeds: int, threads: int, jobs: int = 1, keep: Path | None = None) -> records.Result:
    """All trainings, those of a seed one after the other; their models stay in `keep`, if that is given."""
    env = measuring.environment(threads)
    found: dict[str, list[dict[str, float]]] = {}
    with tempfile.TemporaryDirectory() as temporary, ThreadPoolExecutor(jobs) as pool:
        folder = Path(temporary) if keep is None else keep.absolute()
        kept = Kept.begun(folder, threads, jobs)
        for snapshot in SNAPSHOTS:
            found[f"floor {snapshot}"] = [part(env, kept, "floor", snapshot)]
        for outputs in pool.map(lambda seed: of_seed(env, kept, folder, seed), range(seeds)):
            for name, output in outputs.items():
                found.setdefault(name, []).append(output)
    title = (
        f"YAGO-3SP, dim 100, {seeds} seed(s), {jobs} at once: mean, smallest, largest; filtered, realistic ranks among "
        "all entities"
    )
    command = records.command_line(COMMAND, seeds=seeds, threads=threads, jobs=jobs, keep=keep)
    return records.make_result(NAME, title, command, rows_of(found), threads=threads, jobs=jobs)


def of_seed(env: measuring.Env, kept: Kept, folder: Path, seed: int) -> dict[str, dict[str, float]]:
    """All trainings of one seed."""
    found = {}
    for snapshot in SNAPSHOTS:
        model = folder / f"{seed}-{snapshot}"
        found[f"fit {snapshot}"] = part(env, kept, "fit", snapshot, seed=seed, model=model)
    for snapshot in SNAPSHOTS[1:]:
        model = folder / f"{seed}-{snapshot - 1}"
        for rule in RULES:
            options: dict[str, object] = {"rule": rule, "seed": seed, "model": model}
            found[f"update {snapshot} {rule}"] = part(env, kept, "update", snapshot, **options)
        for cap in CAPS:
            options = {"cap": cap, "seed": seed, "model": model}
            found[f"update {snapshot} {told(cap)}"] = part(env, kept, "update", snapshot, **options)
    return found


def told(cap: int) -> str:
    """A cap in words."""
    return f"subgraph, cap {cap}" if cap < max(CAPS) else "subgraph, no cap"


def part(env: measuring.Env, kept: Kept, name: str, snapshot: int, **options: object) -> dict[str, float]:
    """What a process of its own found, or has found before."""
    words = [word for option, value in options.items() for word in (f"--{option}", value)]
    command = measuring.part_of(NAME, "--part", name, "--snapshot", snapshot, *words)
    values = [value for option, value in options.items() if option != "model"]
    found: dict[str, float] = kept.run("-".join(map(str, [name, snapshot, *values])), command, env, TIMEOUT).output
    return found


def rows_of(found: dict[str, list[dict[str, float]]]) -> list[records.Row]:
    """What is promised first, then everything."""
    rows = []
    for snapshot in SNAPSHOTS:
        ours, base = column(found[f"fit {snapshot}"], "test mrr"), found[f"floor {snapshot}"][0]["mrr"]
        rows.append(records.Row.mean(f"snapshot {snapshot}: MRR, test", ours, ""))
        rows.append(
            records.Row.mean(f"snapshot {snapshot}: MRR over the floor's", [each - base for each in ours], "", ">= 0")
        )
        for figure in ("test hits1", "test hits10", "test amri", "valid mrr"):
            rows.append(
                records.Row.mean(f"snapshot {snapshot}: {figure}", column(found[f"fit {snapshot}"], figure), "")
            )
        for figure, value in found[f"floor {snapshot}"][0].items():
            rows.append(records.Row(f"snapshot {snapshot}: {FLOOR}: {figure}", value, ""))
        rows.append(
            records.Row.mean(f"snapshot {snapshot}: seconds of fit", column(found[f"fit {snapshot}"], "seconds"), "s")
        )
    for snapshot in SNAPSHOTS[1:]:
        anew = found[f"fit {snapshot}"]
        for rule in (*RULES, *map(told, CAPS)):
            updates, what = found[f"update {snapshot} {rule}"], f"update to {snapshot}, {rule}"
            times = measuring.paired_ratios(column(anew, "seconds"), column(updates, "seconds"))
            target = {"entity": ">= 20", "subgraph": ">= 8"}.get(rule)
            rows.append(records.Row.mean(f"{what}: time of a new fit over its own", times, "times", target))
            lost = measuring.paired_differences(column(anew, "unchanged mrr"), column(updates, "unchanged mrr"))
            rows.append(records.Row.mean(f"{what}: MRR lost on unchanged facts", lost, "", "<= 0.02"))
            for figure in updates[0]:
                rows.append(records.Row.mean(f"{what}: {figure}", column(updates, figure), ""))
        for figure in anew[0]:
            rows.append(records.Row.mean(f"fit of {snapshot} anew: {figure}", column(anew, figure), ""))
    return rows


def load(snapshot: int) -> Any:
    """A snapshot, without held-out facts that are in its graph."""
    import latticework as lw

    return lw.datasets.load("yago-3sp", snapshot=snapshot).without_leaks()[0]


def public(name: str) -> Any:
    """A data set that is in no registry, from the folder of that name; without held-out facts that are in its graph."""
    from latticework.knowledge.io import read_splits

    return read_splits(real_data(f"knowledge/{name}")).without_leaks()[0]


def facts_of(snapshot: int) -> tuple[Any, list[tuple[str, str, str]]]:
    """The graph to learn from, and facts that came with the snapshot and are held back."""
    from latticework.knowledge.deltas import Delta
    from latticework.knowledge.differences import difference

    graph = load(snapshot).graph
    if snapshot == 1:
        return graph, []
    came = difference(load(snapshot - 1).graph, graph).add
    held_back = came[::HELD_BACK]
    learnt, _ = graph.apply(Delta(remove=held_back))
    numbers = learnt.numbered(held_back)
    kept = learnt.present[numbers[:, [0, 2]]].all(1) & (learnt.relation_counts[numbers[:, 1]] > 0)
    return learnt, [fact for fact, there in zip(held_back, kept, strict=True) if there]


def fit(snapshot: int, seed: int, folder: Path) -> dict[str, float]:
    """Fit a snapshot, and judge it."""
    from latticework.knowledge import DKGE

    graph, held_back = facts_of(snapshot)
    splits = load(snapshot)
    began = time.perf_counter()
    model = DKGE(random_state=seed, device="cpu").fit(graph, splits.graph.named(splits.valid))
    seconds = time.perf_counter() - began
    model.save(folder)
    commits.note_commit(folder)
    best = max(row["valid_mrr"] for row in model.history_ if "valid_mrr" in row)
    return {"seconds": seconds, "epochs": model.history_[-1]["epoch"] + 1, "valid mrr": best} | judged(
        model, snapshot, held_back
    )


def fitted_models(folder: Path, names: Sequence[str]) -> Mapping[str, str]:
    """Which models of a folder they were."""
    return {f"model {name}": commits.identity(folder / name) for name in names}


def update(snapshot: int, rule: str, folder: Path, cap: int | None = None) -> dict[str, float]:
    """Bring the model of the snapshot before up to date, and judge it."""
    import latticework as lw
    from latticework.knowledge.differences import difference

    model = lw.load(folder, device="cpu").set_params(affected=rule)
    if cap is not None:
        model.set_params(config=replace(model.config_, max_triples_per_entity=cap))
    graph, held_back = facts_of(snapshot)
    splits = load(snapshot)
    delta = difference(model.graph_, graph)
    report = model.apply(delta, validation=splits.graph.named(splits.valid))
    figures = {
        "seconds": report.seconds,
        "epochs": report.epochs,
        "facts trained with": report.trained_triples,
        "entities and relations trained": report.trained_objects,
        "entities affected": len(report.affected),
        "entities new": len(report.new),
        "strain": report.strain,
    }
    return figures | judged(model, snapshot, held_back)


def judged(model: Any, snapshot: int, held_back: list[tuple[str, str, str]]) -> dict[str, float]:
    """Ranks of test facts, of those about nothing that changed, and of facts that came and were held back."""
    splits = load(snapshot)
    test = splits.graph.named(splits.test)
    scores = model.evaluate(test).all
    figures = {
        "test mrr": scores.mrr,
        "test hits1": scores.hits1,
        "test hits10": scores.hits10,
        "test amri": scores.amri,
    }
    if snapshot > 1:
        from latticework.knowledge.differences import difference

        delta = difference(load(snapshot - 1).graph, splits.graph)
        touched = {name for head, _, tail in (*delta.add, *delta.remove) for name in (head, tail)}
        unchanged = [fact for fact in test if not touched & {fact[0], fact[2]}]
        figures["unchanged mrr"] = model.evaluate(unchanged).all.mrr
        figures["came mrr"] = model.evaluate(held_back).all.mrr
    return figures


def floor(snapshot: int) -> dict[str, float]:
    """What relations that go together and popularity give."""
    splits = load(snapshot)
    found = floor_scores(splits.graph, splits.test, splits.valid, splits.test)
    return {"mrr": found.mrr, "hits1": found.hits1, "hits10": found.hits10}


def floor_scores(graph: Any, asked: Any, *held_out: Any) -> Any:
    """Scores of facts by the floor; those held out are known for facts too."""
    from latticework.knowledge.cooccurrence import CoOccurrence
    from latticework.knowledge.known_triples import known_triples
    from latticework.knowledge.metrics import scores

    rule = CoOccurrence.of(graph.triples, entities=len(graph.entities), relations=len(graph.relations))
    return scores(rule.rank(asked, known_triples(graph, *held_out), present=graph.present))


if __name__ == "__main__":
    main()
