"""Public data sets: where each is, its licence and checksums, and the file of it that lies on this machine.

A file is looked for in an explicit folder, then in `LATTICEWORK_DATA`, then in the cache. Only when the caller says so
is it downloaded, from its official address, with its checksum verified before it takes its place in the cache.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from http.client import HTTPException
from pathlib import Path
from typing import Any, BinaryIO, Final
from urllib.request import Request, urlopen

from latticework.core.capability import capabilities, resolve
from latticework.core.errors import InputError
from latticework.core.files import sync_folder
from latticework.core.folders import make_folder
from latticework.core.progress import progress
from latticework.core.temporaries import settle, temporary_file, write_errors_of

DATA_VARIABLE: Final = "LATTICEWORK_DATA"
CACHE_VARIABLE: Final = "LATTICEWORK_CACHE"
MAX_DOWNLOAD_BYTES: Final = 8 * 2**30  # for a file whose size the registry does not give
_SILENCE_SECONDS: Final = 30.0
_CHUNK: Final = 2**18


@dataclass(frozen=True, kw_only=True)
class RemoteFile:
    """One file of a data set.

    Attributes
    ----------
    path : str
        Where it lies below the data folder, with ``/``.
    url : str or None
        Its official address; None if it has to be fetched by hand.
    sha256 : str or None
        Its checksum, without which it is not downloaded.
    size : int or None
        Its bytes.
    """

    path: str
    url: str | None = None
    sha256: str | None = None
    size: int | None = None


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A public data set, declared by the capability that reads it.

    Attributes
    ----------
    name : str
        What users call it.
    summary : str
        One line.
    source : str
        Its page on the web.
    licence : str
        As its authors state it.
    files : tuple of RemoteFile
        What it consists of.
    reader : str
        ``"module:function"``. The function is called with a function that gives the local path of one of `files` by its
        `path`, and with the options given to `load`.
    """

    name: str
    summary: str
    source: str
    licence: str
    files: tuple[RemoteFile, ...]
    reader: str


def names() -> tuple[str, ...]:
    """Return the names of the data sets that the installed capabilities know.

    Examples
    --------
    >>> isinstance(names(), tuple)
    True
    """
    return tuple(sorted(_registry()))


def describe(name: str) -> dict[str, Any]:
    """Return what is known about a data set, and where its files are on this machine.

    Parameters
    ----------
    name : str
        One of `names`.

    Returns
    -------
    dict
        The fields of `Dataset`; each of its files has a `found`, the local path or None.

    Raises
    ------
    InputError
        If there is no such data set.
    """
    dataset = _dataset(name)
    files = [{**asdict(file), "found": _text(_find(file, None))} for file in dataset.files]
    return {**asdict(dataset), "files": files}


def load(name: str, *, folder: str | os.PathLike[str] | None = None, download: bool = False, **options: Any) -> Any:
    """Read a data set.

    Parameters
    ----------
    name : str
        One of `names`.
    folder : path-like, optional
        Where its files are, if not under `LATTICEWORK_DATA` or in the cache: the only place where they are looked for.
    download : bool
        Whether files found nowhere may be downloaded, into the cache; never where `folder` is given.
    **options
        What the data set's reader takes, such as ``split="test"``.

    Returns
    -------
    object
        What the reader returns.

    Raises
    ------
    InputError
        If there is no such data set, or a file is found nowhere (the message says what to put where), or a download
        fails.
    """
    reader = resolve(_dataset(name).reader)
    return reader(partial(path, name, folder=folder, download=download), **options)


def path(name: str, file: str, *, folder: str | os.PathLike[str] | None = None, download: bool = False) -> Path:
    """Return where a file of a data set is on this machine.

    Parameters
    ----------
    name : str
        One of `names`.
    file : str
        The `path` of one of its files.
    folder, download
        As for `load`.

    Returns
    -------
    pathlib.Path
        An existing file.

    Raises
    ------
    InputError
        As `load`.
    """
    dataset = _dataset(name)
    wanted = next((candidate for candidate in dataset.files if candidate.path == file), None)
    if wanted is None:
        known = ", ".join(candidate.path for candidate in dataset.files)
        raise InputError(f"{name} has no file {file!r}, only {known}")
    found = _find(wanted, folder)
    if found is None and download and folder is None:
        return _download(dataset, wanted)
    if found is None:
        raise InputError(f"{name} needs {_how_to_get(dataset, wanted, folder)}")
    return found


def cache_folder() -> Path:
    """Return the folder that downloads go to: `LATTICEWORK_CACHE`, or where the system keeps caches."""
    if chosen := os.environ.get(CACHE_VARIABLE):
        return Path(chosen)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "latticework"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "latticework" / "Cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "latticework"


def roots() -> list[Path]:
    """Return the folders below which files are looked for: that of `LATTICEWORK_DATA`, if it is set, and the cache."""
    data = os.environ.get(DATA_VARIABLE)
    return [*([Path(data)] if data else []), cache_folder()]


def _registry() -> dict[str, Dataset]:
    found = (resolve(reference) for capability in capabilities() for reference in capability.datasets)
    return {dataset.name: dataset for dataset in found}


def _dataset(name: str) -> Dataset:
    registry = _registry()
    if name not in registry:
        raise InputError(f"there is no data set {name!r}; known here: {', '.join(sorted(registry)) or 'none'}")
    return registry[name]


def _find(file: RemoteFile, folder: str | os.PathLike[str] | None) -> Path | None:
    if folder is not None:  # laid out as the registry says, or just the files
        candidates = [Path(folder, file.path), Path(folder, Path(file.path).name)]
    else:
        candidates = [Path(root, file.path) for root in roots()]
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def _how_to_get(dataset: Dataset, file: RemoteFile, folder: str | os.PathLike[str] | None) -> str:
    if folder is not None:
        download = ", or pass download=True without folder" if file.url and file.sha256 else ""
        name = Path(file.path).name
        return f"{name}, which is not in {os.fspath(folder)}: get it from {file.url or dataset.source}{download}"
    places = " or ".join(str(Path(root, file.path)) for root in roots())
    download = ", or pass download=True" if file.url and file.sha256 else ""
    return f"{file.path}: get it from {file.url or dataset.source} and put it at {places}{download}"


def _download(dataset: Dataset, file: RemoteFile) -> Path:
    if not (file.url and file.sha256):
        raise InputError(f"{dataset.name} cannot be downloaded: it needs {_how_to_get(dataset, file, None)}")
    target = cache_folder() / file.path
    make_folder(target.parent)
    with write_errors_of(target), temporary_file(target) as (temporary, sink):
        found = _copy(_fetched(dataset, file), sink, file)
        settle(sink)
        if found != file.sha256:
            reason = f"has the checksum {found}, expected {file.sha256}: it is cut off or not the file we know"
            raise InputError(f"{dataset.name}: {file.url} {reason}")
        os.replace(temporary, target)
        sync_folder(target.parent)
    return target


def _fetched(dataset: Dataset, file: RemoteFile) -> Iterator[bytes]:
    """What comes from the official address, piece by piece."""
    url = str(file.url)
    if not url.startswith(("https://", "http://")):  # the checksum, not the channel, says that it is the right file
        raise InputError(f"{url} is not a web address")
    try:
        with urlopen(Request(url, headers={"User-Agent": "latticework"}), timeout=_SILENCE_SECONDS) as response:
            while chunk := response.read(_CHUNK):
                yield chunk
    except (OSError, HTTPException) as error:
        reason = f"{dataset.name}: {url} cannot be downloaded ({error})"
        raise InputError(f"{reason}. It needs {_how_to_get(dataset, file, None)}") from error


def _copy(chunks: Iterable[bytes], sink: BinaryIO, file: RemoteFile) -> str:
    """Copy no more bytes than are due, and return their checksum."""
    limit = file.size if file.size is not None else MAX_DOWNLOAD_BYTES
    checksum = hashlib.sha256()
    with progress(f"downloading {Path(file.path).name}", total=file.size, unit="bytes") as bar:
        for chunk in chunks:
            if bar.done + len(chunk) > limit:
                raise InputError(f"{file.url} is larger than {limit:,} bytes: it is not the file we know")
            sink.write(chunk)
            checksum.update(chunk)
            bar.advance(len(chunk))
    return checksum.hexdigest()


def _text(found: Path | None) -> str | None:
    return None if found is None else str(found)
