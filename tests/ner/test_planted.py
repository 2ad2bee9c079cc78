"""The planted task: characters say nothing, words of the list decide, and a lattice learns just that."""

from __future__ import annotations

import pytest

from latticework.core import InputError
from latticework.ner import CharacterTagger
from latticework.ner.lexicon import Lexicon
from latticework.ner.matching import Matcher
from latticework.ner.planted import CONTEXT, CUES, ENDS, NAMES, plant
from latticework.ner.results import matches_in
from latticework.ner.tags import spans_of
from latticework.ner.tour import CONFIG


def found(tagger, sentences):
    return [spans_of(tags) for tags in tagger.predict(sentences.texts)]


def entities(sentences):
    return [text[span.start : span.end] for text, [span] in with_entity(sentences)]


def with_entity(sentences):
    return [pair for pair in zip(sentences.texts, sentences.spans, strict=True) if pair[1]]


def test_entities_are_words_of_the_list_and_none_that_is_tested_is_trained_on(planted):
    parts = [entities(part) for part in (planted.train, planted.validation, planted.test)]
    words = [word for part in parts for word in part]
    assert len(set(words)) == len(words)
    assert set(words) <= set(planted.words)
    assert len(set(planted.words)) == len(planted.words)


def test_exactly_one_word_of_either_list_is_among_the_three_characters(planted):
    lists = [Matcher(Lexicon.of(words)) for words in (planted.words, planted.swapped)]
    for part in (planted.train, planted.validation, planted.test):
        for text in part.texts:
            first, second = ([m for m in matches_in(text, matcher) if m.word not in CONTEXT] for matcher in lists)
            assert len(first) == len(second) == 1
            assert abs(first[0].start - second[0].start) == 1
            middle = max(first[0].start, second[0].start)
            assert set(text[middle - 1 : middle + 2]) <= set(NAMES)


def test_the_other_list_moves_every_entity_by_one_character_and_keeps_its_type(planted):
    assert planted.swapped_test.texts == planted.test.texts
    for (_, [one]), (_, [other]) in zip(with_entity(planted.test), with_entity(planted.swapped_test), strict=True):
        assert abs(one.start - other.start) == 1
        assert one.label == other.label
        assert one.end - one.start == other.end - other.start == 2
    assert set(planted.words) ^ set(planted.swapped)
    assert set(CONTEXT) <= set(planted.words) & set(planted.swapped)


def test_a_third_has_no_entity_and_a_coin_decides_for_the_others(planted):
    sides = {True: 0, False: 0}
    for (_, [one]), (_, [other]) in zip(
        with_entity(plant(3, train=1, validation=1, test=1500).test),
        with_entity(plant(3, train=1, validation=1, test=1500).swapped_test),
        strict=True,
    ):
        sides[one.start < other.start] += 1
    assert sides[True] == pytest.approx(500, abs=60)
    assert len(with_entity(planted.train)) == pytest.approx(len(planted.train.texts) * 2 / 3, abs=1)
    assert {span.label for _, [span] in with_entity(planted.test)} == set(CUES) - {""}


def test_characters_of_names_stand_nowhere_else():
    assert not set("".join((*CONTEXT, *ENDS))) & set(NAMES)
    assert len(set(NAMES)) == len(NAMES)


def test_the_same_seed_gives_the_same_sentences():
    sizes = {"train": 5, "validation": 2, "test": 3}
    assert plant(4, **sizes) == plant(4, **sizes)
    assert plant(4, **sizes) != plant(5, **sizes)


def test_where_no_entity_is_none_is_right():
    test = plant(0, train=1, validation=1, test=1).test
    assert test.spans == [[]]
    assert test.share_right([[]]) == 0


@pytest.mark.parametrize(
    "sizes, said",
    [
        ({"train": 0}, "^train=0: expected a whole number"),
        ({"test": 2000}, "^2,660 sentences: expected at most 2,000"),
        ({"validation": 1.5}, r"^validation=1\.5: expected a whole number"),
    ],
)
def test_sizes_that_cannot_be_are_refused(sizes, said):
    with pytest.raises(InputError, match=said):
        plant(0, **sizes)


def test_a_lattice_finds_the_entities_and_follows_another_list(planted, lattice):
    assert planted.test.share_right(found(lattice, planted.test)) >= 0.95
    exchanged = lattice.with_lexicon(planted.swapped)
    assert planted.swapped_test.share_right(found(exchanged, planted.test)) >= 0.95
    assert planted.test.share_right(found(exchanged, planted.test)) <= 0.05


def test_without_words_it_is_a_matter_of_chance():
    planted = plant(0, test=400)
    tagger = CharacterTagger(None, hidden_size=60, max_epochs=8, config=CONFIG, random_state=0, device="cpu")
    tagger.fit(planted.train.texts, planted.train.tags, (planted.validation.texts, planted.validation.tags))
    shares = [side.share_right(found(tagger, planted.test)) for side in (planted.test, planted.swapped_test)]
    assert shares == pytest.approx([0.5, 0.5], abs=0.15)
