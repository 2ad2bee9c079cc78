"""`latticework ner` from end to end: results on stdout, the rest on stderr."""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from texts import lines

import latticework as lw
from latticework import ner
from latticework.ner.cli import CLASSES
from latticework.ner.io import read_tagged
from latticework.ner.mistakes import mistakes
from latticework.ner.repair import convert_tags
from latticework.ner.tags import spans_of
from latticework.ner.vectors import read_vectors

SENTENCES = ["我爱长江", "他在长城", "长江和长城"]
BIO = [["O", "O", "B-LOC", "I-LOC"], ["O", "O", "B-LOC", "I-LOC"], ["B-LOC", "I-LOC", "O", "B-LOC", "I-LOC"]]
QUICK = ("--epochs", 1, "--device", "cpu")


def conll(sentences=SENTENCES, rows=BIO):
    return "\n".join(
        "".join(f"{character} {tag}\n" for character, tag in zip(sentence, tags, strict=True))
        for sentence, tags in zip(sentences, rows, strict=True)
    ).encode()


@pytest.fixture
def words(write):
    return write("words.txt", ["长江", "长城"])


@pytest.fixture
def fit(latticework, write, words, tmp_path):
    """Train on three sentences, with more options if wanted."""

    def run(*options, train=None, lexicon=words, output="model"):
        train = write("train.bio", conll()) if train is None else train
        chosen = () if lexicon is None else ("--lexicon", lexicon)
        return latticework("ner", "fit", train, *chosen, "--output", tmp_path / output, *QUICK, *options)

    return run


@pytest.fixture
def other(write, planted):
    return write("other.txt", planted.swapped)


# fit


def test_options_of_fit_reach_the_tagger(fit, write, words, tmp_path):
    valid = write("dev.jsonl", [json.dumps({"text": "在长江", "entities": [[1, 3, "LOC"]]})])
    ended = fit("--valid", valid, "--seed", 7, "--batch-size", 2, "--bigrams")
    assert (ended.status, ended.out) == (0, "")
    model = tmp_path / "model"
    assert ended.err.endswith(f"the model is in {model}; try: echo 'a text' | latticework ner predict {model}\n")
    tagger = lw.load(model)
    assert type(tagger) is ner.LatticeTagger
    parameters = tagger.get_params(deep=False)
    assert parameters["config"] == ner.TaggerConfig(batch_size=2, bigrams=True)
    assert (parameters["lexicon"], parameters["random_state"], parameters["max_epochs"]) == (str(words), 7, 1)
    assert tagger.lexicon_.words == ("长江", "长城")
    assert sum("valid_f1" in row for row in tagger.history_) == 1


def test_what_is_not_said_is_the_models_own(latticework, write, words, tmp_path, monkeypatch):
    monkeypatch.setattr(ner.LatticeTagger, "check_options", lambda self: None)
    monkeypatch.setattr(ner.LatticeTagger, "fit", lambda self, *_, **options: options["folder"].mkdir())
    seen = []
    monkeypatch.setattr(ner.LatticeTagger, "__init__", lambda self, lexicon, **given: seen.append((lexicon, given)))
    latticework("ner", "fit", write("a.bio", conll()), "-o", tmp_path / "model")
    assert seen == [
        ("jieba", {"char_vectors": None, "word_vectors": None, "random_state": 0, "device": "auto"}),
    ]


@pytest.mark.parametrize("kind", CLASSES)
def test_every_model_trains_and_answers(fit, latticework, tmp_path, kind):
    lexicon = {"lexicon": None} if kind == "characters" else {}
    assert fit("--model", kind, **lexicon).status == 0
    assert type(lw.load(tmp_path / "model")).__name__ == CLASSES[kind]
    ended = latticework("ner", "predict", tmp_path / "model", "--json", stdin=lines(SENTENCES))
    assert [json.loads(row)["text"] for row in ended.out.splitlines()] == SENTENCES
    page = latticework("ner", "predict", tmp_path / "model", "--format", "html", stdin=lines(SENTENCES))
    assert page.out.count("<article>") == 3


@pytest.mark.parametrize("scheme", ["BMES", "BIOES", "BIO"])
def test_a_model_answers_in_the_scheme_of_its_training(fit, latticework, write, tmp_path, scheme):
    sentences = [*SENTENCES, "长江大桥"]
    rows = [convert_tags(tags, "BIO", scheme) for tags in [*BIO, ["B-LOC", "I-LOC", "I-LOC", "I-LOC"]]]
    assert fit(train=write("a.conll", conll(sentences, rows))).status == 0
    assert lw.load(tmp_path / "model").scheme_ == scheme


def test_repaired_tags_are_still_in_the_scheme_of_their_file(fit, write, tmp_path):
    ended = fit(train=write("a.conll", conll(["长江", "他江"], [["B-LOC", "E-LOC"], ["O", "I-LOC"]])))
    assert (ended.status, "1 illegal BIOES tags repaired" in ended.err) == (0, True)
    assert lw.load(tmp_path / "model").scheme_ == "BIOES"


def test_the_same_command_again_does_nothing_and_other_data_need_restart(fit, refused, write, words, tmp_path):
    model = tmp_path / "model"
    assert fit().status == 0
    before = {path: path.read_bytes() for path in model.rglob("*.*")}
    assert f"{model} holds the finished model of this run already" in fit().err
    other = write("b.bio", conll(SENTENCES[:2], BIO[:2]))
    message = refused("ner", "fit", other, "--lexicon", words, "-o", model, begun=".*")
    assert "--restart" in message
    assert {path: path.read_bytes() for path in model.rglob("*.*")} == before
    assert fit("--seed", 3, "--restart").status == 0
    assert lw.load(model).random_state == 3


def test_vectors_learnt_from_text_are_what_training_begins_with(fit, latticework, write, words, tmp_path):
    text = write("text.txt", [*SENTENCES * 5, "", "江"])
    one, other = tmp_path / "characters.vec", tmp_path / "words.vec"
    ended = latticework("ner", "vectors", text, "-o", one, "--size", 6, "--epochs", 2)
    assert (ended.status, ended.out) == (0, "")
    assert ended.err.endswith(f"vectors are in {one}\n")
    assert latticework("ner", "vectors", text, "-o", other, "--size", 7, "--lexicon", words).status == 0
    known, vectors = read_vectors(one)
    assert {"长", "长江", "江和"} <= set(known)
    assert vectors.shape == (len(known), 6)
    assert sorted(read_vectors(other)[0]) == sorted(["长江", "长城"])
    assert fit("--char-vectors", one, "--word-vectors", other, "--bigrams").status == 0
    config = lw.load(tmp_path / "model").config_
    assert (config.char_size, config.word_size) == (6, 7)


def test_the_same_seed_gives_the_same_vectors(latticework, write, tmp_path):
    text = write("text.txt", SENTENCES * 5)
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        assert latticework("ner", "vectors", text, "-o", tmp_path / name, "--size", 4, "--seed", seed).status == 0
    a, b, c = (read_vectors(tmp_path / name)[1] for name in "abc")
    assert np.array_equal(a, b)
    assert not np.array_equal(a, c)


def test_json_lines_on_standard_input_give_the_vectors_of_their_texts(latticework, tmp_path):
    for name, texts in (("a", SENTENCES * 5), ("b", [json.dumps({"text": text}) for text in SENTENCES * 5])):
        ended = latticework("ner", "vectors", "-", "-o", tmp_path / name, "--size", 4, stdin=lines(texts))
        assert ended.status == 0
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


# predict


@pytest.fixture
def predict(latticework, lattice_folder):
    def run(*options, stdin=b""):
        return latticework("ner", "predict", lattice_folder, *options, stdin=stdin)

    return run


def test_jsonl_has_a_line_for_each_text_with_places_in_it(predict, lattice, planted):
    texts = [*planted.test.texts[:20], "", "  ", " 昨 天 " + planted.test.texts[1]]
    ended = predict("--format", "jsonl", stdin=lines(texts))
    assert (ended.status, ended.err) == (0, "")
    rows = [json.loads(row) for row in ended.out.splitlines()]
    assert [row["text"] for row in rows] == texts
    for row, found in zip(rows, lattice.entities(texts), strict=True):
        assert row["entities"] == [[entity.start, entity.end, entity.label] for entity in found]
        assert row["scores"] == [round(entity.score, 6) for entity in found]
    assert sum(map(bool, (row["entities"] for row in rows))) > 10


def test_conll_has_a_line_for_each_character_and_none_for_blank_texts(predict, lattice, planted, write):
    texts = planted.test.texts[:10]
    ended = predict(stdin=lines([texts[0], "", *texts[1:]]))
    assert (ended.status, ended.err) == (0, "")
    read = read_tagged(write("answer.bmes", ended.out.encode()))
    assert read.sentences == [list(text) for text in texts]
    assert read.tags_in() == lattice.predict(texts)


def test_every_answer_can_be_read_again(predict, latticework, planted, write, tmp_path):
    texts = planted.test.texts[:10]
    out = tmp_path / "answer.jsonl.gz"
    assert predict("--format", "jsonl", "-o", out, stdin=lines(texts)) == (0, "", "")
    assert latticework("ner", "convert", out, tmp_path / "answer.bmes").status == 0
    assert (tmp_path / "answer.bmes").read_text() == predict(stdin=lines(texts)).out


def test_texts_come_from_files_and_pipes_of_all_kinds(predict, write, planted):
    texts = planted.test.texts[:5]
    expected = predict("--format", "jsonl", stdin=lines(texts))
    assert len(expected.out.splitlines()) == 5
    packed = gzip.compress(lines(texts))
    objects = [json.dumps({"text": text}) for text in texts]
    for file in (write("a.txt", texts), write("a.gz", packed), write("a.jsonl", objects), "-"):
        assert predict(file, "--format", "jsonl", stdin=lines(texts)) == expected
    assert predict("--format", "jsonl", stdin=lines(objects)) == expected
    assert predict("--format", "jsonl", stdin=b"") == (0, "", "")


def test_json_is_for_what_is_printed(predict, refused, lattice_folder, tmp_path, planted):
    texts = lines(planted.test.texts[:3])
    assert predict("--json", stdin=texts) == predict("--format", "jsonl", stdin=texts)
    for more in (("-o", tmp_path / "a.jsonl"), ("-o", "-"), ("--format", "conll")):
        assert "--json is for what is printed" in refused("ner", "predict", lattice_folder, "--json", *more)


def test_order_is_kept_over_many_chunks(predict, monkeypatch, planted):
    expected = predict("--format", "jsonl", stdin=lines(planted.test.texts))
    monkeypatch.setattr("latticework.core.streams.CHUNK_LINES", 7)
    chunked = predict("--format", "jsonl", stdin=lines(planted.test.texts))
    assert [json.loads(row)["entities"] for row in chunked.out.splitlines()] == [
        json.loads(row)["entities"] for row in expected.out.splitlines()
    ]


def test_another_word_list_moves_the_entities(predict, planted, other):
    ended = predict("--format", "jsonl", "--lexicon", other, stdin=lines(planted.test.texts))
    found = [[tuple(entity) for entity in json.loads(row)["entities"]] for row in ended.out.splitlines()]
    assert planted.swapped_test.share_right(found) >= 0.95


def test_another_word_list_without_a_word_is_warned_of(predict, write):
    ended = predict("--format", "jsonl", "--lexicon", write("none.txt", ["我"]), stdin=lines(["我爱长江"]))
    assert ended.status == 0
    assert "none.txt has no word of two or more characters" in ended.err


def test_html_is_one_page_of_all_texts(predict, planted, tmp_path):
    ended = predict("--format", "html", stdin=lines(planted.test.texts[:4]))
    assert (ended.status, ended.err) == (0, "")
    assert ended.out.startswith("<!doctype html>")
    assert ended.out.count("<svg") == 4
    assert "Entities in standard input" in ended.out
    out = tmp_path / "page.html"
    assert predict("--format", "html", "-o", out, stdin=lines(planted.test.texts[:4])) == (0, "", "")
    assert out.read_text(encoding="utf-8") == ended.out.removesuffix("\n")


@pytest.mark.parametrize(
    "name, bad, message",
    [
        ("a.txt", b"\xff", "byte 0xFF at position 1 is not UTF-8"),
        ("a.jsonl", b"{", "not a JSON object"),
        ("a.jsonl", b'{"source": "a"}', 'expected an object with a text under "text"'),
    ],
)
def test_texts_before_a_bad_line_are_tagged_first(predict, write, planted, name, bad, message):
    good = planted.test.texts[:3]
    rows = [json.dumps({"text": text}) for text in good] if name.endswith("jsonl") else good
    ended = predict(write(name, lines(rows) + bad + b"\n"), "--format", "jsonl")
    assert ended.status == 2
    assert [json.loads(row)["text"] for row in ended.out.splitlines()] == good
    assert re.fullmatch(rf"error: \S*/{name}:4: {message}.*\n", ended.err), ended.err


def test_each_text_is_answered_before_the_next_is_there(start, lattice_folder, planted):
    process = start("ner", "predict", lattice_folder, "--format", "jsonl", "--device", "cpu")
    for text in planted.test.texts[:3]:
        process.stdin.write(lines([text]))
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["text"] == text
    process.stdin.close()
    assert process.wait() == 0
    assert process.stderr.read() == b""


# evaluate, match and convert


def test_evaluate_says_what_the_library_measures_and_lists_mistakes(
    latticework, lattice, lattice_folder, write, planted
):
    test = planted.test
    file = write("test.bmes", conll(test.texts, test.tags))
    ended = latticework("ner", "evaluate", lattice_folder, file, "--json")
    assert ended.status == 0
    assert re.fullmatch(r"tagging: 100 of 100 sentences \(100%\), 0:\d\d taken\n", ended.err)
    found = json.loads(ended.out)
    assert found["f1"] == lattice.score(test.texts, test.tags)
    assert found["gold"] == sum(map(len, test.spans))
    assert set(found["by_type"]) == {"LOC", "PER"}
    assert set(found["by_lexicon"]) == {"in"}
    assert found["sentences"] == len(test.texts)
    predicted = [spans_of(tags) for tags in lattice.predict(test.texts)]
    assert len(found["mistakes"]) == len(mistakes(test.spans, predicted))


def test_mistakes_have_the_place_in_the_file_and_the_wording(latticework, lattice_folder, write, planted, other):
    test = planted.test
    file = write("test.bmes", conll(test.texts, test.tags))
    found = json.loads(latticework("ner", "evaluate", lattice_folder, file, "--lexicon", other, "--json").out)
    assert found["f1"] < 0.05
    assert set(found["by_lexicon"]) == {"in", "out"}
    mistake = next(each for each in found["mistakes"] if each["kind"] == "boundary")
    assert mistake["place"].rsplit(":", 1)[0] == str(file)
    read = read_tagged(file)
    sentence = read.sentences[read.places.index(mistake["place"])]
    for side in ("gold", "predicted"):
        span = mistake[side]
        assert span["text"] == "".join(sentence[span["start"] : span["end"]])
    assert mistake["gold"]["text"] != mistake["predicted"]["text"]


def test_evaluate_prints_a_table_for_people(latticework, lattice_folder, write, planted):
    file = write("test.bmes", conll(planted.test.texts, planted.test.tags))
    shown = latticework("ner", "evaluate", lattice_folder, file).out.splitlines()
    assert shown[0].split() == ["precision", "recall", "F1", "right", "found", "wanted"]
    assert shown[1].split()[0] == "all"
    assert shown[1].split()[-1] == str(sum(map(len, planted.test.spans)))
    assert len({len(line) for line in shown[:2]}) == 1
    assert {line.strip() for line in shown} >= {"type", "word of the lexicon", "characters of the entity"}
    assert re.fullmatch(r"\d+ of 100 sentences without a mistake.*", shown[-1])


def test_match_prints_the_words_with_their_places(latticework, words):
    ended = latticework("ner", "match", "--lexicon", words, "在 长 江和长城")
    assert ended == (0, "2\t5\t长江\n6\t8\t长城\n", "")
    found = json.loads(latticework("ner", "match", "--lexicon", words, "在长江", "--json").out)
    assert found == {"text": "在长江", "matches": [[1, 3, "长江"]]}
    assert latticework("ner", "match", "--lexicon", words, "") == (0, "", "")


def test_match_without_a_list_takes_the_dictionary_of_jieba(latticework):
    pytest.importorskip("jieba")
    assert "3\t7\t长江大桥\n" in latticework("ner", "match", "南京市长江大桥").out


def test_convert_goes_by_the_name_of_the_target(latticework, write, tmp_path):
    source = write("a.bio", conll())
    ended = latticework("ner", "convert", source, tmp_path / "a.jsonl")
    assert (ended.status, ended.out) == (0, "")
    assert ended.err == f"3 sentences with 4 entities are in {tmp_path / 'a.jsonl'}\n"
    for scheme in ("BMES", "BIOES", "BIO"):
        assert latticework("ner", "convert", tmp_path / "a.jsonl", tmp_path / "b", "--scheme", scheme).status == 0
        assert (tmp_path / "b").read_bytes().strip() == conll(
            rows=[convert_tags(t, "BIO", scheme) for t in BIO]
        ).strip()
    assert [spans_of(tags) for tags in read_tagged(tmp_path / "a.jsonl").tags_in()] == [
        spans_of(tags, "BIO") for tags in BIO
    ]


# Bad input


def test_illegal_tags_are_repaired_and_said_with_their_places(fit, write):
    ended = fit(train=write("a.bmes", "长 B-LOC\n江 M-LOC\n\n长 B-LOC\n江 E-LOC\n".encode()))
    assert ended.status == 0
    (warning,) = [line for line in ended.err.splitlines() if line.startswith("warning: ")]
    assert re.search(r"a\.bmes: 1 illegal BMES tags repaired .*a\.bmes:2: M-LOC", warning)


def test_what_is_read_is_not_written_over(refused, write, lattice_folder):
    texts = write("texts.txt", "我爱长江\n")
    for words in (["predict", lattice_folder, texts], ["vectors", texts]):
        assert "texts.txt is a file that is read" in refused("ner", *words, "-o", texts)
    assert Path(texts).read_text(encoding="utf-8") == "我爱长江\n"


@pytest.mark.parametrize(
    "content, message",
    [
        ("长 B-LOC\n江\n", "a.bio:2: expected a token and a tag"),
        ("长 B-LOC\n江 X-LOC\n", "a.bio:2: "),
        ("", "a.bio holds no sentence"),
        ("长 O\n", "name no entity"),
    ],
)
def test_files_that_cannot_be_learnt_from_are_refused(refused, write, words, tmp_path, content, message):
    file = write("a.bio", content.encode())
    assert message in refused("ner", "fit", file, "--lexicon", words, "-o", tmp_path / "model", *QUICK)
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize(
    "given, models",
    [
        (["--bigrams"], ["words"]),
        (["--no-bigrams"], ["words"]),
        (["--softword"], ["words"]),
        (["--char-lstm"], [kind for kind in CLASSES if kind != "words"]),
        (["--forget", "coupled"], [kind for kind in CLASSES if kind != "lattice"]),
        (["--word-vectors", "none.vec"], ["characters"]),
        (["--word-vectors", "none.vec", "--softword"], ["characters"]),
    ],
    ids=" ".join,
)
def test_an_option_that_a_model_has_no_use_for_is_refused_whatever_its_value(refused, tmp_path, given, models):
    for model in models:
        told = refused("ner", "fit", tmp_path / "none.bio", "-o", tmp_path / "model", "--model", model, *given)
        assert told == f"{given[0]} means nothing to --model {model}: leave it out"


def test_options_that_do_not_go_together_are_refused(refused, write, words, tmp_path):
    file = write("a.bio", conll())
    begin = ("ner", "fit", file, "-o", tmp_path / "model", *QUICK)
    told = "--lexicon means nothing to --model characters: leave it out, or give --softword"
    assert told == refused(*begin, "--model", "characters", "--lexicon", words)
    assert "learning_rate=-1.0" in refused(*begin, "--lexicon", words, "--learning-rate", "-1")
    assert "can be only one of the files" in refused(*begin[:2], "-", "--valid", "-", "-o", tmp_path / "model")
    assert "there is no such file" in refused(*begin, "--lexicon", tmp_path / "none.txt")
    assert not (tmp_path / "model").exists()


def test_another_list_for_a_model_that_reads_no_words_is_refused_but_tells_entities_apart(
    latticework, fit, refused, write, words, tmp_path
):
    assert fit("--model", "characters", lexicon=None).status == 0
    model, file = tmp_path / "model", write("a.bio", conll())
    assert "reads no words: leave out the lexicon (--lexicon)" in refused("ner", "predict", model, "--lexicon", words)
    found = json.loads(latticework("ner", "evaluate", model, file, "--lexicon", words, "--json").out)
    assert found["by_lexicon"]["in"]["gold"] == 4


@pytest.mark.parametrize(
    "options, expected",
    [
        (["--forget", "independent", "--hidden-size", "12"], {"forget": "independent"}),
        (["--model", "words", "--char-lstm", "--learning-rate", "0.003"], {"char_lstm": True, "learning_rate": 0.003}),
        (["--model", "characters", "--softword", "--no-bigrams"], {"softword": True, "bigrams": False}),
    ],
)
def test_the_rows_of_the_papers_table_can_be_trained(latticework, write, words, tmp_path, options, expected):
    begin = ("ner", "fit", write("a.bio", conll()), "-o", tmp_path / "model", *QUICK, "--lexicon", words)
    assert latticework(*begin, *options).status == 0
    shown = json.loads((tmp_path / "model" / "config.json").read_text())
    config = shown["values"]["config"]
    assert {name: config[name] for name in expected} == expected


def test_what_is_no_tagger_is_refused(refused, tmp_path, write, words):
    assert "there is no such folder" in refused("ner", "predict", tmp_path / "none")
    assert "there is no such file" in refused("ner", "match", "--lexicon", tmp_path / "none", "长江")
    assert "no character" in refused("ner", "vectors", write("a.txt", ["", " "]), "-o", tmp_path / "a.vec")
    absent = refused("ner", "vectors", write("b.txt", ["你好"]), "-o", tmp_path / "a.vec", "--lexicon", words)
    assert "no word of the lexicon" in absent
    assert not (tmp_path / "a.vec").exists()


def test_loading_a_model_leaves_the_compiler_of_torch_alone(lattice_folder):
    code = "import sys, latticework as lw; lw.load(sys.argv[1]); print('torch._dynamo' in sys.modules)"
    run = [sys.executable, "-c", code, str(lattice_folder)]
    assert subprocess.run(run, check=True, capture_output=True, text=True).stdout == "False\n"


# Help


@pytest.mark.parametrize(
    "command, options",
    [
        ("fit", "--output --valid --lexicon --model --char-vectors --word-vectors --bigrams --epochs --batch-size"),
        ("fit", "--softword --char-lstm --forget --hidden-size --learning-rate"),
        ("fit", "--seed --device --logger --restart"),
        ("predict", "--format --lexicon --output --device"),
        ("evaluate", "--lexicon --device --json"),
        ("match", "--lexicon --json"),
        ("convert", "--scheme"),
        ("vectors", "--output --lexicon --size --epochs --seed"),
    ],
)
def test_every_option_is_described(undescribed, command, options):
    assert undescribed("ner", command, options=options) == []


def test_json_lines_are_known_on_standard_input_and_conll_goes_to_standard_output(latticework):
    line = '{"text": "我爱长江", "entities": [[2, 4, "RIV"]]}\n'
    ended = latticework("ner", "convert", "-", "-", "--scheme", "BIO", stdin=line.encode())
    assert (ended.status, ended.out) == (0, "我 O\n爱 O\n长 B-RIV\n江 I-RIV\n\n")


def test_the_name_of_the_output_says_its_format(latticework, lattice_folder, write, tmp_path):
    texts = write("texts.txt", ["他在长江"])
    for name, start in (("a.jsonl", '{"text"'), ("a.html", "<!doctype html>"), ("a.bmes", "他 ")):
        assert latticework("ner", "predict", lattice_folder, texts, "-o", tmp_path / name).status == 0
        assert (tmp_path / name).read_text(encoding="utf-8").startswith(start), name
    assert (
        latticework("ner", "predict", lattice_folder, texts, "-o", tmp_path / "b.jsonl", "--format", "conll").status
        == 0
    )
    assert (tmp_path / "b.jsonl").read_text(encoding="utf-8").startswith("他 ")


@pytest.mark.parametrize("command", [("vectors",), ("predict", "no such model")])
def test_where_nothing_can_be_written_is_told_before_anything_is_done(refused, write, tmp_path, command):
    text = write("texts.txt", ["你好"])
    gone = tmp_path / "gone" / "out.vec"
    message = refused("ner", *command, text, "-o", gone)
    assert f"--output {gone} cannot be written: there is no folder {gone.parent}" in message
    assert "is a folder" in refused("ner", *command, text, "-o", tmp_path)


def test_fit_looks_at_its_options_and_at_its_folder_before_it_reads(refused, write, tmp_path):
    absent = ("ner", "fit", tmp_path / "none.bmes", "-o")
    told = refused(*absent, tmp_path / "model", "--hidden-size", 7)
    assert told.startswith("hidden_size=7: expected an even number")
    write("notes.txt", ["mine"])
    told = refused(*absent, tmp_path, *QUICK)
    assert told.startswith(f"{tmp_path} holds other things, such as notes.txt")
