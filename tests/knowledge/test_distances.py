import pytest
import torch

from latticework.core.errors import InputError
from latticework.knowledge.distances import apart, distance, exact_distances


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


def test_a_triple_is_as_far_from_true_as_its_norm_says():
    head, relation, tail = torch.tensor([1.0, 2.0]), torch.tensor([2.0, 2.0]), torch.zeros(2)
    assert distance(head, relation, tail) == 5
    assert distance(head, relation, tail, norm=1) == 7
    with pytest.raises(InputError, match="norm=3"):
        distance(head, relation, tail, norm=3)


@pytest.mark.parametrize("norm", [1, 2])
def test_exact_distances_are_those_of_each_pair_alone_to_the_last_bit(norm):
    points = torch.randn(40, 6, generator=torch.Generator().manual_seed(0)) + 100
    found = exact_distances(points, points, norm=norm)
    assert (found.diagonal() == 0).all()
    expected = torch.linalg.vector_norm(points[:, None].double() - points.double(), ord=norm, dim=-1)
    torch.testing.assert_close(found.double(), expected, rtol=1e-6, atol=0)
    assert torch.equal(exact_distances(points[3:4], points, norm=norm)[0], found[3])
