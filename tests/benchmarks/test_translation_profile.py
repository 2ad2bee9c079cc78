"""The profile runs, and every operator of a step is counted once."""

from __future__ import annotations

import json
import sys
from collections import Counter

import pytest

from benchmarks import measuring, records, translation_profile
from benchmarks.translation_profile import OTHER, PARTS, PYTHON


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("part", ["training", "search, 1 sentence"])
def test_shares_of_a_step_add_up(monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    monkeypatch.setattr(translation_profile, "STEPS", 3)
    monkeypatch.setattr(translation_profile, "WARM_UP", 1)
    found = translation_profile.profile(part)
    assert found["step"] > 0
    assert sum(found["shares"].values()) == pytest.approx(100)
    for group in ("matrix products", "attention", "normalisation of layers", PYTHON):
        assert found["shares"][group] > 0
    assert ("optimiser" in found["shares"]) == (part == "training")


def test_operators_are_of_the_group_that_their_name_says() -> None:
    spent = Counter(
        {
            "aten::addmm": 10.0,
            "mkldnn::_linear_pointwise": 5.0,
            "aten::_scaled_dot_product_flash_attention_for_cpu_backward": 4.0,
            "aten::native_layer_norm_backward": 3.0,
            "aten::relu": 2.0,
            "_LinearBackward": 50.0,  # what it calls is counted
            "autograd::engine::evaluate_function: AddBackward0": 50.0,
        }
    )
    assert translation_profile.shares(spent, 40.0) == {
        "matrix products": 37.5,
        "attention": 10.0,
        "normalisation of layers": 7.5,
        OTHER: 5.0,
        PYTHON: 40.0,
    }


def test_the_parts_are_put_on_record_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(translation_profile, "ROUNDS", 2)
    shares = {"matrix products": 60.0, "dropout": 0.1, PYTHON: 39.9}

    def run_measured(command: list[str], env: dict[str, str], timeout: float, cores: int) -> measuring.Measured:
        assert cores == 1
        assert env["OMP_NUM_THREADS"] == "1"
        return measuring.Measured(tuple(command), 1.0, 1.0, 10**9, {"step": 7.0, "precision": "32", "shares": shares})

    recorded: list[records.Result] = []
    monkeypatch.setattr(measuring, "run_measured", run_measured)
    monkeypatch.setattr(records, "record", recorded.append)
    monkeypatch.setattr(sys, "argv", ["translation_profile"])
    translation_profile.main()
    (result,) = recorded
    assert result.command == translation_profile.COMMAND
    assert result.title.endswith("; median, smallest, largest of 2 processes")
    names = [
        f"{part}: {what}" for part in PARTS for what in ("a step, without the profiler", "matrix products", PYTHON)
    ]
    assert [row.name for row in result.rows] == names  # what is nowhere half a percent is left out


def test_a_part_prints_what_it_found(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(translation_profile, "profile", lambda part: {"part": part})
    monkeypatch.setattr(sys, "argv", ["translation_profile", "--part", "training"])
    translation_profile.main()
    assert json.loads(capsys.readouterr().out) == {"part": "training"}
