"""A study of mediation: exposure, images, outcome and confounders of the same subjects, checked."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from jaxtyping import Float, Int

from latticework.core.checks import set_frozen
from latticework.core.errors import InputError, callers_level
from latticework.core.words import counted, shortened
from latticework.mediation.guards import (
    Column,
    check_design,
    check_finite,
    check_mediators,
    column,
    index_of,
    plain_numbers,
)
from latticework.mediation.mediators import coordinates_of, mediators_of
from latticework.mediation.regions import numbered, voxel_labels
from latticework.mediation.spaces import Space
from latticework.mediation.subjects import confounder_columns, subject_ids
from latticework.mediation.voxels import check_regions, plain_labels

_AXES: Final = {
    "exposure": "subjects",
    "mediators": "subjects, voxels",
    "outcome": "subjects",
    "confounders": "subjects, confounders",
    "coordinates": "voxels, axes",
}


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Study:
    """Who was exposed to what, what their images show, and how they did. `study_of` makes one, and checks it.

    Numbers of other types than these are brought to them.

    Parameters
    ----------
    exposure, outcome : float64 arrays of shape (subjects,)
        One number a subject.
    mediators : float array of shape (subjects, voxels)
        The images; they may be mapped from a file.
    confounders : float64 array of shape (subjects, confounders)
        What is known of the subjects besides; there may be none.
    coordinates : float64 array of shape (voxels, axes)
        Where the voxels are.
    regions : int array of shape (voxels,) or None
        For each voxel the place of its region in `region_names`.
    region_names : tuple of str
        Names of the regions, in the order of their labels.
    subjects : tuple of str or None
        Their ids.
    exposure_name, outcome_name : str
        What they are.
    confounder_names : tuple of str
        What they are.
    space : Space or None
        The grid that the images lie on.
    """

    exposure: Float[np.ndarray, " subjects"]
    mediators: Float[np.ndarray, "subjects voxels"]
    outcome: Float[np.ndarray, " subjects"]
    confounders: Float[np.ndarray, "subjects confounders"]
    coordinates: Float[np.ndarray, "voxels axes"]
    regions: Int[np.ndarray, " voxels"] | None = None
    region_names: tuple[str, ...] = ()
    subjects: tuple[str, ...] | None = None
    exposure_name: str = "exposure"
    outcome_name: str = "outcome"
    confounder_names: tuple[str, ...] = ()
    space: Space | None = None

    def __post_init__(self) -> None:
        set_frozen(self, "mediators", plain_numbers(self.mediators, "mediators"))
        for name in ("exposure", "outcome", "confounders", "coordinates"):
            set_frozen(self, name, plain_numbers(getattr(self, name), name).astype(np.float64, copy=False))
        if self.regions is not None:
            set_frozen(self, "regions", plain_labels(self.regions))

    @property
    def n_subjects(self) -> int:
        """How many subjects there are."""
        return int(self.mediators.shape[0])

    @property
    def n_voxels(self) -> int:
        """How many voxels an image has."""
        return int(self.mediators.shape[1])

    def check(self) -> None:
        """Refuse a study that was put together by hand and cannot be fitted.

        Raises
        ------
        InputError
            As `study_of`.
        """
        for what, axes in _AXES.items():
            if len(shape := getattr(self, what).shape) != len(axes.split()):
                raise InputError(f"{what}: expected [{axes}], got {list(shape)}")
        n = self.n_subjects
        for what, length in (
            ("exposure", len(self.exposure)),
            ("outcome", len(self.outcome)),
            ("confounders", len(self.confounders)),
            ("subjects", len(self.subjects or self.exposure)),
        ):
            if length != n:
                raise InputError(f"{counted(n, 'subject')} in mediators, and {length:,} in {what}: expected as many")
        if len(self.coordinates) != self.n_voxels:
            told = f"{counted(self.n_voxels, 'voxel')}, and {len(self.coordinates):,} coordinates"
            raise InputError(f"{told}: expected as many")
        if self.regions is not None:
            check_regions(self.regions, self.n_voxels)
            if self.regions.dtype.kind not in "iu":
                raise InputError(f"regions are {self.regions.dtype}: expected places in region_names, whole numbers")
            if self.region_names and self.regions.max(initial=0) >= len(self.region_names):
                told = f"voxel {int(self.regions.argmax())} is in region {self.regions.max()}"
                raise InputError(f"regions: {told}, and there are {len(self.region_names):,} region_names, from 0 on")
        if self.space is not None and self.space.n_voxels != self.n_voxels:
            raise InputError(
                f"{counted(self.n_voxels, 'voxel')}, and {self.space.n_voxels:,} in the space: expected as many; "
                "space.kept leaves voxels out"
            )
        names = self.confounder_names or tuple(str(place) for place in range(self.confounders.shape[1]))
        if len(names) != self.confounders.shape[1]:
            raise InputError(f"{counted(self.confounders.shape[1], 'confounder')}, and {len(names):,} names of them")
        exposure = Column(self.exposure, self.exposure_name, self.subjects)
        outcome = Column(self.outcome, self.outcome_name, self.subjects)
        _check_columns(exposure, outcome, self.confounders, names, self.subjects)
        if not check_mediators(self.mediators, self.subjects, lambda voxel: _where(voxel, self.space)).any():
            raise InputError("all voxels are the same in all subjects: there is nothing that could mediate")

    def __repr__(self) -> str:
        parts = [counted(self.n_subjects, "subject"), counted(self.n_voxels, "voxel")]
        parts.append(counted(self.confounders.shape[1], "confounder"))
        if self.regions is not None:
            parts.append(counted(len(self.region_names), "region"))
        return f"Study({', '.join(parts)})"


def study_of(
    exposure: Any,
    mediators: Any,
    outcome: Any,
    confounders: Any = None,
    *,
    coordinates: Any = None,
    mask: Any = None,
    regions: Any = None,
    subjects: Sequence[object] | None = None,
) -> Study:
    """Check what a study is made of, and put it together.

    Nothing is aligned: inputs of pandas have to have the same index in the same order.

    Parameters
    ----------
    exposure, outcome : array-like of shape (subjects,)
        Numbers, or booleans, which are 0 and 1. Series of pandas' give their names.
    mediators : array-like, path, nibabel image or list of them
        Of shape (subjects, voxels), with `coordinates` or a `mask`; pictures of shape (subjects, rows, columns) or
        volumes of shape (subjects, rows, columns, slices); a 4-D NIfTI image with a volume a subject; a list of 3-D
        ones; or a path of a .npy file of any of these shapes. Voxels that are the same in all subjects are left out,
        with a warning.
    confounders : array-like of shape (subjects, confounders), or None
        Numbers. An intercept is always there. A DataFrame gives their names.
    coordinates : array-like of shape (voxels, axes), or None
        Where the voxels are; None takes them from the mask or the grid.
    mask : path, nibabel image, bool array of a grid, or None
        Which voxels of the grid are mediators. Those of a matrix are in the order of its elements, the last axis
        fastest, as nilearn has them.
    regions : path, nibabel image, array-like, or None
        An image of labels, or labels on the grid, where 0 is no region: voxels without one are left out, with a
        warning. Or a label for each voxel, a number or a text, where 0 is one like any other.
    subjects : sequence or None
        Ids; None takes the index of pandas, if it is not that of the rows.

    Returns
    -------
    Study
        The study.

    Raises
    ------
    InputError
        If anything is missing, infinite, constant, redundant, or does not fit together.
    MissingExtraError
        If a library that reads images is not installed.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> study = study_of(rng.normal(size=20), rng.normal(size=(20, 4, 5)), rng.normal(size=20))
    >>> study, study.coordinates[:2].tolist()
    (Study(20 subjects, 20 voxels, 0 confounders), [[0.0, 0.0], [0.0, 1.0]])
    >>> study_of(np.ones(20), study.mediators, study.outcome, coordinates=study.coordinates)
    Traceback (most recent call last):
        ...
    latticework.core.errors.InputError: the exposure 'exposure' is 1 for all subjects, expected it to vary
    """
    exposed, done = column(exposure, "exposure"), column(outcome, "outcome")
    known, names = confounder_columns(confounders, len(exposed.values))
    ids = subject_ids({"exposure": exposed.subjects, "mediators": index_of(mediators), "outcome": done.subjects,
                     "confounders": index_of(confounders)}, subjects)  # fmt: skip
    n = len(exposed.values)
    for what, length in (
        ("outcome", len(done.values)),
        ("confounders", len(known)),
        ("subjects", len(ids or exposed.values)),
    ):
        if length != n:
            raise InputError(f"{counted(n, 'subject')} in exposure, and {length:,} in {what}: expected as many")
    return assembled(exposed, mediators, done, known, names, ids, coordinates=coordinates, mask=mask, regions=regions)


def _check_columns(
    exposure: Column,
    outcome: Column,
    confounders: Float[np.ndarray, "subjects confounders"],
    names: Sequence[str],
    ids: Sequence[str] | None,
) -> None:
    check_finite(exposure.values, f"the exposure {shortened(exposure.name)}", ids)
    check_finite(outcome.values, f"the outcome {shortened(outcome.name)}", ids)
    for place, name in enumerate(names):
        check_finite(confounders[:, place], f"the confounder {shortened(name)}", ids)
    check_design(exposure, outcome, confounders, names)


def assembled(
    exposure: Column,
    mediators: Any,
    outcome: Column,
    confounders: Float[np.ndarray, "subjects confounders"],
    names: tuple[str, ...],
    ids: tuple[str, ...] | None,
    *,
    coordinates: Any,
    mask: Any,
    regions: Any,
) -> Study:
    """Put a study together from columns of as many subjects, once they and the mediators are checked.

    Raises
    ------
    InputError
        As `study_of`.
    """
    _check_columns(exposure, outcome, confounders, names, ids)
    values, space = mediators_of(mediators, mask, len(exposure.values))
    points = coordinates_of(coordinates, space, values.shape[1])
    labels, region_names = (None, {}) if regions is None else voxel_labels(regions, space, values.shape[1])
    varies = check_mediators(values, ids, lambda voxel: _where(voxel, space))
    kept = varies
    if not varies.all():
        told = f"{counted(int((~varies).sum()), 'voxel')} of {varies.size:,} are the same in all subjects"
        if not varies.any():
            raise InputError(f"{told}: there is nothing that could mediate")
        warnings.warn(f"{told}: left out", stacklevel=callers_level())
    if labels is not None and (labels < 0).any():
        told = f"{counted(int((labels < 0).sum()), 'voxel')} of {labels.size:,} are in no region"
        kept = varies & (labels >= 0)
        if not kept.any():
            raise InputError(f"{told}, and the others do not vary: do the regions lie on the images?")
        warnings.warn(f"{told}: left out", stacklevel=callers_level())
    if not kept.all():
        values, points = values[:, kept], points[kept]
        space = None if space is None else space.kept(kept)
        labels = None if labels is None else labels[kept]
    places, told_names = (None, ()) if labels is None else numbered(labels, region_names)
    return Study(
        exposure=exposure.values, mediators=values, outcome=outcome.values, confounders=confounders,
        coordinates=points, regions=places, region_names=told_names, subjects=ids,
        exposure_name=exposure.name, outcome_name=outcome.name, confounder_names=names, space=space,
    )  # fmt: skip


def _where(voxel: int, space: Space | None) -> str:
    return f"voxel {voxel}" if space is None else f"voxel {voxel}, on the grid at {space.index(voxel)}"
