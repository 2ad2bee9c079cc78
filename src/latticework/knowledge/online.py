"""Online learning: bring embeddings up to date by training what changed (DKGE, section 1 of the method).

The encoders' weights W, g and v stay as they are. Trained are k of what the rule says is affected, and k and c of what
is new, with the facts that these are in. As no context element of anything else changes, nothing else does: the joint
embeddings of the rest are constants of the training. What has another context than before, but is not trained, has its
new joint embedding from the start; all else is bit for bit the same after an update.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Final

import numpy as np
import torch
from jaxtyping import Int64
from torch import nn

from latticework.core.seeds import spawn
from latticework.core.task import Plan
from latticework.core.training import train
from latticework.knowledge.config import DKGEConfig
from latticework.knowledge.graph import KINDS, Graph
from latticework.knowledge.index import ContextIndex
from latticework.knowledge.learned import Learned
from latticework.knowledge.learning import PRECISION, linear_decay, numbered_batches
from latticework.knowledge.metrics import scores
from latticework.knowledge.new_entities import grown, place_by_facts
from latticework.knowledge.objective import Objective
from latticework.knowledge.online_model import OnlineBatch, OnlineModel, widened
from latticework.knowledge.scope import Scope, digests_of
from latticework.knowledge.translation_ranking import rank_translation

MOST_VALIDATED: Final = 500  # facts that decide when an update stops
JUDGING: Final = 2**40  # a step that no training reaches
FEWEST_VALIDATED: Final = 50  # held-out facts about what is trained: with fewer, their MRR says too little


class OnlineTask:
    """Learn what changed; a `core.task.Task`.

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
            side.current(self.model.padded_to).cpu() for side in (self.model.entities, self.model.relations)
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
        learning_rate=partial(linear_decay, peak=config.update_learning_rate, total=steps * config.update_epochs),
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
        history = train(task, online_plan(config, task), seed=seed, device=device, precision=PRECISION)
        epochs = int(history[-1]["epoch"]) + 1  # they are counted from 0, and each ends with a validation
        online.entities.put_back(model.entities)
        online.relations.put_back(model.relations)
    joint = []
    for place, name in enumerate(KINDS):
        knowledge, numbers = getattr(model, name).knowledge.detach(), scope.refreshed[place]
        rows = widened(getattr(learned, name), len(knowledge))
        if learned.open_gate:
            rows[numbers] = knowledge[torch.from_numpy(numbers)].numpy()
        else:
            rows[numbers] = model.encode(name, getattr(index, name), numbers).numpy()
        joint.append(rows)
    return Learned(graph, model, joint[0], joint[1], index.max_context, learned.open_gate, index), epochs
