"""With many subjects, an analysis that leaves the unobserved confounder out is off by what the formula says."""

import numpy as np
import pytest

from latticework.mediation import BIMA, BasisDecomposition, Prior, Study, omitted_confounder_bias
from latticework.mediation.simulation import square_grid

SUBJECTS, COMPONENTS = 20_000, 8
SIGMA_ETA, SIGMA_MEDIATORS = 0.8, 1.5


@pytest.fixture(scope="module")
def found():
    """A BIMA of such a study, the study's truth, and its basis."""
    rng = np.random.default_rng(0)
    coordinates = square_grid(6)
    decomposition = BasisDecomposition(n_components=COMPONENTS, cache=False)
    basis = decomposition.fit(coordinates).basis_
    alpha, beta, nu = basis.expand(rng.standard_normal((3, COMPONENTS)) * [[1.0], [0.5], [1.5]])
    nu += alpha  # where the exposure acts
    exposure = rng.standard_normal(SUBJECTS)
    eta = basis.expand(SIGMA_ETA * np.sqrt(basis.eigenvalues) * rng.standard_normal((SUBJECTS, COMPONENTS)))
    mediators = np.outer(exposure, alpha) + eta + SIGMA_MEDIATORS * rng.standard_normal((SUBJECTS, len(alpha)))
    outcome = mediators @ beta + 0.7 * exposure + eta @ nu + rng.standard_normal(SUBJECTS)
    study = Study(
        exposure=exposure, mediators=mediators, outcome=outcome, confounders=np.empty((SUBJECTS, 0)),
        coordinates=coordinates,
    )  # fmt: skip
    prior = Prior(direct_effect_sd=1e3)
    model = BIMA(decomposition, prior=prior, n_chains=2, n_warmup=200, n_draws=500, n_jobs=1, random_state=0)
    return model.fit_study(study), float(alpha @ beta), (alpha, nu, basis)


def test_bima_is_off_by_the_omitted_confounders_share(found):
    model, indirect, (alpha, nu, basis) = found
    expected = omitted_confounder_bias(alpha, nu, basis, sigma_eta=SIGMA_ETA, sigma_mediators=SIGMA_MEDIATORS)
    biases = model.nie_.mean() - indirect, model.nde_.mean() - 0.7
    assert abs(expected[0]) > 20 * model.nie_.std()  # far from nothing
    for bias, law, draws in zip(biases, expected, (model.nie_, model.nde_), strict=True):
        assert bias == pytest.approx(law, abs=4 * draws.std())


def test_the_total_effect_is_not_off(found):
    model, indirect, _ = found
    assert model.te_.mean() == pytest.approx(indirect + 0.7, abs=4 * model.te_.std())


def test_a_given_confounder_predicts_the_bias(found):
    model, _, (alpha, nu, basis) = found
    law, _ = omitted_confounder_bias(alpha, nu, basis, sigma_eta=SIGMA_ETA, sigma_mediators=SIGMA_MEDIATORS)
    assert model.bias_if_omitted(nu).nie["mean"] == pytest.approx(law, rel=0.03)
