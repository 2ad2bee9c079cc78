import math

import numpy as np
import torch
from nn.chains import allow, draw, examples, legal, lists, sentences, small
from reference import crf as reference

from latticework.nn import AllowedTags, ChainScores, LinearChainCRF
from latticework.nn.viterbi import viterbi


@examples
@small
def test_viterbi_is_the_best_of_all_sequences_listed(lengths, tags, scale, seed):
    emissions, _, lengths, scores = draw(seed, lengths, tags, scale=scale)
    found, best = viterbi(emissions, lengths, scores)
    for path, score, rows in zip(found.tolist(), best.tolist(), sentences(emissions, lengths), strict=True):
        listed = reference.everything(rows, *lists(scores))
        assert tuple(path[: len(rows)]) == max(listed, key=listed.get)
        assert not any(path[len(rows) :])
        np.testing.assert_allclose(score, max(listed.values()), rtol=1e-12, atol=1e-12)


@examples
@small
def test_constrained_viterbi_is_the_best_of_the_legal_sequences(lengths, tags, scale, seed):
    emissions, _, lengths, scores = draw(seed, lengths, tags, scale=scale)
    allowed = allow(seed, tags)
    found, best = viterbi(emissions, lengths, scores, allowed=allowed)
    for path, score, rows in zip(found.tolist(), best.tolist(), sentences(emissions, lengths), strict=True):
        listed = reference.everything(rows, *lists(scores))
        listed = {each: value for each, value in listed.items() if legal(each, allowed)}
        assert tuple(path[: len(rows)]) == max(listed, key=listed.get)
        np.testing.assert_allclose(score, max(listed.values()), rtol=1e-12, atol=1e-12)


def test_small_differences_decide_at_the_end_of_a_long_sentence():
    emissions = torch.full((1, 3_000, 2), 16.0)
    emissions[0, -1, 1] += 1e-4
    scores = ChainScores(torch.zeros(2, 2), torch.zeros(2), torch.zeros(2))
    found, _ = viterbi(emissions, torch.tensor([3_000]), scores)
    assert found[0].tolist() == [0] * 2_999 + [1]


def test_a_sentence_of_far_larger_scores_beside_it_takes_no_digits():
    generator = torch.Generator().manual_seed(0)
    emissions, transitions = torch.randn(2, 50, 4, generator=generator), torch.randn(4, 4, generator=generator)
    scores, lengths = ChainScores(transitions, torch.zeros(4), torch.zeros(4)), torch.tensor([50, 50])
    emissions[1] += 1e6
    both, _ = viterbi(emissions, lengths, scores)
    alone, _ = viterbi(emissions[:1], lengths[:1], scores)
    assert torch.equal(both[:1], alone)


def test_where_nothing_is_legal_the_score_is_minus_infinity():
    crf = LinearChainCRF(2)
    _, best = crf.viterbi(torch.zeros(3, 4, 2), torch.tensor([4, 1, 0]))
    assert best.isfinite().all()
    never = AllowedTags(torch.eye(2, dtype=torch.bool), torch.tensor([True, False]), torch.tensor([False, True]))
    _, score = crf.viterbi(torch.zeros(3, 4, 2), torch.tensor([4, 1, 0]), allowed=never)
    assert score.tolist() == [-math.inf, -math.inf, 0.0]


def test_emissions_in_favour_of_the_illegal_are_overruled():
    """B M E S and O of one type, and emissions that cry for what may not be."""
    names = ["O", "B", "M", "E", "S"]
    follows = {"O": "OBS", "B": "ME", "M": "ME", "E": "OBS", "S": "OBS"}
    allowed = AllowedTags(
        torch.tensor([[after in follows[before] for after in names] for before in names]),
        torch.tensor([name in "OBS" for name in names]),
        torch.tensor([name in "OES" for name in names]),
    )
    emissions, _, lengths, scores = draw(10, [1, 2, 30, 180, 7], 5, scale=1e4, dtype=torch.float32)
    found, score = viterbi(emissions, lengths, scores, allowed=allowed)
    assert all(legal(path, allowed) for path in sentences(found, lengths))
    unconstrained, higher = viterbi(emissions, lengths, scores)
    assert not all(legal(path, allowed) for path in sentences(unconstrained, lengths))
    assert (score <= higher).all()
