"""Latticework, timed as its peers are."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

import latticework as lw
from benchmarks.peers import timing
from latticework.core.training import train
from latticework.seq2seq.config import TransformerConfig
from latticework.seq2seq.learning import PairsTask, training_plan
from latticework.seq2seq.model import EncoderDecoder


def decode(folder: Path, job: timing.Job) -> dict[str, Any]:
    """`predict`, whose limit is each sentence's own: its input and as much more as the longest of a call may have."""
    translator = lw.load(job["model"])

    def translate(sentences: list[str], *, beam: int, limit: int, whole: bool) -> list[str]:
        return translator.predict(sentences, beam_size=beam, length_penalty=0.0)

    return timing.time_decoding(job, translate)


class _TimedTask(PairsTask):
    """Looks at the clock when a step asks for its inputs."""

    def __init__(self, *arguments: Any, steps: timing.Steps) -> None:
        super().__init__(*arguments)
        self.steps, self.tokens = steps, 0

    def inputs(self, batch: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        self.steps.begin(self.tokens)
        self.tokens += self.terms(batch)
        return super().inputs(batch)


def train_steps(folder: Path, job: timing.Job, *, precision: str) -> dict[str, Any]:
    """The loop, the batches and the optimiser that `fit` uses, from new weights."""
    vocabulary = lw.load(job["model"]).vocabulary_
    config = TransformerConfig(**job["config"])
    torch.manual_seed(0)
    model = EncoderDecoder(config, len(vocabulary))
    pairs = tuple(vocabulary.encode(texts) for texts in lw.datasets.load("multi30k", split="train"))
    steps = timing.Steps(job)
    plan = training_plan(config, max_epochs=None, max_steps=steps.total)
    train(_TimedTask(model, pairs, steps=steps), plan, seed=0, device="cpu", precision=precision)
    return steps.figures()


TASKS = {
    "decode": decode,
    "train-auto": partial(train_steps, precision="auto"),
    "train-32": partial(train_steps, precision="32"),
}

if __name__ == "__main__":
    timing.main(TASKS)
