"""How new entities and relations begin: drawn by their names, or where their facts put them."""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Float32, UInt64
from torch import Tensor

from latticework.core.seeds import spawn
from latticework.knowledge.graph import KINDS, Graph
from latticework.knowledge.learned import Learned
from latticework.knowledge.model import DKGEModel
from latticework.knowledge.names import Names
from latticework.knowledge.scope import Scope
from latticework.knowledge.splitmix64 import mix


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
