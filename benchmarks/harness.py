"""What every benchmark uses: measured processes, peers in environments of their own, results on record, tables.

A benchmark runs commands with `run_measured` or `interleave`, makes `Row`s, and gives `make_result` to `record`.
`python -m benchmarks.harness render` writes the tables of all results into `README.md`, and into the project's pages
what they quote.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import platform
import re
import shlex
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.quotes import requoted

Command = Sequence[str | Path]
Env = dict[str, str]
HERE = Path(__file__).resolve().parent
SCHEMA = 1
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
# As the commands set them: threads that spin for long while they wait slow down whatever runs beside them.
WAITING = {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "2000"}
NOTE = "trained.txt"  # in the folder of a model: the commit that trained it
COUNTS = ("seeds", "large-seeds", "repeats", "rounds", "replicates", "count", "beam-count", "epochs", "sample")
NO_COMMIT = "a commit that has what was measured"
MAXRSS_UNIT = 1 if sys.platform == "darwin" else 1024

# Starts the command from a process as small as Python can be: a child's peak memory begins with that of whoever
# started it, so one started by a benchmark that holds a model would be charged for the model.
_LAUNCHER = """
import json, os, sys, time
report, command = int(sys.argv[1]), sys.argv[2:]
os.set_inheritable(report, False)
cores = os.environ.pop("BENCHMARK_CORES", None)
if cores:
    os.sched_setaffinity(0, map(int, cores.split(",")))
began = time.perf_counter()
child = os.posix_spawnp(command[0], command, os.environ)
_, status, usage = os.wait4(child, 0)
measured = [time.perf_counter() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss]
os.write(report, json.dumps([os.waitstatus_to_exitcode(status), *measured]).encode())
"""


@dataclass(frozen=True)
class Measured:
    """A finished command, start of the interpreter included.

    `wall` and `cpu` are in seconds; `cpu` is user plus system time, with that of the children it waited for.
    `peak_memory`, in bytes, is the most resident memory of the largest *single* process among these: processes side by
    side are not added up, and nothing below the launcher's own 10 MB or so can be seen. `output` is the JSON object on
    the last line of its standard output.
    """

    command: tuple[str, ...]
    wall: float
    cpu: float
    peak_memory: int
    output: dict[str, Any]


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


def environment(threads: int) -> dict[str, str]:
    """Copy this process' environment, with the number of threads set for every library that has its own idea of it."""
    return {**os.environ, **dict.fromkeys(THREADS, str(threads)), **WAITING, "TOKENIZERS_PARALLELISM": "false"}


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


def run_measured(command: Command, env: Env, timeout: float, cores: int | None = None) -> Measured:
    """Run a command to its end; its standard error stays in sight.

    With `cores` it gets no more of them, however many threads it starts: not every library heeds `THREADS`. Only where
    one command runs at a time, for it is always the same ones; and not where a system binds no process to cores.

    Raises
    ------
    RuntimeError
        If it fails, or its last line is no JSON object, or there are fewer cores.
    TimeoutError
        If it runs for more than `timeout` seconds; it is killed, with the children it still has.
    """
    words = tuple(map(str, command))
    if shutil.which(words[0], path=env.get("PATH")) is None:
        raise RuntimeError(f"There is no command {words[0]!r}.")
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as report:
        launcher = [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(report.fileno()), *words]
        files: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": stdout, "pass_fds": [report.fileno()]}
        if cores is not None and hasattr(os, "sched_getaffinity"):
            ours = sorted(os.sched_getaffinity(0))
            if len(ours) < cores:
                raise RuntimeError(f"{cores} cores are asked for, and this process may have {len(ours)}.")
            env = {**env, "BENCHMARK_CORES": ",".join(map(str, ours[:cores]))}
        process = subprocess.Popen(launcher, env=env, start_new_session=True, **files)
        try:
            process.wait(timeout)
        except BaseException as error:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            if isinstance(error, subprocess.TimeoutExpired):
                raise TimeoutError(f"{' '.join(words)} ran for more than {timeout:g} s.") from None
            raise
        stdout.seek(0)
        report.seek(0)
        last, measured = stdout.read().decode(errors="replace").rstrip().rpartition("\n")[2], report.read()
    code, wall, cpu, largest = json.loads(measured) if measured else (process.returncode, 0, 0, 0)
    if code:
        raise RuntimeError(f"{' '.join(words)} failed with exit status {code}; its last line: {last!r}")
    try:
        output = json.loads(last)
    except ValueError:
        output = None
    if not isinstance(output, dict):
        raise RuntimeError(f"{' '.join(words)} must print a JSON object on its last line, got {last!r}")
    return Measured(words, wall, cpu, largest * MAXRSS_UNIT, output)


def interleave(
    commands: dict[str, Command], env: Env, timeout: float, repeats: int, cores: int | None = None
) -> dict[str, list[Measured]]:
    """Run A B A B ..., so that what slows the machine down for a while slows down all; `cores` as of `run_measured`."""
    runs: dict[str, list[Measured]] = {name: [] for name in commands}
    for _ in range(repeats):
        for name, command in commands.items():
            runs[name].append(run_measured(command, env, timeout, cores))
    return runs


def paired_ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Divide round by round: runs side by side met the same machine."""
    return [one / other for one, other in zip(ours, theirs, strict=True)]


def peer_environment(name: str, folder: Path = HERE, *, alone: Sequence[str] = ()) -> Path:
    """Give the Python of a peer's own environment, made of `peers/NAME.txt` when missing or when that has changed.

    Those that are to be `alone` come without what they declare: where a module of a heavy library is all that is used.
    """
    requirements = folder / "peers" / f"{name}.txt"
    identified = requirements.read_bytes() + "".join([platform.python_version(), *alone]).encode()
    identity = hashlib.sha256(identified).hexdigest()[:12]
    home = folder / ".peers" / f"{name}-{identity}"
    python, ready = home / "bin" / "python", home / "ready"
    if not ready.exists():
        pinned = {library: f"{library}=={version}" for library, version in pins(requirements).items()}
        shutil.rmtree(home, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
        install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        whole = [pin for library, pin in pinned.items() if library not in alone]
        for wanted, option in ((whole, "--no-input"), ([pinned[library] for library in alone], "--no-deps")):
            if wanted:
                subprocess.run([*install, option, *wanted], check=True, stdout=sys.stderr)
        ready.touch()
    return python


def pins(requirements: Path) -> dict[str, str]:
    """Read the versions of a requirements file; every one must be exact."""
    lines = [line.partition("#")[0].strip() for line in requirements.read_text(encoding="utf-8").splitlines()]
    pairs = [line.split("==") for line in lines if line]
    loose = [pair[0] for pair in pairs if len(pair) != 2]
    _check(not loose, f"{requirements}: {', '.join(loose)} must be pinned with ==")
    return {name.strip(): version.strip() for name, version in pairs}


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
    versions.update(commit=commit_measured(), python=platform.python_version(), **(others or {}))
    for peer in peers:
        pinned = pins(HERE / "peers" / f"{peer}.txt").items()
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
    if not is_one_commit(result.versions["commit"]):
        lacks = [*lacks, NO_COMMIT]
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


def results(folder: Path = HERE) -> dict[str, Result]:
    """Read every result, by its name."""
    return {path.stem: read(path) for path in sorted((folder / "results").glob("*.json"))}


def pages(folder: Path = HERE) -> list[Path]:
    """List the pages that quote results: `README.md` here, the project's, and its documentation."""
    return [folder / "README.md", *folder.parent.glob("README.md"), *sorted(folder.parent.glob("docs/**/*.md"))]


def render(folder: Path = HERE) -> None:
    """Put the table of every result between its markers in `README.md`, and what pages quote where they quote it."""
    known = results(folder)
    texts = {page: page.read_text(encoding="utf-8") for page in pages(folder)}
    texts[folder / "README.md"] = _with_tables(texts[folder / "README.md"], known)
    for page, text in {page: requoted(text, known) for page, text in texts.items()}.items():
        page.write_text(text, encoding="utf-8")


def _with_tables(text: str, known: Mapping[str, Result]) -> str:
    for name, result in known.items():
        begin, end = (f"<!-- {word} {name} -->" for word in ("begin", "end"))
        found = re.findall(f"{re.escape(begin)}.*?{re.escape(end)}", text, flags=re.DOTALL)
        _check(len(found) == 1, f"the page needs {begin} and {end} once")
        text = text.replace(found[0], f"{begin}\n{table(result)}\n{end}")
    return text


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


def commit_measured() -> str:
    """The commit since this module was imported; both if it has changed, and with it what was measured."""
    now = _commit()
    return now if now == _BEGUN else f"{_BEGUN} to {now}"


def uncommitted() -> list[str]:
    """What a record of a tree that no commit has would lack; it is told before anything is measured."""
    commit = commit_measured()
    if is_one_commit(commit):
        return []
    reason = "the tree has changes that are not committed" if commit.endswith("-dirty") else f"the commit is {commit}"
    print(f"Nothing will be recorded, for {reason}.", file=sys.stderr)
    return [NO_COMMIT]


def is_one_commit(commit: str) -> bool:
    """Whether a commit has all of the code."""
    return re.fullmatch("[0-9a-f]+", commit) is not None


def note_commit(model: Path) -> None:
    """Leave a note of the commit that trained a saved model in its folder."""
    (model / NOTE).write_text(commit_measured(), encoding="utf-8")


def identity(model: Path) -> str:
    """Which model a saved one is: the beginning of a hash of its tensors, and the commit that trained it."""
    tensors = json.loads((model / "config.json").read_text(encoding="utf-8"))["tensors"]
    digests = "".join(tensors[group]["sha256"] for group in sorted(tensors))
    note = model / NOTE
    commit = f"commit {note.read_text(encoding='utf-8')}" if note.exists() else "a commit that nobody noted"
    return f"tensors {hashlib.sha256(digests.encode()).hexdigest()[:12]}, trained by {commit}"


def _commit() -> str:
    """The commit that is measured; what benchmarks write themselves makes no other of it.

    It is not known if the package that is imported is not that of this checkout.
    """
    package = find_spec("latticework")
    if package is None or not Path(package.origin or "").resolve().is_relative_to(HERE.parent / "src"):
        return "unknown"

    def git(*words: str) -> str:
        done = subprocess.run(["git", "-C", str(HERE), *words], capture_output=True, text=True, check=False)
        return done.stdout.strip()

    commit = git("describe", "--always", "--abbrev=12", "--exclude=*")
    changed = git(
        "status", "--porcelain", "--untracked-files=no", "--", ":/", ":(exclude)results", ":(exclude)README.md"
    )
    return f"{commit}-dirty" if changed else commit or "unknown"


_BEGUN = _commit()  # a benchmark runs for hours


if __name__ == "__main__":
    render() if sys.argv[1:] == ["render"] else sys.exit("usage: python -m benchmarks.harness render")
