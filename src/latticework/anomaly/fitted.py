"""A detector once it is fitted: what was learnt from good parts, and all that it takes to judge others by it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float64

from latticework.anomaly.choices import Unit
from latticework.anomaly.config import M3DMConfig
from latticework.anomaly.features.extraction import NOTHING, Described, Extractor, Patches
from latticework.anomaly.findings.calibration import Threshold, threshold
from latticework.anomaly.held_out import HeldOut
from latticework.anomaly.judging import Judged, Layers, Representation, judge
from latticework.anomaly.memory.bank import MemoryBank
from latticework.core.errors import InputError

if TYPE_CHECKING:
    from latticework.anomaly.encoders.pretrained import Pretrained


@dataclass(frozen=True, eq=False)
class Normal:
    """What was learnt from good parts.

    Attributes
    ----------
    representation
        From what is seen to what banks hold.
    memories
        The banks.
    layers
        What their scores mean together.
    """

    representation: Representation
    memories: dict[str, MemoryBank]
    layers: Layers


@dataclass(frozen=True, eq=False)
class Fitted:
    """What `M3DM.fit` leaves behind.

    Attributes
    ----------
    config
        Figures.
    encoders
        Trained ones, if any.
    normal
        What was learnt.
    scans, unit
        What the good parts had, of "rgb" and "xyz", and what their files' points were in.
    parts, sizes, digests
        Of each good part that the banks hold patches of: its name, height and width, and by what it is known again.
    held_out
        Good parts that were set aside and can be judged.
    scores, peaks
        Of each of them, its score and the highest one in its map.
    report
        What was decided, in sentences.
    """

    config: M3DMConfig
    encoders: Pretrained | None
    normal: Normal
    scans: tuple[str, ...]
    unit: Unit
    parts: Sequence[str]
    sizes: Sequence[tuple[int, int]]
    digests: Sequence[str]
    held_out: HeldOut
    scores: Float64[np.ndarray, " parts"]
    peaks: Float64[np.ndarray, " parts"]
    report: Sequence[str]

    @property
    def banks(self) -> tuple[str, ...]:
        """The memory banks that are used."""
        return tuple(self.normal.memories)

    @property
    def seen(self) -> tuple[str, ...]:
        """What patches are looked at by: the banks without that of the fusion."""
        return tuple(self.normal.representation.whitenings)

    @cached_property
    def threshold(self) -> Threshold | None:
        """Above which a score is an alarm; None if no part certifies one."""
        return self._threshold(self.scores)

    @cached_property
    def map_threshold(self) -> Threshold | None:
        """The same of the highest score in the map of a part."""
        return self._threshold(self.peaks)

    @property
    def extractor(self) -> Extractor:
        """How other parts are described."""
        return Extractor(self.seen, self.config, self.scans, self.encoders)

    def represented(self, part: Described) -> dict[str, Patches]:
        """The patches of a part as the banks hold them.

        Raises
        ------
        InputError
            If none of the banks can judge any of its patches.
        """
        if part.empty:
            raise InputError(f"{part.name}: {NOTHING}")
        return self.normal.representation(part.patches)

    def judged(self, part: Described) -> Judged:
        """What the memory banks make of a part.

        Raises
        ------
        InputError
            As `represented`.
        """
        return judge(self.represented(part), self.normal.memories, self.config)

    def _threshold(self, values: Float64[np.ndarray, " parts"]) -> Threshold | None:
        return threshold(values, rate=self.config.false_alarm_rate) if len(values) else None
