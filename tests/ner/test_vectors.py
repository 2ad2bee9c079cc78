"""Vectors: files as people have them, what a broken one is told, and training that repeats."""

from __future__ import annotations

import gzip
import io
import os
import subprocess
import sys
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from latticework.core import InputError
from latticework.core.errors import MissingExtraError
from latticework.ner.lexicon import Lexicon, fold_words
from latticework.ner.vectors import folded_word, read_vectors, train_vectors, write_vectors

ROWS = "长江 0.5 -1 2e-1\n大桥 1 2 3\n"
VECTORS = [[0.5, -1, 0.2], [1, 2, 3]]


@pytest.fixture
def write(write):
    return partial(write, "vectors.txt")


LAYOUTS = {
    "plain": ROWS,
    "header": "2 3\n" + ROWS,
    "mark": "\ufeff2 3\n" + ROWS,
    "spaces at the end": "2 3 \n" + ROWS.replace("\n", " \n"),
    "wide gaps": ROWS.replace(" ", "  "),
    "tabs": ROWS.replace(" ", "\t"),
    "returns": ROWS.replace("\n", "\r\n"),
    "blank lines": "\n".join(["2 3", *ROWS.split("\n")]) + "\n \n\n",
    "no end": ROWS.removesuffix("\n"),
    "compressed": gzip.compress(("2 3\n" + ROWS).encode()),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_files_are_laid_out_in_many_ways(write, layout):
    words, vectors = read_vectors(write(LAYOUTS[layout]))
    assert words == ["长江", "大桥"]
    assert vectors.dtype == np.float32
    assert np.array_equal(vectors, np.array(VECTORS, np.float32))


def test_only_wanted_words_are_kept_or_looked_at(write):
    path = write("3 2\n长江 1 2\n大桥 nan x\n南京 3 4\n")
    words, vectors = read_vectors(path, {"南京", "长江", "北京"})
    assert (words, vectors.tolist()) == (["长江", "南京"], [[1, 2], [3, 4]])
    words, vectors = read_vectors(path, ())
    assert (words, vectors.shape) == ([], (0, 2))
    words, vectors = read_vectors(path, lambda word: word.startswith("南"))
    assert (words, vectors.tolist()) == (["南京"], [[3, 4]])


def test_words_are_folded_and_the_first_vector_stays(write):
    words, vectors = read_vectors(write("， 1 1\n, 2 2\nＴ恤 3 3\nT恤 4 4\n"))
    assert (words, vectors.tolist()) == ([",", "T恤"], [[1, 1], [3, 3]])


def test_word_may_hold_spaces_or_be_one(write):
    words, vectors = read_vectors(write("长江 1 2\nNew York 3 4\n  5 6\n\u3000 7 8\n 9 9\n"))
    assert (words, vectors.tolist()) == (["长江", "NewYork"], [[1, 2], [3, 4]])


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0")))
def test_words_are_folded_as_those_of_a_lexicon(word):
    assert [folded_word(word)] == fold_words([word])


def test_the_word_of_a_line_may_look_like_a_number_to_python(write):
    words, vectors = read_vectors(write("长江 1 2\n1_0 3 4\n3 1_0 5 6\n"))
    assert (words, vectors.tolist()) == (["长江", "1_0", "31_0"], [[1, 2], [3, 4], [5, 6]])


@pytest.mark.parametrize("count", [1, 3, 999_999_999_999])
def test_number_of_words_in_the_header_is_not_believed(write, count):
    with pytest.warns(UserWarning, match=rf"vectors.txt:1 says {count:,} vectors, found 2: is it cut off\?"):
        words, _ = read_vectors(write(f"{count} 3\n{ROWS}"))
    assert words == ["长江", "大桥"]


BAD_FILES = {
    "": r"vectors.txt is empty: expected vectors",
    "2 4\n" + ROWS: r":2: expected a word and 4 numbers, got 3",
    "2 2\n" + ROWS: r":2: expected a word and 2 numbers, got 3",
    ROWS + "南京 1 2\n": r":3: expected a word and 3 numbers, got 2",
    ROWS + "南京 1 2 3 4\n": r":3: expected a word and 3 numbers, got 4",
    ROWS + "南京\n": r":3: expected a word and 3 numbers, got 0",
    ROWS + " 1 2\n": r":3: expected a word and 3 numbers, got 2",
    "2 999999999\n" + ROWS: r":1: vectors of 999999999 numbers: expected a word and 1 to 4096 numbers",
    "2 0\n长江\n": r":1: vectors of 0 numbers",
    "长江\n": r":1: vectors of 0 numbers",
    "长江 " + "1 " * 5000: r":1: vectors of 5000 numbers",
    "长江 1 nan 2": r":1: nan is not a finite number",
    "长江 1 -inf 2": r":1: -inf is not a finite number",
    "长江 1 1e39 2": r":1: 1e39 is not a finite number",
    "长江 1 " + "9" * 10**5: r":1: 9{60}\.\.\. is not a finite number$",
    ROWS + "南京 1 2 x": r":3: could not convert string to float: 'x'",
    ROWS + "南京 1 2 3_0": r":3: could not convert string to float: '3_0'",
    ROWS + "南京 1 2 ٣": r":3: could not convert string to float: '٣'",
    b"\x93NUMPY": r":1: byte 0x93 at position 1 is not UTF-8",
}


@pytest.mark.parametrize("content", BAD_FILES)
def test_broken_file_is_refused_with_its_line(write, content):
    with pytest.raises(InputError, match=BAD_FILES[content]):
        read_vectors(write(content))


def test_standard_input_is_called_so(monkeypatch):
    for read in (read_vectors, Lexicon.of):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"1 5\nword 1 2 3 4\n")))
        with pytest.raises(InputError, match=r"^<stdin>:2: expected a word and 5 numbers, got 4$"):
            read("-")


def test_file_without_words_gives_none(write):
    words, vectors = read_vectors(write("0 50\n"))
    assert (words, len(vectors)) == ([], 0)


NUMBERS = st.floats(width=32, allow_nan=False, allow_infinity=False)


@pytest.mark.parametrize("name", ["vectors.txt", "vectors.vec.gz"])
@given(arrays(np.float32, st.tuples(st.integers(1, 4), st.integers(1, 3)), elements=NUMBERS))
def test_vectors_written_are_the_vectors_read(tmp_path_factory, name, vectors):
    path = tmp_path_factory.mktemp("vectors") / name
    words = ["长江", "大桥", "\U00020000", "0"][: len(vectors)]
    write_vectors(path, words, vectors)
    again, read = read_vectors(path)
    assert again == words
    assert np.array_equal(read, vectors)


def test_what_could_not_be_read_again_is_not_written(tmp_path):
    vectors = np.zeros((2, 3), np.float32)
    for words, message in {
        ("a",): "1 words and 2 vectors",
        ("a", "b c"): r"words\[1\] is 'b c'",
        ("a", "x" * 999 + " "): r"words\[1\] is 'x{59}\.\.\.: expected a word without white space$",
        ("", "b"): r"\[0\]",
    }.items():
        with pytest.raises(InputError, match=message):
            write_vectors(tmp_path / "vectors.txt", words, vectors)
    assert list(tmp_path.iterdir()) == []


SENTENCES = [list("南京市长江大桥"), list("长江水"), list("南京人")] * 20


def test_training_repeats_with_a_seed():
    words, vectors = train_vectors(SENTENCES, size=6, seed=3)
    again = train_vectors(iter(SENTENCES), size=6, seed=3)
    assert (words, vectors.tobytes()) == (again[0], again[1].tobytes())
    assert vectors.shape == (len(words), 6)
    assert vectors.dtype == np.float32
    assert set(words) == set("南京市长江大桥水人")
    assert not np.array_equal(vectors, train_vectors(SENTENCES, size=6, seed=4)[1])


def test_training_repeats_in_another_process():
    code = """
from latticework.ner.vectors import train_vectors
words, vectors = train_vectors(["南京市长江大桥", "长江水", "南京人"] * 20, size=6, seed=2**63 - 1)
print(*words, vectors.tobytes().hex())
"""
    words, vectors = train_vectors(SENTENCES, size=6, seed=2**63 - 1)
    environment = os.environ | {"PYTHONHASHSEED": "7", "PYTHONUTF8": "1"}  # the order of sets is another there
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, env=environment)
    assert run.stdout.decode().split() == [*words, vectors.tobytes().hex()]


def test_tokens_of_like_texts_get_like_vectors():
    topics, draw = ("山水江河湖海", "男女年月日人"), np.random.default_rng(0)
    text = ["".join(draw.choice(list(topic), 8)) for topic in topics for _ in range(200)]
    words, vectors = train_vectors(text, size=8, epochs=20)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    likeness = dict(zip(words, unit @ unit[words.index("水")], strict=True))
    assert min(likeness[word] for word in topics[0]) > max(likeness[word] for word in topics[1])


def test_sentences_are_used_to_their_end_however_long():
    text = [[*map(str, range(10_000)), *["c", "d"] * 50]]
    short, long = (dict(zip(*train_vectors(text, size=4, epochs=epochs), strict=True)) for epochs in (1, 5))
    assert not np.allclose(short["c"], long["c"], atol=1e-6)


@pytest.mark.parametrize("sentences", [[], [[]]])
def test_text_without_tokens_is_refused(sentences):
    with pytest.raises(InputError, match="the text has no token: there is nothing to learn"):
        train_vectors(sentences)


def test_missing_gensim_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "gensim.models", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'latticework\[vectors\]'"):
        train_vectors([["a"]])
