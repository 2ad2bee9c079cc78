"""The commands of `latticework anomaly` that measure a model and explain what it finds."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from latticework.anomaly.cli_parts import (
    GoodFolder,
    Maps,
    OwnUnit,
    Split,
    check_apart,
    check_pictures,
    good_in,
    outputs_of,
    parts_in,
)
from latticework.anomaly.part_warnings import noted, once
from latticework.core.commands import Device, Json, Model, PageFile, print_json
from latticework.core.errors import InputError
from latticework.core.progress import message
from latticework.core.terminal import printable, table_lines
from latticework.core.words import counted

if TYPE_CHECKING:
    from latticework.anomaly.findings.results import Evaluation, Figures, Inspection


@once()
def evaluate(
    model: Model,
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Good and defective parts with their labels.", show_default=False)
    ],
    *,
    split: Annotated[Split, typer.Option(help="Of DIR, if it has splits.")] = "test",
    maps: Maps = None,
    page: PageFile = None,
    good: GoodFolder = None,
    unit: OwnUnit = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Inspect parts of which it is known whether they are good, and say how often the model is right.

    Figures of parts, of pixels, of each kind of defect and of each memory bank; --page shows them with the worst
    errors. A part that cannot be read is reported, and the others go on; the exit status is then 1.
    """
    check_apart(maps, [folder])
    check_pictures(page, good, folder, model)

    from latticework.anomaly.detector import M3DM
    from latticework.anomaly.scans.folders import read_folder
    from latticework.anomaly.scans.partners import check_truths

    detector = M3DM.load(model, device=device)
    parts = read_folder(folder, split=split, unit=unit or detector.unit_, partners="reported")
    check_truths(parts)
    pictures = good_in(good, folder if page else None, detector, unit=unit)
    with ExitStack() as stack:
        each = None if maps is None else stack.enter_context(outputs_of(maps, parts, model, detector)).add
        found = detector.evaluate(parts, each=each)
        for name, why in found.failed.items():
            message(f"left out: {name}: {why}")
        if page is not None:
            from latticework.anomaly.findings.verdicts import errors_of
            from latticework.anomaly.report.evaluation_page import MOST_ERRORS
            from latticework.anomaly.report.evaluation_page import page as report_page

            named = {part.name: part for part in parts}
            with noted():  # what there is to warn of was said
                samples = [named[name].read() for name in errors_of(found).worst(MOST_ERRORS)]
                shown = [(sample, detector.explain(sample)) for sample in samples]
            title = folder.resolve().name
            level = detector.map_threshold_
            written = report_page(found, shown, good=pictures, name=title, notes=detector.report_, map_threshold=level)
            written.write(page)
            message(f"the page is {page}")
    if maps is not None:  # whose tables come last: with them the run is over
        message(f"maps and overlays are in {maps}")
    if as_json:
        print_json(found.as_dict())
    else:
        for line in evaluation_lines(found):
            print(line)
    if found.failed:
        raise typer.Exit(1)


@once()
def explain(
    model: Model,
    path: Annotated[
        Path, typer.Argument(metavar="PATH", help="A file of the part, or a folder with it alone.", show_default=False)
    ],
    *,
    page: PageFile = None,
    good: GoodFolder = None,
    unit: OwnUnit = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Say what is wrong with a part, where, how large, and which memory bank says so, beside what it compares with."""
    check_pictures(page, good, path, model)

    from latticework.anomaly.detector import M3DM

    detector = M3DM.load(model, device=device)
    parts = parts_in([path], unit=unit or detector.unit_)
    if len(parts) != 1:
        raise InputError(f"{path} holds {counted(len(parts), 'part')}: name a file of one of them")
    pictures = good_in(good, None, detector, unit=unit)
    sample = parts[0].read()
    found = detector.explain(sample)
    if page is not None:
        from latticework.anomaly.report.part_pages import part_page

        limits = {"threshold": detector.threshold_, "map_threshold": detector.map_threshold_}
        part_page(sample, found, good=pictures, **limits).write(page)
        message(f"the page is {page}")
    if as_json:
        print_json(found.as_dict())
    else:
        for line in explanation_lines(found):
            print(line)


def evaluation_lines(found: Evaluation) -> list[str]:
    """Tables for people: the figures of all parts, of each kind of defect, and of each memory bank."""
    from latticework.anomaly.report.wording import plain

    bad = int(found.bad.sum())
    lines = [f"{counted(len(found.labels) - bad, 'good part')}, {bad:,} defective"]
    if found.interval is not None and found.figures.image is not None:
        low, high = found.interval
        lines.append(f"image AUROC: {found.figures.image.auroc:.3f}, 95 % interval {low:.3f} to {high:.3f}")
    if found.threshold is not None:
        lines.append(f"threshold {plain(found.threshold.value)}: {found.threshold.about()}")
    for share, what in (
        (found.found, "defective parts found"),
        (found.false_alarms, "good parts that are false alarms"),
    ):
        if share is not None:
            lines.append(f"{what}: {share:.1%}")
    limits = list(found.figures.aupro)
    rows = [["all parts, banks fused", *_cells(found.figures, limits)], ["defect"]]
    rows += [[f"  {label}", *_cells(each, limits)] for label, each in found.by_label.items()]
    rows += [["memory bank"], *([f"  {bank}", *_cells(each, limits)] for bank, each in found.banks.items())]
    header = ["", "AUROC", "AP", "F1max", "pixel", *(f"PRO{limit:g}" for limit in limits)]
    return [*lines, "", *table_lines(header, rows)]


def explanation_lines(found: Inspection) -> list[str]:
    """What is found in a part, for people."""
    from latticework.anomaly.report.wording import p_told, region_told, shares_told, where_told

    shares, score = shares_told(found)
    verdict = {None: "not judged, for want of a threshold", True: "defective", False: "good"}[found.defective]
    lines = [f"{printable(found.name)}: {verdict}, score {score}"]
    lines += [line for line in (p_told(found), found.doubt) if line]
    for bank, share in zip(found.banks, shares, strict=True):
        told, near = "nothing of it could be judged", bank.nearest
        if near is not None:
            like = f"most like {printable(near.part)} at row {near.row}, column {near.column}"
            told = f"worst at row {bank.row}, column {bank.column}, {like}"
        lines.append(f"{bank.bank}: {share} of {score}; {told}")
    lines += [f"region {place}: {region_told(region)}" for place, region in enumerate(found.regions, start=1)]
    return lines if found.regions else [*lines, where_told(found) or "no region is marked"]


def _cells(figures: Figures, limits: list[float]) -> list[str]:
    image, pixel = figures.image, figures.pixel
    shares: list[float | None] = [None] * 3
    if image is not None:
        shares = [image.auroc, image.average_precision, image.f1_max]
    shares += [None if pixel is None else pixel.auroc, *(figures.aupro.get(limit) for limit in limits)]
    return ["-" if share is None else f"{share:.3f}" for share in shares]
