"""The page of a mediation analysis: what was found, what it leans on, and whether to trust it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from latticework.core.errors import InputError
from latticework.core.version import VERSION
from latticework.core.words import counted
from latticework.mediation.effects import NDE, NIE, PROPORTION, TE
from latticework.mediation.report import findings
from latticework.mediation.report.charts import Interval, interval_chart, split_chart
from latticework.mediation.report.findings import PERCENT, Names, allows_for_confounder, estimates
from latticework.mediation.report.mapping import map_section
from latticework.mediation.report.methods import assumptions, done
from latticework.mediation.report.sections import chain_section, region_section, sensitivity_section
from latticework.mediation.truth import Truth, true_effects
from latticework.pages import Mark, Page, Passage, Passages, Picture, Section, Table
from latticework.pages.text import short

if TYPE_CHECKING:
    import pandas as pd

    from latticework.mediation.diagnosis import Diagnosis
    from latticework.mediation.fitted import FittedModel
    from latticework.mediation.simulation import SimulatedStudy

WARNING: Final = "warning"


def page(
    model: FittedModel,
    *,
    sensitivity: pd.DataFrame | None = None,
    truth: Truth | SimulatedStudy | None = None,
    name: str = "a study",
) -> Page:
    """The page of a fitted model.

    Parameters
    ----------
    model : BIMA or BASMU
        A fitted one.
    sensitivity : pandas.DataFrame, optional
        What `model.sensitivity()` gave back, which takes as long as a few fits.
    truth : SimulatedStudy or Truth, optional
        What is true of the study, if that is known, by the voxels of the model: it stands beside.
    name : str
        What the title calls it.

    Returns
    -------
    Page
        ``page(model).write("report.html")`` writes it.

    Raises
    ------
    InputError
        If `truth` has other voxels.
    MissingExtraError
        If Matplotlib or, for volumes, nilearn is not installed.

    Examples
    --------
    >>> from latticework.mediation.estimator import BIMA
    >>> from latticework.mediation.simulation import simulate
    >>> study = simulate(n=40, side=6, confounding="none")
    >>> model = BIMA(n_chains=2, n_warmup=50, n_draws=50, n_jobs=1, random_state=0).fit_study(study)
    >>> [section.title for section in page(model, truth=study).sections][:3]
    ['What was found', 'What asks for care', 'What the split leans on']
    """
    if truth is not None and truth.n_voxels != model.basis_.n_voxels:
        raise InputError(f"the truth has {truth.n_voxels:,} voxels, and the model {model.basis_.n_voxels:,}")
    diagnosis = model.diagnose()
    sections = [
        _found(model, diagnosis, truth),
        _care(diagnosis),
        _split(model, diagnosis, truth),
        None if sensitivity is None else sensitivity_section(model, sensitivity),
        map_section(model, truth),
        region_section(model, truth),
        chain_section(model, diagnosis),
        _assumed(model),
        _done(model, diagnosis),
    ]
    names = Names.of(model)
    intro = (
        f"Does the image carry the effect of {names.exposure} on {names.outcome}? {type(model).__name__}, "
        f"{counted(diagnosis.subjects, 'subject')}, {counted(model.basis_.n_voxels, 'voxel')}."
    )
    return Page(f"Mediation in {name}", intro, [section for section in sections if section is not None])


def _found(model: FittedModel, diagnosis: Diagnosis, truth: Truth | SimulatedStudy | None) -> Section:
    names, found = Names.of(model), estimates(model)
    known = {} if truth is None else true_effects(truth)
    facts: list[tuple[str, object]] = [
        (f"{effect}; {PERCENT} interval {found[effect].ends}", found[effect].value)
        for effect in (NIE, NDE, TE, PROPORTION)
    ]
    confounded = allows_for_confounder(model)
    flat = "without unobserved confounder" if confounded else "with a flat prior of NDE"
    rows: list[list[object]] = []
    for effect in (NIE, NDE, TE, PROPORTION):
        row: list[object] = [effect, found[effect].value, found[effect].ends, _flat(diagnosis, effect)]
        rows.append([*row, *([short(known[effect])] if known else [])])
    if confounded:
        moved = findings.moved(diagnosis)
        rows.append(["moved from NIE to NDE", moved.value, moved.ends, None, *([None] if known else [])])
    header = ["effect", "median", f"{PERCENT} interval", flat, *(["truth"] if known else [])]
    table = Table(
        header,
        rows,
        f"Effects, in {names.unit} (the proportion has no unit); for another contrast than one unit, multiply by it. "
        f"{flat[0].upper()}{flat[1:]}: the mean and, in brackets, its standard error, with a flat prior of NDE.",
    )
    return Section(
        "What was found",
        findings.answer(model, diagnosis),
        facts=facts,
        paragraphs=[
            findings.caution(model, diagnosis),
            findings.comparison(model, diagnosis),
            findings.proportion(model),
        ],
        pictures=[_effects_picture(model, diagnosis, known)],
        tables=[table],
    )


def _effects_picture(model: FittedModel, diagnosis: Diagnosis, known: dict[str, float]) -> Picture:
    names, found = Names.of(model), estimates(model)
    confounded = allows_for_confounder(model)
    rows = []
    for effect in (NIE, NDE, TE):
        rows.append(Interval(effect, *found[effect], truth=known.get(effect)))
        if effect in diagnosis.unconfounded:
            mean, error = diagnosis.unconfounded[effect]
            other = f"{effect}, none unobserved" if confounded else f"{effect}, flat prior"
            rows.append(Interval(other, mean - 1.96 * error, mean, mean + 1.96 * error, "series-2"))
    caption = f"Effects with intervals of {PERCENT}."
    if confounded:
        caption += " In the other colour: what they are where no unobserved confounder is allowed for."
    if known:
        caption += " Upright strokes are the truth."
    return interval_chart(rows, unit=names.unit, caption=caption, what="Effects")


def _care(diagnosis: Diagnosis) -> Section:
    if not diagnosis.warnings:
        return Section(
            "What asks for care",
            "Nothing that can be computed: chains agree, there are enough draws, and the prior of NDE does not "
            "outweigh the data. Whether the assumptions hold, no computation tells.",
        )
    items = [
        Passage(f"{warning[:1].upper()}{warning[1:]}.", [Mark(0, len(warning.split(":")[0]), WARNING)])
        for warning in diagnosis.warnings
    ]
    return Section(
        "What asks for care",
        f"{counted(len(diagnosis.warnings), 'warning')}, before anything above is used.",
        passages=[Passages(items, "Found by looking at the draws and at the equations they come from.", ["", WARNING])],
    )


def _split(model: FittedModel, diagnosis: Diagnosis, truth: Truth | SimulatedStudy | None) -> Section:
    names = Names.of(model)
    flat_name = "none unobserved, flat prior" if allows_for_confounder(model) else "flat prior"
    picture = split_chart(
        model.nde_,
        prior_sd=diagnosis.prior_sd,
        flat=diagnosis.unconfounded[NDE],
        flat_name=flat_name,
        unit=names.unit,
        caption="NDE before data were seen, after, and as it would be with a flat prior"
        + (" and no unobserved confounder" if allows_for_confounder(model) else "")
        + ". Where the posterior lies on the prior, the split is the prior's.",
        truth=None if truth is None else truth.nde,
    )
    leaning = findings.leaning(diagnosis)
    return Section(
        "What the split leans on",
        f"{leaning[:1].upper()}{leaning[1:]}.",
        facts=[
            ("of the precision of NDE, its prior's", f"{diagnosis.prior_share:.0%}"),
            ("prior standard deviation of NDE", short(diagnosis.prior_sd)),
            ("posterior standard deviation of NDE", short(float(model.nde_.std()))),
        ],
        paragraphs=[findings.equations(diagnosis)] if allows_for_confounder(model) else [],
        pictures=[picture],
    )


def _assumed(model: FittedModel) -> Section:
    return Section(
        "What is assumed",
        "Figures mean what they are called only if all of this holds; most of it cannot be tested with these data.",
        tables=[Table(["assumption", "in plain words"], assumptions(model), "What the figures rest on.")],
    )


def _done(model: FittedModel, diagnosis: Diagnosis) -> Section:
    return Section(
        "What was done",
        "For the methods section, and to do it again.",
        tables=[Table(["what", "value"], done(model, diagnosis, VERSION), "The analysis.")],
    )


def _flat(diagnosis: Diagnosis, effect: str) -> str | None:
    if effect in diagnosis.unconfounded:
        mean, error = diagnosis.unconfounded[effect]
        return f"{short(mean)} ({short(error)})"
    total = sum(mean for mean, _ in diagnosis.unconfounded.values())
    if effect == TE:
        return short(total)
    return short(diagnosis.unconfounded[NIE][0] / total) if total else None
