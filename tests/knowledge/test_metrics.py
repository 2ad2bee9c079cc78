"""Scores of link prediction, against their definitions."""

from __future__ import annotations

import math
from dataclasses import astuple

import numpy as np
import pytest
import torch

from latticework.core.errors import InputError
from latticework.knowledge.known_triples import KnownTriples
from latticework.knowledge.metrics import scores, scores_by_kind, scores_by_relation, scores_by_seen, scores_by_side
from latticework.knowledge.ranking import Ranks, rank_costs
from latticework.knowledge.statistics import relation_kinds

TRIPLES = np.array([[0, 0, 1], [1, 2, 0], [3, 2, 3], [3, 0, 2]])
RANKS = Ranks(
    TRIPLES,
    better=np.array([[0, 3], [9, 1], [0, 0], [11, 11]]),
    equal=np.array([[1, 0], [2, 0], [0, 5], [0, 0]]),
    candidates=np.array([[12, 11], [12, 12], [10, 12], [12, 12]]),
)


def some(places):
    return Ranks(*(part[places] for part in vars(RANKS).values()))


def literal(ranks, candidates):
    """Each score by its definition, from lists."""
    mean = sum(ranks) / len(ranks)
    expected = sum((count + 1) / 2 for count in candidates) / len(candidates)
    hits = [sum(rank <= k for rank in ranks) / len(ranks) for k in (1, 3, 10)]
    return (len(ranks), mean, sum(1 / rank for rank in ranks) / len(ranks), *hits, 1 - (mean - 1) / (expected - 1))


@pytest.mark.parametrize("ties", ["optimistic", "realistic", "pessimistic"])
def test_scores_are_those_of_their_definitions(ties):
    ranks = getattr(RANKS, ties)
    assert astuple(scores(RANKS, ties=ties)) == pytest.approx(
        literal(ranks.ravel().tolist(), RANKS.candidates.ravel().tolist())
    )


def test_sides_are_those_of_their_definitions():
    assert [astuple(side) for side in scores_by_side(RANKS)] == [
        pytest.approx(literal(RANKS.realistic[:, place].tolist(), RANKS.candidates[:, place].tolist()))
        for place in (0, 1)
    ]


def test_parts_are_the_scores_of_the_triples_in_them():
    by_relation = scores_by_relation(RANKS)
    assert list(by_relation) == [0, 2]
    assert by_relation[2] == scores(some(TRIPLES[:, 1] == 2))


def test_facts_that_name_an_entity_not_seen_are_apart():
    assert scores_by_seen(RANKS, np.array([True, True, True, False])) == {
        True: scores(some([0, 1])),
        False: scores(some([2, 3])),
    }
    assert scores_by_seen(RANKS, np.ones(4, bool)) == {True: scores(RANKS)}


def test_kinds_of_relations_are_those_of_bordes():
    one_to_many = [(0, 0, tail) for tail in range(1, 4)]
    many_to_one = [(head, 1, 0) for head in range(1, 4)]
    many_to_many = [(head, 2, tail) for head in range(3) for tail in range(3)]
    one_to_one = [(0, 3, 1), (1, 3, 2)]
    just_many = [(0, 4, 1), (0, 4, 2), (1, 4, 3)]  # a head has 1.5 tails
    triples = np.array(one_to_many + many_to_one + many_to_many + one_to_one + just_many)
    kinds = relation_kinds(triples, 6)
    assert kinds == ["1-N", "N-1", "N-N", "1-1", "1-N", "1-1"]
    told = scores_by_kind(RANKS, kinds)
    assert set(told) == {"1-N head", "1-N tail", "N-N head", "N-N tail"}
    assert told["N-N tail"].mr == RANKS.realistic[[1, 2], 1].mean()


def test_a_constant_scorer_is_as_good_as_chance_whatever_the_number_of_candidates():
    known = KnownTriples.of(np.array([[0, 0, tail] for tail in range(1, 6)]), entities=9, relations=1)
    ranks = rank_costs(lambda side, ends, relations: torch.ones(len(ends), 9), TRIPLES[:1], known)
    assert ranks.candidates.tolist() == [[9, 5]]
    told = scores(ranks)
    assert told.mr == 4.0
    assert told.amri == 0.0
    assert scores(ranks, ties="optimistic").amri == 1.0
    assert scores(ranks, ties="pessimistic").amri == -1.0


def test_one_candidate_is_no_better_than_chance():
    alone = Ranks(TRIPLES[:1], np.zeros((1, 2), int), np.zeros((1, 2), int), np.ones((1, 2), int))
    assert scores(alone).amri == 0.0


def test_no_triples_have_no_scores():
    none = some(np.array([], dtype=np.int64))
    assert scores(none).count == 0
    assert all(math.isnan(value) for value in astuple(scores(none))[1:])
    assert scores_by_relation(none) == scores_by_kind(none, ["1-1"]) == scores_by_seen(none, np.ones(4, bool)) == {}


def test_policies_for_ties_that_there_are_not_are_refused():
    with pytest.raises(InputError, match="ties='random': expected one of optimistic, realistic, pessimistic"):
        scores(RANKS, ties="random")
