"""Speed of `latticework.mediation` beside a literal sampler and the authors' package, and a study of ABCD's size.

`python -m benchmarks.mediation_speed` runs three parts, each in processes of its own, and writes
results/mediation_speed.json:

- stages: seconds an iteration, and effective draws of NIE a second, on one study of the authors' design (300 subjects,
  40 x 40 voxels, 120 components, sparse confounding). The literal sampler is `tests/reference/mediation.py`: NumPy,
  every quantity of the paper drawn, with Langevin steps as the authors take or with Gibbs steps. All have the paper's
  priors, so that they draw from one posterior; ours by default stands beside. An iteration of our stage two visits a
  share of the voxels and draws all that are included together; one of theirs visits each voxel. NIE's draws are those
  of one stage, with the mean of the other.
- authors: the same study with the authors' package, if LATTICEWORK_BASMU_R says where it is; see `mediation_r`.
- large: 1,861 subjects with 47,000 voxels of 3 mm in 264 regions, one compressed NIfTI file a subject, from files to
  maps, tables and page by the command `mediate fit`. Needs LATTICEWORK_DATA, whose mask and
  atlas centres are used; effects and images are simulated.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
import tempfile
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import harness
from latticework.mediation.spike_slab import ROUNDS, VISITED

NAME = "mediation_speed"
COMMAND = "python -m benchmarks.mediation_speed"
TIMEOUT = 7200
PARTS = ("stages", "authors", "large")
SEED = 0
STUDY = "study.npz"
FIRST, SECOND = "stage 1", "stage 2"
GIBIBYTE = 2**30


@dataclass(frozen=True)
class Sizes:
    """How much is done."""

    draws: tuple[int, int] = (20_000, 2_000)  # of ours in the stages
    literal: tuple[int, int] = (2_000, 500)
    authors: tuple[int, int] = (1_000, 1_000)
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
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--lengths", type=int, nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.task is not None:
        warnings.simplefilter("ignore")
        print(json.dumps(TASKS[arguments.task](arguments.folder, *arguments.lengths)))
        return
    sizes = QUICK if arguments.quick else Sizes()
    rows: list[harness.Row] = []
    for part in PARTS if arguments.only is None else (arguments.only,):
        with tempfile.TemporaryDirectory() as folder:
            found = {"stages": stages, "authors": authors, "large": large}[part](
                Path(folder), sizes, arguments.threads, arguments.repeats
            )
        print(*found, sep="\n", file=sys.stderr, flush=True)  # what follows takes long, and may fail
        rows += found
    title = f"Mediation by images: speed and memory; {arguments.threads} thread(s), {arguments.repeats} rounds"
    command = f"{COMMAND} --threads {arguments.threads} --repeats {arguments.repeats}"
    result = harness.make_result(NAME, title, command, rows, threads=max(arguments.threads, 2))
    if arguments.only is None and not arguments.quick:
        harness.record(result)
    print(harness.table(result))


# The two stages


def task(name: str, folder: Path, lengths: tuple[int, int]) -> harness.Command:
    """A task of this module, in a process of its own."""
    module = COMMAND.rpartition(" ")[2]
    numbers = [str(length) for length in lengths]
    return [sys.executable, "-m", module, "--task", name, "--folder", str(folder), "--lengths", *numbers]


def stages(folder: Path, sizes: Sizes, threads: int, repeats: int) -> list[harness.Row]:
    """Ours and the literal sampler by turns."""
    commands = {
        "ours": task("ours", folder, sizes.draws),
        "default": task("default", folder, sizes.draws),
        "gibbs": task("gibbs", folder, sizes.literal),
        "langevin": task("langevin", folder, sizes.literal),
    }
    runs = harness.interleave(commands, harness.environment(threads), TIMEOUT, repeats)
    outputs = {name: [measured.output for measured in several] for name, several in runs.items()}
    rows = []
    for name, target in ((FIRST, ">= 50"), (SECOND, ">= 20")):
        ours = [one[name]["seconds"] for one in outputs["ours"]]
        for other, told in (("langevin", "Langevin steps"), ("gibbs", "Gibbs steps")):
            theirs = [one[name]["seconds"] for one in outputs[other]]
            ratios = harness.paired_ratios(theirs, ours)
            head = f"{name}: times as fast an iteration as the literal one, {told}"
            rows.append(harness.Row.of(head, ratios, "times", target))
            effective_draws = [[one[name]["ess"] for one in outputs[system]] for system in ("ours", other)]
            more = harness.paired_ratios(*effective_draws)
            rows.append(harness.Row.of(f"{name}: times as many effective draws of NIE a second, {told}", more, "times"))
    sweep = [ROUNDS * VISITED * ratio for ratio in harness.paired_ratios(
        [one[SECOND]["seconds"] for one in outputs["gibbs"]], [one[SECOND]["seconds"] for one in outputs["ours"]]
    )]  # fmt: skip
    rows.append(
        harness.Row.of(f"{SECOND}: times as fast until every voxel is visited once, Gibbs steps", sweep, "times")
    )
    systems = {
        "ours": "ours", "default": "ours, default priors", "langevin": "literal, Langevin", "gibbs": "literal, Gibbs"
    }  # fmt: skip
    for system, told in systems.items():
        for name in (FIRST, SECOND):
            milliseconds = [1e3 * one[name]["seconds"] for one in outputs[system]]
            rows.append(harness.Row.of(f"{name}, {told}: milliseconds an iteration", milliseconds, "ms"))
            effective = [one[name]["ess"] for one in outputs[system]]
            rows.append(harness.Row.of(f"{name}, {told}: effective draws of NIE a second", effective, ""))
    return rows


def prepared(*, standardise: bool) -> tuple[Any, Any]:
    """The study, and what the samplers see of it."""
    from latticework.mediation import simulate
    from latticework.mediation.preparation import prepare

    study = simulate(random_state=SEED)
    given = (study.exposure, study.mediators, study.outcome, study.confounders, study.basis)
    return study, prepare(*given, standardise=standardise)


def effective(draws: np.ndarray) -> float:
    """The effective number of draws of one chain."""
    from latticework.mediation.effects import convergence

    return convergence(draws[None])[1]


def told(seconds: float, iterations: int, draws: np.ndarray) -> dict[str, float]:
    """Seconds an iteration, and effective draws a second of the iterations that were kept."""
    each = seconds / iterations
    return {"seconds": each, "ess": effective(draws) / (each * len(draws))}


def ours(folder: Path, first: int, second: int, prior: Any = None) -> dict[str, Any]:
    """One chain of each stage, with the paper's priors or others."""
    from latticework.mediation.chains import ConfoundedChain, Length, MediatorChain
    from latticework.mediation.prior import Prior

    del folder
    prior = Prior.paper() if prior is None else prior
    _, data = prepared(standardise=prior.standardise)
    MediatorChain(data, prior, Length(10, 10), SEED, 0)()
    warm = first // 10
    began = time.perf_counter()
    mediators = MediatorChain(data, prior, Length(warm, first), SEED, 0)()
    seconds = time.perf_counter() - began
    handed_on = (mediators.shrinkage.mean(axis=0, keepdims=True), None if prior.orthogonal else mediators.alpha)
    ConfoundedChain(data, prior, Length(10, 10), SEED, 0, *handed_on)()  # the scan is compiled
    began = time.perf_counter()
    chain = ConfoundedChain(data, prior, Length(second // 4, second), SEED, 0, *handed_on)()
    later = time.perf_counter() - began
    return {
        FIRST: told(seconds, warm + first, mediators.alpha @ chain.beta.mean(axis=0)),
        SECOND: told(later, second // 4 + second, chain.beta @ mediators.alpha.mean(axis=0)),
    }


def by_default(folder: Path, first: int, second: int) -> dict[str, Any]:
    """The same with our own priors."""
    from latticework.mediation.prior import Prior

    return ours(folder, first, second, Prior())


def literal(first: int, second: int, tau: float | None) -> dict[str, Any]:
    """The literal sampler, with Langevin steps of that first size or, without one, Gibbs steps."""
    reference = importlib.import_module("tests.reference.mediation")
    study, _ = prepared(standardise=False)
    basis = study.basis.blocks[0]
    centred = [values - values.mean(axis=0) for values in (study.mediators, study.exposure, study.confounders)]
    data = reference.MediatorData(*centred, basis.vectors, basis.eigenvalues)
    rng = np.random.default_rng(SEED)
    sizes = None if tau is None else np.full(1, tau)
    began = time.perf_counter()
    mediators = reference.run_mediators(data, reference.MediatorPrior(), rng, warmup=first // 2, draws=first, tau=sizes)
    seconds = time.perf_counter() - began
    eta = mediators["mean_theta_eta"] @ basis.vectors.T
    outcome = reference.OutcomeData(study.outcome - study.outcome.mean(), eta, data)
    began = time.perf_counter()
    draws = reference.run_outcome(outcome, reference.OutcomePrior(), rng, warmup=second // 2, draws=second, tau=sizes)
    later = time.perf_counter() - began
    alpha, beta = mediators["theta_alpha"], draws["theta_beta"]
    return {
        FIRST: told(seconds, first // 2 + first, alpha @ beta.mean(axis=0)),
        SECOND: told(later, second // 2 + second, beta @ alpha.mean(axis=0)),
    }


# The authors' package


def authors(folder: Path, sizes: Sizes, threads: int, repeats: int) -> list[harness.Row]:
    """Ours and the authors' package by turns; nothing where it is absent."""
    from benchmarks import mediation_r

    study, _ = prepared(standardise=False)
    basis = study.basis.blocks[0]
    given = mediation_r.Study(
        study.exposure, study.mediators, study.outcome, study.confounders, basis.vectors, basis.eigenvalues
    )
    try:
        mediation_r.write(given, folder, mediator=sizes.authors[0], outcome=sizes.authors[1], seed=SEED)
        command = mediation_r.command(folder)
    except mediation_r.Absent as absent:
        print(f"the authors' package is left out: {absent}", file=sys.stderr)
        return []
    commands = {"ours": task("ours", folder, sizes.draws), "authors": command}
    runs = harness.interleave(commands, harness.environment(threads), TIMEOUT, repeats)
    rows = []
    for name, stage in ((FIRST, "mediator"), (SECOND, "outcome")):
        ours_seconds = [one.output[name]["seconds"] for one in runs["ours"]]
        theirs = [mediation_r.read(folder, one.output)["seconds"][stage]["iteration"] for one in runs["authors"]]
        ratios = harness.paired_ratios(theirs, ours_seconds)
        rows.append(harness.Row.of(f"{name}: times as fast an iteration as the authors' package", ratios, "times"))
        rows.append(
            harness.Row.of(f"{name}, the authors' package: milliseconds an iteration", [1e3 * t for t in theirs], "ms")
        )
    return rows


# A study of ABCD's size


def large(folder: Path, sizes: Sizes, threads: int, repeats: int) -> list[harness.Row]:
    """From NIfTI files to a page by commands, once."""
    del threads, repeats
    truth = write_large(folder / "study", sizes)
    program = [sys.executable, "-m", "latticework"]
    model, page = str(folder / "model"), str(folder / "page.html")
    env = harness.environment(1)
    fit = harness.run_measured(
        [*program, "mediate", "fit", str(folder / "study"), "-o", model, "--results", str(folder / "results"), "--page",
         page, "--jobs", "2", "--json", *sizes.chain], env, TIMEOUT)  # fmt: skip
    effects = {one["effect"]: one for one in fit.output["effects"] if not one["region"]}
    what = f"{sizes.subjects:,} subjects, {sizes.voxels:,} voxels, 264 regions"
    rows = [
        harness.Row(f"{what}: from NIfTI files to maps and page", fit.wall / 60, "min", "<= 15"),
        harness.Row(
            f"{what}: memory of its three processes, if all had that of the largest",
            3 * fit.peak_memory / GIBIBYTE,
            "GiB",
            "<= 8",
        ),
    ]
    for name in ("NIE", "NDE", "TE"):
        one = effects[name]
        told_as = f"{what}: {name}, which is {truth[name]:.3g}"
        rows.append(harness.Row(told_as, one["mean"], "", None, one["lower"], one["upper"]))
    worst = max(effects[name]["rhat"] for name in ("NIE", "NDE", "TE"))
    return [*rows, harness.Row(f"{what}: largest R-hat of NIE, NDE and TE", worst, "")]


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


TASKS = {
    "ours": ours,
    "default": by_default,
    "gibbs": lambda folder, first, second: literal(first, second, None),
    "langevin": lambda folder, first, second: literal(first, second, 1e-2 / 300),
}


if __name__ == "__main__":
    main()
