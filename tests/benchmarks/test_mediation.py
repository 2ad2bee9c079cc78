"""The benchmarks of mediation: figures follow from replicates, targets stand beside them, tasks run on small data."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import harness, mediation, mediation_speed
from benchmarks.mediation import BASMU, BIMA, CELLS, EFFECTS


def figures(bias: float, *, covered: float = 1.0) -> dict[str, float]:
    """Those of a replicate."""
    found = dict.fromkeys(("MSE null", "MSE non-null", *mediation.CHOSEN, "R-hat", "seconds"), 0.01)
    for effect in EFFECTS:
        found |= {f"{effect} bias": bias, f"{effect} covered": covered}
    return found


@pytest.fixture
def found() -> dict[str, dict[str, list[dict[str, float]]]]:
    """BIMA is off by 4, 4 and 1; BASMU by -1, 3 and 1, and covers once in two."""
    return {
        cell: {BIMA: [figures(4.0), figures(4.0)], BASMU: [figures(-1.0), figures(3.0, covered=0.0)]} for cell in CELLS
    }


def test_targets_are_ratios_to_bima_and_the_coverage_of_the_total_effect(found: Any) -> None:
    rows = {row.name: row for row in mediation.design_rows(found)}

    assert rows["sparse: |bias| of NIE, BASMU's by BIMA's"].value == pytest.approx(1 / 4)
    assert rows["sparse: |bias| of NIE, BASMU's by BIMA's"].met
    assert rows["none: RMSE of NDE, BASMU's by BIMA's"].value == pytest.approx(math.sqrt(5) / 4)
    assert rows["dense: 95 % intervals of TE that cover, BASMU"].value == 0.5
    assert not rows["dense: 95 % intervals of TE that cover, BASMU"].met
    assert rows["sparse, BASMU: NIE, bias"].low == -1
    assert rows["sparse, BASMU: NIE, bias"].high == 3


def test_the_methods_table_has_a_line_for_each_cell_and_method(found: Any) -> None:
    lines = mediation.methods_table(found).splitlines()

    assert len(lines) == 2 + 2 * len(CELLS)
    assert lines[3].startswith("| sparse | BASMU | +1.00 (2.24) | 0.50 |")
    assert len({line.count("|") for line in lines}) == 1


def test_selection_counts_what_is_wrong_and_what_is_missed() -> None:
    truth = np.array([1.0, 2.0, 0.0, 0.0])

    assert mediation.selection(np.array([True, False, True, False]), truth) == {"fdr": 0.5, "power": 0.5}
    assert mediation.selection(np.zeros(4, bool), truth) == {"fdr": 0.0, "power": 0.0}


def test_a_replicate_is_compared_with_its_truth(monkeypatch: pytest.MonkeyPatch) -> None:
    from latticework import mediation as capability

    small = capability.simulate(n=40, side=6, confounding="none")
    monkeypatch.setattr(capability, "simulate", lambda **_: small)

    told = mediation.replicate("none", BIMA, 7, {"n_chains": 1, "n_warmup": 50, "n_draws": 50})

    assert told["TE bias"] == pytest.approx(told["NIE bias"] + told["NDE bias"])
    assert 0 <= told["power"] <= 1
    assert told["MSE null"] < 1


def test_maps_of_every_cell_are_drawn(tmp_path: Path) -> None:
    mediation.draw_maps(tmp_path / "maps.png", {"n_chains": 1, "n_warmup": 5, "n_draws": 5, "n_jobs": 1}, side=8)
    assert (tmp_path / "maps.png").read_bytes().startswith(b"\x89PNG")


def test_stages_of_both_samplers_are_timed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from latticework.mediation import simulate
    from latticework.mediation.preparation import prepare

    study = simulate(n=40, side=6)

    def prepared(*, standardise: bool) -> Any:
        given = (study.exposure, study.mediators, study.outcome, study.confounders, study.basis)
        return study, prepare(*given, standardise=standardise)

    monkeypatch.setattr(mediation_speed, "prepared", prepared)

    def run_measured(command: Any, env: harness.Env, timeout: float) -> harness.Measured:
        words = [str(word) for word in command]
        output = mediation_speed.TASKS[words[words.index("--task") + 1]](tmp_path, 40, 40)
        return harness.Measured(tuple(words), 1.0, 1.0, 10**8, json.loads(json.dumps(output)))

    monkeypatch.setattr(harness, "run_measured", run_measured)
    rows = mediation_speed.stages(tmp_path, mediation_speed.QUICK, 1, 1)

    names = [row.name for row in rows]
    assert "stage 1: times as fast an iteration as the literal one, Langevin steps" in names
    assert "stage 2, ours: effective draws of NIE a second" in names
    assert all(row.value > 0 for row in rows)
    assert {row.target for row in rows if row.target} == {">= 50", ">= 20"}
