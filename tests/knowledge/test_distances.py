import pytest
import torch

from latticework.knowledge.distances import apart


@pytest.mark.parametrize("norm", [1, 2])
def test_distances_are_those_of_cdist(norm):
    points, others = torch.randn(12, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).split([5, 7])
    torch.testing.assert_close(apart(points, others, norm=norm), torch.cdist(points, others, p=float(norm)))


@pytest.mark.parametrize("norm", [1, 2])
def test_small_distances_are_no_larger_than_they_are(norm):
    points = torch.tensor([[0.3, 0.4]], dtype=torch.float64)
    others = points + torch.tensor([[0.0, 0.0], [0.006, 0.008]], dtype=torch.float64)
    expected = torch.tensor([[0.0, 0.014 if norm == 1 else 0.01]], dtype=torch.float64)
    torch.testing.assert_close(apart(points, others, norm=norm), expected, atol=1e-3, rtol=1e-6)
