"""Products of matrices in the precision that their tensors have, whatever is allowed elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from threading import RLock
from typing import Any, Final

import torch

from latticework.nn.linear import without_autocast

_FULL: Final = ("none", "ieee")  # as torch names them: nobody asked for less, or somebody for all
_LOCK: Final = RLock()


@contextmanager
def full_precision(device: torch.device) -> Iterator[None]:
    """No TF32 and no half precision, which err more than a bound on rounding errors says.

    What a user allows holds for the whole process, so that where it is less than all, threads wait for each other here.
    What is allowed for products alone, and is what is allowed for all operations too, is taken to follow the latter.

    Examples
    --------
    >>> with full_precision(torch.device("cpu")), torch.no_grad():
    ...     torch.eye(2) @ torch.ones(2)
    tensor([1., 1.])
    """
    cpu = device.type == "cpu"
    every: Any = torch.backends.mkldnn if cpu else torch.backends.cudnn  # of all operations
    matmul: Any = (torch.backends.mkldnn if cpu else torch.backends.cuda).matmul
    with without_autocast(device.type), ExitStack() as held:
        held.enter_context(_LOCK)
        allowed = matmul.fp32_precision
        if allowed in _FULL:
            held.close()
        else:
            inherited = allowed == every.fp32_precision  # then it is to follow what is asked for there later
            matmul.fp32_precision = "ieee"
            held.callback(setattr, matmul, "fp32_precision", "none" if inherited else allowed)
        yield
