"""Linear layers as the paper's models start them, and as a CPU likes them in bfloat16.

On a CPU, products in bfloat16 go to oneDNN, which compiles a kernel for each shape it meets (about 5 ms) and keeps it.
Batches of text have hundreds of shapes, so half of the time and gigabytes of memory would go to kernels. Under autocast
on a CPU the rows are therefore filled up with zeros to one of a few round numbers.
"""

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


class Linear(nn.Linear):
    """xWᵀ + b with Glorot-uniform W and b = 0 to start with.

    Parameters
    ----------
    inputs, outputs
        Widths.
    parts
        How many matrices, of equal height, are fused in W; each is initialised as if it stood alone.

    Examples
    --------
    >>> Linear(4, 6)(torch.zeros(2, 3, 4)).shape
    torch.Size([2, 3, 6])
    """

    def __init__(self, inputs: int, outputs: int, *, parts: int = 1) -> None:
        super().__init__(inputs, outputs)
        for part in self.weight.chunk(parts):
            nn.init.xavier_uniform_(part)
        nn.init.zeros_(self.bias)

    def forward(self, input: Float[Tensor, "*batch inputs"]) -> Float[Tensor, "*batch outputs"]:
        """Apply the layer to the last axis."""
        if compiles_each_shape(input):
            output: Tensor = _RoundedLinear.apply(input.flatten(0, -2), self.weight, self.bias)  # type: ignore[no-untyped-call]
            return output.view(*input.shape[:-1], -1)
        return F.linear(input, self.weight, self.bias)


def product_dtype(tensor: Tensor) -> torch.dtype:
    """The type in which products with this tensor are computed, here and now: autocast's, or its own."""
    device = tensor.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else tensor.dtype


def compiles_each_shape(tensor: Tensor) -> bool:
    """Whether a product with this tensor goes to oneDNN in bfloat16 by way of autocast."""
    return tensor.device.type == "cpu" and torch.is_autocast_enabled("cpu") and product_dtype(tensor) == torch.bfloat16


def round_rows(rows: int) -> int:
    """The next of the round numbers: multiples of a sixteenth of the power of two above.

    Examples
    --------
    >>> [round_rows(rows) for rows in (1, 100, 3900, 4096, 4097)]
    [16, 112, 4096, 4096, 4608]
    """
    step = max(16, 1 << max(0, (rows - 1).bit_length() - 4))
    return -(-rows // step) * step


def rounded(matrix: Float[Tensor, "rows width"], dtype: torch.dtype) -> Float[Tensor, "round_rows width"]:
    """A copy in another type with rows of zeros at the end."""
    copy = matrix.new_empty(round_rows(len(matrix)), matrix.shape[1], dtype=dtype)
    copy[: len(matrix)] = matrix
    copy[len(matrix) :] = 0
    return copy


class _RoundedLinear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, states: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        with torch.autocast("cpu", enabled=False):
            inputs, matrix = rounded(states, torch.bfloat16), weight.to(torch.bfloat16)
            ctx.save_for_backward(inputs, matrix)
            return F.linear(inputs, matrix, bias.to(torch.bfloat16))[: len(states)]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        inputs, matrix = ctx.saved_tensors
        grads = rounded(grad, torch.bfloat16)
        return (grads @ matrix)[: len(grad)], (grads.T @ inputs).float(), grads.sum(0).float()
