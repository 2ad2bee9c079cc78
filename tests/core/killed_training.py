"""Train translators in processes that are killed, as a program; what they leave is for the test to judge.

`killed_training.py kills FOLDER SEED` trains one in `FOLDER/whole` without a kill, which tells what there is to do in each
part of a run, then others beside it: each is killed (SIGKILL) at chosen moments in new processes, one after the other,
until one comes to its end. It prints a line of JSON for each: its name, and for each process where it was killed, or null.
The processes are forks of this one, in which nothing was computed yet, so that one takes a second and not five.

`killed_training.py translate fit ...` is the command `latticework`, whose preset "tiny" is smaller still.
"""

import functools
import io
import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import tasks

from latticework.core import Estimator, checkpoint, training
from latticework.core.loggers import CSVLogger
from latticework.seq2seq.learning import PairsTask
from latticework.seq2seq.vocabulary import Vocabulary
from latticework.translation import presets

PARTS = {  # of a run: what of it is done inside which call; the innermost counts
    "vocabulary": (Vocabulary, "train"),
    "batches": (PairsTask, "inputs"),
    "validation": (PairsTask, "validate"),
    "averaging": (training._Loop, "_take_snapshot"),
    "logging": (CSVLogger, "log"),
    "checkpoint": (checkpoint, "write"),
    "saving": (Estimator, "save"),
    "discarding": (checkpoint, "discard"),
}


class Moments:
    """Counts, in each part of a run, the moments at which it can be killed, and kills it at one of them."""

    def __init__(self, kill_at=None):
        self.kill_at = kill_at
        self.inside = ["elsewhere"]
        self.counts = {}
        for part, (owner, name) in PARTS.items():
            setattr(owner, name, self.in_part(part, getattr(owner, name), static=isinstance(owner, type)))
        plain_open = io.open
        io.open = lambda path, mode="r", *rest, **options: (
            plain_open(path, mode, *rest, **options) if mode.startswith("r") else self.opened(plain_open, path, mode)
        )
        for name in ("replace", "fsync", "unlink", "mkdir"):
            setattr(os, name, self.counted(getattr(os, name)))

    def moment(self):
        part = self.inside[-1]
        self.counts[part] = self.counts.get(part, 0) + 1
        if self.kill_at == (part, self.counts[part]):
            os.kill(os.getpid(), signal.SIGKILL)

    def in_part(self, part, function, static):
        @functools.wraps(function)
        def run(*arguments, **options):
            self.inside.append(part)
            self.moment()
            try:
                return function(*arguments, **options)
            finally:
                self.inside.pop()

        return staticmethod(run) if part == "vocabulary" else run

    def counted(self, operation):
        def run(*arguments, **options):
            self.moment()
            result = operation(*arguments, **options)
            self.moment()
            return result

        return run

    def opened(self, plain_open, path, mode):
        """A file that is killed half-way through a write."""
        self.moment()
        moment = self.moment

        class Halting(io.FileIO):
            def write(self, data):
                moment()
                view = memoryview(data).cast("B")
                return super().write(view[: len(view) // 2 + 1])

        raw = Halting(path, mode.replace("b", ""))
        buffered = io.BufferedWriter(raw, buffer_size=64)
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


def kills(folder, seed):
    tasks.checkpoint_at_every_step()
    chance, told = random.Random(seed), folder / "counts.json"
    started = time.monotonic()
    attempt(folder / "whole", told=told)
    seconds, counts = time.monotonic() - started, json.loads(told.read_text())
    print(json.dumps(["whole", counts]), flush=True)

    def somewhere(part):
        return part, chance.randint(1, counts[part])

    for part in counts:
        run(folder / part, [{"kill_at": somewhere(part)}, {"kill_at": somewhere(chance.choice(list(counts)))}])
    last = {part: {"kill_at": (part, counts[part])} for part in counts}
    run(folder / "saved", [last["saving"], {"kill_at": ("discarding", 1)}])
    run(folder / "discarded", [last["discarding"]])
    for name in ("timed-1", "timed-2"):
        run(folder / name, [{"kill_after": chance.uniform(0.1, 0.9) * seconds} for _ in range(3)])


def run(folder, killed):
    done = [[list(how.values())[0], attempt(folder, **how)] for how in killed]
    done.append([None, attempt(folder)])
    print(json.dumps([folder.name, done]), flush=True)


def command(arguments):
    from latticework.cli import main

    tasks.checkpoint_at_every_step()
    config = tasks.translator().config
    presets.PRESETS["tiny"] = presets.Preset(config=config, vocab_size=60, max_epochs=4)
    sys.argv = ["latticework", *arguments]
    sys.exit(main())


if __name__ == "__main__":
    if sys.argv[1] == "kills":
        kills(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        command(sys.argv[1:])
