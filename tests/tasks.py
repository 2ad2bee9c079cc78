"""Small things to learn, for tests of the training loop: linear regression, whose steps can be written out by hand."""

from __future__ import annotations

import csv
from dataclasses import replace

import fakes
import numpy as np
import torch
from torch import nn

from latticework.core import Capability
from latticework.core.task import Plan
from latticework.core.training import train


class Line(nn.Module):
    """Half the squared error of a linear prediction, summed over the rows."""

    def __init__(self, features, dropout):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(features))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x, y):
        return 0.5 * (self.dropout(x) @ self.weight - y).square().sum()


class Regression:
    """A `core.task.Task`: every epoch has batches of the given sizes, of rows in another order."""

    def __init__(self, sizes=(4, 4, 4), *, dropout=0.0, validates=False, features=3):
        generator = np.random.default_rng(0)
        self.x = generator.normal(size=(sum(sizes), features))
        self.y = self.x @ np.arange(1, features + 1) + 0.5 * generator.normal(size=sum(sizes))
        self.held_x, self.held_y = generator.normal(size=(6, features)), generator.normal(size=6)
        self.sizes, self.validates = sizes, validates
        self.module = Line(features, dropout)
        self.served = 0  # batches so far

    def batches(self, epoch):
        order = np.random.default_rng(epoch).permutation(len(self.x))
        return np.split(order, np.cumsum(self.sizes)[:-1])

    def terms(self, batch):
        return len(batch)

    def inputs(self, batch):
        self.served += 1
        return tuple(torch.from_numpy(side[batch]).to(self.module.weight.dtype) for side in (self.x, self.y))

    def validate(self):
        return {"loss": self.held_out_loss(self.weights()), "weight": float(self.module.weight[0].detach())}

    def held_out_loss(self, weights):
        return float(np.mean((self.held_x @ weights - self.held_y) ** 2))

    def weights(self):
        return self.module.weight.detach().double().numpy().copy()


UNEVEN = (5, 1, 4, 2, 1)  # rows of batches: two processes share them evenly, unevenly, or one of them has none


def sgd(parameters):
    return torch.optim.SGD(parameters, lr=0.0)  # the rate comes with each step


def adam(parameters):
    return torch.optim.Adam(parameters, lr=0.0)


def plan(**changes):
    usual = Plan(optimizer=sgd, learning_rate=lambda step: 0.1 / step, max_epochs=3, log_every=1)
    return replace(usual, **changes)


def learn(task, chosen, **options):
    """Train in float64 on one process; return the rows."""
    return train(task, chosen, **{"seed": 0, "device": "cpu", "precision": "64", **options})


def read_log(folder):
    with (folder / "log.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def as_logged(rows):
    columns = dict.fromkeys(name for row in rows for name in row)
    return [{name: str(row.get(name, "")) for name in columns} for row in rows]


class Remembered(fakes.NeighbourBank):
    """An estimator that says which run it comes from, as one whose run can be repeated must."""

    def fit(self, X, fingerprint="this run"):
        super().fit(X)
        self.fingerprint_ = fingerprint
        return self

    def to_state(self):
        state = super().to_state()
        state.values["fingerprint"] = self.fingerprint_
        return state

    def from_state(self, state):
        super().from_state(state)
        self.fingerprint_ = state.values["fingerprint"]


CAPABILITY = Capability(name="runs", summary="stand in for runs", estimators=("tasks:Remembered",))


SENTENCES = [
    ("one", "eins"),
    ("two", "zwei"),
    ("three four", "drei vier"),
    ("five six seven eight nine ten eleven twelve thirteen", "fünf sechs sieben acht neun zehn elf zwölf dreizehn"),
    ("one two three", "eins zwei drei"),
    ("four", "vier"),
    ("two five", "zwei fünf"),
    ("six six", "sechs sechs"),
    ("nine", "neun"),
]
SMALL = {
    "layers": 1,
    "d_model": 16,
    "heads": 2,
    "feed_forward": 16,
    "dropout": 0.2,
    "batch_tokens": 24,
    "accumulate": 2,
    "warmup_steps": 3,
    "clip_norm": 1.0,
    "average_checkpoints": 2,
    "validate_every": 3,
}


def translator(*, max_epochs=4, seed=5, precision="32", **changes):
    """A translator that is trained in eight steps, of a batch or two each."""
    from latticework.translation import TransformerConfig, TransformerTranslator

    config = TransformerConfig(**{**SMALL, **changes})
    return TransformerTranslator(
        vocab_size=60, max_epochs=max_epochs, config=config, random_state=seed, device="cpu", precision=precision
    )


def fit_translator(folder, *, restart=False, sharded=False, **changes):
    """Run the training of a translator in a folder."""
    source, target = zip(*SENTENCES, strict=True)
    return translator(**changes).fit(
        source, target, (source[2:6], target[2:6]), folder=folder, restart=restart, sharded=sharded
    )


def checkpoint_at_every_step():
    """Make translators log and checkpoint as often as they can."""
    from latticework.seq2seq import learning

    usual = learning.training_plan
    learning.training_plan = lambda *arguments, **options: replace(
        usual(*arguments, **options), log_every=1, checkpoint_seconds=0.0, checkpoint_pause=0.0
    )
