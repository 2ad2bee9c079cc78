import pytest
import torch

from latticework.knowledge.distances import apart


@pytest.mark.parametrize("norm", [1, 2])
def test_distances_are_those_of_cdist(norm):
    points, others = torch.randn(12, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).split([5, 7])
    torch.testing.assert_close(apart(points, others, norm=norm), torch.cdist(points, others, p=float(norm)))
