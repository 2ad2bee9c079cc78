"""What `fit` learns, leaves out, keeps and refuses."""

from __future__ import annotations

import gc
import io
import math
import re
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from cases import assert_same
from sklearn.exceptions import NotFittedError

import latticework as lw
from latticework.core import InputError, training
from latticework.translation import TransformerTranslator
from latticework.translation.pairs import ParallelText, without_empty


def test_every_pair_left_out_is_counted_and_reported(settings, corpus):
    english, german = " ".join(corpus.source), " ".join(corpus.target)
    source = [*corpus.source, "", "the cat", " ", english, "the dog", english]
    target = [*corpus.target, "Der Hund", "\u2003", "", "Der", german, ""]
    translator = TransformerTranslator(**settings | {"max_epochs": 1})
    with pytest.warns(UserWarning, match="left out") as caught:
        translator.fit(source, target)
    assert translator.pairs_ == {"given": 54, "empty": 4, "too_long": 2, "used": 48}
    assert [str(warning.message) for warning in caught] == [
        "6 of 54 training pairs left out: 4 with an empty side, 2 of more than max_length=12 pieces"
    ]
    assert caught[0].filename == __file__


def test_sentences_are_not_kept_while_the_model_is_trained(settings, corpus, monkeypatch):
    train = training.train

    def checked(*arguments, **options):
        gc.collect()
        assert not [thing for thing in gc.get_objects() if type(thing) is ParallelText]
        return train(*arguments, **options)

    monkeypatch.setattr(training, "train", checked)
    pairs = corpus.source, corpus.target
    translator = TransformerTranslator(**settings | {"max_epochs": 1}).fit(*pairs, pairs)
    assert translator.pairs_["used"] == translator.pairs_["validation"]["used"] == 48


def test_validation_pairs_left_out_are_counted_and_reported(settings, corpus, tmp_path):
    good = list(corpus.source[:5]), list(corpus.target[:5])
    long = " ".join(corpus.source)
    given = ["", *good[0], "the cat", long, "the dog"], ["Das", *good[1], "\t", "Der", " ".join(corpus.target)]
    few = TransformerTranslator(**settings | {"max_epochs": 1})
    with pytest.warns(UserWarning, match="left out") as caught:
        few.fit(corpus.source, corpus.target, given)
    assert [str(warning.message) for warning in caught] == [
        "4 of 9 validation pairs left out: 2 with an empty side, 2 of more than max_length=12 pieces"
    ]
    assert caught[0].filename == __file__
    counts = {"given": 9, "empty": 2, "too_long": 2, "used": 5}
    assert few.pairs_ == {"given": 48, "empty": 0, "too_long": 0, "used": 48, "validation": counts}
    few.save(tmp_path)
    assert lw.load(tmp_path).describe()["pairs"]["validation"] == counts
    whole = TransformerTranslator(**settings | {"max_epochs": 1}).fit(corpus.source, corpus.target, good)
    assert few.history_[-1]["valid_loss"] == whole.history_[-1]["valid_loss"]
    assert whole.pairs_["validation"] == {"given": 5, "empty": 0, "too_long": 0, "used": 5}


def test_a_corpus_of_which_some_is_left_out_is_otherwise_the_same(translator, corpus):
    long = " ".join(corpus.source)
    sources, targets = [long, *corpus.source, "the"], ["Der", *corpus.target, long]
    text = without_empty(sources, targets, "training")
    with pytest.warns(UserWarning, match="2 of 50 training pairs"):
        pairs = text.encode(translator.vocabulary_, 12)
    for side, expected in zip(pairs, (corpus.source, corpus.target), strict=True):
        encoded = translator.vocabulary_.encode(expected)
        assert side.tokens.tolist() == encoded.tokens.tolist()
        assert side.offsets.tolist() == encoded.offsets.tolist()


def test_pairs_that_all_count_give_no_warning(translator):
    assert translator.pairs_ == {"given": 48, "empty": 0, "too_long": 0, "used": 48}


def test_a_pair_of_exactly_max_length_pieces_is_trained_on(settings, translator, corpus):
    longest = int(translator.vocabulary_.encode(corpus.target).lengths.max())
    assert longest > translator.vocabulary_.encode(corpus.source).lengths.max()
    for pairs in ((corpus.source, corpus.target), (corpus.target, corpus.source)):
        for max_length, action in ((longest, "error"), (longest - 1, "ignore")):
            config = replace(settings["config"], max_length=max_length)
            with warnings.catch_warnings():
                warnings.simplefilter(action)
                fitted = TransformerTranslator(**settings | {"config": config, "max_steps": 1}).fit(*pairs)
            assert (fitted.pairs_["too_long"] > 0) == (max_length < longest)


def test_a_small_corpus_gives_fewer_pieces_with_a_warning(settings, corpus):
    translator = TransformerTranslator(**settings | {"vocab_size": 5000, "max_steps": 1})
    with pytest.warns(UserWarning, match="the text is small: .* pieces instead of vocab_size=5000") as caught:
        translator.fit(corpus.source, corpus.target)
    assert caught[0].filename == __file__
    assert len(translator.vocabulary_) < 200
    with pytest.warns(UserWarning, match=f"pieces instead of vocab_size={10**9}"):
        TransformerTranslator(**settings | {"vocab_size": 10**9, "max_steps": 1}).fit(corpus.source, corpus.target)
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


def test_patience_without_validation_is_refused_before_text_is_read(settings):
    translator = TransformerTranslator(**settings | {"config": replace(settings["config"], patience=2)})
    with pytest.raises(InputError, match="patience=2 needs validation pairs"):
        translator.fit(map(pytest.fail, ["read"]), [])


def test_patience_ends_training_early(settings, corpus):
    wrong = corpus.target[::-1]
    config = replace(settings["config"], average_checkpoints=1, patience=2)
    translator = TransformerTranslator(**settings | {"config": config})
    translator.fit(corpus.source, corpus.target, (corpus.source, wrong))
    losses = [row["valid_loss"] for row in translator.history_ if "valid_loss" in row]
    assert losses.index(min(losses)) == len(losses) - 3
    assert len(losses) < 90


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
    for one, other in ((1, 2), (None, None)):
        assert (weights(one) - weights(other)).abs().max() > 0.1  # more than two steps change: they began elsewhere
    assert torch.equal(weights(np.random.default_rng(1)), weights(np.random.default_rng(1)))


def test_one_process_has_nobody_to_share_with(settings, corpus):
    one = TransformerTranslator(**settings | {"max_steps": 2}).fit(corpus.source, corpus.target)
    other = TransformerTranslator(**settings | {"max_steps": 2}).fit(corpus.source, corpus.target, sharded=True)
    assert_same(one.model_.state_dict(), other.model_.state_dict())


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
        ({"preset": ["tiny"]}, "preset=['tiny']: expected one of"),
        ({"vocab_size": 2}, "vocab_size=2 is too small for text of 22 different characters: give at least 27"),
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
        ({"precision": "16"}, "precision='16': expected one of auto, 64, 32, bf16"),
        ({"precision": 32}, "precision=32: expected one of auto"),
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


@pytest.mark.parametrize(
    "parameters, options, message",
    [
        ({"preset": "medium"}, {}, "preset="),
        ({"config": 3}, {}, "config: "),
        ({"vocab_size": -1}, {}, "vocab_size="),
        ({"random_state": "0"}, {}, "random_state"),
        ({"device": "toaster"}, {}, "device="),
        ({"precision": "16"}, {}, "precision="),
        ({}, {"folder": 3}, "folder=3: expected the name of a folder"),
        ({}, {"folder": b"model"}, "folder=b'model': expected the name of a folder"),
        ({}, {"folder": 10**5000}, "folder=<int that cannot be written>: expected the name of a folder"),
        ({}, {"restart": True}, "restart and loggers need a folder"),
        ({}, {"validation": 5}, "validation: "),
    ],
)
def test_what_is_quick_to_check_is_checked_before_text_is_read(settings, parameters, options, message):
    def text():
        pytest.fail("the text was read")
        yield

    with pytest.raises(InputError, match=f"^{message}"):
        TransformerTranslator(**settings | parameters).fit(text(), text(), **options)


def test_numbers_of_numpy_are_numbers(settings, corpus, tmp_path):
    translator = TransformerTranslator(**settings | {"max_epochs": 3}).fit(corpus.source, corpus.target)
    given = settings | {"vocab_size": np.int64(70), "max_epochs": np.int32(3), "random_state": np.uint8(0)}
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
        (["a"], ["b"], (["", "a"], ["b", " "]), "every validation pair has an empty side"),
        (["a b"], ["b"], (["a"], ["b " * 40]), "every validation pair is longer than max_length=12 pieces"),
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
    with pytest.raises(
        FloatingPointError, match=r"training diverged by step .*; lower learning_rate, or raise warmup_steps"
    ):
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


def test_lines_of_a_file_are_read_without_their_ends(settings, corpus):
    short = settings | {"max_steps": 1}
    one = TransformerTranslator(**short).fit(corpus.source, corpus.target)
    lines = io.StringIO("\n".join(corpus.source)), [f"{text}\r\n" for text in corpus.target]
    other = TransformerTranslator(**short).fit(*lines)
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
