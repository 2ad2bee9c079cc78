"""The benchmark of static graphs runs, on a made-up world, and its rows have the promised targets."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import knowledge_static, measuring, records
from benchmarks.knowledge_static import ALIKE, FLOOR, NORM_1, OPEN, OURS, PYKEEN, Data
from benchmarks.peers import timing


@pytest.fixture
def data(world: list[Any], monkeypatch: pytest.MonkeyPatch) -> Data:
    from latticework.knowledge import DKGE

    monkeypatch.setattr("latticework.knowledge.DKGE", getattr(DKGE, "func", DKGE))  # without its length of two epochs
    monkeypatch.setattr(knowledge_static, "DIM", 8)
    return Data.of(world[0])


def test_what_the_graph_does_not_have_is_left_out() -> None:
    from latticework.knowledge.io.dataset import Builder, Splits

    builder = Builder()
    parts = [
        builder.add(*zip(*rows, strict=True))
        for rows in (
            [("Oslo", "in", "Norway")],
            [("Rome", "in", "Italy"), ("Rome", "in", "Norway")],
            [("Norway", "in", "Oslo"), ("Oslo", "in", "Italy")],
        )
    ]
    found = Data.of(Splits(*builder.names(), *parts))
    assert list(found.graph.entities) == ["Oslo", "Norway"]
    assert len(found.valid) == 0
    assert found.graph.named(found.test) == [("Norway", "in", "Oslo")]


@pytest.mark.parametrize("system", [OURS, NORM_1, OPEN])
def test_ours_is_trained_and_judged(data: Data, system: str) -> None:
    found = knowledge_static.fit(data, system, 3, 0, 1)
    assert set(found) == {"seconds", "mrr", "hits10"}
    assert found["seconds"] > 0
    assert 0 < found["mrr"] <= found["hits10"] + 0.1 <= 1.1


def test_the_floor_is_judged_alike(data: Data) -> None:
    assert set(knowledge_static.floor(data)) == {"mrr", "hits10"}


def pretend(
    monkeypatch: pytest.MonkeyPatch, data: Data, *, off: float = 0.0
) -> list[tuple[timing.Job, dict[str, Any]]]:
    """Instead of PyKEEN: random embeddings, judged `off` what they are."""
    seen = []

    def run_measured(command: list[Any], env: measuring.Env, timeout: float) -> measuring.Measured:
        folder = Path(command[-2])
        assert command[-1] == "fit"
        assert env["PYSTOW_HOME"] == str(folder / "pystow")
        job = json.loads((folder / timing.JOB).read_text(encoding="utf-8"))
        with np.load(folder / knowledge_static.DATA) as saved:
            given = dict(saved)
        seen.append((job, given))
        generator = np.random.default_rng(0)
        tables = [generator.normal(size=(size, job["dim"])).astype(np.float32) for size in given["sizes"]]
        np.savez(folder / knowledge_static.TABLES, entities=tables[0], relations=tables[1])
        figures = knowledge_static.judged(data, *tables, given["asked"], norm=1)
        output = {"seconds": 3.0, "norm": 1, "mrr": figures["mrr"] + off, "hits10": figures["hits10"]}
        return measuring.Measured((), 1.0, 1.0, 1, output)

    monkeypatch.setattr(measuring, "run_measured", run_measured)
    monkeypatch.setattr(measuring, "peer_environment", lambda name: Path("peer"))
    return seen


def test_pykeen_gets_the_same_facts_and_trains_by_its_defaults_or_as_ours(
    data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(knowledge_static, "JUDGED", 10)
    seen = pretend(monkeypatch, data)
    for system in (PYKEEN, ALIKE):
        found = knowledge_static.fit_pykeen(data, system, 3, 1, 1, {})
        assert found["seconds"] == 3.0
    (defaults, given), (alike, _) = seen
    assert (given["train"] == data.graph.triples).all()
    assert 5 <= len(given["asked"]) <= 10
    assert {name: defaults[name] for name in ("epochs", "negatives", "seed", "as_ours", "batch", "learning_rate")} == {
        "epochs": 3,
        "negatives": 2 * knowledge_static.NEGATIVES,
        "seed": 1,
        "as_ours": False,
        "batch": None,
        "learning_rate": None,
    }
    assert (alike["as_ours"], alike["batch"], alike["learning_rate"], alike["sharpness"]) == (True, 1000, 5e-3, 10.0)
    assert alike["negatives"] == defaults["negatives"]


def test_first_values_of_the_peer_are_spread_as_ours(data: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    from latticework.knowledge.model import DKGEModel

    seen = pretend(monkeypatch, data)
    knowledge_static.fit_pykeen(data, ALIKE, 3, 1, 1, {})
    largest = DKGEModel(200, 3, knowledge_static.DIM).entities.knowledge.abs().max().item()
    assert seen[0][0]["bound"] == pytest.approx(largest, rel=0.01)


def test_evaluators_that_differ_are_no_result(data: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, data, off=0.01)
    with pytest.raises(RuntimeError, match=r"mrr by PyKEEN's evaluator is 0\.\d+, by ours 0\.\d+"):
        knowledge_static.fit_pykeen(data, PYKEEN, 3, 1, 1, {})


def pretend_all(
    monkeypatch: pytest.MonkeyPatch, world: list[Any]
) -> tuple[list[tuple[str, str, int]], list[tuple[records.Result, list[str]]]]:
    """Instead of training: what is trained, and what is recorded and what that lacks."""
    trained: list[tuple[str, str, int]] = []
    recorded: list[tuple[records.Result, list[str]]] = []

    def run_measured(command: list[str], env: measuring.Env, timeout: float) -> measuring.Measured:
        options = dict(zip(command[3::2], command[4::2], strict=True))
        if options["--part"] == "floor":
            return measuring.Measured((), 1.0, 1.0, 1, {"mrr": 0.4, "hits10": 0.5})
        trained.append((options["--datasets"], options["--system"], int(options["--epochs"])))
        mrr = {OURS: 0.5, NORM_1: 0.52, OPEN: 0.45}[options["--system"]] + 0.1 * int(options["--seed"])
        return measuring.Measured((), 1.0, 1.0, 1, {"seconds": 2.0, "mrr": mrr, "hits10": 0.7})

    def fit_pykeen(
        data: Data, system: str, epochs: int, seed: int, threads: int, env: measuring.Env
    ) -> dict[str, float]:
        trained.append(("", system, epochs))
        return {"seconds": 9.0, "mrr": {PYKEEN: 0.3, ALIKE: 0.52}[system], "hits10": 0.6}

    monkeypatch.setattr(measuring, "run_measured", run_measured)
    monkeypatch.setattr(records, "record", lambda result, lacks: recorded.append((result, lacks)))
    monkeypatch.setattr(knowledge_static, "public", lambda name: world[0])
    monkeypatch.setattr(knowledge_static, "fit_pykeen", fit_pykeen)
    return trained, recorded


def test_rows_have_the_promised_targets(world: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    trained, recorded = pretend_all(monkeypatch, world)
    monkeypatch.setattr(sys, "argv", ["knowledge_static", "--seeds", "2"])
    knowledge_static.main()
    assert trained[:5] == [
        *(("umls", system, 200) for system in (OURS, NORM_1, OPEN)),
        ("", PYKEEN, 200),
        ("", ALIKE, 200),
    ]
    assert trained.count(("WN18RR", OURS, knowledge_static.LARGE)) == 1
    assert len(trained) == (3 * 2 + 2) * 5
    ((result, lacks),) = recorded
    assert lacks == []
    assert result.command == "python -m benchmarks.knowledge_static --seeds 2 --large-seeds 1 --threads 2"
    assert "largest of 2 seed(s), of WN18RR and FB15k-237 of 1" in result.title
    rows = {row.name: row for row in result.rows}
    assert len(rows) == len(result.rows)
    over = rows[f"umls: MRR, {OURS} over {ALIKE}"]
    assert (over.value, over.low, over.high) == pytest.approx((0.03, -0.02, 0.08))
    assert over.met
    of_one_seed = rows[f"WN18RR: MRR, {OURS} over {FLOOR}"]
    assert (of_one_seed.value, of_one_seed.low) == (pytest.approx(0.1), None)
    assert rows[f"umls: MRR, {OURS} over {PYKEEN}"].target is None
    assert rows[f"umls: MRR, {OURS} over {OPEN}"].value == pytest.approx(0.05)
    assert rows[f"umls: MRR, {NORM_1} over {OURS}"].value == pytest.approx(0.02)
    assert rows[f"umls: seconds of training, {PYKEEN}"].value == 9.0


def test_some_graphs_alone_are_no_record(world: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    _, recorded = pretend_all(monkeypatch, world)
    monkeypatch.setattr(sys, "argv", ["knowledge_static", "--datasets", "umls", "WN18RR", "--epochs", "7"])
    knowledge_static.main()
    ((result, lacks),) = recorded
    assert lacks == ["kinships", "nations", "FB15k-237"]
    options = "--datasets umls WN18RR --epochs 7 --seeds 3 --large-seeds 1 --threads 2"
    assert result.command == f"python -m benchmarks.knowledge_static {options}"
