"""What a saved mediation model consists of: draws, the basis, data summed up by it, and the grid, but no images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from latticework.core.checks import flag
from latticework.core.errors import InputError
from latticework.core.estimator import plain_parameters
from latticework.core.persistence import State
from latticework.core.words import shortened
from latticework.mediation.basis import Basis
from latticework.mediation.decomposition import BasisDecomposition
from latticework.mediation.posterior import Posterior
from latticework.mediation.preparation import Prepared, Units
from latticework.mediation.prior import Prior
from latticework.mediation.spaces import Space, check_fields
from latticework.mediation.stages import Method

if TYPE_CHECKING:
    from latticework.mediation.fitted import FittedModel

_DRAWS = ("alpha", "beta", "direct", "shrinkage")
_SIGMAS = ("sigma_alpha", "sigma_mediators", "sigma_eta", "sigma_beta", "sigma_outcome")
_MORE_SIGMAS = ("sigma_nu", "voxels_included")
_CONFOUNDER = ("projected", "nu", "nu_sd", "included")


def state_of(model: FittedModel) -> State:
    """Everything that was learned."""
    check_is_fitted(model)
    posterior, prepared, space = model.posterior_, model.prepared_, model.space_
    basis, arrays = model.basis_.to_state()
    draws = {name: getattr(posterior, name) for name in _DRAWS}
    if posterior.projected is not None:
        draws |= {name: getattr(posterior, name) for name in _CONFOUNDER}
    data = {
        "mediators": prepared.mediators,
        "regressors": prepared.regressors,
        "outcome": prepared.outcome,
        "coordinates": model.coordinates_,
    }
    if space is not None:
        data |= {"mask": space.mask.astype(np.uint8), "affine": space.affine}
    values: dict[str, Any] = {
        "basis": basis,
        "settings": None if model.basis is None else plain_parameters(model.basis),
        "prior": None if model.prior is None else asdict(model.prior),
        "fitted_prior": asdict(model.prior_),
        "explained": model.explained_,
        "names": model.names_,
        "thresholds": list(posterior.thresholds),
        "propagate": model.method_.propagate,
        "accepted": None if posterior.accepted is None else list(posterior.accepted),
        "units": {
            "exposure": prepared.units.exposure,
            "mediators": prepared.units.mediators,
            "outcome": prepared.units.outcome,
            "confounders": prepared.units.confounders.tolist(),
        },
        "header": None if space is None else {name: list(value) for name, value in space.header.items()},
    }
    tensors: dict[str, Mapping[str, Any]] = {
        "basis": arrays,
        "draws": {name: np.ascontiguousarray(array) for name, array in draws.items()},
        "sigmas": {name: np.ascontiguousarray(array) for name, array in posterior.sigmas.items()},
        "data": {name: np.ascontiguousarray(array) for name, array in data.items()},
    }
    return State(values=values, tensors=tensors)


def take_back(model: FittedModel, state: State) -> None:
    """Take back everything that was learned."""
    values = state.values
    groups = {name: {key: np.asarray(array) for key, array in group.items()} for name, group in state.tensors.items()}
    basis, data, draws = Basis.of_state(values["basis"], groups["basis"]), groups["data"], groups["draws"]
    confounded = _checked(groups, values, basis.n_components, basis.n_voxels)
    model.basis = None if values["settings"] is None else BasisDecomposition(**values["settings"])
    model.prior = None if values["prior"] is None else _prior(values["prior"])
    model.prior_ = _prior(values["fitted_prior"])
    model.explained_ = float(values["explained"])
    model.names_ = values["names"]
    model.basis_ = basis
    model.coordinates_ = data["coordinates"]
    model.space_ = None
    if "mask" in data:
        header = {str(name): tuple(value) for name, value in values["header"].items()}
        model.space_ = Space(mask=data["mask"].astype(bool), affine=data["affine"], header=header)
    units = {**values["units"], "confounders": np.array(values["units"]["confounders"], float)}
    model.prepared_ = Prepared(data["mediators"], data["regressors"], data["outcome"], basis, Units(**units))
    confounder = {name: draws[name] for name in _CONFOUNDER} if confounded else {}
    accepted = values["accepted"]
    model.posterior_ = Posterior(
        basis=basis,
        **{name: draws[name] for name in _DRAWS},
        thresholds=(float(values["thresholds"][0]), float(values["thresholds"][1])),
        sigmas=groups["sigmas"],
        accepted=None if accepted is None else (float(accepted[0]), float(accepted[1])),
        **confounder,
    )
    model.method_ = Method(model.posterior_.thresholds, confounded, flag("propagate", values["propagate"]))


def _checked(groups: dict[str, dict[str, Any]], values: dict[str, Any], components: int, voxels: int) -> bool:
    """Check that what a file holds fits together, so that nothing fails later; whether there is a confounder."""
    draws, data, units, names = groups["draws"], groups["data"], values["units"], values["names"]
    chains, kept, _ = draws["alpha"].shape
    subjects, confounders = len(data["outcome"]), len(units["confounders"])
    confounded = "projected" in draws
    expected: dict[tuple[str, str], tuple[int, ...]] = {
        ("draws", "alpha"): (chains, kept, components),
        ("draws", "beta"): (chains, kept, components),
        ("draws", "direct"): (chains, kept),
        ("draws", "shrinkage"): (components,),
        ("data", "mediators"): (components, subjects),
        ("data", "regressors"): (confounders + 1, subjects),
        ("data", "outcome"): (subjects,),
        ("data", "coordinates"): (voxels, data["coordinates"].shape[1]),
    }
    expected |= {("sigmas", name): (chains, kept) for name in _SIGMAS + (_MORE_SIGMAS if confounded else ())}
    if confounded:
        expected["draws", "projected"] = (chains, kept, components)
        expected |= {("draws", name): (voxels,) for name in ("nu", "nu_sd", "included")}
    if "mask" in data:
        expected["data", "affine"] = (4, 4)
        check_fields(values["header"])
        if data["mask"].ndim != 3 or np.count_nonzero(data["mask"]) != voxels:
            raise InputError(f"the mask has shape {data['mask'].shape}, and is to have {voxels:,} voxels on three axes")
    for (group, name), shape in expected.items():
        array = groups[group][name]
        if array.shape != shape or array.dtype != np.float64 or not np.isfinite(array).all():
            raise InputError(f"{group}.{name} of shape {array.shape}, expected finite numbers of shape {shape}")
    if "mask" in data and not data["affine"][:3, :3].any(axis=0).all():
        raise InputError("the affine gives voxels no size along an axis")
    thresholds, accepted = values["thresholds"], values["accepted"]
    if len(thresholds) != 2 or not all(_within(threshold, np.inf) for threshold in thresholds):
        raise InputError(f"thresholds are {shortened(thresholds)}: expected two finite numbers of at least 0")
    if accepted is not None and (len(accepted) != 2 or not all(_within(share, 1.0) for share in accepted)):
        raise InputError(f"accepted shares are {shortened(accepted)}: expected two from 0 to 1")
    sizes = [units["exposure"], units["mediators"], units["outcome"], *units["confounders"]]
    if not all(isinstance(size, float) and 0 < size < float("inf") for size in sizes):
        raise InputError("a unit is no number above 0")
    texts = [names["exposure"], names["outcome"], *names["confounders"]]
    if len(texts) != confounders + 2 or not all(isinstance(text, str) for text in texts):
        raise InputError(f"names of the exposure, the outcome and {confounders} confounders are expected")
    return confounded


def _within(value: object, most: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= most and value < np.inf


def _prior(values: dict[str, Any]) -> Prior:
    given: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    return Prior(**given)
