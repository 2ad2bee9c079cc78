"""Sentences too long for one piece: cut where a sentence ends, worked on part by part, put together again."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Final

import numpy as np

from latticework.ner.tags import Span

MOST: Final = 1000  # characters that a model reads at once
ENDS: Final = frozenset("。！？；!?;…")  # after which a sentence may be cut


@dataclass(frozen=True)
class Parts:
    """Sentences in parts of at most `MOST` characters; an empty sentence is one empty part.

    To be trained on they are cut where no entity goes on, so that only a longer entity makes a longer part.

    Examples
    --------
    >>> parts = Parts.of([list("长城。长江"), []], most=4)
    >>> ["".join(part) for part in parts.tokens], parts.owner.tolist()
    (['长城。', '长江', ''], [0, 0, 1])
    """

    tokens: list[list[str]]
    owner: np.ndarray  # the sentence of each part
    count: int  # sentences

    @classmethod
    def of(
        cls, sentences: Sequence[list[str]], most: int = MOST, *, whole: Sequence[Sequence[Span]] | None = None
    ) -> Parts:
        """Cut what is longer than `most`, but none of the entities of each sentence that are to stay `whole`."""
        tokens, owner = [], []
        for index, sentence in enumerate(sentences):
            within: set[int] = set()
            if whole is not None and len(sentence) > most:
                within.update(chain.from_iterable(range(span.start + 1, span.end) for span in whole[index]))
            start = 0
            while start == 0 or start < len(sentence):
                end = _cut(sentence, start, most, within)
                tokens.append(sentence[start:end])
                owner.append(index)
                start = max(end, 1)
        return cls(tokens, np.array(owner, dtype=np.int64), len(sentences))

    def of_each(self) -> list[range]:
        """The parts of each sentence."""
        ends = np.searchsorted(self.owner, np.arange(self.count + 1)).tolist()
        return [range(first, end) for first, end in pairwise(ends)]

    def divide(self, spans: Sequence[Sequence[Span]]) -> list[list[Span]]:
        """Entities of each sentence, of which none is cut, as entities of each part."""
        divided: list[list[Span]] = [[] for _ in self.tokens]
        for mine, found in zip(self.of_each(), spans, strict=True):
            starts = np.cumsum([0, *(len(self.tokens[index]) for index in mine)]).tolist()
            for span in found:
                part = bisect_right(starts, span.start) - 1
                divided[mine[part]].append(Span(span.start - starts[part], span.end - starts[part], span.label))
        return divided

    def join(self, spans: Sequence[Sequence[Span]]) -> list[list[Span]]:
        """Entities of each part as entities of each sentence."""
        joined = []
        for mine in self.of_each():
            found: list[Span] = []
            start = 0
            for index in mine:
                found += [Span(span.start + start, span.end + start, span.label) for span in spans[index]]
                start += len(self.tokens[index])
            joined.append(found)
        return joined


def _cut(sentence: Sequence[str], start: int, most: int, within: Collection[int]) -> int:
    """The end of the part that begins at `start`: after the last sentence end in its second half, if there is one.

    It is never `within` an entity.
    """
    end = min(start + most, len(sentence))
    if end == len(sentence):
        return end
    ends = (place for place in range(end, start + most // 2, -1) if sentence[place - 1] in ENDS)
    others = chain(range(end, start, -1), range(end + 1, len(sentence) + 1))
    return next(place for place in chain(ends, others) if place not in within)
