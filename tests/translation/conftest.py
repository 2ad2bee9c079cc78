"""A translator of a toy language, trained once for all tests, and the command in this process and in others."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from filelock import FileLock

from latticework.seq2seq.vocabulary import BEGIN
from latticework.translation import TransformerConfig, TransformerTranslator
from latticework.translation.presets import PRESETS, Preset

NOUNS = {"dog": "Hund", "cat": "Katze", "house": "Haus", "tree": "Baum"}
ARTICLES = {"Hund": ("Der", "den"), "Katze": ("Die", "die"), "Haus": ("Das", "das"), "Baum": ("Der", "den")}
VERBS = {"sees": "sieht", "hears": "hört", "finds": "findet"}
CONFIG = TransformerConfig(
    layers=2,
    d_model=32,
    heads=2,
    feed_forward=64,
    dropout=0.05,
    batch_tokens=128,
    warmup_steps=60,
    learning_rate=0.5,
    average_checkpoints=2,
    max_length=12,  # a sentence of the toy language, but not two
)


def sentence(subject: str, verb: str, thing: str) -> tuple[str, str]:
    first, second = NOUNS[subject], NOUNS[thing]
    german = f"{ARTICLES[first][0]} {first} {VERBS[verb]} {ARTICLES[second][1]} {second}."
    return f"the {subject} {verb} the {thing}.", german


@pytest.fixture(scope="session")
def corpus() -> SimpleNamespace:
    """All 48 sentences of a toy language, with articles that depend on the noun; immutable."""
    pairs = [sentence(subject, verb, thing) for subject in NOUNS for verb in VERBS for thing in NOUNS]
    return SimpleNamespace(source=tuple(s for s, _ in pairs), target=tuple(t for _, t in pairs))


@pytest.fixture(scope="session")
def settings() -> dict[str, object]:
    """Parameters that learn the toy language by heart, in seven seconds; with fewer epochs some seeds do not."""
    return {
        "vocab_size": 70,
        "max_epochs": 90,
        "config": CONFIG,
        "random_state": 0,
        "device": "cpu",
        "precision": "32",
    }


@pytest.fixture(scope="session")
def model_folder(
    corpus: SimpleNamespace, settings: dict[str, object], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Where a translator of the toy language is saved, trained once for all processes of pytest; read it only."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "translator"
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            TransformerTranslator(**settings).fit(corpus.source, corpus.target).save(folder)
    return folder


@pytest.fixture(scope="session")
def translator(model_folder: Path) -> TransformerTranslator:
    """That translator; look at it only."""
    return TransformerTranslator.load(model_folder, device="cpu")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, settings: dict[str, object]) -> None:
    """Make the preset "tiny" as small as the translator of the toy language."""
    small = Preset(config=CONFIG, vocab_size=settings["vocab_size"], max_epochs=settings["max_epochs"])
    monkeypatch.setitem(PRESETS, "tiny", small)


@pytest.fixture
def shuffled(corpus: SimpleNamespace) -> tuple[list[str], list[str]]:
    """The corpus in another order, with gaps and repetitions, and what must come out."""
    pairs = [*zip(corpus.source, corpus.target, strict=True), *[("", "")] * 3, ("   ", ""), ("\t\u2003", "")]
    chosen = np.random.default_rng(5).integers(0, len(pairs), 70)
    chosen = np.random.default_rng(6).permutation([*range(len(pairs)), *chosen])
    return [pairs[index][0] for index in chosen], [pairs[index][1] for index in chosen]


@pytest.fixture(scope="session")
def log_probability() -> Callable[[TransformerTranslator, str, str], tuple[float, int]]:
    """Compute log P of a target given a source, and its number of tokens, from the model's own logits."""

    def run(translator: TransformerTranslator, source: str, target: str) -> tuple[float, int]:
        encoded = (translator.vocabulary_.encode([text])[0].astype(np.int64) for text in (source, target))
        read, written = (torch.from_numpy(tokens)[None] for tokens in encoded)
        model = translator.model_
        with torch.inference_mode():
            states = model.decode(torch.cat([torch.tensor([[BEGIN]]), written[:, :-1]], 1), model.remember(read))
            logits = states.double() @ model.embedding.double().T
        return float(logits.log_softmax(-1).gather(2, written[:, :, None]).sum()), written.shape[1]

    return run
