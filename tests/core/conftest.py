"""Models saved by fakes, for tests of what a folder holds, and a folder that is not ours."""

import errno
import os
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


@pytest.fixture
def closed(tmp_path, monkeypatch):
    """A folder that may not be entered, as by whoever is not root and lacks x on it."""
    folder = tmp_path / "closed"
    folder.mkdir()

    def refusing(call):
        def refused(path, *arguments, **options):
            if not isinstance(path, int) and folder in Path(os.fsdecode(path)).parents:
                raise PermissionError(errno.EACCES, "Permission denied", os.fsdecode(path))
            return call(path, *arguments, **options)

        return refused

    for name in ("stat", "lstat", "open", "mkdir"):
        monkeypatch.setattr(os, name, refusing(getattr(os, name)))
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != folder)
    return folder
