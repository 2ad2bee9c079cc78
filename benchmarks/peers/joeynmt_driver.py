"""JoeyNMT, in an environment of its own: our weights decoded by its search, its own training timed.

Its settings refuse half precision on a CPU, so for training in bfloat16 its trainer is given the autocast that the
settings would not give it.
"""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path
from typing import Any

import torch
from joeynmt.config import TestConfig, load_config, parse_global_args, set_validation_args
from joeynmt.hub_interface import TranslatorHubInterface
from joeynmt.prediction import predict, prepare
from joeynmt.training import TrainManager

from benchmarks.peers import timing

SETTINGS = "joeynmt.yaml"


def decode(folder: Path, job: timing.Job) -> dict[str, Any]:
    """The interface that `torch.hub` gives, one batch a call; for a whole file what its command `translate` does."""
    _hush()
    args = parse_global_args(load_config(folder / SETTINGS), rank=0, mode="translate")
    model, _, _, data = prepare(args, rank=0, mode="translate")
    hub = TranslatorHubInterface(model, data, args)

    def translate(sentences: list[str], *, beam: int, limit: int, whole: bool) -> list[str]:
        search = {"beam_size": beam, "beam_alpha": 0, "max_output_length": limit, "generate_unk": False}
        return _translate_file(hub, sentences, search) if whole else hub.translate(sentences, **search)

    return timing.time_decoding(job, translate)


def _translate_file(hub: TranslatorHubInterface, sentences: list[str], search: dict[str, Any]) -> list[str]:
    """Batches of the size that the settings name: 64 sentences when they name none, in the order of the file."""
    hub.dataset.reset_cache()
    for sentence in sentences:
        hub.dataset.set_item(sentence)
    test: TestConfig = hub.args.test._replace(**search)
    found = predict(
        model=hub.model,
        data=hub.dataset,
        device=hub.args.device,
        n_gpu=0,
        normalization="none",
        args=test,
        autocast=hub.args.autocast,
    )
    return found[2]


class _TimedManager(TrainManager):
    """Looks at the clock when a step begins; what it does before, loading the batch, belongs to the step before."""

    def __init__(self, *, steps: timing.Steps, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.timed = steps

    def _train_step(self, batch: Any) -> Any:
        self.timed.begin(self.stats.total_tokens)
        return super()._train_step(batch)


def train_steps(folder: Path, job: timing.Job, *, bfloat16: bool) -> dict[str, Any]:
    """Its trainer with its loader: batches by tokens, in the order that it shuffles them into."""
    _hush()
    args = parse_global_args(load_config(folder / SETTINGS), rank=0, mode="train")
    model, training, validation, _ = prepare(args, rank=0, mode="train")
    autocast = {"device_type": "cpu", "enabled": True, "dtype": torch.bfloat16} if bfloat16 else args.autocast
    steps = timing.Steps(job)
    manager = _TimedManager(
        steps=steps,
        rank=0,
        model=model,
        model_dir=args.model_dir,
        device=args.device,
        autocast=autocast,
        seed=args.seed,
        train_args=args.train._replace(max_updates=steps.total),
        dev_args=set_validation_args(args.test),
    )
    manager.train_and_validate(train_data=training, valid_data=validation)
    return steps.figures()


def _hush() -> None:
    """Without this a line of log is written for every call while the clock runs."""
    for name in list(logging.root.manager.loggerDict):
        if name.startswith("joeynmt"):
            logging.getLogger(name).setLevel(logging.ERROR)


TASKS = {
    "decode": decode,
    "train-32": partial(train_steps, bfloat16=False),
    "train-bf16": partial(train_steps, bfloat16=True),
}

if __name__ == "__main__":
    timing.main(TASKS)
