"""The tour's stop: the paper's neuron and its loss, differentiated step by step, and checked."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from latticework.calculus.derivation import derive

if TYPE_CHECKING:
    from latticework.pages import Section

NEURON: Final = ("relu(w'*x + b)", "w", {"w": "n", "x": "n", "b": ""})
LOSS: Final = ("mean((y - relu(X*w + b)).^2)", "w", {"X": "N,n", "w": "n", "b": "", "y": "N"})


def stop(*, seed: int) -> Section:
    """Derive both, compare them with automatic differentiation, and show the steps."""
    from latticework.calculus import report
    from latticework.pages import Section

    started = time.perf_counter()
    derivations = [derive(*NEURON), derive(*LOSS)]
    seconds = time.perf_counter() - started
    checked = [derivation.verify(random_state=seed) for derivation in derivations]
    explanations = [derivation.explanation for derivation in derivations]
    neuron, loss = (str(derivation) for derivation in derivations)
    return Section(
        "Matrix calculus: a neuron and its loss",
        f"The neuron {NEURON[0]} has the derivative {neuron} by its weights, and its mean squared error over N samples "
        f"has {loss}. Every line below is an equality, by the rule beside it.",
        facts=[
            ("milliseconds for both", f"{seconds * 1e3:.1f}"),
            ("points compared with automatic differentiation", sum(each.points for each in checked)),
            ("largest difference", f"{max(each.worst for each in checked):.0e}"),
            ("steps", sum(len(derivation.steps) for derivation in derivations)),
        ],
        paragraphs=[kink for explanation in explanations[:1] for kink in explanation.kinks],
        pictures=[picture for explanation in explanations for picture in report.drawings(explanation)],
        formulas=[part for explanation in explanations for part in report.steps(explanation)],
    )
