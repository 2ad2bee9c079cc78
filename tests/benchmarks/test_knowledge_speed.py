"""The benchmark of speed runs, on a made-up world: both come to the same, or nothing is told, and rows have targets."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from reference import dkge

from benchmarks import (
    knowledge_reference,
    knowledge_speed,
    knowledge_speed_published,
    knowledge_speed_pykeen,
    measuring,
    records,
)
from benchmarks.knowledge_speed_published import CONTEXTS, ENCODED, LITERAL, OURS, PACKED, RANKS, STEP, UPDATED, WRONG
from benchmarks.knowledge_speed_pykeen import PYKEEN
from benchmarks.peers import timing


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(knowledge_speed, "DIM", 8)
    for name, value in {"BATCH": 32, "STEPS": 2, "ASKED": 5, "DRAWN": 200}.items():
        monkeypatch.setattr(knowledge_speed_published, name, value)


@pytest.mark.usefixtures("tiny")
def test_both_ways_come_to_the_same_on_a_world_that_changes(world: list[Any]) -> None:
    found = knowledge_speed_published.measure_yago(world[0], world[1].graph, 8, threads=1, repeats=2)
    assert {what: set(systems) for what, systems in found["seconds"].items()} == {
        CONTEXTS: {OURS, LITERAL},
        PACKED: {OURS},
        STEP: {OURS, LITERAL},
        ENCODED: {OURS},
        RANKS: {OURS, LITERAL},
        WRONG: {OURS, LITERAL},
        UPDATED: {OURS, "rebuilt"},
    }
    assert all(min(values) > 0 for systems in found["seconds"].values() for values in systems.values())
    assert found["figures"]["steps compared"] == 6
    assert found["figures"]["loss apart"] < 1e-5
    assert found["figures"]["facts of the delta"] > 0


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize(
    "what, message",
    [
        ("ranks", "ranks differ"),
        ("negatives", "published way: a negative is a known fact"),
        ("distances", "losses are .* of themselves apart"),
        ("build", "edges among the context of an entity differ"),
    ],
)
def test_other_results_are_not_compared(
    world: list[Any], monkeypatch: pytest.MonkeyPatch, what: str, message: str
) -> None:
    ranks, build = knowledge_reference.ranks, knowledge_reference.build
    distances = knowledge_reference.Padded.distances

    def unlinked(*given: Any) -> knowledge_reference.Tables:
        tables = build(*given)
        tables.entity_matrices[:, 1:, 1:] = 0
        return tables

    others: dict[str, tuple[Any, Any]] = {
        "ranks": (knowledge_reference, lambda *given: (np.array(ranks(*given)) + 1).tolist()),
        "negatives": (knowledge_reference, lambda triples, *_: list(triples)),
        "distances": (
            knowledge_reference.Padded,
            lambda self, triples: distances(self, triples) * (triples[:, :1] + 1)[:, 0],
        ),
        "build": (knowledge_reference, unlinked),
    }
    place, other = others[what]
    monkeypatch.setattr(place, what, other)
    with pytest.raises(RuntimeError, match=message):
        knowledge_speed_published.measure_yago(world[0], world[1].graph, 8, threads=1, repeats=1)


def test_a_padded_encoder_is_that_of_the_equations() -> None:
    torch.manual_seed(0)
    shapes = {"knowledge": (3, 4), "context": (3, 4), "projection": (4, 4), "gate": (4,), "attention": (4,)}
    weights = {name: torch.randn(shape) for name, shape in shapes.items()}
    links = {(0, 1), (1, 0)}
    adjacency = torch.eye(4)
    adjacency[0] = adjacency[:, 0] = 1
    adjacency[1, 2] = adjacency[2, 1] = 1
    matrix = knowledge_reference.matrix([0, 1], 3, lambda one, other: (one, other) in links)
    encoder = knowledge_reference.Encoder(weights, {2: [0, 1, 3]}, 3, matrix[None].repeat(3, 1, 1))
    given = [weights[name] for name in ("context", "projection", "gate", "attention")]
    expected = dkge.padded_encoder(weights["knowledge"][2:], *given, adjacency[None], torch.tensor([[0, 1, -1]]))
    torch.testing.assert_close(encoder(torch.tensor([2])), expected)


def test_paths_are_of_one_or_two_relations_and_never_the_relation_itself() -> None:
    out = {0: [(1, 7), (1, 8)], 1: [(1, 9)]}
    assert knowledge_reference.paths_from(0, 7, out) == {1: [(8,), (7, 9), (8, 9)]}


def job(**changes: Any) -> timing.Job:
    given = {"dim": 8, "threads": 1, "batch": 32, "margin": 10.0, "learning_rate": 5e-3, "epochs": 3, "negatives": 2}
    return given | changes


def test_ranks_are_compared_with_those_of_the_peer(world: list[Any], tmp_path: Path) -> None:
    knowledge_speed_pykeen.write_job(tmp_path, world[0], job())
    assert json.loads((tmp_path / timing.JOB).read_text(encoding="utf-8")) == job()
    data = knowledge_speed_pykeen.read_data(tmp_path)
    assert set(np.unique(data["entities"] * 16)) <= set(range(-16, 17))
    assert knowledge_speed_pykeen.evaluate(tmp_path, job())["seconds"] > 0
    shutil.copy(tmp_path / knowledge_speed_pykeen.TABLES, tmp_path / "pykeen.npz")
    knowledge_speed_pykeen.compare_ranks(tmp_path)
    with np.load(tmp_path / "pykeen.npz") as saved:
        ranks = dict(saved)
    known = {tuple(fact) for part in ("train", "valid", "test") for fact in data[part].tolist()}
    tables = torch.from_numpy(data["entities"]), torch.from_numpy(data["relations"])
    literal = np.array(knowledge_reference.ranks(*tables, [tuple(fact) for fact in data["asked"].tolist()], known))
    assert (np.stack([ranks["head optimistic"], ranks["tail optimistic"]], 1) == literal).all()
    ranks["head realistic"][0] += 0.5
    np.savez(tmp_path / "pykeen.npz", **ranks)
    with pytest.raises(RuntimeError, match="head realistic ranks of the evaluators differ"):
        knowledge_speed_pykeen.compare_ranks(tmp_path)


def test_training_is_timed_between_the_first_and_the_last_epoch(world: list[Any], tmp_path: Path) -> None:
    knowledge_speed_pykeen.write_job(tmp_path, world[0], job(), limit=100)
    assert len(knowledge_speed_pykeen.read_data(tmp_path)["train"]) == 100
    assert knowledge_speed_pykeen.train(tmp_path, job())["seconds"] > 0


def test_peers_take_turns_and_their_ranks_are_compared(
    world: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    called = []

    def interleave(
        commands: dict[str, list[str]], env: measuring.Env, timeout: float, repeats: int
    ) -> dict[str, list[measuring.Measured]]:
        assert env["PYSTOW_HOME"] == str(tmp_path / "pystow")
        ours, theirs = commands[OURS], commands[PYKEEN]
        assert theirs[:3] == ["env", "--unset=OMP_WAIT_POLICY", "--unset=GOMP_SPINCOUNT"]
        assert theirs[-5:] == ["peer", "-m", "benchmarks.peers.pykeen_driver", str(tmp_path), ours[-3]]
        negatives = json.loads((tmp_path / timing.JOB).read_text(encoding="utf-8"))["negatives"]
        called.append((ours[-3], negatives))
        return {name: [measuring.Measured((), 1.0, 1.0, 1, {"seconds": 2.0})] for name in commands}

    compared: list[Path] = []
    monkeypatch.setattr(measuring, "interleave", interleave)
    monkeypatch.setattr(measuring, "peer_environment", lambda name: Path("peer"))
    monkeypatch.setattr(knowledge_speed_pykeen, "public", lambda name: world[0])
    monkeypatch.setattr(knowledge_speed_pykeen, "compare_ranks", compared.append)
    found = knowledge_speed_pykeen.beside_pykeen(tmp_path, ["python", "--part"], {}, 8, 1, 2)
    assert called == [("evaluate", 0)] * 2 + [("train", 1)] * 2 + [("train", 16)] * 2
    assert compared == [tmp_path] * 2
    assert found == {name: {OURS: [2.0, 2.0], PYKEEN: [2.0, 2.0]} for name in ("evaluate", "train 1", "train 16")}


def test_a_graph_is_made_up_and_learnt(world: list[Any]) -> None:
    graph = knowledge_speed.made_up(2000, 300, 5)
    assert len(graph) == 2000
    assert graph.degrees.max() > 10 * np.median(graph.degrees)


@pytest.mark.usefixtures("tiny")
def test_an_epoch_of_a_made_up_graph() -> None:
    found = knowledge_speed.fit_million(knowledge_speed.made_up(500, 60, 3), 1)
    assert found["facts"] == 500
    assert 0 < found["epoch"] < found["seconds"]


def test_rows_have_the_promised_targets(monkeypatch: pytest.MonkeyPatch) -> None:
    both = {OURS: [1.0, 2.0], LITERAL: [20.0, 60.0]}
    seconds = dict.fromkeys((STEP, CONTEXTS, RANKS, WRONG), both)
    seconds |= {what: {OURS: [1.0, 2.0]} for what in (PACKED, ENCODED)} | {
        UPDATED: {OURS: [1.0, 1.0], "rebuilt": [3.0, 3.0]}
    }
    figures = {"loss apart": 1e-6, "steps compared": 60, "facts of the delta": 1050}
    peers = {name: {OURS: [1.0, 1.0], PYKEEN: [2.0, 2.0]} for name in ("evaluate", "train 1", "train 16")}
    parts: list[str] = []

    def run_measured(command: list[str], env: measuring.Env, timeout: float) -> measuring.Measured:
        part = command[command.index("--part") + 1]
        parts.append(part)
        assert env["OMP_NUM_THREADS"] == "1"
        million = {"facts": 10**6, "entities": 2 * 10**5, "pool": 1000, "seconds": 120.0, "epoch": 100.0}
        output = {"yago": {"seconds": seconds, "figures": figures}, "million": million}[part]
        return measuring.Measured(tuple(command), 1.0, 1.0, 3 * 10**9, json.loads(json.dumps(output)))

    recorded: list[records.Result] = []
    monkeypatch.setattr(measuring, "run_measured", run_measured)
    monkeypatch.setattr(records, "record", lambda result, lacks: recorded.append(result) if not lacks else None)
    monkeypatch.setattr(knowledge_speed_pykeen, "beside_pykeen", lambda *given: peers)
    monkeypatch.setattr(sys, "argv", ["knowledge_speed", "--repeats", "2"])
    knowledge_speed.main()
    assert parts == ["yago", "million"]
    (result,) = recorded
    assert result.command == "python -m benchmarks.knowledge_speed --threads 1 --repeats 2"
    assert "peer pykeen" in result.versions
    rows = {row.name: row for row in result.rows}
    assert len(rows) == len(result.rows)
    step = rows["YAGO-3SP 1: training step, 500 facts, dense and padded over ours"]
    assert (step.value, step.low, step.high, step.target, step.met) == (25.0, 20.0, 30.0, ">= 10", True)
    ranks = next(row for name, row in rows.items() if name.startswith("YAGO-3SP 1: filtered ranks, loop"))
    assert (ranks.target, ranks.met) == (">= 50", False)
    assert rows["YAGO-3SP 1: negatives: published way"].value == 40e6
    assert rows["YAGO-3SP 1: training step: loss apart"].met
    ranked = rows["FB15k-237: filtered ranks of 2,000 test facts: speed over PyKEEN's"]
    assert (ranked.value, ranked.target, ranked.met) == (2.0, ">= 3", False)
    trained = "FB15k-237: TransE, 100,000 facts, batches of 1,000, 16 corrupted each"
    assert rows[f"{trained}: speed over PyKEEN's"].met
    assert rows[f"{trained}: {OURS}"].value == 300_000
    memory = "1,000,000 facts, 200,000 entities, an epoch: peak memory of making the graph and of fit"
    assert (rows[memory].value, rows[memory].target) == (3000.0, "<= 4000")


def test_a_part_alone_is_shown_and_not_recorded(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    million = {"facts": 10**6, "entities": 2 * 10**5, "pool": 1000, "seconds": 120.0, "epoch": 100.0}
    measured = measuring.Measured((), 1.0, 1.0, 10**9, million)
    monkeypatch.setattr(measuring, "run_measured", lambda *given: measured)
    monkeypatch.setattr(sys, "argv", ["knowledge_speed", "--only", "million"])
    knowledge_speed.main()
    shown = capsys.readouterr().out
    assert "1,000,000 facts, 200,000 entities, an epoch: training, softmax loss with a pool of 1,000" in shown
    assert "--only million" in shown
    assert "not recorded, for it lacks: yago, peers" in shown
