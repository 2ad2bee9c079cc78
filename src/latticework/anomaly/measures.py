"""How well scores tell defective parts from good ones: AUROC and its interval, AP, F1, FPR at 95 % TPR.

A threshold counts a part as defective if its score is at least that high. Everything follows from how many good scores
lie above each defective one, so it takes one sort of each kind and a binary search.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from jaxtyping import Float

from latticework.core.checks import number, whole_number
from latticework.core.errors import InputError
from latticework.core.seeds import seed_from

TPR: Final = 0.95
_DRAWN: Final = 2**22  # counts of a bootstrap that are held at a time: 32 MB
_APART: Final = 1e-12  # of an AUROC of 0 or 1, which solves the equation of its interval itself, a search begins


@dataclass(frozen=True)
class Separation:
    """How well scores tell two kinds apart.

    Parameters
    ----------
    auroc
        The chance that a defective one scores higher than a good one; equal scores count half.
    average_precision
        The mean of the precision at each recall (scikit-learn's).
    f1_max
        The best F1 of any threshold.
    threshold
        The score from which on that F1 counts as defective.
    fpr_at_95_tpr
        The share of good ones that are lost where 95 % of the defective ones are found.
    good, defective
        How many there were.
    """

    auroc: float
    average_precision: float
    f1_max: float
    threshold: float
    fpr_at_95_tpr: float
    good: int
    defective: int


def separation(good: Any, defective: Any) -> Separation:
    """Every figure at once, from the scores of good and defective parts or pixels.

    Parameters
    ----------
    good, defective : array of floats
        Scores, in any order; higher is worse.

    Raises
    ------
    InputError
        If one of them is empty or has a score that is not finite.

    Examples
    --------
    >>> told = separation([0.1, 0.2, 0.4], [0.4, 0.9])
    >>> round(told.auroc, 4), told.f1_max, told.threshold, round(told.fpr_at_95_tpr, 4)
    (0.9167, 0.8, 0.4, 0.3333)
    """
    low, high = _sorted(good, "good"), _sorted(defective, "defective")
    return of_sorted(low, high)


def auroc(scores: Any, defective: Any) -> float:
    """The chance that a defective part scores higher than a good one; equal scores count half.

    Parameters
    ----------
    scores : array of floats, "parts"
        Higher is worse.
    defective : array of bools or class ids, "parts"
        False or 0 for good ones.

    Raises
    ------
    InputError
        If there are not both kinds, lengths differ, or a score is not finite.

    Examples
    --------
    >>> auroc([0.1, 0.4, 0.4, 0.8], [0, 0, 1, 1])
    0.875
    """
    return of_sorted(*_two(scores, defective)).auroc


def average_precision(scores: Any, defective: Any) -> float:
    """The mean of the precision at each recall; arguments and errors as of `auroc`.

    Examples
    --------
    >>> round(average_precision([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1]), 4)
    0.8333
    """
    return of_sorted(*_two(scores, defective)).average_precision


def f1_max(scores: Any, defective: Any) -> tuple[float, float]:
    """The best F1 of any threshold, and that threshold; arguments and errors as of `auroc`.

    Examples
    --------
    >>> f1_max([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1])
    (0.8, 0.35)
    """
    told = of_sorted(*_two(scores, defective))
    return told.f1_max, told.threshold


def fpr_at_tpr(scores: Any, defective: Any, tpr: float = TPR) -> float:
    """The share of good parts that are lost where `tpr` of the defective ones are found; the rest as of `auroc`.

    Examples
    --------
    >>> fpr_at_tpr([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1])
    0.5
    """
    number("tpr", tpr, lambda share: 0 < share <= 1, "a share above 0, 1 at most")
    good, bad = _two(scores, defective)
    return _fpr(good, bad, tpr)


def auroc_interval(
    scores: Any, defective: Any, *, level: float = 0.95, draws: int = 2000, random_state: Any = 0
) -> tuple[float, float]:
    """Where the AUROC lies: percentiles of a bootstrap within each kind, or the score interval where that is wider.

    A bootstrap draws from the parts that there are: where nearly all pairs of a good and a defective part are in order,
    so are those of nearly every draw, and it knows no doubt. So each end is the outer one of its own and of that of the
    score interval of Newcombe (2006, Statistics in Medicine 25:559), his method 5.

    Parameters
    ----------
    scores, defective
        As of `auroc`.
    level : float
        The share of draws within the interval.
    draws : int
        How many samples of parts.
    random_state : None, int or generator
        Repeats the draws.

    Raises
    ------
    InputError
        As `auroc`, or if `level` or `draws` is out of range.

    Examples
    --------
    >>> low, high = auroc_interval([0.1, 0.2, 0.3, 0.4, 0.35, 0.8], [0, 0, 0, 0, 1, 1])
    >>> 0 < low <= 0.875 <= high <= 1
    True
    >>> low, high = auroc_interval([*range(12)], [False] * 6 + [True] * 6)
    >>> round(low, 3), high
    (0.689, 1.0)
    """
    number("level", level, lambda share: 0 < share < 1, "a share above 0 and below 1")
    draws = whole_number("draws", draws)
    good, bad = _two(scores, defective)
    least, most = score_interval(of_sorted(good, bad).auroc, len(good), len(bad), level=level)
    below, upto = np.searchsorted(good, bad, side="left"), np.searchsorted(good, bad, side="right")
    generator = np.random.default_rng(seed_from(random_state))
    many = max(1, _DRAWN // (len(good) + len(bad)))
    found = []
    for begin in range(0, draws, many):
        count = min(many, draws - begin)
        of_good = generator.multinomial(len(good), np.full(len(good), 1 / len(good)), size=count)
        of_bad = generator.multinomial(len(bad), np.full(len(bad), 1 / len(bad)), size=count)
        before = np.concatenate([np.zeros((count, 1), dtype=np.int64), np.cumsum(of_good, axis=1)], axis=1)
        wins = (before[:, below] + before[:, upto]) / 2
        found.append((of_bad * wins).sum(axis=1) / (len(good) * len(bad)))
    low, high = np.quantile(np.concatenate(found), [(1 - level) / 2, (1 + level) / 2])
    return min(float(low), least), max(float(high), most)


def score_interval(area: float, good: int, defective: int, *, level: float = 0.95) -> tuple[float, float]:
    """Where the AUROC t lies, by Newcombe's method 5: |area - t| is at most z √V(t), which is its deviation at t.

    V(t) = t (1 - t) / (mn) · (1 + (N - 1) ((1 - t) / (2 - t) + t / (1 + t))), N = (m + n) / 2.

    Parameters
    ----------
    area
        That was measured.
    good, defective
        How many parts there were, m and n.
    level
        The share of tests whose interval holds the AUROC.

    Examples
    --------
    >>> low, high = score_interval(0.9, 20, 30)
    >>> round(low, 3), round(high, 3)
    (0.764, 0.959)
    """
    from scipy.optimize import brentq
    from scipy.stats import norm

    z = norm.ppf((1 + level) / 2)

    def beyond(t: float) -> float:
        alike = 1 + ((good + defective) / 2 - 1) * ((1 - t) / (2 - t) + t / (1 + t))
        return float((area - t) ** 2 - z**2 * t * (1 - t) / (good * defective) * alike)

    low, high = (
        area if area == end else float(brentq(beyond, area + _APART * (end - area), end)) for end in (0.0, 1.0)
    )
    return low, high


def by_label(scores: Any, labels: Sequence[str], good: str = "good") -> dict[str, Separation]:
    """Parts of each kind of defect against all good ones.

    Parameters
    ----------
    scores : array of floats, "parts"
        Higher is worse.
    labels : sequence of str
        What is wrong with each part.
    good : str
        The label of those with which nothing is.

    Raises
    ------
    InputError
        As `auroc`.

    Examples
    --------
    >>> told = by_label([0.1, 0.2, 0.15, 0.9], ["good", "good", "dent", "hole"])
    >>> told["dent"].auroc, told["hole"].auroc
    (0.5, 1.0)
    """
    values, names = _values(scores, "scores"), np.asarray(labels)
    _two(values, names != good)
    low = np.sort(values[names == good])
    return {str(name): of_sorted(low, np.sort(values[names == name])) for name in np.unique(names[names != good])}


def of_sorted(good: Float[np.ndarray, " good"], bad: Float[np.ndarray, " defective"]) -> Separation:
    """From scores in rising order. Thresholds between those of defective ones are never better."""
    below, upto = np.searchsorted(good, bad, side="left"), np.searchsorted(good, bad, side="right")
    found, false = len(bad) - np.searchsorted(bad, bad, side="left"), len(good) - below
    f1 = 2 * found / (found + false + len(bad))
    best = int(f1.argmax())
    return Separation(
        auroc=float((below + upto).mean() / 2 / len(good)),
        average_precision=float((found / (found + false)).mean()),
        f1_max=float(f1[best]),
        threshold=float(bad[best]),
        fpr_at_95_tpr=_fpr(good, bad, TPR),
        good=len(good),
        defective=len(bad),
    )


def _fpr(good: Float[np.ndarray, " good"], bad: Float[np.ndarray, " defective"], tpr: float) -> float:
    needed = int(np.ceil(tpr * len(bad) - 1e-9))
    threshold = bad[len(bad) - needed]
    return float((len(good) - np.searchsorted(good, threshold, side="left")) / len(good))


def _two(scores: Any, defective: Any) -> tuple[Float[np.ndarray, " good"], Float[np.ndarray, " defective"]]:
    """Good and defective scores, each in rising order."""
    values, which = _values(scores, "scores"), np.asarray(defective)
    if which.shape != values.shape:
        raise InputError(f"{len(values)} scores, but what is defective has the shape {which.shape}")
    which = which.astype(bool)
    return _sorted(values[~which], "good"), _sorted(values[which], "defective")


def _sorted(scores: Any, kind: str) -> Float[np.ndarray, " n"]:
    values = _values(scores, f"{kind} scores")
    if not len(values):
        raise InputError(f"there are no {kind} parts: a measure needs both kinds")
    return np.sort(values)


def _values(scores: Any, what: str) -> Float[np.ndarray, " n"]:
    values = floats(scores)
    if values.ndim != 1 or not np.isfinite(values).all():
        raise InputError(f"{what}: expected a list of finite numbers, got an array of shape {values.shape}")
    return values


def floats(scores: Any) -> Float[np.ndarray, "*shape"]:
    """Single precision stays what it is, which sorts fast; all else becomes double."""
    values = np.asarray(scores)
    if values.dtype in (np.float32, np.float64):
        return values
    if values.dtype.kind not in "fiub":
        raise InputError(f"scores are numbers, got an array of type {values.dtype}")
    return values.astype(np.float64)
