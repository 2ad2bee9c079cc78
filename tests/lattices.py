"""Random words over the characters of sentences, and what holds them."""

import numpy as np

from latticework.nn import Lattice


def draw_arcs(generator, lengths, share=0.3):
    """Words of 2 to 5 characters, (sentence, begin, end) sentence by sentence; a share of all that there could be."""
    return [
        (sentence, begin, end)
        for sentence, length in enumerate(lengths)
        for begin in range(length)
        for end in range(begin + 2, min(begin + 5, length) + 1)
        if generator.random() < share
    ]


def columns_of(lengths, arcs):
    """Lengths, and the sentences, begins and ends of words, as arrays."""
    return np.array(lengths, dtype=np.int64), *np.array(arcs, dtype=np.int64).reshape(-1, 3).T


def lattice_of(lengths, arcs):
    return Lattice.of(*columns_of(lengths, arcs))
