"""The presets: the paper's two have the paper's sizes, and all are described where users look."""

from __future__ import annotations

import math
from dataclasses import asdict

import pytest
import torch

from latticework.core import InputError
from latticework.seq2seq.config import TransformerConfig
from latticework.seq2seq.learning import training_plan
from latticework.seq2seq.model import EncoderDecoder
from latticework.translation.presets import PRESETS, find_preset


def closed_form(config, vocabulary_size):
    """Count the parameters as the paper's formulas give them, biases and norms included."""
    d, hidden = config.d_model, config.feed_forward
    attention, feed_forward, norm = 4 * (d * d + d), 2 * d * hidden + hidden + d, 2 * d
    encoder = attention + feed_forward + 2 * norm
    decoder = 2 * attention + feed_forward + 3 * norm
    return vocabulary_size * d + config.layers * (encoder + decoder)


def parameters(config, vocabulary_size):
    with torch.device("meta"):
        model = EncoderDecoder(config, vocabulary_size)
    return sum(parameter.numel() for parameter in model.parameters())


def test_base_has_the_papers_60_522_496_parameters():
    assert parameters(PRESETS["base"].config, 32_000) == 60_522_496
    assert parameters(PRESETS["base"].config, 37_000) == 63_082_496


def test_big_has_as_many_as_its_layers_say():
    assert parameters(PRESETS["big"].config, 37_000) == 6 * (12_596_224 + 16_796_672) + 37_000 * 1024


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_has_the_size_of_the_closed_form(name):
    preset = PRESETS[name]
    assert parameters(preset.config, preset.vocab_size) == closed_form(preset.config, preset.vocab_size)


def test_base_and_big_are_the_papers():
    base, big = PRESETS["base"], PRESETS["big"]
    expected = {"layers": 6, "label_smoothing": 0.1, "norm_first": False, "positions": "paper", "warmup_steps": 4000}
    expected |= {"learning_rate": 1.0, "clip_norm": None, "batch_tokens": 25_000, "accumulate": 1}
    shape = ("d_model", "feed_forward", "heads", "dropout", "average_checkpoints")
    for preset, figures in ((base, (512, 2048, 8, 0.1, 5)), (big, (1024, 4096, 16, 0.3, 20))):
        assert asdict(preset.config) | expected | dict(zip(shape, figures, strict=True)) == asdict(preset.config)
        assert preset.vocab_size == 37_000
        assert preset.max_epochs is None
    assert (base.max_steps, big.max_steps) == (100_000, 300_000)


def test_checkpoints_of_base_and_big_are_ten_minutes_apart_on_the_papers_machines():
    assert PRESETS["base"].config.validate_every * 0.4 == 600
    assert PRESETS["big"].config.validate_every * 1.0 == 600


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_ends_and_can_be_trained(name):
    preset = PRESETS[name]
    assert TransformerConfig(**asdict(preset.config)) == preset.config
    assert (preset.max_epochs is None) != (preset.max_steps is None)
    plan = training_plan(preset.config, max_epochs=preset.max_epochs, max_steps=preset.max_steps)
    rates = [plan.learning_rate(step) for step in range(1, 3 * preset.config.warmup_steps)]
    assert rates.index(max(rates)) == preset.config.warmup_steps - 1
    assert 1e-4 < max(rates) < 1e-2
    assert all(map(math.isfinite, rates))


def test_presets_grow_in_the_order_of_their_names():
    sizes = [parameters(find_preset(name).config, 10_000) for name in ("tiny", "small", "base", "big")]
    assert sizes == sorted(set(sizes))


@pytest.mark.parametrize("name", ["medium", "", "Base", None, 3])
def test_an_unknown_preset_is_refused_with_those_there_are(name):
    with pytest.raises(InputError, match=r"^preset=.*: expected one of tiny, small, base, big$"):
        find_preset(name)
