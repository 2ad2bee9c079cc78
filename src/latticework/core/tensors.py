"""Groups of tensors as files: safetensors, named by their content, written without copies and verified when read."""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from latticework.core.errors import InputError
from latticework.core.temporaries import settle, temporary_file, write_errors_of

FRAMEWORKS: Final = {"numpy": "np", "torch": "pt"}  # our names, and safetensors'
_DTYPES: Final = {
    "bool": "BOOL",
    "uint8": "U8",
    "int8": "I8",
    "uint16": "U16",
    "int16": "I16",
    "uint32": "U32",
    "int32": "I32",
    "uint64": "U64",
    "int64": "I64",
    "float16": "F16",
    "bfloat16": "BF16",
    "float32": "F32",
    "float64": "F64",
}
PLAIN_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}(\.[A-Za-z0-9]{1,16})?")


@dataclass(frozen=True, eq=False)
class Stored(Mapping[str, Any]):
    """A group of tensors that lies in a folder already, read when it is first looked into.

    Attributes
    ----------
    folder : pathlib.Path
        The folder that holds it.
    name : str
        Its file name, which carries the first 16 digits of `sha256`.
    sha256 : str
        Checksum of the whole file.
    size : int
        Bytes of the file.
    framework : str
        ``"numpy"`` or ``"torch"``: what its tensors come back as.
    """

    folder: Path
    name: str
    sha256: str
    size: int
    framework: str
    _verified: list[int] = field(default_factory=list, init=False, repr=False)

    @property
    def path(self) -> Path:
        """Where the file is."""
        return self.folder / self.name

    def read(self) -> dict[str, Any]:
        """Read the tensors anew, keeping no reference to them.

        They are verified the first time, and again if the file was touched since: checksums of a large model take as
        long as reading it, and a training run reads the weights that it averages many times.
        """
        from safetensors import SafetensorError, safe_open

        path = regular_file(self.folder, self.name, self.size)
        try:
            about = path.stat()
            if self._verified != [about.st_ino, about.st_mtime_ns]:
                if digest(path) != self.sha256:
                    raise damaged(self.folder, f"{self.name} does not match its checksum")
                self._verified[:] = about.st_ino, about.st_mtime_ns
            with safe_open(path, framework=FRAMEWORKS[self.framework], backend="pread") as file:
                return dict(file.get_tensors())
        except InputError:
            raise
        except (SafetensorError, TypeError, ValueError, AttributeError) as error:
            raise damaged(self.folder, f"{self.name} is not a readable safetensors file ({error})") from error
        except OSError as error:
            raise InputError(f"{self.folder}: {self.name} cannot be read: {error.strerror or error}") from error

    @cached_property
    def _tensors(self) -> dict[str, Any]:
        return self.read()

    def __getitem__(self, name: str) -> Any:
        return self._tensors[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)


def store_tensors(folder: str | os.PathLike[str], group: str, tensors: Mapping[str, Any]) -> Stored:
    """Write one group of tensors into a folder, to be listed by a later `write_folder`.

    Until a `write_folder` lists it the group is not part of the folder's content, and one that does not list it
    removes it.

    Parameters
    ----------
    folder : path-like
        Created, with its parents, if it does not exist.
    group : str
        Name of the group: letters, digits, ``-`` and ``_``.
    tensors : mapping of str to tensor
        Torch tensors, or NumPy arrays; not both. Views, shared and non-contiguous tensors are stored as values. A
        `Stored` of the same folder is returned as it is.

    Returns
    -------
    Stored
        The group as it lies in the folder.

    Raises
    ------
    InputError
        If something is not a tensor that safetensors can hold, a stored group is no longer there, or the file cannot be
        where it is to be.
    OSError
        If it cannot be written for another reason, such as a full disk.
    """
    folder = Path(folder).absolute()
    if isinstance(tensors, Stored) and tensors.path == folder / payload_name(f"{group}.safetensors", tensors.sha256):
        regular_file(folder, tensors.name, tensors.size)
        return tensors
    framework, header = _header(group, tensors)
    payload_name(f"{group}.safetensors", "")  # what is no name is refused before anything is written
    target = folder / f"{group}.safetensors"
    with write_errors_of(target):
        folder.mkdir(parents=True, exist_ok=True)
        with temporary_file(target) as (temporary, stream):
            checksum = hashlib.sha256()
            for piece in _pieces(header, tensors):
                stream.write(piece)
                checksum.update(piece)
            size = stream.tell()
            settle(stream)
            name = payload_name(target.name, checksum.hexdigest())
            os.replace(temporary, folder / name)
    return Stored(folder, name, checksum.hexdigest(), size, framework)


def _header(group: str, tensors: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the framework and the safetensors header: widest types first, so that every tensor is aligned."""
    torch, numpy = sys.modules.get("torch"), sys.modules.get("numpy")
    frameworks, dtypes = set(), {}
    for name, value in tensors.items():
        if not isinstance(name, str) or name == "__metadata__":
            raise InputError(f"the group {group!r} has a tensor named {name!r}, expected an ordinary string")
        if torch and isinstance(value, torch.Tensor):
            frameworks.add("torch")
            dtypes[name] = str(value.dtype).removeprefix("torch.") if value.layout == torch.strided else "sparse"
        elif numpy and isinstance(value, numpy.ndarray):
            frameworks.add("numpy")
            dtypes[name] = value.dtype.name
        else:
            raise InputError(f"{group}.{name} is a {type(value).__name__}, expected a torch tensor or a NumPy array")
        if dtypes[name] not in _DTYPES:
            raise InputError(f"{group}.{name} has the type {dtypes[name]}, expected one of {', '.join(_DTYPES)}")
    if len(frameworks) > 1:
        raise InputError(f"the group {group!r} mixes torch tensors and NumPy arrays: give one or the other")
    header, end = {}, 0
    for name in sorted(tensors, key=lambda name: (-tensors[name].dtype.itemsize, name)):
        start, end = end, end + tensors[name].nbytes
        shape = list(tensors[name].shape)
        header[name] = {"dtype": _DTYPES[dtypes[name]], "shape": shape, "data_offsets": [start, end]}
    return "".join(frameworks) or "numpy", header


def _pieces(header: dict[str, Any], tensors: Mapping[str, Any]) -> Iterator[memoryview | bytes]:
    """Yield the content of a safetensors file: the header, and each tensor's own memory where it is dense."""
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    yield len(text).to_bytes(8, "little") + text
    for name in header:
        value = tensors[name]
        if "torch" in sys.modules and isinstance(value, sys.modules["torch"].Tensor):
            flat = value.detach().cpu().contiguous().reshape(-1)
            yield flat.view(sys.modules["torch"].uint8).numpy().data
        else:
            import numpy as np

            flat = np.ascontiguousarray(value, dtype=value.dtype.newbyteorder("<")).reshape(-1)
            yield flat.view(np.uint8).data


def payload_name(logical: str, sha256: str) -> str:
    """Return the file name of a group or file: its logical name with the start of its checksum."""
    if not PLAIN_NAME.fullmatch(logical):
        raise ValueError(f"{logical!r} is not a plain name: letters, digits, - and _, and one suffix")
    stem, dot, suffix = logical.partition(".")
    return f"{stem}-{sha256[:16]}{dot}{suffix}"


def digest(path: Path) -> str:
    """Return the SHA-256 of a file, read in pieces."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def about_file(folder: Path, name: str) -> os.stat_result | None:
    """What the system says of a file of the folder, or None if there is none.

    Raises
    ------
    InputError
        If it does not say, as of a folder that may not be entered.
    """
    try:
        return os.lstat(folder / name)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise InputError(f"{folder}: {name} cannot be read: {error.strerror}") from error


def regular_file(folder: Path, name: str, size: int | None = None) -> Path:
    """Return the path of a file of the folder, unless it is missing, a link or special, or of another size."""
    found = about_file(folder, name)
    if found is None:
        raise damaged(folder, f"{name} is missing")
    if not stat.S_ISREG(found.st_mode):
        raise damaged(folder, f"{name} is a link or a special file, expected a plain file")
    if size is not None and found.st_size != size:
        raise damaged(folder, f"{name} has {found.st_size:,} bytes, expected {size:,}")
    return folder / name


def damaged(folder: Path, reason: str) -> InputError:
    """Return the error of a folder that is not as it was written."""
    return InputError(f"{folder}: {reason}: the folder is damaged or was changed by hand; save or copy it anew")
