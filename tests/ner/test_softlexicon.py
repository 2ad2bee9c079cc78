"""SoftLexicon: equal to the paper's equations one by one, and to itself whatever else is in the batch."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lattices import columns_of, draw_arcs
from reference.softlexicon import soft_lexicon
from taggers import CONFIG, SENTENCES, TAGS, WORDS, TaggerCases

from latticework.ner import SoftLexiconTagger
from latticework.ner.features import Batch
from latticework.ner.softlexicon import Memberships, SoftLexicon, soft_sets
from latticework.ner.vocabulary import Vocabulary


class TestSoftLexiconTagger(TaggerCases):
    tagger = SoftLexiconTagger


def draw(seed, lengths, *, share=0.3, size=3):
    """Random words, (sentence, begin, end) sentence by sentence, with vectors and counts, of a batch."""
    generator = np.random.default_rng(seed)
    arcs = draw_arcs(generator, lengths, share)
    time = max(lengths, default=0)
    vectors = [
        torch.from_numpy(generator.normal(size=shape)) for shape in ((len(arcs), size), (len(lengths), time, size))
    ]
    counts = [torch.from_numpy(generator.integers(1, 9, shape) * 1.0) for shape in (len(arcs), (len(lengths), time))]
    return arcs, *(each.requires_grad_() for each in vectors), *counts


def members_of(lengths, arcs):
    return Memberships.of(*columns_of(lengths, arcs))


@settings(max_examples=40)
@given(lengths=st.lists(st.integers(0, 7), min_size=1, max_size=5), seed=st.integers(0, 999))
def test_sets_are_those_of_the_equations_and_so_are_their_gradients(lengths, seed):
    arcs, words, singles, counts, single_counts = draw(seed, lengths)
    found = soft_sets(members_of(lengths, arcs), words, counts, singles, single_counts)
    expected = torch.zeros_like(found)
    for sentence, length in enumerate(lengths):
        mine = [k for k, arc in enumerate(arcs) if arc[0] == sentence]
        spans = [arcs[k][1:] for k in mine]
        rows = soft_lexicon(words[mine], counts[mine], spans, singles[sentence, :length], single_counts[sentence])
        for place, row in enumerate(rows):
            expected[sentence, place] = row
    weights = torch.randn(found.shape, generator=torch.Generator().manual_seed(seed), dtype=found.dtype)
    for sentence, length in enumerate(lengths):
        weights[sentence, length:] = 0
    torch.testing.assert_close(found * (weights != 0), expected)
    if not sum(lengths):
        return
    of_found = torch.autograd.grad((found * weights).sum(), [words, singles])
    of_expected = torch.autograd.grad(
        (expected * weights).sum(), [words, singles], materialize_grads=True, allow_unused=True
    )
    for one, other in zip(of_found, of_expected, strict=True):
        torch.testing.assert_close(one, other)


def test_a_single_word_in_numbers():
    members = members_of([3], [(0, 0, 3)])
    words, singles = torch.tensor([[1.0]]), torch.tensor([[[10.0], [20.0], [30.0]]])
    found = soft_sets(members, words, torch.tensor([3.0]), singles, torch.tensor([[1.0, 3.0, 9.0]]))
    assert found.tolist() == [[[3.0, 0, 0, 10.0], [0, 2.0, 0, 40.0], [0, 0, 1.0, 90.0]]]


def test_sets_of_a_character_weigh_four_together():
    arcs, words, singles, counts, single_counts = draw(0, [6, 4])
    found = soft_sets(members_of([6, 4], arcs), torch.ones_like(words), counts, torch.ones_like(singles), single_counts)
    torch.testing.assert_close(found.view(2, 6, 4, -1).sum(2), torch.full((2, 6, 3), 4.0, dtype=torch.float64))


def encoder():
    torch.manual_seed(0)
    characters, words = Vocabulary(tuple("长江大桥"), (4, 3, 2, 1)), Vocabulary(("长江", "大桥"), (5, 2))
    return SoftLexicon(3, characters, words, 8, CONFIG).double().eval()


def batch_of(lengths, arcs, numbers):
    host = torch.tensor(lengths)
    characters = (torch.arange(max(lengths)) < host[:, None]).long()
    return Batch(host, host, characters, words=torch.tensor(numbers, dtype=torch.int64), arcs=members_of(lengths, arcs))


def test_states_do_not_depend_on_the_rest_of_the_batch():
    model = encoder()
    x = torch.randn(3, 6, 3, dtype=torch.float64)
    together = model(x, batch_of([4, 6, 1], [(0, 1, 3), (1, 0, 6), (1, 2, 4)], [1, 2, 0]))
    alone = model(x[:1, :4], batch_of([4], [(0, 1, 3)], [1]))
    torch.testing.assert_close(together[:1, :4], alone)
    silent = model(x[2:, :1], batch_of([1], [], []))
    torch.testing.assert_close(together[2:, :1], silent)


def test_a_word_changes_its_characters_and_gradients_reach_its_vector():
    model = encoder()
    x = torch.randn(1, 4, 3, dtype=torch.float64)
    with_word, without = batch_of([4], [(0, 1, 4)], [1]), batch_of([4], [], [])
    assert not torch.allclose(model(x, with_word), model(x, without))
    model(x, with_word).sum().backward()
    assert model.words.table.grad[1].abs().sum() > 0
    assert model.words.table.grad[2].abs().sum() == 0


def test_counts_are_those_of_training_and_one_for_what_it_did_not_show():
    known = Vocabulary(("长江", "大桥", "给定"), (5, 2))
    model = SoftLexicon(3, known, known, 8, CONFIG)
    assert model.counts.tolist() == [1, 5, 2, 1]


def test_a_character_that_training_did_not_show_is_the_unknown_one_in_its_own_set_whatever_is_given():
    shown, given_too = (Vocabulary(entries, (4, 3)) for entries in (("长", "江"), ("长", "江", "水", "河")))
    words, x = Vocabulary((), ()), torch.randn(1, 4, 3, generator=torch.Generator().manual_seed(0))
    models = []
    for characters in (shown, given_too):
        torch.manual_seed(0)
        models.append(SoftLexicon(3, characters, words, 8, CONFIG).eval())
    one, other = models
    assert one.singles.given.shape == other.singles.given.shape == (0, CONFIG.word_size)
    host = torch.tensor([4])
    alone, too = (
        Batch(host, host, torch.tensor([numbers]), words=torch.zeros(0, dtype=torch.int64), arcs=members_of([4], []))
        for numbers in ([1, 0, 2, 0], [1, 3, 2, 4])
    )
    torch.testing.assert_close(other(x, too), one(x, alone), rtol=0, atol=0)


def test_a_tagger_reads_the_unknown_character_beside_the_vector_that_is_given_of_an_unseen_one(tmp_path):
    file = tmp_path / "characters.vec"
    file.write_text("3 2\n我 3 4\n水 1 0\n火 1 0\n", encoding="utf-8")
    tagger = SoftLexiconTagger(
        WORDS, char_vectors=file, hidden_size=8, max_epochs=1, config=CONFIG, random_state=0, device="cpu"
    ).fit(SENTENCES, TAGS)
    assert tagger.learned_.inputs.characters.entries[-2:] == ("水", "火")
    tagger.save(tmp_path / "model")
    texts = ["在水", "在火", "在山"]
    found = SoftLexiconTagger.load(tmp_path / "model", device="cpu").transform(texts)
    np.testing.assert_array_equal(found, tagger.transform(texts))
    with torch.no_grad():
        tagger.model_.encoder.singles.table[0] += 1
    assert not np.isclose(found, tagger.transform(texts)).all(axis=1).any()


def test_a_sentence_of_600_characters():
    model = encoder()
    arcs = [(0, begin, begin + 2) for begin in range(598)]
    assert model(torch.randn(1, 600, 3, dtype=torch.float64), batch_of([600], arcs, [1] * 598)).shape == (1, 600, 8)


@pytest.mark.filterwarnings("ignore:none of the lexicon:UserWarning", "ignore:the lexicon has no word:UserWarning")
@pytest.mark.parametrize("lexicon", [None, [], ["从未"]])
def test_it_learns_without_words_that_match(lexicon):
    tagger = SoftLexiconTagger(lexicon, hidden_size=8, max_epochs=1, config=CONFIG, random_state=0, device="cpu")
    assert len(tagger.fit(SENTENCES, TAGS).predict(["长江", ""])[0]) == 2


def test_another_lexicon_changes_the_answer():
    tagger = SoftLexiconTagger(WORDS, hidden_size=16, max_epochs=1, config=CONFIG, random_state=0, device="cpu")
    fitted = tagger.fit(SENTENCES, TAGS)
    other = fitted.with_lexicon(["他在"]).character_states(["他在长江"])[0]
    assert not np.allclose(fitted.character_states(["他在长江"])[0], other)
