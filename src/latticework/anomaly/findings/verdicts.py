"""Which parts of a test set a model judges rightly, and which it does not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

from latticework.anomaly.findings.results import Evaluation


@dataclass(frozen=True)
class Errors:
    """Names of the parts that are judged wrongly, the worst first.

    Attributes
    ----------
    missed
        Defective parts that are taken for good: those with the lowest scores first.
    alarms
        Good parts that are taken for defective: those with the highest scores first.
    """

    missed: tuple[str, ...]
    alarms: tuple[str, ...]

    def worst(self, most: int) -> list[str]:
        """The first of both kinds."""
        return [*self.missed[:most], *self.alarms[:most]]


def errors_of(evaluation: Evaluation) -> Errors:
    """Which parts are judged wrongly.

    For a model without a threshold the one with the best F1 stands in, which knows the answers.
    """
    taken = judged(evaluation)
    if taken is None:
        return Errors((), ())
    bad = evaluation.bad
    order = np.argsort(evaluation.scores, kind="stable")
    missed = tuple(evaluation.names[place] for place in order if bad[place] and not taken[place])
    return Errors(missed, tuple(evaluation.names[place] for place in order[::-1] if not bad[place] and taken[place]))


def judged(evaluation: Evaluation) -> Bool[np.ndarray, " parts"] | None:
    """Which parts count as defective; without a threshold of the model by the one that has the best F1."""
    if evaluation.defective is not None:
        return evaluation.defective
    image = evaluation.figures.image
    return None if image is None else np.asarray(evaluation.scores >= image.threshold)
