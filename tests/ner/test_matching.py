"""The matcher finds what a search of all substrings finds, in bounded time and memory."""

from __future__ import annotations

import copy
import pickle
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latticework.core.errors import MissingExtraError
from latticework.ner import matching
from latticework.ner.lexicon import Lexicon
from latticework.ner.matching import MAX_ENDING, Arcs, Matcher
from latticework.ner.text import fold

RARE = "\U00020000"  # CJK extension B, beyond the basic plane
SENTENCES = st.lists(
    st.lists(st.sampled_from(["a", "b", "Ａ", "A", "中", RARE, "e\u0301", "ab", "\ud840", "a\nb"]), max_size=8),
    max_size=5,
)
WORDS = st.lists(st.text(st.sampled_from(["a", "b", "Ａ", "中", RARE, "e", "\u0301"]), max_size=6), max_size=12)


def brute_force(lexicon, sentences):
    """Return every substring of two or more tokens that is a word: (sentence, begin, end, word)."""
    index_of = {word: index for index, word in enumerate(lexicon.words)}
    found = []
    for index, sentence in enumerate(sentences):
        for end in range(len(sentence) + 1):
            ending = []
            for begin in range(end - 1):
                text = "".join(fold(character) for token in sentence[begin:end] for character in token)
                if text in index_of:
                    ending.append((index, begin, end, index_of[text]))
            found += ending[:MAX_ENDING]
    return sorted(found)


def rows(arcs):
    return list(zip(*(part.tolist() for part in (arcs.sentence, arcs.begin, arcs.end, arcs.word)), strict=True))


@given(WORDS, SENTENCES)
def test_matches_are_all_substrings_that_are_words(words, sentences):
    lexicon = Lexicon.of(words)
    arcs = Matcher(lexicon).match(sentences)
    assert rows(arcs) == brute_force(lexicon, sentences)
    counts = [sum(row[0] == index for row in rows(arcs)) for index in range(len(sentences))]
    assert arcs.offsets.tolist() == [0, *np.cumsum(counts, dtype=int).tolist()]
    assert {part.dtype for part in vars(arcs).values()} == {np.dtype(np.int64)}


@pytest.mark.parametrize("piece, block", [(1, 1), (3, 2), (5, 7)])
def test_pieces_and_blocks_do_not_change_the_matches(monkeypatch, piece, block):
    sentences = ["aaaaaaaaaaaa", "", "baab", "a" * 20, "ab"]
    lexicon = Lexicon.of(["ab", "ba", *("a" * length for length in range(2, 20))])
    monkeypatch.setattr(matching, "_PIECE", piece)
    monkeypatch.setattr(matching, "_BLOCK", block)
    assert rows(Matcher(lexicon).match(sentences)) == brute_force(lexicon, sentences)


def test_nested_overlapping_and_repeated_words_are_all_found():
    lexicon = Lexicon.of(["南京", "南京市", "市长", "长江", "长江大桥", "大桥", "江大桥"])
    arcs = Matcher(lexicon).match(["南京市长江大桥", "南京南京"])
    found = [(lexicon.words[word], begin) for _, begin, _, word in rows(arcs)]
    first = [("南京", 0), ("南京市", 0), ("市长", 2), ("长江", 3), ("长江大桥", 3), ("江大桥", 4), ("大桥", 5)]
    assert found == [*first, ("南京", 0), ("南京", 2)]


def test_characters_beyond_the_basic_plane_count_as_one():
    arcs = Matcher(Lexicon.of([f"{RARE}中", f"中{RARE}"])).match([f"{RARE}中{RARE}中"])
    assert rows(arcs) == [(0, 0, 2, 0), (0, 1, 3, 1), (0, 2, 4, 0)]


def test_word_begins_and_ends_with_a_token():
    matcher = Matcher(Lexicon.of(["2005年", "05年", "e\u0301t", "e\u0301", "年e"]))
    arcs = matcher.match([["2005", "年", "e\u0301", "t"], ["20", "05", "年"]])
    assert rows(arcs) == [(0, 0, 2, 0), (0, 2, 4, 2), (1, 0, 3, 0), (1, 1, 3, 1)]


def test_word_never_crosses_sentences_nor_white_space_in_a_token():
    matcher = Matcher(Lexicon.of(["ab"]))
    assert len(matcher.match(["a", "b", "", "a b", "a\nb", ["a\nb"]])) == 0


def test_full_width_text_meets_half_width_words():
    assert len(Matcher(Lexicon.of(["t恤"])).match(["ｔ恤"])) == len(Matcher(Lexicon.of(["ｔ恤"])).match(["t恤"])) == 1


def test_longest_words_stay_where_too_many_end():
    arcs = Matcher(Lexicon.of(["a" * length for length in range(1, 100)])).match(["a" * 3000])
    lengths = arcs.end - arcs.begin
    assert len(arcs) == MAX_ENDING * 3000 - sum(range(MAX_ENDING + 1))
    assert lengths[arcs.end == 2000].tolist() == list(range(64, 64 - MAX_ENDING, -1))
    assert np.bincount(arcs.end).max() == MAX_ENDING


def test_words_of_a_batch_are_those_of_its_sentences():
    sentences = ["ab", "", "cab", "ababab", "c"]
    matcher = Matcher(Lexicon.of(["ab", "aba", "ca"]))
    arcs = matcher.match(sentences)
    for chosen in ([], [3], [4, 3, 1, 0], [2, 2], [0, 1, 2, 3, 4]):
        expected = matcher.match([sentences[index] for index in chosen])
        batch = arcs.select(np.array(chosen, dtype=np.int64))
        assert isinstance(batch, Arcs)
        assert rows(batch) == rows(expected)
        assert batch.offsets.tolist() == expected.offsets.tolist()


def test_no_sentences_and_empty_ones_have_no_words():
    matcher = Matcher(Lexicon.of(["ab"]))
    assert matcher.match([]).offsets.tolist() == [0]
    assert matcher.match(["", []]).offsets.tolist() == [0, 0, 0]


def test_empty_lexicon_needs_no_library(monkeypatch):
    monkeypatch.setitem(sys.modules, "ahocorasick", None)
    arcs = Matcher(Lexicon.of(None)).match(["ab", "c"])
    assert (len(arcs), arcs.offsets.tolist()) == (0, [0, 0, 0])
    with pytest.raises(MissingExtraError, match=r"needs ahocorasick: pip install 'latticework\[ner\]'"):
        Matcher(Lexicon.of(["ab"])).match(["ab"])


def test_automaton_is_not_pickled():
    matcher = Matcher(Lexicon.of(["ab"]))
    before = rows(matcher.match(["cab"]))
    assert b"ahocorasick" not in pickle.dumps(matcher)
    assert rows(copy.deepcopy(matcher).match(["cab"])) == before


@pytest.mark.realdata
def test_resume_training_text_holds_59047_words_of_jieba(data_folder, monkeypatch):
    text = (data_folder / "ner/resume_ner/train.char.bmes").read_text("utf-8")
    sentences = [[line.split(" ")[0] for line in block.split("\n")] for block in text.strip("\n").split("\n\n")]
    assert (len(sentences), sum(map(len, sentences))) == (3821, 124099)
    matcher = Matcher(Lexicon.of("jieba"))
    arcs = matcher.match(sentences)
    assert (len(arcs), len(np.unique(arcs.word))) == (59047, 6129)
    monkeypatch.setattr(matching, "MAX_ENDING", 1000)
    assert len(matcher.match(sentences)) == 59047
    ends = arcs.sentence * 1000 + arcs.end
    assert np.unique(ends, return_counts=True)[1].max() == 4


def test_matchers_of_the_same_words_are_the_same():
    one, other = (Matcher(Lexicon.of(["长江", "大桥"])) for _ in range(2))
    one.match(["长江"])  # builds what the other has not yet
    assert one == other
    assert hash(one) == hash(other)
    assert one != Matcher(Lexicon.of(["长江"]))
