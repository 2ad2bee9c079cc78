"""The truth of a simulated study, and its files beside those of the study, which reading the study passes over."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from jaxtyping import Float

from latticework.core.errors import InputError
from latticework.core.files import write_lines, write_output
from latticework.core.folders import new_folder
from latticework.core.values import strict_json
from latticework.mediation.about import read_about
from latticework.mediation.effects import NDE, NIE, PROPORTION, TE
from latticework.mediation.images import read_map
from latticework.mediation.simulation import SimulatedStudy
from latticework.mediation.spaces import Space
from latticework.mediation.writing import fill_with_study

FOLDER: Final = "truth"  # in that of the study
ABOUT: Final = "truth.json"
KIND: Final = "latticework mediation truth"
MAPS: Final = ("alpha", "beta", "nu")
_EFFECTS: Final = ("nie", "nde", "te")


@dataclass(frozen=True, kw_only=True, eq=False)
class Truth:
    """What a study was simulated from, without the study.

    Attributes
    ----------
    nie, nde, te : float
        The effects.
    alpha, beta, nu : float arrays of shape (voxels,)
        By voxel, as of `SimulatedStudy`.
    """

    nie: float
    nde: float
    te: float
    alpha: Float[np.ndarray, " voxels"]
    beta: Float[np.ndarray, " voxels"]
    nu: Float[np.ndarray, " voxels"]

    @property
    def n_voxels(self) -> int:
        """How many voxels an image has."""
        return len(self.alpha)


def true_effects(truth: Truth | SimulatedStudy) -> dict[str, float]:
    """NIE, NDE, TE and the proportion mediated, by name."""
    proportion = truth.nie / truth.te if truth.te else math.nan
    return {NIE: truth.nie, NDE: truth.nde, TE: truth.te, PROPORTION: proportion}


def write_simulated(study: SimulatedStudy, folder: Path, about: dict[str, Any]) -> None:
    """Write a study as `write_study` does, and its truth into a folder in it; the folder is a new one.

    Raises
    ------
    InputError
        If the folder holds anything, or cannot be written.
    """
    with new_folder(folder) as place:
        fill_with_study(place, study)
        _write_truth(study, place / FOLDER, about)


def read_truth(folder: Path, space: Space | None) -> Truth:
    """Read the truth of a simulated study, its maps by the voxels of a space.

    Parameters
    ----------
    folder : Path
        That of the study, or of the truth in it.
    space : Space or None
        Of the model that is compared.

    Raises
    ------
    InputError
        If there is none, or it is of other images.
    """
    place = folder if (folder / ABOUT).is_file() else folder / FOLDER
    about = read_about(place / ABOUT, KIND)
    if about is None:
        raise InputError(f"{folder}: there is no truth of a simulated study in it")
    effects = {name: about.get(name) for name in _EFFECTS}
    if not all(isinstance(value, float | int) and math.isfinite(value) for value in effects.values()):
        raise InputError(f"{place / ABOUT} is damaged")
    if space is None:
        raise InputError("the model was not fitted on images, so that maps of the truth have no place in it")
    maps = {name: read_map(place / f"{name}.nii.gz", space) for name in MAPS}
    return Truth(**{name: float(effects[name]) for name in _EFFECTS}, **maps)  # type: ignore[arg-type]


def _write_truth(study: SimulatedStudy, folder: Path, about: dict[str, Any]) -> None:
    folder.mkdir()
    assert study.space is not None
    maps = {"alpha": study.alpha, "beta": study.beta, "nu": study.nu, "effect": study.alpha * study.beta}
    for name, values in maps.items():
        write_output(folder / f"{name}.nii.gz", study.space.image(values).to_bytes())
    effects = {"nie": study.nie, "nde": study.nde, "te": study.te}
    write_lines(folder / ABOUT, [strict_json({"kind": KIND, "version": 1, **effects, **about}, indent=1)])
