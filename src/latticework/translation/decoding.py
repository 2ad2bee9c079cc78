"""From texts to translations: beam search over batches of like length, results in the order of the texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from latticework.core.errors import InputError
from latticework.core.progress import progress
from latticework.translation.text import UNSPACED, Parts, on_one_line, whole_number

if TYPE_CHECKING:
    from latticework.seq2seq.corpus import EncodedText
    from latticework.seq2seq.model import EncoderDecoder
    from latticework.seq2seq.search import Hypothesis
    from latticework.seq2seq.vocabulary import Vocabulary

EXTRA_LENGTH: Final = 50  # an output may be this many pieces longer than its input (section 6.1)
MAX_PENALTY: Final = 10  # ((5 + length) / 6)^α must stay a number in single precision; the paper's α is 0.6
SEARCH_TOKENS: Final = 4096  # padded source tokens, times the beam, that are decoded together


@dataclass(frozen=True)
class Translation:
    """One translation: its text, its score (log P over the length penalty) and its log-probability in nats."""

    text: str
    score: float
    log_probability: float


@dataclass(frozen=True)
class SearchOptions:
    """How to search: checked options of `TransformerTranslator.predict`."""

    beam_size: int
    length_penalty: float
    n_best: int


def check_search(beam_size: int, length_penalty: float, n_best: int, vocabulary_size: int) -> SearchOptions:
    """Check the options of a search.

    Raises
    ------
    InputError
        If one is out of its range.
    """
    beam_size, n_best = whole_number("beam_size", beam_size), whole_number("n_best", n_best)
    if beam_size > vocabulary_size:
        raise InputError(f"beam_size={beam_size} is more than the {vocabulary_size} pieces of the vocabulary")
    if n_best > beam_size:
        raise InputError(f"n_best={n_best} needs a beam_size of at least {n_best}, got {beam_size}")
    return SearchOptions(beam_size, _penalty(length_penalty), n_best)


def _penalty(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, Real) or value < 0 or not value <= MAX_PENALTY:
        raise InputError(f"length_penalty={value!r}: expected a number of at least 0 and at most {MAX_PENALTY}")
    return float(value)


def search_parts(
    model: EncoderDecoder, parts: EncodedText, wanted: np.ndarray, options: SearchOptions, device: Any
) -> list[list[Hypothesis]]:
    """Find the best outputs of every part.

    Parameters
    ----------
    model
        On `device`, in evaluation mode.
    parts
        Encoded texts, or parts of texts.
    wanted
        ``(parts,)`` of bool: the others are empty, and so are their outputs.
    """
    import torch

    from latticework.seq2seq.corpus import token_batches
    from latticework.seq2seq.search import Hypothesis, beam_search

    found = [[Hypothesis([], 0.0, 0.0)] * options.n_best for _ in range(len(parts))]
    todo = np.flatnonzero(wanted)
    budget = max(1, SEARCH_TOKENS // options.beam_size)
    with progress("translating", total=len(todo), unit="sentences") as bar:
        for batch in token_batches([parts.lengths[todo]], budget, np.random.default_rng(0)):
            indices = todo[batch]
            hypotheses = beam_search(
                model,
                model.remember(parts.padded(indices, padding=0).to(device)),
                beam_size=options.beam_size,
                max_lengths=torch.from_numpy(parts.lengths[indices] + EXTRA_LENGTH),
                alpha=options.length_penalty,
                n_best=options.n_best,
            )
            for index, best in zip(indices, hypotheses, strict=True):
                found[index] = best
            bar.advance(len(indices))
    return found


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
