"""What users import: BIMA, mediation by images, and BASMU, the same with unobserved confounders (Xu et al. 2024)."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float
from sklearn.utils.validation import check_is_fitted

from latticework.core.checks import flag, number
from latticework.core.errors import InputError
from latticework.mediation.decomposition import BasisDecomposition
from latticework.mediation.fitting import MediationModel
from latticework.mediation.prior import Prior
from latticework.mediation.stages import Method


class BIMA(MediationModel):
    """Bayesian image mediation analysis: an exposure changes an image, which changes an outcome (Xu & Kang 2023).

    M_i(s) = alpha(s) X_i + zeta_M(s)'C_i + eta_i(s) + noise, and Y_i = c + sum beta(s) M_i(s) + gamma X_i + zeta_Y'C_i
    + noise, with smooth alpha and beta: NIE is the sum of alpha(s) beta(s), NDE is gamma. No confounder of image and
    outcome is missing from C; BASMU allows for some.

    Parameters
    ----------
    basis : BasisDecomposition or None
        How images are summed up; None takes 0.3 components a voxel, but no more than a third of the subjects, and 500.
    threshold : float or (float, float)
        Effects on and of a voxel, alpha (mediator by exposure) and beta (outcome by mediator), are shrunk by so much
        and nought if below; the paper's is 0.5 for data of about unit variance.
    n_chains, n_warmup, n_draws : int
        Chains, and iterations of each that are thrown away and kept.
    prior : Prior or None
        What is believed beforehand; None for the default.
    n_jobs : int or None
        Processes that chains run in; -1 for all processors, None for what joblib's context says.
    random_state : None, int, numpy.random.RandomState or numpy.random.Generator
        An int gives the same draws each time, whatever `n_jobs`.

    Attributes
    ----------
    effects_table_ : pandas.DataFrame
        NIE, NDE, TE and the proportion mediated, and NIE of each region.
    posterior_ : Posterior
        All draws.
    maps_ : Maps
        The posterior by voxel.

    Examples
    --------
    >>> from latticework.mediation import BIMA, simulate
    >>> study = simulate(n=60, side=8, confounding="none")
    >>> model = BIMA(n_chains=2, n_warmup=100, n_draws=200, n_jobs=1, random_state=0).fit_study(study)
    >>> bool(abs(model.te_.mean() - study.te) < 0.1 * study.te)
    True
    """

    def __init__(
        self,
        basis: BasisDecomposition | None = None,
        *,
        threshold: float | tuple[float, float] = 0.0,
        n_chains: int = 4,
        n_warmup: int = 1000,
        n_draws: int = 1000,
        prior: Prior | None = None,
        n_jobs: int | None = None,
        random_state: Any = None,
    ) -> None:
        self.basis = basis
        self.threshold = threshold
        self.n_chains = n_chains
        self.n_warmup = n_warmup
        self.n_draws = n_draws
        self.prior = prior
        self.n_jobs = n_jobs
        self.random_state = random_state

    def _method(self) -> Method:
        pair = self.threshold if isinstance(self.threshold, tuple | list) else (self.threshold, self.threshold)
        if len(pair) != 2:
            raise InputError(f"threshold={self.threshold!r}: expected one number, or those of alpha and beta")
        wanted = "a number of at least 0, or two of them"
        alpha, beta = (number("threshold", value, lambda given: 0 <= given < np.inf, wanted) for value in pair)
        return Method(thresholds=(alpha, beta))


class BASMU(MediationModel):
    """Bayesian structured mediation analysis with unobserved confounders (Xu et al. 2024).

    As `BIMA`, but what makes the images of individuals differ, eta_i(s), may change the outcome in ways other than
    through the image: + sum nu(s) delta(s) eta_i(s), with few voxels included. The total effect is known from the data;
    its split into NIE and NDE leans on the priors, and `diagnose` and `sensitivity` show how much.

    Parameters
    ----------
    basis : BasisDecomposition or None
        How images are summed up; None takes 0.3 components a voxel, but no more than a third of the subjects, and 500.
    n_chains, n_warmup, n_draws : int
        Chains, and iterations of each that are thrown away and kept.
    prior : Prior or None
        What is believed beforehand; None for the default.
    propagate : bool
        Whether stage two allows for what stage one does not know of the share of individual effects in what is left of
        the mediators, with its draws instead of their mean. That intervals then cover as they should is not proven.
    n_jobs : int or None
        Processes that chains run in; -1 for all processors, None for what joblib's context says.
    random_state : None, int, numpy.random.RandomState or numpy.random.Generator
        An int gives the same draws each time, whatever `n_jobs`.

    Attributes
    ----------
    effects_table_ : pandas.DataFrame
        NIE, NDE, TE and the proportion mediated, and NIE of each region.
    posterior_ : Posterior
        All draws.
    maps_ : Maps
        The posterior by voxel.

    Examples
    --------
    >>> from latticework.mediation import BASMU, simulate
    >>> study = simulate(n=60, side=8, confounding="sparse")
    >>> model = BASMU(n_chains=2, n_warmup=100, n_draws=200, n_jobs=1, random_state=0).fit_study(study)
    >>> model.effects_table_.effect.tolist()
    ['NIE', 'NDE', 'TE', 'proportion mediated']
    """

    def __init__(
        self,
        basis: BasisDecomposition | None = None,
        *,
        n_chains: int = 4,
        n_warmup: int = 1000,
        n_draws: int = 1000,
        prior: Prior | None = None,
        propagate: bool = False,
        n_jobs: int | None = None,
        random_state: Any = None,
    ) -> None:
        self.basis = basis
        self.n_chains = n_chains
        self.n_warmup = n_warmup
        self.n_draws = n_draws
        self.prior = prior
        self.propagate = propagate
        self.n_jobs = n_jobs
        self.random_state = random_state

    @property
    def included_(self) -> Float[np.ndarray, " voxels"]:
        """Posterior probability that a voxel carries the unobserved confounder."""
        check_is_fitted(self)
        found = self.posterior_.included
        return np.zeros(self.basis_.n_voxels) if found is None else found

    def _method(self) -> Method:
        return Method(confounded=True, propagate=flag("propagate", self.propagate))
