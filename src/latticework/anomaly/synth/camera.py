"""The camera that looks at the parts: a pinhole without distortion, and a table before it.

Frames. Camera: x right, y down, z away from the camera, in metres. Table: origin where the optical axis meets the
plane half a metre away, third axis up from the plane. Object: its own centre and heading, third axis up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from jaxtyping import Float64

DISTANCE: Final = 0.5  # metres from the camera to the table, along the optical axis
FOCAL: Final = 3.0  # focal length in widths of the image: a field of 0.17 m at that distance
LENS: Final = 0.012  # metres, what the calibration file calls "focus"


@dataclass(frozen=True)
class Camera:
    """A square image of `size` pixels a side.

    Examples
    --------
    >>> camera = Camera(224)
    >>> camera.focal, camera.centre, round(camera.pixel * 1e3, 2)
    (672.0, 111.5, 0.74)
    """

    size: int

    @property
    def focal(self) -> float:
        """The focal length in pixels."""
        return FOCAL * self.size

    @property
    def centre(self) -> float:
        """Row and column of the optical axis."""
        return (self.size - 1) / 2

    @property
    def pixel(self) -> float:
        """What a pixel covers at the table, in metres."""
        return DISTANCE / self.focal

    def rays(self) -> Float64[np.ndarray, "3 height width"]:
        """What a depth of one metre in every pixel would be in space: (x, y, 1)."""
        steps = (np.arange(self.size) - self.centre) / self.focal
        shape = (self.size, self.size)
        return np.stack([np.broadcast_to(steps, shape), np.broadcast_to(steps[:, None], shape), np.ones(shape)])

    def parameters(self) -> dict[str, Any]:
        """What MVTec 3D-AD writes as `calibration/camera_parameters.json`: metres, and pixels without distortion."""
        pitch = LENS / self.focal
        return {
            "camera_type": "area_scan_division",
            "focus": LENS,
            "kappa": 0.0,
            "sx": pitch,
            "sy": pitch,
            "cx": self.centre,
            "cy": self.centre,
            "image_width": self.size,
            "image_height": self.size,
        }


def table_frame(pitch: float, roll: float) -> Float64[np.ndarray, "3 3"]:
    """The axes of a table in camera coordinates, one a column; its third is the normal, towards the camera.

    Parameters
    ----------
    pitch, roll
        How far its far side is lowered, and its right one, in radians, against a table at right angles to the view.

    Examples
    --------
    >>> table_frame(0.0, 0.0).T.tolist()  # right, up in the image, towards the camera
    [[1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, -1.0]]
    >>> table_frame(0.3, 0.0)[:, 2].round(2).tolist()  # the camera looks from the front: up leans up in the image
    [0.0, -0.3, -0.96]
    """
    cos, sin, cos_roll, sin_roll = np.cos(pitch), np.sin(pitch), np.cos(roll), np.sin(roll)
    flat = np.array([[1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, -1.0]])
    about_x = np.array([[1.0, 0.0, 0.0], [0.0, cos, sin], [0.0, -sin, cos]])
    about_y = np.array([[cos_roll, 0.0, -sin_roll], [0.0, 1.0, 0.0], [sin_roll, 0.0, cos_roll]])
    return about_y @ about_x @ flat + 0.0  # no negative zeros


def plane_depth(
    rays: Float64[np.ndarray, "3 height width"], normal: Float64[np.ndarray, " 3"]
) -> Float64[np.ndarray, "height width"]:
    """How far away the table is in every pixel, in metres along the optical axis."""
    return DISTANCE * normal[2] / np.tensordot(normal, rays, axes=1)
