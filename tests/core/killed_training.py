"""Train translators in processes that are killed, as a program; what they leave is for the test to judge.

`killed_training.py kills FOLDER SEED` trains one in `FOLDER/whole` without a kill, which tells what there is to do in
each part of a run, then others beside it: each is killed (SIGKILL) at chosen moments in new processes, one after the
other, until one comes to its end. It prints a line of JSON for each: its name, and for each process where it was to be
killed and whether it was. The processes are forks of this one, in which nothing was computed yet: one takes a third of
a second, not five.

`killed_training.py translate fit ...` is the command `latticework`, whose preset "tiny" is smaller still here. It is
killed before or after a batch, at the moment that the variable KILL_AT of the environment counts, if there is one.
"""

import functools
import inspect
import io
import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import lightning_fabric  # noqa: F401  # here, and not in every fork
import tasks

from latticework.core import Estimator, checkpoint
from latticework.core.candidates import Candidates
from latticework.core.loggers import CSVLogger
from latticework.seq2seq.learning import PairsTask
from latticework.seq2seq.vocabulary import Vocabulary
from latticework.translation import TransformerTranslator, presets  # noqa: F401

PARTS = {  # of a run: each is what is done inside a call; of two calls the inner one counts
    "vocabulary": (Vocabulary, "train"),
    "batches": (PairsTask, "inputs"),
    "validation": (PairsTask, "validate"),
    "averaging": (Candidates, "add"),
    "logging": (CSVLogger, "log"),
    "checkpoint": (checkpoint, "write"),
    "saving": (Estimator, "save"),
    "discarding": (checkpoint, "discard"),
}
OFTEN = {"checkpoint": 5, "saving": 3, "discarding": 3}  # runs that are first killed there; of others it is one


class Moments:
    """Counts the moments of each part of a run at which it can be killed, and kills it at one of them."""

    def __init__(self, kill_at=None):
        self.kill_at = kill_at
        self.inside = ["elsewhere"]
        self.counts = {}
        for part, (owner, name) in PARTS.items():
            setattr(owner, name, self.in_part(part, getattr(owner, name)))
        for name in ("replace", "fsync", "unlink", "mkdir"):
            setattr(os, name, self.counted(getattr(os, name)))
        io.open = functools.partial(self.opened, io.open)

    def moment(self):
        part = self.inside[-1]
        self.counts[part] = self.counts.get(part, 0) + 1
        if self.kill_at == (part, self.counts[part]):
            os.kill(os.getpid(), signal.SIGKILL)

    def in_part(self, part, function):
        @functools.wraps(function)
        def run(*arguments, **options):
            self.inside.append(part)
            self.moment()
            try:
                return function(*arguments, **options)
            finally:
                self.moment()
                self.inside.pop()

        return staticmethod(run) if inspect.ismethod(function) else run

    def counted(self, operation):
        def run(*arguments, **options):
            self.moment()
            result = operation(*arguments, **options)
            self.moment()
            return result

        return run

    def opened(self, plain_open, path, mode="r", *arguments, **options):
        """Open a file; one that is written can be killed half-way through."""
        if mode.startswith("r"):
            return plain_open(path, mode, *arguments, **options)
        self.moment()
        moment = self.moment

        class Halting(io.FileIO):
            def write(self, data):
                moment()
                view = memoryview(data).cast("B")
                return super().write(view[: max(1024, len(view) // 2)])

        buffered = io.BufferedWriter(Halting(path, mode.replace("b", "")))
        return buffered if "b" in mode else io.TextIOWrapper(buffered, encoding="utf-8", newline="")


def attempt(folder, *, kill_at=None, kill_after=None, told=None):
    """Run the training in a process; return whether it was killed."""
    child = os.fork()
    if child == 0:
        moments = Moments(kill_at)
        tasks.fit_translator(folder)
        if told is not None:
            told.write_text(json.dumps(moments.counts))
        os._exit(0)
    if kill_after is not None:
        time.sleep(kill_after)
        os.kill(child, signal.SIGKILL)
    status = os.waitpid(child, 0)[1]
    if status not in (0, signal.SIGKILL):
        raise SystemExit(f"a training process ended with {status}")
    return status != 0


def train_killed(folder, ways):
    """Train in one process after the other, each killed in its way and a last one that is not."""
    done = [[*way.values(), attempt(folder, **way)] for way in ways]
    done.append([None, attempt(folder)])
    print(json.dumps([folder.name, done]), flush=True)


def kills(folder, seed):
    tasks.checkpoint_at_every_step()
    chance, told = random.Random(seed), folder / "counts.json"
    attempt(folder / "whole", told=told)
    counts = json.loads(told.read_text())
    print(json.dumps(["whole", counts]), flush=True)
    started = time.monotonic()
    train_killed(folder / "again", [])
    seconds = time.monotonic() - started

    for part in counts:
        for number in range(OFTEN.get(part, 1)):
            first = part, chance.randint(1, counts[part])
            second = chance.choice(["batches", "logging", "checkpoint", "saving"]), chance.randint(1, 6)
            train_killed(folder / f"{part}-{number}", [{"kill_at": first}, {"kill_at": second}])
    after = {part: {"kill_at": (part, counts[part])} for part in ("saving", "discarding")}
    train_killed(folder / "saved", [after["saving"], {"kill_at": ("discarding", 1)}])
    train_killed(folder / "discarded", [after["discarding"]])
    for number in range(3):
        train_killed(folder / f"timed-{number}", [{"kill_after": chance.random() * seconds} for _ in range(3)])


def command(arguments):
    from latticework.cli import main

    tasks.checkpoint_at_every_step()
    if moment := os.environ.get("KILL_AT"):
        Moments(("batches", int(moment)))
    presets.PRESETS["tiny"] = presets.Preset(config=tasks.translator().config, vocab_size=60, max_epochs=4)
    sys.argv = ["latticework", *arguments]
    sys.exit(main())


if __name__ == "__main__":
    if sys.argv[1] == "kills":
        kills(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        command(sys.argv[1:])
