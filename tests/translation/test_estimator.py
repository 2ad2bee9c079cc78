"""The translator as an estimator: the common checks, and what it promises of translations, states and maps."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
import warnings
from dataclasses import replace

import numpy as np
import pytest
import sacrebleu
import torch
from cases import EstimatorCases, assert_same
from sklearn.exceptions import NotFittedError

import latticework as lw
from latticework.core import InputError
from latticework.seq2seq.vocabulary import BEGIN, END
from latticework.translation import TransformerConfig, TransformerTranslator, Translation

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
        yield "one sentence", (("eins", WORDS), {})
        yield "nothing", ((None, None), {})
        yield "unequal sides", ((DIGITS, WORDS[:-1]), {})
        yield "no pairs", (([], []), {})
        yield "empty sides", ((["1", " "], ["", "zwei"]), {})
        yield "not text", ((["1", 2], ["eins", "zwei"]), {})
        yield "missing text", ((["1", "2"], ["eins", float("nan")]), {})
        yield "NUL", ((["1", "2\0"], ["eins", "zwei"]), {})
        yield "half a surrogate pair", ((["1", "2"], ["eins", "\ud83d"]), {})
        yield "only long pairs", (([LONG], ["eins zwei drei"]), {})
        yield "unequal validation", ((DIGITS, WORDS, (["1"], [])), {})
        yield "empty validation", ((DIGITS, WORDS, ([], [])), {})
        yield "one side of validation", ((DIGITS, WORDS, (["1"],)), {})
        yield "validation that is no pair", ((DIGITS, WORDS, "12"), {})
        yield "restart without a folder", ((DIGITS, WORDS), {"restart": True})
        yield "a logger without a folder", ((DIGITS, WORDS), {"loggers": ["tensorboard"]})

    def bad_inputs(self):
        yield "one sentence", lambda translator: translator.predict("eins")
        yield "bytes", lambda translator: translator.predict([b"eins"])
        yield "no list", lambda translator: translator.transform(3)
        yield "unequal sides", lambda translator: translator.score(["1"], [])
        yield "nothing to measure", lambda translator: translator.perplexity([], [])
        yield "a beam of none", lambda translator: translator.predict(["1"], beam_size=0)


# Fitting


def test_every_pair_left_out_is_counted_and_reported(settings, corpus):
    english, german = " ".join(corpus.source), " ".join(corpus.target)
    source = [*corpus.source, "", "the cat", " ", english, "the dog", english]
    target = [*corpus.target, "Der Hund", "\u2003", "", "Der", german, ""]
    translator = TransformerTranslator(**settings | {"max_epochs": 1})
    with pytest.warns(UserWarning) as caught:
        translator.fit(source, target)
    assert translator.pairs_ == {"given": 54, "empty": 4, "too_long": 2, "used": 48}
    assert [str(warning.message) for warning in caught] == [
        "6 of 54 pairs left out: 4 with an empty side, 2 of more than max_length=12 pieces"
    ]
    assert caught[0].filename == __file__


def test_pairs_that_all_count_give_no_warning(translator):
    assert translator.pairs_ == {"given": 48, "empty": 0, "too_long": 0, "used": 48}


def test_a_pair_of_exactly_max_length_pieces_is_trained_on(settings, translator, corpus):
    longest = int(translator.vocabulary_.encode([*corpus.source, *corpus.target]).lengths.max())
    assert longest > translator.vocabulary_.encode(corpus.target[:1]).lengths.min()
    for max_length, left_out in ((longest, 0), (longest - 1, 1)):
        config = replace(settings["config"], max_length=max_length)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore" if left_out else "error")
            fitted = TransformerTranslator(**settings | {"config": config, "max_steps": 1}).fit(
                corpus.source, corpus.target
            )
        assert bool(fitted.pairs_["too_long"]) == bool(left_out)


def test_a_small_corpus_gives_fewer_pieces_with_a_warning(settings, corpus):
    translator = TransformerTranslator(**settings | {"vocab_size": 5000, "max_steps": 1})
    with pytest.warns(UserWarning, match="the text is small: .* pieces instead of vocab_size=5000"):
        translator.fit(corpus.source, corpus.target)
    assert len(translator.vocabulary_) < 200
    assert translator.describe()["vocabulary"] == len(translator.vocabulary_)


def test_training_keeps_the_weights_that_validate_best(settings, corpus):
    wrong = corpus.target[::-1]  # the better training goes, the worse this gets
    config = replace(settings["config"], average_checkpoints=1)
    translator = TransformerTranslator(**settings | {"config": config, "max_epochs": 25})
    translator.fit(corpus.source, corpus.target, (corpus.source, wrong))
    losses = [row["valid_loss"] for row in translator.history_ if "valid_loss" in row]
    assert len(losses) == 25
    assert min(losses) < losses[-1] - 0.05
    assert translator.perplexity(corpus.source, wrong) == pytest.approx(math.exp(min(losses)), rel=1e-5)
    assert translator.describe()["training"]["best_valid_loss"] == min(losses)


def test_patience_ends_training_early(settings, corpus):
    wrong = corpus.target[::-1]
    config = replace(settings["config"], average_checkpoints=1, patience=2)
    translator = TransformerTranslator(**settings | {"config": config})
    translator.fit(corpus.source, corpus.target, (corpus.source, wrong))
    losses = [row["valid_loss"] for row in translator.history_ if "valid_loss" in row]
    assert losses.index(min(losses)) == len(losses) - 3
    assert len(losses) < 60


@pytest.mark.parametrize("length", [{"max_epochs": None, "max_steps": 7}, {"max_epochs": 1, "max_steps": 10**6}])
def test_training_ends_at_whichever_limit_comes_first(settings, corpus, length):
    translator = TransformerTranslator(**settings | length).fit(corpus.source, corpus.target)
    per_epoch = 5
    assert translator.history_[-1]["step"] == (7 if length["max_epochs"] is None else per_epoch)


def test_random_state_decides_the_model(settings, corpus):
    def weights(random_state):
        translator = TransformerTranslator(**settings | {"max_steps": 2, "random_state": random_state})
        return translator.fit(corpus.source, corpus.target).model_.state_dict()["embedding"]

    assert torch.equal(weights(1), weights(1))
    assert torch.equal(weights(1), weights(np.int64(1)))
    assert not torch.equal(weights(1), weights(2))
    assert not torch.equal(weights(None), weights(None))
    assert torch.equal(weights(np.random.default_rng(1)), weights(np.random.default_rng(1)))


def test_training_leaves_the_random_numbers_of_others_alone(settings, corpus):
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    first = torch.rand(1)
    TransformerTranslator(**settings | {"max_steps": 1}).fit(corpus.source, corpus.target).predict(["the dog."])
    assert torch.equal(torch.cat([first, torch.rand(1)]), expected)


def test_a_generator_as_random_state_fits_but_cannot_be_saved(settings, corpus, tmp_path):
    translator = TransformerTranslator(**settings | {"max_steps": 1, "random_state": np.random.default_rng(0)})
    translator.fit(corpus.source, corpus.target)
    with pytest.raises(InputError, match="random_state is a Generator, which cannot be saved"):
        translator.save(tmp_path / "model")
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize(
    "parameters, message",
    [
        ({"preset": "medium"}, "preset='medium': expected one of tiny, small, base, big"),
        ({"preset": None}, "preset=None: expected one of"),
        ({"vocab_size": 0}, "vocab_size=0: expected a whole number of at least 1"),
        ({"vocab_size": True}, "vocab_size=True: expected a whole number"),
        ({"vocab_size": 70.0}, "vocab_size=70.0: expected a whole number"),
        ({"vocab_size": 12}, "vocab_size=12 is too small for text of 22 different characters: give at least 27"),
        ({"max_epochs": 0}, "max_epochs=0: expected a whole number of at least 1"),
        ({"max_epochs": "3"}, "max_epochs='3': expected a whole number"),
        ({"max_steps": -1}, "max_steps=-1: expected a whole number of at least 1"),
        ({"config": {"layers": 2}}, "config: expected a TransformerConfig, got dict"),
        ({"device": "toaster"}, "device='toaster' is not a device: expected auto, cpu, cuda"),
        ({"device": None}, "device=None is not a device"),
        ({"device": "cuda:99"}, "device='cuda:99' is not on this machine"),
        ({"precision": "16"}, "precision='16': expected auto, 64, 32, bf16"),
        ({"precision": 32}, "precision=32: expected auto"),
        ({"random_state": -1}, "random_state must be at least 0"),
        ({"random_state": "0"}, "random_state must be None, an int"),
    ],
)
def test_an_unusable_parameter_is_named_when_fitted(settings, corpus, tmp_path, parameters, message):
    translator = TransformerTranslator(**settings | parameters)
    with pytest.raises(InputError, match=re.escape(message)):
        translator.fit(corpus.source, corpus.target, folder=tmp_path / "model")
    assert not (tmp_path / "model").exists()
    with pytest.raises(NotFittedError):
        translator.predict(["the dog."])


def test_numbers_of_numpy_are_numbers(settings, corpus, translator, tmp_path):
    given = settings | {"vocab_size": np.int64(70), "max_epochs": np.int32(60), "random_state": np.uint8(0)}
    fitted = TransformerTranslator(**given).fit(corpus.source, corpus.target, folder=tmp_path)
    assert_same(fitted.model_.state_dict(), translator.model_.state_dict())
    options = {"beam_size": np.int64(3), "n_best": np.int8(2), "length_penalty": np.float32(0.5)}
    plain = {"beam_size": 3, "n_best": 2, "length_penalty": 0.5}
    assert lw.load(tmp_path).predict(corpus.source[:2], **options) == translator.predict(corpus.source[:2], **plain)


@pytest.mark.parametrize(
    "source, target, validation, message",
    [
        (["a"], ["b", "c"], None, "training: 1 sources but 2 targets; each source needs one target"),
        ([], [], None, "training: there are no pairs"),
        (["", "a"], ["b", "\t"], None, "every training pair has an empty side"),
        (["the dog " * 40], ["Der"], None, "every training pair is longer than max_length=12 pieces"),
        ("the dog", ["b"], None, "training source: expected a list of sentences, got a single str"),
        (["a"], b"b", None, "training target: expected a list of sentences, got a single bytes"),
        (["a", "b", None], ["a", "b", "c"], None, "training source[2]: expected text, got NoneType"),
        (["a", "b"], ["a", "bc\0"], None, "training target[1]: NUL character at position 2"),
        (["a", "b\ud83d"], ["a", "b"], None, "training source[1]: not valid Unicode text (half of a surrogate pair)"),
        (["a"], ["b"], ([], []), "validation: there are no pairs"),
        (["a"], ["b"], (["a"], ["b", "c"]), "validation: 1 sources but 2 targets"),
        (["a"], ["b"], (["a"], "b"), "validation target: expected a list of sentences, got a single str"),
        (["a"], ["b"], (["a"],), "validation: expected a pair of sources and targets"),
        (["a"], ["b"], 3, "validation: expected a pair of sources and targets"),
    ],
)
@pytest.mark.filterwarnings("ignore:the text is small")
def test_unusable_text_is_named_when_fitted(settings, tmp_path, source, target, validation, message):
    translator = TransformerTranslator(**settings)
    with pytest.raises(InputError, match=re.escape(message)):
        translator.fit(source, target, validation, folder=tmp_path / "model")
    assert not (tmp_path / "model").exists()
    assert not hasattr(translator, "model_")


def test_a_run_that_diverges_says_so_and_learns_nothing(settings, corpus):
    config = replace(settings["config"], learning_rate=1e30)
    translator = TransformerTranslator(**settings | {"config": config})
    with pytest.raises(FloatingPointError, match="training diverged by step .*lower learning_rate"):
        translator.fit(corpus.source, corpus.target)
    assert not hasattr(translator, "model_")


def test_arrays_generators_and_series_are_read_as_lists_are(settings, corpus, translator):
    class Series:
        """Like a column of a data frame: iterable, with a length, and labels that do not count from 0."""

        def __init__(self, values):
            self.values = dict(enumerate(values, start=10))

        def __len__(self):
            return len(self.values)

        def __getitem__(self, label):
            return self.values[label]

        def __iter__(self):
            return iter(self.values.values())

    expected = translator.predict(corpus.source[:5])
    for make in (iter, np.array, lambda texts: np.array(texts, dtype=object), Series, tuple):
        assert translator.predict(make(corpus.source[:5])) == expected
        assert translator.perplexity(make(corpus.source), make(corpus.target)) < 2
    steps = settings | {"max_steps": 1}
    one = TransformerTranslator(**steps).fit(corpus.source, corpus.target, (corpus.source, corpus.target))
    generators = ((text for text in side) for side in (corpus.source, corpus.target))
    held_out = (np.array(corpus.source), Series(corpus.target))
    other = TransformerTranslator(**steps).fit(*generators, held_out)
    assert_same(other.model_.state_dict(), one.model_.state_dict())


@pytest.mark.parametrize("precision, kind", [("64", torch.float64), ("bf16", torch.float32)])
def test_other_precisions_train_and_load(settings, corpus, tmp_path, precision, kind):
    translator = TransformerTranslator(**settings | {"precision": precision, "max_epochs": 2})
    translator.fit(corpus.source, corpus.target).save(tmp_path)
    assert translator.model_.embedding.dtype == kind
    loaded = lw.load(tmp_path)
    assert loaded.model_.embedding.dtype == kind
    assert_same(loaded.translations(corpus.source), translator.translations(corpus.source))
    assert loaded.transform(corpus.source[:1]).dtype == np.float32


# Translating


def test_the_toy_language_is_learned(translator, corpus):
    assert translator.predict(corpus.source) == list(corpus.target)


def test_order_is_kept_and_nothing_is_lost(translator, shuffled):
    source, expected = shuffled
    assert translator.predict(source) == expected


def test_a_batch_gives_what_each_sentence_gives_alone(translator, shuffled):
    together = translator.translations(shuffled[0], n_best=2)
    for sentence, found in zip(shuffled[0][:25], together, strict=False):
        (alone,) = translator.translations([sentence], n_best=2)
        assert [best.text for best in found] == [best.text for best in alone]
        for one, other in zip(found, alone, strict=True):
            assert one.score == pytest.approx(other.score, abs=1e-4)
            assert one.log_probability == pytest.approx(other.log_probability, abs=1e-4)


def test_sentences_without_words_have_empty_translations(translator):
    blank = ["", " ", "\t", "\u2003\u2028", "   " * 5000]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert translator.predict(blank) == [""] * 5
        assert translator.predict(blank, n_best=3) == [[""] * 3] * 5
    assert translator.translations([""]) == [[Translation("", 0.0, 0.0)]]


def test_nothing_in_gives_nothing_out(translator):
    assert translator.predict([]) == []
    assert translator.predict(iter(()), n_best=2) == []
    assert translator.translations([]) == []
    states = translator.transform([])
    assert (states.shape, states.dtype) == ((0, 32), np.float32)


def test_a_line_of_5000_words_is_translated_in_parts_with_a_warning(translator, corpus):
    order = np.random.default_rng(3).integers(0, 48, 1000)
    book, expected = (" ".join(side[number] for number in order) for side in (corpus.source, corpus.target))
    assert len(book.split()) == 5000
    with pytest.warns(UserWarning) as caught:
        found = translator.predict([corpus.source[3], book, "", corpus.source[7], book], beam_size=2)
    assert [str(warning.message) for warning in caught] == [
        "2 of 5 sentences (the first at index 1) have more than max_length=12 pieces and are taken in parts"
    ]
    assert found == [corpus.target[3], expected, "", corpus.target[7], expected]


def test_a_long_text_without_spaces_or_marks_is_cut_where_it_must(translator):
    with pytest.warns(UserWarning, match="1 of 2 sentences .the first at index 1"):
        found = translator.translations(["the dog", "dog" * 300])
    assert found[1][0].text
    assert math.isfinite(found[1][0].score)


def test_a_translation_in_parts_has_the_sums_of_the_scores(translator, corpus):
    alone = translator.translations(corpus.source[:3], n_best=2)
    with pytest.warns(UserWarning, match="taken in parts"):
        (together,) = translator.translations([" ".join(corpus.source[:3])], n_best=2)
    for rank in range(2):
        parts = [best[rank] for best in alone]
        assert together[rank].text == " ".join(part.text for part in parts)
        assert together[rank].score == pytest.approx(sum(part.score for part in parts), abs=1e-3)
        expected = sum(part.log_probability for part in parts)
        assert together[rank].log_probability == pytest.approx(expected, abs=1e-3)


def test_n_best_are_distinct_and_ordered_by_score(translator, corpus):
    source = [*corpus.source[:3], "", corpus.source[3]]
    best = translator.predict(source)
    texts = translator.predict(source, beam_size=5, n_best=3)
    found = translator.translations(source, beam_size=5, n_best=3)
    assert [[translation.text for translation in three] for three in found] == texts
    assert [len(three) for three in found] == [3] * 5
    assert [three[0] for three in texts] == best
    assert texts[3] == [""] * 3
    for three in (*found[:3], found[4]):
        scores = [translation.score for translation in three]
        assert scores == sorted(scores, reverse=True)
        assert len(set(scores)) == 3
        assert len({translation.text for translation in three}) == 3


def test_the_score_is_log_p_over_the_length_penalty(translator, corpus):
    for alpha in (0, 0.6, 1):
        for source, (best,) in zip(
            corpus.source[:4], translator.translations(corpus.source[:4], length_penalty=alpha), strict=True
        ):
            log_p, length = log_probability(translator, source, best.text)
            assert best.log_probability == pytest.approx(log_p, abs=1e-4)
            assert best.score == pytest.approx(log_p / ((5 + length) / 6) ** alpha, abs=1e-4)


def test_a_wider_beam_never_finds_less_probable_translations(translator, corpus):
    odd = ["the the dog.", "sees", "tree tree tree", "house the finds"]
    narrow = translator.translations(odd, beam_size=1, length_penalty=0)
    wide = translator.translations(odd, beam_size=16, length_penalty=0)
    for one, other in zip(narrow, wide, strict=True):
        assert other[0].log_probability >= one[0].log_probability - 1e-4


def test_an_output_is_at_most_fifty_pieces_longer_than_its_input(settings, corpus):
    untrained = TransformerTranslator(**settings | {"max_steps": 1}).fit(corpus.source, corpus.target)
    with torch.no_grad():
        untrained.model_.embedding[END] = -untrained.model_.embedding.abs().max() * 100  # never ends by itself
    source = ["the dog.", corpus.source[0]]
    lengths = untrained.vocabulary_.encode(source).lengths
    found = untrained.translations(source, beam_size=1)
    for length, (best,) in zip(lengths, found, strict=True):
        longest = max(len(piece) for piece in untrained.vocabulary_.pieces(range(len(untrained.vocabulary_))))
        assert length + 49 <= len(best.text) <= (length + 49) * longest


@pytest.mark.parametrize(
    "options, message",
    [
        ({"beam_size": 0}, "beam_size=0: expected a whole number of at least 1"),
        ({"beam_size": True}, "beam_size=True: expected a whole number"),
        ({"beam_size": 2.0}, "beam_size=2.0: expected a whole number"),
        ({"beam_size": "4"}, "beam_size='4': expected a whole number"),
        ({"beam_size": 71}, "beam_size=71 is more than the 70 pieces of the vocabulary"),
        ({"n_best": 0}, "n_best=0: expected a whole number of at least 1"),
        ({"n_best": False}, "n_best=False: expected a whole number"),
        ({"n_best": 5}, "n_best=5 needs a beam_size of at least 5, got 4"),
        ({"length_penalty": -0.1}, "length_penalty=-0.1: expected a number of at least 0"),
        ({"length_penalty": float("nan")}, "length_penalty=nan: expected a number"),
        ({"length_penalty": float("inf")}, "length_penalty=inf: expected a number"),
        ({"length_penalty": True}, "length_penalty=True: expected a number"),
        ({"length_penalty": None}, "length_penalty=None: expected a number"),
        ({"length_penalty": "0.6"}, "length_penalty='0.6': expected a number"),
    ],
)
def test_an_unusable_search_is_named(translator, options, message):
    for method in (translator.predict, translator.translations):
        with pytest.raises(InputError, match=re.escape(message)):
            method(["the dog."], **options)


def test_a_beam_as_wide_as_the_vocabulary_is_allowed(translator, corpus):
    assert translator.predict(corpus.source[:1], beam_size=70, n_best=70)[0][0] == corpus.target[0]


@pytest.mark.parametrize(
    "sentences, message",
    [
        ("the dog.", "sentences: expected a list of sentences, got a single str"),
        (b"the dog.", "sentences: expected a list of sentences, got a single bytes"),
        (None, "sentences: expected a list of sentences, got a single NoneType"),
        (["the dog.", 3.5], "sentences[1]: expected text, got float"),
        (["the dog.", "", ["cat"]], "sentences[2]: expected text, got list"),
        (["a\0"], "sentences[0]: NUL character at position 1"),
        (["a", "\udc80"], "sentences[1]: not valid Unicode text"),
    ],
)
def test_unusable_sentences_are_named_by_their_index(translator, sentences, message):
    for method in (translator.predict, translator.transform, translator.translations):
        with pytest.raises(InputError, match=re.escape(message)):
            method(sentences)
    with pytest.raises(InputError, match=re.escape(message.replace("sentences", "source", 1))):
        translator.attention(sentences)


def test_line_breaks_within_a_sentence_are_spaces(translator, corpus):
    broken = [corpus.source[5].replace(" ", end, 1) for end in ("\n", "\r\n", "\r")]
    assert translator.predict(broken) == [corpus.target[5]] * 3


# Measuring


def test_score_is_sacrebleus(translator, corpus):
    source = [*corpus.source, "the the cat.", "the dog finds"]
    references = [*corpus.target, "Die Katze.", "Der Hund findet es sicher bald."]
    expected = sacrebleu.corpus_bleu(translator.predict(source), [references]).score
    assert 50 < expected < 100
    assert translator.score(source, references) == expected
    assert translator.score(corpus.source, corpus.target) == pytest.approx(100)
    with pytest.raises(InputError, match="score: 2 sources but 1 targets"):
        translator.score(["a", "b"], ["c"])


def test_perplexity_is_exp_of_the_mean_negative_log_probability(translator, corpus):
    source = [*corpus.source[:7], "", "the cat"]
    target = [*corpus.target[1:8], "Das", ""]
    logs, lengths = zip(*map(lambda s, t: log_probability(translator, s, t), source, target), strict=True)
    expected = math.exp(-sum(logs) / sum(lengths))
    assert expected > 2
    assert translator.perplexity(source, target) == pytest.approx(expected, rel=1e-4)
    assert 1 < translator.perplexity(corpus.source, corpus.target) < 1.2


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


# Looking inside


def test_attention_has_a_map_for_every_layer_and_head(translator, corpus):
    (maps,) = translator.attention(corpus.source[:1], corpus.target[:1])
    source, target = len(maps.source), len(maps.target)
    assert "".join(maps.source).replace("▁", " ").strip() == corpus.source[0] + "</s>"
    assert "".join(maps.target).replace("▁", " ").strip() == corpus.target[0] + "</s>"
    assert source != target
    assert maps.encoder.shape == (2, 2, source, source)
    assert maps.decoder.shape == (2, 2, target, target)
    assert maps.cross.shape == (2, 2, target, source)
    for weights in (maps.encoder, maps.decoder, maps.cross):
        assert weights.dtype == np.float32
        assert (weights >= 0).all()
        np.testing.assert_allclose(weights.sum(-1), 1, atol=1e-5)


def test_the_decoder_attends_to_its_past_only(translator, corpus):
    for maps in translator.attention(corpus.source[:5], corpus.target[:5]):
        assert (np.triu(maps.decoder, k=1) == 0).all()
        assert (np.tril(maps.decoder) > 0).sum() == maps.decoder.shape[0] * 2 * len(maps.target) * (
            len(maps.target) + 1
        ) // 2


def test_without_targets_attention_is_that_of_the_models_own(translator, corpus):
    source = list(corpus.source[:4])
    own = translator.attention(source)
    assert_same(own, translator.attention(source, translator.predict(source)))
    other = translator.attention(source, corpus.target[10:14])
    assert [maps.target for maps in other] != [maps.target for maps in own]
    assert_same([maps.encoder for maps in other], [maps.encoder for maps in own])


def test_attention_to_a_token_changes_with_the_source_alone_where_it_should(translator, corpus):
    first, second = translator.attention([corpus.source[0], corpus.source[1]], [corpus.target[0]] * 2)
    np.testing.assert_array_equal(first.decoder[0], second.decoder[0])  # the first layer has seen no source yet
    assert not np.allclose(first.decoder[1], second.decoder[1])


def test_attention_wants_as_many_targets_as_sources(translator):
    with pytest.raises(InputError, match="attention: 2 sources but 1 targets"):
        translator.attention(["a", "b"], ["c"])


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
    assert about["parameters"]["max_epochs"] == 60


def log_probability(translator, source, target):
    """Return log P of a target and its number of tokens, from the model's own logits."""
    read, written = (
        torch.from_numpy(translator.vocabulary_.encode([text])[0].astype(np.int64))[None] for text in (source, target)
    )
    model = translator.model_
    with torch.inference_mode():
        states = model.decode(torch.cat([torch.tensor([[BEGIN]]), written[:, :-1]], 1), model.remember(read))
        logits = states.double() @ model.embedding.double().T
    return float(logits.log_softmax(-1).gather(2, written[:, :, None]).sum()), written.shape[1]


def test_a_fresh_process_translates_the_same(translator, model_folder, corpus):
    program = (
        "import json, sys\nimport latticework as lw\n"
        "found = lw.load(sys.argv[1]).translations(json.load(sys.stdin))\n"
        "print(json.dumps([[best.text, best.score, best.log_probability] for (best,) in found]))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, str(model_folder)],
        input=json.dumps(corpus.source[:9]),
        capture_output=True,
        text=True,
        check=True,
    )
    expected = [[best.text, best.score, best.log_probability] for (best,) in translator.translations(corpus.source[:9])]
    assert json.loads(done.stdout) == expected
