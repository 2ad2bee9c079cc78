"""`latticework translate` and `latticework show` from end to end: results on stdout, the rest on stderr."""

from __future__ import annotations

import gzip
import json
import re
import shutil
import warnings
from pathlib import Path

import pytest
import sacrebleu
import torch
from cases import assert_same, contents
from texts import lines

import latticework as lw
from latticework.core.hardware import PRECISIONS
from latticework.seq2seq.config import TransformerConfig
from latticework.translation import TransformerTranslator
from latticework.translation.presets import PRESETS


@pytest.fixture
def files(write, corpus):
    """The toy corpus as two files."""
    return write("pairs.en", corpus.source), write("pairs.de", corpus.target)


@pytest.fixture
def fit(latticework, quick, files, tmp_path):
    """Train on the toy corpus in a folder of the test, with more options if wanted."""

    def run(*options, pairs=files, output="model"):
        return latticework("translate", "fit", *pairs, "--output", tmp_path / output, "--precision", "32", *options)

    return run


# fit


def test_fit_predict_and_evaluate(fit, latticework, files, corpus, translator, tmp_path):
    ended = fit("--device", "cpu", "--seed", "0")
    assert (ended.status, ended.out) == (0, "")
    assert ended.err.startswith("learning a vocabulary from 48 pairs\n")
    model = tmp_path / "model"
    assert ended.err.endswith(
        f"the model is in {model}; try: echo 'a sentence' | latticework translate predict {model}\n"
    )
    assert_same(lw.load(model).model_.state_dict(), translator.model_.state_dict())
    ended = latticework("translate", "predict", model, stdin=lines(corpus.source))
    assert ended == (0, lines(corpus.target).decode(), "")
    ended = latticework("translate", "evaluate", model, *files, "--json")
    assert json.loads(ended.out)["BLEU"] == pytest.approx(100)


def test_every_format_gives_the_same_model(fit, write, corpus, tmp_path):
    pairs = list(zip(corpus.source, corpus.target, strict=True))
    source, target = lines(corpus.source), lines(corpus.target)
    marked = "\ufeff".encode() + target.replace(b"\n", b"\r\n")
    tsv = lines(f"{one}\t{other}" for one, other in pairs)
    jsonl = lines(json.dumps({"target": other, "source": one}) for one, other in pairs)
    given = {
        "plain": (write("a.en", source), write("a.de", target)),
        "windows": (write("w.en", source), write("w.de", marked)),
        "packed": (write("a.en.gz", gzip.compress(source)), write("a.de.gz", gzip.compress(target))),
        "tsv": (write("a.tsv", tsv),),
        "packed-tsv": (write("a.tsv.gz", gzip.compress(tsv)),),
        "jsonl": (write("a.jsonl", jsonl),),
    }
    for name, paths in given.items():
        assert fit("--epochs", 1, pairs=paths, output=name).status == 0
        shutil.rmtree(tmp_path / name / "training")
    for name in given:
        assert contents(tmp_path / name) == contents(tmp_path / "plain")


def test_options_of_fit_reach_the_translator(fit, write, corpus, tmp_path, monkeypatch):
    devices, save = [], TransformerTranslator.save
    monkeypatch.setattr(
        TransformerTranslator, "save", lambda self, folder: save(self, folder) or devices.append(self.device)
    )
    held_out = write("valid.en", corpus.source[:4]), write("valid.de", corpus.target[:4])
    options = {"--vocab-size": 80, "--epochs": 2, "--batch-tokens": 300, "--seed": 9, "--device": "cpu"}
    assert fit(*[word for pair in options.items() for word in pair], "--valid", *held_out).status == 0
    model = lw.load(tmp_path / "model")
    parameters = model.get_params(deep=False)
    config = parameters.pop("config")
    assert parameters == {
        "preset": "tiny",
        "vocab_size": 80,
        "max_epochs": 2,
        "max_steps": None,
        "random_state": 9,
        "device": "auto",
        "precision": "32",
    }
    assert devices == ["cpu"]
    assert config == model.config_
    assert config.batch_tokens == 300
    assert config.d_model == PRESETS["tiny"].config.d_model
    assert len(model.vocabulary_) == 80
    assert sum("valid_loss" in row for row in model.history_) == 2


def test_the_presets_own_configuration_is_used_when_nothing_is_said(fit, tmp_path):
    assert fit("--epochs", 1).status == 0
    assert lw.load(tmp_path / "model").config is None
    assert lw.load(tmp_path / "model").config_ == PRESETS["tiny"].config


def test_the_real_tiny_preset_trains(latticework, files, tmp_path):
    model = tmp_path / "model"
    assert latticework("translate", "fit", *files, "-o", model, "--epochs", 1, "--vocab-size", 70).status == 0
    assert lw.load(model).config_ == PRESETS["tiny"].config
    assert len(latticework("translate", "predict", model, "--beam", 1, stdin=b"the dog.\n").out.splitlines()) == 1


def test_pairs_left_out_are_told_of(fit, write, corpus):
    pairs = write("a.en", [*corpus.source, "", "the dog"]), write("a.de", [*corpus.target, "Der Hund", " "])
    ended = fit("--epochs", 1, pairs=pairs)
    assert (ended.status, ended.out) == (0, "")
    warnings = [line for line in ended.err.splitlines() if line.startswith("warning: ")]
    assert warnings == [
        "warning: 2 of 50 training pairs left out: 2 with an empty side, 0 of more than max_length=12 pieces"
    ]


def test_the_same_command_again_does_nothing_and_other_data_need_restart(fit, refused, files, write, corpus, tmp_path):
    model = tmp_path / "model"
    assert fit("--epochs", 1).status == 0
    before = {path: path.read_bytes() for path in model.rglob("*.*")}
    ended = fit("--epochs", 1)
    assert (ended.status, ended.out) == (0, "")
    assert f"{model} holds the finished model of this run already: --restart (restart=True) trains it anew" in ended.err
    other = write("b.en", corpus.source[::-1]), write("b.de", corpus.target[::-1])
    for words in ([*other, "--epochs", 1], [*files, "--epochs", 1, "--seed", 1]):
        message = refused(
            "translate", "fit", *words, "-o", model, "--precision", "32", begun="learning a vocabulary from 48 pairs"
        )
        assert message.startswith(f"{model} holds a translation.TransformerTranslator of other data or settings: ")
        assert "--restart" in message
    assert {path: path.read_bytes() for path in model.rglob("*.*")} == before
    assert fit("--epochs", 1, "--seed", 1, "--restart").status == 0
    assert lw.load(model).random_state == 1


# predict


@pytest.fixture
def predict(latticework, model_folder):
    def run(*options, stdin=b""):
        return latticework("translate", "predict", model_folder, *options, stdin=stdin)

    return run


def test_every_line_of_input_gives_one_of_output_in_order(predict, write, shuffled):
    source, expected = shuffled
    ended = predict(stdin=lines(source))
    assert ended == (0, lines(expected).decode(), "")
    assert predict(write("a.txt", source)) == ended
    assert predict(write("a.gz", gzip.compress(lines(source)))) == ended
    assert predict(stdin=gzip.compress(lines(source))) == ended
    assert predict("-", stdin=lines(source)) == ended


def test_order_is_kept_over_many_chunks(predict, monkeypatch, shuffled):
    monkeypatch.setattr("latticework.core.streams.CHUNK_LINES", 7)
    source, expected = shuffled
    assert predict(stdin=lines(source)).out == lines(expected).decode()


def test_sources_of_pairs_are_translated(predict, write, corpus):
    expected = lines(corpus.target[:3]).decode()
    rows = [f"{source}\twhatever" for source in corpus.source[:3]]
    assert predict(write("a.tsv", rows)).out == expected
    assert predict(write("b.tsv", corpus.source[:3])).out == expected
    objects = [json.dumps({"source": source}) for source in corpus.source[:3]]
    assert predict(write("a.jsonl", objects)).out == expected


def test_no_lines_in_no_lines_out(predict, write):
    assert predict(stdin=b"") == (0, "", "")
    assert predict(write("empty.txt", b""), "--json") == (0, "", "")


def test_characters_that_only_look_like_line_ends_make_no_lines(predict):
    odd = "the dog\u2028sees\x85the\x0bcat.\x0c"
    ended = predict(stdin=lines([odd, "the dog sees the cat."]))
    assert ended.status == 0
    assert ended.out.count("\n") == 2
    assert ended.out.split("\n")[1] == "Der Hund sieht die Katze."
    rows = predict("--json", stdin=lines([odd, ""])).out.split("\n")
    assert [json.loads(row)["source"] for row in rows[:-1]] == [odd, ""]


def test_json_gives_an_object_a_line_with_scores(predict, corpus, translator):
    source = [*corpus.source[:3], "", corpus.source[3]]
    ended = predict("--json", "--n-best", 2, "--beam", 3, "--alpha", 0.2, stdin=lines(source))
    rows = [json.loads(line, parse_constant=pytest.fail) for line in ended.out.splitlines()]
    found = translator.translations(source, beam_size=3, length_penalty=0.2, n_best=2)
    assert rows == [
        {"source": text, "translations": [vars(translation) for translation in best]}
        for text, best in zip(source, found, strict=True)
    ]
    assert set(rows[0]["translations"][0]) == {"text", "score", "log_probability"}


def test_n_best_gives_n_lines_for_each(predict, corpus, translator):
    source = ["the tree tree.", "", corpus.source[2]]
    ended = predict("--n-best", 3, "--beam", 5, stdin=lines(source))
    expected = translator.predict(source, n_best=3, beam_size=5)
    assert ended.out == lines(text for best in expected for text in best).decode()


def test_output_is_what_is_printed_and_its_name_says_in_which_form(predict, corpus, tmp_path):
    source, options = lines([*corpus.source[:5], ""]), ["--n-best", 2]
    plain, objects = (predict(*options, *more, stdin=source).out for more in ([], ["--json"]))
    for name, expected in (
        ("a.txt", plain),
        ("a.txt.gz", plain),
        ("a.jsonl", objects),
        ("a.json", objects),
        ("a.jsonl.gz", objects),
    ):
        (tmp_path / name).write_text("what was there")
        assert predict(*options, "-o", tmp_path / name, stdin=source) == (0, "", "")
        content = (tmp_path / name).read_bytes()
        assert (gzip.decompress(content) if name.endswith(".gz") else content).decode() == expected
    assert predict(*options, "--output", "-", stdin=source) == (0, plain, "")


def test_output_is_whole_or_as_it_was(predict, write, corpus, tmp_path):
    output = tmp_path / "a.txt"
    output.write_text("what was there")
    source = write("a.en", lines(corpus.source[:30]) + b"\xff\n")
    ended = predict(source, "-o", output)
    assert (ended.status, ended.out) == (2, "")
    assert f"{source}:31: byte 0xFF" in ended.err
    assert output.read_text() == "what was there"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.en", "a.txt"]


def test_output_that_cannot_be_is_refused_before_a_model_is_loaded(latticework, tmp_path):
    for options, told in (
        (["-o", tmp_path / "none" / "a.txt"], f"a.txt cannot be written: there is no folder {tmp_path / 'none'}"),
        (["-o", tmp_path], f"--output {tmp_path} is a folder"),
        (["-o", tmp_path / "a.jsonl", "--json"], "--json is for what is printed: leave out --output"),
    ):
        ended = latticework("translate", "predict", tmp_path / "no model", *options)
        assert (ended.status, ended.out) == (2, "")
        assert told in ended.err


def test_a_line_of_thousands_of_words_is_translated_with_a_warning(predict, corpus):
    book, expected = " ".join(corpus.source * 21), " ".join(corpus.target * 21)
    assert len(book.split()) > 5000
    ended = predict("--beam", 2, stdin=lines([corpus.source[0], book]))
    assert ended.status == 0
    same = ended.out == lines([corpus.target[0], expected]).decode()
    assert same, "to explain how texts of this length differ would take pytest minutes"
    assert ended.err == "warning: <stdin>:2: more than max_length=12 pieces, translated in parts\n"


def test_long_lines_are_named_as_lines_of_the_input(predict, latticework, model_folder, write, monkeypatch, corpus):
    monkeypatch.setattr("latticework.core.streams.CHUNK_LINES", 7)
    long, long_answer = " ".join(corpus.source[:2]), " ".join(corpus.target[:2])
    numbers = [2, 8, 9, 15, 16, 23]
    source, expected = ([*side[:24]] for side in (corpus.source, corpus.target))
    for number in numbers:
        source[number - 1], expected[number - 1] = long, long_answer
    file = write("a.txt", source)
    ended = predict(file)
    assert (ended.status, ended.out) == (0, lines(expected).decode())
    said = ended.err.splitlines()
    assert len(said) >= 3, "one a chunk"
    assert [int(number) for number in re.findall(r"a\.txt:(\d+)", ended.err)] == numbers
    reason = "more than max_length=12 pieces, translated in parts"
    assert all(re.fullmatch(rf"warning: (\S+a\.txt:\d+(, )?)+: {reason}", line) for line in said)
    ended = latticework("translate", "evaluate", model_folder, file, write("b.txt", expected))
    named = ", ".join(f"{file}:{number}" for number in numbers[:5])
    assert ended.err.splitlines()[-1] == f"warning: {named} and 1 more: {reason}"


def test_other_warnings_of_a_stream_are_passed_on(predict, monkeypatch, corpus):
    translations = TransformerTranslator.translations

    def warning(self, sentences, **options):
        warnings.warn("take care", UserWarning, stacklevel=2)
        return translations(self, sentences, **options)

    monkeypatch.setattr(TransformerTranslator, "translations", warning)
    assert predict(stdin=lines(corpus.source[:1])) == (0, lines(corpus.target[:1]).decode(), "warning: take care\n")


@pytest.mark.parametrize(
    "name, bad, message",
    [
        ("a.txt", b"Gr\xfc\xdfe", "byte 0xFC at position 3 is not UTF-8"),
        ("a.txt", b"nul\0", "NUL character at byte 4"),
        ("a.tsv", b"a\tb\tc\xff", "byte 0xFF"),
        ("a.jsonl", b"{", "not a JSON object"),
        ("a.jsonl", b'{"text": "a"}', 'expected an object with a text under "source"'),
        ("a.jsonl", b'{"source": "\\ud800"}', "not valid Unicode text"),
        ("a.jsonl", b'{"source": "\\u0000"}', "NUL character at position 0"),
    ],
)
def test_lines_before_a_bad_one_are_translated_first(predict, write, corpus, name, bad, message):
    good = corpus.source[:30]
    if name.endswith("jsonl"):
        good = [json.dumps({"source": text}) for text in good]
    ended = predict(write(name, lines(good) + bad + b"\n" + lines(good)))
    assert ended.status == 2
    assert ended.out == lines(corpus.target[:30]).decode()
    assert re.fullmatch(rf"error: \S*/{name}:31: {message}.*\n", ended.err), ended.err


def test_a_cut_off_gzip_file_is_translated_as_far_as_it_goes(predict, write, corpus):
    whole = gzip.compress(lines(corpus.source * 40), compresslevel=0)
    ended = predict(write("a.gz", whole[:4000]), "--beam", 1)
    assert ended.status == 2
    (line,) = ended.err.splitlines()
    assert "a.gz: the gzip file is damaged or cut off after line" in line
    count = int(re.search(r"after line (\d+)", line)[1])
    assert ended.out.splitlines() == list(corpus.target * 40)[:count]


# evaluate and show


def test_evaluate_agrees_with_sacrebleu(latticework, model_folder, write, corpus, translator):
    source = [*corpus.source[:20], "the the cat.", "tree"]
    references = [*corpus.target[:20], "Die Katze, ja.", "Der Baum steht hier."]
    files = write("a.en", source), write("a.de.gz", gzip.compress(lines(references)))
    ended = latticework("translate", "evaluate", model_folder, *files, "--beam", 2, "--alpha", 1, "--json")
    assert ended.status == 0
    (row,) = ended.out.splitlines()
    found = translator.predict(source, beam_size=2, length_penalty=1.0)
    version = sacrebleu.__version__
    assert json.loads(row) == {
        "BLEU": sacrebleu.corpus_bleu(found, [references]).score,
        "BLEU signature": f"nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:{version}",
        "chrF": sacrebleu.corpus_chrf(found, [references]).score,
        "chrF signature": f"nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no|version:{version}",
        "sentences": 22,
    }
    assert json.loads(row)["BLEU"] < 99


def test_evaluate_prints_figures_for_people_and_reads_pairs(latticework, model_folder, write, corpus):
    pairs = write("a.tsv", [f"{s}\t{t}" for s, t in zip(corpus.source[:9], corpus.target[:9], strict=True)])
    ended = latticework("translate", "evaluate", model_folder, pairs)
    assert ended.status == 0
    rows = dict(line.split("  ", 1) for line in ended.out.splitlines())
    assert [rows[name].strip() for name in ("BLEU", "chrF", "sentences")] == ["100", "100", "9"]
    assert "tok:13a" in rows["BLEU signature"]
    assert all(line.startswith("translating: ") for line in ended.err.splitlines())


def test_show_says_what_the_model_is(latticework, model_folder, translator):
    ended = latticework("show", model_folder, "--json")
    assert ended.status == 0
    about = json.loads(ended.out)
    assert about["class"] == "translation.TransformerTranslator"
    assert about["latticework"] == lw.__version__
    plain = json.loads(json.dumps(translator.describe()))
    assert {name: about[name] for name in plain} == plain
    ended = latticework("show", model_folder)
    for name, value in (("class", "translation.TransformerTranslator"), ("vocabulary", "70"), ("  max_epochs", "90")):
        assert re.search(f"^{name} +{value}$", ended.out, re.MULTILINE)
    assert ended.err == ""


# Help


@pytest.mark.parametrize(
    "command, options",
    [
        ("fit", "--output --valid --preset --vocab-size --epochs --batch-tokens --seed --device --precision --restart"),
        ("fit", "--sharded"),
        ("predict", "--beam --alpha --n-best --output --json --device"),
        ("evaluate", "--beam --alpha --json --device"),
    ],
)
def test_every_option_is_described(undescribed, command, options):
    assert undescribed("translate", command, options=options) == []


def test_help_names_every_precision_and_how_one_file_is_held_out(latticework, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    shown = latticework("translate", "fit", "--help").out
    (line,) = [line for line in shown.splitlines() if "--precision" in line]
    assert all(re.search(rf"\b{name}\b", line) for name in ["auto", *PRECISIONS])
    assert "..." not in line
    assert "given twice" in shown


def test_one_file_of_pairs_is_held_out_by_giving_it_twice(fit, write, corpus, tmp_path):
    pairs = write("dev.tsv", [f"{s}\t{t}" for s, t in zip(corpus.source[:4], corpus.target[:4], strict=True)])
    assert fit("--epochs", 1, "--valid", pairs, pairs).status == 0
    assert lw.load(tmp_path / "model").pairs_["validation"]["used"] == 4


def test_help_names_the_presets(latticework, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    shown = latticework("translate", "fit", "--help").out
    for name in PRESETS:
        assert re.search(rf"\b{name}\b", shown)


def test_the_default_configuration_of_the_library_is_the_papers():
    assert TransformerConfig() == TransformerConfig(layers=6, d_model=512, heads=8, feed_forward=2048, dropout=0.1)
    assert torch.get_default_dtype() == torch.float32


def test_what_is_read_is_not_written_over(refused, write, model_folder):
    sentences = write("sentences.txt", "the dog sees the cat.\n")
    message = refused("translate", "predict", model_folder, sentences, "-o", sentences)
    assert "sentences.txt is a file that is read" in message
    assert Path(sentences).read_text(encoding="utf-8") == "the dog sees the cat.\n"
