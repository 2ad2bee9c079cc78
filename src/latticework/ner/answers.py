"""What a tagger answers about texts, as lines that other programs read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from latticework.core.values import strict_json
from latticework.ner.conll import conll_lines
from latticework.ner.text import characters

if TYPE_CHECKING:
    from latticework.ner.estimator import Tagger


def conll_of(tagger: Tagger, texts: Sequence[str]) -> Iterator[str]:
    """A line for each character with its tag, in the scheme of the training tags, and a blank line after each text.

    A text without characters has no lines.
    """
    tokens = [characters(text)[0] for text in texts]
    for sentence, tags in zip(tokens, tagger.predict(tokens), strict=True):
        if sentence:
            yield from conll_lines(sentence, tags)


def jsonl_of(tagger: Tagger, texts: Sequence[str]) -> Iterator[str]:
    """One line for each text: an object with it, its entities and the probability of each."""
    for text, entities in zip(texts, tagger.entities(texts), strict=True):
        answer = {
            "text": text,
            "entities": [[entity.start, entity.end, entity.label] for entity in entities],
            "scores": [round(entity.score, 6) for entity in entities],
        }
        yield strict_json(answer)
