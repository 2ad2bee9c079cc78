"""The checkpoint of a training run: everything that is needed to go on as if it had never stopped."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from latticework.core.errors import InputError
from latticework.core.persistence import CONFIG, State, read_folder, write_folder
from latticework.core.tensors import Stored


@dataclass(frozen=True)
class Checkpoint:
    """A run between two steps."""

    position: dict[str, Any]
    module: Mapping[str, Tensor]
    optimizer: Mapping[str, Tensor]
    generators: Mapping[str, Tensor]  # state of the random numbers of each kind of device, a row a process
    snapshots: dict[str, Stored]
    best: Stored | None


def write(folder: Path, fingerprint: str, state: Checkpoint) -> None:
    """Replace the checkpoint in a folder; snapshots that lie there already are not written again."""
    tensors: dict[str, Mapping[str, Any]] = {
        "module": state.module,
        "optimizer": state.optimizer,
        "generators": state.generators,
        **state.snapshots,
    }
    if state.best is not None:
        tensors["best"] = state.best
    header = {"kind": "checkpoint", "fingerprint": fingerprint}
    write_folder(folder, header=header, state=State(values=state.position, tensors=tensors))


def read(folder: str | os.PathLike[str], fingerprint: str) -> Checkpoint | None:
    """The checkpoint of a run, or None where there is none yet.

    Raises
    ------
    InputError
        If it is of another run, damaged, or not a checkpoint.
    """
    folder = Path(folder)
    if not (folder / CONFIG).exists():
        return None
    header, state = read_folder(folder)
    if header.get("kind") != "checkpoint":
        raise InputError(f"{folder} holds a {header.get('kind', 'model')}, not the checkpoint of a training run")
    if header["fingerprint"] != fingerprint:
        raise InputError(
            f"{folder} holds an unfinished run with other data or settings: "
            "repeat its command to go on with it, start over with --restart (restart=True), or choose another folder"
        )
    groups = dict(state.tensors)
    own = {name: groups.pop(name) for name in ("module", "optimizer", "generators")}
    best = groups.pop("best", None)
    snapshots = {name: stored for name, stored in groups.items() if isinstance(stored, Stored)}
    return Checkpoint(
        position=state.values, snapshots=snapshots, best=best if isinstance(best, Stored) else None, **own
    )


def restore(state: Checkpoint, module: nn.Module, optimizer: torch.optim.Optimizer, rank: int) -> None:
    """Put weights, optimiser and random numbers of this process back.

    Raises
    ------
    InputError
        If the run had more or fewer processes, or another kind of device.
    """
    module.load_state_dict(state.module)
    entries: dict[int, dict[str, Tensor]] = {}
    for name, tensor in state.optimizer.items():
        index, _, entry = name.partition(".")
        entries.setdefault(int(index), {})[entry] = tensor
    optimizer.load_state_dict({"state": entries, "param_groups": optimizer.state_dict()["param_groups"]})
    processes = torch.distributed.get_world_size() if torch.distributed.is_initialized() else 1
    if len(state.generators["cpu"]) != processes:
        raise InputError(f"the run had {len(state.generators['cpu'])} processes, this one has {processes}")
    torch.set_rng_state(state.generators["cpu"][rank])
    if "cuda" in state.generators and torch.cuda.is_available():
        torch.cuda.set_rng_state(state.generators["cuda"][rank])


def flatten(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The state of an optimiser as named tensors."""
    state = optimizer.state_dict()["state"]
    return {f"{index}.{name}": tensor for index, entries in state.items() for name, tensor in entries.items()}


def discard(folder: str | os.PathLike[str]) -> None:
    """Remove a checkpoint that is no longer needed; other files of the folder stay."""
    if (Path(folder) / CONFIG).exists():
        write_folder(folder, header={"kind": "checkpoint", "fingerprint": ""}, state=State())
        (Path(folder) / CONFIG).unlink()
