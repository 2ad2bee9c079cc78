"""The long campaign: `python -m tests.fuzz --seconds 60`, every format in a process of its own, one after the other.

A process has 4 GiB more of memory than it begins with and 5 seconds an example. What fails is kept, once a place in the
code, as the files that were read and the traceback. Of single binary files atheris, if it is installed, looks for new
paths through the reader; all others are damaged by chance. The same `--seed` makes the same examples of the latter.
"""

from __future__ import annotations

import argparse
import faulthandler
import importlib.util
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from random import Random
from typing import Any

TESTS = Path(__file__).parents[1]
sys.path.insert(0, str(TESTS))  # as pytest finds what the tests share

MEMORY = 4 * 2**30
SHORTEST = 1  # second that is worth a process
SILENCE = 30  # seconds without news after which a process is ended
START = 600  # seconds that imports and seeds may take besides, on a busy machine


class Record:
    """What a process has found so far, in a folder: it may end at any moment."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.current = folder, folder / "current"
        self.file = folder / "record.json"
        self.found: dict[str, Any] = {"examples": 0, "begun": None, "failures": {}}
        if self.file.exists():
            self.found = json.loads(self.file.read_text())
        self.told = 0.0

    def take(self, failure: Any, files: dict[str, bytes]) -> None:
        self.found["examples"] += 1
        if failure is not None:
            self.keep(failure.what, failure.where, failure.trace, files)
        if time.monotonic() - self.told > 1:
            self.tell()

    def keep(self, what: str, where: str, trace: str, files: dict[str, bytes]) -> None:
        key = f"{what} at {where}"
        failures = self.found["failures"]
        if key not in failures:
            kept = [int(path.name[8:]) for path in self.folder.glob("failure-*") if path.name[8:].isdigit()]
            place = self.folder / f"failure-{max(kept, default=0) + 1}"
            place.mkdir()
            for name, data in files.items():
                (place / "files" / name).parent.mkdir(parents=True, exist_ok=True)
                (place / "files" / name).write_bytes(data)
            (place / "trace.txt").write_text(f"{key}\n\n{trace}", "utf-8", "backslashreplace")
            failures[key] = {"count": 0, "folder": place.name}
            self.tell()
        failures[key]["count"] += 1

    def tell(self) -> None:
        self.told = time.monotonic()
        self.file.write_text(json.dumps(self.found))


def limit() -> None:
    """Bound the memory of this process to what it has by now and so much more."""
    pages = int(Path("/proc/self/statm").read_text().split()[0]) if Path("/proc/self/statm").exists() else 0
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY,) * 2)


def warmed(form: Any, record: Record) -> None:
    """Read a sound example, so that what reading imports is there before they are bounded; begin the time."""
    from fuzz.examples import exhausted, write

    exhausted(form.read(write(form.sealed(form.made[0]), record.current)))
    limit()
    record.found["begun"] = time.time()
    record.tell()


def by_chance(name: str, record: Record, seconds: float, seed: int) -> None:
    from fuzz.examples import tried
    from fuzz.formats import FORMATS

    form = FORMATS[name]
    warmed(form, record)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        files = form.example(Random(f"{seed} {record.found['examples']}"))
        record.take(tried(form, files, record.current), files)


def guided(name: str, record: Record, seconds: float, seed: int) -> None:
    import atheris

    with atheris.instrument_imports(include=["latticework"]):
        from fuzz.examples import tried
        from fuzz.formats import FORMATS
        from fuzz.mutations import mutated

        form = FORMATS[name]
        seeds = form.made
    (file,) = seeds[0]
    corpus = record.folder / "corpus"
    corpus.mkdir(exist_ok=True)
    for number, files in enumerate(seeds):
        (corpus / f"seed-{number}").write_bytes(files[file])

    def one(data: bytes) -> None:
        files = form.sealed({file: data})
        record.take(tried(form, files, record.current), files)

    def change(data: bytes, most: int, number: int) -> bytes:
        rng = Random(number)
        if rng.random() < 0.5:
            return bytes(atheris.Mutate(data, most))
        return mutated(data, file, rng, rng.choice(seeds)[file])[:most]

    warmed(form, record)
    options = [
        f"-max_total_time={max(1, int(seconds))}",
        "-timeout=0",
        "-handle_alrm=0",
        "-rss_limit_mb=0",
        "-verbosity=0",
    ]
    options += [f"-seed={seed + 1}", "-max_len=100000", "-len_control=0", "-print_final_stats=0"]
    atheris.Setup([sys.argv[0], *options, str(corpus)], one, custom_mutator=change)
    atheris.Fuzz()  # does not come back


def child(name: str, folder: Path, seconds: float, seed: int, *, by_atheris: bool) -> None:
    faulthandler.enable()
    record = Record(folder)
    (guided if by_atheris else by_chance)(name, record, seconds, seed)
    record.tell()


def campaign(name: str, folder: Path, seconds: float, seed: int, *, by_atheris: bool) -> Record:
    """Run a format in processes, a new one whenever one has ended too soon, until the time is over.

    Time is that in which examples are tried; imports and seeds come before.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "record.json").unlink(missing_ok=True)
    left, crashes = seconds, 0
    while left > SHORTEST:
        begun = time.time()
        command = [sys.executable, "-m", "tests.fuzz", "--format", name, "--seconds", str(left), "--seed", str(seed)]
        command += ["--folder", str(folder), "--child", "guided" if by_atheris else "chance"]
        with (folder / "log.txt").open("wb") as log:
            process = subprocess.Popen(command, cwd=TESTS.parent, stdout=log, stderr=log)
            status = _watched(process, folder)
        record = Record(folder)
        if status == 0:
            break
        left -= time.time() - max(begun, record.found["begun"] or 0)
        crashes += 1
        current = {
            file.relative_to(record.current).as_posix(): file.read_bytes()
            for file in record.current.rglob("*")
            if file.is_file()
        }
        trace = (folder / "log.txt").read_text("utf-8", "replace")[-6000:]
        what = "no news, ended" if status is None else f"ended with {status}"
        record.found["examples"] += 1
        record.keep(what, _crash_place(trace), trace, current)
        record.tell()
        if crashes > 20 or not current:
            break
    shutil.rmtree(folder / "corpus", ignore_errors=True)
    return Record(folder)


def _crash_place(trace: str) -> str:
    lines = [line for line in trace.splitlines() if "latticework/" in line]
    return lines[0].rpartition("latticework/")[2].replace('"', "") if lines else "outside"


def _watched(process: subprocess.Popen[bytes], folder: Path) -> int | None:
    """How a process ended; None if nothing was heard of it for long, and it was ended."""
    begun = time.time()
    while True:
        try:
            return process.wait(timeout=1)
        except subprocess.TimeoutExpired:
            told = folder / "record.json"
            last = told.stat().st_mtime if told.exists() else 0
            if time.time() - (last if last > begun else begun + START) > SILENCE:
                process.kill()
                process.wait()
                return None


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60, help="for each format")
    parser.add_argument("--format", action="append", help="one of them, or the start of some names; may be repeated")
    parser.add_argument("--folder", type=Path, help="where to keep what fails; a new temporary one if not given")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--unguided", action="store_true", help="leave atheris out, so that a run can be made again")
    parser.add_argument("--child", choices=["guided", "chance"], help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        child(given.format[0], given.folder, given.seconds, given.seed, by_atheris=given.child == "guided")
        return 0
    if given.seconds <= SHORTEST:
        parser.error(f"--seconds must be more than {SHORTEST}")
    from fuzz.formats import FORMATS

    chosen = [name for name in FORMATS if not given.format or any(map(name.startswith, given.format))]
    if not chosen:
        parser.error(f"no such format; there are {', '.join(FORMATS)}")
    has_atheris = importlib.util.find_spec("atheris") is not None and not given.unguided
    folder = (given.folder or Path(tempfile.mkdtemp(prefix="fuzz-"))).absolute()
    failed = 0
    print(f"{'format':32} {'by':8} {'seconds':>7} {'examples':>9}  failures (kept in {folder})")
    for name in chosen:
        by_atheris, begun = has_atheris and FORMATS[name].guided, time.monotonic()
        found = campaign(name, folder / name, given.seconds, given.seed, by_atheris=by_atheris).found
        took, by = time.monotonic() - begun, "atheris" if by_atheris else "chance"
        failures = "none" if found["examples"] else "NOT TRIED"
        failures = str(len(found["failures"]) or failures)
        print(f"{name:32} {by:8} {took:7.0f} {found['examples']:9,}  {failures}", flush=True)
        for key, failure in found["failures"].items():
            print(f"    {failure['count']:6,} x {key}  [{failure['folder']}]", flush=True)
        failed += failures != "none"
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
