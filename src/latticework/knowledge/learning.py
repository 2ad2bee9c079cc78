"""How a model is trained: facts and corrupted facts in batches, Adam, the best filtered MRR on held-out facts kept."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Final

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import nn

from latticework.core import runs
from latticework.core.seeds import spawn
from latticework.core.task import Plan
from latticework.knowledge.batches import Learner, LinkBatch, link_batch
from latticework.knowledge.config import DKGEConfig
from latticework.knowledge.contexts import Contexts
from latticework.knowledge.graph import Graph
from latticework.knowledge.metrics import scores
from latticework.knowledge.model import DKGEModel
from latticework.knowledge.objective import Objective
from latticework.knowledge.optimiser import RowAdam, keep_freed_memory
from latticework.knowledge.translation_ranking import rank_translation
from latticework.knowledge.triples import NamedTriple

PRECISION: Final = "32"
RECIPE: Final = 1  # to be raised when how a model begins or what a step does changes: runs must not go on under another


class LinkTask:
    """Learn the facts of a graph; a `core.task.Task`.

    The number of an example says its step and its fact, so that what it is told from depends on nothing else.

    Parameters
    ----------
    model
        To train.
    graph, contexts
        The facts, and the contexts of all entities and all relations.
    validation
        Held-out facts by number; none if empty.
    config
        Figures.
    seed
        Decides the order of facts and what they are told from.
    """

    def __init__(
        self,
        model: DKGEModel,
        graph: Graph,
        contexts: tuple[Contexts, Contexts],
        validation: Int64[np.ndarray, "validation 3"],
        config: DKGEConfig,
        *,
        seed: int,
        open_gate: bool = False,
    ) -> None:
        self.module: nn.Module = Learner(model, open_gate=open_gate)
        self.model, self.graph, self.contexts, self.config, self.seed = model, graph, contexts, config, seed
        self.open_gate = open_gate
        self.validation, self.validates = validation, len(validation) > 0
        self.objective = Objective(graph, config, seed=spawn(seed, "wrong answers"))
        self.known = self.objective.sampler.known.with_more(validation)

    def batches(self, epoch: int) -> list[np.ndarray]:
        """Every fact once."""
        return numbered_batches(len(self.graph), self.config.batch_size, epoch, seed=self.seed)

    def terms(self, batch: np.ndarray) -> int:
        """Facts."""
        return len(batch)

    def inputs(self, batch: np.ndarray) -> tuple[LinkBatch]:
        """The facts, what they are told from, and the contexts of all in them."""
        step, row = divmod(batch, len(self.graph))
        facts = self.graph.triples[row]
        wrong = self.objective.draw(facts, batch, int(step[0]))
        return (link_batch(facts, wrong, self.contexts, padded_to=self.model.padded_to),)

    def validate(self) -> dict[str, float]:
        """Filtered figures on the held-out facts."""
        entities, relations = joint_embeddings(self.model, self.contexts, open_gate=self.open_gate)
        ranks = rank_translation(
            torch.from_numpy(entities),
            torch.from_numpy(relations),
            self.validation,
            self.known,
            present=self.graph.present,
            norm=self.config.norm,
        )
        found = scores(ranks)
        return {"mrr": found.mrr, "hits10": found.hits10}


def numbered_batches(count: int, size: int, epoch: int, *, seed: int) -> list[np.ndarray]:
    """All facts once in batches, fact f of step s with the number s · count + f.

    Examples
    --------
    >>> [batch // 5 for batch in numbered_batches(5, 3, epoch=2, seed=0)]
    [array([4, 4, 4]), array([5, 5])]
    """
    order = np.random.default_rng(spawn(seed, f"batches of epoch {epoch}")).permutation(count)
    batches = np.split(order, range(size, count, size))
    return [batch + (epoch * len(batches) + place) * count for place, batch in enumerate(batches)]


def joint_embeddings(
    model: DKGEModel, contexts: tuple[Contexts, Contexts], *, open_gate: bool
) -> tuple[Float32[np.ndarray, "entities dim"], Float32[np.ndarray, "relations dim"]]:
    """o* of all entities and of all relations."""
    if open_gate:
        tables = model.entities.knowledge.detach(), model.relations.knowledge.detach()
    else:
        tables = model.encode_all("entities", contexts[0]), model.encode_all("relations", contexts[1])
    entities, relations = (table.cpu().numpy().copy() for table in tables)
    return entities, relations


def training_plan(config: DKGEConfig, *, facts: int, max_epochs: int, sparse: bool = False) -> Plan:
    """Adam at a rate that falls to nothing, and how often to validate; `sparse` as of the model."""
    steps = math.ceil(facts / config.batch_size)
    return Plan(
        optimizer=partial(_adam, rate=config.learning_rate, sparse=sparse),
        learning_rate=partial(linear_decay, peak=config.learning_rate, total=steps * max_epochs),
        max_epochs=max_epochs,
        validate_every=config.validate_every * steps,
        decides="mrr",
        larger_is_better=True,
        patience=config.patience,
        terms="facts",
        if_diverged="lower learning_rate",
    )


def _adam(parameters: Iterable[nn.Parameter], *, rate: float, sparse: bool) -> torch.optim.Optimizer:
    keep_freed_memory()
    return RowAdam(parameters, lr=rate) if sparse else torch.optim.Adam(parameters, lr=rate, fused=True)


def linear_decay(step: int, *, peak: float, total: int) -> float:
    """The learning rate of step 1, 2, ...: in a straight line from the peak to nothing after the last.

    Examples
    --------
    >>> [linear_decay(step, peak=1.0, total=4) for step in (1, 3, 4)]
    [1.0, 0.5, 0.25]
    """
    return peak * max(0, total + 1 - step) / total


def fingerprint(
    settings: Mapping[str, object], config: DKGEConfig, graph: Graph, validation: Sequence[NamedTriple]
) -> str:
    """A checksum of everything that decides what a run learns, and what updates of its model do."""
    names = (graph.entities.digests(), graph.relations.digests())
    return runs.fingerprint(RECIPE, settings, config, [*names, graph.triples, json.dumps(validation).encode()])
