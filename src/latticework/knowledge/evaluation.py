"""Held-out facts ranked with what a model has learnt, beside the floor that needs no learning."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Bool, Int64

from latticework.knowledge.cooccurrence import CoOccurrence
from latticework.knowledge.facts import HeldOut
from latticework.knowledge.graph import Graph
from latticework.knowledge.known_triples import KnownTriples
from latticework.knowledge.metrics import scores, scores_by_kind, scores_by_relation, scores_by_seen, scores_by_side
from latticework.knowledge.ranking import Ranks
from latticework.knowledge.results import Evaluation
from latticework.knowledge.statistics import relation_kinds
from latticework.knowledge.translation_ranking import rank_translation

if TYPE_CHECKING:
    from latticework.knowledge.learned import Learned


def ranks_of(learned: Learned, facts: Int64[np.ndarray, "n 3"], known: KnownTriples) -> Ranks:
    """The ranks of facts by what a model has learnt."""
    tables = torch.from_numpy(learned.entities), torch.from_numpy(learned.relations)
    return rank_translation(*tables, facts, known, present=learned.graph.present, norm=learned.model.norm)


def floor_of(graph: Graph, facts: Int64[np.ndarray, "n 3"], known: KnownTriples) -> Ranks:
    """The ranks of facts by a rule that learns nothing."""
    rule = CoOccurrence.of(graph.triples, entities=len(graph.entities), relations=len(graph.relations))
    return rule.rank(facts, known, present=graph.present)


def judge(
    learned: Learned,
    held_out: HeldOut,
    known: KnownTriples,
    *,
    seen: Bool[np.ndarray, " entities"],
) -> Evaluation:
    """Rank held-out facts, filtered by all that are known.

    Parameters
    ----------
    learned
        The state of the model.
    held_out
        By number.
    known
        What is true, themselves included.
    seen
        Which entities the model was fitted with.
    """
    graph = learned.graph
    ranks, floor = ranks_of(learned, held_out.triples, known), floor_of(graph, held_out.triples, known)
    head, tail = scores_by_side(ranks)
    by_seen = scores_by_seen(ranks, seen)
    return Evaluation(
        all=scores(ranks),
        head=head,
        tail=tail,
        floor=scores(floor),
        relations={graph.relations[number]: part for number, part in scores_by_relation(ranks).items()},
        kinds=scores_by_kind(ranks, relation_kinds(graph.triples, len(graph.relations))),
        seen=by_seen.get(True),
        new=by_seen.get(False),
        leaked=held_out.leaked,
        unknown=held_out.unknown,
    )
