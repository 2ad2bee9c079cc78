"""Simulated studies, what models of `latticework.mediation` find in them, and how far that is from the truth."""

from __future__ import annotations

import dataclasses
import sys
import time
import warnings
from collections.abc import Mapping
from typing import Any

FIRST_SEED = 1000
CELLS = ("sparse", "dense", "none")
BIMA, BASMU = "BIMA", "BASMU"
PAPER, FLAT = "BASMU, the paper's priors", "BASMU, direct effect of any size"
SYSTEMS = {"sparse": (BIMA, BASMU, PAPER, FLAT), "dense": (BIMA, BASMU), "none": (BIMA, BASMU, PAPER)}
EFFECTS = ("NIE", "NDE", "TE")
CHOSEN = ("power", "fdr", "power by intervals", "fdr by intervals")
ANYTHING = 1e4  # standard deviation of a direct effect that says next to nothing

Found = dict[str, float]


def design(replicates: int, jobs: int, length: Mapping[str, int]) -> dict[str, dict[str, list[Found]]]:
    """Figures by kind of confounding and system, one for each replicate."""
    from joblib import Parallel, delayed

    tasks = [(cell, system, FIRST_SEED + k) for cell in CELLS for k in range(replicates) for system in SYSTEMS[cell]]
    results = Parallel(n_jobs=jobs, return_as="generator")(delayed(replicate)(*task, length) for task in tasks)
    found: dict[str, dict[str, list[Found]]] = {}
    for (cell, system, seed), figures in zip(tasks, results, strict=True):
        found.setdefault(cell, {}).setdefault(system, []).append(figures)
        print(f"{cell}, {system}, {seed}: {figures['NIE bias']:.2f} {figures['NDE bias']:.2f}", file=sys.stderr)
    return found


def replicate(cell: str, system: str, seed: int, length: Mapping[str, int]) -> Found:
    """Simulate a study, fit a system to it, and compare with the truth."""
    from latticework import mediation

    study = mediation.simulate(confounding=cell, random_state=seed)
    prior = {PAPER: mediation.Prior.paper(), FLAT: mediation.Prior(direct_effect_sd=ANYTHING)}.get(system)
    model = (mediation.BIMA if system == BIMA else mediation.BASMU)(prior=prior, n_jobs=1, random_state=seed, **length)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # R-hat is a figure of its own
        began = time.perf_counter()
        model.fit_study(study)
        seconds = time.perf_counter() - began
    table = model.effects_table_[model.effects_table_.region == ""].set_index("effect")
    truth = {"NIE": study.nie, "NDE": study.nde, "TE": study.te}
    found = {"seconds": seconds, "R-hat": float(table.rhat[list(EFFECTS)].max())}
    for name in EFFECTS:
        row = table.loc[name]
        found[f"{name} bias"] = float(row["mean"] - truth[name])
        found[f"{name} covered"] = float(row["lower"] <= truth[name] <= row["upper"])
    effect = study.alpha * study.beta
    error = (model.effect_ - effect) ** 2
    found["MSE null"], found["MSE non-null"] = float(error[effect == 0].mean()), float(error[effect != 0].mean())
    for rule, end in (("rope", ""), ("interval", " by intervals")):
        found |= {f"{name}{end}": value for name, value in selection(model.select(rule), effect).items()}
    return found


def selection(chosen: Any, truth: Any) -> Found:
    """False discovery rate and power of chosen voxels."""
    there = truth != 0
    return {
        "fdr": float((chosen & ~there).sum() / max(chosen.sum(), 1)),
        "power": float((chosen & there).sum() / max(there.sum(), 1)),
    }


def overlapping(seed: int, orthogonal: bool, length: Mapping[str, int]) -> Found:
    """Whether intervals cover in a small study whose individual effects are left as they are drawn."""
    from latticework import mediation

    options = {"n_components": 15, "direct_effect": 0.5, "sigma_mediator": 0.5, "sigma_outcome": 1.0}
    study = mediation.simulate(150, 8, "none", seed, orthogonal=False, **options)
    basis = mediation.BasisDecomposition(n_components=15)
    model = mediation.BIMA(basis, prior=mediation.Prior(orthogonal=orthogonal), n_jobs=1, random_state=seed, **length)
    return truths_covered(model, study)


def in_standard_units(seed: int, system: str, length: Mapping[str, int]) -> Found:
    """Whether intervals cover where N(0, 1) for the direct effect says next to nothing."""
    from latticework import mediation

    study = mediation.simulate(300, 20, "none", seed)
    size = float(study.outcome.std())
    scaled = dataclasses.replace(study, outcome=study.outcome / size, beta=study.beta / size, nde=study.nde / size)
    model = (mediation.BIMA if system == BIMA else mediation.BASMU)(n_jobs=1, random_state=seed, **length)
    return truths_covered(model, scaled)


def truths_covered(model: Any, study: Any) -> Found:
    """Whether the interval of each effect has its truth."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table = model.fit_study(study).effects_table_.set_index("effect")
    truth = {"NIE": study.nie, "NDE": study.nde, "TE": study.te}
    return {
        f"95 % intervals of {name} that cover": float(table.lower[name] <= truth[name] <= table.upper[name])
        for name in EFFECTS
    }
