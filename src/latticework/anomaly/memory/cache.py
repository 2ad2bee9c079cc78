"""Features of all training patches until a coreset is chosen: in memory, or in half precision on a disk."""

from __future__ import annotations

import os
import tempfile
import weakref
from io import FileIO
from typing import Any, Final

import numpy as np
from jaxtyping import Float, Float16, Float32, Int16

from latticework.core.temporaries import write_errors_of

_GROWTH: Final = 1.25  # of the memory that is asked for, when more is needed
_MANTISSA: Final = 15  # the largest number of a row becomes at most 2 to this: half precision ends at 65,504
_SMALLEST: Final = -126  # exponents below make a row of zeros, as single precision nearly does
_BLOCK: Final = 4096  # rows that are written at a time


class HalfRows:
    """Rows in half precision, each scaled by a power of two, so that none overflows; read as single precision.

    Rounding changes a number by at most 2⁻¹¹ of itself, or 2⁻³⁹ of the largest of its row.

    Parameters
    ----------
    values
        The scaled rows.
    exponents
        Each row is to be multiplied with 2 to this.

    Examples
    --------
    >>> rows = HalfRows(*HalfRows.pack(np.array([[1e9, 5e8], [3e-9, 0.0]], dtype=np.float32)))
    >>> rows[np.array([0, 1])]
    array([[1.e+09, 5.e+08],
           [3.e-09, 0.e+00]], dtype=float32)
    """

    def __init__(self, values: Float16[np.ndarray, "rows channels"], exponents: Int16[np.ndarray, " rows"]) -> None:
        self.values, self.exponents = values, exponents

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows and channels."""
        return self.values.shape

    def __getitem__(self, rows: Any) -> Float32[np.ndarray, "rows channels"]:
        read = np.asarray(self.values[rows]).astype(np.float32)
        read *= np.ldexp(np.float32(1), self.exponents[rows])[:, None]
        return read

    @staticmethod
    def pack(
        rows: Float[np.ndarray, "rows channels"],
    ) -> tuple[Float16[np.ndarray, "rows channels"], Int16[np.ndarray, " rows"]]:
        """Scaled rows, and the exponents of their scales."""
        _, exponents = np.frexp(np.abs(rows).max(axis=1, initial=0))
        exponents = np.maximum(exponents - _MANTISSA, _SMALLEST)
        return np.ldexp(rows, -exponents[:, None]).astype(np.float16), exponents.astype(np.int16)


def nameless_file(folder: str | os.PathLike[str]) -> FileIO:
    """A file that is gone once it is closed."""
    with write_errors_of(folder):
        return tempfile.TemporaryFile(dir=folder, buffering=0)


class Cache:
    """Rows that come image by image: in memory while they fit a budget, and from then on in a file without a name.

    Parameters
    ----------
    budget : int
        Bytes that rows in memory may take.
    folder : path-like or None
        Where the file is; None for the system's folder of temporary files.

    Examples
    --------
    >>> cache = Cache(budget=100)
    >>> for start in (0, 10, 20):
    ...     cache.append(np.arange(start, start + 10, dtype=np.float32)[:, None])
    >>> len(cache), isinstance(cache.rows(), HalfRows), cache.rows()[np.array([0, 29])].tolist()
    (30, True, [[0.0], [29.0]])
    >>> cache.close()
    """

    def __init__(self, *, budget: int, folder: str | os.PathLike[str] | None = None) -> None:
        self.budget, self.folder = budget, folder or tempfile.gettempdir()
        self.channels: int | None = None
        self._count = 0
        self._memory = np.empty((0, 0), dtype=np.float32)
        self._file: FileIO | None = None
        self._exponents: list[Int16[np.ndarray, " rows"]] = []

    def __len__(self) -> int:
        return self._count

    def append(self, rows: Float32[np.ndarray, "rows channels"]) -> None:
        """Keep some more rows: all of them or, where an error is raised, none.

        Raises
        ------
        InputError
            If there can be no file in the folder.
        OSError
            If the disk has no room for them.
        """
        if self.channels is None:
            self.channels = rows.shape[1]
            self._memory = np.empty((0, self.channels), dtype=np.float32)
        total = self._count + len(rows)
        if self._file is None and 4 * total * self.channels > self.budget:
            self._move()
        if self._file is not None:
            self._exponents += self._written(self._file, rows, behind=self._count)
        else:
            if total > len(self._memory):
                room = min(int(total * _GROWTH), self.budget // (4 * max(1, self.channels)))
                self._memory.resize((max(total, room), self.channels), refcheck=False)  # in place, where the system can
            self._memory[self._count : total] = rows
        self._count = total

    def rows(self) -> Float32[np.ndarray, "rows channels"] | HalfRows:
        """All rows, to be read a few at a time."""
        if self._file is None:
            return self._memory[: self._count]
        shape = (self._count, self.channels or 0)
        values = np.memmap(self._file, dtype=np.float16, mode="r", shape=shape)
        return HalfRows(values, np.concatenate(self._exponents))

    def close(self) -> None:
        """Forget all rows; the file is gone once nothing reads from it any more."""
        self._memory, self._count = np.empty((0, 0), dtype=np.float32), 0
        if self._file is not None:
            self._closing()

    def _move(self) -> None:
        """Let the rows be in a file from now on."""
        file = nameless_file(self.folder)
        try:
            self._exponents = self._written(file, self._memory[: self._count], behind=0)
        except BaseException:
            file.close()
            raise
        self._file, self._closing = file, weakref.finalize(self, file.close)
        self._memory = np.empty((0, self._memory.shape[1]), dtype=np.float32)

    def _written(
        self, file: FileIO, rows: Float32[np.ndarray, "rows channels"], *, behind: int
    ) -> list[Int16[np.ndarray, " some"]]:
        """Write rows behind so many, over what an attempt that failed has left there; the exponents of their scales."""
        file.seek(2 * rows.shape[1] * behind)
        found = []
        for begin in range(0, len(rows), _BLOCK):
            values, exponents = HalfRows.pack(rows[begin : begin + _BLOCK])
            rest = values.reshape(-1).view(np.uint8).data
            with write_errors_of(self.folder):
                while rest:
                    rest = rest[file.write(rest) :]
            found.append(exponents)
        return found
