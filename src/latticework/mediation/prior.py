"""What is believed before the data are seen: the priors of both stages, and the units that they are stated in.

The paper states its priors in the units of the data (inverse-gamma(1, 1) for variances, N(0, 1) for the direct effect),
so that a study in other units has another posterior. Here they are stated in units that the data give themselves, and
`Prior.paper()` gives the paper's.
"""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from typing import Any, Final

from latticework.core.checks import flag, number, positive, set_frozen
from latticework.core.errors import InputError

PAPER_INCLUSION: Final = 0.5  # of a voxel, in the paper
PAPER_CONFOUNDER_VARIANCE: Final = 0.01  # of the mediators' confounder coefficients, in the paper


@dataclass(frozen=True, kw_only=True)
class Prior:
    """Priors of BASMU and BIMA.

    Differs from the paper: by default exposure, outcome, confounders and mediators are brought to unit variance first,
    and every variance has a prior around the size that would account for all of the outcome's (or the mediators')
    variance; units then matter for nothing but the direct effect, whose prior is the paper's, N(0, 1) in the units of
    the data. `Prior.paper()` follows the paper in all.

    Attributes
    ----------
    inclusion : float, (float, float) or None
        That a voxel carries the unobserved confounder: a probability, or the two parameters of a beta prior for it;
        None stands for (1, number of voxels), by which one voxel is expected to (Castillo & van der Vaart 2012).
        Differs from the paper, which fixes 1/2 and so finds confounding where there is none.
    direct_effect_sd : float
        Of the normal prior of the direct effect, in units of the outcome by units of the exposure. The smaller it is,
        the more of a total effect that image and exposure could both account for is laid to the image.
    shape, rate : float
        Of the inverse-gamma priors of variances, relative to their reference.
    noise_rate : float
        Rate of that of the outcome's noise: small, or a well-explained outcome would look noisy.
    confounder_variance : float or None
        Of the coefficients of confounders in the mediators, before it is scaled by eigenvalues; None learns it.
    orthogonal : bool
        Whether individual effects are taken to be exactly uncorrelated, in this sample, with exposure and confounders.
        Differs from the paper, which takes them to be: what people share by chance then passes for known, and intervals
        of NIE and TE are far too narrow for data that were not made so.
    standardise : bool
        Whether the data are brought to unit variance first.

    Examples
    --------
    >>> Prior(inclusion=0.1).direct_effect_sd
    1.0
    >>> Prior.paper().inclusion
    0.5
    """

    inclusion: float | tuple[float, float] | None = None
    direct_effect_sd: float = 1.0
    shape: float = 1.0
    rate: float = 1.0
    noise_rate: float = 1e-4
    confounder_variance: float | None = None
    orthogonal: bool = False
    standardise: bool = True

    def __post_init__(self) -> None:
        for name in ("direct_effect_sd", "shape", "rate", "noise_rate"):
            set_frozen(self, name, positive(name, getattr(self, name)))
        for name in ("orthogonal", "standardise"):
            set_frozen(self, name, flag(name, getattr(self, name)))
        if self.confounder_variance is not None:
            set_frozen(self, "confounder_variance", positive("confounder_variance", self.confounder_variance))
        given: Any = self.inclusion
        if given is None:
            return
        if isinstance(given, Real):
            share = number("inclusion", given, lambda share: 0 < share < 1, "a probability between 0 and 1, or (a, b)")
            return set_frozen(self, "inclusion", share)
        if not (isinstance(given, tuple | list) and len(given) == 2):
            raise InputError(f"inclusion={given!r}: expected a probability, or the two numbers of a beta prior")
        set_frozen(self, "inclusion", tuple(positive("inclusion", value) for value in given))

    @classmethod
    def paper(cls) -> Prior:
        """The paper's own priors, in the units of the data."""
        return cls(
            inclusion=PAPER_INCLUSION,
            noise_rate=1.0,
            confounder_variance=PAPER_CONFOUNDER_VARIANCE,
            orthogonal=True,
            standardise=False,
        )

    def inclusion_of(self, voxels: int) -> float | tuple[float, float]:
        """The prior of inclusion in images of so many voxels.

        Examples
        --------
        >>> Prior().inclusion_of(1600)
        (1.0, 1600.0)
        """
        return (1.0, float(voxels)) if self.inclusion is None else self.inclusion
