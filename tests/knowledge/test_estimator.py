"""DKGE as an estimator: the common checks, what it answers, and what it refuses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from cases import EstimatorCases, contents
from graphs import draw_graph

from latticework.core import InputError
from latticework.knowledge import DKGE, DKGEConfig, Graph, fitting, learning
from latticework.knowledge.answers import rank_answers, scores_by_hops
from latticework.knowledge.objective import Objective
from latticework.knowledge.questions import sample_questions

PLACES = {"Rome": "Italy", "Milan": "Italy", "Turin": "Italy", "Oslo": "Norway", "Bergen": "Norway", "Graz": "Austria"}
FACTS = [(town, "in", country) for town, country in PLACES.items()]
FACTS += [(country, "has", town) for town, country in PLACES.items()]
FACTS += [("Rome", "capital of", "Italy"), ("Oslo", "capital of", "Norway"), ("Italy", "borders", "Austria")]
CONFIG = DKGEConfig(negatives=8, batch_size=8, learning_rate=0.05)


class TestDKGE(EstimatorCases):
    config = CONFIG
    init = "xavier"

    def make(self):
        return DKGE(12, max_epochs=3, init=self.init, config=self.config, random_state=0, device="cpu")

    def fit_arguments(self):
        return (FACTS, [("Austria", "borders", "Italy")]), {}

    def queries(self):
        return {
            "transform": (["Rome", "Oslo"],),
            "score": ([("Graz", "capital of", "Austria")],),
            "score_triples": ([("Graz", "capital of", "Austria"), ("Rome", "in", "Norway")],),
            "predict_tails": ("Graz", "capital of", 3),
            "predict_heads": ("capital of", "Austria", 3),
            "predict_relations": ("Graz", "Austria", 2),
            "similar": ("Rome", 2),
            "answer": ("Rome", ["in", "~in"], 3),
            "explain": ("Graz", "in", "Austria"),
        }

    def bad_fits(self):
        return [
            ("no facts", "^triples: there is not a single triple$", (([],), {})),
            ("no rows", "^triples: expected triples of names, .* got int$", ((3,), {})),
            ("pairs", r"\('Rome', 'Italy'\) is not \(head, relation, tail\)$", (([("Rome", "Italy")],), {})),
            ("an empty name", r"relation of triples\[0\]: '' cannot be a name", (([("Rome", "", "Italy")],), {})),
            ("a file that is not there", r"^nowhere\.tsv: there is no such file$", (("nowhere.tsv",), {})),
        ]

    def bad_inputs(self):
        return [
            ("unknown entity", "^there is no entity 'Paris'", lambda model: model.transform(["Paris"])),
            ("one text", "^entities: expected a list of names, got a", lambda model: model.transform("Rome")),
            ("a set", "^entities: expected a list of names, got a set", lambda model: model.transform({"Rome"})),
            ("a number", "^entities: expected a list of names, got a single int$", lambda model: model.transform(3)),
            ("a set of facts", "^triples: .* got a set", lambda model: model.score_triples({("Rome", "in", "Italy")})),
            ("unknown relation", "^there is no relation 'near'", lambda model: model.predict_tails("Rome", "near")),
            ("no answers wanted", "^k=0: expected a whole number", lambda model: model.similar("Rome", 0)),
            ("an empty path", "^path: expected a list of relations, got none$", lambda model: model.answer("Rome", [])),
            ("a number in a path", "^there is no relation 1;", lambda model: model.answer("Rome", [1])),
            ("rows of a column", r"^there is no entity \['Rome'\]", lambda model: model.transform([["Rome"]])),
            ("a relation in a list", r"no relation \['in'\]", lambda model: model.predict_tails("Rome", ["in"])),
            ("nothing to judge by", "no fact to judge by", lambda model: model.evaluate([("Rome", "in", "Italy")])),
        ]


class TestDKGEAsTransE(TestDKGE):
    config = DKGEConfig(negatives=8, batch_size=8, learning_rate=0.05, gate="open")


class TestDKGEAsPublished(TestDKGE):
    config = DKGEConfig(compat="reference", loss="margin", negatives=1, batch_size=8)
    init = "transe"


@pytest.fixture(scope="module")
def model():
    return DKGE(16, max_epochs=60, config=CONFIG, random_state=0, device="cpu").fit(FACTS)


def test_it_learns(model):
    assert model.predict_tails("Rome", "in", 1, exclude_known=False)[0][0] == "Italy"
    assert model.predict_relations("Oslo", "Norway", 2, exclude_known=False)[0][0] in {"in", "capital of"}


def test_known_answers_are_left_out_unless_wanted(model):
    everything = [name for name, _ in model.predict_heads("in", "Italy", 20, exclude_known=False)]
    others = [name for name, _ in model.predict_heads("in", "Italy", 20)]
    assert {"Rome", "Milan", "Turin"} <= set(everything)
    assert others == [name for name in everything if name not in {"Rome", "Milan", "Turin"}]


def test_the_score_is_the_mrr_and_takes_no_more_than_the_ranks(model, monkeypatch):
    test = [("Graz", "capital of", "Austria"), ("Rome", "in", "Norway")]
    expected = model.evaluate(test).all.mrr
    monkeypatch.delattr("latticework.knowledge.cooccurrence.CoOccurrence.of")
    assert model.score(test) == expected
    with pytest.warns(UserWarning, match="in the graph and left out") as caught:
        model.score([*test, FACTS[0]])
    assert caught[0].filename == __file__


def test_rows_of_a_file_have_their_scores(model, tmp_path):
    rows = [("Rome", "in", "Italy"), ("Austria", "has", "Graz"), ("Rome", "has", "Graz"), ("Austria", "has", "Graz")]
    (tmp_path / "facts.tsv").write_text("".join("\t".join(row) + "\n" for row in rows))
    assert model.score_triples(tmp_path / "facts.tsv").tolist() == model.score_triples(rows).tolist()


def test_attention_adds_up_to_one(model):
    explanation = model.explain("Italy", "has", "Rome")
    for part in (explanation.head, explanation.relation, explanation.tail):
        assert sum(share.attention for share in part.shares) == pytest.approx(1, abs=1e-5)
        assert 0 < part.gate < 1
    assert {share.context for share in explanation.tail.shares} == {(), ("Italy",)}
    assert explanation.known


def test_held_out_facts_of_the_graph_and_of_strangers_are_left_out_with_a_warning(model):
    test = [("Rome", "in", "Italy"), ("Paris", "in", "France"), ("Graz", "capital of", "Austria")]
    with pytest.warns(UserWarning, match="left out") as caught:
        model.evaluate(test)
    assert [str(each.message) for each in caught] == [
        "test: in the graph and left out: 1 fact",
        "test: names what the graph does not have and is left out: 1 fact",
    ]
    assert {each.filename for each in caught} == {__file__}


def test_of_facts_that_were_validated_with_a_warning_tells_and_they_count():
    test, validation = ("Graz", "capital of", "Austria"), ("Rome", "in", "Norway")
    model = DKGE(4, max_epochs=1, random_state=0, device="cpu").fit(FACTS, validation=[validation])
    told = "test: the model was validated with them, so they look too good: 1 fact"
    for ask in (lambda facts: model.evaluate(facts).all.mrr, model.score):
        with pytest.warns(UserWarning, match="validated with") as caught:
            both, alone = ask([test, validation, validation]), ask([validation])
        assert [str(each.message) for each in caught] == [told, told]
        assert {each.filename for each in caught} == {__file__}
        assert both == pytest.approx((alone + ask([test])) / 2)


@pytest.mark.parametrize(
    "parameters, named",
    [
        ({"affected": "all"}, "affected='all'"),
        ({"init": "zeros"}, "init='zeros'"),
        ({"dim": 0}, "dim=0"),
        ({"max_context": 1.5}, "max_context=1.5"),
        ({"config": {"margin": 1}}, "config="),
        ({"device": "toaster"}, "device='toaster'"),
    ],
)
def test_settings_are_checked(parameters, named):
    with pytest.raises(InputError, match=named):
        DKGE(**parameters).fit(FACTS)


@pytest.mark.parametrize("wrong", [{"margin": 0}, {"negatives": 0}, {"loss": "hinge"}, {"norm": 3}, {"patience": 0}])
def test_figures_are_checked(wrong):
    [name] = wrong
    with pytest.raises(InputError, match=name):
        DKGEConfig(**wrong)


def test_numbers_of_numpy_are_settings_too(tmp_path):
    config = DKGEConfig(norm=np.int64(1), negatives=np.int32(8), margin=np.float32(2))
    assert [type(value) for value in (config.norm, config.negatives, config.margin)] == [int, int, float]
    DKGE(4, max_epochs=1, config=config, random_state=0, device="cpu").fit(FACTS, folder=tmp_path)
    assert DKGE.load(tmp_path).config_.norm == 1
    for wrong in (True, 3, np.array([1, 2])):
        with pytest.raises(InputError, match="norm="):
            DKGEConfig(norm=wrong)


def test_how_many_wrong_answers_there_are_goes_by_the_loss():
    graph, other = Graph.of(FACTS), replace(DKGEConfig(), loss="margin")
    assert [Objective(graph, config, seed=0).negatives for config in (DKGEConfig(), other)] == [1000, 1]
    assert Objective(graph, DKGEConfig(loss="margin", negatives=7), seed=0).negatives == 7


def test_a_large_graph_is_trained_with_sparse_gradients(monkeypatch):
    from latticework.knowledge import optimiser

    made = []
    kind = optimiser.RowAdam
    monkeypatch.setattr(fitting, "LARGE", 5)
    monkeypatch.setattr(learning, "RowAdam", lambda *given, **options: made.append(kind(*given, **options)) or made[-1])
    model = DKGE(16, max_epochs=60, config=CONFIG, random_state=0, device="cpu").fit(FACTS)
    assert made
    assert model.predict_tails("Rome", "in", 1, exclude_known=False)[0][0] == "Italy"


@pytest.mark.parametrize("max_context", [1, 2])
def test_contexts_do_not_depend_on_the_order_of_facts(max_context):
    facts = draw_graph(0, relations=4, triples=40).named()

    def heeded(given, cap):
        """Of every entity and relation the elements of its context, by name, and itself."""
        model = DKGE(4, max_context=cap, max_epochs=1, config=CONFIG, random_state=0, device="cpu").fit(given)
        told = [model.explain(*fact) for fact in facts]
        kinds = "entity", "relation", "entity"
        return {
            (kind, part.name): {share.context for share in part.shares}
            for each in told
            for kind, part in zip(kinds, (each.head, each.relation, each.tail), strict=True)
        }

    once, again, whole = heeded(facts, max_context), heeded(facts[::-1], max_context), heeded(facts, 30)
    assert once == again
    for kind in ("entity", "relation"):  # most contexts are cut, so that it matters how
        cut = [len(whole[name]) > len(kept) == max_context + 1 for name, kept in once.items() if name[0] == kind]
        assert np.mean(cut) > 0.5


@pytest.mark.parametrize("init, large", [("xavier", 10**6), ("transe", 10**6), ("xavier", 1)])
def test_an_interrupted_run_goes_on_to_the_same_bytes(tmp_path, monkeypatch, init, large):
    """With dense gradients and Adam, and as large graphs are trained: with sparse ones and `RowAdam`."""
    monkeypatch.setattr(fitting, "LARGE", large)

    def make():
        return DKGE(8, max_epochs=6, init=init, config=CONFIG, random_state=0, device="cpu")

    held_out = [("Austria", "borders", "Italy")]
    whole = make().fit(FACTS, held_out, folder=tmp_path / "whole")
    batches = learning.LinkTask.batches

    def stop(task, epoch):
        if epoch == 4 and not task.open_gate:
            raise KeyboardInterrupt
        return batches(task, epoch)

    with monkeypatch.context() as patched:
        patched.setattr(learning.LinkTask, "batches", stop)
        with pytest.raises(KeyboardInterrupt):
            make().fit(FACTS, held_out, folder=tmp_path / "cut")
    resumed = make().fit(FACTS, held_out, folder=tmp_path / "cut")
    resumed.save(tmp_path / "a")
    whole.save(tmp_path / "b")
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    with pytest.raises(InputError, match="other data or settings"):
        make().set_params(dim=9).fit(FACTS, held_out, folder=tmp_path / "whole")


def test_a_warm_start_is_not_made_again(tmp_path, monkeypatch):
    steps = []
    batches = learning.LinkTask.batches

    def counted(task, epoch):
        steps.append((task.open_gate, epoch))
        if not task.open_gate and epoch == 1 and len(steps) < 99:
            raise KeyboardInterrupt
        return batches(task, epoch)

    def make():
        return DKGE(8, max_epochs=2, init="transe", config=CONFIG, random_state=0, device="cpu")

    with monkeypatch.context() as patched:
        patched.setattr(learning.LinkTask, "batches", counted)
        with pytest.raises(KeyboardInterrupt):
            make().fit(FACTS, folder=tmp_path)
    warm = [epoch for open_gate, epoch in steps if open_gate]
    assert max(warm) == CONFIG.warm_epochs - 1
    steps.clear()
    steps.extend([(False, 0)] * 99)
    with monkeypatch.context() as patched:
        patched.setattr(learning.LinkTask, "batches", counted)
        make().fit(FACTS, folder=tmp_path)
    assert len([open_gate for open_gate, _ in steps if open_gate]) <= 1
    assert not list(tmp_path.rglob("optimizer-*"))


@pytest.mark.parametrize("wrong", [None, 5])
def test_what_are_no_triples_is_refused(wrong):
    model = DKGE(4, max_epochs=1, config=CONFIG, random_state=0, device="cpu").fit(FACTS)
    for ask in (lambda: model.partial_fit(add=wrong), lambda: model.score_triples(wrong)):
        with pytest.raises(InputError, match="expected triples of names"):
            ask()


def test_questions_are_ranked_by_the_way_they_are_answered(tmp_path):
    graph = Graph.of(FACTS)
    model = DKGE(4, max_epochs=2, config=CONFIG, random_state=0, device="cpu").fit(graph)
    questions = sample_questions(graph, 40, hops=[1, 2])
    found = model.evaluate_questions(questions)
    assert found == scores_by_hops(rank_answers(model.embeddings_, questions, beam=8))
    one = questions.select(np.flatnonzero(questions.hops == 1)[:1])
    anchor, path, answers = one.named(0)
    names = [name for name, _ in model.answer(anchor, path, 100)]
    ranks = [1 + sum(name not in answers for name in names[: names.index(answer)]) for answer in answers]
    assert model.evaluate_questions(one)[1].mrr == pytest.approx(np.mean(1 / np.array(ranks)))
    assert model.export(tmp_path / "e.npy") == len(np.load(tmp_path / "e.npy")) == len(graph.entities)
