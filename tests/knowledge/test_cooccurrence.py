"""The floor is what its rule says, and on YAGO-3SP what was measured of it."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from graphs import draw_numbers

from latticework.knowledge.cooccurrence import CoOccurrence
from latticework.knowledge.known_triples import KnownTriples
from latticework.knowledge.metrics import scores

YAGO = [(1, 0, (0.428, 0.413, 0.446)), (2, 53, (0.418, 0.400, 0.439)), (3, 194, (0.394, 0.377, 0.415))]


def literal_key(train, side, end, relation, candidate):
    """Return the confidence and the popularity of one candidate, by counting in sets."""
    pairs = {}
    for h, r, t in train:
        pairs.setdefault(r, set()).add((h, t))
    pair = (candidate, end) if side == "head" else (end, candidate)
    mine = pairs.get(relation, set())
    confidences = [Fraction(len(pairs[r] & mine), len(pairs[r])) for r in pairs if r != relation and pair in pairs[r]]
    popularity = sum(edge[side == "tail"] == candidate for edge in mine)
    return max(confidences, default=Fraction(0)), popularity


@pytest.mark.parametrize("seed", range(4))
def test_costs_order_candidates_as_the_rule_does(seed):
    train = draw_numbers(seed, entities=7, relations=4, triples=60)
    rule = CoOccurrence.of(train, entities=7, relations=5)
    facts = set(map(tuple, train.tolist()))
    for side in ("head", "tail"):
        for relation in range(5):
            costs = rule.costs(side, np.arange(7), np.full(7, relation)).numpy()
            for end in range(7):
                keys = [literal_key(facts, side, end, relation, candidate) for candidate in range(7)]
                order = sorted(set(keys), reverse=True)
                cheap_first = np.unique(costs[end], return_inverse=True)[1]
                assert cheap_first.tolist() == [order.index(key) for key in keys]


def test_confidence_is_the_share_of_pairs():
    train = np.array([[0, 0, 1], [0, 1, 1], [0, 2, 1], [2, 0, 1], [3, 0, 1], [3, 2, 1], [0, 0, 1]])
    confidence = CoOccurrence.of(train, entities=4, relations=4).confidence.toarray()
    third = 1 / 3
    assert confidence.tolist() == [[1, third, 2 * third, 0], [1, 1, 1, 0], [1, 0.5, 1, 0], [0, 0, 0, 0]]


def test_memory_goes_by_the_relations_that_meet_and_not_by_all_pairs_of_relations():
    count = 200_000  # of whose pairs a table would take 320 GB
    numbers = np.arange(count)
    train = np.stack([numbers // 2, numbers, np.full(count, count)], axis=1)
    rule = CoOccurrence.of(train, entities=count + 1, relations=count)
    assert rule.confidence.nnz == 2 * count
    costs = rule.costs("tail", np.array([1]), np.array([2]))  # 3 holds between the same
    assert costs[0, count] < costs[0, 0] == 0


def test_a_rule_without_triples_makes_everything_a_tie():
    rule = CoOccurrence.of(np.empty((0, 3), np.int64), entities=4, relations=2)
    ranks = rule.rank(np.array([[0, 1, 2]]), KnownTriples.of(entities=4, relations=2))
    assert ranks.realistic.tolist() == [[2.5, 2.5]]


def test_what_is_not_present_is_no_candidate():
    triples = np.array([[0, 0, 2], [0, 1, 2], [1, 0, 3], [4, 1, 3]])
    rule, known = CoOccurrence.of(triples, entities=5, relations=2), KnownTriples.of(entities=5, relations=2)
    asked = np.array([[1, 1, 3]])
    present = np.array([True, True, False, True, False])
    assert rule.rank(asked, known).candidates.tolist() == [[5, 5]]
    assert rule.rank(asked, known, present=present).candidates.tolist() == [[3, 3]]


@pytest.mark.realdata("knowledge/YAGO-3SP")
@pytest.mark.parametrize("snapshot, leaked, expected", YAGO)
def test_the_floor_of_yago_is_what_was_measured(data_folder, snapshot, leaked, expected):
    folder = data_folder / "knowledge" / "YAGO-3SP" / f"snapshot{snapshot}"
    parts = [np.loadtxt(folder / f"{part}2id.txt", np.int64, skiprows=1) for part in ("train", "valid", "test")]
    train, validation, test = (part[:, [0, 2, 1]] for part in parts)
    sizes = {"entities": int((folder / "entity2id.txt").read_text().split("\n", 1)[0]), "relations": 37}
    new = test[~KnownTriples.of(train, **sizes).contains(test)]
    assert len(test) - len(new) == leaked
    ranks = CoOccurrence.of(train, **sizes).rank(new, KnownTriples.of(train, validation, test, **sizes))
    found = scores(ranks)
    assert (found.mrr, found.hits1, found.hits10) == pytest.approx(expected, abs=0.0005)
