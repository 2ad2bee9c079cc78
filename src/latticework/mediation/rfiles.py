"""Files of R, read without R: .rda, .RData and .rds; sizes are bounded before and while they are unpacked."""

from __future__ import annotations

import bz2
import lzma
import os
import warnings
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from latticework.core.errors import InputError, require
from latticework.core.files import read_bytes
from latticework.core.words import cut, listed
from latticework.mediation.study import Study, study_of

MAX_FILE_BYTES: Final = 2**30
MAX_R_BYTES: Final = 2**31  # unpacked
MAX_SEQUENCE: Final = 2**27  # 1:n is two numbers in a file, and n in memory
_AT_ONCE: Final = 2**20
_UNPACKERS: Final[Mapping[bytes, Callable[[], Any]]] = {
    b"\x1f\x8b": lambda: zlib.decompressobj(31),
    b"BZh": bz2.BZ2Decompressor,
    b"\xfd7zXZ\0": lzma.LZMADecompressor,
}
_FIELDS: Final = ("X", "M", "Y")


def read_r(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read what a file of R holds.

    Returns
    -------
    dict
        By name; lists of R are dicts or lists, vectors and matrices NumPy arrays, data frames pandas'. Classes that are
        not known stay lists.

    Raises
    ------
    InputError
        If it is no such file, is damaged, or larger than is read.
    MissingExtraError
        If rdata is not installed.
    """
    rdata = require("rdata", extra="mediation", purpose="reading files of R")
    path = Path(path)
    data = _unpacked(read_bytes(path, most=MAX_FILE_BYTES), path)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Missing constructor for R class", UserWarning)
            warnings.filterwarnings("ignore", "Unknown encoding", UserWarning)
            warnings.filterwarnings("ignore", "Unknown file type: assumed RDS", UserWarning)
            warnings.filterwarnings("ignore", "Wrong extension", UserWarning)
            parsed = rdata.parser.parse_data(data, altrep_constructor_dict=_sequences(rdata), extension=None)
            held = rdata.conversion.convert(parsed)
    except InputError:
        raise
    except Exception as error:  # whatever a foreign reader stumbles over
        reason = f"{type(error).__name__}: {cut(str(error), 300)}"
        raise InputError(f"{path} is no file of R that is read, or damaged ({reason})") from error
    if not isinstance(held, dict):
        return {path.stem: held}
    return {str(name): value for name, value in held.items()}


def study_of_r(
    fields: Mapping[str, Any], *, transposed: bool, coordinates: Any = None, mask: Any = None, regions: Any = None
) -> Study:
    """A study from a list of R with X, M, Y and perhaps C, as the authors' simulations are saved.

    Parameters
    ----------
    fields : mapping
        ``X`` (n), ``M``, ``Y`` (n) and ``C``.
    transposed : bool
        Whether ``M`` is voxels by subjects and ``C`` confounders by subjects, as the authors have them; False is
        subjects first.
    coordinates, mask, regions
        As `study_of`; the list has none.

    Raises
    ------
    InputError
        If a field is not there, or as `study_of`.
    """
    if missing := [name for name in _FIELDS if name not in fields]:
        raise InputError(f"there is no {', '.join(missing)} in the list: expected X, M and Y, got {listed(fields)}")
    exposure, outcome = np.ravel(np.asarray(fields["X"])), np.ravel(np.asarray(fields["Y"]))
    mediators = np.asarray(fields["M"])
    confounders = None if fields.get("C") is None else np.asarray(fields["C"])
    if transposed:
        mediators = mediators.T
        confounders = None if confounders is None else np.atleast_2d(confounders).T
    return study_of(
        exposure, np.ascontiguousarray(mediators), outcome, confounders,
        coordinates=coordinates, mask=mask, regions=regions,
    )  # fmt: skip


def _unpacked(data: bytes, path: Path) -> bytes:
    make = next((make for magic, make in _UNPACKERS.items() if data.startswith(magic)), None)
    if make is None:
        return data
    unpacker, unpacked = make(), bytearray()
    try:
        rest = data
        while not unpacker.eof:
            piece = unpacker.decompress(rest, _AT_ONCE)
            # zlib hands back what it has not used, the others keep it
            rest = getattr(unpacker, "unconsumed_tail", b"")
            unpacked += piece
            if len(unpacked) > MAX_R_BYTES:
                raise InputError(f"{path} unpacks to more than the {MAX_R_BYTES:,} bytes that are read")
            if not piece and not unpacker.eof and not rest and getattr(unpacker, "needs_input", True):
                raise EOFError("it ends too early")
    except (zlib.error, lzma.LZMAError, OSError, EOFError) as error:
        raise InputError(f"{path} is damaged or cut off ({error})") from error
    if any(unpacked.startswith(magic) for magic in _UNPACKERS):
        raise InputError(f"{path} is compressed twice")
    return bytes(unpacked)


def _sequences(rdata: Any) -> dict[bytes, Any]:
    """What rdata makes of short forms in a file, with a limit to the length of sequences."""
    known = dict(rdata.parser.DEFAULT_ALTREP_MAP)

    def bounded(name: bytes) -> Any:
        def make(state: Any) -> Any:
            length = float(np.ravel(state.value)[0])
            if not 0 <= length <= MAX_SEQUENCE:
                raise InputError(f"a sequence of {length:,.0f} numbers is longer than is read")
            return known[name](state)

        return make

    return known | {name: bounded(name) for name in (b"compact_intseq", b"compact_realseq")}
