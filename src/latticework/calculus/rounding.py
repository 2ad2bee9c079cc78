"""How far rounding may carry a value: what comes of operands that are all a little off.

An operation gives the exact result of operands that are off by a rounding or so. Here they are off by much more, each
at random, and what comes of that is scaled down: it counts what cancels, in whatever units, and nothing else.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from latticework.calculus.binding import Array
from latticework.calculus.evaluate import Around, Run, evaluate
from latticework.calculus.expression import Expr
from latticework.core.errors import InputError

OFF = 2.0**-26  # of operands, relative to them: so little that its square does not count
DRAWS = 3
MARGIN = 64  # roundings that an operand may be off by
# Operations that do not round.
_EXACT = frozenset(
    [
        *("T", "neg", "abs", "sign", "relu", "max", "min", "maximum", "minimum", "compare"),
        *("diag", "diagonal", "vec", "unvec", "index", "stack", "pad", "full", "own"),
        *("as_row", "as_column", "as_vector", "as_one"),
    ]
)
_CANCELLING = ("gelu", "log_softmax")  # within them numbers as large as the operand cancel


def rounding(root: Expr, value: Array, arrays: Mapping[str, Any]) -> float:
    """How much the largest error of a value may be.

    Parameters
    ----------
    root
        The expression.
    value
        Of it, as `evaluate` gives it.
    arrays
        Of its variables, and sizes by name.

    Examples
    --------
    >>> from latticework.calculus.parser import parse
    >>> found = [rounding(parse(text), np.asarray(0.5), {"a": 0.5}) for text in ("1e9*a/1e9", "a + 1e9 - 1e9")]
    >>> found[0] < 1e-13 < 1e-8 < found[1] < 1e-4
    True
    """

    def disturbed(rng: np.random.Generator) -> Array:
        with np.errstate(all="ignore"):
            return evaluate(root, arrays, around=around(lambda operand: operand * off(rng, operand.shape)))

    return spread(disturbed, value)


def spread(disturbed: Callable[[np.random.Generator], Array | None], value: Array) -> float:
    """The same for what is computed in some way of operands that are off, or is nothing."""
    rng = np.random.default_rng(0)
    largest = 0.0
    for _ in range(DRAWS):
        try:
            found = disturbed(rng)
        except InputError:  # a matrix that is just not singular
            continue
        if found is not None:
            apart = np.abs(found - value)
            largest = max(largest, float(apart[np.isfinite(apart)].max(initial=0.0)))
    size = float(np.abs(value).max(initial=0.0))
    return (largest / OFF + size) * MARGIN * sys.float_info.epsilon


def off(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Factors that are almost 1."""
    return np.asarray(1 + OFF * rng.uniform(-1, 1, shape))


def around(disturb: Callable[[Any], Any]) -> Around:
    """Operations with `disturb` applied to their operands, where they round."""

    def changed(op: str, run: Run) -> Run:
        if op in _EXACT:
            return run
        if op == "pow":  # of a negative number only a whole power has a value
            return lambda base, exponent: run(disturb(base), exponent)
        if op in _CANCELLING:
            return lambda x: run(disturb(x)) + disturb(x) - x
        return lambda *operands: run(*map(disturb, operands))

    return changed
