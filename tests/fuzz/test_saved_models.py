"""A saved model that somebody changed, checksums and all, is loaded or refused with an `InputError`."""

from __future__ import annotations

from random import Random

import fakes
import pytest
from fuzz.examples import exhausted, tried, write
from fuzz.formats import FORMATS
from hypothesis import given, settings
from hypothesis import strategies as st

from latticework.core.capability import estimator_references, register

MODELS = [name for name, form in FORMATS.items() if form.estimator]


def without_format() -> set[str]:
    return set(estimator_references()) - {form.estimator for form in FORMATS.values()}


@pytest.mark.parametrize("name", MODELS)
def test_what_is_whole_is_loaded(name, tmp_path):
    for files in FORMATS[name].made:
        exhausted(FORMATS[name].read(write(FORMATS[name].sealed(files), tmp_path / "whole")))


@pytest.mark.parametrize("name", MODELS)
@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=25)
def test_what_was_changed_is_loaded_or_refused(name, tmp_path_factory, seed):
    form = FORMATS[name]
    folder = tmp_path_factory.getbasetemp() / f"fuzz-{name}"
    failure = tried(form, form.example(Random(seed)), folder)
    assert failure is None, f"{failure.what} at {failure.where}\n{failure.trace}"


def test_every_registered_estimator_has_a_format():
    assert without_format() == set()


def test_an_estimator_without_a_format_is_noticed():
    with register(fakes.CAPABILITY):
        assert "fake.NeighbourBank" in without_format()
