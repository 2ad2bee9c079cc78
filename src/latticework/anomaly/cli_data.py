"""The commands of `latticework anomaly` that make data and make them ready."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Literal

import typer

from latticework.anomaly.cli_parts import Split, UnitOption
from latticework.core.commands import Jobs, Output, Seed
from latticework.core.progress import message
from latticework.core.words import counted

Contrast = Literal["easy", "medium", "hard"]


def synth(
    *,
    output: Output,
    family: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="superellipsoid, tube, rope, ring, foam or dowel, directly into PATH; all writes a folder of each.",
        ),
    ] = "all",
    contrast: Annotated[Contrast, typer.Option(help="How clearly defects show.")] = "medium",
    good: Annotated[int, typer.Option(min=1, metavar="N", help="Good parts to learn from.")] = 40,
    validation: Annotated[int, typer.Option(min=0, metavar="N", help="Good parts for the threshold.")] = 20,
    test_good: Annotated[int, typer.Option(min=0, metavar="N", help="Good parts to test with.")] = 20,
    per_defect: Annotated[
        int, typer.Option(min=0, metavar="N", help="Parts to test with, of each kind of defect.")
    ] = 6,
    size: Annotated[int, typer.Option(min=32, metavar="N", help="Rows and columns of the scans.")] = 224,
    seed: Seed = 0,
    jobs: Jobs = 1,
) -> None:
    """Write scans of synthetic parts, good and defective, in the layout of MVTec 3D-AD."""
    from latticework.anomaly.synth import generate

    folders = generate(
        output,
        seed=seed,
        family=family,
        good=good,
        validation=validation,
        test_good=test_good,
        per_defect=per_defect,
        contrast=contrast,
        size=size,
        jobs=jobs,
    )
    which = folders[0] if len(folders) == 1 else f"{counted(len(folders), 'folder')} in {output}"
    message(f"the parts are in {which}; try: latticework anomaly fit {shlex.quote(str(folders[0]))} -o model")


def preprocess(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Scans of parts.", show_default=False)],
    *,
    output: Output,
    size: Annotated[
        int, typer.Option(min=0, metavar="N", help="Rows and columns to bring parts to; 0 keeps them as they are.")
    ] = 224,
    split: Annotated[Split | None, typer.Option(help="The one to write; all by default.", show_default=False)] = None,
    unit: UnitOption = "m",
    jobs: Jobs = 1,
) -> None:
    """Tell parts from their ground and write them, at one size, into another folder: DIR stays as it is.

    Run again, it goes on where it was. A part that cannot be read is reported, and the others go on; the exit status is
    then 1.
    """
    from latticework.anomaly.preparation.prepared import preprocess_folder

    done = preprocess_folder(folder, output, size=size or None, split=split, unit=unit, jobs=jobs)
    for name, doubt in done.doubts.items():
        message(f"{name}: {doubt}")
    there = f", {len(done.there):,} were there" if done.there else ""
    message(f"{counted(len(done.written), 'part')} written into {output}{there}, {len(done.failed):,} left out")
    if done.failed:
        raise typer.Exit(1)
