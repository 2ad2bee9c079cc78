"""Adam for tables of which a batch touches few rows: the cost of a step is that of the rows, not of the table.

Kingma & Ba 2015, algorithm 1, for parameters with dense gradients. Of a parameter with a sparse gradient only the rows
in it are moved, and only their moments updated, as in PyTorch's `SparseAdam`.

Differs from the paper: Adam itself goes on moving every row by its momentum, long after a batch touched it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from latticework.core.sharding import first_row, local


class RowAdam(torch.optim.Optimizer):
    """Adam whose tables move only where a batch touches them.

    Parameters
    ----------
    params
        Parameters whose gradients are dense, or sparse in rows; each keeps to one of the two. Processes may share them
        by `core.sharding`: each then moves what it owns.
    lr, betas, eps
        As in the paper.

    Examples
    --------
    >>> table = torch.nn.Parameter(torch.zeros(3, 2))
    >>> optimiser = RowAdam([table], lr=0.1)
    >>> torch.nn.functional.embedding(torch.tensor([1]), table, sparse=True).sum().backward()
    >>> optimiser.step()
    >>> table.tolist()
    [[0.0, 0.0], [-0.1, -0.1], [0.0, 0.0]]
    """

    def __init__(
        self,
        params: Iterable[Any],
        *,
        lr: float,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Move every parameter that has a gradient; return what `closure`, if given, returns."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._move(parameter, parameter.grad, group)
        return loss

    def _move(self, parameter: Tensor, grad: Tensor, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        if not state:
            state["step"] = torch.zeros((), dtype=torch.int64)
            state["first"], state["second"] = torch.zeros_like(parameter), torch.zeros_like(parameter)
        state["step"] += 1
        lr, (beta1, beta2), eps = group["lr"], group["betas"], group["eps"]
        step = int(state["step"])
        root = math.sqrt(1 - beta2**step)
        scale = -lr * root / (1 - beta1**step)
        own, firsts, seconds = local(parameter), local(state["first"]), local(state["second"])
        if not grad.is_sparse:
            values = local(grad)
            firsts.lerp_(values, 1 - beta1)
            seconds.mul_(beta2).addcmul_(values, values, value=1 - beta2)
            own.addcdiv_(firsts, seconds.sqrt().add_(eps * root), value=scale)
            return
        grad = grad.coalesce()
        rows, values = grad.indices()[0] - first_row(parameter), grad.values()
        first = firsts.index_select(0, rows).lerp_(values, 1 - beta1)
        firsts.index_copy_(0, rows, first)
        second = seconds.index_select(0, rows).mul_(beta2).addcmul_(values, values, value=1 - beta2)
        seconds.index_copy_(0, rows, second)
        own.index_add_(0, rows, first.div_(second.sqrt_().add_(eps * root)), alpha=scale)


def keep_freed_memory() -> None:
    """Let the C library of Linux keep what a training step frees for the next one, instead of giving it back each time.

    It keeps blocks up to the size of the largest that was ever freed (at most 32 MiB), and some twice as much in all.
    On other systems, or with other allocators, this does nothing of use, nor harm.
    """
    torch.zeros(31 << 20, dtype=torch.uint8)
