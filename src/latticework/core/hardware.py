"""Which device, precision and threads a computation runs on: nothing else in the library knows."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from latticework.core.errors import InputError

if TYPE_CHECKING:
    import torch
    from lightning_fabric import Fabric

PRECISIONS: Final = {"64": "64-true", "32": "32-true", "bf16": "bf16-mixed"}  # ours and Fabric's


def resolve_device(device: str) -> torch.device:
    """The torch device of a name; "auto" takes the accelerator if there is one.

    Raises
    ------
    InputError
        If torch knows no such device, or this machine has none.

    Examples
    --------
    >>> resolve_device("cpu").type
    'cpu'
    """
    import torch

    if device == "auto":
        accelerator = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
        return accelerator or torch.device("cpu")
    try:
        resolved = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise InputError(f"device={device!r} is not a device: expected auto, cpu, cuda, cuda:1 or mps") from error
    if resolved.type == "cpu":
        return torch.device("cpu")
    available = torch.accelerator.is_available() and torch.accelerator.current_accelerator()
    if not available or available.type != resolved.type or (resolved.index or 0) >= torch.accelerator.device_count():
        raise InputError(f"device={device!r} is not on this machine; expected auto or cpu")
    return resolved


def resolve_precision(precision: str, device: torch.device) -> str:
    """One of the names in `PRECISIONS`; "auto" is "bf16" where the hardware multiplies bfloat16, and "32" elsewhere.

    Raises
    ------
    InputError
        If there is no such precision.

    Examples
    --------
    >>> resolve_precision("32", resolve_device("cpu"))
    '32'
    """
    import torch

    if precision == "auto":
        if device.type == "cuda":
            return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "32"
        capabilities = torch.cpu.get_capabilities() if device.type == "cpu" else {}
        return "bf16" if capabilities.get("avx512_bf16") or capabilities.get("amx_bf16") else "32"
    if precision not in PRECISIONS:
        raise InputError(f"precision={precision!r}: expected auto, {', '.join(PRECISIONS)}")
    return precision


@contextmanager
def computing(device: torch.device, precision: str) -> Iterator[None]:
    """Run what is inside in a resolved precision: bfloat16 under autocast."""
    import torch

    with threads(), torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
        yield


@contextmanager
def threads() -> Iterator[None]:
    """Use the processors this process may use, shared with the other processes of the same `torchrun`."""
    import torch

    before = torch.get_num_threads()
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, len(os.sched_getaffinity(0)) // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))))
    try:
        yield
    finally:
        torch.set_num_threads(before)


def make_fabric(device: str, precision: str) -> Fabric:
    """Lightning Fabric for this process: one device, or its share of the processes that `torchrun` started."""
    from lightning_fabric import Fabric

    resolved = resolve_device(device)
    name = PRECISIONS[resolve_precision(precision, resolved)]
    world = int(os.environ.get("WORLD_SIZE", "1"))
    local = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    accelerator = resolved.type
    devices: int | list[int] = local if world > 1 or accelerator == "cpu" else [resolved.index or 0]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="lightning_fabric")
        fabric = Fabric(
            accelerator=accelerator,
            devices=devices,
            num_nodes=max(1, world // local),
            strategy="ddp" if world > 1 else "auto",
            precision=name,  # type: ignore[arg-type]  # one of PRECISIONS
        )
        fabric.launch()
    return fabric
