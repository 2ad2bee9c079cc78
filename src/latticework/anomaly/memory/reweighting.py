"""The score of an image from those of its patches (PatchCore, Roth et al. 2022, equation 7)."""

from __future__ import annotations

from typing import Final

import numpy as np
from jaxtyping import Float, Float32, Float64, Int64
from torch import Tensor

from latticework.anomaly.memory.distances import direct
from latticework.anomaly.memory.neighbours import Neighbours, as_rows
from latticework.core.checks import whole_number

SUPPORT: Final = 3  # entries around the nearest one in the published code of M3DM; PatchCore's paper leaves it open


def image_score(
    bank: Neighbours,
    patches: Float[np.ndarray | Tensor, "patches channels"],
    distances: Float32[np.ndarray, " patches"],
    nearest: Int64[np.ndarray, " patches"],
    *,
    support: int = SUPPORT,
) -> float:
    """The score of an image: the distance of its worst patch, less where the bank itself is sparse.

    PatchCore's equation 7: s = (1 - exp(s*) / Σ exp|m_test - m|) s*, with s* the distance of the worst patch m_test
    from its nearest entry m*, and m over N_b(m*), the b entries nearest to m*. Computed from differences of distances,
    so that no exponential overflows.

    Differs from the paper: where there is no second entry to compare with, the weight is 1, not 0.

    Parameters
    ----------
    bank
        The entries.
    patches
        The patches of the image.
    distances, nearest
        What `Neighbours.nearest` found.
    support
        b.

    Returns
    -------
    float
        In the features' unit; 0 where there is no patch.

    Raises
    ------
    InputError
        If `support` is not positive.

    Examples
    --------
    >>> bank = Neighbours(np.array([[0.0], [1.0], [9.0]]))
    >>> patches = np.array([[0.5], [11.0]])
    >>> round(image_score(bank, patches, *bank.nearest(patches), support=2), 4)  # 2 (1 - e² / (e² + e¹⁰))
    1.9993
    """
    support = whole_number("support", support)
    if not len(distances):
        return 0.0
    worst = int(distances.argmax())
    score = float(distances[worst])
    others = bank.around(int(nearest[worst]), support)
    if len(others) < 2:
        return score
    patch = np.asarray(as_rows(patches[worst : worst + 1]))
    beside = np.sqrt(direct(bank.entries[others], patch))
    return score * _weight(score, beside)


def _weight(score: float, beside: Float64[np.ndarray, " support"]) -> float:
    """1 - exp(score) / Σ exp(beside), without exponentials of large numbers."""
    largest = float(beside.max())
    total = np.log(np.exp(beside - largest).sum()) + largest
    return float(-np.expm1(min(0.0, score - total)))
