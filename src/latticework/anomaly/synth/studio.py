"""Table, lamps and cameras around one part: what is seen of it, before any noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64

from latticework.anomaly.synth import light, sensor
from latticework.anomaly.synth.camera import Camera
from latticework.anomaly.synth.families import Part
from latticework.anomaly.synth.view import Pose, View, displaced, draw_mat, mat_colour

Image = Float64[np.ndarray, "height width"]
Colours = Float64[np.ndarray, "3 height width"]


@dataclass(frozen=True)
class Surface:
    """What is seen, without noise: its geometry and material, its light before and after the lens, and its returns.

    `view` is what of it a defect is made on; of a defective surface, that of the good one.
    """

    view: View
    depth: Image
    part: Bool[np.ndarray, "height width"]
    albedo: Colours
    glow: Colours
    light: Colours
    deviation: Image
    lost: Image


class Studio:
    """Table, lamps and cameras around one part."""

    def __init__(self, camera: Camera, rays: Colours, part: Part, pose: Pose, generator: np.random.Generator) -> None:
        self.camera, self.rays, self.part, self.pose = camera, rays, part, pose
        self.table = mat_colour(draw_mat(generator), pose, rays, camera.pixel)
        self.gains = light.draw_gains(generator)

    def surface(self, view: View) -> Surface:
        """What is seen of a part as it came off the line, or of one that is bent."""
        albedo = self.table.copy()
        albedo[:, view.part], raised = self.part.material(view.points, self.camera.pixel)
        if self.part.family.relief:
            view = displaced(view, self.rays, image_of(view.part, -raised), self.camera)
        return self.seen(view, albedo, np.zeros(view.depth.shape), slice(None))

    def seen(self, view: View, albedo: Colours, lost: Image, rows: slice) -> Surface:
        """Light rows of a surface and measure them; `lost` is the share without return where the sensor has most."""
        rays, up = self.rays[:, rows], self.pose.table[:, 2]
        cosine = sensor.facing(view.normal, rays)
        height = np.tensordot(up, rays, axes=1) * view.depth
        glow = light.shade(
            albedo,
            view.normal,
            rays,
            view.depth,
            gloss=self.part.family.gloss * view.part,
            shine=self.part.family.shine,
            lamps=light.lit(rays, view.depth, self.camera),
            sky=light.open_sky(height, self.camera.pixel),
            up=up,
        )
        unlit = sensor.unlit(rays, view.depth, self.camera)
        return Surface(
            view=view,
            depth=view.depth,
            part=view.part,
            albedo=albedo,
            glow=glow,
            light=light.blurred(glow),
            deviation=sensor.depth_noise(cosine),
            lost=np.where(unlit, 1.0, np.maximum(sensor.loss(cosine), lost)),
        )


def image_of(part: Bool[np.ndarray, "height width"], values: Any) -> Any:
    """Values of the points of a part as an image, zero elsewhere."""
    image = np.zeros(part.shape, values.dtype)
    image[part] = values
    return image
