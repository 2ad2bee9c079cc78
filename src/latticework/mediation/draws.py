"""The draws of a model for ArviZ, and as netCDF files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from latticework.core.errors import require
from latticework.core.files import file_to_write, write_atomically
from latticework.core.values import strict_json
from latticework.core.version import VERSION
from latticework.mediation.effects import NDE, NIE, PROPORTION, TE, draws_of, import_arviz

if TYPE_CHECKING:
    from latticework.mediation.fitted import FittedModel


def inference_data(model: FittedModel) -> Any:
    """The draws for ArviZ.

    Parameters
    ----------
    model : BIMA or BASMU
        A fitted one.

    Returns
    -------
    arviz.InferenceData
        Group "posterior": ``nie``, ``nde``, ``te``, ``proportion_mediated``; ``nie_region`` by ``region``; ``alpha``
        and ``beta`` by ``component``, coefficients in the basis (with a threshold, those of the processes that it is
        applied to); of BASMU ``nu``, too, and ``moved``, what the unobserved confounder moves from NIE to NDE;
        standard deviations. Group "constant_data": eigenvalue and region of each component. All are in units of the
        data. Attributes say class, version, prior, and how stage one was handed on.

    Raises
    ------
    MissingExtraError
        If ArviZ is not installed.
    """
    check_is_fitted(model)
    arviz = import_arviz("draws for ArviZ")
    posterior, basis = model.posterior_, model.basis_
    regional = posterior.regional
    effects = draws_of(regional, posterior.direct)
    draws: dict[str, Any] = {
        "nie": effects[NIE],
        "nde": effects[NDE],
        "te": effects[TE],
        "proportion_mediated": effects[PROPORTION],
        "nie_region": regional,
        "alpha": posterior.alpha,
        "beta": posterior.beta,
    }
    dims = {"nie_region": ["region"], "alpha": ["component"], "beta": ["component"]}
    constant = {
        "eigenvalue": basis.eigenvalues,
        "region_of_component": np.repeat(
            np.arange(len(basis.blocks)), [len(block.eigenvalues) for block in basis.blocks]
        ),
    }
    dims |= {name: ["component"] for name in constant}
    if posterior.projected is not None:
        draws |= {"nu": posterior.projected, "moved": posterior.moved()}
        dims["nu"] = ["component"]
    coordinates = {"region": [block.name for block in basis.blocks], "component": np.arange(basis.n_components)}
    return arviz.from_dict(
        posterior={name: np.asarray(values) for name, values in (draws | posterior.sigmas).items()},
        constant_data=constant,
        coords=coordinates,
        dims=dims,
        attrs=_attributes(model),
    )


def write_netcdf(model: FittedModel, path: str | os.PathLike[str]) -> str:
    """Write the draws as a netCDF file that ``arviz.from_netcdf`` reads, as a whole or not at all.

    Raises
    ------
    InputError
        If it cannot be written there.
    MissingExtraError
        If ArviZ or h5netcdf is not installed.
    """
    target = file_to_write(Path(os.path.realpath(path)))
    require("h5netcdf", extra="mediation", purpose="writing draws")
    data = inference_data(model)
    write_atomically(target, _netcdf(data))
    return str(target)


def _netcdf(data: Any) -> bytes:
    """The bytes of a netCDF file, the same for the same draws: without the time that ArviZ notes.

    In memory, because HDF5, when a disk is full, tells it many times, past all handlers of errors.
    """
    import xarray

    groups = {"/": xarray.Dataset(attrs=data.attrs)} | {name: data[name] for name in data.groups()}
    for group in groups.values():
        group.attrs.pop("created_at", None)
    return bytes(xarray.DataTree.from_dict(groups).to_netcdf(engine="h5netcdf") or b"")


def _attributes(model: FittedModel) -> dict[str, Any]:
    """What netCDF takes: texts and numbers alone."""
    confounded = model.posterior_.projected is not None
    return {
        "class": type(model).__name__,
        "version": VERSION,
        "exposure": str(model.names_["exposure"]),
        "outcome": str(model.names_["outcome"]),
        "prior": strict_json(model.prior_),
        "thresholds": strict_json(model.posterior_.thresholds),
        "handed_on": model.method_.handed_on(model.prior_) if confounded else "not applicable",
    }
