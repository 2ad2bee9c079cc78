"""Vocabularies: what counts as one entry, the order of numbers, what was only given."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latticework.ner.vocabulary import UNKNOWN, Vocabulary, letter, letters, neighbours


def test_digits_of_all_kinds_are_one_letter():
    assert letters(["1", "９", "٣", "一"]) == ["0", "0", "0", "一"]
    assert letter("2015") == "0000"


def test_full_width_forms_are_the_usual_ones_and_nothing_becomes_longer():
    assert letters(["Ａ", "（", "㈱", "𠀀", "e\u0301"]) == ["A", "(", "㈱", "𠀀", "e\u0301"]


def test_neighbours_of_no_and_of_one_character():
    assert neighbours([]) == []
    assert neighbours(["长"]) == ["长"]
    assert neighbours(["长", "1", "2"]) == ["长0", "00", "0"]


def test_frequent_entries_come_first_and_given_ones_last():
    vocabulary = Vocabulary.learn([["b", "a"], ["a", "c"]], given=["d", "a", "d"])
    assert vocabulary.entries == ("a", "b", "c", "d")
    assert vocabulary.counts == (2, 1, 1)
    assert len(vocabulary) == 5
    assert vocabulary.encode(["a", "d", "x"]).tolist() == [1, 4, UNKNOWN]


@pytest.mark.parametrize(
    "entries, counts",
    [(["长", "长"], [1]), (["长", 1], [1]), (["长"], [1, 1]), (["长"], [0]), (["长"], [-2]), (["长"], ["1"])],
)
def test_what_is_no_vocabulary_is_refused(entries, counts):
    with pytest.raises(ValueError, match="a vocabulary has"):
        Vocabulary.from_values({"entries": entries, "counts": counts})


@given(st.lists(st.lists(st.sampled_from("一二三四"))), st.lists(st.sampled_from("一二三四五六")))
def test_entries_come_back(sentences, asked):
    vocabulary = Vocabulary.learn(sentences)
    assert Vocabulary.from_values(vocabulary.to_values()) == vocabulary
    numbers = vocabulary.encode(asked)
    assert numbers.dtype == np.int32
    known = ["", *vocabulary.entries]
    seen = {entry for sentence in sentences for entry in sentence}
    assert [known[number] for number in numbers] == [entry if entry in seen else "" for entry in asked]
