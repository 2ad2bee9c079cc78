"""What `benchmarks.anomaly_speed` times of the geometry of clouds: seconds of ours, and of others on the same points.

Functions only. Each takes the cloud [3, height, width] of `part`, and gives seconds, one a round, after one that does
not count. `open3d_fpfh` runs in an environment where Open3D is (0.20.0, which also wants the system's libusb-1.0); this
module imports nothing but NumPy until one of its functions is called.

As many neighbours for both: ours takes 24 pixels, on a square of 5 x 5 for normals and on every second pixel of 9 x 9
for features; Open3D searches its tree for the 24 nearest points. With `nearest=BTF` it does what BTF, the published
peer, asks of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

SIDE, STEP = 224, 0.0005  # pixels, and metres from one to the next
BTF = (30, 100)  # neighbours for normals, and for features


def part(seed: int = 0, share: float = 1.0) -> np.ndarray:
    """A round, bumpy thing half a metre away, scanned with 0.1 mm of noise, that covers a share of the picture."""
    random = np.random.default_rng(seed)
    rows, columns = (np.mgrid[:SIDE, :SIDE] - SIDE // 2) * STEP
    depth = 0.5 - 0.01 * np.cos(40 * rows) * np.cos(55 * columns) + 0.0003 * np.sin(900 * rows + 300 * columns)
    xyz = np.stack([columns, rows, depth + 1e-4 * random.standard_normal((SIDE, SIDE))]).astype(np.float32)
    far = np.maximum(np.abs(rows), np.abs(columns)) > np.sqrt(share) * SIDE * STEP / 2
    return np.where(far, np.float32(np.nan), xyz)


def seconds(work: Callable[[], object], rounds: int) -> list[float]:
    """How long each round takes, after one that does not count."""
    found = []
    for _ in range(rounds + 1):
        began = time.perf_counter()
        work()
        found.append(time.perf_counter() - began)
    return found[1:]


def ours_fpfh(xyz: np.ndarray, rounds: int) -> dict[str, list[float]]:
    """Normals, features, and both."""
    import torch

    from latticework.anomaly.features.fpfh import fpfh
    from latticework.anomaly.features.geometry import local_planes

    clouds = torch.from_numpy(xyz)[None]
    normals = local_planes(clouds).normals
    return {
        "normals": seconds(lambda: local_planes(clouds), rounds),
        "features": seconds(lambda: fpfh(clouds, normals), rounds),
        "both": seconds(lambda: fpfh(clouds, local_planes(clouds).normals), rounds),
    }


def open3d_fpfh(xyz: np.ndarray, rounds: int, *, nearest: tuple[int, int] = (24, 24)) -> dict[str, list[float]]:
    """Normals, features, and both, with so many neighbours for each, by a tree, on every core the process may have."""
    import open3d

    points = xyz.reshape(3, -1).T
    cloud = open3d.geometry.PointCloud(open3d.utility.Vector3dVector(points[~np.isnan(points).any(1)].astype(float)))
    for_normals, for_features = (open3d.geometry.KDTreeSearchParamKNN(count + 1) for count in nearest)

    def normals() -> None:
        cloud.estimate_normals(for_normals)

    def features() -> Any:
        return open3d.pipelines.registration.compute_fpfh_feature(cloud, for_features)

    return {
        "normals": seconds(normals, rounds),
        "features": seconds(features, rounds),
        "both": seconds(lambda: (normals(), features()), rounds),
    }
