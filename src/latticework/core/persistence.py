"""A folder that holds a model or a checkpoint: checksummed files, committed by the replacement of `config.json`.

Payload files (tensors as safetensors, anything else as bytes) carry the hash of their content in their name, so writing
never changes a file that the current `config.json` lists. They are written first; `config.json`, with the checksums, is
replaced last. A crash at any point therefore leaves what was there before or what was being written. Nothing is
pickled, and reading runs no code that comes from the folder.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from latticework.core.errors import InputError
from latticework.core.files import holds, sync_folder, write_atomically
from latticework.core.folders import check_empty, check_writable, folder_to_write
from latticework.core.temporaries import TEMPORARY_NAME, alone_in, remove_leftover, write_errors_of
from latticework.core.tensors import (
    FRAMEWORKS,
    PLAIN_NAME,
    Stored,
    about_file,
    damaged,
    digest,
    payload_name,
    regular_file,
    store_tensors,
)
from latticework.core.values import decode, encode, read_strictly
from latticework.core.words import shortened

FORMAT_VERSION: Final = 1
CONFIG: Final = "config.json"
TRAINING: Final = "training"  # inside the folder of a model: the checkpoint of its run while that lasts, and log.csv
RESTART: Final = "--restart (restart=True)"  # as commands and functions have it
REPLACE: Final = f"choose another folder, or replace it with {RESTART}"
MAX_CONFIG_BYTES: Final = 16 * 2**20  # large things belong in tensors and files
_OURS: Final = ("format", "values", "tensors", "files", "checksum")
_PAYLOAD_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}-(?P<hash>[0-9a-f]{16})(\.[A-Za-z0-9]{1,16})?")
UNFINISHED: Final = re.compile(f"{_PAYLOAD_NAME.pattern}|{TEMPORARY_NAME.pattern}")  # left by an interrupted write
_PICKLES: Final = (".pkl", ".pickle", ".pt", ".pth", ".bin", ".joblib", ".ckpt")


@dataclass
class State:
    """What a folder holds besides its header.

    Attributes
    ----------
    values : dict
        Plain values: None, bool, int, float (NaN and infinities too), str, and lists, tuples and dicts of them.
    tensors : dict of str to mapping of str to tensor
        Named groups of torch tensors or of NumPy arrays; each group is one file. A group may be a `Stored`.
    files : dict of str to bytes
        Anything else, such as ``{"vocabulary.model": b"..."}``.
    """

    values: dict[str, Any] = field(default_factory=dict)
    tensors: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)


def write_folder(folder: str | os.PathLike[str], *, header: Mapping[str, Any], state: State) -> None:
    """Replace what a folder holds, so that a crash leaves the old content or the new.

    One writer at a time: another waits until it is done, and warns if that takes long. Files in the folder that are not
    Latticework's are left alone; those of the earlier content, of interrupted writes, and stored groups that `state`
    does not list, are removed once the new content is in place.

    Parameters
    ----------
    folder : path-like
        Created, with its parents, if it does not exist.
    header : mapping
        What it is: plain values, kept at the top of `config.json`.
    state : State
        What it holds.

    Raises
    ------
    InputError
        If `folder` is a file, has a `config.json` of something else, or is nowhere that a folder can be, or if a value
        cannot be stored.
    OSError
        If it cannot be written for another reason, such as a full disk.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> import numpy as np
    >>> with TemporaryDirectory() as folder:
    ...     write_folder(folder, header={"kind": "note"}, state=State({"n": 3}, {"bank": {"x": np.arange(3)}}))
    ...     header, state = read_folder(folder)
    ...     header["kind"], state.values, state.tensors["bank"]["x"].tolist()
    ('note', {'n': 3}, [0, 1, 2])
    """
    folder = Path(folder).absolute()
    if reserved := [key for key in header if key in _OURS]:
        raise ValueError(f"a header must not use the keys {reserved}: they are the format's own")
    config: dict[str, Any] = {"format": FORMAT_VERSION}
    config |= {key: encode(value, f"header.{key}") for key, value in header.items()}
    config["values"] = encode(state.values, "values")
    check_replaceable(folder)
    existed = os.path.exists(folder)
    with write_errors_of(folder):
        folder.mkdir(parents=True, exist_ok=True)
        sync_folder(folder.parent)
    try:
        with alone_in(folder):
            _write(folder, config, state)
    except BaseException:
        if not existed:
            with suppress(OSError):  # something is in it
                folder.rmdir()
        raise


def _write(folder: Path, config: dict[str, Any], state: State) -> None:
    """Write the payload, complete `config` and commit it, and clear up, while no other writer is in the folder."""
    listed = _listed(folder)
    with write_errors_of(folder):
        before = set(os.listdir(folder))
    written: set[str] = set()
    text = b""
    try:
        config["tensors"] = {}
        for group, tensors in state.tensors.items():
            stored = store_tensors(folder, group, tensors)
            written.add(stored.name)
            about = {"name": stored.name, "sha256": stored.sha256, "size": stored.size, "framework": stored.framework}
            config["tensors"][group] = about
        config["files"] = {}
        for logical, data in state.files.items():
            sha256 = hashlib.sha256(data).hexdigest()
            name = payload_name(logical, sha256)
            write_atomically(folder / name, data)
            written.add(name)
            config["files"][logical] = {"name": name, "sha256": sha256, "size": len(data)}
        config["checksum"] = _checksum(config)
        text = json.dumps(config, indent=2, allow_nan=False).encode()
        if len(text) > MAX_CONFIG_BYTES:
            raise InputError(f"{folder}: the plain values take {len(text):,} bytes, at most {MAX_CONFIG_BYTES:,} fit")
        with write_errors_of(folder):
            sync_folder(folder)
        write_atomically(folder / CONFIG, text)
    except BaseException:
        if not holds(folder / CONFIG, text):  # an interrupt may come just after the commit
            for name in written - before:
                (folder / name).unlink(missing_ok=True)
        raise
    _remove_unlisted(folder, keep=written, known=listed)


def read_folder(folder: str | os.PathLike[str]) -> tuple[dict[str, Any], State]:
    """Read what `write_folder` wrote; tensors are read, and verified, when a group is first looked into.

    Parameters
    ----------
    folder : path-like
        The folder.

    Returns
    -------
    header : dict
        What it is.
    state : State
        What it holds; each group of tensors is a `Stored`.

    Raises
    ------
    InputError
        If the folder is missing, foreign, damaged, changed by hand or of a newer format. Damage inside a group of
        tensors is found when the group is read.
    """
    folder = Path(folder).absolute()
    try:
        config = _read_config(folder)
        tensors: dict[str, Mapping[str, Any]] = {}
        for group, entry in config["tensors"].items():
            name, sha256, size = _entry(folder, f"{group}.safetensors", entry)
            regular_file(folder, name, size)
            if entry["framework"] not in FRAMEWORKS:
                raise damaged(folder, f"{CONFIG} knows no {shortened(entry['framework'])} tensors")
            tensors[group] = Stored(folder, name, sha256, size, entry["framework"])
        files = {}
        for logical, entry in config["files"].items():
            name, sha256, size = _entry(folder, logical, entry)
            files[logical] = regular_file(folder, name, size).read_bytes()
            if hashlib.sha256(files[logical]).hexdigest() != sha256:
                raise damaged(folder, f"{name} does not match its checksum")
        header = {key: decode(value) for key, value in config.items() if key not in _OURS}
        values = decode(config["values"])
        if not isinstance(values, dict):
            raise damaged(folder, f"{CONFIG} has no named values")
        return header, State(values, tensors, files)
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"{folder} cannot be read: {error.strerror or error}") from error
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise damaged(
            folder, f"{CONFIG} is incomplete or holds what we do not write ({shortened(error, most=200)})"
        ) from error


def _read_config(folder: Path) -> dict[str, Any]:
    if not folder.is_dir():
        found = "is a file, expected the folder of a model" if folder.exists() else "there is no such folder"
        raise InputError(f"{folder}: {found}")
    if not has_config(folder):
        pickles = sorted(name for name in os.listdir(folder) if name.endswith(_PICKLES))
        if pickles:
            raise InputError(f"{folder} is not a Latticework folder: it has {pickles[0]}, and pickles are never read")
        if has_config(folder / TRAINING):
            raise InputError(f"{folder} holds an unfinished run, no model yet: repeat the command that began it")
        raise InputError(f"{folder} is not a Latticework folder: it has no {CONFIG}")
    path = regular_file(folder, CONFIG)
    if path.stat().st_size > MAX_CONFIG_BYTES:
        raise damaged(folder, f"{CONFIG} is larger than {MAX_CONFIG_BYTES:,} bytes")
    try:
        config = read_strictly(path.read_bytes().decode())
    except (ValueError, RecursionError) as error:
        raise damaged(folder, f"{CONFIG} is not JSON ({error})") from error
    if not isinstance(config, dict) or type(config.get("format")) is not int:
        raise InputError(f"{folder}: {CONFIG} is not Latticework's; is this a model of another library?")
    if config["format"] > FORMAT_VERSION:
        formats = f"format {config['format']}, this one reads {FORMAT_VERSION}"
        advice = "pip install --upgrade latticework"
        raise InputError(f"{folder} was written by a newer Latticework ({formats}): {advice}")
    if config["format"] != FORMAT_VERSION or config.pop("checksum", None) != _checksum(config):
        raise damaged(folder, f"{CONFIG} does not match its checksum")
    return config


def _entry(folder: Path, logical: str, entry: dict[str, Any]) -> tuple[str, str, int]:
    """Return name, checksum and size of a listed file; the name must be the one we would have given it."""
    name, sha256, size = entry["name"], entry["sha256"], entry["size"]
    if not (type(size) is int and re.fullmatch("[0-9a-f]{64}", sha256)):
        raise damaged(folder, f"{CONFIG} gives no proper size and checksum for {logical!r}")
    if not PLAIN_NAME.fullmatch(logical) or name != payload_name(logical, sha256):
        raise damaged(
            folder, f"{CONFIG} lists {shortened(name)} for {logical!r}, a file name that Latticework never gives"
        )
    return name, sha256, size


def has_config(folder: str | os.PathLike[str]) -> bool:
    """Whether a folder holds a model, a checkpoint, or something else that is called so.

    Raises
    ------
    InputError
        If that cannot be told, as of a folder that may not be entered.
    """
    return about_file(Path(folder), CONFIG) is not None


def check_replaceable(folder: str | os.PathLike[str]) -> None:
    """Find out before long work whether `write_folder` will take a folder.

    Raises
    ------
    InputError
        If `folder` is a file, or has a `config.json` of something else or a damaged one.
    """
    _listed(Path(folder).absolute())


def check_free(folder: str | os.PathLike[str], *, restart: bool | None = None) -> None:
    """Find out before long work whether a model can be saved in a folder that holds none, or one that may be replaced.

    Parameters
    ----------
    folder
        A new or empty one, where a save may have been interrupted; or that of a model.
    restart
        Whether a model there is replaced; None if whoever asks never replaces one.

    Raises
    ------
    InputError
        If the folder holds anything else, a model that stays, or cannot be written.
    """
    check_replaceable(folder)
    check_writable(folder)
    if not has_config(folder):
        check_empty(folder, besides=UNFINISHED)
    elif not restart:
        header, _ = read_folder(folder)
        remedy = "choose another folder" if restart is None else REPLACE
        found = f"a model ({header['class']})" if "class" in header else "something else"
        raise InputError(f"{folder} holds {found} already: {remedy}")


def _listed(folder: Path) -> set[str]:
    """Return the payload files that a folder about to be written lists now, or refuse to overwrite a foreign one."""
    folder_to_write(folder)
    if not has_config(folder):
        return set()
    try:
        config = json.loads(regular_file(folder, CONFIG).read_bytes())
        if "format" in config and "checksum" in config:
            return {entry["name"] for kind in ("tensors", "files") for entry in config[kind].values()}
    except OSError as error:
        raise InputError(f"{folder}: {CONFIG} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        pass
    reason = f"has a {CONFIG} that is not Latticework's, or is damaged"
    raise InputError(f"{folder} {reason}: choose another folder, or remove that file first")


def _remove_unlisted(folder: Path, *, keep: set[str], known: set[str]) -> None:
    """Remove our files that are not part of the content: those of before, and what interrupted writes left.

    The content is in place: what cannot be removed stays, for the next time.
    """
    names: list[str] = []
    with suppress(OSError):
        names = os.listdir(folder)
    for name in set(names) - keep:
        path = folder / name
        if TEMPORARY_NAME.fullmatch(name):
            remove_leftover(path)
        elif payload := _PAYLOAD_NAME.fullmatch(name):
            with suppress(OSError):
                # A foreign file may look like ours by chance: an unknown one goes only if its name is its checksum.
                if name in known or (_is_file(path) and digest(path).startswith(payload["hash"])):
                    path.unlink()


def _is_file(path: Path) -> bool:
    return stat.S_ISREG(path.lstat().st_mode)


def _checksum(config: dict[str, Any]) -> str:
    text = json.dumps(config, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
