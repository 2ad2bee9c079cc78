"""What an update trains: the rows of the tables that it touches, beside joint embeddings that stay as they are.

Of trained objects k, and of new ones c too, are parameters; W, g and v, the products of all other c with W, and the
joint embeddings of the rest are constants (DKGE, section 1 of the method).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int64
from torch import Tensor, nn

from latticework.core.movable import moved
from latticework.knowledge.batches import loss_of, placed
from latticework.knowledge.contexts import Contexts
from latticework.knowledge.encoding import Weights, encode
from latticework.knowledge.graph import KINDS
from latticework.knowledge.index import ContextIndex
from latticework.knowledge.learned import Learned
from latticework.knowledge.model import BLOCK, DKGEModel, Encoder
from latticework.knowledge.objective import Wrong
from latticework.knowledge.packing import Packed, pack
from latticework.knowledge.ragged import offsets, ranges
from latticework.knowledge.scope import Scope


@dataclass(frozen=True, eq=False)
class Touched:
    """The part of the entities, or of the relations, that an update touches.

    Attributes
    ----------
    objects
        Those with a context: trained ones, in order.
    place
        Of every object its place among them, or -1.
    contexts
        Theirs, with the rows of `rows` for elements.
    rows
        The numbers of the context elements.
    fresh
        Which of `rows` are new, so that their c is trained.
    """

    objects: Int64[np.ndarray, " objects"]
    place: Int64[np.ndarray, " all"]
    contexts: Contexts
    rows: Int64[np.ndarray, " rows"]
    fresh: Bool[np.ndarray, " rows"]

    @classmethod
    def of(cls, contexts: Contexts, objects: Int64[np.ndarray, " objects"], new: Int64[np.ndarray, " new"]) -> Touched:
        """Cut some objects out of all contexts."""
        total = len(contexts)
        place = np.full(total, -1)
        place[objects] = np.arange(len(objects))
        own = cut(contexts, objects)
        rows = np.unique(own.elements[own.elements >= 0])
        elements = np.where(own.elements >= 0, np.searchsorted(rows, own.elements), -1)
        return cls(objects, place, replace(own, elements=elements), rows, np.isin(rows, new))


def cut(contexts: Contexts, objects: Int64[np.ndarray, " objects"]) -> Contexts:
    """The contexts of some objects.

    Examples
    --------
    >>> ends = np.array([0, 1, 3])
    >>> no_edges = np.zeros(3, np.int64), np.empty((0, 2), np.int64)
    >>> contexts = Contexts(ends, np.array([[5, -1], [6, -1], [7, -1]]), *no_edges)
    >>> cut(contexts, np.array([1])).elements.tolist()
    [[6, -1], [7, -1]]
    """
    parts = []
    for ends, values in ((contexts.indptr, contexts.elements), (contexts.edge_indptr, contexts.edges)):
        begins = ends[objects]
        lengths = ends[objects + 1] - begins
        parts += [offsets(lengths), values[ranges(begins, lengths)]]
    return Contexts(*parts)


def widened(rows: Float32[np.ndarray, "known dim"], count: int) -> Float32[np.ndarray, "count dim"]:
    """The same rows, and zeros for those that are new."""
    result = np.zeros((count, rows.shape[1]), np.float32)
    result[: len(rows)] = rows
    return result


class OnlineEncoder(nn.Module):
    """The trained rows of one side beside what is frozen."""

    def __init__(
        self, encoder: Encoder, side: Touched, joint: Float32[np.ndarray, "objects dim"], *, open_gate: bool
    ) -> None:
        super().__init__()
        self.side, self.open_gate = side, open_gate
        self.knowledge = nn.Parameter(encoder.knowledge.detach()[torch.from_numpy(side.objects)].clone())
        rows, fresh = torch.from_numpy(side.rows), torch.from_numpy(side.fresh)
        self.context = nn.Parameter(encoder.context.detach()[rows[fresh]].clone())
        # Processes wait for the gradient of all that wants one.
        self.knowledge.requires_grad_(len(side.objects) > 0)
        self.context.requires_grad_(bool(fresh.any()) and not open_gate)
        for name in ("projection", "gate", "attention"):
            self.register_buffer(name, getattr(encoder, name).detach(), persistent=False)
        self.register_buffer(
            "projected", encoder.context.detach()[rows] @ encoder.projection.detach(), persistent=False
        )
        self.register_buffer("fresh", torch.from_numpy(np.flatnonzero(side.fresh)), persistent=False)
        self.register_buffer("joint", torch.from_numpy(joint), persistent=False)

    projection: Tensor
    gate: Tensor
    attention: Tensor
    projected: Tensor
    fresh: Tensor
    joint: Tensor

    def forward(self, packed: Packed, frozen: Int64[Tensor, " frozen"]) -> Float[Tensor, "rows dim"]:
        """Joint embeddings of trained objects, and after them those of frozen ones, as they are."""
        return torch.cat([self.trained(packed, self.table()), self.joint.index_select(0, frozen)])

    def table(self) -> Float[Tensor, "elements dim"]:
        """The products of c of the context elements with W, as they are now."""
        if self.open_gate or not len(self.fresh):
            return self.projected
        return self.projected.index_copy(0, self.fresh, self.context @ self.projection)

    def trained(self, packed: Packed, table: Float[Tensor, "elements dim"]) -> Float[Tensor, "batch dim"]:
        """Joint embeddings of trained objects."""
        knowledge = self.knowledge.index_select(0, packed.objects)
        if self.open_gate:
            return knowledge
        weights = Weights(self.projection, self.gate, self.attention)
        projected = table.index_select(0, packed.first)
        if packed.second is not None:
            there = packed.second >= 0
            projected = projected + table.index_select(0, packed.second.clamp(min=0)) * there[:, None]
        sources = torch.cat([projected, knowledge @ self.projection])
        return encode(knowledge, sources, weights, packed)

    @torch.no_grad()
    def current(self, padded_to: int | None) -> Float[Tensor, "objects dim"]:
        """The joint embeddings of all, trained ones as they are now."""
        joint, table, objects = self.joint.clone(), self.table(), self.side.objects
        for begin in range(0, len(objects), BLOCK):
            block = np.arange(begin, min(begin + BLOCK, len(objects)))
            packed = pack(self.side.contexts, block, padded_to=padded_to).to(joint.device)
            joint[torch.from_numpy(objects[block])] = self.trained(packed, table)
        return joint

    @torch.no_grad()
    def put_back(self, encoder: Encoder) -> None:
        """Write what was trained into the rows of the whole tables."""
        device = encoder.knowledge.device
        encoder.knowledge[torch.from_numpy(self.side.objects)] = self.knowledge.detach().to(device)
        encoder.context[torch.from_numpy(self.side.rows[self.side.fresh])] = self.context.detach().to(device)


@dataclass(frozen=True)
class OnlineBatch:
    """A batch of an update: trained objects with their contexts, frozen ones by number, and facts by place among both.

    Attributes
    ----------
    entities, relations
        The trained ones.
    frozen_entities, frozen_relations
        The others, which come after them.
    facts, wrong
        As in `LinkBatch`.
    """

    entities: Packed
    frozen_entities: Int64[Tensor, " frozen_entities"]
    relations: Packed
    frozen_relations: Int64[Tensor, " frozen_relations"]
    facts: Int64[Tensor, "batch 3"]
    wrong: Wrong

    def to(self, device: torch.device | str) -> OnlineBatch:
        """The same batch on another device."""
        return moved(self, device)


class OnlineModel(nn.Module):
    """What an update trains; called with a batch it gives the loss, as `Learner` does."""

    def __init__(
        self, learned: Learned, model: DKGEModel, index: ContextIndex, scope: Scope, *, open_gate: bool
    ) -> None:
        super().__init__()
        self.norm, self.padded_to = model.norm, model.padded_to
        sides = []
        for place, name in enumerate(KINDS):
            encoder, before = getattr(model, name), getattr(learned, name)
            joint = widened(before, len(encoder.knowledge))
            if not open_gate:  # what is not trained, but has another context than before, is already what it will be
                other = np.setdiff1d(scope.refreshed[place], scope.trained[place])
                joint[other] = model.encode(name, getattr(index, name), other).numpy()
            side = Touched.of(getattr(index, name), scope.trained[place], scope.new[place])
            sides.append(OnlineEncoder(encoder, side, joint, open_gate=open_gate))
        self.entities, self.relations = sides

    def forward(self, batch: OnlineBatch) -> Float[Tensor, ""]:
        """The summed loss of a batch."""
        entities = self.entities(batch.entities, batch.frozen_entities)
        relations = self.relations(batch.relations, batch.frozen_relations)
        return loss_of(entities, relations, batch.facts, batch.wrong, norm=self.norm)

    def pack(self, facts: Int64[np.ndarray, "batch 3"], wrong: Wrong) -> OnlineBatch:
        """A batch, on the host."""
        entities, relations, local, others = placed(facts, wrong)
        packed_entities, frozen_entities, row = self._split(self.entities.side, entities)
        packed_relations, frozen_relations, link = self._split(self.relations.side, relations)
        rows = np.stack([row[local[:, 0]], link[local[:, 1]], row[local[:, 2]]], 1)
        return OnlineBatch(
            packed_entities,
            frozen_entities,
            packed_relations,
            frozen_relations,
            torch.from_numpy(rows),
            others.placed(torch.from_numpy(row)[others.entities]),
        )

    def _split(
        self, side: Touched, numbers: Int64[np.ndarray, " distinct"]
    ) -> tuple[Packed, Int64[Tensor, " frozen"], Int64[np.ndarray, " distinct"]]:
        """Trained objects with their contexts, the numbers of frozen ones, and where each object then is."""
        place = side.place[numbers]
        trained = place >= 0
        row = np.where(trained, np.cumsum(trained) - 1, trained.sum() + np.cumsum(~trained) - 1)
        return pack(side.contexts, place[trained], padded_to=self.padded_to), torch.from_numpy(numbers[~trained]), row
