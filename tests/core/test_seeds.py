import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import latticework as lw
from latticework.core import seed_from, spawn


@given(st.integers(0, 2**63 - 1))
def test_an_int_is_its_own_seed(seed):
    assert seed_from(seed) == seed
    assert torch.Generator().manual_seed(seed).initial_seed() == seed
    np.random.default_rng(seed)


def test_numpy_ints_count_as_ints():
    assert seed_from(np.int32(5)) == 5
    assert type(seed_from(np.uint64(5))) is int


def test_none_gives_another_seed_every_time():
    assert len({seed_from(None) for _ in range(20)}) == 20


@pytest.mark.parametrize("make", [np.random.RandomState, np.random.default_rng])
def test_generators_give_repeatable_seeds_and_move_on(make):
    generator = make(0)
    seeds = [seed_from(generator) for _ in range(3)]
    again = make(0)
    assert seeds == [seed_from(again) for _ in range(3)]
    assert len(set(seeds)) == 3
    assert all(0 <= seed < 2**63 for seed in seeds)


@pytest.mark.parametrize("bad", [-1, 2**63, 1.0, "0", True, [1], np.random])
def test_what_is_no_random_state_is_refused(bad):
    with pytest.raises(lw.InputError, match="random_state must be"):
        seed_from(bad)


@given(st.integers(0, 2**63 - 1), st.text())
def test_spawned_seeds_are_seeds(seed, name):
    assert seed_from(spawn(seed, name)) == spawn(seed, name)


def test_spawned_seeds_differ_by_seed_and_name_and_stay_what_they_are():
    assert len({spawn(seed, name) for seed in range(50) for name in ("initialisation", "batches", "dropout")}) == 150
    assert spawn(0, "batches") == 6183591060282165047  # a run resumed under a later version draws the same numbers
