"""Sentences in which the word list decides, a lattice that has learnt them, and what must come of bad input."""

from __future__ import annotations

from pathlib import Path

import pytest

from latticework.ner import LatticeTagger
from latticework.ner.planted import Planted, plant
from latticework.ner.tour import CONFIG


@pytest.fixture(scope="session")
def planted() -> Planted:
    """As in the tour, but fewer to test; immutable."""
    return plant(0, test=100)


@pytest.fixture(scope="session")
def lattice(planted: Planted) -> LatticeTagger:
    """Trained on them, which takes some seconds; look at it only."""
    tagger = LatticeTagger(planted.words, hidden_size=60, max_epochs=8, config=CONFIG, random_state=0, device="cpu")
    return tagger.fit(planted.train.texts, planted.train.tags, (planted.validation.texts, planted.validation.tags))


@pytest.fixture(scope="session")
def lattice_folder(lattice: LatticeTagger, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where it is saved; read it only."""
    folder = tmp_path_factory.mktemp("lattice") / "model"
    lattice.save(folder)
    return folder
