"""The tour's stop at its real size: what it promises, it measures."""

from __future__ import annotations

import pytest

from latticework import tour as tours
from latticework.core.capability import Capability
from latticework.knowledge.planted import plant

pytestmark = pytest.mark.usefixtures("on_the_cpu")
STOP = Capability(name="knowledge", summary="Graphs that change.", tour_stop="latticework.knowledge.tour:stop")


@pytest.fixture(scope="module")
def outcome():
    (ran,) = tours.run([STOP], seed=0)
    assert ran.error is None, ran.error
    return ran


def test_the_real_stop_moves_nothing_but_what_is_affected_and_predicts_like_a_refit(outcome):
    facts = dict(outcome.section.facts)
    assert facts["largest change of the others"] == 0.0
    affected, whole = map(int, facts["entities affected"].split(" of "))
    assert 0 < affected < whole / 3
    assert facts["MRR after the update"] > 0.6
    assert facts["MRR after the update"] > facts["MRR of a refit"] - 0.05


def test_it_says_of_new_people_where_they_are_citizens(outcome):
    answers, _ = outcome.section.tables
    (_, second) = plant(0, snapshots=2)
    assert {row[0] for row in answers.rows} == set(second.born)
    right = sum(row[2].startswith(row[1]) for row in answers.rows)
    assert right >= 2
    assert f"{right} are right" in answers.caption


def test_facts_that_came_rise_and_those_that_went_fall(outcome):
    _, followed = outcome.section.tables
    before, after = (
        {what: [row[place] for row in followed.rows if row[1] == what] for what in ("came", "went")} for place in (2, 3)
    )
    assert max(after["came"]) <= 3
    assert sum(after["came"]) < sum(before["came"])
    assert sum(after["went"]) > sum(before["went"])


def test_the_page_draws_the_drift_the_map_and_an_explanation(outcome):
    html = tours.page([outcome]).html()
    assert html.count("<svg") == 3
    assert "did not move" in html
    assert "was born in" in html
