"""The scan over voxels that decides which of them carry the unobserved confounder, compiled.

It visits voxels one after the other, since each decision changes what is left for the next. Everything happens in the L
dimensions of the basis: with precision A and linear term g of nu*, a voxel with row q of the basis has precision q'Aq,
and what is left for it is q'(g - A nu*) of the others. Only a voxel whose coefficient changes costs L L_r.
"""

from __future__ import annotations

import math
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Int

from latticework.core.errors import require

if TYPE_CHECKING:
    from collections.abc import Callable


@cache
def compiled(function: Callable[..., None]) -> Callable[..., None]:
    """Compile a function of this module, or load what was compiled before."""
    decorate = partial(import_numba().njit, nogil=True, fastmath={"reassoc", "contract"})
    found: Any
    try:
        found = decorate(cache=True)(function)
    except RuntimeError:  # neither the package's folder nor the home can be written: each process compiles anew
        found = decorate()(function)
    return found


def import_numba() -> Any:
    """Numba, or how to install it."""
    return require("numba", extra="mediation", purpose="looking for unobserved confounders")


def quadratics(
    voxels: Int[np.ndarray, " visited"],
    rows: Float[np.ndarray, " entries"],
    starts: Int[np.ndarray, " voxels"],
    firsts: Int[np.ndarray, " voxels"],
    counts: Int[np.ndarray, " voxels"],
    matrix: Float[np.ndarray, "components components"],
    found: Float[np.ndarray, " visited"],
) -> None:
    """Compute q'Aq of some voxels into `found`; arguments as of `visit`."""
    for place in range(len(voxels)):
        start, first, count = starts[voxels[place]], firsts[voxels[place]], counts[voxels[place]]
        row, total = rows[start : start + count], 0.0
        for one in range(count):
            part, moved = matrix[first + one, first : first + count], 0.0
            for other in range(count):
                moved += part[other] * row[other]
            total += row[one] * moved
        found[place] = total


def visit(
    order: Int[np.ndarray, " visited"],
    rows: Float[np.ndarray, " entries"],
    starts: Int[np.ndarray, " voxels"],
    firsts: Int[np.ndarray, " voxels"],
    counts: Int[np.ndarray, " voxels"],
    own: Float[np.ndarray, " visited"],
    moved: Float[np.ndarray, "moved components"],
    precision: Float[np.ndarray, "components components"],
    left: Float[np.ndarray, " components"],
    effects: Float[np.ndarray, " voxels"],
    projected: Float[np.ndarray, " components"],
    log_odds: float,
    slab: float,
    uniforms: Float[np.ndarray, " visited"],
    normals: Float[np.ndarray, " visited"],
) -> None:
    """Draw each voxel's inclusion, its coefficient integrated out, and then its coefficient; in place.

    Parameters
    ----------
    order
        Voxels in the order of the visit; others stay as they are.
    rows, starts, firsts, counts
        The basis, voxel by voxel: entries, where those of a voxel begin, their first component, and how many there are.
    own
        q'Aq of each visited voxel.
    moved
        Aq of each, or of none: then it is computed where it is needed.
    precision, left
        A, and g - A nu*, which is kept up to date.
    effects
        delta nu, nought where a voxel is left out; overwritten.
    projected
        nu* = Q' delta nu, which is kept up to date.
    log_odds, slab
        Prior log odds of inclusion, and the variance of an included coefficient.
    uniforms, normals
        The randomness, by place in the order.
    """
    ready = len(moved) > 0
    for place in range(len(order)):
        voxel = order[place]
        first, count = firsts[voxel], counts[voxel]
        row = rows[starts[voxel] : starts[voxel] + count]
        now = effects[voxel]
        linear = own[place] * now
        beside = left[first : first + count]
        for entry in range(count):
            linear += row[entry] * beside[entry]
        variance = 1.0 / (own[place] + 1.0 / slab)
        mean = variance * linear
        odds = log_odds + 0.5 * math.log(variance / slab) + 0.5 * mean * linear
        if odds > 36.0:  # e^-36 is below the resolution of a uniform
            included = True
        elif odds < -700.0:
            included = False
        else:
            included = uniforms[place] < 1.0 / (1.0 + math.exp(-odds))
        new = mean + math.sqrt(variance) * normals[place] if included else 0.0
        change = new - now
        if change != 0.0:
            effects[voxel] = new
            own_part = projected[first : first + count]
            for entry in range(count):
                own_part[entry] += change * row[entry]
            if ready:
                step = moved[place]
                for component in range(len(left)):
                    left[component] -= step[component] * change
            else:
                for component in range(len(left)):
                    part, total = precision[component, first : first + count], 0.0
                    for entry in range(count):
                        total += part[entry] * row[entry]
                    left[component] -= total * change
