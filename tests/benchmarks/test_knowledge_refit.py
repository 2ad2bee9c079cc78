"""The benchmark of the figures that call for a refit runs, on a made-up world, and its rows say what they must."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import knowledge, knowledge_refit

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
