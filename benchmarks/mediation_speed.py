"""Speed of `latticework.mediation` beside a literal sampler and the authors' package, and a study of ABCD's size.

`python -m benchmarks.mediation_speed` runs three parts, each in processes of its own, and writes
results/mediation_speed.json:

- stages: seconds an iteration, and effective draws of NIE a second, on studies of the authors' design (300 subjects,
  40 x 40 voxels, 120 components, sparse confounding), each round one of another seed, which the chains have too. The
  literal sampler is `tests/reference/mediation.py`: NumPy, every quantity of the paper drawn, with Langevin steps as
  the authors take or with Gibbs steps; four fifths of its iterations are burn-in, as in the authors' vignette, in stage
  two as many as there. All have the paper's priors, so that they draw from one posterior; ours by default stands
  beside. An iteration of our stage two visits a share of the voxels and draws all that are included together; one of
  theirs visits each voxel. NIE's draws are those of one stage, with the mean of the other; seconds are those of the
  draws that are kept. A chain with fewer than 100 effective draws did not mix: then there are no effective draws a
  second, and a row says so instead.
- authors: the same studies with the authors' package. LATTICEWORK_BASMU_R must say where it is: `mediation_r` tells how
  it is installed, and why its draws are not counted.
- large: 1,861 subjects with 47,000 voxels of 3 mm in 264 regions, one compressed NIfTI file a subject, from files to
  maps, tables and page by the command `mediate fit`. Needs LATTICEWORK_DATA, whose mask and
  atlas centres are used; effects and images are simulated.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import commits, measuring, mediation_r, mediation_speed_chains, mediation_speed_large, records
from benchmarks.mediation_speed_chains import FIRST, SECOND, TASKS
from latticework.mediation.spike_slab import ROUNDS, VISITED

NAME = "mediation_speed"
COMMAND = f"{mediation_r.LIBRARY}=LIBRARY python -m benchmarks.{NAME}"
TIMEOUT = 7200
PARTS = ("stages", "authors", "large")
SEED = 0  # of the first round
ENOUGH = 100  # effective draws; of fewer their number is a guess
SWEEP = ROUNDS * VISITED  # of the voxels, visited by an iteration of ours with the paper's priors

Stages = Sequence[dict[str, Any]]  # of each round what a chain is told to have taken
Part = tuple[list[records.Row], dict[str, str]]  # rows, and versions of what was measured


@dataclass(frozen=True)
class Sizes:
    """How much is done."""

    draws: tuple[int, int] = (20_000, 2_000)  # of ours in the stages
    literal: tuple[int, int] = (5_000, 1_000)  # after four times as many of burn-in
    authors: tuple[int, int] = (mediation_r.MEDIATOR, mediation_r.OUTCOME)  # iterations
    subjects: int = 1861
    voxels: int = 47_000
    chain: tuple[str, ...] = ()


QUICK = Sizes((500, 200), (100, 50), (100, 100), 60, 3000, ("--warmup", "50", "--draws", "50"))


def main() -> None:
    """Run the benchmark, or, in a process of its own, a part of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1, help="of the stages; the large study has two processes")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="small; nothing is recorded")
    parser.add_argument("--only", choices=PARTS, help="measure a part and show its table; nothing is recorded")
    parser.add_argument("--task", choices=sorted(TASKS), help=argparse.SUPPRESS)
    parser.add_argument("--lengths", type=int, nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.task is not None:
        warnings.simplefilter("ignore")
        print(json.dumps(TASKS[arguments.task](*arguments.lengths, arguments.seed)))
        return
    sizes = QUICK if arguments.quick else Sizes()
    parts = [part for part in PARTS if arguments.only in (None, part)]
    lacks = [*commits.uncommitted(), *(["studies and draws in full"] if arguments.quick else [])]
    lacks += [part for part in PARTS if part not in parts]
    if "authors" in parts:
        try:
            mediation_r.command(Path())
        except mediation_r.Absent as absent:
            print(f"{absent} Nothing will be recorded.", file=sys.stderr, flush=True)
            parts.remove("authors")
            lacks.append("the authors' package")
    rows: list[records.Row] = []
    versions: dict[str, str] = {}
    for part in parts:
        with tempfile.TemporaryDirectory() as folder:
            found, of_peer = {"stages": stages, "authors": authors, "large": large}[part](
                Path(folder), sizes, arguments.threads, arguments.repeats
            )
        print(*found, sep="\n", file=sys.stderr, flush=True)  # what follows takes long, and may fail
        rows += found
        versions |= of_peer
    threads, repeats = arguments.threads, arguments.repeats
    title = f"Mediation by images: speed and memory; {threads} thread(s), medians of {repeats} rounds"
    command = records.command_line(COMMAND, threads=threads, repeats=repeats)
    result = records.make_result(NAME, title, command, rows, threads=max(threads, 2), others=versions)
    if records.record(result, lacks=lacks):
        print(records.table(result))


# The two stages


def task(name: str, lengths: tuple[int, int], seed: int) -> measuring.Command:
    """A task of the benchmark, in a process of its own."""
    return measuring.part_of(NAME, "--task", name, "--lengths", *lengths, "--seed", seed)


def by_turns(
    commands: Callable[[int], dict[str, measuring.Command]], threads: int, repeats: int
) -> dict[str, list[dict[str, Any]]]:
    """What commands print, of each round; they depend on its seed."""
    outputs: dict[str, list[dict[str, Any]]] = {}
    for seed in range(SEED, SEED + repeats):
        runs = measuring.interleave(commands(seed), measuring.environment(threads), TIMEOUT, 1, threads)
        for name, (run,) in runs.items():
            outputs.setdefault(name, []).append(run.output)
    return outputs


def stages(folder: Path, sizes: Sizes, threads: int, repeats: int) -> Part:
    """Ours and the literal sampler by turns."""
    del folder

    def commands(seed: int) -> dict[str, measuring.Command]:
        lengths = {"ours": sizes.draws, "default": sizes.draws, "gibbs": sizes.literal, "langevin": sizes.literal}
        return {name: task(name, length, seed) for name, length in lengths.items()}

    outputs = by_turns(commands, threads, repeats)
    rows = []
    for name in (FIRST, SECOND):
        ours = [one[name] for one in outputs["ours"]]
        for other, steps in (("langevin", "Langevin steps"), ("gibbs", "Gibbs steps")):
            theirs = [one[name] for one in outputs[other]]
            rows += times_as_fast(name, f"the literal one, {steps}", ours, theirs)
            rows.append(times_as_many(name, steps, ours, theirs))
    systems = {
        "ours": "ours", "default": "ours, default priors", "langevin": "literal, Langevin", "gibbs": "literal, Gibbs"
    }  # fmt: skip
    for system, what in systems.items():
        for name in (FIRST, SECOND):
            rows += figures(f"{name}, {what}", [one[name] for one in outputs[system]])
    return rows, {}


def times_as_fast(stage: str, peer: str, ours: Stages, theirs: Stages) -> list[records.Row]:
    """Ratios of an iteration and, of stage two, of as many visits as there are voxels: some are visited twice."""
    ratios = measuring.paired_ratios(seconds(theirs), seconds(ours))
    head = f"{stage}: times as fast an iteration as {peer}"
    if stage == FIRST:
        return [records.Row.of(head, ratios, "times", ">= 50")]
    sweeps = [SWEEP * ratio for ratio in ratios]
    sweep = f"{stage}: times as fast in as many visits as there are voxels as {peer}"
    return [records.Row.of(head, ratios, "times"), records.Row.of(sweep, sweeps, "times", ">= 20")]


def times_as_many(stage: str, steps: str, ours: Stages, theirs: Stages) -> records.Row:
    """The ratio of effective draws a second or, where chains did not mix, in how many rounds they did."""
    both = [mixed(one) and mixed(other) for one, other in zip(ours, theirs, strict=True)]
    if all(both):
        ratios = measuring.paired_ratios(a_second(ours), a_second(theirs))
        head = f"{stage}: times as many effective draws of NIE a second, {steps}"
        return records.Row.of(head, ratios, "times")
    head = f"{stage}: no ratio of effective draws, {steps}, for chains did not mix; rounds in which both did"
    return records.Row(head, sum(both), f"of {len(both)}")


def figures(told_as: str, outputs: Stages) -> list[records.Row]:
    """Milliseconds, effective draws and, where chains mixed, those of a second."""
    milliseconds = [1e3 * one for one in seconds(outputs)]
    effective_draws, kept = [one["effective"] for one in outputs], outputs[0]["draws"]
    rows = [
        records.Row.of(f"{told_as}: milliseconds an iteration", milliseconds, "ms"),
        records.Row.of(f"{told_as}: effective draws of NIE", effective_draws, f"of {kept:,}"),
    ]
    if all(map(mixed, outputs)):
        rows.append(records.Row.of(f"{told_as}: effective draws of NIE a second", a_second(outputs), ""))
    return rows


def seconds(outputs: Stages) -> list[float]:
    """Of an iteration, by round."""
    return [one["seconds"] for one in outputs]


def a_second(outputs: Stages) -> list[float]:
    """Effective draws of the time that the draws took which were kept, by round."""
    return [one["effective"] / (one["seconds"] * one["draws"]) for one in outputs]


def mixed(output: dict[str, Any]) -> bool:
    """Whether the effective number of draws of a chain can be relied on."""
    return bool(output["effective"] >= ENOUGH)


# The authors' package


def authors(folder: Path, sizes: Sizes, threads: int, repeats: int) -> Part:
    """Ours and the authors' package by turns."""

    def of_round(seed: int) -> Path:
        return folder / str(seed)

    def commands(seed: int) -> dict[str, measuring.Command]:
        study, _ = mediation_speed_chains.prepared(seed, standardise=False)
        basis = study.basis.blocks[0]
        given = mediation_r.Study(
            study.exposure, study.mediators, study.outcome, study.confounders, basis.vectors, basis.eigenvalues
        )
        of_round(seed).mkdir()
        mediation_r.write(given, of_round(seed), mediator=sizes.authors[0], outcome=sizes.authors[1], seed=seed)
        return {"ours": task("ours", sizes.draws, seed), "authors": mediation_r.command(of_round(seed))}

    outputs = by_turns(commands, threads, repeats)
    found = [mediation_r.read(of_round(seed), output) for seed, output in enumerate(outputs["authors"], SEED)]
    rows = []
    for name, stage in ((FIRST, "mediator"), (SECOND, "outcome")):
        theirs = [{"seconds": one["seconds"][stage]["iteration"]} for one in found]
        rows += times_as_fast(name, "the authors' package", [one[name] for one in outputs["ours"]], theirs)
        milliseconds = [1e3 * one for one in seconds(theirs)]
        rows.append(records.Row.of(f"{name}, the authors' package: milliseconds an iteration", milliseconds, "ms"))
    return rows, found[0]["versions"]


def large(folder: Path, sizes: Sizes, threads: int, repeats: int) -> Part:
    """A study of ABCD's size, once."""
    del threads, repeats
    return mediation_speed_large.from_files_to_page(folder, sizes.subjects, sizes.voxels, sizes.chain), {}


if __name__ == "__main__":
    main()
