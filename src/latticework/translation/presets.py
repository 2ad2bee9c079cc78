"""Named configurations: the paper's two, and two for less data and time.

Differs from the paper: the checkpoints that `tiny` and `small` average are an epoch apart; the paper's were ten minutes
apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from latticework.core.checks import one_of
from latticework.seq2seq.config import TransformerConfig


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A configuration, and the vocabulary and length of training that go with it."""

    config: TransformerConfig
    vocab_size: int
    max_epochs: int | None = None
    max_steps: int | None = None


PRESETS: Final = {
    # 30,000 pairs on a laptop in twenty minutes
    "tiny": Preset(
        config=TransformerConfig(
            layers=3,
            d_model=256,
            heads=4,
            feed_forward=1024,
            dropout=0.2,
            batch_tokens=1024,  # more and smaller steps: there is little text
            warmup_steps=1600,
            learning_rate=0.7,  # twice as much stalls before the decoder finds its source
            average_checkpoints=5,
        ),
        vocab_size=4000,
        max_epochs=20,
    ),
    # some 200,000 pairs, such as talks; a GPU helps
    "small": Preset(
        config=TransformerConfig(
            layers=6,
            d_model=512,
            heads=4,
            feed_forward=1024,
            dropout=0.3,
            batch_tokens=4096,
            average_checkpoints=10,
        ),
        vocab_size=10_000,
        max_epochs=50,
    ),
    # the paper's, table 3, for millions of pairs; its checkpoints were ten minutes apart, at 0.4 and 1.0 s a step
    "base": Preset(config=TransformerConfig(validate_every=1500), vocab_size=37_000, max_steps=100_000),
    "big": Preset(
        config=TransformerConfig(
            d_model=1024,
            heads=16,
            feed_forward=4096,
            dropout=0.3,
            average_checkpoints=20,
            validate_every=600,
        ),
        vocab_size=37_000,
        max_steps=300_000,
    ),
}


def find_preset(name: str) -> Preset:
    """The preset of a name.

    Raises
    ------
    InputError
        If there is none.
    """
    one_of("preset", name, PRESETS)
    return PRESETS[name]
