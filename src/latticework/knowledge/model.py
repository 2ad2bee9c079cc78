"""DKGE's model: knowledge and contextual-element embeddings of entities and relations, and two encoders."""

from __future__ import annotations

import math
from typing import Final, get_args

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from latticework.core.checks import one_of
from latticework.knowledge.choices import Compat
from latticework.knowledge.contexts import Contexts
from latticework.knowledge.encoding import Weights, encode, encode_attending, project, rows_of
from latticework.knowledge.graph import Kind
from latticework.knowledge.packing import Packed, pack

BLOCK: Final = 4096  # objects that are encoded at a time when all are


class Encoder(nn.Module):
    """The tables and weights of all entities, or of all relations.

    Attributes
    ----------
    knowledge, context
        k and c: a row for each object.
    projection, gate, attention
        W, g and v.
    """

    def __init__(
        self,
        objects: int,
        dim: int,
        *,
        compat: str = "paper",
        sparse: bool = False,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.sparse = sparse
        side = 1 / math.sqrt(dim)
        unit = math.sqrt(3 / dim)  # rows of unit length, on average, whatever the number of objects
        bound = math.sqrt(6 / (objects + dim)) if compat == "reference" else unit
        self.knowledge = nn.Parameter(torch.empty(objects, dim).uniform_(-bound, bound, generator=generator))
        context = torch.empty(objects, dim).uniform_(-unit, unit, generator=generator)
        if compat == "reference":
            context.normal_(generator=generator)
        self.context = nn.Parameter(context)
        self.projection = nn.Parameter(torch.empty(dim, dim).uniform_(-side, side, generator=generator))
        self.gate = nn.Parameter(torch.rand(dim, generator=generator))
        self.attention = nn.Parameter(torch.rand(dim, generator=generator))

    @property
    def weights(self) -> Weights:
        """W, g and v."""
        return Weights(self.projection, self.gate, self.attention)

    def forward(self, packed: Packed) -> Float[Tensor, "batch dim"]:
        """Joint embeddings o* of distinct objects."""
        knowledge = rows_of(self.knowledge, packed.objects, sparse=self.sparse)
        sources = project(self.context, knowledge, self.weights, packed, sparse=self.sparse)
        return encode(knowledge, sources, self.weights, packed)


class DKGEModel(nn.Module):
    """Joint embeddings of entities and of relations.

    Parameters
    ----------
    entities, relations
        How many there are.
    dim
        Width of all embeddings.
    norm
        Of the translation by which facts are judged: 1 or 2.
    compat
        "paper", or "reference" for what the published code does: its initial values (k uniform within
        ±√(6/(rows + dim)), c standard normal) and, with `max_context`, its pads, which take part.
        Differs from the published code in "paper": k and c start uniform with rows of unit length on average. Its own
        values shrink k with the size of the graph, and make c some fifty times as long as k on YAGO.
    max_context
        What contexts are cut to; what "reference" pads them to.
    sparse
        Whether the gradients of the tables of entities hold the rows of a batch only, for `RowAdam`, `SparseAdam` or
        `SGD`. Worth it when a batch touches few rows: of a table of 27,000 it touches a third, and PyTorch's fused Adam
        is quicker on all rows than `RowAdam` on these.
    generator
        Draws the initial values.

    Examples
    --------
    >>> no_edges = np.zeros(3, np.int64), np.zeros((0, 2), np.int64)
    >>> contexts = Contexts(np.array([0, 1, 2]), np.array([[1, -1], [0, -1]]), *no_edges)
    >>> model = DKGEModel(2, 2, 8, generator=torch.Generator().manual_seed(0))
    >>> model.encode_all("entities", contexts).shape
    torch.Size([2, 8])
    """

    def __init__(
        self,
        entities: int,
        relations: int,
        dim: int = 100,
        *,
        norm: int = 2,
        compat: str = "paper",
        max_context: int = 30,
        sparse: bool = False,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        one_of("compat", compat, get_args(Compat))
        self.norm = norm
        self.padded_to = max_context if compat == "reference" else None
        self.entities = Encoder(entities, dim, compat=compat, sparse=sparse, generator=generator)
        self.relations = Encoder(relations, dim, compat=compat, generator=generator)

    @property
    def tables(self) -> tuple[nn.Parameter, nn.Parameter]:
        """What grows with the graph, and of which a batch reads some rows: k and c of the entities."""
        return self.entities.knowledge, self.entities.context

    def train_contexts(self, wanted: bool, /) -> None:
        """Whether what only contexts need is to be trained; where not, processes must not wait for its gradient."""
        for encoder in (self.entities, self.relations):
            for weight in (encoder.context, encoder.projection, encoder.gate, encoder.attention):
                weight.requires_grad_(wanted)

    def encode_all(self, kind: Kind, contexts: Contexts) -> Float[Tensor, "objects dim"]:
        """The joint embeddings of all entities, or of all relations, in the order of their numbers."""
        return self.encode(kind, contexts, np.arange(len(contexts)))

    @torch.no_grad()
    def encode(self, kind: Kind, contexts: Contexts, numbers: Int64[np.ndarray, " some"]) -> Float[Tensor, "some dim"]:
        """The joint embeddings of some of them, given by number."""
        encoder = self.entities if kind == "entities" else self.relations
        knowledge = encoder.knowledge
        joint = knowledge.new_empty(len(numbers), knowledge.shape[1])
        for begin in range(0, len(numbers), BLOCK):
            block = numbers[begin : begin + BLOCK]
            packed = pack(contexts, block, padded_to=self.padded_to, dtype=joint.dtype).to(knowledge.device)
            joint[begin : begin + BLOCK] = encoder(packed)
        return joint

    @torch.no_grad()
    def attention(self, kind: Kind, contexts: Contexts, number: int) -> Float[Tensor, " nodes"]:
        """The weights α of an object itself and of its context elements; with "reference", then that of all pads.

        What the object keeps of itself beside them is ``sigmoid(gate)``, in each dimension.
        """
        encoder = self.entities if kind == "entities" else self.relations
        dtype, device = encoder.projection.dtype, encoder.projection.device
        packed = pack(contexts, np.array([number]), padded_to=self.padded_to, dtype=dtype).to(device)
        knowledge = encoder.knowledge[packed.objects]
        sources = project(encoder.context, knowledge, encoder.weights, packed)
        return encode_attending(knowledge, sources, encoder.weights, packed)[1]
