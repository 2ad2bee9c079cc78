import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from latticework.core.errors import InputError
from latticework.nn import Dropout

SIGMAS = 5  # a fair draw is further off once in 1.7 million


def dropped_share(p):
    """A byte below round(256 p) drops its element."""
    return min(round(256 * p), 255) / 256


@pytest.mark.parametrize("p", [0.004, 0.1, 0.3, 0.5, 0.9, 0.999])
def test_share_and_mean_are_within_binomial_bounds(p):
    torch.manual_seed(0)
    count, share = 1_000_000, dropped_share(p)
    dropped = Dropout(p)(torch.ones(count))
    bound = SIGMAS * math.sqrt(share * (1 - share) / count)
    assert abs((dropped == 0).double().mean() - share) <= bound
    assert abs(dropped.double().mean() - 1) <= bound / (1 - share) + 1e-6
    assert dropped[dropped != 0].unique().tolist() == [torch.tensor(1 / (1 - share)).item()]


@pytest.mark.parametrize("p", [0.1, 0.2])
def test_the_mean_stays_in_bfloat16_too(p):
    """Each product is rounded by up to 2^-8 of itself, one way or the other; their mean is not."""
    torch.manual_seed(0)
    states = torch.rand(1_000_000).add(1).bfloat16().requires_grad_()
    dropped = Dropout(p)(states)
    dropped.backward(states.detach())
    kept = dropped != 0
    for scaled in (dropped, states.grad):
        found = scaled[kept].double().sum() / states[kept].double().sum()
        assert found.item() == pytest.approx(1 / (1 - dropped_share(p)), rel=5e-4)


@given(p=st.floats(0.002, 0.996))
def test_rate_is_the_nearest_256th(p):
    assert abs(dropped_share(p) - p) <= 1 / 512
    torch.manual_seed(0)
    kept = Dropout(p)(torch.ones(4096)).max().item()
    assert kept == pytest.approx(1 / (1 - dropped_share(p)), rel=1e-6)


def test_neighbours_fall_independently():
    """Eight elements share a random word: no bit may decide about two of them."""
    torch.manual_seed(0)
    words = 200_000
    dropped = (Dropout(0.5)(torch.ones(words, 8)) == 0).double()
    covariance = (dropped - 0.5).T @ (dropped - 0.5) / words - torch.eye(8) / 4
    assert covariance.abs().max() <= SIGMAS / 4 / math.sqrt(words)
    following = ((dropped[1:] - 0.5) * (dropped[:-1] - 0.5)).mean(0)
    assert following.abs().max() <= SIGMAS / 4 / math.sqrt(words)


@pytest.mark.parametrize("shape", [(1,), (7,), (8,), (9,), (3, 5), (2, 3, 5), (1, 1, 17)])
def test_every_element_is_dropped_at_the_same_rate(shape):
    torch.manual_seed(0)
    draws, dropout = 2000, Dropout(0.25)
    rates = sum((dropout(torch.ones(shape)) == 0).double() for _ in range(draws)) / draws
    assert rates.shape == shape
    assert (rates - 0.25).abs().max() <= SIGMAS * math.sqrt(0.25 * 0.75 / draws)


def test_scalars_and_empty_tensors_pass():
    dropout = Dropout(0.5)
    assert dropout(torch.ones(0, 3)).shape == (0, 3)
    assert dropout(torch.ones(())).item() in (0.0, 2.0)


def test_evaluation_leaves_the_states_alone():
    states = torch.randn(5, 5)
    assert Dropout(0.5).eval()(states) is states


def test_no_dropout_draws_no_random_numbers():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    states = torch.randn(5, 5, generator=torch.Generator().manual_seed(0))
    assert Dropout(0.0)(states) is states
    Dropout(0.5).eval()(states)
    assert torch.equal(torch.get_rng_state(), before)
    Dropout(0.5)(states)
    assert not torch.equal(torch.get_rng_state(), before)


def test_seed_repeats_the_mask_and_the_next_call_has_another():
    dropout, states = Dropout(0.5), torch.ones(1000)
    torch.manual_seed(1)
    first, second = dropout(states), dropout(states)
    torch.manual_seed(1)
    assert torch.equal(dropout(states), first)
    assert not torch.equal(first, second)


@settings(max_examples=20)
@given(
    dtype=st.sampled_from([torch.float64, torch.float32, torch.bfloat16]), turned=st.booleans(), seed=st.integers(0, 9)
)
def test_gradient_goes_where_the_states_went(dtype, turned, seed):
    torch.manual_seed(seed)
    states = torch.rand(6, 7).add(0.5).to(dtype)
    states = (states.T if turned else states).requires_grad_()
    dropped = Dropout(0.3)(states)
    assert dropped.dtype == dtype
    assert 0 < (dropped == 0).sum() < 42
    dropped.backward(torch.ones_like(dropped))
    scale = torch.tensor(1 / (1 - dropped_share(0.3)), dtype=dtype)
    assert torch.equal(states.grad, torch.where(dropped == 0, 0, scale))
    torch.testing.assert_close(dropped, states * states.grad)


@pytest.mark.parametrize("rate", [1.0, 1.5, -0.1, float("nan"), "half"])
def test_a_rate_that_is_no_share_is_refused(rate):
    with pytest.raises(InputError, match="expected a share of at least 0 and below 1"):
        Dropout(rate)
