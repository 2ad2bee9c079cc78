"""The posterior by voxel as NIfTI images, and what each of them is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from jaxtyping import Bool, Float
from sklearn.utils.validation import check_is_fitted

from latticework.core.errors import InputError, require
from latticework.core.files import write_output
from latticework.core.folders import folder_to_write, replacing
from latticework.core.values import strict_json
from latticework.core.version import VERSION
from latticework.mediation.about import read_about
from latticework.mediation.maps import rule_of

if TYPE_CHECKING:
    from latticework.mediation.fitted import FittedModel

KIND: Final = "latticework mediation maps"
ABOUT: Final = "maps.json"
SUFFIX: Final = ".nii.gz"

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


def write_maps(model: FittedModel, folder: str | os.PathLike[str]) -> list[str]:
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
    target = free_for_maps(folder)
    values = _values(model)
    names = {**model.names_, "rule": rule_of(model.posterior_)}
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
    with replacing(target, check=free_for_maps) as temporary:
        for name, map_ in values.items():
            image = space.image_of(space.grid(map_))
            write_output(temporary / f"{name}{SUFFIX}", image.to_bytes())
        text = f"{strict_json(about, indent=1)}\n"
        (temporary / ABOUT).write_bytes(text.encode("utf-8", "backslashreplace"))
    return [str(target / name) for name in (*about["maps"], ABOUT)]


def free_for_maps(folder: str | os.PathLike[str]) -> Path:
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
    about = read_about(folder / ABOUT, KIND) or {}
    maps = about.get("maps")
    return {f"{name}{SUFFIX}" for name in _WHAT} & set(maps) if isinstance(maps, dict) else set()


def _values(model: FittedModel) -> dict[str, Float[np.ndarray, " voxels"] | Bool[np.ndarray, " voxels"]]:
    """The maps by name, in the types that they are written in."""
    maps, posterior = model.maps_, model.posterior_
    found: dict[str, Any] = {
        "effect_mean": maps.effect,
        "effect_sd": maps.effect_sd,
        "effect_lower": maps.effect_lower,
        "effect_upper": maps.effect_upper,
        "effect_positive": maps.positive,
        "selected": model.select(rule_of(posterior)),
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
