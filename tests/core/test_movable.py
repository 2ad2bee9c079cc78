from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch

from latticework.core.movable import moved


@dataclass(frozen=True)
class Words:
    places: torch.Tensor

    def to(self, device):
        return moved(self, device)


@dataclass(frozen=True)
class Batch:
    host_lengths: torch.Tensor
    lengths: torch.Tensor
    steps: tuple[int, ...]
    words: Words | None = None


@pytest.mark.parametrize("device", ["meta", torch.device("meta")])
def test_all_that_can_be_moved_is_and_what_is_for_the_host_stays(device):
    lengths = torch.tensor([2, 3])
    batch = Batch(lengths, lengths, (1, 2), Words(torch.tensor([0])))
    there = moved(batch, device)
    assert there.host_lengths is lengths
    assert there.lengths.is_meta
    assert there.words.places.is_meta
    assert there.steps == (1, 2)
    assert batch.lengths is lengths


def test_what_is_there_already_is_not_copied_and_nothing_stays_nothing():
    batch = Batch(torch.tensor([2]), torch.tensor([2]), ())
    there = moved(batch, "cpu")
    assert there.lengths is batch.lengths
    assert there.words is None
