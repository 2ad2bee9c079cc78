"""How far a triple is from true, ‖h* + r* - t*‖_p, and the margin loss over positives and their negatives."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from latticework.core.errors import InputError

NORMS = (1, 2)


def distance(
    heads: Float[Tensor, "*batch dim"],
    relations: Float[Tensor, "*batch dim"],
    tails: Float[Tensor, "*batch dim"],
    *,
    norm: int = 2,
) -> Float[Tensor, "*batch"]:
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
    if norm not in NORMS:
        raise InputError(f"norm={norm!r}: expected 1 or 2")
    distances: Tensor = torch.linalg.vector_norm(heads + relations - tails, ord=norm, dim=-1)
    return distances


def margin_loss(
    positive: Float[Tensor, " batch"], negative: Float[Tensor, "batch negatives"], *, margin: float
) -> Float[Tensor, ""]:
    """Σ max(0, γ + f(positive) - f(negative)) over all positives and the negatives of each.

    Examples
    --------
    >>> margin_loss(torch.tensor([1.0, 1.0]), torch.tensor([[4.0, 20.0], [11.0, 8.0]]), margin=10.0)
    tensor(10.)
    """
    return torch.relu(margin + positive[:, None] - negative).sum()
