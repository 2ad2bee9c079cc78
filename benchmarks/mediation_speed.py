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
import importlib
import json
import math
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import commits, measuring, mediation_r, records
from latticework.mediation.spike_slab import ROUNDS, VISITED

NAME = "mediation_speed"
COMMAND = f"{mediation_r.LIBRARY}=LIBRARY python -m benchmarks.{NAME}"
TIMEOUT = 7200
PARTS = ("stages", "authors", "large")
SEED = 0  # of the first round, and of the large study
ENOUGH = 100  # effective draws; of fewer their number is a guess
FIRST, SECOND = "stage 1", "stage 2"
GIBIBYTE = 2**30
SWEEP = ROUNDS * VISITED  # of the voxels, visited by an iteration of ours with the paper's priors

Stages = Sequence[dict[str, Any]]  # of each round what `told` says
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
    """A task of this module, in a process of its own."""
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


def prepared(seed: int, *, standardise: bool) -> tuple[Any, Any]:
    """A study, and what the samplers see of it."""
    from latticework.mediation import simulate
    from latticework.mediation.preparation import prepare

    study = simulate(random_state=seed)
    given = (study.exposure, study.mediators, study.outcome, study.confounders, study.basis)
    return study, prepare(*given, standardise=standardise)


def told(elapsed: float, iterations: int, draws: np.ndarray) -> dict[str, float]:
    """Seconds an iteration, and how many draws of NIE were kept and what they are worth, of one chain."""
    from latticework.mediation.effects import convergence

    effective = convergence(draws[None])[1]
    none = math.isnan(effective)  # all are the same
    return {"seconds": elapsed / iterations, "draws": len(draws), "effective": 0.0 if none else effective}


def ours(first: int, second: int, seed: int, prior: Any = None) -> dict[str, Any]:
    """One chain of each stage, with the paper's priors or others."""
    from latticework.mediation.chains import ConfoundedChain, MediatorChain
    from latticework.mediation.iterations import Length
    from latticework.mediation.prior import Prior

    prior = Prior.paper() if prior is None else prior
    _, data = prepared(seed, standardise=prior.standardise)
    MediatorChain(data, prior, Length(10, 10), seed, 0)()
    warm = first // 10
    began = time.perf_counter()
    mediators = MediatorChain(data, prior, Length(warm, first), seed, 0)()
    earlier = time.perf_counter() - began
    handed_on = (mediators.shrinkage.mean(axis=0, keepdims=True), None if prior.orthogonal else mediators.alpha)
    ConfoundedChain(data, prior, Length(10, 10), seed, 0, *handed_on)()  # the scan is compiled
    began = time.perf_counter()
    chain = ConfoundedChain(data, prior, Length(second // 4, second), seed, 0, *handed_on)()
    later = time.perf_counter() - began
    return {
        FIRST: told(earlier, warm + first, mediators.alpha @ chain.beta.mean(axis=0)),
        SECOND: told(later, second // 4 + second, chain.beta @ mediators.alpha.mean(axis=0)),
    }


def by_default(first: int, second: int, seed: int) -> dict[str, Any]:
    """The same with our own priors."""
    from latticework.mediation.prior import Prior

    return ours(first, second, seed, Prior())


def literal(first: int, second: int, seed: int, tau: float | None) -> dict[str, Any]:
    """The literal sampler, with Langevin steps of that first size or, without one, Gibbs steps."""
    reference = importlib.import_module("tests.reference.mediation")
    study, _ = prepared(seed, standardise=False)
    basis = study.basis.blocks[0]
    centred = [values - values.mean(axis=0) for values in (study.mediators, study.exposure, study.confounders)]
    data = reference.MediatorData(*centred, basis.vectors, basis.eigenvalues)
    rng = np.random.default_rng(seed)
    sizes = None if tau is None else np.full(1, tau)
    began = time.perf_counter()
    mediators = reference.run_mediators(data, reference.MediatorPrior(), rng, warmup=4 * first, draws=first, tau=sizes)
    earlier = time.perf_counter() - began
    eta = mediators["mean_theta_eta"] @ basis.vectors.T
    outcome = reference.OutcomeData(study.outcome - study.outcome.mean(), eta, data)
    began = time.perf_counter()
    draws = reference.run_outcome(outcome, reference.OutcomePrior(), rng, warmup=4 * second, draws=second, tau=sizes)
    later = time.perf_counter() - began
    alpha, beta = mediators["theta_alpha"], draws["theta_beta"]
    return {
        FIRST: told(earlier, 5 * first, alpha @ beta.mean(axis=0)),
        SECOND: told(later, 5 * second, beta @ alpha.mean(axis=0)),
    }


# The authors' package


def authors(folder: Path, sizes: Sizes, threads: int, repeats: int) -> Part:
    """Ours and the authors' package by turns."""

    def of_round(seed: int) -> Path:
        return folder / str(seed)

    def commands(seed: int) -> dict[str, measuring.Command]:
        study, _ = prepared(seed, standardise=False)
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


# A study of ABCD's size


def large(folder: Path, sizes: Sizes, threads: int, repeats: int) -> Part:
    """From NIfTI files to a page by commands, once."""
    del threads, repeats
    truth = write_large(folder / "study", sizes)
    program = [sys.executable, "-m", "latticework"]
    model, page = str(folder / "model"), str(folder / "page.html")
    env = measuring.environment(1)
    fit = measuring.run_measured(
        [*program, "mediate", "fit", str(folder / "study"), "-o", model, "--results", str(folder / "results"), "--page",
         page, "--jobs", "2", "--json", *sizes.chain], env, TIMEOUT)  # fmt: skip
    effects = {one["effect"]: one for one in fit.output["effects"] if not one["region"]}
    what = f"{sizes.subjects:,} subjects, {sizes.voxels:,} voxels, 264 regions"
    rows = [
        records.Row(f"{what}: from NIfTI files to maps and page", fit.wall / 60, "min", "<= 15"),
        records.Row(
            f"{what}: memory of its three processes, if all had that of the largest",
            3 * fit.peak_memory / GIBIBYTE,
            "GiB",
            "<= 8",
        ),
    ]
    for name in ("NIE", "NDE", "TE"):
        one = effects[name]
        told_as = f"{what}: {name}, which is {truth[name]:.3g}"
        rows.append(records.Row(told_as, one["mean"], "", None, one["lower"], one["upper"]))
    worst = max(effects[name]["rhat"] for name in ("NIE", "NDE", "TE"))
    return [*rows, records.Row(f"{what}: largest R-hat of NIE, NDE and TE", worst, "")], {}


def write_large(folder: Path, sizes: Sizes) -> dict[str, float]:
    """Simulate the study and write it as files; NIE, NDE and TE."""
    import nibabel
    from scipy.ndimage import distance_transform_edt

    from latticework.mediation import BasisDecomposition, Study, write_study
    from latticework.mediation.labels import nearest_centre_labels, read_centres
    from latticework.mediation.spaces import Space

    data = Path(os.environ["LATTICEWORK_DATA"]) / "mediation"
    image = nibabel.load(data / "neurovault_image_10426.nii.gz")
    brain = np.asarray(image.dataobj) != 0
    depth = np.where(brain, distance_transform_edt(brain), -distance_transform_edt(~brain))
    mask = np.zeros(brain.shape, bool)
    mask.ravel()[np.argsort(-depth, axis=None, kind="stable")[: sizes.voxels]] = True
    space = Space.of(mask, image.affine)
    coordinates = space.coordinates()
    centres = read_centres(data / "power_2011.csv")
    labels, regions = np.unique(nearest_centre_labels(coordinates, centres.points), return_inverse=True)
    rng = np.random.default_rng(SEED)
    decomposition = BasisDecomposition(n_components=4 * len(labels)).fit(coordinates, regions)
    basis, n = decomposition.basis_, sizes.subjects
    exposure, confounders = rng.standard_normal(n), rng.standard_normal((n, 2))
    carrying = rng.random(len(labels)) < 0.1  # regions that the exposure changes and that change the outcome
    on = carrying[regions]
    alpha = np.where(on, 0.2, 0.0)
    beta = np.where(on, 1.0, 0.0) / on.sum()
    nu = np.where(regions == np.flatnonzero(carrying)[0], 4.0, 0.0) / on.sum()
    eta = 0.5 * rng.standard_normal((n, basis.n_components)) * np.sqrt(basis.eigenvalues)
    design = np.column_stack([np.ones(n), exposure, confounders])
    eta -= design @ np.linalg.lstsq(design, eta, rcond=None)[0]
    images = np.empty((n, sizes.voxels), np.float32)
    outcome = 0.1 * exposure + confounders @ [0.2, -0.1] + 0.5 * rng.standard_normal(n)
    for begin in range(0, n, 100):
        some = slice(begin, min(begin + 100, n))
        individual = basis.expand(eta[some])
        image_of = np.outer(exposure[some], alpha) + individual + rng.standard_normal((len(individual), sizes.voxels))
        images[some] = image_of
        outcome[some] += image_of @ beta + individual @ nu
    study = Study(
        exposure=exposure, mediators=images, outcome=outcome, confounders=confounders, coordinates=coordinates,
        regions=regions, region_names=tuple(centres.names[label] for label in labels),
        confounder_names=("age", "sex"), space=space,
    )  # fmt: skip
    write_study(study, folder)
    indirect = float(alpha @ beta)
    return {"NIE": indirect, "NDE": 0.1, "TE": indirect + 0.1}


TASKS: dict[str, Callable[[int, int, int], dict[str, Any]]] = {
    "ours": ours,
    "default": by_default,
    "gibbs": lambda first, second, seed: literal(first, second, seed, None),
    "langevin": lambda first, second, seed: literal(first, second, seed, 1e-2 / 300),
}


if __name__ == "__main__":
    main()
