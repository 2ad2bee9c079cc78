"""Where the true answer stands among all candidates: filtered ranks of heads and tails under three policies for ties.

The protocol is that of Bordes et al. 2013: for each test triple every entity that is in the graph takes the place of
the head, then of the tail; answers that are known to be true are taken out. Ties count as in Berrendorf et al. 2020,
"On the ambiguity of rank-based evaluation": optimistic, pessimistic, and realistic, which is the mean of the two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor

from latticework.core.errors import InputError
from latticework.knowledge.known_triples import KnownTriples
from latticework.knowledge.triples import SIDES, Side

_BLOCK: Final = 2**21  # costs looked at in one go: at most 16 MB, which are reused without a page fault
_LEAST_ROWS: Final = 32  # below that a product of matrices reads more than it computes


@dataclass(frozen=True, eq=False)
class Ranks:
    """What stands before and beside the true answer of each triple. Column 0 is for the head, column 1 for the tail.

    Parameters
    ----------
    triples
        What was ranked.
    better, equal
        The candidates that cost less than the true one, and the others that cost the same.
    candidates
        How many there are, the true one among them. Where an entity or the relation is not in the graph it stands last.

    Examples
    --------
    >>> ranks = Ranks(np.array([[0, 0, 1]]), *np.array([[[1, 0]], [[2, 0]], [[9, 9]]]))
    >>> ranks.optimistic.tolist(), ranks.realistic.tolist(), ranks.pessimistic.tolist()
    ([[2.0, 1.0]], [[3.0, 1.0]], [[4.0, 1.0]])
    """

    triples: Int64[np.ndarray, "triples 3"]
    better: Int64[np.ndarray, "triples 2"]
    equal: Int64[np.ndarray, "triples 2"]
    candidates: Int64[np.ndarray, "triples 2"]

    def __len__(self) -> int:
        return len(self.triples)

    @property
    def optimistic(self) -> Float64[np.ndarray, "triples 2"]:
        """Ranks, from 1, if the true answer comes first among its equals."""
        optimistic: Float64[np.ndarray, "triples 2"] = self.better + 1.0
        return optimistic

    @property
    def pessimistic(self) -> Float64[np.ndarray, "triples 2"]:
        """Ranks if it comes last among its equals."""
        pessimistic: Float64[np.ndarray, "triples 2"] = self.optimistic + self.equal
        return pessimistic

    @property
    def realistic(self) -> Float64[np.ndarray, "triples 2"]:
        """The mean of both: what to expect if equals are put in any order."""
        realistic: Float64[np.ndarray, "triples 2"] = self.optimistic + self.equal / 2
        return realistic


@dataclass(frozen=True, eq=False)
class Block:
    """Triples that are ranked together, and the distinct questions they ask: (?, relation, end) or (end, relation, ?).

    Columns are places among the candidates, which `candidates` numbers.
    """

    side: Side
    candidates: Int64[np.ndarray, " candidates"]
    ends: Int64[np.ndarray, " questions"]
    relations: Int64[np.ndarray, " questions"]
    known_rows: Int64[np.ndarray, " known"]
    known_columns: Int64[np.ndarray, " known"]
    triples: Int64[np.ndarray, "rows 3"]
    question: Int64[np.ndarray, " rows"]
    column: Int64[np.ndarray, " rows"]

    def of_others(self, costs: Float[Tensor, "questions width"], blank: float) -> Float[Tensor, "rows width"]:
        """The costs of each triple's candidates with those of all known answers, its own too, made blank.

        Overwrites the costs.
        """
        costs[self._on(costs, self.known_rows), self._on(costs, self.known_columns)] = blank
        if len(self.triples) > len(self.ends):
            costs = costs[self._on(costs, self.question)]
        costs[torch.arange(len(costs), device=costs.device), self._on(costs, self.column)] = blank
        return costs

    @staticmethod
    def _on(like: Tensor, numbers: Int64[np.ndarray, " n"]) -> Tensor:
        return torch.from_numpy(numbers).to(like.device)


Compare = Callable[[Block], tuple[Tensor, Tensor]]
"""Counts for each triple of a block the candidates that are better than the true one, and the others that are equal."""

Costs = Callable[[Side, "Int64[np.ndarray, ' questions']", "Int64[np.ndarray, ' questions']"], Tensor]
"""Of (side, ends, relations): what every entity costs as an answer, floats "questions entities"; the lowest is best."""


def rank_costs(
    costs: Costs,
    triples: Int64[np.ndarray, "triples 3"],
    known: KnownTriples,
    *,
    present: Bool[np.ndarray, " entities"] | None = None,
) -> Ranks:
    """Ranks by any costs, which are computed for all entities and compared as they are.

    Parameters
    ----------
    costs
        Gets a side, the known ends (heads where tails are asked for) and the relations of some questions; returns
        "questions entities", the lowest for the best answer.
    triples
        Those to rank. A number out of range stands for a name that is unknown.
    known
        True triples, which are no wrong answers: those to train on, to validate and to test.
    present
        The entities that are candidates; all, without it.

    Raises
    ------
    InputError
        If a cost is not a number, or no entity is present.

    Examples
    --------
    >>> known = KnownTriples.of(np.array([[0, 0, 1], [0, 0, 2]]), entities=5, relations=1)
    >>> def constant(side, ends, relations):
    ...     return torch.zeros(len(ends), 5)
    >>> ranks = rank_costs(constant, np.array([[0, 0, 1]]), known)
    >>> ranks.candidates.tolist(), ranks.realistic.tolist()
    ([[5, 4]], [[3.0, 2.5]])
    """

    def compare(block: Block) -> tuple[Tensor, Tensor]:
        found = costs(block.side, block.ends, block.relations)
        if len(block.candidates) < found.shape[1]:
            found = found[:, torch.from_numpy(block.candidates)]
        if found.isnan().any():
            row = int(found.isnan().any(dim=1).nonzero()[0])
            raise InputError(
                f"a cost is not a number: {block.side}s for entity {block.ends[row]} and relation "
                f"{block.relations[row]}"
            )
        truth = found[torch.from_numpy(block.question), torch.from_numpy(block.column)][:, None]
        others = block.of_others(found, torch.nan)  # neither better than anything nor equal to it
        return (others < truth).sum(dim=1), (others == truth).sum(dim=1)

    return rank_blocks(compare, triples, known, present=present)


def rank_blocks(
    compare: Compare,
    triples: Int64[np.ndarray, "triples 3"],
    known: KnownTriples,
    *,
    present: Bool[np.ndarray, " entities"] | None = None,
) -> Ranks:
    """Ranks by what compares a block of triples with their candidates; `rank_costs` says what the rest is.

    Memory: a few times 16 MB or, if that is more, 32 costs for each entity.
    """
    present = checked_present(known, present)
    triples = np.asarray(triples, dtype=np.int64).reshape(-1, 3)
    covered = _covered(triples, present, known.relations)
    better, equal, candidates = np.zeros((3, len(triples), 2), dtype=np.int64)
    for place, side in enumerate(SIDES):
        candidates[:, place] = _candidate_counts(side, triples, known, present)
        better[:, place] = candidates[:, place] - 1  # last, unless it is compared
        for rows, block in _blocks(side, triples, np.flatnonzero(covered), known, present):
            counts = compare(block)
            better[rows, place], equal[rows, place] = (count.cpu().numpy() for count in counts)
    return Ranks(triples, better, equal, candidates)


def checked_present(
    known: KnownTriples, present: Bool[np.ndarray, " entities"] | None
) -> Bool[np.ndarray, " entities"]:
    """The candidates; all entities for None.

    Raises
    ------
    InputError
        If there is none, or another number of entities than is known.

    Examples
    --------
    >>> checked_present(KnownTriples.of(entities=2, relations=1), None)
    array([ True,  True])
    """
    present = np.ones(known.entities, dtype=bool) if present is None else present
    if len(present) != known.entities:
        raise InputError(f"present has {len(present)} entities, {known.entities} are known")
    if not present.any():
        raise InputError("there is no candidate to rank: no entity is in the graph")
    return present


def _covered(
    triples: Int64[np.ndarray, "triples 3"], present: Bool[np.ndarray, " entities"], relations: int
) -> Bool[np.ndarray, " triples"]:
    """Whether both entities are present and the relation is one."""
    padded = np.append(present, False)  # where a number that is out of range points to
    heads, kinds, tails = triples.T
    ends = np.stack([heads, tails])
    ends = np.where((ends >= 0) & (ends < len(present)), ends, len(present))
    covered: Bool[np.ndarray, " triples"] = padded[ends].all(axis=0) & (kinds >= 0) & (kinds < relations)
    return covered


def _candidate_counts(
    side: Side, triples: Int64[np.ndarray, "triples 3"], known: KnownTriples, present: Bool[np.ndarray, " entities"]
) -> Int64[np.ndarray, " triples"]:
    """The present entities without the known answers, and the true one."""
    heads, relations, tails = triples.T
    lists = known.answers(side, tails if side == "head" else heads, relations)
    answers = np.bincount(lists.rows[present[lists.members]], minlength=len(triples))
    true = heads if side == "head" else tails
    inside = (true >= 0) & (true < len(present))
    there = np.zeros(len(triples), dtype=bool)
    there[inside] = present[true[inside]]
    counted = there & known.contains(triples)  # the true answer is among the known ones
    counts: Int64[np.ndarray, " triples"] = present.sum() - answers + np.where(there, counted, 1)
    return counts


def _blocks(
    side: Side,
    triples: Int64[np.ndarray, "triples 3"],
    rows: Int64[np.ndarray, " covered"],
    known: KnownTriples,
    present: Bool[np.ndarray, " entities"],
) -> Iterator[tuple[Int64[np.ndarray, " rows"], Block]]:
    """Blocks with the rows they hold, those that ask the same question together."""
    candidates = np.flatnonzero(present)
    columns = np.where(present, present.cumsum() - 1, -1)
    end, true = (2, 0) if side == "head" else (0, 2)
    questions = triples[rows, end] * known.relations + triples[rows, 1]
    rows = rows[questions.argsort(kind="stable")]
    size = max(_LEAST_ROWS, _BLOCK // len(candidates))
    for chunk in np.split(rows, range(size, len(rows), size)) if len(rows) else ():
        block = triples[chunk]
        asked = known.questions(side, block[:, end], block[:, 1])
        found = columns[asked.answers.members]
        kept = found >= 0
        yield (
            chunk,
            Block(
                side=side,
                candidates=candidates,
                ends=asked.ends,
                relations=asked.relations,
                known_rows=asked.answers.rows[kept],
                known_columns=found[kept],
                triples=block,
                question=asked.question,
                column=columns[block[:, true]],
            ),
        )
