"""Where a run writes its figures: a CSV file always, TensorBoard or Weights & Biases where asked for."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from latticework.core.checks import one_of
from latticework.core.delimited import csv_line
from latticework.core.errors import InputError, require
from latticework.core.files import write_atomically
from latticework.core.folders import make_folder
from latticework.core.persistence import CONFIG
from latticework.core.temporaries import write_errors_of
from latticework.core.values import from_json, to_json
from latticework.core.words import shortened

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

Row = dict[str, float]
HISTORY: Final = "history.json"  # a file: in a long run it is too large for a plain value
TIMINGS: Final = ("seconds", "terms_per_second")  # of a row; the rest is the same whenever a run is repeated


class Logger(Protocol):
    """Receives a row of figures at a time, each with its "step"."""

    def log(self, row: Row) -> None:
        """Take note of a row."""
        ...

    def close(self) -> None:
        """Write what is still in memory."""
        ...


class CSVLogger:
    """One line a row, one column a figure; a column that appears later is added to the whole file.

    Parameters
    ----------
    path
        Replaced by `rows`, then appended to.
    rows
        What was logged before an interruption.
    """

    def __init__(self, path: str | os.PathLike[str], rows: Sequence[Row] = ()) -> None:
        self.path = Path(path)
        self.rows = list(rows)
        self.columns: list[str] = []
        self._rewrite()

    def log(self, row: Row) -> None:
        """Append a row."""
        self.rows.append(row)
        if set(row) <= set(self.columns):
            with write_errors_of(self.path), self.path.open("a", newline="", encoding="utf-8") as file:
                file.write(self._line(row))
        else:
            self._rewrite()

    def close(self) -> None:
        """Nothing to do: every row is on disk."""

    def _line(self, row: Row) -> str:
        return f"{csv_line(row.get(name) for name in self.columns)}\n"

    def _rewrite(self) -> None:
        self.columns = list(dict.fromkeys(name for row in self.rows for name in row))
        lines = [f"{csv_line(self.columns)}\n", *map(self._line, self.rows)] if self.columns else []
        make_folder(self.path.parent)
        write_atomically(self.path, "".join(lines).encode())


class TensorBoardLogger:
    """Event files for `tensorboard --logdir`."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        require("tensorboard", extra="tensorboard", purpose="logging to TensorBoard")
        self._folder = str(folder)
        self._writer: SummaryWriter | None = None

    def log(self, row: Row) -> None:
        """Add each figure as a scalar."""
        step = int(row["step"])
        if self._writer is None:  # not sooner: of all the processes of a run, one logs
            from torch.utils.tensorboard import SummaryWriter

            # Hides what an interrupted run logged after the checkpoint that this one goes on from.
            self._writer = SummaryWriter(self._folder, purge_step=step)
        for name, value in row.items():
            if name != "step":
                self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        """Flush and close the event file."""
        if self._writer is not None:
            self._writer.close()


class WandbLogger:
    """A run of Weights & Biases, whose own environment variables say where it goes.

    A training run that goes on from a checkpoint in the folder goes on with its run there too.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self._wandb = require("wandb", extra="wandb", purpose="logging to Weights & Biases")
        self._folder = Path(folder)
        self._run: Any = None

    def log(self, row: Row) -> None:
        """Send the figures of a step."""
        if self._run is None:  # not sooner: of all the processes of a run, one logs
            make_folder(self._folder)
            self._run = self._wandb.init(
                project=os.environ.get("WANDB_PROJECT", "latticework"),
                dir=str(self._folder),
                id=os.environ.get("WANDB_RUN_ID") or self._id(),
                resume="allow",
            )
        self._run.log({name: value for name, value in row.items() if name != "step"}, step=int(row["step"]))

    def _id(self) -> str:
        """The id of the run that the checkpoint is of, or a new one: a run that starts over is another."""
        path = self._folder / "wandb-id"
        if not ((self._folder / CONFIG).exists() and path.exists()):
            write_atomically(path, secrets.token_hex(8).encode())
        return path.read_text()

    def close(self) -> None:
        """Finish the run."""
        if self._run is not None:
            self._run.finish()


LOGGERS: Final[dict[str, Callable[[str | os.PathLike[str]], Logger]]] = {
    "tensorboard": TensorBoardLogger,
    "wandb": WandbLogger,
}


def make_loggers(names: Sequence[str], folder: str | os.PathLike[str]) -> list[Logger]:
    """The loggers of these names, writing into a folder.

    Raises
    ------
    InputError
        If there is no logger of such a name, or `names` is no list of names.
    MissingExtraError
        If its library is not installed.
    """
    if isinstance(names, str) or not isinstance(names, Iterable):
        raise InputError(f"loggers={shortened(names)}: expected a list of names")
    names = list(names)
    for name in names:
        one_of("logger", name, LOGGERS)
    return [LOGGERS[name](folder) for name in names]


def without_timings(history: Sequence[Row]) -> list[Row]:
    """What was logged, without what differs when the same run is repeated: a saved model keeps this.

    Examples
    --------
    >>> without_timings([{"step": 1, "seconds": 0.3, "loss": 2.0}])
    [{'step': 1, 'loss': 2.0}]
    """
    return [{name: value for name, value in row.items() if name not in TIMINGS} for row in history]


def history_file(history: Sequence[Row]) -> dict[str, bytes]:
    """The file of a saved model that keeps what was logged, by its name: see `without_timings`.

    Examples
    --------
    >>> history_file([{"step": 1, "seconds": 0.3}])
    {'history.json': b'[{"step":1}]'}
    """
    return {HISTORY: to_json(without_timings(history), "history")}


def history_of(data: bytes) -> list[Row]:
    """What was logged, of the file that a saved model or a checkpoint keeps it in.

    Raises
    ------
    ValueError
        If it is no list of rows of numbers.

    Examples
    --------
    >>> history_of(b'[{"step": 1, "loss": 2.0}]')
    [{'step': 1, 'loss': 2.0}]
    """
    rows = from_json(data)
    if not isinstance(rows, list) or not all(
        isinstance(row, dict) and all(isinstance(value, int | float) for value in row.values()) for row in rows
    ):
        raise ValueError("its history is not rows of numbers")
    return rows
