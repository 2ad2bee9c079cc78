"""What was found, in words for people."""

from __future__ import annotations

import math
from typing import Final

from latticework.anomaly.findings.results import Inspection, Region
from latticework.core.words import counted

_MOST_DECIMALS: Final = 6


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
        return sentence(where_told(inspection)) or "No region is marked."
    count = counted(len(inspection.regions), "region is marked", "regions are marked")
    which = ": " if len(inspection.regions) == 1 else "; the worst "
    return f"{count}{which}{region_told(inspection.regions[0])}."


def where_told(inspection: Inspection) -> str:
    """Where a part is wrong: its worst region, or the worst patch of a defective part without one; else nothing."""
    if inspection.regions:
        return region_told(inspection.regions[0])
    able = [found for found in inspection.banks if found.nearest is not None and math.isfinite(found.contribution)]
    if not (inspection.defective and able):
        return ""
    worst = max(able, key=lambda found: found.contribution)
    return f"no region stands out; worst at row {worst.row}, column {worst.column}, by {worst.bank}"


def region_told(region: Region) -> str:
    """Where a region is, how large, how deep or high, and which memory bank found it."""
    row, column = (region.top + region.bottom) // 2, (region.left + region.right) // 2
    size = f"{region.pixels:,} pixels" if region.area_mm2 is None else f"{plain(region.area_mm2, digits=3)} mm²"
    off = "" if region.depth_mm is None else f" and {depth_told(region.depth_mm)}"
    return f"at row {row}, column {column}, {size} large{off}, by {region.bank}"


def depth_told(depth_mm: float) -> str:
    """How far a region stands off the surface around it, and to which side.

    Examples
    --------
    >>> depth_told(-2.414)
    '2.4 mm deep'
    """
    return f"{plain(abs(depth_mm), digits=2)} mm {'high' if depth_mm > 0 else 'deep'}"


def banks_told(inspection: Inspection) -> str:
    """What the memory banks say, in a sentence."""
    shares, score = shares_told(inspection)
    told = ", ".join(f"{found.bank} {share}" for found, share in zip(inspection.banks, shares, strict=True))
    return f"Of the score, {score}, the banks have: {told}." if told else ""


def shares_told(inspection: Inspection) -> tuple[list[str], str]:
    """What each memory bank makes of the score, and the score, all to the same decimal."""
    values = [*(found.contribution for found in inspection.banks), inspection.score]
    decimals = _decimals(max((abs(value) for value in values if math.isfinite(value)), default=0.0), digits=4)
    *shares, score = (_rounded(value, decimals) for value in values)
    return shares, score


def p_told(inspection: Inspection) -> str:
    """How many good parts score as high, in a clause; nothing if that is not known.

    Of a defective part it is a bound: a score above all m of them says no more than 1/(m + 1).
    """
    if math.isnan(inspection.p_value):
        return ""
    bound = "at most" if inspection.defective else "about"
    return f"{bound} {100 * inspection.p_value:.3g} % of good parts score as high"


def sentence(clause: str) -> str:
    """A clause as a sentence, with a full stop unless it asks; nothing stays nothing.

    Examples
    --------
    >>> sentence("no ground was found"), sentence("all is judged: is the scan organised?")
    ('No ground was found.', 'All is judged: is the scan organised?')
    """
    return f"{clause[0].upper()}{clause[1:]}{'' if clause.endswith('?') else '.'}" if clause else ""


def plain(value: float, *, digits: int = 4) -> str:
    """A number with so many significant digits, and without an exponent.

    Examples
    --------
    >>> plain(2134.5, digits=3), plain(0.8, digits=2), plain(19_873.2, digits=2), plain(64.8719)
    ('2,130', '0.8', '20,000', '64.87')
    """
    text = _rounded(value, _decimals(value, digits=digits))
    return text.rstrip("0").rstrip(".") if "." in text else text


def _decimals(value: float, *, digits: int) -> int:
    """Places after the point, fewer than none for large numbers, that so many digits take."""
    if value == 0 or not math.isfinite(value):
        return digits - 1
    return min(_MOST_DECIMALS, digits - 1 - math.floor(math.log10(abs(value))))


def _rounded(value: float, decimals: int) -> str:
    return f"{round(value, decimals) + 0.0:,.{max(0, decimals)}f}"  # no minus before 0
