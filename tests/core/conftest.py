"""Models saved by fakes, for tests of what a folder holds."""

import shutil
from pathlib import Path

import fakes
import numpy as np
import pytest

from latticework.core.capability import register


@pytest.fixture
def fakes_registered():
    with register(fakes.CAPABILITY):
        yield


@pytest.fixture(scope="session")
def saved(tmp_path_factory):
    """A folder with several groups of tensors and a file, and what is in it; copy it before you touch it."""
    folder = tmp_path_factory.mktemp("saved") / "model"
    with register(fakes.CAPABILITY):
        model = fakes.Twofold(random_state=3).fit(np.random.default_rng(3).normal(size=(6, 2)))
        model.save(folder)
    return folder, model


@pytest.fixture
def copied(saved, tmp_path):
    return Path(shutil.copytree(saved[0], tmp_path / "model"))
