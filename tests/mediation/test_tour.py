"""The tour's stop: what it says follows from what was found, whatever that is."""

import re

import pytest

from latticework import tour as tours
from latticework.core.capability import Capability
from latticework.mediation import tour
from latticework.mediation.simulation import simulate

STOP = Capability(name="mediation", summary="Images that carry effects.", tour_stop="latticework.mediation.tour:stop")


@pytest.fixture(scope="module")
def outcome():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tour, "WARMUP", 300)
        patch.setattr(tour, "DRAWS", 200)
        patch.setattr(tour, "SUBJECTS", 100)
        patch.setattr(tour, "SIDE", 12)
        (ran,) = tours.run([STOP], seed=0)
    assert ran.error is None, ran.error
    return ran


def test_figures_are_those_of_the_truth_and_of_both(outcome):
    facts = dict(outcome.section.facts)
    study = simulate(100, 12)
    assert float(facts["indirect effect, truly"]) == pytest.approx(study.nie, rel=1e-2)
    (table,) = outcome.section.tables
    assert table.header == ["effect", "truth", "BIMA", "BASMU"]
    assert [row[0] for row in table.rows][:3] == ["NIE", "NDE", "TE"]


def test_it_says_which_is_closer_by_the_figures(outcome):
    found = re.search(r"(BIMA|BASMU) is off by ([\d.]+) and (BIMA|BASMU) by ([\d.]+)", outcome.section.summary)
    assert found
    assert float(found[2]) <= float(found[4])
    rows = {row[0]: row for row in outcome.section.tables[0].rows}
    truth, texts = float(rows["NIE"][1]), {"BIMA": rows["NIE"][2], "BASMU": rows["NIE"][3]}
    for name, off in ((found[1], found[2]), (found[3], found[4])):
        assert abs(float(texts[name].split()[0]) - truth) == pytest.approx(float(off), abs=0.2)


def test_cells_say_where_the_interval_misses_the_truth(outcome):
    for row in outcome.section.tables[0].rows[:3]:
        for cell in row[2:]:
            numbers = re.findall(r"\u2212?[\d.,]+", cell.replace("\xa0", " "))
            low, high = (float(one.strip(",").replace("\u2212", "-")) for one in numbers[1:3])
            if abs(low - float(row[1])) > 0.2 and abs(high - float(row[1])) > 0.2:
                assert ("misses the truth" in cell) == (not low <= float(row[1]) <= high)


def test_it_does_not_promise_too_much(outcome):
    text = " ".join(outcome.section.paragraphs)
    assert "does not remove confounding" in text
    assert "with other priors the split could be another" in text


def test_the_page_has_the_maps(outcome):
    html = tours.page([outcome]).html()
    assert html.count("<svg") == 3
    assert "BASMU:" in outcome.section.pictures[1].alt


def test_doubtful_chains_are_told_of():
    assert "BASMU" in tour._doubts({"BIMA": 1.0, "BASMU": 1.2})[0]
    assert tour._doubts({"BIMA": 1.0, "BASMU": 1.01}) == []
