"""Pictures of an update: how far everything moved, and where it lies."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Bool, Float, Float64, Int64

from latticework.core.errors import InputError
from latticework.core.terminal import columns
from latticework.pages import Picture
from latticework.pages.picture import COLUMN
from latticework.pages.shapes import WIDTH, diamond, dot, line, path, svg, text
from latticework.pages.text import label

CURVE: Final = 300  # points of the curve of drift, at most
MOST_POINTS: Final = 1500  # of a map that did not move
MOST_ARROWS: Final = 150
MOST_NAMED: Final = 14
NAME: Final = 26  # columns of a name


@dataclass(frozen=True)
class Mapped:
    """Points of a plane, in which distances are as near as can be to those of embeddings.

    Attributes
    ----------
    before, after
        Where objects were and are; those that are new have NaN before.
    kept
        How much of the variance of the embeddings the plane has, from 0 to 1.
    """

    before: Float64[np.ndarray, "objects 2"]
    after: Float64[np.ndarray, "objects 2"]
    kept: float


def plane(before: Float[np.ndarray, "objects dim"], after: Float[np.ndarray, "objects dim"]) -> Mapped:
    """Project embeddings to the two principal axes of what they are after an update.

    Parameters
    ----------
    before, after
        Of the same objects; NaN where there was none before.

    Examples
    --------
    >>> points = np.array([[0.0, 0.0, 1.0], [4.0, 0.0, 1.0], [0.0, 2.0, 1.0]])
    >>> mapped = plane(points, points)
    >>> round(mapped.kept, 6), bool(np.allclose(np.linalg.norm(mapped.after[1] - mapped.after[2]), np.hypot(4, 2)))
    (1.0, True)
    """
    centre = after.mean(0)
    spread = after - centre
    _, sizes, axes = np.linalg.svd(spread, full_matrices=False)
    axes, sizes = axes[:2], sizes**2
    axes = axes * np.where(axes[np.arange(len(axes)), np.abs(axes).argmax(1)] < 0, -1, 1)[:, None]
    flat = [np.pad((each - centre) @ axes.T, ((0, 0), (0, 2 - len(axes)))) for each in (before, after)]
    total = float(sizes.sum())
    return Mapped(flat[0], flat[1], float(sizes[:2].sum()) / total if total else 1.0)


def drift_picture(
    drift: Float[np.ndarray, " objects"], affected: Bool[np.ndarray, " objects"], *, objects: str = "entities"
) -> Picture:
    """How far every object moved, the farthest first, and where those begin that an update must not move.

    Parameters
    ----------
    drift
        Length of the change of each joint embedding.
    affected
        Which an update may move.
    objects
        What they are, in the plural.

    Raises
    ------
    InputError
        If there is none.
    """
    count, moved = len(drift), int(affected.sum())
    if not count:
        raise InputError("drift: there is no object to draw")
    inside, outside = (np.sort(drift[which])[::-1] for which in (affected, ~affected))
    top = float(drift.max()) or 1.0
    left, right, high, low = 54.0, WIDTH - 16, 40.0, 210.0

    def x(rank: float) -> float:
        return left + (right - left) * float(np.log10(rank) / np.log10(max(count, 10)))

    def y(value: float) -> float:
        return low - (low - high) * value / top

    parts = [line(left, y(value), right, y(value), "rule") for value in (0.0, top / 2, top)]
    parts += [text(left - 8, y(value) + 4, _short(value), "muted", anchor="end") for value in (0.0, top / 2, top)]
    ticks = [10.0**power for power in range(int(np.log10(count)) + 1)]
    parts += [text(x(rank), low + 20, f"{rank:,.0f}", "muted", anchor="middle") for rank in ticks]
    parts.append(text((left + right) / 2, low + 40, f"{objects}, farthest moved first", "muted", "middle"))
    parts.append(text(0, 14, "length of the change of the joint embedding", "muted"))
    for values, first, colour in ((inside, 1, "series-2"), (outside, moved + 1, "series-1")):
        if len(values):
            ranks = _spaced(len(values), first)
            points = [(x(rank), y(values[rank - first])) for rank in ranks]
            parts.append(path(points, colour))
            parts += [dot(*point, 2.4, colour) for point in points]
    if 0 < moved < count:
        border = (x(moved) + x(moved + 1)) / 2
        parts.append(line(border, high - 8, border, low, "muted", dashes="4 3"))
    parts.append(text(left + 8, 34, f"{moved:,} affected", "series-2"))
    near, far = (float(values.max(initial=0.0)) for values in (inside, outside))
    parts.append(text(right, low - 10, f"others, {count - moved:,}: {_short(far)}", "series-1", "end"))
    told = (
        f"Change of {objects}, {count:,} in all. Affected: {moved:,}, which moved by at most {_short(near)}. "
        f"Others: {count - moved:,}, which moved by at most {_short(far)}."
    )
    caption = (
        f"How far {objects} moved, {count:,} in all, on a logarithmic axis. Outside the affected set nothing may "
        f"move: the largest change there is {_short(far)}."
    )
    return Picture(svg(low + 50, parts), caption, told)


def map_picture(
    mapped: Mapped, names: Sequence[str], moved: Bool[np.ndarray, " objects"], *, others: int = 0
) -> Picture:
    """Where objects lie in a plane, with an arrow for each that moved.

    Parameters
    ----------
    mapped
        Of `plane`.
    names
        Of the objects.
    moved
        Which are affected; what is new is so, too.
    others
        How many more there are that did not move.
    """
    new = np.isnan(mapped.before).any(1)
    length = np.where(new, np.inf, np.linalg.norm(mapped.after - mapped.before, axis=1))
    still, arrows = np.flatnonzero(~moved & ~new), np.flatnonzero(moved | new)
    arrows = arrows[np.argsort(-length[arrows], kind="stable")]
    total = len(still) + others, len(arrows)
    still = still[:: max(1, -(-len(still) // MOST_POINTS))]
    arrows = arrows[:MOST_ARROWS]
    left_out = total[0] - len(still), total[1] - len(arrows)
    shown = np.concatenate([mapped.after, mapped.before[~new]])
    low, span = shown.min(0), np.maximum(np.ptp(shown, axis=0), 1e-12)
    size = np.array([WIDTH - 40, 420.0])
    scale = (size / span).min()
    offset = (size - span * scale) / 2 + np.array([20.0, 30.0])
    height = 480.0

    def place(point: np.ndarray) -> tuple[float, float]:
        x, y = (point - low) * scale + offset
        return float(x), height - float(y)

    parts = [dot(*place(mapped.after[number]), 2.2, "muted", opacity=0.45) for number in still]
    for number in arrows[::-1]:
        end = place(mapped.after[number])
        if new[number]:
            parts.append(diamond(*end, 5.0, "series-3"))
        else:
            start = place(mapped.before[number])
            parts += [line(*start, *end, "series-2", width=1.4, opacity=0.8), dot(*end, 3.0, "series-2")]
    parts += _names([(place(mapped.after[number]), names[number], bool(new[number])) for number in arrows.tolist()])
    counted = {"did not move": ("muted", total[0]), "moved": ("series-2", int((moved & ~new).sum()))}
    counted["new"] = ("series-3", int(new.sum()))
    x = 0.0
    for what, (colour, number) in counted.items():
        said = f"{number:,} {what}"
        parts += [(diamond if what == "new" else dot)(x + 5, 10, 4, colour), text(x + 14, 14, said)]
        x += 34 + COLUMN * len(said)
    told = ", ".join(f"{number:,} {what}" for what, (_, number) in counted.items())
    missing = zip(left_out, ("did not move", "moved"), strict=True)
    drawn = [f"{number:,} of those that {which}" for number, which in missing if number]
    caption = (
        f"Joint embeddings of entities in the plane of their two principal axes, which has {mapped.kept:.0%} of their "
        "variance. A line leads from where one was before the update to where it is now."
        + (f" Not drawn: {' and '.join(drawn)}." if drawn else "")
    )
    return Picture(svg(height + 4, parts), caption, f"Map of entities: {told}.")


def _names(points: Iterable[tuple[tuple[float, float], str, bool]]) -> list[str]:
    """Names beside points, as long as none covers another."""
    taken: list[tuple[float, float, float, float]] = []
    parts: list[str] = []
    for (x, y), name, new in points:
        said = label(name, width=NAME)
        width = COLUMN * columns(said)
        left = x + 8 if x + 8 + width < WIDTH else x - 8 - width
        box = (left, y - 9, left + width, y + 5)
        if len(parts) < MOST_NAMED and all(
            box[2] < other[0] or other[2] < box[0] or box[3] < other[1] or other[3] < box[1] for other in taken
        ):
            taken.append(box)
            parts.append(text(left, y + 4, said, "series-3" if new else "ink", halo=True))
    return parts


def _spaced(count: int, first: int) -> Int64[np.ndarray, " ranks"]:
    """Ranks from `first` on: all, or of many some that are even on a logarithmic axis, both ends among them."""
    if count <= CURVE:
        return np.arange(first, first + count)
    ranks = np.geomspace(first, first + count - 1, CURVE)
    return np.unique(np.rint(ranks).astype(np.int64))


def _short(value: float) -> str:
    return "0" if value == 0 else f"{value:.2g}"
