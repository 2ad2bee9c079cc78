"""Quality of `latticework.mediation`: the authors' files, and replicates of their simulation design.

`python -m benchmarks.mediation` compares bases with the two that the authors ship; fits BIMA with a threshold to the
study that they ship; and simulates 20 studies by their design for each kind of unobserved confounding, which BIMA and
BASMU are fitted to with all their defaults, and BASMU with the paper's priors and with one that says next to nothing of
the direct effect. Small studies show why the defaults are not the paper's, and where BASMU fails: intervals that cover.
It writes results/mediation.json and prints the table that a methods paper would print. Needs LATTICEWORK_DATA.

Replicates have seeds of their own (from 1000), which nothing was chosen by.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import commits, real_data, records
from benchmarks.measuring import column
from benchmarks.mediation_studies import (
    BASMU,
    BIMA,
    CELLS,
    CHOSEN,
    EFFECTS,
    FIRST_SEED,
    Found,
    design,
    in_standard_units,
    overlapping,
    selection,
)

NAME = "mediation"
COMMAND = "python -m benchmarks.mediation"

MANY = 100  # small studies, to count intervals that cover
ROUNDS = 5  # of what is timed


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--replicates", type=int, default=20)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="two short replicates; nothing is recorded")
    parser.add_argument("--maps", type=Path, metavar="FILE", help="draw effects found in the first studies, no more")
    arguments = parser.parse_args()
    if arguments.maps is not None:
        draw_maps(arguments.maps)
        return
    data = real_data("mediation")
    lacks = [*commits.uncommitted(), *(["studies and draws in full"] if arguments.quick else [])]
    length = {"n_chains": 2, "n_warmup": 100, "n_draws": 100} if arguments.quick else {}
    replicates = 2 if arguments.quick else arguments.replicates
    rows = bases(data)
    rows += one_region(data, {} if arguments.quick else {"n_warmup": 2000, "n_draws": 2000})
    found = design(replicates, arguments.jobs, length)
    rows += design_rows(found)
    rows += departures(2 if arguments.quick else MANY, replicates, arguments.jobs, length)
    print(methods_table(found))
    title = f"Mediation by images: the authors' files, and means of {replicates} studies of each cell of their design"
    command = records.command_line(COMMAND, replicates=replicates, jobs=arguments.jobs)
    result = records.make_result(NAME, title, command, rows, threads=1, jobs=arguments.jobs)
    if records.record(result, lacks=lacks):
        print(records.table(result))


# The authors' files


def read(path: Path) -> Any:
    """What a file of R holds."""
    import rdata

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return rdata.read_rds(path) if path.suffix == ".rds" else rdata.read_rda(path)


def bases(data: Path) -> list[records.Row]:
    """Bases beside those that the authors ship."""
    from threadpoolctl import threadpool_limits

    from latticework.mediation.kernels import matern_basis
    from latticework.mediation.simulation import square_grid

    rows = []
    for file, side in (("basis_1region_p400.rds", 20), ("basis_1region_p1600_L120.rds", 40)):
        stored = read(data / file)
        values, vectors = stored["Phi_D"][0], stored["Phi_Q"][0]
        grid, seconds = square_grid(side), []
        with threadpool_limits(limits=1):
            ours, eigenvalues = matern_basis(grid, len(values) + 1)  # the first call imports what it needs: not timed
            for _ in range(ROUNDS):
                began = time.perf_counter()
                matern_basis(grid, len(values) + 1)
                seconds.append(time.perf_counter() - began)
        error = float(np.max(np.abs(eigenvalues[:-1] / values - 1)))
        within = np.linalg.norm(ours.T @ vectors, axis=0)  # all of theirs lie in the span of ours and one more
        told = f"Matérn basis of {side} x {side} voxels, {len(values)} components"
        rows.append(records.Row(f"{told}: largest relative error of eigenvalues", error, "", "<= 0.0000000001"))
        rows.append(
            records.Row(
                f"{told}: 1 - smallest cosine with ours", max(0.0, 1 - float(within.min())), "", "<= 0.00000001"
            )
        )
        rows.append(records.Row.of(f"{told}: ours on one thread, median of {ROUNDS}", seconds, "s"))
        if "elapsed" in stored:
            what = f"{told}: `elapsed` in their file, of a machine that it does not name"
            rows.append(records.Row(what, float(stored["elapsed"][0]), "s"))
    return rows


def one_region(data: Path, length: dict[str, int]) -> list[records.Row]:
    """BIMA with a threshold on the study that the authors ship."""
    from latticework.mediation import BIMA as Model
    from latticework.mediation import BasisDecomposition
    from latticework.mediation.simulation import square_grid

    stored = read(data / "one_region.rda")["one_region"]
    basis = BasisDecomposition("modified_squared_exponential", degree=10)
    began = time.perf_counter()
    model = Model(basis, threshold=0.5, random_state=0, **length)
    model.fit(stored["X"], stored["M"].T, stored["Y"].ravel(), stored["C"].T, coordinates=square_grid(20))
    seconds = time.perf_counter() - began
    table = model.effects_table_.set_index("effect")
    truth = stored["beta_test_ST"] * stored["alpha_test_ST"]
    rates = selection(model.select("pip"), truth)
    told = "one_region.rda, BIMA with threshold 0.5"
    rows = []
    for name, value in (("NIE", float(truth.sum())), ("NDE", float(stored["gamma"][0]))):
        row = table.loc[name]
        inside = float(row["lower"] <= value <= row["upper"])
        rows.append(
            records.Row(f"{told}: {name}, which is {value:.4g}", row["mean"], "", None, row["lower"], row["upper"])
        )
        rows.append(records.Row(f"{told}: {name} is within the interval", inside, "", ">= 1"))
    rows.append(records.Row(f"{told}: false discovery rate, PIP above 0.5", rates["fdr"], "", "<= 0.1"))
    rows.append(records.Row(f"{told}: power", rates["power"], "", ">= 0.9"))
    rows.append(records.Row(f"{told}: largest R-hat of NIE, NDE and TE", float(table.rhat[list(EFFECTS)].max()), ""))
    rows.append(records.Row(f"{told}: seconds", seconds, "s"))
    return rows


def draw_maps(path: Path, length: Mapping[str, int] | None = None, side: int = 40) -> None:
    """The effect through each voxel in the first study of each cell: the truth, and what both models find."""
    from matplotlib.figure import Figure

    from latticework import mediation

    figure = Figure(figsize=(7.2, 6.6), layout="constrained")
    axes = figure.subplots(len(CELLS), 3)
    for row, cell in zip(axes, CELLS, strict=True):
        study = mediation.simulate(side=side, confounding=cell, random_state=FIRST_SEED)
        maps = {f"{cell}: the truth": study.alpha * study.beta}
        for name, model in ((BIMA, mediation.BIMA), (BASMU, mediation.BASMU)):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                maps[name] = model(random_state=FIRST_SEED, **(length or {})).fit_study(study).effect_
        largest = float(np.abs(maps[f"{cell}: the truth"]).max())
        for place, (name, values) in zip(row, maps.items(), strict=True):
            shown = place.imshow(values.reshape(side, side), cmap="RdBu_r", vmin=-largest, vmax=largest, origin="lower")
            place.set(title=name, xticks=[], yticks=[])
        figure.colorbar(shown, ax=row, label="outcome by exposure")
    figure.savefig(path, dpi=110)


# Why the defaults are not the paper's


def departures(many: int, replicates: int, jobs: int, length: Mapping[str, int]) -> list[records.Row]:
    """Intervals that cover where individual effects are not made orthogonal, and where NDE's prior says little."""
    from joblib import Parallel, delayed

    def covered(task: Any, count: int, *options: Any) -> dict[str, float]:
        found = Parallel(n_jobs=jobs)(delayed(task)(FIRST_SEED + k, *options, length) for k in range(count))
        return {name: statistics.fmean(column(found, name)) for name in found[0]}

    rows = []
    for orthogonal, told in ((False, "by default"), (True, "taken to be orthogonal")):
        for name, share in covered(overlapping, many, orthogonal).items():
            what = f"{many} studies whose individual effects overlap by chance, {told}, BIMA: {name}"
            rows.append(records.Row(what, share, ""))
    for system in (BIMA, BASMU):
        for name, share in covered(in_standard_units, replicates, system).items():
            what = (
                f"{replicates} studies of 20 x 20 voxels, outcome at unit variance, nothing confounds, {system}: {name}"
            )
            rows.append(records.Row(what, share, ""))
    return rows


def rmse(found: Sequence[Found], effect: str) -> float:
    """Root of the mean squared error."""
    return math.sqrt(statistics.fmean(bias**2 for bias in column(found, f"{effect} bias")))


def design_rows(found: Mapping[str, Mapping[str, Sequence[Found]]]) -> list[records.Row]:
    """What is promised first, then every figure."""
    rows = []
    for effect in ("NIE", "NDE"):
        bias = {one: abs(statistics.fmean(column(found["sparse"][one], f"{effect} bias"))) for one in (BIMA, BASMU)}
        told = f"sparse: |bias| of {effect}, BASMU's by BIMA's"
        rows.append(records.Row(told, bias[BASMU] / bias[BIMA], "", "<= 0.5"))
        ratio = rmse(found["none"][BASMU], effect) / rmse(found["none"][BIMA], effect)
        rows.append(records.Row(f"none: RMSE of {effect}, BASMU's by BIMA's", ratio, "", "<= 1.2"))
    for effect in ("NDE", "TE"):
        for cell in CELLS:
            covered = statistics.fmean(column(found[cell][BASMU], f"{effect} covered"))
            rows.append(records.Row(f"{cell}: 95 % intervals of {effect} that cover, BASMU", covered, "", ">= 0.9"))
    for cell, systems in found.items():
        for system, outputs in systems.items():
            rows.append(records.Row(f"{cell}, {system}: studies", len(outputs), ""))
            for effect in EFFECTS:
                told = f"{cell}, {system}: {effect}"
                rows.append(records.Row.mean(f"{told}, bias", column(outputs, f"{effect} bias")))
                rows.append(records.Row(f"{told}, RMSE", rmse(outputs, effect), ""))
                rows.append(records.Row(f"{told}, covered", statistics.fmean(column(outputs, f"{effect} covered")), ""))
            for name in ("MSE null", "MSE non-null", *CHOSEN, "R-hat", "seconds"):
                rows.append(records.Row.mean(f"{cell}, {system}: {name}", column(outputs, name)))
    return rows


def methods_table(found: Mapping[str, Mapping[str, Sequence[Found]]]) -> str:
    """Bias (RMSE) and coverage of effects, errors of maps, power and false discovery rate, as papers print it."""
    head = ["ν", "method", *(f"{effect} {what}" for effect in EFFECTS for what in ("bias (RMSE)", "covered"))]
    head += ["MSE null", "MSE non-null", "power", "FDR", "power by intervals", "FDR by intervals"]
    lines = [head, ["---"] * len(head)]
    for cell, systems in found.items():
        for system, outputs in systems.items():
            line = [cell, system]
            for effect in EFFECTS:
                bias = statistics.fmean(column(outputs, f"{effect} bias"))
                line += [f"{bias:+.2f} ({rmse(outputs, effect):.2f})"]
                line += [f"{statistics.fmean(column(outputs, f'{effect} covered')):.2f}"]
            line += [f"{1e3 * statistics.fmean(column(outputs, name)):.2f}e-3" for name in ("MSE null", "MSE non-null")]
            line += [f"{statistics.fmean(column(outputs, name)):.2f}" for name in CHOSEN]
            lines.append(line)
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    main()
