"""Data sets of synthetic parts in MVTec 3D-AD's layout, as a whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from joblib import delayed

from latticework.anomaly.synth.camera import Camera
from latticework.anomaly.synth.defects import CLASS_IDS, KINDS, TARGETS
from latticework.anomaly.synth.families import FAMILIES
from latticework.anomaly.synth.scene import THRESHOLDS, VERSION, check, draw
from latticework.anomaly.synth.writing import write_json, write_scene
from latticework.core.checks import n_jobs, whole_number
from latticework.core.errors import require
from latticework.core.folders import new_folder
from latticework.core.parallel import workers
from latticework.core.progress import progress
from latticework.core.seeds import spawn

ALL: Final = "all"  # instead of a family: each of them, in a folder of its own


class _Asked(NamedTuple):
    """One scan that is to be drawn: where it goes, and what it shows."""

    folder: Path  # in the data set: family, if there are several, split and label
    number: int
    seed: int
    family: str
    defect: str | None
    contrast: str
    size: int


def generate(
    folder: str | os.PathLike[str],
    *,
    seed: int,
    family: str = ALL,
    good: int = 40,
    validation: int = 20,
    test_good: int = 20,
    per_defect: int = 6,
    contrast: str = "medium",
    size: int = 224,
    jobs: int | None = None,
) -> tuple[Path, ...]:
    """Write a data set of synthetic parts: `train`, `validation` and `test`, `calibration` and `class_ids.json`.

    Parameters
    ----------
    folder
        Where to: made, with those that it is in; it may be there if it is empty. One beside it takes what is not yet
        complete.
    seed
        The same seed, of the same version and with the same libraries, gives the same bytes.
    family
        One of `FAMILIES`, written directly into the folder; ``"all"`` writes a folder for each.
    good, validation, test_good
        How many good parts there are in each split. The first ones stay as they are if there are more.
    per_defect
        How many parts have each kind of defect.
    contrast
        How clearly defects show: ``"easy"``, ``"medium"`` or ``"hard"``. The parts are the same.
    size
        Rows and columns of the images.
    jobs
        How many processes draw (-1: one a processor); None is as many as `joblib.parallel_config` says, or else one.

    Returns
    -------
    tuple of Path
        The folder of each family.

    Raises
    ------
    InputError
        If the folder is a file, is not empty or cannot be made, or an argument is out of range: see `draw`.
    MissingExtraError
        If Pillow or tifffile is not installed.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     (ring,) = generate(
    ...         Path(folder) / "ring", seed=0, family="ring", good=2, validation=1, test_good=1, per_defect=1, size=32
    ...     )
    ...     sorted(path.name for path in ring.iterdir())
    ['calibration', 'class_ids.json', 'synth.json', 'test', 'train', 'validation']
    """
    families = tuple(FAMILIES) if family == ALL else (family,)
    for one in families:
        seed, size = check(seed, one, None, contrast, size)
    counts = {
        "good": whole_number("good", good),
        "validation": whole_number("validation", validation, least=0),
        "test_good": whole_number("test_good", test_good, least=0),
        "per_defect": whole_number("per_defect", per_defect, least=0),
    }
    jobs = n_jobs("jobs", jobs)
    for library in ("PIL.Image", "tifffile"):
        require(library, extra="anomaly", purpose="writing scans")
    places = {one: Path(one) if family == ALL else Path() for one in families}
    with new_folder(folder) as temporary:
        asked = [scan for one, place in places.items() for scan in _scans(place, seed, one, counts, contrast, size)]
        for place in {scan.folder for scan in asked}:
            for kind in ("rgb", "xyz", *(("gt",) if "test" in place.parts else ())):
                (temporary / place / kind).mkdir(parents=True)
        for one, place in places.items():
            _describe(temporary / place, {"seed": seed, "family": one, "contrast": contrast, "size": size, **counts})
        with progress("drawing parts", total=len(asked), unit="scans") as bar, workers(jobs) as parallel:
            for _ in parallel(delayed(_write)(temporary, scan) for scan in asked):
                bar.advance()
    return tuple(Path(os.path.realpath(folder), place) for place in places.values())


def _scans(place: Path, seed: int, family: str, counts: dict[str, int], contrast: str, size: int) -> Iterable[_Asked]:
    splits: list[tuple[str, str | None, int]]
    splits = [("train", None, counts["good"]), ("validation", None, counts["validation"])]
    splits += [("test", None, counts["test_good"]), *(("test", kind, counts["per_defect"]) for kind in KINDS)]
    for split, defect, count in splits:
        label = defect or "good"
        for index in range(count):
            own = spawn(seed, f"{family}/{split}/{label}/{index}")
            yield _Asked(place / split / label, index, own, family, defect, contrast, size)


def _write(root: Path, scan: _Asked) -> None:
    scene = draw(scan.seed, scan.family, scan.defect, scan.contrast, size=scan.size)
    write_scene(scene, root / scan.folder, f"{scan.number:03d}", truth="test" in scan.folder.parts)


def _describe(folder: Path, arguments: dict[str, Any]) -> None:
    """Write what belongs to a family besides its scans."""
    (folder / "calibration").mkdir(parents=True)
    write_json(folder / "calibration" / "camera_parameters.json", Camera(arguments["size"]).parameters())
    write_json(folder / "class_ids.json", {str(number): kind for kind, number in CLASS_IDS.items()})
    about = {"generator": "latticework.anomaly.synth", "version": VERSION, "numpy": np.__version__, **arguments}
    about |= {"thresholds": THRESHOLDS, "contrast_to_noise": TARGETS}
    write_json(folder / "synth.json", about)
