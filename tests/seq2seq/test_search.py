import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import transformer as reference
from seq2seq.texts import sentences

from latticework.core.errors import InputError
from latticework.seq2seq.config import TransformerConfig
from latticework.seq2seq.model import EncoderDecoder
from latticework.seq2seq.search import NEVER, _in_place, beam_search, length_penalty
from latticework.seq2seq.vocabulary import BEGIN, END, PAD, SPECIAL

CONFIG = TransformerConfig(layers=1, d_model=8, heads=2, feed_forward=12, dropout=0.0)
CLOSE = 1e-5  # the search adds logarithms in float32

alphas = pytest.mark.parametrize("alpha", [0.0, 0.6, 1.0, 2.0])
some = settings(max_examples=25)


def make(vocabulary=8, seed=0, usual=None):
    """A model in float64 with opinions of its own; with `usual` END becomes likelier around that place."""
    torch.manual_seed(seed)
    model = Watched(CONFIG, vocabulary).double().eval()
    model.embedding.data[PAD] = torch.randn(8) * 8**-0.5
    model.embedding.data *= 2
    model.usual = usual
    return model


class Watched(EncoderDecoder):
    """Notes the rows of every step."""

    rows = ()

    def step(self, tokens, memory, past):
        self.rows = [*self.rows, len(tokens)]
        return self.lean(super().step(tokens, memory, past), past.length)

    def lean(self, logits, place):
        if self.usual is not None:
            logits[..., END] += 2.0 * (place - self.usual)
        return logits

    def log_probabilities(self, source):
        """log P(next | source, prefix), from the prefix alone, without cache."""
        memory, known = self.remember(source), {}

        @torch.no_grad()
        def next_log_probabilities(prefix):
            prefix = tuple(prefix)
            if prefix not in known:
                logits = self.decode(torch.tensor([[BEGIN, *prefix]]), memory)[0, -1] @ self.embedding.T
                known[prefix] = self.lean(logits, len(prefix) + 1).log_softmax(0).tolist()
            return known[prefix]

        return next_log_probabilities


class Scripted(EncoderDecoder):
    """What follows depends on the newest token alone."""

    def step(self, tokens, memory, past):
        self.steps += 1
        return self.table[tokens]


def scripted(logits):
    """The same logits whatever came before."""
    return scripted_table(torch.tensor(logits).expand(len(logits), -1))


def scripted_table(table):
    model = Scripted(CONFIG, len(table)).eval()
    model.table, model.steps = table, 0
    return model


def chain(links):
    """Logits from probabilities given for some tokens; the rest end at once."""
    vocabulary = 1 + max(max(following) for following in links.values())
    table = torch.full((vocabulary, vocabulary), 1e-9)
    table[:, END] = 1.0
    for token, following in links.items():
        table[token, END] = 1e-9
        for after, probability in following.items():
            table[token, after] = probability
    return scripted_table((table / table.sum(1, keepdim=True)).log())


def sources(seed, lengths, vocabulary=8):
    return sentences(seed, lengths, vocabulary)


def search(model, source, *, beam_size, limits, **options):
    with torch.inference_mode():
        return beam_search(
            model, model.remember(source), beam_size=beam_size, max_lengths=torch.tensor(limits), **options
        )


def assert_same(found, expected):
    """Hypotheses against (score, tokens, log P) of a reference."""
    assert [each.tokens for each in found] == [tokens for _, tokens, _ in expected]
    np.testing.assert_allclose([each.score for each in found], [score for score, _, _ in expected], atol=CLOSE)
    np.testing.assert_allclose(
        [each.log_probability for each in found], [log_p for _, _, log_p in expected], atol=CLOSE
    )


@alphas
def test_penalty_is_gnmts(alpha):
    for length in (1, 2, 7, 300):
        assert length_penalty(length, alpha) == pytest.approx(reference.length_penalty(length, alpha), rel=1e-12)
    assert length_penalty(1, alpha) == 1


@alphas
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_wide_beam_finds_all_that_exhaustive_search_finds_in_the_same_order(alpha, seed):
    """Two pieces, five places: 31 outputs, of which no more than 8 are alive; the paper's model written out decides."""
    model, source, limit = make(SPECIAL + 2, seed), sources(seed, [3], SPECIAL + 2), 5
    weights, known = reference.weights_of(model), {}
    encodings = reference.positions(limit, 8).astype(np.float32)

    def next_log_probabilities(prefix):
        if prefix not in known:
            inputs = [BEGIN, *prefix]
            logits = reference.encoder_decoder_logits(
                weights, source[0].tolist(), inputs, layers=1, heads=2, encodings=encodings
            )
            known[prefix] = reference.log_softmax(logits[-1])
        return known[prefix]

    expected = reference.exhaustive_search(next_log_probabilities, vocabulary=SPECIAL + 2, limit=limit, alpha=alpha)
    assert len(expected) == 31
    for n_best in (1, 5, 31):
        (found,) = search(model, source, beam_size=31, limits=[limit], alpha=alpha, n_best=n_best)
        assert_same(found, expected[:n_best])


@settings(max_examples=100)
@given(
    vocabulary=st.integers(SPECIAL + 1, SPECIAL + 6),
    beam=st.integers(1, 5),
    limit=st.integers(1, 10),
    alpha=st.sampled_from([0.0, 0.6, 1.0, 2.0]),
    usual=st.sampled_from([None, 1, 3, 5]),
    data=st.data(),
    seed=st.integers(0, 99),
)
def test_stopping_early_never_changes_what_the_textbook_search_finds(vocabulary, beam, limit, alpha, usual, data, seed):
    model, source = make(vocabulary, seed, usual), sources(seed, [4], vocabulary)
    expected = reference.beam_search(
        model.log_probabilities(source), vocabulary=vocabulary, beam=beam, limit=limit, alpha=alpha
    )
    n_best = data.draw(st.integers(1, beam))
    (found,) = search(model, source, beam_size=beam, limits=[limit], alpha=alpha, n_best=n_best)
    assert_same(found, expected[:n_best])


def test_search_does_stop_early():
    """Otherwise the test above would compare nothing."""
    for seed in range(6):
        model, source = make(seed=seed, usual=3), sources(seed, [4])
        (found,) = search(model, source, beam_size=3, limits=[200], n_best=2)
        assert len(found[0].tokens) < len(model.rows) < 20
        expected = reference.beam_search(model.log_probabilities(source), vocabulary=8, beam=3, limit=30, alpha=0.6)
        assert_same(found, expected[:2])


def test_search_stops_as_soon_as_nothing_alive_can_win():
    """log 0.9 is above log 0.1 / (55 / 6) for whatever is alive after the first step, at any length up to 50."""
    a, b = SPECIAL, SPECIAL + 1
    model = chain({BEGIN: {END: 0.9, a: 0.05, b: 0.05}, a: {a: 1.0}, b: {b: 1.0}})
    (found,) = search(model, sources(0, [2]), beam_size=2, limits=[50], alpha=1.0)
    assert found[0].tokens == []
    assert model.steps == 1


def test_search_goes_on_while_something_alive_could_still_win_by_its_length():
    """log 0.5 ends first and is above log 0.4, but below log 0.4 over the penalty of the length it gets to."""
    a = SPECIAL
    links = {BEGIN: {END: 0.5, a: 0.4, 13: 0.1}, **{a + i: {a + i + 1: 1.0} for i in range(8)}}
    (found,) = search(chain(links), sources(0, [2]), beam_size=2, limits=[10], alpha=1.0)
    assert found[0].tokens == list(range(a, a + 9))
    assert found[0].score == pytest.approx(np.log(0.4) / (15 / 6), rel=1e-4)


def test_finished_output_takes_no_place_from_those_that_could_still_grow():
    """END is among the two likeliest at first; both others are alive all the same, and the lesser one does better."""
    a, b = SPECIAL, SPECIAL + 1
    model = chain({BEGIN: {a: 0.4, END: 0.31, b: 0.29}, a: {a: 0.3, b: 0.3, END: 0.2, 6: 0.2}, b: {END: 1.0}})
    (found,) = search(model, sources(0, [2]), beam_size=2, limits=[6], alpha=0.0, n_best=2)
    assert [hypothesis.tokens for hypothesis in found] == [[], [b]]


def test_finished_sentences_leave_the_batch():
    model = make(usual=3)
    search(model, sources(0, [3] * 16), beam_size=2, limits=[2, 4, 6, 50] * 4)
    assert model.rows[0] == 16
    assert model.rows == sorted(model.rows, reverse=True)
    assert len(model.rows) < 20
    assert model.rows[2] == 12
    assert model.rows[4] <= 8
    assert model.rows[6] <= 4


@some
@given(vocabulary=st.integers(SPECIAL + 1, SPECIAL + 6), limit=st.integers(1, 40), seed=st.integers(0, 99))
def test_beam_of_one_is_a_greedy_loop_without_cache(vocabulary, limit, seed):
    model, source = make(vocabulary, seed), sources(seed, [5], vocabulary)
    next_log_probabilities = model.log_probabilities(source)
    tokens, log_p = [], 0.0
    while True:
        log_ps = next_log_probabilities(tokens)
        best = max(reference.may_follow(len(tokens) + 1, limit, vocabulary), key=log_ps.__getitem__)
        log_p += log_ps[best]
        if best == END:
            break
        tokens.append(best)
    (found,) = search(model, source, beam_size=1, limits=[limit])
    assert_same(found, [(log_p / reference.length_penalty(len(tokens) + 1, 0.6), tokens, log_p)])


@alphas
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_scores_are_those_of_the_outputs_read_back_by_teacher_forcing(alpha, dtype):
    model = make(12, seed=3).to(dtype)
    source = sources(1, [6, 2, 4], 12)
    for row, best in enumerate(search(model, source, beam_size=4, limits=[40, 7, 12], alpha=alpha, n_best=4)):
        words = source[row : row + 1, : [6, 2, 4][row]]
        assert len(best) == 4
        for hypothesis in best:
            log_p = -model(words, torch.tensor([[*hypothesis.tokens, END]])).item()
            assert hypothesis.log_probability == pytest.approx(log_p, abs=1e-4)
            penalty = reference.length_penalty(len(hypothesis.tokens) + 1, alpha)
            assert hypothesis.score == pytest.approx(log_p / penalty, abs=1e-4)


def test_search_in_bfloat16_scores_its_outputs_as_float32_does_but_for_rounding():
    model, source = make(12, seed=3, usual=6).float(), sources(1, [6, 2, 4], 12)
    with torch.autocast("cpu", torch.bfloat16):
        outcomes = search(model, source, beam_size=4, limits=[12, 12, 12], n_best=4)
    for row, best in enumerate(outcomes):
        next_log_probabilities = model.log_probabilities(source[row : row + 1, : [6, 2, 4][row]])
        for hypothesis in best:
            output = [*hypothesis.tokens, END]
            log_p = sum(next_log_probabilities(output[:t])[output[t]] for t in range(len(output)))
            assert hypothesis.log_probability != log_p
            assert hypothesis.log_probability == pytest.approx(log_p, abs=0.05 * len(output))  # nats


@pytest.mark.parametrize("beam_size, n_best", [(4, 4), (6, 3)])
def test_best_outputs_are_sorted_and_distinct(beam_size, n_best):
    for best in search(make(), sources(0, [6, 3, 1, 5]), beam_size=beam_size, limits=[9, 3, 20, 4], n_best=n_best):
        scores = [hypothesis.score for hypothesis in best]
        assert len(best) == n_best
        assert scores == sorted(scores, reverse=True)
        assert len({tuple(hypothesis.tokens) for hypothesis in best}) == n_best


@pytest.mark.parametrize("limit, count", [(1, 1), (2, 3), (3, 7), (4, 8)])
def test_fewer_outputs_come_back_only_where_fewer_exist(limit, count):
    """Two pieces, at most `limit` tokens with END: 1, 3, 7, 15 outputs."""
    (best,) = search(make(SPECIAL + 2), sources(0, [3], SPECIAL + 2), beam_size=8, limits=[limit], n_best=8)
    assert len(best) == count
    possible = {
        tokens for length in range(limit) for tokens in itertools.product((SPECIAL, SPECIAL + 1), repeat=length)
    }
    assert {tuple(hypothesis.tokens) for hypothesis in best} <= possible


@pytest.mark.parametrize("beam_size", [1, 3])
def test_sentences_of_a_batch_do_not_influence_one_another(beam_size):
    lengths, limits = [5, 1, 9, 3, 3, 7, 2, 4, 6, 8], [9, 3, 20, 1, 14, 2, 6, 30, 5, 11]
    model, source = make(12, seed=2, usual=5), sources(4, lengths, 12)
    together = search(model, source, beam_size=beam_size, limits=limits, n_best=beam_size)
    assert min(model.rows) < len(lengths)  # some left before others
    for row, length in enumerate(lengths):
        alone = search(
            model, source[row : row + 1, :length], beam_size=beam_size, limits=[limits[row]], n_best=beam_size
        )
        assert_same(together[row], [(each.score, each.tokens, each.log_probability) for each in alone[0]])
    assert len({tuple(best[0].tokens) for best in together}) > len(lengths) // 2


@pytest.mark.parametrize("beam_size", [1, 2, 6])
@pytest.mark.parametrize("limits", [[1, 2, 5], [40, 3, 1]])
def test_outputs_keep_to_their_limit_and_hold_no_special_piece(beam_size, limits):
    """A model that would say PAD, UNKNOWN and BEGIN for ever, and never END."""
    logits = [9.0, 8.0, 7.0, -50.0, 1.0, 0.5, 0.0]
    model, source = scripted(logits), sources(0, [3, 2, 2], 7)
    outcomes = search(
        model, source, beam_size=beam_size, limits=limits, alpha=4.0, n_best=beam_size
    )  # prefers the long
    for best, limit in zip(outcomes, limits, strict=True):
        assert best[0].tokens == [SPECIAL] * (limit - 1)
        for hypothesis in best:
            assert len(hypothesis.tokens) < limit
            assert not {*NEVER, END} & set(hypothesis.tokens)
        log_p = (limit - 1) * float(torch.tensor(logits).log_softmax(0)[SPECIAL])
        log_p += float(torch.tensor(logits).log_softmax(0)[END])
        assert best[0].log_probability == pytest.approx(log_p, rel=1e-5)


def test_beam_wider_than_the_vocabulary_is_no_error():
    model, source = make(SPECIAL + 1), sources(0, [2], SPECIAL + 1)
    (best,) = search(model, source, beam_size=50, limits=[4], n_best=50)
    expected = reference.exhaustive_search(model.log_probabilities(source), vocabulary=SPECIAL + 1, limit=4, alpha=0.6)
    assert_same(best, expected)


def test_larger_alpha_prefers_longer_outputs():
    model, source = make(12, seed=5, usual=3), sources(3, [4] * 8, 12)
    lengths = [
        sum(len(best[0].tokens) for best in search(model, source, beam_size=6, limits=[15] * 8, alpha=alpha))
        for alpha in (0.0, 1.0, 3.0)
    ]
    assert lengths == sorted(lengths)
    assert len(set(lengths)) == 3


def test_search_leaves_the_memory_it_was_given_alone():
    model, source = make(), sources(0, [4, 2, 3])
    with torch.inference_mode():
        memory = model.remember(source)
        before = [tensor.clone() for pair in memory.layers for tensor in pair]
        twice = [beam_search(model, memory, beam_size=3, max_lengths=torch.tensor([5, 9, 2])) for _ in range(2)]
    assert twice[0] == twice[1]
    for tensor, kept in zip((tensor for pair in memory.layers for tensor in pair), before, strict=True):
        assert torch.equal(tensor, kept)


def test_searches_with_the_same_weights_share_a_decoder(monkeypatch):
    model, source = make(), sources(0, [4, 2])
    once = search(model, source, beam_size=2, limits=[5, 5])
    monkeypatch.setattr(type(model), "lay_out", pytest.fail)
    assert search(model, source, beam_size=2, limits=[5, 5]) == once


def test_memory_made_while_gradients_are_on_serves_a_search_under_autocast():
    model, source = make(usual=3).float(), sources(0, [4, 2])
    with torch.autocast("cpu", torch.bfloat16):
        memory = model.remember(source)
        outcomes = beam_search(model, memory, beam_size=2, max_lengths=torch.tensor([9, 9]))
    assert all(best[0].tokens for best in outcomes)


def test_no_sentences_give_no_outputs():
    model = make()
    with torch.inference_mode():
        memory = model.remember(sources(0, [3])).select(torch.empty(0, dtype=torch.int64))
        assert beam_search(model, memory, beam_size=2, max_lengths=torch.empty(0, dtype=torch.int64)) == []


@pytest.mark.parametrize("beam", [2, 4, 7])
def test_the_first_child_of_each_parent_takes_its_place(beam):
    parents = torch.randint(beam, (200, beam), generator=torch.Generator().manual_seed(beam))
    order = _in_place(parents)
    assert torch.equal(order.sort(1).values, torch.arange(beam).expand(200, -1))
    for born, placed, children in zip(parents.tolist(), parents.gather(1, order).tolist(), order.tolist(), strict=True):
        for parent in set(born):
            assert placed[parent] == parent
            assert children[parent] == born.index(parent)


def test_what_cannot_be_searched_for_is_refused():
    model, source = make(12), sources(0, [3, 2], 12)
    with pytest.raises(InputError, match="n_best=2: expected at most 1"):
        search(model, source, beam_size=1, limits=[3, 3], n_best=2)
    with pytest.raises(InputError, match="max_lengths must be at least 1, room for the end token, got 0"):
        search(model, source, beam_size=1, limits=[3, 0])
