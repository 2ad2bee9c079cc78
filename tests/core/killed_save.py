"""Kill a save at every filesystem operation, one after the other, and say what the folder then loads as.

Run as a program, so that what is forked and killed is a small process without threads. `killed_save.py FOLDER over` (or
`first`: the folder is not there yet) prints a line of JSON a kill: what the folder loads as, what it loads as after a
further save, and its file names then. `killed_save.py FOLDER forever` saves two models in turn until it is killed.
"""

import io
import json
import os
import shutil
import signal
import sys
from pathlib import Path

import fakes
import numpy as np

from latticework.core import Estimator, InputError
from latticework.core.capability import register

SEEDS = {"old": 1, "new": 2, "later": 3}


def model(seed):
    points = np.random.default_rng(seed).normal(size=(8, 2))
    return fakes.Twofold(random_state=seed).fit(points)


def killed_at(moment, save):
    """Run a save in a child process that is killed at its n-th operation; return whether it was."""
    child = os.fork()
    if child == 0:
        kill_at(moment)
        save()
        os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def kill_at(moment):
    """Count down at every operation that changes the disk: before it, after it, and half-way through a write."""
    left = moment

    def step():
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def counted(operation):
        def run(*arguments, **options):
            step()
            result = operation(*arguments, **options)
            step()
            return result

        return run

    class Halting(io.FileIO):
        def write(self, data):
            step()
            half = memoryview(data).cast("B")
            written = super().write(half[: len(half) // 2 + 1])
            step()
            return written

    def opened(path, mode="r", *arguments, **options):
        if mode == "rb":
            return plain_open(path, mode, *arguments, **options)
        step()
        return io.BufferedWriter(Halting(path, mode.replace("b", "")), buffer_size=64)

    plain_open, io.open = io.open, opened
    for name in ("replace", "fsync", "unlink", "mkdir", "rmdir"):
        setattr(os, name, counted(getattr(os, name)))


def fingerprint(model):
    """Return all that a model is, from every file of its folder."""
    return model.get_params(), model.offset_, model.note_, model.bank_.tobytes(), model.weights_.tobytes()


def state(folder, known):
    """Return the name of the model that the folder loads as, to the last bit, or why it does not load."""
    try:
        loaded = Estimator.load(folder)
    except InputError as error:
        return "nothing" if "no config.json" in str(error) or "no such folder" in str(error) else str(error)
    for name, expected in known.items():
        if fingerprint(loaded) == fingerprint(expected):
            return name
    return "a mixture"


def say(line):
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def every_moment(folder, *, first):
    known = {name: model(seed) for name, seed in SEEDS.items()}
    template = folder.with_name("template")
    known["old"].save(template)
    (template / "README.txt").write_text("kept")
    moment, killed = 0, True
    while killed:
        moment += 1
        shutil.rmtree(folder, ignore_errors=True)
        if not first:
            shutil.copytree(template, folder)
        killed = killed_at(moment, lambda: known["new"].save(folder))
        after = state(folder, known)
        known["later"].save(folder)
        names = sorted(path.name for path in folder.iterdir())
        say(json.dumps([after, state(folder, known), names]))


def forever(folder):
    models = [model(SEEDS["old"]), model(SEEDS["new"])]
    while True:
        for each in models:
            each.save(folder)
            say("saved")


if __name__ == "__main__":
    with register(fakes.CAPABILITY):
        if sys.argv[2] == "forever":
            forever(Path(sys.argv[1]))
        else:
            every_moment(Path(sys.argv[1]), first=sys.argv[2] == "first")
