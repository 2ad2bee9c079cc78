"""Encoded text in flat arrays, and batches of it by length, as in Vaswani et al. 2017, section 5.1.

All tokens lie end to end in one int32 array with the offsets of the texts beside it, so that a corpus costs four bytes
a token and a batch is one gather.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Bool, Int, Int32, Int64
from torch import Tensor

BUCKET_GROWTH = 1.08  # target lengths that count as one, from one bucket to the next; pads least on Multi30k
EVALUATION_TOKENS = 8192  # padded, that a model reads together where it does not learn


@dataclass(frozen=True, eq=False)
class EncodedText:
    """Many token sequences, end to end.

    Examples
    --------
    >>> text = EncodedText.from_sequences([[5, 6, 3], [7, 3]])
    >>> text[1].tolist(), text.lengths.tolist()
    ([7, 3], [3, 2])
    >>> text.padded(np.array([1, 0]), padding=0).tolist()
    [[7, 3, 0], [5, 6, 3]]
    """

    tokens: Int32[np.ndarray, " total"]
    offsets: Int64[np.ndarray, " texts_plus_one"]

    @classmethod
    def from_sequences(cls, sequences: Iterable[Sequence[int] | Int[np.ndarray, " tokens"]]) -> "EncodedText":
        """Lay the sequences end to end."""
        arrays = [np.asarray(sequence, dtype=np.int32) for sequence in sequences]
        offsets = np.cumsum([0, *map(len, arrays)], dtype=np.int64)
        return cls(np.concatenate([np.zeros(0, np.int32), *arrays]), offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, index: int) -> Int32[np.ndarray, " tokens"]:
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        index %= len(self)
        return self.tokens[self.offsets[index] : self.offsets[index + 1]]

    @cached_property
    def lengths(self) -> Int64[np.ndarray, " texts"]:
        """Tokens of each text."""
        return np.diff(self.offsets)

    def select(self, kept: Bool[np.ndarray, " texts"]) -> "EncodedText":
        """The texts at which `kept` is true, for a byte a token beside the copy: a corpus is large."""
        offsets = np.concatenate([[0], self.lengths[kept].cumsum()])
        return EncodedText(self.tokens[kept.repeat(self.lengths)], offsets)

    def padded(self, indices: Int64[np.ndarray, " batch"], *, padding: int) -> Int[Tensor, "batch time"]:
        """These texts as the rows of one matrix, filled up with `padding` at the end."""
        lengths = self.lengths[indices]
        columns = np.arange(lengths.max(initial=0))
        inside = columns < lengths[:, None]
        places = np.where(inside, self.offsets[indices][:, None] + columns, 0)
        return torch.from_numpy(np.where(inside, self.tokens[places], padding).astype(np.int64))


def token_batches(
    lengths: Sequence[Int64[np.ndarray, " texts"]], budget: int, generator: np.random.Generator | None = None
) -> list[Int64[np.ndarray, " batch"]]:
    """Batches of texts of like length, every text once, in random order.

    Parameters
    ----------
    lengths
        For each side (target first, then source) the tokens of every text.
    budget
        Most padded tokens of a batch on any side. A text longer than that is a batch of its own.
    generator
        Decides which texts of equal length meet, and the order of the batches. None, where neither matters, is one
        and the same each time.

    Returns
    -------
    list of arrays
        Indices of the texts. Cost: one sort, and one step of Python a batch.

    Examples
    --------
    >>> batches = token_batches([np.array([2, 9, 2, 8])], 18, np.random.default_rng(0))
    >>> sorted(sorted(batch.tolist()) for batch in batches)
    [[0, 2], [1, 3]]
    """
    generator = np.random.default_rng(0) if generator is None else generator
    count = len(lengths[0])
    # Texts of about one target length run from short to long sources, those of the next from long to short, and so on:
    # where one length ends and the next begins, a batch of both then has sources of like length too.
    _, bucket = np.unique(np.log(np.maximum(lengths[0], 1)) // np.log(BUCKET_GROWTH), return_inverse=True)
    turn = np.where(bucket % 2, -1, 1)
    order = np.lexsort([generator.permutation(count), *(turn * side for side in (lengths[0], *lengths[:0:-1])), bucket])
    ordered = [side[order] for side in lengths]
    batches = []
    start = 0
    while start < count:
        first = max(int(side[start]) for side in ordered)
        window = slice(start, start + max(1, budget // max(1, first)))
        longest = np.maximum.reduce([np.maximum.accumulate(side[window]) for side in ordered])
        fits = longest * np.arange(1, len(longest) + 1) <= budget
        size = max(1, int(fits.sum()))  # the product only grows, so the texts that fit come first
        batches.append(order[start : start + size])
        start += size
    return [batches[i] for i in generator.permutation(len(batches))]
