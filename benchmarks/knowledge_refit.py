"""When an update is not enough: what the two figures that say so are worth, on graphs that were not made up.

`python -m benchmarks.knowledge_refit` writes results/knowledge_refit.json. Share: of UMLS and of Kinships a part of the
facts is kept from the fit and comes in one update, from a twentieth to half of them; the model that was updated and one
fitted on all facts rank the same test facts. Strain: the facts that came with snapshot 2 of YAGO-3SP are taken in as
they are, and with the tails of some of them swapped among the facts of a relation, which makes these false; with
--models FOLDER the model of snapshot 1 is that of `python -m benchmarks.knowledge --keep FOLDER`, else it is fitted.

Test facts decide nothing: weights are chosen by the validation facts.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import measuring, records
from benchmarks.knowledge import facts_of, fitted_models, load, public
from benchmarks.knowledge import fit as fit_snapshot
from benchmarks.measuring import column

NAME = "knowledge_refit"
COMMAND = "python -m benchmarks.knowledge_refit"
TIMEOUT = 7200
DATASETS = ("umls", "kinships")
EPOCHS = 200
SHARES = (0.05, 0.1, 0.25, 0.5)  # of the facts, that come in the update
FALSE = (0.0, 0.25, 0.5, 1.0)  # of the facts that come, those that are made false
MOST_LOST = 0.02  # of MRR on test facts, beside a new fit, where no refit is said to be due


def main() -> None:
    """Run the benchmark, or, in a process of its own, a part of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=Path, metavar="FOLDER", help="models of benchmarks.knowledge")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--part", choices=("share", "fit", "strain"), help=argparse.SUPPRESS)
    parser.add_argument("--dataset", choices=DATASETS, default=DATASETS[0], help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=0, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    if arguments.part is None:
        records.record(measure(arguments.seeds, arguments.threads, arguments.models))
        return
    import torch

    torch.set_num_threads(arguments.threads)
    if arguments.part == "share":
        print(json.dumps(shares(public(arguments.dataset), arguments.seed)))
    elif arguments.part == "fit":
        print(json.dumps(fit_snapshot(1, arguments.seed, arguments.models / f"{arguments.seed}-1")))
    else:
        print(json.dumps(strains(arguments.models / f"{arguments.seed}-1", arguments.seed)))


def measure(seeds: int, threads: int, models: Path | None) -> records.Result:
    """Every part and seed in a process of its own, one after the other."""
    env = measuring.environment(threads)
    own = measuring.part_of(NAME, "--threads", threads)
    rows: list[records.Row] = []

    def run(*options: object) -> Any:
        output = measuring.run_measured([*own, *map(str, options)], env, TIMEOUT).output
        print(f"{options}: {output}", file=sys.stderr)
        return output

    for name in DATASETS:
        found = [run("--part", "share", "--dataset", name, "--seed", seed) for seed in range(seeds)]
        rows += share_rows(name, found)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) if models is None else models.absolute()
        folder.mkdir(parents=True, exist_ok=True)
        names = [f"{seed}-1" for seed in range(seeds)]
        for seed, name in enumerate(names):
            if not (folder / name).exists():
                run("--part", "fit", "--seed", seed, "--models", folder)
        rows += strain_rows([run("--part", "strain", "--seed", seed, "--models", folder) for seed in range(seeds)])
        others = fitted_models(folder, names)
    title = (
        f"When a refit is due: UMLS and Kinships, {EPOCHS} epochs, and YAGO-3SP 1 to 2; {seeds} seed(s): mean, "
        "smallest, largest"
    )
    command = records.command_line(COMMAND, models=models, seeds=seeds, threads=threads)
    return records.make_result(NAME, title, command, rows, threads=threads, others=others)


def shares(splits: Any, seed: int) -> dict[str, dict[str, float]]:
    """What updates with more and more of the facts lose beside a new fit, and what they say of themselves."""
    import numpy as np

    from latticework.knowledge import DKGE

    facts, valid, test = (splits.graph.named(part) for part in (splits.graph.triples, splits.valid, splits.test))
    order = np.random.default_rng(seed).permutation(len(facts))

    def fitted(some: Sequence[Any]) -> Any:
        return DKGE(max_epochs=EPOCHS, random_state=seed, device="cpu").fit(some, valid)

    anew = fitted(facts).score(test)
    found = {}
    for share in SHARES:
        come = {int(place) for place in order[: round(share * len(facts))]}
        model = fitted([fact for place, fact in enumerate(facts) if place not in come])
        report = model.partial_fit(add=[facts[place] for place in sorted(come)], validation=valid)
        found[str(share)] = {
            "lost": anew - model.score(test),
            "share": report.changed_share,
            "strain": report.strain,
            "due": float(report.refit_due),
        }
    return found


def strains(folder: Path, seed: int) -> dict[str, dict[str, float]]:
    """What an update says of facts that are as they came, and of such that are partly false."""
    import numpy as np

    import latticework as lw
    from latticework.knowledge.deltas import Delta
    from latticework.knowledge.differences import difference

    graph, _ = facts_of(2)
    splits = load(2)
    valid = splits.graph.named(splits.valid)
    found = {}
    for part in FALSE:
        model = lw.load(folder, device="cpu")
        delta = difference(model.graph_, graph)
        add = swapped(delta.add, part, np.random.default_rng(seed))
        report = model.apply(Delta(add=add, remove=delta.remove), validation=valid)
        found[str(part)] = {"strain": report.strain, "share": report.changed_share, "due": float(report.refit_due)}
    return found


def swapped(facts: Sequence[Any], part: float, generator: Any) -> list[Any]:
    """The facts, of which some have got the tail of another fact of their relation."""
    chosen = generator.permutation(len(facts))[: round(part * len(facts))].tolist()
    result = list(facts)
    of_relation: dict[str, list[int]] = {}
    for place in chosen:
        of_relation.setdefault(facts[place][1], []).append(place)
    for places in of_relation.values():
        for place, other in zip(places, generator.permutation(places).tolist(), strict=True):
            result[place] = (*facts[place][:2], facts[other][2])
    return result


def share_rows(name: str, found: Sequence[Mapping[str, Mapping[str, float]]]) -> list[records.Row]:
    """What is lost where no refit is said to be due, and what is said."""
    rows = []
    for share in map(str, SHARES):
        outputs = [dict(each[share]) for each in found]
        what = f"{name}, {float(share):.0%} of the facts come in an update"
        due = column(outputs, "due")
        target = None if max(due) else f"<= {MOST_LOST:g}"
        rows.append(records.Row.mean(f"{what}: MRR, fitted anew over updated", column(outputs, "lost"), "", target))
        rows += said(what, outputs)
    return rows


def strain_rows(found: Sequence[Mapping[str, Mapping[str, float]]]) -> list[records.Row]:
    """What is said of true facts and of false ones."""
    rows = []
    for part in map(str, FALSE):
        what = f"YAGO-3SP 1 to 2, {float(part):.0%} of the facts that come made false"
        rows += said(what, [dict(each[part]) for each in found])
    return rows


def said(what: str, outputs: Sequence[dict[str, float]]) -> list[records.Row]:
    """The two figures, and how often they say that a refit is due."""
    return [
        records.Row.mean(f"{what}: changed share", column(outputs, "share"), ""),
        records.Row.mean(f"{what}: strain", column(outputs, "strain"), ""),
        records.Row.mean(f"{what}: says that a refit is due, of the seeds", column(outputs, "due"), ""),
    ]


if __name__ == "__main__":
    main()
