"""`latticework mediate`: simulate a study, fit one, report on the model, and ask what a confounder could do."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from latticework.core.commands import Jobs, Json, Model, Output, PageFile, Restart, Seed, check_page, given, job
from latticework.core.decimals import decimal
from latticework.core.errors import InputError
from latticework.core.progress import message
from latticework.core.words import counted
from latticework.mediation.choices import Missing
from latticework.mediation.cli_basis import Atlas, Centres, Components, Explained, Kernel, basis, bias, loaded
from latticework.mediation.cli_study import simulate

if TYPE_CHECKING:
    from latticework.mediation.fitting import MediationModel
    from latticework.mediation.prior import Prior

app = job("Ask whether an image carries the effect of an exposure on an outcome.")

Kind = Literal["basmu", "bima"]
Results = Annotated[
    Path | None,
    typer.Option(
        "--results", metavar="FOLDER", help="Write maps, tables of effects, and draws there.", show_default=False
    ),
]


@app.command()
def fit(
    study: Annotated[
        Path,
        typer.Argument(
            metavar="STUDY",
            help="A table of participants (.tsv, .csv); or a folder of `simulate`, or a .npz file, which need no more.",
            show_default=False,
        ),
    ],
    *,
    output: Output,
    images: Annotated[
        str | None,
        typer.Option(
            metavar="PATH",
            help="A folder of NIfTI images, a name such as {participant_id}.nii.gz, a 4-D file, .csv or .npy.",
            show_default=False,
        ),
    ] = None,
    exposure: Annotated[str | None, typer.Option(metavar="COLUMN", help="Of the table.", show_default=False)] = None,
    outcome: Annotated[str | None, typer.Option(metavar="COLUMN", help="Of the table.", show_default=False)] = None,
    confounders: Annotated[
        str | None,
        typer.Option(metavar="COLUMNS", help="With commas; C(site) takes numbers for categories.", show_default=False),
    ] = None,
    mask: Annotated[
        Path | None, typer.Option(metavar="FILE", help="NIfTI image: not 0 in a mediator.", show_default=False)
    ] = None,
    atlas: Atlas = None,
    centres: Centres = None,
    coordinates: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Table of x, y, z: where the columns of a .csv or .npy lie.", show_default=False
        ),
    ] = None,
    id_column: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Of ids.", show_default="participant_id")
    ] = None,
    volumes: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The id of each volume of a 4-D file, or row of a .npy, a line each.",
            show_default=False,
        ),
    ] = None,
    ordered: Annotated[
        bool, typer.Option("--ordered", help="Volumes are in the order of the table; nothing checks that they are.")
    ] = False,
    missing: Annotated[
        Missing | None,
        typer.Option(help="Participants who lack a value: refused, or left out.", show_default="error"),
    ] = None,
    model: Annotated[
        Kind, typer.Option(help="basmu allows for unobserved confounders of image and outcome, bima for none.")
    ] = "basmu",
    threshold: Annotated[
        str | None,
        typer.Option(
            metavar="T|A,B",
            help="Of bima: effects on (A) and of (B) a voxel are shrunk by so much, and nought if below.",
            show_default=False,
        ),
    ] = None,
    kernel: Kernel = None,
    components: Components = None,
    explained: Explained = None,
    chains: Annotated[int, typer.Option(min=1, metavar="N", help="Markov chains.")] = 4,
    warmup: Annotated[int, typer.Option(min=1, metavar="N", help="Draws of each that are thrown away.")] = 1000,
    draws: Annotated[int, typer.Option(min=4, metavar="N", help="Draws of each that are kept.")] = 1000,
    direct_effect_sd: Annotated[
        float | None,
        typer.Option(
            metavar="SD",
            help="Of the prior of NDE, in units of outcome by exposure: the split into NIE and NDE leans on it.",
            show_default="1",
        ),
    ] = None,
    inclusion: Annotated[
        str | None,
        typer.Option(
            metavar="P|A,B",
            help="Of basmu: probability that a voxel carries the confounder, or its beta prior.",
            show_default="1,voxels",
        ),
    ] = None,
    paper_prior: Annotated[
        bool, typer.Option("--paper-prior", help="The paper's priors, in the units of the data.")
    ] = False,
    orthogonal: Annotated[
        Literal["yes", "no"] | None,
        typer.Option(
            help="Whether individual effects have nothing in common with exposure and confounders, not even by chance; "
            "if they may have, intervals are wider.",
            show_default="no; yes of --paper-prior",
        ),
    ] = None,
    propagate: Annotated[
        bool, typer.Option("--propagate", help="Of basmu: allow for what the first stage does not know.")
    ] = False,
    results: Results = None,
    page: PageFile = None,
    seed: Seed = 0,
    jobs: Jobs = 1,
    restart: Restart = False,
    as_json: Json = False,
) -> None:
    """Draw from the posterior of a study, save the model in the folder --output, and print the effects.

    NIE goes through the image, NDE does not, TE is both. Data tell TE; how it splits leans on priors, and what is said
    on stderr tells how much.
    """
    options = _options(model, threshold, inclusion, propagate=propagate)

    from latticework.core.folders import nested
    from latticework.core.persistence import check_free
    from latticework.mediation.cli_basis import decomposition
    from latticework.mediation.cli_output import print_model, write_beside
    from latticework.mediation.cli_study import pattern_of, read, told
    from latticework.mediation.stages import default_basis

    check_free(output, restart=restart)
    if results is not None and nested(results, output):
        raise InputError(f"--results {results} is --output {output}, or in it or around it: name another folder")
    named = None if images is None else pattern_of(images)[0]
    _check_beside(results, page, output, study, named, mask, atlas, centres, coordinates, volumes)
    prior = _prior(direct_effect_sd, inclusion, None if orthogonal is None else orthogonal == "yes", paper=paper_prior)
    functions, sized = decomposition(kernel, components, explained), components is not None or explained is not None
    found = _model(model)(
        basis=functions if sized else None,
        n_chains=chains,
        n_warmup=warmup,
        n_draws=draws,
        prior=prior,
        n_jobs=jobs,
        random_state=seed,
        **options,
    )
    found.check_options()
    data = read(
        study,
        images=images,
        exposure=exposure,
        outcome=outcome,
        confounders=confounders,
        mask=mask,
        atlas=atlas,
        centres=centres,
        coordinates=coordinates,
        id_column=id_column,
        volumes=volumes,
        ordered=ordered,
        missing=missing,
    )
    message(f"{study}: {told(data)}")
    if not sized and kernel is not None and kernel != "matern":
        found.set_params(basis=default_basis(data, kernel))
    _fit(found, data)
    found.save(output)
    message(
        f"{counted(found.basis_.n_components, 'component')}, which explain {found.explained_:.1%} of the kernel's "
        f"variance; {counted(chains, 'chain')} of {counted(draws, 'draw')}"
    )
    print_model(found, as_json=as_json)
    write_beside(found, name=study.stem or str(study), results=results, page=page)
    more = "" if found.posterior_.thresholded else " --sensitivity"  # which needs the images then
    message(f"the model is in {output}; try: latticework mediate report {quote(str(output))}{more} --page report.html")


@app.command()
def report(
    model: Model,
    *,
    page: PageFile = None,
    results: Results = None,
    sensitivity: Annotated[
        bool, typer.Option("--sensitivity", help="Run stage two again under other priors, and say what changes.")
    ] = False,
    truth: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Of a simulated study: show its truth beside.", show_default=False),
    ] = None,
    jobs: Jobs = 1,
    as_json: Json = False,
) -> None:
    """Print the effects that a saved model found, and whether its draws can be trusted; write a page, or maps."""
    from latticework.mediation.cli_output import print_model, write_beside
    from latticework.mediation.truth import read_truth

    _check_beside(results, page, model, truth)
    fitted = loaded(model)
    fitted.set_params(n_jobs=jobs)
    true = None if truth is None else read_truth(truth, fitted.space_)
    swept = fitted.sensitivity() if sensitivity else None
    print_model(fitted, as_json=as_json, truth=true, sensitivity=swept, diagnosed=True)
    write_beside(fitted, name=model.name or str(model), results=results, page=page, sensitivity=swept, truth=true)


for each in (simulate, bias, basis):
    app.command()(each)


def _fit(model: MediationModel, study: Any) -> None:
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the diagnosis says it too
        model.fit_study(study)


def _model(kind: Kind) -> Any:
    from latticework.mediation.estimator import BASMU, BIMA

    return BASMU if kind == "basmu" else BIMA


def _options(kind: Kind, threshold: str | None, inclusion: str | None, *, propagate: bool) -> dict[str, Any]:
    """What one of the models has and the other has not."""
    if kind == "bima":
        if propagate or inclusion is not None:
            which = "--propagate" if propagate else "--inclusion"
            raise InputError(f"{which} is of --model basmu: bima has no unobserved confounder")
        return {} if threshold is None else {"threshold": _numbers("--threshold", threshold)}
    if threshold is not None:
        raise InputError("--threshold is of --model bima: basmu has smooth effects")
    return {"propagate": True} if propagate else {}


def _prior(
    direct_effect_sd: float | None, inclusion: str | None, orthogonal: bool | None, *, paper: bool
) -> Prior | None:
    """The priors by the options; None for the default."""
    from latticework.mediation.prior import Prior

    share = None if inclusion is None else _numbers("--inclusion", inclusion)
    options = given(direct_effect_sd=direct_effect_sd, inclusion=share, orthogonal=orthogonal)
    if not options and not paper:
        return None
    return replace(Prior.paper() if paper else Prior(), **options)


def _numbers(name: str, written: str) -> float | tuple[float, float]:
    """One number, or two with a comma."""
    try:
        values = [decimal(part) for part in written.split(",")]
    except ValueError as error:
        raise InputError(f"{name} {written!r}: expected a number, or two with a comma between them") from error
    if len(values) > 2:
        raise InputError(f"{name} {written!r}: expected a number, or two with a comma between them")
    return values[0] if len(values) == 1 else (values[0], values[1])


def _check_beside(results: Path | None, page: Path | None, *read: Path | None) -> None:
    """Find out before long work whether what is asked for can be written beside the files that are read."""
    from latticework.core.folders import check_new, nested

    if results is not None:
        check_new(results)
        if page is not None and nested(results, page):
            raise InputError(f"--page {page} is in --results {results}, which is to be a new folder: name another file")
    check_page(page, *read)
