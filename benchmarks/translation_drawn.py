"""A translator of drawn weights, and texts of drawn tokens, at the shape of the preset "tiny"."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from latticework.nn.sequences import EncodedText
    from latticework.seq2seq.model import EncoderDecoder

NEVER = -1e4  # logit of the end: finite, so that a search still ends where it must


def build(vocabulary: int) -> EncoderDecoder:
    """A model of the preset's shape with drawn weights."""
    import torch

    from latticework.seq2seq.model import EncoderDecoder
    from latticework.translation.presets import PRESETS

    torch.manual_seed(0)
    return EncoderDecoder(PRESETS["tiny"].config, vocabulary)


def endless(model: EncoderDecoder) -> EncoderDecoder:
    """The model, to search with, whose outputs end only where they must."""
    from latticework.seq2seq.vocabulary import END

    step = model.step

    def without_end(*so_far: Any) -> Any:
        logits = step(*so_far)
        logits[..., END] = NEVER
        return logits

    model.step = without_end  # type: ignore[method-assign]
    return model.eval()


def drawn_text(count: int, length: int, vocabulary: int, seed: int) -> EncodedText:
    """Texts of nine tenths of `length` to `length` tokens, END included."""
    import numpy as np

    from latticework.nn.sequences import EncodedText
    from latticework.seq2seq.vocabulary import END, SPECIAL

    generator = np.random.default_rng(seed)
    lengths = generator.integers(-(-9 * length // 10), length + 1, count)
    offsets = np.concatenate([[0], lengths.cumsum()]).astype(np.int64)
    tokens = generator.integers(SPECIAL, vocabulary, offsets[-1]).astype(np.int32)
    tokens[offsets[1:] - 1] = END
    return EncodedText(tokens, offsets)
