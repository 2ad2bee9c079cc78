"""Sentences that users hand over: what is accepted and what is changed."""

from __future__ import annotations

import re

import numpy as np
import pytest

from latticework.core import InputError
from latticework.translation.text import check_pairs, check_sentence, check_sentences

ODD = [
    "",
    " ",
    "\ufeffBOM",
    "a\u2028b\x85c\x0bd",
    "\U0001f600",
    "🧑‍🌾",
    "e\u0301",
    "\u202egnirts",
    "‏שלום",
    "<unk>",
    "▁",
    "\x1b[31m",
]


class Table:
    """Like a data frame: what it gives are the names of its columns."""

    ndim = 2

    def __iter__(self):
        return iter(["source", "target"])


@pytest.mark.parametrize("odd", ODD)
def test_odd_but_valid_text_stays_as_it_is(odd):
    assert check_sentences([odd], "source") == [odd]


@pytest.mark.parametrize(
    "given_, taken",
    [
        ("a\nb", "a b"),
        ("a\r\nb", "a b"),
        ("a\rb\n", "a b"),
        ("a\r\n", "a"),
        ("a\r", "a"),
        ("a\n\n", "a "),
        ("\n\r", " "),
    ],
)
def test_line_breaks_become_spaces_and_one_at_the_end_goes(given_, taken):
    assert check_sentences(["x", given_], "source") == ["x", taken]


def test_strings_of_numpy_become_plain_strings():
    (taken,) = check_sentences(np.array(["ein Haus"]), "source")
    assert type(taken) is str
    assert taken == "ein Haus"


@pytest.mark.parametrize(
    "sentences, message",
    [
        ("text", "source: expected a list of sentences, got a single str"),
        (b"text", "source: expected a list of sentences, got a single bytes"),
        (None, "source: expected a list of sentences, got a single NoneType"),
        (5, "source: expected a list of sentences, got a single int"),
        ({"source": "a"}, "source: expected a list of sentences, got a dict, which has no order or is of names"),
        ({"a"}, "source: expected a list of sentences, got a set, which has no order or is of names"),
        (np.array("a"), "source: expected a list of sentences, got a ndarray of 0 dimensions"),
        (np.array([["a", "b"]]), "source: expected a list of sentences, got a ndarray of 2 dimensions"),
        (Table(), "source: expected a list of sentences, got a Table of 2 dimensions"),
        (["a", b"b"], "source[1]: expected text, got bytes"),
        ([["a"]], "source[0]: expected text, got list"),
        (["a", "b", float("nan")], "source[2]: expected text, got float"),
        (["a\0b"], "source[0]: NUL character at position 1"),
        (["", "ab\udfff"], "source[1]: not valid Unicode text (half of a surrogate pair)"),
        (["\ud800"], "source[0]: not valid Unicode text (half of a surrogate pair)"),
    ],
)
def test_what_is_no_text_is_named_by_its_index(sentences, message):
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        check_sentences(sentences, "source")


def test_a_single_sentence_is_named_by_its_place():
    assert check_sentence("zwei\nHäuser", "pairs.jsonl:3") == "zwei Häuser"
    with pytest.raises(InputError, match=r"^pairs.jsonl:3: NUL character at position 0$"):
        check_sentence("\0", "pairs.jsonl:3")


def test_pairs_are_of_equal_number_and_not_none():
    assert check_pairs(iter(["a", "b"]), ("c", "d"), "training") == (["a", "b"], ["c", "d"])
    with pytest.raises(InputError, match=r"^validation: 3 sources but 2 targets; each source needs one target$"):
        check_pairs(["a", "b", "c"], ["d", "e"], "validation")
    with pytest.raises(InputError, match=r"^score: there are no pairs$"):
        check_pairs([], (), "score")
    with pytest.raises(InputError, match=r"^training target: expected a list"):
        check_pairs(["a"], "b", "training")
