"""The page of an update: its figures are those of the models, and nothing outside the affected set moved."""

from __future__ import annotations

import copy
import re
from dataclasses import replace

import numpy as np
import pytest

from latticework.core import InputError
from latticework.knowledge.comparing import AFTER, ANEW, BEFORE, FLOOR, NEW, WHOLE, Refit, accuracy, floor, ranked
from latticework.knowledge.config import DKGEConfig
from latticework.knowledge.estimator import DKGE
from latticework.knowledge.planted import plant
from latticework.knowledge.report import (
    MOST_LISTED,
    MOST_MAPPED,
    changes,
    entity_map,
    facts_added,
    moved,
    movements,
    page,
    training_curves,
)
from latticework.knowledge.results import REFIT_SHARE, REFIT_STRAIN

WORLD = plant(0, people=60, countries=2, snapshots=2)


def fitted(world, **options):
    config = DKGEConfig(learning_rate=0.02, update_learning_rate=0.02, update_epochs=4, batch_size=200)
    options = {"dim": 12, "max_epochs": 6, "config": config, "random_state": 0, "device": "cpu"} | options
    return DKGE(**options).fit(world.facts, world.validation)


@pytest.fixture(scope="module")
def updated():
    """A model before an update and after it, and the report."""
    model = fitted(WORLD[0])
    before = copy.copy(model)
    return before, model, model.partial_fit(WORLD[1].delta.add, WORLD[1].delta.remove)


def test_drift_is_that_of_the_embeddings_and_zero_outside_the_affected_set(updated):
    before, after, report = updated
    found = moved(before, after, report)
    assert set(found.names) == set(before.graph_.entities) - report.removed
    assert {name for name, there in zip(found.names, found.affected, strict=True) if there} == report.affected
    assert found.outside == 0.0
    expected = np.linalg.norm(after.transform(found.names).astype(float) - before.transform(found.names), axis=1)
    np.testing.assert_allclose(found.drift, expected)
    np.testing.assert_allclose(
        [found.drift[found.names.index(name)] for name in report.drift], list(report.drift.values()), rtol=1e-4
    )
    assert moved(before, after, report, "relations").names == list(before.graph_.relations)


def test_the_summary_counts_every_entity_once(updated):
    before, after, report = updated
    section = changes(before, after, report)
    present = int(after.graph_.present.sum())
    untouched = present - len(report.affected) - len(report.new)
    assert f"The graph has {present:,} entities: " in section.summary
    assert f", {untouched:,} as before." in section.summary
    facts = dict(section.facts)
    assert (facts["facts added"], facts["facts removed"]) == (len(WORLD[1].delta.add), len(WORLD[1].delta.remove))
    which = {row[0]: row[2] for row in section.tables[1].rows}
    assert which["removed"] == ", ".join(sorted(report.removed))
    assert which["new"] == ", ".join(sorted(WORLD[1].born))


def test_long_lists_of_names_are_cut_and_counted(updated):
    before, after, report = updated
    many = replace(report, affected=frozenset(f"n{number:03}" for number in range(MOST_LISTED + 7)))
    rows = {row[0]: row for row in changes(before, after, many).tables[1].rows}
    assert rows["affected"][1] == MOST_LISTED + 7
    assert rows["affected"][2].endswith(f"n{MOST_LISTED - 1:03} and 7 more")


def test_what_moved_farthest_comes_first_and_nothing_that_did_not_move_is_listed(updated):
    section = movements(*updated)
    assert "Nothing outside the affected set moved" in section.summary
    assert dict(section.facts)["largest change outside"] == 0.0
    drift = [row[2] for row in section.tables[0].rows if row[0] == "entity"]
    assert drift == sorted(drift, reverse=True)
    assert min(drift) > 0


def test_something_that_moved_outside_is_called_a_fault(updated):
    before, after, report = updated
    fewer = replace(report, affected=frozenset(sorted(report.affected)[1:]))
    section = movements(before, after, fewer)
    assert "that must not be" in section.summary
    assert dict(section.facts)["largest change outside"] > 0


def test_ranks_are_those_that_evaluate_sums_up(updated):
    _, model, _ = updated
    ranks = np.array(list(ranked(model, WORLD[1].test).values()))
    evaluation = model.evaluate(WORLD[1].test)
    assert (1 / ranks).mean() == pytest.approx(evaluation.all.mrr)
    rule = np.array(list(floor(model, WORLD[1].test).values()))
    assert (1 / rule).mean() == pytest.approx(evaluation.floor.mrr)


def test_models_are_compared_by_the_facts_that_all_can_rank_and_the_floor_stands_beside_them(updated):
    before, after, report = updated
    anew = fitted(WORLD[1], max_epochs=2)
    section = accuracy(before, after, report, WORLD[1].test, refit=Refit(anew, report.seconds * 8))
    (table,) = section.tables
    rows = {(row[0], row[1]): row[2:] for row in table.rows}
    assert {model for what, model in rows if what == WHOLE} == {BEFORE, AFTER, ANEW, FLOOR}
    assert {model for what, model in rows if what == NEW} == {AFTER, ANEW, FLOOR}
    born = [fact for fact in WORLD[1].test if set(fact[::2]) & set(WORLD[1].born)]
    assert rows[NEW, AFTER][0] == len(born) > 0
    about, rest = rows["about what is affected", AFTER], rows["about the rest", AFTER]
    whole = rows[WHOLE, AFTER]
    assert about[0] + rest[0] == whole[0]
    assert (about[0] * about[1] + rest[0] * rest[1]) / whole[0] == pytest.approx(whole[1])
    assert dict(section.facts)["times as fast as a refit"] == 8.0
    known = [fact for fact in ranked(after, WORLD[1].test) if fact not in born]
    expected = (1 / np.array([ranked(before, WORLD[1].test)[fact] for fact in known])).mean()
    assert rows[WHOLE, BEFORE][1] == pytest.approx(expected)


def test_models_that_were_told_other_validation_facts_are_filtered_alike():
    model, test = fitted(WORLD[0], max_epochs=1), WORLD[0].test
    before = copy.copy(model)
    report = model.partial_fit(validation=[])
    assert ranked(before, test) != ranked(model, test)
    section = accuracy(before, model, report, (fact for fact in test))  # which can be read only once
    rows = {row[1]: row[2:] for row in section.tables[0].rows if row[0] == WHOLE}
    assert rows[BEFORE] == rows[AFTER]
    assert ranked(before, test) == ranked(model, test, before.validation_)
    assert floor(before, test) == floor(model, test, before.validation_)


def test_a_fact_that_the_update_removed_is_not_about_what_is_new(updated):
    before, after, report = updated
    gone = next(fact for fact in WORLD[1].delta.remove if ranked(after, [fact]))
    section = accuracy(before, after, report, [*WORLD[1].test, gone])
    expected = accuracy(before, after, report, WORLD[1].test)
    counts, without = ([row[:3] for row in each.tables[0].rows] for each in (section, expected))
    assert counts == without
    assert section.paragraphs == [f"{expected.paragraphs[0][:-1]}; its graph had 1 more."]


def test_without_a_fact_to_judge_by_there_is_no_comparison(updated):
    with pytest.raises(InputError, match="not a single fact"):
        accuracy(*updated, [("Nobody", "lives in", "Nowhere")])


@pytest.mark.parametrize("most", [MOST_MAPPED, 30])
def test_the_map_marks_what_is_new_and_what_moved(updated, monkeypatch, most):
    monkeypatch.setattr("latticework.knowledge.report.MOST_MAPPED", most)
    before, after, report = updated
    told = entity_map(before, after, report).alt
    still = int(after.graph_.present.sum()) - len(report.affected) - len(report.new)
    assert told == f"Map of entities: {still} did not move, {len(report.affected)} moved, {len(report.new)} new."


def test_facts_that_came_are_those_of_the_delta(updated):
    before, after, _ = updated
    assert set(facts_added(before, after)) == set(WORLD[1].delta.add)
    assert facts_added(after, after) == []


@pytest.mark.parametrize(
    "share, strain, due", [(0.0, 1.0, False), (REFIT_SHARE, 1.0, True), (0.0, REFIT_STRAIN, True), (0.9, 9.0, True)]
)
def test_a_refit_is_due_where_too_much_changed_or_what_came_does_not_fit(updated, share, strain, due):
    report = replace(updated[2], changed_share=share, strain=strain, added_triples=50)
    why = report.verdict
    assert report.refit_due == due
    assert why.startswith("A refit is due" if due else "No refit is due")
    assert (f"{share:.1%} of the facts came or went since" in why) == (share >= REFIT_SHARE or not due)
    assert (f"{strain:.1f} times as far from true" in why) == (strain >= REFIT_STRAIN)
    few = replace(report, changed_share=0, added_triples=3)
    assert not few.refit_due
    assert "fewer than 10 new facts says little" in few.verdict


def test_the_whole_page_needs_nothing_from_elsewhere(updated):
    before, after, report = updated
    shown = page(before, after, report, test=WORLD[1].test, name="a <b>world</b>")
    html = shown.html()
    assert [section.title for section in shown.sections] == [
        "What changed",
        "What moved",
        "How well it predicts",
        "A score explained",
        "Training",
    ]
    assert "<title>An update of a &lt;b&gt;world&lt;/b&gt;</title>" in html
    assert not re.search(r"https?://(?!www\.w3\.org/)|<script|<link rel=.stylesheet", html)
    assert html.count("<svg") >= 5


def test_a_page_without_test_facts_has_no_comparison_and_explains_what_is_asked(updated):
    before, after, report = updated
    fact = WORLD[1].test[0]
    titles = {section.title: section for section in page(before, after, report, asked=fact).sections}
    assert "How well it predicts" not in titles
    assert " · ".join(fact) in titles["A score explained"].pictures[0].caption


def test_curves_show_what_was_logged(updated):
    assert len(training_curves(updated[1].history_)) == 2
    assert training_curves([]) == []
    assert len(training_curves([{"epoch": 1, "loss": 2.0}, {"epoch": 2, "loss": 1.0}])) == 1


def test_an_update_that_changes_nothing_has_a_page(updated):
    _, model, _ = updated
    same = copy.copy(model)
    found = page(same, model, model.partial_fit())
    whatever, moved_ = found.sections[:2]
    assert whatever.paragraphs[1] == "The update trained nothing."
    assert [table.caption for table in whatever.tables] == ["Sizes of the graph."]
    assert moved_.paragraphs == ["No joint embedding that was there before is another one now."]
    assert moved_.tables == []  # a table of nothing would be a heading above nothing
    assert "Nothing outside the affected set moved" in found.html()


def test_one_is_told_of_in_the_singular():
    model = DKGE(4, max_epochs=1, config=DKGEConfig(update_epochs=1), random_state=0, device="cpu")
    model.fit([("Rome", "in", "Italy")])
    before = copy.copy(model)
    html = page(before, model, model.partial_fit(add=[("Milan", "in", "Italy")])).html()
    assert "1 fact came and 0 went" in html
    assert "for 1 epoch." in html
    assert not re.search(r"\b1 (facts|entities|relations|epochs|others|joint embeddings|are|have)\b", html)
