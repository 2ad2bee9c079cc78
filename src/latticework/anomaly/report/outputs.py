"""What was found in parts, as files: maps, overlays, and tables of them all."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any, Final

import numpy as np
from jaxtyping import Float32, UInt8

from latticework.anomaly.findings.calibration import Threshold
from latticework.anomaly.findings.results import Inspection
from latticework.anomaly.part_warnings import noted
from latticework.anomaly.report.heat import Scale
from latticework.anomaly.report.overlays import overlay
from latticework.anomaly.scans.arrays import tiff_bytes
from latticework.anomaly.scans.folders import read_folder
from latticework.anomaly.scans.found import Found
from latticework.anomaly.scans.images import png_bytes
from latticework.anomaly.scans.inputs import PartOrFile, name_of, read
from latticework.anomaly.scans.samples import Sample
from latticework.core.delimited import csv_line
from latticework.core.errors import InputError, require
from latticework.core.files import holds, write_output
from latticework.core.folders import check_empty, make_folder
from latticework.core.values import strict_json

CSV, JSONL = "predictions.csv", "predictions.jsonl"
UNFINISHED: Final = "predictions.unfinished"  # there until the tables are: which inspection the maps are of
LONGEST: Final = 200  # bytes of a piece of a name: file systems take 255
_COLUMNS: Final = ("name", "label", "error", "defective", "score", "p_value", "regions")
_WORST: Final = ("bank", "top", "left", "bottom", "right", "pixels", "peak", "area_mm2", "depth_mm")
_UNSAFE: Final = re.compile(r'[\x00-\x1f\x7f-\x9f<>:"|?*]')
_DEVICES: Final = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)  # names that Windows keeps
_COMPRESSION: Final = 4  # of PNG, from 0 to 9: half the time of the usual 6


class Outputs:
    """A folder of what was found: for each part a map and an overlay, and two tables of all of them.

    Every file is written as a whole or not at all; the tables once all parts are known, when the context is left
    without an error. Until then the folder has a file ``predictions.unfinished``, by which only the same parts,
    inspected by the same model, may be written there again.

    Parameters
    ----------
    folder
        Where to: a new or empty folder, or that of the same inspection, which did not end.
    parts
        Those that are to come, if they are known: none of their files may be written over, and nothing beside one of
        them under its name, where it would be taken for their cloud or picture the next time.
    model
        What tells the model from others, such as a checksum.
    map_threshold
        `M3DM.map_threshold_`: heat shows what is above it. None compares places of each part alone.

    Raises
    ------
    InputError
        If no folder can be there; as the context is entered, if it holds other things.
    MissingExtraError
        If Pillow or tifffile is not installed.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> sample = Sample.of(rgb=np.zeros((4, 6, 3), dtype=np.uint8), name="cut/000")
    >>> scores, part = np.zeros((4, 6), dtype=np.float32), np.ones((4, 6), dtype=bool)
    >>> with TemporaryDirectory() as folder:
    ...     with Outputs(folder) as outputs:
    ...         found = Inspection("cut/000", 0.2, 0.5, False, (), (), scores, part, np.zeros_like(part, int))
    ...         row = outputs.add(sample, found)
    ...     row["overlay"], sorted(path.name for path in Path(folder).iterdir())
    ('cut/000.png', ['cut', 'predictions.csv', 'predictions.jsonl'])
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        parts: Iterable[PartOrFile] = (),
        *,
        model: str = "",
        map_threshold: Threshold | None = None,
    ) -> None:
        for module in ("PIL.Image", "tifffile"):
            require(module, extra="anomaly", purpose="writing maps")
        self.folder = Path(folder)
        self._level = None if map_threshold is None else map_threshold.value
        self.rows: list[dict[str, Any]] = []
        self._inputs: set[str] = set()  # without their endings
        known = [(name_of(part), self._know(part)) for part in parts]
        self._inspection = hashlib.sha256(repr((model, known)).encode()).hexdigest().encode()
        self._taken = {CSV.casefold(), JSONL.casefold()}
        make_folder(self.folder)

    def add(self, part: PartOrFile, told: Inspection | InputError) -> dict[str, Any]:
        """Write what was found in a part, and give its row of the tables; of an error there is a row alone.

        Raises
        ------
        InputError
            If a file cannot be written, or is one that a part is read from, or would lie beside one under its name.
        """
        shown = told if isinstance(told, InputError) else _shown(part, told, self._level)
        row = row_of(part, shown if isinstance(shown, InputError) else told)
        row |= {"map": None, "overlay": None}
        if isinstance(told, Inspection) and not isinstance(shown, InputError):
            places = self._places(name_of(part))
            files = {what: self.folder / place for what, place in places.items()}
            self._know(part)
            self._check(files)
            make_folder(files["map"].parent)
            write_map(files["map"], told.map)
            write_picture(files["overlay"], shown)
            row |= {what: place.as_posix() for what, place in places.items()}
        self.rows.append(row)
        return row

    def __enter__(self) -> Outputs:
        check_free_for_maps(self.folder)
        mark = self.folder / UNFINISHED
        if mark.exists() and not holds(mark, self._inspection):
            raise InputError(
                f"{self.folder} holds maps of other parts or by another model, whose inspection did not end: "
                "choose another folder, or empty it"
            )
        write_output(mark, self._inspection)
        return self

    def __exit__(self, kind: object, *rest: object) -> None:
        if kind is None:
            for name, text in (
                (CSV, csv_of(self.rows)),
                (JSONL, "".join(f"{strict_json(row)}\n" for row in self.rows)),
            ):
                write_output(self.folder / name, text.encode("utf-8", "backslashreplace"))
            (self.folder / UNFINISHED).unlink(missing_ok=True)

    def _places(self, name: str) -> dict[str, PurePosixPath]:
        """Where a part's files go, below the folder: each part's elsewhere, in whatever case its name is."""
        place, number = safe_place(name), 1
        own = place
        while taken := {f"{own}.tiff".casefold(), f"{own}.png".casefold()} & self._taken:
            number += 1
            own = place.with_name(f"{place.name}-{number}")
        self._taken |= taken | {f"{own}.tiff".casefold(), f"{own}.png".casefold()}
        return {"map": own.with_name(f"{own.name}.tiff"), "overlay": own.with_name(f"{own.name}.png")}

    def _know(self, part: PartOrFile) -> list[str]:
        """Keep the files of a part from being written over; where they truly are."""
        files = [os.path.realpath(file) for file in files_of(part)]
        self._inputs |= {os.path.splitext(file)[0] for file in files}
        return files

    def _check(self, files: Mapping[str, Path]) -> None:
        beside = [file for file in files.values() if os.path.splitext(os.path.realpath(file))[0] in self._inputs]
        for file in beside:
            if file.exists():
                raise InputError(f"{file} is a file of a part, and would be written over: name another folder")
        if beside:
            raise InputError(f"{beside[0]} would be taken for a file of the part beside it: name another folder")


def check_free_for_maps(folder: Path) -> None:
    """Refuse to write over a folder, unless it is that of an inspection which did not end.

    Raises
    ------
    InputError
        If it holds other things.
    """
    if not (folder / UNFINISHED).is_file():
        check_empty(folder)


def row_of(part: PartOrFile, told: Inspection | InputError) -> dict[str, Any]:
    """What was found in a part as plain values: name, label if that is known, error if there is one, and the rest.

    Examples
    --------
    >>> row_of("scans/007.png", InputError("007.png is cut off"))
    {'name': '007', 'label': None, 'error': '007.png is cut off'}
    """
    label = part.label if isinstance(part, Sample | Found) else None
    row: dict[str, Any] = {"name": name_of(part), "label": label, "error": None}
    if isinstance(told, InputError):
        return row | {"error": str(told)}
    return row | {name: value for name, value in told.as_dict().items() if name != "name"}


def csv_of(rows: Iterable[Mapping[str, Any]]) -> str:
    """Rows as CSV: a column for the score of each memory bank, and those of the worst region."""
    rows = list(rows)
    banks = list(dict.fromkeys(bank for row in rows for bank in row.get("banks", ())))
    header = [*_COLUMNS, *(f"worst_{name}" for name in _WORST), *(f"{bank}_score" for bank in banks)]
    header += ["doubt", "map", "overlay"]
    lines = [csv_line(header)]
    for row in rows:
        cells = {name: row.get(name) for name in ("doubt", "map", "overlay", *_COLUMNS)}
        regions = row.get("regions", ())
        cells["regions"] = None if row["error"] else len(regions)
        cells |= {f"worst_{name}": regions[0][name] for name in _WORST if regions}
        cells |= {f"{bank}_score": found["score"] for bank, found in row.get("banks", {}).items()}
        lines.append(csv_line(cells.get(name) for name in header))
    return "".join(f"{line}\n" for line in lines)


def safe_place(name: str) -> PurePosixPath:
    """A relative place for a name, below a folder whatever the name is, and on every system.

    Examples
    --------
    >>> safe_place("test/cut/000").as_posix(), safe_place("../../etc/pass:wd").as_posix(), safe_place("").as_posix()
    ('test/cut/000', '_/_/etc/pass_wd', '_')
    """
    pieces = []
    for piece in re.split(r"[/\\]", name):
        plain = _UNSAFE.sub("_", piece.encode("utf-8", "replace")[:LONGEST].decode("utf-8", "ignore")).rstrip(". ")
        pieces.append(f"_{plain}" if not plain or plain.startswith(".") or _DEVICES.fullmatch(plain) else plain)
    return PurePosixPath(*pieces)


def files_of(part: PartOrFile) -> list[Path]:
    """The files that a part is read from; of a scan that was read, those that its file would bring."""
    if isinstance(part, Found):
        return [file for file in (part.file, part.rgb, part.xyz, part.depth, part.mask, part.truth) if file is not None]
    path = part.path if isinstance(part, Sample) else Path(part)
    if path is None or not path.is_file():
        return [] if path is None else [path]
    with suppress(InputError):  # of what cannot be listed, the file itself is known
        return list(dict.fromkeys([path, *files_of(read_folder(path, partners="reported")[0])]))
    return [path]


def write_map(path: str | os.PathLike[str], scores: Float32[np.ndarray, "height width"]) -> None:
    """Write a map of scores as a TIFF of float32, as the evaluation of MVTec 3D-AD reads them.

    Raises
    ------
    InputError
        If it cannot be written.
    """
    write_output(path, tiff_bytes(scores.astype(np.float32), photometric="minisblack"))


def write_picture(path: str | os.PathLike[str], rgb: UInt8[np.ndarray, "height width 3"]) -> None:
    """Write a picture as PNG.

    Raises
    ------
    InputError
        If it cannot be written.
    """
    write_output(path, png_bytes(rgb, compress_level=_COMPRESSION))


def _shown(part: PartOrFile, told: Inspection, level: float | None) -> UInt8[np.ndarray, "height width 3"] | InputError:
    """The overlay of a part, which is read again for it, or why there is none."""
    try:
        with noted():  # what there is to warn of was said at the inspection
            return overlay(told, read(part), scale=None if level is None else Scale.of([told], level))
    except InputError as error:
        return error
