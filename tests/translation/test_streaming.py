"""What only whole processes show: answers while input is still open, readers that leave, interruptions."""

from __future__ import annotations

import json
import signal
import time
from dataclasses import asdict

import pytest
from cases import assert_same

import latticework as lw
from latticework.core import read_folder
from latticework.core.values import from_json

SMALL_PRESET = """
from latticework.seq2seq.config import TransformerConfig
from latticework.translation.presets import PRESETS, Preset
PRESETS["tiny"] = Preset(config=TransformerConfig(**{config!r}), vocab_size=70, max_epochs=90)
"""


@pytest.fixture
def predicting(start, model_folder):
    """Start a process that translates."""

    def run(*options):
        return start("translate", "predict", model_folder, *options)

    return run


def ask(process, *sentences):
    process.stdin.write("".join(f"{sentence}\n" for sentence in sentences).encode())
    process.stdin.flush()


def answers(process, count):
    return [process.stdout.readline().decode().removesuffix("\n") for _ in range(count)]


def end(process):
    out, err = process.communicate()
    return process.returncode, out.decode(), err.decode()


def test_each_line_is_answered_before_the_next_is_asked(predicting, corpus):
    process = predicting()
    for number in (5, 0, 31):
        ask(process, corpus.source[number])
        assert answers(process, 1) == [corpus.target[number]]
    ask(process, "", corpus.source[7], "  ", *corpus.source)
    assert answers(process, 51) == ["", corpus.target[7], "", *corpus.target]
    ask(process, corpus.source[9] + "\r\n" + corpus.source[10])
    assert answers(process, 2) == [corpus.target[9], corpus.target[10]]
    process.stdin.write(corpus.source[3].encode())
    assert end(process) == (0, corpus.target[3] + "\n", "")


def test_a_bad_line_in_a_stream_ends_it_after_the_answers_to_those_before(predicting, corpus):
    process = predicting("--json")
    ask(process, corpus.source[0])
    assert json.loads(answers(process, 1)[0])["translations"][0]["text"] == corpus.target[0]
    process.stdin.write(f"{corpus.source[1]}\n".encode() + b"\xff\n" + f"{corpus.source[2]}\n".encode())
    process.stdin.flush()  # and is left open: the command must not wait for more
    process.wait()
    status, out, err = end(process)
    assert status == 2
    assert [json.loads(line)["source"] for line in out.splitlines()] == [corpus.source[1]]
    assert err == "error: <stdin>:3: byte 0xFF at position 1 is not UTF-8: convert the file to UTF-8\n"


def test_a_reader_that_leaves_ends_the_command_silently(predicting, corpus):
    process = predicting("--beam", 1)
    ask(process, corpus.source[0])
    assert answers(process, 1) == [corpus.target[0]]
    process.stdout.close()
    ask(process, *corpus.source)  # standard input stays open, as in a pipeline whose first command goes on
    assert process.stderr.read() == b""
    assert process.wait() == 1


def test_an_interrupted_prediction_says_so_on_one_line(predicting, corpus):
    process = predicting()
    ask(process, corpus.source[0])
    assert answers(process, 1) == [corpus.target[0]]
    process.send_signal(signal.SIGINT)
    process.wait()
    assert end(process) == (130, "", "error: interrupted\n")


def test_an_interrupted_fit_says_so_and_goes_on_when_repeated(start, write, corpus, settings, translator, tmp_path):
    model, log = tmp_path / "model", tmp_path / "model" / "training" / "log.csv"
    files = write("a.en", corpus.source), write("a.de", corpus.target)
    small = SMALL_PRESET.format(config=asdict(settings["config"]))

    def fit():
        words = ["translate", "fit", *files, "--output", model, "--device", "cpu", "--precision", "32"]
        return start(*words, before=small)

    process = fit()
    while not log.with_name("config.json").exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    status, out, err = end(process)
    assert (status, out) == (130, "")
    assert err.splitlines()[-1] == "error: interrupted"
    assert err.count("error: ") == 1
    assert "Traceback" not in err
    assert not (model / "config.json").exists()
    kept = 1 + len(from_json(read_folder(log.parent)[1].files["history.json"]))
    done = log.read_text().splitlines()[:kept]
    assert len(done) == kept > 1

    status, out, err = end(fit())
    assert (status, out) == (0, "")
    assert "error: " not in err
    assert log.read_text().splitlines()[:kept] == done, "began anew: the seconds differ"
    assert_same(lw.load(model).model_.state_dict(), translator.model_.state_dict())
