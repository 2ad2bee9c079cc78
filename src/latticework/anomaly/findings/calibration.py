"""When a score is an alarm: thresholds and p-values from the scores of good parts that nothing was fitted on.

Split conformal prediction (Vovk, Gammerman & Shafer 2005; Lei et al. 2018). If a new good part and m held-out ones are
exchangeable, its score is above their k-th smallest with a probability of at most 1 - k/(m + 1), whatever the scores'
distribution. The threshold for a rate of false alarms a is thus the ⌈(m + 1)(1 - a)⌉-th smallest; where a is below
1/(m + 1) there is none, and m parts cannot certify so few.

The probability is over the held-out parts too: what these very ones happen to give is `Threshold.rate_at_most`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from jaxtyping import Float, Float64, Real

from latticework.core.checks import number
from latticework.core.errors import InputError
from latticework.core.words import counted


@dataclass(frozen=True)
class Threshold:
    """A score above which a part is called defective, and how often that is wrong for a good one.

    Parameters
    ----------
    value
        Scores strictly above it are alarms.
    asked
        The rate of false alarms that was asked for.
    certified
        The rate that holds, at most `asked` wherever the held-out parts are enough.
    parts
        How many there were, m.

    Examples
    --------
    >>> threshold([0.3, 0.1, 0.2], rate=0.01).about()
    '3 held-out parts certify at most 25 % of false alarms, not the 1 % asked for: that takes 99'
    """

    value: float
    asked: float
    certified: float
    parts: int

    @property
    def holds(self) -> bool:
        """Whether the rate asked for is certified."""
        above = round(self.certified * (self.parts + 1))
        return above <= (self.parts + 1) * _as_meant(self.asked)

    def rate_at_most(self, *, confidence: float = 0.95) -> float:
        """What the rate of false alarms is at most in the long run, for this share of all sets of held-out parts.

        `certified` is its mean over such sets. Of continuous scores the rate has the distribution Beta(j, m + 1 - j),
        j = certified · (m + 1), and ties only lower it.

        Examples
        --------
        >>> found = threshold(range(99), rate=0.05)
        >>> found.certified, round(found.rate_at_most(), 3)
        (0.05, 0.09)
        """
        from scipy.stats import beta

        confidence = number("confidence", confidence, lambda share: 0 < share < 1, "a share between 0 and 1")
        above = round(self.certified * (self.parts + 1))
        return float(beta.ppf(confidence, above, self.parts + 1 - above))

    def about(self) -> str:
        """What is certified, in a sentence."""
        parts = counted(self.parts, "held-out part")
        verb = "certifies" if self.parts == 1 else "certify"
        found = f"{parts} {verb} at most {100 * self.certified:.3g} % of false alarms"
        if self.holds:
            return found
        return f"{found}, not the {100 * self.asked:.3g} % asked for: that takes {parts_needed(self.asked):,}"


def parts_needed(rate: float) -> int:
    """How many held-out parts it takes to certify a rate of false alarms: the least m with 1/(m + 1) <= rate.

    Examples
    --------
    >>> parts_needed(0.01), parts_needed(0.05), parts_needed(0.3)
    (99, 19, 3)
    """
    return math.ceil(1 / _as_meant(_rate(rate))) - 1


def threshold(scores: object, *, rate: float) -> Threshold:
    """The threshold that a stated rate of false alarms allows.

    Parameters
    ----------
    scores
        Of m good parts that nothing was fitted on, in one axis; the larger, the more anomalous.
    rate
        Of false alarms among good parts, between 0 and 1.

    Returns
    -------
    Threshold
        Of a rate below 1/(m + 1) the largest score, with the 1/(m + 1) that it certifies.

    Raises
    ------
    InputError
        If there is no score, one is not finite, or the rate is not between 0 and 1.

    Examples
    --------
    >>> threshold([5, 1, 4, 2, 3, 9, 7, 8, 6], rate=0.2)
    Threshold(value=8.0, asked=0.2, certified=0.2, parts=9)
    """
    held_out, rate = _held_out(scores), _rate(rate)
    parts = len(held_out)
    above = min(parts, max(1, math.floor((parts + 1) * _as_meant(rate))))  # of m + 1 parts, those that may be alarms
    return Threshold(float(np.sort(held_out)[parts - above]), rate, above / (parts + 1), parts)


def p_values(held_out: object, scores: Real[np.ndarray, "*shape"]) -> Float64[np.ndarray, "*shape"]:
    """How many of the held-out parts and itself score at least as high as a part does, as a share: (1 + #) / (m + 1).

    Of a good part it is at most a with a probability of at most a, for every a. It is at most a certified rate exactly
    where the score is above the threshold of that rate.

    Parameters
    ----------
    held_out
        Scores of m good parts that nothing was fitted on.
    scores
        Of new parts.

    Raises
    ------
    InputError
        If nothing is held out, a score that is held out is not finite, or one is NaN.

    Examples
    --------
    >>> p_values([1, 2, 2, 3], np.array([0, 2, 4])).tolist()
    [1.0, 0.8, 0.2]
    """
    ordered = np.sort(_held_out(held_out))
    new = np.asarray(scores, np.float64)
    if np.isnan(new).any():
        raise InputError("a score is NaN: where nothing can be judged there is no p-value")
    below = np.searchsorted(ordered, new, side="left")
    return np.asarray((1.0 + len(ordered) - below) / (len(ordered) + 1))


def _held_out(scores: object) -> Float[np.ndarray, " parts"]:
    try:
        found = np.asarray(scores, np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"scores of held-out parts: expected numbers, got {type(scores).__name__}") from error
    if found.shape == (0,):
        raise InputError("there is no score of a held-out part: fit with more good parts, or validation=...")
    if found.ndim != 1:
        raise InputError(f"scores of held-out parts: expected one axis with at least 1 score, got {found.shape}")
    if not np.isfinite(found).all():
        place = int(np.flatnonzero(~np.isfinite(found))[0])
        raise InputError(f"the score of held-out part {place} is {found[place]}: calibration needs finite scores")
    return found


def _rate(rate: float) -> float:
    return number("rate", rate, lambda share: 0 < share < 1, "a rate of false alarms between 0 and 1")


def _as_meant(rate: float) -> Fraction:
    """The fraction that is meant: 1/10 or 1/3, not the binary number beside it, which could cost a part."""
    found = Fraction(rate)
    return found.limit_denominator(10**9) or found
