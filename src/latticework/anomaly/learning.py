"""From good parts to a fitted detector: they are described, learnt, and those set aside give the threshold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, islice
from typing import TYPE_CHECKING

import torch

from latticework.anomaly.banks import FUSION
from latticework.anomaly.choices import Fusion
from latticework.anomaly.config import M3DMConfig
from latticework.anomaly.features.extraction import NOTHING, Described, Extractor, scans_of
from latticework.anomaly.fitted import Fitted
from latticework.anomaly.fitting import HELD_OUT, calibrated, fill, learn
from latticework.anomaly.fusion.fusion_trial import TRIED
from latticework.anomaly.held_out import HeldOut
from latticework.anomaly.memory.needs import training_needs
from latticework.anomaly.memory.store import Store
from latticework.anomaly.memory.whitening import NO_PATCH
from latticework.anomaly.preparation.frames import Frame
from latticework.anomaly.scans.inputs import Part, unit_of
from latticework.anomaly.scans.samples import Sample
from latticework.core.errors import InputError
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
    drawn: bool,
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
    drawn
        Whether they are a share of all: then one of them is learnt from if nothing can be judged of those in `train`.
    banks
        To fill.
    method, coreset, config, encoders, device, seed
        As of `M3DM`.

    Raises
    ------
    InputError
        If nothing can be judged of any part to learn from, or a part is set aside that is learnt from.
    """
    scans, seen = scans_of(first), tuple(bank for bank in banks if bank != FUSION)
    fusion = FUSION in banks
    store, tries = Store(config), fusion and not config.paper
    frames: dict[int, Frame] = {}
    extractor, left_out = Extractor(seen, config, scans, encoders, alike=True), list[str]()
    now = _judged(extractor.each([first, *train[1:]], LEARNT), left_out)
    later = _judged(extractor.each(aside, ASIDE), left_out)
    for place, described in enumerate(_or_one_of(now, later) if drawn else now):
        store.add(described)
        if place == 0:
            needed = training_needs(
                described.patches, len(train), config, aside=len(aside), coreset=coreset, fusion=fusion
            )
            message(f"to learn {counted(len(train), 'part')} takes at most {needed.told()}")
        if tries and place % HELD_OUT == 0 and len(frames) < TRIED:
            frames[place] = described.frame
    if not len(store):
        raise InputError(NO_PATCH)
    learnt = dict(zip(store.digests, store.names, strict=True))
    held = HeldOut().joined(later, learnt)
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
        report=[*loaded, *left_out, *report, *held.doubts(scores)],
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
        New parts, to learn from and to set aside; the latter were drawn, as `learn_parts` has it.
    coreset, device
        As of `M3DM`.

    Raises
    ------
    InputError
        As `learn_parts`, or if a part has a defect or was set aside before.
    """
    store, extractor, left_out = Store(before.config), replace(before.extractor, alike=True), list[str]()
    later = _judged(extractor.each(aside, ASIDE), left_out)
    for described in _or_one_of(_judged(extractor.each(train, LEARNT), left_out), later):
        before.held_out.refuse(described)
        store.add(described)
    if not len(store):
        raise InputError(NO_PATCH)
    names, digests = [*before.parts, *store.names], [*before.digests, *store.digests]
    learnt = dict(zip(digests, names, strict=True))
    held = before.held_out.joined(later, learnt)
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
    for doubt in (*left_out, *held.doubts(scores)):
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


def _judged(parts: Iterable[Described], left_out: list[str]) -> Iterator[Described]:
    """Those of which anything can be judged; it is noted that the others are left out."""
    for part in parts:
        if part.empty:
            left_out.append(f"{part.name} was left out: {NOTHING}")
        else:
            yield part


def _or_one_of(now: Iterator[Described], later: Iterator[Described]) -> Iterator[Described]:
    """Parts to learn from; where there are none, the first of those set aside, which were drawn before any was seen."""
    one = next(now, None)
    yield from islice(later, 1) if one is None else chain([one], now)
