"""From emissions to entities: tags are legal, probabilities are between 0 and 1, batches do not matter."""

import numpy as np
import pytest
import torch

from latticework.ner import LatticeTagger, TaggerConfig
from latticework.ner import decoding as module
from latticework.ner.decoding import TagSet, decode, decode_with_scores, fusion_weights, states
from latticework.ner.features import Inputs
from latticework.ner.lexicon import Lexicon
from latticework.ner.tags import Span, faults, tags_of

CPU = torch.device("cpu")
TAG_SET = TagSet(("LOC", "RIV"))
GENERATOR = np.random.default_rng(0)
SENTENCES = [list(GENERATOR.choice(list("长江城在了"), size=length)) for length in (0, 1, 2, 7, 30, 30, 3)]


@pytest.fixture(scope="module")
def model():
    inputs = Inputs.learn(SENTENCES, Lexicon.of(["长江", "江城", "在了"]), pairs=False, places=False, words=True)
    torch.manual_seed(0)
    config = TaggerConfig(char_size=8, word_size=6)
    built = LatticeTagger.architecture.build(inputs, config, tags=len(TAG_SET.names), hidden_size=12).eval()
    with torch.no_grad():
        for parameter in built.crf.parameters():
            parameter.normal_(0, 3)  # as if it had learnt, whatever
        built.emit.weight.mul_(20)
    return built, inputs.encode(SENTENCES)


def test_tags_are_legal_whatever_the_model_says(model):
    found = decode(*model[:1], TAG_SET, model[1], device=CPU)
    assert len(found) == len(SENTENCES)
    assert sum(map(len, found)) > 5
    for sentence, spans in zip(SENTENCES, found, strict=True):
        assert faults(tags_of(spans, len(sentence))) == []


def test_entities_come_with_probabilities(model):
    found, scores = decode_with_scores(model[0], TAG_SET, model[1], device=CPU)
    assert found == decode(model[0], TAG_SET, model[1], device=CPU)
    assert [len(row) for row in scores] == [len(row) for row in found]
    assert all(0 < score <= 1 for row in scores for score in row)


def test_small_batches_give_the_same(model, monkeypatch):
    expected, states_expected = decode(model[0], TAG_SET, model[1], device=CPU), dict(states(*model, device=CPU))
    monkeypatch.setattr(module, "EVALUATION_TOKENS", 1)
    assert decode(model[0], TAG_SET, model[1], device=CPU) == expected
    found = dict(states(*model, device=CPU))
    assert found.keys() == states_expected.keys()
    for index, expected_states in states_expected.items():
        np.testing.assert_allclose(found[index], expected_states, atol=1e-5)


def test_states_have_a_row_a_character(model):
    found = dict(states(*model, device=CPU))
    assert [found[index].shape for index in sorted(found)] == [(len(sentence), 12) for sentence in SENTENCES]


def test_fusion_weights_have_a_row_for_each_character_and_word(model):
    inputs = Inputs.learn(SENTENCES, Lexicon.of(["长江", "江城", "在了"]), pairs=False, places=False, words=True)
    own, words = fusion_weights(model[0], inputs.encode([list("长江城")]), device=CPU)
    assert own.shape == (3, 2)
    assert words.shape == (2, 2)


def test_numbers_of_tags_are_their_entities():
    lengths = np.array([5, 0])
    spans = [[Span(0, 1, "LOC"), Span(2, 5, "RIV")], []]
    encoded = TAG_SET.encode(spans, lengths)
    assert [TAG_SET.names[number] for number in encoded[0]] == ["S-LOC", "O", "B-RIV", "M-RIV", "E-RIV"]
    assert [TAG_SET.spans(encoded[index]) for index in range(2)] == spans
    assert [TAG_SET.names[number] for number in TAG_SET.path(Span(3, 5, "LOC"))] == ["B-LOC", "E-LOC"]
