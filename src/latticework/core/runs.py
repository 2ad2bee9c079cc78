"""Training that ends in a saved model: the same call, made again after a crash, goes on; after the end it is done."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np
from filelock import FileLock, Timeout

from latticework.core import checkpoint, training
from latticework.core.errors import InputError
from latticework.core.estimator import Estimator, header_of, read_saved
from latticework.core.folders import check_empty, check_writable
from latticework.core.hardware import make_fabric, resolve_device
from latticework.core.loggers import Logger, Row, make_loggers
from latticework.core.persistence import REPLACE, RESTART, TRAINING, UNFINISHED, State, check_replaceable, has_config
from latticework.core.processes import check_agreed, rank, wait_for_others, world
from latticework.core.progress import message
from latticework.core.seeds import seed_from
from latticework.core.sharding import Part
from latticework.core.task import Plan, Task
from latticework.core.temporaries import remove_mark
from latticework.core.words import cut, shortened

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

LOCK: Final = "lock"  # in there while a run lasts
_UNFINISHED: Final = re.compile(f"{TRAINING}|{UNFINISHED.pattern}")


@dataclass(frozen=True)
class Run:
    """A call of `fit` that trains, and saves the model if it was given a folder.

    `fit` begins a run, reads its data, knows by then the `fingerprint` of data and settings, and lets `once` call what
    learns, in which `train` is the training.

    Attributes
    ----------
    seed : int
        Of all that is random in it.
    device : str
        As in `core.hardware`.
    folder : path, optional
        Where the model goes.
    restart : bool
        Whether to start over.
    loggers : list of Logger
        Receive what is logged, beside `log.csv`.
    """

    seed: int
    device: str
    folder: Path | None
    restart: bool
    loggers: list[Logger]

    @classmethod
    def begin(
        cls,
        estimator: Estimator,
        folder: str | os.PathLike[str] | None,
        *,
        restart: bool = False,
        loggers: Sequence[str] = (),
    ) -> Self:
        """Find out before long work whether `fit` can run as it is told to.

        Parameters
        ----------
        estimator
            Whose `fit` it is; on the CPU if it has no parameter `device`.
        folder, restart, loggers
            What the user gave `fit`: where the model goes, whether to start over, and the names of `core.loggers`.

        Raises
        ------
        InputError
            If what was given does not go together, there is no such device, or the folder cannot be used, or cannot
            hold the estimator.
        MissingExtraError
            If the library of a logger is not installed.
        """
        parameters = estimator.get_params(deep=False)
        random_state, device = parameters["random_state"], parameters.get("device", "cpu")
        resolve_device(device)
        if world() > 1 and not isinstance(random_state, Integral):
            raise InputError("under torchrun random_state must be an int, so that all processes share one seed")
        if folder is None:
            if restart or loggers:
                raise InputError("restart and loggers need a folder")
            return cls(seed_from(random_state), device, None, restart, [])
        if not isinstance(folder, str | os.PathLike):
            raise InputError(f"folder={shortened(folder)}: expected the name of a folder")
        if random_state is None:
            raise InputError("a run that saves to a folder needs random_state: only a repeatable one can be resumed")
        told = make_loggers(loggers, Path(folder, TRAINING))
        check_folder(folder, restart=restart)
        seed = seed_from(random_state)
        header_of(estimator)  # which refuses what a folder cannot hold
        return cls(seed, device, Path(folder), restart, told)

    @property
    def training(self) -> Path | None:
        """Where the training keeps its checkpoint."""
        return None if self.folder is None else self.folder / TRAINING

    def train(
        self, task: Task, plan: Plan, *, precision: str, fingerprint: str, shards: Sequence[Part] | None = None
    ) -> list[Row]:
        """Train as `core.training.train` does, with what the run knows already."""
        return training.train(
            task,
            plan,
            seed=self.seed,
            device=self.device,
            precision=precision,
            folder=self.training,
            fingerprint=fingerprint,
            restart=self.restart,
            loggers=self.loggers,
            shards=shards,
        )

    def once(self, estimator: Estimator, fingerprint: str, learn: Callable[[], None]) -> None:
        """Let an estimator learn and save it, or give it what the finished model of this very run has learned.

        Parameters
        ----------
        estimator
            Has learned everything once `learn` returns.
        fingerprint
            Says which data and settings the run has; the model's state holds it under "fingerprint".
        learn
            Trains the estimator; not called where the folder holds the finished model.

        Raises
        ------
        InputError
            As `alone` and `finished`.
        """
        with alone(self.folder):
            model = self.folder and finished(self.folder, fingerprint, restart=self.restart, device=self.device)
            if isinstance(model, type(estimator)):
                message(f"{self.folder} holds the finished model of this run already: {RESTART} trains it anew")
                estimator.__dict__.update({name: value for name, value in vars(model).items() if name.endswith("_")})
                return
            learn()
            if self.folder is not None:
                conclude(estimator, self.folder)


def fingerprint(
    recipe: int, settings: Mapping[str, object], config: DataclassInstance, parts: Iterable[np.ndarray | bytes]
) -> str:
    """A checksum of everything that decides what a run learns.

    Parameters
    ----------
    recipe
        Raised when how a model begins or what a step does changes.
    settings, config
        Plain values, in whatever order.
    parts
        The data, one after the other.
    """
    about = json.dumps([recipe, dict(settings), asdict(config)], sort_keys=True)
    digest = hashlib.sha256(about.encode())
    for part in parts:
        digest.update(part if isinstance(part, bytes) else np.ascontiguousarray(part).data)  # the bytes where they lie
    return digest.hexdigest()


def check_folder(folder: str | os.PathLike[str], *, restart: bool = False) -> None:
    """Find out before long work whether a run can use a folder; whose model it holds, `finished` looks at later.

    Raises
    ------
    InputError
        If the folder holds anything but a model or an unfinished run, or cannot be written and does not hold a model.
    """
    check_replaceable(folder)
    there = has_config(folder)
    if not there:
        check_empty(folder, besides=_UNFINISHED)
    if restart or not there:
        for place in (Path(folder), Path(folder, TRAINING)):
            check_writable(place)


@contextmanager
def alone(folder: str | os.PathLike[str] | None) -> Iterator[None]:
    """Keep other runs out of a folder meanwhile: they would remove each other's files. A crash lets go of it.

    Where nothing can be locked, as in a folder that may only be read, this does nothing; of the processes of `torchrun`
    the first keeps it for all.

    Raises
    ------
    InputError
        If another run is using the folder.
    """
    if folder is None or rank() > 0:
        yield
        return
    place = Path(folder, TRAINING)
    made = [path for path in (place, place.parent) if not os.path.lexists(path)]
    lock = FileLock(place / LOCK, timeout=0)
    try:
        with suppress(OSError):
            place.mkdir(parents=True, exist_ok=True)
            _acquire(lock, folder)
        yield
    finally:
        if lock.is_locked:
            with suppress(OSError):  # Windows removes it when it is released
                (place / LOCK).unlink()  # while it is held: who has opened it sees, once it locks it, that it is gone
            lock.release()
        for path in made:
            with suppress(OSError):  # it is not empty, as a rule
                path.rmdir()


def _acquire(lock: FileLock, folder: str | os.PathLike[str]) -> None:
    try:
        lock.acquire()
    except Timeout as error:
        raise InputError(f"another run is using {folder}: wait for it to end, or choose another folder") from error


def finished(
    folder: str | os.PathLike[str], fingerprint: str, *, restart: bool = False, device: str = "auto"
) -> Estimator | None:
    """The model in a folder if this very run made it, or None where there is no model or it is to be replaced.

    Parameters
    ----------
    folder
        Where the run saves its model; under `torchrun` all processes must see the same one.
    fingerprint
        Says which data and settings the run has; the model's state holds it under "fingerprint".
    restart
        Whether the run starts over; a model that the folder holds stays until the new one replaces it.
    device
        As in `core.hardware`: the model's, and what the processes of `torchrun` compare with what they have found.

    Raises
    ------
    InputError
        If the folder holds any other model, which would be lost, or something else that is not ours to replace, or if
        not all processes find the model in it.
    """
    folder = Path(folder)
    check_replaceable(folder)
    model = None if restart or not has_config(folder) else _load_own(folder, fingerprint, device)
    if world() > 1:
        # A process that finds no model would train, and wait for ever for the others.
        check_agreed(model is None, folder, make_fabric(device, "auto").device)
    if model is not None and rank() == 0:
        remove_mark(folder)
        _tidy(folder / TRAINING, fingerprint)
    return model


def _load_own(folder: Path, fingerprint: str, device: str) -> Estimator:
    def of_this_run(header: dict[str, Any], state: State) -> None:
        if state.values.get("fingerprint") != fingerprint:
            name = cut(str(header.get("class", "folder of something else")), 60)
            raise InputError(f"{folder} holds a {name} of other data or settings: {REPLACE}")

    model: Estimator = read_saved(folder, device=device, check=of_this_run).estimator
    return model


def _tidy(folder: Path, fingerprint: str) -> None:
    """Drop the checkpoint that a crash just before `conclude` did it has left; any other may be of days of training."""
    over = checkpoint.finished(folder, fingerprint)
    if over:
        checkpoint.discard(folder)
    elif over is not None:
        message(
            f"{folder} holds a run that has not ended, too: "
            f"repeat its command, with {RESTART}, to go on with it, or remove that folder"
        )


def conclude(estimator: Estimator, folder: str | os.PathLike[str]) -> None:
    """Save what a run has learned, then drop its checkpoint; under `torchrun` one process does it and all wait."""
    estimator.save(folder)
    if rank() == 0:
        checkpoint.discard(Path(folder, TRAINING))
    wait_for_others()
