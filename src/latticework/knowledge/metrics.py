"""Scores of link prediction from ranks: mean rank, mean reciprocal rank, hits at k, and the adjusted mean rank index.

Ties are realistic unless said otherwise. The adjusted index is that of Berrendorf et al. 2020,
1 - (MR - 1) / (E[MR] - 1): 0 for answers in any order, 1 for the true one always first, however many candidates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from jaxtyping import Bool, Float64, Int64

from latticework.core.checks import one_of
from latticework.knowledge.ranking import Ranks
from latticework.knowledge.statistics import CARDINALITIES, Cardinality
from latticework.knowledge.triples import SIDES, Side

Ties = Literal["optimistic", "realistic", "pessimistic"]


@dataclass(frozen=True)
class Scores:
    """Scores of some questions; all nan if there are none."""

    count: int
    mr: float
    mrr: float
    hits1: float
    hits3: float
    hits10: float
    amri: float


@dataclass(frozen=True)
class Summary:
    """Scores of a test set and of its parts. A part without a question is left out.

    Parameters
    ----------
    all, head, tail
        Both sides, and each alone.
    relations
        By the relation's number.
    kinds
        By the kind of relation, such as "1-N", and side.
    seen, new
        Triples both of whose entities were seen before, and the others; None where nothing is said about that.
    covered
        The share of triples whose entities and relation the graph has; the others stand last.
    """

    all: Scores
    head: Scores
    tail: Scores
    relations: dict[int, Scores]
    kinds: dict[tuple[Cardinality, Side], Scores]
    seen: Scores | None
    new: Scores | None
    covered: float


def scores(ranks: Ranks, *, ties: Ties = "realistic") -> Scores:
    """The scores of all questions, two a triple.

    Examples
    --------
    >>> first = Ranks(np.array([[0, 0, 1]]), *np.array([[[0, 3]], [[0, 0]], [[9, 9]]]), np.array([True]))
    >>> scores(first)
    Scores(count=2, mr=2.5, mrr=0.625, hits1=0.5, hits3=0.5, hits10=1.0, amri=0.625)
    """
    everything = np.zeros(2 * len(ranks), dtype=np.int64)
    return _by_group(_ranks(ranks, ties).ravel(), ranks.candidates.ravel(), everything, 1)[0]


def scores_by_relation(ranks: Ranks, *, ties: Ties = "realistic") -> dict[int, Scores]:
    """The scores of each relation that has a triple, by its number.

    Examples
    --------
    >>> ranks = Ranks(np.array([[0, 4, 1]]), *np.array([[[0, 0]], [[0, 0]], [[9, 9]]]), np.array([True]))
    >>> scores_by_relation(ranks)[4].mrr
    1.0
    """
    numbers, group = np.unique(ranks.triples[:, 1], return_inverse=True)
    found = _by_group(_ranks(ranks, ties).ravel(), ranks.candidates.ravel(), np.repeat(group, 2), len(numbers))
    return dict(zip(numbers.tolist(), found, strict=True))


def summary(
    ranks: Ranks,
    *,
    kinds: Sequence[Cardinality] = (),
    seen: Bool[np.ndarray, " entities"] | None = None,
    ties: Ties = "realistic",
) -> Summary:
    """Scores of all questions, of each side, relation and kind of relation, and of seen and new entities.

    Parameters
    ----------
    ranks
        Of a test set.
    kinds
        Of each relation, as `relation_kinds` gives them; without, they are left out.
    seen
        Of each entity whether the model was fitted with it.
    ties
        How ties count.

    Raises
    ------
    InputError
        If there is no such policy for ties.

    Examples
    --------
    >>> ranks = Ranks(np.array([[0, 0, 1]]), *np.array([[[0, 3]], [[0, 0]], [[9, 9]]]), np.array([True]))
    >>> told = summary(ranks, kinds=["1-N"], seen=np.array([True, False]))
    >>> told.head.mr, told.tail.mr, told.kinds[("1-N", "tail")].mr, told.seen.count, told.new.mr
    (1.0, 4.0, 4.0, 0, 2.5)
    """
    values, candidates = _ranks(ranks, ties), ranks.candidates
    by_side = _by_group(values.ravel(), candidates.ravel(), np.tile([0, 1], len(ranks)), 2)
    by_kind: dict[tuple[Cardinality, Side], Scores] = {}
    if kinds:
        place = np.array([*map(CARDINALITIES.index, kinds), len(CARDINALITIES)])  # the last: of what is out of range
        group = place[np.where(_within(ranks.triples[:, 1], len(kinds)), ranks.triples[:, 1], len(kinds))]
        groups = (2 * group[:, None] + [0, 1]).ravel()
        found = _by_group(values.ravel(), candidates.ravel(), groups, 2 * len(CARDINALITIES) + 2)
        names = [(kind, side) for kind in CARDINALITIES for side in SIDES]
        by_kind = {name: part for name, part in zip(names, found, strict=False) if part.count}
    old = new = None
    if seen is not None:
        ends = ranks.triples[:, [0, 2]]
        both = np.append(seen, False)[np.where(_within(ends, len(seen)), ends, len(seen))].all(axis=1)
        new, old = _by_group(values.ravel(), candidates.ravel(), np.repeat(both.astype(np.int64), 2), 2)
    return Summary(
        all=scores(ranks, ties=ties),
        head=by_side[0],
        tail=by_side[1],
        relations=scores_by_relation(ranks, ties=ties),
        kinds=by_kind,
        seen=old,
        new=new,
        covered=float(ranks.covered.mean()) if len(ranks) else float("nan"),
    )


def _ranks(ranks: Ranks, ties: Ties) -> Float64[np.ndarray, "triples 2"]:
    one_of("ties", ties, get_args(Ties))
    values: Float64[np.ndarray, "triples 2"] = getattr(ranks, ties)
    return values


def _within(numbers: Int64[np.ndarray, "*shape"], count: int) -> Bool[np.ndarray, "*shape"]:
    inside: Bool[np.ndarray, "*shape"] = (numbers >= 0) & (numbers < count)
    return inside


def _by_group(
    ranks: Float64[np.ndarray, " questions"],
    candidates: Int64[np.ndarray, " questions"],
    group: Int64[np.ndarray, " questions"],
    groups: int,
) -> list[Scores]:
    """The scores of each group of questions."""
    counts = np.bincount(group, minlength=groups)

    def mean(values: Float64[np.ndarray, " questions"]) -> Float64[np.ndarray, " groups"]:
        sums = np.bincount(group, weights=values, minlength=groups)
        means: Float64[np.ndarray, " groups"] = np.divide(sums, counts, out=np.full(groups, np.nan), where=counts > 0)
        return means

    mr, expected = mean(ranks), mean((candidates + 1) / 2)
    # One candidate for every question: no order is better than another.
    amri = 1 - np.divide(mr - 1, expected - 1, out=np.where(counts > 0, 1.0, np.nan), where=expected > 1)
    columns = [mr, mean(1 / ranks), *(mean((ranks <= k).astype(np.float64)) for k in (1, 3, 10)), amri]
    return [Scores(count, *row) for count, row in zip(counts.tolist(), np.stack(columns, axis=1).tolist(), strict=True)]
