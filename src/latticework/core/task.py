"""What the training loop is given: what to learn from what, and how."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch
from torch import nn

from latticework.core.movable import Movable

if TYPE_CHECKING:
    import numpy as np


class Task(Protocol):
    """What is learned from what. Everything here depends on its arguments and the task's own seed alone."""

    module: nn.Module
    """Called with the inputs of a batch, in training mode, it gives the loss summed over its terms."""

    validates: bool
    """Whether there is held-out data."""

    def batches(self, epoch: int) -> Sequence[np.ndarray]:
        """The batches of an epoch, each an array of the indices of its examples."""
        ...

    def terms(self, batch: np.ndarray) -> int:
        """How many terms (tokens, rows) the loss of these examples sums."""
        ...

    def inputs(self, batch: np.ndarray) -> tuple[Movable, ...]:
        """The tensors of these examples, or what holds them, on the CPU."""
        ...

    def validate(self) -> Mapping[str, float]:
        """Figures of the module as it is on held-out data; which of them decides, the plan says."""
        ...


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How to train. One of `max_epochs` and `max_steps` must end it; the first one reached does."""

    optimizer: Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]
    learning_rate: Callable[[int], float]  # of step 1, 2, ...
    max_epochs: int | None = None
    max_steps: int | None = None
    warmup_steps: int = 0  # in which the learning rate grows
    accumulate: int = 1  # batches to a step
    clip_norm: float | None = None
    validate_every: int | None = None  # steps; an epoch when None
    decides: str = "loss"  # the figure of validation by which candidates are chosen: the smallest is the best,
    larger_is_better: bool = False  # or the largest
    patience: int | None = None  # validations without a better one before stopping
    average: int = 1  # the candidate model is the mean of the weights at this many last validations
    log_every: int = 20  # steps
    terms: str = "terms"  # what the loss sums, in the plural
    checkpoint_seconds: float = 60.0  # between two of them, or if that is longer,
    checkpoint_pause: float = 20.0  # so many times what the last one took: no more than a twentieth of the time
    if_diverged: str = "lower the learning rate"  # what to do then, in the words of the capability's settings
    if_short: str = "train longer"  # and what if the warm-up is longer than training
