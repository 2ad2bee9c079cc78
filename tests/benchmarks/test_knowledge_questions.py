"""The benchmark of questions across an update runs, on a made-up world, and its rows have targets."""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from benchmarks import knowledge, knowledge_questions, measuring, records
from benchmarks.knowledge_questions import AFTER, ANEW, BEFORE, POPULAR

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
FIGURES = {"questions", "answers", "mrr", "hits1", "hits10", "first"}


@pytest.mark.usefixtures("world")
def test_questions_are_asked_before_after_and_anew(tmp_path: Path) -> None:
    for snapshot in (1, 2):
        knowledge.fit(snapshot, 0, tmp_path / f"0-{snapshot}")
    found = knowledge_questions.answered(tmp_path, 0, 60, 20)
    assert found["update seconds"] > 0
    for way, count, lengths in (("one step", 60, "123"), ("beam", 20, "23")):
        groups = found["scores"][way]
        assert list(groups) == ["changed", "unchanged"]
        assert {hops for group in groups.values() for hops in group[BEFORE]} == set(lengths)
        for hops in lengths:
            asked = [groups[group][BEFORE][hops]["questions"] for group in groups if hops in groups[group][BEFORE]]
            assert sum(asked) == count
        for systems in groups.values():
            assert set(systems) - {POPULAR} == {BEFORE, AFTER, ANEW}
            assert (POPULAR in systems) == (way == "one step")
            assert all(set(scores) == FIGURES for each in systems.values() for scores in each.values())
    assert set(found["seconds"]["beam"]) == {BEFORE, AFTER, ANEW}
    rows = knowledge_questions.question_rows([found])
    assert len({row.name for row in rows}) == len(rows)


def test_a_model_that_is_asked_alone_answers_as_it_does_by_itself(world: list[Any]) -> None:
    from latticework.knowledge import DKGE
    from latticework.knowledge.answers import answer_scores, rank_answers
    from latticework.knowledge.embeddings import Embeddings
    from latticework.knowledge.questions import sample_questions

    graph = world[0].graph
    model = DKGE(random_state=0, device="cpu").fit(graph)
    found = knowledge_questions.ask({BEFORE: model}, graph, graph, 30, 10)
    questions = sample_questions(graph, 30, hops=[1, 2, 3], seed=knowledge_questions.SEED)
    embeddings = Embeddings.of(graph, model.entity_embeddings_, model.relation_embeddings_)
    two = answer_scores(rank_answers(embeddings, questions), questions.hops == 2)
    assert found["scores"]["one step"]["changed"][BEFORE] == {}  # nothing changed since
    assert found["scores"]["one step"]["unchanged"][BEFORE]["2"]["mrr"] == two.mrr


def test_an_update_is_timed_with_the_cap_and_without(world: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    from latticework.knowledge import DKGE, DKGEConfig

    config = DKGEConfig(max_triples_per_entity=2, update_epochs=1)
    monkeypatch.setattr("latticework.knowledge.DKGE", partial(DKGE.func, 8, config=config))  # type: ignore[attr-defined]
    found = knowledge_questions.hub(world[0], world[1])
    few, many = (found[name] for name in knowledge_questions.CAPS)
    assert 0 < few["facts trained with"] < many["facts trained with"] <= found["facts"]
    assert found["facts of the hub"] == world[1].graph.degrees.max()
    rows = {row.name: row for row in knowledge_questions.hub_rows(found)}
    (share,) = (row for name, row in rows.items() if name.endswith("facts that an update trains with, without"))
    assert share.value == pytest.approx(100 * many["facts trained with"] / found["facts"])


SCORES = {"questions": 50, "answers": 90, "mrr": 0.3, "hits1": 0.2, "hits10": 0.5, "first": 0.2}


def scores(mrr: float) -> dict[str, dict[str, float]]:
    return {hops: SCORES | {"mrr": mrr} for hops in ("1", "2", "3")}


def test_rows_have_targets_and_missing_models_are_fitted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = {"tensors": {"weights": {"sha256": "ab"}}}

    def make_model(folder: Path) -> None:
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")

    make_model(tmp_path / "0-1")
    called = []
    systems = {BEFORE: scores(0.2), AFTER: scores(0.3), ANEW: scores(0.35), POPULAR: scores(0.1)}
    groups = {"changed": systems, "unchanged": systems}
    update = {"facts trained with": 10, "epochs": 2, "seconds": 4.0, "mrr": 0.3}

    def run_measured(command: list[str], env: measuring.Env, timeout: float) -> measuring.Measured:
        part = command[command.index("--part") + 1]
        called.append((part, *command[command.index("--part") + 2 :]))
        output: dict[str, Any] = {}
        if part == "fit":
            make_model(tmp_path / "0-2")
        elif part == "questions":
            seconds = {way: {BEFORE: 0.001, AFTER: 0.001, ANEW: 0.001} for way in ("one step", "beam")}
            output = {"scores": {"one step": groups, "beam": groups}, "seconds": seconds, "update seconds": 9.0}
        elif part == "hub":
            output = {"fit seconds": 20.0, "facts": 100, "facts of the hub": 40}
            output |= {"with the cap": update, "without": update | {"seconds": 12.0}}
        return measuring.Measured(tuple(command), 1.0, 1.0, 10**9, output)

    recorded: list[records.Result] = []
    monkeypatch.setattr(measuring, "run_measured", run_measured)
    monkeypatch.setattr(records, "record", lambda result, lacks: recorded.append(result) if not lacks else None)
    monkeypatch.setattr(sys, "argv", ["knowledge_questions", "--models", str(tmp_path), "--count", "50"])
    knowledge_questions.main()
    models = ("--seed", "0", "--models", str(tmp_path))
    assert called == [("fit", "--snapshot", "2", *models), ("questions", *models), ("hub",)]
    (result,) = recorded
    options = "--seeds 1 --count 50 --beam-count 2000 --threads 2"
    assert result.command == f"python -m benchmarks.knowledge_questions --models {tmp_path} {options}"
    assert {name for name in result.versions if name.startswith("model")} == {"model 0-1", "model 0-2"}
    rows = {row.name: row for row in result.rows}
    assert len(rows) == len(result.rows)
    gained = rows["in one step, 2 hop(s), answers changed: MRR, after over before"]
    assert (gained.value, gained.target, gained.met) == (pytest.approx(0.1), ">= 0", True)
    lost = rows["beam 8, 3 hop(s), answers unchanged: MRR, fitted anew over after"]
    assert (lost.value, lost.target, lost.met) == (pytest.approx(0.05), "<= 0.02", False)
    assert rows["beam 8, 3 hop(s), answers changed: MRR, fitted anew over after"].target is None
    assert rows["in one step, 1 hop(s), answers changed: questions"].value == 50
    hub = "DBpedia-3SP 1 to 2, an entity with 40 of 100 facts"
    assert rows[f"{hub}: time of an update without the cap over one with it"].value == 3.0
    assert rows[f"{hub}: time of a fit of 3 epochs over an update with the cap"].value == 5.0
