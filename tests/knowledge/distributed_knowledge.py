"""Train as one of the processes that `torchrun` starts: `distributed_knowledge.py FOLDER REPORTS`.

Each process saves its models below FOLDER and writes `RANK.json` into REPORTS. One process can `learn` the same.
"""

import json
import os
import sys
from pathlib import Path

import torch
from torch import nn

from latticework.core import checkpoint, training
from latticework.core.hardware import make_fabric
from latticework.core.sharding import local, rows_of_all, sharding
from latticework.knowledge import DKGE, DKGEConfig, fitting, learning
from latticework.knowledge.planted import plant

NOW, NEXT, _ = plant(0)
SMALL = {"batch_size": 101, "negatives": 32, "learning_rate": 0.02, "validate_every": 1, "update_epochs": 2}
MANY, FEW = 10**9, 1
FITS = {  # parameters and figures of each model, from how many entities on its tables are large, whether it is sharded
    "plain": ({}, {}, MANY, False),
    "sharded": ({}, {}, MANY, True),
    "sparse": ({}, {}, FEW, False),
    "transe": ({"init": "transe"}, {"compat": "reference", "warm_epochs": 1}, MANY, False),
    "sparse transe": ({"init": "transe"}, {"loss": "margin", "negatives": 2, "warm_epochs": 1}, FEW, True),
    "open": ({}, {"gate": "open"}, MANY, False),
    "sharded open": ({}, {"gate": "open"}, MANY, True),
}
SPREAD = [kind for kind, (_, _, large, sharded) in FITS.items() if sharded or large == FEW]
RESUMED = ("sharded", "sparse")
TABLES = (1, 7)  # rows: one of two processes has none, or one more


class StoppedError(Exception):
    """The run has come as far as it was to."""


class Table(nn.Module):
    """A table, and something else to learn."""

    def __init__(self, rows):
        super().__init__()
        self.table = nn.Parameter(torch.arange(rows * 2.0).view(rows, 2))
        self.scale = nn.Parameter(torch.ones(2))

    def forward(self, rows, *, sparse):
        return rows_of_all(self.table, rows, sparse=sparse) * self.scale


def learn(kind, folder=None):
    """Fit a model of a small world."""
    settings, figures, fitting.LARGE, sharded = FITS[kind]
    config = DKGEConfig(**SMALL | figures)
    model = DKGE(8, max_epochs=2, config=config, random_state=0, device="cpu", **settings)
    return model.fit(NOW.facts, NOW.validation, folder=folder, sharded=sharded)


def update(model):
    """Two updates: in one things come and go, in the other a fact goes and nothing is new."""
    model.partial_fit(NEXT.delta.add, NEXT.delta.remove)
    model.partial_fit(remove=[next(fact for fact in NEXT.facts if fact[1] == "borders")])
    return model


def noting(held):
    """Note at the end of each training how many numbers of the tables this process holds: to train, and beside that."""
    finish = training._Loop._finish

    def run(loop):
        state = checkpoint.flatten(loop.plain_optimizer).items()
        moments = {name: local(tensor).numel() for name, tensor in state if name.startswith("0.") and tensor.ndim}
        beside = sum(each.untyped_storage().nbytes() for each in loop.task.module.parameters())
        held.append([local(next(loop.trained.parameters())).numel(), *moments.values(), beside])
        finish(loop)

    training._Loop._finish = run


def stopped(kind, folder):
    """Stop in the second epoch, go on, and return the model with how many batches it took then."""
    usual, served = learning.LinkTask.inputs, []

    def until(last):
        def inputs(task, batch):
            served.append(len(batch))
            if len(served) == last:
                raise StoppedError
            return usual(task, batch)

        return inputs

    epoch = -(-len(NOW.facts) // SMALL["batch_size"])
    learning.LinkTask.inputs = until(epoch + 3)
    try:
        learn(kind, folder)
    except StoppedError:
        served.clear()
    learning.LinkTask.inputs = until(0)
    model = learn(kind, folder)
    learning.LinkTask.inputs = usual
    return model, [len(served), epoch]


def lent(rows, *, sparse):
    """What a table lends this process, and the gradient of what it has of it, in the whole table."""
    module = Table(rows)
    fabric = make_fabric("cpu", "32", shard=sharding(module, [module.table]))
    rank = fabric.global_rank
    spread = fabric.setup_module(module)
    found = spread(torch.tensor([[0], [0, 2, 6]][rank] if rows > 1 else [0]), sparse=sparse)
    fabric.backward((found * (rank + 1)).sum())
    grad = module.table.grad
    first = rank * -(-rows // 2)
    if not sparse:
        whole = torch.zeros(rows, 2)
        whole[first : first + len(grad.to_local())] = grad.to_local()
        grad = whole
    return [
        found.tolist(),
        grad.to_dense().tolist(),
        len(local(module.table)),
        module.scale.grad.full_tensor().tolist(),
    ]


def same(one, other):
    pairs = zip(one.learned_.model.state_dict().values(), other.learned_.model.state_dict().values(), strict=True)
    return all(torch.equal(*pair) for pair in pairs) and (one.entity_embeddings_ == other.entity_embeddings_).all()


def work(folder):
    held, models, resumed = [], {}, {}
    noting(held)
    for kind in FITS:
        models[kind] = learn(kind)
        models[kind].save(folder / kind)
    last = dict(zip([kind for kind in FITS for _ in range(1 + ("transe" in kind))], held, strict=True))
    loaded = {kind: bool(same(DKGE.load(folder / kind), model)) for kind, model in models.items()}
    for kind in RESUMED:
        model, batches = stopped(kind, folder / f"resumed {kind}")
        resumed[kind] = [bool(same(model, models[kind])), *batches]
    update(models["plain"]).save(folder / "updated")
    tables = {f"{rows} {sparse}": lent(rows, sparse=sparse) for rows in TABLES for sparse in (False, True)}
    return {"held": last, "loaded": loaded, "resumed": resumed, "lent": tables}


if __name__ == "__main__":
    found = work(Path(sys.argv[1]))
    Path(sys.argv[2], f"{os.environ['RANK']}.json").write_text(json.dumps(found))
