"""The benchmark of DKGE's defaults runs, on a made-up world, and its rows tell every change."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from benchmarks import knowledge_tuning, measuring, records

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def test_every_change_is_fitted(world: list[Any]) -> None:
    for changes in knowledge_tuning.CHANGES.values():
        for change in changes.values():
            few = {**change, "max_epochs": 1, "config": {**change.get("config", {}), "batch_size": 100}}
            found = knowledge_tuning.fit(world[0], few, 0, 1)
            assert 0 < found["mrr"] < 1
    assert 0 < knowledge_tuning.floor(world[0])["mrr"] < 1


def test_rows_tell_every_change(monkeypatch: pytest.MonkeyPatch) -> None:
    def run_measured(command: list[str], env: dict[str, str], timeout: float) -> measuring.Measured:
        seed = int(command[command.index("--seed") + 1])
        output: dict[str, Any] = {"seconds": 60.0, "mrr": 0.4 + 0.02 * seed}
        return measuring.Measured(tuple(command), 1.0, 1.0, 10**9, output)

    recorded: list[records.Result] = []
    monkeypatch.setattr(measuring, "run_measured", run_measured)
    monkeypatch.setattr(records, "record", recorded.append)
    monkeypatch.setattr(sys, "argv", ["knowledge_tuning", "--seeds", "2", "--jobs", "2"])
    knowledge_tuning.main()
    (result,) = recorded
    rows = {row.name: row for row in result.rows}
    assert result.command == "python -m benchmarks.knowledge_tuning --seeds 2 --threads 1 --jobs 2"
    assert result.machine["cores_used"] == 2
    changes = sum(map(len, knowledge_tuning.CHANGES.values()))
    assert len(rows) == len(result.rows) == 2 * changes + len(knowledge_tuning.CHANGES)
    row = rows[f"{knowledge_tuning.YAGO}, {knowledge_tuning.DEFAULT}: MRR"]
    assert (row.value, row.low, row.high) == pytest.approx((0.41, 0.4, 0.42))
    assert rows[f"{knowledge_tuning.KINSHIPS}, norm 1: fit"].value == 1
