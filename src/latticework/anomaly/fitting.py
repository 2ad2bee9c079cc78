"""How a detector learns good parts: features, their scales, memory banks, and what scores of good parts are like.

Two things differ from the paper, whose decision layer sees the very parts that fill the banks. The decision layers
learn from each part's distance to what the banks hold of the *other* parts; and thresholds come from parts set aside,
which nothing was fitted on.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from jaxtyping import Bool, Float64

from latticework.anomaly.cache import Cache, HalfRows
from latticework.anomaly.config import M3DMConfig
from latticework.anomaly.decision import MOST_ROWS, Method, fit_decision
from latticework.anomaly.describing import Described, Description, Patches, looked_at, place_channels
from latticework.anomaly.feature_fusion import FeatureFusion
from latticework.anomaly.fusion_learning import FusionConfig, PatchPairs, fit_fusion
from latticework.anomaly.judging import FUSION, SIDES, Judged, Layers, Representation, fused_map, judge
from latticework.anomaly.measures import auroc
from latticework.anomaly.memory import MemoryBank, Needs, needs, places
from latticework.anomaly.pixels import Pixels
from latticework.anomaly.preprocess import Frames
from latticework.anomaly.pseudo import pseudo_defects
from latticework.anomaly.whitening import Moments, Whitening, standardisation, whitening
from latticework.core.seeds import spawn

if TYPE_CHECKING:
    from latticework.anomaly.pretrained import Pretrained

SCORED: Final = 200  # good parts, at most, whose scores the decision layers learn from
HELD_OUT: Final = 5  # every so many-th good part is not trained on by the fusion, which is tried on it
TRIED: Final = 16  # such parts, at most,
DEFECTS: Final = 4  # each with so many pseudo-defects
GAIN: Final = 0.005  # that a fusion bank has to bring, on either half of them
EMBEDDED: Final = FusionConfig(steps=150, warmup_steps=40, most_patches=1024, validate_every=25, head=64)
_BLOCK: Final = 8192  # rows at a time


class Store:
    """What was seen of good parts, part by part: in memory while it fits, in half precision in a file beyond."""

    def __init__(self, config: M3DMConfig) -> None:
        self.config = config
        self.names: list[str] = []
        self.sizes: list[tuple[int, int]] = []
        self.digests: list[str] = []
        self._rows: dict[str, Cache] = {}
        self._judged: dict[str, list[Bool[np.ndarray, "rows columns"]]] = {}

    def __len__(self) -> int:
        return len(self.names)

    @property
    def banks(self) -> tuple[str, ...]:
        """What there is."""
        return tuple(self._rows)

    def add(self, described: Described) -> None:
        """Keep what was seen of one more part."""
        self.names.append(described.name)
        self.digests.append(described.digest)
        square = described.frames.squares[0]
        self.sizes.append((square.height, square.width))
        for bank, patches in described.patches.items():
            if bank not in self._rows:
                self._rows[bank] = Cache(budget=self.config.memory, folder=self.config.cache_folder)
                self._judged[bank] = []
            self._rows[bank].append(np.ascontiguousarray(patches.rows))
            self._judged[bank].append(patches.judged)

    def blocks(self, bank: str) -> Iterator[np.ndarray]:
        """All rows, some at a time."""
        rows = self._rows[bank].rows()
        for begin in range(0, rows.shape[0], _BLOCK):
            yield rows[begin : begin + _BLOCK]

    def parts(self, numbers: Iterable[int]) -> Iterator[dict[str, Patches]]:
        """What was seen of some parts, each as a description."""
        rows = {bank: cache.rows() for bank, cache in self._rows.items()}
        ends = {bank: np.cumsum([judged.sum() for judged in found]) for bank, found in self._judged.items()}
        for number in numbers:
            yield {bank: self._part(bank, rows[bank], ends[bank], number) for bank in self._rows}

    def _part(self, bank: str, rows: np.ndarray | HalfRows, ends: np.ndarray, number: int) -> Patches:
        judged = self._judged[bank][number]
        return Patches(rows[int(ends[number]) - int(judged.sum()) : int(ends[number])], judged)

    def close(self) -> None:
        """Forget all rows."""
        for cache in self._rows.values():
            cache.close()


@dataclass(frozen=True, eq=False)
class Normal:
    """What was learnt from good parts.

    Attributes
    ----------
    representation
        From what is seen to what banks hold.
    memories
        The banks.
    layers
        What their scores mean together.
    """

    representation: Representation
    memories: dict[str, MemoryBank]
    layers: Layers


def learn(
    store: Store,
    scans: Mapping[int, Frames],
    *,
    fusion: bool,
    method: Method,
    coreset: float,
    config: M3DMConfig,
    encoders: Pretrained | None,
    device: torch.device,
    seed: int,
) -> tuple[Normal, list[str]]:
    """Learn good parts; what was decided on the way comes back in sentences.

    Parameters
    ----------
    store
        What was seen of the parts.
    scans
        Of every fifth of them, by number, which the fusion is not trained on: pseudo-defects are tried there. None if
        there is no fusion bank to try.
    fusion
        Whether to learn a fusion bank; unless the paper is followed, it is kept only if it helps.
    method, coreset, config, encoders, device, seed
        As of `M3DM`.
    """
    scales = {bank: _scale(store, bank, config, encoders) for bank in store.banks}
    representation = Representation(scales)
    memories = fill(store, representation, coreset=coreset, config=config, device=device)
    normal = Normal(
        representation, memories, decide(store, representation, memories, method=method, config=config, seed=seed)
    )
    if not fusion:
        return normal, []
    fitted = _fused(store, representation, config, device, seed)
    if fitted is None:
        return normal, ["no fusion bank: there are too few parts to learn from, or nothing in common was found"]
    more = Representation(scales, fitted)
    memories = memories | fill(store, more, coreset=coreset, config=config, device=device, only=(FUSION,))
    richer = Normal(more, memories, decide(store, more, memories, method=method, config=config, seed=seed))
    if config.paper:
        return richer, []
    gains = [
        tried(store, half, richer, config, encoders, seed) - tried(store, half, normal, config, encoders, seed)
        for half in _halves(scans)
    ]
    points = " and ".join(f"{100 * gain:+.1f}" for gain in gains)
    told = f"{points} points of AUROC and AUPRO on pseudo-defects of held-out parts"
    if not gains or min(gains) < GAIN:
        return normal, [f"the fusion bank was dropped: {told}"]
    return richer, [f"the fusion bank was kept: {told}"]


def stated(first: Description, parts: int, config: M3DMConfig, *, coreset: float, fusion: bool) -> Needs:
    """What it takes at most to learn so many parts like a first one, besides the interpreter and its libraries.

    Parameters
    ----------
    first
        What was seen of it.
    parts
        How many there are.
    config, coreset
        As of `M3DM`.
    fusion
        Whether a fusion bank is learnt.
    """
    found = []
    for patches in first.values():
        rows, channels = parts * len(patches.rows), patches.rows.shape[1]
        seen = 4 * rows * channels
        found.append(Needs(min(5 * seen // 4, config.memory), 0 if seen <= config.memory else seen // 2))
        found.append(needs(rows, channels, fraction=coreset, budget=config.memory))
    if fusion:
        cells = max(patches.judged.size for patches in first.values())
        width = sum(patches.rows.shape[1] for bank, patches in first.items() if any(bank in side for side in SIDES))
        pairs = 2 * parts * cells * width
        found.append(Needs(pairs, 0) if pairs <= config.memory else Needs(0, pairs))
        found.append(needs(parts * cells, width, fraction=coreset, budget=config.memory))
    return Needs(sum(part.memory for part in found), sum(part.disk for part in found))


def fill(
    store: Store,
    representation: Representation,
    *,
    coreset: float,
    config: M3DMConfig,
    device: torch.device,
    only: Sequence[str] = (),
    into: Mapping[str, MemoryBank] | None = None,
    first: int = 0,
) -> dict[str, MemoryBank]:
    """Memory banks of all patches seen, each a coreset.

    Parameters
    ----------
    store, representation
        What was seen, and as what banks hold it.
    coreset
        The share that is kept.
    config, device
        Figures, and where products are computed.
    only
        Banks to fill, all when empty.
    into
        Banks to add to, in the place of new ones; they stay as they are.
    first
        The number of the first part.
    """
    options: dict[str, Any] = {"budget": config.memory, "folder": config.cache_folder, "device": device}
    memories = {bank: MemoryBank.from_arrays(memory.to_arrays(), **options) for bank, memory in (into or {}).items()}
    for number, description in enumerate(store.parts(range(len(store)))):
        for bank, patches in representation(description).items():
            if not only or bank in only:
                if bank not in memories:
                    memories[bank] = MemoryBank(**options)
                memories[bank].add(patches.rows, places(first + number, patches.judged))
    for bank in only or tuple(memories):
        memories[bank].finish(coreset)
    return memories


def decide(
    store: Store,
    representation: Representation,
    memories: Mapping[str, MemoryBank],
    *,
    method: Method,
    config: M3DMConfig,
    seed: int,
) -> Layers:
    """What scores of good parts are like, each by what the banks hold of the others."""
    generator = np.random.default_rng(spawn(seed, "parts that are scored"))
    numbers = np.sort(generator.permutation(len(store))[:SCORED])
    most = max(1, MOST_ROWS // len(numbers))
    images, patches = [], []
    for number, description in zip(numbers, store.parts(numbers), strict=True):
        found = judged_without(representation(description), memories, config, int(number))
        images.append(found.scores)
        rows = found.maps[:, found.judged].T
        patches.append(rows if len(rows) <= most else rows[np.sort(generator.permutation(len(rows))[:most])])
    return Layers(fit_decision(np.stack(images), method=method), fit_decision(np.concatenate(patches), method=method))


def judged_without(
    patches: Mapping[str, Patches], memories: Mapping[str, MemoryBank], config: M3DMConfig, number: int | None
) -> Judged:
    """A part, judged by what the banks hold of others."""
    return judge(patches, memories, worst=config.worst, reweighted=config.paper, without=number)


def tried(
    store: Store,
    scans: Mapping[int, Frames],
    normal: Normal,
    config: M3DMConfig,
    encoders: Pretrained | None,
    seed: int,
) -> float:
    """How well good parts are told from the same with pseudo-defects: the mean of image AUROC and AUPRO.

    Parameters
    ----------
    store
        What was seen of all parts.
    scans
        Those of some, by number.
    normal, config, encoders, seed
        What was learnt, and how.
    """
    banks = list(normal.representation.whitenings)
    scores, maps, truths = [], [], []
    for (number, scan), description in zip(scans.items(), store.parts(scans), strict=True):
        seen: list[tuple[Description, Bool[np.ndarray, "size size"] | None]] = [(description, None)]
        for defect in range(DEFECTS):
            spoilt, where = pseudo_defects(scan, spawn(seed, f"pseudo-defect {number} {defect}"))
            seen.append((looked_at(spoilt, banks, config, encoders)[0], where[0]))
        for found, truth in seen:
            judged = judged_without(normal.representation(found), normal.memories, config, number)
            scores.append(float(normal.layers.image.fuse(judged.scores)))
            maps.append(fused_map(judged, normal.layers.patch, config))
            truths.append(truth)
    bad = np.array([truth is not None for truth in truths])
    return (auroc(scores, bad) + Pixels.of(maps, truths).aupro((0.3,))[0.3]) / 2


def calibrated(
    parts: Iterable[Description], normal: Normal, config: M3DMConfig
) -> tuple[Float64[np.ndarray, " parts"], Float64[np.ndarray, " parts"]]:
    """Of parts set aside, their scores and the highest scores in their maps."""
    scores, peaks = [], []
    for part in parts:
        found = judged_without(normal.representation(part), normal.memories, config, None)
        scores.append(float(normal.layers.image.fuse(found.scores)))
        peaks.append(float(fused_map(found, normal.layers.patch, config).max()))
    return np.array(scores), np.array(peaks)


def _halves(scans: Mapping[int, Frames]) -> list[dict[int, Frames]]:
    numbers = list(scans)
    return [{number: scans[number] for number in half} for half in (numbers[::2], numbers[1::2]) if half]


def _scale(store: Store, bank: str, config: M3DMConfig, encoders: Pretrained | None) -> Whitening:
    moments = Moments.of(store.blocks(bank))
    if config.paper:
        return standardisation(moments)
    place = place_channels(bank, config, encoders)
    return whitening(moments, most=config.components, place=place, weight=config.places)


def _fused(
    store: Store, representation: Representation, config: M3DMConfig, device: torch.device, seed: int
) -> FeatureFusion | None:
    """Learn what geometry and colours have in common; None where that is nothing."""
    if len(store) < 3 and not config.paper:
        return None
    pictures: list[np.ndarray] = []
    present = []
    for number, description in enumerate(store.parts(range(len(store)))):
        both, judged = representation.sides(representation(description))
        pictures = pictures or [_room((len(store), judged.size, side.shape[1]), config) for side in both]
        for picture, side in zip(pictures, both, strict=True):
            picture[number, judged.ravel()] = side
        present.append(judged.ravel())
    xyz, rgb = pictures
    pairs = PatchPairs.of(xyz, rgb, np.stack(present))
    held_out = range(0, len(store), HELD_OUT) if len(store) >= HELD_OUT else ()
    if not pairs.present.sum(1).max() > 1:
        return None
    settings = FusionConfig() if config.paper else EMBEDDED
    fitted = fit_fusion(pairs, held_out=list(held_out), config=settings, seed=spawn(seed, "fusion"), device=str(device))
    return fitted.fusion if config.paper or fitted.learnt else None


def _room(shape: tuple[int, ...], config: M3DMConfig) -> np.ndarray:
    """Zeros in half precision: in memory while they fit, in a file without a name beyond."""
    if 2 * math.prod(shape) <= config.memory:
        return np.zeros(shape, np.float16)
    with tempfile.TemporaryFile(dir=config.cache_folder) as file:  # the map keeps it until it is gone itself
        return np.memmap(file, np.float16, "w+", shape=shape)
