"""Products are in full, whatever a user allows elsewhere, and what was allowed is so again afterwards."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from latticework.nn.precision import full_precision


@pytest.fixture(params=["the old way", "of products", "of all"])
def allowed(request):
    """What a user allows elsewhere, in each of the ways that torch has; returns how to ask for it."""
    legacy = request.param == "the old way"
    if legacy:
        before = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision("medium")
    elif request.param == "of products":
        torch.backends.mkldnn.matmul.fp32_precision = "bf16"
    else:
        torch.backends.fp32_precision = "tf32"
    yield torch.get_float32_matmul_precision if legacy else lambda: torch.backends.mkldnn.matmul.fp32_precision
    if legacy:
        torch.set_float32_matmul_precision(before)
    torch.backends.fp32_precision = torch.backends.mkldnn.matmul.fp32_precision = "none"


ROWS = torch.from_numpy(np.random.default_rng(0).normal(size=(256, 256)).astype(np.float32))  # fewer are never hastened
EXACT = ROWS @ ROWS.T


def product():
    with full_precision(ROWS.device):
        found = ROWS @ ROWS.T
        assert torch.backends.mkldnn.matmul.fp32_precision == "ieee"  # nothing else shows TF32, which few CPUs have
    return found


def test_a_product_without_it_is_another_one(allowed):
    if torch.equal(EXACT, ROWS @ ROWS.T):
        pytest.skip("this processor has no faster product of this kind")


def test_a_faster_product_that_a_user_allows_elsewhere_is_not_used(allowed):
    before = allowed()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        again = product()
    assert allowed() == before
    assert torch.equal(EXACT, again)


def test_nor_is_it_by_several_threads_at_once(allowed):
    before = allowed()
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: product(), range(400)))
    assert allowed() == before
    assert all(torch.equal(EXACT, again) for again in found)


def test_it_may_be_asked_for_within_itself(allowed):
    before = allowed()
    with full_precision(ROWS.device):
        assert torch.equal(EXACT, product())
    assert allowed() == before


def test_what_was_inherited_is_inherited_again():
    try:
        torch.backends.fp32_precision = "tf32"
        product()
        torch.backends.fp32_precision = "ieee"
        assert torch.backends.mkldnn.matmul.fp32_precision == "ieee"
    finally:
        torch.backends.fp32_precision = torch.backends.mkldnn.matmul.fp32_precision = "none"
