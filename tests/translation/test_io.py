"""Parallel text from files: every format, what each file may hold, and where exactly a file goes wrong."""

from __future__ import annotations

import gzip
import io
import json
import os
import re
from pathlib import Path

import pytest
from texts import lines

import latticework as lw
from latticework.core import InputError
from latticework.translation.io import MULTI30K, read_multi30k, read_pairs, read_sentences, sentences_in

SOURCES = ["a house", "", "two\u2028lines, one line", "\ttab", "e\u0301 🏠"]
TARGETS = ["ein Haus", "leer", "zwei\x85Zeilen", "Tab ", "é"]


def as_tsv(pairs):
    return [f"{source}\t{target}" for source, target in pairs]


def as_jsonl(pairs):
    return [json.dumps({"source": source, "target": target, "more": 1}) for source, target in pairs]


@pytest.mark.parametrize("ending, pack", [("", bytes), ("", gzip.compress), (".gz", gzip.compress)])
def test_two_plain_files(write, ending, pack):
    source, target = write(f"a.en{ending}", pack(lines(SOURCES))), write(f"a.de{ending}", pack(lines(TARGETS)))
    assert read_pairs(source, target) == (SOURCES, TARGETS)
    assert read_pairs(str(source), str(target)) == (SOURCES, TARGETS)
    assert read_sentences(target) == TARGETS


@pytest.mark.parametrize(
    "name", ["pairs.tsv", "pairs.TSV", "pairs.tsv.gz", "pairs.jsonl", "pairs.jsonl.gz", "pairs.json"]
)
def test_one_file_of_pairs(write, name):
    pairs = [(source.replace("\t", " "), target) for source, target in zip(SOURCES, TARGETS, strict=True)]
    data = lines(as_jsonl(pairs) if "json" in name else as_tsv(pairs))
    path = write(name, gzip.compress(data) if name.endswith(".gz") else data)
    expected = tuple(map(list, zip(*pairs, strict=True)))
    assert read_pairs(path) == expected
    assert read_pairs(path, path) == expected
    assert read_sentences(path) == expected[0]
    assert read_sentences(path, "target") == expected[1]


@pytest.mark.skipif(not Path("/dev/fd").is_dir(), reason="no pipes with names here")
@pytest.mark.parametrize("twice", [False, True])
@pytest.mark.parametrize("name, laid_out", [("pairs.tsv", as_tsv), ("pairs.jsonl", as_jsonl)])
def test_one_file_of_pairs_is_read_once_so_it_may_be_a_pipe(tmp_path, name, laid_out, twice):
    reading, writing = os.pipe()
    with open(reading), open(writing, "wb") as pipe:
        pipe.write(lines(laid_out([("one", "eins"), ("two", "zwei")])))
        pipe.close()
        path = tmp_path / name
        path.symlink_to(f"/dev/fd/{reading}")
        assert read_pairs(path, str(path) if twice else None) == (["one", "two"], ["eins", "zwei"])


def test_there_are_two_sides(write):
    with pytest.raises(InputError, match=r"^side='both': expected one of source, target$"):
        read_sentences(write("a.tsv", ["a\tb"]), "both")


def test_sides_may_come_from_files_of_different_kinds(write):
    source = write("a.tsv", ["one\teins\tmore", "two"])
    target = write("b.jsonl", as_jsonl([("x", "eins"), ("y", "zwei")]))
    assert read_pairs(source, target) == (["one", "two"], ["eins", "zwei"])


def test_columns_that_are_passed_over_are_told_of_once(write):
    path = write("a.tsv", ["one\teins", "1\tone\teins", "2\ttwo\tzwei"])
    with pytest.warns(UserWarning, match=r"a\.tsv:2 has 3 columns: the first is the source") as told:
        assert read_pairs(path) == (["one", "1", "2"], ["eins", "one", "two"])
    assert len(told) == 1


def test_a_byte_order_mark_and_carriage_returns_go(write):
    path = write("a.txt", "\ufeffa house\r\na\rb\r\n\ufeffno mark here\r\n".encode())
    assert read_sentences(path) == ["a house", "a\rb", "\ufeffno mark here"]
    path = write("a.tsv", "\ufeffa\tb\r\nc\td\r\n".encode())
    assert read_pairs(path) == (["a", "c"], ["b", "d"])
    path = write("a.jsonl", ("\ufeff" + json.dumps({"source": "a", "target": "b"}) + "\r\n").encode())
    assert read_pairs(path) == (["a"], ["b"])


def test_only_line_feeds_end_lines(write):
    odd = "a\u2028b\u2029c\x85d\x0be\x0cf\x1cg"
    assert read_sentences(write("a.txt", [odd, "next"])) == [odd, "next"]
    assert read_sentences(write("a.jsonl", [json.dumps({"source": odd}, ensure_ascii=False)])) == [odd]


def test_the_last_line_needs_no_line_end(write):
    assert read_sentences(write("a.txt", b"a\nb")) == ["a", "b"]
    assert read_sentences(write("b.txt", b"a\n\n")) == ["a", ""]
    assert read_sentences(write("c.txt", b"")) == []


def test_line_breaks_inside_json_text_become_spaces(write):
    path = write("a.jsonl", as_jsonl([("a\nb", "c\r\nd")]))
    assert read_pairs(path) == (["a b"], ["c d"])


def test_one_side_may_come_from_standard_input(write, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"a\r\nb\n")))
    assert read_pairs("-", write("a.de", ["c", "d"])) == (["a", "b"], ["c", "d"])
    refused("^<stdin> has 0 lines and .*a.de has 2: ", "-", write("a.de", ["c", "d"]))
    refused("^<stdin> is empty$", "-", write("b.de", b""))


def test_lines_are_read_as_they_come():
    arrived = []

    def slowly():
        for line in ("a\tb", "c\td"):
            arrived.append(line)
            yield line

    sentences = sentences_in(slowly(), "stream.tsv", "target")
    assert next(sentences) == "b"
    assert arrived == ["a\tb"]


def refused(message, *arguments):
    with pytest.raises(InputError) as caught:
        read_pairs(*arguments)
    assert re.search(message, str(caught.value)), str(caught.value)


def test_files_of_different_length_are_refused_with_both_lengths(write):
    source, target = write("a.en", ["a", "b", "c"]), write("a.de", ["d", "e"])
    message = f"^{source} has 3 lines and {target} has 2: line n of one must be the translation of line n of the other$"
    refused(message, source, target)


def test_empty_files_are_refused(write):
    source, target = write("a.en", b""), write("a.de", b"")
    refused(f"^{source} is empty$", source, target)
    refused(" has 0 lines and .* has 1: ", source, write("b.de", ["a"]))
    for name in ("a.tsv", "a.jsonl"):
        refused(f"^{write(name, b'')} is empty$", write(name, b""))
    refused("a.en.gz is empty$", write("a.en.gz", gzip.compress(b"")), write("a.de.gz", gzip.compress(b"")))


def test_one_plain_file_is_refused(write):
    path = write("a.en", ["a"])
    refused(f"^{path} is one side only: name the file with the translations too", path)
    refused("^<stdin> is one side only", "-")


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("a.tsv", b"a\tb\nno tab here\nc\td\n", "a.tsv:2: expected the target in column 2, got 1 column$"),
        ("a.tsv", b"a\tb\n\n", "a.tsv:2: expected the target in column 2"),
        ("a.tsv.gz", gzip.compress(b"a\tb\nc\n"), "a.tsv.gz:2: expected the target in column 2"),
        ("a.jsonl", b'{"source": "a", "target": "b"}\n{oops\n', "a.jsonl:2: not a JSON object: "),
        ("a.jsonl", b"\n", "a.jsonl:1: not a JSON object: "),
        ("a.jsonl", b'{"source": "a", "source": "b", "target": "c"}\n', "a.jsonl:1: .* 'source' stands there twice$"),
        ("a.jsonl", b'{"source": "a", "target": "c", "score": NaN}\n', "a.jsonl:1: .* NaN is not a JSON number$"),
        (
            "a.jsonl",
            b'{"source": "a", "target": "b"}\n["a", "b"]\n',
            "a.jsonl:2: expected a JSON object, got a list$",
        ),
        ("a.jsonl", b'"source"\n', "a.jsonl:1: expected a JSON object, got a text$"),
        ("a.jsonl", b'{"src": "a", "target": "b"}\n', 'a.jsonl:1: expected an object with a text under "source"$'),
        ("a.jsonl", b'{"source": "a"}\n', 'a.jsonl:1: expected an object with a text under "target"$'),
        ("a.jsonl", b'{"source": null, "target": "b"}\n', 'a.jsonl:1: expected an object with a text under "source"$'),
        ("a.jsonl", b'{"source": "a", "target": 3}\n', 'a.jsonl:1: expected an object with a text under "target"$'),
        ("a.jsonl", b"[" * 100_000 + b"\n", "a.jsonl:1: not a JSON object: "),
        ("a.jsonl", b'{"source": "a\\u0000", "target": "b"}\n', "a.jsonl:1: NUL character at position 1$"),
        ("a.jsonl", b'{"source": "a", "target": "\\ud83d"}\n', "a.jsonl:1: not valid Unicode text"),
    ],
)
def test_a_bad_line_of_pairs_is_named(write, name, content, message):
    refused(message, write(name, content))


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("a.txt", b"a\nb\nc\0d\n", "a.txt:3: NUL character at byte 2; is this a text file"),
        ("a.txt", b"a\nGr\xfc\xdfe\n", "a.txt:2: byte 0xFC at position 3 is not UTF-8: convert the file to UTF-8$"),
        (
            "a.txt",
            "Grüße\n".encode("utf-16"),
            "a.txt:1: the file starts like UTF-16, expected UTF-8: save it as UTF-8$",
        ),
        ("a.txt", b"a\n\xed\xa0\xbd\n", "a.txt:2: byte 0xED at position 1 is not UTF-8"),
        ("a.gz", gzip.compress(b"word\n" * 999)[:-9], "a.gz: the gzip file is damaged or cut off after line"),
        ("a.gz", gzip.compress(b"a\n")[:12], "a.gz: the gzip file is damaged or cut off after line 0"),
        ("a.gz", b"plain text\n", "a.gz is named .gz but is not a gzip file"),
        ("a.gz", b"", "a.gz is named .gz but is not a gzip file: it may be empty, cut off"),
        ("a.tsv", b"a\tb\n\xff\t\n", "a.tsv:2: byte 0xFF at position 1 is not UTF-8"),
    ],
)
def test_a_file_that_is_no_text_is_refused_with_the_line(write, name, content, message):
    bad, good = write(name, content), write("good.txt", ["a"])
    refused(message, bad, good)
    refused(message, good, bad)


def test_missing_files_and_folders_are_refused(tmp_path, write):
    good = write("good.txt", ["a"])
    for pair in ((tmp_path / "no.txt", good), (good, tmp_path / "no.txt")):
        refused(f"^{tmp_path / 'no.txt'}: there is no such file$", *pair)
    refused(f"^{tmp_path} is a folder, expected a text file$", good, tmp_path)
    refused("there is no such file", tmp_path / "no.tsv")


# Multi30k


def test_multi30k_needs_a_split_and_a_direction_that_exist(tmp_path):
    for options, message in (
        ({"split": "test"}, "split='test': expected one of train, val, test_2016_flickr"),
        ({"languages": ("en", "fr")}, "languages=.*: expected one of .'en', 'de'., .'de', 'en'."),
        ({"languages": ("en", "en")}, "languages="),
        ({"languages": ("en", 1)}, "languages="),
        ({"languages": None}, "languages=None"),
    ):
        with pytest.raises(InputError, match=message):
            read_multi30k(lambda name: tmp_path / name, **options)


def test_multi30k_is_registered_and_its_files_are_looked_for(tmp_path, monkeypatch):
    monkeypatch.setenv("LATTICEWORK_CACHE", str(tmp_path))
    monkeypatch.delenv("LATTICEWORK_DATA", raising=False)
    assert "multi30k" in lw.datasets.names()
    assert lw.datasets.describe("multi30k")["licence"] == MULTI30K.licence
    with pytest.raises(InputError, match=r"translation/multi30k/train\.en\.gz"):
        lw.datasets.load("multi30k")


@pytest.mark.realdata
@pytest.mark.parametrize("split, count", [("train", 29_000), ("val", 1_014), ("test_2016_flickr", 1_000)])
def test_multi30k_has_its_known_size(split, count):
    source, target = lw.datasets.load("multi30k", split=split)
    assert len(source) == len(target) == count
    assert lw.datasets.load("multi30k", split=split, languages=("de", "en")) == (target, source)
    if split == "test_2016_flickr":
        assert source[0] == "A man in an orange hat starring at something."
        assert target[0] == "Ein Mann mit einem orangefarbenen Hut, der etwas anstarrt."
