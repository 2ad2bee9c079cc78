"""Small fitted models that several test modules look at."""

import warnings

import numpy as np
import pytest

from latticework.mediation.decomposition import BasisDecomposition
from latticework.mediation.estimator import BASMU, BIMA
from latticework.mediation.simulation import SimulatedStudy, simulate
from latticework.mediation.spaces import Space
from latticework.mediation.study import study_of

LAS = np.array([[-2.0, 0, 0, 10], [0, 2, 0, -20], [0, 0, 3, 5], [0, 0, 0, 1]])
SHORT = {"n_chains": 2, "n_warmup": 60, "n_draws": 60, "n_jobs": 1, "random_state": 0}
SHORTER = SHORT | {"n_warmup": 30, "n_draws": 40}
NASTY = "<script>alert('x')</script> & {0}"

SMALL = simulate(n=50, side=8, random_state=3)
HALVES = np.where(SMALL.coordinates[:, 0] < 0, "left", "right")


def fitted(model, study):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # chains are too short to agree
        return model.fit_study(study)


@pytest.fixture(scope="session")
def flat_study():
    """A square slice, with sparse confounding."""
    return simulate(n=50, side=8, random_state=1)


@pytest.fixture(scope="session")
def basmu(flat_study):
    """Fitted on the slice, its chains too short."""
    return fitted(BASMU(**SHORT), flat_study)


@pytest.fixture(scope="session")
def thresholded(flat_study):
    """A BIMA with a threshold, on the same slice."""
    return fitted(BIMA(threshold=0.05, **SHORT), flat_study)


@pytest.fixture(scope="session")
def volume_study():
    """A small brain of two regions in LAS, with names that a page must not take for markup."""
    rng = np.random.default_rng(0)
    mask = np.zeros((6, 7, 5), dtype=bool)
    mask[1:5, 1:6, 1:4] = True
    header = _header(mask, LAS)
    space = Space(mask=mask, affine=LAS, header=header)
    coordinates = space.coordinates()
    regions = (coordinates[:, 0] > coordinates[:, 0].mean()).astype(int)
    basis = BasisDecomposition(n_components=12).fit(coordinates, regions).basis_
    n, p = 40, len(coordinates)
    alpha = np.where(regions == 1, 0.5, 0.0)
    beta = np.where(regions == 1, 0.2, 0.0)
    exposure = rng.normal(size=n)
    mediators = np.outer(exposure, alpha) + rng.normal(size=(n, p))
    return SimulatedStudy(
        exposure=exposure,
        mediators=mediators,
        outcome=mediators @ beta + exposure + rng.normal(size=n),
        confounders=rng.normal(size=(n, 1)),
        coordinates=coordinates,
        regions=regions,
        region_names=(f"left {NASTY}", "right"),
        exposure_name=f"dose {NASTY}",
        outcome_name=f"score {NASTY}",
        confounder_names=(f"age {NASTY}",),
        space=space,
        basis=basis,
        alpha=alpha,
        beta=beta,
        nu=np.zeros(p),
        eta_coefficients=np.zeros((n, basis.n_components)),
        nde=1.0,
    )


@pytest.fixture(scope="session")
def volume(volume_study):
    """A BASMU fitted on it."""
    return fitted(BASMU(basis=BasisDecomposition(n_components=8), **SHORT), volume_study)


@pytest.fixture(scope="session")
def models():
    """BASMU and BIMA, of a study in two regions."""
    options = {"basis": BasisDecomposition(n_components=12), **SHORTER}
    study = study_of(*arguments_of(SMALL), coordinates=SMALL.coordinates, regions=HALVES)
    return [fitted(kind(**options), study) for kind in (BASMU, BIMA)]


def arguments_of(study, **changes):
    """A study as the arguments of `fit`."""
    given = {name: getattr(study, name) for name in ("exposure", "mediators", "outcome", "confounders")}
    return tuple((given | changes).values())


def _header(mask, affine):
    import nibabel

    from latticework.mediation.spaces import header_fields

    image = nibabel.Nifti1Image(mask.astype(np.uint8), affine)
    image.set_sform(affine, code="mni")
    image.set_qform(affine, code="scanner")
    return header_fields(image.header)
