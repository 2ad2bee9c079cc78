"""Vectors for a tagger to begin with, learnt from text without tags, as the tagger will look them up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Final

import numpy as np
from jaxtyping import Float32

from latticework.core.errors import InputError
from latticework.ner.lexicon import Lexicon, LexiconSource
from latticework.ner.matching import Matcher
from latticework.ner.segmentation import segment, words_of
from latticework.ner.text import characters
from latticework.ner.vectors import Anew, train_vectors
from latticework.ner.vocabulary import letters, neighbours

_BATCH: Final = 2**10  # texts that are cut into words in one go


def character_vectors(
    texts: Iterable[str], *, size: int, epochs: int, seed: int
) -> tuple[list[str], Float32[np.ndarray, "words size"]]:
    """Vectors of the characters of texts and of pairs of neighbours, for a tagger's `char_vectors`.

    Parameters
    ----------
    texts
        White space in them is left out.
    size, epochs, seed
        As for `vectors.train_vectors`.

    Returns
    -------
    entries, vectors
        Characters and then pairs, and a row for each; `vectors.write_vectors` makes a file of them.

    Raises
    ------
    InputError
        If the texts hold no character.
    MissingExtraError
        If gensim is not installed.

    Examples
    --------
    >>> entries, vectors = character_vectors(["长江长"], size=4, epochs=1, seed=0)
    >>> sorted(entries), vectors.shape
    (['江', '江长', '长', '长江'], (4, 4))
    """
    kept = list(texts)
    singles = Anew(lambda: map(letters, map(_tokens, kept)))
    pairs = Anew(lambda: (neighbours(row)[:-1] for row in map(_tokens, kept)))
    _check_any(singles)
    known, vectors = train_vectors(singles, size=size, epochs=epochs, seed=seed)
    if not any(pairs):
        return known, vectors
    more, more_vectors = train_vectors(pairs, size=size, epochs=epochs, seed=seed)
    return [*known, *more], np.concatenate([vectors, more_vectors])


def word_vectors(
    texts: Iterable[str], lexicon: LexiconSource, *, size: int, epochs: int, seed: int
) -> tuple[list[str], Float32[np.ndarray, "words size"]]:
    """Vectors of the lexicon's words, as segmentation with that lexicon finds them in the texts.

    Parameters
    ----------
    texts
        White space in them is left out.
    lexicon
        As `Lexicon.of` takes it.
    size, epochs, seed
        As for `vectors.train_vectors`.

    Returns
    -------
    words, vectors
        The words that were found, and a row for each; `vectors.write_vectors` makes a file of them.

    Raises
    ------
    InputError
        If the texts hold no character, or no word.
    MissingExtraError
        If gensim is not installed.

    Examples
    --------
    >>> words, vectors = word_vectors(["在长江"], ["长江", "长城"], size=4, epochs=1, seed=0)
    >>> words, vectors.shape
    (['长江'], (1, 4))
    """
    known = Lexicon.of(lexicon)
    cut = list(_cut(texts, Matcher(known)))
    _check_any(cut)
    words, vectors = train_vectors(Anew(lambda: map(str.split, cut)), size=size, epochs=epochs, seed=seed)
    kept = [index for index, word in enumerate(words) if word in known]
    if not kept:
        raise InputError("no word of the lexicon is in the texts: there is nothing to learn vectors of")
    return [words[index] for index in kept], vectors[kept]


def _tokens(text: str) -> list[str]:
    return characters(text)[0]


def _cut(texts: Iterable[str], matcher: Matcher) -> Iterator[str]:
    """The words of each text with spaces between them, which take a tenth of the memory of a list."""
    texts = iter(texts)
    while tokens := list(map(_tokens, islice(texts, _BATCH))):
        for row, lengths in zip(tokens, segment(tokens, matcher), strict=True):
            yield " ".join(words_of(row, lengths))


def _check_any(sentences: Iterable[Sequence[str]]) -> None:
    if not any(sentences):
        raise InputError("the texts hold no character: there is nothing to learn vectors of")
