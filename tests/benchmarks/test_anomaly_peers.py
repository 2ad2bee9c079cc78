"""The drivers of anomalib and Open3D, without these libraries: what they are asked for, and what they write."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks import anomaly_speed_parts
from benchmarks.peers import anomalib_driver


def test_anomalib_is_loaded_without_its_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "anomalib"
    components = home / "models" / "components"
    for folder in ("dimensionality_reduction", "sampling"):
        (components / folder).mkdir(parents=True)
    for package in (home, home / "models", components, *components.iterdir()):
        (package / "__init__.py").write_text("raise ImportError('heavy')\n")
    (components / "dimensionality_reduction" / "random_projection.py").write_text("class SparseRandomProjection: ...\n")
    (components / "sampling" / "k_center_greedy.py").write_text(
        "import torch\n"
        "from anomalib.models.components.dimensionality_reduction import SparseRandomProjection\n"
        "class KCenterGreedy:\n"
        "    def __init__(self, embedding, sampling_ratio):\n"
        "        assert embedding.ndim == 3\n"
        "        self.count, self.chosen = len(embedding), int(len(embedding) * sampling_ratio)\n"
        "    def select_coreset_idxs(self):\n"
        "        start = int(torch.randint(high=self.count, size=(1,)).squeeze())\n"
        "        return [start, *range(self.chosen - 1)]\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    np.save(tmp_path / "features.npy", anomaly_speed_parts.features(200, 8))
    torch.manual_seed(0)
    start = int(torch.randint(high=200, size=(1,)))
    job = {"threads": torch.get_num_threads(), "fraction": 0.1, "seed": 0, "start": start}
    try:
        assert anomalib_driver.coreset(tmp_path, job)["seconds"] > 0
    finally:
        for name in [name for name in sys.modules if name.partition(".")[0] == "anomalib"]:
            del sys.modules[name]
    assert np.load(tmp_path / "anomalib.npy").tolist() == [start, *range(19)]


def test_open3d_comes_in_our_order_and_unit_and_with_as_many_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Cloud:
        def __init__(self, points: np.ndarray) -> None:
            assert points.shape == (3, 3)  # one of four has no return

        def estimate_normals(self, search: int) -> None:
            assert search == 25

        def orient_normals_towards_camera_location(self, place: np.ndarray) -> None:
            assert not place.any()

    def compute(cloud: Cloud, search: int) -> Any:
        return types.SimpleNamespace(data=np.repeat([[200.0], [400.0], [600.0]], 11, axis=0).repeat(3, axis=1))

    stand_in = types.ModuleType("open3d")
    vars(stand_in).update(
        geometry=types.SimpleNamespace(PointCloud=Cloud, KDTreeSearchParamKNN=lambda count: count),
        utility=types.SimpleNamespace(Vector3dVector=lambda points: points),
        pipelines=types.SimpleNamespace(registration=types.SimpleNamespace(compute_fpfh_feature=compute)),
    )
    monkeypatch.setitem(sys.modules, "open3d", stand_in)
    monkeypatch.delitem(sys.modules, "benchmarks.peers.open3d_driver", raising=False)
    from benchmarks.peers import open3d_driver

    cloud = np.ones((3, 2, 2), np.float32)
    cloud[:, 0, 0] = np.nan
    np.save(tmp_path / "cloud.npy", cloud)
    assert open3d_driver.histograms(tmp_path, {}) == {"points": 3}
    assert np.load(tmp_path / "open3d.npy")[0, ::11].tolist() == [2.0, 3.0, 1.0]  # alpha, phi and theta
    with pytest.raises(RuntimeError, match="where ours has 99999 thread"):
        open3d_driver.fpfh(tmp_path, {"threads": 99_999, "rounds": 1})
