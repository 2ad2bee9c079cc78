"""How a detector learns good parts: features, their scales, memory banks, and what scores of good parts are like.

Two things differ from the paper, whose decision layer sees the very parts that fill the banks. The decision layers
learn from each part's distance to what the banks hold of the *other* parts; and thresholds come from parts set aside,
which nothing was fitted on.
"""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from jaxtyping import Float64

from latticework.anomaly.banks import FUSION
from latticework.anomaly.choices import Fusion
from latticework.anomaly.config import M3DMConfig
from latticework.anomaly.features.extraction import Description, place_channels
from latticework.anomaly.fitted import Normal
from latticework.anomaly.fusion.decision import MOST_ROWS, fit_decision
from latticework.anomaly.fusion.feature_fusion import FeatureFusion
from latticework.anomaly.fusion.fusion_learning import FusionConfig, fit_fusion
from latticework.anomaly.fusion.fusion_trial import trial_scores
from latticework.anomaly.fusion.patch_pairs import PatchPairs
from latticework.anomaly.judging import Layers, Representation, fused_map, judge
from latticework.anomaly.memory.bank import MemoryBank, places
from latticework.anomaly.memory.cache import nameless_file
from latticework.anomaly.memory.store import Store
from latticework.anomaly.memory.whitening import Moments, Whitening, standardisation, whitening
from latticework.anomaly.preparation.frames import Frame
from latticework.core.seeds import spawn
from latticework.core.temporaries import write_errors_of

if TYPE_CHECKING:
    from latticework.anomaly.encoders.pretrained import Pretrained

SCORED: Final = 200  # good parts, at most, whose scores the decision layers learn from
HELD_OUT: Final = 5  # every so many-th good part is not trained on by the fusion, which is tried on some
GAIN: Final = 0.005  # that a fusion bank has to bring, on either half of them
EMBEDDED: Final = FusionConfig(steps=150, warmup_steps=40, most_patches=1024, validate_every=25, head=64)


def learn(
    store: Store,
    scans: Mapping[int, Frame],
    *,
    fusion: bool,
    method: Fusion,
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
        Of every fifth of them, by number, which the fusion is not trained on: pseudo-defects are tried there. Empty
        if there is no fusion bank to try.
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
    tried = [trial_scores(store, half, (richer, normal), config, encoders, seed) for half in _halves(scans)]
    gains = [with_fusion - without for with_fusion, without in tried]
    points = " and ".join(f"{100 * gain:+.1f}" for gain in gains)
    told = f"{points} points of AUROC and AUPRO on pseudo-defects of held-out parts"
    if not gains or min(gains) < GAIN:
        return normal, [f"the fusion bank was dropped: {told}"]
    return richer, [f"the fusion bank was kept: {told}"]


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
    method: Fusion,
    config: M3DMConfig,
    seed: int,
) -> Layers:
    """What scores of good parts are like, each by what the banks hold of the others."""
    generator = np.random.default_rng(spawn(seed, "parts that are scored"))
    numbers = np.sort(generator.permutation(len(store))[:SCORED]).tolist()
    most = max(1, MOST_ROWS // len(numbers))
    images, patches = [], []
    for number, description in zip(numbers, store.parts(numbers), strict=True):
        found = judge(representation(description), memories, config, without=number)
        images.append(found.scores)
        rows = found.maps[:, found.judged].T
        patches.append(rows if len(rows) <= most else rows[np.sort(generator.permutation(len(rows))[:most])])
    return Layers(fit_decision(np.stack(images), method=method), fit_decision(np.concatenate(patches), method=method))


def calibrated(
    parts: Iterable[Description], normal: Normal, config: M3DMConfig
) -> tuple[Float64[np.ndarray, " parts"], Float64[np.ndarray, " parts"]]:
    """Of parts set aside, their scores and the highest scores in their maps."""
    scores, peaks = [], []
    for part in parts:
        found = judge(normal.representation(part), normal.memories, config)
        scores.append(float(normal.layers.image.fuse(found.scores)))
        peaks.append(float(fused_map(found, normal.layers.patch, config).max()))
    return np.array(scores), np.array(peaks)


def _halves(scans: Mapping[int, Frame]) -> list[dict[int, Frame]]:
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
    if len(store) < HELD_OUT and not config.paper:
        return None  # none to try it on
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
    held_out = range(0, len(store), HELD_OUT) if len(store) >= HELD_OUT else range(0)
    if not (np.delete(pairs.present, held_out, 0).sum(1) > 1).any():
        return None
    settings = FusionConfig() if config.paper else EMBEDDED
    fitted = fit_fusion(pairs, held_out=list(held_out), config=settings, seed=spawn(seed, "fusion"), device=str(device))
    return fitted.fusion.to(device) if config.paper or fitted.learnt else None


def _room(shape: tuple[int, ...], config: M3DMConfig) -> np.ndarray:
    """Zeros in half precision: in memory while they fit, in a file without a name beyond."""
    if 2 * math.prod(shape) <= config.memory:
        return np.zeros(shape, np.float16)
    folder = config.cache_folder or tempfile.gettempdir()
    with nameless_file(folder) as file:  # the map keeps it until it is gone itself
        if hasattr(os, "posix_fallocate"):  # to write where a map has no room on the disk would end the process
            with write_errors_of(folder):
                os.posix_fallocate(file.fileno(), 0, 2 * math.prod(shape))
        return np.memmap(file, np.float16, "w+", shape=shape)
