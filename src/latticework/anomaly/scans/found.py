"""A part in a folder, of which nothing has been read yet."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

import numpy as np

from latticework.anomaly.scans.clouds import Unit
from latticework.anomaly.scans.sample_files import read_sample
from latticework.anomaly.scans.samples import GOOD, Sample
from latticework.core.errors import InputError

Partners = Literal["required", "reported"]
_NAMED: Final = 10  # files that an error lists


@dataclass(frozen=True)
class Found:
    """A part in a folder, of which nothing has been read yet.

    Attributes
    ----------
    name
        Unique within the folder that was listed: split, label and stem.
    label
        As its folder says; None if that says nothing.
    file, rgb, xyz, depth, camera, mask, truth
        Where it lies: see `read_sample`.
    unit
        Of its points.
    lacks
        What the other parts of its folder have and this one has not: it cannot be read then.
    """

    name: str
    label: str | None = None
    file: Path | None = None
    rgb: Path | None = None
    xyz: Path | None = None
    depth: Path | None = None
    camera: Path | None = None
    mask: Path | None = None
    truth: Path | None = None
    unit: Unit = "m"
    lacks: tuple[str, ...] = ()

    def read(self) -> Sample:
        """Read it.

        Of a good part without a truth, that is 0 everywhere.

        Raises
        ------
        InputError
            As `read_sample`, or if it lacks a partner: for this part alone, the others of its folder can still be
            read.
        """
        if self.lacks:
            file = next((file for file in (self.rgb, self.xyz, self.depth) if file is not None), self.name)
            raise InputError(
                f"{file}: without {', '.join(self.lacks)}: files of one part have one name before the ending"
            )
        sample = read_sample(
            self.file,
            rgb=self.rgb,
            xyz=self.xyz,
            depth=self.depth,
            camera=self.camera,
            mask=self.mask,
            truth=self.truth,
            label=self.label,
            unit=self.unit,
        )
        truth = np.zeros(sample.size, dtype=np.uint8) if sample.truth is None and self.label == GOOD else sample.truth
        return replace(sample, name=self.name, truth=truth)


def some(names: list[str]) -> str:
    """The first of names, and how many more there are."""
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
