"""Studies of which the truth is known: the simulation design of Xu et al. 2024, section 5.

An exposure changes a round part of a square image, another round part of which changes the outcome, and what else makes
images differ, smooth over voxels and unmeasured, may change the outcome too: that is the confounding.

Differs from the paper's code: random numbers are others, and where a shape is described but not drawn, such as the
triangle, it is ours.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final, get_args

import numpy as np
from jaxtyping import Bool, Float

from latticework.core.checks import number, one_of, whole_number
from latticework.core.seeds import seed_from, spawn
from latticework.mediation.basis import Basis
from latticework.mediation.choices import Confounding
from latticework.mediation.decomposition import SHARE, BasisDecomposition
from latticework.mediation.spaces import Space
from latticework.mediation.study import Study
from latticework.mediation.thresholded import soft_threshold

CONFOUNDERS: Final = 2
CONFOUNDER_SCALE: Final = 0.1
OUTCOME_WEIGHT: Final = 10  # confounders' effects on the outcome are whole numbers from -10 to 10
DENSE_VARIANCE: Final = 0.25  # of the effect of dense confounding, in units of the eigenvalues
COMPONENTS: Final = 120  # the paper's, for images of 40 by 40; smaller ones have 0.3 a voxel
EXPOSURE_CENTRE: Final = (0.3, -0.3)
OUTCOME_CENTRE: Final = (0.0, 0.0)
TRIANGLE_RADIUS: Final = 0.5
VOXEL: Final = 2.0  # millimetres, of the slice that the image is written as


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class SimulatedStudy(Study):
    """A study and its truth; what a `Study` has is left out here.

    Attributes
    ----------
    basis : Basis
        The functions that smooth effects consist of.
    alpha : array "voxels"
        Effect of the exposure on each voxel.
    beta : array "voxels"
        Effect of each voxel on the outcome.
    nu : array "voxels"
        Effect of individual differences at each voxel on the outcome: the unmeasured confounding.
    eta_coefficients : array "subjects components"
        Individual differences, in the basis; see `orthogonal` of `simulate`.
    nde : float
        Natural direct effect of one unit of the exposure.
    """

    basis: Basis
    alpha: Float[np.ndarray, " voxels"]
    beta: Float[np.ndarray, " voxels"]
    nu: Float[np.ndarray, " voxels"]
    eta_coefficients: Float[np.ndarray, "subjects components"]
    nde: float

    @property
    def nie(self) -> float:
        """Natural indirect effect of one unit of the exposure: the sum over voxels of α(s)β(s)."""
        return float(self.alpha @ self.beta)

    @property
    def te(self) -> float:
        """Total effect."""
        return self.nie + self.nde


def simulate(
    n: int = 300,
    side: int = 40,
    confounding: Confounding = "sparse",
    random_state: Any = 0,
    *,
    n_components: int | None = None,
    direct_effect: float = 2.0,
    sigma_mediator: float = 2.0,
    sigma_eta: float = 1.0,
    sigma_outcome: float = 0.01,
    orthogonal: bool = True,
) -> SimulatedStudy:
    """Simulate a study by the paper's design.

    Of subject i, with exposure Xᵢ and confounders Cᵢ, the image is Mᵢ(s) = α(s)Xᵢ + ζ_M(s)ᵀCᵢ + ηᵢ(s) + ε and the
    outcome Yᵢ = Σ β(s)Mᵢ(s) + γXᵢ + ζ_YᵀCᵢ + Σ ν(s)ηᵢ(s) + ε. Options change what they name and no other random number.

    Parameters
    ----------
    n : int
        Subjects, at least 5.
    side : int
        Voxels along each of the two axes, at least 5.
    confounding : "sparse", "dense" or "none"
        ν: a triangle, smooth over all of the image, or zero.
    random_state : None, int, numpy.random.RandomState or numpy.random.Generator
        An int gives the same study each time.
    n_components : int, optional
        Functions in the basis; None for 0.3 a voxel, but at most 120.
    direct_effect : float
        γ, which is the natural direct effect.
    sigma_mediator, sigma_eta, sigma_outcome : float
        Standard deviations of ε in the mediator, of individual differences η (times the root of the eigenvalues), and
        of ε in the outcome.
    orthogonal : bool
        Whether individual differences are made exactly orthogonal to exposure and confounders over the subjects, as the
        authors' are. As neither is centred, correlations of about 1/n are left. False leaves all as it is drawn.

    Returns
    -------
    SimulatedStudy
        In the default design the natural indirect effect is about 70, whatever the seed.

    Raises
    ------
    InputError
        If an option is out of range.

    Examples
    --------
    >>> study = simulate(n=20, side=10, confounding="none")
    >>> study.mediators.shape, study.nde, bool(study.nu.any())
    ((20, 100), 2.0, False)
    >>> round(study.te, 6) == round(study.nie + 2, 6)
    True
    """
    n, side = whole_number("n", n, least=CONFOUNDERS + 3), whole_number("side", side, least=5)
    one_of("confounding", confounding, get_args(Confounding))
    direct_effect = number("direct_effect", direct_effect, math.isfinite, "a finite number")
    sigma_mediator = _deviation("sigma_mediator", sigma_mediator)
    sigma_eta = _deviation("sigma_eta", sigma_eta)
    sigma_outcome = _deviation("sigma_outcome", sigma_outcome)
    seed = seed_from(random_state)

    def stream(purpose: str) -> np.random.Generator:
        return np.random.default_rng(spawn(seed, purpose))

    coordinates = square_grid(side)
    count = min(COMPONENTS, round(SHARE * side**2)) if n_components is None else n_components
    basis = BasisDecomposition(n_components=count).fit(coordinates).basis_
    components = basis.n_components
    alpha = _smooth(basis, round_image(coordinates, EXPOSURE_CENTRE))
    beta = _smooth(basis, round_image(coordinates, OUTCOME_CENTRE))
    nu = np.zeros(len(coordinates))
    if confounding == "sparse":
        nu = triangle_image(coordinates)
    elif confounding == "dense":
        deviations = np.sqrt(DENSE_VARIANCE * basis.eigenvalues)
        nu = basis.expand(deviations * stream("nu").standard_normal(components))

    exposure = stream("exposure").standard_normal(n)
    confounders = CONFOUNDER_SCALE * stream("confounders").standard_normal((n, CONFOUNDERS))
    eta = sigma_eta * np.sqrt(basis.eigenvalues) * stream("eta").standard_normal((n, components))
    if orthogonal:
        eta = _without(np.column_stack([exposure, confounders]), eta)
    on_mediators = basis.expand(stream("on mediators").standard_normal((CONFOUNDERS, components)))
    on_outcome = stream("on outcome").integers(-OUTCOME_WEIGHT, OUTCOME_WEIGHT + 1, CONFOUNDERS)
    mediators = sigma_mediator * stream("mediator noise").standard_normal((n, len(coordinates)))
    mediators += np.outer(exposure, alpha) + confounders @ on_mediators + basis.expand(eta)
    outcome = mediators @ beta + direct_effect * exposure + confounders @ on_outcome + eta @ basis.project(nu)
    outcome += sigma_outcome * stream("outcome noise").standard_normal(n)
    return SimulatedStudy(
        exposure=exposure,
        mediators=mediators,
        outcome=outcome,
        confounders=confounders,
        coordinates=coordinates,
        basis=basis,
        alpha=alpha,
        beta=beta,
        nu=nu,
        eta_coefficients=eta,
        nde=direct_effect,
        confounder_names=tuple(f"confounder_{number + 1}" for number in range(CONFOUNDERS)),
        space=_slice(side),
    )


def _slice(side: int) -> Space:
    """A slice of voxels of 2 mm around the origin, its second axis the first coordinate, which changes fastest."""
    affine = np.diag([VOXEL, VOXEL, VOXEL, 1.0])[[1, 0, 2, 3]]
    affine[:2, 3] = -VOXEL * (side - 1) / 2
    return Space.of(np.ones((side, side), dtype=bool), affine)


def square_grid(side: int) -> Float[np.ndarray, "voxels two"]:
    """Voxels of a square image, from -1 to 1 along both axes, the first coordinate changing fastest.

    Examples
    --------
    >>> square_grid(2)
    array([[-1., -1.],
           [ 1., -1.],
           [-1.,  1.],
           [ 1.,  1.]])
    """
    second, first = np.meshgrid(*[np.linspace(-1, 1, side)] * 2, indexing="ij")
    return np.column_stack([first.ravel(), second.ravel()])


def round_image(
    coordinates: Float[np.ndarray, "voxels two"], centre: tuple[float, float]
) -> Float[np.ndarray, " voxels"]:
    """The paper's round image, from 0 to 1: highest at its centre, and zero beyond a distance of about 0.7.

    Examples
    --------
    >>> round_image(square_grid(3), (0.0, 0.0)).reshape(3, 3)
    array([[0., 0., 0.],
           [0., 1., 0.],
           [0., 0., 0.]])
    """
    height = soft_threshold(2 - _squared_distance(coordinates, centre), 1.2)
    image = soft_threshold(np.log(height**2 + 1), 0.1)
    scaled: Float[np.ndarray, " voxels"] = (image - image.min()) / (image.max() - image.min())
    return scaled


def triangle_image(coordinates: Float[np.ndarray, "voxels two"]) -> Float[np.ndarray, " voxels"]:
    """A triangle about the centre with values near 1, and zero elsewhere: sparse confounding.

    Examples
    --------
    >>> triangle_image(square_grid(9)).reshape(9, 9)[::-1, 2:7].round(1)[1:6]
    array([[0., 0., 0., 0., 0.],
           [0., 0., 1., 0., 0.],
           [0., 0., 1., 0., 0.],
           [0., 0., 1., 0., 0.],
           [0., 1., 1., 1., 0.]])
    """
    height = soft_threshold(2 - _squared_distance(coordinates, (0.0, 0.0)), 1.2)
    image = _in_triangle(coordinates) * height + 0.4
    return np.where(image < 0.5, 0.0, np.minimum(image, 1.0))


def _squared_distance(
    coordinates: Float[np.ndarray, "voxels two"], centre: tuple[float, float]
) -> Float[np.ndarray, " voxels"]:
    squares: Float[np.ndarray, " voxels"] = ((coordinates - np.array(centre)) ** 2).sum(axis=1)
    return squares


def _in_triangle(coordinates: Float[np.ndarray, "voxels two"]) -> Bool[np.ndarray, " voxels"]:
    """Inside the equilateral triangle about the origin whose corners, one of them above it, are at the radius."""
    outward = np.deg2rad([-90.0, 30.0, 150.0])  # from the centre to the middle of each edge
    heights = coordinates @ np.array([np.cos(outward), np.sin(outward)])
    inside: Bool[np.ndarray, " voxels"] = (heights <= TRIANGLE_RADIUS / 2 + 1e-12).all(axis=1)
    return inside


def _smooth(basis: Basis, image: Float[np.ndarray, " voxels"]) -> Float[np.ndarray, " voxels"]:
    """What the basis can show of an image, with what is small set to zero."""
    return soft_threshold(basis.expand(basis.project(image)), 0.1)


def _without(known: Float[np.ndarray, "subjects n"], values: Float[np.ndarray, "subjects m"]) -> np.ndarray:
    """Values less all that is a combination of known ones over subjects."""
    directions, _ = np.linalg.qr(known)
    left: np.ndarray = values - directions @ (directions.T @ values)
    return left


def _deviation(name: str, value: object) -> float:
    return number(name, value, lambda given: 0 <= given < math.inf, "a standard deviation of at least 0")
