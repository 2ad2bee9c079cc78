"""What an update tells of itself: how far all moved, and how well what came fits."""

from __future__ import annotations

import copy

import numpy as np
import pytest

import latticework as lw
from latticework.cli import main
from latticework.knowledge import DKGE, DKGEConfig
from latticework.knowledge.planted import plant

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
FACTS = [(f"a{number}", "r", f"b{number % 3}") for number in range(12)]


def fitted(**config):
    config = DKGEConfig(negatives=8, batch_size=8, update_epochs=2, **config)
    return DKGE(6, max_epochs=2, config=config, random_state=0, device="cpu").fit(FACTS)


def test_strain_compares_facts_that_came_with_the_others():
    model = fitted()
    came = [(f"c{number}", "s", f"b{number % 3}") for number in range(30)]
    report = model.partial_fit(add=came)
    apart = {
        fact: np.linalg.norm(
            model.transform([fact[0]])[0]
            + model.relation_embeddings_[model.graph_.relation(fact[1])]
            - model.transform([fact[2]])[0]
        )
        for fact in model.graph_.named()
    }
    new, old = (np.median([apart[fact] for fact in facts]) for facts in (came, FACTS))
    assert report.strain == pytest.approx(new / old, rel=1e-5)
    assert report.added_triples == 30


def test_drift_tells_how_far_entities_and_relations_moved():
    first, second = plant(0, people=30, countries=2)[:2]
    model = DKGE(8, max_epochs=2, random_state=0, device="cpu").fit(first.facts)
    before = copy.copy(model)
    report = model.apply(second.delta)
    assert set(report.drift) == report.affected
    assert set(report.relation_drift) == report.affected_relations
    assert report.affected_relations
    for name, far in report.relation_drift.items():
        old, new = (each.relation_embeddings_[each.graph_.relation(name)] for each in (before, model))
        assert far == pytest.approx(np.linalg.norm(new - old), rel=1e-5)


def test_with_the_gate_open_contexts_are_not_heeded_and_move_nothing():
    model = fitted(gate="open")
    told = model.explain("a0", "r", "b0")
    for part in (told.head, told.relation, told.tail):
        assert part.gate == 1
        assert [(share.context, share.attention) for share in part.shares] == [((), 1.0)]
    before = copy.copy(model)
    report = model.set_params(affected="entity").partial_fit(add=[("a0", "r", "a1")])
    assert report.affected == report.affected_relations == frozenset()
    names = sorted(name for name in before.graph_.entities)
    assert np.array_equal(model.transform(names), before.transform(names))


def test_held_out_facts_count_once_an_update_makes_them_of_use(tmp_path):
    held_out = [("new", "r", "b1"), ("a1", "r", "b0")]
    config = DKGEConfig(negatives=8, batch_size=8, update_epochs=1)
    model = DKGE(6, max_epochs=1, config=config, random_state=0, device="cpu").fit(FACTS, held_out)
    model.save(tmp_path / "model")
    model = lw.load(tmp_path / "model")
    test = [("new", "r", "b0")]
    model.partial_fit(add=[("new", "r", "b2")])
    assert model.validation_ == sorted(held_out)
    table = model.entity_embeddings_
    number = {name: model.graph_.entity(name) for name in ("new", "b0", "b1", "b2")}
    point = table[number["new"]] + model.relation_embeddings_[model.graph_.relation("r")]
    far = np.linalg.norm(table - point, axis=1)
    others = [place for place in range(len(far)) if place not in (number["b0"], number["b1"], number["b2"])]
    assert model.evaluate(test).tail.mr == 1 + sum(far[place] < far[number["b0"]] for place in others)


def test_what_an_update_removes_is_held_out_no_more(tmp_path):
    gone, stays = FACTS[0], ("a1", "r", "b0")
    config = DKGEConfig(negatives=8, batch_size=8, update_epochs=1)
    model = DKGE(6, max_epochs=1, config=config, random_state=0, device="cpu")
    with pytest.warns(UserWarning, match="in the graph and left out"):
        model.fit(FACTS, [gone, stays])
    before = copy.copy(model)
    model.partial_fit(remove=[gone])
    assert (model.validation_, before.validation_) == ([stays], sorted([gone, stays]))
    model.save(tmp_path / "model")
    assert lw.load(tmp_path / "model").validation_ == [stays]
    model.partial_fit(remove=[FACTS[1]], validation=[FACTS[1]])  # the caller says so
    assert model.validation_ == [FACTS[1]]


def test_what_is_said_to_be_true_no_more_is_held_out_no_more_even_if_the_graph_never_had_it(tmp_path):
    gone, stays, told = ("a0", "r", "b1"), ("a1", "r", "b0"), tmp_path / "told.tsv"
    config = DKGEConfig(negatives=8, batch_size=8, update_epochs=1)
    model = DKGE(6, max_epochs=1, config=config, random_state=0, device="cpu").fit(FACTS, [gone, stays])
    model.save(tmp_path / "model")
    model.partial_fit(remove=[gone], missing="ignore")
    assert (model.updates_, model.validation_) == (0, [stays])
    told.write_text("\t".join(["-", *gone]) + "\n")
    assert main(["kg", "update", str(tmp_path / "model"), str(told)]) == 0
    assert lw.load(tmp_path / "model").validation_ == [stays]


def test_other_held_out_facts_stay_with_the_model_whether_or_not_anything_changes():
    others = [("a1", "r", "b0")]
    for add, updates in (FACTS[:1], 0), ([("a7", "r", "b0")], 1):
        model = fitted()
        model.partial_fit(add=add, validation=others)
        assert (model.updates_, model.validation_) == (updates, others)
        model.partial_fit(add=[("a8", "r", "b0")])
        assert model.validation_ == others


def test_held_out_facts_that_are_in_the_graph_are_told_even_if_nothing_changes():
    with pytest.warns(UserWarning, match="validation") as caught:
        fitted().partial_fit(add=FACTS[:1], validation=FACTS[:1])
    assert caught[0].filename == __file__


def test_held_out_facts_are_read_even_if_nothing_changes():
    with pytest.raises(lw.InputError, match="validation"):
        fitted().partial_fit(validation=[("x",)])
