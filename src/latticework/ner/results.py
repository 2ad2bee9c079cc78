"""What a tagger gives back: entities, matched words, and the arcs of a lattice with their weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from latticework.ner.tags import Span
from latticework.ner.text import characters

if TYPE_CHECKING:
    from latticework.ner.matching import Matcher


@dataclass(frozen=True)
class Entity:
    """An entity in a text.

    Attributes
    ----------
    start, end : int
        `text_of_all[start:end]` is the entity, in the original text.
    label : str
        Its type.
    text : str
        The entity itself.
    score : float
        The probability, from 0 to 1, that the CRF gives to exactly this span with this label.
    """

    start: int
    end: int
    label: str
    text: str
    score: float


class Match(NamedTuple):
    """A word of the lexicon in a text: `text[start:end]`, and the word as the lexicon has it."""

    start: int
    end: int
    word: str


@dataclass(frozen=True)
class Arc:
    """An arc of the lattice: a lexicon word, and how much the cell at its end trusted it.

    Attributes
    ----------
    start, end : int
        Where it is in the original text.
    word : str
        As the lexicon has it.
    forward, backward : float
        The gate weight α of the word where it ends, and of the backward LSTM where it begins: the mean over the hidden
        dimensions, from 0 to 1. What the words there leave is the character's own.
    """

    start: int
    end: int
    word: str
    forward: float
    backward: float

    @property
    def weight(self) -> float:
        """The mean of both directions."""
        return (self.forward + self.backward) / 2


def entities_in(text: str, offsets: Sequence[int], spans: Sequence[Span], scores: Sequence[float]) -> list[Entity]:
    """Entities over the characters of a text, placed in the text itself.

    Examples
    --------
    >>> entities_in("在 长 江", [0, 2, 4], [Span(1, 3, "LOC")], [0.9])
    [Entity(start=2, end=5, label='LOC', text='长 江', score=0.9)]
    """
    found = []
    for span, score in zip(spans, scores, strict=True):
        start, end = offsets[span.start], offsets[span.end - 1] + 1
        found.append(Entity(start, end, span.label, text[start:end], score))
    return found


def matches_in(text: str, matcher: Matcher) -> list[Match]:
    """The words of a lexicon in a text, from left to right, shorter ones first.

    Examples
    --------
    >>> from latticework.ner.lexicon import Lexicon
    >>> from latticework.ner.matching import Matcher
    >>> matches_in("在 长 江", Matcher(Lexicon.of(["长江"])))
    [Match(start=2, end=5, word='长江')]
    """
    tokens, offsets = characters(text)
    arcs = matcher.match([tokens])
    return [
        Match(offsets[begin], offsets[end - 1] + 1, matcher.lexicon.words[word])
        for begin, end, word in zip(arcs.begin, arcs.end, arcs.word, strict=True)
    ]
