"""Texts as characters, and what is none."""

import pytest

from latticework.core import InputError
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


@pytest.mark.parametrize(
    "given, message",
    [
        ("长江", "x: got one str"),
        (b"x", "x: got one bytes"),
        (3, "x: got one int"),
        ([3], r"x\[0\] is a int"),
        (["长", [3]], r"x\[1\]\[0\] is 3"),
        ([["长", ""]], r"x\[0\]\[1\] is ''"),
        ([["\u3000"]], r"x\[0\]\[0\]"),
    ],
)
def test_what_is_no_sentence_is_refused_with_its_place(given, message):
    with pytest.raises(InputError, match=message):
        check_sentences(given, "x")


@pytest.mark.parametrize("given, message", [("长江", "one str"), (None, "one NoneType"), (["a", b"b"], r"texts\[1\]")])
def test_what_is_no_text_is_refused_with_its_place(given, message):
    with pytest.raises(InputError, match=message):
        check_texts(given)
