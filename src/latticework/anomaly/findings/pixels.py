"""Measures of pixels: AUROC and the like, and how much of each defect is found (PRO).

PRO at a threshold is the mean, over connected regions of defects (8 neighbours), of the share of a region that scores
at least as high; its curve is over the false positive rate of good pixels, and AUPRO the area below it up to a limit,
divided by the limit (Bergmann et al. 2021, "The MVTec 3D-AD dataset", section 5). All of it follows from how many good
scores lie above each one of a defect: one sort, and a binary search for each pixel of a defect.

The published evaluation of MVTec AD takes every score as a threshold, as here; that of MVTec 3D-AD, with which the
figures of M3DM and others were made, takes only 100 of the good ones: `thresholds=100`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import zip_longest
from typing import Any, Final

import numpy as np
from jaxtyping import Float, Float64, Int64
from scipy import ndimage

from latticework.anomaly.findings.measures import Separation, floats, of_sorted
from latticework.core.checks import number, whole_number
from latticework.core.errors import InputError

LIMITS: Final = (0.3, 0.1, 0.05, 0.01)
_EIGHT: Final = np.ones((3, 3), dtype=int)
_ENDED: Final = object()


@dataclass(frozen=True, eq=False)
class Pixels:
    """The scores of all pixels of a test set, sorted once at most: what every pixel measure is made of.

    Takes as much memory as the maps, and 20 bytes more for each pixel of a defect; twice that while they are taken in.

    Parameters
    ----------
    good
        Of pixels without a defect; they are put in order when that is first needed.
    defective
        Of pixels of defects.
    region
        The region that each of these belongs to.

    Examples
    --------
    >>> scores = np.array([[0.1, 0.2, 0.9], [0.3, 0.1, 0.8]])
    >>> truth = np.array([[0, 0, 5], [0, 0, 5]])
    >>> pixels = Pixels.of([scores], [truth])
    >>> sorted(pixels.good.tolist()), pixels.region.tolist(), pixels.aupro()[0.3]
    ([0.1, 0.1, 0.2, 0.3], [0, 0], 1.0)
    """

    good: Float[np.ndarray, " good"]
    defective: Float[np.ndarray, " defective"]
    region: Int64[np.ndarray, " defective"]

    @classmethod
    def of(
        cls,
        maps: Iterable[Any],
        truths: Iterable[Any | None],
        masks: Iterable[Any | None] | None = None,
    ) -> Pixels:
        """Take the scores out of maps, one at a time, so that they may come from files.

        Parameters
        ----------
        maps : iterable of float arrays "height width"
            Scores of pixels; higher is worse.
        truths : iterable of arrays "height width"
            0 where a pixel is good; class ids, or True. None for a good part.
        masks : iterable of bool arrays "height width"
            Where pixels count; None for everywhere.

        Raises
        ------
        InputError
            If sizes or numbers differ, a score that counts is not finite, or there are no good or no defective pixels.
        """
        good, defective, region = [], [], []
        regions = 0
        for place, (scores, truth, mask) in enumerate(_together(maps, truths, masks)):
            if not np.isfinite(scores if mask is None else scores[mask]).all():
                raise InputError(f"map {place} has scores that are not finite where pixels count")
            if truth is None or not truth.any():
                good.append(scores.ravel() if mask is None else scores[mask])
                continue
            bad = truth != 0
            good.append(scores[~bad] if mask is None else scores[~bad & mask])
            numbers, _ = ndimage.label(bad, _EIGHT)
            found = bad if mask is None else bad & mask
            ids, own = np.unique(numbers[found], return_inverse=True)  # regions outside the mask do not count
            defective.append(scores[found])
            region.append(own + regions)
            regions += len(ids)
        low = np.concatenate(good) if good else np.empty(0)
        del good
        if not len(low) or not regions:
            kind = "defective" if len(low) else "good"
            raise InputError(f"there are no {kind} pixels: a measure needs both kinds in the test parts")
        return cls(low, np.concatenate(defective), np.concatenate(region))

    def separation(self) -> Separation:
        """Pixel AUROC, AP, F1 and FPR at 95 % TPR; every pixel counts once."""
        return of_sorted(self._ordered, np.sort(self.defective))

    def aupro(self, limits: Sequence[float] = LIMITS, *, thresholds: int | None = None) -> dict[float, float]:
        """The area under the PRO curve up to each limit of the false positive rate, divided by the limit.

        Parameters
        ----------
        limits
            Rates above 0, 1 at most.
        thresholds
            At so many thresholds, equally far apart among the good scores, as the published evaluation of MVTec 3D-AD
            (100), rather than at all.

        Returns
        -------
        dict
            From limit to area, from 0 to 1. Scores that say nothing have half of the limit.

        Raises
        ------
        InputError
            If a limit or the number of thresholds is out of range.
        """
        for limit in limits:
            number("limit", limit, lambda rate: 0 < rate <= 1, "a rate above 0, 1 at most")
        if thresholds is None:
            first, last = self._rates(float(max(limits, default=1.0)))
        else:
            first, last = self._sampled(whole_number("thresholds", thresholds, least=2))
        weights = self._weights()
        return {limit: float(weights @ _ramp(first, last, float(limit)) / limit) for limit in limits}

    def pro_curve(self, points: int = 301) -> tuple[Float64[np.ndarray, " points"], Float64[np.ndarray, " points"]]:
        """False positive rates from 0 to 1, and PRO at the highest threshold that allows each: what a page draws.

        Examples
        --------
        >>> pixels = Pixels.of([np.array([[0.0, 1.0, 2.0, 3.0]])], [np.array([[0, 0, 1, 0]])])
        >>> fpr, pro = pixels.pro_curve(4)
        >>> pro.tolist()
        [0.0, 1.0, 1.0, 1.0]
        """
        rates = np.linspace(0, 1, whole_number("points", points, least=2))
        first, last = self._rates(1.0)
        weights, wide = self._weights(), last > first
        steps = _passed(first[~wide], weights[~wide], rates)
        # Where good pixels score the same as a pixel of a defect, the curve is straight from one rate to another.
        begun, ended, steep = first[wide], last[wide], weights[wide] / (last - first)[wide]
        slopes = rates * _passed(begun, steep, rates) - _passed(begun, steep * begun, rates)
        slopes -= rates * _passed(ended, steep, rates) - _passed(ended, steep * ended, rates)
        return rates, np.clip(steps + slopes, 0.0, 1.0)

    @cached_property
    def _ordered(self) -> Float[np.ndarray, " good"]:
        self.good.sort()  # in place: it may be most of the memory
        return self.good

    def _highest(self, limit: float) -> Float[np.ndarray, " highest"]:
        """Good scores in rising order; without those that are not needed up to a rate, unless all are in order."""
        rest = int(len(self.good) * (1 - limit)) - 1
        if rest <= 0 or "_ordered" in self.__dict__:
            return self._ordered
        parted = np.partition(self.good, rest)
        highest, lower = parted[rest:], parted[:rest]
        highest.sort()
        return np.concatenate([lower[lower == highest[0]], highest])  # with all that are equal to the lowest

    def _rates(self, limit: float) -> tuple[Float64[np.ndarray, " defective"], Float64[np.ndarray, " defective"]]:
        """Of each pixel of a defect: the share of good ones that score higher, and of those that score as high.

        Of rates above the limit it is only certain that they are.
        """
        highest, order = self._highest(limit), np.argsort(self.defective)
        first, last = np.empty(len(order)), np.empty(len(order))
        asked = self.defective[order]  # in order, which keeps the search in the cache
        first[order] = (len(highest) - np.searchsorted(highest, asked, side="right")) / len(self.good)
        last[order] = (len(highest) - np.searchsorted(highest, asked, side="left")) / len(self.good)
        return first, last

    def _weights(self) -> Float64[np.ndarray, " defective"]:
        """What each pixel of a defect counts for, every region as much as any other."""
        sizes = np.bincount(self.region)
        weights: Float64[np.ndarray, " defective"] = 1 / (sizes[self.region] * len(sizes))
        return weights

    def _sampled(self, thresholds: int) -> tuple[Float64[np.ndarray, " defective"], Float64[np.ndarray, " defective"]]:
        """As `_rates`, on the curve through some thresholds only, which finds what scores above them.

        The published evaluation takes 1 - (place + 1) / good for the rate, whatever is equal, and all for a last point.
        """
        spots = np.linspace(0, len(self.good) - 1, num=thresholds, dtype=int)
        rates = np.concatenate([[1.0], 1 - (spots + 1) / len(self.good)])
        below = np.searchsorted(self._ordered[spots], self.defective, side="left")  # thresholds that find the pixel
        return rates[np.minimum(below + 1, thresholds)], rates[below]


def _ramp(
    first: Float64[np.ndarray, " defective"], last: Float64[np.ndarray, " defective"], limit: float
) -> Float64[np.ndarray, " defective"]:
    """The area, up to the limit, below a line that is 0 up to `first`, 1 from `last` on, and straight between."""
    width = last - first
    rising = np.clip(limit - first, 0, width)
    slope = np.divide(1.0, width, out=np.zeros_like(width), where=width > 0)
    area: Float64[np.ndarray, " defective"] = np.clip(limit - last, 0, None) + rising * rising * slope / 2
    return area


def _passed(
    places: Float64[np.ndarray, " n"], weights: Float64[np.ndarray, " n"], rates: Float64[np.ndarray, " points"]
) -> Float64[np.ndarray, " points"]:
    """The weight of the places up to each rate."""
    order = np.argsort(places)
    sums = np.concatenate([[0.0], np.cumsum(weights[order])])
    passed: Float64[np.ndarray, " points"] = sums[np.searchsorted(places[order], rates, side="right")]
    return passed


def _together(
    maps: Iterable[Any], truths: Iterable[Any | None], masks: Iterable[Any | None] | None
) -> Iterator[tuple[Any, Any, Any]]:
    """Maps with what belongs to them, of one size each."""
    kinds = ("maps of scores", "truths", "masks")
    groups = (maps, truths) if masks is None else (maps, truths, masks)
    for place, found in enumerate(zip_longest(*groups, fillvalue=_ENDED)):
        trio = (*found, None)[:3]
        if any(part is _ENDED for part in trio):
            short = next(kind for kind, part in zip(kinds, trio, strict=True) if part is _ENDED)
            raise InputError(f"there are only {place} {short}, and more of the others: give one for each part")
        scores = floats(trio[0])
        truth, mask = (None if part is None else np.asarray(part) for part in trio[1:])
        for kind, part in zip(kinds[1:], (truth, mask), strict=True):
            if part is not None and part.shape != scores.shape:
                raise InputError(f"map {place} is {scores.shape}, but in {kind} it is {part.shape}")
        if scores.ndim != 2:
            raise InputError(f"map {place} has the shape {scores.shape}: expected height and width")
        yield scores, truth, None if mask is None else mask.astype(bool)
