"""Sentences as numbers: batches hold what belongs to their sentences, whichever they are."""

import numpy as np
import pytest
import torch

from latticework.ner.features import Inputs
from latticework.ner.lexicon import Lexicon
from latticework.ner.matching import Matcher
from latticework.ner.pretrained import Given
from latticework.nn.sequences import EncodedText

SENTENCES = [list("南京市长江大桥"), [], list("长江"), list("他1走了")]
LEXICON = Lexicon.of(["南京", "南京市", "市长", "长江", "大桥", "长江大桥"])


def inputs(**changes):
    return Inputs.learn(SENTENCES[:3], LEXICON, **{"pairs": True, "places": True, "words": True, **changes})


def arranged(lengths, sentence, begin, end):
    return torch.from_numpy(np.stack([sentence, begin, end]))


def test_a_batch_holds_what_belongs_to_its_sentences():
    learned = inputs()
    features = learned.encode(SENTENCES)
    tags = EncodedText.from_sequences([[index] * len(sentence) for index, sentence in enumerate(SENTENCES)])
    chosen = np.array([2, 3, 0])
    batch = features.batch(chosen, arranged, tags)
    assert batch.lengths.tolist() == [2, 4, 7]
    assert batch.characters[0].tolist() == [*learned.characters.encode(["长", "江"]), 0, 0, 0, 0, 0]
    assert batch.pairs[0].tolist() == [*learned.pairs.encode(["长江", "江"]), 0, 0, 0, 0, 0]
    assert batch.places[0].tolist() == [0, 2, 0, 0, 0, 0, 0]  # begin, end
    assert batch.gold()[:, 0].tolist() == [2, 3, 0]
    words = [learned.words.entries[number - 1] for number in batch.words]
    found = ["".join(SENTENCES[chosen[sentence]][begin:end]) for sentence, begin, end in batch.arcs.T.tolist()]
    assert words == found == ["长江", "南京", "南京市", "市长", "长江", "长江大桥", "大桥"]


def test_words_are_matched_once_though_places_in_them_are_read_too(monkeypatch):
    learned, matched, match = inputs(), [], Matcher.match
    monkeypatch.setattr(Matcher, "match", lambda *arguments: matched.append(arguments) or match(*arguments))
    learned.encode(SENTENCES)
    assert len(matched) == 1


def test_what_a_model_does_not_read_is_not_there():
    features = inputs(pairs=False, places=False, words=False).encode(SENTENCES)
    batch = features.batch(np.array([0]), arranged)
    assert batch.pairs is batch.places is batch.words is batch.arcs is None
    with pytest.raises(ValueError, match="no gold tags"):
        batch.gold()


def test_inputs_come_back_from_plain_values():
    learned = inputs()
    again = Inputs.from_values(learned.to_values(), LEXICON)
    assert again == learned
    for one, other in zip(again.encode(SENTENCES).arrays(), learned.encode(SENTENCES).arrays(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_words_with_a_given_vector_get_numbers_though_training_has_them_not():
    given = Given(words=["大河"], word_vectors=np.ones((1, 3), np.float32))
    lexicon = Lexicon.of([*LEXICON.words, "大河"])
    learned = Inputs.learn(SENTENCES[:1], lexicon, pairs=False, places=False, words=True, given=given)
    assert learned.words.entries[-1] == "大河"
    assert learned.numbers[lexicon.words.index("大河")] == len(learned.words) - 1
