"""Random texts as a model reads them."""

import torch

from latticework.seq2seq.vocabulary import END, PAD, SPECIAL


def sentences(seed, lengths, vocabulary=11):
    """Padded texts, each ending in END."""
    generator = torch.Generator().manual_seed(seed)
    rows = torch.full((len(lengths), max(lengths)), PAD)
    for row, length in zip(rows, lengths, strict=True):
        row[:length] = torch.randint(SPECIAL, vocabulary, (length,), generator=generator)
        row[length - 1] = END
    return rows
