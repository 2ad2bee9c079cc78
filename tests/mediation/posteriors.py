"""Posteriors whose draws no chain made, for tests of what follows from draws."""

import numpy as np
from mediation.confounded import SHRINKAGE
from mediation.designs import basis_of

from latticework.mediation.posterior import Posterior

BASIS = basis_of(12)


def posterior_of(direct=None, basis=BASIS):
    """Draws of any law, in the units of the data."""
    rng = np.random.default_rng(0)
    direct = rng.standard_normal((2, 100)) if direct is None else direct
    shape = direct.shape
    sizes = {"sigma_beta": 30.0, "sigma_outcome": 400.0}
    return Posterior(
        basis=basis,
        alpha=0.2 + 0.1 * rng.standard_normal((*shape, basis.n_components)),
        beta=40 + 10 * rng.standard_normal((*shape, basis.n_components)),
        direct=direct,
        thresholds=(0.0, 0.0),
        sigmas={name: size * rng.uniform(0.5, 1.5, shape) for name, size in sizes.items()},
        shrinkage=np.resize(SHRINKAGE, basis.n_components),
    )
