"""Vectors for a tagger to begin with, learnt from text without tags, as the tagger will look them up."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from jaxtyping import Float32

from latticework.core.errors import InputError
from latticework.ner.lexicon import Lexicon, LexiconSource
from latticework.ner.matching import Matcher
from latticework.ner.segmentation import segment, words_of
from latticework.ner.text import characters
from latticework.ner.vectors import train_vectors
from latticework.ner.vocabulary import letters, neighbours


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
    tokens = _tokens(texts)
    known, vectors = train_vectors([letters(row) for row in tokens], size=size, epochs=epochs, seed=seed)
    pairs = [neighbours(row)[:-1] for row in tokens if len(row) > 1]
    if not pairs:
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
    tokens = _tokens(texts)
    cut = segment(tokens, Matcher(known))
    sentences = [words_of(row, lengths) for row, lengths in zip(tokens, cut, strict=True)]
    words, vectors = train_vectors(sentences, size=size, epochs=epochs, seed=seed)
    kept = [index for index, word in enumerate(words) if word in known]
    if not kept:
        raise InputError("no word of the lexicon is in the texts: there is nothing to learn vectors of")
    return [words[index] for index in kept], vectors[kept]


def _tokens(texts: Iterable[str]) -> list[list[str]]:
    tokens = [characters(text)[0] for text in texts]
    if not any(tokens):
        raise InputError("the texts hold no character: there is nothing to learn vectors of")
    return tokens
