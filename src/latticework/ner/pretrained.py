"""Vectors that were learnt elsewhere, as a model begins with them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from latticework.ner.vectors import read_vectors
from latticework.ner.vocabulary import letters

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
    def read(cls, characters: Path | None, words: Path | None, lexicon: Lexicon) -> Given:
        """Read word2vec's text format; of words only those of the lexicon."""
        found = cls()
        if characters is not None:
            entries, vectors = read_vectors(characters, None)
            norms = np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
            found = cls(letters(entries), (vectors / norms).astype(np.float32))
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
