"""How a tagger is trained: batches of sentences, Adam with warm-up and decay, the best F1 on held-out text kept."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Final

import numpy as np
import torch
from jaxtyping import Int64
from torch import nn

from latticework.core import runs
from latticework.core.errors import callers_level
from latticework.core.progress import message
from latticework.core.seeds import spawn
from latticework.core.task import Plan
from latticework.ner.config import TaggerConfig
from latticework.ner.decoding import TagSet, decode
from latticework.ner.features import Batch, Features
from latticework.ner.lexicon import Lexicon
from latticework.ner.metrics import span_scores
from latticework.ner.model import TaggerModel
from latticework.ner.parts import Parts
from latticework.ner.tags import Span

# How initial weights and batches are made from a seed, and what a step does. To be raised when any of it changes: an
# unfinished run is not to go on under another recipe than it began with.
RECIPE: Final = 2
LEAST_STEPS: Final = 1500  # of the optimiser: what a model of some 100 sentences needs to learn anything
MOST_EPOCHS: Final = 200
POOL: Final = 16  # batches whose sentences are sorted by length together


class TaggingTask:
    """Learn gold tags; a `core.task.Task`.

    Parameters
    ----------
    module
        The model to train.
    tag_set
        The tags, in the order of the model's outputs.
    features, spans
        Training sentences, and their entities over characters.
    validation
        Of held-out sentences the parts in which a tagger reads them, these as features, and the sentences' entities.
    batch_size
        Sentences of a batch.
    seed
        Decides the batches of every epoch.
    """

    def __init__(
        self,
        module: TaggerModel,
        tag_set: TagSet,
        features: Features,
        spans: Sequence[Sequence[Span]],
        validation: tuple[Parts, Features, Sequence[Sequence[Span]]] | None,
        *,
        batch_size: int,
        seed: int,
    ) -> None:
        self.model, self.tag_set = module, tag_set
        self.module: nn.Module = module
        self.features, self.validation = features, validation
        self.tags = tag_set.encode(features.over_units(spans), features.lengths)
        self.validates = validation is not None
        self.batch_size, self.seed = batch_size, seed

    def batches(self, epoch: int) -> list[np.ndarray]:
        """Every sentence that is not empty once, with others of like length."""
        generator = np.random.default_rng(spawn(self.seed, f"batches of epoch {epoch}"))
        # Of empty ones there is nothing to learn, and processes of torchrun fail if one of them has nothing else: there
        # is no gradient then.
        kept = np.flatnonzero(self.features.lengths)
        return [kept[batch] for batch in alike_batches(self.features.lengths[kept], self.batch_size, generator)]

    def terms(self, batch: np.ndarray) -> int:
        """Sentences."""
        return len(batch)

    def inputs(self, batch: np.ndarray) -> tuple[Batch]:
        """Their numbers, words and tags."""
        return (self.features.batch(batch, self.model.arrange, self.tags),)

    def validate(self) -> dict[str, float]:
        """Strict F1, precision and recall on the held-out sentences."""
        if self.validation is None:
            return {}
        parts, features, gold = self.validation
        device = self.model.emit.weight.device
        found = features.over_characters(decode(self.model, self.tag_set, features, device=device))
        scores = span_scores(gold, parts.join(found))
        return {"f1": scores.f1, "precision": scores.precision, "recall": scores.recall}


def alike_batches(
    lengths: Int64[np.ndarray, " texts"], size: int, generator: np.random.Generator
) -> list[Int64[np.ndarray, " batch"]]:
    """Batches of `size` texts of like length, every text once, in random order.

    Texts are drawn at random into pools of `POOL` batches and sorted by length there: what meets changes from epoch to
    epoch, and little is filled up.

    Examples
    --------
    >>> batches = alike_batches(np.array([2, 9, 2, 8, 1]), 2, np.random.default_rng(0))
    >>> sorted(sorted(batch.tolist()) for batch in batches)
    [[0, 2], [1, 3], [4]]
    """
    order = generator.permutation(len(lengths))
    found = []
    for start in range(0, len(order), size * POOL):
        drawn = order[start : start + size * POOL]
        drawn = drawn[np.argsort(-lengths[drawn], kind="stable")]
        found += [drawn[first : first + size] for first in range(0, len(drawn), size)]
    return [found[index] for index in generator.permutation(len(found))]


def warmup_then_linear(step: int, *, peak: float, warmup_steps: int, total: int) -> float:
    """The learning rate of step 1, 2, ...: it grows to `peak`, then falls to nothing after the last step.

    Examples
    --------
    >>> [warmup_then_linear(step, peak=1.0, warmup_steps=2, total=6) for step in (1, 2, 4, 6)]
    [0.5, 1.0, 0.6, 0.2]
    """
    return peak * min(step / warmup_steps, max(0, total + 1 - step) / max(1, total + 1 - warmup_steps))


def usual_epochs(usual: int, config: TaggerConfig, *, sentences: int) -> int:
    """How long to train where nobody said: the usual time, or for few sentences as many epochs as `LEAST_STEPS` take.

    Examples
    --------
    >>> usual_epochs(10, TaggerConfig(), sentences=3821), usual_epochs(10, TaggerConfig(), sentences=400)
    (10, 60)
    """
    steps = math.ceil(sentences / config.batch_size)
    return max(usual, min(MOST_EPOCHS, math.ceil(LEAST_STEPS / steps)))


def training_plan(config: TaggerConfig, *, sentences: int, max_epochs: int) -> Plan:
    """Adam and its schedule with a configuration's figures."""
    steps = max_epochs * math.ceil(sentences / config.batch_size)
    warmup = min(config.warmup_steps, max(1, steps // 10))
    return Plan(
        optimizer=partial(_adam, weight_decay=config.weight_decay),
        learning_rate=partial(warmup_then_linear, peak=config.learning_rate, warmup_steps=warmup, total=steps),
        max_epochs=max_epochs,
        warmup_steps=warmup,
        clip_norm=config.clip_norm,
        decides="f1",
        larger_is_better=True,
        patience=config.patience,
        average=config.average_checkpoints,
        terms="sentences",
        if_diverged="lower learning_rate or clip_norm",
    )


def _adam(parameters: Iterable[nn.Parameter], *, weight_decay: float) -> torch.optim.Optimizer:
    return torch.optim.AdamW(parameters, lr=0.0, weight_decay=weight_decay, fused=True)  # the rate comes with each step


def tell_of(lexicon: Lexicon, features: Features) -> None:
    """Say what came of the lexicon in the training text, and warn if it was nothing."""
    left_out = ", ".join(f"{count:,} {reason}" for reason, count in lexicon.left_out.items() if count)
    without = f" ({left_out} left out)" if left_out else ""
    arcs = getattr(features, "arcs", None)  # words that a tagger cuts sentences into are none
    if not len(lexicon):
        warnings.warn(f"the lexicon has no word of two or more characters{without}", stacklevel=callers_level())
    elif arcs is None:
        message(f"a lexicon of {len(lexicon):,} words{without}")
    elif len(arcs):
        met = len(np.unique(arcs.word))
        message(f"{met:,} of the lexicon's {len(lexicon):,} words are in the training text{without}")
    else:
        warnings.warn(
            f"none of the lexicon's {len(lexicon):,} words is in the training text{without}",
            stacklevel=callers_level(),
        )


def fingerprint(settings: Mapping[str, object], config: TaggerConfig, task: TaggingTask) -> str:
    """A checksum of everything that decides what a run learns.

    Not of the weights that it begins with: the seed says them, but for last bits that are a machine's own.
    """
    parts: list[np.ndarray | bytes]
    parts = [json.dumps(task.tag_set.names).encode(), task.tags.tokens, *task.features.arrays()]
    if task.validation is not None:
        parts += [*task.validation[1].arrays(), repr(task.validation[2]).encode()]
    return runs.fingerprint(RECIPE, settings, config, parts)
