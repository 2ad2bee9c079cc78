"""The benchmark of the lattice's speed runs, its loop is the layer, and its rows have the promised targets."""

from __future__ import annotations

import json
import sys

import pytest

from benchmarks import measuring, ner_speed, records
from benchmarks.ner_speed import LOOP, OURS, PACKED, PADDED

SENTENCES: list[ner_speed.Sentence] = [(4, [(0, 2), (1, 4)]), (3, [(0, 2), (1, 3), (0, 3)]), (2, []), (5, [(3, 5)])]


def test_every_system_is_measured_at_every_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ner_speed, "LOOP_SENTENCES", 2)
    speeds = ner_speed.measure(SENTENCES, threads=1, repeats=2, sizes=(1, 2))
    assert list(speeds) == ["training", "inference"]
    for batches in speeds.values():
        assert list(batches) == ["1", "2"]
        for systems in batches.values():
            assert set(systems) == {OURS, LOOP, PADDED, PACKED}
            assert all(len(values) == 2 and min(values) > 0 for values in systems.values())


def test_a_loop_that_computes_something_else_is_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    read = ner_speed.read_one_by_one
    monkeypatch.setattr(ner_speed, "read_one_by_one", lambda *arguments: read(*arguments) + 0.01)
    with pytest.raises(RuntimeError, match=r"the loop and the layer are 0\.01 apart"):
        ner_speed.make_jobs(SENTENCES[:1])


def test_ratios_have_their_targets_and_go_on_record(monkeypatch: pytest.MonkeyPatch) -> None:
    systems = {OURS: [600.0, 660.0], LOOP: [100.0, 100.0], PADDED: [900.0, 900.0], PACKED: [300.0, 990.0]}
    speeds = {task: {str(batch): systems for batch in ner_speed.BATCHES} for task in ("training", "inference")}

    text = {ner_speed.MATCHING: [1.2e6, 1.4e6], "segmentation": [5e5, 6e5]}

    def run_measured(command: list[str], env: dict[str, str], timeout: float, cores: int) -> measuring.Measured:
        assert cores == 1
        assert command[-5:] == ["--part", "--threads", "1", "--repeats", "2"]
        assert env["OMP_NUM_THREADS"] == "1"
        return measuring.Measured(
            tuple(command), 1.0, 1.0, 10**9, {"cell": json.loads(json.dumps(speeds)), "text": text}
        )

    recorded: list[records.Result] = []
    monkeypatch.setattr(measuring, "run_measured", run_measured)
    monkeypatch.setattr(records, "record", recorded.append)
    monkeypatch.setattr(sys, "argv", ["ner_speed", "--threads", "1", "--repeats", "2"])
    ner_speed.main()
    (result,) = recorded
    assert result.command == "python -m benchmarks.ner_speed --threads 1 --repeats 2"
    rows = {row.name: row for row in result.rows}
    assert len(rows) == len(result.rows) == 2 * 4 * (2 + 4) + 2
    assert rows["training, batch 32: speed over the loop's"].value == pytest.approx(6.3)
    assert rows["training, batch 32: speed over the loop's"].met
    assert rows["training, batch 128: speed over the loop's"].target == ">= 8"
    assert not rows["inference, batch 64: speed over the loop's"].met
    assert rows["inference, batch 64: time over nn.LSTM's"].value == pytest.approx(1.5)
    assert rows["training, batch 1: time over nn.LSTM's"].target is None
    assert rows[ner_speed.MATCHING].met


@pytest.mark.realdata("ner")
def test_sentences_are_read_with_the_words_of_the_dictionary() -> None:
    pytest.importorskip("jieba", reason="needs jieba's dictionary")
    sentences = ner_speed.read_sentences(20)
    assert len(sentences) == 20
    assert sum(len(words) for _, words in sentences) > 20
    assert all(0 <= begin < end - 1 < length for length, words in sentences for begin, end in words)
