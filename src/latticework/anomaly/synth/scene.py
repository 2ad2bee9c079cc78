"""A scan of one synthetic part: drawn, looked at, lit, photographed and measured, with what is wrong with it.

A part with a defect is the same part, in the same place and light and with the same noise, as the good one of its seed:
outside its mask the two scans are identical. Which pixels are in the mask is decided without noise: see `THRESHOLDS`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np
from jaxtyping import Bool, Float32, Float64, UInt8
from scipy.ndimage import distance_transform_edt, maximum_filter
from scipy.ndimage import label as connected

from latticework.anomaly.synth import defects, light, sensor
from latticework.anomaly.synth.camera import Camera
from latticework.anomaly.synth.families import FAMILIES, draw_part
from latticework.anomaly.synth.spots import draw_spot, suitable
from latticework.anomaly.synth.studio import Studio, Surface, image_of
from latticework.anomaly.synth.view import displaced, draw_pose, look
from latticework.core.checks import INT64, one_of, whole_number
from latticework.core.errors import InputError
from latticework.core.seeds import seed_from, spawn

Image = Float64[np.ndarray, "height width"]
Colours = Float64[np.ndarray, "3 height width"]
Ids = UInt8[np.ndarray, "height width"]

VERSION: Final = 1  # of what a seed stands for: any change of a byte that is drawn or written is a new one
SIZES: Final = (32, 2048)  # pixels a side
FADE: Final = 6e-3  # metres, over which the light of a table that a bend uncovers leads over to that beside it
THRESHOLDS: Final = {"depth": 0.1e-3, "reflectance": 0.01, "light": 0.004}
"""A pixel is in the mask if its noise-free depth (metres; of a bent part also where its surface came from), reflectance
or light at the camera (of white, after the lens has blurred it) differs by more than that from the good part's."""


@dataclass(frozen=True)
class Scene:
    """A scan, and the truth about it.

    Attributes
    ----------
    rgb, xyz
        The scan: colours, and metres in the camera's frame, NaN where nothing returned.
    truth
        Class ids (`defects.CLASS_IDS`) of what is wrong in a pixel; 0 where nothing is.
    part
        Where the part is seen, and not the table.
    depth, albedo, light
        Without noise: metres along the optical axis, table included; reflectance in red, green and blue; and what light
        of them reaches the camera, of white.
    deviation
        Standard deviation of the noise of the depth, in metres.
    family, defect, contrast, seed, size
        What was asked for.
    """

    rgb: UInt8[np.ndarray, "height width 3"]
    xyz: Float32[np.ndarray, "height width 3"]
    truth: UInt8[np.ndarray, "height width"]
    part: Bool[np.ndarray, "height width"]
    depth: Float64[np.ndarray, "height width"]
    albedo: Float64[np.ndarray, "height width 3"]
    light: Float64[np.ndarray, "height width 3"]
    deviation: Float64[np.ndarray, "height width"]
    family: str
    defect: str | None
    contrast: str
    seed: int
    size: int


def draw(seed: int, family: str, defect: str | None = None, contrast: str = "medium", *, size: int = 224) -> Scene:
    """Scan a part that nobody made.

    Parameters
    ----------
    seed
        The same seed, of the same version, gives the same bytes.
    family
        One of `FAMILIES`.
    defect
        One of `defects.KINDS`; None for a good part.
    contrast
        How clearly the defect shows: ``"easy"``, ``"medium"`` or ``"hard"``.
    size
        Rows and columns of the image; what it shows does not depend on it.

    Raises
    ------
    InputError
        If there is no such family, defect or contrast, the size is not in 32..2048, or the seed is negative.

    Examples
    --------
    >>> scene = draw(0, "ring", "dent", size=64)
    >>> scene.rgb.shape, scene.xyz.dtype.name, sorted(set(scene.truth.ravel().tolist()))
    ((64, 64, 3), 'float32', [0, 251])
    """
    seed, size = check(seed, family, defect, contrast, size)
    camera, rays = Camera(size), _rays(size)
    part = draw_part(FAMILIES[family], _generator(seed, family, "part"))
    pose = draw_pose(part, _generator(seed, family, "pose"))
    studio = Studio(camera, rays, part, pose, _generator(seed, family, "studio"))
    noise = _generator(seed, family, "noise")
    surface, truth = studio.surface(look(part, pose, rays)), np.zeros((size, size), np.uint8)
    if defect is not None:
        generator = _generator(seed, family, "defect")
        surface, truth = _defective(studio, surface, defect, defects.CONTRASTS[contrast], generator)
    return Scene(
        rgb=light.photograph(surface.light, studio.gains, noise.standard_normal(rays.shape)),
        xyz=sensor.scan(
            rays,
            surface.depth,
            surface.deviation,
            noise.random((size, size)) < surface.lost,
            noise.standard_normal((size, size)),
        ),
        truth=truth,
        part=surface.part,
        depth=surface.depth,
        albedo=surface.albedo.transpose(1, 2, 0),
        light=surface.light.transpose(1, 2, 0),
        deviation=surface.deviation,
        family=family,
        defect=defect,
        contrast=contrast,
        seed=seed,
        size=size,
    )


def check(seed: object, family: object, defect: object, contrast: object, size: object) -> tuple[int, int]:
    """Seed and size as numbers, if everything that is asked for is there.

    Raises
    ------
    InputError
        As `draw`.
    """
    number = seed_from(whole_number("seed", seed, least=0, most=INT64))
    one_of("family", family, FAMILIES)
    if defect is not None:
        one_of("defect", defect, defects.KINDS)
    one_of("contrast", contrast, defects.CONTRASTS)
    pixels = whole_number("size", size, least=SIZES[0])
    if pixels > SIZES[1]:
        raise InputError(f"size={pixels}: expected at most {SIZES[1]} pixels a side")
    return number, pixels


def _generator(seed: int, family: str, purpose: str) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(spawn(seed, f"{family}/{purpose}")))


@lru_cache(maxsize=4)
def _rays(size: int) -> Colours:
    rays = Camera(size).rays()
    rays.flags.writeable = False
    return rays


def _defective(
    studio: Studio, good: Surface, defect: str, strength: float, generator: np.random.Generator
) -> tuple[Surface, Ids]:
    """The surface with a defect, the same as the good one outside a mask, and that mask as class ids."""
    if defect == "bend":
        bad, rows, ids = _bent(studio, good, strength, generator)
    else:
        kinds = [defect]
        if defect == "combined":
            shaped, coloured = generator.integers(len(defects.SHAPED)), generator.integers(len(defects.COLOURED))
            kinds = [defects.SHAPED[shaped], defects.COLOURED[coloured]]
        bad, rows, ids = _marked(studio, good, kinds, strength, generator)

    def pasted(old: Any, new: Any, where: Any) -> Any:
        result = old.copy()
        result[..., rows, :][..., where] = new[..., where]
        return result

    changed = ids[rows] > 0
    glow = pasted(good.glow, bad.glow, changed)
    seen = light.blurred(glow[:, rows])
    beside = maximum_filter(ids[rows], 3)  # the lens takes light no further than to the next pixel
    leaks = _differs(seen, good.light[:, rows], THRESHOLDS["light"]) & ~changed & (beside > 0)
    ids[rows][leaks] = beside[leaks]
    surface = Surface(
        view=good.view,
        depth=pasted(good.depth, bad.depth, changed),
        part=pasted(good.part, bad.part, changed),
        albedo=pasted(good.albedo, bad.albedo, changed),
        glow=glow,
        light=pasted(good.light, seen, changed | leaks),
        deviation=pasted(good.deviation, bad.deviation, changed),
        lost=pasted(good.lost, bad.lost, changed),
    )
    return surface, ids


def _marked(
    studio: Studio, good: Surface, kinds: list[str], strength: float, generator: np.random.Generator
) -> tuple[Surface, slice, Ids]:
    """Rows of a surface with defects that move or recolour it in places, which rows, and what is in each pixel."""
    view, part, pixel = good.view, good.part, studio.camera.pixel
    suits = suitable(view, sensor.facing(view.normal, studio.rays), round(defects.MARGIN / pixel))
    ids, colour = np.zeros(part.shape, np.uint8), good.albedo[:, part]
    deeper, lost = np.zeros(len(suits)), np.zeros(len(suits))
    spot = None
    for kind in kinds:
        spot = draw_spot(view, suits, generator, apart=spot)
        mark = defects.make(kind, strength, spot, view.points, colour, generator)
        differs = (np.abs(mark.deeper) > THRESHOLDS["depth"]) | _differs(mark.colour, colour, THRESHOLDS["reflectance"])
        ids[_largest(image_of(part, differs))] = defects.CLASS_IDS[kind]
        deeper, lost, colour = deeper + mark.deeper, np.maximum(lost, mark.lost), mark.colour
    touched = np.flatnonzero(ids.any(axis=1))
    reach = light.reach(pixel)  # of what changes the light: further away nothing that is wanted does
    rows = slice(max(0, touched[0] - reach), touched[-1] + reach + 1)
    albedo = good.albedo.copy()
    albedo[:, part] = colour
    moved = displaced(view.rows(rows), studio.rays[:, rows], image_of(part, deeper)[rows], studio.camera)
    return studio.seen(moved, albedo[:, rows], image_of(part, lost)[rows], rows), rows, ids


def _bent(studio: Studio, good: Surface, strength: float, generator: np.random.Generator) -> tuple[Surface, slice, Ids]:
    """The surface of the bent part, all rows, and where it differs or came from elsewhere."""
    bend = defects.draw_bend(strength, studio.part.half[0], generator)
    bad = studio.surface(look(studio.part, studio.pose, studio.rays, moved=bend.back, room=bend.room))
    differs = np.abs(bad.depth - good.depth) > THRESHOLDS["depth"]
    differs |= _differs(bad.albedo, good.albedo, THRESHOLDS["reflectance"])
    differs[bad.part] |= bend.length(bad.view.points) > THRESHOLDS["depth"]
    ids = _largest(differs) * np.uint8(defects.CLASS_IDS["bend"])
    _match_shadows(good, bad, ids > 0, studio.camera.pixel)
    return bad, slice(0, len(ids)), ids


def _match_shadows(good: Surface, bad: Surface, changed: Bool[np.ndarray, "height width"], pixel: float) -> None:
    """Where a table comes into sight, lead its light over to that beside, which stays as the good part left it."""
    uncovered = changed & ~bad.part
    if not uncovered.any():
        return
    away, nearest = distance_transform_edt(changed | good.part, return_indices=True)
    row, column = nearest[:, uncovered]
    beside = good.glow[:, row, column] / good.albedo[:, row, column]
    here = bad.glow[:, uncovered] / bad.albedo[:, uncovered]
    share = np.minimum(away[uncovered] * pixel / FADE, 1.0)
    bad.glow[:, uncovered] = bad.albedo[:, uncovered] * (beside + share * (here - beside))


def _largest(mask: Bool[np.ndarray, "height width"]) -> Bool[np.ndarray, "height width"]:
    """The largest connected piece of a mask: specks besides it are no defects, and are taken back."""
    pieces, number = connected(mask, np.ones((3, 3)))
    if number < 2:
        return mask
    return pieces == 1 + np.bincount(pieces.ravel())[1:].argmax()


def _differs(first: Float64[np.ndarray, " 3 *shape"], second: Float64[np.ndarray, " 3 *shape"], by: float) -> Any:
    """Where one of the channels differs by more than a threshold."""
    return (np.abs(first - second) > by).any(axis=0)
