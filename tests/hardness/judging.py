"""What a command has left, beside what was there and what there should be."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hardness.commands import FILE, FILES, FOLDER, INPUTS, MODEL, SET, folder_of_inputs
from markupsafe import escape

from latticework.anomaly.report.outputs import UNFINISHED
from latticework.core.errors import InputError
from latticework.core.loggers import TIMINGS
from latticework.core.persistence import read_folder
from latticework.core.temporaries import TEMPORARY_NAME
from latticework.core.tensors import Stored

# How long an update took, and each stop of a tour: on the pages that tell of them.
SECONDS = re.compile(rb"(?<=seconds</dt><dd>)[\d.]+|(?<=seconds for both</dt><dd>)[\d.]+|(?<=up to date in )[\d.e-]+")
HASH = re.compile(r"-[0-9a-f]{16}(?=\.)")  # in the name of a file of a model
Tree = dict[str, bytes | None]  # what is in a folder, by name; of folders in it nothing is told


def tree(place: Path) -> Tree:
    """All that is in a folder, without what differs when the same is done again: how long it took, and where."""
    found: Tree = {}
    for path in sorted(place.rglob("*")):
        name = path.relative_to(place).as_posix()
        found[name] = None if path.is_dir() else _comparable(path)
    return found


def _comparable(path: Path) -> bytes:
    data = path.read_bytes()
    if path.name == "log.csv":
        rows = list(csv.DictReader(io.StringIO(data.decode())))
        return repr([{name: cell for name, cell in row.items() if name not in TIMINGS} for row in rows]).encode()
    if path.suffix == ".html":
        return SECONDS.sub(b"", data)
    return data


def digests(found: Tree, root: Path) -> dict[str, str]:
    """The checksum of each file, and of each value of what a model says of itself, wherever the inputs lie."""
    written: dict[str, bytes] = {}
    for name, data in found.items():
        if data is None:
            continue
        data = _placeless(data, root)
        plain = HASH.sub("", name)
        assert plain not in written, f"{name} is there twice"
        values = _values(json.loads(data)) if name.endswith("/config.json") else {"": data}
        written |= {f"{plain}{path}": value for path, value in values.items()}
    return {name: hashlib.sha256(data).hexdigest() for name, data in written.items()}


def _placeless(data: bytes, root: Path) -> bytes:
    """Without the folders of the run and of the inputs, as JSON and pages write them in whatever locale."""
    for name, plain in ((str(root), ""), (folder_of_inputs(root).name, INPUTS)):
        page = re.sub("[\ud800-\udfff]", "\ufffd", str(escape(name)))
        for one in (json.dumps(name)[1:-1], page):
            data = data.replace(one.encode(), plain.encode())
    return data


def _values(whole: Any, path: str = "") -> dict[str, bytes]:
    """All values in an object of JSON, each with the keys that lead to it."""
    if not isinstance(whole, dict) or not whole:
        return {path: json.dumps(whole).encode()}
    return {inner: value for key, one in whole.items() for inner, value in _values(one, f"{path} > {key}").items()}


def part(found: Tree, name: str) -> Tree:
    """What a folder holds at a name and below it."""
    return {path: data for path, data in found.items() if path == name or path.startswith(f"{name}/")}


def wrong(writes: Mapping[str, str], place: Path, now: Tree, old: Tree, new: Tree) -> Iterator[str]:
    """What of a command's outputs is neither as it was nor as it should be, nor missing where nothing was."""
    for name, kind in writes.items():
        inner = [other for other in writes if other.startswith(f"{name}/")]
        mine, before, after = (
            {path: data for path, data in part(one, name).items() if not any(part({path: data}, own) for own in inner)}
            for one in (now, old, new)
        )
        if kind == MODEL:
            yield from _wrong_model(place / name, mine, before, after)
        elif kind == FILES:
            for path in sorted({*mine, *before} - {f"{name}/{UNFINISHED}"}):
                if before.get(path, mine.get(path)) is not None and not _leftover(path):
                    yield from _wrong_files(path, part(mine, path), part(before, path), part(after, path))
        elif kind == SET:
            everything = [
                {path: data for path, data in one.items() if path.startswith(name) and not _leftover(path) and data}
                for one in (now, old, new)
            ]
            if name in now and everything[0] not in everything[1:]:
                yield f"{name} stands beside what does not belong to it"
        elif kind in (FILE, FOLDER):
            yield from _wrong_files(name, mine, before, after)


def _wrong_files(name: str, mine: Tree, before: Tree, after: Tree) -> Iterator[str]:
    if mine not in (before, after):
        yield f"{name} is {'lost' if not mine else 'neither what it was nor what it should be'}"


def _wrong_model(folder: Path, mine: Tree, before: Tree, after: Tree) -> Iterator[str]:
    config = f"{folder.name}/config.json"
    found = mine.get(config)
    if found not in (before.get(config), after.get(config)):
        yield f"{config} is neither what it was nor what it should be"
    elif found is not None:
        try:
            read_model(folder)
        except InputError as error:
            yield f"{folder.name} does not load: {error}"


def read_model(folder: Path) -> None:
    """Read all of a model; an error says what is wrong with it."""
    _, state = read_folder(folder)
    for group in state.tensors.values():
        if isinstance(group, Stored):
            group.read()


def _leftover(path: str) -> bool:
    return any(TEMPORARY_NAME.fullmatch(name) for name in path.split("/"))


def differences(found: Tree, expected: Tree) -> list[str]:
    """Names at which two folders differ, and how."""
    told = [f"{name} is missing" for name in _highest(expected.keys() - found.keys())]
    told += [f"{name} is left over" for name in _highest(found.keys() - expected.keys())]
    same = expected.keys() & found.keys()
    return told + [f"{name} differs" for name in sorted(same) if found[name] != expected[name]]


def _highest(names: set[str]) -> list[str]:
    """Those that are in no other."""
    return sorted(name for name in names if not any(name.startswith(f"{other}/") for other in names))
