"""Vectors that were learnt elsewhere, as a model begins with them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from latticework.ner.vectors import read_vectors
from latticework.ner.vocabulary import letter, letters, neighbours

if TYPE_CHECKING:
    from latticework.ner.config import TaggerConfig
    from latticework.ner.lexicon import Lexicon

Path = str | os.PathLike[str]


@dataclass(frozen=True)
class Given:
    """Vectors of characters and pairs, and of words.

    Attributes
    ----------
    characters, words
        The entries; what differs in digits alone may be one to the model, which begins with the first.
    character_vectors, word_vectors
        A row for each; those of characters have length 1, as in the published code.
    """

    characters: Sequence[str] = ()
    character_vectors: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    words: Sequence[str] = ()
    word_vectors: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.float32))

    @classmethod
    def read(
        cls,
        characters: Path | None,
        words: Path | None,
        lexicon: Lexicon,
        wanted: Callable[[str], bool] | None = None,
    ) -> Given:
        """Read word2vec's text format; of characters what is wanted, see `readable`, of words those of the lexicon."""
        found = cls()
        if characters is not None:
            entries, vectors = read_vectors(characters, wanted)
            vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
            found = cls(letters(entries), vectors)
        if words is not None:
            entries, vectors = read_vectors(words, set(lexicon.words))
            found = cls(found.characters, found.character_vectors, entries, vectors)
        return found

    def entries(self, length: int) -> list[str]:
        """Single characters, or pairs: the entries of that length."""
        return [entry for entry in self.characters if len(entry) == length]

    def sized(self, config: TaggerConfig) -> TaggerConfig:
        """The configuration with the sizes that the vectors have."""
        sizes = {"char_size": self.character_vectors.shape[1], "word_size": self.word_vectors.shape[1]}
        return replace(config, **{name: size for name, size in sizes.items() if size})

    @property
    def sha256(self) -> str:
        """A checksum of all of it."""
        digest = hashlib.sha256()
        for entries, vectors in ((self.characters, self.character_vectors), (self.words, self.word_vectors)):
            digest.update(repr((list(entries), vectors.shape)).encode())
            digest.update(np.ascontiguousarray(vectors).data)
        return digest.hexdigest()


def readable(sentences: Iterable[Sequence[str]], *, pairs: bool) -> Callable[[str], bool]:
    """Which entries of a file a model of characters can look up: usual files have millions of words beside them.

    Parameters
    ----------
    sentences
        The training text, whose tokens may be of several characters.
    pairs
        Whether the model reads pairs of characters too.

    Returns
    -------
    callable
        Says it of an entry: it is of one character, or two of a pair, or in the training text.

    Examples
    --------
    >>> reads = readable([["长", "江"], ["5G", "基"]], pairs=False)
    >>> [reads(entry) for entry in ("水", "长江", "6G")]
    [True, False, True]
    """
    most = 2 if pairs else 1
    odd = [tokens for tokens in sentences if any(len(token) > 1 for token in tokens)]
    longer = {letter(token) for tokens in odd for token in tokens}
    if pairs:
        longer.update(pair for tokens in odd for pair in neighbours(tokens))
    sizes = set(map(len, longer))
    return lambda entry: len(entry) <= most or (len(entry) in sizes and letter(entry) in longer)
