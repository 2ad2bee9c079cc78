"""The translator as an estimator: the common checks, what it measures, and what it says of itself."""

from __future__ import annotations

import json
import math
import warnings

import numpy as np
import pytest
import sacrebleu
import torch
from cases import EstimatorCases

from latticework.core import InputError
from latticework.translation import TransformerConfig, TransformerTranslator

DIGITS, WORDS = list("123") * 8, ["eins", "zwei", "drei"] * 8
SMALL = TransformerConfig(
    layers=1, d_model=16, heads=2, feed_forward=32, batch_tokens=64, warmup_steps=20, learning_rate=0.3, max_length=12
)
LONG = "eins zwei drei " * 20
QUERIES = ["2", "", "1 3", LONG]


@pytest.mark.filterwarnings("ignore:2 of 5 sentences:UserWarning", "ignore:1 of 4 sentences:UserWarning")
class TestTransformerTranslator(EstimatorCases):
    def make(self):
        return TransformerTranslator(
            vocab_size=16, max_epochs=4, config=SMALL, random_state=0, device="cpu", precision="32"
        )

    def fit_arguments(self):
        return (DIGITS, WORDS), {"validation": (DIGITS[:3], WORDS[:3])}

    def queries(self):
        pairs = (["1", "2 3"], ["eins", "drei zwei"])
        by_pairs = dict.fromkeys(["score", "perplexity", "attention"], pairs)
        return dict.fromkeys(["predict", "translations", "transform"], (QUERIES,)) | by_pairs

    def bad_fits(self):
        yield "one sentence", "^training source: expected a list of sentences, got a single str$", (("eins", WORDS), {})
        yield "nothing", "^training source: .* got a single NoneType$", ((None, None), {})
        yield "unequal sides", "^training: 24 sources but 23 targets", ((DIGITS, WORDS[:-1]), {})
        yield "no pairs", "^training: there are no pairs$", (([], []), {})
        yield "empty sides", "^every training pair has an empty side$", ((["1", " "], ["", "zwei"]), {})
        yield "not text", r"^training source\[1\]: expected text, got int$", ((["1", 2], ["eins", "zwei"]), {})
        yield "missing text", r"target\[1\]: expected text, got float$", ((["1", "2"], ["eins", float("nan")]), {})
        yield "NUL", r"^training source\[1\]: NUL character at position 1$", ((["1", "2\0"], ["eins", "zwei"]), {})
        yield "half a surrogate pair", r"target\[1\]: not valid Unicode text", ((["1", "2"], ["eins", "\ud83d"]), {})
        yield "only long pairs", "^every training pair is longer than max_length=12", (([LONG], ["eins zwei drei"]), {})
        yield "unequal validation", "^validation: 1 sources but 0 targets", ((DIGITS, WORDS, (["1"], [])), {})
        yield "empty validation", "^validation: there are no pairs$", ((DIGITS, WORDS, ([], [])), {})
        yield "one side of validation", "^validation: expected a pair", ((DIGITS, WORDS, (["1"],)), {})
        yield "validation that is no pair", "^validation: expected a pair", ((DIGITS, WORDS, "12"), {})
        yield "restart without a folder", "^restart and loggers need a folder$", ((DIGITS, WORDS), {"restart": True})
        yield "a logger without a folder", "loggers need a folder$", ((DIGITS, WORDS), {"loggers": ["tensorboard"]})

    def bad_inputs(self):
        yield "one sentence", "^sentences: .* single str$", lambda translator: translator.predict("eins")
        yield "bytes", r"^sentences\[0\]: expected text, got bytes$", lambda translator: translator.predict([b"eins"])
        yield "no list", "^sentences: .* single int$", lambda translator: translator.transform(3)
        yield "unequal sides", "^score: 1 sources but 0 targets", lambda translator: translator.score(["1"], [])
        yield "nothing to measure", "^perplexity: there are no pairs$", lambda translator: translator.perplexity([], [])
        yield "a beam of none", "^beam_size=0: ", lambda translator: translator.predict(["1"], beam_size=0)


def test_score_is_sacrebleus(translator, corpus):
    source = [*corpus.source, "the the cat.", "the dog finds"]
    references = [*corpus.target, "Die Katze.", "Der Hund findet es sicher bald."]
    expected = sacrebleu.corpus_bleu(translator.predict(source), [references]).score
    assert 50 < expected < 100
    assert translator.score(source, references) == expected
    assert translator.score(corpus.source, corpus.target) == pytest.approx(100)
    with pytest.raises(InputError, match="score: 2 sources but 1 targets"):
        translator.score(["a", "b"], ["c"])


def test_perplexity_is_exp_of_the_mean_negative_log_probability(translator, corpus, log_probability):
    source = [*corpus.source[:7], "", "the cat"]
    target = [*corpus.target[1:8], "Das", ""]
    logs, lengths = zip(*map(lambda s, t: log_probability(translator, s, t), source, target), strict=True)
    expected = math.exp(-sum(logs) / sum(lengths))
    assert expected > 2
    assert translator.perplexity(source, target) == pytest.approx(expected, rel=1e-4)
    assert 1 < translator.perplexity(corpus.source, corpus.target) < 1.2


def test_perplexity_of_long_pairs_is_that_of_the_whole_pair_with_a_warning(translator, corpus, log_probability):
    source = [corpus.source[0], " ".join(corpus.source[:3]), "the"]
    target = [corpus.target[0], "Der", " ".join(corpus.target[:2])]
    logs, lengths = zip(*map(lambda s, t: log_probability(translator, s, t), source, target), strict=True)
    with pytest.warns(UserWarning, match="taken whole") as caught:
        found = translator.perplexity(source, target)
    assert found == pytest.approx(math.exp(-sum(logs) / sum(lengths)), rel=1e-4)
    assert [str(warning.message) for warning in caught] == [
        "2 of 3 pairs (the first at index 1) have more than max_length=12 pieces and are taken whole, longer than any "
        "that was trained on"
    ]
    assert caught[0].filename == __file__


@pytest.mark.parametrize("method", ["predict", "translations", "transform", "score", "attention"])
def test_a_warning_of_long_sentences_points_at_the_line_that_asked(translator, corpus, method):
    long = [" ".join(corpus.source[:3])]
    arguments = [long, corpus.target[:1]] if method == "score" else [long]
    with warnings.catch_warnings(record=True, action="always") as caught:
        getattr(translator, method)(*arguments)
    assert {warning.filename for warning in caught} == {__file__}


def test_transform_is_the_mean_of_the_encoders_states(translator, corpus):
    source = [corpus.source[0], "", "the", corpus.source[20], "dog dog"]
    found = translator.transform(source)
    assert (found.shape, found.dtype) == ((5, 32), np.float32)
    assert np.isfinite(found).all()
    for text, states in zip(source, found, strict=True):
        tokens = torch.from_numpy(translator.vocabulary_.encode([text])[0].astype(np.int64))[None]
        with torch.inference_mode():
            expected = translator.model_.encode(tokens, None)[0].double().mean(0).numpy()
        np.testing.assert_allclose(states, expected, atol=1e-5)


def test_transform_does_not_depend_on_the_other_sentences(translator, corpus):
    source = ["the", *corpus.source[:20], ""]
    together = translator.transform(source)
    alone = np.concatenate([translator.transform([text]) for text in source])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    np.testing.assert_allclose(translator.transform(source[::-1]), together[::-1], atol=1e-5)


def test_transform_of_a_long_sentence_is_the_mean_over_its_parts(translator, corpus):
    parts = corpus.source[10:13]
    lengths = translator.vocabulary_.encode(parts).lengths
    expected = (translator.transform(parts) * lengths[:, None]).sum(0) / lengths.sum()
    with pytest.warns(UserWarning, match="taken in parts"):
        found = translator.transform(["the", " ".join(parts)])
    np.testing.assert_allclose(found[1], expected, atol=1e-5)
    np.testing.assert_allclose(found[0], translator.transform(["the"])[0], atol=1e-5)


def test_describe_says_what_the_model_is(translator):
    about = translator.describe()
    assert json.loads(json.dumps(about, allow_nan=False)) == about
    assert about["vocabulary"] == 70
    attention, feed_forward, norm = 4 * (32 * 32 + 32), 2 * 32 * 64 + 64 + 32, 2 * 32
    encoder, decoder = attention + feed_forward + 2 * norm, 2 * attention + feed_forward + 3 * norm
    assert about["weights"] == 70 * 32 + 2 * (encoder + decoder)
    assert about["pairs"] == translator.pairs_
    assert about["config"]["d_model"] == 32
    assert about["training"]["step"] == translator.history_[-1]["step"]
    assert about["parameters"]["max_epochs"] == 90


def test_processes_of_torchrun_need_one_seed(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(InputError, match="random_state must be an int"):
        TransformerTranslator("tiny").fit(["a b"], ["c d"])


def test_loading_leaves_the_random_numbers_of_every_device_alone(translator, monkeypatch):
    state = translator.to_state()
    seeded = []
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeded.append)
    before = torch.get_rng_state()
    TransformerTranslator().from_state(state)
    assert not seeded
    assert torch.equal(torch.get_rng_state(), before)
