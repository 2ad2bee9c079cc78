"""Pages of what is found in single parts, and why."""

from __future__ import annotations

from typing import Final

from latticework.anomaly.findings.calibration import Threshold
from latticework.anomaly.findings.results import Inspection, Region
from latticework.anomaly.report.cards import Good, card, explained, limit_told, nothing_known, scale_of
from latticework.anomaly.report.wording import depth_told, p_told, regions_told, sentence
from latticework.anomaly.scans.samples import Sample
from latticework.pages import Page, Section, Table

FOLDERS: Final = 4  # of a path that a title has, the file among them


def part_page(
    sample: Sample,
    found: Inspection,
    *,
    good: Good = nothing_known,
    threshold: Threshold | None = None,
    map_threshold: Threshold | None = None,
) -> Page:
    """A page of what is found in a part, and why.

    Parameters
    ----------
    sample, found
        The part, and what was found in it.
    good, map_threshold
        As in `evaluation_page.page`.
    threshold
        `M3DM.threshold_`, which stands beside the score.
    """
    scale = scale_of([found], map_threshold)
    verdict = {None: "Not judged: the model has no threshold.", True: "Defective.", False: "Good."}[found.defective]
    facts: list[tuple[str, object]] = [("score", found.score)]
    notes = [] if threshold is None else [limit_told(threshold)]
    if threshold is not None:
        facts.append(("threshold of the score", threshold.value))
    facts.append(("regions marked", len(found.regions)))
    header = ["region", "mm²", "depth", "row", "column", "memory bank", "pixels", "peak"]
    rows = [[place, *_region(region)] for place, region in enumerate(found.regions, start=1)]
    caption = explained([(sample, found)], good=good, scale=scale)
    only = Section(
        "What is found",
        f"{verdict} {regions_told(found)}",
        facts=facts,
        paragraphs=[*map(sentence, filter(None, (p_told(found), found.doubt))), *notes],
        pictures=[card(sample, found, caption=caption, good=good, scale=scale)],
        tables=[Table(header, rows, "What is marked, the worst first; row and column are of its middle.")]
        if rows
        else [],
    )
    return Page(title_of(sample), _origin(sample), [only])


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


def _region(region: Region) -> list[object]:
    """The cells of a region, as `wording.region_told` has them."""
    area = None if region.area_mm2 is None else float(f"{region.area_mm2:.3g}")
    off = None if region.depth_mm is None else depth_told(region.depth_mm).replace(" ", "\N{NO-BREAK SPACE}")
    row, column = (region.top + region.bottom) // 2, (region.left + region.right) // 2
    return [area, off, row, column, region.bank, region.pixels, region.peak]
