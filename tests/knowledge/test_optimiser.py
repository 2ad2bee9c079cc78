"""Rows that a batch touches move as Adam says, and no others."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.functional import embedding

from latticework.knowledge.optimiser import RowAdam


def trained(make, table, batches, *, sparse):
    parameter = nn.Parameter(table.clone())
    optimiser = make([parameter])
    target = torch.randn(table.shape, generator=torch.Generator().manual_seed(5), dtype=table.dtype)
    for rows in batches:
        optimiser.zero_grad()
        (embedding(rows, parameter, sparse=sparse) - target[rows]).square().sum().backward()
        optimiser.step()
    return parameter.detach()


def batches(*, everything=False, repeated=False):
    generator = torch.Generator().manual_seed(1)
    for _ in range(20):
        order = torch.randperm(6, generator=generator)
        rows = order if everything else order[:3]
        yield torch.cat([rows, rows[:1]]) if repeated else rows


TABLE = torch.randn(6, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("sparse", [False, True])
def test_where_every_row_is_touched_it_is_adam(sparse):
    found = trained(lambda each: RowAdam(each, lr=0.1), TABLE, batches(everything=True), sparse=sparse)
    expected = trained(lambda each: torch.optim.Adam(each, lr=0.1), TABLE, batches(everything=True), sparse=False)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)


def test_where_few_rows_are_touched_it_is_sparse_adam():
    found = trained(lambda each: RowAdam(each, lr=0.1, eps=1e-30), TABLE, batches(repeated=True), sparse=True)
    expected = trained(
        lambda each: torch.optim.SparseAdam(each, lr=0.1, eps=1e-30), TABLE, batches(repeated=True), sparse=True
    )
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)


def test_rows_that_no_batch_touches_stay_bit_identical():
    found = trained(lambda each: RowAdam(each, lr=5e-3), TABLE, [torch.tensor([1, 3])] * 5, sparse=True)
    assert torch.equal(found[[0, 2, 4, 5]], TABLE[[0, 2, 4, 5]])
    assert not torch.isclose(found[[1, 3]], TABLE[[1, 3]]).any()


def test_training_goes_on_from_a_saved_state_as_if_it_had_not_stopped():
    steps = list(batches())
    target = torch.zeros_like(TABLE)

    def run(parameter, optimiser, some):
        for rows in some:
            optimiser.zero_grad()
            (embedding(rows, parameter, sparse=True) - target[rows]).square().sum().backward()
            optimiser.step()

    whole = nn.Parameter(TABLE.clone())
    run(whole, RowAdam([whole], lr=5e-3), steps)
    half = nn.Parameter(TABLE.clone())
    before = RowAdam([half], lr=5e-3)
    run(half, before, steps[:9])
    after = RowAdam([half], lr=5e-3)
    after.load_state_dict(copy.deepcopy(before.state_dict()))
    run(half, after, steps[9:])
    assert torch.equal(half, whole)
