"""Look-ups among known triples agree with sets."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latticework.core.errors import InputError
from latticework.knowledge.known_triples import KnownTriples

ENTITIES, RELATIONS = 5, 3
TRIPLES = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 2), st.integers(0, 4)), max_size=60)
EVERY = np.stack(np.meshgrid(range(-1, 7), range(-1, 5), range(-1, 7), indexing="ij"), axis=-1).reshape(-1, 3)


def known(triples):
    rows = np.array(triples, dtype=np.int64).reshape(-1, 3)
    half = len(rows) // 2
    return KnownTriples.of(rows[:half], rows[half:], entities=ENTITIES, relations=RELATIONS)


@given(TRIPLES)
def test_a_triple_is_known_if_it_is_in_the_set_and_numbers_out_of_range_are_not(triples):
    found = known(triples)
    assert len(found) == len(set(triples))
    assert found.contains(EVERY).tolist() == [tuple(triple) in set(triples) for triple in EVERY.tolist()]


def test_a_few_look_ups_make_no_filter(monkeypatch):
    monkeypatch.setattr("latticework.knowledge.known_triples.BloomFilter.of", None)
    assert known([(0, 0, 1)]).contains(EVERY).sum() == 1


@given(TRIPLES)
def test_lists_hold_the_tails_and_the_heads_in_ascending_order(triples):
    found = known(triples)
    ends, relations = (column.ravel() for column in np.meshgrid(range(-1, 7), range(-1, 5), indexing="ij"))
    tails, heads = found.tails(ends, relations), found.heads(relations, ends)
    for place, (end, relation) in enumerate(zip(ends.tolist(), relations.tolist(), strict=True)):
        part = slice(*tails.indptr[place : place + 2])
        assert tails.members[part].tolist() == sorted({t for h, r, t in triples if (h, r) == (end, relation)})
        part = slice(*heads.indptr[place : place + 2])
        assert heads.members[part].tolist() == sorted({h for h, r, t in triples if (r, t) == (relation, end)})
    assert np.bincount(tails.rows, minlength=len(ends)).tolist() == tails.counts.tolist()


def test_keys_near_the_limit_of_64_bits_do_not_overflow():
    entities, relations = 2**21, 2**20
    last = np.array([[entities - 1, relations - 1, entities - 1]])
    found = KnownTriples.of(last, entities=entities, relations=relations)
    assert found.contains(np.concatenate([last, last - 1])).tolist() == [True, False]
    assert found.tails(last[:, 0], last[:, 1]).members.tolist() == [entities - 1]
    with pytest.raises(InputError, match="too many for keys of 64 bits"):
        KnownTriples.of(last, entities=2**22, relations=relations)


@pytest.mark.parametrize("wrong", [(0, 3, 0), (5, 0, 0), (0, 0, -1)])
def test_a_known_triple_out_of_range_is_refused_with_its_index(wrong):
    with pytest.raises(InputError, match=r"triples\[1\] is .* among 5 entities and 3 relations"):
        known([(0, 0, 0), wrong])
