"""Ranks are those of a literal loop over all candidates, however close their scores are."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from graphs import draw_numbers
from hypothesis import given, settings
from hypothesis import strategies as st
from nn.watching import products_in_full
from reference import pykeen_ranks
from reference.knowledge_ranking import filtered_counts

from latticework.core.errors import InputError
from latticework.knowledge import ranking
from latticework.knowledge.distances import distance
from latticework.knowledge.known_triples import KnownTriples
from latticework.knowledge.ranking import Ranks, rank_costs
from latticework.knowledge.translation_ranking import rank_translation

ENTITIES, RELATIONS, DIM = 90, 4, 13


def graph(seed=0, triples=300):
    return draw_numbers(seed, ENTITIES, RELATIONS, triples)


def embeddings(kind, seed=0, dtype=torch.float32):
    """Embeddings that make ties, near ties and cancellation."""
    generator = torch.Generator().manual_seed(seed)
    entities = torch.randn(ENTITIES, DIM, generator=generator, dtype=dtype)
    relations = torch.randn(RELATIONS, DIM, generator=generator, dtype=dtype)
    if kind == "duplicates":
        entities[30:60] = entities[:30]
    elif kind == "nearly equal":  # within a few units in the last place of each other
        entities[:] = entities[0] * (
            1 + torch.finfo(dtype).eps * torch.randint(-3, 4, entities.shape, generator=generator)
        )
    elif kind == "far from the origin":
        entities += 1000
    elif kind == "whole numbers":  # many different rows at the same distance
        entities, relations = entities.round(), relations.round()
    elif kind == "tiny":
        entities, relations = entities * 1e-22, relations * 1e-22
    elif kind == "translations":  # h + r = t exactly, so that the true distance is 0
        relations.zero_()
        entities[1::2] = entities[::2]
    elif kind == "one is far away":
        entities[7] *= 1e4
    return entities, relations


KINDS = [
    "random", "duplicates", "nearly equal", "far from the origin", "whole numbers", "tiny", "translations",
    "one is far away",
]  # fmt: skip


def assert_literal(entities, relations, triples, everything, norm, present=None):
    known = KnownTriples.of(everything, entities=ENTITIES, relations=RELATIONS)
    ranks = rank_translation(entities, relations, triples, known, present=present, norm=norm)
    facts = map(tuple, everything.tolist())
    literal = np.array(filtered_counts(entities, relations, triples.tolist(), facts, norm, present))
    assert np.array_equal(np.stack([ranks.better, ranks.equal, ranks.candidates], axis=-1), literal)
    return ranks


@pytest.mark.parametrize("norm", [1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_ranks_are_those_of_a_literal_loop(kind, norm):
    triples = graph()
    ranks = assert_literal(*embeddings(kind), triples[:12], triples, norm)
    if kind in ("duplicates", "nearly equal", "whole numbers", "translations"):
        assert ranks.equal.sum() > 0


@pytest.mark.parametrize("norm", [1, 2])
def test_ranks_in_double_precision_are_those_of_a_literal_loop(norm):
    triples = graph()
    assert_literal(*embeddings("nearly equal", dtype=torch.float64), triples[:6], triples, norm)


@given(st.integers(0, 2**31), st.sampled_from(KINDS), st.sampled_from([1, 2]))
@settings(max_examples=15)
def test_ranks_of_any_graph_are_those_of_a_literal_loop(seed, kind, norm):
    triples = graph(seed, triples=80)
    assert_literal(*embeddings(kind, seed), triples[:3], triples, norm)


@pytest.mark.parametrize("norm", [1, 2])
def test_absent_entities_are_no_candidates_and_what_their_rows_hold_does_not_matter(norm):
    triples = graph()
    present = np.ones(ENTITIES, dtype=bool)
    present[50:70] = False
    there = triples[present[triples[:, [0, 2]]].all(axis=1)][:8]
    entities, relations = embeddings("random")
    entities[50:70] = torch.nan
    assert_literal(entities, relations, there, triples, norm, present)


def test_what_names_unknown_or_absent_entities_stands_last():
    triples = graph()
    known = KnownTriples.of(triples, entities=ENTITIES, relations=RELATIONS)
    present = np.arange(ENTITIES) != 3
    asked = np.array([[3, 0, 4], [4, 0, 3], [-1, 0, 4], [4, -1, 5], [4, 0, ENTITIES], [4, 0, 5]])
    ranks = rank_translation(*embeddings("random"), asked, known, present=present)
    assert np.array_equal(ranks.pessimistic[:5], ranks.candidates[:5])
    assert not ranks.equal[:5].any()


def test_candidates_are_counted_whoever_of_them_is_true_known_or_absent():
    """By hand, among the present 0, 1, 3 and 4; the columns are (?, 0, tail) and (head, 0, ?)."""
    known = KnownTriples.of(np.array([[0, 0, 1], [0, 0, 2], [3, 0, 0]]), entities=5, relations=1)
    asked = {
        (0, 0, 1): [4, 4],  # true and known; of the other known answers none is present
        (0, 0, 4): [4, 3],  # true and not known: 1, which is known, is none
        (1, 0, 0): [3, 4],  # likewise, at the other end
        (0, 0, 2): [4, 4],  # the true one is absent, and counted beside those that are present
        (2, 0, 3): [5, 4],
        (-1, 0, 0): [4, 4],
    }
    present = np.arange(5) != 2
    ranks = rank_translation(torch.eye(5, 3), torch.zeros(1, 3), np.array([*asked]), known, present=present)
    assert ranks.candidates.tolist() == [*asked.values()]


def test_another_number_of_entities_that_are_present_is_refused():
    known = KnownTriples.of(entities=5, relations=1)
    with pytest.raises(InputError, match="present has 4 entities, 5 are known"):
        rank_translation(torch.eye(5, 3), torch.zeros(1, 3), np.array([[0, 0, 1]]), known, present=np.ones(4, bool))


def test_the_answers_of_one_question_do_not_stand_in_each_others_way():
    places = torch.tensor([[0.0], [1.0], [2.0], [3.0], [9.0]])
    everything = np.array([[0, 0, 1], [0, 0, 2], [0, 0, 3]])
    known = KnownTriples.of(everything, entities=5, relations=1)
    ranks = rank_translation(places, torch.zeros(1, 1), everything, known)
    assert ranks.better[:, 1].tolist() == [1, 1, 1]  # 0 itself; the other answers are filtered out
    unfiltered = KnownTriples.of(entities=5, relations=1)
    assert rank_translation(places, torch.zeros(1, 1), everything, unfiltered).better[:, 1].tolist() == [1, 2, 3]


@pytest.mark.parametrize("norm", [1, 2])
def test_the_size_of_blocks_and_the_order_of_triples_do_not_change_ranks(monkeypatch, norm):
    triples = graph()
    known = KnownTriples.of(triples, entities=ENTITIES, relations=RELATIONS)
    tables = embeddings("duplicates")
    whole = rank_translation(*tables, triples, known, norm=norm)
    monkeypatch.setattr(ranking, "_BLOCK", 1)
    monkeypatch.setattr(ranking, "_LEAST_ROWS", 7)
    parts = rank_translation(*tables, triples[::-1], known, norm=norm)
    for one, other in zip(vars(whole).values(), vars(parts).values(), strict=True):
        assert np.array_equal(one, other[::-1])


def test_a_lower_matrix_precision_that_is_set_does_not_change_ranks():
    triples = graph()
    known = KnownTriples.of(triples, entities=ENTITIES, relations=RELATIONS)
    expected = rank_translation(*embeddings("nearly equal"), triples, known)
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        with torch.autocast("cpu", dtype=torch.bfloat16), products_in_full():
            found = rank_translation(*embeddings("nearly equal"), triples, known)
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision(before)
    assert np.array_equal(found.better, expected.better)
    assert np.array_equal(found.equal, expected.equal)


@pytest.mark.parametrize("norm", [1, 2])
def test_costs_computed_for_all_entities_give_the_same_ranks(norm):
    triples = graph()
    entities, relations = embeddings("whole numbers")
    known = KnownTriples.of(triples, entities=ENTITIES, relations=RELATIONS)
    present = np.arange(ENTITIES) % 7 > 0

    def costs(side, ends, kinds):
        fixed, moved = entities[ends][:, None], relations[kinds][:, None]
        every = entities[None]
        return distance(*((every, moved, fixed) if side == "head" else (fixed, moved, every)), norm=norm)

    by_costs = rank_costs(costs, triples, known, present=present)
    ranks = rank_translation(entities, relations, triples, known, present=present, norm=norm)
    for one, other in zip(vars(by_costs).values(), vars(ranks).values(), strict=True):
        assert np.array_equal(one, other)


def test_a_constant_scorer_gets_the_mean_of_all_ranks():
    known = KnownTriples.of(entities=9, relations=1)
    ranks = rank_costs(lambda side, ends, relations: torch.ones(len(ends), 9), np.array([[0, 0, 1]]), known)
    assert ranks.realistic.tolist() == [[5.0, 5.0]]
    assert ranks.optimistic.tolist() == [[1.0, 1.0]]
    assert ranks.pessimistic.tolist() == [[9.0, 9.0]]
    embedded = rank_translation(torch.ones(9, 3), torch.ones(1, 3), np.array([[0, 0, 1]]), known)
    assert embedded.realistic.tolist() == [[5.0, 5.0]]


def test_no_triples_have_no_ranks():
    known = KnownTriples.of(graph(), entities=ENTITIES, relations=RELATIONS)
    assert len(rank_translation(*embeddings("random"), np.empty((0, 3), np.int64), known)) == 0


def test_costs_that_are_not_numbers_are_refused():
    known = KnownTriples.of(entities=3, relations=1)
    with pytest.raises(InputError, match="not a number: heads for entity 1 and relation 0"):
        rank_costs(lambda side, ends, relations: torch.full((1, 3), torch.nan), np.array([[0, 0, 1]]), known)


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_embeddings_that_are_not_finite_are_refused_with_their_number(value):
    known = KnownTriples.of(entities=ENTITIES, relations=RELATIONS)
    for place, what in ((0, "entity"), (1, "relation")):
        tables = embeddings("random")
        tables[place][2, 5] = value
        with pytest.raises(InputError, match=f"embedding of {what} 2 is not finite"):
            rank_translation(*tables, graph(), known)


def test_embeddings_whose_distances_are_not_finite_are_refused():
    known = KnownTriples.of(entities=ENTITIES, relations=RELATIONS)
    entities, relations = embeddings("random")
    for scales in ((1e30, 1), (1, 1e30), (1e18, 1)):
        with pytest.raises(InputError, match=r"too large: distances up to .* overflow"):
            rank_translation(entities * scales[0], relations * scales[1], graph(), known)


def test_tables_of_the_wrong_size_norms_and_empty_graphs_are_refused():
    known = KnownTriples.of(entities=ENTITIES, relations=RELATIONS)
    entities, relations = embeddings("random")
    with pytest.raises(InputError, match="89 entities and 4 relations have an embedding, 90 and 4 are known"):
        rank_translation(entities[1:], relations, graph(), known)
    with pytest.raises(InputError, match="norm=3: expected one of 1, 2"):
        rank_translation(entities, relations, graph(), known, norm=3)
    with pytest.raises(InputError, match="no entity is in the graph"):
        rank_translation(entities, relations, graph(), known, present=np.zeros(ENTITIES, dtype=bool))


def test_the_realistic_rank_is_the_mean_of_the_others():
    ranks = Ranks(graph()[:2], np.array([[0, 5], [2, 1]]), np.array([[1, 0], [4, 7]]), np.full((2, 2), 20))
    assert np.array_equal(2 * ranks.realistic, ranks.optimistic + ranks.pessimistic)


@pytest.mark.parametrize("norm", pykeen_ranks.NORMS)
def test_ranks_are_those_of_pykeen_under_every_policy_for_ties(norm):
    facts, entities, relations = pykeen_ranks.question()
    sizes = {"entities": len(entities), "relations": len(relations)}
    tables = torch.from_numpy(entities), torch.from_numpy(relations)
    asked = facts[: pykeen_ranks.ASKED]
    ranks = rank_translation(*tables, asked, KnownTriples.of(facts, **sizes), norm=norm)
    assert ranks.equal.any(axis=0).all()
    for ties in pykeen_ranks.TIES:
        assert np.array_equal(getattr(ranks, ties), pykeen_ranks.stored()[norm, ties]), ties
