"""The page of an evaluation: how well a model does on a test set, and its worst errors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np

from latticework.anomaly.findings.calibration import Threshold
from latticework.anomaly.findings.pixels import LIMITS
from latticework.anomaly.findings.results import Evaluation, Figures, Inspection
from latticework.anomaly.findings.verdicts import errors_of, judged
from latticework.anomaly.report.cards import Good, card, explained, limit_told, nothing_known, scale_of
from latticework.anomaly.report.charts import pixel_section, score_section
from latticework.anomaly.report.wording import regions_told
from latticework.anomaly.scans.samples import GOOD, Sample
from latticework.core.words import counted
from latticework.pages import Page, Section, Table
from latticework.pages.text import show

MOST_ERRORS: Final = 4  # of each kind that are shown
MOST_LISTED: Final = 50  # files that failed


def page(
    evaluation: Evaluation,
    shown: Iterable[tuple[Sample, Inspection]] = (),
    *,
    good: Good = nothing_known,
    name: str = "a test set",
    notes: Sequence[str] = (),
    map_threshold: Threshold | None = None,
) -> Page:
    """The page of an evaluation.

    Parameters
    ----------
    evaluation
        What `M3DM.evaluate` gave back.
    shown
        The parts that `verdicts.errors_of` names, and what was found in each: they are drawn.
    good
        Gives the good part of a name, to show what is most like a defect; see `cards.good_parts`.
    name
        What the title calls the test set.
    notes
        What was decided when the model was fitted, each without a full stop.
    map_threshold
        `M3DM.map_threshold_`: heat shows what is above it.
    """
    sections = [
        _result(evaluation, notes),
        score_section(evaluation),
        pixel_section(evaluation),
        _kinds(evaluation),
        _banks(evaluation),
        _errors(evaluation, {sample.name: (sample, found) for sample, found in shown}, good, map_threshold),
        _failed(evaluation),
    ]
    intro = f"How well defects are found in {name}: {_counts(evaluation)}."
    return Page(f"Inspection of {name}", intro, [section for section in sections if section is not None])


def _result(evaluation: Evaluation, notes: Sequence[str]) -> Section:
    image, pixel = evaluation.figures.image, evaluation.figures.pixel
    aupro = evaluation.figures.aupro.get(LIMITS[0])
    facts: list[tuple[str, object]] = []
    if evaluation.found is not None:
        facts.append(("defective parts found", f"{evaluation.found:.0%}"))
    if evaluation.false_alarms is not None:
        facts.append(("false alarms among good parts", f"{evaluation.false_alarms:.0%}"))
    if image is not None:
        interval = evaluation.interval
        where = "" if interval is None else f"; 95\N{NO-BREAK SPACE}% interval {interval[0]:.3f} to {interval[1]:.3f}"
        facts.append((f"image AUROC of {counted(len(evaluation.names), 'part')}{where}", f"{image.auroc:.3f}"))
    if pixel is not None:
        facts.append(("pixel AUROC", f"{pixel.auroc:.3f}"))
    if aupro is not None:
        facts.append((f"AUPRO up to {LIMITS[0]:g}", f"{aupro:.3f}"))
    if evaluation.threshold is not None:
        facts.append(("threshold of the score", evaluation.threshold.value))
    decided = [f"Decided when the model was fitted: {'; '.join(notes)}."] if notes else []
    return Section("Result", _verdict(evaluation), facts=facts, paragraphs=[*_explained(evaluation), *decided])


def _verdict(evaluation: Evaluation) -> str:
    if evaluation.defective is None:
        return (
            "No good part certifies a threshold, so that the model has scores alone: it cannot say of a single part "
            "whether it is defective."
        )
    bad = evaluation.bad
    found, alarms = int(evaluation.defective[bad].sum()), int(evaluation.defective[~bad].sum())
    told = [f"of {counted(int(bad.sum()), 'defective part')} {found:,} found"] if bad.any() else []
    told += [f"of {counted(int((~bad).sum()), 'good part')} {counted(alarms, 'false alarm')}"] if not bad.all() else []
    return f"{', and '.join(told)}.".capitalize() if told else "There is no part to judge."


def _explained(evaluation: Evaluation) -> list[str]:
    lines = []
    if evaluation.threshold is not None:
        lines.append(limit_told(evaluation.threshold))
    if evaluation.figures.image is not None:
        lines.append(
            "The image AUROC is the chance that a defective part has a higher score than a good one, whatever the "
            "threshold: 1 is perfect, 0.5 is guessing. The interval says how far it may be off because the test has no "
            "more parts than these."
        )
    if evaluation.figures.pixel is not None:
        lines.append(
            "The pixel AUROC says the same of single pixels. AUPRO asks how much of each defect is marked, small ones "
            "counting as large ones, as long as few good pixels are marked: it is the stricter figure."
        )
    return lines


def _kinds(evaluation: Evaluation) -> Section | None:
    if not evaluation.by_label:
        return None
    taken = judged(evaluation)
    limits = _limits(evaluation)
    rows: list[list[object]] = []
    for label, figures in evaluation.by_label.items():
        own = np.array([each == label for each in evaluation.labels], dtype=bool)
        count = int(own.sum())
        found = count if taken is None else f"{int(taken[own].sum()):,} of {count:,}"
        rows.append([label, found, *_row(figures, limits)])
    known = [(label, figures.image.auroc) for label, figures in evaluation.by_label.items() if figures.image]
    hardest = min(known, key=lambda item: item[1], default=None)
    summary = (
        "Each kind of defect against all good parts."
        if hardest is None
        else f"Hardest to tell from good parts: {hardest[0]}, with an image AUROC of {hardest[1]:.3f}."
    )
    table = Table(
        ["defect", "parts" if taken is None else "found", *_header(limits)],
        rows,
        "Parts of each kind of defect against all good parts.",
    )
    return Section("Kinds of defects", summary, tables=[table])


def _banks(evaluation: Evaluation) -> Section | None:
    if not evaluation.banks:
        return None
    limits = _limits(evaluation)
    rows = [["all, fused", *_row(evaluation.figures, limits)]]
    rows += [[bank, *_row(figures, limits)] for bank, figures in evaluation.banks.items()]
    known = {bank: figures.image.auroc for bank, figures in evaluation.banks.items() if figures.image}
    summary = "What each memory bank finds alone."
    fused = evaluation.figures.image
    if known and fused is not None:
        best = max(known, key=lambda bank: known[bank])
        summary = (
            f"Fused, the banks have an image AUROC of {fused.auroc:.3f}; the best of them alone, {best}, has "
            f"{known[best]:.3f}."
        )
    table = Table(
        ["memory bank", *_header(limits)], rows, "Each memory bank alone, and all of them fused, on the same parts."
    )
    return Section("Memory banks", summary, tables=[table])


def _errors(
    evaluation: Evaluation,
    shown: Mapping[str, tuple[Sample, Inspection]],
    good: Good,
    map_threshold: Threshold | None,
) -> Section | None:
    errors = errors_of(evaluation)
    if judged(evaluation) is None:
        return None
    if not errors.missed and not errors.alarms:
        return Section("Worst errors", "There are none: every part is judged rightly.")
    labels = dict(zip(evaluation.names, evaluation.labels, strict=True))
    scores = dict(zip(evaluation.names, evaluation.scores.tolist(), strict=True))
    drawn = [shown[name] for name in errors.worst(MOST_ERRORS) if name in shown]
    scale = scale_of([found for _, found in drawn], map_threshold)
    pictures = []
    for sample, found in drawn:
        name = sample.name
        missed = labels[name] != GOOD
        what = f"missed, {labels[name]}" if missed else "a false alarm"
        caption = f"{name}: {what}. Its score is {show(scores[name])}. {regions_told(found)}"
        pictures.append(card(sample, found, caption=caption, good=good, scale=scale))
    rows = [[name, labels[name], scores[name], "missed"] for name in errors.missed]
    rows += [[name, labels[name], scores[name], "false alarm"] for name in errors.alarms]
    told = f"{counted(len(errors.missed), 'defective part')} missed, {counted(len(errors.alarms), 'false alarm')}."
    if evaluation.defective is None:
        told += " The model has no threshold, so that the one with the best F1 is taken, which knows the answers."
    order = "Missed parts come first, the lowest scores before others; then false alarms, the highest before others."
    table = Table(
        ["part", "label", "score", "error"], rows[:MOST_LISTED], _caption(len(rows), "All parts judged wrongly")
    )
    paragraphs = [order, explained(drawn, good=good, scale=scale)] if pictures else []
    return Section("Worst errors", told, paragraphs=paragraphs, pictures=pictures, tables=[table])


def _failed(evaluation: Evaluation) -> Section | None:
    if not evaluation.failed:
        return None
    rows = [[name, why] for name, why in evaluation.failed.items()]
    table = Table(["part", "why"], rows[:MOST_LISTED], _caption(len(rows), "Parts that are in no figure of this page"))
    return Section("Not inspected", f"{counted(len(rows), 'part')} could not be read.", tables=[table])


def _counts(evaluation: Evaluation) -> str:
    bad = int(evaluation.bad.sum())
    good = len(evaluation.labels) - bad
    failed = f", and {len(evaluation.failed):,} that could not be read" if evaluation.failed else ""
    return f"{counted(good, 'good part')} and {counted(bad, 'defective one')}{failed}"


def _limits(evaluation: Evaluation) -> list[float]:
    return [limit for limit in LIMITS if limit in evaluation.figures.aupro]


def _header(limits: Sequence[float]) -> list[str]:
    return ["image AUROC", "pixel AUROC", *(f"AUPRO {limit:g}" for limit in limits)]


def _row(figures: Figures, limits: Sequence[float]) -> list[object]:
    aurocs = [None if each is None else each.auroc for each in (figures.image, figures.pixel)]
    return [*map(_rounded, aurocs), *(_rounded(figures.aupro.get(limit)) for limit in limits)]


def _rounded(figure: float | None) -> str | None:
    """With three decimals, so that figures of a column are below each other."""
    return None if figure is None else f"{figure:.3f}"


def _caption(rows: int, what: str) -> str:
    return f"{what}." if rows <= MOST_LISTED else f"{what}: the first {MOST_LISTED} of {rows:,}."
