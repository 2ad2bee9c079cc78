"""Which of the pairs that were handed over are learnt from, and how many are not."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from latticework.core.errors import InputError, callers_level

if TYPE_CHECKING:
    from latticework.nn.sequences import EncodedText
    from latticework.seq2seq.vocabulary import Vocabulary


@dataclass(frozen=True)
class ParallelText:
    """Pairs with text on both sides, what they are for, and how many of which kind were given."""

    sources: list[str]
    targets: list[str]
    name: str
    counts: dict[str, int]

    def encode(self, vocabulary: Vocabulary, max_length: int) -> tuple[EncodedText, EncodedText]:
        """Encode the pairs, leave those of more than `max_length` pieces on a side out, and complete the counts.

        Warns whoever called the library of all that were left out.

        Raises
        ------
        InputError
            If none is left.
        """
        source, target = vocabulary.encode(self.sources), vocabulary.encode(self.targets)
        kept = np.maximum(source.lengths, target.lengths) <= max_length
        given, empty, used = self.counts["given"], self.counts["empty"], int(kept.sum())
        self.counts.update(too_long=len(kept) - used, used=used)
        if not used:
            raise InputError(f"every {self.name} pair is longer than max_length={max_length} pieces")
        if used < given:
            warnings.warn(
                f"{given - used:,} of {given:,} {self.name} pairs left out: {empty:,} with an empty side, "
                f"{len(kept) - used:,} of more than max_length={max_length} pieces",
                UserWarning,
                stacklevel=callers_level(),
            )
        return (source, target) if kept.all() else (source.select(kept), target.select(kept))


def without_empty(sources: list[str], targets: list[str], name: str) -> ParallelText:
    """Leave pairs with an empty side out.

    Raises
    ------
    InputError
        If none is left.
    """
    kept = [(s, t) for s, t in zip(sources, targets, strict=True) if s.strip() and t.strip()]
    if not kept:
        raise InputError(f"every {name} pair has an empty side")
    counts = {"given": len(sources), "empty": len(sources) - len(kept)}
    return ParallelText([s for s, _ in kept], [t for _, t in kept], name, counts)
