"""The commands and bad input: status 2, one line that says what is wrong and where, and nothing left behind."""

from __future__ import annotations

import gzip
import re
import shutil

import fakes
import numpy as np
import pytest

from latticework.core import State, write_folder
from latticework.core.capability import register


def good_pair(folder):
    (folder / "good.en").write_text("the dog.\nthe cat.\n")
    (folder / "good.de").write_text("Der Hund.\nDie Katze.\n")
    return str(folder / "good.en"), str(folder / "good.de")


BAD_FILES = [
    ({"a": b"x\ny\nz\n", "b": b"x\n"}, "a b", "a has 3 lines and .*b has 1: line n of one must be"),
    ({"a": b"", "b": b""}, "a b", "a is empty"),
    ({"a": b" \n\n", "b": b"x\ny\n"}, "a b", "every training pair has an empty side"),
    ({"a": b"x\n"}, "a", "a is one side only: name the file with the translations too"),
    ({"a": b"x\n"}, "a no", "no: there is no such file"),
    ({"a": b"x\n"}, "a .", " is a folder, expected a text file"),
    ({"a": b"x\ny\0\n", "b": b"x\ny\n"}, "a b", "a:2: NUL character at byte 2"),
    ({"a": b"x\n", "b": b"\xe9t\xe9\n"}, "a b", "b:1: byte 0xE9 at position 1 is not UTF-8"),
    ({"a.gz": gzip.compress(b"x\n" * 99)[:-5], "b": b"x\n"}, "a.gz b", "a.gz: the gzip file is damaged or cut off"),
    ({"a.gz": b"x\n", "b": b"x\n"}, "a.gz b", "a.gz is named .gz but is not a gzip file"),
    ({"a.tsv": b"x\ty\nz\n"}, "a.tsv", "a.tsv:2: expected the target in column 2, got 1 column"),
    ({"a.jsonl": b'{"source": "x"}\n'}, "a.jsonl", 'a.jsonl:1: expected an object with a text under "target"'),
    ({"a.jsonl": b"x\n"}, "a.jsonl", "a.jsonl:1: not a JSON object"),
    ({"a.jsonl": b"[1]\n"}, "a.jsonl", "a.jsonl:1: expected a JSON object, got a list"),
]


@pytest.mark.parametrize("content, names, message", BAD_FILES)
def test_fit_names_bad_files_and_leaves_no_folder(refused, quick, tmp_path, content, names, message):
    for name, data in content.items():
        (tmp_path / name).write_bytes(data)
    paths = [tmp_path / name for name in names.split()]
    assert re.search(message, refused("translate", "fit", *paths, "-o", tmp_path / "model"))
    if len(paths) == 2 and "training pair" not in message:
        words = ["translate", "fit", *good_pair(tmp_path), "-o", tmp_path / "model", "--valid", *paths]
        assert re.search(message, refused(*words))
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize(
    "options, message",
    [
        (["--preset", "medium"], "preset='medium': expected one of tiny, small, base, big"),
        (["--preset", "medium", "--batch-tokens", "9"], "preset='medium': expected one of tiny, small, base, big"),
        (["--vocab-size", "0"], "Invalid value for '--vocab-size': "),
        (["--vocab-size", "7"], "vocab_size=7 is too small for text of 17 different characters: give at least 22"),
        (["--vocab-size", "many"], "Invalid value for '--vocab-size': "),
        (["--epochs", "0"], "Invalid value for '--epochs': "),
        (["--batch-tokens", "-3"], "Invalid value for '--batch-tokens': "),
        (["--seed", "-1"], "Invalid value for '--seed': "),
        (["--seed", str(2**63)], "random_state must be at least 0 and below 2**63"),
        (["--device", "toaster"], "device='toaster' is not a device: expected auto, cpu, cuda"),
        (["--device", "cuda:77"], "device='cuda:77' is not on this machine; expected auto or cpu"),
        (["--precision", "16"], "precision='16': expected one of auto, 64, 32, bf16"),
        (["--logger", "paper"], "logger='paper': expected one of tensorboard, wandb"),
        (["--valid", "one"], "Option '--valid' requires 2 arguments."),
        (["--colour"], "No such option: --colour"),
    ],
)
def test_fit_names_bad_options_and_leaves_no_folder(refused, quick, tmp_path, options, message):
    options = [*options, "--vocab-size", "25"] if "--logger" in options else options
    begun = "learning a vocabulary from .*" if message.startswith("vocab_size=7 ") else ""
    line = refused("translate", "fit", *good_pair(tmp_path), "-o", tmp_path / "model", *options, begun=begun)
    assert line.startswith(message)
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize(
    "options, message",
    [
        (["--preset", "medium"], "preset='medium'"),
        (["--preset", "medium", "--batch-tokens", "9"], "preset='medium'"),
        (["--seed", str(2**63)], "random_state"),
        (["--device", "toaster"], "device='toaster'"),
        (["--precision", "16"], "precision='16'"),
        (["--valid", "no.en", "no.de"], "no.en: there is no such file"),
    ],
)
def test_fit_checks_what_is_quick_to_check_before_it_reads_the_corpus(refused, quick, tmp_path, options, message):
    line = refused("translate", "fit", "missing.en", "missing.de", "-o", tmp_path / "model", *options)
    assert line.startswith(message)


def test_predict_and_evaluate_check_what_is_quick_to_check_before_they_read(refused, model_folder):
    for verb in ("predict", "evaluate"):
        assert refused("translate", verb, model_folder, "no.tsv", "--beam", "71").startswith("beam_size=71")
        assert refused("translate", verb, model_folder, "no.tsv", "--device", "toaster").startswith("device='toaster'")
        assert refused("translate", verb, "no-model", "no.tsv").endswith("no-model: there is no such folder")
    assert refused("translate", "predict", model_folder, "--device", "toaster", stdin=b"").startswith("device=")


def test_standard_input_can_be_one_file_only(refused, model_folder, tmp_path):
    source, target = good_pair(tmp_path)
    fit, out = ["translate", "fit"], ["-o", tmp_path / "model"]
    commands = [
        [*fit, "-", "-", *out],
        [*fit, "-", target, *out, "--valid", source, "-"],
        [*fit, source, target, *out, "--valid", "-", "-"],
        ["translate", "evaluate", model_folder, "-", "-"],
    ]
    for words in commands:
        expected = "standard input (-) can be only one of the files: it is read once"
        assert refused(*words, stdin=b"the dog.\n") == expected
    assert not (tmp_path / "model").exists()


def test_fit_needs_an_output(refused, tmp_path):
    assert refused("translate", "fit", *good_pair(tmp_path)).startswith("Missing option '--output' / '-o'.")


@pytest.mark.parametrize("restart", [[], ["--restart"]])
def test_fit_refuses_to_overwrite_what_is_not_a_model(refused, quick, tmp_path, restart):
    (tmp_path / "notes").write_text("mine")
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "config.json").write_text('{"model_type": "marian"}')
    words = ["translate", "fit", *good_pair(tmp_path), "--vocab-size", "22", "--epochs", "1", *restart]
    for name in ("notes", "foreign"):
        assert str(tmp_path / name) in refused(*words, "-o", tmp_path / name)
    assert (tmp_path / "notes").read_text() == "mine"
    assert [path.name for path in (tmp_path / "foreign").iterdir()] == ["config.json"]


@pytest.mark.parametrize(
    "options, message",
    [
        (["--beam", "0"], "Invalid value for '--beam': "),
        (["--beam", "71"], "beam_size=71 is more than the 70 pieces of the vocabulary"),
        (["--n-best", "5"], "n_best=5 needs a beam_size of at least 5, got 4"),
        (["--alpha", "-1"], "Invalid value for '--alpha': "),
        (["--alpha", "nan"], "Invalid value for '--alpha': "),
        (["--alpha", "inf"], "length_penalty=inf: expected a number of at least 0"),
        (["--device", "toaster"], "device='toaster' is not a device"),
    ],
)
def test_predict_names_bad_options(refused, model_folder, options, message):
    assert refused("translate", "predict", model_folder, *options, stdin=b"the dog.\n").startswith(message)


def test_bad_files_of_predict_and_evaluate_are_named(refused, model_folder, tmp_path):
    source, _ = good_pair(tmp_path)
    (tmp_path / "short").write_text("x\n")
    predict, evaluate = ["translate", "predict", model_folder], ["translate", "evaluate", model_folder]
    assert refused(*predict, tmp_path / "no") == f"{tmp_path / 'no'}: there is no such file"
    assert refused(*predict, tmp_path) == f"{tmp_path} is a folder, expected a text file"
    assert refused(*predict, stdin=b"\xffthe dog.\n").startswith("<stdin>:1: byte 0xFF at position 1 is not UTF-8")
    assert refused(*evaluate, source).startswith(f"{source} is one side only")
    assert refused(*evaluate, source, tmp_path / "short").startswith(f"{source} has 2 lines and ")
    assert refused(*evaluate, "-", source, stdin=b"") == f"<stdin> has 0 lines and {source} has 2: " + (
        "line n of one must be the translation of line n of the other"
    )


def test_a_folder_without_a_translator_is_named(refused, tmp_path):
    (tmp_path / "empty").mkdir()
    write_folder(tmp_path / "run", header={"kind": "checkpoint"}, state=State())
    (tmp_path / "pickle").mkdir()
    (tmp_path / "pickle" / "model.pt").write_bytes(b"x")
    with register(fakes.CAPABILITY):
        fakes.NeighbourBank(random_state=0).fit(np.eye(4)).save(tmp_path / "other")
        expected = {
            "missing": "there is no such folder",
            "empty": "is not a Latticework folder: it has no config.json",
            "run": "holds a checkpoint, not a model",
            "pickle": "it has model.pt, and pickles are never read",
            "other": "holds NeighbourBank, not TransformerTranslator",
        }
        for name, message in expected.items():
            for command in (["predict"], ["evaluate", *reversed(good_pair(tmp_path))]):
                line = refused("translate", command[0], tmp_path / name, *command[1:], stdin=b"the dog.\n")
                assert str(tmp_path / name) in line
                assert message in line


def test_a_damaged_model_is_named(refused, model_folder, tmp_path):
    shutil.copytree(model_folder, tmp_path / "model")
    (weights,) = (tmp_path / "model").glob("*.safetensors")
    data = bytearray(weights.read_bytes())
    data[-5] ^= 1
    weights.write_bytes(data)
    line = refused("translate", "predict", tmp_path / "model", stdin=b"the dog.\n")
    assert f"{weights.name} does not match its checksum" in line
