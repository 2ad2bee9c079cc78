"""What a page shows of a trained translator: its loss, examples, and where it looked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from latticework.pages import Picture, Table, heat_map, history_plot

if TYPE_CHECKING:
    from latticework.translation.attention import AttentionMaps
    from latticework.translation.estimator import TransformerTranslator


def loss_curve(translator: TransformerTranslator) -> Picture | None:
    """Training and validation loss against steps of training; None if none was logged."""
    training = "training (smoothed targets)" if translator.config_.label_smoothing else "training"
    return history_plot(
        translator.history_,
        {training: "loss", "validation": "valid_loss"},
        y_label="loss, nats per piece",
        caption="Loss while the translator was trained.",
    )


def cross_attention(maps: AttentionMaps) -> Picture:
    """Where the decoder looked in the source for each piece it wrote: its last layer, the mean of the heads."""
    return heat_map(
        maps.cross[-1].mean(0),
        rows=maps.target,
        columns=maps.source,
        x_label="read",
        y_label="written",
        value_label="share of attention",
        caption="Attention from each piece of the translation (rows) to the pieces of the source (columns), the mean "
        "of the heads of the last layer. ▁ is a space, </s> the end.",
    )


def examples(sources: Sequence[str], references: Sequence[str], translations: Sequence[str]) -> Table:
    """Translations beside their references."""
    rows = [
        (source, translation, "yes" if translation == reference else f"no: {reference}")
        for source, reference, translation in zip(sources, references, translations, strict=True)
    ]
    header = ("source", "translation", "as in the reference")
    return Table(header, rows, "Translations of text that was not trained on.")
