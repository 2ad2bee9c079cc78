"""`latticework mediate`: studies from what the command line says, and simulated ones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from latticework.core.commands import Json, Output, Seed, print_result
from latticework.core.errors import InputError
from latticework.core.progress import message
from latticework.core.words import counted
from latticework.mediation.choices import Confounding

if TYPE_CHECKING:
    from latticework.mediation.study import Study


def simulate(
    *,
    output: Output,
    subjects: Annotated[int, typer.Option(min=5, metavar="N", help="How many.")] = 300,
    side: Annotated[int, typer.Option(min=5, metavar="N", help="Voxels along each axis of the square image.")] = 40,
    confounding: Annotated[
        Confounding,
        typer.Option(
            help="Where individual differences change the outcome unseen: sparse in a triangle, dense everywhere."
        ),
    ] = "sparse",
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Write a study whose truth is known: NIfTI images, participants.tsv and a mask, and the truth in a folder of it.

    It is the design of Xu et al. (2024). `latticework mediate fit` takes the folder.
    """
    from latticework.core.folders import check_new
    from latticework.mediation.simulation import simulate as simulated
    from latticework.mediation.truth import write_simulated

    check_new(output)
    study = simulated(subjects, side, confounding, seed)
    write_simulated(study, output, {"subjects": subjects, "side": side, "confounding": confounding, "seed": seed})
    print_result({"NIE": study.nie, "NDE": study.nde, "TE": study.te}, as_json=as_json)
    message(f"the study is in {output}, its truth in truth there; try: latticework mediate fit {output} -o MODEL")


def read(
    study: Path,
    *,
    images: str | None,
    exposure: str | None,
    outcome: str | None,
    confounders: str | None,
    mask: Path | None,
    atlas: Path | None,
    centres: Path | None,
    coordinates: Path | None,
    id_column: str | None,
    volumes: Path | None,
    ordered: bool,
    missing: str | None,
) -> Study:
    """The study that the arguments of `fit` name.

    Raises
    ------
    InputError
        If it cannot be read, or an option is missing or does not apply.
    """
    from latticework.mediation.reading import kind_of, one_of_regions, read_study

    of_table = {
        "--images": images,
        "--exposure": exposure,
        "--outcome": outcome,
        "--confounders": confounders,
        "--coordinates": coordinates,
        "--id-column": id_column,
        "--volumes": volumes,
        "--ordered": ordered or None,
        "--missing": missing,
    }
    one_of_regions({"--atlas": atlas, "--centres": centres})
    if not study.exists():
        raise InputError(f"{study}: there is no such file or folder")
    kind = kind_of(study, of_table, {"--mask": mask, "--atlas": atlas, "--centres": centres})
    if kind == "folder":
        return read_study(study)
    if kind == "arrays":
        return read_study(study, mask=mask, atlas=atlas, centres=centres)
    lacking = [name for name in ("--images", "--exposure", "--outcome") if of_table[name] is None]
    if lacking:
        raise InputError(f"{study} is a table of participants: give {', '.join(lacking)}")
    assert images is not None
    place, pattern = pattern_of(images)
    return read_study(
        study,
        place,
        exposure=exposure,
        outcome=outcome,
        confounders=[name for part in (confounders or "").split(",") if (name := part.strip())],
        mask=mask,
        atlas=atlas,
        centres=centres,
        coordinates=coordinates,
        id_column=id_column or "participant_id",
        pattern=pattern,
        volumes=volumes,
        ordered=ordered,
        missing=missing or "error",
    )


def told(study: Study) -> str:
    """What was read, on one line."""
    names = ", ".join(study.confounder_names)
    parts = [counted(study.n_subjects, "subject"), counted(study.n_voxels, "voxel")]
    if study.regions is not None:
        parts.append(counted(len(study.region_names), "region"))
    confounders = f"confounders {names}" if names else "no confounders"
    return f"{', '.join(parts)}; exposure {study.exposure_name}, outcome {study.outcome_name}, {confounders}"


def pattern_of(images: str) -> tuple[Path, str | None]:
    """A path; or the folders before the first name with a field in it, and what files there are called."""
    if "{" not in images:
        return Path(images), None
    parts = Path(images).parts
    first = next(number for number, part in enumerate(parts) if "{" in part)
    return Path(*parts[:first]), str(Path(*parts[first:]))
