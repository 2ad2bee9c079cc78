"""The arrays that variables stand for, and what their shapes say of the sizes."""

from __future__ import annotations

from collections.abc import Mapping
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
    open_sizes: list[tuple[str, Dim, int]] = []
    for name, node in named.items():
        if name not in arrays:
            raise InputError(f"no value for {name} ({node.shape_text})")
        try:
            array = np.asarray(arrays[name])
            array = array if array.dtype.kind in "fc" else array.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise InputError(f"the value of {name} is not an array of numbers") from error
        if array.ndim != node.rank:
            raise InputError(f"{name} is a {node.shape_text}, got an array of shape {array.shape}")
        values[name] = array
        open_sizes.extend((name, size, length) for size, length in zip(node.shape, array.shape, strict=True))
    sizes: Sizes = {}
    progress = True
    while progress:
        progress = False
        for _, size, length in open_sizes:
            unknown = size.symbols - sizes.keys()
            if size.name is not None and unknown:
                sizes[size.name] = length
                progress = True
            elif len(unknown) == 1:
                solved = _solved(size, length, sizes, next(iter(unknown)))
                if solved is not None:
                    sizes.update(solved)
                    progress = True
    for name, size, length in open_sizes:
        if size.symbols <= sizes.keys() and size.value(sizes) != length:
            shape = "×".join(map(str, named[name].shape))
            raise InputError(f"{name} is {shape}, where {size} = {size.value(sizes)}, got shape {values[name].shape}")
    for name, given in arrays.items():
        if name not in values and name not in sizes and isinstance(given, int | np.integer):
            sizes[name] = int(given)
    return values, sizes


def _solved(size: Dim, length: int, sizes: Sizes, name: str) -> Sizes | None:
    at = [size.value({**sizes, name: k}) for k in (0, 1, 2)]
    slope = at[1] - at[0]
    if slope <= 0 or at[2] - at[1] != slope or (length - at[0]) % slope:
        return None
    return {name: (length - at[0]) // slope}
