"""The checkpoint of a training run: everything that is needed to go on as if it had never stopped."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from latticework.core.errors import InputError
from latticework.core.hardware import random_states, restore_random
from latticework.core.loggers import HISTORY, history_of
from latticework.core.persistence import (
    CONFIG,
    RESTART,
    State,
    check_replaceable,
    has_config,
    read_folder,
    write_folder,
)
from latticework.core.processes import process_count
from latticework.core.sharding import share
from latticework.core.tensors import Stored, digest
from latticework.core.values import to_json
from latticework.core.words import cut, shortened

CHECKPOINT: Final = "checkpoint"
DISCARDED: Final = "discarded checkpoint"  # what a crash while it is removed may leave
_OVER: Final = f"start over with {RESTART}"
_REMEDY: Final = f"repeat its command to go on with it, or {_OVER}"
_ELSEWHERE: Final = f"repeat its command on a machine like its own, or {_OVER}"


@dataclass
class Position:
    """Where a run is: everything about it that is a plain value."""

    epoch: int = 0
    step_in_epoch: int = 0
    step: int = 0
    seconds: float = 0.0
    best_loss: float = math.inf  # the figure that decides, or its negative if larger is better
    best_step: int = 0
    best_epoch: int = 0  # in which it was, counted from 1
    stale: int = 0
    validated_at: int = -1
    finished: bool = False

    @property
    def begun(self) -> int:
        """How many epochs have begun."""
        return self.epoch + (self.step_in_epoch > 0)


@dataclass(frozen=True)
class Checkpoint:
    """A run between two steps."""

    position: Position
    history: list[dict[str, float]]
    module: Mapping[str, Tensor]
    optimizer: Mapping[str, Tensor]
    generators: Mapping[str, Tensor]  # state of the random numbers of each kind of device, a row a process
    snapshots: dict[str, Stored]
    best: Stored | None
    precision: str  # as `core.hardware.resolve_precision` gives it
    restarted: bool = False  # whether the call that wrote it was told to start over


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
    header = {
        "kind": CHECKPOINT,
        "fingerprint": fingerprint,
        "precision": state.precision,
        "restarted": state.restarted,
    }
    files = {HISTORY: to_json(state.history, "history")}
    write_folder(folder, header=header, state=State(values=asdict(state.position), tensors=tensors, files=files))


def read(
    folder: str | os.PathLike[str], fingerprint: str, device: torch.device, precision: str | None = None
) -> Checkpoint | None:
    """The checkpoint of a run, or None where there is none yet; in whichever precision if none is named.

    Raises
    ------
    InputError
        If it is of another run, damaged, or not a checkpoint, or if the run had more or fewer processes, another kind
        of device or another precision.
    """
    folder = Path(folder)
    if not has_config(folder):
        return None
    header, state = read_folder(folder)
    if header.get("kind") == DISCARDED:
        return None
    if header.get("kind") != CHECKPOINT:
        kind = cut(str(header.get("kind", "model")), 60)
        raise InputError(f"{folder} holds a {kind}, not the checkpoint of a training run")
    with damage_told(folder):
        return _read(folder, header, state, fingerprint, device, precision)


@contextmanager
def damage_told(folder: Path) -> Iterator[None]:
    """Make an `InputError` of whatever comes of a checkpoint that is not as it was written.

    Raises
    ------
    InputError
        In the place of other errors.
    """
    try:
        yield
    except InputError:
        raise
    except (LookupError, ArithmeticError, TypeError, ValueError, AttributeError, RuntimeError, MemoryError) as error:
        raise InputError(f"{folder} holds a damaged checkpoint ({shortened(error, most=200)}): {_OVER}") from error


def _read(
    folder: Path, header: dict[str, Any], state: State, fingerprint: str, device: torch.device, precision: str | None
) -> Checkpoint:
    if header["fingerprint"] != fingerprint:
        raise InputError(
            f"{folder} holds an unfinished run with other data or settings: {_REMEDY}, or choose another folder"
        )
    groups = dict(state.tensors)
    _check_hardware(folder, groups["generators"], header["precision"], device, precision)
    own = {name: dict(groups.pop(name)) for name in ("module", "optimizer", "generators")}
    best = groups.pop("best", None)
    snapshots = {name: stored for name, stored in groups.items() if isinstance(stored, Stored)}
    return Checkpoint(
        position=_position(state.values),
        history=history_of(state.files[HISTORY]),
        snapshots=snapshots,
        best=best if isinstance(best, Stored) else None,
        precision=header["precision"],
        restarted=header["restarted"],
        **own,
    )


def _position(values: dict[str, Any]) -> Position:
    for name, value in asdict(position := Position(**values)).items():
        kind = type(getattr(Position, name))
        if type(value) is not kind and not (kind is float and type(value) is int):
            raise ValueError(f"its {name} is {value!r:.60}")
    return position


def read_restarted(
    folder: str | os.PathLike[str], fingerprint: str, device: torch.device, precision: str | None = None
) -> Checkpoint | None:
    """The checkpoint of a run that was told to start over and has done so; None for all that it is to replace."""
    try:
        found = read(folder, fingerprint, device, precision)
    except InputError:
        return None
    return found if found is not None and found.restarted else None


def _check_hardware(
    folder: Path, generators: Mapping[str, Tensor], of_run: str, device: torch.device, precision: str | None
) -> None:
    had, has = len(generators["cpu"]), process_count()
    if had != has:
        raise InputError(f"{folder} holds an unfinished run of {had} processes, this one has {has}: {_REMEDY}")
    if generators.keys() != random_states(device).keys():
        kind = (generators.keys() - {"cpu"} or {"cpu"}).pop()
        raise InputError(f"{folder} holds an unfinished run on {kind}, this one is on {device.type}: {_ELSEWHERE}")
    if precision is not None and of_run != precision:
        told = f"an unfinished run in precision {shortened(of_run)}, this one is in {precision!r}"
        raise InputError(f"{folder} holds {told}: {_ELSEWHERE}")


def restore(
    state: Checkpoint, module: nn.Module, optimizer: torch.optim.Optimizer, device: torch.device, rank: int
) -> None:
    """Put weights, optimiser and random numbers of this process back."""
    own = module.state_dict()
    module.load_state_dict({name: share(tensor, own[name]) for name, tensor in state.module.items()})
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    entries: dict[int, dict[str, Tensor]] = {}
    for name, tensor in state.optimizer.items():
        index, _, entry = name.partition(".")
        entries.setdefault(int(index), {})[entry] = share(tensor, parameters[int(index)])
    optimizer.load_state_dict({"state": entries, "param_groups": optimizer.state_dict()["param_groups"]})
    restore_random(device, {kind: states[rank] for kind, states in state.generators.items()})


def flatten(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The state of an optimiser as named tensors."""
    state = optimizer.state_dict()["state"]
    return {f"{index}.{name}": tensor for index, entries in state.items() for name, tensor in entries.items()}


def discard(folder: str | os.PathLike[str]) -> None:
    """Remove a checkpoint that is no longer needed; other files of the folder stay."""
    config = Path(folder) / CONFIG
    if not has_config(folder):
        return
    try:
        check_replaceable(folder)
    except InputError:
        if not _is_ours(config):
            raise
        config.unlink()
    write_folder(folder, header={"kind": DISCARDED}, state=State())
    config.unlink()


def _is_ours(config: Path) -> bool:
    """Whether a damaged `config.json` was a checkpoint's: its optimiser still lies beside it."""
    found = config.parent.glob("optimizer-*.safetensors")
    return any(path.stem == f"optimizer-{digest(path)[:16]}" for path in found if path.is_file())


def finished(folder: str | os.PathLike[str], fingerprint: str) -> bool | None:
    """Whether the checkpoint in a folder is the end of this very run, or None where there is no checkpoint."""
    if not has_config(folder):
        return None
    try:
        header, state = read_folder(folder)
    except InputError:
        return False
    if header.get("kind") == DISCARDED:
        return True
    return header.get("fingerprint") == fingerprint and state.values.get("finished") is True
