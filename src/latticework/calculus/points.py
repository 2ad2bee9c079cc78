"""Where derivatives are compared: random points of several sizes, inside every domain and away from kinks."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from latticework.calculus.binding import Array
from latticework.calculus.dimensions import ONE, Dim
from latticework.calculus.evaluate import evaluate
from latticework.calculus.expression import Expr
from latticework.calculus.tree import order, symbols, variables
from latticework.core.errors import InputError

SIZE_SETS = ((3, 4, 5, 2, 6), (1, 1, 1, 1, 1), (2, 3, 4, 5, 7), (5, 2, 3, 4, 1))
WORST_CONDITION = 1e6  # of a matrix that is inverted, whose errors grow with it
MOST_ELEMENTS = 4_000_000  # of what is drawn, and of all that is computed of it
NEAREST_KINK = 0.05  # of what differences may reach
MOST_DRAWS = 60
# What is drawn until the function has a value: any numbers, positive ones, small ones; with well-conditioned matrices.
SPREADS = ((-1.5, 1.5), (0.4, 1.6), (0.1, 0.9), (1.1, 2.4))


def size_sets(*roots: Expr, bases: Sequence[tuple[int, ...]] = SIZE_SETS) -> Iterator[dict[str, int]]:
    """Sizes for all symbols: different ones, so that shapes that only happen to fit do not.

    They are larger where an index needs it, and left out where an axis would be empty all the same.

    Raises
    ------
    InputError
        If something has too many elements at these sizes.
    """
    nodes = order(*roots)
    lengths = dict.fromkeys(length for node in nodes for length in _lengths(node))
    more: dict[str, int] = {}
    for length in lengths:
        missing = -dict(length.terms).get((), 0)
        for factors, coefficient in length.terms:
            if coefficient > 0:
                more.update({name: max(missing, more.get(name, 0)) for name in factors})
    names = sorted(symbols(*roots).union(*(length.symbols for length in lengths)))
    for base in bases:
        drawn = (base[place % len(base)] + place // len(base) for place in range(len(names)))
        sizes = {name: size + more.get(name, 0) for name, size in zip(names, drawn, strict=True)}
        if any(length.value(sizes) < 1 for length in lengths):
            continue
        for node in nodes:
            if math.prod(size.value(sizes) for size in node.shape) > MOST_ELEMENTS:
                most = f"more than {MOST_ELEMENTS:,} elements"
                raise InputError(f"a {node.shape_text} is too large to be tried out: {most}")
        yield sizes


def _lengths(node: Expr) -> Iterator[Dim]:
    """What has to be at least 1: the lengths of axes, and the places of an index, counted from either end."""
    yield from node.shape
    if node.op == "index":
        for spec, size in zip(node.data, node.args[0].shape, strict=True):
            if spec is not None:
                low, high = spec
                yield from (low, size - (low if high is None else high) + ONE)


def draw(
    roots: Mapping[str, Expr], sizes: Mapping[str, int], rng: np.random.Generator, spread: tuple[float, float]
) -> dict[str, Array]:
    """A value for each variable; square matrices are far from singular ones, on either side of them."""
    values: dict[str, Array] = {}
    for name, node in roots.items():
        value = np.asarray(rng.uniform(*spread, tuple(size.value(sizes) for size in node.shape)))
        if node.data[2] and "symmetric" in node.data[2]:
            value = (value + value.T) / 2
        if "positive" in node.data[2]:
            value = np.abs(value) + 0.1
        if value.ndim == 2 and value.shape[0] == value.shape[1]:
            value = value + np.eye(len(value)) * np.copysign(1 + np.abs(value).sum() / len(value), value[0, 0])
        values[name] = value
    return values


def point(root: Expr, sizes: Mapping[str, int], rng: np.random.Generator, *also: Expr) -> dict[str, Any] | None:
    """Values at which the function and what else is given are finite, away from kinks; nothing if none was found."""
    roots = variables(root, *also)
    kinks = kink_arguments(root)
    inverted = [
        node.args[0] for node in order(root, *also) if node.op in ("inv", "det", "logdet") and node.args[0].rank
    ]
    for attempt in range(MOST_DRAWS):
        values = draw(roots, sizes, rng, SPREADS[attempt % len(SPREADS)])
        arrays: dict[str, Any] = {**sizes, **values}
        try:
            with np.errstate(all="ignore"):
                found = [evaluate(each, arrays) for each in (root, *also)]
                near = any(_near_kink(each, arrays) for each in kinks)
                near = near or any(_near_singular(each, arrays) for each in inverted)
        except (InputError, np.linalg.LinAlgError):
            return None  # an index outside, say: these sizes do not fit
        if not near and all(np.isfinite(each).all() for each in found):
            return arrays
    return None


def _near_singular(matrix: Expr, arrays: Mapping[str, Any]) -> bool:
    return bool(np.linalg.cond(np.asarray(evaluate(matrix, arrays))) > WORST_CONDITION)


def kink_arguments(root: Expr) -> list[tuple[Expr, ...]]:
    """For every operation with a kink, what decides on which side of it a point is."""
    found: list[tuple[Expr, ...]] = []
    for node in order(root):
        if node.op in ("relu", "abs", "sign", "norm1", "norm2") or node.op in ("maximum", "minimum", "compare"):
            found.append(node.args)
        elif node.op in ("max", "min") and node.args[0].rank:  # a number is its own largest
            found.append((*node.args, node))
    return found


def _near_kink(args: tuple[Expr, ...], arrays: Mapping[str, Any]) -> bool:
    values = [np.asarray(evaluate(arg, arrays)) for arg in args]
    if len(values) == 1:
        return bool((np.abs(values[0]) < NEAREST_KINK).any())
    if args[1].op in ("max", "min") and args[1].args[0] is args[0]:
        gaps = np.sort(np.abs(values[0] - values[1]).ravel())
        return len(gaps) > 1 and bool(gaps[1] < NEAREST_KINK)
    return bool((np.abs(values[0] - values[1]) < NEAREST_KINK).any())


def difference(expected: Array, got: Array, rounding: float = 0.0) -> float:
    """The largest difference of two derivatives beyond what rounding may do, relative to their largest element."""
    if expected.shape != got.shape:
        return math.inf
    apart = float(np.abs(got - expected).max(initial=0.0))
    if apart <= rounding + sys.float_info.min:
        return 0.0
    return (apart - rounding) / max(float(np.abs(each).max(initial=0.0)) for each in (expected, got))
