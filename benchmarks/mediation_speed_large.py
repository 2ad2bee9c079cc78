"""A study of ABCD's size, simulated, written as NIfTI files, and fitted by the command `mediate fit`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks import measuring, real_data, records

TIMEOUT = 7200
SEED = 0
GIBIBYTE = 2**30


def from_files_to_page(folder: Path, subjects: int, voxels: int, chain: Sequence[str]) -> list[records.Row]:
    """From NIfTI files to a page by a command, which is given the options of its chain; once."""
    truth = write_study_files(folder / "study", subjects, voxels)
    program = [sys.executable, "-m", "latticework"]
    model, page = str(folder / "model"), str(folder / "page.html")
    env = measuring.environment(1)
    fit = measuring.run_measured(
        [*program, "mediate", "fit", str(folder / "study"), "-o", model, "--results", str(folder / "results"), "--page",
         page, "--jobs", "2", "--json", *chain], env, TIMEOUT)  # fmt: skip
    effects = {one["effect"]: one for one in fit.output["effects"] if not one["region"]}
    what = f"{subjects:,} subjects, {voxels:,} voxels, 264 regions"
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
    return [*rows, records.Row(f"{what}: largest R-hat of NIE, NDE and TE", worst, "")]


def write_study_files(folder: Path, subjects: int, voxels: int) -> dict[str, float]:
    """Simulate the study and write it as files; NIE, NDE and TE."""
    import nibabel
    from scipy.ndimage import distance_transform_edt

    from latticework.mediation import BasisDecomposition, Study, write_study
    from latticework.mediation.labels import nearest_centre_labels, read_centres
    from latticework.mediation.spaces import Space

    data = real_data("mediation")
    image = nibabel.load(data / "neurovault_image_10426.nii.gz")
    brain = np.asarray(image.dataobj) != 0
    depth = np.where(brain, distance_transform_edt(brain), -distance_transform_edt(~brain))
    mask = np.zeros(brain.shape, bool)
    mask.ravel()[np.argsort(-depth, axis=None, kind="stable")[:voxels]] = True
    space = Space.of(mask, image.affine)
    coordinates = space.coordinates()
    centres = read_centres(data / "power_2011.csv")
    labels, regions = np.unique(nearest_centre_labels(coordinates, centres.points), return_inverse=True)
    rng = np.random.default_rng(SEED)
    decomposition = BasisDecomposition(n_components=4 * len(labels)).fit(coordinates, regions)
    basis, n = decomposition.basis_, subjects
    exposure, confounders = rng.standard_normal(n), rng.standard_normal((n, 2))
    carrying = rng.random(len(labels)) < 0.1  # regions that the exposure changes and that change the outcome
    on = carrying[regions]
    alpha = np.where(on, 0.2, 0.0)
    beta = np.where(on, 1.0, 0.0) / on.sum()
    nu = np.where(regions == np.flatnonzero(carrying)[0], 4.0, 0.0) / on.sum()
    eta = 0.5 * rng.standard_normal((n, basis.n_components)) * np.sqrt(basis.eigenvalues)
    design = np.column_stack([np.ones(n), exposure, confounders])
    eta -= design @ np.linalg.lstsq(design, eta, rcond=None)[0]
    images = np.empty((n, voxels), np.float32)
    outcome = 0.1 * exposure + confounders @ [0.2, -0.1] + 0.5 * rng.standard_normal(n)
    for begin in range(0, n, 100):
        some = slice(begin, min(begin + 100, n))
        individual = basis.expand(eta[some])
        image_of = np.outer(exposure[some], alpha) + individual + rng.standard_normal((len(individual), voxels))
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
