"""Fit a model from the beginning: TransE first, if it is to begin with that, then DKGE."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from jaxtyping import Int64
from torch import nn

from latticework.core import checkpoint
from latticework.core.loggers import Row
from latticework.core.processes import is_first
from latticework.core.runs import Run
from latticework.core.seeds import spawn
from latticework.core.training import train
from latticework.knowledge.config import DKGEConfig
from latticework.knowledge.contexts import no_contexts
from latticework.knowledge.graph import Graph
from latticework.knowledge.index import ContextIndex
from latticework.knowledge.learned import Learned
from latticework.knowledge.learning import PRECISION, LinkTask, joint_embeddings, training_plan
from latticework.knowledge.model import DKGEModel
from latticework.knowledge.triples import NO_TRIPLES

LARGE: Final = 200_000  # entities from which on a step touches few rows of the tables: gradients are sparse then
WARM: Final = "transe"  # where TransE's training is kept, in the folder of the other
WARM_GATE: Final = 1.5  # what the gate begins with more after TransE, so that what that has learnt stays in sight


def fit_facts(
    run: Run,
    graph: Graph,
    validation: Int64[np.ndarray, "validation 3"],
    config: DKGEConfig,
    *,
    dim: int,
    max_context: int,
    max_epochs: int,
    init: str,
    sharded: bool,
    fingerprint: str,
) -> tuple[Learned, list[Row]]:
    """Learn the facts of a graph: what was learned, and what was logged.

    Parameters
    ----------
    run
        Its seed decides everything that is drawn.
    graph, validation
        The facts, and held-out ones by number; none if empty.
    config, dim, max_context, max_epochs, init, sharded
        As of `DKGE`.
    fingerprint
        As for `run.train`.
    """
    index = ContextIndex.of(graph, max_context)
    model = DKGEModel(
        len(graph.entities),
        len(graph.relations),
        dim,
        norm=config.norm,
        compat=config.compat,
        max_context=max_context,
        sparse=len(graph.entities) >= LARGE,
        generator=torch.Generator().manual_seed(spawn(run.seed, "weights")),
    )
    open_gate = config.gate == "open"
    contexts = index.both
    empty = no_contexts(len(graph.entities)), no_contexts(len(graph.relations))
    given = empty if open_gate else contexts
    task = LinkTask(model, graph, given, validation, config, seed=spawn(run.seed, "batches"), open_gate=open_gate)
    # A gradient that holds few rows is added up over processes by those who own them, or not at all.
    shards = model.tables if sharded or model.entities.sparse else None
    if init == "transe" and not open_gate:
        start_as_transe(task, run, fingerprint=fingerprint, shards=shards)
    plan = training_plan(config, facts=len(graph), max_epochs=max_epochs, sparse=model.entities.sparse)
    history = run.train(task, plan, precision=PRECISION, fingerprint=fingerprint, shards=shards)
    if run.training and is_first():
        checkpoint.discard(run.training / WARM)
    model.eval()
    entities, relations = joint_embeddings(model, contexts, open_gate=open_gate)
    model.cpu()
    return Learned(graph, model, entities, relations, max_context, open_gate, index), history


def start_as_transe(
    task: LinkTask, run: Run, *, fingerprint: str, shards: Sequence[nn.Parameter] | None = None
) -> None:
    """Train the embeddings k alone with the same facts, and leave the gate nearly open: contexts come in from there.

    A training of its own, with its own folder: interrupted, it goes on, and once it is finished it is just read.
    """
    graph, config = task.graph, task.config
    seed = spawn(run.seed, "transe")
    contexts = no_contexts(len(graph.entities)), no_contexts(len(graph.relations))
    alone = LinkTask(task.model, graph, contexts, NO_TRIPLES, config, seed=spawn(seed, "batches"), open_gate=True)
    sparse = task.model.entities.sparse
    plan = training_plan(config, facts=len(graph), max_epochs=config.warm_epochs, sparse=sparse)
    train(
        alone,
        plan,
        seed=seed,
        device=run.device,
        precision=PRECISION,
        folder=run.training and run.training / WARM,
        fingerprint=fingerprint,
        restart=run.restart,
        shards=shards,
    )
    task.model.train_contexts(True)
    with torch.no_grad():
        for encoder in (task.model.entities, task.model.relations):
            encoder.gate.add_(WARM_GATE)
