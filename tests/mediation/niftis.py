"""Small images and studies for tests of ways in."""

import warnings
from contextlib import contextmanager

import nibabel
import numpy as np
import pytest

from latticework.core.errors import InputError
from latticework.mediation.study import study_of

SHAPE = (4, 5, 3)
AFFINE = np.array([[-2.0, 0, 0, 10], [0, 2, 0, -20], [0, 0, 3, 5], [0, 0, 0, 1]])  # LAS
RNG = np.random.default_rng(0)
VOLUMES = RNG.normal(size=(*SHAPE, 9)).astype(np.float32)
MASK = np.zeros(SHAPE, dtype=bool)
MASK[1:, 1:4, :2] = True
X, Y = RNG.normal(size=9), RNG.normal(size=9)


@contextmanager
def refused(*words):
    with pytest.raises(InputError) as caught:
        yield
    for word in words:
        assert word in str(caught.value), caught.value


def image(values, affine=AFFINE, kind=nibabel.Nifti1Image):
    return kind(values, affine)


def saved(path, values, affine=AFFINE, kind=nibabel.Nifti1Image):
    nibabel.save(kind(values, affine), path)
    return path


def study(n=12, p=6, q=1, **options):
    rng = np.random.default_rng(1)
    values = {"mediators": rng.normal(size=(n, p)), "coordinates": rng.normal(size=(p, 2))}
    values |= {"exposure": rng.normal(size=n), "outcome": rng.normal(size=n), "confounders": rng.normal(size=(n, q))}
    return study_of(**(values | options))


def complaint(read, *arguments, **options):
    """What an input error says of what is read, if there is one; any other error goes on."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # fuzzed input may well give some
        try:
            read(*arguments, **options)
        except InputError as error:
            return str(error)
    return None
