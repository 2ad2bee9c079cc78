"""Translations: of every sentence, in order, with the scores they claim; long ones in parts."""

from __future__ import annotations

import math
import re
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from latticework.core import InputError
from latticework.nn.sequences import EncodedText
from latticework.seq2seq.search import Hypothesis
from latticework.seq2seq.vocabulary import END, Vocabulary
from latticework.translation import TransformerTranslator, Translation
from latticework.translation.decoding import join_parts, joined_text
from latticework.translation.parts import Parts


def test_the_toy_language_is_learned(translator, corpus):
    assert translator.predict(corpus.source) == list(corpus.target)


def test_order_is_kept_and_nothing_is_lost(translator, shuffled):
    source, expected = shuffled
    assert translator.predict(source) == expected


def test_a_batch_gives_what_each_sentence_gives_alone(translator, shuffled):
    together = translator.translations(shuffled[0], n_best=2)
    for sentence, found in zip(shuffled[0][:25], together, strict=False):
        (alone,) = translator.translations([sentence], n_best=2)
        assert [best.text for best in found] == [best.text for best in alone]
        for one, other in zip(found, alone, strict=True):
            assert one.score == pytest.approx(other.score, abs=1e-4)
            assert one.log_probability == pytest.approx(other.log_probability, abs=1e-4)


def test_sentences_without_words_have_empty_translations(translator):
    blank = ["", " ", "\t", "\u2003\u2028", "▁ ▁", "   " * 5000]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert translator.predict(blank) == [""] * 6
        assert translator.predict(blank, n_best=3) == [[""] * 3] * 6
    assert translator.translations([""]) == [[Translation("", 0.0, 0.0)]]


def test_nothing_in_gives_nothing_out(translator):
    assert translator.predict([]) == []
    assert translator.predict(iter(()), n_best=2) == []
    assert translator.translations([]) == []
    states = translator.transform([])
    assert (states.shape, states.dtype) == ((0, 32), np.float32)


def test_a_line_of_5000_words_is_translated_in_parts_with_a_warning(translator, corpus):
    order = np.random.default_rng(3).integers(0, 48, 1000)
    book, expected = (" ".join(side[number] for number in order) for side in (corpus.source, corpus.target))
    assert len(book.split()) == 5000
    with pytest.warns(UserWarning, match="taken in parts") as caught:
        found = translator.predict([corpus.source[3], book, "", corpus.source[7], book], beam_size=2)
    assert [str(warning.message) for warning in caught] == [
        "2 of 5 sentences (the first at index 1) have more than max_length=12 pieces and are taken in parts"
    ]
    same = found == [corpus.target[3], expected, "", corpus.target[7], expected]
    assert same, "to explain how texts of this length differ would take pytest minutes"


def test_a_long_text_without_spaces_or_marks_is_cut_where_it_must(translator):
    with pytest.warns(UserWarning, match="1 of 2 sentences .the first at index 1"):
        found = translator.translations(["the dog", "dog" * 300])
    assert found[1][0].text
    assert math.isfinite(found[1][0].score)


@pytest.fixture
def copying(settings, monkeypatch):
    """A translator that gives every part back as it is."""

    def copies(model, parts, wanted, options, **places):
        return [
            [Hypothesis(part[:-1].tolist() if some else [], 0.0, 0.0)] * options.n_best
            for part, some in zip(parts, wanted, strict=True)
        ]

    monkeypatch.setattr("latticework.translation.learned.search_texts", copies)
    texts = ["ab. c, de", "我们今天去公园。", "คนไทยไปตลาด", "우리는 집에 간다."] * 3
    return TransformerTranslator(**settings | {"max_steps": 1, "vocab_size": 60}).fit(texts, texts)


@pytest.mark.parametrize(
    "text",
    [
        "我们今天去公园。" * 9,
        "我们今天去公园" * 9,
        "คนไทยไปตลาด" * 9,
        "ab. c, de. " * 20 + "c",
        "abcdedcba" * 20,
        "우리는 집에 간다. " * 9 + "c",
        "우리는집에간다" * 9,
        "我们abcded去公园。" * 20,
    ],
)
def test_parts_are_joined_as_they_were_cut(copying, text):
    with pytest.warns(UserWarning, match="taken in parts"):
        assert copying.predict([text], n_best=2) == [[text, text]]


def test_parts_without_words_add_nothing(copying):
    with pytest.warns(UserWarning, match="1 of 2 sentences .the first at index 1"):
        (_, joined) = copying.predict(["c", "ab" + " " * 100 + "de"])
    assert joined.split() == ["ab", "de"]
    assert joined.count(" ") < 25, "only the first and the last part are more than spaces"


def test_texts_that_fit_are_not_decoded_to_see_whether_they_are_blank(copying, monkeypatch):
    decoded = []
    decode = Vocabulary.decode

    def watched(self, sequences):
        decoded.append(len(sequences))
        return decode(self, sequences)

    monkeypatch.setattr(Vocabulary, "decode", watched)
    with pytest.warns(UserWarning, match="1 of 4 sentences"):
        copying.predict(["ab", "", "c", "ab. " * 20])
    for_blanks, of_translations = decoded
    assert for_blanks == of_translations - 3


def test_joined_parts_have_spaces_where_the_language_of_the_translation_has_them():
    cut = [True, True, False]
    assert joined_text(["It rains.", "We do not", "go."], cut) == "It rains. We do notgo."
    assert joined_text(["今天下雨。", "我们", "不去。"], cut) == "今天下雨。我们不去。"
    assert joined_text(["", "It rains.", ""], cut) == "It rains."
    assert joined_text(["It", "", "rains."], [True] * 3) == "It rains."
    assert joined_text([], []) == ""


def test_a_translation_is_one_line_whatever_bytes_the_model_spells():
    vocabulary = SimpleNamespace(decode=lambda sequences: ["a\nb\r\nc"] * len(sequences))
    parts = Parts(EncodedText.from_sequences([[END]]), np.array([0]), np.array([True]))
    ((found,),) = join_parts([[Hypothesis([5], -1.0, -2.0)]], parts, vocabulary, count=1, n_best=1)
    assert found == Translation("a b c", -1.0, -2.0)


def test_a_translation_in_parts_has_the_sums_of_the_scores(translator, corpus):
    alone = translator.translations(corpus.source[:3], n_best=2)
    with pytest.warns(UserWarning, match="taken in parts"):
        (together,) = translator.translations([" ".join(corpus.source[:3])], n_best=2)
    for rank in range(2):
        parts = [best[rank] for best in alone]
        assert together[rank].text == " ".join(part.text for part in parts)
        assert together[rank].score == pytest.approx(sum(part.score for part in parts), abs=1e-3)
        expected = sum(part.log_probability for part in parts)
        assert together[rank].log_probability == pytest.approx(expected, abs=1e-3)


def test_n_best_are_distinct_and_ordered_by_score(translator, corpus):
    source = [*corpus.source[:3], "", corpus.source[3]]
    best = translator.predict(source)
    texts = translator.predict(source, beam_size=5, n_best=3)
    found = translator.translations(source, beam_size=5, n_best=3)
    assert [[translation.text for translation in three] for three in found] == texts
    assert [len(three) for three in found] == [3] * 5
    assert [three[0] for three in texts] == best
    assert texts[3] == [""] * 3
    for three in (*found[:3], found[4]):
        scores = [translation.score for translation in three]
        assert scores == sorted(scores, reverse=True)
        assert len(set(scores)) == 3
        assert len({translation.text for translation in three}) == 3


def test_the_score_is_log_p_over_the_length_penalty(translator, corpus, log_probability):
    for alpha in (0, 0.6, 1):
        for source, (best,) in zip(
            corpus.source[:4], translator.translations(corpus.source[:4], length_penalty=alpha), strict=True
        ):
            log_p, length = log_probability(translator, source, best.text)
            assert best.log_probability == pytest.approx(log_p, abs=1e-4)
            assert best.score == pytest.approx(log_p / ((5 + length) / 6) ** alpha, abs=1e-4)


def test_a_wider_beam_never_finds_less_probable_translations(translator, corpus):
    odd = ["the the dog.", "sees", "tree tree tree", "house the finds"]
    narrow = translator.translations(odd, beam_size=1, length_penalty=0)
    wide = translator.translations(odd, beam_size=16, length_penalty=0)
    for one, other in zip(narrow, wide, strict=True):
        assert other[0].log_probability >= one[0].log_probability - 1e-4


def test_an_output_is_at_most_fifty_pieces_longer_than_its_input(settings, corpus):
    untrained = TransformerTranslator(**settings | {"max_steps": 1}).fit(corpus.source, corpus.target)
    with torch.no_grad():
        untrained.model_.embedding[END] = -untrained.model_.embedding.abs().max() * 100  # never ends by itself
    source = ["the dog.", corpus.source[0]]
    for beam in (1, 3):
        found = untrained.translations(source, beam_size=beam, length_penalty=1)
        lengths = [6 * best.log_probability / best.score - 5 for (best,) in found]
        assert lengths == pytest.approx(untrained.vocabulary_.encode(source).lengths + 50)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"beam_size": 0}, "beam_size=0: expected a whole number of at least 1"),
        ({"beam_size": True}, "beam_size=True: expected a whole number"),
        ({"beam_size": 2.0}, "beam_size=2.0: expected a whole number"),
        ({"beam_size": "4"}, "beam_size='4': expected a whole number"),
        ({"beam_size": 71}, "beam_size=71 is more than the 70 pieces of the vocabulary"),
        ({"n_best": 0}, "n_best=0: expected a whole number of at least 1"),
        ({"n_best": False}, "n_best=False: expected a whole number"),
        ({"n_best": 5}, "n_best=5 needs a beam_size of at least 5, got 4"),
        ({"length_penalty": -0.1}, "length_penalty=-0.1: expected a number of at least 0"),
        ({"length_penalty": float("nan")}, "length_penalty=nan: expected a number"),
        ({"length_penalty": float("inf")}, "length_penalty=inf: expected a number"),
        ({"length_penalty": 10.5}, "length_penalty=10.5: expected a number of at least 0 and at most 10"),
        ({"length_penalty": 10**400}, "length_penalty=1000"),
        ({"length_penalty": True}, "length_penalty=True: expected a number"),
        ({"length_penalty": None}, "length_penalty=None: expected a number"),
        ({"length_penalty": "0.6"}, "length_penalty='0.6': expected a number"),
    ],
)
def test_an_unusable_search_is_named(translator, options, message):
    for method in (translator.predict, translator.translations):
        with pytest.raises(InputError, match=re.escape(message)):
            method(["the dog."], **options)


def test_a_beam_as_wide_as_the_vocabulary_is_allowed(translator, corpus):
    assert translator.predict(corpus.source[:1], beam_size=70, n_best=70)[0][0] == corpus.target[0]


@pytest.mark.parametrize(
    "sentences, message",
    [
        ("the dog.", "sentences: expected a list of sentences, got a single str"),
        (b"the dog.", "sentences: expected a list of sentences, got a single bytes"),
        (None, "sentences: expected a list of sentences, got a single NoneType"),
        (["the dog.", 3.5], "sentences[1]: expected text, got float"),
        (["the dog.", "", ["cat"]], "sentences[2]: expected text, got list"),
        (["a\0"], "sentences[0]: NUL character at position 1"),
        (["a", "\udc80"], "sentences[1]: not valid Unicode text"),
    ],
)
def test_unusable_sentences_are_named_by_their_index(translator, sentences, message):
    for method in (translator.predict, translator.transform, translator.translations):
        with pytest.raises(InputError, match=re.escape(message)):
            method(sentences)
    with pytest.raises(InputError, match=re.escape(message.replace("sentences", "source", 1))):
        translator.attention(sentences)


def test_line_breaks_within_a_sentence_are_spaces(translator, corpus):
    broken = [corpus.source[5].replace(" ", end, 1) for end in ("\n", "\r\n", "\r")]
    assert translator.predict(broken) == [corpus.target[5]] * 3
