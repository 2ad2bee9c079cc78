"""What a camera has before it: a part on a table, and where each pixel's ray meets either of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Final

import numpy as np
from jaxtyping import Bool, Float64, Int64

from latticework.anomaly.synth.camera import DISTANCE, Camera, plane_depth, table_frame
from latticework.anomaly.synth.families import Part
from latticework.anomaly.synth.noise import draw_grid, resolved, smooth_noise
from latticework.anomaly.synth.tracing import box_span, normals, trace

Points = Float64[np.ndarray, "3 points"]

TILT: Final = 0.32  # radians, of the table against a plane at right angles to the view
TILT_JITTER: Final = 0.05  # by which it differs, either way, about both axes
MAT: Final = (0.105, 0.115, 0.135)  # reflectance of the table
MAT_WAVES: Final = (0.03, 0.0045)  # metres, of the two octaves of its texture
CORNERS: Final = np.array(list(product((-1.0, 1.0), repeat=3))).T  # of a box
ROOM: Final = 4e-3  # metres that a part may reach beyond its usual box


@dataclass(frozen=True)
class Pose:
    """How a table lies before the camera, and a part on it: axes a column each, and origins, in camera coordinates."""

    table: Float64[np.ndarray, "3 3"]
    axes: Float64[np.ndarray, "3 3"]
    origin: Float64[np.ndarray, " 3"]


@dataclass(frozen=True)
class View:
    """Where the rays of an image end.

    Attributes
    ----------
    depth
        Metres along the optical axis, in every pixel: behind the part is the table.
    normal
        Unit normals, towards the camera.
    part
        Where the part is seen.
    points
        Where on the part, in its frame; in the order of the pixels of `part`.
    axes
        Of the part, in camera coordinates.
    """

    depth: Float64[np.ndarray, "height width"]
    normal: Float64[np.ndarray, "3 height width"]
    part: Bool[np.ndarray, "height width"]
    points: Points
    axes: Float64[np.ndarray, "3 3"]

    def rows(self, rows: slice) -> View:
        """What some rows of the image show."""
        first, end = self.part[: rows.start].sum(), self.part[: rows.stop].sum()
        return View(self.depth[rows], self.normal[:, rows], self.part[rows], self.points[:, first:end], self.axes)


def draw_pose(part: Part, generator: np.random.Generator) -> Pose:
    """A table that is a little tilted, and the part on it as it happens to lie."""
    pitch, roll = np.array([TILT, 0.0]) + generator.uniform(-TILT_JITTER, TILT_JITTER, 2)
    table = table_frame(pitch, roll)
    cos, sin = np.cos(part.heading), np.sin(part.heading)
    axes = table @ np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])
    origin = np.array([0.0, 0.0, DISTANCE]) + table @ np.array([*part.offset, part.half[2]])
    return Pose(table, axes, origin)


def look(
    part: Part,
    pose: Pose,
    rays: Float64[np.ndarray, "3 height width"],
    *,
    moved: Callable[[Points], Points] = lambda points: points,
    room: float = 0.0,
) -> View:
    """Where each pixel's ray meets a part or the table.

    Parameters
    ----------
    part, pose
        What lies there, and how.
    rays
        What a depth of one metre is in each pixel.
    moved
        From where a point of a part that is out of shape came.
    room
        Metres that it may reach beyond where a part in shape does.

    Returns
    -------
    View
        Its points are those where they came from.
    """
    flat = rays.reshape(3, -1)
    depth = plane_depth(rays, pose.table[:, 2]).reshape(-1)
    normal = np.repeat(pose.table[:, 2, None], len(depth), axis=1)
    half = part.half + (ROOM + room)
    looked = _window(half, pose, rays)
    origin, direction = -pose.origin @ pose.axes, pose.axes.T @ flat[:, looked]
    near, far = box_span(origin, direction, half)
    far = np.minimum(far, depth[looked])
    inside = near < far
    looked, direction, near, far = looked[inside], direction[:, inside], near[inside], far[inside]

    def distance(points: Points) -> Float64[np.ndarray, " points"]:
        return part.distance(moved(points))

    along, met = trace(distance, origin, direction, near, far, share=part.family.exact)
    seen = looked[met]
    depth[seen] = along[met]
    here = origin[:, None] + along[met] * direction[:, met]
    normal[:, seen] = pose.axes @ normals(distance, here)
    mask = np.zeros(len(depth), bool)
    mask[seen] = True
    shape = rays.shape[1:]
    return View(depth.reshape(shape), normal.reshape(rays.shape), mask.reshape(shape), moved(here), pose.axes)


def _window(
    half: Float64[np.ndarray, " 3"], pose: Pose, rays: Float64[np.ndarray, "3 height width"]
) -> Int64[np.ndarray, " points"]:
    """The pixels, counted row by row, of the smallest rectangle that shows a box, with half of what it measures."""
    corners = pose.origin[:, None] + pose.axes @ (half[:, None] * CORNERS)
    low, high = (corners[:2] / corners[2]).min(axis=1), (corners[:2] / corners[2]).max(axis=1)
    columns = np.flatnonzero((rays[0, 0] >= low[0]) & (rays[0, 0] <= high[0]))
    rows = np.flatnonzero((rays[1, :, 0] >= low[1]) & (rays[1, :, 0] <= high[1]))
    return (rows[:, None] * rays.shape[2] + columns).reshape(-1)


def displaced(
    view: View, rays: Float64[np.ndarray, "3 height width"], by: Float64[np.ndarray, "height width"], camera: Camera
) -> View:
    """The view after its surface was moved away from the camera, along the rays, by metres of depth in each pixel.

    Normals follow from the slope: exactly that of the surface as it was, and differences of what it was moved by.
    """
    focal = camera.focal
    slope = _slopes(view, rays, focal) + np.stack([_difference(by, view.part, 1), _difference(by, view.part, 0)])
    depth = view.depth + by
    normal = np.stack([focal * slope[0], focal * slope[1], -(depth + focal * (rays[:2] * slope).sum(axis=0))])
    normal /= np.sqrt((normal**2).sum(axis=0))
    return View(depth, np.where(by != 0.0, normal, view.normal), view.part, view.points, view.axes)


def _slopes(
    view: View, rays: Float64[np.ndarray, "3 height width"], focal: float
) -> Float64[np.ndarray, "2 height width"]:
    """How depth changes from a pixel to the next, to the right and downwards; at most a part's size a pixel."""
    facing = np.minimum((view.normal * rays).sum(axis=0), -0.02)
    return -view.depth * view.normal[:2] / (focal * facing)


def _difference(
    field: Float64[np.ndarray, "height width"], part: Bool[np.ndarray, "height width"], axis: int
) -> Float64[np.ndarray, "height width"]:
    """Central differences along an axis, one-sided at the rim of a part: nothing is taken from beyond it."""
    ahead, behind = np.roll(field, -1, axis), np.roll(field, 1, axis)
    there, back = np.roll(part, -1, axis), np.roll(part, 1, axis)
    sides = there.astype(float) + back
    return (np.where(there, ahead - field, 0.0) + np.where(back, field - behind, 0.0)) / np.maximum(sides, 1.0)


@dataclass(frozen=True)
class Mat:
    """The texture of a table: the grids of its two octaves."""

    coarse: Float64[np.ndarray, " cells"]
    fine: Float64[np.ndarray, " cells"]


def draw_mat(generator: np.random.Generator) -> Mat:
    """A table's texture."""
    return Mat(draw_grid(generator, 2), draw_grid(generator, 2))


def mat_colour(
    mat: Mat, pose: Pose, rays: Float64[np.ndarray, "3 height width"], pixel: float
) -> Float64[np.ndarray, "3 height width"]:
    """Reflectance of the table in every pixel, as if nothing lay on it."""
    depth = plane_depth(rays, pose.table[:, 2])
    points = (rays * depth).reshape(3, -1) - np.array([[0.0], [0.0], [DISTANCE]])
    at = pose.table[:, :2].T @ points
    shade = 1.0 + 0.05 * resolved(MAT_WAVES[0], pixel) * smooth_noise(mat.coarse, at / MAT_WAVES[0])
    shade += 0.08 * resolved(MAT_WAVES[1], pixel) * smooth_noise(mat.fine, at / MAT_WAVES[1])
    return (np.array(MAT)[:, None] * shade).reshape(rays.shape)
