"""Ranks under the translation score ||h + r - t||: found by one product of matrices, decided exactly where it is close.

The product errs a little. Worst-case bounds of floating-point sums (Higham 2002, chapter 3) say by how much, and every
candidate that is so near the true answer that the product cannot tell is scored again, as the model scores a triple. So
the ranks are those of comparing every candidate's score with the true one's, bit by bit.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from latticework.core.checks import one_of
from latticework.core.errors import InputError
from latticework.knowledge.distances import NORMS, distance
from latticework.knowledge.known_triples import KnownTriples
from latticework.knowledge.ranking import Block, Ranks, checked_present, rank_blocks
from latticework.nn.precision import full_precision

_WORDS: Final = 64  # of eight flags each, that are added up in one go: fewer than 256, so that no byte overflows
_LANES: Final = 8 * _WORDS
_AGAIN: Final = 2**17  # candidates that are scored again in one go
_ROOM: Final = 1 / 8  # of the root of the largest number, so that the square of a distance is one
_TILE: Final = (4, 512)  # questions and candidates whose coordinates fit the second-level cache


@torch.no_grad()
def rank_translation(
    entities: Float[Tensor, "entities dim"],
    relations: Float[Tensor, "relations dim"],
    triples: Int64[np.ndarray, "triples 3"],
    known: KnownTriples,
    *,
    present: Bool[np.ndarray, " entities"] | None = None,
    norm: int = 2,
) -> Ranks:
    """Filtered ranks of the head and the tail of each triple; equal to comparing `distances.distance` one by one.

    O(questions · entities · dim), the questions being the distinct (h, r) and (r, t).

    Parameters
    ----------
    entities, relations
        Joint embeddings. The rows of entities that are not present are not looked at.
    triples, known, present
        As in `rank_costs`.
    norm
        The p of the norm, 1 or 2.

    Raises
    ------
    InputError
        If an embedding is not finite or so large that distances are not; with its number.

    Examples
    --------
    >>> places = torch.tensor([[0.0], [1.0], [1.0], [3.0]])
    >>> known = KnownTriples.of(np.array([[0, 0, 1]]), entities=4, relations=1)
    >>> ranks = rank_translation(places, torch.tensor([[1.0]]), np.array([[0, 0, 1]]), known)
    >>> ranks.better.tolist(), ranks.equal.tolist()
    ([[0, 0]], [[0, 1]])
    """
    one_of("norm", norm, NORMS)
    if len(entities) != known.entities or len(relations) != known.relations:
        raise InputError(
            f"{len(entities)} entities and {len(relations)} relations have an embedding, "
            f"{known.entities} and {known.relations} are known"
        )
    present = checked_present(known, present)
    candidates = torch.from_numpy(np.flatnonzero(present)).to(entities.device)
    _check_finite("entity", entities, candidates)
    _check_finite("relation", relations, torch.arange(len(relations), device=relations.device))
    with full_precision(entities.device):
        return rank_blocks(_Translation(entities, relations, candidates, norm).compare, triples, known, present=present)


class _Translation:
    """Compares candidates with the true answers, with one table for all blocks."""

    def __init__(
        self,
        entities: Float[Tensor, "entities dim"],
        relations: Float[Tensor, "relations dim"],
        candidates: Int64[Tensor, " candidates"],
        norm: int,
    ) -> None:
        self.entities, self.relations, self.norm = entities, relations, norm
        self.table = entities if len(candidates) == len(entities) else entities[candidates]
        # What all have in common adds nothing to distances but to errors.
        self.centre = self.table.mean(dim=0, dtype=torch.float64).to(entities.dtype)
        centred = self.table - self.centre
        norms = torch.linalg.vector_norm(centred, ord=norm, dim=1, dtype=torch.float64)
        self.largest = norms.max()
        padding = -len(centred) % _LANES
        self.centred = torch.nn.functional.pad(centred, (0, 0, 0, padding)).T.contiguous()
        self.offsets = torch.nn.functional.pad(norms.square().to(entities.dtype), (0, padding), value=torch.inf)

    def compare(self, block: Block) -> tuple[Tensor, Tensor]:
        """How many are better than the true answer of each triple, and how many others are equal."""
        heads, relations, tails = torch.from_numpy(block.triples).to(self.entities.device).T
        true = self._distance(self.entities[heads], relations, self.entities[tails])
        points = self._points(block)
        # Nothing may overflow, for infinity is the cost of what is no candidate.
        largest = torch.maximum(points.double().abs().amax(), self.largest) * points.shape[1] + true.double().amax()
        if not largest < _ROOM * torch.finfo(true.dtype).max ** 0.5:
            raise InputError(f"the embeddings are too large: distances up to {largest:.2g} overflow when squared")
        costs = block.of_others(self._costs(points), torch.inf)
        fixed = self.entities[tails if block.side == "head" else heads]
        question = torch.from_numpy(block.question).to(points.device)
        low, high = self._bounds(true, points.double()[question], fixed.double())
        less = costs < low[:, None]
        undecided = (less | (costs > high[:, None])).logical_not_()
        better, equal = _counts(less), torch.zeros_like(heads)
        for rows, columns in _places(undecided):
            others = self.table[columns]
            if block.side == "head":
                again = self._distance(others, relations[rows], self.entities[tails[rows]])
            else:
                again = self._distance(self.entities[heads[rows]], relations[rows], others)
            better += torch.bincount(rows[again < true[rows]], minlength=len(heads))
            equal += torch.bincount(rows[again == true[rows]], minlength=len(heads))
        return better, equal

    def _distance(
        self, heads: Float[Tensor, "n dim"], relations: Int64[Tensor, " n"], tails: Float[Tensor, "n dim"]
    ) -> Float[Tensor, " n"]:
        return distance(heads, self.relations[relations], tails, norm=self.norm)

    def _points(self, block: Block) -> Float[Tensor, "questions dim"]:
        """Where the answers would be without error: t - r, or h + r as it is rounded when a triple is scored."""
        ends = self.entities[torch.from_numpy(block.ends).to(self.entities.device)]
        relations = self.relations[torch.from_numpy(block.relations).to(self.entities.device)]
        points = ends.double() - relations.double() if block.side == "head" else (ends + relations).double()
        return (points - self.centre).to(ends.dtype)

    def _costs(self, points: Float[Tensor, "questions dim"]) -> Float[Tensor, "questions width"]:
        """The distance to each candidate; for the 2-norm its square without that of the point."""
        if self.norm == 2:
            return torch.addmm(self.offsets, points, self.centred, alpha=-2)
        costs = _absolute_distances(points, self.centred)
        costs[:, len(self.table) :] = torch.inf
        return costs

    def _bounds(
        self, true: Float[Tensor, " rows"], points: Float[Tensor, "rows dim"], fixed: Float[Tensor, "rows dim"]
    ) -> tuple[Float[Tensor, " rows"], Float[Tensor, " rows"]]:
        """Costs below which a candidate is surely better than the true answer, and above which it is surely worse.

        With u the unit roundoff, a score errs by at most (d + 5) u of itself, and by u ||t|| where the head is replaced
        (h + r is rounded); centred coordinates by u (||q|| + ||c||); the product by u (d + 4) (||q|| + ||c||)² / 2, in
        whatever order it is summed. Only candidates with ||c|| <= ||q|| + the true distance can be close. Everything is
        taken twice, which covers the terms of second order and what this function itself rounds.
        """
        precision = torch.finfo(true.dtype)
        true, dim = true.double(), points.shape[-1]
        relative = (dim + 8) * precision.eps
        length = torch.linalg.vector_norm(points, ord=self.norm, dim=1)
        reach = length + torch.minimum(self.largest, (1 + 40 * relative) * length + 1.01 * true)
        slack = precision.eps * (torch.linalg.vector_norm(fixed, ord=self.norm, dim=1) + reach)
        slack = slack + (4 * dim * precision.tiny) ** 0.5  # squares that underflow
        low, high = true * (1 - relative) - slack, true * (1 + relative) + slack
        if self.norm == 1:
            low, high = low * (1 - relative), high * (1 + relative)
        else:
            error = relative * reach.square() / 2 + 4 * dim * precision.tiny
            low = torch.where(low > 0, low.square() - length.square() - error, -torch.inf)
            high = high.square() - length.square() + error
        infinity = true.new_tensor(torch.inf, dtype=self.entities.dtype)
        low = torch.nextafter(low.to(self.entities.dtype), -infinity)
        return low, torch.nextafter(high.to(self.entities.dtype), infinity)


def _absolute_distances(
    points: Float[Tensor, "questions dim"], table: Float[Tensor, "dim width"]
) -> Float[Tensor, "questions width"]:
    """Sums of absolute differences. Tiles that stay in the cache take half the time of `torch.cdist` on a CPU."""
    if points.device.type != "cpu":
        return torch.cdist(points, table.T, p=1.0)
    costs = points.new_empty(len(points), table.shape[1])
    some, many = _TILE
    for columns in range(0, table.shape[1], many):
        tile = table[:, columns : columns + many].contiguous()
        for rows in range(0, len(points), some):
            difference = (points[rows : rows + some, :, None] - tile).abs_()
            torch.sum(difference, dim=1, out=costs[rows : rows + some, columns : columns + many])
    return costs


def _counts(flags: Bool[Tensor, "rows width"]) -> Int64[Tensor, " rows"]:
    """How many flags of each row are set; eight bytes at a time."""
    words = flags.view(torch.int64).view(len(flags), -1, _WORDS).sum(dim=2)
    counts: Tensor = words.view(torch.uint8).sum(dim=1)
    return counts


def _places(flags: Bool[Tensor, "rows width"]) -> Iterator[tuple[Int64[Tensor, " set"], Int64[Tensor, " set"]]]:
    """Rows and columns of the flags that are set, in pieces; eight bytes at a time, for few are."""
    rows, words = flags.view(torch.int64).nonzero(as_tuple=True)
    bytes_ = flags.view(len(flags), -1, 8)
    for begin in range(0, len(rows), _AGAIN // 8):
        some = slice(begin, begin + _AGAIN // 8)
        which, lane = bytes_[rows[some], words[some]].nonzero(as_tuple=True)
        yield rows[some][which], words[some][which] * 8 + lane


def _check_finite(what: str, table: Float[Tensor, "all dim"], numbers: Int64[Tensor, " some"]) -> None:
    finite = table.isfinite().all(dim=1)[numbers]
    if not finite.all():
        number = int(numbers[(~finite).nonzero()[0, 0]])
        raise InputError(f"the embedding of {what} {number} is not finite: training has diverged")
