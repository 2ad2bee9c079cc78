"""`latticework anomaly`: learn good parts, find what is wrong with others, measure and explain it, make data."""

from __future__ import annotations

import math
import shlex
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from latticework.anomaly.choices import Features, Fusion, Mode
from latticework.anomaly.cli_answers import evaluate, explain
from latticework.anomaly.cli_data import preprocess, synth
from latticework.anomaly.cli_parts import Maps, OwnUnit, UnitOption, check_apart, outputs_of, parts_in
from latticework.anomaly.config import M3DMConfig
from latticework.anomaly.part_warnings import once
from latticework.core.commands import Device, Jobs, Model, Output, Restart, Seed, given, job, print_json, valid_data
from latticework.core.errors import InputError
from latticework.core.progress import Progress, message, progress
from latticework.core.terminal import printable
from latticework.core.words import counted

if TYPE_CHECKING:
    from latticework.anomaly.findings.results import Inspection
    from latticework.anomaly.scans.found import Found

app = job("Find defects on parts scanned in colour and 3D.")


@app.command()
@once()
def fit(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Scans of good parts, in train if it has splits.", show_default=False)
    ],
    *,
    output: Output,
    valid: Annotated[
        Path | None,
        valid_data(
            ": other good parts, which calibrate the threshold; DIR's own if it has a validation split.", metavar="DIR"
        ),
    ] = None,
    held_out: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            help="Of the good parts, set aside for the threshold where there are no others.",
            show_default=f"{M3DMConfig.held_out:g}",
        ),
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            help="Of good parts that may be false alarms.",
            show_default=f"{M3DMConfig.false_alarm_rate:g}",
        ),
    ] = None,
    banks: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="Memory banks, of colour, texture, geometry, form and fusion; with commas.",
            show_default="all",
        ),
    ] = None,
    fusion: Annotated[
        Fusion | None,
        typer.Option(
            help="How the scores of banks become one: by their ranks among those of good parts (quantile), as a sum "
            "(zsum) or the largest (max) in units of their spread, or as a one-class SVM weighs them (ocsvm).",
            show_default="quantile; ocsvm in the paper's mode",
        ),
    ] = None,
    features: Annotated[
        Features, typer.Option(help="handcrafted needs no weights; pretrained needs --vit, --point-mae or both.")
    ] = "handcrafted",
    mode: Annotated[
        Mode, typer.Option(help="paper has the paper's banks, scores and fusion, but for what the guide lists.")
    ] = "default",
    coreset: Annotated[
        float | None, typer.Option(metavar="SHARE", help="Of patches that a bank keeps.", show_default="0.1")
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(
            min=32,
            metavar="N",
            help="Rows and columns that parts are brought to, a multiple of 16.",
            show_default=f"{M3DMConfig.size}",
        ),
    ] = None,
    vit: Annotated[Path | None, typer.Option(metavar="FILE", help="Weights of DINO's ViT-B/8.")] = None,
    point_mae: Annotated[Path | None, typer.Option(metavar="FILE", help="Weights of Point-MAE.")] = None,
    unit: UnitOption = "m",
    seed: Seed = 0,
    device: Device = "auto",
    restart: Restart = False,
) -> None:
    """Learn what good parts look like and save the model in the folder --output.

    Good parts that are set aside give the threshold; so many of them certify a rate of false alarms of so much, and the
    command says which.
    """
    if features == "handcrafted" and (vit or point_mae):
        raise InputError("--vit and --point-mae are of --features pretrained: handcrafted features need no weights")

    from latticework.anomaly.detector import M3DM
    from latticework.anomaly.report.wording import plain
    from latticework.anomaly.scans.folders import find_splits, read_folder
    from latticework.core.persistence import check_free

    check_free(output, restart=restart)
    settings = given(
        mode=None if mode == "default" else mode,
        size=size,
        held_out=held_out,
        false_alarm_rate=rate,
        vit=vit,
        point_mae=point_mae,
    )
    options = given(
        banks=None if banks is None else tuple(name.strip() for name in banks.split(",")),
        fusion=fusion,
        coreset=coreset,
        config=M3DMConfig(**settings) if settings else None,
    )
    model = M3DM(features=features, random_state=seed, device=device, **options)
    parts = read_folder(folder, split="train", unit=unit)
    others: list[Found] | None = None
    if valid is not None or "validation" in find_splits(folder):
        others = read_folder(valid or folder, split="validation", unit=unit)
    model.fit(parts, validation=others)
    model.save(output)
    for line in model.report_:
        message(line)
    message(
        "no good part certifies a threshold: there are scores alone"
        if model.threshold_ is None
        else f"a score above {plain(model.threshold_.value)} is defective: {model.threshold_.about()}"
    )
    there = find_splits(folder).get("test", folder)
    command = f"{shlex.quote(str(output))} {shlex.quote(str(there))} --maps maps"
    message(f"the model is in {output}; try: latticework anomaly predict {command}")


@app.command()
@once()
def predict(
    model: Model,
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="PATH", help="Folders of parts, or files of single ones.", show_default=False),
    ],
    *,
    maps: Maps = None,
    unit: OwnUnit = None,
    jobs: Jobs = 1,
    device: Device = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print a line of JSON for each part.")] = False,
) -> None:
    """Say of parts whether they are defective, and where, as they are inspected.

    A part that cannot be read is reported, and the others go on; the exit status is then 1.
    """
    check_apart(maps, paths)

    from latticework.anomaly.detector import M3DM
    from latticework.anomaly.inspecting import inspect_parts
    from latticework.anomaly.report.outputs import row_of

    detector = M3DM.load(model, device=device)
    parts = parts_in(paths, unit=unit or detector.unit_)
    failed = 0
    with ExitStack() as stack:
        outputs = None if maps is None else stack.enter_context(outputs_of(maps, parts, model, detector))
        if not as_json:
            print(f"{'':<9}  {'score':>8}  {'p':>6}  part")
        bar = stack.enter_context(_progress(len(parts)))
        for part, told in inspect_parts(detector, parts, jobs=jobs):
            row = row_of(part, told) if outputs is None else outputs.add(part, told)
            if row["error"] is not None:
                failed += 1
                message(f"left out: {part.name}: {row['error']}")
            if as_json:
                print_json(row)
            else:
                print(_line(row, told))
            sys.stdout.flush()
            bar.advance()
    if maps is not None:
        message(f"maps and overlays are in {maps}")
    if failed:
        message(f"{failed:,} of {counted(len(parts), 'part')} could not be inspected")
        raise typer.Exit(1)


for each in (evaluate, explain, synth, preprocess):
    app.command()(each)


@contextmanager
def _progress(total: int) -> Iterator[Progress]:
    """A bar, unless results appear on the same terminal; they go where they always do, not above the bar."""
    if sys.stdout.isatty():
        yield Progress("inspecting", total=total, unit="parts", done=0)
    else:
        printed = sys.stdout
        with progress("inspecting", total=total, unit="parts") as bar, redirect_stdout(printed):
            yield bar


def _line(row: dict[str, Any], told: Inspection | InputError) -> str:
    """What was found in a part, for people."""
    from latticework.anomaly.report.wording import plain, where_told

    name = printable(row["name"])
    if row["error"] is not None or isinstance(told, InputError):
        return f"{'failed':<9}  {'-':>8}  {'-':>6}  {name}"
    verdict = {None: "-", True: "defective", False: "good"}[told.defective]
    share = "-" if math.isnan(told.p_value) else f"{told.p_value:.3f}"
    where = where_told(told)
    return f"{verdict:<9}  {plain(told.score):>8}  {share:>6}  {name}{': ' if where else ''}{where}"
