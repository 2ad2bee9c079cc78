"""The benchmark of translation runs: its parts on a few numbers in words instead of Multi30k."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import translation
from latticework.core import datasets
from latticework.seq2seq.config import TransformerConfig
from latticework.translation import presets
from latticework.translation.numbers import draw_numbers, english, german


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = draw_numbers(0, train=300, validation=20, test=20)
    splits = {"train": drawn.train, "val": drawn.validation, "test_2016_flickr": drawn.test}
    config = TransformerConfig(layers=1, d_model=16, heads=2, feed_forward=32, batch_tokens=256, warmup_steps=50)
    monkeypatch.setitem(presets.PRESETS, "tiny", presets.Preset(config=config, vocab_size=80, max_epochs=2))

    def load(name: str, *, split: str) -> tuple[list[str], list[str]]:
        assert name == "multi30k"
        return [german(n) for n in splits[split]], [english(n) for n in splits[split]]

    monkeypatch.setattr(datasets, "load", load)


def test_the_parts_give_the_figures_that_the_table_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(translation, "CURVE_MINUTES", (0, 5))
    trained = translation.fit(tmp_path, seed=0)
    assert trained["minutes"] > 0
    assert 0 < trained["padding"] < 30
    assert trained["tokens_per_second"] > 0
    found = translation.predict(tmp_path, seed=0)
    assert 0 <= found["bleu"] <= 100
    assert "tok:13a" in found["signature"]
    [(minutes, bleu)] = translation.curve(tmp_path, seed=0)["points"]
    assert minutes == 5  # after 0 minutes there was no candidate
    assert bleu == pytest.approx(found["greedy"])  # the last candidate of two epochs is the best one, or as good
