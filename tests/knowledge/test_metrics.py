"""Scores of link prediction, against their definitions."""

from __future__ import annotations

import math
from dataclasses import astuple

import numpy as np
import pytest
import torch

from latticework.core.errors import InputError
from latticework.knowledge.known_triples import KnownTriples
from latticework.knowledge.metrics import scores, scores_by_relation, summary
from latticework.knowledge.ranking import Ranks, rank_costs
from latticework.knowledge.statistics import relation_kinds

TRIPLES = np.array([[0, 0, 1], [1, 2, 0], [3, 2, 3], [3, 0, -1]])
RANKS = Ranks(
    TRIPLES,
    better=np.array([[0, 3], [9, 1], [0, 0], [11, 11]]),
    equal=np.array([[1, 0], [2, 0], [0, 5], [0, 0]]),
    candidates=np.array([[12, 11], [12, 12], [10, 12], [12, 12]]),
    covered=np.array([True, True, True, False]),
)


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
    told = summary(RANKS, ties=ties)
    assert told.all == scores(RANKS, ties=ties)
    assert astuple(told.head) == pytest.approx(literal(ranks[:, 0].tolist(), RANKS.candidates[:, 0].tolist()))
    assert astuple(told.tail) == pytest.approx(literal(ranks[:, 1].tolist(), RANKS.candidates[:, 1].tolist()))
    assert told.covered == 0.75


def test_parts_are_the_scores_of_the_triples_in_them():
    by_relation = scores_by_relation(RANKS)
    assert list(by_relation) == [0, 2]
    assert by_relation[2] == scores(RANKS.select(TRIPLES[:, 1] == 2))
    assert summary(RANKS).relations == by_relation


def test_new_entities_are_those_not_seen_and_unknown_ones():
    told = summary(RANKS, seen=np.array([True, True, True, False]))
    assert told.seen == scores(RANKS.select(np.array([0, 1])))
    assert told.new == scores(RANKS.select(np.array([2, 3])))
    assert summary(RANKS).seen is summary(RANKS).new is None


def test_kinds_of_relations_are_those_of_bordes():
    one_to_many = [(0, 0, tail) for tail in range(1, 4)]
    many_to_one = [(head, 1, 0) for head in range(1, 4)]
    many_to_many = [(head, 2, tail) for head in range(3) for tail in range(3)]
    one_to_one = [(0, 3, 1), (1, 3, 2)]
    just_many = [(0, 4, 1), (0, 4, 2), (1, 4, 3)]  # a head has 1.5 tails
    triples = np.array(one_to_many + many_to_one + many_to_many + one_to_one + just_many)
    kinds = relation_kinds(triples, 6)
    assert kinds == ["1-N", "N-1", "N-N", "1-1", "1-N", "1-1"]
    told = summary(RANKS, kinds=kinds).kinds
    assert set(told) == {("1-N", "head"), ("1-N", "tail"), ("N-N", "head"), ("N-N", "tail")}
    assert told[("N-N", "tail")].mr == RANKS.realistic[[1, 2], 1].mean()


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
    alone = Ranks(TRIPLES[:1], np.zeros((1, 2), int), np.zeros((1, 2), int), np.ones((1, 2), int), np.ones(1, bool))
    assert scores(alone).amri == 0.0


def test_no_triples_have_no_scores():
    none = RANKS.select(np.array([], dtype=np.int64))
    assert scores(none).count == 0
    assert all(math.isnan(value) for value in astuple(scores(none))[1:])
    assert summary(none, kinds=["1-1"], seen=np.ones(4, bool)).relations == {}


def test_policies_for_ties_that_there_are_not_are_refused():
    with pytest.raises(InputError, match="ties='random': expected one of optimistic, realistic, pessimistic"):
        scores(RANKS, ties="random")
