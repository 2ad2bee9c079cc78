"""What was found as files of other tools: NIfTI maps, draws for ArviZ, and tables of effects."""

from __future__ import annotations

import gzip
import json
import math
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from jaxtyping import Bool, Float
from sklearn.utils.validation import check_is_fitted

from latticework.core.errors import InputError, require
from latticework.core.files import sync_folder, temporary_in, write_output
from latticework.core.version import VERSION
from latticework.mediation.draws import inference_data as inference_data
from latticework.mediation.draws import write_netcdf as write_netcdf
from latticework.mediation.effects import PROPORTION
from latticework.mediation.writing import folder_to_write, put_in_place

if TYPE_CHECKING:
    import pandas as pd

    from latticework.mediation.fitted import MediationModel
    from latticework.pages import Page

KIND: Final = "latticework mediation maps"
ABOUT: Final = "maps.json"
MAPS, DRAWS, CSV, JSON, REPORT = "maps", "draws.nc", "effects.csv", "effects.json", "report.html"
SUFFIX: Final = ".nii.gz"
LEVEL: Final = 0.95  # of the intervals of `maps_` and `effects_table_`
MOST_ABOUT: Final = 2**20  # bytes of the list of maps that are read

_EFFECT: Final = "{outcome} per unit of {exposure}"
_ON: Final = "unit of the image per unit of {exposure}"
_OF: Final = "{outcome} per unit of the image"
_WHAT: Final[dict[str, tuple[str, str]]] = {
    "effect_mean": ("posterior mean of the indirect effect through the voxel, alpha(s) beta(s)", _EFFECT),
    "effect_sd": ("posterior standard deviation of the indirect effect through the voxel", _EFFECT),
    "effect_lower": ("lower end of the 95 % interval of the indirect effect through the voxel", _EFFECT),
    "effect_upper": ("upper end of the 95 % interval of the indirect effect through the voxel", _EFFECT),
    "effect_positive": ("posterior probability that the indirect effect through the voxel is above 0", "probability"),
    "selected": ("1 where there is an indirect effect through the voxel, by the rule '{rule}'", "0 or 1"),
    "alpha_mean": ("posterior mean of the exposure's effect on the voxel", _ON),
    "alpha_sd": ("posterior standard deviation of the exposure's effect on the voxel", _ON),
    "beta_mean": ("posterior mean of the voxel's effect on the outcome", _OF),
    "beta_sd": ("posterior standard deviation of the voxel's effect on the outcome", _OF),
    "pip": ("posterior probability that the indirect effect through the voxel is not 0", "probability"),
    "nu_mean": ("posterior mean of the unobserved confounder's coefficient in the voxel", _OF),
    "nu_sd": ("posterior standard deviation of the unobserved confounder's coefficient in the voxel", _OF),
    "nu_included": (
        "posterior probability that the voxel carries the unobserved confounder; which do is not identified",
        "probability",
    ),
}


def rule_of(model: MediationModel) -> str:
    """By which rule voxels are selected where nobody names one: "pip" where there is a threshold, else "rope"."""
    return "pip" if model.posterior_.thresholded else "rope"


def write_maps(model: MediationModel, folder: str | os.PathLike[str]) -> list[str]:
    """Write the posterior by voxel as NIfTI images on the grid of the study's, and what each of them is.

    There are ``effect_mean``, ``effect_sd``, ``effect_lower``, ``effect_upper``, ``effect_positive``, ``selected``,
    ``alpha_mean``, ``alpha_sd``, ``beta_mean`` and ``beta_sd``; with a threshold ``pip``; and of BASMU ``nu_mean``,
    ``nu_sd`` and ``nu_included``. All are 0 outside of the mask, and none holds NaN. ``maps.json`` has meaning and
    unit of each. The folder is there as a whole or not at all.

    Parameters
    ----------
    model : BIMA or BASMU
        A fitted one.
    folder : path-like
        Where to; maps of an earlier call are replaced, and nothing else is.

    Returns
    -------
    list of str
        Paths of the files, ``maps.json`` last.

    Raises
    ------
    InputError
        If the model knows no grid, the folder holds anything else, or it cannot be written.
    MissingExtraError
        If nibabel is not installed.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from latticework.mediation.estimator import BIMA
    >>> from latticework.mediation.simulation import simulate
    >>> study = simulate(n=40, side=6, confounding="none")
    >>> model = BIMA(n_chains=2, n_warmup=50, n_draws=50, n_jobs=1, random_state=0).fit_study(study)
    >>> with TemporaryDirectory() as folder:
    ...     written = write_maps(model, Path(folder) / "maps")
    ...     len(written), Path(written[0]).name
    (11, 'effect_mean.nii.gz')
    """
    check_is_fitted(model)
    space = model.space_
    if space is None:
        raise InputError(
            "the model does not know on which grid its voxels lie: fit it with mask=, an image or array that is true "
            "at as many voxels, in the order of its elements with the last axis fastest, or with NIfTI images"
        )
    require("nibabel", extra="mediation", purpose="writing NIfTI images")
    target = _free(folder)
    values = _values(model)
    names = _names(model)
    about: dict[str, Any] = {
        "kind": KIND,
        "version": 1,
        "latticework": VERSION,
        "class": type(model).__name__,
        "outside of the mask": 0,
        "maps": {
            f"{name}{SUFFIX}": {
                part: text.format(**names) for part, text in zip(("is", "unit"), _WHAT[name], strict=True)
            }
            for name in values
        },
    }
    temporary = temporary_in(target.parent)
    try:
        temporary.mkdir()
        for name, map_ in values.items():
            image = space.image_of(space.grid(map_))
            (temporary / f"{name}{SUFFIX}").write_bytes(gzip.compress(image.to_bytes(), mtime=0))
        (temporary / ABOUT).write_bytes(_json(about))
        put_in_place(temporary, target)
    except OSError as error:
        raise InputError(f"{target} cannot be written: {error.strerror}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    sync_folder(target.parent)
    return [str(target / name) for name in (*about["maps"], ABOUT)]


def write_effects(model: MediationModel, folder: str | os.PathLike[str]) -> list[str]:
    """Write effects, in total and by region, as ``effects.csv`` and as ``effects.json``, which has the diagnosis, too.

    Parameters
    ----------
    model : BIMA or BASMU
        A fitted one.
    folder : path-like
        Where to; it is made if it is not there. Of what it holds, files of these names alone are replaced.

    Returns
    -------
    list of str
        Paths of both files. In the one numbers that are not known are empty, in the other null.

    Raises
    ------
    InputError
        If they cannot be written.
    """
    check_is_fitted(model)
    target = _made(folder)
    table = model.effects_table_
    told = model.diagnose()
    about = {
        "class": type(model).__name__,
        "latticework": VERSION,
        **model.names_,
        "unit": _EFFECT.format(**_names(model)),
        "level": LEVEL,
        "subjects": told.subjects,
        "effects": _records(table),
        "diagnosis": asdict(told),
    }
    write_output(target / CSV, table.to_csv(index=False, lineterminator="\n").encode("utf-8", "backslashreplace"))
    write_output(target / JSON, _json(about))
    return [str(target / CSV), str(target / JSON)]


def write_results(model: MediationModel, folder: str | os.PathLike[str], *, page: Page | None = None) -> list[str]:
    """Write all that was found into a folder.

    There are ``effects.csv``, ``effects.json``, ``draws.nc``, a folder ``maps`` if the model knows its grid, and
    ``report.html`` if there is a page. Each is written as a whole or not at all.

    Parameters
    ----------
    model : BIMA or BASMU
        A fitted one.
    folder : path-like
        Where to; it is made if it is not there. Files of these names are replaced, others are left as they are.
    page : Page, optional
        Of `latticework.mediation.report.page`.

    Returns
    -------
    list of str
        Paths of all files.

    Raises
    ------
    InputError
        If something cannot be written.
    """
    check_is_fitted(model)
    target = _made(folder)
    if model.space_ is not None:
        _free(target / MAPS)  # before anything is written
    written = [*write_effects(model, target), write_netcdf(model, target / DRAWS)]
    if model.space_ is not None:
        written += write_maps(model, target / MAPS)
    if page is not None:
        page.write(target / REPORT)
        written.append(str(target / REPORT))
    return written


def _values(model: MediationModel) -> dict[str, Float[np.ndarray, " voxels"] | Bool[np.ndarray, " voxels"]]:
    """The maps by name, in the types that they are written in."""
    maps, posterior = model.maps_, model.posterior_
    found: dict[str, Any] = {
        "effect_mean": maps.effect,
        "effect_sd": maps.effect_sd,
        "effect_lower": maps.effect_lower,
        "effect_upper": maps.effect_upper,
        "effect_positive": maps.positive,
        "selected": model.select(rule_of(model)),  # type: ignore[arg-type]
        "alpha_mean": maps.alpha,
        "alpha_sd": maps.alpha_sd,
        "beta_mean": maps.beta,
        "beta_sd": maps.beta_sd,
    }
    if posterior.thresholded:
        found["pip"] = maps.pip
    if posterior.nu is not None:
        found |= {"nu_mean": posterior.nu, "nu_sd": posterior.nu_sd, "nu_included": posterior.included}
    return {
        name: values.astype(np.uint8 if values.dtype == bool else np.float32, copy=False)
        for name, values in found.items()
    }


def _names(model: MediationModel) -> dict[str, str]:
    return {
        "exposure": str(model.names_["exposure"]),
        "outcome": str(model.names_["outcome"]),
        "rule": rule_of(model),
    }


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [
        {str(name): value for name, value in row.items() if not (name == "region" and value == "")}
        | ({"of": "NIE / TE"} if row["effect"] == PROPORTION else {})
        for row in table.to_dict("records")
    ]


def _free(folder: str | os.PathLike[str]) -> Path:
    """The folder, if it is new, empty, or one of ours with nothing else in it."""
    target = folder_to_write(folder)
    if target.is_dir() and any(target.iterdir()):
        known = {*_listed(target), ABOUT}
        others = sorted(path.name for path in target.iterdir() if path.name not in known)
        if others:
            raise InputError(f"{folder} holds other things, such as {others[0]}, and is not written over")
    return target


def _listed(folder: Path) -> set[str]:
    """Names of the maps that an earlier call wrote."""
    try:
        with (folder / ABOUT).open("rb") as stream:
            about = json.loads(stream.read(MOST_ABOUT))
    except (OSError, ValueError, RecursionError):
        return set()
    ours = isinstance(about, dict) and about.get("kind") == KIND and isinstance(about.get("maps"), dict)
    return {f"{name}{SUFFIX}" for name in _WHAT} & set(about["maps"]) if ours else set()


def _made(folder: str | os.PathLike[str]) -> Path:
    target = Path(folder)
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{target} cannot be made: {error.strerror}") from error
    return target


def _json(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(_strict(value), ensure_ascii=False, allow_nan=False, indent=1) + "\n").encode(
        "utf-8", "backslashreplace"
    )


def _strict(value: Any) -> Any:
    """Plain values that strict JSON has words for: numbers that are not finite become None."""
    if isinstance(value, Mapping):
        return {str(key): _strict(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_strict(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
