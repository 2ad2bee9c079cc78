"""What an inspection tells: of one part, and of a whole test set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64

from latticework.anomaly.findings.calibration import Threshold
from latticework.anomaly.findings.measures import Separation
from latticework.anomaly.scans.samples import GOOD


@dataclass(frozen=True)
class Nearest:
    """The normal patch that is most like the worst one of a part.

    Attributes
    ----------
    part
        The good part that it is of, by name.
    row, column
        The pixel in its middle, in the picture of that part.
    distance
        Between the two, in the bank's features.
    """

    part: str
    row: int
    column: int
    distance: float


@dataclass(frozen=True)
class BankScore:
    """What one memory bank has to say of a part.

    Attributes
    ----------
    bank
        Its name: "colour", "texture", "geometry", "form" or "fusion".
    score
        Its score; 0 if it judges no patch.
    contribution
        What that makes of the fused score, in its unit.
    row, column
        The pixel in the middle of the patch that is least like a good one; 0 and 0 if there is none.
    nearest
        What that patch is most like, all the same; None if the bank could not judge the part.
    """

    bank: str
    score: float
    contribution: float
    row: int
    column: int
    nearest: Nearest | None


@dataclass(frozen=True)
class Region:
    """A connected defect in the map of a part.

    Attributes
    ----------
    top, left, bottom, right
        Its box in pixels of the picture; bottom and right are beyond it.
    pixels
        How many it has.
    peak
        The highest score in it.
    bank
        The memory bank that has most to do with that.
    area_mm2
        Of the surface, in square millimetres; None without points.
    depth_mm
        How far its surface stands off that around it, in millimetres: more than zero towards the camera; None without
        points, and where those around it do not tell, or are as uneven.
    """

    top: int
    left: int
    bottom: int
    right: int
    pixels: int
    peak: float
    bank: str
    area_mm2: float | None
    depth_mm: float | None


@dataclass(frozen=True, eq=False)
class Inspection:
    """What is known of one part.

    Attributes
    ----------
    name
        Of the part.
    score
        Fused; the higher, the more anomalous.
    p_value
        The share of good parts, those set aside and this one, that score as high: see `calibration.p_values`. NaN if
        there is no threshold.
    defective
        Whether the score is above the threshold; None if there is none.
    banks
        What each memory bank says, in their order.
    regions
        Where something is wrong, the worst first; empty if the map stays below its threshold everywhere.
    map
        A score for each pixel of the picture as it was given.
    foreground
        Where the part is, in the same pixels.
    marked
        Which of the regions each pixel is of: 1 for the first, 0 for none.
    doubt
        Why everything was taken for the part, that its picture is of another size than those learnt from, and which
        banks judge nothing of it; empty if there is nothing of that.
    """

    name: str
    score: float
    p_value: float
    defective: bool | None
    banks: tuple[BankScore, ...]
    regions: tuple[Region, ...]
    map: Float32[np.ndarray, "height width"] = field(repr=False)
    foreground: Bool[np.ndarray, "height width"] = field(repr=False)
    marked: Int64[np.ndarray, "height width"] = field(repr=False)
    doubt: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Everything but the pictures, ready for JSON."""
        return {
            "name": self.name,
            "score": self.score,
            "p_value": None if np.isnan(self.p_value) else self.p_value,
            "defective": self.defective,
            "banks": {
                found.bank: {
                    "score": found.score,
                    "contribution": found.contribution,
                    "place": None if found.nearest is None else [found.row, found.column],
                    "nearest": None if found.nearest is None else vars(found.nearest),
                }
                for found in self.banks
            },
            "regions": [vars(region) for region in self.regions],
            "doubt": self.doubt,
        }


@dataclass(frozen=True)
class Figures:
    """How well scores tell defective parts, and their pixels, from good ones.

    Attributes
    ----------
    image
        Of parts; None if all are good or all defective.
    pixel
        Of pixels; None if it is not known where defects are.
    aupro
        Area under the per-region overlap, by the limit of the false positive rate; empty likewise.
    """

    image: Separation | None
    pixel: Separation | None
    aupro: Mapping[float, float]

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON: image_auroc, image_ap, image_f1_max, pixel_auroc, pixel_ap, aupro, ..."""
        found: dict[str, Any] = {}
        for kind, told in (("image", self.image), ("pixel", self.pixel)):
            found[f"{kind}_auroc"] = None if told is None else told.auroc
            found[f"{kind}_ap"] = None if told is None else told.average_precision
            found[f"{kind}_f1_max"] = None if told is None else told.f1_max
            found[f"{kind}_fpr_at_95_tpr"] = None if told is None else told.fpr_at_95_tpr
        found["aupro"] = self.aupro.get(0.3)
        return found | {f"aupro_{limit:g}": area for limit, area in self.aupro.items()}


@dataclass(frozen=True, eq=False)
class Evaluation:
    """How well a model does on a test set.

    Attributes
    ----------
    names, labels
        Of the parts; "good" is no defect.
    scores, bank_scores
        Fused, and those of each memory bank.
    defective
        Whether the model takes each part for defective; None if it has no threshold.
    figures
        Of the fused scores and maps.
    interval
        Where the image AUROC lies, with 95 %: see `intervals.auroc_interval`; None without one.
    by_label
        Of the parts of each kind of defect against all good ones.
    banks
        Of each memory bank alone.
    roc
        False and true positive rates of parts.
    pro
        False positive rates of pixels, and the per-region overlap at each.
    threshold
        Above which a score counts as defective.
    failed
        Parts that could not be read, and why.
    """

    names: tuple[str, ...]
    labels: tuple[str, ...]
    scores: Float64[np.ndarray, " parts"]
    bank_scores: Mapping[str, Float64[np.ndarray, " parts"]]
    defective: Bool[np.ndarray, " parts"] | None
    figures: Figures
    interval: tuple[float, float] | None
    by_label: Mapping[str, Figures]
    banks: Mapping[str, Figures]
    roc: tuple[Float64[np.ndarray, " n"], Float64[np.ndarray, " n"]] | None
    pro: tuple[Float64[np.ndarray, " points"], Float64[np.ndarray, " points"]] | None
    threshold: Threshold | None
    failed: Mapping[str, str]

    @property
    def bad(self) -> Bool[np.ndarray, " parts"]:
        """Which parts have a defect, as their labels say."""
        return np.array([label != GOOD for label in self.labels], dtype=bool)

    @property
    def false_alarms(self) -> float | None:
        """The share of good parts that were taken for defective; None where there are none, or no threshold."""
        bad = self.bad
        return None if self.defective is None or bad.all() else float(self.defective[~bad].mean())

    @property
    def found(self) -> float | None:
        """The share of defective parts that were taken for that; None where there are none, or no threshold."""
        bad = self.bad
        return None if self.defective is None or not bad.any() else float(self.defective[bad].mean())

    def as_dict(self) -> dict[str, Any]:
        """Every figure, ready for JSON."""
        return {
            "parts": len(self.names),
            **self.figures.as_dict(),
            "image_auroc_interval": None if self.interval is None else list(self.interval),
            "false_alarms": self.false_alarms,
            "found": self.found,
            "threshold": None if self.threshold is None else {**vars(self.threshold), "about": self.threshold.about()},
            "by_label": {label: figures.as_dict() for label, figures in self.by_label.items()},
            "banks": {bank: figures.as_dict() for bank, figures in self.banks.items()},
            "failed": dict(self.failed),
        }
