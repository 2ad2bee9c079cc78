"""What is done to tensors, seen from beside."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch.utils._python_dispatch import TorchDispatchMode

WAITS = {"_local_scalar_dense", "item", "nonzero", "is_nonzero"}  # a device is waited for
PRODUCTS = {"mm", "addmm", "bmm", "baddbmm", "mv", "addmv", "dot"}


class Watching(TorchDispatchMode):
    """Tells a function of every operation of this thread: its name and what it made."""

    def __init__(self, told: Callable[[str, object], object]) -> None:
        super().__init__()
        self.told = told

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        made = function(*args, **(kwargs or {}))
        self.told(function.overloadpacket.__name__, made)
        return made


@contextmanager
def products_in_full() -> Iterator[None]:
    """There are products of matrices, on the CPU, and each is asked for in full, which small ones are in any case."""
    asked = set()

    def note(name: str, made: object) -> None:
        if name in PRODUCTS:
            asked.add(torch.backends.mkldnn.matmul.fp32_precision)

    with Watching(note):
        yield
    assert asked == {"ieee"}


@contextmanager
def faster_products() -> Iterator[None]:
    """A user allows products of the CPU to be less than full."""
    torch.backends.mkldnn.matmul.fp32_precision = "bf16"
    try:
        yield
    finally:
        torch.backends.mkldnn.matmul.fp32_precision = "none"
