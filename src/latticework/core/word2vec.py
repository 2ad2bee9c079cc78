"""Words and their vectors as word2vec text, which the tools of the field read (Mikolov et al. 2013)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32


def word2vec_bytes(words: Sequence[str], vectors: Float32[np.ndarray, "words size"]) -> bytes:
    r"""A file: how many words and how wide, then on each line a word and its numbers, from which float32 comes back.

    Parameters
    ----------
    words
        Without white space.
    vectors
        One a word.

    Examples
    --------
    >>> word2vec_bytes(["Rome", "Bern"], np.array([[0.5, 1], [2, 0]], np.float32))
    b'2 2\nRome 0.5 1\nBern 2 0\n'
    """
    rows = (f"{word} {' '.join(f'{x:.9g}' for x in row.tolist())}\n" for word, row in zip(words, vectors, strict=True))
    return "".join([f"{len(vectors)} {vectors.shape[1]}\n", *rows]).encode()
