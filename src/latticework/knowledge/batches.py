"""A batch of facts, what they are told from, and the contexts of all that these name: each packed and encoded once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from latticework.core.movable import moved
from latticework.knowledge.contexts import Contexts
from latticework.knowledge.encoding import rows_of
from latticework.knowledge.model import DKGEModel
from latticework.knowledge.objective import Wrong
from latticework.knowledge.packing import Packed, distinct_numbers, pack


@dataclass(frozen=True)
class LinkBatch:
    """Made by `link_batch`.

    Attributes
    ----------
    entities, relations
        All that the facts and the wrong answers name, each once.
    facts
        Places in `entities`, `relations`, `entities`.
    wrong
        What the facts are told from, by place.
    """

    entities: Packed
    relations: Packed
    facts: Int64[Tensor, "batch 3"]
    wrong: Wrong

    def to(self, device: torch.device | str) -> LinkBatch:
        """The same batch on another device."""
        return moved(self, device)


def placed(
    facts: Int64[np.ndarray, "batch 3"], wrong: Wrong
) -> tuple[Int64[np.ndarray, " entities"], Int64[np.ndarray, " relations"], Int64[np.ndarray, "batch 3"], Wrong]:
    """The distinct entities and relations of a batch, and its facts and wrong answers by place among them."""
    others = wrong.entities.numpy()
    entities, ends = distinct_numbers(np.concatenate([facts[:, 0], facts[:, 2], others.ravel()]))
    relations, links = distinct_numbers(facts[:, 1])
    head, tail, rest = np.split(ends, [len(facts), 2 * len(facts)])
    local = np.stack([head, links, tail], 1)
    return entities, relations, local, wrong.placed(torch.from_numpy(rest.reshape(others.shape)))


def link_batch(
    facts: Int64[np.ndarray, "batch 3"],
    wrong: Wrong,
    contexts: tuple[Contexts, Contexts],
    *,
    padded_to: int | None,
    dtype: torch.dtype = torch.float32,
) -> LinkBatch:
    """Pack a batch on the host.

    Parameters
    ----------
    facts
        By number.
    wrong
        By number.
    contexts
        Of all entities, and of all relations.
    padded_to, dtype
        As for `pack`.
    """
    entities, relations, local, others = placed(facts, wrong)
    of_entities, of_relations = contexts
    return LinkBatch(
        pack(of_entities, entities, padded_to=padded_to, dtype=dtype),
        pack(of_relations, relations, padded_to=padded_to, dtype=dtype),
        torch.from_numpy(local),
        others,
    )


class Learner(nn.Module):
    """A model with its loss: called with a batch it gives the sum over the facts.

    Parameters
    ----------
    model
        To train.
    open_gate
        Whether contexts are left out: o* is k, and the model is TransE.
    """

    def __init__(self, model: DKGEModel, *, open_gate: bool = False) -> None:
        super().__init__()
        self.model, self.open_gate = model, open_gate
        if open_gate:
            model.train_contexts(False)

    def forward(self, batch: LinkBatch) -> Float[Tensor, ""]:
        """The summed loss."""
        model = self.model
        if self.open_gate:
            entities = rows_of(model.entities.knowledge, batch.entities.objects, sparse=model.entities.sparse)
            relations = rows_of(model.relations.knowledge, batch.relations.objects, sparse=model.relations.sparse)
        else:
            entities, relations = model.entities(batch.entities), model.relations(batch.relations)
        return loss_of(entities, relations, batch.facts, batch.wrong, norm=model.norm)


def loss_of(
    entities: Float[Tensor, "entities dim"],
    relations: Float[Tensor, "relations dim"],
    facts: Int64[Tensor, "batch 3"],
    wrong: Wrong,
    *,
    norm: int,
) -> Float[Tensor, ""]:
    """The loss of facts by place, given joint embeddings."""
    head, relation, tail = facts.unbind(1)
    rows = entities.index_select(0, head), relations.index_select(0, relation), entities.index_select(0, tail)
    return wrong.loss(entities, rows, norm=norm)
