"""The arrays that variables stand for, and what their shapes say of the sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from latticework.calculus.dimensions import Dim
from latticework.calculus.expression import Expr
from latticework.core.errors import InputError

Array = np.ndarray[Any, np.dtype[Any]]
Sizes = dict[str, int]


def bound(named: Mapping[str, Expr], arrays: Mapping[str, Any]) -> tuple[dict[str, Array], Sizes]:
    """The arrays of variables as floating-point numbers, and what their shapes say of the sizes.

    Values of other names are not looked at, except for the size symbols among them.
    """
    values: dict[str, Array] = {}
    for name, node in named.items():
        if name not in arrays:
            raise InputError(f"no value for {name} ({node.shape_text})")
        try:
            array = np.asarray(arrays[name])
            array = array if array.dtype.kind in "fc" else array.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise InputError(f"the value of {name} is not an array of numbers") from error
        values[name] = array
    sizes = sizes_of(named, {name: array.shape for name, array in values.items()})
    for name, given in arrays.items():
        if name not in values and name not in sizes and isinstance(given, int | np.integer):
            sizes[name] = int(given)
    return values, sizes


def sizes_of(named: Mapping[str, Expr], shapes: Mapping[str, Sequence[int]]) -> Sizes:
    """What the shapes of the arrays of variables say of the sizes.

    Raises
    ------
    InputError
        If an array has another number of axes than its variable, or a length that does not fit.
    """
    axes: list[tuple[str, Dim, int]] = []
    for name, node in named.items():
        if len(shapes[name]) != node.rank:
            raise InputError(f"{name} is a {node.shape_text}, got an array of shape {tuple(shapes[name])}")
        axes.extend((name, size, length) for size, length in zip(node.shape, shapes[name], strict=True))
    sizes: Sizes = {}
    for _, size, length in axes:
        if size.name is not None:
            sizes.setdefault(size.name, length)
    progress = True
    while progress:
        progress = False
        for _, size, length in axes:
            unknown = size.symbols - sizes.keys()
            solved = _solved(size, length, sizes, *unknown) if len(unknown) == 1 else None
            if solved is not None:
                sizes.update(solved)
                progress = True
    for name, size, length in axes:
        if size.symbols <= sizes.keys() and size.value(sizes) != length:
            shape = "×".join(map(str, named[name].shape))
            where = f", where {size} = {size.value(sizes)}" if size.symbols else ""
            raise InputError(f"{name} is {shape}{where}, got shape {tuple(shapes[name])}")
    return sizes


def _solved(size: Dim, length: int, sizes: Sizes, name: str) -> Sizes | None:
    """The one unknown symbol of a size that is linear in it, rounded down to a size where the length fits none."""
    at = [size.value({**sizes, name: k}) for k in (0, 1, 2)]
    slope = at[1] - at[0]
    if not slope or at[2] - at[1] != slope:
        return None
    return {name: max(0, (length - at[0]) // slope)}
