"""What is measured: commands in processes of their own, by turns, and peers in environments of their own.

A benchmark runs a part of itself, `part_of`, and what a peer does, `driver_of`, with `run_measured` or `interleave`;
within a process, jobs `take_turns`.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from benchmarks import HERE

Command = Sequence[str | Path]
Env = dict[str, str]
Key = TypeVar("Key")
Found = TypeVar("Found")
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
# As the commands set them: threads that spin for long while they wait slow down whatever runs beside them.
WAITING = {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "2000"}
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


def environment(threads: int) -> dict[str, str]:
    """Copy this process' environment, with the number of threads set for every library that has its own idea of it."""
    return {**os.environ, **dict.fromkeys(THREADS, str(threads)), **WAITING, "TOKENIZERS_PARALLELISM": "false"}


def part_of(name: str, *words: object) -> list[str]:
    """The command of a benchmark of ours, which such words let run a part of itself."""
    return [sys.executable, "-m", f"benchmarks.{name}", *map(str, words)]


def driver_of(peer: str, python: Path, folder: Path, task: str) -> list[str]:
    """The command of a system's driver in an environment, with threads that wait as they do by themselves."""
    unset = [f"--unset={name}" for name in WAITING]
    return ["env", *unset, str(python), "-m", f"benchmarks.peers.{peer}_driver", str(folder), task]


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


def side_by_side(run: Callable[[Key], Found], parts: Sequence[Key], jobs: int) -> dict[Key, Found]:
    """Run every part, so many at a time."""
    with ThreadPoolExecutor(jobs) as pool:
        return dict(zip(parts, pool.map(run, parts), strict=True))


def take_turns(jobs: Mapping[Key, Callable[[], Found]], rounds: int) -> tuple[dict[Key, list[float]], dict[Key, Found]]:
    """Seconds of each job in this process in so many rounds, after one that does not count, and what it gave last."""
    seconds: dict[Key, list[float]] = {name: [] for name in jobs}
    results = {}
    for _ in range(rounds + 1):
        for name, job in jobs.items():
            began = time.perf_counter()
            results[name] = job()
            seconds[name].append(time.perf_counter() - began)
    return {name: each[1:] for name, each in seconds.items()}, results


def agree(truth: object, what: str) -> None:
    """Stop where systems do not come to the same: their times would tell nothing."""
    if not truth:
        raise RuntimeError(f"not the same results: {what}")


def column(outputs: Sequence[Mapping[str, float]], figure: str) -> list[float]:
    """A figure of every run."""
    return [output[figure] for output in outputs]


def paired_ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Divide round by round: runs side by side met the same machine."""
    return [one / other for one, other in zip(ours, theirs, strict=True)]


def paired_differences(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Subtract run by run, such as seed by seed."""
    return [one - other for one, other in zip(ours, theirs, strict=True)]


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
    if loose:
        raise ValueError(f"{requirements}: {', '.join(loose)} must be pinned with ==")
    return {name.strip(): version.strip() for name, version in pairs}
