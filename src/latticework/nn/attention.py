"""Scaled dot-product and multi-head attention: Vaswani et al. 2017, section 3.2, equation 1.

Masks say where attention may look: `True` keeps a key, `False` hides it. A query that may look nowhere gets zeros.

Differs from the paper: projections of attention have biases, as in the authors' code.
"""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from latticework.nn.linear import Linear, without_autocast

Heads = Float[Tensor, "batch heads time head"]
MemoryHeads = Float[Tensor, "batch heads source head"]


def attend(
    query: Float[Tensor, "batch heads query head"],
    key: Float[Tensor, "batch heads key head"],
    value: Float[Tensor, "batch heads key head"],
    *,
    mask: Bool[Tensor, "batch #heads #query key"] | None = None,
    causal: bool = False,
) -> Float[Tensor, "batch heads query head"]:
    """softmax(QKᵀ/√d_k)V, equation 1.

    Parameters
    ----------
    query, key, value
        One row a position, already split into heads.
    mask
        Which keys each query may see; everything when absent.
    causal
        Query t sees keys 0..t only. Cannot be combined with `mask`.

    Examples
    --------
    >>> x = torch.zeros(1, 1, 3, 4)
    >>> attend(x, x, torch.ones(1, 1, 3, 4)).unique().item()
    1.0
    """
    query = query.to(key.dtype)  # a memory may have been made under another precision than the query
    with without_autocast("cpu"):  # see `_for_attention`
        return F.scaled_dot_product_attention(query, key, value, attn_mask=mask, is_causal=causal)


def attention_weights(
    query: Float[Tensor, "batch heads query head"],
    key: Float[Tensor, "batch heads key head"],
    *,
    mask: Bool[Tensor, "batch #heads #query key"] | None = None,
    causal: bool = False,
) -> Float[Tensor, "batch heads query key"]:
    """The probabilities softmax(QKᵀ/√d_k) that `attend` averages values with, for looking at.

    Examples
    --------
    >>> x = torch.zeros(1, 1, 2, 4)
    >>> attention_weights(x, x, causal=True)[0, 0].tolist()
    [[1.0, 0.0], [0.5, 0.5]]
    """
    wide = torch.promote_types(key.dtype, torch.float32)
    with without_autocast(query.device.type):
        logits = (query.to(wide) / math.sqrt(query.shape[-1])) @ key.to(wide).transpose(-2, -1)
    if causal:
        visible = torch.ones(logits.shape[-2:], dtype=torch.bool, device=logits.device).tril()
        mask = visible if mask is None else mask & visible
    if mask is None:
        return logits.softmax(-1).to(key.dtype)
    weights = logits.masked_fill(~mask, -torch.inf).softmax(-1)
    return weights.masked_fill(~mask.any(-1, keepdim=True), 0.0).to(key.dtype)


def split_heads(projected: Float[Tensor, "batch time width"], heads: int, *, parts: int = 1) -> tuple[Heads, ...]:
    """The parts of a projection, such as queries, keys and values, each split into heads."""
    batch, time, width = projected.shape
    return projected.view(batch, time, parts, heads, width // (parts * heads)).permute(2, 0, 3, 1, 4).unbind(0)


class KeyValueCache:
    """Keys and values of the positions decoded so far, in memory that grows by doubling.

    Appending a step costs the step alone; `select` copies what is kept, once, and `copy` what has changed.
    """

    def __init__(self) -> None:
        self.length = 0
        self._store: Float[Tensor, "two rows heads capacity head"] | None = None

    def append(self, key: Heads, value: Heads) -> tuple[MemoryHeads, MemoryHeads]:
        """Add one or more positions; return all keys and values so far, as views."""
        steps = key.shape[2]
        if self._store is None or self.length + steps > self._store.shape[3]:
            self._grow(key, self.length + steps)
        assert self._store is not None  # made by _grow: for the type checker
        self._store[0, :, :, self.length : self.length + steps] = key
        self._store[1, :, :, self.length : self.length + steps] = value
        self.length += steps
        return self._store[0, :, :, : self.length], self._store[1, :, :, : self.length]

    def select(self, rows: Int[Tensor, " kept"]) -> None:
        """Keep these rows, in this order: sentences that go on."""
        if self._store is not None:
            kept = self._store.new_empty(2, len(rows), *self._store.shape[2:])
            torch.index_select(self._store[:, :, :, : self.length], 1, rows, out=kept[:, :, :, : self.length])
            self._store = kept

    def copy(self, sources: Int[Tensor, " moved"], rows: Int[Tensor, " moved"], *, start: int = 0) -> None:
        """Give `rows` the past of `sources` from position `start` on: beams that take the place of others."""
        if self._store is not None:
            past = self._store[:, :, :, start : self.length]
            past.index_copy_(1, rows, past.index_select(1, sources))

    def _grow(self, like: Heads, needed: int) -> None:
        rows, heads, _, head = like.shape
        store = like.new_empty(2, rows, heads, max(32, 2 * needed), head)
        if self._store is not None:
            store[:, :, :, : self.length] = self._store[:, :, :, : self.length]
        self._store = store


class SelfAttention(nn.Module):
    """Multi-head attention of a sequence to itself, section 3.2.2; queries, keys and values come from one product.

    Parameters
    ----------
    d_model
        Width of the states, a multiple of `heads`.
    heads
        Number of heads h; each works in d_model / h dimensions.
    """

    def __init__(self, d_model: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query_key_value = Linear(d_model, 3 * d_model, parts=3)
        self.output = Linear(d_model, d_model)

    def project(self, states: Float[Tensor, "batch time model"]) -> tuple[Heads, Heads, Heads]:
        """Queries, keys and values of every head."""
        query, key, value = split_heads(_for_attention(self.query_key_value(states)), self.heads, parts=3)
        return query, key, value

    def forward(
        self,
        states: Float[Tensor, "batch time model"],
        *,
        mask: Bool[Tensor, "batch 1 1 time"] | None = None,
        causal: bool = False,
    ) -> Float[Tensor, "batch time model"]:
        """Attend to all positions, or to earlier ones (`causal`)."""
        query, key, value = self.project(states)
        return self.output(_merged(attend(query, key, value, mask=mask, causal=causal), self.output.weight.dtype))

    def weights(
        self,
        states: Float[Tensor, "batch time model"],
        *,
        mask: Bool[Tensor, "batch 1 1 time"] | None = None,
        causal: bool = False,
    ) -> Float[Tensor, "batch heads time time"]:
        """Where each position looks."""
        query, key, _ = self.project(states)
        return attention_weights(query, key, mask=mask, causal=causal)


class CrossAttention(nn.Module):
    """Multi-head attention from a decoder's states to an encoder's output (the memory), section 3.2.3."""

    def __init__(self, d_model: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = Linear(d_model, d_model)
        self.key_value = Linear(d_model, 2 * d_model, parts=2)
        self.output = Linear(d_model, d_model)

    def project_memory(self, memory: Float[Tensor, "batch source model"]) -> tuple[MemoryHeads, MemoryHeads]:
        """Keys and values of the memory: once a sentence, whatever is decoded from it."""
        key, value = split_heads(_for_attention(self.key_value(memory)), self.heads, parts=2)
        return key, value

    def forward(
        self,
        states: Float[Tensor, "batch time model"],
        memory: tuple[MemoryHeads, MemoryHeads],
        *,
        mask: Bool[Tensor, "batch 1 1 source"] | None = None,
    ) -> Float[Tensor, "batch time model"]:
        """Attend to the memory's keys and values, as `project_memory` gives them."""
        return self.output(_merged(attend(self._queries(states), *memory, mask=mask), self.output.weight.dtype))

    def weights(
        self,
        states: Float[Tensor, "batch time model"],
        memory: tuple[MemoryHeads, MemoryHeads],
        *,
        mask: Bool[Tensor, "batch 1 1 source"] | None = None,
    ) -> Float[Tensor, "batch heads time source"]:
        """Where each decoded position looks in the source."""
        return attention_weights(self._queries(states), memory[0], mask=mask)

    def _queries(self, states: Float[Tensor, "batch time model"]) -> Heads:
        (query,) = split_heads(_for_attention(self.query(states)), self.heads)
        return query


def _for_attention(projected: Float[Tensor, "*batch width"]) -> Float[Tensor, "*batch width"]:
    """What a CPU computes attention with in training: its kernel's gradient is seven times slower in bfloat16."""
    trained_on_cpu = projected.device.type == "cpu" and projected.dtype == torch.bfloat16 and projected.requires_grad
    return projected.float() if trained_on_cpu else projected


def _merged(heads: Heads, dtype: torch.dtype) -> Float[Tensor, "batch time model"]:
    """Heads beside each other again, in the type of the layer that they go into."""
    return heads.transpose(1, 2).flatten(2).to(dtype)
