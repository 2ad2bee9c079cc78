import itertools
import math

import numpy as np
import pytest
import torch
import torchcrf
from hypothesis import given
from hypothesis import strategies as st
from nn.chains import allow, draw, examples, lists, sentences, small
from nn.watching import WAITS, Watching
from reference import crf as reference
from reference.derivatives import assert_gradients

from latticework.core.errors import InputError
from latticework.nn import ChainScores, Dropout, LinearChainCRF, SelfAttention
from latticework.nn import crf as chain

dtypes = pytest.mark.parametrize("dtype", [torch.float32, torch.float64])


@examples
@small
def test_likelihood_is_that_of_the_reference_and_of_all_sequences_listed(lengths, tags, scale, seed):
    emissions, gold, lengths, scores = draw(seed, lengths, tags, scale=scale)
    found = chain.negative_log_likelihood(emissions, gold, lengths, scores)
    for loss, rows, path in zip(found.tolist(), sentences(emissions, lengths), gold.tolist(), strict=True):
        path = tuple(path[: len(rows)])
        listed = reference.everything(rows, *lists(scores))
        expected = reference.log_sum(list(listed.values())) - listed[path]
        np.testing.assert_allclose(loss, expected, rtol=1e-12, atol=1e-10 * max(1, scale))
        literal = reference.negative_log_likelihood(rows, path, *lists(scores))
        np.testing.assert_allclose(loss, literal, rtol=1e-12, atol=1e-10 * max(1, scale))


@examples
@small
def test_marginals_are_those_of_the_reference_and_of_all_sequences_listed(lengths, tags, scale, seed):
    emissions, _, lengths, scores = draw(seed, lengths, tags, scale=scale)
    for found, rows in zip(chain.marginals(emissions, lengths, scores), sentences(emissions, lengths), strict=True):
        assert (found[len(rows) :] == 0).all()
        expected = np.zeros((len(rows), tags))
        for path, probability in reference.probabilities(reference.everything(rows, *lists(scores))).items():
            expected[range(len(rows)), path] += probability
        np.testing.assert_allclose(found[: len(rows)], expected, rtol=1e-8, atol=1e-9)
        literal = np.array(reference.marginals(rows, *lists(scores))).reshape(len(rows), tags)
        np.testing.assert_allclose(found[: len(rows)], literal, rtol=1e-8, atol=1e-9)


@examples
@small
def test_span_probability_is_the_sum_over_the_sequences_that_hold_the_span(lengths, tags, scale, seed):
    emissions, gold, lengths, scores = draw(seed, lengths, tags, scale=scale)
    spans = [
        (row, begin, end)
        for row, length in enumerate(lengths.tolist())
        for begin, end in itertools.combinations(range(length + 1), 2)
    ]
    sentence, begin, end = torch.tensor(spans, dtype=torch.int64).view(-1, 3).unbind(1)
    width = int((end - begin).max()) if spans else 0
    places = begin[:, None] + torch.arange(width)
    paths = gold[sentence[:, None], places.clamp(max=max(gold.shape[1] - 1, 0))] if spans else gold.new_zeros(0, 0)
    found = chain.span_log_probability(emissions, lengths, sentence, begin, paths, end - begin, scores)
    listed = [reference.everything(rows, *lists(scores)) for rows in sentences(emissions, lengths)]
    for logarithm, (row, first, last) in zip(found.tolist(), spans, strict=True):
        part = tuple(gold[row, first:last].tolist())
        holding = [value for path, value in listed[row].items() if path[first:last] == part]
        expected = reference.log_sum(holding) - reference.log_sum(list(listed[row].values()))
        np.testing.assert_allclose(logarithm, expected, rtol=1e-9, atol=1e-9 * max(1, scale))


@examples
@given(
    lengths=st.lists(st.integers(0, 6), min_size=1, max_size=4),
    tags=st.integers(1, 4),
    scale=st.sampled_from([0.5, 5.0]),
    seed=st.integers(0, 99),
)
def test_gradients_are_slopes_of_the_reference(lengths, tags, scale, seed):
    emissions, gold, lengths, scores = draw(seed, lengths, tags, scale=scale)
    names = ("emissions", *ChainScores._fields)
    leaves = dict(zip(names, (each.requires_grad_() for each in (emissions, *scores)), strict=True))
    weights = torch.arange(1.0, len(lengths) + 1).double()
    loss = chain.negative_log_likelihood(emissions, gold, lengths, scores) @ weights
    gradients = torch.autograd.grad(loss, list(leaves.values()))

    def expected(values):
        return sum(
            weight * reference.negative_log_likelihood(rows, path[: len(rows)], *(values[n] for n in names[1:]))
            for weight, rows, path in zip(
                weights.tolist(), sentences(values["emissions"], lengths), gold.tolist(), strict=True
            )
        )

    assert_gradients(
        expected,
        {name: leaf.detach().numpy() for name, leaf in leaves.items()},
        {name: gradient.numpy() for name, gradient in zip(names, gradients, strict=True)},
        atol=1e-6,
    )


@pytest.mark.parametrize("scale", [1.0, 40.0, 2e3])
def test_gradients_pass_gradcheck(scale):
    emissions, gold, lengths, scores = draw(0, [5, 0, 3, 1], 3, scale=scale, padding=1)
    leaves = [each.requires_grad_() for each in (emissions, *scores)]

    def loss(emissions, *scores):
        return chain.negative_log_likelihood(emissions, gold, lengths, ChainScores(*scores))

    assert torch.autograd.gradcheck(loss, leaves, eps=1e-5, atol=1e-5)


@dtypes
@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_chain_agrees_with_torchcrf(dtype, scale):
    emissions, gold, lengths, scores = draw(1, [30, 1, 17, 29, 8], 9, dtype=dtype)
    emissions = (emissions * scale).requires_grad_()
    peer = torchcrf.CRF(9, batch_first=True).to(dtype)
    ours = LinearChainCRF(9).to(dtype)
    theirs = (peer.transitions, peer.start_transitions, peer.end_transitions)
    with torch.no_grad():
        for parameters in (ours.scores, theirs):
            for parameter, value in zip(parameters, scores, strict=True):
                parameter.copy_(value)
    mask = torch.arange(30) < lengths[:, None]
    losses = ours.negative_log_likelihood(emissions, gold, lengths)
    expected = -peer(emissions, gold, mask, reduction="none")
    torch.testing.assert_close(losses, expected, rtol=1e-5, atol=1e-4 * scale)
    for gradient, other in zip(
        torch.autograd.grad(losses.sum(), [emissions, *ours.scores]),
        torch.autograd.grad(expected.sum(), [emissions, *theirs]),
        strict=True,
    ):
        torch.testing.assert_close(gradient, other, rtol=1e-3, atol=1e-4)
    best, _ = ours.viterbi(emissions, lengths)
    assert sentences(best, lengths) == peer.decode(emissions, mask)


@dtypes
def test_gradient_of_emissions_is_the_marginals_less_the_gold(dtype):
    emissions, gold, lengths, scores = draw(2, [6, 0, 9], 5, dtype=dtype)
    emissions.requires_grad_()
    (gradient,) = torch.autograd.grad(chain.negative_log_likelihood(emissions, gold, lengths, scores).sum(), emissions)
    seen = torch.nn.functional.one_hot(gold, 5) * (torch.arange(9) < lengths[:, None])[:, :, None]
    torch.testing.assert_close(gradient, chain.marginals(emissions, lengths, scores) - seen)


def test_forbidden_transitions_are_scores_of_minus_infinity():
    emissions, gold, lengths, scores = draw(3, [6, 2, 5], 4, scale=3.0)
    allowed = allow(3, 4)
    gold, _ = chain.viterbi(torch.randn_like(emissions), lengths, scores, allowed=allowed)
    scores = ChainScores(
        *(score.masked_fill(~may, -torch.inf).requires_grad_() for score, may in zip(scores, allowed, strict=True))
    )
    losses = chain.negative_log_likelihood(emissions, gold, lengths, scores)
    found = chain.marginals(emissions, lengths, scores)
    for loss, shares, rows, path in zip(losses.tolist(), found, sentences(emissions, lengths), gold, strict=True):
        path = tuple(path[: len(rows)].tolist())
        listed = reference.probabilities(reference.everything(rows, *lists(scores)))
        np.testing.assert_allclose(loss, -math.log(listed[path]), rtol=1e-9)
        expected = np.zeros((len(rows), 4))
        for each, probability in listed.items():
            expected[range(len(rows)), each] += probability
        np.testing.assert_allclose(shares[: len(rows)], expected, atol=1e-12)
    for gradient, may in zip(torch.autograd.grad(losses.sum(), scores), allowed, strict=True):
        assert gradient.isfinite().all()
        assert (gradient[~may] == 0).all()


@dtypes
def test_padding_that_no_tag_can_reach_has_no_probability_and_no_gradient(dtype):
    """The first sentence is known to end with a tag that nothing may follow."""
    transitions = torch.tensor([[0.0, 0.0], [-torch.inf, -torch.inf]], dtype=dtype)
    scores = ChainScores(*(score.requires_grad_() for score in (transitions, *transitions.new_zeros(2, 2))))
    emissions = transitions.new_zeros(2, 3, 2)
    emissions[0, 0, 0] = -torch.inf
    lengths, gold = torch.tensor([1, 3]), torch.tensor([[1, 0, 0], [0, 0, 1]])
    expected = torch.tensor([[[0, 1], [0, 0], [0, 0]], [[1, 0], [1, 0], [0.5, 0.5]]], dtype=dtype)
    torch.testing.assert_close(chain.marginals(emissions, lengths, scores), expected)
    losses = chain.negative_log_likelihood(emissions.requires_grad_(), gold, lengths, scores)
    torch.testing.assert_close(losses, torch.tensor([0, math.log(2)], dtype=dtype))
    of_emissions, of_transitions, of_start, of_end = torch.autograd.grad(losses.sum(), [emissions, *scores])
    seen = torch.tensor([[[0, 1], [0, 0], [0, 0]], [[1, 0], [1, 0], [0, 1]]], dtype=dtype)
    torch.testing.assert_close(of_emissions, expected - seen)
    torch.testing.assert_close(of_transitions, torch.tensor([[0.5, -0.5], [0, 0]], dtype=dtype))
    torch.testing.assert_close(of_start, torch.zeros(2, dtype=dtype))
    torch.testing.assert_close(of_end, torch.tensor([0.5, -0.5], dtype=dtype))


@dtypes
def test_spans_through_a_tag_that_nothing_may_follow_have_no_probability(dtype):
    transitions = torch.tensor([[0.0, 0.0], [-torch.inf, -torch.inf]], dtype=dtype)
    scores = ChainScores(transitions, *transitions.new_zeros(2, 2))
    paths = torch.tensor(list(itertools.product(range(2), repeat=3)))
    nowhere = torch.zeros(8, dtype=torch.int64)
    for width, expected in ((3, [0.5, 0.5] + [0.0] * 6), (2, [1.0] * 2 + [0.0] * 6), (1, [1.0] * 4 + [0.0] * 4)):
        found = chain.span_log_probability(
            transitions.new_zeros(1, 3, 2), torch.tensor([3]), nowhere, nowhere, paths, nowhere + width, scores
        )
        torch.testing.assert_close(found.exp(), torch.tensor(expected, dtype=dtype))


@pytest.mark.parametrize("emission_scale", [1.0, 1e4])
@pytest.mark.parametrize("transition_scale", [1.0, 60.0, 1e4])
def test_single_precision_follows_double_whatever_the_scale(emission_scale, transition_scale):
    emissions, gold, lengths, scores = draw(4, [40, 25, 0, 1], 7, dtype=torch.float32)
    emissions = (emissions * emission_scale).requires_grad_()
    scores = ChainScores((scores.transitions * transition_scale).requires_grad_(), *scores[1:])
    wide = ChainScores(*(score.double() for score in scores))
    loss = chain.negative_log_likelihood(emissions, gold, lengths, scores)
    expected = chain.negative_log_likelihood(emissions.double(), gold, lengths, wide)
    torch.testing.assert_close(loss.double(), expected, rtol=1e-5, atol=1e-5)
    leaves = [emissions, scores.transitions]
    pairs = zip(*(torch.autograd.grad(each.sum(), leaves) for each in (loss, expected)), strict=True)
    for gradient, other in pairs:
        # A score of 1e4 in single precision is right to 1e-3 at most, and so are logarithms of probabilities.
        torch.testing.assert_close(gradient, other, rtol=1e-3, atol=1e-6 * max(10, emission_scale, transition_scale))
    found, score = chain.viterbi(emissions, lengths, scores)
    other, best = chain.viterbi(emissions.double(), lengths, wide)
    assert torch.equal(found, other)
    torch.testing.assert_close(score.double(), best, rtol=1e-5, atol=1e-4)


def test_loss_of_a_long_sentence_keeps_its_digits():
    """The log Z and the score are some 30,000 each, where neighbouring numbers of float32 are 0.002 apart."""
    emissions, _, lengths, scores = draw(5, [3_000], 5, scale=5.0, dtype=torch.float32)
    wide = ChainScores(*(score.double() for score in scores))
    gold, _ = chain.viterbi(emissions, lengths, scores)
    assert torch.equal(gold, chain.viterbi(emissions.double(), lengths, wide)[0])
    loss = chain.negative_log_likelihood(emissions, gold, lengths, scores)
    expected = chain.negative_log_likelihood(emissions.double(), gold, lengths, wide)
    torch.testing.assert_close(loss.double(), expected, rtol=1e-5, atol=1e-5)


@dtypes
@pytest.mark.parametrize("rubbish", [0.0, 1e4, math.inf, math.nan])
def test_padding_and_the_rest_of_the_batch_do_not_matter(dtype, rubbish):
    emissions, gold, lengths, scores = draw(6, [3, 9, 0, 1, 9], 4, scale=2.0, dtype=dtype)
    allowed = allow(6, 4)

    def results(emissions, gold, lengths):
        emissions = emissions.clone().requires_grad_()
        loss = chain.negative_log_likelihood(emissions, gold, lengths, scores)
        (gradient,) = torch.autograd.grad(loss.sum(), emissions)
        best, score = chain.viterbi(emissions, lengths, scores)
        legal_best, legal_score = chain.viterbi(emissions, lengths, scores, allowed=allowed)
        return (
            [loss, score, legal_score],
            [gradient, chain.marginals(emissions, lengths, scores)],
            [best, legal_best],
        )

    together = torch.full((5, 12, 4), rubbish, dtype=dtype)
    tags = torch.full((5, 12), -1)
    for row, length in enumerate(lengths):
        together[row, :length] = emissions[row, :length]
        tags[row, :length] = gold[row, :length]
    of_sentence, of_places, paths = results(together, tags, lengths)
    for row, length in enumerate(lengths.tolist()):
        alone = results(emissions[row : row + 1, :length], gold[row : row + 1, :length], lengths[row : row + 1])
        for found, expected in zip(of_sentence, alone[0], strict=True):
            torch.testing.assert_close(found[row : row + 1], expected)
        for found, expected in zip(of_places + paths, alone[1] + alone[2], strict=True):
            torch.testing.assert_close(found[row : row + 1, :length], expected)
            assert (found[row, length:] == 0).all()


def test_gradient_can_be_left_out_and_cannot_be_differentiated_again():
    emissions, gold, lengths, scores = draw(7, [4, 2], 3)
    emissions.requires_grad_()
    loss = chain.negative_log_likelihood(emissions, gold, lengths, scores)
    (gradient,) = torch.autograd.grad(loss.square().sum(), emissions, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.square().sum().backward()
    for context in (torch.no_grad(), torch.inference_mode()):
        with context:
            fixed = chain.negative_log_likelihood(emissions, gold, lengths, scores)
        assert not fixed.requires_grad
        assert torch.equal(fixed, loss)


def test_autocast_and_half_precision_are_computed_in_single():
    emissions, gold, lengths, scores = draw(8, [20, 7], 5, dtype=torch.bfloat16)
    emissions.requires_grad_()
    crf = LinearChainCRF(5)
    with torch.no_grad():
        crf.transitions.copy_(scores.transitions)
    expected = crf.negative_log_likelihood(emissions.float(), gold, lengths)
    marginals, (tags, score) = crf.marginals(emissions.float(), lengths), crf.viterbi(emissions.float(), lengths)
    with torch.autocast("cpu", torch.bfloat16):
        loss = crf.negative_log_likelihood(emissions, gold, lengths)
        assert torch.equal(crf.marginals(emissions, lengths), marginals)
        assert torch.equal(crf.viterbi(emissions, lengths)[0], tags)
        assert torch.equal(crf.viterbi(emissions, lengths)[1].float(), score)
    assert torch.equal(loss, expected)
    gradients = torch.autograd.grad(loss.sum(), [emissions, crf.transitions])
    assert [gradient.dtype for gradient in gradients] == [torch.bfloat16, torch.float32]


@pytest.mark.parametrize("kind", [torch.int32, torch.int64])
def test_integers_of_either_size_will_do(kind):
    emissions, gold, lengths, _ = draw(9, [5, 3, 0], 4)
    emissions.requires_grad_()
    crf = LinearChainCRF(4).double()
    small_gold, small_lengths = gold.to(kind), lengths.to(kind)
    loss = crf.negative_log_likelihood(emissions, small_gold, small_lengths)
    loss.sum().backward()
    assert torch.equal(loss, crf.negative_log_likelihood(emissions, gold, lengths))
    for found, expected in zip(crf.viterbi(emissions, small_lengths), crf.viterbi(emissions, lengths), strict=True):
        assert torch.equal(found, expected)
    assert torch.equal(crf.marginals(emissions, small_lengths), crf.marginals(emissions, lengths))
    span = [torch.tensor(each, dtype=kind) for each in ([0, 1], [2, 0], [[1, 2, 3], [2, 0, 0]], [3, 1])]
    wide = [each.long() for each in span]
    assert torch.equal(
        crf.span_log_probability(emissions, small_lengths, *span), crf.span_log_probability(emissions, lengths, *wide)
    )


@pytest.mark.parametrize("shape", [(0, 4, 3), (2, 0, 3), (0, 0, 3)])
def test_no_sentences_and_empty_ones_cost_nothing(shape):
    crf = LinearChainCRF(3)
    emissions, lengths = torch.zeros(shape, requires_grad=True), torch.zeros(shape[0], dtype=torch.int64)
    tags, score = crf.viterbi(emissions, lengths)
    assert tags.shape == shape[:2]
    assert (score == 0).all()
    loss = crf.negative_log_likelihood(emissions, tags, lengths)
    loss.sum().backward()
    assert loss.tolist() == [0] * shape[0]
    assert (crf.transitions.grad == 0).all()
    assert crf.marginals(emissions, lengths).shape == shape
    nothing = lengths[:0]
    assert crf.span_log_probability(emissions, lengths, nothing, nothing, nothing.view(0, 2), nothing).shape == (0,)


def test_chain_learns_what_follows_what():
    """Emissions say nothing; tags go 0 1 2 0 1 2 ... and begin anywhere."""
    crf = LinearChainCRF(3)
    tags = (torch.arange(8) + torch.arange(3)[:, None]) % 3
    emissions, lengths = torch.zeros(3, 8, 3), torch.tensor([8, 8, 8])
    optimizer = torch.optim.Adam(crf.parameters(), lr=0.3)
    for _ in range(40):
        optimizer.zero_grad()
        crf.negative_log_likelihood(emissions, tags, lengths).mean().backward()
        optimizer.step()
    emissions[torch.arange(3), 4, tags[:, 4]] = 1.0
    assert torch.equal(crf.viterbi(emissions, lengths)[0], tags)


@pytest.mark.parametrize("scale", [1.0, 100.0])
def test_the_device_is_not_waited_for_at_every_step(scale):
    def waits(time):
        emissions, gold, lengths, scores = draw(11, [time, time - 1], 3, scale=scale, dtype=torch.float32)
        emissions.requires_grad_()
        names = []
        with Watching(lambda name, _: names.append(name)):
            chain.negative_log_likelihood(emissions, gold, lengths, scores).sum().backward()
            chain.viterbi(emissions, lengths, scores)
            chain.marginals(emissions, lengths, scores)
        return sum(name in WAITS for name in names)

    assert 0 < waits(5) == waits(25)


@pytest.mark.parametrize("lengths", [[4, 1], [-1, 2]])
def test_a_length_that_cannot_be_is_refused(lengths):
    crf, emissions, lengths = LinearChainCRF(2), torch.zeros(2, 3, 2), torch.tensor(lengths)
    nothing = lengths[:0]
    for compute in (
        lambda: crf.negative_log_likelihood(emissions, torch.zeros(2, 3, dtype=torch.int64), lengths),
        lambda: crf.viterbi(emissions, lengths),
        lambda: crf.marginals(emissions, lengths),
        lambda: crf.span_log_probability(emissions, lengths, nothing, nothing, nothing.view(0, 2), nothing),
    ):
        with pytest.raises(InputError, match="lengths must be from 0 to 3"):
            compute()


@pytest.mark.parametrize("tag", [-1, 2])
def test_a_tag_that_cannot_be_is_refused_with_its_place(tag):
    tags = torch.tensor([[0, 1, 9], [0, tag, 1]])
    with pytest.raises(InputError, match=f"tags must be from 0 to 1, got {tag} at position 1 of sentence 1"):
        LinearChainCRF(2).negative_log_likelihood(torch.zeros(2, 3, 2), tags, torch.tensor([2, 3]))


def test_a_chain_without_tags_is_refused():
    with pytest.raises(InputError, match="at least 1 tag, got 0"):
        LinearChainCRF(0)


def test_of_a_single_tag_there_is_no_doubt():
    crf, emissions = LinearChainCRF(1), torch.randn(2, 3, 1, generator=torch.Generator().manual_seed(0))
    tags, lengths = torch.zeros(2, 3, dtype=torch.int64), torch.tensor([3, 1])
    torch.testing.assert_close(crf.negative_log_likelihood(emissions, tags, lengths), torch.zeros(2))
    assert not crf.viterbi(emissions, lengths)[0].any()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
def test_no_positions_give_the_type_that_some_give(dtype):
    scores = ChainScores(*(torch.zeros(shape, dtype=dtype) for shape in ((2, 2), (2,), (2,))))
    found = []
    for time in (0, 1):
        emissions, lengths = torch.zeros(3, time, 2, dtype=dtype), torch.full((3,), time)
        shares, (tags, best) = chain.marginals(emissions, lengths, scores), chain.viterbi(emissions, lengths, scores)
        assert shares.shape == emissions.shape
        assert shares.data_ptr() != emissions.data_ptr() or not time
        found.append((shares.dtype, tags.dtype, best.dtype))
    assert found[0] == found[1]


def test_what_is_computed_stays_where_the_input_is():
    emissions, gold, lengths, scores = draw(0, [3, 0, 2], 3)
    torch.set_default_device("meta")
    try:
        loss = chain.negative_log_likelihood(emissions, gold, lengths, scores)
        tags, _ = chain.viterbi(emissions, lengths, scores)
        shares = chain.marginals(emissions, lengths, scores)
        dropped = Dropout(0.5)(emissions)
        attended = SelfAttention(4, 2).to_empty(device="cpu")(torch.zeros(1, 2, 4, device="cpu"), causal=True)
    finally:
        torch.set_default_device(None)
    assert {each.device.type for each in (loss, tags, shares, dropped, attended)} == {"cpu"}
