"""Held-out facts ranked with what a model has learnt, beside the floor that needs no learning."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Bool, Int64

from latticework.knowledge.cooccurrence import CoOccurrence
from latticework.knowledge.facts import HeldOut
from latticework.knowledge.known_triples import known_triples
from latticework.knowledge.metrics import scores, summary
from latticework.knowledge.results import Evaluation
from latticework.knowledge.statistics import relation_kinds
from latticework.knowledge.translation import rank_translation

if TYPE_CHECKING:
    from latticework.knowledge.learned import Learned


def judge(
    learned: Learned,
    held_out: HeldOut,
    validation: Int64[np.ndarray, "validation 3"],
    *,
    norm: int,
    seen: Bool[np.ndarray, " entities"],
) -> Evaluation:
    """Rank held-out facts, filtered by the graph, the validation and themselves.

    Parameters
    ----------
    learned
        The state of the model.
    held_out, validation
        By number.
    norm
        Of the translation.
    seen
        Which entities the model was fitted with.
    """
    graph = learned.graph
    sizes = {"entities": len(graph.entities), "relations": len(graph.relations)}
    known = known_triples(graph, validation, held_out.triples)
    tables = torch.from_numpy(learned.entities), torch.from_numpy(learned.relations)
    ranks = rank_translation(*tables, held_out.triples, known, present=graph.present, norm=norm)
    told = summary(
        ranks,
        kinds=relation_kinds(graph.triples, len(graph.relations)),
        seen=seen,
    )
    floor = CoOccurrence.of(graph.triples, **sizes).rank(held_out.triples, known, present=graph.present)
    return Evaluation(
        all=told.all,
        head=told.head,
        tail=told.tail,
        floor=scores(floor),
        relations={graph.relations[number]: part for number, part in told.relations.items()},
        kinds={f"{kind} {side}": part for (kind, side), part in told.kinds.items()},
        seen=told.seen if told.seen is not None and told.seen.count else None,
        new=told.new if told.new is not None and told.new.count else None,
        leaked=held_out.leaked,
        unknown=held_out.unknown,
    )
