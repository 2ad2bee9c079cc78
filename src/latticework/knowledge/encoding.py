"""The encoder of DKGE: an attentive graph convolution over the context of an object, and a gate.

H = ReLU(D^-½ A D^-½ [k; c_1 … c_n] W), α = softmax(v·ReLU(H_i ⊙ k)), o* = σ(g) ⊙ k + (1 - σ(g)) ⊙ Σ α_i H_i.

Pure functions on tensors: which rows are trained, and which products with W are kept from before, is the caller's
choice. As H is not negative, v·ReLU(H_i ⊙ k) is H_i·q with q = v ⊙ ReLU(k).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import embedding_bag

from latticework.core.sharding import is_shared, rows_of_all
from latticework.knowledge.packing import Packed


class Weights(NamedTuple):
    """What all entities, or all relations, share."""

    projection: Float[Tensor, "dim dim"]
    gate: Float[Tensor, " dim"]
    attention: Float[Tensor, " dim"]


def project(
    table: Float[Tensor, "rows dim"],
    knowledge: Float[Tensor, "batch dim"],
    weights: Weights,
    packed: Packed,
    *,
    sparse: bool = False,
) -> Float[Tensor, "sources dim"]:
    """The sources of a batch: products with W of its distinct context elements, then of its objects.

    Parameters
    ----------
    table
        The embeddings c of all entities, or of all relations.
    knowledge
        The embeddings k of ``packed.objects``.
    weights, packed
        On the same device.
    sparse
        Whether the gradient of the table holds the rows of the batch only; never where elements are pairs.
    """
    if is_shared(table):
        return torch.cat([rows_of(table, packed.first, sparse=sparse), knowledge]) @ weights.projection
    if packed.second is None:
        given = table, packed.first, knowledge, weights.projection, sparse
        sources: Tensor = Products.apply(*given)  # type: ignore[no-untyped-call]
        return sources
    products = table @ weights.projection  # there are no more rows than relations
    second = products.index_select(0, packed.second.clamp(min=0)) * (packed.second >= 0)[:, None]
    return torch.cat([products.index_select(0, packed.first) + second, knowledge @ weights.projection])


def rows_of(
    table: Float[Tensor, "rows dim"], rows: Int64[Tensor, " batch"], *, sparse: bool = False
) -> Float[Tensor, "batch dim"]:
    """Distinct rows of a table, in rising order where the gradient is to be sparse or processes share the table.

    Examples
    --------
    >>> table = torch.ones(3, 2, requires_grad=True)
    >>> rows_of(table, torch.tensor([0, 2]), sparse=True).sum().backward()
    >>> table.grad.indices().tolist()
    [[0, 2]]
    """
    if is_shared(table):
        return rows_of_all(table, rows, sparse=sparse)
    gathered: Tensor = RowsOf.apply(table, rows, sparse)  # type: ignore[no-untyped-call]
    return gathered


class RowsOf(torch.autograd.Function):
    """A gather of distinct rows: its gradient need not add up."""

    @staticmethod
    def forward(ctx: Any, table: Tensor, rows: Tensor, sparse: bool) -> Tensor:  # noqa: D102
        ctx.save_for_backward(rows)
        ctx.shape, ctx.sparse = table.shape, sparse
        return table.index_select(0, rows)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # noqa: D102
        (rows,) = ctx.saved_tensors
        return _in_table(grad, rows, ctx.shape, sparse=ctx.sparse), None, None


class Products(torch.autograd.Function):
    """[table[rows]; knowledge] @ matrix for distinct rows, in the order that MKL is quicker at."""

    @staticmethod
    def forward(  # noqa: D102
        ctx: Any, table: Tensor, rows: Tensor, knowledge: Tensor, matrix: Tensor, sparse: bool
    ) -> Tensor:
        stacked = table.new_empty(len(rows) + len(knowledge), table.shape[1])
        torch.index_select(table.detach(), 0, rows, out=stacked[: len(rows)])
        stacked[len(rows) :] = knowledge.detach()
        ctx.save_for_backward(rows, stacked, matrix)
        ctx.shape, ctx.sparse = table.shape, sparse
        return stacked @ matrix.T.contiguous().T

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # noqa: D102
        rows, stacked, matrix = ctx.saved_tensors
        of_stacked = grad @ matrix.T
        of_table, of_knowledge = of_stacked[: len(rows)], of_stacked[len(rows) :]
        wanted = ctx.needs_input_grad[0]
        in_table = _in_table(of_table, rows, ctx.shape, sparse=ctx.sparse) if wanted else None
        of_matrix = stacked.T @ grad if ctx.needs_input_grad[3] else None
        return in_table, None, of_knowledge, of_matrix, None


def _in_table(values: Tensor, rows: Tensor, shape: torch.Size, *, sparse: bool) -> Tensor:
    if sparse:
        return torch.sparse_coo_tensor(rows[None], values, shape, is_coalesced=True, check_invariants=False)
    return values.new_zeros(shape).index_copy_(0, rows, values)


def encode(
    knowledge: Float[Tensor, "batch dim"],
    sources: Float[Tensor, "sources dim"],
    weights: Weights,
    packed: Packed,
) -> Float[Tensor, "batch dim"]:
    """Joint embeddings o* of a batch.

    Parameters
    ----------
    knowledge
        The embeddings k of ``packed.objects``.
    sources
        Products with W: of the embeddings c of ``packed.first`` (plus ``packed.second``), however come by, then of
        `knowledge`. What `project` returns.
    weights, packed
        On the same device.
    """
    return encode_attending(knowledge, sources, weights, packed)[0]


def encode_attending(
    knowledge: Float[Tensor, "batch dim"],
    sources: Float[Tensor, "sources dim"],
    weights: Weights,
    packed: Packed,
) -> tuple[Float[Tensor, "batch dim"], Float[Tensor, " nodes"]]:
    """Joint embeddings as by `encode`, and the weights α of all nodes, which carry no gradient."""
    gate, attention = weights.gate, weights.attention
    joint, alpha = AttentiveEncoding.apply(knowledge, sources, gate, attention, packed)  # type: ignore[no-untyped-call]
    return joint, alpha


class AttentiveEncoding(torch.autograd.Function):
    """The encoder after its product with W, and its gradient; there is no gradient of a gradient.

    All sums over nodes are weighted bags of rows, in either direction: no scatter, so a result does not depend on the
    order in which threads come by.
    """

    @staticmethod
    def forward(  # noqa: D102
        ctx: Any, knowledge: Tensor, sources: Tensor, gate: Tensor, attention: Tensor, packed: Packed
    ) -> tuple[Tensor, Tensor]:
        # detached: a bag of rows that want a gradient prepares for it
        query = torch.relu(knowledge.detach()).mul_(attention.detach())
        hidden = _bags(sources.detach(), packed.row_source, packed.row_begin, packed.row_value).relu_()
        logits = _dots(hidden, query, packed)
        if packed.pads is not None:
            logits += packed.pads
        alpha = _softmax(logits, packed)
        pooled = _bags(hidden, _all(hidden), packed.begin, alpha)
        ctx.save_for_backward(knowledge, gate, attention, query, hidden, alpha, pooled)
        ctx.packed = packed
        ctx.mark_non_differentiable(alpha)
        return torch.lerp(pooled, knowledge, torch.sigmoid(gate)), alpha

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:  # noqa: D102
        knowledge, gate, attention, query, hidden, alpha, pooled = ctx.saved_tensors
        packed: Packed = ctx.packed
        share = torch.sigmoid(gate)
        of_knowledge = grad * share
        of_gate = (knowledge - pooled).mul_(of_knowledge).sum(0) * (1 - share)

        of_pooled = grad - of_knowledge
        mean = (of_pooled * pooled).sum(-1)
        of_logits = alpha * (_dots(hidden, of_pooled, packed) - mean.index_select(0, packed.owner))
        of_query = _bags(hidden, _all(hidden), packed.begin, of_logits)
        # of H_i: α_i times that of the sum, and that of the logit times the query
        pairs = torch.stack([packed.owner, packed.owner + len(query)], 1)
        of_hidden = embedding_bag(
            pairs, torch.cat([of_pooled, query]), mode="sum", per_sample_weights=torch.stack([alpha, of_logits], 1)
        )
        torch.ops.aten.threshold_backward.grad_input(of_hidden, hidden, 0, grad_input=of_hidden)
        of_sources = _bags(of_hidden, packed.column_node, packed.column_begin, packed.column_value)

        torch.ops.aten.threshold_backward.grad_input(of_query, knowledge, 0, grad_input=of_query)  # of v times k
        of_attention = (of_query * knowledge).sum(0)
        return of_knowledge.addcmul_(of_query, attention), of_sources, of_gate, of_attention, None


def _bags(rows: Tensor, which: Tensor, begin: Tensor, weights: Tensor) -> Tensor:
    """Weighted sums of rows, one for each stretch of `which`."""
    return embedding_bag(which, rows, begin, mode="sum", per_sample_weights=weights, include_last_offset=True)


def _all(rows: Tensor) -> Tensor:
    return torch.arange(len(rows), dtype=torch.int32, device=rows.device)


def _dots(hidden: Tensor, rows: Tensor, packed: Packed) -> Tensor:
    """The inner product of each node with the row of its object: what a bag computes as the gradient of its weights."""
    dots: Tensor = torch.ops.aten._embedding_bag_per_sample_weights_backward(
        rows, hidden, _all(hidden), packed.begin, packed.owner, 0
    )
    return dots


def _softmax(logits: Tensor, packed: Packed) -> Tensor:
    """Over the nodes of each object, as rows of a table."""
    table = logits.new_full((len(packed) * packed.width,), -torch.inf)
    table[packed.place] = logits
    return table.view(-1, packed.width).softmax(-1).view(-1).index_select(0, packed.place)
