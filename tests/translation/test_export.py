"""A translator exported to CTranslate2 computes and writes what it does here; nothing half-written is left."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from itertools import product

import ctranslate2
import numpy as np
import pytest
import sentencepiece
import torch
from cases import assert_same, contents
from ctranslate2.specs import TransformerSpec, model_spec
from sklearn.exceptions import NotFittedError

from latticework.core import InputError, MissingExtraError
from latticework.seq2seq.config import TransformerConfig
from latticework.seq2seq.decoding import check_search, search_texts
from latticework.seq2seq.model import EncoderDecoder
from latticework.seq2seq.vocabulary import BEGIN, Vocabulary
from latticework.translation import TransformerTranslator
from latticework.translation.decoding import EXTRA_LENGTH
from latticework.translation.export import LEAST_POSITIONS, MOST_POSITIONS, QUANTIZATIONS, export_ctranslate2
from latticework.translation.text import on_one_line

FILES = ["README.md", "config.json", "model.bin", "shared_vocabulary.json", "vocabulary.model"]
CLOSE = 1e-4  # log-probabilities are sums of some twenty numbers in float32
WORDS = ["ein Haus", "zwei Häuser am See", "der Hund sieht das Haus", "See", "drei", "Hund und Katze und Haus 😀"]


@pytest.fixture(scope="module")
def exported(translator, tmp_path_factory):
    """The translator of the toy language, exported; read it only."""
    folder = tmp_path_factory.mktemp("exported") / "served"
    translator.export("ctranslate2", folder)
    return folder


@pytest.fixture
def guide(monkeypatch):
    """Run the Python of a folder's page in that folder, as its reader would, and return what it defines."""

    def run(folder):
        monkeypatch.chdir(folder)
        defined = {}
        exec(code_of(folder), defined)  # noqa: S102
        return defined

    return run


def code_of(folder):
    (code,) = re.findall(r"^```python\n(.*?)^```$", (folder / "README.md").read_text("utf-8"), re.DOTALL | re.MULTILINE)
    return code


class Served:
    """An exported folder, used through the libraries that it is for."""

    def __init__(self, folder):
        self.translator = ctranslate2.Translator(str(folder), device="cpu")
        self.vocabulary = sentencepiece.SentencePieceProcessor(model_file=str(folder / "vocabulary.model"))

    def pieces(self, texts):
        return [self.vocabulary.id_to_piece(self.vocabulary.encode(text)) for text in texts]

    def search(self, texts, beam_size):
        """The best output of each text, a call a text, as each has a greatest length of its own."""
        return [
            self.translator.translate_batch(
                [source],
                beam_size=beam_size,
                length_penalty=0,
                max_decoding_length=len(source) + EXTRA_LENGTH,
                min_decoding_length=0,
                max_input_length=0,
                disable_unk=True,
                suppress_sequences=[["<pad>"], ["<s>"]],
                return_scores=True,
            )[0]
            for source in self.pieces(texts)
        ]

    def log_probabilities(self, sources, targets):
        scored = self.translator.score_batch(self.pieces(sources), self.pieces(targets), max_input_length=0)
        return [sum(each.log_probs) for each in scored]


def search(model, vocabulary, texts, beam_size):
    """What the search of this library finds at length penalty 0: tokens and scores."""
    found = search_texts(
        model,
        vocabulary.encode(texts),
        np.ones(len(texts), dtype=bool),
        check_search(beam_size, 0, 1, len(vocabulary)),
        extra_length=EXTRA_LENGTH,
        device=torch.device("cpu"),
        doing="searching",
    )
    return [best[0] for best in found]


@torch.inference_mode()
def log_probability(model, vocabulary, source, pieces, *, allowed=None):
    """log P of pieces and their end given a source; over the allowed pieces alone, if some are given."""
    read = torch.from_numpy(vocabulary.encode([source])[0].astype(np.int64))[None]
    written = torch.tensor([[vocabulary._processor.piece_to_id(piece) for piece in [*pieces, "</s>"]]])
    states = model.decode(torch.cat([torch.tensor([[BEGIN]]), written[:, :-1]], 1), model.remember(read))
    logits = states.double() @ model.embedding.double().T
    if allowed is not None:
        logits[..., [index for index in range(len(vocabulary)) if index not in allowed]] = -torch.inf
    return float(logits.log_softmax(-1).gather(2, written[:, :, None]).sum())


def untrained(**options):
    """A model with random weights, opinions of its own and a small vocabulary."""
    vocabulary = Vocabulary.train(WORDS, size=45)
    config = TransformerConfig(layers=2, d_model=16, heads=2, feed_forward=24, **options)
    torch.manual_seed(3)
    model = EncoderDecoder(config, len(vocabulary)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
        model.embedding.mul_(2)
    return model, vocabulary


# What is computed


@pytest.mark.parametrize("norm_first, positions", list(product([False, True], ["paper", "t2t"])))
@pytest.mark.filterwarnings("ignore:the text is small:UserWarning")
def test_untrained_models_of_every_kind_compute_and_write_the_same(norm_first, positions, tmp_path):
    model, vocabulary = untrained(norm_first=norm_first, positions=positions)
    export_ctranslate2(model, vocabulary, tmp_path / "served")
    served = Served(tmp_path / "served")
    expected = [
        log_probability(model, vocabulary, source, served.pieces([target])[0])
        for source, target in zip(WORDS, WORDS[::-1], strict=True)
    ]
    assert np.ptp(expected) > 10
    np.testing.assert_allclose(served.log_probabilities(WORDS, WORDS[::-1]), expected, rtol=1e-5)
    ours = [vocabulary.pieces(best.tokens) for best in search(model, vocabulary, WORDS, 1)]
    assert [result.hypotheses[0] for result in served.search(WORDS, 1)] == ours
    assert len(set(map(tuple, ours))) > 1
    assert all(ours)


@pytest.mark.parametrize("beam_size", [1, 4])
def test_the_same_pieces_are_written_with_the_same_scores(translator, exported, corpus, beam_size):
    model, vocabulary, served = translator.model_, translator.vocabulary_, Served(exported)
    texts = [*corpus.source, "the cat", "dog dog", "the house", "finds the dog the cat."]
    allowed = set(range(len(vocabulary))) - {0, 1, 2}
    ours, theirs = search(model, vocabulary, texts, beam_size), served.search(texts, beam_size)
    for text, best, result in zip(texts, ours, theirs, strict=True):
        found = result.hypotheses[0]
        log_p = log_probability(model, vocabulary, text, found)
        assert found == vocabulary.pieces(best.tokens) or (beam_size > 1 and abs(log_p - best.log_probability) < CLOSE)
        assert best.log_probability == pytest.approx(log_p, abs=CLOSE)
        # theirs shares out what the model gives to pieces that are never written
        shared_out = log_probability(model, vocabulary, text, found, allowed=allowed)
        assert result.scores[0] == pytest.approx(shared_out, abs=CLOSE)


def test_log_probabilities_of_any_pair_are_the_same(translator, exported, corpus, log_probability):
    sources, targets = corpus.source[:12], corpus.target[6:18]
    expected = [log_probability(translator, *pair)[0] for pair in zip(sources, targets, strict=True)]
    assert min(expected) < -10
    np.testing.assert_allclose(Served(exported).log_probabilities(sources, targets), expected, atol=CLOSE)


def test_a_beam_of_theirs_never_finds_anything_better(translator, exported):
    words = ["the", "dog", "cat.", "sees", "house", "hears", "finds", "xyz"]
    drawn = np.random.default_rng(2).integers(0, len(words), (60, 4))
    texts = [" ".join(words[index] for index in row) for row in drawn]
    ours = search(translator.model_, translator.vocabulary_, texts, 4)
    for text, best, result in zip(texts, ours, Served(exported).search(texts, 4), strict=True):
        if len(result.hypotheses[0]) < len(translator.vocabulary_.encode([text])[0]) - 1 + EXTRA_LENGTH:
            log_p = log_probability(translator.model_, translator.vocabulary_, text, result.hypotheses[0])
            assert log_p <= best.log_probability + CLOSE, text


# The page in the folder


def test_the_folder_alone_translates_as_predict_does(translator, exported, corpus, guide):
    translate = guide(exported)["translate"]
    blank, odd = ["", " ", "\t\u2003", "▁"], ["the\r\ndog", "xyz", "<s>", "€ <pad>", "the cat </s>", "The", "the  dog"]
    texts = [*corpus.source[:20], *blank, *odd, *corpus.source[20:]]
    assert translate(texts, beam_size=1) == translator.predict(texts, beam_size=1)
    assert translate(corpus.source) == list(corpus.target)
    assert translate([]) == []


@pytest.mark.parametrize("text", ["a", "a\n", "a\r\n", "a\n\n", "\r\na\rb\r", "\n\r"])
def test_the_folder_takes_line_breaks_as_predict_does(text, exported, guide):
    assert guide(exported)["on_one_line"](text) == on_one_line(text)


@pytest.mark.filterwarnings("ignore:the text is small:UserWarning")
def test_each_output_of_a_call_keeps_to_its_own_greatest_length(guide, tmp_path):
    model, vocabulary = untrained()
    with torch.no_grad():
        model.embedding[3] = 0  # it hardly ever ends
    export_ctranslate2(model, vocabulary, tmp_path / "served")
    translate = guide(tmp_path / "served")["translate"]
    ours = search(model, vocabulary, WORDS, 1)
    assert len({len(best.tokens) for best in ours}) > 2
    assert translate(WORDS, beam_size=1) == vocabulary.decode([best.tokens for best in ours])


@pytest.mark.filterwarnings("ignore:the text is small:UserWarning")
def test_text_that_looks_like_a_special_piece_is_unknown_text(guide, tmp_path):
    model, _ = untrained()
    vocabulary = Vocabulary.train(["1 2 3 4 5 6 7 8 9", "12 34 56 78"], size=len(model.embedding))
    model = EncoderDecoder(model.config, len(vocabulary)).eval()
    export_ctranslate2(model, vocabulary, tmp_path / "served")
    found = guide(tmp_path / "served")
    assert found["vocabulary"].encode("1<s>", out_type=str)[-1] == "<s>"  # which CTranslate2 would take for a beginning
    texts = ["1<s>", "1</s>", "12 <pad>"]
    ours = search(model, vocabulary, texts, 1)
    assert found["translate"](texts, beam_size=1) == vocabulary.decode([best.tokens for best in ours])


def test_the_folder_needs_neither_this_library_nor_torch(exported, corpus):
    code = code_of(exported) + (
        "import sys\n"
        "assert not {'latticework', 'torch'} & set(sys.modules)\n"
        "sys.stdout.buffer.write(translate([sys.argv[1]])[0].encode())\n"
    )
    command = [sys.executable, "-c", code, corpus.source[7]]
    done = subprocess.run(command, cwd=exported, capture_output=True, check=True, timeout=120)
    assert done.stdout.decode() == corpus.target[7]


def test_the_page_says_how_long_texts_may_be(translator, exported):
    page = (exported / "README.md").read_text("utf-8")
    assert f"more than {translator.config_.max_length - 1} pieces was trained on" in page
    assert f"fails above {LEAST_POSITIONS} pieces" in page
    assert not re.search(r"\{\w+\}", page)


# What is written


def test_the_folder_holds_what_its_page_says(exported, translator):
    assert sorted(os.listdir(exported)) == FILES
    assert (exported / "vocabulary.model").read_bytes() == translator.vocabulary_.model
    pieces = json.loads((exported / "shared_vocabulary.json").read_bytes())
    assert pieces == translator.vocabulary_.pieces(range(len(translator.vocabulary_)))
    assert json.loads((exported / "config.json").read_bytes())["layer_norm_epsilon"] == 1e-6


def test_the_same_model_gives_the_same_files(exported, translator, tmp_path):
    tmp_path.joinpath("empty").mkdir()
    for name in ("empty", "new/folder"):
        translator.export("ctranslate2", tmp_path / name)
        assert contents(tmp_path / name) == contents(exported)


@pytest.mark.parametrize("quantization", QUANTIZATIONS)
def test_quantized_models_translate_and_the_model_itself_is_left_alone(
    quantization, translator, exported, corpus, guide, tmp_path
):
    before = {name: tensor.clone() for name, tensor in translator.model_.state_dict().items()}
    translator.export("ctranslate2", tmp_path / "small", quantization=quantization)
    assert_same(dict(translator.model_.state_dict()), before)
    size, whole = ((folder / "model.bin").stat().st_size for folder in (tmp_path / "small", exported))
    assert size < whole or (quantization == "float32" and size == whole)
    translations = guide(tmp_path / "small")["translate"](corpus.source)
    assert sum(map(str.__eq__, translations, corpus.target)) >= 45


def test_quantizations_are_all_that_ctranslate2_has():
    assert sorted(QUANTIZATIONS) == sorted(model_spec.ACCEPTED_MODEL_TYPES)


@pytest.mark.parametrize("precision", ["bf16", "64"])
def test_whatever_the_precision_of_training_float32_is_written(
    precision, settings, corpus, exported, log_probability, tmp_path
):
    trained = TransformerTranslator(**settings | {"max_epochs": 2, "precision": precision})
    trained.fit(corpus.source, corpus.target).export("ctranslate2", tmp_path / "served")
    assert trained.model_.embedding.dtype == (torch.float64 if precision == "64" else torch.float32)
    assert (tmp_path / "served" / "model.bin").stat().st_size == (exported / "model.bin").stat().st_size
    served = Served(tmp_path / "served")
    assert served.translator.compute_type == "float32"
    trained.model_.float()
    expected = [log_probability(trained, *pair)[0] for pair in zip(corpus.source, corpus.target, strict=True)]
    np.testing.assert_allclose(served.log_probabilities(corpus.source, corpus.target), expected, rtol=1e-5)


@pytest.mark.filterwarnings("ignore:the text is small:UserWarning")
def test_positions_reach_as_far_as_the_model_was_trained_or_further(tmp_path):
    far = LEAST_POSITIONS + 500
    model, vocabulary = untrained(max_length=far)
    export_ctranslate2(model, vocabulary, tmp_path / "served")
    served = Served(tmp_path / "served")
    longest = ["<unk>"] * (far - 1)
    (result,) = served.translator.translate_batch([longest], max_input_length=0, max_decoding_length=5)
    assert result.hypotheses[0]
    with pytest.raises(RuntimeError, match=f"positions >= {far + EXTRA_LENGTH}"):
        served.translator.translate_batch([longest + ["<unk>"] * (EXTRA_LENGTH + 1)], max_input_length=0)


@pytest.mark.filterwarnings("ignore:the text is small:UserWarning")
def test_positions_end_where_a_greatest_length_that_leaves_nothing_out_does_not(tmp_path):
    model, vocabulary = untrained(max_length=10**6)
    export_ctranslate2(model, vocabulary, tmp_path / "served")
    assert f"fails above {MOST_POSITIONS} pieces" in (tmp_path / "served" / "README.md").read_text("utf-8")
    assert (tmp_path / "served" / "model.bin").stat().st_size < 3 * MOST_POSITIONS * model.config.d_model * 4


# What is refused, and what is left then


def test_what_cannot_be_exported_is_refused(translator, tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("")
    refused = [
        ("onnx", "new", {}, "^format='onnx': expected ctranslate2$"),
        (None, "new", {}, "^format=None: expected ctranslate2$"),
        ("ctranslate2", "new", {"quantization": "int4"}, "^quantization='int4': expected one of int8, int8_float32, "),
        ("ctranslate2", "full", {}, "full holds other things, such as .*: choose another folder, or empty it$"),
        ("ctranslate2", "file", {}, "file is a file, expected the name of a folder to write$"),
        ("ctranslate2", "file/new", {}, "new cannot be written: .*file is not a folder$"),
    ]
    for format, name, options, message in refused:
        with pytest.raises(InputError, match=message):
            translator.export(format, tmp_path / name, **options)
    assert sorted(os.listdir(tmp_path)) == ["file", "full"]
    with pytest.raises(NotFittedError):
        TransformerTranslator("tiny").export("ctranslate2", tmp_path / "new")


def test_without_ctranslate2_the_line_that_installs_it_is_said(translator, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ctranslate2", None)
    with pytest.raises(MissingExtraError, match=r"ctranslate2: pip install 'latticework\[ctranslate2\]'$"):
        translator.export("ctranslate2", tmp_path / "new")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
@pytest.mark.parametrize("existed", [False, True])
def test_nothing_is_left_of_an_export_that_fails(translator, tmp_path, monkeypatch, error, existed):
    if existed:
        (tmp_path / "served").mkdir()
    save = TransformerSpec.save

    def save_and_fail(specification, folder):
        save(specification, folder)
        raise error

    monkeypatch.setattr(TransformerSpec, "save", save_and_fail)
    with pytest.raises(error):
        translator.export("ctranslate2", tmp_path / "served")
    assert list(tmp_path.rglob("*")) == [tmp_path / "served"] * existed


def test_a_folder_that_is_filled_meanwhile_is_left_alone(translator, tmp_path, monkeypatch):
    save = TransformerSpec.save

    def save_late(specification, folder):
        save(specification, folder)
        (tmp_path / "served").mkdir()
        (tmp_path / "served" / "another").write_text("")

    monkeypatch.setattr(TransformerSpec, "save", save_late)
    with pytest.raises(
        InputError, match=r"served holds other things, such as another: choose another folder, or empty it$"
    ):
        translator.export("ctranslate2", tmp_path / "served")
    assert list(tmp_path.rglob("*")) == [tmp_path / "served", tmp_path / "served" / "another"]


def test_a_killed_export_leaves_no_folder_of_that_name(model_folder, tmp_path):
    shutil.copytree(model_folder, tmp_path / "model")
    code = (
        "import os, signal, latticework as lw\n"
        "model = lw.load('model')\n"
        "os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "model.export('ctranslate2', 'served')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, timeout=120)
    assert done.returncode == -signal.SIGKILL
    names = sorted(os.listdir(tmp_path))
    assert names[-1] == "model"
    assert all(re.fullmatch(r"\.latticework-[0-9a-f]{16}\.tmp", name) for name in names[:-1])


# The command


def test_export_from_the_command_line(latticework, model_folder, exported, tmp_path):
    served = tmp_path / "served"
    ended = latticework("translate", "export", model_folder, served)
    assert (ended.status, ended.out) == (0, "")
    assert ended.err == f"the model for ctranslate2 is in {served}; {served / 'README.md'} says how to use it\n"
    assert contents(served) == contents(exported)
    small = tmp_path / "small"
    options = ["--format", "ctranslate2", "--quantization", "int8"]
    assert latticework("translate", "export", model_folder, small, *options).status == 0
    assert (small / "model.bin").stat().st_size < (served / "model.bin").stat().st_size


def test_bad_exports_are_one_line_on_the_command_line(refused, model_folder, tmp_path):
    new = tmp_path / "new"
    assert refused("translate", "export", model_folder, new, "--format", "onnx").startswith("format='onnx': ")
    assert refused("translate", "export", model_folder, new, "--quantization", "x").startswith("quantization='x': ")
    assert refused("translate", "export", new, tmp_path / "other") == f"{new}: there is no such folder"
    assert "holds other things" in refused("translate", "export", model_folder, model_folder)
    assert os.listdir(tmp_path) == []
