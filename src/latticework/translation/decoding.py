"""From what a search has found to translations: the parts of a text become one again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from latticework.translation.parts import UNSPACED, Parts
from latticework.translation.text import on_one_line

if TYPE_CHECKING:
    from latticework.seq2seq.search import Hypothesis
    from latticework.seq2seq.vocabulary import Vocabulary

EXTRA_LENGTH: Final = 50  # an output may be this many pieces longer than its input (section 6.1)


@dataclass(frozen=True)
class Translation:
    """One translation: its text, its score (log P over the length penalty) and its log-probability in nats."""

    text: str
    score: float
    log_probability: float


def join_parts(
    found: Sequence[Sequence[Hypothesis]], parts: Parts, vocabulary: Vocabulary, *, count: int, n_best: int
) -> list[list[Translation]]:
    """Put the parts of each of `count` texts together again, the best with the best."""
    decoded = vocabulary.decode([hypothesis.tokens for best in found for hypothesis in best])
    texts = map(on_one_line, decoded)  # a vocabulary that spells in bytes can spell line breaks
    own: list[list[list[Translation]]] = [[] for _ in range(count)]
    after_word: list[list[bool]] = [[] for _ in range(count)]
    for owner, after, best in zip(parts.owners, parts.after_word.tolist(), found, strict=True):
        own[owner].append([Translation(next(texts), h.score, h.log_probability) for h in best])
        after_word[owner].append(after)
    return [_joined(*each, n_best) for each in zip(own, after_word, strict=True)]


def _joined(parts: list[list[Translation]], after_word: list[bool], n_best: int) -> list[Translation]:
    if len(parts) == 1:
        return parts[0]
    ranks = [[part[min(rank, len(part) - 1)] for part in parts] for rank in range(n_best)]
    return [
        Translation(
            joined_text([part.text for part in rank], after_word),
            sum(part.score for part in rank),
            sum(part.log_probability for part in rank),
        )
        for rank in ranks
    ]


def joined_text(texts: Sequence[str], after_word: Sequence[bool]) -> str:
    """The translations of the parts of a text as one, with spaces where its language has them.

    Examples
    --------
    >>> joined_text(["Es regnet.", "Wir bleiben", "hier."], [True, True, True])
    'Es regnet. Wir bleiben hier.'
    >>> joined_text(["下雨了。", "我们不出去。"], [True, True])
    '下雨了。我们不出去。'
    >>> joined_text(["ACGT", "GGCA"], [True, False])
    'ACGTGGCA'
    """
    whole = ""
    for text, after in zip(texts, after_word, strict=True):
        if whole and text and after and not UNSPACED.search(whole[-1] + text[0]):
            whole += " "
        whole += text
    return whole
