"""The files of one scan: colours, points or depths, masks and truths, each by its ending."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import numpy as np

from latticework.anomaly.choices import Unit
from latticework.anomaly.scans.arrays import TIFFS, as_xyz, is_points, read_npy, read_tiff
from latticework.anomaly.scans.cameras import Camera
from latticework.anomaly.scans.clouds import Cloud, metres
from latticework.anomaly.scans.images import PICTURES, read_depth, read_mask, read_rgb, read_truth
from latticework.anomaly.scans.pcd import read_pcd
from latticework.anomaly.scans.ply import read_ply
from latticework.anomaly.scans.samples import Sample, checked
from latticework.core.errors import InputError

CLOUDS: Final = (".pcd", ".ply", ".npy", *TIFFS)


def read_sample(
    path: str | os.PathLike[str] | None = None,
    *,
    rgb: str | os.PathLike[str] | None = None,
    xyz: str | os.PathLike[str] | None = None,
    depth: str | os.PathLike[str] | None = None,
    camera: Camera | str | os.PathLike[str] | None = None,
    mask: str | os.PathLike[str] | None = None,
    truth: str | os.PathLike[str] | None = None,
    label: str | None = None,
    unit: Unit = "m",
) -> Sample:
    """Read a part from one file, or from one each for its colours, its points, and what is known of it.

    Parameters
    ----------
    path
        A picture, or a point cloud, which may have colours of its own.
    rgb
        A picture: PNG, JPEG, TIFF, BMP, WebP or PPM.
    xyz
        An organised cloud: PCD, PLY, or ``[height, width, 3]`` as TIFF or NPY. Colours of its own count where `rgb` is
        not given.
    depth
        A depth picture in the place of `xyz`: 16 bits as PNG or PGM, or TIFF or NPY.
    camera
        What took it, or a file that says so (see `Camera.read`).
    mask
        A picture that is not 0 where the part may be judged.
    truth
        A picture of class ids.
    label
        ``"good"``, or what kind of defect it has.
    unit
        Of the points, and of depths that are floats.

    Raises
    ------
    InputError
        If a file cannot be read, or as `Sample.of`.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     np.save(Path(folder) / "part.npy", np.random.default_rng(0).random((4, 6, 3)))
    ...     read_sample(Path(folder) / "part.npy").name
    'part'
    """
    if path is not None:
        if rgb is not None or xyz is not None or depth is not None:
            raise InputError(f"{path}: give one file, or rgb=, xyz= and depth=, not both")
        rgb, xyz = _alone(Path(path))
    if depth is not None and xyz is not None:
        raise InputError(f"{depth}: give depth= or xyz=, not both")
    if depth is not None and camera is None:
        raise InputError(f"{depth}: a depth picture needs camera=, a JSON file with fx, fy, cx, cy and scale")
    cloud = None if xyz is None else read_cloud(xyz, unit=unit)
    points, scaled = None if cloud is None else cloud.xyz, ""
    if depth is not None and camera is not None:
        lens = camera if isinstance(camera, Camera) else Camera.read(camera)
        values = _in_metres(depth, unit)
        points = lens.unproject(values, str(depth))
        if values.dtype.kind != "f":
            scaled = f" (scale {lens.scale:g})" if isinstance(camera, Camera) else f" (scale {lens.scale:g}, {camera})"
    colours = read_rgb(rgb) if rgb is not None else None if cloud is None else cloud.rgb
    parts = {
        "rgb": colours,
        "xyz": points,
        "mask": None if mask is None else read_mask(mask),
        "truth": None if truth is None else read_truth(truth),
    }
    given = {"rgb": rgb, "xyz": xyz if depth is None else depth, "mask": mask}
    files = {what: Path(file) for what, file in given.items() if file is not None}
    first = files.get("rgb", files.get("xyz"))
    return checked(parts, "sample" if first is None else first.stem, label, files, unit=unit, scaled=scaled)


def read_cloud(path: str | os.PathLike[str], *, unit: Unit = "m") -> Cloud:
    """Read an organised point cloud: PCD, PLY, or xyz as TIFF or NPY.

    Parameters
    ----------
    path
        The file; its ending says which.
    unit
        Of its numbers.

    Raises
    ------
    InputError
        If it cannot be read, is damaged or cut off, or is not organised.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     np.save(Path(folder) / "a.npy", np.full((2, 3, 3), 400.0))
    ...     read_cloud(Path(folder) / "a.npy", unit="mm").xyz[0, 0].tolist()
    [0.4, 0.4, 0.4]
    """
    path = Path(path)
    kind = path.suffix.lower()
    if kind == ".pcd":
        return read_pcd(path).in_metres(unit)
    if kind == ".ply":
        return read_ply(path).in_metres(unit)
    if kind not in CLOUDS:
        raise InputError(
            f"{path}: points are read from {', '.join(CLOUDS)}; depth pictures need the camera's intrinsics"
        )
    return Cloud(as_xyz(read_npy(path) if kind == ".npy" else read_tiff(path), str(path), unit=unit))


def _alone(path: Path) -> tuple[Path | None, Path | None]:
    """A file as what it is: colours or points."""
    kind = path.suffix.lower()
    if os.path.isdir(path):
        raise InputError(f"{path} is a folder: read it with read_folder")
    if kind not in (*PICTURES, *CLOUDS):
        raise InputError(f"{path}: parts are read from {', '.join(dict.fromkeys((*PICTURES, *CLOUDS)))}")
    points = kind in CLOUDS and (kind not in PICTURES or is_points(path))
    return (None, path) if points else (path, None)


def _in_metres(path: str | os.PathLike[str], unit: Unit) -> np.ndarray:
    depth, scale = read_depth(path), metres(unit)
    return depth * scale if depth.dtype.kind == "f" else depth
