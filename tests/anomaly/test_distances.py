"""What a product of matrices leaves open always holds the truth."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from nn.watching import faster_products, products_in_full

from latticework.anomaly.memory import distances
from latticework.anomaly.memory.distances import Frame, direct, direct_pairs, least, product, within


@given(
    seed=st.integers(0, 2**31),
    channels=st.integers(1, 300),
    offset=st.sampled_from([0.0, 1.0, 1e4]),
    spread=st.sampled_from([1e-3, 1.0, 1e3]),
    dtype=st.sampled_from([np.float16, np.float32, np.float64]),
    largest=st.sampled_from([0.0, 1.0, 1e21]),
)
@settings(max_examples=60)
def test_the_least_square_is_between_its_bounds(seed, channels, offset, spread, dtype, largest):
    rng = np.random.default_rng(seed)
    rows = (rng.normal(size=(30, channels)) * spread + offset).astype(dtype)
    if largest and dtype != np.float16:  # beside which the others may underflow
        rows = np.concatenate([rows, np.full((1, channels), largest, dtype=dtype)])
    rows[: 1 + seed % 3] *= dtype(0.1)
    asked = rows[::2] + (rng.normal(size=rows[::2].shape) * spread * 1e-3).astype(dtype)
    frame = Frame.of(rows, block=7)
    placed = np.empty((len(asked), channels + 1), dtype=np.float32)
    norms = frame.place(asked, placed)
    targets = torch.from_numpy(frame.target(rows))
    found = product(torch.from_numpy(placed), targets, torch.empty(len(asked), len(rows)))
    true = np.array([[((x.astype(float) - y.astype(float)) ** 2).sum() for y in rows] for x in asked])
    lowest = least(found, 1)[:, 0].astype(float) + norms
    truth = true.min(axis=1) * frame.scale**2
    highest = frame.highest(lowest, norms)
    assert (truth <= highest).all()
    # And they are as near as rounding has it: a bound that is farther costs time.
    rounding = 4 * (channels + 16) * 2.0**-24 * (8 * norms + 2 * truth) + 1e-30
    assert (highest - truth <= rounding).all()
    assert (frame.reach(highest, norms) <= truth - norms + 2 * rounding).all()
    which, column, _ = within(found, frame.reach(highest, norms))
    nearest = set(zip(range(len(asked)), true.argmin(axis=1).tolist(), strict=True))
    assert nearest <= set(zip(which.tolist(), column.tolist(), strict=True))


def test_equal_pairs_give_equal_bits_however_many_there_are(monkeypatch):
    monkeypatch.setattr(distances, "PAIRS", 500)
    rng = np.random.default_rng(0)
    left, right = rng.normal(size=(40, 119)).astype(np.float32), rng.normal(size=(1, 119)).astype(np.float32)
    rows = rng.integers(0, 40, 200)
    whole, taken = direct(left, right), []
    monkeypatch.setattr(distances, "direct", lambda one, other: taken.append(len(one)) or direct(one, other))
    assert np.array_equal(direct_pairs(left, rows, right, np.zeros(200, dtype=int)), whole[rows])
    assert taken == [500 // 119] * 50
    assert all(direct(left[row : row + 1], right)[0] == whole[row] for row in range(40))


@pytest.mark.parametrize("far", [0.0, -70.0, 1e39, -1e39])
def test_the_frame_is_about_the_median_or_the_farthest_that_single_precision_reaches(far):
    rows = np.random.default_rng(0).normal(size=(31, 4)) + far
    most = float(np.finfo(np.float32).max)
    expected = np.median(rows, axis=0) if abs(far) < most else np.full(4, np.copysign(most, far))
    np.testing.assert_allclose(Frame.of(rows, block=7).centre, expected, rtol=2.0**-24)


def test_a_faster_product_that_a_user_allows_elsewhere_is_not_used():
    rows = torch.from_numpy(np.random.default_rng(0).normal(size=(64, 64)).astype(np.float32))
    exact = product(rows, rows, torch.empty(64, 64))
    with faster_products(), torch.autocast("cpu", dtype=torch.bfloat16), products_in_full():
        again = product(rows, rows, torch.empty(64, 64))
    assert torch.equal(exact, again)


@pytest.mark.parametrize("largest, scale", [(0.0, 1.0), (1.0, 1.0), (3.0, 0.25), (1e-30, 2.0**99), (1e-40, 2.0**126)])
def test_scales_are_powers_of_two(largest, scale):
    assert Frame(np.zeros(2), largest).scale == scale
