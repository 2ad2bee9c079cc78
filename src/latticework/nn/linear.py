"""Linear layers as the paper's models start them, multiplied by what a CPU does best.

On a CPU, products in float32 and in bfloat16 go to oneDNN. In float32 torch asks another library, which keeps to
narrower registers on some makers' processors and then takes twice as long. oneDNN compiles a kernel for each shape it
meets (0.5 ms in float32, 5 ms in bfloat16) and keeps it: batches of text have hundreds of shapes, so half of the time
and gigabytes of memory would go to kernels. Rows are therefore filled up with zeros to one of a few round numbers.
"""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

ONEDNN: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
ONEDNN_TYPES = (torch.float32, torch.bfloat16)
FEW_ROWS = 4  # of float32: so few are done by torch's own product before oneDNN begins


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
        return linear(input, self.weight, self.bias)


def linear(
    states: Float[Tensor, "*batch inputs"],
    weight: Float[Tensor, "outputs inputs"],
    bias: Float[Tensor, " outputs"] | None = None,
) -> Float[Tensor, "*batch outputs"]:
    """xWᵀ + b over the last axis. On a CPU, gradients of gradients are not available below float64.

    Examples
    --------
    >>> linear(torch.ones(2, 3), torch.ones(1, 3)).tolist()
    [[3.0], [3.0]]
    """
    dtype = product_dtype(states)
    few = dtype == torch.float32 and states.numel() <= FEW_ROWS * states.shape[-1]
    if few or not by_onednn(states.device, dtype):
        return F.linear(states, weight, bias)
    flat = states.flatten(0, -2)
    output: Tensor
    if torch.is_grad_enabled() and (states.requires_grad or weight.requires_grad):
        output = _Linear.apply(flat, weight, bias, dtype)  # type: ignore[no-untyped-call]
    else:
        output = _linear(flat, weight, bias, dtype)[0]
    return output.view(*states.shape[:-1], weight.shape[0])


def product_dtype(tensor: Tensor) -> torch.dtype:
    """The type in which products with this tensor are computed, here and now: autocast's, or its own."""
    device = tensor.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else tensor.dtype


def without_autocast(device_type: str) -> AbstractContextManager[object]:
    """Compute in the types that are there; costs nothing where they are kept anyway."""
    on = torch.is_autocast_enabled(device_type)
    return torch.autocast(device_type, enabled=False) if on else nullcontext()


def by_onednn(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether products of this type are oneDNN's: on a CPU, in single precision or less."""
    return device.type == "cpu" and dtype in ONEDNN_TYPES and ONEDNN


def multiply(
    left: Float[Tensor, "rows inputs"], right: Float[Tensor, "outputs inputs"], bias: Tensor | None = None
) -> Float[Tensor, "rows outputs"]:
    """`left @ right.T + bias` without gradients; matrices may be transposed views."""
    with without_autocast(left.device.type):
        if left.dtype == torch.float32 and left.numel() and by_onednn(left.device, left.dtype):
            return torch.ops.mkldnn._linear_pointwise(left, right, bias, "none", [], "")
        return F.linear(left, right, bias)


def round_rows(rows: int) -> int:
    """The next of the round numbers: multiples of a sixteenth of the power of two above, or of 4.

    Examples
    --------
    >>> [round_rows(rows) for rows in (1, 100, 3900, 4096, 4097)]
    [4, 104, 4096, 4096, 4608]
    """
    step = max(4, 1 << max(0, (rows - 1).bit_length() - 4))
    return -(-rows // step) * step


def rounded(matrix: Float[Tensor, "rows width"], dtype: torch.dtype) -> Float[Tensor, "round_rows width"]:
    """The matrix in another type with rows of zeros at the end; a copy unless it is all of that already."""
    rows, width = matrix.shape
    more = round_rows(rows) - rows
    if more == 0:
        return matrix.to(dtype)
    copy = matrix.new_empty(rows + more, width, dtype=dtype)
    copy[:rows] = matrix
    copy[rows:] = 0
    return copy


def _linear(states: Tensor, weight: Tensor, bias: Tensor | None, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """The product, and the factors it was made of."""
    inputs, matrix = rounded(states, dtype), weight.to(dtype)
    output = multiply(inputs, matrix, None if bias is None else bias.to(dtype))
    return output[: len(states)], inputs, matrix


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, states: Tensor, weight: Tensor, bias: Tensor | None, dtype: torch.dtype) -> Tensor:
        output, inputs, matrix = _linear(states, weight, bias, dtype)
        ctx.save_for_backward(inputs, matrix)
        ctx.types = states.dtype, weight.dtype, None if bias is None else bias.dtype
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor | None, None]:
        inputs, matrix = ctx.saved_tensors
        of_states, of_weight, of_bias = ctx.types
        grads = rounded(grad, matrix.dtype)
        return (
            multiply(grads, matrix.T)[: len(grad)].to(of_states),
            multiply(grads.T, inputs.T).to(of_weight),
            None if of_bias is None else grads.sum(0).to(of_bias),
            None,
        )
