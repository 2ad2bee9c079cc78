"""The benchmark of the figures that call for a refit runs, on a made-up world, and its rows say what they must."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import knowledge, knowledge_refit, measuring, records

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def test_facts_come_in_updates_and_are_counted(world: list[Any]) -> None:
    found = knowledge_refit.shares(world[0], 0)
    assert [each["share"] for each in found.values()] == pytest.approx(list(knowledge_refit.SHARES), abs=0.01)
    assert found["0.5"]["due"] == 1
    rows = {row.name: row for row in knowledge_refit.share_rows("umls", [found])}
    for share in knowledge_refit.SHARES:
        row = rows[f"umls, {share:.0%} of the facts come in an update: MRR, fitted anew over updated"]
        assert row.value == found[str(share)]["lost"]
        assert (row.target is None) == bool(found[str(share)]["due"])


@pytest.mark.usefixtures("world")
def test_strain_is_of_facts_as_they_came_and_of_false_ones(tmp_path: Path) -> None:
    knowledge.fit(1, 0, tmp_path / "0-1")
    found = knowledge_refit.strains(tmp_path / "0-1", 0)
    assert list(found) == [str(part) for part in knowledge_refit.FALSE]
    assert len({each["strain"] for each in found.values()}) == len(found)
    assert len(knowledge_refit.strain_rows([found])) == 3 * len(found)


def test_swapped_facts_keep_heads_relations_and_the_tails_of_each_relation() -> None:
    facts = [(f"h{number}", f"r{number % 2}", f"t{number}") for number in range(40)]
    swapped = knowledge_refit.swapped(facts, 0.5, np.random.default_rng(0))
    assert [fact[:2] for fact in swapped] == [fact[:2] for fact in facts]
    assert sorted(fact[1:] for fact in swapped) == sorted(fact[1:] for fact in facts)
    assert 10 < sum(one != other for one, other in zip(swapped, facts, strict=True)) <= 20
    assert knowledge_refit.swapped(facts, 0.0, np.random.default_rng(0)) == facts


@pytest.mark.usefixtures("world")
def test_a_record_tells_its_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parts: list[str] = []

    def run_measured(command: list[str], env: measuring.Env, timeout: float) -> measuring.Measured:
        options = dict(zip(command[3::2], command[4::2], strict=True))
        parts.append(options["--part"])
        said = {"strain": 1.0, "share": 0.1, "due": 0.0, "lost": 0.01}
        keys = knowledge_refit.SHARES if options["--part"] == "share" else knowledge_refit.FALSE
        if options["--part"] == "fit":
            knowledge.fit(1, int(options["--seed"]), Path(options["--models"]) / f"{options['--seed']}-1")
        return measuring.Measured((), 1.0, 1.0, 1, {str(key): said for key in keys})

    recorded: list[records.Result] = []
    monkeypatch.setattr(measuring, "run_measured", run_measured)
    monkeypatch.setattr(records, "record", recorded.append)
    folder = tmp_path / "some models"
    knowledge.fit(1, 0, folder / "0-1")
    monkeypatch.setattr(sys, "argv", ["knowledge_refit", "--seeds", "2", "--models", str(folder)])
    knowledge_refit.main()
    assert parts == ["share"] * 4 + ["fit"] + ["strain"] * 2
    assert recorded[0].command == f"python -m benchmarks.knowledge_refit --models '{folder}' --seeds 2 --threads 1"
    assert {name for name in recorded[0].versions if name.startswith("model")} == {"model 0-1", "model 1-1"}
