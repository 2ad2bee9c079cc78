"""A scan as files, as MVTec 3D-AD has them: the same arrays give the same bytes, with the same libraries."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, UInt8

from latticework.anomaly.synth.scene import Scene
from latticework.core.errors import require
from latticework.core.values import strict_json

_PURPOSE = "writing scans"


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
    (folder / "rgb" / f"{name}.png").write_bytes(png(scene.rgb))
    (folder / "xyz" / f"{name}.tiff").write_bytes(tiff(scene.xyz))
    if truth:
        (folder / "gt" / f"{name}.png").write_bytes(png(scene.truth))


def png(image: UInt8[np.ndarray, "height width *channels"]) -> bytes:
    """An image as a PNG file.

    Raises
    ------
    MissingExtraError
        If Pillow is not installed.
    """
    stream = io.BytesIO()
    require("PIL.Image", extra="anomaly", purpose=_PURPOSE).fromarray(image).save(stream, format="PNG")
    return stream.getvalue()


def tiff(xyz: Float32[np.ndarray, "height width 3"]) -> bytes:
    """Points as an uncompressed TIFF file of three floats a pixel, in metres; (0, 0, 0) where there is none.

    Raises
    ------
    MissingExtraError
        If tifffile is not installed.
    """
    stream = io.BytesIO()
    points = np.where(np.isnan(xyz), np.float32(0.0), xyz)
    require("tifffile", extra="anomaly", purpose=_PURPOSE).imwrite(
        stream, points, photometric="rgb", metadata=None, software=False
    )
    return stream.getvalue()


def write_json(path: Path, value: Any) -> None:
    """Write plain values as a JSON file that people can read."""
    path.write_text(strict_json(value, indent=2) + "\n", encoding="utf-8")
