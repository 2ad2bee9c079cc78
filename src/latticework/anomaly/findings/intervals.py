"""Where an AUROC lies that was measured on few parts: a bootstrap, and the score interval of Newcombe (2006)."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from latticework.anomaly.findings.measures import both_kinds, of_sorted
from latticework.core.checks import number, whole_number
from latticework.core.seeds import seed_from

_DRAWN: Final = 2**22  # counts of a bootstrap that are held at a time: 32 MB
_APART: Final = 1e-12  # of an AUROC of 0 or 1, which solves the equation of its interval itself, a search begins


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
    good, bad = both_kinds(scores, defective)
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
