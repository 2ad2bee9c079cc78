"""Maps of voxels as pictures: a slice voxel by voxel, a volume in three cuts or seen through, with a key below.

Colours are black at nought and lighter the further from it, orange above and blue below, so that they mean the same on
light and on dark pages.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Literal

import numpy as np
from jaxtyping import Float, Int, UInt8

from latticework.core.errors import InputError, require
from latticework.mediation.spaces import Space, grid_of
from latticework.pages import Picture
from latticework.pages.plotting import default_parameters
from latticework.pages.rasters import embedded, raster
from latticework.pages.shapes import svg, text
from latticework.pages.text import label, short, show

# From the lowest to the highest value: black in the middle, and lighter and lighter on both sides.
COLOURS: Final = ("#d8ecff", "#6fb4f5", "#2b78c5", "#12355a", "#000000", "#6b2409", "#d0521f", "#f59a5e", "#ffe6cc")
NARROW, WIDE = 380.0, 440.0  # pixels of a page: a slice, and the three cuts of a volume, which a telephone still has
SIDE: Final = 300.0  # of a slice, at most
STRIP: Final = 20.0  # of a line of voxels, how high it is drawn
GAP: Final = 14.0  # between two slices
KEY_WIDTH, KEY_HEIGHT = 180.0, 8.0
UNIT: Final = 52  # columns of text
CUTS: Final = (6.4, 2.5)  # inches of the three cuts
DOTS: Final = 150  # an inch
LINES: Final = "#8a8f98"  # around the mask, and where cuts meet


@dataclass(frozen=True)
class Scale:
    """Which value has which colour.

    Attributes
    ----------
    low, high
        The ends; nought is black if it is between or at one of them.
    unit
        What the values are.
    """

    low: float
    high: float
    unit: str

    @classmethod
    def around_nought(cls, *values: Float[np.ndarray, " voxels"], unit: str) -> Scale:
        """As far below nought as above it, so that colours tell size and sign.

        Examples
        --------
        >>> Scale.around_nought(np.array([1.0, -3.0]), unit="mm")
        Scale(low=-3.0, high=3.0, unit='mm')
        """
        most = max((float(np.abs(some).max(initial=0.0)) for some in values), default=0.0) or 1.0
        return cls(-most, most, unit)

    def colours(self, values: Float[np.ndarray, "*shape"]) -> UInt8[np.ndarray, "*shape 4"]:
        """Red, green, blue and opacity of values; what is no number cannot be seen through."""
        map_ = _colour_map()
        reach = max(abs(self.low), abs(self.high)) or 1.0
        found: UInt8[np.ndarray, "*shape 4"] = map_(0.5 + values / (2 * reach), bytes=True)
        found[..., 3] = np.where(np.isfinite(values), 255, 0)
        return found


@dataclass(frozen=True)
class Canvas:
    """Where maps are drawn: the grid, and the order of the model's voxels on it.

    Attributes
    ----------
    space
        The grid.
    order
        ``values[order]`` are in the order of the space.
    """

    space: Space
    order: Int[np.ndarray, " voxels"]

    @classmethod
    def of(cls, space: Space | None, coordinates: Float[np.ndarray, "voxels axes"]) -> Canvas | None:
        """The study's own grid, or the one that coordinates are on; None if they are on none.

        Examples
        --------
        >>> Canvas.of(None, np.array([[0.0], [1.0], [3.14159]])) is None
        True
        """
        if space is not None:
            return cls(space, np.arange(space.n_voxels))
        try:
            return cls(*grid_of(coordinates))
        except InputError:
            return None

    @cached_property
    def _orientation(self) -> Any:
        nibabel = require("nibabel", extra="mediation", purpose="drawing maps")
        return nibabel.orientations.io_orientation(self.space.affine)

    @property
    def flat(self) -> bool:
        """Whether all voxels lie in one slice of the grid."""
        return min(self._extent) == 1

    @property
    def shape(self) -> tuple[int, ...]:
        """How many voxels the box around all of them has along each axis of the grid that is not flat."""
        return tuple(edge for edge in self._extent if edge > 1) or (1,)

    @cached_property
    def _extent(self) -> tuple[int, ...]:
        return tuple(int(np.ptp(places)) + 1 for places in np.nonzero(self.space.mask))

    def slice(self, values: Float[np.ndarray, " voxels"]) -> tuple[Float[np.ndarray, "rows columns"], float]:
        """A flat map as it is seen, up upwards, NaN outside; and the height of a voxel by its width."""
        nibabel = require("nibabel", extra="mediation", purpose="drawing maps")
        grid = np.full(self.space.mask.shape, np.nan)
        grid[self.space.mask] = values[self.order]
        cut = tuple(slice(int(places.min()), int(places.max()) + 1) for places in np.nonzero(self.space.mask))
        seen = nibabel.orientations.apply_orientation(grid[cut], self._orientation)
        sizes = np.sqrt((self.space.affine[:3, :3] ** 2).sum(axis=0))
        zooms = np.empty(3)
        for size, (axis, _) in zip(sizes, self._orientation, strict=True):
            zooms[int(axis)] = size
        across, up = [axis for axis in range(3) if axis != _thin(seen.shape)]
        image = seen.reshape(seen.shape[across], seen.shape[up]).T[::-1]
        return image, float(zooms[up] / zooms[across])

    def peak(self, values: Float[np.ndarray, " voxels"]) -> tuple[float, float, float]:
        """Where in the world the value farthest from nought is."""
        place = int(np.argmax(np.abs(values[self.order])))
        x, y, z = self.space.affine[:3, :3] @ np.array(self.space.index(place)) + self.space.affine[:3, 3]
        return float(x), float(y), float(z)


def map_picture(
    canvas: Canvas,
    maps: Sequence[tuple[str, Float[np.ndarray, " voxels"]]],
    scale: Scale,
    *,
    caption: str,
    cut: tuple[float, float, float] | None = None,
    view: Literal["ortho", "glass"] = "ortho",
    room: int | None = None,
) -> Picture:
    """Draw maps with one key.

    Parameters
    ----------
    canvas
        Where the voxels are.
    maps
        Names and values; those of one slice stand beside each other, those of volumes below each other.
    scale
        Of all of them.
    caption
        Stands below.
    cut
        Of a volume: where the three cuts meet, in the world; None for the value farthest from nought.
    view
        Of a volume: three cuts, or the largest in size along the line of sight, seen through the whole brain.
    room
        Of slices: for how many there is room beside each other; None for as many as there are.
    """
    if canvas.flat:
        parts, width, height = _slices(canvas, maps, scale, room or len(maps))
    else:
        parts, width, height = _volumes(canvas, maps, scale, cut, view)
    parts += _key(height + 6, scale)
    extent = " by ".join(map(str, canvas.shape))
    told = [
        f"{name}: from {show(float(values.min()))} to {show(float(values.max()))}, farthest from 0 at "
        f"({', '.join(show(round(place, 1)) for place in canvas.peak(values))})."
        for name, values in maps
    ]
    alt = f"Map of {extent} voxels, in {scale.unit}. {' '.join(told)}"
    return Picture(svg(height + KEY_HEIGHT + 44, parts, width=width), caption, alt)


def _slices(
    canvas: Canvas, maps: Sequence[tuple[str, Float[np.ndarray, " voxels"]]], scale: Scale, room: int
) -> tuple[list[str], float, float]:
    side = min(SIDE, (NARROW - GAP * (room - 1)) / room)
    top = 18.0 if any(name for name, _ in maps) else 0.0
    parts, tall = [], 0.0
    for place, (name, values) in enumerate(maps):
        image, aspect = canvas.slice(values)
        rows, columns = image.shape[0] * aspect, float(image.shape[1])
        width = side * columns / max(rows, columns)
        height = max(STRIP, side * rows / max(rows, columns))
        x = place * (side + GAP)
        parts += [text(x, 11, name, "muted"), raster(x, top, width, height, scale.colours(image), sharp=True)]
        tall = max(tall, top + height)
    return parts, NARROW, tall


def _volumes(
    canvas: Canvas,
    maps: Sequence[tuple[str, Float[np.ndarray, " voxels"]]],
    scale: Scale,
    cut: tuple[float, float, float] | None,
    view: Literal["ortho", "glass"],
) -> tuple[list[str], float, float]:
    parts, y = [], 0.0
    for name, values in maps:
        if name:
            parts.append(text(0, y + 11, name, "muted"))
            y += 18
        height = WIDE * CUTS[1] / CUTS[0]
        data = _brain(canvas, values, scale, cut or canvas.peak(values), view)
        parts.append(embedded(0, y, WIDE, height, data, kind="png"))
        y += height + 8
    return parts, WIDE, y - 8


def _brain(
    canvas: Canvas,
    values: Float[np.ndarray, " voxels"],
    scale: Scale,
    cut: tuple[float, float, float],
    view: Literal["ortho", "glass"],
) -> bytes:
    """A volume as nilearn draws it, as PNG; nothing is loaded but the map itself."""
    figures = require("matplotlib.figure", extra="pages", purpose="drawing maps")
    plotting = require("nilearn.plotting", extra="mediation", purpose="drawing brains")
    image = canvas.space.image(values[canvas.order])
    reach = max(abs(scale.low), abs(scale.high)) or 1.0
    stream = io.BytesIO()
    common: dict[str, Any] = {
        "colorbar": False, "cmap": _colour_map(), "vmin": -reach, "vmax": reach, "threshold": None, "black_bg": True,
        "resampling_interpolation": "nearest",
    }  # fmt: skip
    with default_parameters():
        figure = figures.Figure(figsize=CUTS, dpi=DOTS, facecolor="black")
        if view == "glass":
            plotting.plot_glass_brain(image, figure=figure, display_mode="ortho", plot_abs=False, alpha=0.7, **common)
        else:
            shown = plotting.plot_stat_map(
                image, bg_img=None, cut_coords=cut, figure=figure, draw_cross=False, **common
            )
            shown.draw_cross(color=LINES, linewidth=0.5)
            mask = canvas.space.image(np.ones(canvas.space.n_voxels))
            shown.add_contours(mask, levels=[0.5], colors=LINES, linewidths=0.6)
        figure.savefig(stream, format="png", facecolor="black", metadata={"Software": None})
    return stream.getvalue()


def _colour_map() -> Any:
    colours = require("matplotlib.colors", extra="pages", purpose="drawing maps")
    return colours.LinearSegmentedColormap.from_list("mediation", COLOURS)


def _key(y: float, scale: Scale) -> list[str]:
    """Which value has which colour."""
    bar = scale.colours(np.linspace(scale.low, scale.high, 128)[None])
    ends = [(0.0, scale.low, "start"), (KEY_WIDTH, scale.high, "end")]
    if scale.low < 0 < scale.high:
        ends.insert(1, (KEY_WIDTH * -scale.low / (scale.high - scale.low), 0.0, "middle"))
    marks = [text(x, y + KEY_HEIGHT + 14, short(value), "muted", end) for x, value, end in ends]
    return [
        raster(0, y, KEY_WIDTH, KEY_HEIGHT, bar, sharp=True),
        *marks,
        text(0, y + KEY_HEIGHT + 30, label(scale.unit, width=UNIT), "muted"),
    ]


def _thin(shape: tuple[int, ...]) -> int:
    """The axis to look along: of those with one voxel the last."""
    return max(axis for axis, edge in enumerate(shape) if edge == 1)
