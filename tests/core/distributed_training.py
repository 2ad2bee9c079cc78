"""Train as one of the processes that `torchrun` starts: `distributed_training.py FOLDER REPORTS KIND`.

Each process writes into the folder REPORTS: `pid-RANK` when it begins, and `RANK.json` with what it has learned at the
end. The kind "whole" trains models of several kinds, and tries to in folders that the processes do not share; "plain"
or "sharded" trains one of them. Before the batch that the variable HALT_AT of the environment counts, the first process
writes `halted` into REPORTS, and waits to be killed.
"""

import hashlib
import itertools
import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path

import tasks

from latticework.core import Estimator, InputError, checkpoint, training
from latticework.core.sharding import is_shared
from latticework.core.training import train
from latticework.seq2seq.learning import PairsTask

TWO_PATHS = {"os.rename", "os.link", "os.symlink"}
CHANGING = {"os.mkdir", "os.remove", "os.rmdir", "os.truncate", *TWO_PATHS}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def watch(folder):
    """The list of what this process will have changed below a folder."""
    changed = []

    def hook(event, arguments):
        writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITING
        if event in CHANGING or writes:
            paths = [str(path) for path in arguments[: 2 if event in TWO_PATHS else 1]]
            changed.extend(path for path in paths if path.startswith(str(folder)))

    sys.addaudithook(hook)
    return changed


def halting(function, number, reports):
    """A function that does not come to its call of that number."""
    calls = itertools.count(1)

    def run(*arguments):
        if next(calls) == number:
            (reports / "halted").touch()
            while True:
                signal.pause()
        return function(*arguments)

    return run


def slowly(function, seconds):
    def run(*arguments):
        time.sleep(seconds)
        return function(*arguments)

    return run


def digest(module):
    return hashlib.sha256(b"".join(tensor.numpy().tobytes() for tensor in module.state_dict().values())).hexdigest()


def noting(held):
    """Note how many numbers the optimiser of this process holds at the end of each training."""
    finish = training._Loop._finish

    def run(loop):
        tensors = checkpoint.flatten(loop.plain_optimizer).values()
        held.append(sum((tensor.to_local() if is_shared(tensor) else tensor).numel() for tensor in tensors))
        finish(loop)

    training._Loop._finish = run


def whole(folder):
    weights, held = {}, []
    noting(held)
    Estimator.save = slowly(Estimator.save, 0.5)  # the other process must wait for it
    for kind, sharded in (("plain", False), ("sharded", True)):
        task = tasks.Regression(tasks.UNEVEN, validates=True)
        plan = tasks.plan(optimizer=tasks.adam, accumulate=2, average=2, clip_norm=1.0)
        shards = () if sharded else None
        options = {"seed": 0, "device": "cpu", "precision": "64", "shards": shards}
        train(task, plan, folder=folder / f"regression-{kind}", **options)
        weights[f"regression-{kind}"] = task.weights().tolist()
        model = tasks.fit_translator(folder / f"exact-{kind}", precision="64", dropout=0.0, sharded=sharded)
        weights[f"exact-{kind}"] = digest(model.model_)
    weights |= {kind: one(folder, kind) for kind in ("plain", "sharded")}
    return {"weights": weights, "held": held, "said": apart(folder / "apart")}


def one(folder, kind):
    model = tasks.fit_translator(folder / kind, sharded=kind == "sharded")
    loaded = Estimator.load(folder / kind)  # each process finds it there
    return [digest(model.model_), digest(loaded.model_)]


def apart(folder):
    """What is said where the first process alone finds the model, the checkpoint, or the data."""
    own, rank = folder / os.environ["RANK"], os.environ["RANK"]
    options = {"seed": 0, "device": "cpu", "precision": "64"}

    def learn(place, fingerprint):
        train(tasks.Regression(), tasks.plan(), folder=place, fingerprint=fingerprint, **options)

    tasks.fit_translator(folder / "model")
    learn(folder / "run", "")
    if rank == "0":
        shutil.copytree(folder / "model", own / "model")
        shutil.copytree(folder / "run", own / "run")
    attempts = {
        "model": lambda: tasks.fit_translator(own / "model"),
        "run": lambda: learn(own / "run", ""),
        "data": lambda: learn(folder / "data", rank),
    }
    said = {}
    for name, attempt in attempts.items():
        try:
            attempt()
        except InputError as error:
            said[name] = str(error)
    return said


def work(folder, reports, kind):
    tasks.checkpoint_at_every_step()
    if kind == "whole":
        return whole(folder)
    if (number := os.environ.get("HALT_AT")) and os.environ["RANK"] == "0":
        PairsTask.inputs = halting(PairsTask.inputs, int(number), reports)
    return {"weights": {kind: one(folder, kind)}}


if __name__ == "__main__":
    place, reports, rank = Path(sys.argv[1]), Path(sys.argv[2]), os.environ["RANK"]
    (reports / f"pid-{rank}").write_text(str(os.getpid()))
    changed = watch(place)
    learned = work(place, reports, sys.argv[3])
    (reports / f"{rank}.json").write_text(json.dumps({**learned, "changed": changed}))
