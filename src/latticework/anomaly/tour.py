"""The tour's stop: of parts scanned in colour and 3D only good ones are learnt, and stains and dents are found."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import numpy as np

from latticework.anomaly.config import M3DMConfig
from latticework.anomaly.findings.measures import auroc, by_label
from latticework.anomaly.scans.samples import GOOD, Sample
from latticework.core.seeds import spawn

if TYPE_CHECKING:
    from latticework.pages import Section

FAMILY: Final = "rope"
SIZE: Final = 128
GOOD_PARTS: Final = 24
TESTED: Final = 8  # good ones
OF_A_KIND: Final = 4  # parts with each kind of defect
DEFECTS: Final = ("stain", "dent", "cut", "bend")
SHOWN: Final = ("stain", "dent")


def stop(*, seed: int) -> Section:
    """Learn good ropes, and tell others with four kinds of defects from them."""
    from latticework.anomaly.detector import M3DM
    from latticework.anomaly.report.cards import card, explained
    from latticework.anomaly.report.heat import Scale
    from latticework.anomaly.report.wording import sentence
    from latticework.pages import Section, Table

    started = time.monotonic()
    train = [_part(seed, f"train {number}") for number in range(GOOD_PARTS)]
    test = [_part(seed, f"good {number}") for number in range(TESTED)]
    test += [_part(seed, f"{kind} {number}", kind) for kind in DEFECTS for number in range(OF_A_KIND)]
    drawn = time.monotonic()
    model = M3DM(config=M3DMConfig(size=SIZE, held_out=0.4), random_state=seed, device="cpu").fit(train)
    fitted = time.monotonic()
    inspections = [model.explain(part) for part in test]
    seconds = time.monotonic() - fitted
    labels = [part.label or GOOD for part in test]
    bad = np.array([label != GOOD for label in labels])
    fused = np.array([found.score for found in inspections])
    banks = {name: np.array([found.banks[n].score for found in inspections]) for n, name in enumerate(model.banks_)}
    kinds = {name: by_label(scores, labels) for name, scores in banks.items()} | {"together": by_label(fused, labels)}
    clearest = {kind: max((score, n) for n, score in enumerate(fused) if labels[n] == kind)[1] for kind in SHOWN}
    shown = [(test[n], inspections[n]) for n in clearest.values()]
    level = None if model.map_threshold_ is None else model.map_threshold_.value
    scale = Scale.of([found for _, found in shown], level)
    good = {part.name: part for part in train}
    about = "" if model.threshold_ is None else model.threshold_.about()
    return Section(
        "Defects in colour and 3D: each bank sees something else",
        f"A detector that has learnt {len(model.parts_)} good ropes, made up and scanned by a made-up sensor, and set "
        f"its threshold with {GOOD_PARTS - len(model.parts_)} others, tells ropes with a defect from good ones with an "
        f"AUROC of {auroc(fused, bad):.2f}. A stain changes colours and no shape, a dent shape and hardly colours, a "
        "bend neither in any one place: each memory bank has its own.",
        facts=[
            ("image AUROC", round(auroc(fused, bad), 3)),
            ("parts tested", f"{TESTED} good, {len(DEFECTS) * OF_A_KIND} defective"),
            ("seconds to draw all", round(drawn - started, 1)),
            ("seconds of fit", round(fitted - drawn, 1)),
            ("seconds for each inspection", round(seconds / len(test), 3)),
        ],
        paragraphs=[
            *filter(None, [sentence(about)]),
            explained(shown, scale=scale, good=good.get),
        ],
        tables=[
            Table(
                ["AUROC of", *DEFECTS],
                [[name, *(f"{found[kind].auroc:.3f}" for kind in DEFECTS)] for name, found in kinds.items()],
                "How well each memory bank alone, and all together, tell each kind of defect from good parts.",
            )
        ],
        pictures=[
            card(
                part,
                found,
                caption=f"A rope with a {kind}: the scan, where it is unlike good ones, and "
                "what each memory bank says.",
                good=good.get,
                scale=scale,
            )
            for kind, (part, found) in zip(SHOWN, shown, strict=True)
        ],
    )


def _part(seed: int, name: str, defect: str | None = None) -> Sample:
    from latticework.anomaly.synth import draw

    scene = draw(spawn(seed, name), FAMILY, defect, "medium", size=SIZE)
    return Sample.of(rgb=scene.rgb, xyz=scene.xyz, truth=scene.truth, label=defect or GOOD, name=name)
