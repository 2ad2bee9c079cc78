"""Normals and FPFH that Open3D gave, and the bumpy surface that it was asked about.

`python tests/reference/open3d_fpfh.py`, in an environment of its own where Open3D 0.20.0 is installed, writes
open3d_fpfh.npz beside this file anew. The surface is an organised cloud on a square grid so flat that the ball around a
point holds exactly the 24 pixels around it: their corners are 2.83 steps away, the first pixels beyond them 3.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

SIDE, STEP, BALL = 24, 0.001, 2.92  # pixels; metres from one to the next; steps
STORED = Path(__file__).with_suffix(".npz")


def surface() -> np.ndarray:
    """Points [SIDE, SIDE, 3], metres, half a metre from the camera."""
    random = np.random.default_rng(33)
    rows, columns = np.mgrid[:SIDE, :SIDE] * STEP
    depth = 0.5 + 4e-5 * random.standard_normal((SIDE, SIDE))
    for _ in range(6):
        down, right = random.uniform(-500, 500, 2)
        depth += 4e-5 * np.cos(down * rows + right * columns + random.uniform(0, 6))
    return np.stack([columns, rows, depth], axis=2)


def bent_normals() -> np.ndarray:
    """Unit vectors [points, 3] that turn far more from point to point than those of the surface: every bin is met."""
    normals = [0, 0, -1] + 0.5 * np.random.default_rng(34).standard_normal((SIDE * SIDE, 3))
    return normals / np.linalg.norm(normals, axis=1, keepdims=True)


def stored() -> dict[str, np.ndarray]:
    """Open3D's `normals` [points, 3], towards the camera, and `fpfh` [points, 33] with `bent_normals`: θ, α and φ."""
    with np.load(STORED, allow_pickle=False) as found:
        return dict(found)


def found_by_open3d() -> dict[str, np.ndarray]:
    """What Open3D says today."""
    import open3d

    cloud = open3d.geometry.PointCloud(open3d.utility.Vector3dVector(surface().reshape(-1, 3)))
    ball = open3d.geometry.KDTreeSearchParamRadius(BALL * STEP)
    cloud.estimate_normals(ball)
    cloud.orient_normals_towards_camera_location(np.zeros(3))
    normals = np.array(cloud.normals)
    cloud.normals = open3d.utility.Vector3dVector(bent_normals())
    features = open3d.pipelines.registration.compute_fpfh_feature(cloud, ball)
    return {"normals": normals, "fpfh": np.asarray(features.data).T}


if __name__ == "__main__":
    np.savez_compressed(STORED, **{name: values.astype(np.float32) for name, values in found_by_open3d().items()})
