"""Train as one of the processes that `torchrun` starts: `distributed_training.py FOLDER REPORTS whole` or `... killed`.

Each process writes into the folder REPORTS: `pid-RANK` when it begins, and `RANK.json` with what it has learned at the
end. "whole" trains three models; "killed" only the last of them, slowly enough to be killed meanwhile.
"""

import hashlib
import json
import os
import sys
import time
from pathlib import Path

import tasks

from latticework.core import Estimator
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


def slowly(function, seconds):
    def run(*arguments):
        time.sleep(seconds)
        return function(*arguments)

    return run


def digest(module):
    return hashlib.sha256(b"".join(tensor.numpy().tobytes() for tensor in module.state_dict().values())).hexdigest()


def work(folder, *, killed):
    tasks.checkpoint_at_every_step()
    weights = {}
    if killed:
        PairsTask.inputs = slowly(PairsTask.inputs, 0.05)
    else:
        Estimator.save = slowly(Estimator.save, 0.5)  # the other process must wait for it
        task = tasks.Regression(tasks.UNEVEN, validates=True)
        plan = tasks.plan(optimizer=tasks.adam, accumulate=2, average=2, clip_norm=1.0)
        train(task, plan, seed=0, device="cpu", precision="64", folder=folder / "regression")
        weights["regression"] = task.weights().tolist()
        model = tasks.fit_translator(folder / "exact", precision="64", dropout=0.0)
        weights["exact"] = digest(model.model_)
    model = tasks.fit_translator(folder / "model")
    weights["model"] = digest(model.model_)
    weights["loaded"] = digest(Estimator.load(folder / "model").model_)  # each process finds it there
    return weights


if __name__ == "__main__":
    place, reports, rank = Path(sys.argv[1]), Path(sys.argv[2]), os.environ["RANK"]
    (reports / f"pid-{rank}").write_text(str(os.getpid()))
    changed = watch(place)
    weights = work(place, killed=sys.argv[3] == "killed")
    (reports / f"{rank}.json").write_text(json.dumps({"weights": weights, "changed": changed}))
