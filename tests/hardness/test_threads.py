"""Another number of threads changes results by rounding alone: sums are taken in another order.

The same seed and number of threads give the same bytes: see the common checks of estimators, and `test_commands`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from anomaly.detectors import detector, parts
from graphs import draw_graph
from taggers import SENTENCES, TAGS, WORDS
from threadpoolctl import threadpool_limits

from latticework.knowledge import DKGE
from latticework.ner import SoftLexiconTagger
from latticework.translation import TransformerConfig, TransformerTranslator

CPU = {"random_state": 0, "device": "cpu"}
WIDE = TransformerConfig(layers=1, d_model=256, heads=4, feed_forward=1024, batch_tokens=512, warmup_steps=4)
# Of the largest number of an array. In single precision a step rounds by 1e-7, and steps of training make more of it.
TOLERANCE = 1e-4


def translator() -> dict[str, np.ndarray]:
    """Losses: weights that change nothing, such as the bias of keys, are rounding alone, made large by Adam."""
    model = TransformerTranslator(vocab_size=20, max_epochs=2, config=WIDE, precision="32", **CPU)
    sentences = [f"{one} {other} {third}" for one in "abc" for other in "defg" for third in "hijk"]
    history = model.fit(sentences, [text[::-1] for text in sentences]).history_
    return {"loss": np.array([row["loss"] for row in history if "loss" in row])}


def tagger() -> dict[str, np.ndarray]:
    return tensors(SoftLexiconTagger(WORDS, hidden_size=100, max_epochs=1, **CPU).fit(SENTENCES, TAGS))


def graph() -> dict[str, np.ndarray]:
    return tensors(DKGE(64, max_epochs=2, **CPU).fit(draw_graph(0, entities=60, triples=400).named()))


def bank() -> dict[str, np.ndarray]:
    return tensors(detector().fit(parts(4)))


def tensors(model: Any) -> dict[str, np.ndarray]:
    """All that a model saves."""
    return {
        f"{group}.{name}": np.asarray(tensor, dtype=np.float64)
        for group, tensors in model.to_state().tensors.items()
        for name, tensor in tensors.items()
    }


@pytest.mark.parametrize("fit", [translator, tagger, graph, bank])
def test_another_number_of_threads_changes_results_by_rounding_alone(fit: Callable[[], dict[str, np.ndarray]]) -> None:
    one, two = (computed(fit, threads) for threads in (1, 2))
    assert one.keys() == two.keys()
    for name, values in one.items():
        scale = float(np.abs(values).max(initial=1e-12))
        assert np.allclose(two[name], values, rtol=0, atol=TOLERANCE * scale), name


def computed(fit: Callable[[], dict[str, np.ndarray]], threads: int) -> dict[str, np.ndarray]:
    """What so many threads compute."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with threadpool_limits(limits=threads):
            return fit()
    finally:
        torch.set_num_threads(before)
