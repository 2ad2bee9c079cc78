"""Parts of a page: other priors, regions, and chains."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from latticework.core.words import counted
from latticework.mediation.effects import FEW_EFFECTIVE, GOOD_RHAT, NDE, NIE, TE, WORST_RHAT
from latticework.mediation.report.charts import (
    Interval,
    interval_chart,
    interval_told,
    ranks,
    sensitivity_charts,
    traces,
)
from latticework.mediation.report.findings import PERCENT, Names
from latticework.pages import Section, Table
from latticework.pages.text import short

if TYPE_CHECKING:
    import pandas as pd

    from latticework.mediation.diagnosis import Diagnosis
    from latticework.mediation.fitted import FittedModel
    from latticework.mediation.simulation import SimulatedStudy
    from latticework.mediation.truth import Truth

MOST_REGIONS: Final = 40  # in the forest


def sensitivity_section(model: FittedModel, table: pd.DataFrame) -> Section:
    """What NIE, NDE and TE are under each prior of `MediationModel.sensitivity`."""
    names = Names.of(model)
    rows = []
    for row in table.to_dict("records"):
        cells = [interval_told(row[e], row[f"{e} lower"], row[f"{e} upper"]) for e in (NIE, NDE, TE)]
        rows.append([short(row["direct_effect_sd"]), row["inclusion"], *cells, f"{row['rhat']:.3f}"])
    spans = {effect: (float(table[effect].min()), float(table[effect].max())) for effect in (NIE, NDE, TE)}
    told = "; ".join(f"{effect} from {short(low)} to {short(high)}" for effect, (low, high) in spans.items())
    bad = int((~(table["rhat"] <= WORST_RHAT)).sum())
    paragraphs = [
        "Where NIE or NDE changes more from prior to prior than its interval is wide, it is the prior that speaks."
    ]
    if bad:
        paragraphs.append(
            f"Under {counted(bad, 'prior')} the chains disagree (R-hat above {WORST_RHAT:g}): several splits fit "
            "the data there, and chains have not been to all of them."
        )
    return Section(
        "Under other priors",
        f"Means over {counted(len(table), 'prior')}: {told}.",
        paragraphs=paragraphs,
        pictures=sensitivity_charts(table, names.unit),
        tables=[
            Table(
                ["prior sd of NDE", "inclusion of a voxel", NIE, NDE, TE, "R-hat"],
                rows,
                f"Mean and {PERCENT} interval under each prior, in {names.unit}. Stage two was run again for each.",
            )
        ],
    )


def region_section(model: FittedModel, truth: Truth | SimulatedStudy | None) -> Section | None:
    """NIE through each region; None if there is one."""
    blocks = model.basis_.blocks
    if len(blocks) < 2:
        return None
    names = Names.of(model)
    table = model.effects_table_
    table = table[table.region != ""].reset_index(drop=True)
    known = None
    if truth is not None:
        effect = truth.alpha * truth.beta
        known = {block.name: float(effect[block.voxels].sum()) for block in blocks}
    strength = (table["median"].abs() / table["sd"].where(table["sd"] > 0, np.inf)).to_numpy()
    order = np.argsort(-strength, kind="stable")[:MOST_REGIONS]
    chosen = table.iloc[order].sort_values("median", ascending=False, kind="stable").to_dict("records")
    rows = [
        Interval(
            row["region"],
            row["lower"],
            row["median"],
            row["upper"],
            "series-1" if row["lower"] > 0 or row["upper"] < 0 else "muted",
            None if known is None else known[row["region"]],
        )
        for row in chosen
    ]
    apart = int(((table["lower"] > 0) | (table["upper"] < 0)).sum())
    more = len(blocks) - len(chosen)
    which = f"the {len(chosen)} of {len(blocks)} whose median is largest by its standard deviation" if more else "all"
    caption = (
        f"NIE by region, {which}, median and {PERCENT} interval; grey where that includes 0."
        f"{' Upright strokes are the truth.' if known else ''}"
    )
    cells = [
        [row["region"], interval_told(row["median"], row["lower"], row["upper"]), f"{row['p_positive']:.3f}",
         *([] if known is None else [short(known[row["region"]])])]
        for row in chosen
    ]  # fmt: skip
    header = ["region", f"median ({PERCENT} interval)", "P(above 0)", *([] if known is None else ["truth"])]
    return Section(
        "Regions",
        f"The interval of NIE leaves out 0 in {apart:,} of {counted(len(blocks), 'region')}; with so many intervals, "
        "some do so by chance.",
        pictures=[interval_chart(rows, unit=names.unit, caption=caption, what="NIE by region")],
        tables=[Table(header, cells, f"The same in numbers, in {names.unit}.")],
    )


def chain_section(model: FittedModel, diagnosis: Diagnosis) -> Section:
    """How chains went, and whether they agree."""
    names = Names.of(model)
    shape = model.posterior_.direct.shape
    draws = {NIE: model.nie_.reshape(shape), NDE: model.posterior_.direct}
    pictures = [
        picture
        for effect, values in draws.items()
        if shape[1] > 1
        for picture in (traces(values, effect, names.unit), ranks(values, effect))
    ]
    rows = [
        [effect, _figure(diagnosis.rhat[effect], "{:.3f}"), _figure(diagnosis.ess[effect], "{:,.0f}")]
        for effect in (NIE, NDE, TE)
    ]
    moving = [effect for effect in (NIE, NDE, TE) if effect not in diagnosis.constant]
    fine = all(diagnosis.rhat[e] <= GOOD_RHAT and diagnosis.ess[e] >= FEW_EFFECTIVE for e in moving)
    return Section(
        "Chains",
        "Chains agree, and there are enough effective draws."
        if fine
        else f"These are to be below {GOOD_RHAT} (R-hat) and above {FEW_EFFECTIVE} (effective draws), and are not all.",
        tables=[Table(["effect", "R-hat", "effective draws"], rows, "Rank-normalised split R-hat and bulk ESS.")],
        pictures=pictures,
    )


def _figure(value: float, form: str) -> str | None:
    return form.format(value) if np.isfinite(value) else None
