"""Many texts at once: each gets what it gets alone, in order, and no batch is too large."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from latticework.nn.sequences import EncodedText
from latticework.seq2seq import decoding
from latticework.seq2seq.config import TransformerConfig
from latticework.seq2seq.decoding import check_search, search_texts
from latticework.seq2seq.model import EncoderDecoder
from latticework.seq2seq.vocabulary import END, SPECIAL

VOCABULARY = 12
CONFIG = TransformerConfig(layers=1, d_model=8, heads=2, feed_forward=12, dropout=0.0)


class Watched(EncoderDecoder):
    """Notes the logits of every step; with `endless` it never ends by itself."""

    endless = False

    def step(self, tokens, memory, past):
        logits = super().step(tokens, memory, past)
        self.sizes = [*getattr(self, "sizes", []), logits.numel()]
        logits[..., END] -= 100.0 * self.endless
        return logits


@pytest.fixture
def model():
    torch.manual_seed(0)
    return Watched(CONFIG, VOCABULARY).double().eval()


@pytest.fixture
def texts():
    generator = np.random.default_rng(0)
    lengths = [1, 3, 0, 1, 2, 1, 3, 1, 1, 2]
    return EncodedText.from_sequences(
        [[*generator.integers(SPECIAL, VOCABULARY, length).tolist(), END] for length in lengths]
    )


def search(model, texts, wanted=None, *, extra_length=4, n_best=2):
    options = check_search(3, 0.6, n_best, VOCABULARY)
    wanted = np.ones(len(texts), dtype=bool) if wanted is None else wanted
    device = torch.device("cpu")
    return search_texts(model, texts, wanted, options, extra_length=extra_length, device=device, doing="searching")


def test_a_text_gets_among_others_what_it_gets_alone(model, texts):
    together = search(model, texts)
    for index, best in enumerate(together):
        (alone,) = search(model, EncodedText.from_sequences([texts[index].tolist()]))
        assert [found.tokens for found in best] == [found.tokens for found in alone]
        assert [found.score for found in best] == pytest.approx([found.score for found in alone])


@pytest.mark.parametrize("bound", ["SEARCH_LOGITS", "SEARCH_CACHE"])
def test_logits_and_keys_and_values_of_a_batch_are_bounded_however_short_the_texts(model, texts, monkeypatch, bound):
    of_text = (
        3
        * {
            "SEARCH_LOGITS": VOCABULARY,
            "SEARCH_CACHE": 2 * CONFIG.layers * CONFIG.d_model * (texts.lengths.max() + 4),
        }[bound]
    )
    whole = search(model, texts)
    assert max(model.sizes) == len(texts) * 3 * VOCABULARY
    model.sizes = []
    monkeypatch.setattr(decoding, bound, 4 * of_text)
    parts = search(model, texts)
    assert [[found.tokens for found in best] for best in parts] == [[found.tokens for found in best] for best in whole]
    assert max(model.sizes) == 4 * 3 * VOCABULARY
    monkeypatch.setattr(decoding, bound, 1)
    search(model, texts)
    assert min(model.sizes) == 3 * VOCABULARY, "one text at a time, at least"


def test_a_large_vocabulary_is_searched_within_128_mib_of_logits():
    rows = decoding.SEARCH_LOGITS // (4 * 37_000)
    assert rows > 100
    assert rows * 4 * 37_000 * 4 <= 128 * 2**20


def test_outputs_are_at_most_the_extra_length_longer_than_their_inputs(model, texts):
    model.endless = True
    for extra in (0, 2):
        found = search(model, texts, extra_length=extra, n_best=1)
        assert [len(best.tokens) + 1 for (best,) in found] == (texts.lengths + extra).tolist()


def test_what_is_not_wanted_is_empty(model, texts):
    wanted = np.arange(len(texts)) == 4
    found = search(model, texts, wanted)
    assert [len(best) for best in found] == [2] * len(texts)
    assert [bool(best[0].tokens or best[0].score) for best in found] == wanted.tolist()
    assert search(model, texts, wanted & False) == [[decoding.Hypothesis([], 0.0, 0.0)] * 2] * len(texts)
