"""Vectors from texts without tags: those of their tokens, which are never all there at once."""

import tracemalloc

import numpy as np
import pytest

from latticework.core import InputError
from latticework.ner.text import characters
from latticework.ner.unlabelled import character_vectors, word_vectors
from latticework.ner.vectors import train_vectors
from latticework.ner.vocabulary import letters, neighbours

TEXTS = ["南京 市长江大桥", "", " ", "桥", "长江水１2", "长江Ｔ恤"] * 3
OPTIONS = {"size": 4, "epochs": 2, "seed": 1}


def of_words(texts, **options):
    return word_vectors(texts, ["长江"], **options)


def test_vectors_of_characters_and_pairs_are_those_of_lists_of_them():
    entries, vectors = character_vectors(iter(TEXTS), **OPTIONS)
    tokens = [characters(text)[0] for text in TEXTS]
    known, expected = train_vectors([letters(row) for row in tokens], **OPTIONS)
    pairs, more = train_vectors([neighbours(row)[:-1] for row in tokens], **OPTIONS)
    assert entries == [*known, *pairs]
    np.testing.assert_array_equal(vectors, [*expected, *more])


def test_texts_of_one_character_have_no_pairs():
    assert sorted(character_vectors(["长", "江"], **OPTIONS)[0]) == ["江", "长"]


def test_vectors_of_words_are_those_of_lists_of_them():
    entries, vectors = word_vectors(iter(TEXTS), ["南京市", "长江", "大桥", "T恤"], **OPTIONS)
    cut = [["南京市", "长江", "大桥"], ["桥"], ["长江", "水", "12"], ["长江", "T恤"]] * 3
    words, expected = train_vectors(cut, **OPTIONS)
    assert sorted(entries) == ["T恤", "南京市", "大桥", "长江"]
    np.testing.assert_array_equal(vectors, expected[[words.index(entry) for entry in entries]])


@pytest.mark.parametrize("learn", [character_vectors, of_words])
def test_no_list_holds_all_tokens(learn):
    texts = ["南京市长江大桥长江南京市大桥"] * 20_000
    tracemalloc.start()
    learn(texts, size=4, epochs=1, seed=0)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 40 * sum(map(len, texts)), "a string of one character takes 76 bytes"


@pytest.mark.parametrize("learn", [character_vectors, of_words])
def test_texts_without_a_character_are_refused(learn):
    with pytest.raises(InputError, match="the texts hold no character"):
        learn(["", " \u3000"], **OPTIONS)
