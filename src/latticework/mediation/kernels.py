"""Kernels over voxels, and the functions that stand for an image: Xu et al. 2024, section 2.

The Matérn kernel is decomposed over the voxels themselves. Where they lie on a grid, it is evaluated once for every
distance that occurs, and a region too large for a dense matrix is multiplied with it by Fourier transforms, so that
Lanczos iterations find the leading eigenvectors. The modified squared-exponential kernel needs no decomposition: its
eigenfunctions are Hermite functions, which are made orthonormal over the voxels.

Differs from the paper's code: eigenvectors have a sign, and where an eigenvalue repeats a rotation, that follow from
the coordinates alone. The space that they span is the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import combinations_with_replacement
from typing import Final, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.fft import irfftn, next_fast_len, rfftn
from scipy.linalg import eigh
from scipy.sparse.linalg import LinearOperator, eigsh
from scipy.spatial.distance import cdist
from scipy.special import gamma, kv

from latticework.core.checks import number, whole_number
from latticework.core.errors import InputError

SMOOTHNESS: Final = 0.2  # the paper's code, with coordinates that reach from -1 to 1
LENGTH_SCALE: Final = 2.0
DEGREE: Final = 10  # the paper's code, with coordinates that reach from -6 to 6
DECAY: Final = 0.01  # the paper's a
CONCENTRATION: Final = 10.0  # the paper's b
HERMITE_REACH: Final = 6.0
LARGEST_SMOOTHNESS: Final = 50.0  # beyond, Bessel functions overflow where the kernel is not yet 1
DENSE_VOXELS: Final = 2000  # all eigenvalues of so many take seconds
STORED_VOXELS: Final = 15_000  # a dense kernel of so many takes 1.8 GB
MOST_ITERATED: Final = 1000  # components by Lanczos iterations, whose time grows with their square: minutes
FEW: Final = 0.1  # of the components; for more, Lanczos iterations take longer than a dense decomposition
NEGLIGIBLE: Final = 1e-10  # of the largest eigenvalue: what is below is rounding
_GRID_CELLS: Final = 2**22  # of the box around a region; with more, it is not looked at as a grid
_GRID_CELLS_PER_VOXEL: Final = 64  # likewise
_GRID_TOLERANCE: Final = 1e-5  # of a step
_SPARE: Final = 8  # eigenvalues beyond the last that is asked for, one of which may be equal to it
_ROWS: Final = 256  # of a dense kernel at a time


def matern(
    distances: Float[np.ndarray, "*shape"], smoothness: float = SMOOTHNESS, length_scale: float = LENGTH_SCALE
) -> Float[np.ndarray, "*shape"]:
    """Matérn kernel, 2^(1-ν)/Γ(ν) x^ν K_ν(x) with x = √(2ν) d/ℓ.

    Parameters
    ----------
    distances : array, of any shape
        d, at least 0; infinity is allowed.
    smoothness : float
        ν, above 0 and at most 50.
    length_scale : float
        ℓ, in the unit of the distances.

    Returns
    -------
    array, of the same shape
        Between 0 and 1, and 1 at distance 0.

    Raises
    ------
    InputError
        If `smoothness` or `length_scale` is out of range.

    Examples
    --------
    >>> matern(np.array([0.0, 1.0, 2.0]), smoothness=0.5, length_scale=1.0).round(4)  # exp(-d)
    array([1.    , 0.3679, 0.1353])
    """
    order = number("smoothness", smoothness, lambda value: 0 < value <= LARGEST_SMOOTHNESS, "above 0 and at most 50")
    scale = number("length_scale", length_scale, lambda value: 0 < value < math.inf, "above 0")
    with np.errstate(all="ignore"):
        scaled = np.asarray(distances, dtype=np.float64) * (math.sqrt(2 * order) / scale)
        bessel = kv(order, scaled)
        values = 2 ** (1 - order) / gamma(order) * scaled**order * bessel
    values = np.where(np.isinf(bessel), 1.0, values)  # at 0, and so near it that K_ν overflows
    return np.where(bessel == 0, 0.0, np.minimum(values, 1.0))  # so far that K_ν underflows


def standardise(coordinates: Float[np.ndarray, "voxels axes"], reach: float = 1.0) -> Float[np.ndarray, "voxels axes"]:
    """Coordinates about their mean, in the unit in which the largest is `reach`; one voxel lies at 0.

    Examples
    --------
    >>> standardise(np.array([[10.0, 5.0], [14.0, 5.0]]), reach=6.0)
    array([[-6.,  0.],
           [ 6.,  0.]])
    """
    centred = coordinates - coordinates[np.lexsort(coordinates.T)].mean(axis=0)  # a sum in the same order for all
    largest = np.abs(centred).max(initial=0.0)
    standard: Float[np.ndarray, "voxels axes"] = centred * (reach / largest) if largest > 0 else centred
    return standard


def matern_basis(
    coordinates: Float[np.ndarray, "voxels axes"],
    n_components: int | None = None,
    smoothness: float = SMOOTHNESS,
    length_scale: float = LENGTH_SCALE,
    *,
    explained: float | None = None,
) -> tuple[Float[np.ndarray, "voxels components"], Float[np.ndarray, " components"]]:
    """Leading eigenvectors and eigenvalues of the Matérn kernel over voxels.

    Up to 2,000 voxels take a dense decomposition, O(p³), and up to 15,000 if more than a tenth of all components are
    asked for. Else there are Lanczos iterations, whose products cost O(p log p) on a grid along the axes, and O(p²)
    elsewhere, where at most 15,000 voxels fit.

    Parameters
    ----------
    coordinates : array "voxels axes"
        Finite and distinct, in the unit of `length_scale`. Their order does not matter.
    n_components : int, optional
        How many; None for all. Eigenvalues below 1e-10 of the largest are left out.
    smoothness, length_scale : float
        As in `matern`.
    explained : float, optional
        Instead of `n_components`, the share of the kernel's trace to reach with as few as possible.

    Returns
    -------
    vectors : array "voxels components"
        Orthonormal.
    eigenvalues : array "components"
        Positive and falling.

    Raises
    ------
    InputError
        If an option is out of range, or the voxels are too many.

    Examples
    --------
    >>> vectors, eigenvalues = matern_basis(np.array([[-1.0], [0.0], [1.0]]), 2, smoothness=0.5, length_scale=1.0)
    >>> vectors.shape, eigenvalues.round(3)
    ((3, 2), array([1.593, 0.865]))
    """
    order = np.lexsort(coordinates.T)
    voxels = coordinates[order]

    def kernel(distances: np.ndarray) -> np.ndarray:
        return matern(distances, smoothness, length_scale)

    count = len(voxels)
    if n_components is not None:
        count = whole_number("n_components", n_components)
        if count > len(voxels):
            raise InputError(f"n_components={count}, but there are only {len(voxels):,} voxels")
    if explained is None:
        eigenvalues, vectors = _leading(voxels, count, kernel)
    else:
        count, eigenvalues, vectors = _explaining(voxels, explained, kernel)
    vectors = _settled(eigenvalues, vectors, voxels)[:, :count]
    eigenvalues = eigenvalues[:count]
    kept = eigenvalues > NEGLIGIBLE * eigenvalues[0]
    return _unsorted(vectors[:, kept], order), eigenvalues[kept]


def hermite_basis(
    coordinates: Float[np.ndarray, "voxels axes"],
    n_components: int | None = None,
    degree: int = DEGREE,
    a: float = DECAY,
    b: float = CONCENTRATION,
) -> tuple[Float[np.ndarray, "voxels components"], Float[np.ndarray, " components"]]:
    """Eigenfunctions of the kernel exp(-a|s|² - a|t|² - b|s-t|²) over voxels, made orthonormal there.

    With c = √(a² + 2ab), A = a + b + c and B = b/A they are products over the axes of (2c)^¼ exp(-cs²) h_k(√(2c) s),
    where h_k is the orthonormal Hermite polynomial, with eigenvalues (π/A)^(d/2) B^(|k|+1): of all total degrees |k| up
    to `degree`, the low ones first, and the powers of the first axis falling. Functions that voxels cannot tell from
    earlier ones are left out. O(p L²) for L functions.

    Differs from the paper's code: one factor for all axes makes the largest coordinate 6, so regions keep their shape.

    Parameters
    ----------
    coordinates : array "voxels axes"
        Finite and distinct, in any unit: they are standardised. Their order does not matter.
    n_components : int, optional
        How many at most; None for all.
    degree : int
        The largest total degree.
    a, b : float
        Above 0: how fast the variance decays away from the centre, and the correlation with distance.

    Returns
    -------
    vectors : array "voxels components"
        Orthonormal, with the signs of the Householder QR decomposition of voxels sorted by their last axis first.
    eigenvalues : array "components"
        Positive and falling.

    Raises
    ------
    InputError
        If an option is out of range.

    Examples
    --------
    >>> line = np.linspace(-1, 1, 50)[:, None]
    >>> vectors, eigenvalues = hermite_basis(line, degree=4)
    >>> vectors.shape, (eigenvalues[1:] / eigenvalues[:-1]).round(3)
    ((50, 5), array([0.956, 0.956, 0.956, 0.956]))
    """
    order = np.lexsort(coordinates.T)
    voxels = standardise(coordinates[order], HERMITE_REACH)
    axes = voxels.shape[1]
    powers = _powers(axes, whole_number("degree", degree, least=0))
    count = None if n_components is None else whole_number("n_components", n_components)
    spread, total, ratio = _mehler(a, b)
    alone = [_hermite_functions(voxels[:, axis], degree, spread) for axis in range(axes)]
    functions = np.ones((len(voxels), len(powers)))
    for axis in range(axes):
        functions *= alone[axis][:, powers[:, axis]]
    eigenvalues = (math.pi / total) ** (axes / 2) * ratio ** (powers.sum(axis=1) + 1.0)
    chosen = _independent(functions)[:count]
    vectors, _ = np.linalg.qr(functions[:, chosen])
    return _unsorted(vectors, order), eigenvalues[chosen]


def hermite_trace(axes: int, a: float = DECAY, b: float = CONCENTRATION) -> float:
    """Sum of the eigenvalues of `hermite_basis` over all degrees.

    Examples
    --------
    >>> _, eigenvalues = hermite_basis(np.linspace(-1, 1, 400)[:, None], degree=150, b=1.0)
    >>> round(float(eigenvalues.sum() / hermite_trace(1, b=1.0)), 6)
    1.0
    """
    _, total, ratio = _mehler(a, b)
    return float((math.pi / total) ** (axes / 2) * ratio / (1 - ratio) ** axes)


def hermite_count(axes: int, degree: int) -> int:
    """Return how many functions of `axes` variables have a total degree of at most `degree`.

    Examples
    --------
    >>> hermite_count(2, 10)
    66
    """
    return math.comb(degree + axes, axes)


def _mehler(a: float, b: float) -> tuple[float, float, float]:
    """The paper's c, A and B."""
    a = number("a", a, lambda value: 0 < value < math.inf, "above 0")
    b = number("b", b, lambda value: 0 < value < math.inf, "above 0")
    spread = math.sqrt(a**2 + 2 * a * b)
    total = a + b + spread
    return spread, total, b / total


def _powers(axes: int, degree: int) -> Int[np.ndarray, "components axes"]:
    """Powers of the monomials up to a total degree: graded, then with those of the first axis falling."""
    rows = [
        np.bincount(np.array(chosen, dtype=np.int64), minlength=axes)
        for total in range(degree + 1)
        for chosen in combinations_with_replacement(range(axes), total)
    ]
    return np.array(rows)


def _hermite_functions(x: Float[np.ndarray, " voxels"], degree: int, spread: float) -> np.ndarray:
    """Orthonormal functions of one variable, a column a degree."""
    argument = math.sqrt(2 * spread) * x
    columns = np.empty((len(x), degree + 1))
    columns[:, 0] = (2 * spread / math.pi) ** 0.25 * np.exp(-spread * x**2)
    if degree:
        columns[:, 1] = math.sqrt(2) * argument * columns[:, 0]
    for k in range(1, degree):
        columns[:, k + 1] = (
            math.sqrt(2 / (k + 1)) * argument * columns[:, k] - math.sqrt(k / (k + 1)) * columns[:, k - 1]
        )
    return columns


def _independent(functions: Float[np.ndarray, "voxels components"]) -> Int[np.ndarray, " kept"]:
    """Columns that are no combination of those before them, up to rounding."""
    lengths = np.linalg.norm(functions, axis=0)
    basis = np.empty((len(functions), 0))
    kept: list[int] = []
    _, triangle = np.linalg.qr(functions)
    if triangle.shape[0] == triangle.shape[1] and (np.abs(np.diag(triangle)) > NEGLIGIBLE * lengths).all():
        return np.arange(functions.shape[1])
    for column in range(functions.shape[1]):
        if len(kept) == len(functions):
            break
        rest = functions[:, column]
        for _ in range(2):  # once more for what rounding left
            rest = rest - basis @ (basis.T @ rest)
        length = np.linalg.norm(rest)
        if length > NEGLIGIBLE * lengths[column]:
            basis = np.column_stack([basis, rest / length])
            kept.append(column)
    return np.array(kept, dtype=np.int64)


def _unsorted(vectors: np.ndarray, order: np.ndarray) -> np.ndarray:
    found = np.empty_like(vectors)
    found[order] = vectors
    return found


# Eigenvectors of a kernel


class _Grid(NamedTuple):
    """Voxels on a grid along the axes."""

    cells: Int[np.ndarray, "voxels axes"]
    steps: Float[np.ndarray, " axes"]

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(int(cell) + 1 for cell in self.cells.max(axis=0))

    @staticmethod
    def of(coordinates: Float[np.ndarray, "voxels axes"]) -> _Grid | None:
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
        return _Grid(cells, steps)

    def values(self, kernel: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """The kernel between the first cell and every other, each distance evaluated once."""
        squares = np.zeros(self.shape)
        for axis, (cells, step) in enumerate(zip(self.shape, self.steps, strict=True)):
            along = (np.arange(cells) * step) ** 2
            squares += along.reshape([-1 if other == axis else 1 for other in range(len(self.shape))])
        distinct, where = np.unique(squares, return_inverse=True)
        return kernel(np.sqrt(distinct))[where].reshape(self.shape)


def _dense(voxels: np.ndarray, grid: _Grid | None, kernel: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
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


def _by_fourier(grid: _Grid, kernel: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
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


def _leading(
    voxels: np.ndarray, count: int, kernel: Callable[[np.ndarray], np.ndarray]
) -> tuple[Float[np.ndarray, " components"], Float[np.ndarray, "voxels components"]]:
    """The `count` largest eigenvalues, falling, a few more if there are, and their vectors."""
    size = len(voxels)
    wanted = min(count + _SPARE, size)
    grid = _Grid.of(voxels)
    few = wanted < FEW * size
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
        return _lanczos(_by_fourier(grid, kernel), size, wanted)
    if size <= STORED_VOXELS:
        return _lanczos(_dense(voxels, grid, kernel).__matmul__, size, wanted)
    raise InputError(
        f"a region has {size:,} voxels that do not lie on a grid along the axes; at most {STORED_VOXELS:,} fit: "
        "give smaller regions, voxel indices times the voxel size as coordinates, or "
        "kernel='modified_squared_exponential'"
    )


def _lanczos(multiply: Callable[[np.ndarray], np.ndarray], size: int, count: int) -> tuple[np.ndarray, np.ndarray]:
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


def _explaining(
    voxels: np.ndarray, share: float, kernel: Callable[[np.ndarray], np.ndarray]
) -> tuple[int, np.ndarray, np.ndarray]:
    """The least number of components that explain a share of the trace, and that many or more of them."""
    share = number("explained", share, lambda value: 0 < value < 1, "a share above 0 and below 1")
    size = len(voxels)
    asked = size if size <= DENSE_VOXELS else 64
    while True:
        values, vectors = _leading(voxels, asked, kernel)
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


def _settled(
    eigenvalues: Float[np.ndarray, " components"],
    vectors: Float[np.ndarray, "voxels components"],
    coordinates: Float[np.ndarray, "voxels axes"],
) -> Float[np.ndarray, "voxels components"]:
    """Vectors made independent of how they were found.

    The vectors of an eigenvalue that repeats are turned so that a weight that no symmetry leaves as it is has no mixed
    moments between them; signs make the first of the largest entries positive.
    """
    settled = vectors.copy()
    weight = np.exp(standardise(coordinates) @ (1 / np.arange(1.0, coordinates.shape[1] + 1)))
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
