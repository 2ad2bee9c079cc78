"""Where a translator looks: the attention weights of a pair of sentences."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from latticework.core.errors import InputError

if TYPE_CHECKING:
    from latticework.nn.sequences import EncodedText
    from latticework.seq2seq.config import TransformerConfig
    from latticework.seq2seq.model import EncoderDecoder
    from latticework.seq2seq.vocabulary import Vocabulary

MAX_WEIGHTS: Final = 2**27  # of all maps of one pair: half a GiB


@dataclass(frozen=True, eq=False)
class AttentionMaps:
    """Where every head of every layer looks, for one pair of sentences.

    Attributes
    ----------
    source, target
        Pieces, the end piece included.
    encoder
        ``(layers, heads, source, source)``; rows sum to 1, as in the others.
    decoder
        ``(layers, heads, target, target)``. Row t is the step that predicts ``target[t]``; column 0 is the begin piece
        and column j is ``target[j - 1]``.
    cross
        ``(layers, heads, target, source)``: row t is again the step that predicts ``target[t]``.
    """

    source: list[str]
    target: list[str]
    encoder: np.ndarray
    decoder: np.ndarray
    cross: np.ndarray


def check_sizes(config: TransformerConfig, *lengths: np.ndarray) -> None:
    """Refuse pairs whose maps would fill the memory.

    Parameters
    ----------
    lengths
        Pieces of every source and, once they are known, of every target.

    Raises
    ------
    InputError
        With the index and the lengths of the first such pair.
    """
    maps = config.layers * config.heads
    weights = maps * sum(rows * columns for rows, columns in combinations_with_replacement(lengths, 2))
    if (weights > MAX_WEIGHTS).any():
        index = int((weights > MAX_WEIGHTS).argmax())
        pieces = " and ".join(str(side[index]) for side in lengths)
        raise InputError(
            f"attention: the pair at index {index} has {pieces} pieces: {weights[index]:,} weights in {maps} heads, "
            f"expected at most {MAX_WEIGHTS:,}"
        )


def attention_maps(
    model: EncoderDecoder, vocabulary: Vocabulary, sources: EncodedText, targets: EncodedText, device: Any
) -> Iterator[AttentionMaps]:
    """Yield the weights of one pair after the other; `model` on `device`, in evaluation mode."""
    import torch

    from latticework.seq2seq.vocabulary import PAD

    for index in range(len(sources)):
        pair = [text.padded(np.array([index]), padding=PAD).to(device) for text in (sources, targets)]
        own, past, cross = (torch.cat(layers).float().cpu().numpy() for layers in model.attention_maps(*pair))
        read, written = (vocabulary.pieces(text[index]) for text in (sources, targets))
        yield AttentionMaps(read, written, own, past, cross)
