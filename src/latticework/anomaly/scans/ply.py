"""PLY files, as text or binary in either byte order, that say which grid their points lie on.

Source: Greg Turk's format (Stanford, 1994), http://paulbourke.net/dataformats/ply/. A PLY has no grid of its own. It is
told by ``obj_info num_cols`` and ``obj_info num_rows`` (or the same as a comment, or ``comment width`` and ``comment
height``), or by ``viewportx`` and ``viewporty`` of an element ``camera``, as the Point Cloud Library writes. Either all
points of the grid are there, or an element ``range_grid`` has a list for each place, of the number of its point or of
nothing, as the scans of the Stanford repository do.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final, Literal

import numpy as np
from jaxtyping import Float32, Int64, Shaped, UInt8

from latticework.anomaly.scans.clouds import (
    MAX_FILE_BYTES,
    MAX_POINTS,
    Cloud,
    check_cloud,
    check_grid,
    eight_bits,
    without_return,
)
from latticework.anomaly.scans.ply_elements import Binary, Element, Header, Lists, Text, read_header
from latticework.anomaly.scans.tables import table_bytes
from latticework.core.errors import InputError
from latticework.core.files import read_bytes, write_output
from latticework.core.words import listed

_COLOURS: Final = (("red", "green", "blue"), ("diffuse_red", "diffuse_green", "diffuse_blue"), ("r", "g", "b"))
_HOW: Final = "PLY with obj_info num_cols and num_rows"


def read_ply(path: str | os.PathLike[str]) -> Cloud:
    """Read an organised cloud.

    Colours are red, green and blue, as bytes, 16 bits, or floats from 0 to 1; alpha is left out, and so are faces.

    Parameters
    ----------
    path
        A file with an element vertex that has x, y and z.

    Returns
    -------
    Cloud
        Its numbers as they are: see `Cloud.in_metres` for a file in another unit.

    Raises
    ------
    InputError
        If it is no such file, is cut off or damaged, has a size in its header that cannot be, or does not say its grid.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     write_ply(Path(folder) / "a.ply", np.ones((2, 3, 3), dtype=np.float32))
    ...     read_ply(Path(folder) / "a.ply").xyz.shape
    (2, 3, 3)
    """
    path = Path(path)
    data = read_bytes(path, most=MAX_FILE_BYTES)
    header = read_header(data, path)
    body = Text(data, header, path) if header.order == "=" else Binary(data, header, path)
    vertex, ranges, grid = _content(header, body, path)
    height, width = grid
    points = len(vertex["x"])
    if ranges is None:
        check_grid(path, points, height, width, _HOW)
        chosen = None
    else:
        check_grid(path, len(ranges), height, width, _HOW)
        if points == 0:
            raise InputError(f"{path}: the cloud has no points")
        chosen = ranges
    placed = {name: _placed(column, chosen, height, width) for name, column in vertex.items()}
    xyz = without_return(np.stack([placed.pop(axis) for axis in "xyz"], axis=-1))
    rgb = None
    for names in _COLOURS:
        if rgb is None and all(name in placed for name in names):
            rgb = np.stack([eight_bits(placed.pop(name), f"{path}: {name}") for name in names], axis=-1)
    return Cloud(xyz, rgb, placed)


def write_ply(
    path: str | os.PathLike[str],
    xyz: Float32[np.ndarray, "height width 3"],
    rgb: UInt8[np.ndarray, "height width 3"] | None = None,
    *,
    data: Literal["ascii", "binary"] = "binary",
) -> None:
    """Write an organised cloud, which `read_ply` reads as the same to the last bit, as a whole or not at all.

    Raises
    ------
    InputError
        If the arrays are no such cloud, or the file cannot be written.
    """
    check_cloud(xyz, rgb)
    height, width = xyz.shape[:2]
    columns: dict[str, np.ndarray] = {axis: xyz[..., index].ravel() for index, axis in enumerate("xyz")}
    if rgb is not None:
        columns |= {name: rgb[..., index].ravel() for index, name in enumerate(_COLOURS[0])}
    head = [
        "ply",
        f"format {'ascii' if data == 'ascii' else 'binary_little_endian'} 1.0",
        f"obj_info num_cols {width}",
        f"obj_info num_rows {height}",
        f"element vertex {height * width}",
        *(f"property {'float' if name in 'xyz' else 'uchar'} {name}" for name in columns),
        "end_header",
    ]
    write_output(path, "".join(f"{line}\n" for line in head).encode() + table_bytes(columns, data))


def _content(
    header: Header, body: Text | Binary, path: Path
) -> tuple[dict[str, np.ndarray], Int64[np.ndarray, " places"] | None, tuple[int, int]]:
    """The columns of the points, which of them lies at each place if that is said, and the grid."""
    by_name = {element.name: element for element in header.elements}
    if "vertex" not in by_name or by_name["vertex"].rows == 0:
        raise InputError(f"{path}: the cloud has no points")
    _check_vertex(by_name["vertex"], path)
    wanted = {"vertex", "range_grid"} | (set() if header.grid else {"camera"})
    grid, vertex, ranges = dict(header.grid), {}, None
    for element in header.elements:  # which lie one after the other
        wanted.discard(element.name)
        if element.lists:
            lists = body.lists(element)
            if element.name == "range_grid":
                ranges = _ranges(lists, element, body, by_name["vertex"].rows, path)
        else:
            columns = body.table(element)
            if element.name == "vertex":
                vertex = columns
            elif element.name == "camera" and not header.grid:
                grid = _view(columns, by_name["vertex"].rows)
        if not wanted & by_name.keys():
            break
    return vertex, ranges, (grid.get("height", 1), grid.get("width", len(vertex["x"])))


def _view(camera: dict[str, np.ndarray], points: int) -> dict[str, int]:
    """The grid that a camera sees, if it has a place for each point; others say there how large their window is."""
    height, width = (sum(camera[port][:1].tolist()) if port in camera else 0 for port in ("viewporty", "viewportx"))
    return {"height": int(height), "width": int(width)} if height * width == points else {}


def _check_vertex(vertex: Element, path: Path) -> None:
    names = [property.name for property in vertex.properties]
    if not set("xyz") <= set(names):
        raise InputError(f"{path}: vertex has {listed(names) or 'nothing'}, expected x, y and z among them")
    if vertex.lists:
        raise InputError(f"{path}: vertex has a list, which is not read: save it with single numbers only")
    if vertex.rows > MAX_POINTS:
        raise InputError(f"{path}: {vertex.rows:,} points are more than the {MAX_POINTS:,} that are read")


def _ranges(
    lists: Lists, element: Element, body: Text | Binary, points: int, path: Path
) -> Int64[np.ndarray, " places"]:
    counts = np.array(lists.counts, dtype=np.int64)
    chosen = np.full(len(counts), -1, dtype=np.int64)
    there = counts > 0
    chosen[there] = body.members(element, np.array(lists.begins, dtype=np.int64)[there])
    if there.any() and (chosen[there].min() < 0 or chosen.max() >= points):
        raise InputError(f"{path}: range_grid names a point that is not there: there are {points:,}")
    return chosen


def _placed(
    column: Shaped[np.ndarray, " points"], chosen: Int64[np.ndarray, " places"] | None, height: int, width: int
) -> Shaped[np.ndarray, "height width"]:
    if chosen is None:
        return column.reshape(height, width)
    placed = np.zeros(len(chosen), dtype=column.dtype)  # a point at the origin is no return
    placed[chosen >= 0] = column[chosen[chosen >= 0]]
    return placed.reshape(height, width)
