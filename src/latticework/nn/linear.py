"""Linear layers as the paper's models start them, multiplied by what a CPU does best.

On a CPU, products in float32, and in bfloat16 under autocast, go to oneDNN. In float32 torch asks MKL instead, which on
AMD's processors keeps to narrower registers: twice as long on the EPYC where that was measured; on others it was not.
oneDNN compiles a kernel for each shape it meets (0.5 ms in float32, 5 ms in bfloat16) and keeps it: batches of text
have hundreds of shapes, so half of the time and gigabytes of memory would go to kernels. Rows are therefore filled up
with zeros to one of a few round numbers.
"""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

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
        self.parts = parts  # before nn.Linear, which calls `reset_parameters`
        super().__init__(inputs, outputs)

    def reset_parameters(self) -> None:
        """Draw new weights, and set the biases to 0."""
        super().reset_parameters()  # overwritten, but what it draws decides which weights a seed gives
        for part in self.weight.chunk(self.parts):
            nn.init.xavier_uniform_(part)
        nn.init.zeros_(self.bias)

    def forward(self, input: Float[Tensor, "*batch inputs"]) -> Float[Tensor, "*batch outputs"]:
        """Apply the layer to the last axis."""
        return apply_linear(input, self.weight, self.bias)


def apply_linear(
    states: Float[Tensor, "*batch inputs"],
    weight: Float[Tensor, "outputs inputs"],
    bias: Float[Tensor, " outputs"] | None = None,
) -> Float[Tensor, "*batch outputs"]:
    """xWᵀ + b over the last axis; under autocast on a CPU, gradients of gradients are not available.

    Examples
    --------
    >>> apply_linear(torch.ones(2, 3), torch.ones(1, 3)).tolist()
    [[3.0], [3.0]]
    """
    dtype = product_dtype(states)
    autocast = under_autocast(states.device.type)
    few = dtype == torch.float32 and states.numel() <= FEW_ROWS * states.shape[-1]
    alike = states.dim() > 1 and states.shape[-1] == weight.shape[-1] and (autocast or states.dtype == weight.dtype)
    if few or not alike or not by_onednn(states, dtype) or torch._C._are_functorch_transforms_active():
        return F.linear(states, weight, bias)
    flat = states.flatten(0, -2)
    learning = any(each is not None and each.requires_grad for each in (states, weight, bias))
    output: Tensor
    if not (learning and torch.is_grad_enabled()):
        output = _product(flat, weight, bias, dtype)[0]
    elif autocast:
        output = _RoundedProduct.apply(flat, weight, bias, dtype)  # type: ignore[no-untyped-call]
    else:
        output = _Product.apply(flat, weight, bias)  # type: ignore[no-untyped-call]
    return output.view(*states.shape[:-1], weight.shape[0])


def product_dtype(tensor: Tensor) -> torch.dtype:
    """The type in which products with this tensor are computed, here and now: autocast's, or its own."""
    device = tensor.device.type
    rounds = tensor.dtype != torch.float64 and under_autocast(device)  # as autocast itself, which leaves float64 alone
    return torch.get_autocast_dtype(device) if rounds else tensor.dtype


def under_autocast(device_type: str) -> bool:
    """Whether autocast is on for such a device; there is none for "meta"."""
    return torch.amp.is_autocast_available(device_type) and torch.is_autocast_enabled(device_type)


def without_autocast(device_type: str) -> AbstractContextManager[object]:
    """Compute in the types that are there; costs nothing where they are kept anyway."""
    return torch.autocast(device_type, enabled=False) if under_autocast(device_type) else nullcontext()


def by_onednn(tensor: Tensor, dtype: torch.dtype) -> bool:
    """Whether products of this tensor in this type are oneDNN's: on a CPU, in float32, or in bfloat16 by autocast."""
    if tensor.device.type != "cpu" or not torch._C._get_mkldnn_enabled() or not torch._C._has_mkldnn:
        return False
    return dtype == torch.float32 or (dtype == torch.bfloat16 and under_autocast("cpu"))


def multiply(
    left: Float[Tensor, "rows inputs"], right: Float[Tensor, "outputs inputs"], bias: Tensor | None = None
) -> Float[Tensor, "rows outputs"]:
    """`left @ right.T + bias` without gradients, in the type that all have; matrices may be transposed views."""
    with without_autocast(left.device.type):
        if left.dtype == torch.float32 and left.numel() and by_onednn(left, left.dtype):
            bias = None if bias is None else bias.contiguous()  # of a bias the operator takes no notice of strides
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


def _product(states: Tensor, weight: Tensor, bias: Tensor | None, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """The product, and the factors it was made of."""
    inputs, matrix = rounded(states, dtype), weight.to(dtype)
    with torch.no_grad():
        output = multiply(inputs, matrix, None if bias is None else bias.to(dtype))
    return output[: states.shape[0]], inputs, matrix


class _Product(torch.autograd.Function):
    """In float32: gradients are products too, so that they have gradients themselves."""

    @staticmethod
    def forward(ctx: Any, states: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(states, weight)
        return _product(states, weight, bias, states.dtype)[0]

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        states, weight = ctx.saved_tensors
        of_states, of_weight, of_bias = ctx.needs_input_grad
        grads = rounded(grad, grad.dtype)
        return (
            apply_linear(grads, weight.T)[: grad.shape[0]] if of_states else None,
            apply_linear(grads.T, rounded(states, states.dtype).T) if of_weight else None,
            grad.sum(0) if of_bias else None,
        )


class _RoundedProduct(torch.autograd.Function):
    """Under autocast: the rounded factors are kept for the gradients."""

    @staticmethod
    def forward(ctx: Any, states: Tensor, weight: Tensor, bias: Tensor | None, dtype: torch.dtype) -> Tensor:
        output, inputs, matrix = _product(states, weight, bias, dtype)
        ctx.save_for_backward(inputs, matrix)
        ctx.types = states.dtype, weight.dtype, None if bias is None else bias.dtype
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None, None]:
        inputs, matrix = ctx.saved_tensors
        of_states, of_weight, of_bias, _ = ctx.needs_input_grad
        states_type, weight_type, bias_type = ctx.types
        grads = rounded(grad, matrix.dtype)
        return (
            multiply(grads, matrix.T)[: grad.shape[0]].to(states_type) if of_states else None,
            multiply(grads.T, inputs.T).to(weight_type) if of_weight else None,
            grads.sum(0).to(bias_type) if of_bias else None,
            None,
        )
