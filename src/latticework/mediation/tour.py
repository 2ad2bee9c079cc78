"""The tour's stop: an image carries an effect, a confounder is not measured, and two analyses face the truth."""

from __future__ import annotations

import time
import warnings
from typing import TYPE_CHECKING, Any, Final

from latticework.core.seeds import spawn

if TYPE_CHECKING:
    from latticework.mediation.fitted import FittedModel
    from latticework.mediation.report.findings import Estimate
    from latticework.mediation.simulation import SimulatedStudy
    from latticework.pages import Picture, Section

SUBJECTS: Final = 200
SIDE: Final = 20
CHAINS: Final = 2
WARMUP, DRAWS = 1500, 1000


def stop(*, seed: int) -> Section:
    """Fit BIMA and BASMU to the same simulated study, and hold both against what is true of it."""
    from latticework.mediation.estimator import BASMU, BIMA
    from latticework.mediation.simulation import simulate

    study = simulate(SUBJECTS, SIDE, "sparse", random_state=spawn(seed, "study"))
    options: dict[str, Any] = {"n_chains": CHAINS, "n_warmup": WARMUP, "n_draws": DRAWS, "random_state": seed}
    models: dict[str, FittedModel] = {"BIMA": BIMA(n_jobs=1, **options), "BASMU": BASMU(n_jobs=1, **options)}
    seconds = {}
    for name, model in models.items():
        started = time.monotonic()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the page itself says whether chains agree
            model.fit_study(study)
        seconds[name] = time.monotonic() - started
    return section(study, models["BIMA"], models["BASMU"], seconds)


def section(study: SimulatedStudy, bima: FittedModel, basmu: FittedModel, seconds: dict[str, float]) -> Section:
    """What both analyses say, beside the truth."""
    from latticework.mediation.effects import NDE, NIE, TE
    from latticework.mediation.report.charts import Interval, interval_chart
    from latticework.mediation.report.findings import PERCENT, estimates, leaning
    from latticework.pages import Section, Table
    from latticework.pages.text import short

    truth = {NIE: study.nie, NDE: study.nde, TE: study.te}
    found = {"BIMA": estimates(bima), "BASMU": estimates(basmu)}
    told = {"BIMA": bima.diagnose(), "BASMU": basmu.diagnose()}
    colours = {"BIMA": "series-2", "BASMU": "series-1"}

    def covers(estimate: Estimate, effect: str) -> str:
        inside = estimate.lower <= truth[effect] <= estimate.upper
        return f"{estimate}{'' if inside else ', misses the truth'}"

    rows: list[list[object]] = [
        [effect, short(truth[effect]), *(covers(found[name][effect], effect) for name in found)] for effect in truth
    ]
    rows.append(["R-hat, the worst", None, *(f"{max(told[name].rhat.values()):.3f}" for name in found)])
    rows.append(["of the precision of NDE, its prior's", None, *(f"{told[name].prior_share:.0%}" for name in found)])
    chart = [
        Interval(f"{effect}, {name}", *found[name][effect], colours[name], truth[effect])
        for effect in truth
        for name in found
    ]
    return Section(
        "Does the image carry the effect? Two answers, and the truth",
        f"Of {study.n_subjects} made-up subjects, an exposure changes a part of the images, of {SIDE} by {SIDE} "
        "voxels, and that the outcome; what else images differ in changes the outcome, too, and was not measured. "
        f"{_closer(truth[NIE], found['BIMA'][NIE], found['BASMU'][NIE])}",
        facts=[
            ("indirect effect, truly", short(truth[NIE])),
            ("by BIMA, which knows of no confounder", found["BIMA"][NIE].value),
            ("by BASMU, which allows for one", found["BASMU"][NIE].value),
            ("seconds of both", round(sum(seconds.values()), 1)),
        ],
        paragraphs=[
            f"The total effect, {short(truth[TE])}, is what data can tell: BIMA says {found['BIMA'][TE]}, BASMU "
            f"{found['BASMU'][TE]}. How it splits into an indirect effect (NIE) and a direct one (NDE) is another "
            f"matter. In BASMU, {leaning(told['BASMU'])}. It shows what the split would be if the unmeasured "
            "confounder were as its priors have it, sparse, and the direct effect small. It does not remove "
            "confounding, and with other priors the split could be another.",
            *_doubts({name: max(one.rhat.values()) for name, one in told.items()}),
        ],
        pictures=[
            interval_chart(
                chart,
                unit="outcome per unit of exposure",
                caption=f"Median and {PERCENT} interval of each effect, by both; upright strokes are the truth.",
                what="Effects",
            ),
            *_maps(study, bima, basmu),
        ],
        tables=[
            Table(
                ["effect", "truth", "BIMA", "BASMU"],
                rows,
                f"Effects of one unit of the exposure: median and {PERCENT} interval, and whether the truth is in it.",
            )
        ],
    )


def _maps(study: SimulatedStudy, bima: FittedModel, basmu: FittedModel) -> list[Picture]:
    import numpy as np

    from latticework.mediation.report.pictures import Canvas, Scale, map_picture

    canvas = Canvas.of(study.space, study.coordinates)
    assert canvas is not None, "the simulated study is on a grid"
    effects = [("truth", study.alpha * study.beta), ("BIMA", bima.effect_), ("BASMU", basmu.effect_)]
    scale = Scale.around_nought(*(values for _, values in effects), unit="outcome per unit of exposure")
    included = basmu.posterior_.included
    carried = np.zeros(study.n_voxels) if included is None else included
    return [
        map_picture(
            canvas,
            effects,
            scale,
            caption="The indirect effect through each voxel. Black is none; the lighter the more, orange above 0.",
        ),
        map_picture(
            canvas,
            [("truth", (study.nu != 0).astype(float)), ("BASMU", carried)],
            Scale(0.0, 1.0, "probability"),
            room=3,
            caption="Where the unmeasured confounder is, and how probable BASMU finds it that a voxel carries it.",
        ),
    ]


def _closer(truth: float, bima: Estimate, basmu: Estimate) -> str:
    from latticework.pages.text import short

    off = {name: abs(one.middle - truth) for name, one in (("BIMA", bima), ("BASMU", basmu))}
    nearer, other = sorted(off, key=lambda name: off[name])
    return (
        f"Of the true indirect effect, {short(truth)}, {nearer} is off by {short(off[nearer])} and {other} by "
        f"{short(off[other])}, in this one study."
    )


def _doubts(rhat: dict[str, float]) -> list[str]:
    from latticework.mediation.effects import WORST_RHAT

    bad = [name for name, value in rhat.items() if not value <= WORST_RHAT]
    if not bad:
        return []
    return [f"The chains of {' and '.join(bad)} do not agree yet (R-hat): a real analysis would draw more."]
