"""Which device, precision and threads a computation runs on: nothing else in the library knows."""

from __future__ import annotations

import atexit
import logging
import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Final

from latticework.core.checks import one_of
from latticework.core.errors import InputError
from latticework.core.processes import distributed, leave, world
from latticework.core.words import shortened

if TYPE_CHECKING:
    import torch
    from lightning_fabric import Fabric
    from lightning_fabric.plugins import DoublePrecision

PRECISIONS: Final = {"64": "64-true", "32": "32-true", "bf16": "bf16-mixed"}  # ours and Fabric's


def resolve_device(device: str) -> torch.device:
    """The torch device of a name; "auto" takes the accelerator if there is one, and "cuda" the current card.

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
        return best_device()
    try:
        resolved = torch.device(device)
    except (RuntimeError, TypeError) as error:
        expected = "auto, cpu, cuda, cuda:1 or mps"
        raise InputError(f"device={shortened(device)} is not a device: expected {expected}") from error
    if resolved.type == "cpu":
        return torch.device("cpu")
    available = torch.accelerator.is_available() and torch.accelerator.current_accelerator()
    if not available or available.type != resolved.type or (resolved.index or 0) >= torch.accelerator.device_count():
        raise InputError(f"device={shortened(device)} is not on this machine; expected auto or cpu")
    return _numbered(resolved)


def best_device() -> torch.device:
    """What "auto" takes: the accelerator of this machine if there is one, else the CPU."""
    import torch

    accelerator = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    return _numbered(accelerator or torch.device("cpu"))


def _numbered(device: torch.device) -> torch.device:
    """A card with its number: without one it is whichever is the current one when it is used."""
    import torch

    if device == torch.device("cuda"):
        return torch.device("cuda", torch.accelerator.current_device_index())
    return device


def check_device(device: str) -> str:
    """Give back the name of a device that `resolve_device` finds; for "auto" and "cpu", always there, without torch.

    Raises
    ------
    InputError
        As `resolve_device`.

    Examples
    --------
    >>> check_device("cpu")
    'cpu'
    """
    if device not in ("auto", "cpu"):
        resolve_device(device)
    return device


def resolve_precision(precision: str, device: torch.device) -> str:
    """One of the names in `PRECISIONS`; "auto" is "bf16" where the hardware multiplies bfloat16, and "32" elsewhere.

    Raises
    ------
    InputError
        If there is no such precision, or the device does not have it.

    Examples
    --------
    >>> resolve_precision("32", resolve_device("cpu"))
    '32'
    """
    import torch

    one_of("precision", precision, ("auto", *PRECISIONS))
    if precision == "auto":
        if device.type == "cuda":
            return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "32"
        capabilities = torch.cpu.get_capabilities() if device.type == "cpu" else {}
        return "bf16" if capabilities.get("avx512_bf16") or capabilities.get("amx_bf16") else "32"
    if precision == "64" and device.type == "mps":
        raise InputError("precision='64': device='mps' has no such numbers; expected auto, 32 or bf16")
    return precision


@contextmanager
def computing(device: torch.device, precision: str) -> Iterator[None]:
    """Run what is inside in a resolved precision: bfloat16 under autocast."""
    import torch

    with threads(), torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
        yield


@contextmanager
def evaluating(module: torch.nn.Module, device: str, precision: str) -> Iterator[torch.device]:
    """Evaluate a module on the device of that name, where it then stays; on a CPU never in bfloat16."""
    import torch

    resolved = resolve_device(device)
    chosen = "32" if resolved.type == "cpu" else resolve_precision(precision, resolved)
    if next(module.parameters()).device != resolved:
        module.to(resolved)
    if any(part.training for part in module.modules()):
        module.eval()
    with torch.inference_mode(), computing(resolved, chosen):
        yield resolved


def current(device: str) -> AbstractContextManager[object]:
    """Let the card of that name be the current one meanwhile; a process of `torchrun` has one for good."""
    import torch

    if world() > 1:
        return nullcontext()
    return torch.accelerator.device_index(resolve_device(device).index)


@contextmanager
def threads() -> Iterator[None]:
    """As many threads as torch uses; under `torchrun`, the share of one process."""
    import torch

    before, local = torch.get_num_threads(), int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    # To several processes on a machine torchrun gives one thread each where the user asked for no number.
    if local > 1 and os.environ.get("OMP_NUM_THREADS") in (None, "1"):
        usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        torch.set_num_threads(max(1, usable // local))
    try:
        yield
    finally:
        torch.set_num_threads(before)


def make_fabric(device: str, precision: str, *, shard: Callable[..., Any] | None = None) -> Fabric:
    """Lightning Fabric for this process: one device, or its share of the processes that `torchrun` started.

    Each of those has all of a module, or with `shard`, which is called with a module and a mesh, what that leaves it.
    """
    from lightning_fabric import Fabric
    from lightning_fabric.plugins.environments.lightning import LightningEnvironment
    from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment

    resolved = resolve_device(device)
    name = PRECISIONS[resolve_precision(precision, resolved)]
    count, local = world(), int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    accelerator = resolved.type
    devices: int | list[int] = local if count > 1 or accelerator == "cpu" else [resolved.index or 0]
    joined = distributed()
    strategy: Any = "auto"
    if count > 1 and shard is not None:
        from lightning_fabric.strategies.model_parallel import ModelParallelStrategy

        strategy = ModelParallelStrategy(shard, data_parallel_size=count, tensor_parallel_size=1)
    elif count > 1:
        from lightning_fabric.strategies.ddp import DDPStrategy

        strategy = DDPStrategy(forward_sync_buffers=False)  # no buffer changes while a module trains
    # Named, lest Fabric take variables that Slurm or MPI set in this shell for other processes of this run.
    plugins: list[Any] = [TorchElasticEnvironment() if count > 1 else LightningEnvironment()]
    if name == "64-true":
        plugins.append(_double())
    with _unremarked():
        fabric = Fabric(
            accelerator=accelerator,
            devices=devices,
            num_nodes=max(1, count // local),
            strategy=strategy,
            precision=None if name == "64-true" else name,  # type: ignore[arg-type]  # one of PRECISIONS
            plugins=plugins,
        )
        fabric.launch()
    if distributed() and not joined:
        atexit.register(leave)  # not sooner: a process may train many models, and cannot join twice
    return fabric


def _double() -> DoublePrecision:
    from lightning_fabric.plugins import DoublePrecision

    class Double(DoublePrecision):
        def convert_output(self, data: Any) -> Any:
            return data  # Fabric's own rounds the loss to float32, and with it every gradient

    return Double()


@contextmanager
def _unremarked() -> Iterator[None]:
    """Keep what Fabric says of itself from stderr, which is the user's."""
    logger = logging.getLogger("lightning_fabric")
    level = logger.level
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="lightning_fabric")
        logger.setLevel(logging.WARNING)
        try:
            yield
        finally:
            logger.setLevel(level)


@contextmanager
def fork_random(device: torch.device, seed: int) -> Iterator[None]:
    """Seed the random numbers that a computation on a device draws; afterwards they are as before."""
    import torch

    devices = [] if device.type == "cpu" else [device]
    with torch.random.fork_rng(devices, device_type=device.type):
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would seed every other device too
        if devices:
            torch.get_device_module(device).manual_seed(seed)
        yield


def random_states(device: torch.device) -> dict[str, torch.Tensor]:
    """The state of the random numbers of each kind of device that a computation on this one draws from."""
    import torch

    states = {"cpu": torch.get_rng_state()}
    if device.type != "cpu":
        states[device.type] = torch.get_device_module(device).get_rng_state(device)
    return states


def restore_random(device: torch.device, states: Mapping[str, torch.Tensor]) -> None:
    """Put states that `random_states` gave back."""
    import torch

    torch.set_rng_state(states["cpu"].clone())  # torch crashes on a view into a larger tensor
    if device.type != "cpu":
        torch.get_device_module(device).set_rng_state(states[device.type].clone(), device)
