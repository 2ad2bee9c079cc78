"""What is wrong about the entities that are wrong: the type, where they begin or end, both, or that they are there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from latticework.ner.tags import Span

Kind = Literal["type", "boundary", "type and boundary", "missed", "spurious"]


@dataclass(frozen=True)
class Mistake:
    """One entity that was predicted wrongly, or not at all, or is none.

    Attributes
    ----------
    sentence : int
        Index of its sentence.
    kind : str
        "type" or "boundary" or "type and boundary" if it was predicted like that; "missed" if nothing was predicted
        there, "spurious" if there is none.
    gold, predicted : Span or None
        What is right, and what was predicted.
    """

    sentence: int
    kind: Kind
    gold: Span | None
    predicted: Span | None


def mistakes(
    gold: Sequence[Iterable[tuple[int, int, str]]], predicted: Sequence[Iterable[tuple[int, int, str]]]
) -> list[Mistake]:
    """Every mistake in some sentences, in order.

    A missing entity is paired with the wrong one that it shares most tokens with, each with at most one.

    Examples
    --------
    >>> for mistake in mistakes([[(0, 2, "LOC"), (4, 5, "PER")]], [[(0, 3, "LOC")]]):
    ...     print(mistake.kind, mistake.gold)
    boundary Span(start=0, end=2, label='LOC')
    missed Span(start=4, end=5, label='PER')
    """
    return [
        mistake
        for sentence, (right, said) in enumerate(zip(gold, predicted, strict=True))
        for mistake in _in_sentence(sentence, {Span(*span) for span in right}, {Span(*span) for span in said})
    ]


def _in_sentence(sentence: int, gold: set[Span], predicted: set[Span]) -> list[Mistake]:
    wrong = predicted - gold
    found = []
    for missing in sorted(gold - predicted):
        nearest = max(sorted(wrong), key=lambda span: _shared(missing, span), default=None)
        if nearest is None or not _shared(missing, nearest):
            found.append(Mistake(sentence, "missed", missing, None))
        else:
            wrong.remove(nearest)
            found.append(Mistake(sentence, _kind(missing, nearest), missing, nearest))
    found.extend(Mistake(sentence, "spurious", None, span) for span in wrong)
    return sorted(found, key=lambda mistake: mistake.gold or mistake.predicted or ())


def _shared(one: Span, other: Span) -> int:
    return max(0, min(one.end, other.end) - max(one.start, other.start))


def _kind(gold: Span, predicted: Span) -> Kind:
    if gold[:2] == predicted[:2]:
        return "type"
    return "boundary" if gold.label == predicted.label else "type and boundary"
