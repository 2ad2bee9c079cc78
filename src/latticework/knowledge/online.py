"""Online learning: bring embeddings up to date by training what changed (DKGE, section 1 of the method).

The encoders' weights W, g and v stay as they are. Trained are k of what the rule says is affected, and k and c of what
is new, with the facts that these are in. As no context element of anything else changes, nothing else does: the joint
embeddings of the rest are constants of the training. What has another context than before, but is not trained, has its
new joint embedding from the start; all else is bit for bit the same after an update.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Final

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int64, UInt64
from torch import Tensor, nn

from latticework.core.seeds import spawn
from latticework.core.training import Plan, train
from latticework.knowledge.batches import loss_of, placed
from latticework.knowledge.config import DKGEConfig
from latticework.knowledge.contexts import Contexts
from latticework.knowledge.encoding import Weights, encode
from latticework.knowledge.graph import KINDS, Graph
from latticework.knowledge.index import ContextIndex
from latticework.knowledge.learned import Learned
from latticework.knowledge.learning import falling, numbered_batches
from latticework.knowledge.metrics import scores
from latticework.knowledge.model import DKGEModel, Encoder
from latticework.knowledge.names import Names
from latticework.knowledge.objective import Objective, Wrong
from latticework.knowledge.packing import Packed, pack
from latticework.knowledge.rows import offsets, ranges
from latticework.knowledge.scope import Scope, digests_of
from latticework.knowledge.splitmix64 import mix
from latticework.knowledge.translation import rank_translation

MOST_VALIDATED: Final = 500  # facts that decide when an update stops
JUDGING: Final = 2**40  # a step that no training reaches
FEWEST_VALIDATED: Final = 50  # held-out facts about what is trained: with fewer, their MRR says too little


def grown(model: DKGEModel, sides: tuple[Names, Names], new: tuple[np.ndarray, np.ndarray], *, seed: int) -> DKGEModel:
    """The model with rows for what is new, each drawn from a seed and its name and about as long as others are."""
    dim = model.entities.knowledge.shape[1]
    with torch.device("meta"):
        other = DKGEModel(len(sides[0]), len(sides[1]), dim)
    other.norm, other.padded_to = model.norm, model.padded_to
    tables: dict[str, Tensor] = {}
    for side, names, numbers in zip(KINDS, sides, new, strict=True):
        for name, old in getattr(model, side).state_dict().items():
            if name in ("knowledge", "context"):
                drawn = _uniform(names.digests()[numbers], dim, seed=spawn(seed, f"{side} {name}"))
                usual = float(old.square().mean().sqrt()) * math.sqrt(3)  # the bound of what has the same mean square
                rows = old.new_zeros(len(names), dim)
                rows[: len(old)] = old
                rows[torch.from_numpy(numbers)] = torch.from_numpy(drawn * np.float32(usual)).to(old)
                tables[f"{side}.{name}"] = rows
            else:
                tables[f"{side}.{name}"] = old.clone()
    other.load_state_dict(tables, assign=True)
    return other.eval()


def _uniform(digests: UInt64[np.ndarray, " n"], dim: int, *, seed: int) -> Float32[np.ndarray, "n dim"]:
    """Numbers from -1 to 1 that depend on the digest, the column and the seed alone."""
    columns = np.arange(dim, dtype=np.uint64)
    drawn = mix(mix(digests ^ np.uint64(seed & 0xFFFF_FFFF_FFFF_FFFF))[:, None] + columns[None])
    return (drawn.astype(np.float64) / 2.0**63 - 1).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Side:
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
    def of(cls, contexts: Contexts, objects: Int64[np.ndarray, " objects"], new: Int64[np.ndarray, " new"]) -> Side:
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


class OnlineEncoder(nn.Module):
    """The trained rows of one side beside what is frozen."""

    def __init__(
        self, encoder: Encoder, side: Side, joint: Float32[np.ndarray, "objects dim"], *, open_gate: bool
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
        return torch.cat([self.trained(packed), self.joint.index_select(0, frozen)])

    def trained(self, packed: Packed) -> Float[Tensor, "batch dim"]:
        """Joint embeddings of trained objects."""
        knowledge = self.knowledge.index_select(0, packed.objects)
        if self.open_gate:
            return knowledge
        weights = Weights(self.projection, self.gate, self.attention)
        table = self.projected
        if len(self.fresh):
            table = table.index_copy(0, self.fresh, self.context @ self.projection)
        projected = table.index_select(0, packed.first)
        if packed.second is not None:
            there = packed.second >= 0
            projected = projected + table.index_select(0, packed.second.clamp(min=0)) * there[:, None]
        sources = torch.cat([projected, knowledge @ self.projection])
        return encode(knowledge, sources, weights, packed)

    @torch.no_grad()
    def current(self, padded_to: int | None) -> Float[Tensor, "objects dim"]:
        """The joint embeddings of all, trained ones as they are now."""
        joint = self.joint.clone()
        if len(self.side.objects):
            packed = pack(self.side.contexts, np.arange(len(self.side.objects)), padded_to=padded_to)
            joint[torch.from_numpy(self.side.objects)] = self.trained(packed.to(joint.device))
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
        return OnlineBatch(*(getattr(self, each.name).to(device) for each in fields(self)))


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
            joint = np.zeros((len(encoder.knowledge), before.shape[1]), np.float32)
            joint[: len(before)] = before
            if not open_gate:  # what is not trained, but has another context than before, is already what it will be
                other = np.setdiff1d(scope.refreshed[place], scope.trained[place])
                joint[other] = model.encode(name, getattr(index, name), other).numpy()
            side = Side.of(getattr(index, name), scope.trained[place], scope.new[place])
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
        self, side: Side, numbers: Int64[np.ndarray, " distinct"]
    ) -> tuple[Packed, Int64[Tensor, " frozen"], Int64[np.ndarray, " distinct"]]:
        """Trained objects with their contexts, the numbers of frozen ones, and where each object then is."""
        place = side.place[numbers]
        trained = place >= 0
        row = np.where(trained, np.cumsum(trained) - 1, trained.sum() + np.cumsum(~trained) - 1)
        return pack(side.contexts, place[trained], padded_to=self.padded_to), torch.from_numpy(numbers[~trained]), row


class OnlineTask:
    """Learn what changed; a `core.training.Task`.

    Judged by the filtered MRR on held-out facts that name something trained, or where there are few of them by the loss
    of facts beside wrong answers that stay the same.
    """

    def __init__(
        self,
        model: OnlineModel,
        graph: Graph,
        scope: Scope,
        validation: Int64[np.ndarray, "validation 3"],
        config: DKGEConfig,
        *,
        seed: int,
    ) -> None:
        self.module: nn.Module = model
        self.model, self.graph, self.facts, self.config, self.seed = model, graph, scope.facts, config, seed
        self.objective = Objective(graph, config, seed=spawn(seed, "wrong answers"))
        about = np.isin(validation[:, [0, 2]], scope.trained[0]).any(1) | np.isin(validation[:, 1], scope.trained[1])
        about_trained = validation[about]
        chosen = np.argsort(digests_of(graph, about_trained), kind="stable")[:MOST_VALIDATED]  # whatever their numbers
        self.validation = about_trained[np.sort(chosen)]
        self.known = self.objective.sampler.known.with_more(validation)
        self.validates = True
        self.judged = self.facts[:: max(1, len(self.facts) // MOST_VALIDATED)]
        self.decides = "mrr" if len(self.validation) >= FEWEST_VALIDATED else "loss"

    def batches(self, epoch: int) -> list[np.ndarray]:
        """Every fact once."""
        return numbered_batches(len(self.facts), self.config.batch_size, epoch, seed=self.seed)

    def terms(self, batch: np.ndarray) -> int:
        """Facts."""
        return len(batch)

    def inputs(self, batch: np.ndarray) -> tuple[OnlineBatch]:
        """The facts, what they are told from, and the contexts of what is trained among them."""
        step, row = divmod(batch, len(self.facts))
        facts = self.facts[row]
        return (self.model.pack(facts, self.objective.draw(facts, batch, int(step[0]))),)

    def validate(self) -> dict[str, float]:
        """What decides when to stop."""
        if self.decides == "loss":
            wrong = self.objective.draw(self.judged, -1 - np.arange(len(self.judged)), JUDGING)
            with torch.no_grad():
                loss = self.model(self.model.pack(self.judged, wrong).to(self.model.entities.joint.device))
            return {"loss": float(loss) / len(self.judged)}
        entities, relations = (
            side.current(self.model.padded_to) for side in (self.model.entities, self.model.relations)
        )
        ranks = rank_translation(
            entities, relations, self.validation, self.known, present=self.graph.present, norm=self.config.norm
        )
        return {"mrr": scores(ranks).mrr}


def online_plan(config: DKGEConfig, task: OnlineTask) -> Plan:
    """Adam on the trained rows alone, at a rate that falls to nothing, stopped early."""
    steps = math.ceil(len(task.facts) / config.batch_size)
    return Plan(
        optimizer=partial(torch.optim.Adam, lr=config.update_learning_rate, fused=True),
        learning_rate=partial(falling, peak=config.update_learning_rate, total=steps * config.update_epochs),
        max_epochs=config.update_epochs,
        validate_every=steps,
        decides=task.decides,
        larger_is_better=task.decides == "mrr",
        patience=config.patience,
        terms="facts",
        if_diverged="lower update_learning_rate",
    )


def learn_online(
    learned: Learned,
    graph: Graph,
    index: ContextIndex,
    scope: Scope,
    validation: Int64[np.ndarray, "validation 3"],
    config: DKGEConfig,
    *,
    seed: int,
    device: str,
) -> tuple[Learned, int]:
    """Train what an update affects, and refresh what it changed; the state after it, and after how many epochs."""
    model = grown(learned.model, (graph.entities, graph.relations), scope.new, seed=seed)
    if config.new_entities == "translation":
        place_by_facts(model, learned, graph, scope)
    epochs = 0
    if len(scope.facts):
        online = OnlineModel(learned, model, index, scope, open_gate=learned.open_gate)
        task = OnlineTask(online, graph, scope, validation, config, seed=seed)
        history = train(task, online_plan(config, task), seed=seed, device=device, precision="32")
        epochs = int(history[-1]["epoch"]) + 1  # they are counted from 0, and each ends with a validation
        online.entities.put_back(model.entities)
        online.relations.put_back(model.relations)
    joint = []
    for place, name in enumerate(KINDS):
        before, numbers = getattr(learned, name), scope.refreshed[place]
        rows = np.zeros((len(getattr(model, name).knowledge), before.shape[1]), np.float32)
        rows[: len(before)] = before
        if learned.open_gate:
            rows[numbers] = getattr(model, name).knowledge.detach()[torch.from_numpy(numbers)].numpy()
        else:
            rows[numbers] = model.encode(name, getattr(index, name), numbers).numpy()
        joint.append(rows)
    return Learned(graph, model, joint[0], joint[1], index.max_context, learned.open_gate, index), epochs


@torch.no_grad()
def place_by_facts(model: DKGEModel, learned: Learned, graph: Graph, scope: Scope) -> None:
    """Begin k of new entities where their facts put them: the mean of h* + r* and t* - r* over the ends that are known.

    Differs from the published code, which draws them: a new entity then begins nowhere near its facts. Those whose
    facts have no known end stay as drawn.
    """
    known, kinds = len(learned.entities), len(learned.relations)
    heads, relations, tails = scope.facts.T
    new = np.zeros(len(graph.entities), bool)
    new[scope.new[0]] = True
    was = np.zeros(len(graph.entities), bool)
    was[:known] = True
    was &= ~new
    usable = (relations < kinds) & ~np.isin(relations, scope.new[1])
    total = np.zeros((len(graph.entities), learned.entities.shape[1]), np.float32)
    count = np.zeros(len(graph.entities), np.int64)
    for end, other, sign in ((heads, tails, -1), (tails, heads, 1)):
        rows = np.flatnonzero(usable & new[end] & was[other])
        points = learned.entities[other[rows]] + sign * learned.relations[relations[rows]]
        np.add.at(total, end[rows], points)
        np.add.at(count, end[rows], 1)
    placed = np.flatnonzero(count)
    means = torch.from_numpy(total[placed] / count[placed, None])
    model.entities.knowledge[torch.from_numpy(placed)] = means.to(model.entities.knowledge)
