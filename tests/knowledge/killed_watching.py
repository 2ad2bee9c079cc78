"""Watch a file of changes in processes that are killed, as a program; what they leave is for the test to judge.

`killed_watching.py MODEL LOG SEED` applies the log to a copy of `MODEL` in one go, beside it in `whole`, and then to
`MODEL` in new processes, one after the other: each is killed (SIGKILL) at a chosen moment of a save, and the last comes
to its end. It prints two lines of JSON: the checksums of what the first one saved, one for each transaction; and of
what each of the others left. The processes are forks of this one, in which nothing was computed yet.
"""

import io
import json
import os
import random
import shutil
import signal
import sys
from pathlib import Path

import lightning_fabric  # noqa: F401  # here, and not in every fork

from latticework.cli import main
from latticework.knowledge import estimator, online, watching  # noqa: F401


class Moments:
    """Counts the moments at which files change, and commits among them, and kills the process at one of them."""

    def __init__(self, kill_at=None, saved=None):
        self.kill_at, self.saved = kill_at, saved
        self.counts = {"moment": 0, "before": 0, "after": 0}
        self.replace = os.replace
        os.replace = self.replaced
        for name in ("fsync", "unlink"):
            setattr(os, name, self.counted(getattr(os, name)))
        self.open, io.open = io.open, self.opened

    def now(self, what="moment"):
        self.counts[what] += 1
        if self.kill_at == (what, self.counts[what]):
            os.kill(os.getpid(), signal.SIGKILL)

    def counted(self, operation):
        def run(*arguments, **options):
            self.now()
            return operation(*arguments, **options)

        return run

    def replaced(self, source, target):
        commits = Path(target).name == "config.json"
        self.now("before" if commits else "moment")
        self.replace(source, target)
        if commits and self.saved is not None:
            self.saved.write(checksum(Path(target).parent) + "\n")
            self.saved.flush()
        self.now("after" if commits else "moment")

    def opened(self, path, mode="r", *arguments, **options):
        """Open a file; one that is written can be killed half-way through."""
        if mode.startswith("r"):
            return self.open(path, mode, *arguments, **options)
        now = self.now

        class Halting(io.FileIO):
            def write(self, data):
                now()
                view = memoryview(data).cast("B")
                return super().write(view[: max(1024, len(view) // 2)])

        buffered = io.BufferedWriter(Halting(path, mode.replace("b", "")))
        return buffered if "b" in mode else io.TextIOWrapper(buffered, encoding="utf-8", newline="")


def checksum(model):
    return json.loads((model / "config.json").read_text())["checksum"]


def attempt(model, log, kill_at=None, saved=None):
    """Watch in a process, and return whether it was killed."""
    child = os.fork()
    if child == 0:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
        Moments(kill_at, saved)
        os._exit(main(["kg", "watch", str(model), str(log), "--once", "--device", "cpu"]))
    status = os.waitpid(child, 0)[1]
    if status not in (0, signal.SIGKILL):
        raise SystemExit(f"a process that watched ended with {status}")
    return status != 0


def run(model, log, seed):
    chance, told = random.Random(seed), log.with_name("saved.txt")
    shutil.copytree(model, model.with_name("whole"))
    with told.open("w") as saved:
        attempt(model.with_name("whole"), log, saved=saved)
    print(json.dumps(told.read_text().split()))
    moments = [("moment", chance.randint(1, 180)) for _ in range(2)]
    kills = [moments[0], ("before", 1), ("after", 1), moments[1], ("after", 2), None]
    print(json.dumps([[kill, attempt(model, log, kill), checksum(model)] for kill in kills]))


if __name__ == "__main__":
    run(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
