"""One score from several memory banks: decision layer fusion, M3DM (Wang et al. 2023), section 3.4.

A layer is fitted on scores of good parts. Each is the sum or the maximum of an increasing function of each bank's
score, Σ_k f_k(s_k) or max_k f_k(s_k): so a higher score in any bank never lowers what comes out, and the f_k(s_k) say
what each bank has to do with it. NaN is the score of a bank that does not judge, and counts as the most normal one of
good parts, where f_k has its first knot: no distance at all would be so good that it hid what other banks find.

`ocsvm`, the paper's, is a linear one-class SVM, f_k(s) = w_k s. The larger w·s, the further from the origin on the side
where normal scores are not: its decision function as it is, no sign turned, is the anomaly score, as in the authors'
code. Every step of its training by gradients shrinks w or adds a part of a row to it, so no w_k is negative where no
score is. A bank that gives negative scores is therefore shifted, to begin at 0.

Differs from the paper: the scores are those of parts held out, since a bank is at distance 0 from what it holds; what
a bank does not judge is no distance of 0; and each bank's scores are divided by their spread, without which the bank
with the largest numbers decides alone. With rows of normal scores, w is nearly their mean, so that w_k grows as
mean_k/spread_k²: Fisher's discriminant between normal scores and multiples of them, if banks are independent.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, get_args

import numpy as np
from jaxtyping import Float, Float32, Float64, Real

from latticework.anomaly.choices import Fusion
from latticework.core.checks import one_of
from latticework.core.errors import InputError

METHODS: Final[tuple[Fusion, ...]] = get_args(Fusion)

# The reference code's: half of the training scores lie on the wrong side of the plane; figures of the SGD.
NU: Final = 0.5
MAX_ITER: Final = 1000
SEED: Final = 42

LEAST_SPREAD: Final = 0.02  # of a bank's median: constant scores must not count without bound
KNOTS: Final = 128  # at which the distribution of a bank's scores is kept, up to its tail
TAIL: Final = (0.1, 5, 500)  # a tail is this share of the scores, at least and at most so many
MOST_ROWS: Final = 200_000  # pixels that a layer for maps is fitted on


@dataclass(frozen=True, eq=False)
class DecisionLayer:
    """For each bank a piecewise linear, increasing function of its score; their sum, or the largest of them.

    Parameters
    ----------
    method
        How it was fitted.
    knots, values
        Where each function bends, in increasing order, and what it is there.
    below, above
        Its slope before the first knot and after the last.

    Raises
    ------
    InputError
        If the arrays are not finite, do not fit together, or a function decreases.

    Examples
    --------
    >>> normal = np.random.default_rng(0).normal((10.0, 1.0), (1.0, 0.1), (50, 2))
    >>> layer = fit_decision(normal, method="max")
    >>> layer.contributions(np.array([10.0, 2.0])).round(1).tolist()
    [-0.0, 8.5]
    """

    method: Fusion
    knots: Float64[np.ndarray, "banks knots"]
    values: Float64[np.ndarray, "banks knots"]
    below: Float64[np.ndarray, " banks"]
    above: Float64[np.ndarray, " banks"]

    def __post_init__(self) -> None:
        one_of("fusion", self.method, METHODS)
        shape = self.knots.shape
        alike = len(shape) == 2 and 0 not in shape and self.values.shape == shape
        if not (alike and self.below.shape == self.above.shape == shape[:1]):
            raise InputError("the arrays of a decision layer do not fit together; the model is damaged")
        arrays = (self.knots, self.values, self.below, self.above)
        rising = all((np.diff(table, axis=1) >= 0).all() for table in arrays[:2])
        rising = rising and all((slopes >= 0).all() for slopes in arrays[2:])
        if not (rising and all(np.isfinite(array).all() for array in arrays)):
            raise InputError("a decision layer must not decrease, and needs finite numbers; the model is damaged")

    @property
    def banks(self) -> int:
        """How many scores it fuses."""
        return len(self.knots)

    def contributions(self, scores: Real[np.ndarray, "*shape banks"]) -> Float64[np.ndarray, "*shape banks"]:
        """What each bank has to do with the fused score: f_k(s_k), in the unit of the fused score.

        Raises
        ------
        InputError
            If there are more or fewer banks than the layer was fitted on.
        """
        scores = np.asarray(scores, np.float64)
        if scores.ndim == 0 or scores.shape[-1] != self.banks:
            raise InputError(f"scores of shape {scores.shape}: expected {self.banks} banks along the last axis")
        found = np.empty(scores.shape)
        for bank in range(self.banks):
            found[..., bank] = self._of(bank, scores[..., bank])
        return found

    def fuse(self, scores: Real[np.ndarray, "*shape banks"]) -> Float64[np.ndarray, "*shape"]:
        """One score from those of all banks; the larger, the more anomalous.

        Raises
        ------
        InputError
            If there are more or fewer banks than the layer was fitted on.
        """
        found = self.contributions(scores)
        return np.asarray(found.max(-1) if self.method == "max" else found.sum(-1))

    def fuse_maps(self, maps: Float[np.ndarray, "banks height width"]) -> Float32[np.ndarray, "height width"]:
        """The same at every pixel, a bank at a time: memory for two maps beside what is given.

        Raises
        ------
        InputError
            If there are more or fewer banks than the layer was fitted on.
        """
        if maps.ndim != 3 or len(maps) != self.banks:
            raise InputError(f"maps of shape {maps.shape}: expected ({self.banks}, height, width)")
        combine = np.maximum if self.method == "max" else np.add
        fused = self._of(0, maps[0])
        for bank in range(1, self.banks):
            combine(fused, self._of(bank, maps[bank]), out=fused)
        return fused.astype(np.float32)

    def _of(self, bank: int, scores: Real[np.ndarray, "*shape"]) -> Float64[np.ndarray, "*shape"]:
        """f_k. Of knots at one place the first counts: equal scores are as normal as the most normal of them."""
        knots, first = np.unique(self.knots[bank], return_index=True)
        values, last = self.values[bank][first], self.values[bank][-1]
        scores = np.asarray(scores, np.float64)
        scores = np.where(np.isnan(scores), knots[0], scores)
        found = np.interp(scores, knots, values) + self.below[bank] * np.minimum(scores - knots[0], 0)
        found = found + self.above[bank] * np.maximum(scores - knots[-1], 0)
        return np.asarray(np.where(scores > knots[-1], found + (last - values[-1]), found))

    def arrays(self) -> dict[str, np.ndarray]:
        """What it has learnt, to be saved."""
        return {"knots": self.knots, "values": self.values, "below": self.below, "above": self.above}

    @classmethod
    def from_arrays(cls, method: str, arrays: Mapping[str, Any]) -> DecisionLayer:
        """The layer whose method and arrays were saved.

        Raises
        ------
        InputError
            If there is no such method, or the arrays are not those of a layer.
        """
        names = ("knots", "values", "below", "above")
        if missing := [name for name in names if name not in arrays]:
            raise InputError(f"a decision layer needs the arrays {', '.join(missing)}; the model is damaged")
        return cls(method, *(np.asarray(arrays[name], np.float64) for name in names))  # type: ignore[arg-type]


def fit_decision(scores: Real[np.ndarray, "n banks"], *, method: Fusion = "ocsvm") -> DecisionLayer:
    """Fit a layer on scores of good parts, or of pixels of them, that the banks do not hold.

    Parameters
    ----------
    scores
        A row for each part or pixel; the larger, the more anomalous, and NaN where a bank does not judge.
    method
        "ocsvm": a weighted sum, as above. "zsum": the sum of (score - median) / spread; "max": the largest of these;
        the spread is 1.4826 times the median absolute deviation. "quantile": -Σ log p_k, Fisher's way of combining
        p-values, with the rank among the scores given for p and an exponential tail beyond.

    Raises
    ------
    InputError
        If there is no such method, no row, no bank, or a score is infinite.

    Examples
    --------
    >>> normal = np.random.default_rng(0).gamma((50, 5), (0.1, 1.0), (200, 2))
    >>> for method in METHODS:
    ...     layer = fit_decision(normal, method=method)
    ...     assert (layer.fuse(normal + (0, 10)) > layer.fuse(normal)).all()
    """
    one_of("fusion", method, METHODS)
    rows = _checked(scores)
    rows = rows[np.lexsort(rows.T[::-1])]  # in an order of their own: it does not matter in which the parts came
    if method == "quantile":
        return _tails(rows)
    lowest = np.nanmin(rows, axis=0)
    centres, spreads = centre_and_spread(rows)
    if method != "ocsvm":
        return _lines(method, lowest, centres, 1 / spreads)
    starts = np.minimum(lowest, 0)
    scaled = (np.where(np.isnan(rows), lowest, rows) - starts) / spreads
    unit = np.linalg.norm(scaled, axis=1).mean() or 1.0  # the steps of SGD are for rows of about that length
    return _lines(method, lowest, starts, _one_class_svm(scaled / unit) / spreads)


def centre_and_spread(
    rows: Float64[np.ndarray, "n banks"],
) -> tuple[Float64[np.ndarray, " banks"], Float64[np.ndarray, " banks"]]:
    """Median and 1.4826 · median absolute deviation of each bank, or where that is 0 the mean one, times 1.2533.

    Both are the standard deviation of what is normally distributed. At least 2 % of the median, or 1 if that is 0.

    Examples
    --------
    >>> centres, spreads = centre_and_spread(np.array([[1.0, 7.0, 0.0], [2.0, 7.0, 0.0], [4.0, 7.0, 0.0]]))
    >>> centres.tolist(), spreads.tolist()
    ([2.0, 7.0, 0.0], [1.48, 0.14, 1.0])
    """
    centres = np.nanmedian(rows, axis=0)
    deviations = np.abs(rows - centres)
    spreads = 1.4826 * np.nanmedian(deviations, axis=0)
    spreads = np.where(spreads > 0, spreads, 1.2533 * np.nanmean(deviations, axis=0))
    spreads = np.maximum(spreads, LEAST_SPREAD * np.abs(centres))
    return centres, np.where(spreads > 0, spreads, 1.0)


def _checked(scores: Real[np.ndarray, "n banks"]) -> Float64[np.ndarray, "n banks"]:
    rows = np.asarray(scores, np.float64)
    if rows.ndim != 2 or 0 in rows.shape:
        raise InputError(f"scores of shape {rows.shape}: expected a row for each good part, a column for each bank")
    if np.isinf(rows).any():
        row, bank = (int(axis[0]) for axis in np.nonzero(np.isinf(rows)))
        raise InputError(f"the score in row {row} of bank {bank} is {rows[row, bank]}: a fusion needs finite scores")
    return np.where(np.isnan(rows).all(0), 0.0, rows)  # a bank that judges nothing is one that finds nothing


def _lines(
    method: Fusion,
    knots: Float64[np.ndarray, " banks"],
    zeros: Float64[np.ndarray, " banks"],
    slopes: Float64[np.ndarray, " banks"],
) -> DecisionLayer:
    """f_k(s) = slope_k · (s - zero_k)."""
    return DecisionLayer(method, knots[:, None], (slopes * (knots - zeros))[:, None], slopes, slopes)


def _one_class_svm(rows: Float64[np.ndarray, "n banks"]) -> Float64[np.ndarray, " banks"]:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import SGDOneClassSVM

    machine = SGDOneClassSVM(nu=NU, max_iter=MAX_ITER, random_state=SEED)
    with warnings.catch_warnings():  # after so many rounds over few rows only the length of w still changes
        warnings.simplefilter("ignore", ConvergenceWarning)
        machine.fit(rows)
    return np.asarray(machine.coef_, np.float64).reshape(-1)


def _tails(rows: Float64[np.ndarray, "n banks"]) -> DecisionLayer:
    """f_k(s) = -log p_k(s): by the rank of s up to the tail, and from there on along an exponential distribution."""
    curves = [_tail(column[~np.isnan(column)]) for column in rows.T]
    knots, levels, slopes = (np.stack(part) for part in zip(*curves, strict=True))
    return DecisionLayer("quantile", knots, levels, np.zeros_like(slopes), slopes)


def _tail(
    scores: Float64[np.ndarray, " n"],
) -> tuple[Float64[np.ndarray, " knots"], Float64[np.ndarray, " knots"], np.float64]:
    """Knots up to the tail of one bank's scores, -log p there, and its slope in the tail.

    The i-th smallest of n scores has p = 1 - i/(n + 1). The tail's mean excess is its scale (maximum likelihood).
    """
    n = len(scores)
    share, least, most = TAIL
    tail = min(n - 1, max(least, min(most, int(share * n))))  # scores beyond the last knot
    ordered = np.sort(scores)
    last = ordered[n - tail - 1]
    levels = np.linspace(np.log1p(1 / n), np.log((n + 1) / (tail + 1)), KNOTS)  # of -log p, from the first score on
    ranks = (n + 1) * -np.expm1(-levels)
    knots = np.interp(ranks, np.arange(1, n + 1), ordered)
    excess = ordered[n - tail :].mean() - last if tail else 0.0
    _, (spread,) = centre_and_spread(scores[:, None])
    scale = max(excess, LEAST_SPREAD * abs(last)) if excess > 0 else spread
    # Where two logarithms are of one number, rounding must not make a function fall.
    return np.maximum.accumulate(knots), np.maximum.accumulate(levels), 1 / scale
