"""Where a translator looks: the attention weights of a pair of sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from latticework.seq2seq.model import EncoderDecoder
    from latticework.seq2seq.vocabulary import Vocabulary


@dataclass(frozen=True)
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


def attention_maps(
    model: EncoderDecoder, vocabulary: Vocabulary, sources: Sequence[str], targets: Sequence[str], device: Any
) -> Iterator[AttentionMaps]:
    """Yield the weights of one pair after the other; `model` on `device`, in evaluation mode."""
    import torch

    encoded = vocabulary.encode(sources), vocabulary.encode(targets)
    for index in range(len(sources)):
        pair = [text.padded(np.array([index]), padding=0).to(device) for text in encoded]
        own, past, cross = (torch.cat(layers).float().cpu().numpy() for layers in model.attention_maps(*pair))
        read, written = (vocabulary.pieces(text[index]) for text in encoded)
        yield AttentionMaps(read, written, own, past, cross)
