"""What facts are told from: corrupted triples of their own, as in the paper, or a pool of entities for a whole batch.

The paper's loss has a margin that each corrupted triple must keep. The other, which learns more from a pass over the
facts, is the cross-entropy of the true end of a fact among the entities of a pool, as the answer to head and relation,
and as that to relation and tail. Entities that would make a known fact are no wrong answers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from latticework.core.movable import moved
from latticework.knowledge.config import NEGATIVES, DKGEConfig
from latticework.knowledge.distances import apart, distance
from latticework.knowledge.graph import Graph
from latticework.knowledge.known_triples import known_triples
from latticework.knowledge.sampling import Sampler, head_rates
from latticework.knowledge.triples import SIDES

FactRows = tuple[Float[Tensor, "batch dim"], Float[Tensor, "batch dim"], Float[Tensor, "batch dim"]]
"""The joint embeddings of the heads, the relations and the tails of a batch of facts."""


@runtime_checkable
class Wrong(Protocol):
    """Wrong answers for a batch of facts."""

    @property
    def entities(self) -> Tensor:
        """By number on the host, then by place among the encoded."""
        ...

    def placed(self, places: Tensor, /) -> Wrong:
        """The same, by place."""
        ...

    def to(self, device: torch.device | str, /) -> Wrong:
        """The same on another device."""
        ...

    def loss(self, table: Tensor, facts: FactRows, /, *, norm: int) -> Tensor:
        """Summed over the facts; `table` are the joint embeddings that places count in, "entities dim"."""
        ...


@dataclass(frozen=True)
class Corrupted:
    """Corrupted triples of each fact, and the margin loss.

    Attributes
    ----------
    entities
        What takes the place of an end.
    at_head
        Whether it takes that of the head.
    margin
        γ.
    """

    entities: Int64[Tensor, "batch negatives"]
    at_head: Bool[Tensor, "batch negatives"]
    margin: float

    def placed(self, places: Int64[Tensor, "batch negatives"]) -> Corrupted:
        """The same, by place."""
        return replace(self, entities=places)

    def to(self, device: torch.device | str) -> Corrupted:
        """The same on another device."""
        return moved(self, device)

    def loss(self, table: Float[Tensor, "entities dim"], facts: FactRows, *, norm: int) -> Float[Tensor, ""]:
        """Σ max(0, γ + f(fact) - f(corrupted)), over all corrupted triples."""
        heads, relations, tails = facts
        wrong = table.index_select(0, self.entities.flatten()).view(*self.entities.shape, -1)
        # What a corrupted end is compared with: t - r where it is a head, h + r where it is a tail.
        at_head = self.at_head[..., None]
        wanted = torch.where(at_head, (tails - relations)[:, None], (heads + relations)[:, None])
        far = torch.linalg.vector_norm(wanted - wrong, ord=norm, dim=-1)
        return margin_loss(distance(heads, relations, tails, norm=norm), far, margin=self.margin)


def margin_loss(
    positive: Float[Tensor, " batch"], negative: Float[Tensor, "batch negatives"], *, margin: float
) -> Float[Tensor, ""]:
    """Σ max(0, γ + f(positive) - f(negative)) over all positives and the negatives of each.

    Examples
    --------
    >>> margin_loss(torch.tensor([1.0, 1.0]), torch.tensor([[4.0, 20.0], [11.0, 8.0]]), margin=10.0)
    tensor(10.)
    """
    return torch.relu(margin + positive[:, None] - negative).sum()


@dataclass(frozen=True)
class Pool:
    """Entities that stand in for the heads and for the tails of all facts of a batch, and their cross-entropy.

    Attributes
    ----------
    entities
        Distinct ones.
    known
        Where a fact with one of them as head ([:, 0]) or as tail ([:, 1]) would be true.
    sharpness
        What distances are multiplied by before the softmax.
    """

    entities: Int64[Tensor, " pool"]
    known: Bool[Tensor, "batch two pool"]
    sharpness: float

    def placed(self, places: Int64[Tensor, " pool"]) -> Pool:
        """The same, by place."""
        return replace(self, entities=places)

    def to(self, device: torch.device | str) -> Pool:
        """The same on another device."""
        return moved(self, device)

    def loss(self, table: Float[Tensor, "entities dim"], facts: FactRows, *, norm: int) -> Float[Tensor, ""]:
        """Σ log Σ exp s(f(fact) - f(other)), over both ends of the facts, the fact itself being one of the others."""
        heads, relations, tails = facts
        pool = table.index_select(0, self.entities)
        own = distance(heads, relations, tails, norm=norm)
        points = torch.stack([tails - relations, heads + relations], 1)
        far = apart(points.flatten(0, 1), pool, norm=norm).view(self.known.shape)
        margins = (own[:, None, None] - far).mul(self.sharpness).masked_fill(self.known, -torch.inf)
        return torch.nn.functional.softplus(margins.logsumexp(-1)).sum()


class Objective:
    """Draws what facts are told from; the same for the same numbers, whatever else is in a batch.

    Parameters
    ----------
    graph
        The true facts, and the entities that may be wrong answers.
    config
        Figures.
    seed
        Decides what is drawn.
    """

    def __init__(self, graph: Graph, config: DKGEConfig, *, seed: int) -> None:
        self.config, self.seed, self.negatives = config, seed, config.negatives or NEGATIVES[config.loss]
        rates = head_rates(
            graph.triples, len(graph.relations), rule="reference" if config.compat == "reference" else config.corruption
        )
        self.sampler = Sampler(known_triples(graph), np.flatnonzero(graph.present), rates, seed)

    def draw(self, facts: Int64[np.ndarray, "batch 3"], numbers: Int64[np.ndarray, " batch"], step: int) -> Wrong:
        """Wrong answers for facts; `numbers` are those of the examples, `step` is the same for all of a batch."""
        entities = self.sampler.entities
        if self.config.loss == "margin":
            wrong = self.sampler.corrupt(facts, numbers, negatives=self.negatives)
            at_head = wrong[:, :, 0] != facts[:, None, 0]
            taken = np.where(at_head, wrong[:, :, 0], wrong[:, :, 2])
            return Corrupted(torch.from_numpy(taken), torch.from_numpy(at_head), self.config.margin)
        generator = np.random.default_rng([self.seed & 0xFFFF_FFFF_FFFF_FFFF, step])
        size = min(self.negatives, len(entities))
        pool = np.sort(generator.choice(entities, size, replace=False, shuffle=False))
        return Pool(torch.from_numpy(pool), torch.from_numpy(self._known(facts, pool)), self.config.sharpness)

    def _known(
        self, facts: Int64[np.ndarray, "batch 3"], pool: Int64[np.ndarray, " pool"]
    ) -> Bool[np.ndarray, "batch 2 pool"]:
        """Where an entity of the pool would make a known fact: looked up once for each question of the batch."""
        known = self.sampler.known
        column = np.full(known.entities, -1)
        column[pool] = np.arange(len(pool))
        found = np.zeros((2, len(facts), len(pool)), bool)
        heads, relations, tails = facts.T
        for place, side in enumerate(SIDES):
            asked = known.questions(side, tails if side == "head" else heads, relations)
            columns = column[asked.answers.members]
            there = columns >= 0
            of_questions = np.zeros((len(asked.ends), len(pool)), bool)
            of_questions[asked.answers.rows[there], columns[there]] = True
            found[place] = of_questions[asked.question]
        return np.ascontiguousarray(found.transpose(1, 0, 2))
