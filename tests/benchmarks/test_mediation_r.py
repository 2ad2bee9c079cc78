"""The authors' package gets our study and its draws are read back; where it is absent, the message says what to do."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from benchmarks import measuring, mediation_r
from benchmarks.mediation_r import LIBRARY, Absent, Study


def small(subjects: int = 60, voxels: int = 25, functions: int = 6) -> Study:
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.normal(size=(voxels, functions)))[0]
    exposure, covariates = rng.normal(size=subjects), rng.normal(size=(subjects, 2))
    alpha, beta = basis @ np.full(functions, 2.0), basis @ np.arange(functions, dtype=float)
    images = np.outer(exposure, alpha) + rng.normal(size=(subjects, voxels)) * 0.5
    response = images @ beta + 0.5 * exposure + rng.normal(size=subjects)
    return Study(exposure, images, response, covariates, basis, np.linspace(3, 1, functions))


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A library that has the package by name only, and a Rscript that does nothing."""
    package, tools = tmp_path / "library" / "BASMU", tmp_path / "bin"
    package.mkdir(parents=True)
    (package / "DESCRIPTION").touch()
    tools.mkdir()
    (tools / "Rscript").touch(mode=0o755)
    monkeypatch.setenv(LIBRARY, str(package.parent))
    monkeypatch.setenv("PATH", str(tools))
    return package.parent


def test_where_it_is_absent_the_message_says_what_is_missing(
    library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin" / "Rscript").unlink()
    with pytest.raises(Absent, match="no command Rscript"):
        mediation_r.time_authors(small(), tmp_path)
    monkeypatch.setenv(LIBRARY, str(tmp_path))
    with pytest.raises(Absent, match=f"no BASMU in .*, which {LIBRARY} names"):
        mediation_r.command(tmp_path)
    monkeypatch.delenv(LIBRARY)
    with pytest.raises(Absent, match=f"{LIBRARY} names no library"):
        mediation_r.command(tmp_path)
    assert not list(tmp_path.glob("*.f64"))


def test_a_study_is_written_in_columns_and_draws_are_read_back(
    library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = small()
    seconds = {"iteration": 0.1, "processor": 0.1, "setup": 1.0, "burn_in": 4.0, "kept": 1.0}
    alpha, beta = np.random.default_rng(1).normal(size=(2, 10, 6))
    seen = []

    def run_measured(command: measuring.Command, env: measuring.Env, timeout: float) -> measuring.Measured:
        seen.append((list(command), env["OPENBLAS_NUM_THREADS"]))
        assert (tmp_path / "numbers.txt").read_text() == "60 25 2 6 50 50 7\n"
        np.testing.assert_array_equal(np.fromfile(tmp_path / "M.f64").reshape(25, 60).T, study.images)
        for name, values in {"theta_alpha": alpha, "theta_beta": beta, "gamma": alpha[:, 0]}.items():
            values.tofile(tmp_path / f"{name}.f64")
        for name, size in {"nu": 25, "theta_eta": 60 * 6, "variances": 20}.items():
            np.ones(size).tofile(tmp_path / f"{name}.f64")
        output = {"mediator": seconds, "outcome": seconds, "versions": "BASMU 1.0, R 4.2.2"}
        return measuring.Measured((), 1, 1, 1, output)

    monkeypatch.setattr(measuring, "run_measured", run_measured)
    found = mediation_r.time_authors(study, tmp_path, mediator=50, outcome=50, seed=7)
    script = str(tmp_path / "basmu.R")
    assert seen == [(["env", f"R_LIBS={library}", "Rscript", "--vanilla", script, str(tmp_path)], "1")]
    assert found["seconds"] == {"mediator": seconds, "outcome": seconds}
    # the indirect effect is a sum over voxels
    voxels = (alpha @ study.basis.T) * (study.basis @ beta[5:].mean(0))
    np.testing.assert_allclose(found["nie"]["mediator"], voxels.sum(1))
    assert found["nie"]["outcome"].shape == found["gamma"].shape == (10,)
    assert found["versions"] == {"BASMU": "1.0", "R": "4.2.2"}
    assert (found["theta_eta"].shape, found["variances"].shape) == ((60, 6), (10, 2))


def test_a_study_whose_shapes_do_not_fit_is_not_written(tmp_path: Path) -> None:
    study = small()
    with pytest.raises(ValueError, match=r"Y must be of shape \(60,\), got \(59,\)"):
        mediation_r.write(Study(**(vars(study) | {"response": study.response[1:]})), tmp_path)
    with pytest.raises(ValueError, match="multiple of 10"):
        mediation_r.write(study, tmp_path, mediator=55)


@pytest.mark.skipif(LIBRARY not in os.environ, reason=f"needs {LIBRARY}, a library of R with the authors' package")
def test_the_package_finds_the_effects_of_a_small_study(tmp_path: Path) -> None:
    found = mediation_r.time_authors(small(), tmp_path, mediator=1000, outcome=1000)
    assert json.dumps(found["seconds"])
    assert all(0 < of["iteration"] < 1 for of in found["seconds"].values())
    assert mediation_r.average(found["nie"]["outcome"]) == pytest.approx(30, abs=3)
    assert found["theta_alpha"].shape == found["theta_beta"].shape == (200, 6)
    assert "BASMU" in found["versions"]
