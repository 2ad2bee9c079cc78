"""Segmentation is the most probable of all ways to cut a sentence, found by trying every one."""

from __future__ import annotations

from itertools import pairwise
from math import isclose, log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latticework.ner.lexicon import Lexicon
from latticework.ner.matching import Matcher
from latticework.ner.segmentation import BEGIN, END, MIDDLE, SINGLE, segment, segmentation_tags, words_of
from latticework.ner.text import fold

TOKENS = st.sampled_from(["中", "国", "人", "a", "１", "e\u0301", "\U00020000"])
SENTENCES = st.lists(st.lists(TOKENS, max_size=8), max_size=4)
LEXICA = st.dictionaries(st.lists(TOKENS, min_size=1, max_size=4).map("".join), st.integers(0, 50), max_size=8)


def all_cuts(count):
    """Return the lengths of the words of every way to cut a sentence."""
    if count == 0:
        return [[]]
    return [[first, *rest] for first in range(1, count + 1) for rest in all_cuts(count - first)]


def log_probability(tokens, lengths, lexicon):
    """Return the log probability of a way to cut a sentence, or None if it may not be cut so."""
    frequency = dict(zip(lexicon.words, lexicon.frequencies, strict=True)) if lexicon.frequencies is not None else {}
    frequency = dict.fromkeys(lexicon.words, 1) | frequency
    total = max(1, sum(frequency.values()) + sum(lexicon.characters.values()))
    is_latin = [fold(token) in ("a", "1") for token in tokens]
    score, start = 0.0, 0
    for length in lengths:
        end = start + length
        if end < len(tokens) and is_latin[end - 1] and is_latin[end]:
            return None
        word = "".join(fold(character) for token in tokens[start:end] for character in token)
        if length == 1:
            score += log(max(1, lexicon.characters.get(word, 1)) / total)
        elif word in frequency:
            score += log(max(1, frequency[word]) / total)
        elif all(is_latin[start:end]):
            score += log(1 / total)
        else:
            return None
        start = end
    return score


@given(LEXICA, st.booleans(), SENTENCES)
def test_no_other_way_to_cut_is_more_probable(words, with_frequencies, sentences):
    lexicon = Lexicon.of(words if with_frequencies else list(words))
    for tokens, lengths in zip(sentences, segment(sentences, Matcher(lexicon)), strict=True):
        scores = [log_probability(tokens, cut, lexicon) for cut in all_cuts(len(tokens))]
        found = log_probability(tokens, lengths, lexicon)
        assert isclose(found, max(score for score in scores if score is not None), rel_tol=1e-9, abs_tol=1e-9)


@given(LEXICA, SENTENCES)
def test_sentences_are_cut_alike_alone_and_together(words, sentences):
    matcher = Matcher(Lexicon.of(words))
    together = segment(sentences, matcher)
    assert together == [segment([tokens], matcher)[0] for tokens in sentences]
    assert together == segment(sentences, matcher, arcs=matcher.match(sentences))


def test_frequencies_decide_between_overlapping_words():
    many = {"南京": 9, "南京市": 8, "市长": 1, "长江大桥": 7, "江大桥": 1, "江": 1}
    assert segment(["南京市长江大桥"], Matcher(Lexicon.of(many))) == [[3, 4]]
    assert segment(["南京市长江大桥"], Matcher(Lexicon.of(many | {"市长": 900, "江大桥": 900}))) == [[2, 2, 3]]


def test_single_character_counts_as_often_as_the_lexicon_says():
    words = {"中国": 2, "国人": 2}
    assert segment(["中国人"], Matcher(Lexicon.of(words))) == [[2, 1]]
    assert segment(["中国人"], Matcher(Lexicon.of(words | {"中": 3}))) == [[1, 2]]


def test_without_frequencies_the_fewest_words_win_and_then_the_earlier_longer():
    matcher = Matcher(Lexicon.of(["中国", "国人", "人民", "民中"]))
    assert segment(["中国人民", "国人民", "中国人"], matcher) == [[2, 2], [2, 1], [2, 1]]


def test_frequencies_may_add_up_to_more_than_64_bits():
    words = dict.fromkeys(["长江", "大桥", "长江大桥", *(f"{digit}号" for digit in range(7))], 10**18 - 1)
    assert segment(["长江大桥"], Matcher(Lexicon.of(words))) == [[4]]


def test_letters_and_digits_stay_together():
    matcher = Matcher(Lexicon.of(["T恤", "卡拉OK", "OK", "K歌", "05年"]))
    sentences = ["T恤", "卡拉OK", "OK歌", "2005年", "ＡＢ1中", ["2005", "a", "年"]]
    assert segment(sentences, matcher) == [[2], [4], [2, 1], [4, 1], [3, 1], [2, 1]]


def test_run_of_letters_counts_once_whatever_its_first_letter_counts():
    words = {"A": 10**6, "中ab": 3, "ab": 2}
    assert segment(["中ab"], Matcher(Lexicon.of(words))) == [[3]]
    assert segment(["中Ab"], Matcher(Lexicon.of({"A": 10**6, "中Ab": 3}))) == [[3]]


def test_nothing_to_cut():
    assert segment([], Matcher(Lexicon.of(["ab"]))) == []
    assert segment(["", "中国", []], Matcher(Lexicon.of(None))) == [[], [1, 1], []]
    assert segment(["中国"], Matcher(Lexicon.of({"中国": 0}))) == [[2]]


def test_tags_say_where_in_its_word_a_token_stands():
    assert segmentation_tags([3, 1, 2]).tolist() == [BEGIN, MIDDLE, END, SINGLE, BEGIN, END]
    assert segmentation_tags([]).tolist() == []


@given(st.lists(st.integers(1, 5), max_size=6))
def test_tags_spell_the_lengths(lengths):
    tags = segmentation_tags(lengths)
    ends = [index + 1 for index, tag in enumerate(tags) if tag in (END, SINGLE)]
    assert [end - start for start, end in pairwise([0, *ends])] == lengths
    assert len(tags) == sum(lengths)


def test_words_are_folded():
    assert words_of(["Ｔ", "恤", "ＯＫ", "大"], [2, 1, 1]) == ["T恤", "OK", "大"]


@pytest.mark.realdata
def test_resume_is_cut_as_a_reader_would(data_folder):
    lines = (data_folder / "ner/resume_ner/train.char.bmes").read_text("utf-8").split("\n\n")[0].split("\n")
    tokens = [line.split(" ")[0] for line in lines]
    (lengths,) = segment([tokens], Matcher(Lexicon.of("jieba")))
    assert " ".join(words_of(tokens, lengths)) == "高 勇 : 男 , 中国 国籍 , 无 境外 居留权 ,"
