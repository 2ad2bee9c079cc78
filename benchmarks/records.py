"""Results on record: rows of figures, with the command that makes them again, and what they were made with.

A benchmark makes `Row`s, and gives `make_result` to `record`.
"""

from __future__ import annotations

import json
import math
import os
import platform
import re
import shlex
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from benchmarks import HERE, commits, measuring

SCHEMA = 1
COUNTS = ("seeds", "large-seeds", "repeats", "rounds", "replicates", "count", "beam-count", "epochs", "sample")


@dataclass(frozen=True)
class Row:
    """A figure: `target` is like ">= 30" or "<= 1.5"; `low` and `high` are over seeds or repeats."""

    name: str
    value: float
    unit: str
    target: str | None = None
    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        _check(all(isinstance(text, str) for text in (self.name, self.unit)), f"{self.name!r}, {self.unit!r}: not text")
        ends = [self.value if end is None else end for end in (self.low, self.high)]
        known = [
            isinstance(x, int | float) and not isinstance(x, bool) and math.isfinite(x) for x in (self.value, *ends)
        ]
        _check(all(known), f"{self.name}: {self.value!r}, {self.low!r}, {self.high!r}: not finite numbers")
        _check((self.low is None) == (self.high is None), f"{self.name}: low and high come together")
        _check(ends[0] <= self.value <= ends[1], f"{self.name}: {self.value} is not within {ends}")
        target = ">= 0" if self.target is None else self.target
        _check(re.fullmatch(r"[<>]= -?\d+(\.\d+)?", target), f'{self.name}: target {target!r} is not like ">= 30"')

    @classmethod
    def of(cls, name: str, values: Sequence[float], unit: str, target: str | None = None) -> Row:
        """Summarise runs: the median, with the smallest and largest."""
        return cls(name, statistics.median(values), unit, target, min(values), max(values))

    @classmethod
    def mean(cls, name: str, values: Sequence[float], unit: str = "", target: str | None = None) -> Row:
        """Summarise seeds or data sets: the mean, with the smallest and largest."""
        return cls(
            name, min(max(statistics.fmean(values), min(values)), max(values)), unit, target, min(values), max(values)
        )

    @property
    def met(self) -> bool | None:
        """Whether the value meets the target, if there is one."""
        if self.target is None:
            return None
        bound = float(self.target[2:])
        return self.value >= bound if self.target[0] == ">" else self.value <= bound


@dataclass(frozen=True)
class Result:
    """The rows of a benchmark, with what is needed to make them again."""

    name: str
    title: str
    command: str
    date: str
    versions: dict[str, str]
    machine: dict[str, str | int]
    rows: tuple[Row, ...]


def command_line(command: str, **options: object) -> str:
    """The command with options that make a record again; those that are None, False or empty were not given.

    >>> command_line("python -m benchmarks.some", threads=1, beam_count=None, only=["two words", "one"], quick=True)
    "python -m benchmarks.some --threads 1 --only 'two words' one --quick"
    """
    words = [command]
    for name, value in options.items():
        if value is None or value is False or value == []:
            continue
        words.append(f"--{name.replace('_', '-')}")
        values = value if isinstance(value, list | tuple) else () if value is True else (value,)
        words += [shlex.quote(str(each)) for each in values]
    return " ".join(words)


def make_result(
    name: str,
    title: str,
    command: str,
    rows: Sequence[Row],
    *,
    threads: int,
    jobs: int = 1,
    peers: Sequence[str] = (),
    others: Mapping[str, str] | None = None,
) -> Result:
    """Put rows together with today's date, the versions and the machine.

    Parameters
    ----------
    threads, jobs
        Of a process, and how many of these are side by side.
    peers
        Names of requirement files.
    others
        What else was measured, or was measured with, and its version: peers that are not of Python, a trained model.
    """
    installed = {distribution.name: distribution.version for distribution in metadata.distributions()}
    versions = {name: installed.get(name, "not installed") for name in ("latticework", "torch", "numpy")}
    versions.update(commit=commits.commit_measured(), python=platform.python_version(), **(others or {}))
    for peer in peers:
        pinned = measuring.pins(HERE / "peers" / f"{peer}.txt").items()
        versions[f"peer {peer}"] = ", ".join(f"{library} {version}" for library, version in pinned)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    machine: dict[str, str | int] = {"cpu": _cpu(), "cores_used": threads * jobs, "memory": memory}
    return Result(name, title, command, datetime.now(UTC).date().isoformat(), versions, machine, tuple(rows))


def record(result: Result, folder: Path = HERE, *, lacks: Sequence[str] = ()) -> Path | None:
    """Write `results/NAME.json`, checked first; a ValueError says what is wrong.

    What lacks a part of what is on record is shown and not written. That is so of what was measured of no one commit,
    and of fewer seeds or rounds than are on record: to have these nevertheless, remove the record.
    """
    path = folder / "results" / f"{result.name}.json"
    document: dict[str, Any] = {"schema": SCHEMA, **asdict(result)}
    document["rows"] = [{**asdict(row), "met": row.met} for row in result.rows]
    _parse(document)
    if not commits.is_one_commit(result.versions["commit"]):
        lacks = [*lacks, commits.NO_COMMIT]
    if path.exists():
        lacks = [*lacks, *_fewer(result, read(path))]
    if lacks := list(dict.fromkeys(lacks)):
        print(table(result), f"not recorded, for it lacks: {', '.join(lacks)}", sep="\n\n")
        return None
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
    return path


def _fewer(result: Result, before: Result) -> list[str]:
    """What a command has less of than another, such as seeds."""

    def counts(command: str) -> dict[str, int]:
        found = re.findall(rf"--({'|'.join(COUNTS)}) (\d+)(?= --|$)", command)
        return {option: int(count) for option, count in found}

    now = counts(result.command)
    return [
        f"--{option} {count}, as on record"
        for option, count in counts(before.command).items()
        if now.get(option, count) < count
    ]


def read(path: Path) -> Result:
    """Read a result and check it; a ValueError says what is wrong."""
    return _parse(json.loads(path.read_text(encoding="utf-8")))


def results(folder: Path = HERE) -> dict[str, Result]:
    """Read every result, by its name."""
    return {path.stem: read(path) for path in sorted((folder / "results").glob("*.json"))}


def table(result: Result) -> str:
    """Give a result as Markdown: the command, the rows, and what they were made with."""
    head = "| | value | range | target | met |\n|:--|--:|:--|:--|:--|"
    lines = [f"**{result.title}**, from `{result.command}`:", "", head]
    for row in result.rows:
        ends = "" if row.low is None or row.high is None else f"{_number(row.low)} to {_number(row.high)}"
        met = {None: "", True: "yes", False: "**no**"}[row.met]
        name, unit = (text.replace("|", "\\|").replace("\n", " ") for text in (row.name, row.unit))
        lines.append(f"| {name} | {_number(row.value)} {unit} | {ends} | {row.target or ''} | {met} |")
    versions = ", ".join(f"{name} {version}" for name, version in result.versions.items())
    made = result.machine
    machine = f"{made['cpu']}, {made['cores_used']} cores used, {int(made['memory']) / 2**30:.0f} GiB"
    return "\n".join([*lines, "", f"{result.date}; {versions}; {machine}."])


def _parse(document: Any) -> Result:
    _check(isinstance(document, dict) and document.get("schema") == SCHEMA, f"a result has schema {SCHEMA}")
    fields = {name: value for name, value in document.items() if name != "schema"}
    try:
        rows = [dict(row) for row in fields.pop("rows")]
        met = [row.pop("met") for row in rows]
        result = Result(**fields, rows=tuple(Row(**row) for row in rows))
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a result: {error}") from error
    _check(met == [row.met for row in result.rows], f"{result.name}: what is met does not follow from the values")
    texts = [result.name, result.title, result.command, result.date, *result.versions.values()]
    _check(all(isinstance(text, str) for text in texts), "name, title, command, date and versions of a result are text")
    _check(re.fullmatch(r"[a-z0-9_-]+", result.name), f"{result.name!r} is no name of a file")
    datetime.fromisoformat(result.date)
    _check(set(result.machine) == {"cpu", "cores_used", "memory"}, f"{result.name}: the machine is incomplete")
    _check({"python", "commit", "latticework"} <= set(result.versions), f"{result.name}: versions are missing")
    return result


def _check(truth: object, message: str) -> None:
    if not truth:
        raise ValueError(message)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) or abs(value) >= 1000 else f"{value:.4g}"


def _cpu() -> str:
    """Name the processor; its family and model tell apart those whose name a host of virtual machines hides."""
    known = Path("/proc/cpuinfo")
    told = dict(
        re.findall(r"^(cpu family|model|model name)\s*: (.+)$", known.read_text() if known.exists() else "", re.M)
    )
    if "model name" not in told:
        return platform.processor() or platform.machine()
    numbers = [f"{word} {told[key]}" for key, word in (("cpu family", "family"), ("model", "model")) if key in told]
    return f"{told['model name']} ({', '.join(numbers)})" if numbers else told["model name"]
