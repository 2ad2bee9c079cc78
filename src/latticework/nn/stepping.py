"""A decoder layer as a search runs it: one token at a time, for few rows, with weights laid out once for many products.

What it computes is what `DecoderLayer` does for all positions at once, in evaluation mode and without gradients.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from latticework.nn.attention import KeyValueCache, MemoryHeads, attend, split_heads
from latticework.nn.linear import FEW_ROWS, by_onednn, multiply, rounded
from latticework.nn.transformer import DecoderLayer

ROWS = 64  # for which oneDNN arranges a matrix; it multiplies other numbers of rows with it too


class Product:
    """xWᵀ + b for the same W again and again, without gradients, then max(0, ·) with `relu`.

    On a CPU in float32, W is copied into the order in which oneDNN reads it: with few rows, reading W is most of the
    work. The copy is as costly as some ten steps of one sentence.

    Parameters
    ----------
    weight, bias
        As they are now; changed later, they may or may not be noticed.
    dtype
        Of the product: that of the rows it will be given, or autocast's.

    Examples
    --------
    >>> Product(-torch.eye(2), None, torch.float32, relu=True)(torch.tensor([[-1.0, 1.0]])).tolist()
    [[1.0, 0.0]]
    """

    def __init__(self, weight: Tensor, bias: Tensor | None, dtype: torch.dtype, *, relu: bool = False) -> None:
        self.relu = relu
        self.compiled = by_onednn(weight, dtype)
        self.arranged = self.compiled and dtype == torch.float32
        self.weight = weight.detach().to(dtype)
        if self.arranged:
            self.weight = torch.ops.mkldnn._reorder_linear_weight(self.weight, ROWS)
        self.bias = None if bias is None else bias.detach().to(dtype).contiguous()

    def __call__(self, states: Float[Tensor, "rows inputs"]) -> Float[Tensor, "rows outputs"]:
        """Multiply."""
        rows = states.shape[0]
        if self.arranged:
            then = "relu" if self.relu else "none"
            inputs = rounded(states, states.dtype)
            return torch.ops.mkldnn._linear_pointwise(inputs, self.weight, self.bias, then, [], "")[:rows]
        if self.compiled and rows > FEW_ROWS:
            output = multiply(rounded(states, self.weight.dtype), self.weight, self.bias)[:rows]
        else:
            output = F.linear(states, self.weight, self.bias)
        return F.relu(output) if self.relu else output


class DecoderLayerSteps:
    """The steps of a `DecoderLayer`, with its weights as they are now; parameters are those of `Product`."""

    def __init__(self, layer: DecoderLayer, dtype: torch.dtype) -> None:
        def product(part: nn.Linear, *, relu: bool = False) -> Product:
            return Product(part.weight, part.bias, dtype, relu=relu)

        past, source, feed_forward = layer.attention, layer.cross_attention, layer.feed_forward
        self.heads = past.heads
        self.query_key_value, self.output_of_past = product(past.query_key_value), product(past.output)
        self.query, self.output_of_source = product(source.query), product(source.output)
        self.expand, self.contract = product(feed_forward.expand, relu=True), product(feed_forward.contract)
        self.residuals = (layer.attention_residual, layer.cross_attention_residual, layer.feed_forward_residual)

    def __call__(
        self,
        states: Float[Tensor, "rows model"],
        memory: tuple[MemoryHeads, MemoryHeads],
        cache: KeyValueCache,
        *,
        memory_mask: Bool[Tensor, "sentences 1 1 source"] | None = None,
    ) -> Float[Tensor, "rows model"]:
        """The next position of every beam; the beams of a sentence are rows beside each other.

        They share the sentence's memory: there they stand where time stands elsewhere, so that attention to the source
        is one product a sentence. In self-attention each is a row of its own with its own past.
        """
        sentences = len(memory[0])

        def attend_to_past(x: Tensor) -> Tensor:
            query, key, value = split_heads(self.query_key_value(x)[:, None], self.heads, parts=3)
            return self.output_of_past(attend(query, *cache.append(key, value)).view(x.shape))

        def attend_to_source(x: Tensor) -> Tensor:
            beams = self.query(x).view(sentences, len(x) // max(sentences, 1), x.shape[1])
            (query,) = split_heads(beams, self.heads)
            return self.output_of_source(attend(query, *memory, mask=memory_mask).transpose(1, 2).reshape(x.shape))

        def feed_forward(x: Tensor) -> Tensor:
            return self.contract(self.expand(x))

        for residual, sublayer in zip(self.residuals, (attend_to_past, attend_to_source, feed_forward), strict=True):
            states = residual(states, sublayer)
        return states
