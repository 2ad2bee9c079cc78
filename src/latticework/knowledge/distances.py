"""How far a triple is from true, ‖h* + r* - t*‖_p, and points from others: quickly, or exactly."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from latticework.core.checks import one_of

NORMS = (1, 2)


def distance(
    heads: Float[Tensor, "*#batch dim"],
    relations: Float[Tensor, "*#batch dim"],
    tails: Float[Tensor, "*#batch dim"],
    *,
    norm: int = 2,
) -> Float[Tensor, "*#batch"]:
    """‖h* + r* - t*‖: small is likely. Where it is zero its gradient is zero.

    Raises
    ------
    InputError
        If `norm` is neither 1 nor 2.

    Examples
    --------
    >>> distance(torch.tensor([1.0, 2.0]), torch.tensor([2.0, 2.0]), torch.zeros(2))
    tensor(5.)
    """
    one_of("norm", norm, NORMS)
    distances: Tensor = torch.linalg.vector_norm(heads + relations - tails, ord=norm, dim=-1)
    return distances


def apart(points: Float[Tensor, "n dim"], others: Float[Tensor, "m dim"], *, norm: int) -> Float[Tensor, "n m"]:
    """All distances, for the 2-norm by a product of matrices: near zero they are good to some 1e-3 only.

    Examples
    --------
    >>> apart(torch.tensor([[0.0, 0.0]]), torch.tensor([[3.0, 4.0]]), norm=2)
    tensor([[5.]])
    """
    if norm == 1:
        return torch.cdist(points, others, p=1.0)
    squares = torch.addmm(others.square().sum(-1), points, others.T, alpha=-2) + points.square().sum(-1, keepdim=True)
    return squares.clamp(min=1e-6).sqrt()


def exact_distances(
    points: Float[Tensor, "n dim"], others: Float[Tensor, "m dim"], *, norm: int
) -> Float[Tensor, "n m"]:
    """All distances, not by products of matrices: equal rows have equal distances, and near ones do not swap.

    Examples
    --------
    >>> exact_distances(torch.tensor([[0.0, 0.0]]), torch.tensor([[3.0, 4.0]]), norm=1)
    tensor([[7.]])
    """
    return torch.cdist(points, others, p=float(norm), compute_mode="donot_use_mm_for_euclid_dist")
