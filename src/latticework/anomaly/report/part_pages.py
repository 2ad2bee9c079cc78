"""Pages of what is found in single parts, and why."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from latticework.anomaly.findings.calibration import Threshold
from latticework.anomaly.findings.results import Inspection, Region
from latticework.anomaly.report.cards import Good, card, explained, limit_told, nothing_known, scale_of
from latticework.anomaly.report.heat import Scale
from latticework.anomaly.report.wording import depth_told, p_told, regions_told, sentence
from latticework.anomaly.scans.samples import Sample
from latticework.core.words import counted
from latticework.pages import Page, Section, Table

FOLDERS: Final = 4  # of a path that a title has, the file among them


def part_page(
    shown: Iterable[tuple[Sample, Inspection]],
    *,
    good: Good = nothing_known,
    threshold: Threshold | None = None,
    map_threshold: Threshold | None = None,
) -> Page:
    """A page of what is found in single parts, and why.

    Parameters
    ----------
    shown
        Parts, and what was found in each.
    good, map_threshold
        As in `report.page`.
    threshold
        `M3DM.threshold_`, which stands beside the scores.
    """
    shown = list(shown)
    scale = scale_of([found for _, found in shown], map_threshold)
    notes = [] if threshold is None else [limit_told(threshold)]
    lines = explained(shown, good=good, scale=scale)
    names = [title_of(sample) for sample, _ in shown]
    sections = [
        section(
            name if len(shown) > 1 else "What is found",
            sample,
            found,
            notes=notes if place == 0 else (),
            caption=lines if place == 0 else "",
            good=good,
            scale=scale,
            threshold=threshold,
        )
        for place, (name, (sample, found)) in enumerate(zip(names, shown, strict=True))
    ]
    if len(shown) == 1:
        return Page(names[0], _origin(shown[0][0]), sections)
    intro = f"What is found in {counted(len(shown), 'part')}, where, and what each memory bank has to do with it."
    return Page("Inspected parts", intro, sections)


def _origin(sample: Sample) -> str:
    label = "" if sample.label is None else f" labelled {sample.label}"
    file = "" if sample.path is None else f", read from {sample.path}"
    return f"What is found in a part{label}{file}: where it is, and what each memory bank has to do with it."


def title_of(sample: Sample) -> str:
    """What a part is called among others: the end of its path, where its name alone says too little.

    Examples
    --------
    >>> title_of(Sample("test/dent/000"))
    'test/dent/000'
    """
    if sample.path is None or "/" in sample.name:
        return sample.name
    path = sample.path.with_suffix("")
    return "/".join(path.relative_to(path.anchor).parts[-FOLDERS:])


def section(
    title: str,
    sample: Sample,
    found: Inspection,
    *,
    notes: Sequence[str] = (),
    caption: str = "",
    good: Good = nothing_known,
    scale: Scale | None = None,
    threshold: Threshold | None = None,
) -> Section:
    """A part's section of a page: the verdict, its card, and a table of what is marked."""
    verdict = {None: "Not judged: the model has no threshold.", True: "Defective.", False: "Good."}[found.defective]
    facts: list[tuple[str, object]] = [("score", found.score)]
    if threshold is not None:
        facts.append(("threshold of the score", threshold.value))
    facts.append(("regions marked", len(found.regions)))
    header = ["region", "mm²", "depth", "row", "column", "memory bank", "pixels", "peak"]
    rows = [[place, *_region(region)] for place, region in enumerate(found.regions, start=1)]
    return Section(
        title,
        f"{verdict} {regions_told(found)}",
        facts=facts,
        paragraphs=[*filter(None, (sentence(p_told(found)), found.doubt)), *notes],
        pictures=[card(sample, found, caption=caption, good=good, scale=scale)],
        tables=[Table(header, rows, "What is marked, the worst first; row and column are of its middle.")]
        if rows
        else [],
    )


def _region(region: Region) -> list[object]:
    """The cells of a region, as `wording.region_told` has them."""
    area = None if region.area_mm2 is None else float(f"{region.area_mm2:.3g}")
    off = None if region.depth_mm is None else depth_told(region.depth_mm).replace(" ", "\N{NO-BREAK SPACE}")
    row, column = (region.top + region.bottom) // 2, (region.left + region.right) // 2
    return [area, off, row, column, region.bank, region.pixels, region.peak]
