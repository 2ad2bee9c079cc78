"""Updates: what they leave alone bit for bit, what they add and remove, and that they are all or nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from cases import contents
from graphs import draw_triples
from hypothesis import given, settings
from hypothesis import strategies as st

from latticework.core import InputError
from latticework.knowledge import DKGE, DKGEConfig, online_model
from latticework.knowledge import online as module
from latticework.knowledge.deltas import Delta, read_delta
from latticework.knowledge.graph import Graph
from latticework.knowledge.index import ContextIndex
from latticework.knowledge.names import Names

CONFIG = DKGEConfig(negatives=8, batch_size=16, learning_rate=0.05, update_epochs=3)
FACTS = sorted(set(draw_triples(0, entities=30, relations=3, triples=60)))
ELSEWHERE = [("f0", f"s{number % 2}", f"f{number}") for number in range(1, 7)]  # linked to none of them
ELSEWHERE += [("f1", "s0", "f2"), ("f3", "s1", "f2")]
COMPATS = [("paper", None), ("reference", 30)]  # and what contexts are padded to


def fitted(facts=FACTS, **options):
    options = {"config": CONFIG, "affected": "subgraph"} | options
    return DKGE(8, max_epochs=2, random_state=0, device="cpu", **options).fit(facts)


def parts(model):
    """Everything that was learned, by name."""
    learned = model.learned_
    found = {}
    for side in ("entities", "relations"):
        encoder, names = getattr(learned.model, side), getattr(learned.graph, side)
        for number, name in enumerate(names):
            found[side, name, "k"] = encoder.knowledge[number].detach().numpy().tobytes()
            found[side, name, "c"] = encoder.context[number].detach().numpy().tobytes()
            found[side, name, "o"] = getattr(learned, side)[number].tobytes()
        for name in ("projection", "gate", "attention"):
            found[side, "", name] = getattr(encoder, name).detach().numpy().tobytes()
    return found


@pytest.mark.parametrize("rule", ["entity", "neighbours", "subgraph"])
@pytest.mark.parametrize("gate", ["learned", "open"])
@pytest.mark.parametrize("compat", ["paper", "reference"])
@pytest.mark.parametrize("max_context", [4, 30])
def test_nothing_moves_outside_what_is_affected(rule, gate, compat, max_context):
    config = DKGEConfig(negatives=8, batch_size=16, update_epochs=3, gate=gate, compat=compat)
    model = fitted(FACTS + ELSEWHERE, affected=rule, config=config, max_context=max_context)
    before = parts(model)
    report = model.partial_fit(add=[("e1", "r0", "new"), ("new", "r1", "e2"), ("e3", "r9", "e4")], remove=FACTS[:3])
    after = parts(model)
    moved = {key for key, value in before.items() if after[key] != value}
    gone = report.removed | report.removed_relations
    allowed = report.affected | report.affected_relations | gone
    assert moved
    assert {name for _, name, _ in moved} <= allowed
    assert not {key for key in moved if key[2] == "c"}
    assert not {key for key in moved if key[1] == ""}
    assert {name for side, name, _ in before if side == "entities"} - allowed >= {f"f{number}" for number in range(7)}
    assert {name for side, name, _ in before if side == "relations"} - allowed >= {"s0", "s1"}
    assert report.new == {"new"}
    assert report.new_relations == {"r9"}
    assert set(report.drift) == report.affected


def test_a_cap_of_four_cuts_contexts_of_what_is_affected_and_of_what_is_not():
    """Else the cases above with `max_context=4` were those without a cap."""
    graph = Graph.of(FACTS + ELSEWHERE)
    neighbours = ContextIndex.of(graph, max_context=4).neighbours.ranks.lengths
    assert set(graph.entities.named(np.flatnonzero(neighbours > 4))) >= {"f0", "e1"}


@pytest.mark.parametrize("compat, padded_to", COMPATS)
def test_what_changed_its_context_has_a_fresh_embedding(compat, padded_to):
    model = fitted(affected="entity", config=replace(CONFIG, compat=compat))
    model.partial_fit(add=[("e1", "r0", "new"), ("e5", "r2", "e6")], remove=FACTS[:3])
    learned = model.learned_
    assert learned.model.padded_to == padded_to
    for side in ("entities", "relations"):
        everything = learned.model.encode_all(side, getattr(learned.index, side)).numpy()
        there = learned.graph.present if side == "entities" else learned.graph.relation_counts > 0
        np.testing.assert_allclose(getattr(learned, side)[there], everything[there], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("rule", ["entity", "neighbours", "subgraph"])
@pytest.mark.parametrize("compat, padded_to", COMPATS)
def test_an_update_learns_beside_the_joint_embeddings_that_the_others_have_after_it(
    rule, compat, padded_to, monkeypatch
):
    seen = []
    made = module.OnlineTask.__init__

    def spy(task, online, *arguments, **options):
        seen.append(online)
        made(task, online, *arguments, **options)

    monkeypatch.setattr(module.OnlineTask, "__init__", spy)
    model = fitted(affected=rule, config=replace(CONFIG, compat=compat))
    model.partial_fit(add=[("e1", "r0", "new"), ("e5", "r2", "e6")], remove=FACTS[:3])
    [online], learned = seen, model.learned_
    assert online.padded_to == padded_to
    for side in ("entities", "relations"):
        beside = np.ones(len(getattr(learned, side)), bool)
        beside[getattr(online, side).side.objects] = False
        there = learned.graph.present if side == "entities" else learned.graph.relation_counts > 0
        constants = getattr(online, side).joint.numpy()
        np.testing.assert_array_equal(constants[beside & there], getattr(learned, side)[beside & there])
        for block in (4096, 3):  # in one go, and in several
            monkeypatch.setattr(online_model, "BLOCK", block)
            trained = getattr(online, side).current(padded_to).numpy()
            np.testing.assert_allclose(trained[there], getattr(learned, side)[there], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("compat, padded_to", [("paper", None), ("reference", 7)])
def test_contexts_are_padded_as_the_model_was_made_after_fit_update_and_loading(tmp_path, compat, padded_to):
    import latticework as lw

    model = DKGE(4, max_context=7, max_epochs=1, config=replace(CONFIG, compat=compat), random_state=0, device="cpu")
    assert model.fit(FACTS).learned_.model.padded_to == padded_to
    model.partial_fit(add=[("e1", "r0", "new")])
    assert model.learned_.model.padded_to == padded_to
    model.save(tmp_path)
    loaded = lw.load(tmp_path)
    assert loaded.learned_.model.padded_to == padded_to
    loaded.partial_fit(remove=[("e1", "r0", "new")])
    assert loaded.learned_.model.padded_to == padded_to


def test_facts_of_updates_that_were_undone_are_no_reason_for_a_refit():
    model, fact = fitted(), [("e1", "r0", "e29")]
    for _ in range(3):
        model.partial_fit(add=fact)
        report = model.partial_fit(remove=fact)
    assert report.changed_share == 0
    assert model.describe()["facts changed since fit"] == 0


def test_entities_are_new_if_fit_had_no_fact_of_them(tmp_path):
    import latticework as lw

    facts = Graph.of_numbers(np.array([[0, 0, 1], [1, 0, 0]]), Names("abc"), Names("r"))
    model = DKGE(4, max_epochs=1, config=CONFIG, random_state=0, device="cpu").fit(facts)
    with pytest.raises(InputError, match="the entity 'c' is in no fact of the graph"):
        model.transform(["c"])
    model.partial_fit(add=[("d", "r", "a")])
    with pytest.raises(InputError, match="the entity 'c' is in no fact of the graph now"):
        model.transform(["c"])
    model.partial_fit(add=[("c", "r", "a")])
    model.save(tmp_path)
    for each in (model, lw.load(tmp_path)):
        found = each.evaluate([("a", "r", "c"), ("a", "r", "d"), ("b", "r", "b")])
        assert (found.seen.count, found.new.count) == (2, 4)


def test_updates_follow_the_settings_of_their_time():
    model = fitted()
    model.set_params(config=DKGEConfig(negatives=3, update_epochs=1))
    assert model.partial_fit(add=[("e1", "r0", "e29")]).epochs <= 1
    assert model.config_ == CONFIG


def test_a_fit_that_finds_its_model_updated_says_so(tmp_path):
    model = DKGE(8, max_epochs=1, config=CONFIG, random_state=0, device="cpu").fit(FACTS, folder=tmp_path)
    model.partial_fit(add=[("e1", "r0", "new")])
    model.save(tmp_path)
    with pytest.warns(UserWarning, match="holds this run's model after 1 update; restart") as caught:
        DKGE(8, max_epochs=1, config=CONFIG, random_state=0, device="cpu").fit(FACTS, folder=tmp_path)
    with pytest.warns(UserWarning, match="cannot be removed") as also:
        model.partial_fit(remove=[("e1", "r0", "nobody")])
    assert {each.filename for each in [*caught, *also]} == {__file__}


UNDONE = ["+\tnobody\tnever\tnowhere", "-\tnobody\tnever\tnowhere"]
PUT_BACK = ["-\t" + "\t".join(FACTS[0]), "+\t" + "\t".join(FACTS[0])]


@pytest.mark.parametrize(
    "change",
    [
        Delta(),
        [],
        UNDONE,
        PUT_BACK,
        UNDONE + PUT_BACK + UNDONE,
        Delta(add=FACTS[:2]),
        Delta(add=FACTS[:2], remove=FACTS[:2]),
    ],
    ids=["nothing", "no lines", "undone", "put back", "undone and put back", "there already", "in both"],
)
def test_an_update_without_effect_leaves_everything(tmp_path, change):
    """Every byte of what would be saved: values, tensors and files, of a model that was updated before."""
    model = fitted()
    model.partial_fit(add=[("e1", "r0", "new")], remove=FACTS[5:7])
    model.save(tmp_path / "before")
    learned = model.learned_
    if isinstance(change, list):
        (tmp_path / "lines.tsv").write_text("\n".join(change), encoding="utf-8")
        change = read_delta(tmp_path / "lines.tsv")
    report = model.apply(change, missing="raise")
    assert not report.affected | report.affected_relations
    assert not report.new | report.removed | report.new_relations | report.removed_relations
    assert (report.added_triples, report.removed_triples, report.epochs) == (0, 0, 0)
    model.partial_fit(add=change.add, remove=change.remove, missing="ignore")
    assert model.learned_ is learned
    model.save(tmp_path / "after")
    assert contents(tmp_path / "after") == contents(tmp_path / "before")


def test_an_addition_undone_beside_other_changes_leaves_no_trace(tmp_path):
    effective = ["+\te1\tr0\tnew", "-\t" + "\t".join(FACTS[5])]
    for name, lines in ("without", effective), ("with", [UNDONE[0], *effective, UNDONE[1]]):
        (tmp_path / f"{name}.tsv").write_text("\n".join(lines), encoding="utf-8")
        model = fitted()
        model.apply(read_delta(tmp_path / f"{name}.tsv"), missing="raise")
        model.save(tmp_path / name)
    assert contents(tmp_path / "with") == contents(tmp_path / "without")


def test_a_removed_entity_is_never_an_answer_and_comes_back_as_a_new_one():
    model = fitted()
    mine = [fact for fact in FACTS if "e1" in (fact[0], fact[2])]
    report = model.partial_fit(remove=mine)
    assert "e1" in report.removed
    for ask in (
        lambda: model.transform(["e1"]),
        lambda: model.similar("e1"),
        lambda: model.score_triples([("e1", "r0", "e2")]),
        lambda: model.predict_tails("e1", "r0"),
    ):
        with pytest.raises(InputError, match="the entity 'e1' is in no fact of the graph now"):
            ask()
    assert "e1" not in {name for name, _ in model.similar("e2", 50)}
    assert "e1" not in {name for name, _ in model.predict_tails("e2", "r0", 50, exclude_known=False)}
    again = model.partial_fit(add=mine)
    assert "e1" in again.new
    assert np.isfinite(model.transform(["e1"])).all()


@settings(max_examples=15)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 5)), min_size=1, max_size=3), st.integers(0, 99))
def test_graph_and_contexts_of_a_stream_are_those_of_a_rebuild(sizes, seed):
    model = _base()
    generator = np.random.default_rng(seed)
    for add, remove in sizes:
        facts = model.graph_.named()
        chosen = [facts[number] for number in generator.permutation(len(facts))[:remove]]
        model.partial_fit(add=draw_triples(seed, entities=30, relations=3, triples=add), remove=chosen)
    learned = model.learned_
    rebuilt = ContextIndex.of(learned.graph, learned.index.max_context)
    for side in ("entities", "relations"):
        for name, array in vars(getattr(rebuilt, side)).items():
            assert np.array_equal(array, getattr(getattr(learned.index, side), name)), (side, name)


def _base():
    config = DKGEConfig(negatives=4, batch_size=64, update_epochs=1)
    return DKGE(4, max_epochs=1, config=config, random_state=0, device="cpu").fit(FACTS)


def test_a_failure_leaves_the_model_as_it_was(monkeypatch):
    model = fitted()
    before, learned = parts(model), model.learned_
    with pytest.raises(InputError, match="cannot be removed"):
        model.partial_fit(remove=[("e1", "r0", "nobody")], missing="raise")
    with pytest.raises(InputError, match="without facts"):
        model.partial_fit(remove=FACTS)

    def fail(*arguments, **options):
        raise FloatingPointError("diverged")

    monkeypatch.setattr(module, "train", fail)
    with pytest.raises(FloatingPointError):
        model.partial_fit(add=[("e1", "r0", "new")])
    assert model.learned_ is learned
    assert parts(model) == before
    assert model.updates_ == 0


def test_the_same_update_gives_the_same_bytes():
    one, other = fitted(), fitted()
    for model in (one, other):
        model.partial_fit(add=[("e1", "r0", "new")], remove=FACTS[:2])
    assert parts(one) == parts(other)


def test_new_entities_begin_where_their_facts_put_them():
    model = fitted(config=DKGEConfig(negatives=8, update_epochs=1, update_learning_rate=1e-9))
    before = model.learned_
    model.partial_fit(add=[("e1", "r0", "new"), ("new", "r1", "e2")])
    graph, learned = model.graph_, model.learned_
    one, two = before.entities[graph.entities.number("e1")], before.entities[graph.entities.number("e2")]
    r0, r1 = before.relations[graph.relations.number("r0")], before.relations[graph.relations.number("r1")]
    knowledge = learned.model.entities.knowledge[graph.entities.number("new")].detach().numpy()
    np.testing.assert_allclose(knowledge, (one + r0 + two - r1) / 2, atol=1e-5)


def test_facts_of_hubs_are_bounded():
    facts = [(f"e{number}", "r", "hub") for number in range(50)] + [("hub", "s", "other")]
    model = DKGE(4, max_epochs=1, config=DKGEConfig(max_triples_per_entity=5, update_epochs=1), random_state=0)
    model.fit(facts)
    report = model.partial_fit(add=[("hub", "s", "new")])
    assert "hub" in report.affected
    assert report.trained_triples <= 5 + 1 + 5  # of the hub, of what is new, of the relation


def test_saved_updates_go_on_as_unsaved_ones(tmp_path):
    import latticework as lw

    model = fitted()
    model.partial_fit(add=[("e1", "r0", "new")])
    model.save(tmp_path)
    loaded = lw.load(tmp_path)
    assert parts(loaded) == parts(model)
    for each in (model, loaded):
        each.partial_fit(add=[("new", "r2", "e7")], remove=FACTS[:1])
    assert parts(loaded) == parts(model)
    assert torch.equal(loaded.learned_.model.entities.knowledge, model.learned_.model.entities.knowledge)
