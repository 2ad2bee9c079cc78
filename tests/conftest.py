"""Set up before any test module is imported: few threads, and real data only where there is some."""

import os
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")  # read when the libraries are first imported

import io  # noqa: E402
import sys  # noqa: E402
import warnings  # noqa: E402
from typing import NamedTuple  # noqa: E402

import pytest  # noqa: E402

from latticework.cli import main  # noqa: E402


class Ended(NamedTuple):
    """How a command ended."""

    status: int
    out: str
    err: str


def real_data():
    folder = os.environ.get("LATTICEWORK_DATA")
    return Path(folder) if folder and Path(folder).is_dir() else None


@pytest.fixture
def data_folder():
    """The folder of real data; for tests marked `realdata`."""
    return real_data()


@pytest.fixture
def latticework(capfd, monkeypatch):
    """Run the command in this process, which is quick; warnings show as they do for a user."""

    def run(*arguments, stdin=b""):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        capfd.readouterr()
        with warnings.catch_warnings():
            warnings.simplefilter("default")
            status = main([str(argument) for argument in arguments])
        return Ended(status, *capfd.readouterr())

    return run


def pytest_collection_modifyitems(items):
    if real_data() is None:
        skip = pytest.mark.skip(reason="needs real data: set LATTICEWORK_DATA to the folder that holds it")
        for item in items:
            if item.get_closest_marker("realdata"):
                item.add_marker(skip)


def pytest_terminal_summary(terminalreporter):
    skipped = [report for report in terminalreporter.stats.get("skipped", []) if "realdata" in report.keywords]
    if skipped:
        text = f"{len(skipped)} tests on real data did NOT run: LATTICEWORK_DATA is not set to a folder"
        terminalreporter.section(text, yellow=True, bold=True)
