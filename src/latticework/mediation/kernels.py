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
from itertools import combinations_with_replacement
from typing import Final

import numpy as np
from jaxtyping import Float, Int
from scipy.special import gamma, kv

from latticework.core.checks import number, positive, whole_number
from latticework.core.errors import InputError
from latticework.mediation.eigen import explaining, leading, settled

SMOOTHNESS: Final = 0.2  # the paper's code, with coordinates that reach from -1 to 1
LENGTH_SCALE: Final = 2.0
DEGREE: Final = 10  # the paper's code, with coordinates that reach from -6 to 6
DECAY: Final = 0.01  # the paper's a
CONCENTRATION: Final = 10.0  # the paper's b
HERMITE_REACH: Final = 6.0
LARGEST_SMOOTHNESS: Final = 50.0  # beyond, Bessel functions overflow where the kernel is not yet 1
MOST_FUNCTIONS: Final = 100_000  # of whatever degree
NEGLIGIBLE: Final = 1e-10  # of the largest eigenvalue: what is below is rounding


def checked_smoothness(smoothness: object) -> float:
    """The smoothness of a Matérn kernel as a float.

    Raises
    ------
    InputError
        If it is no number in the range of what can be computed.
    """
    expected = f"above 0 and at most {LARGEST_SMOOTHNESS:g}"
    return number("smoothness", smoothness, lambda value: 0 < value <= LARGEST_SMOOTHNESS, expected)


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
    order = checked_smoothness(smoothness)
    scale = positive("length_scale", length_scale)
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

    Up to 2,000 voxels take a dense decomposition, O(p³), and up to 15,000 if more than a tenth of all components, or
    more than 1,000, are asked for. Else there are Lanczos iterations, whose products cost O(p log p) on a grid along
    the axes, and O(p²) elsewhere, where at most 15,000 voxels fit.

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
        eigenvalues, vectors = leading(voxels, count, kernel)
    else:
        count, eigenvalues, vectors = explaining(voxels, explained, kernel)
    vectors = settled(eigenvalues, vectors, standardise(voxels))[:, :count]
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
    degree = whole_number("degree", degree, least=0)
    hermite_count(axes, degree)  # refuses what would take all memory
    powers = _powers(axes, degree)
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

    Raises
    ------
    InputError
        If they are more than is ever meant.

    Examples
    --------
    >>> hermite_count(2, 10)
    66
    """
    count = math.comb(degree + axes, axes)
    if count > MOST_FUNCTIONS:
        raise InputError(f"degree={degree}: {count:,} functions of {axes} axes, expected at most {MOST_FUNCTIONS:,}")
    return count


def _mehler(a: float, b: float) -> tuple[float, float, float]:
    """The paper's c, A and B."""
    a, b = positive("a", a), positive("b", b)
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
