"""A derivative with a known answer."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from calculus.expressions import eval_size

XW = {"X": "N,n", "w": "n", "y": "N"}  # samples, weights, targets
COOKBOOK = "Petersen & Pedersen, The Matrix Cookbook (2012)"
SIZES = {
    "rectangular": {"n": 4, "m": 3, "p": 2, "q": 5, "N": 6, "h": 5, "k": 3, "r": 2},
    "of one": {"n": 1, "m": 2, "p": 3, "q": 1, "N": 2, "h": 3, "k": 1, "r": 1},
    "larger": {"n": 7, "m": 6, "p": 5, "q": 4, "N": 12, "h": 8, "k": 6, "r": 3},
}


@dataclass(frozen=True)
class Case:
    """A derivative and its answer.

    Attributes
    ----------
    name
        Of the test.
    source
        Where the answer is from.
    expression, shapes, wrt, order
        What is derived.
    closed
        The answer as a function of arrays.
    text
        The answer in our language, in one of the two layouts.
    domain
        Variables that are not any numbers: "positive", or "unit" for between 0 and 1.
    """

    name: str
    source: str
    expression: str
    shapes: dict[str, str]
    wrt: str
    closed: Callable[..., Any]
    text: str
    order: int = 1
    domain: dict[str, str] | None = None

    def arrays(self, sizes: dict[str, int], seed: int) -> dict[str, Any]:
        """Values for the variables."""
        generator = np.random.default_rng([seed, *self.name.encode()])
        found: dict[str, Any] = {}
        for name, shape in self.shapes.items():
            lengths = [eval_size(size, sizes) for size in shape.split(",")] if shape else []
            kind = (self.domain or {}).get(name)
            if kind == "positive":
                found[name] = 0.5 + generator.random(lengths)
            elif kind == "unit":
                found[name] = 0.1 + 0.8 * generator.random(lengths)
            else:
                found[name] = generator.normal(size=lengths)
        return found

    def answer(self, arrays: dict[str, Any]) -> Any:
        """The closed form for values."""
        return np.asarray(self.closed(**{name: arrays[name] for name in inspect.signature(self.closed).parameters}))


def name_of(case: Case) -> str:
    return f"{case.name} order {case.order}" if case.order > 1 else case.name
