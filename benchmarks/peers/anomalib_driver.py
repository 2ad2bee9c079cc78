"""anomalib's coreset in an environment of its own: `KCenterGreedy`, and nothing else of the library.

FOLDER holds job.json, and features.npy "patches channels"; the patches that were chosen are written there.

The packages around the module import all models, and with them what they need; so they are stood in for by empty ones
that know where their files are. The module itself is as it was installed.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch

from benchmarks.peers import timing

FEATURES, CHOSEN = "features.npy", "anomalib.npy"
PACKAGES = (
    "anomalib",
    "anomalib.models",
    "anomalib.models.components",
    "anomalib.models.components.dimensionality_reduction",
    "anomalib.models.components.sampling",
)


def k_center_greedy() -> Any:
    """The class."""
    spec = importlib.util.find_spec("anomalib")
    if spec is None or spec.origin is None:
        raise RuntimeError("anomalib is not installed here")
    home = Path(spec.origin).parent
    for name in PACKAGES:
        package = ModuleType(name)
        package.__path__ = [str(home.joinpath(*name.split(".")[1:]))]
        sys.modules[name] = package
    projections = importlib.import_module(f"{PACKAGES[3]}.random_projection")
    vars(sys.modules[PACKAGES[3]])["SparseRandomProjection"] = projections.SparseRandomProjection
    return importlib.import_module(f"{PACKAGES[4]}.k_center_greedy").KCenterGreedy


def coreset(folder: Path, job: timing.Job) -> dict[str, Any]:
    """Choose; features of three axes are not projected. The first one is drawn by torch, from the seed."""
    torch.set_num_threads(job["threads"])
    features = torch.from_numpy(np.load(folder / FEATURES))[:, :, None]
    sampler = k_center_greedy()(features, job["fraction"])
    torch.manual_seed(job["seed"])
    began = time.perf_counter()
    chosen = sampler.select_coreset_idxs()
    seconds = time.perf_counter() - began
    if chosen[0] != job["start"]:
        raise RuntimeError(f"it starts at {chosen[0]}, not at {job['start']}")
    np.save(folder / CHOSEN, np.array(chosen))
    return {"seconds": seconds}


TASKS: dict[str, Any] = {"coreset": coreset}

if __name__ == "__main__":
    timing.main(TASKS)
