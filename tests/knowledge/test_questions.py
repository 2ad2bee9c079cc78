import random

import numpy as np
import pytest
from graphs import draw_triples
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import knowledge_questions as reference

from latticework.core.errors import InputError
from latticework.knowledge import answers as module
from latticework.knowledge import moves
from latticework.knowledge.answer_changes import changes_since
from latticework.knowledge.answers import answer_scores, rank_answers, rank_popular, scores_by_hops
from latticework.knowledge.deltas import Delta
from latticework.knowledge.embeddings import Embeddings
from latticework.knowledge.graph import Graph
from latticework.knowledge.names import Names
from latticework.knowledge.questions import Questions, answers_in, sample_questions, steps_of
from latticework.knowledge.traversal import path_distances

TRIPLES = st.sets(
    st.tuples(st.sampled_from("abcdef"), st.sampled_from("rst"), st.sampled_from("abcdef")), min_size=3, max_size=18
)


def named(questions):
    return [questions.named(number) for number in range(len(questions))]


def embeddings_of(graph, *, dim=3, norm=2, whole=True):
    """By name, so that other numberings give the same; of whole numbers, so that there are ties."""
    rows = []
    for names in (graph.entities, graph.relations):
        numbers = names.digests()[:, None] >> np.arange(0, 8 * dim, 8).astype(np.uint64)
        rows.append((numbers % 4 if whole else numbers % 256 / 64).astype(np.float32))
    return Embeddings.of(graph, *rows, norm=norm)


# -- which questions are asked


@settings(max_examples=40)
@given(TRIPLES, st.integers(1, 3), st.integers(0, 3))
def test_answers_are_all_that_the_path_leads_to(triples, hops, seed):
    possible = reference.all_questions(triples, hops, 4)
    if not possible:
        with pytest.raises(InputError, match="there is no question with hops"):
            sample_questions(Graph.of(sorted(triples)), 10, hops=[hops], most_answers=4, seed=seed)
        return
    for anchor, path, answers in named(
        sample_questions(Graph.of(sorted(triples)), 10, hops=[hops], most_answers=4, seed=seed)
    ):
        assert possible.pop((anchor, tuple(path))) == set(answers)  # pop: none comes twice
        assert len(set(answers)) == len(answers)


def test_enough_draws_find_every_question():
    triples = set(draw_triples(0, entities=6, relations=2, triples=12))
    for hops in (1, 2):
        found = {
            (anchor, tuple(path)) for anchor, path, _ in named(sample_questions(Graph.of(triples), 500, hops=[hops]))
        }
        assert found == set(reference.all_questions(triples, hops, 50))


def test_neither_numbers_nor_the_order_of_triples_nor_names_that_are_gone_matter():
    triples = draw_triples(1)
    expected = named(sample_questions(Graph.of(triples), 30, seed=5))
    shuffled = random.Random(0).sample(triples, len(triples))
    grown, _ = Graph.of([("x", "y", "z"), *shuffled]).apply(Delta(add=(), remove=(("x", "y", "z"),)))
    assert named(sample_questions(grown, 30, seed=5)) == expected
    assert named(sample_questions(grown, 30, seed=6)) != expected


def test_each_number_of_hops_has_its_own_draws():
    graph = Graph.of(draw_triples(2))
    questions = sample_questions(graph, 20)
    assert questions.hops.tolist() == [1] * 20 + [2] * 20 + [3] * 20
    assert named(questions)[20:40] == named(sample_questions(graph, 20, hops=[2]))
    assert questions.path.shape == (60, 3)
    assert (questions.path[:20, 1:] == -1).all()
    assert (questions.signs[:20, 1:] == 0).all()


def test_steps_are_drawn_alike_however_many_facts_they_have():
    triples = [("hub", "common", f"e{number}") for number in range(200)] + [("hub", "rare", "f")]
    graph = Graph.of(triples)
    walks = moves.Moves.of(graph.triples, entities=len(graph.entities), relations=2).walks(
        np.full(4000, graph.entities.number("hub")), 1, np.random.default_rng(0)
    )
    assert abs(np.mean(walks[:, 1] == 2 * graph.relations.number("rare")) - 0.5) < 0.04


def test_a_walk_that_gets_stuck_asks_nothing():
    graph = Graph.of([("a", "r", "b")])
    with pytest.raises(InputError, match="there is no question with hops=\\[2\\] and at most 50 answers"):
        sample_questions(graph, 3, hops=[2])
    assert len(sample_questions(graph, 3, hops=[1, 2])) == 2


def test_a_loop_that_leads_to_the_anchor_alone_asks_nothing():
    questions = sample_questions(Graph.of([("a", "r", "a"), ("a", "s", "b"), ("a", "s", "a")]), 50, hops=[1])
    found = sorted((anchor, path, sorted(answers)) for anchor, path, answers in named(questions))
    assert found == [("a", ["s"], ["a", "b"]), ("b", ["~s"], ["a"])]


def test_the_size_of_the_blocks_changes_nothing(monkeypatch):
    graph = Graph.of(draw_triples(3))
    expected = named(sample_questions(graph, 30))
    monkeypatch.setattr(moves, "_TOGETHER", 3)
    assert named(sample_questions(graph, 30)) == expected


def test_selected_questions_keep_their_answers():
    questions = sample_questions(Graph.of(draw_triples(4)), 10)
    chosen = np.array([17, 3])
    assert named(questions.select(chosen)) == [named(questions)[17], named(questions)[3]]
    assert named(questions.select(questions.hops == 2)) == named(questions)[10:20]


@pytest.mark.parametrize(
    "options", [{"count": 0}, {"hops": []}, {"hops": [0]}, {"hops": [1, 1]}, {"most_answers": 0}, {"seed": -1}]
)
def test_bad_arguments_are_refused(options):
    with pytest.raises(InputError, match=next(iter(options))):
        sample_questions(Graph.of(draw_triples(0)), **({"count": 3} | options))


@pytest.mark.parametrize(
    "path, told",
    [
        ("in", "path: expected a list of relations, got a single str"),
        ({"in"}, "path: expected a list of relations, got a set, which has no order or is of names"),
        ([], "path: expected a list of relations, got none"),
        (["nowhere"], "there is no relation 'nowhere'; all there are: 'in'"),
        (["in", "~nowhere"], "there is no relation 'nowhere'; all there are: 'in'"),
        ([1], "there is no relation 1; all there are: 'in'"),
        ([["in"]], r"there is no relation \['in'\]; all there are: 'in'"),
    ],
)
def test_a_path_is_a_list_of_known_relations(path, told):
    with pytest.raises(InputError, match=f"^{told}$"):
        steps_of(path, Graph.of([("a", "in", "b")]))


def test_a_relation_may_begin_with_a_tilde():
    assert steps_of(["~in", "~~in"], Graph.of([("a", "in", "b"), ("a", "~in", "b")])) == [(1, 1), (1, -1)]


# -- what another graph answers


@settings(max_examples=40)
@given(TRIPLES, TRIPLES)
def test_answers_in_another_graph_are_those_of_brute_force(before, after):
    if not reference.all_questions(after, 2, 50):
        return
    questions = sample_questions(Graph.of(sorted(after)), 15, hops=[2])
    old = Graph.of(sorted(before))
    indptr, numbers = answers_in(old, questions)
    changes = changes_since(old, questions)
    entities = {end for head, _, tail in before for end in (head, tail)}
    kinds = {kind for _, kind, _ in before}
    gained = []
    for number, (anchor, path, answers) in enumerate(named(questions)):
        expected = reference.reached(before, anchor, path)
        assert set(old.entities.named(numbers[indptr[number] : indptr[number + 1]])) == expected
        assert changes.changed[number] == (expected != set(answers))
        assert changes.lost[number] == len(expected - set(answers))
        assert changes.askable[number] == (anchor in entities and {kind.removeprefix("~") for kind in path} <= kinds)
        gained += [answer not in expected for answer in answers]
    assert changes.gained.tolist() == gained


def test_what_the_earlier_graph_has_by_name_only_cannot_be_asked():
    triples = [("a", "r", "b"), ("c", "r", "b"), ("b", "s", "d")]
    questions = sample_questions(Graph.of(triples), 50, hops=[1])
    before, _ = Graph.of(triples).apply(Delta(add=(), remove=(("b", "s", "d"),)))
    changes = changes_since(before, questions)
    for (anchor, path, _), askable, changed in zip(named(questions), changes.askable, changes.changed, strict=True):
        assert askable == (anchor != "d" and path[0] not in ("s", "~s")) != changed


# -- where the answers stand


@pytest.mark.parametrize("norm", [1, 2])
def test_ranks_are_those_of_comparing_one_by_one(norm):
    graph = Graph.of(draw_triples(5))
    questions, embeddings = sample_questions(graph, 15), embeddings_of(graph, norm=norm)
    entities = dict(zip(graph.entities, embeddings.entities.tolist(), strict=True))
    relations = dict(zip(graph.relations, embeddings.relations.tolist(), strict=True))
    expected, among = [], []
    for anchor, path, answers in named(questions):
        costs = {name: reference.distance(entities, relations, anchor, path, name, norm) for name in entities}
        expected += [reference.rank(costs, answers, answer) for answer in answers]
        among += [len(entities) - len(answers) + 1] * len(answers)
    ranks = rank_answers(embeddings, questions)
    assert ranks.ranks.tolist() == expected
    assert ranks.candidates.tolist() == among
    assert any(rank % 1 for rank in expected)  # there were ties


@pytest.mark.parametrize("norm", [1, 2])
def test_a_beam_as_wide_as_the_graph_finds_the_best_of_all_ways(norm):
    graph = Graph.of(draw_triples(12, entities=7, triples=20))
    questions, embeddings = sample_questions(graph, 6), embeddings_of(graph, norm=norm, whole=False)
    entities = dict(zip(graph.entities, embeddings.entities.tolist(), strict=True))
    relations = dict(zip(graph.relations, embeddings.relations.tolist(), strict=True))
    found = path_distances(embeddings, questions.anchors, questions.path, questions.signs, beam=len(entities))
    expected = [
        [reference.best_way(entities, relations, anchor, path, name, norm) for name in entities]
        for anchor, path, _ in named(questions)
    ]
    assert np.allclose(found, expected, atol=1e-5)


def test_one_hop_is_the_same_with_any_beam():
    graph = Graph.of(draw_triples(13))
    questions, embeddings = sample_questions(graph, 30, hops=[1]), embeddings_of(graph, whole=False)
    assert np.array_equal(rank_answers(embeddings, questions, beam=2).ranks, rank_answers(embeddings, questions).ranks)


def test_a_narrow_beam_overrates_no_way():
    graph = Graph.of(draw_triples(14))
    questions, embeddings = sample_questions(graph, 10), embeddings_of(graph, whole=False)
    asked = questions.anchors, questions.path, questions.signs
    narrow, wide = (path_distances(embeddings, *asked, beam=beam) for beam in (2, 1000))
    assert (narrow >= wide).all()
    assert (narrow > wide).any()


def test_from_entity_to_entity_errors_do_not_add_up():
    # each hop lands .4 too far: in one step the third is nearer to the wrong entity
    graph = Graph.of([("a", "r", "b"), ("b", "r", "c"), ("c", "r", "d"), ("e", "s", "e")])
    places = np.array([[0], [1], [2], [3], [4.1]], np.float32)
    embeddings = Embeddings.of(graph, places, np.array([[1.4], [0]], np.float32))
    questions = sample_questions(graph, 50, hops=[3])
    [asked] = [number for number, question in enumerate(named(questions)) if question == ("a", ["r"] * 3, ["d"])]
    question = questions.select(np.array([asked]))
    assert rank_answers(embeddings, question).ranks.tolist() == [2]
    assert rank_answers(embeddings, question, beam=2).ranks.tolist() == [1]


def test_a_beam_keeps_at_least_one():
    graph = Graph.of(draw_triples(0))
    with pytest.raises(InputError, match="beam"):
        rank_answers(embeddings_of(graph), sample_questions(graph, 3), beam=0)


def test_the_floor_counts_the_facts_of_the_last_step():
    triples = set(draw_triples(6))
    graph = Graph.of(sorted(triples))
    questions = sample_questions(graph, 15)
    expected = []
    for _, path, answers in named(questions):
        costs = {name: -len(reference.step(triples, name, _turned(path[-1]))) for name in graph.entities}
        expected += [reference.rank(costs, answers, answer) for answer in answers]
    assert rank_popular(graph, questions).ranks.tolist() == expected


def _turned(relation):
    return relation[1:] if relation.startswith("~") else f"~{relation}"


def test_models_with_other_numbers_stand_alike():
    triples = draw_triples(7)
    graph, other = Graph.of(triples), Graph.of(reversed(triples))
    questions = sample_questions(graph, 20)
    ranks, others = (rank_answers(embeddings_of(each, whole=False), questions) for each in (graph, other))
    assert np.array_equal(ranks.ranks, others.ranks)


def test_a_model_that_knows_nothing_stands_in_the_middle():
    graph = Graph.of(draw_triples(8))
    questions = sample_questions(graph, 20)
    ranks = rank_answers(
        Embeddings.of(graph, np.zeros((len(graph.entities), 2), np.float32), np.zeros((4, 2), np.float32)), questions
    )
    assert np.array_equal(ranks.ranks, (ranks.candidates + 1) / 2)


def test_what_a_model_does_not_have_stands_last():
    before = [("a", "r", "b"), ("c", "r", "d"), ("x", "s", "a")]
    graph = Graph.of([*before, ("a", "r", "new"), ("new", "r", "b"), ("a", "t", "c")])
    old, _ = Graph.of(before).apply(Delta(add=(), remove=(("x", "s", "a"),)))
    questions = sample_questions(graph, 50, hops=[1])
    ranks = rank_answers(embeddings_of(old), questions)
    last = []
    for number, (anchor, path, answers) in enumerate(named(questions)):
        askable = anchor in "abcd" and path[0] in ("r", "~r")
        assert ranks.askable[number] == askable
        last += [not askable or answer in ("new", "x") for answer in answers]
    last = np.array(last)
    assert (ranks.ranks[last] == ranks.candidates[last]).all()
    assert (ranks.candidates <= 5).all()  # the four there are, and itself
    assert last.any()
    assert not last.all()


def test_rows_of_what_is_gone_are_not_looked_at():
    graph, _ = Graph.of([("x", "y", "z"), *draw_triples(9)]).apply(Delta(add=(), remove=(("x", "y", "z"),)))
    embeddings = embeddings_of(graph)
    questions = sample_questions(graph, 20)
    expected = rank_answers(embeddings, questions).ranks
    embeddings.entities[:2] = np.nan
    embeddings.relations[0] = np.nan
    assert np.array_equal(rank_answers(embeddings, questions).ranks, expected)


def test_ranking_in_small_blocks_changes_nothing(monkeypatch):
    graph = Graph.of(draw_triples(10))
    questions, embeddings = sample_questions(graph, 20), embeddings_of(graph)
    expected = rank_answers(embeddings, questions).ranks
    monkeypatch.setattr(module, "_BLOCK", 1)
    assert np.array_equal(rank_answers(embeddings, questions).ranks, expected)


def test_a_graph_without_facts_is_asked_nothing():
    with pytest.raises(InputError, match="a graph without facts"):
        sample_questions(Graph.of([]), 3)


def test_a_graph_without_facts_answers_nothing():
    graph = Graph.of(draw_triples(0))
    empty = Graph.of([])
    embeddings = Embeddings.of(empty, np.zeros((0, 2), np.float32), np.zeros((0, 2), np.float32))
    with pytest.raises(InputError, match="no entity is in the graph"):
        rank_answers(embeddings, sample_questions(graph, 3))
    assert len(answers_in(empty, sample_questions(graph, 3))[1]) == 0


# -- scores


def test_a_question_counts_once_however_many_answers_it_has():
    nothing = np.zeros((2, 1), np.int64)
    names = Names("abcdefgh")
    questions = Questions(names, Names("r"), nothing[:, 0], nothing, nothing + 1, np.array([0, 3, 4]), np.arange(4))
    ranks = module.AnswerRanks(questions, np.array([1.0, 2.0, 20.0, 4.0]), np.full(4, 30), np.ones(2, dtype=bool))
    scores = answer_scores(ranks)
    assert (scores.questions, scores.answers) == (2, 4)
    assert scores.mrr == pytest.approx(((1 + 1 / 2 + 1 / 20) / 3 + 1 / 4) / 2)
    assert scores.hits1 == pytest.approx((1 / 3 + 0) / 2)
    assert scores.hits10 == pytest.approx((2 / 3 + 1) / 2)
    assert scores.first == 0.5
    assert answer_scores(ranks, np.array([False, True])).mrr == 0.25
    some = answer_scores(ranks, counted=np.array([False, True, True, False]))
    assert (some.questions, some.answers, some.hits10, some.first) == (1, 2, 0.5, 0.0)
    nobody = answer_scores(ranks, np.zeros(2, dtype=bool))
    assert nobody.questions == 0
    assert np.isnan([nobody.mrr, nobody.hits1, nobody.hits10, nobody.first]).all()


def test_scores_by_hops_are_those_of_the_questions_apart():
    graph = Graph.of(draw_triples(11))
    questions, embeddings = sample_questions(graph, 15), embeddings_of(graph)
    ranks = rank_answers(embeddings, questions)
    even = np.arange(len(questions)) % 2 == 0
    for hops, scores in scores_by_hops(ranks, even).items():
        alone = questions.select((questions.hops == hops) & even)
        assert scores == answer_scores(rank_answers(embeddings, alone))
