"""What was found, in words for people."""

from __future__ import annotations

from latticework.anomaly.results import Inspection, Region
from latticework.core.words import counted
from latticework.pages.text import show


def regions_told(inspection: Inspection) -> str:
    """What is wrong and where, in a sentence.

    Examples
    --------
    >>> import numpy as np
    >>> region = Region(10, 20, 18, 30, 64, 3.5, "geometry", 12.25, -0.8)
    >>> part = np.ones((40, 40), dtype=bool)
    >>> numbers = part.astype(np.int64)
    >>> regions_told(Inspection("a", 3.5, 0.01, True, (), (region,), part.astype(np.float32), part, numbers))
    '1 region is marked: at row 14, column 25, 12.2 mm² large and 0.8 mm deep, by geometry.'
    """
    if not inspection.regions:
        return "No region is marked."
    count = counted(len(inspection.regions), "region is marked", "regions are marked")
    which = ": " if len(inspection.regions) == 1 else "; the worst "
    return f"{count}{which}{region_told(inspection.regions[0])}."


def region_told(region: Region) -> str:
    """Where a region is, how large, how deep or high, and which memory bank found it."""
    row, column = (region.top + region.bottom) // 2, (region.left + region.right) // 2
    size = f"{region.pixels:,} pixels" if region.area_mm2 is None else f"{region.area_mm2:.3g} mm²"
    off = "" if region.depth_mm is None else f" and {abs(region.depth_mm):.2g} mm {_way(region.depth_mm)}"
    return f"at row {row}, column {column}, {size} large{off}, by {region.bank}"


def banks_told(inspection: Inspection) -> str:
    """What the memory banks say, in a sentence."""
    shares = ", ".join(f"{found.bank} {show(float(f'{found.contribution:.3g}'))}" for found in inspection.banks)
    return f"In the score of {show(inspection.score)}, the banks: {shares}." if shares else ""


def _way(depth: float) -> str:
    return "high" if depth > 0 else "deep"
