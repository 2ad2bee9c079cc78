"""A detector on a test set: figures of its fused scores and maps, of each bank alone, and of each kind of defect.

Maps are compared in frames of one size, as M3DM's code and its peers do, where the picture is; those that `predict_map`
gives are in the size of the pictures, as MVTec's own evaluation reads them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Bool, Float32, Float64, UInt8

from latticework.anomaly.features.extraction import Described
from latticework.anomaly.findings.intervals import auroc_interval
from latticework.anomaly.findings.measures import separation
from latticework.anomaly.findings.pixels import LIMITS, Pixels
from latticework.anomaly.findings.results import Evaluation, Figures, Inspection
from latticework.anomaly.fitted import Fitted
from latticework.anomaly.inspecting import inspection
from latticework.anomaly.judging import Judged, bank_map, fused_map
from latticework.anomaly.part_warnings import noted
from latticework.anomaly.scans.inputs import Part, read
from latticework.anomaly.scans.samples import GOOD
from latticework.core.errors import InputError

Told = Callable[[Part, Inspection | InputError], object]

POINTS: Final = 301  # of a curve


@dataclass(frozen=True, eq=False)
class _Seen:
    """One part of the test set."""

    name: str
    label: str
    judged: Judged
    truth: UInt8[np.ndarray, "size size"] | None
    counts: Bool[np.ndarray, "size size"]


def evaluate(fitted: Fitted, parts: Sequence[Part], *, each: Told | None = None) -> Evaluation:
    """How well the parts are told apart.

    Parameters
    ----------
    fitted
        What was learnt.
    parts
        With labels; with truths, for figures of pixels. One that cannot be read is left out and named.
    each
        Called with every part and what is found in it, or why nothing is, as soon as that is known.

    Raises
    ------
    InputError
        If no part can be read, or one has neither label nor truth.
    """
    seen, failed = _seen(fitted, parts, each)
    scores = np.stack([part.judged.scores for part in seen])
    own = np.nan_to_num(scores)  # of each bank alone
    layers, config = fitted.normal.layers, fitted.config
    fused = layers.image.fuse(scores)
    labels = np.array([part.label for part in seen])

    def fused_pixels(part: _Seen) -> Float32[np.ndarray, "size size"]:
        return fused_map(part.judged, layers.patch, config)

    def bank_pixels(number: int) -> Callable[[_Seen], Float32[np.ndarray, "size size"]]:
        return lambda part: bank_map(part.judged, number, layers.patch, config)

    pixels = _pixels(seen, fused_pixels)
    kinds = sorted(set(labels.tolist()) - {GOOD})
    by_label = {}
    for kind in kinds:
        some = [part for part in seen if part.label in (GOOD, kind)]
        chosen = np.isin(labels, (GOOD, kind))
        by_label[kind] = _figures(fused[chosen], labels[chosen], _pixels(some, fused_pixels))
    bad = labels != GOOD
    both = bad.any() and not bad.all()
    return Evaluation(
        names=tuple(part.name for part in seen),
        labels=tuple(labels.tolist()),
        scores=fused,
        bank_scores={bank: own[:, number] for number, bank in enumerate(fitted.banks)},
        defective=None if fitted.threshold is None else fused > fitted.threshold.value,
        figures=_figures(fused, labels, pixels),
        interval=auroc_interval(fused, bad) if both else None,
        by_label=by_label,
        banks={
            bank: _figures(own[:, number], labels, _pixels(seen, bank_pixels(number)))
            for number, bank in enumerate(fitted.banks)
        },
        roc=_roc(fused, bad) if both else None,
        pro=None if pixels is None else pixels.pro_curve(POINTS),
        threshold=fitted.threshold,
        failed=failed,
    )


def _seen(fitted: Fitted, parts: Sequence[Part], each: Told | None) -> tuple[list[_Seen], dict[str, str]]:
    """Every part, judged; and those that cannot be, with the reason."""
    found, failed = [], {}
    for part in parts:
        if part.label is None and part.truth is None:
            raise _unknown(part.name)
    for part, looked in zip(parts, fitted.extractor.tried(parts, "evaluating"), strict=True):
        told: Inspection | InputError | None = looked if isinstance(looked, InputError) else None
        if not isinstance(looked, InputError):
            if looked.label is None:
                raise _unknown(looked.name)
            try:
                judged = fitted.judged(looked)
                told = None if each is None else _inspected(part, looked, judged, fitted)
                found.append(_Seen(looked.name, looked.label, judged, looked.truth, looked.counts))
            except InputError as error:
                told = error
        if isinstance(told, InputError):
            failed[part.name] = str(told)
        if each is not None and told is not None:
            each(part, told)
    if not found:
        raise InputError(f"none of {len(parts):,} parts can be read: {next(iter(failed.values()), 'there are none')}")
    return found, failed


def _inspected(part: Part, described: Described, judged: Judged, fitted: Fitted) -> Inspection:
    """What is found in a part, which is read again for it: only how it is described has come from the workers."""
    with noted():  # what there is to warn of was said
        return inspection(read(part), described, judged, fitted)


def _unknown(name: str) -> InputError:
    return InputError(
        f"{name} has neither a label nor a truth, but an evaluation has to know whether it is good: put parts into "
        "folders test/good, test/dent and so on, masks of defects into gt, or name Sample.of(..., label=...)"
    )


def _pixels(seen: Sequence[_Seen], pixels: Callable[[_Seen], Float32[np.ndarray, "size size"]]) -> Pixels | None:
    """The scores of all pixels; None where it is not known which are defective, or none is."""
    known = [part for part in seen if part.truth is not None or part.label == GOOD]
    bad = [part for part in known if part.truth is not None and (part.truth[part.counts] > 0).any()]
    if not bad or len(known) < len(seen):
        return None
    return Pixels.of(map(pixels, known), [part.truth for part in known], [part.counts for part in known])


def _figures(scores: Float64[np.ndarray, " parts"], labels: np.ndarray, pixels: Pixels | None) -> Figures:
    bad = labels != GOOD
    image = separation(scores[~bad], scores[bad]) if bad.any() and not bad.all() else None
    if pixels is None:
        return Figures(image, None, {})
    return Figures(image, pixels.separation(), pixels.aupro(LIMITS))


def _roc(
    scores: Float64[np.ndarray, " parts"], bad: Bool[np.ndarray, " parts"]
) -> tuple[Float64[np.ndarray, " points"], Float64[np.ndarray, " points"]]:
    thresholds = np.concatenate([[np.inf], np.unique(scores)[::-1]])
    false, true = (np.array([(scores[kind] >= threshold).mean() for threshold in thresholds]) for kind in (~bad, bad))
    return false, true
