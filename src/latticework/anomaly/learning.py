"""From good parts to a fitted detector: they are described, learnt, and those set aside give the threshold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from latticework.anomaly.banks import FUSION
from latticework.anomaly.choices import Fusion
from latticework.anomaly.config import M3DMConfig
from latticework.anomaly.features.extraction import Extractor, scans_of
from latticework.anomaly.fitted import Fitted
from latticework.anomaly.fitting import HELD_OUT, calibrated, fill, learn
from latticework.anomaly.fusion.fusion_trial import TRIED
from latticework.anomaly.held_out import HeldOut
from latticework.anomaly.memory.needs import training_needs
from latticework.anomaly.memory.store import Store
from latticework.anomaly.preparation.frames import Frames
from latticework.anomaly.scans.inputs import Part, unit_of
from latticework.anomaly.scans.samples import Sample
from latticework.core.progress import message
from latticework.core.words import counted

if TYPE_CHECKING:
    from latticework.anomaly.encoders.pretrained import Pretrained

LEARNT, ASIDE = "looking at good parts", "looking at parts set aside"


def learn_parts(
    train: Sequence[Part],
    first: Sample,
    aside: Sequence[Part],
    *,
    banks: Sequence[str],
    method: Fusion,
    coreset: float,
    config: M3DMConfig,
    encoders: Pretrained | None,
    device: torch.device,
    seed: int,
) -> Fitted:
    """Learn good parts, and set the threshold by others.

    Parameters
    ----------
    train
        Parts to learn from.
    first
        The first of them, read.
    aside
        Parts to set aside.
    banks
        To fill.
    method, coreset, config, encoders, device, seed
        As of `M3DM`.
    """
    scans, seen = scans_of(first), tuple(bank for bank in banks if bank != FUSION)
    fusion = FUSION in banks
    store, tries = Store(config), fusion and not config.paper
    frames: dict[int, Frames] = {}
    extractor = Extractor(seen, config, scans, encoders, alike=True)
    for place, described in enumerate(extractor.each([first, *train[1:]], LEARNT)):
        store.add(described)
        if place == 0:
            needed = training_needs(
                described.patches, len(train), config, aside=len(aside), coreset=coreset, fusion=fusion
            )
            message(f"to learn {counted(len(train), 'part')} takes at most {needed.told()}")
        if tries and place % HELD_OUT == 0 and len(frames) < TRIED:
            frames[place] = described.frames
    learnt = dict(zip(store.digests, store.names, strict=True))
    held = HeldOut().joined(extractor.each(aside, ASIDE), learnt)
    normal, report = learn(
        store,
        frames,
        fusion=fusion,
        method=method,
        coreset=coreset,
        config=config,
        encoders=encoders,
        device=device,
        seed=seed,
    )
    store.close()
    scores, peaks = calibrated(held.parts, normal, config)
    loaded = [] if encoders is None else [f"{name}: {told}" for name, told in encoders.reports.items()]
    return Fitted(
        config=config,
        encoders=encoders,
        normal=normal,
        scans=scans,
        unit=unit_of(train),
        parts=store.names,
        sizes=store.sizes,
        digests=store.digests,
        held_out=held,
        scores=scores,
        peaks=peaks,
        report=[*loaded, *report, *held.doubts(scores)],
    )


def learn_more(
    before: Fitted, train: Sequence[Part], aside: Sequence[Part], *, coreset: float, device: torch.device
) -> Fitted:
    """The same detector with more parts in its banks, and more set aside; its scales and fusion stay as they are.

    Parameters
    ----------
    before
        It stays as it is.
    train, aside
        New parts, to learn from and to set aside.
    coreset, device
        As of `M3DM`.

    Raises
    ------
    InputError
        If a part has a defect, was set aside before, or learnt from and is now set aside.
    """
    store, extractor = Store(before.config), replace(before.extractor, alike=True)
    for described in extractor.each(train, LEARNT):
        before.held_out.refuse(described)
        store.add(described)
    names, digests = [*before.parts, *store.names], [*before.digests, *store.digests]
    held = before.held_out.joined(extractor.each(aside, ASIDE), dict(zip(digests, names, strict=True)))
    memories = fill(
        store,
        before.normal.representation,
        coreset=coreset,
        config=before.config,
        device=device,
        into=before.normal.memories,
        first=len(before.parts),
    )
    store.close()
    normal = replace(before.normal, memories=memories)
    scores, peaks = calibrated(held.parts, normal, before.config)
    for doubt in held.doubts(scores):
        message(doubt)
    return replace(
        before,
        normal=normal,
        parts=names,
        sizes=[*before.sizes, *store.sizes],
        digests=digests,
        held_out=held,
        scores=scores,
        peaks=peaks,
    )
