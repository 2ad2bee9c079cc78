"""How well scores tell defective parts from good ones: AUROC, AP, F1, FPR at 95 % TPR.

A threshold counts a part as defective if its score is at least that high. Everything follows from how many good scores
lie above each defective one, so it takes one sort of each kind and a binary search.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from jaxtyping import Float

from latticework.core.checks import number
from latticework.core.errors import InputError

TPR: Final = 0.95


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
    return of_sorted(*both_kinds(scores, defective)).auroc


def average_precision(scores: Any, defective: Any) -> float:
    """The mean of the precision at each recall; arguments and errors as of `auroc`.

    Examples
    --------
    >>> round(average_precision([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1]), 4)
    0.8333
    """
    return of_sorted(*both_kinds(scores, defective)).average_precision


def f1_max(scores: Any, defective: Any) -> tuple[float, float]:
    """The best F1 of any threshold, and that threshold; arguments and errors as of `auroc`.

    Examples
    --------
    >>> f1_max([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1])
    (0.8, 0.35)
    """
    told = of_sorted(*both_kinds(scores, defective))
    return told.f1_max, told.threshold


def fpr_at_tpr(scores: Any, defective: Any, tpr: float = TPR) -> float:
    """The share of good parts that are lost where `tpr` of the defective ones are found; the rest as of `auroc`.

    Examples
    --------
    >>> fpr_at_tpr([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1])
    0.5
    """
    number("tpr", tpr, lambda share: 0 < share <= 1, "a share above 0, 1 at most")
    good, bad = both_kinds(scores, defective)
    return _fpr(good, bad, tpr)


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
    both_kinds(values, names != good)
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
    needed = max(1, int(np.ceil(tpr * len(bad) - 1e-9)))
    threshold = bad[len(bad) - needed]
    return float((len(good) - np.searchsorted(good, threshold, side="left")) / len(good))


def both_kinds(scores: Any, defective: Any) -> tuple[Float[np.ndarray, " good"], Float[np.ndarray, " defective"]]:
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
