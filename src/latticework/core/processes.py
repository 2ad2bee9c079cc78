"""Processes that work together, as `torchrun` starts them: which this one is, and what all of them agree on."""

from __future__ import annotations

import hashlib
import os
import sys
from typing import TYPE_CHECKING

from latticework.core.errors import InputError

if TYPE_CHECKING:
    import torch


def world() -> int:
    """How many processes `torchrun` started, known before they work together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def rank() -> int:
    """The number of this process among those; of a single one 0, whatever else may be called RANK."""
    return int(os.environ.get("RANK", "0")) if world() > 1 else 0


def distributed() -> bool:
    """Whether this process works together with others."""
    torch = sys.modules.get("torch")  # who has not imported it has no others, and need not wait for it
    return bool(torch and torch.distributed.is_available() and torch.distributed.is_initialized())


def is_first() -> bool:
    """Whether this is the process that writes for all that `torchrun` started, or that work together."""
    return (sys.modules["torch"].distributed.get_rank() if distributed() else rank()) == 0


def process_count() -> int:
    """How many processes work together."""
    import torch

    return torch.distributed.get_world_size() if distributed() else 1


def gather(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor that each process has, one after the other along a new first axis; all of one shape."""
    import torch

    if not distributed():
        return tensor[None]
    found = [torch.empty_like(tensor) for _ in range(process_count())]
    torch.distributed.all_gather(found, tensor)
    return torch.stack(found)


def check_agreed(found: object, folder: str | os.PathLike[str], device: torch.device) -> None:
    """Go on when all processes have come this far, if all have found the same, a plain value, in the folder of a run.

    Raises
    ------
    InputError
        In every process, if they have not.
    """
    import torch

    digest = hashlib.sha256(repr(found).encode()).digest()
    digests = gather(torch.tensor(list(digest), dtype=torch.uint8, device=device))
    if not (digests == digests[0]).all():
        raise InputError(
            f"the processes of torchrun do not find the same run in {folder}: "
            "give a folder that all of them share, and all of them the same data, settings and precision"
        )


def wait_for_others() -> None:
    """Go on when all processes have come this far."""
    if distributed():
        sys.modules["torch"].distributed.barrier()


def leave() -> None:
    """Work with others no more."""
    import torch

    if distributed():
        torch.distributed.destroy_process_group()
