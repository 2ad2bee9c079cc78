"""Small estimators that stand for kinds the contract must fit, a capability that declares them, and work to be done."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass

import numpy as np
from sklearn.base import OutlierMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, check_random_state, validate_data

from latticework.core import Capability, Estimator, InputError, State


class NeighbourBank(OutlierMixin, TransformerMixin, Estimator):
    """Outliers are far from every remembered example: a memory bank, nothing is learned by gradient."""

    def __init__(self, *, n_neighbors=1, bank_size=256, contamination=0.1, random_state=None):
        self.n_neighbors = n_neighbors
        self.bank_size = bank_size
        self.contamination = contamination
        self.random_state = random_state

    def fit(self, X, y=None):
        if not 1 <= self.n_neighbors <= self.bank_size:
            raise InputError(f"n_neighbors must be from 1 to bank_size={self.bank_size}, got {self.n_neighbors}")
        X = self._checked(X, reset=True)
        chosen = check_random_state(self.random_state).permutation(len(X))[: self.bank_size]
        self.bank_ = X[np.sort(chosen)]
        self.offset_ = float(np.quantile(self.score_samples(X), self.contamination))
        return self

    def transform(self, X):
        """Distances to the nearest remembered examples, nearest first."""
        check_is_fitted(self)
        X = self._checked(X, reset=False)
        distances = np.linalg.norm(X[:, None] - self.bank_[None], axis=-1)
        return np.sort(distances, axis=1)[:, : self.n_neighbors]

    def score_samples(self, X):
        return -self.transform(X).mean(axis=1)

    def decision_function(self, X):
        return self.score_samples(X) - self.offset_

    def predict(self, X):
        return np.where(self.decision_function(X) < 0, -1, 1)

    def score(self, X, y=None):
        """Mean closeness to the bank."""
        return float(self.score_samples(X).mean())

    def _about(self):
        return {"remembered": len(self.bank_)}

    def _checked(self, X, *, reset):
        try:
            return validate_data(self, X, reset=reset, dtype=np.float64)
        except ValueError as error:
            raise InputError(str(error)) from error

    def to_state(self):
        return State({"offset": self.offset_, "features": self.n_features_in_}, {"bank": {"rows": self.bank_}})

    def from_state(self, state):
        self.offset_, self.n_features_in_ = state.values["offset"], state.values["features"]
        self.bank_ = state.tensors["bank"]["rows"]


class Twofold(NeighbourBank):
    """Saved as several groups and a file, for tests of what a folder holds."""

    def fit(self, X, y=None):
        super().fit(X)
        self.weights_, self.note_ = self.bank_**2, repr(self.offset_).encode()
        return self

    def to_state(self):
        state = super().to_state()
        state.tensors["weights"] = {"squares": self.weights_}
        state.files["note.txt"] = self.note_
        return state

    def from_state(self, state):
        super().from_state(state)
        self.weights_, self.note_ = state.tensors["weights"]["squares"], state.files["note.txt"]


@dataclass(frozen=True)
class LexiconConfig:
    lowercase: bool = True
    limits: tuple[int, int] = (1, 100)


class Lexicon(Estimator):
    """Counts the words of texts: learns from lists of strings, has a config and a file, and no `predict`."""

    config_class = LexiconConfig

    def __init__(self, *, config=None):
        self.config = config

    def fit(self, texts):
        texts = self._checked(texts)
        self.config_ = self.config or LexiconConfig()
        self.words_ = sorted({word for text in texts for word in self._words(text)})
        return self

    def transform(self, texts):
        check_is_fitted(self)
        texts = self._checked(texts)
        counts = [[self._words(text).count(word) for word in self.words_] for text in texts]
        return np.asarray(counts, dtype=np.float32).reshape(len(texts), len(self.words_))

    def _checked(self, texts):
        if isinstance(texts, str):
            raise InputError("expected a list of texts, got one text")
        return texts

    def _words(self, text):
        return (text.lower() if self.config_.lowercase else text).split()

    def to_state(self):
        return State(files={"words.json": json.dumps(self.words_).encode()})

    def from_state(self, state):
        self.config_ = self.config or LexiconConfig()
        self.words_ = json.loads(state.files["words.json"])


CAPABILITY = Capability(
    name="fake", summary="stand in", estimators=("fakes:NeighbourBank", "fakes:Twofold", "fakes:Lexicon")
)


def walk(step, count):
    """So many steps, in whatever process finds this module."""
    for _ in range(count):
        step()


def late(number):
    """A piece of work for another process, which finds this module: the first of four takes longest."""
    time.sleep(0.05 * (3 - number))
    return number
