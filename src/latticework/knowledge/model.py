"""DKGE's model: knowledge and contextual-element embeddings of entities and relations, and two encoders.

A training step packs its batch on the host (`pack_triples`): every entity and relation in it is encoded once, however
many triples name it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from latticework.core.errors import InputError
from latticework.knowledge.contexts import Contexts
from latticework.knowledge.encoding import Weights, encode, encode_attending, project, rows_of
from latticework.knowledge.packing import Packed, distinct_numbers, pack
from latticework.knowledge.scores import MARGIN, distance, margin_loss

Kind = Literal["entities", "relations"]
COMPAT: Final = ("paper", "reference")
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


@dataclass(frozen=True)
class Batch:
    """Positives and their negatives, and what is needed to encode all that they name; made by `pack_triples`.

    Attributes
    ----------
    entities, relations
        All that the triples name, each once.
    triples
        Each positive, then its negatives, as places in `entities`, `relations`, `entities`.
    """

    entities: Packed
    relations: Packed
    triples: Int64[Tensor, "batch one_and_negatives 3"]

    def to(self, device: torch.device | str) -> Batch:
        """The same batch on another device."""
        triples = self.triples.to(device, non_blocking=True)
        return Batch(self.entities.to(device), self.relations.to(device), triples)


def pack_triples(
    entities: Contexts,
    relations: Contexts,
    positives: Int64[np.ndarray, "batch 3"],
    negatives: Int64[np.ndarray, "batch negatives 3"],
    *,
    padded_to: int | None = None,
    dtype: torch.dtype = torch.float32,
) -> Batch:
    """Pack a batch of positives and their negatives, on the host.

    Parameters
    ----------
    entities, relations
        The contexts of all of them.
    positives, negatives
        Triples of numbers.
    padded_to, dtype
        As for `pack`.
    """
    every = np.concatenate([positives[:, None], negatives], 1)
    ends, end = distinct_numbers(every[..., [0, 2]])
    links, link = distinct_numbers(every[..., 1])
    return Batch(
        pack(entities, ends, padded_to=padded_to, dtype=dtype),
        pack(relations, links, padded_to=padded_to, dtype=dtype),
        torch.from_numpy(np.stack([end[..., 0], link, end[..., 1]], -1)),
    )


class DKGEModel(nn.Module):
    """Joint embeddings of entities and relations, scored by translation.

    Parameters
    ----------
    entities, relations
        How many there are.
    dim
        Width of all embeddings.
    norm
        Of the translation: 1 or 2.
    margin
        γ of the loss.
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
        margin: float = MARGIN,
        compat: str = "paper",
        max_context: int = 30,
        sparse: bool = False,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        if compat not in COMPAT:
            raise InputError(f"compat must be one of {', '.join(COMPAT)}, got {compat!r}")
        self.norm = norm
        self.margin = margin
        self.padded_to = max_context if compat == "reference" else None
        self.entities = Encoder(entities, dim, compat=compat, sparse=sparse, generator=generator)
        self.relations = Encoder(relations, dim, compat=compat, generator=generator)

    def pack(
        self,
        entities: Contexts,
        relations: Contexts,
        positives: Int64[np.ndarray, "batch 3"],
        negatives: Int64[np.ndarray, "batch negatives 3"],
    ) -> Batch:
        """`pack_triples` as this model wants it."""
        dtype = self.entities.projection.dtype
        return pack_triples(entities, relations, positives, negatives, padded_to=self.padded_to, dtype=dtype)

    def forward(self, batch: Batch) -> Float[Tensor, ""]:
        """The summed margin loss of a batch."""
        entities, relations = self.entities(batch.entities), self.relations(batch.relations)
        distances = self.distances(entities, relations, batch.triples)
        return margin_loss(distances[:, 0], distances[:, 1:], margin=self.margin)

    def distances(
        self,
        entities: Float[Tensor, "entities dim"],
        relations: Float[Tensor, "relations dim"],
        triples: Int64[Tensor, "*triples 3"],
    ) -> Float[Tensor, "*triples"]:
        """How far triples are from true, given joint embeddings; triples are numbers of their rows."""
        head, link, tail = triples.reshape(-1, 3).T
        h, r, t = entities.index_select(0, head), relations.index_select(0, link), entities.index_select(0, tail)
        return distance(h, r, t, norm=self.norm).view(triples.shape[:-1])

    @torch.no_grad()
    def encode_all(self, kind: Kind, contexts: Contexts) -> Float[Tensor, "objects dim"]:
        """The joint embeddings of all entities, or of all relations, in the order of their numbers."""
        encoder = self.entities if kind == "entities" else self.relations
        total, device = len(encoder.knowledge), encoder.knowledge.device
        joint = torch.empty_like(encoder.knowledge)
        for begin in range(0, total, BLOCK):
            objects = np.arange(begin, min(begin + BLOCK, total))
            packed = pack(contexts, objects, padded_to=self.padded_to, dtype=joint.dtype).to(device)
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
