"""Which weights a run ends with: the mean of those at its last validations, and of such candidates the best.

Averaging is that of Vaswani et al. 2017, section 6.1.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn

from latticework.core.tensors import Stored, store_tensors


class Candidates:
    """The stored weights that may be the result of a run.

    Parameters
    ----------
    folder
        Where they are stored.
    average
        A candidate is the mean of the weights at this many last validations.
    keep
        Whether a checkpoint lists what is stored, and removes what the next one no longer lists.

    Attributes
    ----------
    snapshots
        Weights to average, oldest first; none if `average` is 1.
    best
        The candidate that validated best, if any was validated.
    """

    def __init__(self, folder: Path, *, average: int, keep: bool) -> None:
        self.folder, self.average, self.keep = folder, average, keep
        self.snapshots: dict[str, Stored] = {}
        self.best: Stored | None = None

    def add(self, step: int, weights: Mapping[str, Tensor]) -> None:
        """Store the weights at a validation, if they are to be averaged with others."""
        if self.average == 1:
            return
        name = f"snapshot-{step}"
        self.snapshots[name] = store_tensors(self.folder, name, weights)
        while len(self.snapshots) > self.average:
            oldest = self.snapshots.pop(next(iter(self.snapshots)))
            if not self.keep:
                oldest.path.unlink()

    def keep_best(self, weights: Mapping[str, Tensor]) -> None:
        """Store the candidate as the best so far."""
        before, self.best = self.best, store_tensors(self.folder, "best", weights)
        if not self.keep and before is not None and before.path != self.best.path:
            before.path.unlink()

    def latest(self, weights: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """The candidate now, where these are the weights."""
        return mean(list(self.snapshots.values())) if self.snapshots else weights

    def result(self, weights: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """The weights that a run which ends with these has for its result."""
        return self.latest(weights) if self.best is None else self.best.read()


@contextmanager
def holding(module: nn.Module, weights: Mapping[str, Tensor], device: torch.device, *, spare: bool) -> Iterator[None]:
    """Give a module these weights for a while, on a device and in evaluation mode.

    A module that is trained has its own again afterwards; a `spare` one, that only validates, goes back to the CPU: the
    device's memory is for training.
    """
    module.to(device)
    before = {} if spare else {name: tensor.clone() for name, tensor in module.state_dict().items()}
    module.load_state_dict(weights)
    module.eval()
    try:
        yield
    finally:
        if spare:
            module.cpu()
        else:
            module.load_state_dict(before)


def mean(weights: Sequence[Stored]) -> dict[str, Tensor]:
    """The arithmetic mean of stored weights, one set in memory at a time beside the sum."""
    total = {name: tensor.double() for name, tensor in weights[0].read().items()}
    for stored in weights[1:]:
        for name, tensor in stored.read().items():
            total[name] += tensor
    return {name: tensor / len(weights) for name, tensor in total.items()}
