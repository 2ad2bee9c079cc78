"""Leading eigenvectors of a kernel between voxels: dense, or by Lanczos iterations with Fourier products on a grid."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.fft import irfftn, next_fast_len, rfftn
from scipy.linalg import eigh
from scipy.sparse.linalg import LinearOperator, eigsh
from scipy.spatial.distance import cdist

from latticework.core.checks import number
from latticework.core.errors import InputError

DENSE_VOXELS: Final = 2000  # all eigenvalues of so many take seconds
STORED_VOXELS: Final = 15_000  # a dense kernel of so many takes 1.8 GB
MOST_ITERATED: Final = 1000  # components by Lanczos iterations, whose time grows with their square: minutes
FEW: Final = 0.1  # of the components; for more, Lanczos iterations take longer than a dense decomposition
_GRID_CELLS: Final = 2**22  # of the box around a region; with more, it is not looked at as a grid
_GRID_CELLS_PER_VOXEL: Final = 64  # likewise
_GRID_TOLERANCE: Final = 1e-5  # of a step
_SPARE: Final = 8  # eigenvalues beyond the last that is asked for, one of which may be equal to it
_ROWS: Final = 256  # of a dense kernel at a time

Kernel = Callable[[np.ndarray], np.ndarray]  # values at distances


class Grid(NamedTuple):
    """Voxels on a grid along the axes."""

    cells: Int[np.ndarray, "voxels axes"]
    steps: Float[np.ndarray, " axes"]

    @property
    def shape(self) -> tuple[int, ...]:
        """Cells along each axis, of the box around the voxels."""
        return tuple(int(cell) + 1 for cell in self.cells.max(axis=0))

    @staticmethod
    def of(coordinates: Float[np.ndarray, "voxels axes"]) -> Grid | None:
        """The grid that voxels lie on, if they do and the box around them is not too large."""
        cells, steps = np.zeros(coordinates.shape, dtype=np.int64), np.zeros(coordinates.shape[1])
        size = 1
        for axis, x in enumerate(coordinates.T):
            low, high = x.min(), x.max()
            gaps = np.diff(np.unique(x))
            gaps = gaps[gaps > 1e-9 * (high - low)]
            if not len(gaps):
                continue
            last = round((high - low) / gaps.min())
            size *= last + 1
            if size > min(_GRID_CELLS, _GRID_CELLS_PER_VOXEL * len(x)):
                return None
            steps[axis] = (high - low) / last
            places = (x - low) / steps[axis]
            cells[:, axis] = np.rint(places)
            if np.abs(places - cells[:, axis]).max() > _GRID_TOLERANCE:
                return None
        return Grid(cells, steps)

    def values(self, kernel: Kernel) -> np.ndarray:
        """The kernel between the first cell and every other, each distance evaluated once."""
        squares = np.zeros(self.shape)
        for axis, (cells, step) in enumerate(zip(self.shape, self.steps, strict=True)):
            along = (np.arange(cells) * step) ** 2
            squares += along.reshape([-1 if other == axis else 1 for other in range(len(self.shape))])
        distinct, where = np.unique(squares, return_inverse=True)
        return kernel(np.sqrt(distinct))[where].reshape(self.shape)


def _dense(voxels: np.ndarray, grid: Grid | None, kernel: Kernel) -> np.ndarray:
    """The kernel between all voxels."""
    count = len(voxels)
    matrix = np.empty((count, count))
    table = None if grid is None else grid.values(kernel)
    for first in range(0, count, _ROWS):
        rows = slice(first, min(first + _ROWS, count))
        if grid is None or table is None:
            block = kernel(cdist(voxels[rows], voxels[first:]))
        else:
            offsets = np.abs(grid.cells[rows, None] - grid.cells[None, first:])
            block = table[tuple(np.moveaxis(offsets, -1, 0))]
        matrix[rows, first:] = block
        matrix[first:, rows] = block.T
    return matrix


def by_fourier(grid: Grid, kernel: Kernel) -> Callable[[np.ndarray], np.ndarray]:
    """Multiplication with the kernel, which on a grid is a convolution: exact, as the circle is twice as long."""
    table = grid.values(kernel)
    axes = tuple(range(len(grid.shape)))
    circle = tuple(next_fast_len(2 * cells - 1, real=True) for cells in grid.shape)
    around = [
        np.minimum(np.minimum(np.arange(size), size - np.arange(size)), cells - 1)
        for size, cells in zip(circle, grid.shape, strict=True)
    ]
    spectrum = rfftn(table[np.ix_(*around)]).real
    where = tuple(grid.cells.T)

    def multiply(vector: np.ndarray) -> np.ndarray:
        image = np.zeros(circle)
        image[where] = vector.ravel()
        product: np.ndarray = irfftn(rfftn(image) * spectrum, s=circle, axes=axes)[where]
        return product

    return multiply


def leading(
    voxels: np.ndarray, count: int, kernel: Kernel
) -> tuple[Float[np.ndarray, " components"], Float[np.ndarray, "voxels components"]]:
    """The `count` largest eigenvalues, falling, a few more if there are, and their vectors."""
    size = len(voxels)
    wanted = min(count + _SPARE, size)
    grid = Grid.of(voxels)
    few = wanted < FEW * size and count <= MOST_ITERATED
    if size <= DENSE_VOXELS or (not few and size <= STORED_VOXELS):
        matrix = _dense(voxels, grid, kernel)
        values, vectors = eigh(matrix, subset_by_index=[size - wanted, size - 1], overwrite_a=True, check_finite=False)
        return values[::-1], vectors[:, ::-1]
    if count > MOST_ITERATED:
        raise InputError(
            f"{count:,} components of a region of {size:,} voxels: at most {MOST_ITERATED:,} are found in a region of "
            f"more than {STORED_VOXELS:,} voxels; ask for fewer, or give smaller regions"
        )
    if grid is not None:
        return lanczos(by_fourier(grid, kernel), size, wanted)
    if size <= STORED_VOXELS:
        return lanczos(_dense(voxels, grid, kernel).__matmul__, size, wanted)
    raise InputError(
        f"a region has {size:,} voxels that do not lie on a grid along the axes; at most {STORED_VOXELS:,} fit: "
        "give smaller regions, voxel indices times the voxel size as coordinates, or "
        "kernel='modified_squared_exponential'"
    )


def lanczos(multiply: Callable[[np.ndarray], np.ndarray], size: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The largest eigenvalues and their vectors; where one repeats, all of its vectors.

    Iterations from one vector see an eigenvalue that repeats only once, but for rounding. So what was found is taken
    away from the kernel, and as long as what is left has an eigenvalue that should be among them, it joins them.
    """
    found, vectors = np.empty(0), np.empty((size, 0))
    wanted, rng = count, np.random.default_rng(0)  # for starts that are the same each time

    def rest(vector: np.ndarray) -> np.ndarray:
        vector = vector.ravel()
        vector = vector - vectors @ (vectors.T @ vector)
        product = multiply(vector)
        left: np.ndarray = product - vectors @ (vectors.T @ product)
        return left

    while True:
        operator = LinearOperator((size, size), matvec=rest, dtype=np.float64)
        more, directions = eigsh(operator, k=wanted, which="LA", v0=rng.standard_normal(size))
        if len(found) and more.max() <= found[count - 1] * (1 + 1e-9):
            return found[:count], vectors[:, :count]
        directions -= vectors @ (vectors.T @ directions)
        values = np.concatenate([found, more])
        vectors = np.column_stack([vectors, np.linalg.qr(directions)[0]])
        order = np.argsort(-values, kind="stable")
        found, vectors, wanted = values[order], vectors[:, order], 1


def explaining(voxels: np.ndarray, share: float, kernel: Kernel) -> tuple[int, np.ndarray, np.ndarray]:
    """The least number of components that explain a share of the trace, and that many or more of them."""
    share = number("explained", share, lambda value: 0 < value < 1, "a share above 0 and below 1")
    size = len(voxels)
    asked = size if size <= DENSE_VOXELS else 64
    while True:
        values, vectors = leading(voxels, asked, kernel)
        reached = np.cumsum(values) >= share * size
        if reached.any() or asked == size:
            return int(reached.argmax()) + 1 if reached.any() else size, values, vectors
        asked *= 2
        if asked < FEW * size and asked <= MOST_ITERATED:
            continue
        if size > STORED_VOXELS:
            reason = f"{len(values):,} of {size:,} components of a region explain only {values.sum() / size:.3f}"
            raise InputError(f"explained={share}: {reason}; give n_components, or smaller regions")
        asked = size


def settled(
    eigenvalues: Float[np.ndarray, " components"],
    vectors: Float[np.ndarray, "voxels components"],
    coordinates: Float[np.ndarray, "voxels axes"],
) -> Float[np.ndarray, "voxels components"]:
    """Vectors made independent of how they were found.

    The vectors of an eigenvalue that repeats are turned so that a weight that no symmetry leaves as it is has no mixed
    moments between them; signs make the first of the largest entries positive.
    """
    settled = vectors.copy()
    weight = np.exp(coordinates @ (1 / np.arange(1.0, coordinates.shape[1] + 1)))
    apart = -np.diff(eigenvalues) > 1e-9 * np.abs(eigenvalues[:-1]) + 1e-13 * eigenvalues[0]
    for together in np.split(np.arange(len(eigenvalues)), np.flatnonzero(apart) + 1):
        if len(together) > 1:
            mine = vectors[:, together]
            _, turn = np.linalg.eigh(mine.T @ (weight[:, None] * mine))
            settled[:, together] = mine @ turn[:, ::-1]
    sizes = np.abs(settled)
    first = (sizes >= (1 - 1e-6) * sizes.max(axis=0)).argmax(axis=0)  # mirrored voxels differ by rounding only
    settled *= np.sign(settled[first, np.arange(settled.shape[1])])
    return settled
