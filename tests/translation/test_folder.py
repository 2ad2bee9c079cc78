"""Models in folders: runs that save there, go on there, and refuse what is not theirs; damage that checksums miss."""

from __future__ import annotations

import copy
import io
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import sentencepiece
import torch
from cases import assert_same, contents

import latticework as lw
from latticework.core import InputError, State, read_folder, runs, training, write_folder
from latticework.seq2seq.learning import PairsTask
from latticework.seq2seq.vocabulary import Vocabulary
from latticework.translation import TransformerTranslator, saving


@pytest.fixture
def short(settings):
    """Parameters of a run of six epochs."""
    return settings | {"max_epochs": 6}


@pytest.fixture
def rewritten(model_folder, tmp_path):
    """Write the saved model anew with parts of it changed, checksums and all, as somebody with intentions can."""

    def run(**changes):
        header, state = read_folder(model_folder)
        parts = {"values": state.values, "tensors": {"weights": dict(state.tensors["weights"])}, "files": state.files}
        write_folder(tmp_path / "forged", header=header, state=State(**parts | changes))
        return tmp_path / "forged"

    return run


def files(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def no_training(*_, **__):
    pytest.fail("something was trained")


# Runs that save


def test_fit_with_a_folder_leaves_the_model_and_the_log(short, corpus, tmp_path):
    with_folder = TransformerTranslator(**short).fit(corpus.source, corpus.target, folder=tmp_path / "new" / "model")
    without = TransformerTranslator(**short).fit(corpus.source, corpus.target)
    assert_same(with_folder.model_.state_dict(), without.model_.state_dict())
    loaded = lw.load(tmp_path / "new" / "model")
    assert_same(loaded.model_.state_dict(), without.model_.state_dict())
    assert sorted(os.listdir(tmp_path / "new" / "model" / "training")) == ["log.csv"]
    header, *rows = (tmp_path / "new" / "model" / "training" / "log.csv").read_text().splitlines()
    assert "loss" in header.split(",")
    assert len(rows) == len(loaded.history_)


def test_runs_of_one_seed_leave_the_same_model_files(short, corpus, tmp_path):
    for name in ("one", "other"):
        TransformerTranslator(**short).fit(corpus.source, corpus.target, folder=tmp_path / name)
        shutil.rmtree(tmp_path / name / "training")  # times are written down there
    assert contents(tmp_path / "one") == contents(tmp_path / "other")


def test_a_finished_run_made_again_only_loads(short, corpus, tmp_path, monkeypatch):
    validation = corpus.source[:5], corpus.target[:5]
    first = TransformerTranslator(**short).fit(corpus.source, corpus.target, validation, folder=tmp_path)
    before = files(tmp_path)
    monkeypatch.setattr(training, "train", no_training)
    again = TransformerTranslator(**short)
    assert again.fit(iter(corpus.source), list(corpus.target), validation, folder=str(tmp_path)) is again
    assert_same(again.translations(corpus.source), first.translations(corpus.source))
    assert again.pairs_ == first.pairs_
    assert files(tmp_path) == before


@pytest.mark.parametrize("moment", [0, 3])
def test_an_interrupted_run_goes_on_to_the_same_bytes(short, corpus, tmp_path, monkeypatch, moment):
    expected = TransformerTranslator(**short).fit(corpus.source, corpus.target, folder=tmp_path / "whole")
    drawn = []
    batches = PairsTask.batches

    def interrupted(task, epoch):
        drawn.append(epoch)
        if epoch == moment and drawn.count(epoch) > 1:  # the first look counts the steps
            raise KeyboardInterrupt
        return batches(task, epoch)

    with monkeypatch.context() as patch:
        patch.setattr(PairsTask, "batches", interrupted)
        drawn += [moment] if moment else []
        translator = TransformerTranslator(**short)
        with pytest.raises(KeyboardInterrupt):
            translator.fit(corpus.source, corpus.target, folder=tmp_path / "parts")
    assert not hasattr(translator, "model_")
    with pytest.raises(InputError, match=r"no config\.json|holds an unfinished run"):
        lw.load(tmp_path / "parts")
    drawn.clear()
    monkeypatch.setattr(PairsTask, "batches", lambda task, epoch: drawn.append(epoch) or batches(task, epoch))
    translator.fit(corpus.source, corpus.target, folder=tmp_path / "parts")
    assert min(drawn) == moment
    assert_same(translator.model_.state_dict(), expected.model_.state_dict())
    for name in ("whole", "parts"):
        shutil.rmtree(tmp_path / name / "training")
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")


def machine(monkeypatch, **features):
    """Let the processor have these instructions, and so decide what the precision "auto" is."""
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: features)


def test_a_finished_model_is_loaded_on_a_machine_of_another_precision(short, corpus, tmp_path, monkeypatch):
    machine(monkeypatch, amx_bf16=True)
    anywhere = short | {"precision": "auto", "max_epochs": 1}
    first = TransformerTranslator(**anywhere).fit(corpus.source, corpus.target, folder=tmp_path)
    machine(monkeypatch)
    monkeypatch.setattr(training, "train", no_training)
    again = TransformerTranslator(**anywhere).fit(corpus.source, corpus.target, folder=tmp_path)
    assert_same(again.model_.state_dict(), first.model_.state_dict())


def test_an_unfinished_run_goes_on_in_its_precision_alone(short, corpus, tmp_path, monkeypatch):
    anywhere, pairs = short | {"precision": "auto"}, (corpus.source, corpus.target)
    machine(monkeypatch)
    expected = TransformerTranslator(**anywhere).fit(*pairs).model_.state_dict()
    interrupt_after(2, monkeypatch, TransformerTranslator(**anywhere), corpus, tmp_path)
    before = files(tmp_path)
    machine(monkeypatch, amx_bf16=True)
    with pytest.raises(InputError, match="unfinished run in precision '32', this one is in 'bf16': repeat its command"):
        TransformerTranslator(**anywhere).fit(*pairs, folder=tmp_path)
    assert files(tmp_path) == before
    machine(monkeypatch)
    translator = TransformerTranslator(**anywhere).fit(*pairs, folder=tmp_path)
    assert_same(translator.model_.state_dict(), expected)


def other_data(corpus):
    yield "fewer pairs", corpus.source[1:], corpus.target[1:], None
    yield "another order", corpus.source[::-1], corpus.target[::-1], None
    yield "held-out pairs", corpus.source, corpus.target, (corpus.source[:2], corpus.target[:2])
    yield "other words", corpus.source, [text.replace("ö", "ü") for text in corpus.target], None


def test_other_words_may_have_the_same_numbers(corpus):
    """So that "other words" above is what it is meant to be."""
    encoded = []
    for _, source, target, _ in [("", corpus.source, corpus.target, None), list(other_data(corpus))[-1]]:
        encoded.append(Vocabulary.train([*source, *target], size=70).encode(target).tokens)
    np.testing.assert_array_equal(*encoded)


def test_a_folder_with_another_model_is_refused_and_kept(short, corpus, tmp_path):
    TransformerTranslator(**short).fit(corpus.source, corpus.target, folder=tmp_path)
    before = files(tmp_path)
    message = re.escape(f"{tmp_path} holds a translation.TransformerTranslator of other data or settings: choose")

    def refuse(name, changes, *data):
        with pytest.raises(InputError, match=message + r".*--restart \(restart=True\)"):
            TransformerTranslator(**short | changes).fit(*data, folder=tmp_path)
        assert files(tmp_path) == before, name

    for name, *data in other_data(corpus):
        refuse(name, {}, *data)
    for changes in (
        {"random_state": 1},
        {"max_epochs": 7},
        {"max_steps": 9},
        {"vocab_size": 80},
        {"precision": "bf16"},
        {"precision": "auto"},
        {"config": replace(short["config"], dropout=0.0)},
    ):
        refuse(changes, changes, corpus.source, corpus.target)


def test_another_unfinished_run_is_refused_and_kept(short, corpus, tmp_path, monkeypatch):
    interrupt_after(2, monkeypatch, TransformerTranslator(**short), corpus, tmp_path)
    before = files(tmp_path)
    with pytest.raises(InputError, match=r"holds an unfinished run with other data or settings: .*--restart"):
        TransformerTranslator(**short | {"random_state": 5}).fit(corpus.source, corpus.target, folder=tmp_path)
    assert files(tmp_path) == before


def test_restart_replaces_a_model_and_an_unfinished_run(short, corpus, tmp_path, monkeypatch):
    other = TransformerTranslator(**short | {"random_state": 1})
    expected = other.fit(corpus.source, corpus.target).model_.state_dict()
    TransformerTranslator(**short).fit(corpus.source, corpus.target, folder=tmp_path / "finished")
    interrupt_after(2, monkeypatch, TransformerTranslator(**short), corpus, tmp_path / "unfinished")
    for name in ("finished", "unfinished"):
        other.fit(corpus.source, corpus.target, folder=tmp_path / name, restart=True)
        loaded = lw.load(tmp_path / name)
        assert_same(loaded.model_.state_dict(), expected)
        assert len(list((tmp_path / name).glob("*.safetensors"))) == 1


def interrupt_after(epochs, monkeypatch, translator, corpus, folder):
    batches = PairsTask.batches

    def interrupted(task, epoch):
        if epoch == epochs:
            raise KeyboardInterrupt
        return batches(task, epoch)

    with monkeypatch.context() as patch:
        patch.setattr(PairsTask, "batches", interrupted)
        with pytest.raises(KeyboardInterrupt):
            translator.fit(corpus.source, corpus.target, folder=folder)


def test_a_run_that_saves_needs_a_random_state(short, corpus, tmp_path):
    translator = TransformerTranslator(**short | {"random_state": None})
    with pytest.raises(InputError, match="needs random_state: only a repeatable one can be resumed"):
        translator.fit(corpus.source, corpus.target, folder=tmp_path / "model")
    assert os.listdir(tmp_path) == []


def test_restart_and_loggers_need_a_folder(short, corpus):
    for options in ({"restart": True}, {"loggers": ["tensorboard"]}):
        with pytest.raises(InputError, match="restart and loggers need a folder"):
            TransformerTranslator(**short).fit(corpus.source, corpus.target, **options)


def test_an_unknown_logger_is_refused_at_once_and_leaves_no_folder(short, corpus, tmp_path, monkeypatch):
    monkeypatch.setattr(Vocabulary, "train", no_training)
    with pytest.raises(InputError, match="logger='paper': expected one of tensorboard, wandb"):
        TransformerTranslator(**short).fit(corpus.source, corpus.target, folder=tmp_path / "model", loggers=["paper"])
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("restart", [False, True])
def test_a_folder_that_cannot_hold_a_model_is_refused_at_once(short, corpus, tmp_path, monkeypatch, restart):
    monkeypatch.setattr(Vocabulary, "train", no_training)
    (tmp_path / "file").write_text("mine")
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "config.json").write_text('{"model_type": "marian"}')
    before = files(tmp_path)
    for name in ("file", "file/below", "foreign"):
        with pytest.raises(InputError, match=f"{name} ?"):
            TransformerTranslator(**short).fit(corpus.source, corpus.target, folder=tmp_path / name, restart=restart)
    assert files(tmp_path) == before


def test_a_crash_just_before_the_checkpoint_is_dropped_is_tidied_up(short, corpus, tmp_path, monkeypatch):
    def crash(estimator, folder):
        estimator.save(folder)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(runs, "conclude", crash)
        with pytest.raises(KeyboardInterrupt):
            TransformerTranslator(**short).fit(corpus.source, corpus.target, folder=tmp_path)
    assert (tmp_path / "training" / "config.json").exists()
    TransformerTranslator(**short).fit(corpus.source, corpus.target, folder=tmp_path)
    assert os.listdir(tmp_path / "training") == ["log.csv"]


# Saved models


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


def test_a_rewritten_model_loads_as_long_as_nothing_is_changed(rewritten, translator, corpus):
    assert lw.load(rewritten()).predict(corpus.source) == translator.predict(corpus.source)


def changed(weights, **changes):
    return {"tensors": {"weights": {name: value for name, value in (weights | changes).items() if value is not None}}}


@pytest.mark.parametrize(
    "name, change",
    [
        ("embedding", None),
        ("encoder.0.attention.output.weight", None),
        ("embedding", torch.zeros(70, 30)),
        ("embedding", torch.zeros(71, 32)),
        ("decoder.1.feed_forward.expand.bias", torch.zeros(65)),
        ("decoder.1.feed_forward.expand.bias", torch.zeros(64, 1)),
        ("embedding", torch.zeros(70, 32, dtype=torch.int64)),
        ("extra", torch.zeros(3)),
    ],
)
def test_weights_of_another_shape_are_refused_whatever_their_checksum(rewritten, model_folder, name, change):
    weights = dict(read_folder(model_folder)[1].tensors["weights"])
    assert (name in weights) == (name != "extra")
    with pytest.raises(InputError, match="forged does not hold a TransformerTranslator that can be rebuilt"):
        lw.load(rewritten(**changed(weights, **{name: change})))


def test_weights_in_place_of_others_are_refused(rewritten):
    with pytest.raises(InputError, match="does not hold a TransformerTranslator"):
        lw.load(rewritten(tensors={"other": {"embedding": torch.zeros(70, 32)}}))
    with pytest.raises(InputError, match="does not hold a TransformerTranslator"):
        lw.load(rewritten(tensors={"weights": {"embedding": np.zeros((70, 32))}}))


def foreign_vocabulary():
    """Return a SentencePiece model whose special pieces are not where ours are."""
    output = io.BytesIO()
    sentencepiece.SentencePieceTrainer.Train(
        sentence_iterator=iter(["the dog sees the cat"]), model_writer=output, vocab_size=13, minloglevel=2
    )
    return output.getvalue()


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: b"", "the vocabulary is not"),
        (lambda: b"not a model", "the vocabulary is not"),
        (foreign_vocabulary, "its special pieces are elsewhere"),
        (lambda: Vocabulary.train(["the dog", "sees the cat"], size=20).model, "forged does not hold"),
    ],
)
def test_a_vocabulary_of_another_kind_is_refused_whatever_its_checksum(rewritten, model_folder, make, message):
    files = read_folder(model_folder)[1].files
    with pytest.raises(InputError, match=message):
        lw.load(rewritten(files=files | {"vocabulary.model": make()}))


def test_a_vocabulary_of_another_size_is_refused_before_memory_is_asked_for(rewritten, model_folder, monkeypatch):
    monkeypatch.setattr(saving, "EncoderDecoder", lambda *_: pytest.fail("a model was made"))
    files = read_folder(model_folder)[1].files
    other = Vocabulary.train(["the dog", "sees the cat"], size=20).model
    with pytest.raises(InputError, match="forged does not hold"):
        lw.load(rewritten(files=files | {"vocabulary.model": other}))


@pytest.mark.parametrize(
    "change",
    [
        lambda values: values.update(config=None),
        lambda values: values.update(config={"layers": 2}),
        lambda values: values["config"].update(no_such=1),
        lambda values: values["config"].update(heads=3),
        lambda values: values["config"].update(layers=1),
        lambda values: values["config"].update(layers=10**9),
        lambda values: values["config"].update(d_model=10**9),
        lambda values: values["config"].update(feed_forward=10**9),
        lambda values: values.pop("config"),
        lambda values: values.pop("pairs"),
        lambda values: values.pop("fingerprint"),
        lambda values: values.update(pairs=7),
    ],
)
def test_values_that_do_not_fit_are_refused_whatever_their_checksum(rewritten, model_folder, change):
    values = read_folder(model_folder)[1].values
    change(values)
    with pytest.raises(InputError, match="forged"):
        lw.load(rewritten(values=values))


@pytest.mark.parametrize("history", [None, b"", b"[{]"])
def test_a_history_that_is_missing_or_damaged_is_refused_whatever_its_checksum(rewritten, model_folder, history):
    files = read_folder(model_folder)[1].files | {"history.json": history}
    with pytest.raises(InputError, match="forged does not hold a TransformerTranslator"):
        lw.load(rewritten(files={name: data for name, data in files.items() if data is not None}))


def test_a_history_of_millions_of_steps_is_saved(translator, tmp_path):
    row = {"step": 2_000_000, "epoch": 1_000, "learning_rate": 0.00012345678901234, "loss": 1.2345678901234}
    long = copy.copy(translator)
    long.history_ = [row] * 200_000
    long.save(tmp_path)
    assert lw.load(tmp_path).history_ == long.history_


@pytest.mark.parametrize("history", [b"1", b"[1]", b'{"step": 1}', b'[{"loss": "low"}]', b"["])
def test_a_history_of_anything_but_rows_of_numbers_is_refused(rewritten, model_folder, history):
    files = read_folder(model_folder)[1].files
    with pytest.raises(InputError, match="forged"):
        lw.load(rewritten(files=files | {"history.json": history}))


def test_missing_vocabulary_is_refused(rewritten):
    with pytest.raises(InputError, match=r"vocabulary\.model"):
        lw.load(rewritten(files={}))
