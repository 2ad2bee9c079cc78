"""FLAT: equal to the paper's equations one by one, in blocks too, and to itself whatever else is in the batch."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lattices import columns_of, draw_arcs
from reference.flat import flat
from taggers import SENTENCES, TAGS, WORDS, TaggerCases

from latticework.core import InputError
from latticework.ner import FlatConfig, FlatTagger
from latticework.ner import flat as module
from latticework.ner.features import Batch
from latticework.ner.flat import FlatEncoder, WordTokens
from latticework.ner.vocabulary import Vocabulary

SMALL = FlatConfig(
    heads=2,
    feed_forward=16,
    char_size=8,
    word_size=8,
    batch_size=4,
    learning_rate=0.02,
    char_dropout=0.1,
    word_dropout=0.1,
)


class TestFlatTagger(TaggerCases):
    tagger = FlatTagger
    config = SMALL

    def test_a_width_that_the_heads_do_not_divide_is_refused(self):
        with pytest.raises(InputError, match="hidden_size=18: expected a multiple of heads=4"):
            FlatTagger(WORDS, hidden_size=18, config=FlatConfig(heads=4)).fit(SENTENCES, TAGS)


def encoder(seed=0, heads=2, size=8, dtype=torch.float64):
    torch.manual_seed(seed)
    model = FlatEncoder(
        3, Vocabulary(tuple("abcdefgh"), (1,) * 8), size, FlatConfig(heads=heads, word_size=4, feed_forward=6)
    )
    for parameter in model.parameters():
        parameter.data = torch.randn(parameter.shape) / 2
    return model.to(dtype).eval()


def draw(seed, lengths, share=0.3):
    """Random words, (sentence, begin, end) sentence by sentence, and a vector for each character of the batch."""
    generator = np.random.default_rng(seed)
    arcs = draw_arcs(generator, lengths, share)
    numbers = generator.integers(0, 9, len(arcs)).tolist()
    return arcs, numbers, torch.from_numpy(generator.normal(size=(len(lengths), max(lengths, default=0), 3)))


def batch_of(lengths, arcs, numbers):
    host = torch.tensor(lengths)
    words = WordTokens.of(*columns_of(lengths, arcs))
    characters = torch.zeros(len(lengths), max(lengths), dtype=torch.int64)
    return Batch(host, host, characters, words=torch.tensor(numbers, dtype=torch.int64), arcs=words)


@settings(max_examples=15)
@given(
    lengths=st.lists(st.integers(0, 6), min_size=1, max_size=3),
    seed=st.integers(0, 999),
    heads=st.sampled_from([1, 2, 4]),
)
def test_states_are_those_of_the_equations_and_so_are_their_gradients(lengths, seed, heads):
    model = encoder(seed, heads)
    arcs, numbers, characters = draw(seed, lengths)
    characters.requires_grad_()
    found = model(characters, batch_of(lengths, arcs, numbers))
    parameters = dict(model.named_parameters())
    expected = torch.zeros_like(found)
    for sentence, length in enumerate(lengths):
        mine = [k for k, arc in enumerate(arcs) if arc[0] == sentence]
        words = model.words.table[[numbers[k] for k in mine]]
        for place, state in enumerate(
            flat(parameters, characters[sentence, :length], words, [arcs[k][1:] for k in mine], heads=heads)
        ):
            expected[sentence, place] = state
    weights = torch.randn(found.shape, dtype=found.dtype)
    for sentence, length in enumerate(lengths):
        weights[sentence, length:] = 0
    torch.testing.assert_close(found * (weights != 0), expected)
    if not sum(lengths):
        return
    learnt = [characters, *parameters.values()]
    of_found = torch.autograd.grad((found * weights).sum(), learnt, materialize_grads=True, allow_unused=True)
    of_expected = torch.autograd.grad((expected * weights).sum(), learnt, materialize_grads=True, allow_unused=True)
    for one, other in zip(of_found, of_expected, strict=True):
        torch.testing.assert_close(one, other)


def test_blocks_give_the_same_states_and_gradients(monkeypatch):
    model = encoder()
    arcs, numbers, characters = draw(1, [9, 7, 2])
    characters.requires_grad_()
    batch = batch_of([9, 7, 2], arcs, numbers)
    learnt = [characters, *model.parameters()]

    def states_and_gradients():
        states = model(characters, batch)
        return states, *torch.autograd.grad(states.square().sum(), learnt)

    whole = states_and_gradients()
    monkeypatch.setattr(module, "MOST_NUMBERS", 1)
    for one, other in zip(states_and_gradients(), whole, strict=True):
        torch.testing.assert_close(one, other)
    with torch.inference_mode():
        torch.testing.assert_close(model(characters, batch), whole[0])


def test_states_do_not_depend_on_the_rest_of_the_batch():
    model = encoder()
    arcs, numbers, characters = draw(2, [5, 8, 0, 3])
    together = model(characters, batch_of([5, 8, 0, 3], arcs, numbers))
    for sentence, length in ((0, 5), (3, 3)):
        mine = [k for k, arc in enumerate(arcs) if arc[0] == sentence]
        alone = batch_of([length], [(0, *arcs[k][1:]) for k in mine], [numbers[k] for k in mine])
        torch.testing.assert_close(
            together[sentence : sentence + 1, :length], model(characters[[sentence], :length], alone)
        )
    assert torch.isfinite(together).all()


def test_the_order_of_words_is_of_no_account_but_their_places_are():
    model = encoder()
    x = torch.randn(1, 6, 3, dtype=torch.float64)
    first = model(x, batch_of([6], [(0, 0, 2), (0, 1, 4)], [1, 2]))
    torch.testing.assert_close(model(x, batch_of([6], [(0, 1, 4), (0, 0, 2)], [2, 1])), first)
    assert not torch.allclose(model(x, batch_of([6], [(0, 0, 2), (0, 1, 4)], [2, 1])), first)
    assert not torch.allclose(model(x, batch_of([6], [(0, 0, 2), (0, 2, 5)], [1, 2])), first)


def test_the_tail_of_a_very_long_word_is_where_the_longest_words_end(monkeypatch):
    model = encoder()
    x = torch.randn(1, 9, 3, dtype=torch.float64)
    shorter = model(x, batch_of([9], [(0, 1, 5)], [1]))
    assert not torch.allclose(model(x, batch_of([9], [(0, 1, 8)], [1])), shorter)
    monkeypatch.setattr(module, "LONGEST", 4)
    torch.testing.assert_close(model(x, batch_of([9], [(0, 1, 8)], [1])), shorter)


def test_no_word_in_a_batch():
    model = encoder()
    assert model(torch.randn(2, 3, 3, dtype=torch.float64), batch_of([3, 1], [], [])).shape == (2, 3, 8)


def test_a_sentence_of_600_characters_in_training(monkeypatch):
    monkeypatch.setattr(module, "MOST_NUMBERS", 2**20)
    model = encoder(dtype=torch.float32)
    arcs = [(0, begin, begin + 2) for begin in range(598)]
    states = model(torch.randn(1, 600, 3), batch_of([600], arcs, [1] * 598))
    states.square().sum().backward()
    assert states.shape == (1, 600, 8)
    assert all(torch.isfinite(parameter.grad).all() for parameter in model.attention.parameters())


@pytest.mark.filterwarnings("ignore:none of the lexicon:UserWarning", "ignore:the lexicon has no word:UserWarning")
@pytest.mark.parametrize("lexicon", [None, ["从未"]])
def test_it_learns_without_words_that_match(lexicon):
    tagger = FlatTagger(lexicon, hidden_size=8, max_epochs=1, config=SMALL, random_state=0, device="cpu")
    assert len(tagger.fit(SENTENCES, TAGS).predict(["长江", ""])[0]) == 2


@pytest.mark.parametrize("name, value", [("heads", 0), ("feed_forward", 1.5), ("layer_dropout", 1), ("char_size", 0)])
def test_a_configuration_that_makes_no_sense_is_refused(name, value):
    with pytest.raises(InputError, match=name):
        FlatConfig(**{name: value})
