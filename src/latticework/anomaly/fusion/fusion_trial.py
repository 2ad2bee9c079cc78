"""Whether a fusion bank helps: by good parts that it did not learn from, and the same with pseudo-defects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
from jaxtyping import Bool

from latticework.anomaly.config import M3DMConfig
from latticework.anomaly.features.extraction import Description, patches_of
from latticework.anomaly.findings.measures import auroc
from latticework.anomaly.findings.pixels import Pixels
from latticework.anomaly.fitted import Normal
from latticework.anomaly.fusion.pseudo import pseudo_defects
from latticework.anomaly.judging import fused_map, judge
from latticework.anomaly.memory.store import Store
from latticework.anomaly.preparation.frames import Frame
from latticework.core.seeds import spawn

if TYPE_CHECKING:
    from latticework.anomaly.encoders.pretrained import Pretrained


TRIED: Final = 16  # held-out parts, at most,
DEFECTS: Final = 4  # each with so many pseudo-defects


def trial_scores(
    store: Store,
    scans: Mapping[int, Frame],
    normals: Sequence[Normal],
    config: M3DMConfig,
    encoders: Pretrained | None,
    seed: int,
) -> list[float]:
    """How well each detector tells good parts from the same with pseudo-defects: the mean of image AUROC and AUPRO.

    Parameters
    ----------
    store
        What was seen of all parts.
    scans
        Those of some, by number.
    normals
        What was learnt of them, with banks that look at the same.
    config, encoders, seed
        How.
    """
    banks = list(normals[0].representation.whitenings)
    told: list[tuple[list[float], list[np.ndarray]]] = [([], []) for _ in normals]
    truths = []
    for (number, scan), description in zip(scans.items(), store.parts(scans), strict=True):
        seen: list[tuple[Description, Bool[np.ndarray, "size size"] | None]] = [(description, None)]
        for defect in range(DEFECTS):
            spoilt, where = pseudo_defects(scan, spawn(seed, f"pseudo-defect {number} {defect}"))
            seen.append((patches_of(spoilt, banks, config, encoders), where))
        for found, truth in seen:
            truths.append(truth)
            for normal, (scores, maps) in zip(normals, told, strict=True):
                judged = judge(normal.representation(found), normal.memories, config, without=number)
                scores.append(float(normal.layers.image.fuse(judged.scores)))
                maps.append(fused_map(judged, normal.layers.patch, config))
    bad = np.array([truth is not None for truth in truths])
    return [(auroc(scores, bad) + Pixels.of(maps, truths).aupro((0.3,))[0.3]) / 2 for scores, maps in told]
