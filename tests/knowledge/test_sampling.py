"""Negatives are uniform among what is not known, and replace the end that the rule says."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from latticework.core.errors import InputError
from latticework.knowledge import sampling
from latticework.knowledge.known_triples import KnownTriples
from latticework.knowledge.sampling import Sampler, answers_per_question, head_rates
from latticework.knowledge.splitmix64 import STEP, output

MASK = 2**64 - 1


def some_graph(entities=40, relations=5, triples=400, seed=0):
    rng = np.random.default_rng(seed)
    skewed = (entities * rng.random(triples) ** 3).astype(np.int64)
    rows = np.stack([skewed, rng.integers(0, relations, triples), rng.integers(0, entities, triples)], axis=1)
    return np.unique(rows, axis=0)


def splitmix64(counter):
    """Return the output for one state, in plain Python."""
    mixed = counter & MASK
    mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9 & MASK
    mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB & MASK
    return mixed ^ (mixed >> 31)


def test_the_generator_is_splitmix64():
    # The first outputs for the seed 1234567 of the published C code.
    step = int(STEP)
    counters = np.array([(1234567 + step * draw) & MASK for draw in (1, 2, 3)], dtype=np.uint64)
    expected = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    assert output(counters).tolist() == expected == [splitmix64(counter) for counter in counters.tolist()]


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2), st.integers(0, 5)), min_size=1, max_size=40))
def test_rates_are_those_of_transh(triples):
    rows = np.array(sorted(set(triples)))
    rates, (tph, hpt) = head_rates(rows, 4), answers_per_question(rows, 4)
    for relation in range(4):
        mine = [(h, t) for h, r, t in rows.tolist() if r == relation]
        if not mine:
            assert rates[relation] == 0.5
            continue
        assert tph[relation] == pytest.approx(len(mine) / len({h for h, _ in mine}))
        assert hpt[relation] == pytest.approx(len(mine) / len({t for _, t in mine}))
        assert rates[relation] == pytest.approx(tph[relation] / (tph[relation] + hpt[relation]))


def test_the_rate_of_the_reference_is_global_and_the_other_way_round():
    rows = some_graph()
    tph, hpt = len(rows) / len(set(rows[:, 0])), len(rows) / len(set(rows[:, 2]))
    assert head_rates(rows, 5, rule="reference").tolist() == pytest.approx([hpt / (tph + hpt)] * 5)
    assert head_rates(rows, 5, rule="uniform").tolist() == [0.5] * 5


@pytest.mark.parametrize("rule", ["bernoulli", "uniform", "reference"])
def test_heads_are_replaced_as_often_as_the_rule_says(rule):
    rows = some_graph()
    sampler = Sampler.of(rows, entities=40, relations=5, rule=rule, seed=1)
    made = sampler.corrupt(rows, np.arange(len(rows)), negatives=400)
    assert (made[:, :, 1] == rows[:, None, 1]).all()
    head_replaced = made[:, :, 0] != rows[:, None, 0]
    assert (head_replaced ^ (made[:, :, 2] != rows[:, None, 2])).all()  # one end, never both or none
    for relation in range(5):
        drawn = head_replaced[rows[:, 1] == relation]
        assert stats.binomtest(int(drawn.sum()), drawn.size, sampler.head_rates[relation]).pvalue > 1e-4


@pytest.mark.parametrize("attempts", [1, 8])
def test_negatives_are_uniform_among_all_that_are_not_known(monkeypatch, attempts):
    monkeypatch.setattr(sampling, "_ATTEMPTS", attempts)  # with one, more are drawn among the rest
    rows = some_graph(entities=12, relations=2, triples=150)
    sampler = Sampler.of(rows, entities=12, relations=2)
    known = set(map(tuple, rows.tolist()))
    for index in range(0, len(rows), 10):
        h, r, t = rows[index].tolist()
        made = sampler.corrupt(rows[index : index + 1], np.array([index]), negatives=6000)[0]
        for replaced, fixed in ((0, 2), (2, 0)):
            drawn = made[made[:, replaced] != (h, r, t)[replaced]]
            assert (drawn[:, fixed] == (h, r, t)[fixed]).all()
            allowed = [e for e in range(12) if ((e, r, t) if replaced == 0 else (h, r, e)) not in known]
            counts = np.bincount(drawn[:, replaced], minlength=12)
            assert counts.sum() == counts[allowed].sum()
            if len(allowed) > 1:
                assert stats.chisquare(counts[allowed]).pvalue > 1e-4


@given(st.integers(0, 2**31), st.integers(1, 6))
def test_no_negative_is_known_whatever_the_graph(seed, negatives):
    rows = some_graph(entities=8, relations=2, triples=100, seed=seed)
    true = np.zeros((8, 2, 8), bool)
    true[tuple(rows.T)] = True
    heads, relations, tails = rows.T
    assume(not (true[:, relations, tails].all(0) & true[heads, relations].all(1)).any())  # each has a wrong answer
    made = Sampler.of(rows, entities=8, relations=2).corrupt(rows, np.arange(len(rows)), negatives=negatives)
    known = set(map(tuple, rows.tolist()))
    assert not known & set(map(tuple, made.reshape(-1, 3).tolist()))


def test_only_present_entities_are_drawn():
    rows = some_graph(entities=12, relations=2, triples=100)
    present = np.arange(12) % 3 > 0
    made = Sampler.of(rows, entities=12, relations=2, present=present).corrupt(rows, np.arange(len(rows)), negatives=50)
    replaced = np.where(made[:, :, 0] != rows[:, None, 0], made[:, :, 0], made[:, :, 2])
    assert set(replaced.ravel().tolist()) == set(np.flatnonzero(present).tolist())
    assert not Sampler.of(rows, entities=12, relations=2).known.contains(made.reshape(-1, 3)).any()


def test_negatives_do_not_depend_on_the_batch_the_block_or_how_many_are_asked_for(monkeypatch):
    rows = some_graph()
    sampler = Sampler.of(rows, entities=40, relations=5, seed=3)
    numbers = np.arange(len(rows)) + 2**40
    whole = sampler.corrupt(rows, numbers, negatives=5)
    shuffled = np.random.default_rng(0).permutation(len(rows))
    assert np.array_equal(sampler.corrupt(rows[shuffled], numbers[shuffled], negatives=2), whole[shuffled, :2])
    monkeypatch.setattr(sampling, "_BLOCK", 7)
    assert np.array_equal(sampler.corrupt(rows, numbers.astype(np.uint64), negatives=5), whole)


def test_another_seed_or_number_gives_other_negatives():
    rows = some_graph()
    numbers = np.arange(len(rows))
    one = Sampler.of(rows, entities=40, relations=5, seed=0)
    other = Sampler.of(rows, entities=40, relations=5, seed=-1)
    made = one.corrupt(rows, numbers)
    assert (made != other.corrupt(rows, numbers)).any(axis=(1, 2)).mean() > 0.8
    assert (made != one.corrupt(rows, numbers + len(rows))).any(axis=(1, 2)).mean() > 0.8


def test_a_head_linked_to_everything_has_its_own_place_taken():
    rows = np.array([[0, 0, tail] for tail in range(6)])
    sampler = Sampler.of(rows, entities=6, relations=1)
    made = sampler.corrupt(rows, np.arange(6), negatives=20)
    assert (made[:, :, 2] == rows[:, None, 2]).all()
    assert set(made[:, :, 0].ravel().tolist()) == {1, 2, 3, 4, 5}


@pytest.mark.parametrize("replaced", [0, 2])
def test_only_what_was_known_eight_times_over_is_drawn_among_what_is_left(replaced, monkeypatch):
    """Of a hub that is linked to three of four."""
    links = np.zeros((30, 3), np.int64)
    links[:, replaced] = np.arange(30)
    known = KnownTriples.of(links, entities=40, relations=1)
    sampler = Sampler(known, np.arange(40), np.full(1, float(replaced == 0)))
    left, rest = [], Sampler._among_the_rest
    monkeypatch.setattr(Sampler, "_among_the_rest", lambda self, *ends: left.extend(ends[0]) or rest(self, *ends))
    sampler.corrupt(links, np.arange(30), negatives=200)
    assert stats.binomtest(len(left), 6000, 0.75**8).pvalue > 1e-4


def test_a_hub_linked_to_nearly_everything_costs_its_links_once_a_block():
    size = 30_000
    links = np.stack([np.zeros(size - 2, np.int64), np.zeros(size - 2, np.int64), np.arange(2, size)], axis=1)
    sampler = Sampler(KnownTriples.of(links, entities=size, relations=1), np.arange(size), np.zeros(1))
    tracemalloc.start()
    made = sampler.corrupt(links[:500], np.arange(500), negatives=20)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert set(made[:, :, 2].ravel().tolist()) == {0, 1}
    assert peak < 2e7


def test_facts_of_a_complete_relation_stand_for_themselves_and_others_have_negatives():
    every = np.array([[head, 1, tail] for head in range(3) for tail in range(3)])
    rows = np.concatenate([[[0, 0, 1]], every])
    sampler = Sampler.of(rows, entities=3, relations=2)
    made = sampler.corrupt(rows, np.arange(10), negatives=3)
    assert not sampler.known.contains(made[0]).any()
    assert (made[1:] == every[:, None]).all()


def test_no_triples_and_no_negatives_give_empty_arrays():
    sampler = Sampler.of(some_graph(), entities=40, relations=5)
    assert sampler.corrupt(np.empty((0, 3), np.int64), np.empty(0, np.int64), negatives=2).shape == (0, 2, 3)
    assert sampler.corrupt(some_graph()[:3], np.arange(3), negatives=0).shape == (3, 0, 3)


def test_rules_that_there_are_not_are_refused():
    with pytest.raises(InputError, match="rule='both': expected one of bernoulli, uniform, reference"):
        Sampler.of(some_graph(), entities=40, relations=5, rule="both")
