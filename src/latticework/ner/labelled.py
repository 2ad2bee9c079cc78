"""Gold tags as users give them, checked and read as spans."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from latticework.core.checks import in_order
from latticework.core.errors import InputError, callers_level
from latticework.core.words import shortened
from latticework.ner.choices import Repair, Scheme
from latticework.ner.repair import normalise
from latticework.ner.tags import Span
from latticework.ner.text import check_sentences


@dataclass(frozen=True)
class Labelled:
    """Sentences with their entities.

    Attributes
    ----------
    tokens
        Of each sentence.
    spans
        Entities of each sentence, over its tokens.
    scheme
        In which the tags were given.
    """

    tokens: list[list[str]]
    spans: list[list[Span]]
    scheme: Scheme

    @property
    def labels(self) -> list[str]:
        """All labels, sorted."""
        return sorted({span.label for spans in self.spans for span in spans})


def check_labelled(
    sentences: Iterable[str | Sequence[str]],
    tags: Iterable[Sequence[str]],
    what: str,
    *,
    repair: Repair = "close",
    scheme: Scheme | None = None,
) -> Labelled:
    """Sentences and tags, one for one; illegal tags are warned of and repaired as by `tags.spans_of`.

    Raises
    ------
    InputError
        If numbers do not agree, something is not text or has no order, or a tag is illegal and `repair` is "refuse".
    """
    tokens = check_sentences(sentences, f"{what} sentences")
    rows = in_order(f"{what} tags", tags, "a list of tags for each sentence", dimensions=2)
    given = [_tags(row, f"{what} tags[{index}]") for index, row in enumerate(rows)]
    if len(tokens) != len(given):
        raise InputError(f"{what}: {len(tokens)} sentences and {len(given)} rows of tags")
    for index, (row, names) in enumerate(zip(tokens, given, strict=True)):
        if len(row) != len(names):
            raise InputError(f"{what}: sentence {index} has {len(row)} characters and {len(names)} tags")
    read = normalise(given, (what + " tags[{}][{}]").format, repair=repair, scheme=scheme)
    if read.illegal:
        warnings.warn(read.warning(what, repair), stacklevel=callers_level())
    return Labelled(tokens, read.spans, read.scheme)


def check_training(
    sentences: Iterable[str | Sequence[str]],
    tags: Iterable[Sequence[str]],
    validation: Any,
    *,
    repair: Repair,
    scheme: Scheme | None = None,
) -> tuple[Labelled, Labelled | None]:
    """What a tagger is to learn from, and what it is to be judged by if there is any: a pair of sentences and tags.

    Raises
    ------
    InputError
        As `check_labelled`, or if either of them has no sentence or no entity.
    """
    training = check_labelled(sentences, tags, "training", repair=repair, scheme=scheme)
    if not training.tokens:
        raise InputError("training: there are no sentences")
    if not training.labels:
        raise InputError("the training tags name no entity: there is nothing to learn")
    if validation is None:
        return training, None
    if not (isinstance(validation, tuple | list) and len(validation) == 2):
        raise InputError("validation: expected a pair of sentences and tags")
    held_out = check_labelled(validation[0], validation[1], "validation", repair=repair, scheme=scheme)
    if not held_out.tokens:
        raise InputError("validation: there are no sentences")
    if unknown := sorted(set(held_out.labels) - set(training.labels)):
        warnings.warn(
            f"validation has labels that training has not: {', '.join(unknown)}; they count as missed",
            stacklevel=callers_level(),
        )
    if not held_out.labels:
        raise InputError("the validation tags name no entity: there is no F1 to choose weights by")
    return training, held_out


def _tags(row: Sequence[str], place: str) -> list[str]:
    expected = "a list of tags, such as ['B-PER', 'E-PER', 'O']"
    given = list(in_order(place, row, expected))
    if not all(isinstance(tag, str) for tag in given):
        raise InputError(f"{place} is {shortened(row)}: expected {expected}")
    return given
