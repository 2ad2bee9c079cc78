"""A derivative and somebody's answer at the same points: where both have values, and whether these are the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from latticework.calculus.binding import Array
from latticework.calculus.evaluate import evaluate
from latticework.calculus.expression import Expr
from latticework.calculus.points import difference, point, size_sets
from latticework.calculus.rounding import rounding
from latticework.calculus.tree import order
from latticework.core.errors import InputError

TOLERANCE = 1e-8
SMALL_SIZES = ((1,) * 5, (2,) * 5, (3,) * 5)  # of what is tried for a counter-example
SMALL_DRAWS = 40  # small whole numbers that are tried for a counter-example
POINTS = 3  # of each set of sizes
NEAR = 1e-3  # how far around a point an answer is looked for
DRAWS_NEAR = 8
SINGULAR = 1e13  # condition of a matrix that has no inverse
FORGIVEN = 1e-3  # share of the derivative up to which terms of an answer may cancel


@dataclass(frozen=True, eq=False)
class Comparison:
    """What is compared.

    Attributes
    ----------
    function
        What was differentiated.
    right
        Its derivative.
    given
        The answer.
    roots
        The variables, by name.
    """

    function: Expr
    right: Expr
    given: Expr
    roots: dict[str, Expr]

    def points(self) -> Iterator[Point]:
        """Points of several sizes at which the function and its derivative have a value, and the answer is known."""
        rng = np.random.default_rng(0)
        both = (self.right, *self.roots.values())
        for sizes in size_sets(self.function, self.right, self.given):
            for _ in range(POINTS):
                arrays = point(self.function, sizes, rng, *both)
                found = None if arrays is None else self.at(arrays)
                if arrays is not None and found is None:  # the answer's numbers overflow or underflow
                    arrays = point(self.function, sizes, rng, *both, self.given)
                    found = None if arrays is None else self.at(arrays)
                if found is not None:
                    yield found

    def small(self) -> Iterator[Point]:
        """Points of small sizes, at small whole numbers, where that is so."""
        rng = np.random.default_rng(0)
        for sizes in size_sets(self.function, self.right, self.given, bases=SMALL_SIZES):
            for highest in (1, 2, 3):
                for _ in range(SMALL_DRAWS):
                    low = 0 if rng.random() < 0.7 else -highest
                    values: dict[str, Any] = {}
                    for name, node in self.roots.items():
                        shape = tuple(axis.value(sizes) for axis in node.shape)
                        value = rng.integers(low, highest + 1, shape).astype(float)
                        value = np.abs(value) + 1 if "positive" in node.data[2] else value
                        values[name] = np.tril(value) + np.tril(value, -1).T if "symmetric" in node.data[2] else value
                    found = self.at({**sizes, **values})
                    if found is not None:
                        yield found

    def at(self, arrays: dict[str, Any]) -> Point | None:
        """The point, if the function and its derivative have a value there, and the answer is known."""
        try:
            with np.errstate(all="ignore"):
                value, expected = evaluate(self.function, arrays), evaluate(self.right, arrays)
        except (InputError, np.linalg.LinAlgError):
            return None
        if not (np.isfinite(value).all() and np.isfinite(expected).all()):
            return None
        got = self.answer(arrays)
        return None if got is None else Point(self, arrays, expected, got)

    def answer(self, arrays: dict[str, Any]) -> Array | None:
        """What the answer gives: no number where it has none, nothing where its numbers overflow or underflow to it."""
        nothing = np.full([size.value(arrays) for size in self.given.shape], np.nan)
        try:
            with np.errstate(all="ignore"):
                got = evaluate(self.given, arrays)
                if np.isfinite(got).all():
                    singular = any(np.linalg.cond(evaluate(each, arrays)) > SINGULAR for each in self._inverted)
                    return nothing if singular else got
            overflows = self._raises(arrays, np.errstate(all="ignore", over="raise"))
            underflows = self._raises(arrays, np.errstate(all="ignore", under="raise"))
            if overflows or (underflows and self._raises(arrays, np.errstate(all="ignore", divide="raise"))):
                return None
        except (InputError, np.linalg.LinAlgError):
            return nothing
        return got

    def _raises(self, arrays: dict[str, Any], errors: np.errstate) -> bool:
        """Whether computing the answer meets one of these."""
        try:
            with errors:
                evaluate(self.given, arrays)
        except FloatingPointError:
            return True
        return False

    @cached_property
    def _inverted(self) -> list[Expr]:
        return [node.args[0] for node in order(self.given) if node.op in ("inv", "logdet") and node.args[0].rank]


@dataclass(frozen=True, eq=False)
class Point:
    """Values of the variables and sizes, the derivative there, and what the answer gives."""

    comparison: Comparison
    arrays: dict[str, Any]
    expected: Array
    got: Array

    @property
    def values(self) -> dict[str, Array]:
        """The values of the variables."""
        return {name: np.asarray(self.arrays[name]) for name in self.comparison.roots}

    @property
    def has_value(self) -> bool:
        """Whether the answer has a value here."""
        return bool(np.isfinite(self.got).all())

    @cached_property
    def is_alone(self) -> bool:
        """Whether the answer has no value here, but close by."""
        rng = np.random.default_rng(0)
        for _ in range(DRAWS_NEAR if not self.has_value else 0):
            near = {name: value + NEAR * rng.uniform(-1, 1, value.shape) for name, value in self.values.items()}
            got = self.comparison.answer({**self.arrays, **near})
            if got is None or np.isfinite(got).all():
                return True
        return False

    def close(self, factor: float = 1.0, *, turned: bool = False) -> bool:
        """Whether the answer is the derivative, a multiple of it or its transpose, up to rounding."""
        expected = factor * (self.expected.T if turned else self.expected)
        if not self.has_value or expected.shape != self.got.shape:
            return False
        return (
            difference(expected, self.got) <= TOLERANCE or difference(expected, self.got, self._rounding) <= TOLERANCE
        )

    @cached_property
    def _rounding(self) -> float:
        """What is forgiven: of the answer no more than there is of the derivative, or a small share of that."""
        right = rounding(self.comparison.right, self.expected, self.arrays)
        given = rounding(self.comparison.given, self.got, self.arrays)
        size = float(np.abs(self.expected).max(initial=0.0))
        return right + (min(given, max(right, FORGIVEN * size)) if size else given)
