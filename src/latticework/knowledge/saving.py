"""A model as what a folder holds: tables, joint embeddings, facts by number, and names."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from latticework.core import State
from latticework.core.loggers import HISTORY, history_file, history_of
from latticework.core.values import from_json, to_json
from latticework.knowledge.config import DKGEConfig
from latticework.knowledge.differences import SinceFit
from latticework.knowledge.graph import Graph
from latticework.knowledge.learned import Learned
from latticework.knowledge.model import DKGEModel
from latticework.knowledge.names import Names, from_lines, to_lines
from latticework.knowledge.triples import NamedTriple, in_range


def state_of(
    learned: Learned,
    since_fit: SinceFit,
    values: dict[str, Any],
    validation: list[NamedTriple],
    history: list[dict[str, float]],
) -> State:
    """Everything; contexts are made anew from the facts when it is read."""
    graph = learned.graph
    return State(
        values=values,
        tensors={
            "tables": learned.model.state_dict(),
            "joint": {"entities": learned.entities, "relations": learned.relations},
            "facts": {"triples": graph.triples, "came": since_fit.came, "went": since_fit.went},
        },
        files={
            "entities.txt": to_lines(graph.entities),
            "relations.txt": to_lines(graph.relations),
            "validation.json": to_json([list(triple) for triple in validation], "validation"),
            **history_file(history),
        },
    )


def learned_of(
    state: State, config: DKGEConfig, *, max_context: int
) -> tuple[Learned, SinceFit, list[NamedTriple], list[dict[str, float]]]:
    """What was saved, checked to fit together.

    Raises
    ------
    ValueError
        If it does not.
    """
    entities, relations = (Names(from_lines(state.files[f"{kind}.txt"])) for kind in ("entities", "relations"))
    facts = {name: np.asarray(rows) for name, rows in state.tensors["facts"].items()}
    for rows in facts.values():
        if rows.dtype != np.int64 or rows.ndim != 2 or rows.shape[1] != 3:
            raise ValueError("its facts are not triples of numbers")
        if not in_range(rows, len(entities), len(relations)).all():
            raise ValueError("its facts name what it does not have")
    triples, since_fit = facts["triples"], SinceFit(facts["came"], facts["went"])
    graph = Graph.of_numbers(triples, entities, relations)
    tables = dict(state.tensors["tables"])
    shape = tables["entities.knowledge"].shape
    joint = {name: np.asarray(rows) for name, rows in state.tensors["joint"].items()}
    for name, count in (("entities", len(entities)), ("relations", len(relations))):
        if joint[name].shape != (count, shape[1]) or tables[f"{name}.knowledge"].shape != joint[name].shape:
            raise ValueError(f"its {name} are {count}, but not the rows of their embeddings")
    with torch.device("meta"):
        model = DKGEModel(
            len(entities),
            len(relations),
            shape[1],
            norm=config.norm,
            compat=config.compat,
            max_context=max_context,
        )
    model.load_state_dict(tables, assign=True)
    model.eval()
    validation = [(head, relation, tail) for head, relation, tail in from_json(state.files["validation.json"])]
    learned = Learned(graph, model, joint["entities"], joint["relations"], max_context, config.gate == "open")
    return learned, since_fit, validation, history_of(state.files[HISTORY])
