"""All that was found in a folder for other tools: tables of effects, and with them draws, maps and the page."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from sklearn.utils.validation import check_is_fitted

from latticework.core.files import write_output
from latticework.core.folders import make_folder
from latticework.core.values import strict_json
from latticework.core.version import VERSION
from latticework.mediation.draws import write_netcdf
from latticework.mediation.effects import LEVEL, PROPORTION
from latticework.mediation.map_files import free_for_maps, write_maps

if TYPE_CHECKING:
    import pandas as pd

    from latticework.mediation.fitted import FittedModel

MAPS, DRAWS, CSV, JSON = "maps", "draws.nc", "effects.csv", "effects.json"


def write_effects(model: FittedModel, folder: str | os.PathLike[str]) -> list[str]:
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
    target = make_folder(folder)
    table = model.effects_table_
    told = model.diagnose()
    about = {
        "class": type(model).__name__,
        "latticework": VERSION,
        **model.names_,
        "unit": "{outcome} per unit of {exposure}".format(**model.names_),
        "level": LEVEL,
        "subjects": told.subjects,
        "effects": _records(table),
        "diagnosis": told,
    }
    write_output(target / CSV, table.to_csv(index=False, lineterminator="\n").encode("utf-8", "backslashreplace"))
    write_output(target / JSON, f"{strict_json(about, indent=1)}\n".encode("utf-8", "backslashreplace"))
    return [str(target / CSV), str(target / JSON)]


def write_results(model: FittedModel, folder: str | os.PathLike[str]) -> list[str]:
    """Write all that was found into a folder.

    There are ``effects.csv``, ``effects.json``, ``draws.nc``, and a folder ``maps`` if the model knows its grid. Each
    is written as a whole or not at all.

    Parameters
    ----------
    model : BIMA or BASMU
        A fitted one.
    folder : path-like
        Where to; it is made if it is not there. Files of these names are replaced, others are left as they are.

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
    target = make_folder(folder)
    if model.space_ is not None:
        free_for_maps(target / MAPS)  # before anything is written
    written = [*write_effects(model, target), write_netcdf(model, target / DRAWS)]
    if model.space_ is not None:
        written += write_maps(model, target / MAPS)
    return written


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [
        {str(name): value for name, value in row.items() if not (name == "region" and value == "")}
        | ({"of": "NIE / TE"} if row["effect"] == PROPORTION else {})
        for row in table.to_dict("records")
    ]
