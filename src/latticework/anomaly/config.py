"""What `M3DM` can be told besides its few parameters."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, get_args

from latticework.anomaly.choices import Mode
from latticework.core.checks import INT64, number, one_of, set_frozen, whole_number
from latticework.core.errors import InputError

OF_MACHINES: Final = ("memory", "cache_folder")  # fields that belong to a machine, not to a model: they are not saved


@dataclass(frozen=True, kw_only=True)
class M3DMConfig:
    """Figures of a detector.

    Examples
    --------
    >>> M3DMConfig(false_alarm_rate=0.01).sigma, M3DMConfig(mode="paper").sigma
    (5.0, 4.0)
    """

    mode: Mode = "default"
    size: int = 224  # pixels to each side, to which scans are brought
    held_out: float = 0.25  # of the good parts that are set aside for the threshold
    false_alarm_rate: float = 0.05  # of good parts that may be taken for defective
    places: float = 1.0  # what it counts for where in the part a patch lies; 0: nothing
    components: int = 64  # of the features of a bank that vary, at most
    smoothing: float | None = None  # pixels; None: 5, in the paper's mode 4
    worst: int = 3  # patches whose mean distance is the score of a part
    pieces: float = 0.1  # of the largest piece of a part that another one has at least: see `find_part`
    memory: int = 2**30  # bytes that the features of a bank may take before they go to a file
    cache_folder: str | None = None  # where that is; None: the system's folder of temporary files
    vit: str | None = None  # file with the weights of DINO's ViT-B/8, for pretrained features
    point_mae: str | None = None  # and of Point-MAE

    def __post_init__(self) -> None:
        one_of("mode", self.mode, get_args(Mode))
        for name in ("size", "components", "worst"):
            set_frozen(self, name, whole_number(name, getattr(self, name)))
        if self.size % 16 or self.size < 32:
            raise InputError(f"size={self.size}: expected a multiple of 16, 32 at least")
        set_frozen(self, "memory", whole_number("memory", self.memory, least=0, most=INT64))
        set_frozen(self, "held_out", number("held_out", self.held_out, lambda share: 0 <= share < 1, "a share below 1"))
        rate = number("false_alarm_rate", self.false_alarm_rate, lambda share: 0 < share < 1, "a rate between 0 and 1")
        set_frozen(self, "false_alarm_rate", rate)
        set_frozen(self, "places", number("places", self.places, lambda weight: 0 <= weight <= 100, "from 0 to 100"))
        set_frozen(self, "pieces", number("pieces", self.pieces, lambda share: 0 <= share <= 1, "a share from 0 to 1"))
        if self.smoothing is not None:
            wide = number("smoothing", self.smoothing, lambda pixels: 0 <= pixels <= 50, "pixels from 0 to 50")
            set_frozen(self, "smoothing", wide)
        for name in ("cache_folder", "vit", "point_mae"):
            self._keep_path(name)

    @property
    def paper(self) -> bool:
        """Whether the paper is followed."""
        return self.mode == "paper"

    @property
    def sigma(self) -> float:
        """Pixels over which maps are smoothed."""
        if self.smoothing is not None:
            return self.smoothing
        return 4.0 if self.paper else 5.0

    def of_model(self) -> dict[str, Any]:
        """All figures but those that belong to a machine."""
        return {name: value for name, value in asdict(self).items() if name not in OF_MACHINES}

    def on_machine_of(self, other: M3DMConfig) -> M3DMConfig:
        """The same, with what another says of the machine."""
        return replace(other, **self.of_model())

    def _keep_path(self, name: str) -> None:
        """Store a path as a text: no other could be saved."""
        path = getattr(self, name)
        if path is None:
            return
        if not isinstance(path, str | os.PathLike):
            raise InputError(f"{name}={path!r}: expected a path, or None")
        set_frozen(self, name, os.fspath(path))
