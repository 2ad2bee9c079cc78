"""Sentences too long for one piece: cut where a sentence ends, worked on part by part, put together again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from latticework.ner.tags import Span

MOST: Final = 1000  # characters that a model reads at once
ENDS: Final = frozenset("。！？；!?;…")  # after which a sentence may be cut


@dataclass(frozen=True)
class Parts:
    """Sentences in parts of at most `MOST` characters; an empty sentence is one empty part.

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
    def of(cls, sentences: Sequence[list[str]], most: int = MOST) -> Parts:
        """Cut what is longer than `most`."""
        tokens, owner = [], []
        for index, sentence in enumerate(sentences):
            start = 0
            while start == 0 or start < len(sentence):
                end = _cut(sentence, start, most)
                tokens.append(sentence[start:end])
                owner.append(index)
                start = max(end, 1)
        return cls(tokens, np.array(owner, dtype=np.int64), len(sentences))

    def of_each(self) -> list[range]:
        """The parts of each sentence."""
        ends = np.searchsorted(self.owner, np.arange(self.count + 1)).tolist()
        return [range(first, end) for first, end in pairwise(ends)]

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


def _cut(sentence: Sequence[str], start: int, most: int) -> int:
    """The end of the part that begins at `start`: after the last sentence end in its second half, if there is one."""
    end = min(start + most, len(sentence))
    if end == len(sentence):
        return end
    ends = (place + 1 for place in range(end - 1, start + most // 2 - 1, -1) if sentence[place] in ENDS)
    return next(ends, end)
