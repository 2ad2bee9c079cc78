"""Texts as characters, and what is none."""

import re

import numpy as np
import pytest

from latticework.core import InputError
from latticework.ner.labelled import check_labelled
from latticework.ner.text import characters, check_sentences, check_texts, fold


def test_white_space_of_all_kinds_is_left_out_and_places_stay():
    text = " 长\u3000江\t\u00a0桥\n"
    found, places = characters(text)
    assert found == ["长", "江", "桥"]
    assert [text[place] for place in places] == found


def test_characters_beyond_the_basic_plane_are_one_each():
    assert characters("𠀀𠮷") == (["𠀀", "𠮷"], [0, 1])


def test_folding_never_changes_the_length():
    assert all(len(fold(chr(code))) == 1 for code in range(0x110000) if not 0xD800 <= code < 0xE000)


def test_traditional_characters_and_separate_accents_are_read_as_they_are():
    assert characters("長e\u0301") == (["長", "e", "\u0301"], [0, 1, 2])
    assert [fold(token) for token in ("長", "é", "e\u0301")] == ["長", "é", "e\u0301"]


def test_sentences_may_be_strings_lists_and_tuples():
    assert check_sentences(["长 江", ["NBA", "江"], ("1",), ""], "x") == [["长", "江"], ["NBA", "江"], ["1"], []]


class Table:
    """Like a data frame: what it gives are the names of its columns."""

    ndim = 2
    columns = ("text",)

    def __iter__(self):
        return iter(self.columns)


def test_sentences_may_be_an_array_of_texts_or_of_characters():
    assert check_sentences(np.array(["长 江", "江"]), "x") == [["长", "江"], ["江"]]
    assert check_sentences(np.array([["长", "江"], ["江", "水"]]), "x") == [["长", "江"], ["江", "水"]]
    assert check_labelled(np.array([["长"]]), np.array([["S-A"]]), "x").labels == ["A"]


@pytest.mark.parametrize(
    "given, message",
    [
        ("长江", "x: expected a list of sentences, such as [text], got a single str"),
        (b"x", "x: expected a list of sentences, such as [text], got a single bytes"),
        (3, "x: expected a list of sentences, such as [text], got a single int"),
        ({"长江": 1}, "x: expected a list of sentences, such as [text], got a dict, which has no order or is of names"),
        ({"长"}, "x: expected a list of sentences, such as [text], got a set, which has no order or is of names"),
        (Table(), "x: expected a list of sentences, such as [text], got a Table, a table: give one of its columns"),
        ([3], "x[0]: expected a string or a list of characters, got a single int"),
        (
            ["长", {"江"}],
            "x[1]: expected a string or a list of characters, got a set, which has no order or is of names",
        ),
        ([Table()], "x[0]: expected a string or a list of characters, got a Table of 2 dimensions"),
        (["长", [3]], "x[1][0] is 3: expected a character"),
        ([["长", ""]], "x[0][1] is '': expected a character"),
        ([[" " * 999]], f"x[0][0] is '{' ' * 59}...: expected a character"),
        ([["\u3000"]], r"x[0][0] is '\u3000': expected a character"),
    ],
)
def test_what_is_no_sentence_is_refused_with_its_place(given, message):
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        check_sentences(given, "x")


@pytest.mark.parametrize(
    "given, message",
    [
        ("长江", "texts: expected a list of texts, such as [text], got a single str"),
        (None, "got a single NoneType"),
        (["a", b"b"], "texts[1] is a bytes: expected a string"),
        ([["a"]], "texts[0] is a list: expected a string (''.join makes one of a list of characters)"),
        ({"长江": 1}, "got a dict, which has no order or is of names"),
        (Table(), "got a Table of 2 dimensions"),
    ],
)
def test_what_is_no_text_is_refused_with_its_place(given, message):
    with pytest.raises(InputError, match=f"{re.escape(message)}$"):
        check_texts(given)


@pytest.mark.parametrize(
    "tags, message",
    [
        ({("S-A",)}, "x tags: expected a list of tags for each sentence, got a set, which has no order or is of names"),
        ({("S-A",): 1}, "got a dict, which has no order or is of names"),
        (Table(), "got a Table, a table: give one of its columns"),
        (
            [{"S-A"}],
            "x tags[0]: expected a list of tags, such as ['B-PER', 'E-PER', 'O'], got a set, which has no order",
        ),
        (["S"], "x tags[0]: expected a list of tags, such as ['B-PER', 'E-PER', 'O'], got a single str"),
        ([[1]], "x tags[0] is [1]: expected a list of tags, such as ['B-PER', 'E-PER', 'O']"),
        ([[10**5000]], "x tags[0] is <list that cannot be written>: expected a list of tags"),
    ],
)
def test_tags_without_an_order_are_refused(tags, message):
    with pytest.raises(InputError, match=re.escape(message)):
        check_labelled(["长"], tags, "x")
