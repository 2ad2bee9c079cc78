"""Studies from files: a table of participants, their images, a mask and regions."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from jaxtyping import Shaped

from latticework.core.arrays import read_npy, read_npz
from latticework.core.checks import in_order
from latticework.core.errors import InputError
from latticework.core.files import suffix
from latticework.core.words import counted, listed
from latticework.mediation.guards import Column
from latticework.mediation.images import look_at, read_images
from latticework.mediation.joining import join, read_ids, rows_of
from latticework.mediation.labels import read_centres
from latticework.mediation.matrices import read_matrix
from latticework.mediation.nifti import is_image, is_nifti
from latticework.mediation.participants import Participants, participants
from latticework.mediation.regions import by_nearest_centre
from latticework.mediation.spaces import Space
from latticework.mediation.study import Study, assembled, study_of
from latticework.mediation.writing import (
    ATLAS,
    FOUR_D,
    IMAGES,
    MASK,
    TABLE,
    VOLUMES,
    about_study,
)

STUDY_ARRAYS: Final = (
    "exposure", "mediators", "outcome", "confounders", "coordinates", "mask", "affine", "regions", "subjects"
)  # fmt: skip
_MATRICES: Final = (".csv", ".tsv", ".txt")


def read_study(
    table: Any,
    images: Any = None,
    *,
    exposure: str | None = None,
    outcome: str | None = None,
    confounders: Sequence[str] = (),
    mask: Any = None,
    atlas: Any = None,
    centres: str | os.PathLike[str] | None = None,
    coordinates: Any = None,
    id_column: str = "participant_id",
    pattern: str | None = None,
    volumes: str | os.PathLike[str] | Sequence[str] | None = None,
    ordered: bool = False,
    missing: str = "error",
) -> Study:
    """Read a study, its images joined to its participants by id.

    Parameters
    ----------
    table : path or pandas.DataFrame
        One row a participant: .csv or .tsv. Or without any other argument a folder that `write_study` wrote. Or, with
        at most `mask`, `atlas` or `centres`, a .npz file of ``exposure``, ``mediators``, ``outcome`` and
        ``coordinates`` or ``mask`` (and ``affine``), perhaps ``confounders``, ``regions`` and ``subjects``.
    images : path or list of them
        A folder, or files, one a participant, found by `pattern` or by ids in their names; a 4-D .nii or .nii.gz file;
        a .npy file of shape (subjects, voxels); or a .csv or .tsv table, ids in its first column and a voxel in each
        other one.
    exposure, outcome, confounders
        Columns of the table, as of `participants`.
    mask : path, nibabel image, bool array of a grid, or None
        Which voxels are mediators.
    atlas : path, nibabel image, array-like or None
        An image of labels, as of `label_image`, or labels, as of `study_of`.
    centres : path or None
        A table of x, y and z, in millimetres: a voxel is in the region of the nearest. Where names repeat, the number
        of the row is added. Not with an atlas.
    coordinates : path, array-like or None
        Where voxels are, in a table of x, y and z, if no mask tells.
    id_column : str
        The column of ids.
    pattern : str or None
        Names of files in the folder, such as ``"{participant_id}_con.nii.gz"``.
    volumes : path or sequence of str, or None
        The id of each volume of a 4-D file, or of each row of a .npy file, in their order.
    ordered : bool
        That volumes are in the order of the rows of the table, one each, is your word for it.
    missing : str
        ``"error"`` or ``"drop"``, as of `participants`.

    Returns
    -------
    Study
        The study.

    Raises
    ------
    InputError
        If anything cannot be read or joined, an argument does not apply, or as `study_of`.
    MissingExtraError
        If a library that reads them is not installed.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from latticework.mediation.writing import write_study
    >>> rng = np.random.default_rng(0)
    >>> study = study_of(rng.normal(size=6), rng.normal(size=(6, 2, 3)), rng.normal(size=6))
    >>> with TemporaryDirectory() as folder:
    ...     small = write_study(study, Path(folder) / "small")
    ...     read = read_study(
    ...         small / "participants.tsv",
    ...         small / "images",
    ...         exposure="exposure",
    ...         outcome="outcome",
    ...         mask=small / "mask.nii.gz",
    ...     )
    >>> read, read.subjects[:2]
    (Study(6 subjects, 6 voxels, 0 confounders), ('sub-0001', 'sub-0002'))
    """
    one_of_regions({"atlas": atlas, "centres": centres})
    if isinstance(table, str | os.PathLike):
        of_table = {
            "images": images,
            "exposure": exposure,
            "outcome": outcome,
            "confounders": tuple(confounders) or None,
            "coordinates": coordinates,
            "id_column": None if id_column == "participant_id" else id_column,
            "pattern": pattern,
            "volumes": volumes,
            "ordered": ordered or None,
            "missing": None if missing == "error" else missing,
        }
        kind = kind_of(table, of_table, {"mask": mask, "atlas": atlas, "centres": centres})
        if kind == "folder":
            return _written(Path(table))
        if kind == "arrays":
            return _of_npz(table, mask, atlas, centres)
    if exposure is None or outcome is None or images is None:
        raise InputError("a table needs images, and the names of its exposure and outcome columns")
    people = participants(
        table, exposure=exposure, outcome=outcome, confounders=confounders, id_column=id_column, missing=missing
    )
    values, space = _images(people, images, mask, pattern, volumes, id_column, ordered=ordered)
    points = read_centres(coordinates).points if isinstance(coordinates, str | os.PathLike) else coordinates
    if space is None and mask is None and points is None and values.ndim == 2 and values.shape[1] > 1:
        raise InputError(f"{images} does not say where its voxels are: give a mask, or coordinates")
    exposed = Column(people.exposure, people.exposure_name, people.ids)
    done = Column(people.outcome, people.outcome_name, people.ids)
    study = assembled(
        exposed, values, done, people.confounders, people.confounder_names, people.ids,
        coordinates=points, mask=mask if space is None else space, regions=atlas,
    )  # fmt: skip
    return study if centres is None else _by_centres(study, centres)


def kind_of(
    path: str | os.PathLike[str], of_table: Mapping[str, Any], of_voxels: Mapping[str, Any]
) -> Literal["folder", "arrays", "table"]:
    """What a study is in, once options that do not go with that are refused.

    Parameters
    ----------
    path
        Of the study.
    of_table, of_voxels
        Options of a table alone, and of a file of arrays too, by the names that they are to be told by; None is not
        given.

    Raises
    ------
    InputError
        With the options that do not go with it.
    """
    if os.path.isdir(path):
        _none_of({**of_table, **of_voxels}, f"{path} is a folder, which says itself what is what")
        return "folder"
    if suffix(path) == ".npz":
        _none_of(of_table, f"{path} holds arrays, not a table")
        return "arrays"
    return "table"


def one_of_regions(options: Mapping[str, Any]) -> None:
    """Refuse an atlas and centres, by the names that they are to be told by, if both are given.

    Raises
    ------
    InputError
        If they are.
    """
    if all(value is not None for value in options.values()):
        raise InputError(f"{' and '.join(options)} both tell regions: give one of them")


def _none_of(options: Mapping[str, Any], reason: str) -> None:
    if named := [name for name, value in options.items() if value is not None]:
        raise InputError(f"{reason}: leave out {', '.join(named)}")


def _by_centres(study: Study, centres: str | os.PathLike[str]) -> Study:
    """The study with regions by the nearest centre, of those that have a voxel."""
    read = read_centres(centres)
    points = study.coordinates
    if study.space is not None and points.shape[1] != read.points.shape[1]:
        told = study.space.coordinates()
        if all(any(np.array_equal(axis, one) for one in told.T) for axis in points.T):
            points = told  # of which the study has those axes along which voxels differ
    places, names = by_nearest_centre(points, read)
    return replace(study, regions=places, region_names=names)


def _images(
    people: Participants, images: Any, mask: Any, pattern: str | None, volumes: Any, id_column: str, *, ordered: bool
) -> tuple[Shaped[np.ndarray, "subjects ..."], Space | None]:
    """Mediators in the order of the participants, and where they lie if images say so."""
    path = images if isinstance(images, str | os.PathLike) else None
    if is_image(images) or (path is not None and is_nifti(path)):
        count = sum(one.count for one in look_at(images))
        return read_images(images, mask, rows=_rows(people, count, volumes, id_column, str(images), ordered=ordered))
    if path is not None and suffix(path) == ".npy":
        values = read_npy(path)
        rows = _rows(people, len(values) if values.ndim else 0, volumes, id_column, str(path), ordered=ordered)
        return _in_order(values, rows), None
    if path is not None and suffix(path) in _MATRICES:
        ids, values = read_matrix(path)
        return _in_order(values, rows_of(ids, people.ids, people.left_out, "row of mediators")), None
    if not isinstance(images, str | os.PathLike | Iterable):
        raise InputError(f"images: expected a path or a list of them, got {type(images).__name__}")
    return read_images(join(people.ids, images, pattern=pattern, left_out=people.left_out), mask)


def _rows(people: Participants, count: int, volumes: Any, id_column: str, name: str, *, ordered: bool) -> list[int]:
    """The participant of each volume."""
    if volumes is not None:
        is_path = isinstance(volumes, str | os.PathLike)
        given = () if is_path else in_order("volumes", volumes, "a list of ids")
        ids = read_ids(volumes, id_column=id_column) if is_path else tuple(map(str, given))
        if len(ids) != count:
            raise InputError(f"{name} has {counted(count, 'volume')}, and there are {counted(len(ids), 'id')} of them")
        if len(set(ids)) < len(ids):
            raise InputError(f"{name}: two volumes have the same id")
        return rows_of(ids, people.ids, people.left_out)
    if not ordered:
        raise InputError(
            f"{name} does not say whose each volume is: give volumes (--volumes), a file with an id a line in their "
            "order, or, if you know them to be in the order of the table, ordered=True (--ordered)"
        )
    if people.left_out:
        raise InputError("participants were left out, so that the order of the table says no longer whose a volume is")
    if count != len(people.ids):
        raise InputError(
            f"{name} has {counted(count, 'volume')} for {counted(len(people.ids), 'participant')}: expected one a "
            "participant. If they are a time series, give a map of each participant instead, such as a contrast"
        )
    return list(range(count))


def _in_order(values: Shaped[np.ndarray, "rows ..."], rows: list[int]) -> Shaped[np.ndarray, "subjects ..."]:
    if rows == list(range(len(values))):
        return values
    places = np.empty(max(rows) + 1, dtype=np.int64)
    for place, row in enumerate(rows):
        if row >= 0:
            places[row] = place
    return np.asarray(values[places])


def _written(folder: Path) -> Study:
    about = about_study(folder)
    four_d = about.get("four_d") is True
    return read_study(
        folder / TABLE,
        folder / (FOUR_D if four_d else IMAGES),
        exposure=about["exposure"],
        outcome=about["outcome"],
        confounders=about["confounders"],
        mask=folder / MASK,
        atlas=folder / ATLAS if (folder / ATLAS).is_file() else None,
        volumes=folder / VOLUMES if four_d else None,
        pattern=None if four_d else "{participant_id}.nii.gz",
    )


def _of_npz(path: str | os.PathLike[str], mask: Any, atlas: Any, centres: Any) -> Study:
    arrays = read_npz(path, STUDY_ARRAYS)
    if missing := [name for name in ("exposure", "mediators", "outcome") if name not in arrays]:
        raise InputError(f"{path}: there is no {', '.join(missing)} in it, got {listed(arrays) or 'nothing'}")
    if mask is None and "mask" in arrays:
        affine = arrays.get("affine", np.eye(4))
        if affine.shape != (4, 4) or affine.dtype.kind not in "biuf" or not np.isfinite(affine).all():
            raise InputError(f"{path}: the affine is {affine.dtype} {list(affine.shape)}, expected [4, 4]")
        if not affine[:3, :3].any(axis=0).all():
            raise InputError(f"{path}: the affine gives voxels no size along an axis: {affine[:3].tolist()}")
        mask = Space.of(arrays["mask"], affine.astype(np.float64))
    names = arrays.get("subjects")
    study = study_of(
        arrays["exposure"], arrays["mediators"], arrays["outcome"], arrays.get("confounders"),
        coordinates=arrays.get("coordinates"), mask=mask, subjects=None if names is None else names.ravel().tolist(),
        regions=atlas if atlas is not None else arrays.get("regions"),
    )  # fmt: skip
    return study if centres is None else _by_centres(study, centres)
