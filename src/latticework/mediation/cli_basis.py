"""`latticework mediate`: bases of images without a study, and what an unobserved confounder could do to a result."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from latticework.core.commands import Json, Model, Output, Restart, print_json, print_result
from latticework.core.errors import InputError
from latticework.core.progress import message
from latticework.core.terminal import table_lines
from latticework.core.words import counted
from latticework.mediation.choices import KernelName

if TYPE_CHECKING:
    from latticework.mediation.fitting import MediationModel

Kernel = Annotated[
    KernelName | None,
    typer.Option(
        "--kernel",
        metavar="NAME",
        help="Of the functions that images are summed up by: matern or modified_squared_exponential.",
        show_default="matern",
    ),
]
Components = Annotated[
    int | None,
    typer.Option(
        "--components",
        min=1,
        metavar="N",
        help="How many such functions, in all; by default fit takes 0.3 a voxel, at most a third of the subjects, and "
        "at most 500.",
        show_default=False,
    ),
]
Explained = Annotated[
    float | None,
    typer.Option(
        "--explained",
        metavar="SHARE",
        help="Instead, as few as explain so much of the kernel's variance.",
        show_default=False,
    ),
]
Atlas = Annotated[
    Path | None,
    typer.Option("--atlas", metavar="FILE", help="NIfTI image of regions: whole numbers, 0 none.", show_default=False),
]
Centres = Annotated[
    Path | None,
    typer.Option(
        "--centres",
        metavar="FILE",
        help="Table of x, y, z in mm: a voxel is in the region of the nearest.",
        show_default=False,
    ),
]


def basis(
    mask: Annotated[Path, typer.Argument(metavar="MASK", help="NIfTI image: not 0 in a mediator.", show_default=False)],
    *,
    output: Output,
    atlas: Atlas = None,
    centres: Centres = None,
    kernel: Kernel = None,
    components: Components = None,
    explained: Explained = None,
    restart: Restart = False,
    as_json: Json = False,
) -> None:
    """Find the functions that images of a mask are summed up by, save them, and say how much they explain.

    By default there are 0.3 a voxel, too many to be found where a region has more than 15,000: give --components. No
    study is needed, and `latticework mediate fit` does not read what is saved: it finds its own, by --kernel,
    --components and --explained. Its default has fewer: at most 500, and a third of the subjects.
    """
    from latticework.core.persistence import check_free
    from latticework.mediation.images import as_space
    from latticework.mediation.labels import read_centres
    from latticework.mediation.reading import one_of_regions
    from latticework.mediation.regions import by_nearest_centre, numbered, voxel_labels
    from latticework.mediation.spaces import plain_coordinates

    one_of_regions({"--atlas": atlas, "--centres": centres})
    functions = decomposition(kernel, components, explained)
    functions.check_options()
    check_free(output, restart=restart)
    space = as_space(mask)
    places = told = None
    if atlas is not None:
        numbers, names = voxel_labels(atlas, space, space.n_voxels)
        inside = numbers >= 0
        if not inside.any():
            raise InputError(f"no voxel of {mask} is in a region of {atlas}")
        if not inside.all():
            warnings.warn(f"{counted(int((~inside).sum()), 'voxel')} are in no region: left out", stacklevel=2)
            space, numbers = space.kept(inside), numbers[inside]
        places, told = numbered(numbers, names)
    elif centres is not None:
        places, told = by_nearest_centre(space.coordinates(), read_centres(centres))
    try:
        found = functions.fit(plain_coordinates(space.coordinates()), places, names=told)
    except InputError as error:
        if components is None and explained is None:  # more than are found in a region of so many voxels
            raise InputError(f"{error} (--components 500, say, or --atlas)") from error
        raise
    found.save(output)
    rows = [
        {
            "region": block.name,
            "voxels": len(block.voxels),
            "components": len(block.eigenvalues),
            "explained": found.explained_per_region_[block.name],
        }
        for block in found.basis_.blocks
    ]
    total = {"voxels": space.n_voxels, "components": found.n_components_, "explained": found.explained_}
    if as_json:
        print_json(total | {"regions": rows})
    else:
        lines = [
            [str(row["region"]), f"{row['voxels']}", f"{row['components']}", f"{row['explained']:.3f}"]
            for row in [*rows, *([{"region": "in all", **total}] if len(rows) > 1 else [])]
        ]
        print(*table_lines(["region", "voxels", "components", "explained"], lines), sep="\n")
    message(f"the basis is in {output}")


def bias(
    model: Model,
    *,
    nu: Annotated[
        Path | None,
        typer.Option(
            metavar="MAP",
            help="NIfTI image of coefficients that an unobserved confounder might have; by default those that were "
            "found.",
            show_default=False,
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Say what an analysis without the unobserved confounder gets wrong, and how strong one would have to be.

    The tipping factor: how many times the image's own coefficients a confounder's would have to be, in every voxel, for
    all of the indirect effect to be bias. It is the same whatever --nu is.
    """
    fitted = loaded(model)
    found = fitted.bias_if_omitted(None if nu is None else _map(nu, fitted))
    if as_json:
        print_json({"NIE": found.nie, "NDE": found.nde, "tipping": found.tipping})
        return
    told = {
        f"bias of {name}": f"{one['mean']:.4g}, from {one['lower']:.4g} to {one['upper']:.4g}"
        for name, one in (("NIE", found.nie), ("NDE", found.nde))
    }
    print_result(told | {"tipping factor": found.tipping}, as_json=False)
    if nu is None and not fitted.nu_.any():
        message("the model has no unobserved confounder: --nu MAP says what one might do")


def decomposition(kernel: KernelName | None, components: int | None, explained: float | None) -> Any:
    """A basis by the options of a command.

    Raises
    ------
    InputError
        If both say how many components there are.
    """
    from latticework.mediation.decomposition import BasisDecomposition

    if components is not None and explained is not None:
        raise InputError("--components and --explained both say how many components there are: give one of them")
    return BasisDecomposition(kernel or "matern", n_components=components, explained=explained)


def loaded(folder: Path) -> MediationModel:
    """A saved BIMA or BASMU.

    Raises
    ------
    InputError
        If the folder holds anything else.
    """
    from latticework.core.estimator import load_estimator
    from latticework.mediation.fitting import MediationModel

    model = load_estimator(folder, device="cpu")
    if not isinstance(model, MediationModel):
        raise InputError(f"{folder} holds a {type(model).__name__}, not a BIMA or BASMU")
    return model


def _map(path: Path, model: MediationModel) -> Any:
    from latticework.mediation.images import read_map

    if model.space_ is None:
        raise InputError("the model was not fitted on images, so that a map has no place in it")
    return read_map(path, model.space_)
