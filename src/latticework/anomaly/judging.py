"""How unlike good ones the patches of a part are, in each memory bank and together: sections 3.3 and 3.4 of M3DM.

Differs from the paper: maps are fused before they are enlarged, not after, which is the same where the fusion is a
weighted sum.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Float32, Float64, Int64
from torch import Tensor

from latticework.anomaly.banks import FUSION, SIDES
from latticework.anomaly.config import M3DMConfig
from latticework.anomaly.features.extraction import Description, Patches
from latticework.anomaly.fusion.decision import DecisionLayer
from latticework.anomaly.fusion.feature_fusion import FeatureFusion
from latticework.anomaly.memory.bank import MemoryBank
from latticework.anomaly.memory.neighbours import Neighbours
from latticework.anomaly.memory.reweighting import image_score
from latticework.anomaly.memory.whitening import Whitening
from latticework.nn.linear import without_autocast
from latticework.nn.precision import full_precision

KNEE: Final = 5.0  # fused scores up to which a map shows them as they are; above, rather their logarithms
_REACH: Final = 3.0  # standard deviations that a smoothing goes to


@dataclass(frozen=True, eq=False)
class Judged:
    """What the memory banks make of one part, before fusion.

    Attributes
    ----------
    maps
        Distances of patches from each bank, on one grid; NaN where a bank does not judge.
    scores
        One number a bank; NaN if it judges no patch.
    worst
        Row and column, on the bank's own grid, of its worst patch; -1 if it judges none.
    nearest, distances
        The entry of the bank that is nearest to that patch, and how near; -1 and 0 if it judges none.
    grids
        Rows and columns of each bank's own grid.
    """

    maps: Float32[np.ndarray, "banks rows columns"]
    scores: Float64[np.ndarray, " banks"]
    worst: Int64[np.ndarray, "banks 2"]
    nearest: Int64[np.ndarray, " banks"]
    distances: Float64[np.ndarray, " banks"]
    grids: Int64[np.ndarray, "banks 2"]

    @property
    def judged(self) -> Bool[np.ndarray, "rows columns"]:
        """Where any bank judges."""
        return ~np.isnan(self.maps).all(0)


@dataclass(frozen=True, eq=False)
class Representation:
    """From what is seen in patches to what memory banks hold.

    Attributes
    ----------
    whitenings
        By bank.
    fusion
        Of geometry and colours, if there is such a bank; it computes where its weights are.
    """

    whitenings: Mapping[str, Whitening]
    fusion: FeatureFusion | None = None

    def __call__(self, description: Description) -> dict[str, Patches]:
        """The patches as the banks hold them, those of the fusion bank included."""
        found = {
            bank: Patches(whitening(description[bank].rows), description[bank].judged)
            for bank, whitening in self.whitenings.items()
        }
        if self.fusion is not None:
            sides, judged = self.sides(found)
            device = next(self.fusion.parameters()).device
            with torch.inference_mode(), full_precision(device):
                fused = self.fusion(*(torch.from_numpy(side).to(device) for side in sides))
            found[FUSION] = Patches(fused.cpu().numpy(), judged)
        return found

    def sides(
        self, patches: Mapping[str, Patches]
    ) -> tuple[
        tuple[Float32[np.ndarray, "patches xyz"], Float32[np.ndarray, "patches rgb"]], Bool[np.ndarray, "rows columns"]
    ]:
        """Geometry and colours of the patches that have both, places left out; on the finer of their grids."""
        names = [bank for side in SIDES for bank in side if bank in patches]
        grid = max((patches[bank].judged.shape for bank in names), key=lambda shape: shape[0])
        judged = np.ones(grid, bool)
        for bank in names:
            judged &= _finer(patches[bank].judged, grid)
        both = []
        for side in SIDES:
            rows = [_taken(patches[bank], judged)[:, : self.whitenings[bank].own] for bank in side if bank in patches]
            both.append(np.concatenate(rows, axis=1))
        return (both[0], both[1]), judged


@dataclass(frozen=True, eq=False)
class Layers:
    """What is made of the scores of several banks.

    Attributes
    ----------
    image
        One score a part.
    patch
        One score a patch.
    """

    image: DecisionLayer
    patch: DecisionLayer


def judge(
    patches: Mapping[str, Patches],
    memories: Mapping[str, MemoryBank],
    config: M3DMConfig,
    *,
    without: int | None = None,
) -> Judged:
    """Compare the patches of a part with what the banks hold.

    Parameters
    ----------
    patches
        As `Representation` gives them.
    memories
        Finished banks.
    config
        How many of the worst patches have the mean distance that is the score; in the paper's mode it is that of the
        worst one, by PatchCore's equation 7.
    without
        Leave out what the banks have of the part of that number. Where they have nothing else, each patch is compared
        with the second nearest entry.
    """
    grid = max((found.judged.shape for bank, found in patches.items() if bank in memories), key=lambda shape: shape[0])
    maps, scores, places, entries, distances, grids = [], [], [], [], [], []
    for bank, memory in memories.items():
        found = patches[bank]
        own, near, which, numbers = _nearest(found.rows, memory, without)
        picture = np.full(found.judged.shape, np.nan, np.float32)
        picture[found.judged] = near
        maps.append(_finer(picture, grid))
        grids.append(found.judged.shape)
        if not len(near):
            scores.append(np.nan)
            places.append((-1, -1))
            entries.append(-1)
            distances.append(0.0)
            continue
        scores.append(image_score(own, found.rows, near, which) if config.paper else _highest(near, config.worst))
        top = int(near.argmax())
        row, column = (int(axis[top]) for axis in np.nonzero(found.judged))
        places.append((row, column))
        entries.append(int(numbers[which[top]]))
        distances.append(float(near[top]))
    return Judged(
        np.stack(maps),
        np.array(scores),
        np.array(places),
        np.array(entries),
        np.array(distances),
        np.array(grids),
    )


def fused_map(judged: Judged, layer: DecisionLayer, config: M3DMConfig) -> Float32[np.ndarray, "size size"]:
    """The score of every pixel of a frame: fused, enlarged, and smoothed by a Gaussian.

    Unless the paper is followed, it is k asinh(s/k) of the fused score s: the score itself where that is small, and
    nearly its logarithm where it is large, so that a patch that is a hundred times over the limit does not make all
    around it look defective.
    """
    return _shown(layer.fuse_maps(judged.maps), config)


def bank_map(judged: Judged, number: int, layer: DecisionLayer, config: M3DMConfig) -> Float32[np.ndarray, "size size"]:
    """The same of one bank alone: what it contributes to the fused score."""
    return _shown(layer.contributions(np.moveaxis(judged.maps, 0, -1))[..., number].astype(np.float32), config)


def enlarged(
    values: Float32[np.ndarray, "rows columns"], *, size: int, sigma: float
) -> Float32[np.ndarray, "size size"]:
    """A map of patches as one of pixels, bilinear, smoothed by a Gaussian of so many pixels, in floats.

    Examples
    --------
    >>> enlarged(np.ones((4, 4), np.float32), size=32, sigma=2.0).round(5).min()
    np.float32(1.0)
    """
    with without_autocast("cpu"):
        whole = F.interpolate(torch.from_numpy(values)[None, None], (size, size), mode="bilinear", align_corners=False)
        return np.asarray(_smoothed(whole, sigma)[0, 0].numpy())


def unsquashed(values: Any, config: M3DMConfig) -> Any:
    """Values of a map, as fused scores.

    Examples
    --------
    >>> unsquashed(KNEE * np.arcsinh(200 / KNEE), M3DMConfig()).round(6)
    np.float64(200.0)
    """
    return values if config.paper else KNEE * np.sinh(values / np.float32(KNEE))


def _shown(scores: Float32[np.ndarray, "rows columns"], config: M3DMConfig) -> Float32[np.ndarray, "size size"]:
    """Scores of patches as a map."""
    if not config.paper:
        scores = KNEE * np.arcsinh(scores / np.float32(KNEE))
    return enlarged(scores.astype(np.float32), size=config.size, sigma=config.sigma)


def _smoothed(maps: Float[Tensor, "batch 1 height width"], sigma: float) -> Float[Tensor, "batch 1 height width"]:
    reach = int(_REACH * sigma + 0.5)
    if not reach:
        return maps
    places = torch.arange(-reach, reach + 1, dtype=maps.dtype, device=maps.device)
    kernel = torch.exp(-places.square() / (2 * sigma**2))
    kernel /= kernel.sum()
    padded = F.pad(maps, (reach, reach, reach, reach), mode="replicate")
    return F.conv2d(F.conv2d(padded, kernel.view(1, 1, 1, -1)), kernel.view(1, 1, -1, 1))


def _nearest(
    rows: Float32[np.ndarray, "patches channels"], memory: MemoryBank, without: int | None
) -> tuple[Neighbours, Float32[np.ndarray, " patches"], Int64[np.ndarray, " patches"], Int64[np.ndarray, " some"]]:
    """The entries that are searched, the distance from the nearest of them, which it is, and their numbers in all."""
    every = np.arange(len(memory))
    if without is None:
        return memory.neighbours, *memory.neighbours.nearest(rows), every
    others = np.flatnonzero(memory.where[:, 0] != without)
    if len(others):
        own = Neighbours(memory.features[others], device=memory.device)
        return own, *own.nearest(rows), others
    near, which = memory.neighbours.several(rows, 2)
    return memory.neighbours, near[:, -1], which[:, -1], every


def _highest(distances: Float32[np.ndarray, " patches"], count: int) -> float:
    count = min(count, len(distances))
    return float(np.partition(distances, len(distances) - count)[-count:].mean())


def _finer(values: np.ndarray, grid: Sequence[int]) -> np.ndarray:
    """A map on a grid that is as fine, or some times finer, each value as often as needed."""
    times = grid[0] // values.shape[0]
    return values if times == 1 else values.repeat(times, axis=0).repeat(times, axis=1)


def _taken(patches: Patches, judged: Bool[np.ndarray, "rows columns"]) -> Float32[np.ndarray, "patches channels"]:
    """The features where something is judged, on a grid that may be finer."""
    number = np.full(patches.judged.shape, -1)
    number[patches.judged] = np.arange(len(patches.rows))
    return patches.rows[_finer(number, judged.shape)[judged]]
