"""Files of trained weights that users bring: .safetensors, and what `torch.save` writes, read without running code.

Only tensors are read of a pickle (`weights_only`). Two things that training scripts often save beside their weights,
options of a command line and NumPy's scalars, are passed over; a file with anything else is refused.
"""

from __future__ import annotations

import os
import pickle
import pickletools
import re
import zipfile
from collections.abc import Iterator, Mapping
from io import BytesIO
from pathlib import Path
from threading import Lock
from typing import IO, Any, Final

import torch
from torch import Tensor

from latticework.core.errors import InputError
from latticework.core.files import read_errors_of

MAX_BYTES: Final = 8 * 2**30  # of a file; DINO's full checkpoint of ViT-B/8 has 1.4 GB
MAX_PICKLE_BYTES: Final = 64 * 2**20  # of what a file says about its tensors, the tensors themselves aside
MAX_NAME: Final = 1_000  # characters in what a file says of an object's class; torch's own messages would take minutes
OLD_PICKLES: Final = 5  # of a file that is no archive: what it is, which version, where written, weights, their order
MAX_DEPTH: Final = 1  # of dictionaries of tensors in the dictionary of a file, such as "teacher"
PICKLES: Final = (".pth", ".pt", ".bin")
ARCHIVE: Final = b"PK\x03\x04"  # what a zip file begins with
_PASSED_OVER: Final = (
    "argparse.Namespace",
    "numpy.dtype",
    "numpy.core.multiarray.scalar",
    "numpy._core.multiarray.scalar",
)
_LOCK: Final = Lock()  # what is passed over is set for the whole process while a file is read


class _PassedOver:
    """What stands in a checkpoint for an object that is not a tensor: nothing of the object is kept."""

    def __new__(cls, *_: object) -> _PassedOver:
        return super().__new__(cls)

    def __init__(self, *_: object) -> None: ...

    def __setstate__(self, _: object) -> None: ...


def read_tensors(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """Read the tensors of a file by name; of large files they stay on the disk until they are looked at.

    Parameters
    ----------
    path
        A file that ends in .safetensors, .pth, .pt or .bin.

    Returns
    -------
    dict
        Tensors on the CPU. Those of a dictionary within the file's are named after both: `teacher.cls_token`.

    Raises
    ------
    InputError
        If there is no such file, it has another ending, is too large, damaged or compressed, or holds something that
        could run code.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     torch.save({"epoch": 3, "model": {"norm.weight": torch.ones(2)}}, f"{folder}/some.pth")
    ...     read_tensors(f"{folder}/some.pth")
    {'model.norm.weight': tensor([1., 1.])}
    """
    path = Path(path)
    with read_errors_of(path):
        if not path.is_file():
            raise InputError(f"{path}: {'is no file' if path.exists() else 'there is no such file'}")
    if path.stat().st_size > MAX_BYTES:
        raise InputError(f"{path} has {path.stat().st_size:,} bytes, weights of at most {MAX_BYTES:,} are read")
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    if path.suffix not in PICKLES:
        raise InputError(f"{path}: expected a file of weights: .safetensors, {', '.join(PICKLES)}")
    found = _read_pickle(path)
    if not isinstance(found, Mapping):
        raise InputError(f"{path} holds a {type(found).__name__}, expected a dictionary of tensors")
    return dict(_tensors(found))


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no dictionary
    except (SafetensorError, OSError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise InputError(f"{path} is not a readable safetensors file ({error})") from error


def _read_pickle(path: Path) -> Any:
    with read_errors_of(path), path.open("rb") as stream:
        archive = stream.read(len(ARCHIVE)) == ARCHIVE  # as torch decides, which once wrote another format
        if not archive:
            stream.seek(0)
            _check_names(stream, path)
    if archive:
        _check_archive(path)
    passed_over: list[Any] = [(_PassedOver, name) for name in _PASSED_OVER]
    try:
        with _LOCK, torch.serialization.safe_globals(passed_over):
            return torch.load(path, map_location="cpu", weights_only=True, mmap=archive)
    except pickle.UnpicklingError as error:
        found = re.search(r"GLOBAL (\S+)", str(error))
        what = f"holds more than tensors ({found[1][:100]!r})" if found else "is damaged or holds more than tensors"
        raise InputError(
            f"{path} is refused: it {what}, and to read that could run any code. "
            "Save the weights alone: torch.save(model.state_dict(), ...), or as safetensors"
        ) from error
    except Exception as error:  # a damaged pickle may raise whatever its pieces raise
        reason = (str(error) or type(error).__name__).splitlines()[0][:200]
        raise InputError(f"{path} cannot be read as weights that torch saved: {reason}") from error


def _check_archive(path: Path) -> None:
    """Refuse what would take more memory than the file has bytes; torch never compresses."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            _check_entries(entries, path)
            for entry in entries:
                if entry.filename.endswith(".pkl"):
                    _check_names(BytesIO(archive.read(entry)), path)
    except InputError:
        raise
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, EOFError, RuntimeError) as error:
        raise InputError(f"{path} is a damaged archive: {error}") from error


def _check_entries(entries: list[zipfile.ZipInfo], path: Path) -> None:
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise InputError(f"{path} is a compressed archive or TorchScript, not weights as torch.save writes them")
    if sum(entry.file_size for entry in entries) > path.stat().st_size:
        raise InputError(f"{path} is a damaged archive: its parts are larger than the whole")
    if any(entry.file_size > MAX_PICKLE_BYTES for entry in entries if entry.filename.endswith(".pkl")):
        raise InputError(f"{path} says more than {MAX_PICKLE_BYTES:,} bytes about its tensors: they are not read")


def _check_names(stream: IO[bytes], path: Path) -> None:
    """Refuse classes of absurd names, before torch searches them; what else is wrong is for torch to say."""
    longest, begin = 0, 0
    try:
        for _ in range(OLD_PICKLES):
            for operation, value, position in pickletools.genops(stream):
                begin = position or 0
                if operation.name == "GLOBAL":
                    longest = max(longest, len(str(value)))
    except (ValueError, EOFError, OverflowError, MemoryError, zipfile.BadZipFile) as error:
        if "newline" in str(error):  # torch takes all that follows for the name
            longest = max(longest, stream.seek(0, os.SEEK_END) - begin)
    if longest > MAX_NAME:
        raise InputError(f"{path} is damaged: the name of a class in it has {longest:,} characters")


def _tensors(found: Mapping[Any, Any], prefix: str = "", depth: int = 0) -> Iterator[tuple[str, Tensor]]:
    for name, value in found.items():
        if not isinstance(name, str):
            continue
        if isinstance(value, Tensor):
            yield prefix + name, value.detach()
        elif isinstance(value, Mapping) and depth < MAX_DEPTH:
            yield from _tensors(value, f"{prefix}{name}.", depth + 1)
