"""PyKEEN in an environment of its own: its evaluator, the training of its TransE, and the quality that this reaches.

FOLDER holds job.json, and data.npz with the facts by number; all that is made for us goes there too.
"""

from __future__ import annotations

import math
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pykeen.evaluation import RankBasedEvaluator
from pykeen.losses import InfoNCELoss, MarginRankingLoss
from pykeen.models import TransE
from pykeen.sampling import BasicNegativeSampler
from pykeen.training import SLCWATrainingLoop, TrainingCallback
from pykeen.triples import CoreTriplesFactory

from benchmarks.peers import timing

DATA, TABLES = "data.npz", "pykeen.npz"
WARM_UP = 64  # facts that are ranked before the clock starts
BATCH = 32  # facts that are ranked at a time: what it takes on a CPU unless told otherwise


class _Clock(TrainingCallback):
    """Looks at the clock when an epoch ends."""

    def __init__(self) -> None:
        super().__init__()
        self.marks: list[float] = []

    def post_epoch(self, epoch: int, epoch_loss: float, **kwargs: Any) -> None:
        self.marks.append(time.perf_counter())


class _BothEnds(BasicNegativeSampler):
    """As many wrong heads as wrong tails for every fact, drawn of the other entities; all of these if they are few."""

    def corrupt_batch(self, positive_batch: torch.Tensor) -> torch.Tensor:
        others = self.num_entities - 1
        each = min(self.num_negs_per_pos // 2, others)
        ends = []
        for column in (0, 2):
            wrong = positive_batch[:, None].repeat(1, each, 1)
            away = torch.arange(others) if each == others else torch.randint(others, wrong.shape[:2])
            wrong[:, :, column] = (wrong[:, :, column] + 1 + away) % self.num_entities
            ends.append(wrong)
        return torch.cat(ends, dim=1)


class _BothSoftmaxes(InfoNCELoss):
    """A softmax over the wrong heads of a fact, and another over its wrong tails."""

    def process_slcwa_scores(
        self,
        positive_scores: torch.Tensor,
        negative_scores: torch.Tensor,
        *,
        batch_filter: torch.Tensor,
        **options: Any,
    ) -> torch.Tensor:
        true, kept = positive_scores.repeat_interleave(2, dim=0), batch_filter.reshape(2 * len(batch_filter), -1)
        return super().process_slcwa_scores(true, negative_scores, batch_filter=kept, **options)


class _Falling(TrainingCallback):
    """Lets the rate fall from step to step, in a straight line to nothing after the last."""

    def __init__(self, peak: float, steps: int) -> None:
        super().__init__()
        self.peak, self.steps, self.done = peak, steps, 0

    def pre_batch(self, **kwargs: Any) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = self.peak * (self.steps - self.done) / self.steps
        self.done += 1


def evaluate(folder: Path, job: timing.Job) -> dict[str, Any]:
    """Rank facts with the embeddings that were handed over; the ranks are written, head and tail."""
    torch.set_num_threads(job["threads"])
    data = _data(folder)
    model = _transe(data, job["dim"])
    with torch.no_grad():
        model.entity_representations[0]._embeddings.weight.copy_(data["entities"])
        model.relation_representations[0]._embeddings.weight.copy_(data["relations"])
    _ranked(model, data, data["asked"][:WARM_UP])
    began = time.perf_counter()
    evaluator, _ = _ranked(model, data, data["asked"])
    seconds = time.perf_counter() - began
    ranks = {
        f"{side} {ties}": np.concatenate(evaluator.ranks[side, ties])
        for side in ("head", "tail")
        for ties in ("optimistic", "realistic", "pessimistic")
    }
    np.savez(folder / TABLES, **ranks)
    return {"seconds": seconds}


def train(folder: Path, job: timing.Job) -> dict[str, Any]:
    """Seconds of the epochs after the first but for the last, with the loss, optimiser and batch that ours has."""
    torch.set_num_threads(job["threads"])
    data = _data(folder)
    model = _transe(data, job["dim"], loss=MarginRankingLoss(margin=job["margin"], reduction="sum"))
    clock = _Clock()
    _train(model, data, job, sampler="bernoulli", callbacks=clock)
    return {"seconds": clock.marks[-2] - clock.marks[0]}


def fit(folder: Path, job: timing.Job) -> dict[str, Any]:
    """Train by its defaults, or as ours is, and judge; the embeddings are written."""
    torch.set_num_threads(job["threads"])
    data = _data(folder)
    began = time.perf_counter()
    model = _fitted_as_ours(data, job) if job["as_ours"] else _fitted(data, job)
    seconds = time.perf_counter() - began
    tables = {
        name: representations[0](None).detach().numpy()
        for name, representations in (
            ("entities", model.entity_representations),
            ("relations", model.relation_representations),
        )
    }
    np.savez(folder / TABLES, **tables)
    _, found = _ranked(model, data, data["asked"])
    names = {"mrr": "inverse_harmonic_mean_rank", "hits10": "hits_at_10"}
    figures = {name: float(found.get_metric(f"both.realistic.{theirs}")) for name, theirs in names.items()}
    return {"seconds": seconds, "norm": model.interaction.p} | figures


def _fitted(data: dict[str, torch.Tensor], job: timing.Job) -> TransE:
    model = TransE(triples_factory=_factory(data), embedding_dim=job["dim"], random_seed=job["seed"])
    _train(model, data, job)
    return model


def _fitted_as_ours(data: dict[str, torch.Tensor], job: timing.Job) -> TransE:
    """Trained with our loss, first values, rate and filtered wrong answers, by its own loop."""
    first = partial(torch.nn.init.uniform_, a=-job["bound"], b=job["bound"])
    # What it calls a temperature is what scores are divided by.
    loss = _BothSoftmaxes(margin=0.0, log_adversarial_temperature=-math.log(job["sharpness"]))
    options = {"entity_initializer": first, "relation_initializer": first, "random_seed": job["seed"], "loss": loss}
    model = _transe(data, job["dim"], **options)
    falling = _Falling(job["learning_rate"], job["epochs"] * math.ceil(len(data["train"]) / job["batch"]))
    _train(model, data, job, sampler=_BothEnds, filtered=True, callbacks=falling)
    return model


def _data(folder: Path) -> dict[str, torch.Tensor]:
    with np.load(folder / DATA) as data:
        return {name: torch.from_numpy(data[name]) for name in data}


def _factory(data: dict[str, torch.Tensor]) -> CoreTriplesFactory:
    sizes = (int(size) for size in data["sizes"])
    return CoreTriplesFactory(data["train"], *sizes)


def _transe(data: dict[str, torch.Tensor], dim: int, *, random_seed: int = 0, **options: Any) -> TransE:
    """With norm 2 and no constraint on rows; the seed is that of all it draws from then on."""
    options |= {"scoring_fct_norm": 2, "entity_constrainer": None, "random_seed": random_seed}
    return TransE(triples_factory=_factory(data), embedding_dim=dim, **options)


def _train(
    model: TransE,
    data: dict[str, torch.Tensor],
    job: timing.Job,
    *,
    sampler: str | type[BasicNegativeSampler] = "basic",
    filtered: bool = False,
    callbacks: TrainingCallback | None = None,
) -> None:
    """Its loop over its own batches; `learning_rate` and `batch` are its defaults where the job says None."""
    rate, batch = job["learning_rate"] or 1e-3, job["batch"] or 256
    loop = SLCWATrainingLoop(
        model=model,
        triples_factory=_factory(data),
        optimizer=torch.optim.Adam(model.get_grad_params(), lr=rate),
        negative_sampler=sampler,
        negative_sampler_kwargs={"num_negs_per_pos": job["negatives"], "filtered": filtered},
    )
    epochs = {"num_epochs": job["epochs"], "batch_size": batch}
    loop.train(_factory(data), **epochs, use_tqdm=False, callbacks=callbacks)


def _ranked(model: TransE, data: dict[str, torch.Tensor], asked: torch.Tensor) -> tuple[RankBasedEvaluator, Any]:
    evaluator = RankBasedEvaluator(clear_on_finalize=False)
    known = [data[part] for part in ("train", "valid", "test")]
    found = evaluator.evaluate(model, asked, batch_size=BATCH, additional_filter_triples=known, use_tqdm=False)
    return evaluator, found


TASKS = {"evaluate": evaluate, "train": train, "fit": fit}

if __name__ == "__main__":
    timing.main(TASKS)
