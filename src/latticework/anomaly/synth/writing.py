"""A scan as files, as MVTec 3D-AD has them: the same arrays give the same bytes, with the same libraries."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from latticework.anomaly.scans.arrays import xyz_bytes
from latticework.anomaly.scans.images import png_bytes
from latticework.anomaly.synth.scene import Scene
from latticework.core.values import strict_json


def write_scene(scene: Scene, folder: Path, name: str, *, truth: bool) -> None:
    """Write a scan into the folders `rgb` and `xyz`, and its class ids into `gt`, all of which exist.

    Parameters
    ----------
    scene
        What is written.
    folder
        That of a split and label, such as `test/dent`.
    name
        Without suffix, such as ``"000"``.
    truth
        Whether class ids are written.
    """
    (folder / "rgb" / f"{name}.png").write_bytes(png_bytes(scene.rgb))
    (folder / "xyz" / f"{name}.tiff").write_bytes(xyz_bytes(scene.xyz))
    if truth:
        (folder / "gt" / f"{name}.png").write_bytes(png_bytes(scene.truth))


def write_json(path: Path, value: Any) -> None:
    """Write plain values as a JSON file that people can read."""
    path.write_text(strict_json(value, indent=2) + "\n", encoding="utf-8")
