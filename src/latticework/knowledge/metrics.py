"""Scores of link prediction from ranks: mean rank, mean reciprocal rank, hits at k, and the adjusted mean rank index.

Ties are realistic unless said otherwise. The adjusted index is that of Berrendorf et al. 2020,
1 - (MR - 1) / (E[MR] - 1): 0 for answers in any order, 1 for the true one always first, however many candidates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar, get_args

import numpy as np
from jaxtyping import Bool, Float64, Int64

from latticework.core.checks import one_of
from latticework.knowledge.ranking import Ranks
from latticework.knowledge.statistics import CARDINALITIES, Cardinality
from latticework.knowledge.triples import SIDES

Name = TypeVar("Name")

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


def scores(ranks: Ranks, *, ties: Ties = "realistic") -> Scores:
    """The scores of all questions, two a triple.

    Examples
    --------
    >>> first = Ranks(np.array([[0, 0, 1]]), *np.array([[[0, 3]], [[0, 0]], [[9, 9]]]))
    >>> scores(first)
    Scores(count=2, mr=2.5, mrr=0.625, hits1=0.5, hits3=0.5, hits10=1.0, amri=0.625)
    """
    one_of("ties", ties, get_args(Ties))
    return _by_group(getattr(ranks, ties), ranks.candidates, np.zeros_like(ranks.candidates), 1)[0]


def scores_by_side(ranks: Ranks) -> tuple[Scores, Scores]:
    """The scores of the questions for heads, and of those for tails.

    Examples
    --------
    >>> first = Ranks(np.array([[0, 0, 1]]), *np.array([[[0, 3]], [[0, 0]], [[9, 9]]]))
    >>> [side.mr for side in scores_by_side(first)]
    [1.0, 4.0]
    """
    sides = np.broadcast_to(np.arange(len(SIDES)), ranks.candidates.shape)
    head, tail = _by_group(ranks.realistic, ranks.candidates, sides, len(SIDES))
    return head, tail


def scores_by_relation(ranks: Ranks) -> dict[int, Scores]:
    """The scores of each relation that has a triple, by its number.

    Examples
    --------
    >>> ranks = Ranks(np.array([[0, 4, 1]]), *np.array([[[0, 0]], [[0, 0]], [[9, 9]]]))
    >>> scores_by_relation(ranks)[4].mrr
    1.0
    """
    numbers, group = np.unique(ranks.triples[:, 1], return_inverse=True)
    return _parts(ranks, np.stack([group, group], axis=1), numbers.tolist())


def scores_by_kind(ranks: Ranks, kinds: Sequence[Cardinality]) -> dict[str, Scores]:
    """The scores of each kind of relation and side that has a question, such as "1-N tail".

    Parameters
    ----------
    ranks
        Of a test set.
    kinds
        Of each relation, as `relation_kinds` gives them.

    Examples
    --------
    >>> first = Ranks(np.array([[0, 0, 1]]), *np.array([[[0, 3]], [[0, 0]], [[9, 9]]]))
    >>> {kind: part.mr for kind, part in scores_by_kind(first, ["1-N"]).items()}
    {'1-N head': 1.0, '1-N tail': 4.0}
    """
    place = np.array([CARDINALITIES.index(kind) for kind in kinds], np.int64)[ranks.triples[:, 1]]
    names = [f"{kind} {side}" for kind in CARDINALITIES for side in SIDES]
    return _parts(ranks, 2 * place[:, None] + [0, 1], names)


def scores_by_seen(ranks: Ranks, seen: Bool[np.ndarray, " entities"]) -> dict[bool, Scores]:
    """The scores of triples both of whose entities were seen before, as True, and of the others, if there are some.

    Examples
    --------
    >>> first = Ranks(np.array([[0, 0, 1]]), *np.array([[[0, 3]], [[0, 0]], [[9, 9]]]))
    >>> scores_by_seen(first, np.array([True, False]))[False].mr
    2.5
    """
    both = seen[ranks.triples[:, [0, 2]]].all(axis=1).astype(np.int64)
    return _parts(ranks, np.stack([both, both], axis=1), [False, True])


def _parts(ranks: Ranks, group: Int64[np.ndarray, "triples 2"], names: Sequence[Name]) -> dict[Name, Scores]:
    """The scores of each group that has a question, by name."""
    found = _by_group(ranks.realistic, ranks.candidates, group, len(names))
    return {name: part for name, part in zip(names, found, strict=True) if part.count}


def _by_group(
    ranks: Float64[np.ndarray, "triples 2"],
    candidates: Int64[np.ndarray, "triples 2"],
    group: Int64[np.ndarray, "triples 2"],
    groups: int,
) -> list[Scores]:
    """The scores of each group of questions."""
    ranks, candidates, group = ranks.ravel(), candidates.ravel(), group.ravel()
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
