"""The encoder layer of vision Transformers: Dosovitskiy et al. 2021, equations 2 and 3, and section 3.1.

Normalisation comes before each sub-layer, the feed-forward has GELU, and there is no dropout: these layers are for
encoders whose weights were learnt elsewhere.
"""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from latticework.nn.attention import SelfAttention
from latticework.nn.transformer import NORM_EPSILON, FeedForward


class GeluFeedForward(FeedForward):
    """GELU(xW₁ + b₁)W₂ + b₂ at every position."""

    def forward(self, states: Float[Tensor, "*batch model"]) -> Float[Tensor, "*batch model"]:
        """The same two layers at each position."""
        return self.contract(F.gelu(self.expand(states)))


class VisionLayer(nn.Module):
    """z' = z + MSA(LN(z)), then z' + MLP(LN(z')).

    Parameters
    ----------
    d_model
        Width of the states, a multiple of `heads`.
    heads
        Attention heads.
    d_hidden
        Width inside the feed-forward.
    epsilon
        What layer normalisation adds to variances.
    attention_bias
        Whether queries, keys and values have biases.

    Examples
    --------
    >>> import torch
    >>> VisionLayer(6, 2, 24, attention_bias=False)(torch.zeros(1, 3, 6)).shape
    torch.Size([1, 3, 6])
    """

    def __init__(
        self, d_model: int, heads: int, d_hidden: int, *, epsilon: float = NORM_EPSILON, attention_bias: bool = True
    ) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(d_model, eps=epsilon)
        self.attention = SelfAttention(d_model, heads)
        if not attention_bias:
            self.attention.query_key_value.register_parameter("bias", None)
        self.feed_forward_norm = nn.LayerNorm(d_model, eps=epsilon)
        self.feed_forward = GeluFeedForward(d_model, d_hidden)

    def forward(self, states: Float[Tensor, "batch time model"]) -> Float[Tensor, "batch time model"]:
        """Refine the states; every position sees all."""
        states = states + self.attention(self.attention_norm(states))
        return states + self.feed_forward(self.feed_forward_norm(states))
