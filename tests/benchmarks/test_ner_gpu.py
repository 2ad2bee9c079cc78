"""The benchmark of the GPU runs, here with the CPU in its place, and its rows have no targets."""

from __future__ import annotations

import json
import sys

import pytest

from benchmarks import measuring, ner_gpu, ner_speed, records
from benchmarks.ner_speed import OURS, PACKED, PADDED

SENTENCES: list[ner_speed.Sentence] = [(4, [(0, 2), (1, 4)]), (3, [(0, 2), (1, 3), (0, 3)]), (2, []), (5, [(3, 5)])]


def test_states_and_gradients_of_one_device_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ner_gpu, "DEVICES", ("cpu", "cpu:0"))
    assert ner_gpu.agreement(SENTENCES) == {"states": 0, "gradients": 0}


def test_a_tagger_is_trained_and_scored(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("jieba", reason="needs jieba's dictionary")
    sentences, tags = [["长", "江"], ["我", "爱"]] * 4, [["B-LOC", "E-LOC"], ["O", "O"]] * 4
    monkeypatch.setattr(ner_gpu, "load", lambda split: (sentences, tags))
    figures = ner_gpu.train("cpu", 4, 3, repeats=2)
    assert list(figures) == [
        "tagger, batches of 4, cpu: an epoch",
        "tagger, batches of 4, cpu: tagging",
        "tagger, batches of 4, cpu: F1, test, 3 epoch(s)",
    ]
    assert [len(values) for values, _ in figures.values()] == [2, 2, 1]  # the first epoch does not count
    assert all(min(values) >= 0 for values, _ in figures.values())


def test_epochs_are_timed_after_the_first_on_every_device() -> None:
    assert {device for device, _, _ in ner_gpu.TRAININGS} == set(ner_gpu.DEVICES)
    assert all(epochs >= 2 for _, _, epochs in ner_gpu.TRAININGS)


def test_figures_go_on_record_without_targets(monkeypatch: pytest.MonkeyPatch) -> None:
    systems = {OURS: [600.0, 660.0], PADDED: [900.0, 900.0], PACKED: [300.0, 990.0]}
    speeds = {task: {"32": systems} for task in ("training", "inference")}
    output = {"gpu": "G", "cell": speeds, "apart": {"states": 1e-7}, "tagger": {}}
    output["tagger"] = {"tagger: an epoch": [[2.0, 4.0, 3.0], "s"], "tagger: F1": [[90.0], "%"]}
    recorded: list[records.Result] = []

    def run_measured(command: list[str], env: dict[str, str], timeout: float, cores: int) -> measuring.Measured:
        assert cores == 1
        assert command[1:3] == ["-m", "benchmarks.ner_gpu"]
        return measuring.Measured(tuple(command), 1.0, 1.0, 10**9, json.loads(json.dumps(output)))

    monkeypatch.setattr(measuring, "run_measured", run_measured)
    monkeypatch.setattr(records, "record", recorded.append)
    monkeypatch.setattr(sys, "argv", ["ner_gpu", "--threads", "1", "--repeats", "2"])
    ner_gpu.main()
    (result,) = recorded
    assert result.command == "python -m benchmarks.ner_gpu --threads 1 --repeats 2"
    rows = {row.name: row for row in result.rows}
    assert len(rows) == len(result.rows) == 2 * (1 + 3) + 1 + 2
    epoch, f1 = rows["tagger: an epoch"], rows["tagger: F1"]
    assert (epoch.value, epoch.low, epoch.high, f1.value, f1.low) == (3.0, 2.0, 4.0, 90.0, None)
    assert rows["training, batch 32: time over nn.LSTM's"].value == pytest.approx(1.5)
    assert all(row.target is None for row in result.rows)
