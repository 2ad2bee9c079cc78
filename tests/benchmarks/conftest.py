"""Benchmarks are no part of the installed package: their folder is found from the root of the checkout."""

import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).resolve().parents[2]))


@pytest.fixture(autouse=True)
def committed(monkeypatch: pytest.MonkeyPatch) -> None:
    """One commit has all of the code, whatever is being written."""
    from benchmarks import commits

    monkeypatch.setattr(commits, "_commit", lambda: "0123456789ab")
    monkeypatch.setattr(commits, "_BEGUN", "0123456789ab")


@pytest.fixture
def result() -> Any:
    """A result of three rows: one has a target that is met, one a target that is missed, one none."""
    from benchmarks.records import Row, make_result

    rows = [
        Row.of("BLEU, test_2016", [33.8, 34.25, 34.0], "BLEU", ">= 30"),
        Row("peak memory | of fit", 1612.5, "MB", "<= 1500"),
        Row("BLEU after 5 minutes", 21, "BLEU"),
    ]
    return make_result("translation", "Multi30k", "python -m benchmarks.translation", rows, threads=2)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few numbers in words instead of Multi30k, and a preset that learns them in a second."""
    from latticework.core import datasets
    from latticework.seq2seq import learning
    from latticework.seq2seq.config import TransformerConfig
    from latticework.translation import presets
    from latticework.translation.numbers import draw_numbers, english, german

    drawn = draw_numbers(0, train=300, validation=20, test=20)
    splits = {"train": drawn.train, "val": drawn.validation, "test_2016_flickr": drawn.test}
    config = TransformerConfig(layers=1, d_model=16, heads=2, feed_forward=32, batch_tokens=256, warmup_steps=50)
    monkeypatch.setitem(presets.PRESETS, "tiny", presets.Preset(config=config, vocab_size=80, max_epochs=2))

    def load(name: str, *, split: str) -> tuple[list[str], list[str]]:
        assert name == "multi30k"
        return [german(n) for n in splits[split]], [english(n) for n in splits[split]]

    monkeypatch.setattr(datasets, "load", load)
    # a part has a process of its own, where it replaces this for good
    monkeypatch.setattr(learning.PairsTask, "validate", learning.PairsTask.validate)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Three snapshots of a made-up world instead of YAGO-3SP, and a DKGE that learns them in a second."""
    import latticework.knowledge
    from latticework.core import datasets
    from latticework.knowledge import DKGE
    from latticework.knowledge.io.dataset import Builder, Splits
    from latticework.knowledge.planted import plant

    snapshots = []
    for drawn in plant(0, people=60, countries=2, births=8, moves=6):
        builder = Builder()
        parts = [builder.add(*zip(*facts, strict=True)) for facts in (drawn.facts, drawn.validation, drawn.test)]
        snapshots.append(Splits(*builder.names(), *parts))

    def load(name: str, *, snapshot: int) -> Splits:
        assert name == "yago-3sp"
        return snapshots[snapshot - 1]

    monkeypatch.setattr(datasets, "load", load)
    monkeypatch.setattr(latticework.knowledge, "DKGE", partial(DKGE, 8, max_epochs=2))
    return snapshots
