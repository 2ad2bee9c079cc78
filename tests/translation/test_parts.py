"""How texts that are too long are cut."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latticework.nn.sequences import EncodedText
from latticework.seq2seq.vocabulary import END
from latticework.translation.parts import split_long


class Alphabet:
    """A vocabulary whose piece n is the n-th string."""

    def __init__(self, *texts):
        self.texts = texts

    def pieces(self, sequence):
        return [self.texts[index] for index in sequence]


WORDS = Alphabet("", "", "", "</s>", "▁a", "b", "▁c", ".", "▁Hm", "...", "?", "▁", "！", "▁3", "5", ":", "▁10")


def cut(tokens, max_length, vocabulary=WORDS):
    """Return the parts of one text as strings."""
    parts = split_long(EncodedText.from_sequences([[*tokens, END]]), vocabulary, max_length)
    assert set(parts.owners) == {0}
    return ["".join(vocabulary.pieces(part[:-1])) for part in parts.text]


def test_texts_that_fit_are_left_alone():
    text = EncodedText.from_sequences([[4, 5, END], [END], [4, END]])
    parts = split_long(text, WORDS, 3)
    assert parts.text is text
    assert parts.owners.tolist() == [0, 1, 2]
    assert parts.after_word.tolist() == [True] * 3
    assert parts != split_long(text, WORDS, 3), "of arrays no one truth could be told"


def test_a_part_ends_after_a_sentence_before_a_word_or_where_it_must():
    a, b, c, stop = 4, 5, 6, 7
    assert cut([a, b, stop, c, b, b], 6) == ["▁ab.", "▁cbb"]
    assert cut([a, b, b, stop, c, stop, c, b], 7) == ["▁abb.▁c.", "▁cb"]
    assert cut([a, b, b, b, c, b, b, b], 8) == ["▁abbb", "▁cbbb"]
    assert cut([a, *[b] * 9], 5) == ["▁abbb", "bbbb", "bb"]
    assert cut([a, b, b, b, 9, c, b], 7) == ["▁abbb...", "▁cb"]
    assert cut([a, b, b, b, 12, b, b], 7) == ["▁abbb！", "bb"]


def test_a_mark_within_a_word_ends_no_sentence():
    a, b, c, stop, three, five, colon, ten = 4, 5, 6, 7, 13, 14, 15, 16
    assert cut([a, b, b, b, c, three, stop, five, a], 8) == ["▁abbb▁c", "▁3.5▁a"]
    assert cut([a, b, b, b, stop, ten, colon, five, a], 8) == ["▁abbb.", "▁10:5▁a"]
    assert cut([a, b, b, stop, b, c], 6) == ["▁abb.b", "▁c"]
    assert cut([b, b, stop, b, b], 4) == ["bb.", "bb"], "where there is no space"


def test_a_character_that_is_spelled_in_bytes_stays_whole():
    alphabet = Alphabet("", "", "", "</s>", "我", "<0xE9>", "<0xBE>", "<0x98>")
    known, *rare = 4, 5, 6, 7
    spelled = "<0xE9><0xBE><0x98>"
    assert cut([*[known] * 5, *rare, *[known] * 3], 9, alphabet) == ["我" * 5 + spelled, "我" * 3]
    assert cut([*[known] * 6, *rare, *[known] * 3], 9, alphabet) == ["我" * 6, spelled + "我" * 3]
    assert cut([*[known] * 7, *rare, *[known] * 3], 9, alphabet) == ["我" * 7, spelled + "我" * 3]
    assert cut([rare[1]] * 5, 5, alphabet) == ["<0xBE>" * 4, "<0xBE>"], "where no character begins"


def test_a_mark_near_the_start_does_not_make_a_tiny_part():
    assert cut([4, 7, 6, 5, 5, 5, 6, 5], 8) == ["▁a.▁cbbb", "▁cb"]


def test_every_part_says_whose_it_is():
    texts = [[4, END], [4, 5, 6, 5, 6, 5, END], [END], [6, 5, 5, END]]
    parts = split_long(EncodedText.from_sequences(texts), WORDS, 3)
    assert parts.owners.tolist() == [0, 1, 1, 1, 2, 3, 3]
    assert [part.tolist() for part in (parts.text[0], parts.text[4])] == [[4, END], [END]]


@pytest.mark.parametrize(
    "texts, after_word",
    [
        (["▁a", "b", "▁c", "b"], True),  # before a space
        (["▁a", "▁", "b", "b"], True),  # after one
        (["▁a", "\u3000", "b"], True),
        (["▁a", "b", "b", "b"], False),  # within a word
        (["▁a", ".", "b", "b"], False),  # 3.5, example.org
        (["▁我们", "。", "你", "们"], True),
        (["▁我们", "去公", "园了", "吗"], True),  # of Chinese no space says where a word ends
        (["▁これ", "は", "ＸＭＬ", "です"], True),
        (["▁집", "에", "서", "는"], False),  # Korean has spaces
    ],
)
def test_a_part_says_whether_a_word_ended_before_it(texts, after_word):
    vocabulary = Alphabet("", "", "", "</s>", *texts)
    text = EncodedText.from_sequences([[*range(4, 4 + len(texts)), END]])
    parts = split_long(text, vocabulary, 3)
    assert parts.text[0].tolist() == [4, 5, END]
    assert parts.after_word[:2].tolist() == [True, after_word]


def test_texts_that_fit_stay_in_their_array_when_another_is_cut():
    count = 100_000
    text = EncodedText(np.array([5, END] * count + [4, 5, 5, END], dtype=np.int32), np.r_[0 : 2 * count + 1 : 2, 0])
    text.offsets[-1] = len(text.tokens)
    tracemalloc.start()
    parts = split_long(text, WORDS, 3)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(parts.text) == count + 2
    assert peak < 100 * count, "a few numbers a text, and none of Python's"


@given(
    texts=st.lists(st.lists(st.integers(4, 16), max_size=60), min_size=1, max_size=6),
    max_length=st.integers(2, 20),
)
@settings(max_examples=60)
def test_parts_together_are_the_text_and_none_is_too_long(texts, max_length):
    encoded = EncodedText.from_sequences([[*text, END] for text in texts])
    split = split_long(encoded, WORDS, max_length)
    parts, owners = split.text, split.owners
    assert len(parts) == len(owners) == len(split.after_word)
    assert parts.lengths.max() <= max_length
    assert (np.diff(owners) >= 0).all()
    for index, text in enumerate(texts):
        own = [parts[part].tolist() for part in np.flatnonzero(owners == index).tolist()]
        assert [part[-1] for part in own] == [END] * len(own)
        assert [token for part in own for token in part[:-1]] == text
        assert len(own) <= len(text) // ((max_length - 1) // 2 + 1) + 1, "every part but the last is half full"
