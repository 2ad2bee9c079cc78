"""A part in a folder, of which nothing has been read yet."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from latticework.anomaly.choices import Unit
from latticework.anomaly.scans.sample_files import read_sample
from latticework.anomaly.scans.samples import GOOD, Sample
from latticework.core.errors import InputError

Partners = Literal["required", "reported"]


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
    fault
        Why it cannot be read: it lacks what the other parts of its folder have, or has two files for one thing.
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
    fault: str = ""

    def read(self) -> Sample:
        """Read it.

        Of a good part without a truth, that is 0 everywhere.

        Raises
        ------
        InputError
            As `read_sample`, or if it has a `fault`: for this part alone, the others of its folder can still be
            read.
        """
        if self.fault:
            raise InputError(self.fault)
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
