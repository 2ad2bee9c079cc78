"""Open3D's normals and point feature histograms in an environment of its own.

FOLDER holds job.json, and cloud.npy [3, height, width], metres, NaN where there is no point. Open3D heeds no variable
for its threads: it takes every core that the process may have, so these have to be as many as ours has threads.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import open3d

from benchmarks.anomaly_geometry_parts import BTF, open3d_fpfh
from benchmarks.peers import timing

CLOUD, HISTOGRAMS = "cloud.npy", "open3d.npy"
NEAREST = 24  # neighbours: as many as ours has
PERCENT = 100  # what the bins of an angle add up to, twice: once of the point, once of its neighbours


def fpfh(folder: Path, job: timing.Job) -> dict[str, Any]:
    """Seconds of both numbers of neighbours; a RuntimeError where the process may have more cores, or fewer."""
    cores = len(os.sched_getaffinity(0))
    if cores != job["threads"]:
        raise RuntimeError(f"Open3D would take {cores} core(s), where ours has {job['threads']} thread(s)")
    cloud = np.load(folder / CLOUD)
    return {
        "nearest": open3d_fpfh(cloud, job["rounds"], nearest=(NEAREST, NEAREST)),
        "btf": open3d_fpfh(cloud, job["rounds"], nearest=BTF),
    }


def histograms(folder: Path, job: timing.Job) -> dict[str, Any]:
    """Write the histograms of all points, the order of angles and the unit as ours; normals towards the camera."""
    points = np.load(folder / CLOUD).reshape(3, -1).T
    points = points[~np.isnan(points).any(1)].astype(float)
    cloud = open3d.geometry.PointCloud(open3d.utility.Vector3dVector(points))
    nearest = open3d.geometry.KDTreeSearchParamKNN(NEAREST + 1)
    cloud.estimate_normals(nearest)
    cloud.orient_normals_towards_camera_location(np.zeros(3))
    found = open3d.pipelines.registration.compute_fpfh_feature(cloud, nearest)
    theta, alpha, phi = np.split(np.asarray(found.data).T / (2 * PERCENT), 3, axis=1)
    np.save(folder / HISTOGRAMS, np.concatenate([alpha, phi, theta], axis=1))
    return {"points": len(points)}


TASKS: dict[str, Any] = {"fpfh": fpfh, "histograms": histograms}

if __name__ == "__main__":
    timing.main(TASKS)
