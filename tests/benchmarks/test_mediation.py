"""The benchmarks of mediation: figures follow from replicates, targets stand beside them, tasks run on small data."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import (
    commits,
    measuring,
    mediation,
    mediation_r,
    mediation_speed,
    mediation_speed_chains,
    mediation_studies,
    records,
)
from benchmarks.mediation_studies import BASMU, BIMA, CELLS, CHOSEN, EFFECTS


def figures(bias: float, *, covered: float = 1.0) -> dict[str, float]:
    """Those of a replicate."""
    found = dict.fromkeys(("MSE null", "MSE non-null", *CHOSEN, "R-hat", "seconds"), 0.01)
    for effect in EFFECTS:
        found |= {f"{effect} bias": bias, f"{effect} covered": covered}
    return found


@pytest.fixture
def found() -> dict[str, dict[str, list[dict[str, float]]]]:
    """BIMA is off by 4, 4 and 1; BASMU by -1, 3 and 1, and covers once in two."""
    return {
        cell: {BIMA: [figures(4.0), figures(4.0)], BASMU: [figures(-1.0), figures(3.0, covered=0.0)]} for cell in CELLS
    }


def test_targets_are_ratios_to_bima_and_the_coverage_of_direct_and_total_effect(found: Any) -> None:
    rows = {row.name: row for row in mediation.design_rows(found)}

    assert rows["sparse: |bias| of NIE, BASMU's by BIMA's"].value == pytest.approx(1 / 4)
    assert rows["sparse: |bias| of NIE, BASMU's by BIMA's"].met
    assert rows["none: RMSE of NDE, BASMU's by BIMA's"].value == pytest.approx(math.sqrt(5) / 4)
    assert rows["dense: 95 % intervals of TE that cover, BASMU"].value == 0.5
    assert not rows["dense: 95 % intervals of TE that cover, BASMU"].met
    assert not rows["none: 95 % intervals of NDE that cover, BASMU"].met
    assert rows["none, BASMU: studies"].value == 2
    assert rows["sparse, BASMU: NIE, bias"].low == -1
    assert rows["sparse, BASMU: NIE, bias"].high == 3


def test_the_methods_table_has_a_line_for_each_cell_and_method(found: Any) -> None:
    lines = mediation.methods_table(found).splitlines()

    assert len(lines) == 2 + 2 * len(CELLS)
    assert lines[3].startswith("| sparse | BASMU | +1.00 (2.24) | 0.50 |")
    assert len({line.count("|") for line in lines}) == 1


def test_selection_counts_what_is_wrong_and_what_is_missed() -> None:
    truth = np.array([1.0, 2.0, 0.0, 0.0])

    assert mediation_studies.selection(np.array([True, False, True, False]), truth) == {"fdr": 0.5, "power": 0.5}
    assert mediation_studies.selection(np.zeros(4, bool), truth) == {"fdr": 0.0, "power": 0.0}


def test_a_replicate_is_compared_with_its_truth(monkeypatch: pytest.MonkeyPatch) -> None:
    from latticework import mediation as capability

    small = capability.simulate(n=40, side=6, confounding="none")
    monkeypatch.setattr(capability, "simulate", lambda **_: small)

    told = mediation_studies.replicate("none", BIMA, 7, {"n_chains": 1, "n_warmup": 50, "n_draws": 50})

    assert told["TE bias"] == pytest.approx(told["NIE bias"] + told["NDE bias"])
    assert 0 <= told["power"] <= 1
    assert told["MSE null"] < 1


def test_maps_of_every_cell_are_drawn(tmp_path: Path) -> None:
    mediation.draw_maps(tmp_path / "maps.png", {"n_chains": 1, "n_warmup": 5, "n_draws": 5, "n_jobs": 1}, side=8)
    assert (tmp_path / "maps.png").read_bytes().startswith(b"\x89PNG")


def test_the_file_s_time_stands_beside_ours_and_is_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    from latticework.mediation.kernels import matern_basis
    from latticework.mediation.simulation import square_grid

    vectors, values = matern_basis(square_grid(8), 5)
    stored = {"Phi_D": [values[:4]], "Phi_Q": [vectors[:, :4]], "elapsed": np.array([1616.0])}
    monkeypatch.setattr(mediation, "read", lambda _: stored)
    monkeypatch.setattr("latticework.mediation.simulation.square_grid", lambda _: square_grid(8))

    rows = mediation.bases(Path())

    assert [row.unit for row in rows] == ["", "", "s", "s"] * 2
    assert [row.target for row in rows[2:4]] == [None, None]
    assert rows[3].value == 1616
    assert all(row.met for row in rows if row.target)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Tasks run in this process, on small studies; the seeds of studies."""
    from latticework.mediation import simulate
    from latticework.mediation.preparation import prepare

    seeds = []

    def prepared(seed: int, *, standardise: bool) -> Any:
        seeds.append(seed)
        study = simulate(n=40, side=6, random_state=seed)
        given = (study.exposure, study.mediators, study.outcome, study.confounders, study.basis)
        return study, prepare(*given, standardise=standardise)

    def run_measured(command: Any, env: measuring.Env, timeout: float, cores: int | None) -> measuring.Measured:
        words = [str(word) for word in command]
        assert cores == 1
        if "--task" in words:
            output = mediation_speed_chains.TASKS[words[words.index("--task") + 1]](40, 40, int(words[-1]))
        else:  # as the authors' package would
            part = {"iteration": 0.5}
            output = {"mediator": part, "outcome": part, "versions": "BASMU 1.0, R 4.2.2"}
            for name, size in {"theta_alpha": 10, "theta_beta": 10, "gamma": 2, "variances": 4}.items():
                np.ones(size).tofile(Path(words[-1]) / f"{name}.f64")
            for name in ("nu", "theta_eta", "eigenvalues"):
                np.ones(5).tofile(Path(words[-1]) / f"{name}.f64")
        return measuring.Measured(tuple(words), 1.0, 1.0, 10**8, json.loads(json.dumps(output)))

    monkeypatch.setattr(mediation_speed_chains, "prepared", prepared)
    monkeypatch.setattr(measuring, "run_measured", run_measured)
    return seeds


def test_stages_of_both_samplers_are_timed_on_another_study_each_round(small: Any, tmp_path: Path) -> None:
    rows, versions = mediation_speed.stages(tmp_path, mediation_speed.QUICK, 1, 2)

    assert small == [0] * 4 + [1] * 4
    assert not versions
    found = {row.name: row for row in rows}
    assert found["stage 1: times as fast an iteration as the literal one, Langevin steps"].target == ">= 50"
    assert found["stage 2: times as fast an iteration as the literal one, Gibbs steps"].target is None
    iteration = found["stage 2: times as fast an iteration as the literal one, Gibbs steps"].value
    sweep = found["stage 2: times as fast in as many visits as there are voxels as the literal one, Gibbs steps"]
    assert (sweep.value, sweep.target) == (pytest.approx(0.15 * iteration), ">= 20")
    # forty draws are never worth a hundred
    assert found["stage 2, ours: effective draws of NIE"].unit == "of 40"
    none = "stage 2: no ratio of effective draws, Langevin steps, for chains did not mix; rounds in which both did"
    assert (found[none].value, found[none].unit) == (0, "of 2")
    assert not [name for name in found if "a second" in name]


def chains(*effective: float) -> list[dict[str, float]]:
    return [{"seconds": 0.5, "draws": 1000, "effective": one} for one in effective]


def test_effective_draws_are_compared_where_all_chains_mixed() -> None:
    row = mediation_speed.times_as_many("stage 2", "Gibbs steps", chains(800, 900), chains(100, 300))

    assert row.name == "stage 2: times as many effective draws of NIE a second, Gibbs steps"
    assert (row.low, row.value, row.high, row.target) == (3, 5.5, 8, None)
    row = mediation_speed.times_as_many("stage 2", "Gibbs steps", chains(800, 900), chains(99, 300))
    assert "did not mix" in row.name
    assert (row.value, row.unit, row.target) == (1, "of 2", None)
    assert [row.value for row in mediation_speed.figures("ours", chains(100, 200))] == [500, 150, pytest.approx(0.3)]
    assert len(mediation_speed.figures("ours", chains(99, 200))) == 2
    assert mediation_speed_chains.told(10, 20, np.ones(100)) == {"seconds": 0.5, "draws": 100, "effective": 0}


def test_authors_are_timed_on_another_study_each_round_and_their_versions_told(
    small: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mediation_r, "command", lambda folder: ["Rscript", str(folder)])

    rows, versions = mediation_speed.authors(tmp_path, mediation_speed.QUICK, 1, 2)

    assert versions == {"BASMU": "1.0", "R": "4.2.2"}
    assert [(tmp_path / seed / "numbers.txt").read_text().split()[-1] for seed in "01"] == ["0", "1"]
    assert [row.value for row in rows if row.unit == "ms"] == [500, 500]
    assert [row.target for row in rows] == [">= 50", None, None, ">= 20", None]


@pytest.mark.parametrize("commit", ["0a1b2c3d4e5f", "0a1b2c3d4e5f-dirty"])
def test_a_run_without_the_authors_package_or_a_commit_is_shown_and_not_recorded(
    commit: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    row = records.Row("any", 1, "")
    for part in mediation_speed.PARTS:
        monkeypatch.setattr(mediation_speed, part, lambda *_: ([row], {}))
    monkeypatch.delenv(mediation_r.LIBRARY, raising=False)
    monkeypatch.setattr(commits, "commit_measured", lambda: commit)
    monkeypatch.setattr("sys.argv", ["mediation_speed"])
    recorded = []
    monkeypatch.setattr(records, "record", lambda result, *, lacks: recorded.append((result, lacks)))

    mediation_speed.main()

    ((result, lacks),) = recorded
    assert result.command == "LATTICEWORK_BASMU_R=LIBRARY python -m benchmarks.mediation_speed --threads 1 --repeats 3"
    dirty = ["a commit that has what was measured"] if "dirty" in commit else []
    assert lacks == [*dirty, "the authors' package"]
    assert "names no library of R that has it. Nothing will be recorded." in capsys.readouterr().err
