"""One part, inspected: from what its banks say to an `Inspection` in the pixels of its own picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float32

from latticework.anomaly.calibration import p_values
from latticework.anomaly.defect_regions import numbered, regions
from latticework.anomaly.describing import Described
from latticework.anomaly.judging import Judged, fused_map, unsquashed
from latticework.anomaly.results import BankScore, Inspection, Nearest, Region
from latticework.anomaly.samples import Sample
from latticework.anomaly.squares import Square

if TYPE_CHECKING:
    from latticework.anomaly.detector import M3DM


def inspection(sample: Sample, described: Described, judged: Judged, model: M3DM) -> Inspection:
    """Everything about one part.

    Parameters
    ----------
    sample, described
        The scan, and what was seen of it.
    judged
        What the banks make of it.
    model
        A fitted detector.
    """
    layers, config = model.normal_.layers, model.settings_
    square: Square = described.frames.squares[0]
    heat = fused_map(judged, layers.patch, config)
    whole = _own(square, heat)
    foreground = _own(square, described.frames.foreground[0].numpy().astype(np.float32)) > 0.5
    if sample.mask is not None:
        foreground &= sample.mask
    score = float(layers.image.fuse(judged.scores))
    shares = layers.patch.contributions(np.moveaxis(judged.maps, 0, -1))

    def strongest(row: int, column: int) -> str:
        down, right = square.framed(row, column)
        grid = shares.shape[:2]
        place = tuple(min(int(at * side / config.size), side - 1) for at, side in zip((down, right), grid, strict=True))
        return model.banks_[int(shares[place].argmax())]

    found: tuple[Region, ...] = ()
    marked = np.zeros(whole.shape, dtype=np.int64)
    if model.map_threshold_ is not None:
        level = unsquashed(np.float32(model.map_threshold_.value), config)
        marked = numbered(unsquashed(whole, config), foreground, float(level))
        part = None if sample.xyz is None else np.where(foreground[:, :, None], sample.xyz, np.nan)
        found = regions(whole, marked, part, strongest=strongest)
    set_aside = len(model.calibration_[0])
    return Inspection(
        sample.name,
        score,
        float(p_values(model.calibration_[0], np.array(score))) if set_aside else float("nan"),
        None if model.threshold_ is None else score > model.threshold_.value,
        tuple(_bank(number, judged, square, model) for number in range(len(model.banks_))),
        found,
        whole,
        foreground,
        marked,
        _doubt(described, judged, model),
    )


def _doubt(described: Described, judged: Judged, model: M3DM) -> str:
    silent = [bank for bank, (row, _) in zip(model.banks_, judged.worst, strict=True) if row < 0]
    told = f"nothing of it could be judged by {', '.join(silent)}" if silent else ""
    return "; ".join(filter(None, (described.frames.doubts[0], told)))


def _own(square: Square, values: Float32[np.ndarray, "size size"]) -> Float32[np.ndarray, "height width"]:
    return np.ascontiguousarray(square.restored(torch.from_numpy(values)[None])[0].numpy())


def _bank(number: int, judged: Judged, square: Square, model: M3DM) -> BankScore:
    name = model.banks_[number]
    contributions = model.normal_.layers.image.contributions(judged.scores)
    row, column = judged.worst[number]
    nearest = None
    place = (0, 0)
    if row >= 0:
        place = square.original(*_middle(row, column, judged.grids[number], square.size))
        part, down, right = model.normal_.memories[name].where[judged.nearest[number]]
        height, width = model.sizes_[part]
        theirs = Square(height, width, square.size)
        at = theirs.original(*_middle(down, right, judged.grids[number], square.size))
        nearest = Nearest(model.parts_[part], *at, float(judged.distances[number]))
    return BankScore(name, float(judged.scores[number]), float(contributions[number]), *place, nearest)


def _middle(row: int, column: int, grid: np.ndarray, size: int) -> tuple[float, float]:
    """The middle of a patch in pixels of the square."""
    return (row + 0.5) * size / grid[0], (column + 0.5) * size / grid[1]
