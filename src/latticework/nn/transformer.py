"""Encoder and decoder layers of the Transformer: Vaswani et al. 2017, sections 3.1 and 3.3."""

from collections.abc import Callable

import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from latticework.nn.attention import CrossAttention, SelfAttention
from latticework.nn.dropout import Dropout
from latticework.nn.linear import Linear

# Differs from the paper: LayerNorm adds ε = 10⁻⁶, as the authors' code does; the paper gives none.
NORM_EPSILON = 1e-6


class FeedForward(nn.Module):
    """max(0, xW₁ + b₁)W₂ + b₂ at every position, equation 2."""

    def __init__(self, d_model: int, d_hidden: int) -> None:
        super().__init__()
        self.expand = Linear(d_model, d_hidden)
        self.contract = Linear(d_hidden, d_model)

    def forward(self, states: Float[Tensor, "*batch model"]) -> Float[Tensor, "*batch model"]:
        """The same two layers at each position."""
        return self.contract(F.relu(self.expand(states)))


class Residual(nn.Module):
    """A sub-layer with its residual connection: LayerNorm(x + Dropout(Sublayer(x))), section 3.1.

    With `norm_first` it is x + Dropout(Sublayer(LayerNorm(x))), the order the published code moved to later, which
    trains deeper stacks without warm-up; the stack then needs one LayerNorm at its end.
    """

    def __init__(self, d_model: int, dropout: float, *, norm_first: bool) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(d_model, eps=NORM_EPSILON)
        self.dropout = Dropout(dropout)
        self.norm_first = norm_first

    def forward(
        self, states: Float[Tensor, "*batch model"], sublayer: Callable[[Tensor], Tensor]
    ) -> Float[Tensor, "*batch model"]:
        """Apply `sublayer` and add."""
        if self.norm_first:
            return states + self.dropout(sublayer(self.norm(states)))
        return self.norm(states + self.dropout(sublayer(states)))

    def input_of_sublayer(self, states: Float[Tensor, "batch time model"]) -> Float[Tensor, "batch time model"]:
        """What the sub-layer is given for these states."""
        return self.norm(states) if self.norm_first else states


class EncoderLayer(nn.Module):
    """Self-attention, then feed-forward, each within a residual connection."""

    def __init__(
        self, d_model: int, heads: int, d_hidden: int, *, dropout: float = 0.1, norm_first: bool = False
    ) -> None:
        super().__init__()
        self.attention = SelfAttention(d_model, heads)
        self.feed_forward = FeedForward(d_model, d_hidden)
        self.attention_residual = Residual(d_model, dropout, norm_first=norm_first)
        self.feed_forward_residual = Residual(d_model, dropout, norm_first=norm_first)

    def forward(
        self, states: Float[Tensor, "batch time model"], *, mask: Bool[Tensor, "batch 1 1 time"] | None = None
    ) -> Float[Tensor, "batch time model"]:
        """Refine the states of a sequence; `mask` hides padding."""
        states = self.attention_residual(states, lambda x: self.attention(x, mask=mask))
        return self.feed_forward_residual(states, self.feed_forward)

    def weights(
        self, states: Float[Tensor, "batch time model"], *, mask: Bool[Tensor, "batch 1 1 time"] | None = None
    ) -> Float[Tensor, "batch heads time time"]:
        """Where this layer looks when given these states."""
        return self.attention.weights(self.attention_residual.input_of_sublayer(states), mask=mask)


class DecoderLayer(nn.Module):
    """Masked self-attention, attention to the memory, then feed-forward, each within a residual connection."""

    def __init__(
        self, d_model: int, heads: int, d_hidden: int, *, dropout: float = 0.1, norm_first: bool = False
    ) -> None:
        super().__init__()
        self.attention = SelfAttention(d_model, heads)
        self.cross_attention = CrossAttention(d_model, heads)
        self.feed_forward = FeedForward(d_model, d_hidden)
        self.attention_residual = Residual(d_model, dropout, norm_first=norm_first)
        self.cross_attention_residual = Residual(d_model, dropout, norm_first=norm_first)
        self.feed_forward_residual = Residual(d_model, dropout, norm_first=norm_first)

    def forward(
        self,
        states: Float[Tensor, "batch time model"],
        memory: tuple[Tensor, Tensor],
        *,
        memory_mask: Bool[Tensor, "batch 1 1 source"] | None = None,
    ) -> Float[Tensor, "batch time model"]:
        """All positions of a known target at once; each sees itself and earlier ones.

        `memory` holds the keys and values that `cross_attention.project_memory` made of the encoder's output.
        """
        states = self.attention_residual(states, lambda x: self.attention(x, causal=True))
        states = self.cross_attention_residual(states, lambda x: self.cross_attention(x, memory, mask=memory_mask))
        return self.feed_forward_residual(states, self.feed_forward)

    def weights(
        self,
        states: Float[Tensor, "batch time model"],
        memory: tuple[Tensor, Tensor],
        *,
        memory_mask: Bool[Tensor, "batch 1 1 source"] | None = None,
    ) -> tuple[Float[Tensor, "batch heads time time"], Float[Tensor, "batch heads time source"]]:
        """Where this layer looks, in the target and in the source, when given these states."""
        own = self.attention.weights(self.attention_residual.input_of_sublayer(states), causal=True)
        states = self.attention_residual(states, lambda x: self.attention(x, causal=True))
        queries = self.cross_attention_residual.input_of_sublayer(states)
        return own, self.cross_attention.weights(queries, memory, mask=memory_mask)
