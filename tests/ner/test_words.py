"""The word baseline: words are tagged, characters are answered for, and what ends within a word is out of reach."""

import numpy as np
import pytest
import torch
from taggers import QUERIES, SENTENCES, TAGS, WORDS, TaggerCases

from latticework.core import InputError
from latticework.ner import Lexicon, WordConfig, WordTagger
from latticework.ner.pretrained import Given
from latticework.ner.tags import Span
from latticework.ner.words import WordFeatures, WordInputs, WordVectors

SMALL = WordConfig(char_size=6, word_size=12, batch_size=4, learning_rate=0.02, char_dropout=0.1, state_dropout=0.1)
SPELLING = WordConfig(char_lstm=True, char_size=6, word_size=12, batch_size=4, learning_rate=0.02, char_dropout=0.1)
LEXICON = Lexicon.of(["南京市", "长江大桥", "长江"])
TEXTS = [list("南京市长江大桥"), [], list("在长江1999年")]


class TestWordTagger(TaggerCases):
    tagger = WordTagger
    config = SMALL


class TestWordTaggerWithCharacters(TaggerCases):
    tagger = WordTagger
    config = SPELLING


def inputs(*, spelling):
    return WordInputs.learn(TEXTS, LEXICON, spelling=spelling, given=Given())


def test_sentences_become_words_with_digits_alike():
    learned = inputs(spelling=False)
    assert sorted(learned.words.entries) == sorted(["南京市", "长江大桥", "在", "长江", "0000", "年"])
    features = learned.encode([list("在长江2024年"), [], list("大")])
    assert features.lengths.tolist() == [4, 0, 1]
    assert features.words.tokens[:4].tolist() == learned.words.encode(["在", "长江", "0000", "年"]).tolist()
    assert features.bounds(0).tolist() == [0, 1, 3, 7, 8]
    assert features.bounds(1).tolist() == [0]


def test_entities_are_widened_to_the_words_they_touch_and_the_first_takes_a_shared_word():
    features = inputs(spelling=False).encode(TEXTS[:1])
    assert features.bounds(0).tolist() == [0, 3, 7]

    def words(*spans):
        return features.over_units([[Span(*span, "X") for span in spans]])[0]

    assert words((0, 3)) == [(0, 1, "X")]
    assert words((1, 2)) == [(0, 1, "X")]
    assert words((2, 4)) == [(0, 2, "X")]
    assert words((5, 7), (3, 5)) == [(1, 2, "X")]
    assert words((0, 2), (2, 7)) == [(0, 1, "X"), (1, 2, "X")]
    assert features.over_characters([words((2, 4))]) == [[(0, 7, "X")]]


def test_entities_of_whole_words_come_back_as_they_were():
    features = inputs(spelling=False).encode(TEXTS)
    spans = [[Span(0, 3, "A"), Span(3, 7, "B")], [], [Span(1, 7, "C")]]
    assert features.over_characters(features.over_units(spans)) == spans


def test_states_of_words_are_spread_over_their_characters():
    features = inputs(spelling=False).encode(TEXTS[:2])
    assert features.spread(0, np.array([[1.0], [2.0]])).ravel().tolist() == [1, 1, 1, 2, 2, 2, 2]
    assert features.spread(1, np.zeros((0, 1))).shape == (0, 1)


def test_a_batch_holds_the_words_of_its_sentences_and_their_spelling():
    learned = inputs(spelling=True)
    features = learned.encode(TEXTS)
    batch = features.batch(np.array([2, 1, 0]))
    assert batch.lengths.tolist() == [4, 0, 2]
    assert batch.characters[2].tolist() == [*learned.words.encode(["南京市", "长江大桥"]), 0, 0]
    spelling = batch.spelling
    assert list(zip(spelling.sentence.tolist(), spelling.slot.tolist(), strict=True)) == [
        (0, 0), (0, 1), (0, 2), (0, 3), (2, 0), (2, 1),
    ]  # fmt: skip
    assert spelling.host_sizes.tolist() == [1, 2, 4, 1, 3, 4]
    assert spelling.characters[4].tolist() == [*learned.characters.encode(list("南京市")), 0]


def test_a_word_is_its_vector_and_the_last_states_over_its_characters():
    learned = inputs(spelling=True)
    torch.manual_seed(0)
    vectors = WordVectors(learned, SPELLING).double().eval()
    found = vectors(learned.encode(TEXTS).batch(np.array([2, 1, 0])))
    assert found.shape == (3, 4, 12 + 2 * 6)
    for row, slot, word in ((0, 1, "长江"), (2, 1, "长江大桥")):
        read = vectors.characters(torch.from_numpy(learned.characters.encode(list(word)).astype(np.int64)))
        states = vectors.spell(read[None])[0][0]
        expected = [vectors.words(torch.tensor(learned.words.numbers[word])), states[-1, :6], states[0, 6:]]
        torch.testing.assert_close(found[row, slot], torch.cat(expected))
    assert not found[1, :, 12:].any()


def test_states_do_not_depend_on_the_rest_of_the_batch():
    tagger = WordTagger(WORDS, hidden_size=8, max_epochs=1, config=SPELLING, random_state=0, device="cpu")
    tagger.fit(SENTENCES, TAGS)
    together = tagger.character_states(QUERIES)
    for query, states in zip(QUERIES, together, strict=True):
        np.testing.assert_allclose(tagger.character_states([query])[0], states, atol=1e-6)
    assert [len(states) for states in together] == [4, 0, 3, 2, 3]
    np.testing.assert_array_equal(together[0][2], together[0][3])  # of one word


def test_inputs_come_back_from_plain_values():
    for spelling in (False, True):
        learned = inputs(spelling=spelling)
        again = WordInputs.from_values(learned.to_values(), LEXICON)
        assert again == learned
        for one, other in zip(again.encode(TEXTS).arrays(), learned.encode(TEXTS).arrays(), strict=True):
            np.testing.assert_array_equal(one, other)


def test_given_vectors_of_words_and_characters_are_begun_with(tmp_path):
    words, characters = tmp_path / "words.vec", tmp_path / "characters.vec"
    words.write_text("2 3\n长江 1 2 3\n黑河 4 5 6\n", encoding="utf-8")
    characters.write_text("2 2\n长 3 4\n长江 1 0\n", encoding="utf-8")
    config = WordConfig(char_lstm=True, learning_rate=1e-9)
    tagger = WordTagger(
        [*WORDS, "黑河"],
        word_vectors=words,
        char_vectors=characters,
        hidden_size=8,
        max_epochs=1,
        config=config,
        random_state=0,
        device="cpu",
    ).fit(SENTENCES, TAGS)
    vectors = tagger.model_.vectors
    known = torch.from_numpy(tagger.learned_.inputs.words.encode(["长江", "黑河"]).astype(np.int64))
    np.testing.assert_allclose(vectors.words(known).detach(), [[1, 2, 3], [4, 5, 6]], atol=1e-5)
    letter = torch.tensor(tagger.learned_.inputs.characters.numbers["长"])
    np.testing.assert_allclose(vectors.characters(letter).detach(), [0.6, 0.8], atol=1e-5)
    assert "长江" not in tagger.learned_.inputs.characters.entries  # pairs are nothing it could look up


def test_given_vectors_of_words_with_digits_are_begun_with(tmp_path):
    file, words = tmp_path / "words.vec", ["5G基站", "6G基站", "7号线"]
    file.write_text("5G基站 1 2 3\n6G基站 4 5 6\n7号线 7 8 9\n", encoding="utf-8")
    config = WordConfig(learning_rate=1e-9)
    options = {"word_vectors": file, "hidden_size": 8, "max_epochs": 1, "random_state": 0, "device": "cpu"}
    tagger = WordTagger(words, config=config, **options).fit(["在6G基站"], [["O", "B-X", "M-X", "M-X", "E-X"]])
    known = tagger.learned_.inputs.words
    assert known.entries == ("在", "0G基站", "0号线")
    numbers = torch.from_numpy(known.encode(["0G基站", "0号线"]).astype(np.int64))
    found = tagger.model_.vectors.words(numbers).detach()
    np.testing.assert_allclose(found, [[1, 2, 3], [7, 8, 9]], atol=1e-5)  # of the two that are one word the first


def test_an_entity_within_a_word_is_found_as_the_whole_word():
    tags = [["O", "O", "S-X", "O"]] * 20
    tagger = WordTagger(["长江"], hidden_size=16, max_epochs=20, config=SMALL, random_state=0, device="cpu")
    assert tagger.fit(["我爱长江"] * 20, tags).predict(["我爱长江"]) == [["O", "O", "B-X", "E-X"]]
    assert tagger.score(["我爱长江"], tags[:1]) == 0
    assert tagger.with_lexicon(None).predict(["我爱长江"])[0][2:] != ["B-X", "E-X"]


def test_a_sentence_of_600_characters_without_a_lexicon():
    tagger = WordTagger(None, hidden_size=8, max_epochs=1, config=SPELLING, random_state=0, device="cpu")
    tagger.fit([sentence * 150 for sentence in SENTENCES[:2]], [row * 150 for row in TAGS[:2]])
    assert len(tagger.predict(["长江" * 300])[0]) == 600


def test_a_configuration_that_makes_no_sense_is_refused():
    with pytest.raises(InputError, match="char_lstm=1: expected True or False"):
        WordConfig(char_lstm=1)


def test_words_and_their_ends_are_all_that_is_kept_of_a_sentence():
    assert isinstance(inputs(spelling=True).encode([]), WordFeatures)
    assert inputs(spelling=True).encode([]).lengths.tolist() == []
