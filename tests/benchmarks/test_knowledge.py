"""The benchmark of DKGE across snapshots runs, on a made-up world, and its rows have the promised targets."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import commits, knowledge, measuring, records

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
JUDGED = {"test mrr", "test hits1", "test hits10", "test amri"}
CHANGED = {"unchanged mrr", "came mrr"}


@pytest.mark.usefixtures("world")
def test_a_snapshot_is_fitted_and_brought_up_to_date(tmp_path: Path) -> None:
    fitted = knowledge.fit(1, 0, tmp_path / "0-1")
    assert set(fitted) == {"seconds", "epochs", "valid mrr"} | JUDGED
    updated = knowledge.update(2, "subgraph", tmp_path / "0-1")
    capped = knowledge.update(2, "subgraph", tmp_path / "0-1", cap=1)
    assert capped["facts trained with"] < updated["facts trained with"]
    assert set(updated) >= {"seconds", "epochs", "facts trained with", "strain"} | JUDGED | CHANGED
    assert set(knowledge.fit(2, 0, tmp_path / "0-2")) == set(fitted) | CHANGED
    assert all(0 <= found[name] <= 1 for found in (fitted, updated) for name in JUDGED - {"test amri"})


def test_facts_that_are_held_back_are_not_learnt(world: list[Any]) -> None:
    graph, held_back = knowledge.facts_of(2)
    whole = world[1].graph
    numbers = graph.numbered(held_back)
    assert len(held_back) > 0
    assert (numbers >= 0).all()
    assert not graph.contains(numbers).any()
    assert whole.contains(whole.numbered(held_back)).all()
    first, none = knowledge.facts_of(1)
    assert first.named() == world[0].graph.named()
    assert none == []


@pytest.mark.usefixtures("world")
def test_the_floor_is_that_of_an_evaluation(tmp_path: Path) -> None:
    import latticework as lw

    knowledge.fit(1, 0, tmp_path / "0-1")
    splits = knowledge.load(1)
    model = lw.load(tmp_path / "0-1")
    found = model.evaluate(splits.graph.named(splits.test)).floor
    expected = {"mrr": found.mrr, "hits1": found.hits1, "hits10": found.hits10}
    assert knowledge.floor(1) == pytest.approx(expected)


def test_a_data_set_is_read_from_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "knowledge" / "some"
    folder.mkdir(parents=True)
    (folder / "train.txt").write_text("Rome\tin\tItaly\n", encoding="utf-8")
    (folder / "test.txt").write_text("Rome\tin\tItaly\nMilan\tin\tItaly\n", encoding="utf-8")
    monkeypatch.setenv("LATTICEWORK_DATA", str(tmp_path))
    splits = knowledge.public("some")
    assert splits.graph.named(splits.test) == [("Milan", "in", "Italy")]
    monkeypatch.delenv("LATTICEWORK_DATA")
    with pytest.raises(SystemExit, match="LATTICEWORK_DATA must name the folder of real data: knowledge/some below it"):
        knowledge.public("some")


@pytest.mark.parametrize("keep", [True, False])
def test_rows_have_the_promised_targets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keep: bool) -> None:
    models: dict[str, set[Path]] = {"fit": set(), "update": set()}

    def run_measured(command: list[str], env: dict[str, str], timeout: float) -> measuring.Measured:
        part = command[command.index("--part") + 1]
        output = {"mrr": 0.4, "hits1": 0.3, "hits10": 0.5}
        if part != "floor":
            models[part].add(Path(command[command.index("--model") + 1]))
            seconds = 100.0 if part == "fit" else 10.0
            output = {"seconds": seconds, "epochs": 9.0, **dict.fromkeys(JUDGED | CHANGED, 0.45)}
        if part == "fit":
            output |= {"valid mrr": 0.46, "test mrr": 0.41 + 0.02 * int(command[command.index("--seed") + 1])}
        return measuring.Measured(tuple(command), 1.0, 1.0, 10**9, output)

    recorded: list[records.Result] = []
    monkeypatch.setattr(measuring, "run_measured", run_measured)
    monkeypatch.setattr(records, "record", recorded.append)
    monkeypatch.setattr(commits, "commit_measured", lambda: "0123456789ab")
    folder = tmp_path / "kept"
    monkeypatch.setattr(
        sys, "argv", ["knowledge", "--seeds", "2", "--jobs", "2", *(["--keep", str(folder)] if keep else [])]
    )
    knowledge.main()
    assert models["update"] < models["fit"]
    assert len(models["fit"]) == 2 * len(knowledge.SNAPSHOTS)
    assert {model.parent == folder for model in models["fit"]} == {keep}
    assert folder.exists() == keep
    (result,) = recorded
    kept = f" --keep {folder}" if keep else ""
    assert result.command == f"python -m benchmarks.knowledge --seeds 2 --threads 1 --jobs 2{kept}"
    assert result.machine["cores_used"] == 2
    rows = {row.name: row for row in result.rows}
    assert len(rows) == len(result.rows)
    over = rows["snapshot 1: MRR over the floor's"]
    assert (over.value, over.low, over.high) == pytest.approx((0.02, 0.01, 0.03))
    assert over.met
    ratio = rows["update to 2, subgraph: time of a new fit over its own"]
    assert (ratio.value, ratio.target, ratio.met) == (10.0, ">= 8", True)
    assert rows["update to 3, entity: time of a new fit over its own"].met is False
    assert rows["update to 3, neighbours: time of a new fit over its own"].target is None
    assert rows["update to 3, entity: MRR lost on unchanged facts"].target == "<= 0.02"
    assert rows["update to 3, subgraph, cap 10: seconds"].value == 10.0
    if keep:  # what is there is not measured again
        (folder / "update-2-entity-1.json").unlink()
        models["fit"].clear()
        models["update"].clear()
        knowledge.main()
        assert (models["fit"], models["update"]) == (set(), {folder / "1-1"})
        assert recorded[1].rows == result.rows


@pytest.mark.usefixtures("world")
def test_models_are_told_by_their_weights_and_their_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commits, "commit_measured", lambda: "0123456789ab")
    for seed in (0, 1):
        knowledge.fit(1, seed, tmp_path / f"{seed}-1")
    (tmp_path / "again").mkdir()
    knowledge.fit(1, 0, tmp_path / "again" / "0-1")
    told = knowledge.fitted_models(tmp_path, ["0-1", "1-1"])
    assert all(each.endswith(", trained by commit 0123456789ab") for each in told.values())
    assert told["model 0-1"] != told["model 1-1"]
    assert knowledge.fitted_models(tmp_path / "again", ["0-1"]) == {"model 0-1": told["model 0-1"]}
    (tmp_path / "1-1" / commits.NOTE).unlink()
    assert knowledge.fitted_models(tmp_path, ["1-1"])["model 1-1"].endswith(", trained by a commit that nobody noted")
