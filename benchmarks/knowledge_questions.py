"""Questions in a dynamic environment: what a model answers before an update, after it, and when it is fitted anew.

`python -m benchmarks.knowledge_questions` draws questions of one, two and three hops from snapshot 2 of YAGO-3SP, asks
them of the model of snapshot 1, of the same model brought up to date, and of one fitted on snapshot 2, and writes
results/knowledge_questions.json. Questions whose answers changed between the snapshots are told apart. Paths are
followed in one step, and some of two and of three hops from entity to entity too, with a beam of 8. With --models
FOLDER the models are those that `python -m benchmarks.knowledge --keep FOLDER` left there; those that are missing are
fitted. All have learnt what `benchmarks.knowledge` lets them learn: of the facts that came one in ten is held back, but
answers that it leads to are right all the same.

A second part is about DBpedia-3SP, which has an entity with a third of all facts: what an update trains with, and how
long it takes, with the cap on the facts that an entity brings and without.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from benchmarks import measuring, records
from benchmarks.knowledge import facts_of, fitted_models, load, public
from benchmarks.knowledge import fit as fit_snapshot

NAME = "knowledge_questions"
COMMAND = "python -m benchmarks.knowledge_questions"
TIMEOUT = 7200
PARTS = ("questions", "hub")
SEED = 0  # of the questions
COUNT = 10_000  # questions of each number of hops
BEAM, BEAM_COUNT = 8, 2_000  # the first so many of each are asked with a beam too
BEFORE, AFTER, ANEW, POPULAR = "before", "after", "fitted anew", "floor: popular answers"
WAYS = {"one step": "in one step", "beam": f"beam {BEAM}"}
GROUPS = ("changed", "unchanged")
FIGURES = {"mrr": "MRR", "hits10": "hits at 10"}

HUB_EPOCHS = 3  # of the fit on DBpedia-3SP
CAPS = {"with the cap": None, "without": 10**9}  # facts of an entity that an update trains with; None: the default


def main() -> None:
    """Run the benchmark, or, in a process of its own, one fit or one part."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--models", type=Path, metavar="FOLDER", help="models of benchmarks.knowledge; fitted if not there"
    )
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--count", type=int, default=COUNT, help="questions of each number of hops")
    parser.add_argument("--beam-count", type=int, default=BEAM_COUNT, help="with a beam too")
    parser.add_argument("--only", choices=PARTS, help="measure a part and show its table; nothing is recorded")
    parser.add_argument("--part", choices=("fit", *PARTS), help=argparse.SUPPRESS)
    parser.add_argument("--snapshot", type=int, default=1, help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=0, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    folder, seed = arguments.models, arguments.seed
    if arguments.part is not None:
        import torch

        torch.set_num_threads(arguments.threads)
    if arguments.part == "fit":
        print(json.dumps(fit_snapshot(arguments.snapshot, seed, folder / f"{seed}-{arguments.snapshot}")))
    elif arguments.part == "questions":
        print(json.dumps(answered(folder, seed, arguments.count, arguments.beam_count)))
    elif arguments.part == "hub":
        print(json.dumps(hub(public("DBpedia-3SP/snapshot1"), public("DBpedia-3SP/snapshot2"))))
    else:
        parts = PARTS if arguments.only is None else (arguments.only,)
        records.record(measure(arguments, parts), lacks=[part for part in PARTS if part not in parts])


def measure(arguments: argparse.Namespace, parts: Sequence[str] = PARTS) -> records.Result:
    """Fits that are missing, then the questions, then the hub."""
    env = measuring.environment(arguments.threads)
    counts = ["--count", arguments.count, "--beam-count", arguments.beam_count, "--threads", arguments.threads]
    own = measuring.part_of(NAME, *counts, "--part")
    rows: list[records.Row] = []
    models: Mapping[str, str] = {}

    def run(*options: object) -> dict[str, Any]:
        output = measuring.run_measured([*own, *map(str, options)], env, TIMEOUT).output
        print(f"{options}: {output}", file=sys.stderr)
        return output

    if "questions" in parts:
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary) if arguments.models is None else arguments.models.absolute()
            folder.mkdir(parents=True, exist_ok=True)
            found = []
            for seed in range(arguments.seeds):
                for snapshot in (1, 2):
                    if not (folder / f"{seed}-{snapshot}").exists():
                        run("fit", "--snapshot", snapshot, "--seed", seed, "--models", folder)
                found.append(run("questions", "--seed", seed, "--models", folder))
            models = fitted_models(folder, [f"{seed}-{number}" for seed in range(arguments.seeds) for number in (1, 2)])
        rows += question_rows(found)
    if "hub" in parts:
        rows += hub_rows(run("hub"))
    title = (
        f"YAGO-3SP 1 to 2, {arguments.count:,} questions of each number of hops, the first {arguments.beam_count:,} of "
        f"two and of three with a beam too, and an update of DBpedia-3SP; {arguments.seeds} seed(s): mean, smallest, "
        "largest"
    )
    command = records.command_line(
        COMMAND,
        models=arguments.models,
        seeds=arguments.seeds,
        count=arguments.count,
        beam_count=arguments.beam_count,
        threads=arguments.threads,
        only=arguments.only,
    )
    return records.make_result(NAME, title, command, rows, threads=arguments.threads, others=models)


def answered(folder: Path, seed: int, count: int, beam_count: int) -> dict[str, Any]:
    """Scores of all models, of changed and unchanged questions of each number of hops apart."""
    import latticework as lw
    from latticework.knowledge.differences import difference

    splits = load(2)
    before, anew = (lw.load(folder / f"{seed}-{snapshot}") for snapshot in (1, 2))
    after = lw.load(folder / f"{seed}-1", device="cpu").set_params(affected="subgraph")
    delta = difference(after.graph_, facts_of(2)[0])
    report = after.apply(delta, validation=splits.graph.named(splits.valid))
    graphs = load(1).graph, splits.graph
    found = ask({BEFORE: before, AFTER: after, ANEW: anew}, *graphs, count, beam_count)
    return found | {"update seconds": report.seconds}


def ask(models: Mapping[str, Any], old: Any, new: Any, count: int, beam_count: int) -> dict[str, Any]:
    """Draw questions from the graph `new` and rank their answers; changed is what the graph `old` answers otherwise."""
    import numpy as np

    from latticework.knowledge.answer_changes import changes_since
    from latticework.knowledge.answers import rank_answers, rank_popular, scores_by_hops
    from latticework.knowledge.questions import HOPS, sample_questions

    questions = sample_questions(new, count, hops=HOPS, seed=SEED)
    # of one hop a beam makes nothing else
    first = np.concatenate([np.flatnonzero(questions.hops == length)[:beam_count] for length in HOPS if length > 1])
    found: dict[str, Any] = {"scores": {}, "seconds": {}}
    for way, asked, beam in (("one step", questions, None), ("beam", questions.select(first), BEAM)):
        changed = changes_since(old, asked).changed
        ranked = {}
        for name, model in models.items():
            began = time.perf_counter()
            ranked[name] = rank_answers(model.embeddings_, asked, beam=beam)
            found["seconds"].setdefault(way, {})[name] = (time.perf_counter() - began) / len(asked)
        if beam is None:
            ranked[POPULAR] = rank_popular(new, asked)
        found["scores"][way] = {
            group: {
                name: {
                    str(hops): asdict(scores)
                    for hops, scores in scores_by_hops(ranks, which).items()
                    if scores.questions
                }
                for name, ranks in ranked.items()
            }
            for group, which in zip(GROUPS, (changed, ~changed), strict=True)
        }
    return found


def question_rows(found: Sequence[Mapping[str, Any]]) -> list[records.Row]:
    """What an update is worth and what it costs beside a new fit, then all scores, then the time."""
    rows = []
    scores = [each["scores"] for each in found]

    def values(way: str, group: str, name: str, hops: str, figure: str) -> list[float]:
        return [each[way][group][name][hops][figure] for each in scores]

    cells = [
        (way, group, hops)
        for way, groups in scores[0].items()
        for group, systems in groups.items()
        for hops in systems[BEFORE]
    ]
    for way, group, hops in cells:
        of = {name: values(way, group, name, hops, "mrr") for name in (BEFORE, AFTER, ANEW)}
        told = f"{WAYS[way]}, {hops} hop(s), answers {group}"
        if group == "changed":
            gained = measuring.paired_differences(of[AFTER], of[BEFORE])
            rows.append(records.Row.mean(f"{told}: MRR, after over before", gained, "", ">= 0"))
        lost = measuring.paired_differences(of[ANEW], of[AFTER])
        target = "<= 0.02" if group == "unchanged" else None
        rows.append(records.Row.mean(f"{told}: MRR, fitted anew over after", lost, "", target))
    for way, group, hops in cells:
        told = f"{WAYS[way]}, {hops} hop(s), answers {group}"
        asked = values(way, group, BEFORE, hops, "questions")
        rows.append(records.Row.mean(f"{told}: questions", asked, ""))
        for name in scores[0][way][group]:
            for figure, what in FIGURES.items():
                rows.append(records.Row.mean(f"{told}: {what}, {name}", values(way, group, name, hops, figure), ""))
    for way, models in found[0]["seconds"].items():
        times = [1e3 * seconds for each in found for seconds in each["seconds"][way].values()]
        rows.append(records.Row.mean(f"{WAYS[way]}: a question, over {len(models)} models", times, "ms"))
    rows.append(records.Row.mean("update to snapshot 2", [each["update seconds"] for each in found], "s"))
    return rows


def hub(before: Any, after: Any) -> dict[str, Any]:
    """Fit a snapshot for a few epochs, and bring that model up to date twice."""
    import latticework as lw
    from latticework.knowledge import DKGE
    from latticework.knowledge.differences import difference

    graph = before.graph
    began = time.perf_counter()
    model = DKGE(max_epochs=HUB_EPOCHS, random_state=0, device="cpu").fit(graph)
    found: dict[str, Any] = {
        "fit seconds": time.perf_counter() - began,
        "facts": len(after.graph),
        "facts of the hub": int(after.graph.degrees.max()),
    }
    delta, valid = difference(graph, after.graph), after.graph.named(after.valid)
    with tempfile.TemporaryDirectory() as folder:
        model.save(folder)
        for name, cap in CAPS.items():
            model = lw.load(folder, device="cpu")
            if cap is not None:
                model.set_params(config=replace(model.config_, max_triples_per_entity=cap))
            report = model.apply(delta)
            found[name] = {
                "facts trained with": report.trained_triples,
                "epochs": report.epochs,
                "seconds": report.seconds,
                "mrr": model.score(valid),
            }
    return found


def hub_rows(found: Mapping[str, Any]) -> list[records.Row]:
    """The share of all facts that an update trains with, then everything."""
    what = f"DBpedia-3SP 1 to 2, an entity with {found['facts of the hub']:,} of {found['facts']:,} facts"
    few, many = (found[name] for name in CAPS)
    rows = []
    for name in CAPS:
        share = 100 * found[name]["facts trained with"] / found["facts"]
        rows.append(records.Row(f"{what}: facts that an update trains with, {name}", share, "%"))
    rows.append(
        records.Row(
            f"{what}: time of an update without the cap over one with it", many["seconds"] / few["seconds"], "times"
        )
    )
    over = found["fit seconds"] / few["seconds"]
    rows.append(records.Row(f"{what}: time of a fit of {HUB_EPOCHS} epochs over an update with the cap", over, "times"))
    rows.append(records.Row(f"{what}: fit of {HUB_EPOCHS} epochs", found["fit seconds"], "s"))
    for name in CAPS:
        for figure, told, unit in (
            ("seconds", "update", "s"),
            ("epochs", "epochs of it", ""),
            ("mrr", "MRR, validation", ""),
        ):
            rows.append(records.Row(f"{what}: {told}, {name}", found[name][figure], unit))
    return rows


if __name__ == "__main__":
    main()
