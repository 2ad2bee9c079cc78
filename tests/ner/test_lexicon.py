"""Lexica: what is a word, where words may come from, and what saving keeps."""

from __future__ import annotations

import copy
import gzip
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latticework.core import InputError
from latticework.core.errors import MissingExtraError
from latticework.ner import lexicon as lexicon_module
from latticework.ner.lexicon import MAX_WORD_LENGTH, Lexicon
from latticework.ner.text import fold

WORDS = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=5), max_size=8)


@pytest.fixture
def write(write):
    return partial(write, "words.txt")


def test_words_are_folded_and_lose_their_white_space():
    assert Lexicon.of(["Ｔ恤", " 长\u3000江\n", "New York", "\ufeff大桥", "㈱式"]).words == (
        "T恤",
        "长江",
        "NewYork",
        "大桥",
        "㈱式",
    )


def test_what_is_no_word_is_left_out_and_counted():
    lexicon = Lexicon.of(["", " \t", "江", "长江", "长 江", "长江", "Ａ", "x" * (MAX_WORD_LENGTH + 1)])
    assert lexicon.words == ("长江",)
    assert lexicon.left_out == {"blank": 2, "single": 2, "duplicate": 2, "long": 1}
    assert len(Lexicon.of(["x" * MAX_WORD_LENGTH])) == 1


@given(WORDS)
def test_words_are_those_a_slow_loop_finds(source):
    expected = {}
    for word in source:
        kept = "".join(fold(character) for character in word if not character.isspace() and character != "\ufeff")
        if 2 <= len(kept) <= MAX_WORD_LENGTH:
            expected[kept] = None
    lexicon = Lexicon.of(source)
    assert lexicon.words == tuple(expected)
    assert len(source) == len(lexicon) + sum(lexicon.left_out.values())
    assert all(word in lexicon for word in expected)


@pytest.mark.parametrize("source", [None, [], (), {}, iter([])])
def test_lexicon_may_be_empty(source):
    lexicon = Lexicon.of(source)
    assert (lexicon.words, lexicon.frequencies, len(lexicon), "长江" in lexicon) == ((), None, 0, False)
    assert lexicon == Lexicon.of(None)


def test_lexicon_of_a_lexicon_is_the_same():
    lexicon = Lexicon.of(["长江"])
    assert Lexicon.of(lexicon) is lexicon


def test_mapping_gives_frequencies():
    lexicon = Lexicon.of({"长江": np.int64(7), "大桥": 0, "江": 5})
    assert lexicon.frequencies.tolist() == [7, 0]
    assert lexicon.characters == {"江": 5}


LINES = {
    "长江": ("长江", None),
    "长江 12": ("长江", 12),
    "长江 12 ns": ("长江", 12),
    "长江  12 ": ("长江", 12),
    "长江\t12": ("长江", 12),
    "长江\t12\tns": ("长江", 12),
    "长江 \t 12 ": ("长江", 12),
    "长江\tns": ("长江", None),
    "长江\t1.5": ("长江", None),
    "长江\t-3": ("长江", None),
    "长江 ns": ("长江", None),
    "New York": ("NewYork", None),
    "New York\t3": ("NewYork", 3),
    "Edu Trust认证 2000": ("EduTrust认证", 2000),
    "iPhone 15\t1": ("iPhone15", 1),
    "长江 大桥": ("长江大桥", None),
    "2005": ("2005", None),
}


@pytest.mark.parametrize("line", LINES)
def test_line_gives_a_word_and_perhaps_a_frequency(write, line):
    word, frequency = LINES[line]
    lexicon = Lexicon.of(write(line))
    assert lexicon.words == (word,)
    assert (None if lexicon.frequencies is None else lexicon.frequencies.tolist()) == (frequency and [frequency])


def test_largest_frequency_stays_and_a_missing_one_is_1(write):
    lexicon = Lexicon.of(write("长江 3\n大桥\n长江 8\n长江 5\n江 4\n桥\n"))
    assert lexicon.words == ("长江", "大桥")
    assert lexicon.frequencies.tolist() == [8, 1]
    assert lexicon.characters == {"江": 4}
    assert lexicon.left_out == {"blank": 0, "single": 2, "duplicate": 2, "long": 0}


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_byte_order_marks_line_ends_and_compression_do_not_matter(write, pack):
    text = "\ufeff长江\t2\r\n\r\n大桥\t3\r\n\ufeff南京\t1"
    path = write(pack(text.encode()))
    assert Lexicon.of(path) == Lexicon.of(str(path)) == Lexicon.of({"长江": 2, "大桥": 3, "南京": 1})


def test_batches_of_a_long_file_join(write, monkeypatch):
    monkeypatch.setattr(lexicon_module, "_BATCH", 3)
    lines = [f"词{number} {number}" for number in range(10)]
    assert Lexicon.of(write("\n".join(lines))).frequencies.tolist() == list(range(10))
    with pytest.raises(InputError, match=r"words.txt:11: the frequency has 19 digits"):
        Lexicon.of(write("\n".join([*lines, "长江 " + "1" * 19])))


@pytest.mark.parametrize("header", ["4 5\n", ""])
def test_word2vec_file_gives_its_words(write, header):
    rows = "</s> 0 0 0 0 0\n长江 1 -2 3e-1 4 5 \nＴ恤 1 2 3 4 5\n江 1 2 3 4 5\n"
    lexicon = Lexicon.of(write(header + rows))
    assert lexicon.words == ("</s>", "长江", "T恤")
    assert lexicon.frequencies is None
    assert lexicon.left_out["single"] == 1


def test_word2vec_header_that_lies_about_the_number_is_warned_of_where_the_lexicon_is_asked_for(write):
    with pytest.warns(UserWarning, match="says 3 vectors, found 1") as caught:
        assert Lexicon.of(write("3 5\n长江 1 2 3 4 5\n")).words == ("长江",)
    assert caught[0].filename == __file__


def test_word2vec_header_that_lies_about_the_size_is_refused(write):
    with pytest.raises(InputError, match=r"words.txt:2: expected a word and 6 numbers, got 5"):
        Lexicon.of(write("1 6\n长江 1 2 3 4 5\n"))


def test_numbers_with_frequencies_are_no_word2vec_header(write):
    assert Lexicon.of(write("2005 50\n长江 12 ns\n")).words == ("2005", "长江")


BAD_WORDS = {
    "lexicon: expected 'jieba', a path, a list of words, words with their frequencies, .* got a single int": 5,
    r"lexicon: .* got a single bytes": "长江".encode(),
    r"lexicon: .* got a set, which has no order": {"长江", "大桥"},
    r"lexicon: .* got a ndarray of 2 dimensions": np.array([["长江", "大桥"]]),
    r"lexicon\[1\]: expected text, got int": ["长江", 7],
    r"lexicon\[0\]: NUL character at position 1": ["长\0江"],
    r"lexicon\[0\]: not valid Unicode text": ["\ud800长"],
    r"lexicon\[1\]: expected text, got tuple": {"长江": 1, ("大", "桥"): 2},
    r"lexicon\['长江'\] is -1: expected a whole number of at least 0": {"长江": -1},
    r"lexicon\['长江'\] is 1.5: expected a whole number": {"长江": 1.5},
    r"lexicon\['长江'\] is 1000000000000000000: expected": {"长江": 10**18},
    "no.txt: there is no such file": "no.txt",
}


@pytest.mark.parametrize("message", BAD_WORDS)
def test_source_that_is_no_lexicon_is_refused(message):
    with pytest.raises(InputError, match=message):
        Lexicon.of(BAD_WORDS[message])


def test_file_that_is_not_text_is_refused_with_its_line(write):
    with pytest.raises(InputError, match=r"words.txt:2: byte 0xB3"):
        Lexicon.of(write("好\n".encode() + "长江".encode("gbk")))


@given(WORDS, st.data())
def test_saved_lexicon_comes_back(words, data):
    counts = st.none() | st.lists(st.integers(0, 10**18 - 1), min_size=len(words), max_size=len(words))
    frequencies = data.draw(counts)
    lexicon = Lexicon.of(words if frequencies is None else dict(zip(words, frequencies, strict=True)))
    again = Lexicon.from_bytes(lexicon.to_bytes())
    assert again == lexicon
    assert hash(again) == hash(lexicon)
    assert (again.words, again.characters) == (lexicon.words, lexicon.characters)
    assert np.array_equal(again.frequencies, lexicon.frequencies)


@pytest.mark.parametrize("data", [b"\xff\n", "长江".encode(), b"a\n", "长江\n长江\n".encode(), "长 江\n".encode()])
def test_damaged_lexicon_is_refused(data):
    with pytest.raises(InputError, match=r"^(the lexicon is damaged|lexicon:1: byte 0xFF)"):
        Lexicon.from_bytes(data)


def test_hash_tells_order_words_and_frequencies_apart():
    sources = [["长江", "大桥"], ["大桥", "长江"], ["长江"], {"长江": 1, "大桥": 1}, {"长江": 1, "大桥": 2}, None]
    lexica = [Lexicon.of(source) for source in sources]
    assert len(set(lexica)) == len(sources)
    assert len({lexicon.sha256 for lexicon in lexica}) == len(sources)
    assert lexica[0] != ("长江", "大桥")


def test_lexicon_can_be_copied_as_a_parameter():
    lexicon = Lexicon.of({"长江": 3, "江": 5})
    assert copy.deepcopy(lexicon) == lexicon


def test_jieba_gives_its_dictionary_without_being_imported():
    code = """
import sys
from latticework.ner.lexicon import Lexicon
lexicon = Lexicon.of("jieba")
print("jieba" in sys.modules, len(lexicon), lexicon.left_out["single"], lexicon.characters["的"])
print(lexicon.words[0], lexicon.frequencies[0])
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "False 337465 11580 318825\nAT&T 3\n"


def test_missing_jieba_is_named(monkeypatch):
    monkeypatch.setattr(lexicon_module, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"needs jieba: pip install 'latticework\[jieba\]'"):
        Lexicon.of("jieba")


def test_a_million_words_take_far_less_than_a_gigabyte(write):
    if not Path("/proc/self/status").exists():
        pytest.skip("the peak memory of a program, and not that of its parent before it, is told by Linux only")
    characters = [chr(0x4E00 + number) for number in range(100)]
    path = write("".join(f"{a}{b}{c}\t1\n" for a in characters for b in characters for c in characters))
    code = """
import re, sys
from pathlib import Path
from latticework.ner.lexicon import Lexicon
from latticework.ner.matching import Matcher
matcher = Matcher(Lexicon.of(sys.argv[1]))
found = matcher.match(["一丁七万"])
print(len(matcher.lexicon), len(found))
assert int(re.search(r"VmHWM:\\s*(\\d+) kB", Path("/proc/self/status").read_text()).group(1)) < 500_000
"""
    run = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True)
    assert (run.returncode, run.stdout, run.stderr) == (0, "1000000 2\n", "")


def test_a_word_is_looked_up_as_it_was_taken():
    lexicon = Lexicon.of(["Ｔ恤", "New York"])
    assert "Ｔ恤" in lexicon
    assert "T恤" in lexicon
    assert "New York" in lexicon
    assert 3 not in lexicon
